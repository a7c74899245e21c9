"""Windows events that speak of connections, ports, programs, logons, DCOM and RPC, however they were exported.

Values are read by their names, never from the message text, which is translated. Security 5031 and 5150-5159 are of the
Windows Filtering Platform, 5447 names its filters, 5712 is of RPC filters; 4625, 4768, 4769, 4771 and 4776 are logons, of
which those that failed count; the others are told by their provider, for other programs use the same numbers.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rpcdiag.logs.entry import UNHEARD, LogEntry
from rpcdiag.logs.fields import address, number, port, protocol, unsigned
from rpcdiag.model.packets import Address

PLATFORM = frozenset({5031, *range(5150, 5160), 5447, 5712})
LISTENS, BINDS = 5154, 5158
FAILED_LOGON, NTLM_CHECKED = 4625, 4776
CENTRE = frozenset({4768, 4769, 4771})  # what a key distribution centre answers: a code of Kerberos
LOGONS = CENTRE | {FAILED_LOGON, NTLM_CHECKED}
NO_PORT_LEFT = frozenset({4227, 4231})
_DROPS = frozenset({5150, 5151, 5152, 5153, 5157})
_FAILS = frozenset({5155, 5159})
_INBOUND, _OUTBOUND = "%%14592", "%%14593"
_LAYERS = {
    "%%14597": UNHEARD,
    "%%14601": "ICMP Error layer: an ICMP error was suppressed",
    "%%14608": "Resource Assignment layer",
    "%%14609": "Listen layer",
    "%%14610": "Receive/Accept layer: the program listens, and no rule lets others in to it",
    "%%14611": "Connect layer: the program was refused, no packet left",
}
_FAILURE = 0x10000000000000  # keyword of a Security event: audit failure
_SYSTEM = 4  # process that writes the events
_PROCESS_ID = re.compile(r"Process ID:\s{1,8}(\d{1,10})\b")
_DCOM = frozenset({"microsoft-windows-distributedcom", "dcom"})
_DPM = frozenset({"msdpm", "dpm", "dpm-em", "dpmra"})
MAX_HOSTS, MAX_OWN, MAX_FILTERS = 64, 256, 65_536
MAX_SAYS = 400
_ACCESS_DENIED = 5


class Event(NamedTuple):
    """One event. Names of values are in lower case; `unnamed` are the values of classic providers, in their order."""

    line: int
    number: int
    provider: str
    computer: str | None
    written_ns: int | None
    resolution_ns: int
    basis: str
    values: Mapping[str, str]
    unnamed: Sequence[str] = ()
    failure: bool = False
    message: str | None = None


def is_wanted(event: int, provider: str) -> bool:
    """Whether an event of this number can be one of ours; the provider may be missing."""
    return event in _WANTED or _is_dpm(provider)


def failed(keywords: str | None, kind: str | None = None) -> bool:
    """Whether the keywords, or the type that a shipper wrote, say that it is an audit failure."""
    if kind:
        return kind.upper() == "AUDIT_FAILURE"
    if not keywords:
        return False
    try:
        bits = int(keywords, 16 if keywords[:2].lower() == "0x" else 10) if len(keywords) <= 24 else 0
    except ValueError:
        return "failure" in keywords.lower()
    return bool(bits & _FAILURE)


class Events:
    """Feed events in their order; remembers the names of filters and the addresses of the hosts that wrote them."""

    def __init__(self) -> None:
        self._filters: dict[tuple[str | None, str], str] = {}
        self._own: dict[str | None, set[Address]] = {}

    def entry(self, event: Event) -> LogEntry | None:
        """The event as a row; None where it is not of ours."""
        provider = event.provider.lower()
        if event.number in PLATFORM:
            return self._platform(event) if not provider or provider.endswith("security-auditing") else None
        if event.number in LOGONS:
            return self._logon(event) if not provider or provider.endswith("security-auditing") else None
        says = _statement(event, provider)
        if says is None:
            return None
        values = _parameters(event)
        source = (
            address(((_at(values, _SOURCES[event.number]) or "-").split() or ["-"])[0])
            if event.number in _SOURCES
            else None
        )
        target = _at(values, _TARGETS[event.number]) if event.number in _TARGETS else None
        return self._row(
            event, source=source, destination=address((target or "").strip()), says=says[:MAX_SAYS],
            program=_at(values, 2) if event.number == 10028 else None,
            code=_status(values) if event.number == 10006 else None,
            workstation=_at(values, 0) if event.number in _REFUSED_CHANNEL else None,
        )  # fmt: skip

    def _row(self, event: Event, **known: Any) -> LogEntry:  # noqa: ANN401 (fields of LogEntry)
        row = LogEntry(
            line=event.line, written_ns=event.written_ns, resolution_ns=event.resolution_ns, basis=event.basis,
            action="info", protocol="", source=None, source_port=None, destination=None, destination_port=None,
            device=event.computer, event=event.number, provider=event.provider or None,
        )  # fmt: skip
        return row._replace(**known)

    def _platform(self, event: Event) -> LogEntry | None:
        if event.number == 5447:
            self._name(event)
            return None
        if event.number == 5712:
            return self._of_filter(event)
        values = event.values
        program = _program(values)
        if event.number == 5031:
            says = f"Windows Firewall keeps {base_name(program) or 'a program'} from accepting connections"
            return self._row(event, program=program, says=says)
        name = protocol(values.get("protocol"))
        source, source_port = address(values.get("sourceaddress")), port(values.get("sourceport"))
        destination, destination_port = address(values.get("destaddress")), port(values.get("destport"))
        path = {_INBOUND: "in", _OUTBOUND: "out"}.get(values.get("direction", ""), "unknown")
        if self._is_turned(event, path, (source, source_port), (destination, destination_port)):
            source, source_port, destination, destination_port = destination, destination_port, source, source_port
        self._learn(event, path, source, destination)
        with_ports = name in ("tcp", "udp")
        return self._row(
            event, action=_action(event.number), protocol=name, path=path, source=source, destination=destination,
            source_port=source_port if with_ports else None, destination_port=destination_port if with_ports else None,
            rule=self._rule(event), program=program, pid=_process(event, program), says=_layer(event),
        )  # fmt: skip

    def _is_turned(
        self, event: Event, path: str, source: tuple[Address | None, int | None],
        destination: tuple[Address | None, int | None],
    ) -> bool:  # fmt: skip
        """Whether source and destination change places: an incoming 5156 of Windows 7 and 2008 R2 begins with the own side.

        The version of the event is the same in both, so what is known of the host's addresses decides, or a low port.
        """
        if event.number != 5156 or path != "in" or source[0] is None or destination[0] is None:
            return False
        own = self._own.get(event.computer, set())
        if (source[0] in own) != (destination[0] in own):
            return source[0] in own
        low, high = source[1], destination[1]
        return low is not None and high is not None and low < 1024 <= high

    def _learn(self, event: Event, path: str, source: Address | None, destination: Address | None) -> None:
        one = source if path == "out" or event.number in (LISTENS, BINDS) else destination if path == "in" else None
        if one is None or one.is_unspecified or one.is_multicast or one.is_loopback or event.number == 5152:
            return
        if event.computer in self._own or len(self._own) < MAX_HOSTS:
            own = self._own.setdefault(event.computer, set())
            if len(own) < MAX_OWN:
                own.add(one)

    def _name(self, event: Event) -> None:
        """5447: from now on a filter has a name; numbers change whenever the policy is applied again."""
        filter_id, name = event.values.get("filterid"), event.values.get("filtername")
        if filter_id and name and len(self._filters) < MAX_FILTERS:
            self._filters[event.computer, filter_id] = name[:200]

    def _rule(self, event: Event) -> str | None:
        origin, filter_id = event.values.get("filterorigin"), event.values.get("filterrtid")
        if origin and origin not in ("-", "Unknown"):
            return origin
        if not filter_id or filter_id == "0":
            return None
        return self._filters.get((event.computer, filter_id), f"WFP filter {filter_id[:20]}")

    def _of_filter(self, event: Event) -> LogEntry:
        """5712: a call met an RPC filter that audits."""
        values = event.values
        uuid = (values.get("interfaceuuid") or "").strip("{} ").lower() or None
        fate = "blocked" if event.failure else "let through"
        who = values.get("subjectusername")
        says = f"an RPC filter {fate} a call of interface {uuid or '?'}" + (f" by {who}" if who else "")
        return self._row(
            event, protocol=protocol("tcp"), source=address(values.get("remoteipaddress")), path="in",
            source_port=port(values.get("remoteport")), interface=uuid, says=says[:MAX_SAYS],
            program=values.get("processname") or None, pid=number(values.get("processid")),
            code=_ACCESS_DENIED if event.failure else None,
        )  # fmt: skip

    def _logon(self, event: Event) -> LogEntry | None:
        """A logon that failed; `code` is the innermost status that is told, of NT or of Kerberos."""
        values = event.values
        status, inner = unsigned(values.get("status")), unsigned(values.get("substatus"))
        if not status and not inner:
            return None  # 4768, 4769 and 4776 tell of all logons
        code = inner or status or 0
        at, source_port = address(values.get("ipaddress")), port(values.get("ipport"))
        source = at.ipv4_mapped if at is not None and at.version == 6 and at.ipv4_mapped is not None else at
        user, computer = _named(values, "targetusername"), _named(values, "workstationname", "workstation")
        return self._row(
            event, source=source, source_port=source_port or None, code=code, user=user, workstation=computer,
            says=_failed_logon(event, code, user, computer)[:MAX_SAYS], program=_named(values, "processname"),
        )  # fmt: skip


def _named(values: Mapping[str, str], *names: str) -> str | None:
    """The first of the values that says something, without the dash that stands for nothing."""
    found = (values.get(name, "").strip()[:120] for name in names)
    return next((one for one in found if one not in ("", "-")), None)


def _failed_logon(event: Event, code: int, user: str | None, computer: str | None) -> str:
    from rpcdiag.dissect import kerberos, status  # where somebody failed to log on

    values = event.values
    if event.number in CENTRE:
        named: str | None = kerberos.error_name(code)
        service = _named(values, "servicename")
        what = {4768: "no ticket", 4769: "no ticket for a service", 4771: "pre-authentication failed"}[event.number]
    else:
        named, service = status.status_name(code), None
        what = "the logon failed" if event.number == FAILED_LOGON else "NTLM was checked and refused"
    domain, kind = _named(values, "targetdomainname"), _named(values, "logontype")
    package = _named(values, "authenticationpackagename", "packagename") if event.number not in CENTRE else None
    who = f" for {domain + chr(92) if domain else ''}{user}" if user else ""
    more = (
        (f" of service {service}" if service else "") + (f", type {kind}" if kind else "")
        + (f", {package}" if package else "") + (f", workstation {computer}" if computer else "")
    )  # fmt: skip
    shown = f"{code:#x}" if event.number in CENTRE else f"{code:#010x}"
    return f"{what}{who}{more}: {f'{named} ({shown})' if named else shown}"


def _program(values: Mapping[str, str]) -> str | None:
    """A packet that belongs to no program has a dash there."""
    program = values.get("application")
    return program if program and program != "-" else None


def base_name(program: str | None) -> str | None:
    """`services.exe` of `\\device\\harddiskvolume2\\windows\\system32\\services.exe`"""
    return re.split(r"[\\/]", program)[-1] if program else None


def _action(event: int) -> str:
    if event in _DROPS:
        return "drop"
    return "allow" if event == 5156 else "fail" if event in _FAILS else "info"


def _layer(event: Event) -> str | None:
    known = _LAYERS.get(event.values.get("layername", ""))
    what = {5154: "listens", 5155: "is kept from listening", 5158: "takes a port", 5159: "is kept from taking a port"}
    if event.number in what:
        at = event.values.get("sourceport")
        on = f" on port {at}" if event.number in _FAILS and at and at.isdigit() else ""
        return f"{base_name(_program(event.values)) or 'a program'} {what[event.number]}{on}"
    return known if event.number in _DROPS else None


def _process(event: Event, program: str | None) -> int | None:
    """The number of the program's process; a shipper that lays the values flat may have put the writer's in its place."""
    found = number(event.values.get("processid"))
    if found == _SYSTEM and program and base_name(program.lower()) != "system":
        said = _PROCESS_ID.search(event.message or "")
        return int(said[1]) if said else None
    return found


def _parameters(event: Event) -> Sequence[str]:
    """The values of a provider that only numbers them."""
    named = [event.values[f"param{count}"] for count in range(1, 20) if f"param{count}" in event.values]
    return named or event.unnamed or (() if "eventid" in event.values else tuple(event.values.values()))  # laid flat


def _at(values: Sequence[str], place: int) -> str | None:
    return values[place].strip() or None if place < len(values) else None


def _status(values: Sequence[str]) -> int | None:
    found = number(_at(values, 0))
    return found & 0xFFFFFFFF if found is not None else None


def _is_dpm(provider: str) -> bool:
    return provider.lower() in _DPM


def _statement(event: Event, provider: str) -> str | None:
    """What the event says, in words of ours; None where it is none of those that are known."""
    values = [(_at(_parameters(event), place) or "?")[:120] for place in range(12)]
    if provider in _DCOM and event.number in _DCOM_SAYS:
        return _DCOM_SAYS[event.number](values)
    if provider in ("netlogon", "microsoft-windows-netlogon") and event.number in _NETLOGON_SAYS:
        return _NETLOGON_SAYS[event.number](values)
    if provider in ("tcpip", "microsoft-windows-tcpip") and event.number in _TCPIP_SAYS:
        return _TCPIP_SAYS[event.number]
    if provider == "rpcfw" and event.number == 3:
        return f"RPC Firewall {'blocked' if event.failure else 'reports'} a call: {' '.join(_parameters(event))}"
    if _is_dpm(provider):
        return f"Data Protection Manager, event {event.number}: {' '.join(_parameters(event))}"
    return None


def _code(text: str) -> str:
    found = number(text)
    return text if found is None else f"{found & 0xFFFFFFFF:#010x}"


def _limits(values: list[str]) -> str:
    return f"DCOM permissions refuse {values[1].lower()} {values[2].lower()} of {values[3]} to {values[6]} from {values[8]}"


def _refused_level(values: list[str]) -> str:
    return f"{values[0]} activates {values[2]} on {values[3]} at level {values[4]}, below packet integrity"


_Says = Callable[[list[str]], str]
_SOURCES = {10016: 8, 10036: 3}  # which value is the client's address
_REFUSED_CHANNEL = frozenset({5827})  # the account of a computer
_TARGETS = {10006: 1, 10009: 0, 10028: 0, 10037: 3, 10038: 3}  # which value names the other host
_DCOM_SAYS: dict[int, _Says] = {
    10005: lambda v: f"DCOM could not start service {v[1]}: error {v[0]}" + (f", for {v[3]}" if v[3] != "?" else ""),
    10006: lambda v: f"DCOM got error {_code(v[0])} from {v[1]} when it activated {v[2]}",
    10009: lambda v: f"DCOM could not reach {v[0]} with any of the protocols",
    10010: lambda v: f"the server {v[0]} did not register with DCOM in time",
    10015: lambda v: "machine-wide limits of DCOM refuse access",
    10016: _limits,
    10017: lambda v: "machine-wide limits of DCOM refuse access",
    10018: lambda v: "machine-wide limits of DCOM refuse access",
    10019: lambda v: "machine-wide limits of DCOM refuse access",
    10026: lambda v: f"equal DCOM messages are left out for {v[0]} s: one may stand for many",
    10027: lambda v: "machine-wide limits of DCOM refuse access",
    10028: lambda v: f"DCOM could not reach {v[0]} with any of the protocols; asked for by {base_name(v[2])}",
    10036: lambda v: f"DCOM refuses {v[0]}\\{v[1]} at {v[3]}: the activation is below packet integrity",
    10037: _refused_level,
    10038: _refused_level,
}
_NETLOGON_SAYS: dict[int, _Says] = {
    5719: lambda v: f"Netlogon found no domain controller of {v[0]}",
    5805: lambda v: f"Netlogon could not authenticate the session of {v[0]}: {v[1]}",
    5807: lambda v: "clients connect from subnets that belong to no site",
    5820: lambda v: "Netlogon could not open its RPC endpoints: the range of RPC ports may be used up or wrong",
    5827: lambda v: f"Netlogon denied a vulnerable secure channel of computer {v[0]}",
    5828: lambda v: f"Netlogon denied a vulnerable secure channel of trust {v[0]}",
    5829: lambda v: f"Netlogon allowed a vulnerable secure channel of {v[0]}",
    5830: lambda v: f"a policy lets {v[0]} use a vulnerable secure channel",
    5831: lambda v: f"a policy lets trust {v[0]} use a vulnerable secure channel",
}
_TCPIP_SAYS = {
    4227: "TCP/IP could not connect: the source port was used for the same endpoint a moment ago, all others are in use",
    4231: "TCP/IP had no source port left to connect from: all are in use",
}
_WANTED = frozenset({*PLATFORM, *LOGONS, *_DCOM_SAYS, *_NETLOGON_SAYS, *_TCPIP_SAYS, 3})
