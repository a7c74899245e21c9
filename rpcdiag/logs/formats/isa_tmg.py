"""ISA Server 2004/2006 and Forefront TMG 2010, firewall log in W3C form.

Told by its `#Fields` line: tab separated, names with blanks in them. Time is UTC. Establish means that the rules
admitted the connection, not that the server answered; a connection that an application filter kills shows as Establish
and Terminate without any denial.
"""

from collections.abc import Iterable, Iterator

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import endpoint, unsigned, when
from rpcdiag.logs.fwx_codes import CODES

_ACTIONS = {
    "establish": "open",
    "terminate": "close",
    "denied": "drop",
    "allowed": "allow",
    "failed": "fail",
    "intermediate": "progress",
    "successfulconnection": "info",
    "unsuccessfulconnection": "info",
}
_NEEDED = ("date", "time", "source", "destination", "action")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    for line in head.splitlines():
        if line.startswith("#Fields:"):
            names = _columns(line)
            if all(name in names for name in _NEEDED) and "\t" in line:
                return None
    return "not isa-tmg-w3c: no '#Fields:' line with tabs that names source, destination and action"


def _columns(line: str) -> list[str]:
    return [name.strip().lower() for name in line.removeprefix("#Fields:").strip(" \r\n").split("\t")]


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    columns: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip("\r\n\x00")
        if text.startswith("#"):
            if text.startswith("#Fields:"):
                columns = _columns(text)
        elif text.strip():
            if not columns:
                yield BadLine(number, "a row before any #Fields line")
                continue
            values = text.split("\t")
            if len(values) < min(len(columns), 12):
                yield BadLine(number, f"{len(values)} values where {len(columns)} are announced")
                continue
            yield _entry(number, dict(zip(columns, values, strict=False)))


def _entry(line: int, fields: dict[str, str]) -> LogEntry | BadLine:
    try:
        written, resolution = when(fields.get("date", ""), fields.get("time", ""))
    except ValueError as error:
        return BadLine(line, f"no time: {error}")
    protocol = (_value(fields, "ip protocol") or _value(fields, "transport") or "-").lower()
    source, source_port = endpoint(fields.get("source", "-"))
    destination, destination_port = endpoint(fields.get("destination", "-"))
    with_ports = protocol in ("tcp", "udp")
    action = fields.get("action", "").replace("_", "").lower()
    code = unsigned(_value(fields, "status") or _value(fields, "result code"))
    return LogEntry(
        line=line,
        written_ns=written,
        resolution_ns=resolution,
        basis="utc",
        action=_ACTIONS.get(action, "info"),
        protocol=protocol,
        source=source,
        source_port=source_port if with_ports else None,
        destination=destination,
        destination_port=destination_port if with_ports else None,
        path=_path(fields),
        device=_value(fields, "computer"),
        rule=_value(fields, "rule"),
        code=code,
        code_name=CODES[code][0] if code in CODES else None,
        service=_value(fields, "application protocol"),
        source_zone=_value(fields, "source network"),
        destination_zone=_value(fields, "destination network"),
        connection=_value(fields, "connection id"),
    )


def _value(fields: dict[str, str], name: str) -> str | None:
    text = fields.get(name, "").strip()
    return text if text and text != "-" else None


def _path(fields: dict[str, str]) -> str:
    if _value(fields, "source network") == "Local Host":
        return "out"
    return "in" if _value(fields, "destination network") == "Local Host" else "fwd"


FORMAT = LogFormat("isa-tmg-w3c", "ISA Server and Forefront TMG, W3C firewall log", why_not, parse)
