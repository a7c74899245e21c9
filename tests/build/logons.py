"""Connections on which somebody logs on: binds with real tokens, and the calls after them."""

from struct import pack

from tests.build import exchanges, kerberos, pdus, tokens
from tests.build.conversation import Recording, Tcp, datagram

SPNEGO, NTLM, KERBEROS, NETLOGON = 9, 10, 16, 68
CHALLENGE = tokens.challenge("LAB", tokens.av_pairs((2, tokens.wide("LAB")), (1, tokens.wide("SRV"))))
KDC_PORT = 88
NETLOGON_FIRST = pack("<II", 0, 3) + b"LAB\0WS1\0"
NETLOGON_SECOND = pack("<III", 1, 0, 0)


def signature(level: int, kind: int = NTLM) -> tuple[int, int, bytes]:
    """The trailer of a call at that level."""
    return kind, level, bytes(16)


def ntlm(tcp: Tcp, interface: tuple[str, str], level: int = 6, *, third: bool = True, user: str = "anna") -> None:
    """Bind with NTLM: its three tokens, or two of them."""
    tcp.send(pdus.bind([(*interface, [pdus.NDR32])], auth=(NTLM, level, tokens.negotiate())))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, str(tcp.ends[1][1]), auth=(NTLM, level, CHALLENGE)))
    if third:
        tcp.send(pdus.auth3(tokens.authenticate(user), level=level))


def netlogon(tcp: Tcp, interface: tuple[str, str], level: int) -> None:
    """Bind with the provider of Netlogon, which has two tokens."""
    tcp.send(pdus.bind([(*interface, [pdus.NDR32])], auth=(NETLOGON, level, NETLOGON_FIRST)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, str(tcp.ends[1][1]), auth=(NETLOGON, level, NETLOGON_SECOND)))


def with_ticket(tcp: Tcp, interface: tuple[str, str], code: int | None = None, level: int = 6) -> None:
    """Bind with a ticket, which the server answers with its own token, or with an error."""
    ticket = tokens.ap_req(server="host/srv.lab.example")
    answer = tokens.ap_rep() if code is None else tokens.krb_error(code)
    tcp.send(pdus.bind([(*interface, [pdus.NDR32])], auth=(KERBEROS, level, ticket)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, str(tcp.ends[1][1]), auth=(KERBEROS, level, answer)))


def nak(
    tcp: Tcp, interface: tuple[str, str], reason: int, *, kind: int = NTLM, token: bytes = b"", group: int = 0
) -> None:
    """A bind that is refused."""
    auth = (kind, 6, token or tokens.negotiate()) if kind else None
    tcp.send(pdus.bind([(*interface, [pdus.NDR32])], auth=auth, group=group))
    tcp.reply(pdus.bind_nak(reason))


def call(
    tcp: Tcp, opnum: int = 0, *, fault: int | None = None, call_id: int = 2, level: int | None = 6, kind: int = NTLM
) -> None:
    """A call and its answer, or the fault that it gets; `level` None: nobody logged on."""
    auth = None if level is None else signature(level, kind)
    tcp.send(pdus.request(opnum, bytes(24), call_id=call_id, auth=auth))
    if fault is None:
        tcp.reply(pdus.response(bytes(32), call_id=call_id, auth=auth))
    else:
        tcp.reply(pdus.fault(fault, call_id=call_id))


def served(recording: Recording, client: str, port: int, server: str, server_port: int, *, level: int = 6) -> None:
    """A whole connection of somebody who logs on and is answered."""
    tcp = Tcp(recording, client, port, server, server_port)
    tcp.open()
    ntlm(tcp, exchanges.SVCCTL, level)
    for number in range(3):
        call(tcp, 15 + number, call_id=2 + number, level=level)
    tcp.close()


def from_centre(recording: Recording, centre: str, client: str, message: bytes) -> int:
    """What a key distribution centre answers over UDP."""
    return datagram(recording, centre, KDC_PORT, client, 40088, message)


def tickets(recording: Recording, centre: str, client: str, *service: str) -> None:
    """A ticket that is given."""
    from_centre(recording, centre, client, kerberos.kdc_rep(kerberos.TGS_REP, *service))
