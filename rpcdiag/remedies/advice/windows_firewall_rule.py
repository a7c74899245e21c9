"""Windows Firewall: a rule for program and `RPC` keyword, with its mapper companion, for those who need it.

Only the host knows which port a program has: its rule works for sealed answers and survives restarts.
"""

from collections.abc import Iterator

from rpcdiag.policy.model import Action, Keyword
from rpcdiag.remedies import shell, windows
from rpcdiag.remedies.remedy import Advice, Command, Remedy, Simulated, Width
from rpcdiag.remedies.situation import Reach, Situation
from rpcdiag.remedies.windows import Inbound

_MAPPER_RULES = frozenset({"mapper-blocked", "mapper-rejected"})
_MAPPER_PORTS = (135, 593)


def make(s: Situation) -> Iterator[Remedy]:
    if s.finding.subject.local_host or s.device_known or s.admitted:
        return
    if s.product not in (None, "windows-firewall"):
        return
    reach = s.reach()
    if s.fixed_port is not None and s.fixed_port not in _MAPPER_PORTS:
        yield _fixed(s, reach, s.fixed_port)
        return
    yield _keyword(s, reach)
    _, _, group = s.program
    if group and s.finding.rule not in _MAPPER_RULES:
        yield _built_in(s, reach, group)
    if reach.narrower and s.finding.rule not in _MAPPER_RULES:
        yield _computers(s)


def _profile(s: Situation) -> str:
    """That of the policy in force, where it is known."""
    known = s.applied.policy.profile if s.applied else None
    return known.capitalize() if known in ("domain", "private", "public") else "Domain"


def _keyword(s: Situation, reach: Reach) -> Remedy:
    rules = _rules(s, reach)
    program = rules[-1].program if rules[-1].port == Keyword.RPC else None
    what = "the endpoint mapper"
    if program:
        what += f" and the RPC ports of {program}{f' ({rules[-1].service})' if rules[-1].service else ''}"
    later = ""
    if program is None:
        later = "; the service's own ports need their rule as well: RPC keyword, its program"
    return Remedy(
        id="windows-firewall-rpc-rule",
        where=f"Windows Firewall of {s.host}, elevated PowerShell",
        why=("admits the program's RPC ports whatever their numbers are after the next restart" if program else
             "every RPC connection to a dynamic port begins with a question on port 135")
        + f". Scope: {reach.why}{windows.told(s) if program else ''}",
        commands=windows.commands(rules, windows.how_to_find(s)),
        price=f"a rule to keep; it works in the profile {rules[0].profile} only (Get-NetConnectionProfile tells which is in "
        f"force){later}{windows.besides(s) if program else ''}",
        opens=f"{what} of {s.host}, for {reach.text}",
        width=Width.PROGRAM,
        change=Simulated("windows-firewall", tuple(rule.model for rule in rules)),
    )  # fmt: skip


def _rules(s: Situation, reach: Reach) -> tuple[Inbound, ...]:
    """The mapper's rule, and the program's; who is called back needs both, since a connection to the object follows."""
    subject = s.finding.subject
    profile = _profile(s)
    companion = windows.mapper(reach, profile)
    back = s.finding.rule == "callback-blocked"
    if not back and (s.finding.rule in _MAPPER_RULES or subject.port in _MAPPER_PORTS):
        return (companion,)
    program, service, _ = s.program
    own = Inbound(
        name=f"{s.service_name}, RPC dynamic ports, from {reach.text}",
        port=Keyword.RPC,
        remote=reach,
        description=f"Lets {reach.text} reach {s.service_name} of this host at whatever ports it registers; a port number would "
        f"not last ({s.finding.rule}).",
        program=program or windows.PROGRAM_PATH,
        service=service,
        profile=profile,
    )
    return companion, own


def _fixed(s: Situation, reach: Reach, port: int) -> Remedy:
    program, service, _ = s.program
    rule = Inbound(
        name=f"{s.service_name}, TCP {port}, from {reach.text}",
        port=str(port),
        remote=reach,
        description=f"Lets {reach.text} reach the fixed port {port} of this host ({s.finding.rule}).",
        program=program,
        service=service,
        profile=_profile(s),
    )
    rules: tuple[Inbound, ...] = (rule,)
    if s.finding.subject.dcom or s.clsid:
        rules = (windows.mapper(reach, rule.profile), rule)
    return Remedy(
        id="windows-firewall-fixed-port-rule",
        where=f"Windows Firewall of {s.host}, elevated PowerShell",
        why=f"{port} is a port that does not change: a rule for the number is right. Scope: {reach.why}"
        + windows.told(s),
        commands=windows.commands(rules),
        price=f"a rule to keep; it works in the profile {rule.profile} only{windows.besides(s)}",
        opens=f"port {port} of {s.host}, for {reach.text}",
        width=Width.PROGRAM,
        change=Simulated("windows-firewall", tuple(one.model for one in rules)),
    )


def _built_in(s: Situation, reach: Reach, group: str) -> Remedy:
    return Remedy(
        id="windows-firewall-built-in-group",
        where=f"Windows Firewall of {s.host}, elevated PowerShell",
        why=f"Windows has rules for this, switched off: the group '{group}' (its name is another in other languages)",
        commands=(
            Command(
                "powershell",
                f"Get-NetFirewallRule -DisplayGroup '{group}' -Direction Inbound | Where-Object Profile -match 'Domain|Any' |\n"
                f"    Set-NetFirewallRule -Enabled True -RemoteAddress {reach.text}",
            ),
            Command(
                "cmd", f'netsh advfirewall firewall set rule group="{group}" new enable=yes remoteip={",".join(reach.chosen)}',
                "netsh",
            ),
        ),
        price="more than the one service, where the group has rules for several",
        opens=f"every rule of that group on {s.host}, for {reach.text}",
        width=Width.GROUP,
    )  # fmt: skip


def _computers(s: Situation) -> Remedy:
    program, service, _ = s.program
    path = program or windows.PROGRAM_PATH
    more = f" -Service {service}" if service else ""
    blocked = s.governing is not None and s.governing.action is not Action.ALLOW
    over = " -OverrideBlockRules True" if blocked else ""
    return Remedy(
        id="windows-firewall-computers-rule",
        where=f"Windows Firewall of {s.host} and of its clients, elevated PowerShell or group policy",
        why="where addresses come from DHCP, a group of computers says better who may come than any subnet"
        + ("; a rule for computers that IPsec authenticates may override the one that blocks" if blocked else ""),
        commands=(
            Command(
                "powershell",
                f"New-NetFirewallRule -DisplayName 'RPC for a group of computers' -Direction Inbound -Action Allow `\n"
                f"    -Profile Domain -Protocol TCP -LocalPort RPC -Program {shell.powershell(path)}{more} `\n"
                f"    -Authentication Required{over} -RemoteMachine 'O:LSD:(A;;CC;;;<SID of the computer group>)'",
            ),
            Command(
                "powershell",
                f"New-NetIPsecRule -DisplayName 'Authenticate RPC to {s.host}' -Profile Domain -InboundSecurity Request `\n"
                "    -OutboundSecurity Request",
            ),
            Command("steps", "The second rule is needed on both sides: without IPsec between them the first lets nobody in. "
                             "The endpoint mapper needs its rule as well."),
        ),
        price="connection security (IPsec, authenticated by Kerberos) on both sides",
        opens=f"the RPC ports of that program on {s.host}, for the computers of the group",
        width=Width.GROUP,
    )  # fmt: skip


ADVICE = Advice(
    id="windows-firewall-rule",
    rules=(
        "mapper-blocked",
        "mapper-rejected",
        "dynamic-port-blocked",
        "dynamic-port-rejected",
        "callback-blocked",
        "ephemeral-port-rule",
        "program-rule-missing",
    ),
    make=make,
)
