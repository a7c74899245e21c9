"""What to change on the client: ports of its own that ran out; for callbacks, calls that need none."""

from collections.abc import Iterator

from rpcdiag.remedies.remedy import Advice, Command, Remedy, Width
from rpcdiag.remedies.situation import WMI, Situation


def make(s: Situation) -> Iterator[Remedy]:
    if s.finding.rule == "callback-blocked":
        if s.clsid == WMI:
            yield _semisynchronous(s)
        return
    yield Remedy(
        id="more-source-ports",
        where=f"{s.finding.client}, elevated command prompt",
        why="the client has no free port of its own left to connect from",
        commands=(
            Command("cmd", "netsh int ipv4 show dynamicport tcp\nnetsh int ipv4 show excludedportrange protocol=tcp\n"
                           "netstat -anob"),
            Command("powershell", "Get-NetTCPConnection | Group-Object State, OwningProcess | Sort-Object Count -Descending | "
                                  "Select-Object -First 5"),
            Command("steps", "Find the program with thousands of connections (TIME_WAIT) and have it reuse them; widen the range "
                             "(netsh int ipv4 set dynamicport tcp) only after that. Events 4227 and 4231 of Tcpip name the time."),
        ),
        price="none; a wider range also widens what services may register",
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


ADVICE = Advice(id="client-side", rules=("source-ports-exhausted", "callback-blocked"), make=make)
