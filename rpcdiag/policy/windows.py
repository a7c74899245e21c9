"""A rule of Windows Firewall, out of the words that netsh, PowerShell and the registry have for the same things."""

from collections.abc import Iterable
from typing import NamedTuple

from rpcdiag.policy import written
from rpcdiag.policy.model import Action, Authentication, Keyword, Ports, Rule, Scope
from rpcdiag.policy.written import MAX_ITEMS, MAX_WORDS, Remarks, opened, short

PRODUCT = "windows-firewall"
ANY = frozenset({"", "any", "*"})
_PROFILES = ("domain", "private", "public")
# [MS-FASP] 2.2.14, [MS-GPFAS] 2.2.2.3, and how netsh and PowerShell spell them
_KEYWORDS = {"rpc": Keyword.RPC, "rpcepmap": Keyword.RPC_EPMAP} | dict.fromkeys(
    ("teredo", "iphttps", "iphttpsin", "iphttpsout", "iptls", "iptlsin", "iptlsout", "ply2disc", "playtodiscovery",
     "dhcp", "mdns", "cortana", "cortanaout", "proximaltcpcdp", "tcpcdp", "wfdprint", "wfdcdpsvc"),
    Keyword.OTHER,
)  # fmt: skip
# [MS-GPFAS] 2.2.2.13, and Set-NetFirewallRule; a 4 or 6 at the end limits them to a version
_PLACES = {
    "localsubnet": "LocalSubnet", "dns": "DNS", "dhcp": "DHCP", "wins": "WINS", "defaultgateway": "DefaultGateway",
    "intranet": "Intranet", "internet": "Internet", "rmtintranet": "IntranetRemoteAccess",
    "intranetremoteaccess": "IntranetRemoteAccess", "ply2renders": "PlayToDevice", "playtodevice": "PlayToDevice",
    "captiveportal": "CaptivePortal",
}  # fmt: skip


class Written(NamedTuple):
    """A rule in English words; None, where one may be, is what could not be understood."""

    name: str
    line: int | None
    action: str | None  # allow, block, bypass
    inbound: bool | None
    enabled: bool | None = True
    profiles: tuple[str, ...] = ()
    protocol: str = ""
    local_ports: tuple[str, ...] = ()
    remote_ports: tuple[str, ...] = ()
    local_addresses: tuple[str, ...] = ()
    remote_addresses: tuple[str, ...] = ()
    program: str = ""
    service: str = ""
    package: str = ""
    authenticated: bool = False
    computers: bool = False
    users: bool = False
    overrides_block: bool = False
    description: str = ""
    unclear: tuple[str, ...] = ()  # conditions that are there and are not evaluated


def rule(one: Written, remarks: Remarks) -> Rule:
    """The rule; what is not understood becomes a remark and leaves open whether it matches."""
    doubts = list(one.unclear)
    doubts += [
        f"{what} is not understood"
        for what, value in (("action", one.action), ("direction", one.inbound), ("enabled", one.enabled))
        if value is None
    ]
    local, remote = _ports(one.local_ports, doubts), _ports(one.remote_ports, doubts)
    here, there = _scope(one.local_addresses, doubts), _scope(one.remote_addresses, doubts)
    if any(len(several) >= MAX_ITEMS for several in one if isinstance(several, tuple)):
        doubts.append("lists that are too long")
    outbound = one.inbound is False
    service = one.service.strip()
    if service == "*":
        doubts.append("services only")
    made = Rule(
        name=short(one.name, MAX_WORDS),
        action=Action.DROP if one.action == "block" else Action.ALLOW,
        enabled=one.enabled is not False,
        inbound=one.inbound,
        protocols=_protocols(one.protocol, doubts),
        sources=here if outbound else there,
        destinations=there if outbound else here,
        source_ports=local if outbound else remote,
        ports=remote if outbound else local,
        profiles=_profiles(one.profiles, doubts),
        program=_or_none(one.program),
        service=_or_none(service),
        package=_or_none(one.package),
        authentication=_authentication(one),
        overrides_block=one.overrides_block or one.action == "bypass",
        description=_or_none(one.description),
        line=one.line,
    )
    for doubt in doubts:
        made = opened(made, doubt)
        remarks.add(f"rule {short(one.name)!r}: {doubt}: whether it matches is left open", one.line)
    return made


def words(text: str) -> tuple[str, ...]:
    """A list as the tools write one: `a,b`, `a, b`, `{a, b}`."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}") and "," in inner:
        inner = inner[1:-1]
    found = tuple(part.strip() for part in inner.split(",", MAX_ITEMS)[:MAX_ITEMS])
    return tuple(part for part in found if part)


def _or_none(text: str) -> str | None:
    text = text.strip()
    return None if text.lower() in ANY else short(text, MAX_WORDS)


def _ports(items: Iterable[str], doubts: list[str]) -> Ports:
    """The ports; any port, and a doubt, where one of them is not understood: it might be that one."""
    ranges: list[tuple[int, int]] = []
    keywords: list[Keyword] = []
    for item in items:
        word = item.strip().lower().replace("-", "").replace(" ", "")
        if word in ANY:
            return Ports()
        if word in _KEYWORDS:
            keywords.append(_KEYWORDS[word])
            continue
        try:
            ranges.append(written.port_range(item))
        except ValueError as error:
            doubts.append(str(error))
            return Ports()
    return Ports(tuple(ranges), tuple(dict.fromkeys(keywords)))


def _scope(items: Iterable[str], doubts: list[str]) -> Scope:
    found, names = [], []
    for item in items:
        word = item.strip().lower()
        if word in ANY:
            return Scope()
        plain = word[:-1] if word[-1:] in ("4", "6") else word
        if plain in _PLACES:
            names.append(_PLACES[plain])
            continue
        try:
            found.append(written.addresses(item))
        except ValueError:
            doubts.append(f"{short(item)!r} is no address")
            return Scope()
    return written.scope(found, dict.fromkeys(names))


def _protocols(text: str, doubts: list[str]) -> tuple[str, ...]:
    try:
        known = written.protocol(text)
    except ValueError as error:
        doubts.append(str(error))
        return ()
    return () if known is None else (known,)


def _profiles(items: Iterable[str], doubts: list[str]) -> tuple[str, ...]:
    found = []
    for item in items:
        word = item.strip().lower()
        if word in ANY or word == "all":
            return ()
        if word not in _PROFILES:
            doubts.append(f"profile {short(item)!r}")
            return ()
        found.append(word)
    return () if set(found) == set(_PROFILES) else tuple(dict.fromkeys(found))


def _authentication(one: Written) -> Authentication:
    if one.computers and one.users:
        return Authentication.BOTH
    if one.computers:
        return Authentication.COMPUTERS
    if one.users:
        return Authentication.USERS
    return Authentication.ANYBODY if one.authenticated or one.action == "bypass" else Authentication.NONE
