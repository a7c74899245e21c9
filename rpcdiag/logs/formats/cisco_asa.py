"""Cisco ASA, FTD, FWSM and PIX: their syslog messages.

Told by `%ASA-`, `%FTD-` and the like. The number of the message says what happened, not its severity: 106001, 106006,
106007, 106014 and 106023 are refusals, 106015 is a packet without a connection (too late, or on another way), 106100
is a line of an access list and counts an interval, 3020xx are connections as they begin and end, 3050xx translations,
710003 is traffic to the device itself, 430002 and 430003 are connections of Firepower. Other messages are kept
as information. A connection is shown with its real ends; the mapped ones are the translated ones. The device randomises
sequence numbers, so none is read. Why a connection ended (SYN Timeout: the server was silent) is its reason.
Cannot tell: the sequence number; of 106100 with an interval when in that interval a packet came; whether DCE/RPC
inspection refused something, for it has no message of its own, only 'Flow closed by inspection'. The order of the ends
in 302014 is that of the security levels: the direction is known only where the log holds the 302013.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from rpcdiag.logs import asa_forms, moments, syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import SECOND, address, number, port
from rpcdiag.logs.record import rows

MAX_REMEMBERED = 100_000  # connections whose direction is remembered until they end
_CONNECTION_EVENTS = ("430001", "430002", "430003")
_FLAGS = {"SYN": "S", "ACK": "A", "FIN": "F", "RST": "R", "PSH": "P", "URG": "U"}


@cache
def _mark() -> re.Pattern[str]:
    return re.compile(r"%(?:ASA|FTD|FWSM|PIX|NGIPS)-(?:[a-z]{1,20}-)?(\d)-(\d{5,6}): ?")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if "%" in head and any(_mark().search(line) for line in head.splitlines()[:200]):
        return None
    return "not cisco-asa: no '%ASA-6-302013:' or other message of ASA, FTD, FWSM or PIX"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    outbound: dict[str, None] = {}  # connections that the higher security level began
    return rows(lines, lambda line, text: _row(line, text, outbound), why="")


def _row(line: int, text: str, outbound: dict[str, None]) -> LogEntry | BadLine:
    mark = _mark().search(text)
    if not mark:
        return BadLine(line, "no message of ASA, FTD, FWSM or PIX in it")
    envelope = syslog.opened(text)
    entry = LogEntry(line, *envelope[:3], "info", "-", None, None, None, None, device=envelope.device)
    return _entry(entry, mark.group(2), text[mark.end() :], outbound)


def _entry(entry: LogEntry, code: str, text: str, outbound: dict[str, None]) -> LogEntry:
    """What the message says.

    Raises:
        ValueError: it does not have the form that its number demands.
    """
    entry = entry._replace(code=int(code), code_name=code)
    if code in _CONNECTION_EVENTS:
        return _firepower(entry, text)
    form = asa_forms.form(code)
    if form is None:
        return entry
    found = form.match(text)
    if not found:
        raise ValueError(f"message {code} without the ends that belong to it")
    if code in _CONNECTIONS:
        return _connection(entry, found.groupdict(), outbound)
    reads = {"106100": _listed, "305011": _translation, "305012": _translation}.get(code, _denied)
    return reads(entry, found.groupdict())


_WHY = {
    "106001": "no access list admits it",
    "106006": "no access list admits it",
    "106007": "no access list admits it",
    "106015": "no connection",
    "106021": "reverse path check",
    "710003": "access to the device itself",
}
_ADMITTED = frozenset({"302013", "302015", "302020"})
_CONNECTIONS = _ADMITTED | {"302014", "302016", "302021"}


def _ends(entry: LogEntry, found: dict[str, str | None]) -> LogEntry:
    name = words.transport((found.get("proto") or "tcp").removeprefix("inbound ").removeprefix("protocol "))
    if entry.code in (106006, 106007):
        name = "udp"
    elif entry.code in (302020, 302021):
        name = "icmp"
    ported = words.has_ports(name)
    return entry._replace(
        protocol=name,
        source=address(found["a"]),
        source_port=port(found["a_port"]) if ported else None,
        destination=address(found["b"]),
        destination_port=port(found["b_port"]) if ported else None,
        source_zone=found.get("a_if"),
        destination_zone=found.get("b_if"),
        rule=found.get("rule"),
    )


def _denied(entry: LogEntry, found: dict[str, str | None]) -> LogEntry:
    why = found.get("due") or _WHY.get(entry.code_name or "")
    flags = "".join(_FLAGS.get(word, "") for word in (found.get("flags") or "").split()) or None
    return _ends(entry, found)._replace(
        action="drop",
        path="in" if entry.code == 710003 else "fwd",
        source_zone=found.get("a_if") or found.get("on"),
        flags=flags,
        code_name=f"{entry.code_name} {why}" if why else entry.code_name,
    )


def _listed(entry: LogEntry, found: dict[str, str | None]) -> LogEntry:
    """A row of an interval is written at its end: the packets lie in the time before it."""
    interval = int(found["interval"] or "0") * SECOND
    written = None if entry.written_ns is None else entry.written_ns - interval
    return _ends(entry, found)._replace(
        action="drop" if found["did"] == "denied" else "allow",
        path="fwd",
        written_ns=written,
        resolution_ns=entry.resolution_ns + interval,
    )


def _connection(entry: LogEntry, found: dict[str, str | None], outbound: dict[str, None]) -> LogEntry:
    """The ends stand by security level, the lower first: it is the source only where the connection is inbound."""
    name, identity = entry.code_name or "", found.get("id")
    begins = name in _ADMITTED
    entry = _ends(entry, found)._replace(action="open" if begins else "close", path="fwd", connection=identity)
    reason = (found.get("reason") or "").partition(" from ")[0].strip()
    if reason:
        entry = entry._replace(code_name=f"{name} {reason}")
    if "a_nat" in found:
        entry = entry._replace(
            translated_source=words.translated(entry.source, address(found["a_nat"])),
            translated_source_port=words.translated_port(entry.source_port, found["a_nat_port"]),
            translated_destination=words.translated(entry.destination, address(found["b_nat"])),
            translated_destination_port=words.translated_port(entry.destination_port, found["b_nat_port"]),
        )
    turned = found["way"] == "outbound"
    if identity:
        if begins and turned:
            if len(outbound) >= MAX_REMEMBERED:
                del outbound[next(iter(outbound))]
            outbound[identity] = None
        elif not begins and identity in outbound:
            turned = True
            del outbound[identity]
    return _turned(entry) if turned else entry


def _turned(entry: LogEntry) -> LogEntry:
    return entry._replace(
        source=entry.destination,
        source_port=entry.destination_port,
        source_zone=entry.destination_zone,
        translated_source=entry.translated_destination,
        translated_source_port=entry.translated_destination_port,
        destination=entry.source,
        destination_port=entry.source_port,
        destination_zone=entry.source_zone,
        translated_destination=entry.translated_source,
        translated_destination_port=entry.translated_source_port,
    )


def _translation(entry: LogEntry, found: dict[str, str | None]) -> LogEntry:
    """What follows `to` is not another end but the same one, translated."""
    entry = _ends(entry, found)
    return entry._replace(
        destination=None,
        destination_port=None,
        translated_source=words.translated(entry.source, entry.destination),
        translated_source_port=entry.destination_port,
    )


@cache
def _firepower_pair() -> re.Pattern[str]:
    """A value may hold commas: it goes on until the next name."""
    return re.compile(r"([A-Za-z][A-Za-z_ ]{1,40}): (.*?)(?=, ?[A-Za-z][A-Za-z_ ]{1,40}: |$)")


@cache
def _markup() -> re.Pattern[str]:
    return re.compile(r"<[a-z/ ]{1,10}>")


def _firepower(entry: LogEntry, text: str) -> LogEntry:
    """A connection event; its own first packet is the best time.

    Raises:
        ValueError: it names no ends.
    """
    fields = {name: _markup().sub("", value).strip() for name, value in _firepower_pair().findall(text)}
    source, destination = address(fields.get("SrcIP")), address(fields.get("DstIP"))
    if source is None or destination is None:
        raise ValueError(f"event {entry.code_name} without SrcIP and DstIP")
    if "FirstPacketSecond" in fields:
        ns, resolution, _ = moments.iso(fields["FirstPacketSecond"])
        entry = entry._replace(written_ns=ns, resolution_ns=resolution, basis="utc")
    name = words.transport(fields.get("Protocol"))
    ported = words.has_ports(name)
    did = words.action(fields.get("AccessControlRuleAction"))
    reason = words.value(fields, ("AccessControlRuleReason",))
    return entry._replace(
        action=did,  # of a connection that has ended as well, for the time is that of its beginning
        protocol=name,
        source=source,
        source_port=port(fields.get("SrcPort")) if ported else None,
        destination=destination,
        destination_port=port(fields.get("DstPort")) if ported else None,
        path="fwd",
        rule=words.value(fields, ("AccessControlRuleName",)),
        service=words.value(fields, ("ApplicationProtocol", "Client")),
        source_zone=words.value(fields, ("IngressZone", "IngressInterface")),
        destination_zone=words.value(fields, ("EgressZone", "EgressInterface")),
        connection=_connection_id(fields),
        code_name=f"{entry.code_name} {reason}" if reason else entry.code_name,
        translated_source=words.translated(source, address(fields.get("NAT_InitiatorIP"))),
        translated_source_port=words.translated_port(number(fields.get("SrcPort")), fields.get("NAT_InitiatorPort")),
        translated_destination=words.translated(destination, address(fields.get("NAT_ResponderIP"))),
        translated_destination_port=words.translated_port(
            number(fields.get("DstPort")), fields.get("NAT_ResponderPort")
        ),
    )


def _connection_id(fields: dict[str, str]) -> str | None:
    """Unique only together with the instance and the time of the first packet."""
    if "ConnectionID" not in fields:
        return None
    return "/".join(fields.get(name, "") for name in ("InstanceID", "ConnectionID", "FirstPacketSecond"))


FORMAT = LogFormat("cisco-asa", "Cisco ASA, FTD, FWSM and PIX, syslog", why_not, parse)
