"""The port was named; the way to it is shut, or something else is behind it."""

from tests.build import exchanges, logs, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp
from tests.causes.shown_cause import Build, Shown

C, D, S, ROUTER = "10.0.0.1", "10.0.0.7", "10.0.0.2", "10.0.0.254"
WMI = "8bc3f05e-d86b-11d0-a075-00c04fb68820"


def named(recording: Recording, port: int, *, client: str = C, source: int = 50000) -> None:
    """A plain ept_map names the port."""
    exchanges.lookup(recording, client, source, S, exchanges.SVCCTL, port)


def used(recording: Recording, port: int, *, client: str = C, source: int = 50001) -> None:
    tcp = Tcp(recording, client, source, S, port)
    tcp.open()
    exchanges.session(tcp, exchanges.SVCCTL)
    tcp.close()


def works(recording: Recording, *, client: str = C, source: int = 51000, port: int = 49667) -> None:
    """A service that nobody blocks."""
    exchanges.lookup(recording, client, source, S, exchanges.DRSUAPI, port)
    tcp = Tcp(recording, client, source + 1, S, port)
    tcp.open()
    exchanges.session(tcp, exchanges.DRSUAPI)
    tcp.close()


def activated(recording: Recording, port: int, *, source: int = 50002, client: str = C) -> None:
    tcp = Tcp(recording, client, source, S, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, WMI, [f"{S}[{port}]"])
    recording.wait(2 * MS)


def _blocked(recording: Recording) -> None:
    named(recording, 49670)
    Tcp(recording, C, 50001, S, 49670).syns()


def _all_blocked(recording: Recording) -> None:
    """Plain and DCOM alike."""
    _blocked(recording)
    activated(recording, 49671)
    Tcp(recording, C, 50003, S, 49671).syns()


def _rejected(recording: Recording) -> None:
    named(recording, 49670)
    Tcp(recording, C, 50001, S, 49670).prohibited(ROUTER)


def _rejected_by_ttl(recording: Recording) -> None:
    named(recording, 49670)
    Tcp(recording, C, 50001, S, 49670).refused(ttl=61, times=3)


def _closed(recording: Recording) -> None:
    named(recording, 49670)
    Tcp(recording, C, 50001, S, 49670).refused(times=3)


def _not_learnt(recording: Recording) -> None:
    works(recording)
    activated(recording, 49671)
    Tcp(recording, C, 50003, S, 49671).syns()


def _learnt(recording: Recording) -> None:
    works(recording)
    activated(recording, 49671)
    tcp = Tcp(recording, C, 50003, S, 49671)
    tcp.open()
    exchanges.exporter(tcp)


def _expired(recording: Recording, *, again: bool) -> None:
    named(recording, 49670)
    used(recording, 49670)
    recording.wait(125 * SECOND)
    Tcp(recording, C, 50002, S, 49670).syns()
    if again:
        named(recording, 49670, source=50003)
        used(recording, 49670, source=50004)


def _pinhole(recording: Recording) -> None:
    _expired(recording, again=True)


def _pinhole_alone(recording: Recording) -> None:
    _expired(recording, again=False)


def _told_anew(recording: Recording) -> None:
    """The port is silent although it was named a moment ago."""
    named(recording, 49670)
    used(recording, 49670)
    recording.wait(125 * SECOND)
    named(recording, 49670, source=50003)
    Tcp(recording, C, 50004, S, 49670).syns()


def _program(recording: Recording) -> None:
    for place, client in enumerate((C, D)):
        works(recording, client=client, source=51000 + 10 * place)
        named(recording, 49670, client=client, source=50000 + 10 * place)
        Tcp(recording, client, 50001 + 10 * place, S, 49670).syns()


def _program_logged(recording: Recording) -> str:
    works(recording)
    named(recording, 49670)
    tcp = Tcp(recording, C, 50001, S, 49670)
    sent = recording.now
    tcp.syns()
    return logs.PFIREWALL + logs.pfirewall(sent, "DROP", C, 50001, S, 49670, hours=0, isn=tcp.isn)


def _range_for_two(recording: Recording) -> None:
    """Two clients, and no dynamic port works for either."""
    for place, client in enumerate((C, D)):
        for offset, port in ((0, 49667), (2, 49670)):
            named(recording, port, client=client, source=50000 + 10 * place + offset)
            Tcp(recording, client, 50001 + 10 * place + offset, S, port).syns()


def _not_logged(recording: Recording) -> str:
    named(recording, 49670)
    Tcp(recording, C, 50001, S, 49670).syns()
    return logs.PFIREWALL + logs.pfirewall(recording.frames[0].time_ns, "ALLOW", C, 50000, S, 135, hours=0)


def _answers(recording: Recording, answer: bytes) -> None:
    named(recording, 49670)
    tcp = Tcp(recording, C, 50001, S, 49670)
    tcp.open()
    tcp.send(pdus.bind(pdus.contexts(*exchanges.SVCCTL)))
    tcp.reply(answer)
    tcp.close()


def _http(recording: Recording) -> None:
    _answers(recording, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def _tls(recording: Recording) -> None:
    _answers(recording, b"\x15\x03\x03\x00\x02\x02\x46")


def _other_process(recording: Recording) -> None:
    _answers(recording, pdus.bind_ack(((2, 1, pdus.NOTHING), (2, 1, pdus.NOTHING), (3, 3, pdus.NOTHING)), "49670"))


def _withdrawn(*, answered: bool = False) -> Build:
    """A call that the server refuses as one of an interface unknown to it; perhaps after another that it answered."""

    def build(recording: Recording) -> None:
        named(recording, 49670)
        tcp = Tcp(recording, C, 50001, S, 49670)
        tcp.open()
        exchanges.session(tcp, exchanges.DRSUAPI, 1 if answered else 0)
        tcp.send(pdus.request(1, bytes(24), call_id=9, context=1))
        tcp.reply(pdus.fault(0x1C010003, call_id=9))
        tcp.close()

    return build


def _held_back(recording: Recording) -> str:
    named(recording, 49670)
    recording.wait(SECOND)
    works(recording)
    ns = recording.frames[0].time_ns
    return logs.PFIREWALL + logs.pfirewall(
        ns, "DROP", C, 50001, S, 49670, hours=0, size=0, flags="-", path="SEND"
    )  # fmt: skip


SHOWN = (
    Shown(
        "dynamic-port-blocked", "the mapper names a port, and SYNs to it stay unanswered", _blocked,
        "dynamic-port-blocked", "established", "F1",
        never=("dynamic-port-closed", "pinhole-expired", "program-rule-missing", "port-not-learnt"),
    ),
    Shown(
        "range-blocked", "ports that ept_map and an activation name are all silent", _all_blocked, "dynamic-port-blocked",
        "established", "F1", twin_of="port-not-learnt", never=("port-not-learnt", "program-rule-missing"),
    ),
    Shown(
        "dynamic-port-prohibited", "a router answers that the port is prohibited", _rejected, "dynamic-port-rejected",
        "established", "F2", never=("dynamic-port-closed", "dynamic-port-blocked"),
    ),
    Shown(
        "dynamic-port-reset-by-device", "a RST with a foreign TTL answers the SYN", _rejected_by_ttl,
        "dynamic-port-rejected", "established", "F2", twin_of="dynamic-port-closed", never=("dynamic-port-closed",),
    ),
    Shown(
        "dynamic-port-closed", "a RST with the server's own TTL answers the SYN", _closed, "dynamic-port-closed",
        "established", "F3", twin_of="dynamic-port-rejected", never=("dynamic-port-rejected",),
    ),
    Shown(
        "dcom-port-not-learnt", "a port that ept_map named works, one that an activation named is silent", _not_learnt,
        "port-not-learnt", "likely", "F4", never=("program-rule-missing",), beside="dynamic-port-blocked",
    ),
    Shown(
        "dcom-port-learnt", "both work", _learnt, None, twin_of="port-not-learnt", never=("port-not-learnt",),
    ),
    Shown(
        "pinhole-expired", "two minutes later the port is silent; after a new lookup it answers again", _pinhole,
        "pinhole-expired", "established", "F5", never=("idle-dropped", "stale-endpoint",), beside="dynamic-port-blocked",
    ),
    Shown(
        "pinhole-expired-alone", "two minutes later the port is silent, and nobody asks again", _pinhole_alone,
        "pinhole-expired", "likely", "F5", beside="dynamic-port-blocked",
    ),
    Shown(
        "told-anew-and-silent", "the port is silent right after a new lookup", _told_anew, "dynamic-port-blocked",
        "established", "F1", twin_of="pinhole-expired", never=("pinhole-expired",),
    ),
    Shown(
        "program-rule-missing", "two clients reach one service of the server and not the other", _program,
        "program-rule-missing", "likely", "F6", never=("port-not-learnt",), beside="dynamic-port-blocked",
    ),
    Shown(
        "program-rule-missing-logged", "the server's firewall logs the drop of one port; another port works",
        _program_logged, "program-rule-missing", "proven", "F6", beside="dynamic-port-blocked",
    ),
    Shown(
        "range-blocked-for-two", "two clients reach no dynamic port of the server at all", _range_for_two,
        "dynamic-port-blocked", "established", "F1", twin_of="program-rule-missing", never=("program-rule-missing",),
    ),
    Shown(
        "drops-not-logged", "the port is silent, and the firewall log holds no drop at all", _not_logged,
        "dynamic-port-blocked", "established", "F1",
    ),
    Shown(
        "dynamic-port-held-back", "the client's firewall logs a drop on the way out; no SYN to the port leaves",
        _held_back, "dynamic-port-blocked", "likely", "F1", twin_of="outbound-blocked", never=("outbound-blocked",),
    ),
    Shown(
        "http-on-port", "what answers the bind is HTTP", _http, "not-rpc-on-port", "established", "F8",
        never=("bind-rejected", "path-mtu"),
    ),
    Shown("tls-on-port", "what answers the bind is an alert of TLS", _tls, "not-rpc-on-port", "established", "F8"),
    Shown(
        "another-process-on-port", "the bind is answered: no such interface here", _other_process, "bind-rejected",
        "established", "F7", twin_of="not-rpc-on-port", never=("not-rpc-on-port",),
    ),
    Shown(
        "interface-withdrawn", "the bind is taken, and the call is answered: no such interface here", _withdrawn(),
        "bind-rejected", "established", "F7", twin_of="not-rpc-on-port", never=("not-rpc-on-port",),
    ),
    Shown(
        "interface-older", "one call is not known here, others of the interface are answered",
        _withdrawn(answered=True), None, twin_of="bind-rejected", never=("bind-rejected",),
    ),
)  # fmt: skip
