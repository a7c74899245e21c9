"""What to look at and change on the server when the network has done its work."""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.dissect.interfaces import class_name, interface_name, service_of
from rpcdiag.remedies.remedy import Advice, Command, Remedy


def make(case: Case, finding: Finding) -> Iterator[Remedy]:
    server, client = finding.server, finding.client
    subject = finding.subject
    uuid = subject.interface.uuid if subject.interface else None
    match finding.rule:
        case "not-registered":
            _, service, _ = service_of(uuid) if uuid else (None, None, None)
            start = f"Start-Service {service}" if service else "Get-Service | Where-Object Status -ne Running"
            yield Remedy(
                id="start-service",
                where=f"{server}, elevated PowerShell",
                why=f"{(interface_name(uuid) if uuid else None) or 'the interface'} registers when its service starts",
                commands=(
                    Command("cmd", f"portqry -n {server} -e 135"),
                    Command("powershell", start),
                ),
                price="none; if the service is not meant to run there, the client's name or address is wrong: compare "
                f"with 'nslookup' of the name that leads to {server}",
            )
        case "mapper-closed":
            yield Remedy(
                id="start-rpcss",
                where=f"{server}",
                why="port 135 belongs to the services RpcSs and RpcEptMapper, which every Windows runs",
                commands=(Command("cmd", "sc query RpcEptMapper\nsc query RpcSs\nnetstat -anob | findstr :135"),),
                price="none; if this is no Windows host, the name leads to the wrong address",
            )
        case "mapper-bind-unanswered":
            yield Remedy(
                id="restart-rpc-host",
                where=f"{server}",
                why="a mapper that accepts connections and answers nothing hangs, or something swallows its answers",
                commands=(Command("cmd", "sc query RpcSs\nsc query RpcEptMapper"),
                          Command("steps", f"Capture on {server}. If the bind arrives, restart the host: RpcSs itself "
                                           "cannot be restarted. If it does not, look at the RPC inspection in between.")),
                price="a restart",
            )  # fmt: skip
        case "dynamic-port-closed" | "stale-endpoint" | "bind-rejected":
            yield Remedy(
                id="ask-again",
                where=f"{client}, then {server}",
                why="the port belonged to a process that is gone; a client that asks the mapper again gets the new one",
                commands=(
                    Command("steps", f"Restart the client program on {client}, so that it asks the mapper again."),
                    Command("cmd", f"portqry -n {server} -e 135"),
                    Command("cmd", "netstat -anob"),
                ),
                price="none; do not write a firewall rule for the old port or the new one",
            )
        case "access-denied" | "mapper-refuses-anonymous":
            policy = (
                "gpedit.msc > Computer Configuration > Administrative Templates > System > Remote Procedure Call:\n"
                "'Restrict Unauthenticated RPC clients' on the server, 'RPC Endpoint Mapper Client Authentication' on "
                "the client."
            )
            rights = (
                "DCOM: dcomcnfg > My Computer > Properties > COM Security > Edit Limits: Remote Launch and Activation.\n"
                "Otherwise: membership in the group that the service asks for, and its own access list.\n"
                "An RPC filter refuses as well: netsh rpc filter show filter"
            )
            yield Remedy(
                id="grant-access",
                where=f"{server}",
                why="the server was reached and said no: no firewall rule will help",
                commands=(Command("steps", policy if finding.rule == "mapper-refuses-anonymous" else rights),),
                price="what the caller may then do",
            )
        case "bad-credentials":
            yield Remedy(
                id="check-logon",
                where=f"{client}, and the Security log of {server}",
                why="the logon fails before any right is asked for",
                commands=(
                    Command("powershell", "Get-WinEvent -FilterHashtable @{LogName='Security'; Id=4625} -MaxEvents 5"),
                ),
                price="none",
            )
        case "dcom-hardening":
            yield Remedy(
                id="raise-activation-level",
                where=f"the program on {client}",
                why="servers refuse activations below packet integrity since March 2023, and no setting takes that back",
                commands=(
                    Command("steps", "Update the program or its library; many have an option for signing ([sign], "
                                     "CoInitializeSecurity with RPC_C_AUTHN_LEVEL_PKT_INTEGRITY)."),
                    Command("powershell", "Get-WinEvent -FilterHashtable @{LogName='System'; "
                                          "ProviderName='Microsoft-Windows-DistributedCOM'; Id=10036} -MaxEvents 5"),
                ),
                price="none",
            )  # fmt: skip
        case "activation-failed" | "unavailable-in-reply":
            name = class_name(subject.clsid) if subject.clsid else None
            look = (
                f"reg query HKCR\\CLSID\\{{{subject.clsid}}}"
                if subject.clsid
                else "wevtutil qe System /c:20 /rd:true /f:text"
            )
            yield Remedy(
                id="look-behind",
                where=f"{server}",
                why=f"{server} answered: the cause lies on it or behind it"
                + (f" (class {name})" if name else ""),
                commands=(
                    Command("cmd", look),
                    Command("powershell", "Get-WinEvent -FilterHashtable @{LogName='System'; "
                                          "ProviderName='Microsoft-Windows-DistributedCOM'} -MaxEvents 10"),
                ),
                price="none",
            )  # fmt: skip
        case _:
            return


ADVICE = Advice(
    id="server-side",
    rules=(
        "not-registered",
        "mapper-closed",
        "mapper-bind-unanswered",
        "dynamic-port-closed",
        "stale-endpoint",
        "bind-rejected",
        "access-denied",
        "mapper-refuses-anonymous",
        "bad-credentials",
        "dcom-hardening",
        "activation-failed",
        "unavailable-in-reply",
    ),
    make=make,
)
