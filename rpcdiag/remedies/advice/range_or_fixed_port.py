"""For firewalls between the hosts: what to open when the port is dynamic.

A firewall in the path cannot know which port a service has, so there are three honest ways: one that follows the mapper
(not for sealed answers), the server's range narrowed and opened, or the service fixed to a port.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS, interface_name
from rpcdiag.remedies.remedy import Advice, Command, Remedy

_WMI = frozenset({"8bc3f05e-d86b-11d0-a075-00c04fb68820"})
_DRSUAPI = "e3514235-4b06-11d1-ab04-00c04fc2dcd2"
_NETLOGON = "12345678-1234-abcd-ef00-01234567cffb"


def make(case: Case, finding: Finding) -> Iterator[Remedy]:
    subject = finding.subject
    if subject.log_format == "windows-firewall":
        return  # the log shows that the host's own firewall drops it
    server, client = finding.server, finding.client
    if finding.direction is Direction.SERVER_TO_CLIENT:
        server, client = client, server
    device = f"the firewall between {client} and {server}"
    named = f" (its log names {subject.log_rule})" if subject.log_rule else ""
    if finding.rule in ("mapper-blocked", "mapper-rejected"):
        yield Remedy(
            id="open-mapper",
            where=device + named,
            why="every RPC connection to a dynamic port begins with a question on port 135",
            commands=(Command("steps", f"Permit tcp/135 from {client} to {server}, above the rule that drops it."),),
            price=f"{client} can ask {server} which endpoints it has; the dynamic ports need a rule of their own",
        )
        return
    if subject.port in FIXED_TCP_PORTS:
        yield Remedy(
            id="open-fixed-port",
            where=device + named,
            why=f"{subject.port} is a fixed port ({FIXED_TCP_PORTS[subject.port]})",
            commands=(Command("steps", f"Permit tcp/{subject.port} from {client} to {server}."),),
            price="one port, one service",
        )
        return
    fixed = _fixed(subject.interface.uuid if subject.interface else None, subject.clsid)
    if fixed is not None:
        yield fixed._replace(where=f"{server}, then {device}{named}")
    yield Remedy(
        id="narrow-dynamic-range",
        where=f"{server} (registry, restart), then {device}{named}",
        why="a range of its own for RPC can be opened without opening everything; keep at least 100 ports",
        commands=(
            Command(
                "cmd",
                "reg add HKLM\\SOFTWARE\\Microsoft\\Rpc\\Internet /v Ports /t REG_MULTI_SZ /d 50000-50199 /f\n"
                "reg add HKLM\\SOFTWARE\\Microsoft\\Rpc\\Internet /v PortsInternetAvailable /t REG_SZ /d Y /f\n"
                "reg add HKLM\\SOFTWARE\\Microsoft\\Rpc\\Internet /v UseInternetPorts /t REG_SZ /d Y /f\n"
                "shutdown /r /t 0",
            ),
            Command("steps", f"Permit tcp/135 and tcp/50000-50199 from {client} to {server}. Do not open 1025-65535."),
        ),
        price="a restart; an error in these values stops services from registering at all",
    )


def _fixed(uuid: str | None, clsid: str | None) -> Remedy | None:
    """The documented way to give this service a port of its own."""
    name = (interface_name(uuid) if uuid else None) or "the service"
    if clsid in _WMI:
        text = "winmgmt /standalonehost\nnet stop winmgmt && net start winmgmt"
        steps = "Permit tcp/135 and tcp/24158; check with 'netstat -anob' that WMI listens there."
    elif uuid == _DRSUAPI:
        text = 'reg add HKLM\\SYSTEM\\CurrentControlSet\\Services\\NTDS\\Parameters /v "TCP/IP Port" /t REG_DWORD /d 50200 /f'
        steps = "Restart the domain controller, then permit tcp/135 and tcp/50200."
    elif uuid == _NETLOGON:
        text = "reg add HKLM\\SYSTEM\\CurrentControlSet\\Services\\Netlogon\\Parameters /v DCTcpipPort /t REG_DWORD /d 50201 /f"
        steps = "Restart the Netlogon service, then permit tcp/135 and tcp/50201."
    else:
        return None
    return Remedy(
        id="fix-service-port",
        where="",
        why=f"gives {name} a port of its own that does not change",
        commands=(Command("cmd", text), Command("steps", steps)),
        price="the port is taken for this service; choose a free one",
    )


ADVICE = Advice(
    id="range-or-fixed-port",
    rules=(
        "mapper-blocked",
        "mapper-rejected",
        "dynamic-port-blocked",
        "dynamic-port-rejected",
        "callback-blocked",
        "ephemeral-port-rule",
    ),
    make=make,
)
