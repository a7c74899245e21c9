"""Windows Firewall: a rule for program and `RPC` keyword, with its mapper companion; and its drop log switched on.

The keyword `RPC` means the ports that the named program registered with the mapper, whatever their numbers are today:
the rule survives a restart, a rule for a number does not. [Microsoft: firewall rule properties, local port keywords]
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS, interface_name, service_of
from rpcdiag.model.packets import Address
from rpcdiag.remedies.remedy import Advice, Command, Remedy

_DEVICE_LOGS = frozenset({"isa-tmg-w3c", "isa-tmg-native", "isa-tmg-viewer", "linux-netfilter", "w3c-filter"})
_MAPPER_RULES = frozenset({"mapper-blocked", "mapper-rejected"})


def make(case: Case, finding: Finding) -> Iterator[Remedy]:
    host, other = _ends(finding)
    subject = finding.subject
    if subject.local_host:
        yield _outbound(finding, host, other)
        return
    if subject.log_format in _DEVICE_LOGS and finding.rule != "log-not-enabled":
        return
    if finding.rule not in ("log-not-enabled", "ephemeral-port-rule"):
        yield _allow(case, finding, host, other)
    if subject.log_format != "windows-firewall" or finding.rule == "log-not-enabled":
        yield _log(host)


def _ends(finding: Finding) -> tuple[Address, Address]:
    """The host whose firewall has to change, and the one to be let in."""
    if finding.direction is Direction.SERVER_TO_CLIENT:
        return finding.client, finding.server
    return finding.server, finding.client


def scope(address: Address) -> str:
    """The observed client's subnet, as narrow as is usual: /24 or /64. The person who applies it knows better."""
    bits = address.max_prefixlen - (24 if address.version == 4 else 64)
    network = type(address)(int(address) >> bits << bits)
    return f"{network}/{address.max_prefixlen - bits}"


def _allow(case: Case, finding: Finding, host: Address, other: Address) -> Remedy:
    subject = finding.subject
    remote = scope(other)
    name = (interface_name(subject.interface.uuid) if subject.interface else None) or "RPC service"
    description = f"Lets {remote} reach {name} of this host, whatever its RPC ports are ({finding.rule})."
    lines = []
    if finding.rule in _MAPPER_RULES or subject.dynamic or subject.port == 135:
        lines.append(
            _rule(f"RPC endpoint mapper from {remote}", "RPCEPMap", r"%SystemRoot%\System32\svchost.exe", "RpcSs", remote,
                  f"Companion of the RPC rules: lets {remote} ask where services listen.")
        )  # fmt: skip
    # who is called back needs both: the question on port 135 is followed by a connection to the object
    if finding.rule == "callback-blocked" or (finding.rule not in _MAPPER_RULES and subject.port not in (135, 593)):
        port = str(subject.port) if subject.port in FIXED_TCP_PORTS else "RPC"
        program, service, _ = service_of(subject.interface.uuid) if subject.interface else (None, None, None)
        lines.append(_rule(f"{name}, RPC dynamic ports, from {remote}", port, program or "<program path>", service,
                           remote, description))  # fmt: skip
    return Remedy(
        id="windows-firewall-rpc-rule",
        where=f"Windows Firewall of {host}, elevated PowerShell",
        why="admits the program's RPC ports whatever their numbers are after the next restart, and only for that subnet",
        commands=(Command("powershell", "\n".join(lines)), *_find_program("<program path>" in "".join(lines))),
        price=f"{remote} can reach that service of {host}; nothing else opens. Narrow the subnet where you can: single "
        "addresses in a perimeter. Choosing remote computers or users instead needs connections authenticated by IPsec",
    )


def _find_program(needed: bool) -> tuple[Command, ...]:
    """How to learn the program, where the interface does not tell it."""
    if not needed:
        return ()
    steps = "Put the path of the program that netstat shows for the port in the place of <program path>."
    return Command("cmd", "netstat -anob"), Command("steps", steps)


def _rule(name: str, port: str, program: str, service: str | None, remote: str, description: str) -> str:
    parts = [
        f"New-NetFirewallRule -DisplayName '{name}'",
        "-Direction Inbound -Action Allow -Profile Domain -Protocol TCP",
        f"-LocalPort {port} -Program '{program}'" + (f" -Service {service}" if service else ""),
        f"-RemoteAddress {remote}",
        f"-Description '{description}'",
    ]
    return " `\n    ".join(parts)


def _outbound(finding: Finding, host: Address, other: Address) -> Remedy:
    return Remedy(
        id="windows-firewall-outbound",
        where=f"Windows Firewall of {other}, outbound rules",
        why="the drop log shows that the packet never left: an outbound rule refuses it",
        commands=(
            Command(
                "powershell",
                "Get-NetFirewallRule -Direction Outbound -Action Block -Enabled True | Select-Object DisplayName, Profile",
            ),
            Command("steps", f"Narrow the blocking rule so that it no longer covers {host}, or disable it."),
        ),
        price=f"programs on {other} may connect to {host}",
    )


def _log(host: Address) -> Remedy:
    return Remedy(
        id="windows-firewall-drop-log",
        where=f"Windows Firewall of {host}, elevated PowerShell",
        why="dropped packets are logged only where that is switched on, per profile; with the log the drop is proven",
        commands=(
            Command(
                "powershell",
                "Set-NetFirewallProfile -Profile Domain,Private,Public -LogBlocked True -LogMaxSizeKilobytes 32767",
            ),
            Command("cmd", "netsh advfirewall set allprofiles logging droppedconnections enable"),
        ),
        price="disk space; the file is %systemroot%\\system32\\LogFiles\\Firewall\\pfirewall.log",
    )


ADVICE = Advice(
    id="host-firewall",
    rules=(
        "mapper-blocked",
        "mapper-rejected",
        "dynamic-port-blocked",
        "dynamic-port-rejected",
        "callback-blocked",
        "log-not-enabled",
    ),
    make=make,
)
