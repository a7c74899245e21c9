"""Does a rule match a packet? Yes, no, or: not without something that the policy does not say."""

from collections.abc import Mapping
from ntpath import basename
from typing import NamedTuple

from rpcdiag.dissect.interfaces import EPMAPPER, service_of
from rpcdiag.logs.isa_names import is_local_host
from rpcdiag.model.packets import Address
from rpcdiag.policy.model import Authentication, Keyword, Network, Policy, Ports, Process, Rule, Scope
from rpcdiag.policy.product import Product

ANYWHERE = frozenset(
    {"any", "*", "anywhere", "all networks", "all networks (and local host)", "all", "0.0.0.0/0", "::/0"}
)
EXTERNAL = "external"
MAPPER_PORT = 135
_SHARED = "svchost.exe"
_SVCHOST = rf"%systemroot%\system32\{_SHARED}"
_MAPPER_SERVICES = ("rpcss", "rpceptmapper")
_ANY_SERVICE = ("", "*", "any")


class Packet(NamedTuple):
    """What a rule looks at: one packet of a connection that opens, or its answer."""

    source: Address
    source_port: int
    destination: Address
    port: int
    protocol: str
    host: Address  # where the service listens
    service_port: int
    about: str | None = None  # the interface or class behind that port
    rpc: bool | None = False  # whether RPC listens there
    inbound: bool | None = None  # where a host's own firewall looks; None: in the path
    answer: bool = False
    program: str | None = None  # whose port it is, as the host's own events say


class Fit(NamedTuple):
    """`fits` is None where `missing` says what the policy would have to say."""

    fits: bool | None
    missing: str = ""
    secured: bool = False  # fits but for the authentication that it asks for


NO, YES = Fit(False), Fit(True)


MAX_PORTS_KNOWN = 4096


class Matcher:
    """The rules of one policy against packets; remembers at most MAX_KNOWN addresses that it looked up."""

    MAX_KNOWN = 1 << 20

    def __init__(self, policy: Policy, product: Product) -> None:
        self._policy = policy
        self._hosts = product.value("stands") == "host"
        self._knows_ports = product.flag("host_knows_ports")
        self._zones = {name.strip().lower(): networks for name, networks in policy.zones.items()}
        self._local = frozenset(policy.local_host)
        self._processes: Mapping[tuple[Address, int], Process] = {
            (process.host, process.port): process for process in policy.processes
        }
        self._held: dict[int, dict[int, Fit]] = {}  # by scope and address; those of version 6 stand negative
        self._kept: list[Scope] = []  # so that no other scope gets the id of one of them
        self._room = self.MAX_KNOWN
        self._about: dict[int, tuple[tuple[int, Rule], ...]] = {}
        self._about_any = tuple(
            (position, rule)
            for position, rule in enumerate(policy.rules)
            if rule.enabled and rule.package is None and not rule.established
        )

    def about(self, port: int) -> tuple[tuple[int, Rule], ...]:
        """The rules that can match a packet to this port, with their positions: most of a long list are for others."""
        known = self._about.get(port)
        if known is None:
            known = tuple(
                (position, rule)
                for position, rule in self._about_any
                if rule.ports.any or rule.ports.keywords or _within(rule.ports, port)
            )
            if len(self._about) < MAX_PORTS_KNOWN:
                self._about[port] = known
        return known

    def fit(self, rule: Rule, packet: Packet) -> Fit:
        """Whether the rule matches."""
        if not rule.enabled or rule.package is not None or rule.established:
            return NO
        if rule.inbound is not None and not self._right_way(rule.inbound, packet):
            return NO
        if rule.protocols and not _protocol_fits(rule.protocols, packet.protocol):
            return NO
        ports = self._ports(rule, packet)
        if ports.fits is False or not _within(rule.source_ports, packet.source_port):
            return NO
        sources = self._scope(rule.sources, packet.source)
        if sources.fits is False:
            return NO
        destinations = self._scope(rule.destinations, packet.destination)
        if destinations.fits is False:
            return NO
        looks = ports, sources, destinations, self._profile(rule), self._program(rule, packet)
        if any(look.fits is False for look in looks):
            return NO
        missing = [look.missing for look in looks if look.fits is None]
        if rule.authentication is not Authentication.NONE:
            return Fit(False, secured=not missing)
        return Fit(None, "; ".join(dict.fromkeys(missing))) if missing else YES

    def _right_way(self, inbound: bool, packet: Packet) -> bool:
        if packet.inbound is not None:
            return inbound is packet.inbound
        return (packet.destination if inbound else packet.source) in self._local

    def _ports(self, rule: Rule, packet: Packet) -> Fit:
        ports = rule.ports
        if ports.any:
            return YES
        if ports.ranges and _within(ports, packet.port):
            return YES
        if packet.answer or not self._knows_ports or packet.inbound is False:
            return NO
        if Keyword.RPC_EPMAP in ports.keywords and packet.port == MAPPER_PORT:
            return YES
        if Keyword.RPC in ports.keywords and packet.port != MAPPER_PORT:
            return (
                Fit(None, _who(packet))
                if packet.rpc is None and not self._known_process(packet)
                else _either(packet.rpc)
            )
        return NO

    def _scope(self, scope: Scope, address: Address) -> Fit:
        if scope.any:
            return YES
        held = self._held.get(id(scope))
        if held is None:
            held = self._held[id(scope)] = {}
            self._kept.append(scope)
        number = int(address) if address.version == 4 else -int(address)
        known = held.get(number)
        if known is None:
            known = self._looked_up(scope, address)
            if self._room > 0:
                self._room -= 1
                held[number] = known
        return known

    def _looked_up(self, scope: Scope, address: Address) -> Fit:
        found = any(_holds(network, address) for network in scope.networks) or any(
            first.version == address.version == last.version and int(first) <= int(address) <= int(last)
            for first, last in scope.ranges
        )
        undefined = []
        for name in scope.names if not found else ():
            fits = self._named(name, address)
            if fits:
                found = True
                break
            if fits is None:
                undefined.append(name)
        if not found and undefined:
            return Fit(None, _define(undefined, address))
        return NO if found is scope.negated else YES

    def _named(self, name: str, address: Address) -> bool | None:
        plain = name.strip().lower()
        if plain in ANYWHERE:
            return True
        networks = self._zones.get(plain)
        if networks is not None:
            return any(_holds(network, address) for network in networks)
        if is_local_host(plain):
            return address in self._local if self._local else None
        if plain == EXTERNAL and self._zones:
            return address not in self._local and not any(
                _holds(network, address) for networks in self._zones.values() for network in networks
            )
        return None

    def _profile(self, rule: Rule) -> Fit:
        if not rule.profiles or {"any", "all"} & {one.lower() for one in rule.profiles}:
            return YES
        if self._policy.profile is None:
            wanted = " and ".join(rule.profiles)
            return Fit(None, f"say which profile is in force (profile: ...): the rule is for {wanted}")
        return YES if self._policy.profile.lower() in {one.lower() for one in rule.profiles} else NO

    def _program(self, rule: Rule, packet: Packet) -> Fit:
        service = None if (rule.service or "").lower() in _ANY_SERVICE else rule.service
        program = None if (rule.program or "").lower() in _ANY_SERVICE else rule.program
        if program is None and service is None:
            return YES
        if packet.inbound is False:
            return Fit(None, f"a rule for a program of {packet.source}: nobody says which program asks there")
        process = self.process(packet)
        if program is not None:
            if process.program is None:
                return Fit(None, _who(packet))
            same = _same_program(program, process.program)
            if same is None:
                return Fit(None, _who(packet))
            if not same:
                return NO
        if service is not None:
            if process.service is None:
                other = program is None and process.program is not None and basename(process.program).lower() != _SHARED
                return NO if other else Fit(None, _who(packet))
            if not _same_service(service, process, packet):
                return NO
        return YES

    def _known_process(self, packet: Packet) -> bool:
        return (packet.host, packet.service_port) in self._processes

    def process(self, packet: Packet) -> Process:
        """Who listens there: as the policy says, else as an event of the host or the interface behind the port says."""
        known = self._processes.get((packet.host, packet.service_port))
        if known is not None:
            return known
        if packet.service_port == MAPPER_PORT or packet.about == EPMAPPER:
            return Process(packet.host, packet.service_port, _SVCHOST, "RpcSs")
        if packet.service_port in (139, 445):
            return Process(packet.host, packet.service_port, "System", None)
        program, service, _ = service_of(packet.about) if packet.about else (None, None, None)
        if packet.program is not None and (program is None or _same_program(program, packet.program) is False):
            program, service = packet.program, None
        return Process(packet.host, packet.service_port, program, service)


def _either(fits: bool | None) -> Fit:
    return NO if fits is False else YES


_NUMBERS = {"tcp": "6", "udp": "17"}
_ANY_PROTOCOL = ("any", "256", "all", "ip")


def _protocol_fits(wanted: tuple[str, ...], protocol: str) -> bool:
    if protocol in wanted:
        return True
    return any(one.lower() in (protocol, _NUMBERS[protocol], *_ANY_PROTOCOL) for one in wanted)


def _within(ports: Ports, port: int) -> bool:
    return ports.any or any(first <= port <= last for first, last in ports.ranges)


def _holds(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


def _define(names: list[str], address: Address) -> str:
    if len(names) == 1 and is_local_host(names[0]):
        return "say the firewall's own addresses (local_host: ...)"
    several = ", ".join(f"'{name}'" for name in names)
    return f"define {several} under zones (does it hold {address}?)"


def _who(packet: Packet) -> str:
    return (
        f"say under processes which program and service listen on port {packet.service_port} of {packet.host} "
        f"('netstat -anob' there shows it)"
    )


_ROOTS = (
    ("c:\\windows\\", "%systemroot%\\"), ("%windir%\\", "%systemroot%\\"), ("\\systemroot\\", "%systemroot%\\"),
    ("%systemdrive%\\windows\\", "%systemroot%\\"), ("%systemdrive%\\", "c:\\"),
    ("%programfiles%\\", "c:\\program files\\"), ("%programfiles(x86)%\\", "c:\\program files (x86)\\"),
)  # fmt: skip
_DEVICE = "\\device\\"


def _plain(program: str) -> str:
    text = program.strip().strip('"').lower().replace("/", "\\")
    for long, short in _ROOTS:
        if text.startswith(long):
            return short + text[len(long) :]
    return text


def _same_program(wanted: str, known: str) -> bool | None:
    """The same path; the same name where one of them has no path. None where one is on a volume that nobody knows."""
    one, other = _plain(wanted), _plain(known)
    if "\\" not in one or "\\" not in other:
        return basename(one) == basename(other)
    if one != other and basename(one) == basename(other) and (one.startswith(_DEVICE) or other.startswith(_DEVICE)):
        return None
    return one == other


def _same_service(wanted: str, process: Process, packet: Packet) -> bool:
    service = (process.service or "").lower()
    if wanted.lower() == service:
        return True
    return packet.service_port == MAPPER_PORT and {wanted.lower(), service} <= set(_MAPPER_SERVICES)
