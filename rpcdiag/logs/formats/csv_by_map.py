"""Any separated values, by a mapping file (`--log-map FILE`, YAML or JSON).

Of the file: delimiter (comma), header (true) or columns by number from 1, skip (lines before), comment (prefix). Of the
row: time (column or columns, format, zone), source, source_port, destination, destination_port, protocol, action, and
what else an entry can hold: rule, reason, device, service, flags, sequence, ip_id, ttl, path, source_zone,
destination_zone, connection, translated_source and the like. `actions` says what a word means: allow, drop, reject, reset,
open, close, fail, progress, lost, info; usual words need none. `docs/logs-vendors.md` has an example.
Cannot tell: what the map does not name. Without sequence numbers, three connections are needed to measure its clock.
"""

from collections.abc import Iterable, Iterator

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat


def why_not(_: str) -> str | None:
    """Without a map no file is ours; with one `logmap.load` makes the format that takes this one's place."""
    return "not csv-by-map: no mapping file was given (--log-map FILE)"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    for number, _ in enumerate(lines, start=1):
        yield BadLine(number, "no mapping file was given (--log-map FILE)")


FORMAT = LogFormat("csv-by-map", "any separated values, described by --log-map FILE", why_not, parse)
