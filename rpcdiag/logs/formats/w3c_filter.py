"""Any W3C extended log that names client, remote end and action, as RPC filters and proxies write it. Time is UTC.

Cannot tell: sequence numbers, and what its writer does not name.
"""

from collections.abc import Iterable, Iterator

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import address, port, protocol, when

_ACTIONS = {
    "denied": "drop",
    "deny": "drop",
    "dropped": "drop",
    "drop": "drop",
    "blocked": "drop",
    "block": "drop",
    "rejected": "reject",
    "reset": "reset",
    "allowed": "allow",
    "allow": "allow",
    "permitted": "allow",
    "opened": "open",
    "established": "open",
    "closed": "close",
    "failed": "fail",
}
_NEEDED = frozenset({"date", "time", "c-ip", "r-ip", "action"})


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    for line in head.splitlines():
        if line.startswith("#Fields:") and set(_columns(line)) >= _NEEDED:
            return None
    return "not w3c-filter: no '#Fields:' line that names c-ip, r-ip and action"


def _columns(line: str) -> list[str]:
    return line.removeprefix("#Fields:").lower().split()


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    columns: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip("\r\n\x00")
        if text.startswith("#Fields:"):
            columns = _columns(text)
        elif text.strip() and not text.startswith("#"):
            yield _entry(number, text, columns)


def _entry(line: int, text: str, columns: list[str]) -> LogEntry | BadLine:
    if not columns:
        return BadLine(line, "a row before any #Fields line")
    # only the last value can hold blanks, and it can be missing
    values = text.split("\t") if "\t" in text else text.split(None, len(columns) - 1)
    if len(values) < len(columns) - 1:
        return BadLine(line, f"{len(values)} values where {len(columns)} are announced")
    fields = {name: value.strip() for name, value in zip(columns, values, strict=False) if value.strip() != "-"}
    try:
        written, resolution = when(fields.get("date", ""), fields.get("time", ""))
    except ValueError as error:
        return BadLine(line, f"no time: {error}")
    return LogEntry(
        line=line,
        written_ns=written,
        resolution_ns=resolution,
        basis="utc",
        action=_ACTIONS.get(fields.get("action", "").lower(), "info"),
        protocol=protocol(fields.get("s-proto") or fields.get("cs-transport") or fields.get("protocol") or "tcp"),
        source=address(fields.get("c-ip")),
        source_port=port(fields.get("c-port")),
        destination=address(fields.get("r-ip")),
        destination_port=port(fields.get("r-port")),
        path="fwd",
        rule=fields.get("rule"),
        service=fields.get("filter-info"),
    )


FORMAT = LogFormat("w3c-filter", "W3C extended log of a filter or proxy", why_not, parse)
