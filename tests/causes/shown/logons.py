"""Logons that fail: the password, the policy, the ticket, the clock, a token that is missing."""

from tests.build import events, exchanges, kerberos, logons, names, pdus, smb2, tokens
from tests.build.conversation import SECOND, Recording, Tcp, datagram, icmp_error, pieces
from tests.causes.shown_cause import Build, Shown

C, S, DC = "10.0.0.1", "10.0.0.2", "10.0.0.53"
PORT = 49670
SVCCTL = exchanges.SVCCTL
PROTOCOL_ERROR = 0x1C01000B
NTLM_BLOCKED, LOGON_FAILURE, ACCOUNT_DISABLED = 0xC0000418, 0xC000006D, 0xC0000072


def _open(recording: Recording, port: int = 50001) -> Tcp:
    tcp = Tcp(recording, C, port, S, PORT)
    tcp.open()
    return tcp


def _nak(reason: int, *, kind: int = logons.NTLM, token: bytes = b"") -> Build:
    def build(recording: Recording) -> None:
        tcp = _open(recording)
        logons.nak(tcp, SVCCTL, reason, kind=kind, token=token)
        tcp.close()

    return build


def _first_call(fault: int, *, third: bool = True) -> Build:
    def build(recording: Recording) -> None:
        tcp = _open(recording)
        logons.ntlm(tcp, SVCCTL, third=third)
        logons.call(tcp, 15, fault=fault)
        tcp.close()

    return build


def _third_leg_lost_and_reset(recording: Recording) -> None:
    tcp = _open(recording)
    logons.ntlm(tcp, SVCCTL, third=False)
    tcp.send(pdus.request(15, bytes(24), auth=logons.signature(6)))
    tcp.rst()


def _gap_where_the_third_leg_was(recording: Recording) -> None:
    tcp = _open(recording)
    logons.ntlm(tcp, SVCCTL)
    del recording.frames[-2:]
    logons.call(tcp, 15, fault=5)
    tcp.close()


def _session(status: int, *, then_good: bool = False, user: str = "anna") -> Build:
    def build(recording: Recording) -> None:
        session = smb2.Session()
        session.negotiate()
        asked = (tokens.negotiate(), tokens.authenticate(user))
        session.setup(asked, (logons.CHALLENGE, b""), status=status)
        if then_good:
            session.setup(asked, (logons.CHALLENGE, b""))
            tree = session.tree()
            pipe = session.create(tree, "svcctl")
            bind = pdus.bind([(*SVCCTL, [pdus.NDR32])])
            session.transceive(pipe, bind, pdus.bind_ack(pdus.ACCEPTED_32, r"\PIPE\ntsvcs"))
            session.transceive(pipe, pdus.request(15, bytes(40)), pdus.response(bytes(24)))
        tcp = Tcp(recording, C, 50009, S, 445)
        tcp.open()
        tcp.say(session.messages)
        tcp.close()

    return build


def _blocked_says_the_fault(recording: Recording) -> None:
    tcp = _open(recording)
    logons.ntlm(tcp, SVCCTL)
    tcp.send(pdus.request(15, bytes(24), auth=logons.signature(6)))
    tcp.reply(pdus.fault(5, extended=pdus.extended_error("SRV", 3, NTLM_BLOCKED, 71)))
    tcp.close()


def _refused_after(recording: Recording) -> None:
    """A logon that the server refuses."""
    recording.wait(SECOND // 10)
    tcp = _open(recording, 50011)
    logons.ntlm(tcp, SVCCTL)
    logons.call(tcp, 15, fault=5)
    tcp.close()


def _at_service(code: int, *, then_good: bool = False) -> Build:
    def build(recording: Recording) -> None:
        tcp = _open(recording)
        logons.with_ticket(tcp, SVCCTL, code)
        tcp.close()
        if then_good:
            logons.served(recording, C, 50002, S, PORT)

    return build


def _at_centre(code: int, *service: str, refused: bool = True, ticket: bool = False, good: bool = False) -> Build:
    def build(recording: Recording) -> None:
        logons.from_centre(recording, DC, C, kerberos.krb_error(code, *service))
        if ticket:
            recording.wait(SECOND // 50)
            logons.tickets(recording, DC, C, *(service or ("krbtgt", kerberos.REALM)))
        if refused:
            _refused_after(recording)
        if good:
            logons.served(recording, C, 50012, S, PORT)

    return build


def _name_of_another_host(recording: Recording) -> None:
    datagram(recording, DC, 53, C, 40053, names.dns_answer("srv9.lab.example", ["10.0.0.99"]))
    logons.from_centre(recording, DC, C, kerberos.krb_error(kerberos.S_UNKNOWN, "host", "srv9.lab.example"))
    _refused_after(recording)


def _no_centre(*, good: bool = False, too_big: bool = False, ticket: bool = False) -> Build:
    def build(recording: Recording) -> None:
        if too_big:
            logons.from_centre(recording, DC, C, kerberos.krb_error(kerberos.TOO_BIG, "host", "srv.lab.example"))
        if ticket:
            tcp = Tcp(recording, C, 50020, DC, 88)
            tcp.open()
            tcp.send(kerberos.over_tcp(kerberos.tgs_req("host", "srv.lab.example")))
            tcp.reply(kerberos.over_tcp(kerberos.kdc_rep(kerberos.TGS_REP, "host", "srv.lab.example")))
            tcp.close()
        else:
            Tcp(recording, C, 50021, DC, 88).syns()
        if good:
            logons.served(recording, C, 50012, S, PORT)
        elif not ticket:
            _refused_after(recording)
        else:
            logons.served(recording, C, 50013, S, PORT)

    return build


def _pieces(lost: tuple[int, ...], *, times: int = 3, then: Build = _refused_after) -> Build:
    def build(recording: Recording) -> str | None:
        ticket = kerberos.kdc_rep(kerberos.TGS_REP, *HOST) + bytes(900)
        for number in range(times):
            pieces(recording, (DC, 88), (C, 40088), ticket, number=100 + number, lost=lost)
            recording.wait(2 * SECOND)
        return then(recording)

    return build


def _served_after(recording: Recording) -> None:
    logons.served(recording, C, 50012, S, PORT)


def _asked(*, answered: bool, prohibited: bool = False) -> Build:
    def build(recording: Recording) -> None:
        for _ in range(1 if prohibited else 3):
            datagram(recording, C, 40088, DC, 88, kerberos.tgs_req(*HOST))
            if prohibited:
                icmp_error(recording, "10.0.0.254", 3, 13)
            recording.wait(2 * SECOND)
        if answered:
            logons.tickets(recording, DC, C, *HOST)
            _served_after(recording)
        else:
            _refused_after(recording)

    return build


def _ticket_and_no_right(recording: Recording) -> None:
    logons.from_centre(recording, DC, C, kerberos.krb_error(kerberos.S_UNKNOWN, "HTTP", "proxy"))
    tcp = _open(recording)
    logons.with_ticket(tcp, SVCCTL)
    logons.call(tcp, 15, fault=5, kind=logons.KERBEROS)
    tcp.close()


def _long_before(recording: Recording) -> None:
    logons.served(recording, C, 50012, S, PORT)
    logons.from_centre(recording, DC, C, kerberos.krb_error(14, "HTTP", "proxy"))
    recording.wait(40 * SECOND)
    logons.served(recording, C, 50013, S, PORT)
    _refused_after(recording)


WRONG_PASSWORD, LOCKED, TIME_DIFFERENCE = 0xC000006A, 0xC0000234, 0xC0000133
SRV = "srv.lab.example"


def _with_logon_event(
    build: Build, inner: int = WRONG_PASSWORD, *, port: int | str = 50001, computer: str = SRV, user: str = "anna",
    seconds: int = 0, client: str = C,
) -> Build:  # fmt: skip
    """The capture, and event 4625 of that second."""

    def built(recording: Recording) -> str:
        build(recording)
        at = recording.now + seconds * SECOND
        return events.failed_logon(at, 11, computer, client, port, inner, user=user)

    return built


def _served_and_then_refused(recording: Recording) -> None:
    """The logon is fine; one call is refused."""
    tcp = _open(recording)
    logons.ntlm(tcp, SVCCTL)
    logons.call(tcp, 15)
    logons.call(tcp, 16, call_id=3, fault=5)
    tcp.close()


def _checked_by_a_centre(*, workstation: str = "WS1", user: str = "anna") -> Build:
    def build(recording: Recording) -> str:
        _first_call(5)(recording)
        return events.checked(recording.now, 12, "dc1.lab.example", user, workstation, LOCKED)

    return build


def _told_by_the_centre(recording: Recording) -> str:
    _at_centre(kerberos.PREAUTH_FAILED)(recording)
    return events.at_centre(4771, recording.frames[0].time_ns, 12, "dc1.lab.example", C, kerberos.PREAUTH_FAILED)


HOST = ("host", "srv.lab.example")
DENIED = ("bad-credentials", "clock-skew", "ntlm-refused")

SHOWN = (
    Shown(
        "nak-9-to-a-ticket", "The server refuses the token of Kerberos with bind_nak 9.",
        _nak(9, kind=logons.KERBEROS, token=tokens.ap_req()), "bad-credentials", "likely", "P10",
        never=("ntlm-refused", "provider-unknown", "bind-rejected"),
    ),
    Shown(
        "wrong-password-by-ntlm", "The first call after the third token of NTLM is answered by a protocol error.",
        _first_call(PROTOCOL_ERROR), "bad-credentials", "likely", "P10", "third-leg-lost", never=("third-leg-lost",),
    ),
    Shown(
        "logon-refused-by-samba", "After the third token the first call is answered by fault 0x721 (security package).",
        _first_call(0x721), "bad-credentials", "likely", "P10", "third-leg-lost", never=("third-leg-lost",),
    ),
    Shown(
        "wrong-password-at-smb", "The session setup that comes before the pipe is refused: STATUS_LOGON_FAILURE.",
        _session(LOGON_FAILURE), "bad-credentials", "established", "P10", "ntlm-refused", never=("ntlm-refused",),
    ),
    Shown(
        "wrong-password-then-the-right-one", "A second session setup is accepted, and the pipe works.",
        _session(LOGON_FAILURE, then_good=True), None, twin_of="bad-credentials", never=("bad-credentials",),
    ),
    Shown(
        "guest-tried-by-itself", "The client tries the guest account, which is disabled, as clients do on their own.",
        _session(ACCOUNT_DISABLED, user="guest"), None, twin_of="bad-credentials",
    ),
    Shown(
        "preauthentication-failed", "The key distribution centre does not accept the password, and RPC is refused.",
        _at_centre(kerberos.PREAUTH_FAILED), "bad-credentials", "likely", "P10",
    ),
    Shown(
        "preauthentication-failed-then-right", "The user types again, gets a ticket, and RPC works.",
        _at_centre(kerberos.PREAUTH_FAILED, refused=False, ticket=True, good=True), None, twin_of="bad-credentials",
    ),
    Shown(
        "preauthentication-required", "The centre wants pre-authentication, as it does at every logon.",
        _at_centre(kerberos.PREAUTH_REQUIRED, refused=False, good=True), None, twin_of="bad-credentials",
        never=("bad-credentials", "wrong-spn", "clock-skew"),
    ),
    Shown(
        "ntlm-blocked-at-smb", "The session setup is answered by STATUS_NTLM_BLOCKED.",
        _session(NTLM_BLOCKED), "ntlm-refused", "established", "P9", "bad-credentials", never=("bad-credentials",),
    ),
    Shown(
        "ntlm-refused-at-its-first-token", "bind_nak 9 answers NTLM's first token, which holds no password.",
        _nak(9), "ntlm-refused", "likely", "P9", "bad-credentials", never=("bad-credentials",),
    ),
    Shown(
        "ntlm-blocked-says-the-fault", "The extended error of a fault says STATUS_NTLM_BLOCKED.",
        _blocked_says_the_fault, "ntlm-refused", "established", "P9", "access-denied", never=("access-denied",),
    ),
    Shown(
        "provider-unknown", "bind_nak 8: the server has no Kerberos.",
        _nak(8, kind=logons.KERBEROS, token=tokens.ap_req()), "provider-unknown", "established", "P11",
        never=("bad-credentials", "bind-rejected"),
    ),
    Shown(
        "third-leg-lost", "The third token of NTLM is nowhere, and the first call is refused.",
        _first_call(5, third=False), "third-leg-lost", "possible", "P12", "bad-credentials", never=("bad-credentials",), beside="access-denied",
    ),
    Shown(
        "third-leg-lost-and-reset", "The third token is nowhere, and the connection is reset on the first call.",
        _third_leg_lost_and_reset, "third-leg-lost", "likely", "P12", "server-reset", never=("server-reset",),
    ),
    Shown(
        "a-gap-where-the-third-leg-was", "The capture lacks the packet with the third token: that proves nothing.",
        _gap_where_the_third_leg_was, "access-denied", None, "P1", "third-leg-lost", never=("third-leg-lost",),
    ),
    Shown(
        "ticket-for-another-account", "The server answers the ticket with KRB_AP_ERR_MODIFIED.",
        _at_service(41), "wrong-spn", "established", "P4", "clock-skew", never=("clock-skew",),
    ),
    Shown(
        "ticket-for-another-account-then-ntlm", "After KRB_AP_ERR_MODIFIED the client logs on with NTLM and is served.",
        _at_service(41, then_good=True), None, twin_of="wrong-spn",
    ),
    Shown(
        "service-unknown", "No account has the service's name, and NTLM instead is refused.",
        _at_centre(kerberos.S_UNKNOWN, *HOST), "wrong-spn", "likely", "P4", "access-denied", never=("access-denied",),
    ),
    Shown(
        "service-unknown-then-ntlm", "No account has the service's name, and NTLM works instead.",
        _at_centre(kerberos.S_UNKNOWN, *HOST, refused=False, good=True), None, twin_of="wrong-spn",
    ),
    Shown(
        "service-unknown-on-another-host", "The name without an account is that of a third host: rights are the matter here.",
        _name_of_another_host, "access-denied", None, "P1", "wrong-spn", never=("wrong-spn",),
    ),
    Shown(
        "clock-skew", "The server answers the ticket with KRB_AP_ERR_SKEW.",
        _at_service(37), "clock-skew", "established", "P5", "wrong-spn", never=("wrong-spn",),
    ),
    Shown(
        "clock-skew-at-the-centre", "The key distribution centre complains of the time, and RPC is refused.",
        _at_centre(kerberos.SKEW, *HOST), "clock-skew", "likely", "P5", never=("access-denied",),
    ),
    Shown(
        "clock-skew-corrected", "The client takes the centre's time from the error, gets its ticket, and RPC works.",
        _at_centre(kerberos.SKEW, *HOST, refused=False, ticket=True, good=True), None, twin_of="clock-skew",
    ),
    Shown(
        "encryption-type", "The centre has no encryption type for the service, and RPC is refused.",
        _at_centre(14, *HOST), "encryption-type", "likely", "P6", "wrong-spn", never=("wrong-spn", "access-denied"),
    ),
    Shown(
        "a-ticket-and-no-right", "A ticket for another service is refused; here the client has its ticket and no right.",
        _ticket_and_no_right, "access-denied", None, "P1", "wrong-spn", never=("wrong-spn",),
    ),
    Shown(
        "long-before", "A service of which nothing is known was refused a minute before: that has nothing to do with it.",
        _long_before, "access-denied", None, "P1", "encryption-type",
    ),
    Shown(
        "encryption-type-then-ntlm", "The centre has no encryption type for the service; NTLM works instead.",
        _at_centre(14, *HOST, refused=False, good=True), None, twin_of="encryption-type",
    ),
    Shown(
        "kdc-unreachable", "SYNs to port 88 stay unanswered, and the logon that follows is refused.",
        _no_centre(), "kdc-unreachable", "likely", "P7", "ticket-too-big", never=("ticket-too-big", "access-denied"),
    ),
    Shown(
        "kdc-silent-over-udp", "Questions over UDP port 88 are never answered, and the logon that follows is refused.",
        _asked(answered=False), "kdc-unreachable", "likely", "P7", never=("access-denied",),
    ),
    Shown(
        "kdc-prohibited-over-udp", "A question over UDP port 88 is answered by ICMP, and the logon that follows is refused.",
        _asked(answered=False, prohibited=True), "kdc-unreachable", "likely", "P7", never=("access-denied",),
    ),
    Shown(
        "kdc-slow-over-udp", "A question over UDP is repeated and then answered.",
        _asked(answered=True), None, twin_of="kdc-unreachable", never=("kdc-unreachable",),
    ),
    Shown(
        "kdc-unreachable-then-ntlm", "SYNs to port 88 stay unanswered; NTLM works instead.",
        _no_centre(good=True), None, twin_of="kdc-unreachable",
    ),
    Shown(
        "ticket-too-big", "Error 52 over UDP, then SYNs to port 88 stay unanswered.",
        _no_centre(too_big=True), "ticket-too-big", "established", "P8", "kdc-unreachable", never=("kdc-unreachable",),
    ),
    Shown(
        "ticket-too-big-then-tcp", "Error 52 over UDP, then the ticket comes over TCP, as it does every day.",
        _no_centre(too_big=True, ticket=True), None, twin_of="ticket-too-big", never=("ticket-too-big",),
    ),
    Shown(
        "fragments-lost", "Of the ticket's IP fragments only the first arrive, time and again.",
        _pieces((1,)), "fragments-lost", "likely", "M2", "path-mtu", never=("path-mtu", "access-denied"),
    ),
    Shown(
        "fragments-that-arrive", "The ticket comes in IP fragments, and all of them arrive.",
        _pieces((), then=_served_after), None, twin_of="fragments-lost", never=("fragments-lost",),
    ),
    Shown(
        "one-fragment-lost", "A fragment is lost once, and nothing suffers by it.",
        _pieces((1,), times=1, then=_served_after), None, twin_of="fragments-lost", never=("fragments-lost",),
    ),
    Shown(
        "wrong-password-behind-fault-5", "The first call is refused by fault 5; the server's event 4625 says: wrong password.",
        _with_logon_event(_first_call(5)), "bad-credentials", "proven", "P10", "access-denied", never=("access-denied",),
        log="security.xml",
    ),
    Shown(
        "account-locked-at-smb", "The session setup is refused; event 4625 says that the account is locked.",
        _with_logon_event(_session(LOGON_FAILURE), LOCKED, port=50009), "bad-credentials", "proven", "P10",
        log="security.xml",
    ),
    Shown(
        "wrong-password-no-port-logged", "Event 4625 has no port; address, user and second are those of the refused call.",
        _with_logon_event(_first_call(PROTOCOL_ERROR), port="-"), "bad-credentials", "proven", "P10", log="security.xml",
    ),
    Shown(
        "account-locked-says-the-centre", "Event 4776 of a domain controller has the user and workstation of the token.",
        _checked_by_a_centre(), "bad-credentials", "proven", "P10", "access-denied", never=("access-denied",),
        log="security.xml",
    ),
    Shown(
        "preauthentication-failed-logged", "The key distribution centre's own event 4771 tells of the same error.",
        _told_by_the_centre, "bad-credentials", "likely", "P10", log="security.xml",
    ),
    Shown(
        "ntlm-blocked-logged", "bind_nak 9 answers NTLM; event 4625 says STATUS_NTLM_BLOCKED.",
        _with_logon_event(_nak(9), NTLM_BLOCKED), "ntlm-refused", "proven", "P9", "bad-credentials",
        never=("bad-credentials",), log="security.xml",
    ),
    Shown(
        "clock-skew-logged", "A ticket is refused by bind_nak 9; event 4625 says that the clocks differ.",
        _with_logon_event(_nak(9, kind=logons.KERBEROS, token=tokens.ap_req(server=f"RPCSS/{SRV}")), TIME_DIFFERENCE),
        "clock-skew", "proven", "P5", "bad-credentials", never=("bad-credentials",), log="security.xml",
    ),
    Shown(
        "failed-logon-of-another-port", "Event 4625 of that second has another source port: it is another connection's.",
        _with_logon_event(_first_call(5), port=50777), "access-denied", "likely", "P1", "bad-credentials", never=DENIED,
        log="security.xml",
    ),
    Shown(
        "failed-logon-an-hour-later", "Event 4625 has the port, and is of another hour.",
        _with_logon_event(_first_call(5), seconds=3600), "access-denied", "likely", "P1", "bad-credentials", never=DENIED,
        log="security.xml",
    ),
    Shown(
        "failed-logon-of-another-client", "Event 4625 has the port, and another client's address.",
        _with_logon_event(_first_call(5), client="10.0.0.9"), "access-denied", "likely", "P1", "bad-credentials",
        never=DENIED, log="security.xml",
    ),
    Shown(
        "failed-logon-at-another-server", "Event 4625 has client and port, but is of another server's log.",
        _with_logon_event(_first_call(5), computer="file9.lab.example"), "access-denied", "likely", "P1",
        "bad-credentials", never=DENIED, log="security.xml",
    ),
    Shown(
        "failed-logon-of-another-user", "Event 4625 without a port is of somebody else on the same client.",
        _with_logon_event(_first_call(5), port="-", user="backup"), "access-denied", "likely", "P1", "bad-credentials",
        never=DENIED, log="security.xml",
    ),
    Shown(
        "logged-on-and-no-right", "Calls are answered and one is refused: the logon was good, whatever event 4625 is about.",
        _with_logon_event(_served_and_then_refused), "access-denied", None, "P1", "bad-credentials", never=DENIED,
        log="security.xml",
    ),
    Shown(
        "checked-for-another-workstation", "Event 4776 is of the same user on another workstation.",
        _checked_by_a_centre(workstation="WS2"), "access-denied", "likely", "P1", "bad-credentials", never=DENIED,
        log="security.xml",
    ),
)  # fmt: skip
