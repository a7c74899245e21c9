"""Juniper SRX: session messages, RT_FLOW, structured or as text.

Told by `RT_FLOW_SESSION_`. DENY is a refusal by a policy; CREATE says that one admits the connection, not that the
server answered; that is in the reason of CLOSE (TCP CLIENT RST, TCP SERVER RST, aged out). Of the text form, which
differs by release, the ends are read from `->`, policy and zones where the protocol's number stands before them.
Cannot tell: the sequence number; whether the server answered, before the CLOSE; of the text form the policy, where no
protocol number stands before it.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from rpcdiag.logs import syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import address, port
from rpcdiag.logs.record import rows

_ACTIONS = {"CREATE": "open", "DENY": "drop", "CLOSE": "close"}


@cache
def _kind() -> re.Pattern[str]:
    return re.compile(r"(?:APPTRACK|RT_FLOW)_SESSION_(CREATE|DENY|CLOSE)(?:_LS)?(:?)")


@cache
def _spoken() -> re.Pattern[str]:
    ends = r"([0-9A-Fa-f.:]{2,45})/(\d{1,5})->([0-9A-Fa-f.:]{2,45})/(\d{1,5})"
    return re.compile(
        rf"session (?:created|denied|closed)(?: ([A-Za-z][^/>]{{0,80}}?):)? {ends}"
        rf"(?: 0x[0-9A-Fa-f]+)?(?: ([^\s(]+)(?= ))?(?: {ends})?"
    )


@cache
def _behind() -> re.Pattern[str]:
    """Number of the protocol, policy, zones; of a denial the type of ICMP follows the number in brackets."""
    return re.compile(r" (\d{1,3})(?:\(\d{1,5}\))? (\S+?)(?:\((?:global)\))? (\S+) (\S+)(?: (\d{1,20}) )?")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if "_SESSION_" in head and _kind().search(head):
        return None
    return "not juniper-srx: no RT_FLOW_SESSION_CREATE, _DENY or _CLOSE"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row, why="")


def _row(line: int, text: str) -> LogEntry | BadLine:
    kind = _kind().search(text)
    if not kind:
        return BadLine(line, "no session message of RT_FLOW in it")
    envelope = syslog.opened(text)
    entry = LogEntry(
        line, *envelope[:3], _ACTIONS[kind.group(1)], "-", None, None, None, None, path="fwd", device=envelope.device
    )
    return _structured(entry, text[kind.end() :]) if 'source-address="' in text else _plain(entry, text)


def _structured(entry: LogEntry, text: str) -> LogEntry:
    fields = words.pairs(text)
    name = words.transport(fields.get("protocol-id"))
    ported = words.has_ports(name)
    source, destination = address(fields.get("source-address")), address(fields.get("destination-address"))
    source_port = port(fields.get("source-port")) if ported else None
    destination_port = port(fields.get("destination-port")) if ported else None
    return entry._replace(
        protocol=name,
        source=source,
        source_port=source_port,
        destination=destination,
        destination_port=destination_port,
        rule=words.value(fields, ("policy-name",)),
        code_name=_reason(words.value(fields, ("reason",)), fields.get("packets-from-server")),
        service=words.value(fields, ("service-name", "application")),
        source_zone=words.value(fields, ("source-zone-name",)),
        destination_zone=words.value(fields, ("destination-zone-name",)),
        connection=words.value(fields, ("session-id-32", "session-id")),
        translated_source=words.translated(source, address(fields.get("nat-source-address"))),
        translated_source_port=words.translated_port(source_port, fields.get("nat-source-port")),
        translated_destination=words.translated(destination, address(fields.get("nat-destination-address"))),
        translated_destination_port=words.translated_port(destination_port, fields.get("nat-destination-port")),
    )


def _plain(entry: LogEntry, text: str) -> LogEntry:
    """The form without names.

    Raises:
        ValueError: its ends are not where they belong.
    """
    found = _spoken().search(text)
    if not found:
        raise ValueError("a session message without its two ends")
    reason, source, source_port, destination, destination_port, service, *mapped = found.groups()
    behind = _behind().search(text, found.end())
    name = words.transport(behind.group(1)) if behind else "-"
    ported = words.has_ports(name)
    ends = address(source), port(source_port), address(destination), port(destination_port)
    entry = entry._replace(
        protocol=name,
        source=ends[0],
        source_port=ends[1] if ported else None,
        destination=ends[2],
        destination_port=ends[3] if ported else None,
        service=None if service in ("None", "N/A") else service,
        code_name=reason,
    )
    if behind:
        entry = entry._replace(
            rule=behind.group(2),
            source_zone=behind.group(3),
            destination_zone=behind.group(4),
            connection=behind.group(5),
        )
    if mapped[0]:
        entry = entry._replace(
            translated_source=words.translated(ends[0], address(mapped[0])),
            translated_source_port=words.translated_port(ends[1], mapped[1]),
            translated_destination=words.translated(ends[2], address(mapped[2])),
            translated_destination_port=words.translated_port(ends[3], mapped[3]),
        )
    return entry


def _reason(reason: str | None, packets_back: str | None) -> str | None:
    return f"{reason}, nothing came back" if reason and packets_back == "0" else reason


FORMAT = LogFormat("juniper-srx", "Juniper SRX, RT_FLOW session log", why_not, parse)
