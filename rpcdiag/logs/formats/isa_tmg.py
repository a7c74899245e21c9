"""ISA Server 2004/2006 and Forefront TMG 2010, firewall log in W3C form.

Told by its `#Fields` line: tab separated, names with blanks in them. Time is UTC. Establish means that the rules
admitted the connection, not that the server answered; a connection that an application filter kills shows as Establish
and Terminate without any denial. Rows whose tabs were lost when they were pasted somewhere are read as far as the result
code: behind it nobody can tell where a name ends.
Cannot tell: the sequence number; why the RPC filter ended a connection: there is no denial for it, only a result code.
"""

import re
from collections.abc import Iterable, Iterator

from rpcdiag.logs import isa
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import when

_NEEDED = ("date", "time", "source", "destination", "action")
_ACTIONS = "Establish|Terminate|Denied|Allowed|Failed|Intermediate"
_TABS_LOST = re.compile(
    r"(?P<computer>\S{1,64}) (?P<date>\d{4}-\d\d-\d\d) (?P<time>\d\d:\d\d:\d\d) (?P<protocol>[A-Za-z0-9-]{1,16}) "
    rf"(?P<source>\S{{3,60}}) (?P<destination>\S{{3,60}}) \S{{1,60}} [^\t]{{0,160}}?\b(?P<action>{_ACTIONS}) "
    r"(?P<status>0x[0-9a-fA-F]{1,8})\b"
)


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    for line in head.splitlines():
        if line.startswith("#Fields:"):
            names = _columns(line)
            if all(name in names for name in _NEEDED) and "\t" in line:
                return None
        elif _TABS_LOST.match(line[:1000]):
            return None
    return "not isa-tmg-w3c: no '#Fields:' line with tabs that names source, destination and action"


def _columns(line: str) -> list[str]:
    return [name.strip().lower() for name in line.removeprefix("#Fields:").strip().split("\t")]


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    columns: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip("\r\n\x00")
        if text.startswith("#"):
            if text.startswith("#Fields:"):
                columns = _columns(text)
        elif text.strip():
            yield _entry(number, text, columns)


def _entry(line: int, text: str, columns: list[str]) -> LogEntry | BadLine:
    if "\t" not in text and len(columns) != 1:
        return _without_tabs(line, text)
    if not columns:
        return BadLine(line, "a row before any #Fields line")
    values = text.split("\t")
    if len(values) < min(len(columns), 12):  # past the rule, editors cut off values that are empty
        return BadLine(line, f"{len(values)} values where {len(columns)} are announced")
    fields = dict(zip(columns, values, strict=False))
    try:
        written, resolution = when(fields.get("date", "").strip(), fields.get("time", "").strip())
    except ValueError as error:
        return BadLine(line, f"no time: {error}")
    return isa.row(line, written, fields, basis="utc", resolution_ns=resolution)


def _without_tabs(line: int, text: str) -> LogEntry | BadLine:
    """What stands at places that nothing else can be taken for."""
    found = _TABS_LOST.match(text)
    if found is None:
        return BadLine(line, "its tabs are lost: values with blanks cannot be told apart")
    fields = found.groupdict()
    try:
        written, resolution = when(fields["date"], fields["time"])
    except ValueError as error:
        return BadLine(line, f"no time: {error}")
    fields["ip protocol"] = fields["protocol"]
    return isa.row(line, written, fields, basis="utc", resolution_ns=resolution)


FORMAT = LogFormat("isa-tmg-w3c", "ISA Server and Forefront TMG, W3C firewall log", why_not, parse)
