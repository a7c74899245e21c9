"""Firewalls in the path that can read a port out of the mapper's answer, and how each is told to do so.

None of them reads a sealed answer, and few follow DCOM: then only the host's own firewall, a fixed port or a small range
helps. What each learns is in `policy/products`.
"""

from collections.abc import Callable, Iterator

from rpcdiag.policy.verdict import Change
from rpcdiag.remedies import devices
from rpcdiag.remedies.remedy import Advice, Command, Remedy, Simulated, Width
from rpcdiag.remedies.situation import Situation


def make(s: Situation) -> Iterator[Remedy]:
    subject = s.finding.subject
    if s.sealed or subject.port in (135, 593) or s.fixed_port is not None or subject.local_host:
        return
    way = _WAYS.get(s.product or "")
    if way is None:
        return
    dcom = subject.dcom or subject.clsid is not None
    commands = way(s, dcom)
    if not commands:
        return
    yield Remedy(
        id="rpc-inspection",
        where=s.device,
        why="it can read the port out of the mapper's answer and let that client, and nobody else, connect to it",
        commands=commands,
        price="the firewall takes RPC apart: answers that are sealed or that it cannot parse teach it nothing, and a port "
        "learnt before a failover is forgotten",
        opens=f"the ports that {s.host} names to {', '.join(map(str, devices.hosts(s)))}, for a while",
        width=Width.INSPECTION,
        change=Simulated(s.product or "", (devices.rule(s, ((135, 135),))._replace(alg=True, strict=False),),
                         Change("reading of RPC on", alg=True)),
    )  # fmt: skip


def _asa(s: Situation, dcom: bool) -> tuple[Command, ...]:
    text = (
        "policy-map type inspect dcerpc RPC\n parameters\n  timeout pinhole 0:10:00\n  endpoint-mapper lookup-operation "
        "timeout 0:05:00\npolicy-map global_policy\n class inspection_default\n  inspect dcerpc RPC"
    )
    remark = (
        "DCOM needs 9.4 or later, and no 'epm-service-only' in the map. New connections after the pinhole time-out are refused "
        "until the client asks the mapper again."
    )
    ftd = "configure inspection dcerpc enable"
    return (
        Command("asa", text),
        Command("steps", remark),
        *devices.permit(s, ((135, 135),))[:1],
        Command("asa", ftd, "FTD"),
    )


def _fortios(s: Situation, dcom: bool) -> tuple[Command, ...]:
    if dcom:
        return ()  # its helper is documented for the mapper, and for OXID resolution
    helper = (
        "config system session-helper\n    edit 0\n        set name dcerpc\n        set protocol 6\n        set port 135\n"
        "    next\nend\n"
    )
    return (
        Command("fortios", helper + devices.fortios_policy(s, None)),
        Command("steps", "'show system session-helper' tells whether the helper is there already. It does not parse RPC "
                         "fragments, and not behind a VIP."),
    )  # fmt: skip


def _srx(s: Situation, dcom: bool) -> tuple[Command, ...]:
    uuid = s.finding.subject.interface.uuid if s.finding.subject.interface and not dcom else None
    name = "junos-ms-rpc-tcp"
    lines: tuple[str, ...] = ("delete security alg msrpc disable",)
    if uuid:
        name = "rpc-service"
        lines += (f"set applications application {name} term t1 protocol tcp uuid {uuid}",)
        lines += ("set applications application-set rpc application junos-ms-rpc-epm",
                  f"set applications application-set rpc application {name}")  # fmt: skip
        name = "rpc"
    return (
        Command("junos", "\n".join((*lines, *devices.srx_policy(s, name)))),
        Command("steps", "'show security alg status' must say that MSRPC is enabled."),
    )


def _check_point(s: Situation, dcom: bool) -> tuple[Command, ...]:
    interface = s.finding.subject.interface
    service = f"a service of type DCE-RPC with the UUID {interface.uuid}" if interface and not dcom else "ALL_DCE_RPC"
    return (
        Command(
            "steps",
            f"SmartConsole: a rule from {s.caller} to {s.host} with {service}, above every rule that admits plain tcp/135: one "
            "of these in front takes the mapper connection, and nothing is learnt. Install the policy.",
        ),
    )


def _stormshield(s: Situation, dcom: bool) -> tuple[Command, ...]:
    return (
        Command(
            "steps",
            "Application protection > Protocols > Microsoft RPC (DCE/RPC): automatic detection on, the service's UUID allowed; "
            "raise the idle expiry (60 s) of the connections that it lets follow.",
        ),
    )


def _tmg(s: Situation, dcom: bool) -> tuple[Command, ...]:
    strict = (
        "3. Right-click the rule > Configure RPC protocol > clear 'Enforce strict RPC compliance': DCOM needs that.\n"
        if dcom
        else "3. Leave 'Enforce strict RPC compliance' on: this traffic begins with the mapper.\n"
    )
    return (
        Command(
            "steps",
            f"1. Firewall Policy > New > Access Rule, above the one that denies: protocol 'RPC (all interfaces)', from {s.caller} "
            f"to {s.host}.\n"
            "2. Where the server is published, 'RPC Server (all interfaces)' in a server publishing rule instead: it can also "
            f"name UUIDs.\n{strict}"
            "4. Apply, start a new connection: existing ones are judged by the old policy.",
        ),
    )


_WAYS: dict[str, Callable[[Situation, bool], tuple[Command, ...]]] = {
    "asa": _asa,
    "fortigate": _fortios,
    "srx": _srx,
    "checkpoint": _check_point,
    "stormshield": _stormshield,
    "tmg": _tmg,
}

ADVICE = Advice(
    id="inspection",
    rules=("dynamic-port-blocked", "dynamic-port-rejected", "port-not-learnt"),
    make=make,
)
