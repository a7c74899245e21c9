"""Any W3C extended log that names client, remote end and action, as RPC filters and proxies write it. Time is UTC."""

from collections.abc import Iterable, Iterator

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import address, port, when

_ACTIONS = {
    "denied": "drop",
    "dropped": "drop",
    "drop": "drop",
    "blocked": "drop",
    "allowed": "allow",
    "closed": "close",
}
_NEEDED = frozenset({"date", "time", "c-ip", "r-ip", "action"})


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    for line in head.splitlines():
        if line.startswith("#Fields:") and set(line.split()) >= _NEEDED:
            return None
    return "not w3c-filter: no '#Fields:' line that names c-ip, r-ip and action"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    columns: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip("\r\n\x00")
        if text.startswith("#Fields:"):
            columns = text.split()[1:]
        elif text.strip() and not text.startswith("#"):
            values = text.split("\t") if "\t" in text else text.split()
            if len(values) < len(columns) - 1 or not columns:
                yield BadLine(number, f"{len(values)} values where {len(columns)} are announced")
                continue
            yield _entry(number, dict(zip(columns, values, strict=False)))


def _entry(line: int, fields: dict[str, str]) -> LogEntry | BadLine:
    try:
        written, resolution = when(fields["date"], fields["time"])
    except (KeyError, ValueError) as error:
        return BadLine(line, f"no time: {error}")
    more = fields.get("filter-info")
    return LogEntry(
        line=line,
        written_ns=written,
        resolution_ns=resolution,
        basis="utc",
        action=_ACTIONS.get(fields.get("action", "").lower(), "info"),
        protocol=(fields.get("s-proto") or fields.get("protocol") or "tcp").lower(),
        source=address(fields.get("c-ip")),
        source_port=port(fields.get("c-port")),
        destination=address(fields.get("r-ip")),
        destination_port=port(fields.get("r-port")),
        path="fwd",
        rule=fields.get("rule"),
        service=more if more and more != "-" else None,
    )


FORMAT = LogFormat("w3c-filter", "W3C extended log of a filter or proxy", why_not, parse)
