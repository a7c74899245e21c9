"""Changes of Windows that refuse what used to be allowed: the weak side is mended, the strong side is left as it is."""

from collections.abc import Callable, Iterator

from rpcdiag.remedies.remedy import Advice, Command, Remedy
from rpcdiag.remedies.situation import Situation

_PRINTERS = r"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Printers\RPC"


def make(s: Situation) -> Iterator[Remedy]:
    yield from _MAKERS[s.finding.rule](s)


def _dcom(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="raise-activation-level",
        where=f"the program on {s.finding.client}",
        why="servers refuse activations below packet integrity since March 2023, and no setting takes that back",
        commands=(
            Command("steps", "Update the program or its library; many have an option for signing ([sign], CoInitializeSecurity "
                             "with RPC_C_AUTHN_LEVEL_PKT_INTEGRITY). A Windows client raises the level by itself once it has the "
                             "update of November 2022."),
            Command("powershell", "Get-WinEvent -FilterHashtable @{LogName='System'; "
                                  "ProviderName='Microsoft-Windows-DistributedCOM'; Id=10036} -MaxEvents 5"),
        ),
        price="none",
    )  # fmt: skip


def _netlogon(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="seal-netlogon",
        where=f"{s.finding.client}",
        why="domain controllers refuse Netlogon calls that are not sealed (CVE-2022-38023), and anonymous ones (CVE-2025-49716)",
        commands=(
            Command("steps", "Update the client: Samba 4.15.13, 4.16.8 or 4.17.4 and later for sealing, 4.22.3 and later for the "
                             "anonymous calls; Windows with its updates. On an appliance ask for the fixed version."),
            Command("powershell", "Get-WinEvent -FilterHashtable @{LogName='System'; ProviderName='NETLOGON'; "
                                  "Id=5827,5828,5829,5838,5839,5840,5841} -MaxEvents 10"),
        ),
        price="none",
    )  # fmt: skip


def _printing(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="seal-printing",
        where=f"{s.finding.client}",
        why="print servers refuse calls below packet privacy (CVE-2021-1678)",
        commands=(
            Command("steps", "Update the client: Windows with the updates of January 2021 seals; other print clients have an "
                             "option for the level."),
            Command("cmd", f'reg query "{_PRINTERS}"\nreg query HKLM\\SYSTEM\\CurrentControlSet\\Control\\Print /v '
                           "RpcAuthnLevelPrivacyEnabled"),
        ),
        price="none",
    )  # fmt: skip
    yield Remedy(
        id="print-over-pipes",
        where=f"{s.finding.client}, group policy",
        why="where clients can only use the named pipe, they may go on to do so",
        commands=(
            Command("cmd", f'reg add "{_PRINTERS}" /v RpcUseNamedPipeProtocol /t REG_DWORD /d 1 /f\n'
                           "net stop spooler && net start spooler"),
            Command("steps", "Computer Configuration > Administrative Templates > Printers > Configure RPC connection settings",
                    "group policy"),
        ),
        price="SMB (tcp/445) has to be open; it is the older way",
        restart="the service Spooler",
    )  # fmt: skip


def _certificates(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="seal-enrolment",
        where=f"the program on {s.finding.client}",
        why="the certificate service refuses requests that are not sealed (IF_ENFORCEENCRYPTICERTREQUEST)",
        commands=(
            Command("steps", "Update the client, or set its level to packet privacy (RPC_C_AUTHN_LEVEL_PKT_PRIVACY)."),
            Command("cmd", "certutil -getreg CA\\InterfaceFlags"),
        ),
        price="none; taking the flag off the service would let requests be relayed",
    )


_MAKERS: dict[str, Callable[[Situation], Iterator[Remedy]]] = {
    "dcom-hardening": _dcom,
    "netlogon-hardening": _netlogon,
    "printing-hardening": _printing,
    "certificate-hardening": _certificates,
}

ADVICE = Advice(id="hardening", rules=tuple(_MAKERS), make=make)
