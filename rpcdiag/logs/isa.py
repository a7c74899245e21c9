"""What the rows of ISA Server and Forefront TMG have in common, however they are written down."""

from collections.abc import Mapping

from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.fields import SECOND, endpoint, protocol, unsigned
from rpcdiag.logs.fwx_codes import CODES

_ACTIONS = {
    "establish": "open",
    "terminate": "close",
    "denied": "drop",
    "allowed": "allow",
    "failed": "fail",
    "intermediate": "progress",
}


def row(
    line: int, written_ns: int | None, fields: Mapping[str, str], *, basis: str, resolution_ns: int = SECOND
) -> LogEntry:
    """A row whose values are named like the columns of the W3C form, in lower case.

    Every other action (Bind, Listen, the VPN ones; also with underscores) says nothing about a connection: info.
    """
    name = protocol(fields.get("ip protocol") or fields.get("transport"))
    source, source_port = endpoint(fields.get("source", "-").strip())
    destination, destination_port = endpoint(fields.get("destination", "-").strip())
    with_ports = name in ("tcp", "udp")  # of ICMP they are type and code
    code = unsigned(_value(fields, "status") or _value(fields, "result code"))
    return LogEntry(
        line=line,
        written_ns=written_ns,
        resolution_ns=resolution_ns,
        basis=basis,
        action=_ACTIONS.get(fields.get("action", "").strip().lower(), "info"),
        protocol=name,
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


def _value(fields: Mapping[str, str], name: str) -> str | None:
    text = fields.get(name, "").strip()
    return text if text and text != "-" else None


def _path(fields: Mapping[str, str]) -> str:
    if _value(fields, "source network") == "Local Host":
        return "out"
    return "in" if _value(fields, "destination network") == "Local Host" else "fwd"
