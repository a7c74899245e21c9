"""Rows copied out of the log viewer of ISA Server or Forefront TMG as a table: a line of column titles, then a line a row.

What "Copy All Results to Clipboard" gives, separated by tabs; which columns there are, and their order, is up to the
console. Time is local to it and in its regional form; where "GMT Log Time" is among the columns, that counts. Where the
order of day and month cannot be told a row has no time.
Cannot tell: what the console's columns leave out: show source and destination ports, result code and rule before
copying.
"""

import re
from collections.abc import Iterable, Iterator

from rpcdiag.logs import isa
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat

_NEEDED = frozenset({"client ip", "destination ip", "destination port", "action"})
_ACTIONS = {
    "initiated connection": "establish",
    "closed connection": "terminate",
    "denied connection": "denied",
    "allowed connection": "allowed",
    "failed connection attempt": "failed",
    "connection status": "intermediate",
}
_CODE = re.compile(r"\b0x[0-9a-fA-F]{1,8}\b")
_SAME = ("rule", "source network", "destination network", "nat address")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(set(_titles(line)) >= _NEEDED for line in head.splitlines()[:20]):
        return None
    return "not isa-tmg-viewer-table: no line of titles with tabs that names Client IP, Destination IP and Action"


def _titles(line: str) -> list[str]:
    return [title.strip(' "').lower() for title in line.split("\t")]


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    titles: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip("\r\n\x00")
        if set(_titles(text)) >= _NEEDED:
            titles = _titles(text)
        elif text.strip():
            yield _entry(number, text, titles)


def _entry(line: int, text: str, titles: list[str]) -> LogEntry | BadLine:
    if not titles:
        return BadLine(line, "a row before any column titles")
    values = [value.strip(' "') for value in text.split("\t")]
    if len(values) < min(len(titles), 4):
        return BadLine(line, f"{len(values)} values where {len(titles)} are announced")
    row = dict(zip(titles, values, strict=False))
    action = _ACTIONS.get(row.get("action", "").lower())
    code = _CODE.search(row.get("result code", "") or row.get("error information", ""))
    fields = {
        "computer": row.get("server name", ""),
        "action": action or "",
        "source": _end(row.get("client ip", ""), row.get("source port", "")),
        "destination": _end(row.get("destination ip", ""), row.get("destination port", "")),
        "ip protocol": row.get("transport") or "tcp",
        "application protocol": row.get("protocol", ""),
        "status": code[0] if code else "",
        **{name: row.get(name, "") for name in _SAME},
    }
    gmt = isa.regional(row.get("gmt log time", ""))
    written = gmt if gmt is not None else isa.regional(row.get("log time", ""))
    entry = isa.row(line, written, fields, basis="local" if gmt is None else "utc")
    return entry if action else entry._replace(action="unknown")


def _end(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if port else host


FORMAT = LogFormat(
    "isa-tmg-viewer-table", "ISA Server and Forefront TMG, table copied from the log viewer", why_not, parse
)
