"""How firewalls in the path are told to permit ports between two hosts, each in its own words.

Only for ports that do not change, or a range that was set on the server: a dynamic port has no number to permit.
"""

from collections.abc import Callable
from ipaddress import ip_network

from rpcdiag.model.packets import Address
from rpcdiag.policy.model import Action, Ports, Rule, Scope
from rpcdiag.remedies.remedy import Command, Simulated
from rpcdiag.remedies.situation import Situation

Spans = tuple[tuple[int, int], ...]  # first and last port
MAX_HOSTS = 8


def permit(s: Situation, spans: Spans) -> tuple[Command, ...]:
    """Commands for the device in the path; steps where its product is not known."""
    return _WAYS.get(s.product or "", _steps)(s, spans)


def rule(s: Situation, spans: Spans) -> Rule:
    """What that permits, for the simulator."""
    return Rule(
        name=f"RPC from {s.caller} to {s.host}",
        action=Action.ALLOW,
        protocols=("tcp",),
        sources=Scope(networks=tuple(ip_network(one) for one in hosts(s))),
        destinations=Scope(networks=(ip_network(s.host),)),
        ports=Ports(ranges=spans),
        alg=False,
    )


def simulated(s: Situation, spans: Spans) -> Simulated:
    """Where the product is not known, a plain filter stands for it."""
    return Simulated(s.product if s.product in _SIMULATED else "none", (rule(s, spans),))


def spans_for(s: Situation, first: int, last: int) -> Spans:
    """A range, and the mapper's port where the capture does not show that it is open."""
    return ((first, last),) if s.mapper_open else ((135, 135), (first, last))


def hosts(s: Situation) -> tuple[Address, ...]:
    """The clients a device rule is for: addresses, since a device knows no programs."""
    return s.clients()[:MAX_HOSTS]


def text(spans: Spans, between: str = "-", join: str = " and ", each: str = "tcp/") -> str:
    """`tcp/135 and tcp/50000-50199`"""
    return join.join(f"{each}{first}" if first == last else f"{each}{first}{between}{last}" for first, last in spans)


def _names(s: Situation) -> str:
    return ", ".join(str(one) for one in hosts(s))


def _steps(s: Situation, spans: Spans) -> tuple[Command, ...]:
    return (
        Command(
            "steps", f"Permit {text(spans)} from {_names(s)} to {s.host}, above the rule that drops it; log the rule."
        ),
    )


def _tmg(s: Situation, spans: Spans) -> tuple[Command, ...]:
    return (
        Command(
            "steps",
            f"1. Forefront TMG Management > Firewall Policy > Toolbox > Protocols > New > Protocol: TCP, outbound, "
            f"{text(spans, each='port ')}; do not bind it to the RPC filter.\n"
            f"2. New access rule above the one that denies: that protocol, from {_names(s)} to {s.host}, Apply.\n"
            "3. Start a new connection: existing ones are judged by the old policy. From the firewall itself the system "
            "policy still comes first.",
        ),
    )


def _linux(s: Situation, spans: Spans) -> tuple[Command, ...]:
    family = "ip" if s.host.version == 4 else "ip6"
    ports = text(spans, join=", ", each="")
    sources = _names(s)
    tool = "iptables" if s.host.version == 4 else "ip6tables"
    rules = "\n".join(
        f"{tool} -I FORWARD 1 -p tcp -s {one} -d {s.host} -m conntrack --ctstate NEW -m multiport --dports "
        f"{text(spans, ':', ',', '')} -m comment --comment 'RPC to {s.host}' -j ACCEPT"
        for one in hosts(s)
    )
    return (
        Command(
            "sh",
            f"nft insert rule inet filter forward {family} saddr {{ {sources} }} {family} daddr {s.host} tcp dport "
            f"{{ {ports} }} ct state new accept comment '\"RPC to {s.host}\"'",
        ),
        Command("steps", "'nft list ruleset' shows how your table and chain are called; keep 'ct state "
                         "established,related accept' before it. The kernel has no helper for RPC: it follows no port."),
        Command("sh", rules, "iptables"),
    )  # fmt: skip


def _asa(s: Situation, spans: Spans) -> tuple[Command, ...]:
    lines = [
        f"access-list <name of the list> line 1 extended permit tcp host {one} host {s.host} "
        + (f"eq {first}" if first == last else f"range {first} {last}")
        for one in hosts(s)
        for first, last in spans
    ]
    return (
        Command("asa", "\n".join(lines)),
        Command("steps", "'show run access-group' names the list of the interface on which the client comes in."),
    )


def _fortios(s: Situation, spans: Spans) -> tuple[Command, ...]:
    return (Command("fortios", fortios_policy(s, text(spans, join=" ", each=""))),)


def fortios_policy(s: Situation, ports: str | None) -> str:
    """A policy with its addresses; `ports` of a service made for it, None for the predefined DCE-RPC."""
    six = s.host.version == 6
    kind, suffix = ("address6", "6") if six else ("address", "")
    lines = [f"config firewall {kind}"]
    for one in (*hosts(s), s.host):
        lines += [
            f'    edit "host-{one}"',
            f"        set {'ip6' if six else 'subnet'} {one}/{one.max_prefixlen}",
            "    next",
        ]
    lines.append("end")
    service = "DCE-RPC"
    if ports is not None:
        service = f"RPC-{s.host}"
        lines += ["config firewall service custom", f'    edit "{service}"', f"        set tcp-portrange {ports}",
                  "    next", "end"]  # fmt: skip
    sources = " ".join(f'"host-{one}"' for one in hosts(s))
    lines += [
        "config firewall policy", "    edit 0", f'        set name "RPC to {s.host}"',
        '        set srcintf "<client side>"', '        set dstintf "<server side>"',
        f"        set srcaddr{suffix} {sources}", f'        set dstaddr{suffix} "host-{s.host}"',
        f'        set service "{service}"', '        set schedule "always"', "        set action accept",
        "        set logtraffic all", "    next", "end",
    ]  # fmt: skip
    return "\n".join(lines)


def _srx(s: Situation, spans: Spans) -> tuple[Command, ...]:
    named = [f"set applications application rpc-fixed term t{number} protocol tcp destination-port {first}"
             + (f"-{last}" if last != first else "")
             for number, (first, last) in enumerate(spans, start=1)]  # fmt: skip
    return (Command("junos", "\n".join((*named, *srx_policy(s, "rpc-fixed")))),)


def srx_policy(s: Situation, application: str) -> tuple[str, ...]:
    """Lines for a policy between the two zones."""
    book = [
        f"set security address-book global address host-{one} {one}/{one.max_prefixlen}" for one in (*hosts(s), s.host)
    ]
    policy = "set security policies from-zone <client side> to-zone <server side> policy rpc"
    matches = [f"{policy} match source-address host-{one}" for one in hosts(s)]
    return (
        *book, *matches, f"{policy} match destination-address host-{s.host}", f"{policy} match application {application}",
        f"{policy} then permit",
    )  # fmt: skip


def _cloud(s: Situation, spans: Spans) -> tuple[Command, ...]:
    kind, key = ("IpRanges", "CidrIp") if s.host.version == 4 else ("Ipv6Ranges", "CidrIpv6")
    lines = [
        "aws ec2 authorize-security-group-ingress --group-id <group of the server> --ip-permissions "
        f"'IpProtocol=tcp,FromPort={first},ToPort={last},{kind}=[{{{key}={one}/{one.max_prefixlen}}}]'"
        for one in hosts(s)
        for first, last in spans
    ]
    azure = (
        "az network nsg rule create --resource-group <group> --nsg-name <name> --name rpc --priority <free number> "
        "--direction Inbound --access Allow --protocol Tcp --source-address-prefixes "
        f"{' '.join(str(one) for one in hosts(s))} --destination-address-prefixes {s.host} --destination-port-ranges "
        f"{text(spans, join=' ', each='')}"
    )
    stateless = "A network ACL of AWS keeps no state: its outbound rules must let the answers out, to the clients' ephemeral ports."
    return Command("sh", "\n".join(lines)), Command("steps", stateless), Command("sh", azure, "Azure")


_WAYS: dict[str, Callable[[Situation, Spans], tuple[Command, ...]]] = {
    "tmg": _tmg, "linux": _linux, "asa": _asa, "fortigate": _fortios, "srx": _srx, "cloud": _cloud,
}  # fmt: skip
_SIMULATED = frozenset({"tmg", "linux", "asa", "fortigate", "srx", "cloud", "checkpoint", "stormshield", "barracuda",
                        "palo-alto"})  # fmt: skip
