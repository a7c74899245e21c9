"""Palo Alto Networks PAN-OS: TRAFFIC rows, comma separated.

Told by `,TRAFFIC,` as the fourth value. The first 31 values stand where they stand in every release; later ones are
read where a row has them. `drop` and `deny` are refusals, the reset actions say who was sent one; a session that was
allowed has its start as time, which fits the SYN, and the reason of its end (aged-out: nobody answered, or nobody
closed). Applications: `incomplete` is a handshake that did not finish, `not-applicable` was refused before any packet
was looked at. Time is the device's own, without a zone, in newer releases also with one.
Cannot tell: the sequence number; the session, where the device dropped before it made one; rows that were merged, as
equal sessions of five seconds are (repeat count).
"""

from collections.abc import Iterable, Iterator, Sequence

from rpcdiag.logs import moments, syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import SECOND, address, port
from rpcdiag.logs.record import rows

_RECEIVED, _KIND, _SUBTYPE, _GENERATED, _SOURCE, _DESTINATION, _NAT_SOURCE, _NAT_DESTINATION, _RULE = (
    1,
    3,
    4,
    *range(6, 12),
)
_APPLICATION, _FROM, _TO, _SESSION = 14, 16, 17, 22
_PORT, _DESTINATION_PORT, _NAT_PORT, _NAT_DESTINATION_PORT, _PROTOCOL, _ACTION = 24, 25, 26, 27, 29, 30
_START, _RECEIVED_PACKETS, _REASON, _DEVICE = 35, 45, 46, 52
_SHORTEST = _ACTION + 1
_LATE_TIMES = 53  # values before it hold no time with a zone
_WITH_ZONE = len("2021-03-01T20:48:21+01:00")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if ",TRAFFIC," in head and any(_is_row(line) for line in head.splitlines()[:200]):
        return None
    return "not panos-traffic: no row whose fourth value is TRAFFIC"


def _is_row(line: str) -> bool:
    values = line.split(",", _KIND + 1)
    return len(values) > _KIND and values[_KIND] == "TRAFFIC"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row, around=" \r\n\x00")


def _row(line: int, text: str) -> LogEntry | BadLine | None:
    """The entry; None for a header and for rows of THREAT, SYSTEM and the like, which say nothing of connections."""
    values = _values(text)
    if len(values) <= _KIND:
        return BadLine(line, "no row of values separated by commas")
    if values[_KIND] != "TRAFFIC":
        known = values[_KIND] in ("THREAT", "SYSTEM", "CONFIG", "USERID", "GLOBALPROTECT", "DECRYPTION", "Type", "type")
        return None if known else BadLine(line, "its fourth value is not TRAFFIC")
    if len(values) < _SHORTEST:
        return BadLine(line, f"{len(values)} values where at least {_SHORTEST} belong")
    return _entry(line, text, values)


def _values(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        return next(csv.reader([text]), [])
    except csv.Error:
        return []


def _entry(line: int, text: str, values: Sequence[str]) -> LogEntry:
    action = words.action(values[_ACTION])
    if values[_SUBTYPE] == "drop":
        action = "drop"
    ns, resolution, basis = _when(text, values, by_start=action == "allow")
    name = words.transport(values[_PROTOCOL])
    ported = words.has_ports(name)
    source, destination = address(values[_SOURCE]), address(values[_DESTINATION])
    source_port = port(values[_PORT]) if ported else None
    destination_port = port(values[_DESTINATION_PORT]) if ported else None
    return LogEntry(
        line=line,
        written_ns=ns,
        resolution_ns=resolution,
        basis=basis,
        action=action,
        protocol=name,
        source=source,
        source_port=source_port,
        destination=destination,
        destination_port=destination_port,
        path="fwd",
        device=_value(values, _DEVICE) or _value(values, 2),
        rule=values[_RULE] or None,
        code_name=_reason(values, action),
        service=_value(values, _APPLICATION),
        source_zone=_value(values, _FROM),
        destination_zone=_value(values, _TO),
        connection=None if values[_SESSION] in ("", "0") else values[_SESSION],
        translated_source=words.translated(source, address(values[_NAT_SOURCE])),
        translated_source_port=words.translated_port(source_port, values[_NAT_PORT]),
        translated_destination=words.translated(destination, address(values[_NAT_DESTINATION])),
        translated_destination_port=words.translated_port(destination_port, values[_NAT_DESTINATION_PORT]),
    )


def _reason(values: Sequence[str], action: str) -> str | None:
    reason = _value(values, _REASON)
    if action == "allow" and values[_SUBTYPE] == "end" and _value(values, _RECEIVED_PACKETS) == "0":
        return f"{reason or 'ended'}, nothing came back"
    return values[_ACTION] if action == "reset" and reason is None else reason


def _value(values: Sequence[str], at: int) -> str | None:
    """A value, where the row has it and it says something."""
    text = values[at] if at < len(values) else ""
    return None if text in ("", "-", "N/A", "unknown") else text


def _when(text: str, values: Sequence[str], *, by_start: bool) -> tuple[int | None, int, str]:
    """The start of an admitted session, else when the row was made, else when it was received.

    Raises:
        ValueError: no such time.
    """
    start = _value(values, _START) if by_start else None
    for written in (start, values[_GENERATED], values[_RECEIVED]):
        if written and "/" in written[:5]:
            return moments.iso(written + _zone(values)) if written[:4].isdigit() else _american(written)
    return syslog.opened(text)[:3]


def _zone(values: Sequence[str]) -> str:
    """The zone of the device, which newer releases write with the one time that has fractions of a second."""
    for text in values[_LATE_TIMES:]:
        if len(text) >= _WITH_ZONE and text[10] == "T" and text[4] == "-" and text[-6] in "+-":
            return text[-6:]
    return ""


def _american(text: str) -> tuple[int, int, str]:
    """`9/16/19 10:00`, what is left of a time after a spreadsheet: no seconds."""
    date, _, clock = text.partition(" ")
    month, day, year = (int(part) for part in date.split("/"))
    whole = clock if clock.count(":") == 2 else f"{clock}:00"
    seconds = moments.seconds(year + 2000 if year < 100 else year, month, day, whole)
    return seconds * SECOND, SECOND if whole == clock else 60 * SECOND, "local"


FORMAT = LogFormat("panos-traffic", "Palo Alto Networks PAN-OS, TRAFFIC log", why_not, parse)
