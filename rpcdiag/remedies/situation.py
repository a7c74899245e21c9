"""What a remedy needs to know: who fails to reach whom, at which port, and whose firewall it is."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.case import Case, CaseFlow
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS, class_name, interface_name, service_of
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.logs.programs import is_kernel
from rpcdiag.model.packets import Address
from rpcdiag.policy.model import Network, Rule
from rpcdiag.policy.verdict import Applied, Verdict
from rpcdiag.track.origin import MAPPER_PORTS, OriginKind

if TYPE_CHECKING:  # loaded only where there is a log
    from rpcdiag.logs.host import ListeningProcess

WMI = "8bc3f05e-d86b-11d0-a075-00c04fb68820"
MAX_CLIENTS = 64  # of one scope
MAX_LOOKED_AT = 256  # conversations of a pair
MAX_NETWORKS = 8  # that a rule names; beyond, they are widened
_WIDEST = {4: 16, 6: 48}
_SUBNET = {4: 24, 6: 64}
_INSIDE = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)  # fmt: skip
# log formats and product ids -> what we call the product; the beginning of the name decides
_PRODUCTS = (
    ("windows", "windows-firewall"), ("isa", "tmg"), ("tmg", "tmg"), ("forefront", "tmg"), ("asa", "asa"), ("ftd", "asa"),
    ("cisco", "asa"), ("forti", "fortigate"), ("linux", "linux"), ("iptables", "linux"), ("nft", "linux"),
    ("check", "checkpoint"), ("srx", "srx"), ("juniper", "srx"), ("junos", "srx"), ("stormshield", "stormshield"),
    ("barracuda", "barracuda"), ("palo", "palo-alto"), ("pan", "palo-alto"), ("aws", "cloud"), ("azure", "cloud"),
    ("cloud", "cloud"), ("network-acl", "cloud"), ("security-group", "cloud"),
)  # fmt: skip


class Background(NamedTuple):
    """What is the same for all findings of a case: who fails to reach a port, and the ports that a host was seen to use."""

    failing: Mapping[tuple[Address, int], tuple[Address, ...]]
    ports: Mapping[Address, frozenset[int]]


def background(case: Case) -> Background:
    """Walks the conversations and referrals once."""
    failing: dict[tuple[Address, int], dict[Address, None]] = {}
    ports: dict[Address, set[int]] = {}
    for conversation in case.failed:
        known = failing.setdefault((conversation.server, conversation.near.flow.server.port), {})
        if len(known) < MAX_CLIENTS:
            known[conversation.client] = None
    for conversation in case.conversations:
        ports.setdefault(conversation.server, set()).add(conversation.near.flow.server.port)
    for one in case.referrals:
        told = ports.setdefault(one.teller, set())
        told.update(endpoint.port for endpoint in one.referral.endpoints if endpoint.port is not None)
    return Background(
        {end: tuple(clients) for end, clients in failing.items()},
        {host: frozenset(known) for host, known in ports.items()},
    )


class Reach(NamedTuple):
    """Whom a rule lets in: what was `chosen` and why, and `narrower` addresses where that is a subnet."""

    chosen: tuple[str, ...]
    narrower: tuple[str, ...]
    why: str

    @property
    def text(self) -> str:
        return ", ".join(self.chosen)

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(ip_network(one) for one in self.chosen)


class Situation(NamedTuple):
    """A finding, the case, and the policy in force where it is known."""

    case: Case
    finding: Finding
    background: Background
    applied: Applied | None = None

    @property
    def host(self) -> Address:
        """Whose port it is."""
        back = self.finding.direction is Direction.SERVER_TO_CLIENT
        return self.finding.client if back else self.finding.server

    @property
    def caller(self) -> Address:
        """Who wants to reach it."""
        back = self.finding.direction is Direction.SERVER_TO_CLIENT
        return self.finding.server if back else self.finding.client

    @property
    def failing(self) -> tuple[CaseFlow, ...]:
        """The finding's flows from the one to the other."""
        flows = [self.case.flow(id) for id in self.finding.flows]
        ends = (self.caller, self.host)
        return tuple(one for one in flows if (one.flow.client.address, one.flow.server.address) == ends)

    @property
    def product(self) -> str | None:
        """Whose firewall it is: the one whose log shows the drop, else the one that the user named, where it stops them.

        A policy that lets the flows pass is not the one that dropped them.
        """
        if self.finding.subject.log_format:
            return product_of(self.finding.subject.log_format)
        return product_of(self.applied.policy.product) if self.applied and self.stopped_by else None

    @property
    def device_known(self) -> bool:
        """Whether it is a device between the hosts for certain: its log says so, it answers in the host's place, or the
        packets are lost between two capture points."""
        if self.product is not None:
            return self.product != "windows-firewall"
        for one in self.failing[:MAX_CLIENTS]:
            conversation = self.case.conversations[one.conversation]
            if observe.not_seen_beyond(self.case, conversation):
                return True
            if observe.refuser(self.case, conversation)[0] is observe.Refuser.DEVICE:
                return True
        return self.finding.rule in ("mapper-rejected", "dynamic-port-rejected", "port-not-learnt", "pinhole-expired")

    @property
    def device(self) -> str:
        """How the device in the path is called, as far as is known."""
        answers = {error.sender for one in self.failing for error in one.flow.icmp}
        names = {"tmg": "ISA or TMG", "asa": "ASA", "fortigate": "FortiGate", "linux": "Linux firewall", "cloud": "cloud "
                 "filter", "srx": "SRX", "checkpoint": "Check Point gateway"}  # fmt: skip
        called = names.get(self.product or "", "firewall")
        if len(answers) == 1:
            return f"the {called} that answered with ICMP, {next(iter(answers))}"
        return f"the {called} between {self.caller} and {self.host}"

    @property
    def admitted(self) -> bool:
        """Whether the host's own firewall says that it lets the connection in."""
        conversations = {one.conversation for one in self.failing[:MAX_CLIENTS]}
        return any(observe.let_in(self.case, self.case.conversations[one]) for one in sorted(conversations))

    @property
    def sealed(self) -> bool:
        """Whether the answer that names the port cannot be read by anybody in between."""
        if any(self.case.referral(id).referral.readable == "sealed" for id in self.finding.referrals):
            return True
        told = [self.case.referral_of(one) for one in self.failing if one.origin.kind is OriginKind.INFERRED]
        return any(one is not None and one.referral.readable == "sealed" for one in told)

    @property
    def fixed_port(self) -> int | None:
        """The port, where it is one that does not change."""
        port = self.finding.subject.port
        if port is None or port in MAPPER_PORTS:
            return None
        if port in FIXED_TCP_PORTS or any(one.origin.kind is OriginKind.WELL_KNOWN for one in self.failing):
            return port
        return None

    @property
    def clsid(self) -> str | None:
        """The class that was activated; of a callback, WMI's where the client uses WMI."""
        if self.finding.subject.clsid:
            return self.finding.subject.clsid
        if self.finding.direction is Direction.SERVER_TO_CLIENT:
            told = self.case.told.get((self.finding.client, self.finding.server), ())[:MAX_CLIENTS]
            return next((one.referral.clsid for one in told if one.referral.clsid == WMI), None)
        return None

    @property
    def service_name(self) -> str:
        """How the service is called: its class or interface."""
        subject = self.finding.subject
        if self.finding.direction is Direction.SERVER_TO_CLIENT:
            return "WMI callbacks" if self.clsid == WMI else "callbacks"
        name = (self.clsid and class_name(self.clsid)) or (subject.interface and interface_name(subject.interface.uuid))
        if name:
            return name
        return f"RPC interface {subject.interface.uuid}" if subject.interface else "the RPC service"

    @property
    def listener(self) -> "ListeningProcess | None":
        """Whose the failing ports are, as the host's own events say; None where they do not, or name several programs."""
        if not self.case.held:
            return None
        positions = dict.fromkeys(one.conversation for one in self.failing[:MAX_CLIENTS])
        owners = [self.case.listener(self.case.conversations[position]) for position in positions]
        known = [one for one in owners if one is not None]
        alike = len(known) == len(owners) and len({one.program.lower() for one in known}) == 1
        return known[0] if alike else None

    @property
    def program(self) -> tuple[str | None, str | None, str | None]:
        """Program, service and built-in firewall group behind the failing port: what an event of the host says, where
        that is a path that rules can name, else what the tables know.

        An event does not say which service of a process it was: where it agrees with the tables, that is theirs. The
        kernel's own port leaves the tables' word as it is.
        """
        tables, owner = self._of_tables, self.listener
        if owner is None or is_kernel(owner.program):
            return tables
        known = tables[0]
        if known is not None and known.lower() == (owner.path or "").lower():
            return tables
        if owner.path is None and known is not None and known.rpartition("\\")[2].lower() == owner.name.lower():
            return tables
        return owner.path, None, None

    @property
    def _of_tables(self) -> tuple[str | None, str | None, str | None]:
        subject = self.finding.subject
        if self.finding.direction is Direction.SERVER_TO_CLIENT:
            known = self.clsid == WMI
            return (r"%SystemRoot%\System32\wbem\unsecapp.exe" if known else None), None, None
        for uuid in (self.clsid, subject.interface.uuid if subject.interface else None):
            found = service_of(uuid) if uuid else (None, None, None)
            if any(found):
                return found
        return None, None, None

    def clients(self) -> tuple[Address, ...]:
        """The finding's client, and where it is inside the others there who fail at the same port."""
        ports = {one.flow.server.port for one in self.failing}
        others = [one for port in sorted(ports) for one in self.background.failing.get((self.host, port), ())]
        alike = [one for one in others if one.version == self.caller.version and inside(one) and inside(self.caller)]
        return tuple(dict.fromkeys((self.caller, *alike)))[:MAX_CLIENTS]

    @property
    def stopped_by(self) -> tuple[Verdict, ...]:
        """What the policy in force says of the failing flows, where it does not let them pass."""
        if self.applied is None:
            return ()
        verdicts = [self.applied.verdicts[one.id] for one in self.failing if one.id in self.applied.verdicts]
        return tuple(one for one in verdicts if not one.passes)

    @property
    def governing(self) -> Rule | None:
        """The rule of the policy in force that decides about the failing flows."""
        positions = [one.position for one in self.stopped_by if one.position is not None]
        return self.applied.policy.rules[positions[0]] if self.applied and positions else None

    @property
    def mapper_open(self) -> bool:
        """Whether the capture shows that the caller reaches the host's mapper."""
        return any(
            one.near.flow.server.port in MAPPER_PORTS and one.near.flow.outcome not in FAILED_TO_OPEN
            for one in self.case.between(self.caller, self.host)[:MAX_LOOKED_AT]
        )

    def reach(self) -> Reach:
        """Subnets inside, addresses in a perimeter, and of a server that calls back."""
        if self.finding.direction is Direction.SERVER_TO_CLIENT:
            return Reach((str(self.caller),), (), f"the address alone: {self.caller} is a server, which keeps it")
        return reach(self.clients())

    def free_port(self, wanted: int, count: int = 1) -> int:
        """The first port from `wanted` on, in steps of 1,000, that has `count` ports which nobody was seen to use."""
        known = self.background.ports
        nobody: frozenset[int] = frozenset()
        taken = known.get(self.host, nobody) | known.get(self.caller, nobody)
        for first in (*range(wanted, 65000 - count, 1000), *range(wanted + 137, 65000 - count, 100)):
            if not any(first <= port <= first + count for port in taken):
                return int(first)
        return wanted


def product_of(name: str) -> str | None:
    """Our word for a log format or a policy's product."""
    return next((product for begins, product in _PRODUCTS if name.lower().startswith(begins)), None)


def inside(address: Address) -> bool:
    """Whether it is an address of a private network."""
    return any(address in network for network in _INSIDE if network.version == address.version)


@lru_cache(maxsize=4096)
def single(address: Address) -> Network:
    """The network of one address."""
    return ip_network(address)


def reach(clients: Iterable[Address]) -> Reach:
    """The smallest sensible scope for these clients, all of one version."""
    return _reach(tuple(clients))


@lru_cache(maxsize=1024)
def _reach(clients: tuple[Address, ...]) -> Reach:
    known = sorted(set(clients), key=int)
    listed = tuple(str(one) for one in known)
    if not all(inside(one) for one in known):
        why = "addresses, because they are not of a private network: in a perimeter a rule names who may come"
        return Reach(listed, (), why)
    networks = _widened(known)
    subnets = tuple(str(one) for one in networks)
    plural = "s" if len(subnets) > 1 else ""
    return Reach(
        subnets,
        listed,
        f"the subnet{plural} {', '.join(subnets)}, since the client is inside and DHCP may move it there; where its address "
        "is fixed, the address alone is narrower",
    )


def _widened(addresses: Sequence[Address]) -> list[Network]:
    """Their usual subnets, widened until they are few."""
    version = addresses[0].version
    prefix = _SUBNET[version]
    while True:
        subnets = {ip_network((one, prefix), strict=False) for one in addresses}
        fours = [one for one in subnets if isinstance(one, IPv4Network)]
        sixes = [one for one in subnets if isinstance(one, IPv6Network)]
        networks: list[Network] = [*collapse_addresses(fours), *collapse_addresses(sixes)]
        if len(networks) <= MAX_NETWORKS or prefix <= _WIDEST[version]:
            return networks
        prefix -= 1
