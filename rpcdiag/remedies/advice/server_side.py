"""What to look at and change on the server when the network has done its work."""

from collections.abc import Callable, Iterator

from rpcdiag.dissect.interfaces import class_name, interface_name, service_of
from rpcdiag.remedies.remedy import Advice, Command, Remedy
from rpcdiag.remedies.situation import Situation

_RANGE = r"HKLM\SOFTWARE\Microsoft\Rpc\Internet"


def make(s: Situation) -> Iterator[Remedy]:
    yield from _MAKERS[s.finding.rule](s)


def _uuid(s: Situation) -> str | None:
    return s.finding.subject.interface.uuid if s.finding.subject.interface else None


def _interface(s: Situation, otherwise: str) -> str:
    uuid = _uuid(s)
    return (interface_name(uuid) if uuid else None) or otherwise


def _events(provider: str, count: int = 10) -> Command:
    return Command(
        "powershell",
        f"Get-WinEvent -FilterHashtable @{{LogName='System'; ProviderName='{provider}'}} -MaxEvents {count}",
    )


def _not_registered(s: Situation) -> Iterator[Remedy]:
    uuid = _uuid(s)
    _, service, _ = service_of(uuid) if uuid else (None, None, None)
    start = f"Start-Service {service}" if service else "Get-Service | Where-Object Status -ne Running"
    yield Remedy(
        id="start-service",
        where=f"{s.host}, elevated PowerShell",
        why=f"{_interface(s, 'the interface')} registers when its service starts",
        commands=(Command("cmd", f"portqry -n {s.host} -e 135"), Command("powershell", start)),
        price="none; if the service is not meant to run there, the client's name or address is wrong: compare with "
        f"'nslookup' of the name that leads to {s.host}",
        restart=f"the service {service}" if service else None,
    )


def _version(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="matching-versions",
        where=f"the program on {s.caller}, or {s.host}",
        why=f"{_interface(s, 'the interface')} is registered there in another version than the client asks for",
        commands=(
            Command("cmd", f"portqry -n {s.host} -e 135"),
            Command("steps", "Update the older side: an interface of another major version is another interface."),
        ),
        price="none",
    )


def _other_protocol(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="use-its-protocol",
        where=f"the program on {s.caller}, or the service on {s.host}",
        why=f"{_interface(s, 'the interface')} is registered, but not for the protocol that was asked for",
        commands=(
            Command("cmd", f"portqry -n {s.host} -e 135"),
            Command("steps", "Have the client use the protocol that is listed (ncacn_np: named pipes over tcp/445), or have the "
                             "service listen on TCP. Printing: RpcProtocols = 7 under HKLM\\SOFTWARE\\Policies\\Microsoft\\"
                             "Windows NT\\Printers\\RPC on the server, or RpcUseNamedPipeProtocol = 1 on the client."),
        ),
        price="none",
    )  # fmt: skip


def _range(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="repair-port-range",
        where=f"{s.host} (registry, restart)",
        why="services that find no port of the configured range do not register on TCP at all",
        commands=(
            Command("cmd", f"reg query {_RANGE}\nnetsh int ipv4 show dynamicport tcp\n"
                           "netsh int ipv4 show excludedportrange protocol=tcp\nwevtutil qe System "
                           "/q:*[System[(EventID=5820)]] /c:5 /rd:true /f:text"),
            Command("steps", f"Have at least 100 ports in 'Ports' of {_RANGE}, as text 'first-last', and none of them in an "
                             "excluded range (Hyper-V, containers)."),
            Command("cmd", f"reg delete {_RANGE} /f", "no restriction at all: Windows' own range"),
        ),
        price="firewalls that know the old range have to be told the new one",
        restart=f"the computer {s.host}",
    )  # fmt: skip


def _mapper_closed(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="start-rpcss",
        where=f"{s.host}",
        why="port 135 belongs to the services RpcSs and RpcEptMapper, which every Windows runs",
        commands=(Command("cmd", "sc query RpcEptMapper\nsc query RpcSs\nnetstat -anob | findstr :135"),),
        price="none; if this is no Windows host, the name leads to the wrong address",
    )


def _mapper_hangs(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="restart-rpc-host",
        where=f"{s.host}",
        why="a mapper that accepts connections and answers nothing hangs, or something swallows its answers",
        commands=(
            Command("cmd", "sc query RpcSs\nsc query RpcEptMapper"),
            Command("steps", f"Capture on {s.host}. If the bind arrives, restart the host: RpcSs itself cannot be restarted. If "
                             "it does not, look at the RPC inspection in between."),
        ),
        price="nobody can use the host meanwhile",
        restart=f"the computer {s.host}",
    )  # fmt: skip


def _ask_again(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="ask-again",
        where=f"{s.caller}, then {s.host}",
        why="the port belonged to a process that is gone; a client that asks the mapper again gets the new one",
        commands=(
            Command("steps", f"Restart the client program on {s.caller}, so that it asks the mapper again."),
            Command("cmd", f"portqry -n {s.host} -e 135"),
            Command("cmd", "netstat -anob"),
        ),
        price="none; do not write a firewall rule for the old port or the new one",
        restart="the client program",
    )


def _collision(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="end-port-collision",
        where=f"{s.host}",
        why="another program than the RPC service answers at that port",
        commands=(
            Command("cmd", "netstat -anob\nnetsh int ipv4 show excludedportrange protocol=tcp"),
            Command("steps", "Give the other program a port outside the dynamic range, or reserve its port (netsh int ipv4 add "
                             "excludedportrange), then restart the RPC service so that it registers anew. Where a proxy or a "
                             "load balancer answers in the server's place, take RPC out of it."),
        ),
        price="none",
        restart="both programs",
    )  # fmt: skip


def _rights(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="grant-access",
        where=f"{s.host}",
        why="the server was reached and said no: no firewall rule will help",
        commands=(
            Command("steps", "DCOM: dcomcnfg > My Computer > Properties > COM Security > Edit Limits: Remote Launch and "
                             "Activation.\nOtherwise: membership in the group that the service asks for, and its own access "
                             "list.\nAn RPC filter refuses as well: netsh rpc filter show filter"),
        ),
        price="what the caller may then do",
        opens="the service, for that account",
    )  # fmt: skip


def _anonymous(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="authenticate-at-the-mapper",
        where=f"group policy of {s.caller}, or of {s.host}",
        why="the server was reached and said no to a client without a name: no firewall rule will help",
        commands=(
            Command("cmd", 'reg add "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows NT\\Rpc" /v EnableAuthEpResolution /t '
                           "REG_DWORD /d 1 /f"),
            Command("steps", "gpedit.msc > Computer Configuration > Administrative Templates > System > Remote Procedure Call: "
                             f"'Enable RPC Endpoint Mapper Client Authentication' on {s.caller}; 'Restrict Unauthenticated RPC "
                             f"clients' on {s.host} is what refuses."),
        ),
        price="the client then authenticates to every mapper that it asks",
        restart=f"the computer {s.caller}",
    )  # fmt: skip


def _activation(s: Situation) -> Iterator[Remedy]:
    clsid = s.finding.subject.clsid
    name = class_name(clsid) if clsid else None
    look = f"reg query HKCR\\CLSID\\{{{clsid}}}" if clsid else "wevtutil qe System /c:20 /rd:true /f:text"
    yield Remedy(
        id="look-behind",
        where=f"{s.host}",
        why=f"{s.host} answered: the cause lies on it or behind it" + (f" (class {name})" if name else ""),
        commands=(Command("cmd", look), _events("Microsoft-Windows-DistributedCOM")),
        price="none",
    )


def _dcom_off(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="enable-dcom",
        where=f"{s.host}, elevated command prompt",
        why="DCOM is switched off for other computers there",
        commands=(
            Command("cmd", "reg query HKLM\\SOFTWARE\\Microsoft\\Ole /v EnableDCOM\n"
                           "reg add HKLM\\SOFTWARE\\Microsoft\\Ole /v EnableDCOM /t REG_SZ /d Y /f"),
            Command("steps", "dcomcnfg > My Computer > Properties > Default Properties > Enable Distributed COM on this computer",
                    "dcomcnfg"),
        ),
        price="every class that allows remote activation is reachable then, for those whom its access list names",
        opens="DCOM, for those whom firewall and access lists let in",
        restart=f"the computer {s.host}",
    )  # fmt: skip


def _exporter(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="reconnect",
        where=f"the program on {s.caller}, then {s.host}",
        why="the process that had the object ended, and its references with it; the client has to activate the object anew",
        commands=(
            Command("steps", f"Restart or reconnect the client program on {s.caller}. Why the process ended is in the logs of "
                             f"{s.host}."),
            Command("powershell", "Get-WinEvent -FilterHashtable @{LogName='Application'; Id=1000,1026} -MaxEvents 5"),
        ),
        price="none",
        restart="the client program",
    )  # fmt: skip


def _pings(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="keep-mapper-open",
        where=f"the firewall between {s.caller} and {s.host}",
        why="DCOM clients ping the server on port 135 every two minutes; after three that are missing it lets go of their "
        "objects. The port has to stay open, not only while connections are made",
        commands=(Command("steps", f"Permit tcp/135 from {s.caller} to {s.host} for as long as objects are in use; look for rules "
                                   "with a schedule, and for a limit of connections."),),
        price="none",
        opens=f"tcp/135 of {s.host}, for {s.caller}",
    )  # fmt: skip


def _filter(s: Situation) -> Iterator[Remedy]:
    uuid = _uuid(s)
    about = f" for {_interface(s, uuid)} ({uuid})" if uuid else ""
    yield Remedy(
        id="rpc-filter-exception",
        where=f"{s.host}, elevated command prompt",
        why=f"a filter of the RPC runtime, or the RPC Firewall, refuses calls{about} after the logon has gone well",
        commands=(
            Command("cmd", "netsh rpc filter show filter"),
            Command("powershell", "Get-WinEvent -FilterHashtable @{LogName='Security'; Id=5712} -MaxEvents 5\n"
                                  "Get-WinEvent -FilterHashtable @{LogName='Application'; ProviderName='RPCFW'} -MaxEvents 5"),
            Command("steps", f"Add a permit for this client ({s.caller}) and interface in front of the block, or take the one "
                             "filter away by its key: netsh rpc filter delete filter filterkey=<key>."),
        ),
        price="the filter was set against something: ask who set it",
        opens=f"one interface of {s.host}, for {s.caller}",
    )  # fmt: skip


def _reset(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="find-the-crash",
        where=f"{s.host}",
        why="the server itself ended the connection in the middle of a call: its process ended, or was restarted",
        commands=(
            Command("powershell", "Get-WinEvent -FilterHashtable @{LogName='Application'; Id=1000,1026} -MaxEvents 5\n"
                                  "Get-WinEvent -FilterHashtable @{LogName='System'; Id=7031,7034,7036} -MaxEvents 10"),
            Command("steps", "Compare the times with the RST. No firewall rule helps."),
        ),
        price="none",
    )  # fmt: skip


def _busy(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="relieve-the-server",
        where=f"{s.host}, and the clients that call it most",
        why="the server refuses for want of threads, memory or connections",
        commands=(
            Command("powershell", "Get-Counter '\\Process(*)\\Thread Count','\\TCPv4\\Connections Established' -MaxSamples 3\n"
                                  "Get-NetTCPConnection -State Established | Group-Object RemoteAddress | Sort-Object Count "
                                  "-Descending | Select-Object -First 5"),
            Command("steps", "Find the client with the most connections; raise the service's own limit only after that."),
        ),
        price="none",
    )  # fmt: skip


def _slow(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="raise-time-out",
        where=f"the program on {s.caller}, and {s.host}",
        why="the client gave up before the server answered: the network is well",
        commands=(
            Command("steps", "Raise the time-out of the client program, and find out what the method waits for on the server: "
                             "its own calls to third machines are in a capture made there."),
        ),
        price="users wait for longer",
    )  # fmt: skip


def _association(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="one-node-for-a-client",
        where="the load balancer or alias in front of the servers",
        why="connections of one client belong together (association group); another node does not know the group",
        commands=(
            Command(
                "steps",
                "Switch on affinity by source address for all ports, or do not balance RPC: let clients use the "
                "name of one node or of the cluster's client access point.",
            ),
        ),
        price="load is spread by client, not by connection",
    )


_MAKERS: dict[str, Callable[[Situation], Iterator[Remedy]]] = {
    "not-registered": _not_registered,
    "version-not-registered": _version,
    "other-protocol-only": _other_protocol,
    "port-range-exhausted": _range,
    "mapper-closed": _mapper_closed,
    "mapper-bind-unanswered": _mapper_hangs,
    "dynamic-port-closed": _ask_again,
    "stale-endpoint": _ask_again,
    "bind-rejected": _ask_again,
    "not-rpc-on-port": _collision,
    "access-denied": _rights,
    "mapper-refuses-anonymous": _anonymous,
    "activation-failed": _activation,
    "unavailable-in-reply": _activation,
    "remote-dcom-off": _dcom_off,
    "exporter-restarted": _exporter,
    "pings-blocked": _pings,
    "rpc-filter": _filter,
    "server-reset": _reset,
    "server-busy": _busy,
    "call-timed-out": _slow,
    "association-mismatch": _association,
}

ADVICE = Advice(id="server-side", rules=tuple(_MAKERS), make=make)
