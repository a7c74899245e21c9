"""What to do on the client: ports of its own that ran out, calls that need no callback, a failure that left no packets."""

from collections.abc import Iterator

from rpcdiag.remedies.remedy import Advice, Command, Remedy, Width
from rpcdiag.remedies.situation import WMI, Situation


def make(s: Situation) -> Iterator[Remedy]:
    if s.finding.rule == "callback-blocked":
        if s.clsid == WMI:
            yield _semisynchronous(s)
        return
    if s.finding.rule == "no-packets":
        yield _look_elsewhere(s)
        return
    yield _who_holds_them(s)
    yield _wider_range(s)


def _who_holds_them(s: Situation) -> Remedy:
    return Remedy(
        id="find-who-holds-ports",
        where=f"{s.finding.client}, elevated PowerShell",
        why="the client has no free port of its own left to connect from: some program opens connections faster than they end, or "
        "never closes them",
        commands=(
            Command("powershell", "Get-NetTCPConnection | Group-Object State, OwningProcess -NoElement | Sort-Object Count "
                                  "-Descending | Select-Object -First 10\n"
                                  "Get-NetTCPConnection -State Bound | Group-Object OwningProcess -NoElement | Sort-Object Count "
                                  "-Descending | Select-Object -First 10"),
            Command("steps", "Thousands in Established, CloseWait or Bound of one process are a leak: restart that program, and have "
                             "it mended. Thousands in TimeWait (their process is 0) are connections that are made anew for every "
                             "call: have the program keep them; remote addresses and ports tell which one it is. Events 4227 and "
                             "4231 of Tcpip in the System log name the times."),
        ),
        price="none for the look; whatever depends on that program stops while it starts again",
        width=Width.NOTHING,
    )  # fmt: skip


def _wider_range(s: Situation) -> Remedy:
    return Remedy(
        id="more-source-ports",
        where=f"{s.finding.client}, elevated command prompt",
        why="a range that is smaller than the default, or has large exclusions, ends sooner; where a program leaks, a wider one "
        "only ends later",
        commands=(
            Command("cmd", "netsh int ipv4 show dynamicport tcp\nnetsh int ipv4 show excludedportrange protocol=tcp"),
            Command("cmd", "netsh int ipv4 set dynamicport tcp start=<first> num=<how many>",
                    "where fewer than the default of 16384 ports are left"),
        ),
        price="services of this host register within the same range: every rule in the path that admits its dynamic ports has to be "
        "widened with it, and fixed ports within it can be taken by others",
        width=Width.RANGE,
    )  # fmt: skip


def _look_elsewhere(s: Situation) -> Remedy:
    return Remedy(
        id="look-where-it-happens",
        where=f"{s.finding.client}, elevated PowerShell",
        why="the call failed where this capture cannot see it: inside the host, on another interface, or in a tunnel",
        commands=(
            Command("powershell", "Get-Service RpcSs, RpcEptMapper, DcomLaunch, Dnscache, mpssvc | Select-Object Name, Status"),
            Command("cmd", "pktmon start --capture --comp all --pkt-size 0 -f rpc.etl\npktmon stop\n"
                           "pktmon etl2pcap rpc.etl -o rpc.pcapng"),
            Command("steps", "Repeat the failure between start and stop: pktmon sees every component of the host's network stack, "
                             "loopback and tunnels aside. A call that leaves nothing there was local: then a service of the "
                             "client itself is stopped or refuses."),
        ),
        price="none",
        width=Width.LOOK,
    )  # fmt: skip


def _semisynchronous(s: Situation) -> Remedy:
    return Remedy(
        id="no-callback",
        where=f"the program on {s.host}",
        why="WMI calls the client back only for asynchronous calls; semisynchronous ones need no connection from the server",
        commands=(Command("steps", "Use ExecQuery and ExecNotificationQuery with wbemFlagReturnImmediately instead of the Async "
                                   "methods; many monitoring programs have an option for that."),),
        price="the program has to be changed, where it has no such option",
        width=Width.NOTHING,
    )  # fmt: skip


ADVICE = Advice(id="client-side", rules=("source-ports-exhausted", "callback-blocked", "no-packets"), make=make)
