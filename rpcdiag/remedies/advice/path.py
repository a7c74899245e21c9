"""The path itself: sessions that are forgotten, packets too large, addresses that lead nowhere."""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.remedies.remedy import Advice, Command, Remedy


def make(case: Case, finding: Finding) -> Iterator[Remedy]:
    server, client = finding.server, finding.client
    match finding.rule:
        case "idle-dropped" | "non-syn-dropped":
            yield Remedy(
                id="keep-alive",
                where=f"{client} and {server}; or the idle limit of the firewall between them",
                why="Windows sends a keep-alive only after two hours, and most firewalls forget a session before that",
                commands=(
                    Command(
                        "cmd",
                        "reg add HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters /v KeepAliveTime /t REG_DWORD "
                        "/d 300000 /f",
                    ),
                    Command("steps", "Restart, or raise the firewall's idle time-out for this traffic, and let it send a "
                                     "RST on expiry. If both directions take different paths, mend the routing first."),
                ),
                price="some packets an hour; no port is opened",
            )  # fmt: skip
        case "host-unreachable":
            yield Remedy(
                id="mend-the-way",
                where=f"{server}, and the router that sent the ICMP error",
                why="no firewall rule helps where packets do not find the host",
                commands=(
                    Command("cmd", f"tracert -d {server}\nnslookup {server}"),
                    Command("steps", "Is the host up, has it this address, does the last router have a route to it?"),
                ),
                price="none",
            )
        case "path-mtu":
            yield Remedy(
                id="mend-path-mtu",
                where=f"routers and firewalls between {client} and {server}",
                why="full-size packets are dropped and the message that says so does not come back",
                commands=(
                    Command(
                        "steps", "Permit ICMP type 3 code 4 (IPv4) and ICMPv6 type 2, or clamp the MSS on the tunnel."
                    ),
                    Command("cmd", 'netsh interface ipv4 set subinterface "Ethernet" mtu=1400 store=persistent'),
                ),
                price="slightly smaller packets",
            )
        case "binding-unreachable":
            yield Remedy(
                id="reachable-binding",
                where=f"{server}, name resolution, and the address translation in between",
                why="DCOM puts its own addresses into the answer and no address translation rewrites them",
                commands=(
                    Command("steps", f"Reach {server} by an address that it has itself (a route or VPN instead of NAT), or "
                                     "run the client inside. On a server with several cards, take the ones that clients "
                                     "cannot reach out of DCOM's bindings."),
                    Command("cmd", f"ipconfig /all\nnslookup {server}"),
                ),
                price="depends on the network",
            )  # fmt: skip
        case _:
            return


ADVICE = Advice(
    id="path",
    rules=("idle-dropped", "non-syn-dropped", "path-mtu", "binding-unreachable", "host-unreachable"),
    make=make,
)
