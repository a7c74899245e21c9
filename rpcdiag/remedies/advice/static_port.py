"""A port of its own for a service that has a setting for that: what a firewall in the path can be told by number.

Pinning a service that shares its process with others pins all of them, so that only services are here that have a
documented setting. [Microsoft: How to restrict AD RPC traffic to a specific port; How to configure RPC dynamic port
allocation; Setting up a fixed port for WMI; COM: static endpoints]
"""

from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.remedies import devices
from rpcdiag.remedies.remedy import Advice, Command, Moved, Remedy, Width
from rpcdiag.remedies.situation import WMI, Situation

_SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
WMI_PORT = 24158


class _Setting(NamedTuple):
    """How a service is given a port: `text` for cmd with {port}, `exact` where the port is not ours to choose."""

    what: str
    port: int
    text: str
    restart: str
    remark: str = ""
    exact: bool = False


_BY_INTERFACE: dict[str, _Setting] = {
    "e3514235-4b06-11d1-ab04-00c04fc2dcd2": _Setting(
        "replication of Active Directory", 50200,
        f'reg add {_SERVICES}\\NTDS\\Parameters /v "TCP/IP Port" /t REG_DWORD /d {{port}} /f',
        "the domain controller", "on every domain controller that others replicate from",
    ),
    "12345678-1234-abcd-ef00-01234567cffb": _Setting(
        "Netlogon", 50201, f"reg add {_SERVICES}\\Netlogon\\Parameters /v DCTcpipPort /t REG_DWORD /d {{port}} /f",
        "the Netlogon service", "on every domain controller",
    ),
    "f5cc59b4-4264-101a-8c59-08002b2f8426": _Setting(
        "file replication (NtFrs)", 50202,
        f'reg add {_SERVICES}\\NTFRS\\Parameters /v "RPC TCP/IP Port Assignment" /t REG_DWORD /d {{port}} /f',
        "the File Replication service",
    ),
    "897e2e5f-93f3-4376-9c9c-fd2277495c27": _Setting(
        "DFS Replication", 5722, "dfsrdiag staticrpc /port:{port} /member:{host}", "the DFS Replication service",
        "the tool comes with the DFS management tools; port 0 undoes it",
    ),
    "906b0ce0-c70b-1067-b317-00dd010662da": _Setting(
        "the Distributed Transaction Coordinator", 50203,
        "reg add HKLM\\SOFTWARE\\Microsoft\\MSDTC /v ServerTcpPort /t REG_DWORD /d {port} /f\n"
        "net stop msdtc && net start msdtc",
        "the service MSDTC", "on both sides: each coordinator connects to the other",
    ),
}  # fmt: skip
_PRINTING = _Setting(
    "printing", 50204,
    'reg add "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows NT\\Printers\\RPC" /v RpcTcpPort /t REG_DWORD /d {port} /f\n'
    "net stop spooler && net start spooler",
    "the service Spooler",
    "as a group policy: Computer Configuration > Administrative Templates > Printers > Configure RPC over TCP port",
)  # fmt: skip
for _uuid in (
    "12345678-1234-abcd-ef00-0123456789ab", "76f03f96-cdfd-44fc-a22c-64950a001209", "ae33069b-a2a8-46ee-a235-ddfd339be281",
):  # fmt: skip
    _BY_INTERFACE[_uuid] = _PRINTING
_CERTIFICATES = _Setting(
    "the certificate service", 50205,
    'reg add "HKLM\\SOFTWARE\\Classes\\AppID\\{{D99E6E74-FC88-11D0-B498-00A0C90312F3}}" /v Endpoints /t REG_MULTI_SZ '
    "/d ncacn_ip_tcp,0,{port} /f\nnet stop certsvc && net start certsvc",
    "the service CertSvc", "or dcomcnfg > DCOM Config > CertSrv Request > Properties > Endpoints > Use static endpoint",
)  # fmt: skip
_WMI = _Setting(
    "WMI", WMI_PORT, "winmgmt /standalonehost\nnet stop winmgmt && net start winmgmt", "the service Winmgmt",
    f"'netstat -anob' must then show svchost (Winmgmt) at {WMI_PORT}: on Server 2025 the setting is reported to have no "
    "effect. 'winmgmt /sharedhost' undoes it",
    exact=True,
)  # fmt: skip
_BY_CLASS = {WMI: _WMI, "d99e6e74-fc88-11d0-b498-00a0c90312f3": _CERTIFICATES}


def make(s: Situation) -> Iterator[Remedy]:
    if s.product == "windows-firewall" or s.finding.subject.local_host or s.fixed_port is not None:
        return
    if s.finding.subject.port in (135, 593) or s.finding.direction != "client-to-server":
        return
    setting = _setting(s)
    if setting is not None:
        yield _pinned(s, setting)
    elif s.clsid is not None and s.program[1] is None:
        yield _object(s, s.clsid)


def _setting(s: Situation) -> _Setting | None:
    if s.clsid in _BY_CLASS:
        return _BY_CLASS[s.clsid]
    uuid = s.finding.subject.interface.uuid if s.finding.subject.interface else None
    if uuid in ("d99e6e70-fc88-11d0-b498-00a0c90312f3", "5422fd3a-d4b8-4cef-a12e-e87d4ca22e90"):
        return _CERTIFICATES
    return _BY_INTERFACE.get(uuid or "")


def _pinned(s: Situation, setting: _Setting) -> Remedy:
    port = setting.port if setting.exact else _free(s, setting.port)
    spans = devices.spans_for(s, port, port)
    remark = (Command("steps", f"{setting.remark[:1].upper()}{setting.remark[1:]}."),) if setting.remark else ()
    return Remedy(
        id="static-service-port",
        where=f"{s.host} (elevated command prompt), then {s.device}",
        why=f"gives {setting.what} a port of its own that does not change, so that a firewall in the path can admit it by number",
        commands=(Command("cmd", setting.text.format(port=port, host=s.host)), *remark, *devices.permit(s, spans)),
        price=f"{port} has to be free on {s.host} ('netsh int ipv4 show excludedportrange protocol=tcp' shows ranges that "
        "are reserved)",
        opens=f"{devices.text(spans)} of {s.host}, for {', '.join(map(str, devices.hosts(s)))}",
        restart=setting.restart,
        width=Width.PORT,
        change=devices.simulated(s, spans)._replace(moved=Moved(s.host, port, port)),
    )


def _object(s: Situation, clsid: str) -> Remedy:
    port = _free(s, 50206)
    spans = devices.spans_for(s, port, port)
    return Remedy(
        id="dcom-static-endpoint",
        where=f"{s.host} (elevated command prompt), then {s.device}",
        why="DCOM lets the AppID of a class name its endpoint: the program then listens at a port that does not change",
        commands=(
            Command("cmd", f"reg query HKLM\\SOFTWARE\\Classes\\CLSID\\{{{clsid}}} /v AppID\n"
                           "reg add HKLM\\SOFTWARE\\Classes\\AppID\\<AppID with its braces> /v Endpoints /t REG_MULTI_SZ "
                           f"/d ncacn_ip_tcp,0,{port} /f"),
            Command("steps", "Only for a class with a program of its own (LocalServer32, or a service alone in its process): "
                             "in a shared svchost the port belongs to all services in it. dcomcnfg > DCOM Config > the "
                             "application > Properties > Endpoints shows the same."),
            *devices.permit(s, spans),
        ),
        price=f"one program at a time can have {port}: not for programs that run once for each user",
        opens=f"{devices.text(spans)} of {s.host}, for {', '.join(map(str, devices.hosts(s)))}",
        restart="the program that serves the class",
        width=Width.PORT,
        change=devices.simulated(s, spans)._replace(moved=Moved(s.host, port, port)),
    )  # fmt: skip


def _free(s: Situation, wanted: int) -> int:
    """A port that nobody was seen to use, the dynamic one of today included."""
    return s.free_port(wanted)


ADVICE = Advice(
    id="static-port",
    rules=(
        "dynamic-port-blocked",
        "dynamic-port-rejected",
        "port-not-learnt",
        "pinhole-expired",
        "port-forward-without-dynamic-ports",
    ),
    make=make,
)
