"""Port 135: nobody answers, somebody else answers, or the wrong words are answered."""

from tests.build import exchanges, logs, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp
from tests.causes.shown_cause import Shown

C, S, ROUTER = "10.0.0.1", "10.0.0.2", "10.0.0.254"
INSIDE = "192.168.7.7"
C6, S6 = "2001:db8::1", "2001:db8::2"


def alive(recording: Recording) -> None:
    """Another service of the server answers."""
    tcp = Tcp(recording, C, 50100, S, 445)
    tcp.open()
    tcp.close()


def _filtered(recording: Recording) -> None:
    alive(recording)
    Tcp(recording, C, 50001, S, 135).syns()


def _down(recording: Recording) -> None:
    Tcp(recording, C, 50001, S, 135).syns()


def _no_route(recording: Recording) -> None:
    Tcp(recording, C, 50001, S, 135).prohibited(ROUTER, 3, 1)


def _forbidden(recording: Recording) -> None:
    Tcp(recording, C, 50001, S, 135).prohibited(ROUTER, 3, 13)


def _reset_by_device(recording: Recording) -> None:
    alive(recording)
    Tcp(recording, C, 50001, S, 135).refused(ttl=255)


def _closed(recording: Recording) -> None:
    alive(recording)
    Tcp(recording, C, 50001, S, 135).refused()


def _hung(recording: Recording) -> None:
    tcp = Tcp(recording, C, 50000, S, 135)
    tcp.open()
    tcp.send(pdus.bind(pdus.contexts(pdus.EPM, "3.0")))
    recording.wait(10 * SECOND)
    tcp.fin(0)


def _mapper_works(recording: Recording) -> None:
    exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, 49667)
    tcp = Tcp(recording, C, 50001, S, 49667)
    tcp.open()
    exchanges.session(tcp, exchanges.DRSUAPI)


def _dcom_killed(recording: Recording) -> None:
    _mapper_works(recording)
    tcp = Tcp(recording, C, 50002, S, 135)
    tcp.open()
    tcp.send(pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(10, 5, exchanges.NTLM1)))
    recording.wait(8 * SECOND)
    tcp.rst(1)


def _anonymous(recording: Recording) -> None:
    tcp = Tcp(recording, C, 50002, S, 135)
    tcp.open()
    exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
    tcp.send(pdus.request(3, pdus.map_request(pdus.tower(*exchanges.DRSUAPI, 135, S), wide=True), context=1))
    tcp.reply(pdus.fault(5))
    tcp.close()


def _told(recording: Recording, address: str, client: str = C, server: str = S) -> None:
    tcp = Tcp(recording, client, 50000, server, 135)
    tcp.open()
    exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
    exchanges.ask(tcp, exchanges.SVCCTL, [pdus.tower(*exchanges.SVCCTL, 49670, address)])
    recording.wait(2 * MS)
    tcp.close()


def _forwarded(recording: Recording) -> None:
    _told(recording, INSIDE)
    Tcp(recording, C, 50001, S, 49670).refused(times=3)


def _not_forwarded(recording: Recording) -> None:
    _told(recording, S)
    Tcp(recording, C, 50001, S, 49670).syns()


def _asked_over_ipv6(recording: Recording) -> None:
    _told(recording, S, C6, S6)
    Tcp(recording, C6, 50001, S6, 49670).syns()


def _inside_dropped(recording: Recording) -> str:
    _told(recording, INSIDE)
    tcp = Tcp(recording, C, 50001, S, 49670)
    sent = recording.now
    tcp.syns()
    return logs.PFIREWALL + logs.pfirewall(sent, "DROP", C, 50001, S, 49670, hours=0, isn=tcp.isn)


def _goes_inside(recording: Recording) -> None:
    _told(recording, INSIDE)
    Tcp(recording, C, 50001, INSIDE, 49670).syns()


def _held_back(recording: Recording) -> str:
    alive(recording)
    recording.wait(5 * SECOND)
    ns = recording.frames[0].time_ns
    return logs.PFIREWALL + logs.pfirewall(ns, "DROP", C, 50001, S, 135, hours=0, size=0, flags="-", path="SEND")


def _dropped_later(recording: Recording) -> str:
    """The SYN leaves the client, and the server's firewall drops it."""
    alive(recording)
    tcp = Tcp(recording, C, 50001, S, 135)
    sent = recording.now
    tcp.syns()
    return logs.PFIREWALL + logs.pfirewall(sent, "DROP", C, 50001, S, 135, hours=0, isn=tcp.isn)


SYSTEM_RULE = "[System] Allow RPC from Forefront TMG to trusted servers"


def _system_rule(recording: Recording) -> str:
    """The firewall's own host speaks to the inside; its log names the rule that governs that, and no denial."""
    start = recording.now
    exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, 49667)
    looked = recording.now
    tcp = Tcp(recording, C, 50002, S, 135)
    opened = recording.now
    tcp.open()
    tcp.send(pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(10, 5, exchanges.NTLM1)))
    recording.wait(8 * SECOND)
    tcp.rst(1)
    text = logs.tmg_header(start)
    for number, (port, begin, end, code) in enumerate(
        ((50000, start, looked, "0x80074e20"), (50002, opened, recording.now, "0x80074e24")), start=1
    ):
        for ns, action, status in ((begin, "Establish", "0x0"), (end, "Terminate", code)):
            ends = f"{C}:{port}", f"{S}:135"
            text += logs.tmg(ns, *ends, ("Local Host", "Internal"), action, status, SYSTEM_RULE, connection=number)
    return text


SHOWN = (
    Shown(
        "system-rule", "DCOM of the firewall's own host is killed, and the log names a system policy rule", _system_rule,
        "shadowed-by-system-rule", "proven", "E6", never=("mapper-bind-unanswered",),
    ),
    Shown(
        "mapper-filtered", "SYNs to port 135 stay unanswered; port 445 of the server answers", _filtered, "mapper-blocked",
        "established", "E1", never=("host-unreachable", "mapper-closed"),
    ),
    Shown("host-down", "SYNs stay unanswered, and nothing else of the server is seen", _down, "mapper-blocked", "likely", "E1"),
    Shown(
        "no-route", "a router answers that it knows no way to the host", _no_route, "host-unreachable", "established", "E3",
        twin_of="mapper-rejected", never=("mapper-rejected", "mapper-blocked"),
    ),
    Shown(
        "mapper-prohibited", "a router answers that port 135 is prohibited", _forbidden, "mapper-rejected", "established",
        "E2", twin_of="host-unreachable", never=("host-unreachable", "mapper-closed"),
    ),
    Shown(
        "mapper-reset-by-device", "a RST with a foreign TTL answers the SYN to port 135", _reset_by_device,
        "mapper-rejected", "established", "E2", never=("mapper-closed",),
    ),
    Shown(
        "mapper-closed", "a RST with the server's own TTL answers the SYN to port 135", _closed, "mapper-closed",
        "established", "E4", twin_of="mapper-rejected", never=("mapper-rejected",),
    ),
    Shown(
        "mapper-hangs", "port 135 opens, and a bind of the mapper is not answered", _hung, "mapper-bind-unanswered",
        "established", "E5", twin_of="strict-filter", never=("strict-filter",),
    ),
    Shown(
        "dcom-bind-killed", "a bind of the activator is reset, one of the mapper is answered", _dcom_killed,
        "strict-filter", "established", "E6", never=("mapper-bind-unanswered", "dynamic-port-blocked"),
    ),
    Shown(
        "plain-lookups-only", "the same two hosts, with plain lookups only: nothing is wrong", _mapper_works, None,
        twin_of="strict-filter", never=("strict-filter",),
    ),
    Shown(
        "mapper-refuses", "ept_map is answered by fault 5", _anonymous, "mapper-refuses-anonymous", "established", "E7",
        never=("access-denied", "not-registered"),
    ),
    Shown(
        "only-135-forwarded", "the mapper names an inside address, and the port is refused at the address that was asked",
        _forwarded, "port-forward-without-dynamic-ports", "possible", "E8", beside="dynamic-port-closed",
    ),
    Shown(
        "own-port-silent", "the mapper names its own address, and the port is silent", _not_forwarded,
        "dynamic-port-blocked", "established", "F1", twin_of="port-forward-without-dynamic-ports",
        never=("port-forward-without-dynamic-ports",),
    ),
    Shown(
        "asked-over-ipv6", "asked over IPv6, the mapper names the server's IPv4 address, for it can name no other",
        _asked_over_ipv6, "dynamic-port-blocked", "established", "F1", twin_of="port-forward-without-dynamic-ports",
        never=("port-forward-without-dynamic-ports",),
    ),
    Shown(
        "inside-address-dropped", "the mapper names an inside address, and a firewall logs that it drops the port",
        _inside_dropped, "dynamic-port-blocked", "proven", "F1", twin_of="port-forward-without-dynamic-ports",
        runner_up="port-forward-without-dynamic-ports", never=("port-forward-without-dynamic-ports",), log="pfirewall.log",
    ),
    Shown(
        "inside-address-silent", "the mapper names an inside address, and the client goes there in vain", _goes_inside,
        "binding-unreachable", "established", "N4", twin_of="port-forward-without-dynamic-ports",
        never=("port-forward-without-dynamic-ports", "dynamic-port-blocked"),
    ),
    Shown(
        "mapper-held-back", "the client's firewall logs a drop on the way out, and no SYN leaves", _held_back,
        "outbound-blocked", "likely", "F10", never=("mapper-blocked",),
    ),
    Shown(
        "mapper-dropped-later", "the SYN leaves the client, and the server's firewall logs the drop", _dropped_later,
        "mapper-blocked", "proven", "E1", twin_of="outbound-blocked", never=("outbound-blocked",),
    ),
)  # fmt: skip
