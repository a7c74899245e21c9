"""What a firewall policy is, whatever product wrote it: an ordered list of rules, and a product that evaluates it."""

from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from rpcdiag.model.packets import Address

Network = IPv4Network | IPv6Network


class Sure(StrEnum):
    """How sure it is that a product behaves as its parameter file says; the first is the surest."""

    DOCUMENTED = "documented"  # by its vendor
    KNOWLEDGE = "knowledge"  # general, not read again in documentation
    UNCERTAIN = "uncertain"

    @classmethod
    def least(cls, *several: "Sure") -> "Sure":
        """The least sure of them; documented where there are none."""
        return max(several, key=tuple(cls).index, default=cls.DOCUMENTED)


class Action(StrEnum):
    """What a rule does, and what its client sees of it: an answer, silence, an ICMP error, a RST."""

    ALLOW = "allow"
    DROP = "drop"
    REJECT = "reject"
    RESET = "reset"


class Keyword(StrEnum):
    """Ports that Windows Firewall knows by their meaning: those that the rule's program registered with the mapper."""

    RPC = "RPC"
    RPC_EPMAP = "RPCEPMap"
    OTHER = "other"  # IPHTTPS, Teredo, PlayToDiscovery, ...: never a port of RPC


class Authentication(StrEnum):
    """What a rule asks for before it lets somebody in: a connection that IPsec authenticates, and perhaps of whom."""

    NONE = "none"
    ANYBODY = "anybody"  # "allow if secure", no list
    COMPUTERS = "computers"
    USERS = "users"
    BOTH = "computers and users"


class Ports(NamedTuple):
    """Ports as inclusive ranges, and keywords. Neither: any port."""

    ranges: tuple[tuple[int, int], ...] = ()
    keywords: tuple[Keyword, ...] = ()

    @property
    def any(self) -> bool:
        return not self.ranges and not self.keywords

    @property
    def numbers(self) -> int:
        """How many ports the ranges hold; 65,536 where it is any port."""
        return 65536 if self.any else sum(last - first + 1 for first, last in self.ranges)


class Scope(NamedTuple):
    """Addresses as a rule names them. `networks` and `ranges` are what is known of them; both empty: any address.

    `names` are zones or computer sets that the policy defines (`Policy.zones`), or keywords (`LocalSubnet`): those that
    nobody defines leave open whether the rule matches. `negated`: everything else.
    """

    networks: tuple[Network, ...] = ()
    ranges: tuple[tuple[Address, Address], ...] = ()  # inclusive
    names: tuple[str, ...] = ()
    negated: bool = False

    @property
    def any(self) -> bool:
        return not (self.networks or self.ranges or self.names)


class Rule(NamedTuple):
    """One rule. What is empty or None matches everything, or is as the product has it by default."""

    name: str
    action: Action
    place: int | None = None  # its number, as the product shows it
    system: bool = False  # evaluated before the administrator's own
    enabled: bool = True
    inbound: bool | None = None  # of a host's own firewall: True in, False out; None: both, or forwarded
    protocols: tuple[str, ...] = ()  # tcp, udp, icmp, or a number as text; empty: any
    sources: Scope = Scope()  # of a host's own firewall: the remote addresses where it is inbound
    destinations: Scope = Scope()
    source_ports: Ports = Ports()
    ports: Ports = Ports()  # of the side that is connected to
    profiles: tuple[str, ...] = ()  # domain, private, public; empty: any
    program: str | None = None
    service: str | None = None
    package: str | None = None  # an app container: no RPC server
    interfaces: tuple[str, ...] = ()  # UUIDs that it is for
    denied_interfaces: tuple[str, ...] = ()
    alg: bool | None = None  # whether the product's reading of RPC is bound to it
    strict: bool | None = None  # whether only what begins with the mapper passes ("Enforce strict RPC compliance")
    authentication: Authentication = Authentication.NONE
    overrides_block: bool = False  # "allow if secure" that beats block rules
    established: bool = False  # matches packets of connections that are known already only
    description: str | None = None
    setting: str | None = None  # where the person finds the flag: "System Policy Editor > ... > Active Directory"
    line: int | None = None  # in the file that it was read from


class Parameter(NamedTuple):
    """One thing that a product does in its own way: the value, how sure that is, and where it is known from."""

    value: object
    sure: Sure
    source: str


class Translation(NamedTuple):
    """Clients go to `seen`; the server behind it calls itself `real`, and so write its bindings."""

    seen: Address
    real: Address


class Process(NamedTuple):
    """Who owns a listening port of a host, where that is known; `program` as Windows writes it, with or without path."""

    host: Address
    port: int
    program: str | None
    service: str | None


class Policy(NamedTuple):
    """A product with its rules, and the network around it, as a person described them.

    `rules` are in the order in which they are evaluated: those of the system first. `zones` name networks; `local_host`
    are the addresses of the firewall itself. `hosts`: where it is a host's own firewall, which hosts run it; None: all.
    """

    name: str
    product: str
    rules: tuple[Rule, ...] = ()
    default: Action = Action.DROP  # of what comes in, or is forwarded
    default_out: Action = Action.ALLOW  # of what a host with a firewall of its own sends
    zones: dict[str, tuple[Network, ...]] = {}  # noqa: RUF012 (a named tuple's default; nobody writes to it)
    local_host: tuple[Address, ...] = ()
    hosts: tuple[Address, ...] | None = None
    profile: str | None = None  # domain, private, public: the one in force, where that is known
    processes: tuple[Process, ...] = ()
    path: str | None = None  # of the file that it was read from
    remarks: tuple[str, ...] = ()
    overrides: dict[str, Parameter] = {}  # noqa: RUF012  (parameters of the product that are different here)
    translations: tuple[Translation, ...] = ()
    cut: str | None = None  # where the file of rules breaks off


class RuleSet(NamedTuple):
    """What a file of rules says. `product` is the id of the product that evaluates such a file, where it tells.

    `default` is None where the file does not say; `remarks` are what could not be read, with its line. `cut` says where
    the file breaks off: rules that nobody has read may follow.
    """

    format: str
    rules: tuple[Rule, ...]
    product: str | None = None
    default: Action | None = None
    zones: dict[str, tuple[Network, ...]] = {}  # noqa: RUF012 (a named tuple's default; nobody writes to it)
    remarks: tuple[str, ...] = ()
    cut: str | None = None


class RuleSetFormat(NamedTuple):
    """A plug-in of `policy/rulesets`.

    `why_not(head)` takes the first 64 KiB as text and says why the file is not of this format, or None when it is.
    `parse(text)` reads it whole; it never raises on content: what it cannot read becomes a remark.
    """

    name: str
    title: str
    why_not: Callable[[str], str | None]
    parse: Callable[[str], RuleSet]
