"""Windows Firewall, pfirewall.log.

Told by its header lines, or by the shape of its rows where the header was lost. Time is local and in whole seconds;
one row per dropped packet, one per admitted connection. `tcpsyn` is the sequence number of the packet: for a SYN the
initial one, the best key into a capture. A DROP with path SEND was refused before any packet was made.
Cannot tell: which rule dropped; drops at all, where `LogBlocked` is off for the profile in use (log-not-enabled).
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import address, number, port, protocol, when

_HEADER = re.compile(r"#Software:\s*Microsoft Windows Firewall|#Fields:\s*date time action protocol src-ip", re.I)
_ACTIONS = {
    "ALLOW": "allow",
    "DROP": "drop",
    "OPEN": "open",
    "OPEN-INBOUND": "open",
    "CLOSE": "close",
    "INFO-EVENTS-LOST": "lost",
}
_PATHS = {"SEND": "out", "RECEIVE": "in", "FORWARD": "fwd"}
_COLUMNS = [
    *("date", "time", "action", "protocol", "src-ip", "dst-ip", "src-port", "dst-port", "size"),
    *("tcpflags", "tcpsyn", "tcpack", "tcpwin", "icmptype", "icmpcode", "info", "path"),
]
_WITH_PID = [*_COLUMNS, "pid"]  # from Windows 11 and Server 2022 on
_WORDS = "|".join(_ACTIONS)
_START = re.compile(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d (?:{_WORDS})\b")
_ROW = re.compile(rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d (?:{_WORDS}) \S+ \S+ \S+", re.M)


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if _HEADER.search(head) or _ROW.search(head):
        return None
    return (
        "not windows-firewall: no '#Software: Microsoft Windows Firewall' and no row with date, time and ALLOW or DROP"
    )


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    columns, basis = _WITH_PID, "local"
    for line_number, line in enumerate(lines, start=1):
        text = line.strip(" \t\r\n\x00")
        if text.startswith("#"):
            if text.startswith("#Fields:"):
                columns = _announced(text)
            elif text.startswith("#Time Format:"):
                basis = "utc" if "UTC" in text.upper() else "local"
        elif text:
            for row in _rows(text):
                yield _entry(line_number, row, columns, basis)


def _announced(text: str) -> list[str]:
    """The columns of a header; 17 are read as 18, for a new service goes on in an old file without a new header."""
    columns = text.split()[1:]
    return _WITH_PID if not columns or columns == _COLUMNS else columns


def _rows(text: str) -> list[str]:
    """The rows of a line: one, except where the end of a line was lost."""
    starts = [found.start() for found in _START.finditer(text)]
    if len(starts) <= 1 and (not starts or starts[0] == 0):
        return [text]
    edges = [0, *(start for start in starts if start), len(text)]
    return [text[begin:end] for begin, end in pairwise(edges)]


def _entry(line: int, row: str, columns: list[str], basis: str) -> LogEntry | BadLine:
    values = row.split()
    fields = dict(zip(columns, values, strict=False))
    action = _ACTIONS.get(fields.get("action", ""))
    if action is None:
        return BadLine(line, f"no known action in {row[:60]!r}")
    if len(values) < min(len(columns), len(_COLUMNS)) and action != "lost":
        return BadLine(line, f"{len(values)} values where {min(len(columns), len(_COLUMNS))} belong")
    try:
        written, resolution = when(fields.get("date", ""), fields.get("time", ""))
    except ValueError as error:
        return BadLine(line, f"no time: {error}")
    name = protocol(fields.get("protocol"))
    with_ports = name in ("tcp", "udp")
    flags = fields.get("tcpflags", "-")
    return LogEntry(
        line=line,
        written_ns=written,
        resolution_ns=resolution,
        basis=basis,
        action=action,
        protocol=name,
        source=address(fields.get("src-ip")),
        source_port=port(fields.get("src-port")) if with_ports else None,
        destination=address(fields.get("dst-ip")),
        destination_port=port(fields.get("dst-port")) if with_ports else None,
        path=_PATHS.get(fields.get("path", "-"), "unknown"),
        flags=flags if flags != "-" else None,
        sequence=number(fields.get("tcpsyn")) if flags != "-" else None,
        pid=number(fields.get("pid")),
        lost=number(fields.get("info")) or 0 if action == "lost" else 0,
    )


FORMAT = LogFormat("windows-firewall", "Windows Firewall, pfirewall.log", why_not, parse)
