"""DCOM: activations that fail, callbacks that do not come, references that die."""

from tests.build import events, exchanges, names, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp, datagram
from tests.causes.shown_cause import Build, Shown

C, S = "10.0.0.1", "10.0.0.2"
OPC = "13486d51-4821-11d2-a494-3cb306c10000"
UNAVAILABLE, NOT_A_CLASS, DENIED, DISABLED = 0x800706BA, 0x80040154, 0x80070005, 0x8001011C
DISCONNECTED = 0x80010108
NOT_STARTED = 0x80080005


def activator(recording: Recording, port: int = 50002) -> Tcp:
    tcp = Tcp(recording, C, port, S, 135)
    tcp.open()
    exchanges.activator(tcp)
    return tcp


def answered(recording: Recording, status: int) -> None:
    exchanges.activate(activator(recording), OPC, [], status=status)


def in_use(recording: Recording, *, port: int = 49671, activation: int = 50002) -> tuple[Tcp, str]:
    """An object that is activated and called once."""
    tcp = activator(recording, activation)
    exchanges.activate(tcp, OPC, [f"{S}[{port}]"])
    recording.wait(2 * MS)
    used = Tcp(recording, C, activation + 1, S, port)
    used.open()
    return used, exchanges.exporter(used)


def _no_class(recording: Recording) -> None:
    answered(recording, NOT_A_CLASS)


def _not_started(clsid: str = OPC, *, computer: str = "srv.lab.example", seconds: int = 0) -> Build:
    """The object's process does not register within two minutes; event 10010 of a computer names its class."""

    def build(recording: Recording) -> str:
        datagram(recording, "10.0.0.53", 53, C, 40053, names.dns_answer("srv.lab.example", [S]))
        exchanges.activate(activator(recording), OPC, [], status=NOT_STARTED, delay_ns=120 * SECOND)
        at = recording.now + seconds * SECOND
        provider = "Microsoft-Windows-DistributedCOM"
        return events.numbered(10010, at, 32, computer, provider, f"{{{clsid.upper()}}}")

    return build


def _behind(recording: Recording) -> None:
    answered(recording, UNAVAILABLE)


def _switched_off(recording: Recording) -> None:
    answered(recording, DISABLED)


def _no_right(recording: Recording) -> None:
    answered(recording, DENIED)


def _port_silent(recording: Recording) -> None:
    exchanges.activate(activator(recording), OPC, [f"{S}[49671]"])
    recording.wait(2 * MS)
    Tcp(recording, C, 50003, S, 49671).syns()


def _no_callback(recording: Recording) -> None:
    used, ipid = in_use(recording)
    used.send(pdus.request(5, pdus.orpcthis() + bytes(24), call_id=3, instance=ipid, auth=exchanges.SIGNATURE))
    Tcp(recording, S, 60000, C, 135).syns()
    used.reply(pdus.response(pdus.orpcthat() + UNAVAILABLE.to_bytes(4, "little"), call_id=3, auth=exchanges.SIGNATURE))


def _callback_silent_without_dcom(recording: Recording) -> None:
    Tcp(recording, S, 60000, C, 135).syns()


def _dies(used: Tcp, ipid: str) -> None:
    used.send(pdus.request(4, pdus.orpcthis() + bytes(24), call_id=9, instance=ipid, auth=exchanges.SIGNATURE))
    used.reply(pdus.fault(DISCONNECTED, call_id=9))


def _pings_lost(recording: Recording) -> None:
    used, ipid = in_use(recording)
    for minute in range(3):
        recording.wait(100 * SECOND)
        Tcp(recording, C, 50010 + minute, S, 135).syns((0, 3, 9), until=20)
    recording.wait(60 * SECOND)
    _dies(used, ipid)


def _restarted(recording: Recording) -> None:
    used, ipid = in_use(recording)
    recording.wait(60 * SECOND)
    _dies(used, ipid)
    in_use(recording, port=49702, activation=50020)


def _gone(recording: Recording) -> None:
    used, ipid = in_use(recording)
    recording.wait(60 * SECOND)
    _dies(used, ipid)


def _called_at(recording: Recording, level: int) -> None:
    exchanges.activate(activator(recording), OPC, [f"{S}[49671]"])
    recording.wait(2 * MS)
    tcp = Tcp(recording, C, 50003, S, 49671)
    tcp.open()
    tcp.send(pdus.bind([(pdus.REM_UNKNOWN2, "0.0", [pdus.NDR32])], auth=(10, level, exchanges.NTLM1)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "49671", auth=(10, level, exchanges.NTLM2)))
    tcp.send(pdus.auth3(exchanges.NTLM3, level=level))
    asked = pdus.request(3, pdus.orpcthis() + bytes(40), instance=pdus.IPID, auth=(10, level, bytes(16)))
    tcp.send(asked)
    tcp.reply(pdus.response(pdus.orpcthat() + bytes(48) + bytes(4), auth=(10, level, bytes(16))))
    tcp.send(pdus.request(3, pdus.orpcthis() + bytes(40), call_id=3, instance=pdus.IPID, auth=(10, level, bytes(16))))
    tcp.reply(pdus.fault(5, call_id=3))


def _low(recording: Recording) -> None:
    _called_at(recording, 2)


def _high(recording: Recording) -> None:
    _called_at(recording, 5)


def _works(recording: Recording) -> None:
    in_use(recording)


SHOWN = (
    Shown(
        "dcom-works", "an activation and a call on the object: what strict RPC compliance would drop", _works,
        "strict-rpc-violation", "proven", "E6", never=("level-below-hint", "exporter-restarted", "no-packets"),
    ),
    Shown(
        "object-not-started-logged", "the activation ends after two minutes, and event 10010 of the server names the class",
        _not_started(), "activation-failed", "proven", "D1", log="system.xml",
    ),
    Shown(
        "another-object-not-started", "event 10010 is about another class",
        _not_started("0002df01-0000-0000-c000-000000000046"), "activation-failed", "established", "D1", log="system.xml",
    ),
    Shown(
        "object-not-started-elsewhere", "event 10010 is of another computer",
        _not_started(computer="file9.lab.example"), "activation-failed", "established", "D1", log="system.xml",
    ),
    Shown(
        "object-not-started-an-hour-ago", "event 10010 is of an hour before",
        _not_started(seconds=-3600), "activation-failed", "established", "D1", log="system.xml",
    ),
    Shown(
        "class-not-registered", "the activation is answered by 0x80040154", _no_class, "activation-failed", "established",
        "D1", never=("access-denied", "remote-dcom-off", "unavailable-in-reply"),
    ),
    Shown(
        "unavailable-in-reply", "the activation is answered, and the answer is 0x800706BA", _behind,
        "unavailable-in-reply", "established", "D2", twin_of="dynamic-port-blocked", never=("dynamic-port-blocked",),
    ),
    Shown(
        "port-of-object-silent", "the activation succeeds, and the port of the object is silent", _port_silent,
        "dynamic-port-blocked", "established", "F1", twin_of="unavailable-in-reply", never=("unavailable-in-reply",),
    ),
    Shown(
        "callback-blocked", "the server asks for port 135 of its client in vain; the call comes back with 0x800706BA",
        _no_callback, "callback-blocked", "established", "D3", never=("mapper-blocked", "unavailable-in-reply"),
    ),
    Shown(
        "no-callback-without-dcom", "the same SYNs, without any DCOM call before", _callback_silent_without_dcom,
        "mapper-blocked", "likely", "E1", twin_of="callback-blocked", never=("callback-blocked",),
    ),
    Shown(
        "pings-blocked", "port 135 answered once and is silent since; after six minutes the object is gone", _pings_lost,
        "pings-blocked", "established", "D4", never=("exporter-restarted", "mapper-blocked"),
    ),
    Shown(
        "exporter-restarted", "a call finds its object gone; activated anew, the class is at another port", _restarted,
        "exporter-restarted", "established", "D5", twin_of="pings-blocked", never=("pings-blocked", "mapper-blocked"),
    ),
    Shown("object-gone", "a call finds its object gone", _gone, "exporter-restarted", "likely", "D5"),
    Shown(
        "level-below-hint", "the exporter hints at packet integrity; a call at level connect gets fault 5", _low,
        "level-below-hint", "possible", "D6", never=("dcom-hardening",), beside="access-denied",
    ),
    Shown(
        "level-as-hinted", "the same call at packet integrity gets fault 5", _high, "access-denied", "established", "P1",
        twin_of="level-below-hint", never=("level-below-hint",),
    ),
    Shown(
        "remote-dcom-off", "the activation is answered by 0x8001011c", _switched_off, "remote-dcom-off", "established",
        "D7", never=("activation-failed", "access-denied"),
    ),
    Shown(
        "activation-denied", "the activation is answered by 0x80070005", _no_right, "access-denied", "established", "P1",
        twin_of="remote-dcom-off", never=("remote-dcom-off", "activation-failed"),
    ),
)  # fmt: skip
