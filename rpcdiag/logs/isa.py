"""What the rows of ISA Server and Forefront TMG have in common, however they are written down."""

import re
from collections.abc import Mapping

from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.fields import SECOND, address, endpoint, protocol, unsigned, when
from rpcdiag.logs.fwx_codes import CODES
from rpcdiag.logs.isa_names import is_local_host

_ACTIONS = {
    "establish": "open",
    "terminate": "close",
    "denied": "drop",
    "allowed": "allow",
    "failed": "fail",
    "intermediate": "progress",
    "initiated": "open",  # from here on as the viewer shows them; tables that were exported write them so
    "initiated connection": "open",
    "closed": "close",
    "closed connection": "close",
    "denied connection": "drop",
    "allowed connection": "allow",
    "failed connection attempt": "fail",
    "connection status": "progress",
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
    nat = address(_value(fields, "nat address"))
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
        translated_source=None if nat is None or nat.is_unspecified else nat,
    )


_DATE = re.compile(
    r"\b(\d{1,4})[/.-](\d{1,2})[/.-](\d{1,4}),? +(\d{1,2}):(\d\d):(\d\d)(?: *([AP])\.?M\b)?", re.I | re.A
)


def regional(text: str) -> int | None:
    """A time in a console's regional form, where it is beyond doubt which number is the month."""
    found = _DATE.search(text)
    if not found:
        return None
    one, two, three, hour, minute, second, half = found.groups()
    if len(one) == 4:
        year, month, day = one, two, three
    elif len(three) == 4 and (int(two) > 12 or one == two):
        year, month, day = three, one, two
    elif len(three) == 4 and int(one) > 12:
        year, month, day = three, two, one
    else:
        return None
    hours = int(hour) % 12 + (12 if half in "Pp" else 0) if half else int(hour)
    try:
        return when(f"{year}-{int(month):02}-{int(day):02}", f"{hours:02}:{minute}:{second}")[0]
    except ValueError:
        return None


def _value(fields: Mapping[str, str], name: str) -> str | None:
    text = fields.get(name, "").strip()
    return text if text and text != "-" else None


def _path(fields: Mapping[str, str]) -> str:
    if is_local_host(_value(fields, "source network")):
        return "out"
    return "in" if is_local_host(_value(fields, "destination network")) else "fwd"
