"""Extended error information as programs print it: repadmin, dcdiag, .NET. [MS-EERR]

A chain is read from the bottom: the first record is the symptom, the last one the origin.
"""

import re
from typing import NamedTuple

from rpcdiag.dissect import status

MAX_RECORDS = 32
_IS = r"\s*(?:is|[:=])?\s*"
_NUMBER = r"(-?(?:0x[0-9a-f]{1,8}|\d{1,10}))"
_SPLIT = re.compile(r"error record \d{1,4}", re.I)
_COMPONENT = re.compile(rf"generating\s?component{_IS}{_NUMBER}", re.I)
_LOCATION = re.compile(rf"detection\s?location{_IS}{_NUMBER}", re.I)
_STATUS = re.compile(rf"\bstatus{_IS}{_NUMBER}", re.I)
_PROCESS = re.compile(rf"process\s?id{_IS}(\d{{1,10}})", re.I)
_COMPUTER = re.compile(r"computer\s?name\s*(?:is|[:=])\s*([\w.-]{1,255})", re.I)
_PARAMETER = re.compile(
    r"(unicode string|ansi string|long val(?:ue)?|short val(?:ue)?|pointer val(?:ue)?|binary)\s*[:=]\s*(\S{1,255})",
    re.I,
)

# where in the runtime -> what that settles, and the rules for it
_SETTLED: dict[int, tuple[str, tuple[str, ...]]] = {
    40: ("a security callback of the interface, or an RPC filter, refused the caller", ("access-denied", "rpc-filter")),
    60: ("the server has no credentials for the security provider", ("provider-unknown",)),
    70: ("the server refused the client's first token: SPN, clock or password", ("wrong-spn", "clock-skew")),
    71: ("the server refused a later token of the client", ("bad-credentials", "third-leg-lost")),
    80: ("the client wants to join connections that this server does not know: a load balancer, or a restart",
         ("association-mismatch",)),
    140: ("the client's own security package failed at once: SPN, domain controller or policy",
          ("wrong-spn", "kdc-unreachable", "ntlm-refused")),
    150: ("the client's own security package failed on the server's answer", ("wrong-spn",)),
    154: ("the server could not prove who it is", ("wrong-spn", "alias-without-spn")),
    182: ("the server's call limit is reached", ("server-busy",)),
    183: ("the server has no such operation", ("version-not-registered",)),
    290: ("an established connection broke while an answer was awaited", ("idle-dropped", "server-reset")),
    291: ("nothing came in time on an established connection", ("idle-dropped", "path-mtu", "call-timed-out")),
    314: ("the call's time ran out before the connection was made", ("dynamic-port-blocked", "call-timed-out")),
    320: ("the server's name did not resolve", ("name-not-found", "resolver-silent")),
    322: ("the server's name did not resolve", ("name-not-found", "resolver-silent")),
    323: ("all addresses of the name were tried", ("dynamic-port-blocked", "mapper-blocked")),
    330: ("the server found no port in the range under Rpc\\Internet", ("port-range-exhausted",)),
    332: ("no local port was free", ("source-ports-exhausted",)),
    351: ("the bind was not answered in time", ("mapper-bind-unanswered", "path-mtu", "strict-filter")),
    500: ("the endpoint mapper answered and has no entry", ("not-registered", "wrong-host")),
    501: ("the endpoint mapper could not be asked, or answered with an error", ("mapper-blocked",)),
    701: ("the server answered the bind with an error", ("bind-rejected",)),
}  # fmt: skip
_TO_CONNECT = frozenset({311, 313, 317, 318})
_SILENT, _REFUSED, _NO_NAME = frozenset({10060, 121, 0xC00000B5}), frozenset({10061, 1225, 0xC0000236}), {11001, 11004}


class Record(NamedTuple):
    """One layer's account of the error, as it was pasted; None for what is not in the text."""

    component: int | None
    location: int | None
    status: int | None
    computer: str | None
    process: int | None
    parameters: tuple[str, ...]


class Chain(NamedTuple):
    """All records, the symptom first, and what the last of them settles."""

    records: tuple[Record, ...]
    settles: str | None
    rules: tuple[str, ...]


def read(text: str) -> Chain | None:
    """The chain in a text; None where there is none."""
    if not _COMPONENT.search(text) and not _LOCATION.search(text):
        return None
    records = [one for piece in _pieces(text) if (one := _record(piece)) is not None]
    if not records:
        return None
    settles, rules = _settled(records[-1])
    return Chain(tuple(records), settles, rules)


def _pieces(text: str) -> list[str]:
    """The text of each record."""
    starts = [found.start() for found in _SPLIT.finditer(text)]
    if not starts:
        found = [one.start() for one in _COMPONENT.finditer(text)] or [one.start() for one in _LOCATION.finditer(text)]
        starts = [0, *found[1:]]
    ends = [*starts[1:], len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)][:MAX_RECORDS]


def _record(piece: str) -> Record | None:
    component, location = _number(_COMPONENT, piece), _number(_LOCATION, piece)
    if component is None and location is None:
        return None
    computer = _COMPUTER.search(piece)
    return Record(
        component=component,
        location=location,
        status=_number(_STATUS, piece),
        computer=computer[1] if computer else None,
        process=_number(_PROCESS, piece),
        parameters=tuple(value for _, value in _PARAMETER.findall(piece))[:8],
    )


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    if found is None:
        return None
    return int(found[1], 16 if "x" in found[1].lower() else 10) & 0xFFFFFFFF


def _settled(origin: Record) -> tuple[str | None, tuple[str, ...]]:
    port = next((value for value in origin.parameters if value.isdecimal() and 0 < int(value) < 65536), None)
    mapper = port in ("135", "593")
    where = f" to port {port}" if port else ""
    rules: tuple[str, ...]
    if origin.status in _SILENT and (origin.location in _TO_CONNECT or origin.component == 8):
        rules = ("mapper-blocked",) if mapper else ("dynamic-port-blocked",)
        if port is None:
            rules = ("dynamic-port-blocked", "mapper-blocked")
        return f"the connection{where} was not answered: packets vanish on the way", rules
    if origin.status in _REFUSED:
        rules = ("mapper-closed", "mapper-rejected")
        if not mapper:
            rules = ("dynamic-port-closed", "dynamic-port-rejected", "stale-endpoint")
        return (
            f"the connection{where} was answered with a reset: nothing listens there, or a firewall rejects it",
            rules,
        )
    if origin.status in _NO_NAME:
        return _SETTLED[320]
    if origin.location in _SETTLED:
        return _SETTLED[origin.location]
    if origin.location in _TO_CONNECT:
        return f"the connection{where} could not be made", ("dynamic-port-blocked", "mapper-blocked")
    return None, ()


def told(record: Record) -> str:
    """One line: who, where, what, with which parameters."""
    parts = []
    if record.component is not None:
        parts.append(status.status_name(record.component, "eeinfo_component") or f"component {record.component}")
    if record.computer:
        parts.append(f"on {record.computer}")
    if record.status is not None:
        name = status.status_name(record.status)
        number = str(record.status) if record.status < 0x80000000 else f"0x{record.status:08X}"
        parts.append(f"status {number}{f' {name}' if name else ''}")
    if record.location is not None:
        name = status.status_name(record.location, "eeinfo_location")
        meaning = status.status_meaning(record.location, "eeinfo_location")
        parts.append(
            f"at {record.location} ({name}: {meaning.partition(';')[0]})" if name and meaning
            else f"at {record.location}, a place that Microsoft has not published"
        )  # fmt: skip
    if record.parameters:
        parts.append("with " + ", ".join(_parameters(record)))
    return ", ".join(parts)


def _parameters(record: Record) -> list[str]:
    """The parameters; those of the mapper's empty answer are protocol, address, and the beginning of a UUID."""
    values = list(record.parameters)
    if record.location == 500 and len(values) >= 3 and re.fullmatch(r"-?\d{1,10}", values[2]):
        first = f"{int(values[2]) & 0xFFFFFFFF:08x}"
        from rpcdiag.dissect.tables.interfaces import NAMES

        names = sorted({name for uuid, name in NAMES.items() if uuid.startswith(first)})
        values[2] = f"interface {first}-... ({' or '.join(names[:3])})" if names else f"interface {first}-..."
        if len(values) > 3 and values[3].isdecimal():
            values[3] = f"version {int(values[3]) & 0xFFFF}.{int(values[3]) >> 16}"
    return values
