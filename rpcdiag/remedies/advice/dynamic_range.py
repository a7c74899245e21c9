"""The server's range of dynamic ports made small, so that a firewall that knows only numbers can be told.

At least 100 ports: every service that registers takes some, and one that finds none does not start. [KB 154596]
"""

from collections.abc import Iterator

from rpcdiag.remedies import devices
from rpcdiag.remedies.remedy import Advice, Command, Moved, Remedy, Width
from rpcdiag.remedies.situation import Situation

_COUNT = 200
_KEY = r"HKLM\SOFTWARE\Microsoft\Rpc\Internet"


def make(s: Situation) -> Iterator[Remedy]:
    if s.product == "windows-firewall" or s.finding.subject.local_host or s.fixed_port is not None:
        return
    if s.finding.subject.port in (135, 593) and s.finding.rule != "callback-blocked":
        return
    first = s.free_port(50000, _COUNT)
    last = first + _COUNT - 1
    spans = devices.spans_for(s, first, last)
    yield Remedy(
        id="narrow-dynamic-range",
        where=f"{s.host} (registry, restart), then {s.device}",
        why="a small range for RPC can be admitted without admitting everything; at least 100 ports, clear of other services",
        commands=(
            Command(
                "cmd",
                f"netsh int ipv4 show excludedportrange protocol=tcp\n"
                f"reg add {_KEY} /v Ports /t REG_MULTI_SZ /d {first}-{last} /f\n"
                f"reg add {_KEY} /v PortsInternetAvailable /t REG_SZ /d Y /f\n"
                f"reg add {_KEY} /v UseInternetPorts /t REG_SZ /d Y /f",
            ),
            Command("steps", f"Restart {s.host} at a time that suits: only then does it take its ports from there."),
            *devices.permit(s, spans),
        ),
        price="an error in these values stops services from registering at all (event NETLOGON 5820, error 87): have them "
        "checked by a second pair of eyes",
        opens=f"{devices.text(spans)} of {s.host}: whatever RPC service it runs, for {', '.join(map(str, devices.hosts(s)))}",
        restart=f"the computer {s.host}",
        width=Width.RANGE,
        change=devices.simulated(s, spans)._replace(moved=Moved(s.host, first, last)),
    )


ADVICE = Advice(
    id="dynamic-range",
    rules=(
        "dynamic-port-blocked",
        "dynamic-port-rejected",
        "callback-blocked",
        "port-not-learnt",
        "pinhole-expired",
    ),
    make=make,
)
