"""Calls that are refused: rights, a filter, or a level of authentication that is too low."""

from tests.build import events, exchanges, logons, pdus
from tests.build.conversation import SECOND, Recording, Tcp
from tests.causes.shown_cause import Build, Shown

C, S = "10.0.0.1", "10.0.0.2"
PORT = 49670
SVCCTL = exchanges.SVCCTL
NETLOGON = ("12345678-1234-abcd-ef00-01234567cffb", "1.0")
SPOOLSS = ("12345678-1234-abcd-ef00-0123456789ab", "1.0")
PASSAGE = ("91ae6020-9e3c-11cf-8d7c-00aa00c091be", "0.0")
CLASS = "8bc3f05e-d86b-11d0-a075-00c04fb68820"
UNSUPPORTED_LEVEL = 1821
ACCESS_DENIED = 0x80070005
GET_DC_NAME, REQ_CHALLENGE, LOGON_SAM = 20, 4, 39


def _call(
    recording: Recording,
    interface: tuple[str, str],
    level: int | None,
    opnum: int,
    fault: int | None,
    port: int = 50001,
) -> None:
    """A connection of its own with one call."""
    tcp = Tcp(recording, C, port, S, PORT)
    tcp.open()
    if level is None:
        tcp.send(pdus.bind([(*interface, [pdus.NDR32])]))
        tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, str(PORT)))
    else:
        logons.ntlm(tcp, interface, level)
        logons.call(tcp, opnum + 1, call_id=9, level=level, fault=fault)  # the first answer after the logon
    logons.call(tcp, opnum, level=level, fault=fault)
    tcp.close()


def _refused(interface: tuple[str, str], level: int | None, opnum: int = 0, fault: int = 5) -> Build:
    def build(recording: Recording) -> None:
        _call(recording, interface, level, opnum, fault)

    return build


def _then_higher(interface: tuple[str, str], low: int, high: int) -> Build:
    def build(recording: Recording) -> None:
        _call(recording, interface, low, 12, 5)
        recording.wait(SECOND)
        _call(recording, interface, high, 12, None, 50002)

    return build


def _higher_before(recording: Recording) -> None:
    _call(recording, SVCCTL, 6, 12, None, 50002)
    recording.wait(SECOND)
    _call(recording, SVCCTL, 2, 12, 5)


def _activated(recording: Recording, level: int, *, fault: bool, port: int = 50003) -> None:
    tcp = Tcp(recording, C, port, S, 135)
    tcp.open()
    exchanges.activator(tcp, level=level)
    if fault:
        tcp.send(pdus.request(4, bytes(64), auth=logons.signature(level)))
        tcp.reply(pdus.fault(5))
    else:
        exchanges.activate(tcp, CLASS, [f"{S}[{PORT}]"])
    tcp.close()


def _activation_refused(level: int) -> Build:
    def build(recording: Recording) -> None:
        _activated(recording, level, fault=True)

    return build


def _activation_denied_by_hresult(recording: Recording) -> None:
    tcp = Tcp(recording, C, 50003, S, 135)
    tcp.open()
    exchanges.activator(tcp, level=5)
    exchanges.activate(tcp, CLASS, [], status=ACCESS_DENIED)
    tcp.close()


def _activation_raised(recording: Recording) -> None:
    _activated(recording, 2, fault=True)
    recording.wait(SECOND)
    _activated(recording, 5, fault=False, port=50004)
    used = Tcp(recording, C, 50005, S, PORT)
    used.open()
    exchanges.exporter(used)
    used.close()


def _netlogon(level: int, fault: int | None = 5) -> Build:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50001, S, PORT)
        tcp.open()
        logons.netlogon(tcp, NETLOGON, level)
        logons.call(tcp, LOGON_SAM, level=level, kind=logons.NETLOGON, fault=fault)
        tcp.close()

    return build


def _filter_logged(
    *, port: int = 50001, interface: str = SVCCTL[0], blocked: bool = True, computer: str = "srv.lab.example", seconds: int = 0,
) -> Build:  # fmt: skip
    """All calls of an interface are refused; event 5712 of that second."""

    def build(recording: Recording) -> str:
        _call(recording, SVCCTL, 6, 15, 5)
        at = recording.now + seconds * SECOND
        return events.met_a_filter(at, 21, computer, C, port, interface, blocked=blocked)

    return build


def _not_permitted(recording: Recording) -> str:
    _activation_denied_by_hresult(recording)
    return _dcom_event(recording, CLASS)


def _not_permitted_another_class(recording: Recording) -> str:
    _activation_denied_by_hresult(recording)
    return _dcom_event(recording, "0002df01-0000-0000-c000-000000000046")


def _dcom_event(recording: Recording, clsid: str, client: str = C) -> str:
    """10016: the permissions of a class."""
    return events.numbered(
        10016, recording.now, 22, "srv.lab.example", "Microsoft-Windows-DistributedCOM", "application-specific", "Remote",
        "Activation", f"{{{clsid.upper()}}}", "{11111111-2222-3333-4444-555555555555}", "LAB", "anna", "S-1-5-21-1-2-3-1104",
        client, "Unavailable", "Unavailable",
    )  # fmt: skip


def _channel_denied(account: str, *, seconds: int = 0) -> Build:
    """Netlogon of the controller says whom it denied a secure channel."""

    def build(recording: Recording) -> str:
        _netlogon(5)(recording)
        at = recording.now + seconds * SECOND
        return events.numbered(5827, at, 23, "dc1.lab.example", "NETLOGON", account, "LAB", "Workstation")

    return build


def _one_operation(recording: Recording) -> None:
    tcp = Tcp(recording, C, 50001, S, PORT)
    tcp.open()
    logons.ntlm(tcp, SVCCTL, 6)
    logons.call(tcp, 15, call_id=2)
    logons.call(tcp, 16, call_id=3)
    logons.call(tcp, 12, call_id=4, fault=5)
    logons.call(tcp, 12, call_id=5, fault=5)
    logons.call(tcp, 0, call_id=6)
    tcp.close()


def _mapper(level: int | None, fault: int | None) -> Build:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50000, S, 135)
        tcp.open()
        exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
        wanted = pdus.map_request(pdus.tower(*exchanges.DRSUAPI, 135, S), wide=True)
        tcp.send(pdus.request(3, wanted, context=1))
        if fault is not None:
            tcp.reply(pdus.fault(fault, context=1))
        else:
            tcp.reply(pdus.response(pdus.map_response([pdus.tower(*exchanges.DRSUAPI, PORT, S)], wide=True), context=1))
        tcp.close()

    return build


SHOWN = (
    Shown(
        "rights-on-a-service", "Every call of an interface is refused with fault 5, at the highest level.",
        _refused(SVCCTL, 6, 15), "access-denied", None, "P1", "rpc-filter",
        never=("level-too-low", "rpc-filter", "bad-credentials"),
    ),
    Shown(
        "rights-on-a-class", "A signed activation comes back with 0x80070005.",
        _activation_denied_by_hresult, "access-denied", "established", "P1", "dcom-hardening", never=("dcom-hardening",),
    ),
    Shown(
        "dcom-hardening", "An activation at level connect is refused at once.",
        _activation_refused(2), "dcom-hardening", "likely", "P2", "access-denied",
        never=("access-denied", "level-too-low"),
    ),
    Shown(
        "rights-on-an-activation", "A signed activation is refused: its level is what a hardened server wants.",
        _activation_refused(5), "access-denied", "likely", "P1", "dcom-hardening", never=("dcom-hardening",),
    ),
    Shown(
        "dcom-hardening-raised", "The client repeats the activation signed, and it works.",
        _activation_raised, None, twin_of="dcom-hardening", never=("access-denied",),
    ),
    Shown(
        "level-too-low", "Calls at level connect are refused where sealed ones were answered.",
        _higher_before, "level-too-low", "likely", "P3", "dcom-hardening", never=("access-denied", "dcom-hardening"),
    ),
    Shown(
        "level-too-low-says-the-fault", "The fault says 1821: the level of authentication is not supported.",
        _refused(SVCCTL, 2, 15, UNSUPPORTED_LEVEL), "level-too-low", "established", "P3", "access-denied",
        never=("access-denied",),
    ),
    Shown(
        "level-raised-at-once", "The client repeats the refused call sealed, and is answered.",
        _then_higher(SVCCTL, 2, 6), None, twin_of="level-too-low", never=("access-denied",),
    ),
    Shown(
        "netlogon-signed-only", "A secure channel that is signed and not sealed is refused.",
        _netlogon(5), "netlogon-hardening", "likely", "P3", "access-denied", never=("access-denied", "level-too-low"),
    ),
    Shown(
        "netlogon-sealed-and-refused", "A sealed call of Netlogon is refused: a matter of rights.",
        _netlogon(6), "access-denied", None, "P1", "netlogon-hardening", never=("netlogon-hardening",),
    ),
    Shown(
        "netlogon-signed-and-served", "An older controller serves a channel that is signed only.",
        _netlogon(5, None), None, twin_of="netlogon-hardening", never=("netlogon-hardening",),
    ),
    Shown(
        "netlogon-anonymous", "A call for the controller's name without a logon is refused.",
        _refused(NETLOGON, None, GET_DC_NAME), "netlogon-hardening", "likely", "P3", never=("access-denied",),
    ),
    Shown(
        "netlogon-challenge-refused", "NetrServerReqChallenge is refused: no secure channel is made.",
        _refused(NETLOGON, None, REQ_CHALLENGE), "netlogon-hardening", "likely", "P3", never=("access-denied",),
    ),
    Shown(
        "printing-hardening", "The spooler refuses calls below packet privacy.",
        _refused(SPOOLSS, 5, 69), "printing-hardening", "likely", "P3", "access-denied",
        never=("access-denied", "level-too-low"),
    ),
    Shown(
        "printing-rights", "The spooler refuses sealed calls.",
        _refused(SPOOLSS, 6, 69), "access-denied", None, "P1", "printing-hardening", never=("printing-hardening",),
    ),
    Shown(
        "certificate-hardening", "The certification authority refuses a request that is signed and not sealed.",
        _refused(PASSAGE, 5), "certificate-hardening", "likely", "P3", "access-denied",
        never=("access-denied", "level-too-low"),
    ),
    Shown(
        "certificate-rights", "The certification authority refuses a sealed request.",
        _refused(PASSAGE, 6), "access-denied", None, "P1", "certificate-hardening", never=("certificate-hardening",),
    ),
    Shown(
        "rpc-filter", "One operation is refused, the others of the same caller are answered.",
        _one_operation, "rpc-filter", "possible", "P13", "access-denied", beside="access-denied",
    ),
    Shown(
        "rpc-filter-logged", "Every call of an interface is refused; event 5712 of the server says: by a filter.",
        _filter_logged(), "rpc-filter", "proven", "P13", "access-denied", never=("access-denied",), log="security.xml",
    ),
    Shown(
        "rpc-filter-let-through", "Event 5712 is an audit of a call that the filter let through.",
        _filter_logged(blocked=False), "access-denied", None, "P1", "rpc-filter", never=("rpc-filter",),
        log="security.xml",
    ),
    Shown(
        "rpc-filter-of-another-interface", "Event 5712 is about another interface.",
        _filter_logged(interface=PASSAGE[0]), "access-denied", None, "P1", "rpc-filter", never=("rpc-filter",),
        log="security.xml",
    ),
    Shown(
        "rpc-filter-on-another-connection", "Event 5712 has another source port.",
        _filter_logged(port=50777), "access-denied", None, "P1", "rpc-filter", never=("rpc-filter",), log="security.xml",
    ),
    Shown(
        "rpc-filter-of-another-server", "Event 5712 is of another server's log.",
        _filter_logged(computer="file9.lab.example"), "access-denied", None, "P1", "rpc-filter", never=("rpc-filter",),
        log="security.xml",
    ),
    Shown(
        "class-not-permitted-logged", "An activation is refused; event 10016 names the client, the class and the right.",
        _not_permitted, "access-denied", "proven", "P1", log="system.xml",
    ),
    Shown(
        "another-class-not-permitted", "Event 10016 is about another class: it proves nothing here.",
        _not_permitted_another_class, "access-denied", "established", "P1", log="system.xml",
    ),
    Shown(
        "netlogon-channel-denied", "A signed channel is refused; event 5827 of the controller names the computer.",
        _channel_denied("WS1$"), "netlogon-hardening", "proven", "P3", "access-denied", never=("access-denied",),
        log="system.xml",
    ),
    Shown(
        "netlogon-channel-of-another", "Event 5827 names another computer: it proves nothing here.",
        _channel_denied("NAS7$"), "netlogon-hardening", "likely", "P3", log="system.xml",
    ),
    Shown(
        "mapper-refuses-anonymous", "The endpoint mapper answers a lookup without a logon with fault 5.",
        _mapper(None, 5), "mapper-refuses-anonymous", "established", "E7", "access-denied", never=("access-denied",),
    ),
)  # fmt: skip
