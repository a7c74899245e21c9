"""The path itself: sessions that are forgotten, packets too large or in pieces, addresses that lead nowhere."""

from collections.abc import Callable, Iterator

from rpcdiag.remedies.remedy import Advice, Command, Remedy, Width
from rpcdiag.remedies.situation import Situation


def make(s: Situation) -> Iterator[Remedy]:
    yield from _MAKERS[s.finding.rule](s)


def _keep_alive(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="keep-alive",
        where=f"{s.finding.client} and {s.finding.server}; or the idle limit of the firewall between them",
        why="Windows sends a keep-alive only after two hours, and most firewalls forget a session before that",
        commands=(
            Command(
                "cmd",
                "reg add HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters /v KeepAliveTime /t REG_DWORD /d 300000 /f",
            ),
            Command("steps", "Or raise the firewall's idle time-out for this traffic, and let it send a RST on expiry. If both "
                             "directions take different paths, mend the routing first."),
        ),
        price="some packets an hour",
        restart="the computer whose keep-alive was set",
    )  # fmt: skip


def _host(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="mend-the-way",
        where=f"{s.host}, and the router that sent the ICMP error",
        why="no firewall rule helps where packets do not find the host",
        commands=(
            Command("cmd", f"tracert -d {s.host}\nnslookup {s.host}"),
            Command("steps", "Is the host up, has it this address, does the last router have a route to it?"),
        ),
        price="none",
    )


def _mtu(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="mend-path-mtu",
        where=f"routers and firewalls between {s.finding.client} and {s.finding.server}",
        why="full-size packets are dropped and the message that says so does not come back",
        commands=(
            Command("steps", "Permit ICMP type 3 code 4 (IPv4) and ICMPv6 type 2, or clamp the MSS on the tunnel."),
            Command("sh", "nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu",
                    "clamping on a Linux router"),
            Command("cmd", 'netsh interface ipv4 set subinterface "<name of the interface>" mtu=1400 store=persistent',
                    "a smaller MTU on one host"),
        ),
        price="slightly smaller packets",
        opens="one kind of ICMP error",
    )  # fmt: skip


def _binding(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="reachable-binding",
        where=f"{s.host}, name resolution, and the address translation in between",
        why="DCOM puts its own addresses into the answer and no address translation rewrites them",
        commands=(
            Command("steps", f"Reach {s.host} by an address that it has itself (a route or VPN instead of NAT), or run the "
                             "client inside. On a server with several cards, take the ones that clients cannot reach out of "
                             "DCOM's bindings."),
            Command("cmd", f"ipconfig /all\nnslookup {s.host}"),
        ),
        price="depends on the network",
    )  # fmt: skip


def _forward(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="forward-a-fixed-port",
        where=f"the port forward or proxy in front of {s.host}",
        why="it forwards 135 and not the port that the answer names, which is another one after every restart: a forward "
        "cannot follow",
        commands=(
            Command("steps", "Give the service a fixed port and forward that under the same number; the addresses in DCOM's "
                             "answers are still the server's own, so that DCOM also needs a route or VPN."),
            Command("cmd", "netsh interface portproxy show all"),
        ),
        price="one service for each public address and port",
        opens="the fixed port, for whoever may use the forward",
        width=Width.PORT,
    )  # fmt: skip


def _pinhole(s: Situation) -> Iterator[Remedy]:
    asa = (Command("asa", "policy-map type inspect dcerpc <name of the map>\n parameters\n  timeout pinhole 0:10:00"),)
    steps = Command("steps", "Raise the time that a port learnt from the mapper stays open (ASA: timeout pinhole; Stormshield: "
                             "idle expiry), or have the client ask the mapper again before it connects.")  # fmt: skip
    yield Remedy(
        id="longer-pinhole",
        where=s.device,
        why="the firewall forgets the port that it read before the client opens its next connection to it",
        commands=(*(asa if s.product in (None, "asa") else ()), steps),
        price="a learnt port stays open for that client for longer",
        opens="nothing new",
    )


def _asymmetric(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="same-way-back",
        where=f"routing between {s.finding.client} and {s.finding.server}",
        why="a firewall that sees one direction only drops what it takes for strange packets; no rule for a port helps",
        commands=(
            Command("cmd", f"tracert -d {s.finding.server}\nroute print"),
            Command("steps", f"Run the trace on {s.finding.server} towards {s.finding.client} as well: both ways have to pass "
                             "the same firewall. Look for a second card, a second default gateway, a forgotten static route."),
        ),
        price="none",
    )  # fmt: skip


def _fragments(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="permit-fragments",
        where=f"firewalls between {s.finding.client} and {s.finding.server}",
        why="a datagram in several IP fragments arrives only where all of them do",
        commands=(
            Command("steps", "Let the firewall reassemble fragments (virtual reassembly) instead of dropping them, or have "
                             "Kerberos use TCP: MaxPacketSize 1."),
            Command("cmd", "reg add HKLM\\SYSTEM\\CurrentControlSet\\Control\\Lsa\\Kerberos\\Parameters /v MaxPacketSize /t "
                           "REG_DWORD /d 1 /f"),
        ),
        price="port 88 over TCP has to be open",
        opens="later fragments of datagrams whose first one was let in",
        restart="the computer whose registry was changed",
    )  # fmt: skip


def _cut_in(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="inspection-log",
        where=f"intrusion prevention or inspection between {s.finding.client} and {s.finding.server}",
        why="a RST comes for both sides at the same moment: neither host sent it",
        commands=(
            Command("steps", "Look into its log at the time of the RST for the name of a signature (DCE/RPC fragments, "
                             "evasion). Make an exception for that signature between these two hosts only, not for RPC."),
        ),
        price="that signature no longer protects this pair",
        opens="nothing new",
    )  # fmt: skip


def _six(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="mend-ipv6",
        where=f"the IPv6 path between {s.finding.client} and {s.finding.server}",
        why="Windows tries IPv6 first and waits before it falls back to IPv4",
        commands=(
            Command("cmd", f"tracert -6 -d {s.host}\nnetsh interface ipv6 show prefixpolicies" if s.host.version == 6 else
                           "netsh interface ipv6 show prefixpolicies"),
            Command("steps", "Mend the route or write the filter's rules for IPv6 as well, or take the AAAA record away until "
                             "the path works."),
        ),
        price="none",
        opens="for IPv6 what is open for IPv4",
    )  # fmt: skip


_MAKERS: dict[str, Callable[[Situation], Iterator[Remedy]]] = {
    "idle-dropped": _keep_alive,
    "non-syn-dropped": _keep_alive,
    "host-unreachable": _host,
    "path-mtu": _mtu,
    "binding-unreachable": _binding,
    "port-forward-without-dynamic-ports": _forward,
    "pinhole-expired": _pinhole,
    "asymmetric-path": _asymmetric,
    "fragments-lost": _fragments,
    "reset-by-middlebox": _cut_in,
    "ipv6-first": _six,
}

ADVICE = Advice(id="path", rules=tuple(_MAKERS), make=make)
