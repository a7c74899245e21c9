"""Captures to be spoilt that are made here: pipes in SMB sessions of all versions, RPC over HTTP, datagrams, tickets."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from tests.build import datagrams, exchanges, kerberos, names, pdus, rpc_http, smb, smb1, smb2
from tests.build.carrying import ANSWER, BIND, BOUND, CALL, called
from tests.build.containers import Frame
from tests.build.conversation import Recording, Tcp, datagram
from tests.build.messages import Message
from tests.build.story import START

C, S = "10.0.0.5", "10.0.0.9"


def _over(messages: Iterable[Message], port: int, sizes: Sequence[int] = (1460,), *, opened: bool = True) -> Recording:
    recording = Recording(START)
    tcp = Tcp(recording, C, 49_700, S, port)
    if opened:
        tcp.open()
    else:
        tcp.middle()
    tcp.say(messages, sizes)
    if opened:
        tcp.close()
    return recording


def _smb2() -> Recording:
    session = smb2.logged_on(multi=True)
    tree = session.tree()
    called(session, tree=tree)
    file = session.create(session.tree(r"\\SRV\data"), "file.bin")
    session.read(file, bytes(range(256)) * 12, length=3072)
    session.write(file, bytes(3000))
    pipe = session.create_and_write(tree, "srvsvc", BIND)
    session.read(pipe, BOUND, pending=True)
    session.write(pipe, CALL)
    session.read_pieces(pipe, pdus.response(bytes(900)), (300, 300))
    session.create(tree, "lsarpc", status=smb.STATUS_ACCESS_DENIED)
    session.write(pipe, CALL, status=smb.STATUS_PIPE_DISCONNECTED)
    return _over(session.messages, 445)


def _older() -> Recording:
    """The capture begins behind the tree; the segments have nothing to do with the messages."""
    session = smb2.logged_on()
    tree = session.tree()
    old = session.create(tree, "lsarpc")
    first = len(session.messages)
    session.transceive(old, CALL, ANSWER)
    called(session, tree=tree)
    session.transceive(old, CALL, pdus.response(bytes(300)), first=60)
    return _over(session.messages[first:], 445, (300, 90, 700), opened=False)


def _smb3() -> Recording:
    session = smb2.logged_on(smb2.SMB_3_1_1)
    pipe = session.create(session.tree(), "svcctl")
    session.transceive(pipe, BIND, BOUND)
    session.transceive(pipe, CALL, ANSWER)
    session.compress(-1)
    session.transceive(pipe, CALL, ANSWER)
    session.encrypted(120, 200, 90)
    return _over(session.messages, 445)


def _many() -> Recording:
    session = smb2.logged_on()
    tree = session.tree()
    for number in range(6):
        pipe = session.create(tree, "svcctl" if number % 2 else "PSEXESVC-stdin")
        session.transceive(pipe, BIND if number % 2 else b"dir\r\n" * 5, BOUND)
    return _over([*smb.netbios_session(), *session.messages], 139)


def _smb1() -> Recording:
    session = smb1.Session()
    session.negotiate()
    session.setup((b"one", b"two"), (b"three", b""))
    session.tree()
    pipe = session.create(r"\svcctl")
    session.write_and_read(pipe, BIND, BOUND)
    session.write(pipe, CALL, mode=smb1.MESSAGE_START | smb1.RAW_PIPE)
    session.read_pieces(pipe, pdus.response(bytes(900)), (300, 300))
    session.transact_parts(pipe, CALL, pdus.response(bytes(900)), (300, 300))
    session.write_core(pipe, CALL)
    session.read_core(pipe, ANSWER)
    session.open(r"\PIPE\lsarpc", status=smb.STATUS_ACCESS_DENIED)
    session.close(pipe)
    return _over(session.messages, 445)


def _older1() -> Recording:
    session = smb1.Session(wide=False, extended=False)
    session.negotiate()
    session.setup_and_tree()
    old = session.open(r"\PIPE\lsarpc")
    session.transact(old, CALL, ANSWER)
    pipe = session.create(r"\svcctl")
    session.transact(pipe, BIND, pdus.response(bytes(400)), first=200)
    return _over([*smb.netbios_session(), *session.messages], 139, (200, 60, 500))


def _mapped() -> Recording:
    session = smb2.logged_on()
    tree = session.tree()
    mapper = session.create(tree, "epmapper")
    session.transceive(
        mapper, pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]), pdus.bind_ack(pdus.ACCEPTED_32, "epmapper")
    )
    towers = [
        pdus.pipe_tower(*exchanges.SVCCTL, r"\PIPE\svcctl", r"\\SRV"), pdus.tower(*exchanges.SVCCTL, 49_670, S),
    ]  # fmt: skip
    wanted = pdus.map_request(pdus.pipe_tower(*exchanges.SVCCTL, "", ""))
    session.transceive(mapper, pdus.request(3, wanted), pdus.response(pdus.map_response(towers)))
    called(session, tree=tree)
    recording = _over(session.messages, 445)
    tcp = Tcp(recording, C, 49_800, S, 49_670)
    tcp.open()
    exchanges.session(tcp, exchanges.SVCCTL)
    return recording


def _http() -> Recording:
    recording = Recording(START)
    one, other = Tcp(recording, C, 49_701, S, 80), Tcp(recording, C, 49_702, S, 80)
    one.open()
    other.open()
    asked = rpc_http.in_channel(
        [BIND, CALL, rpc_http.ping()], logon_first=rpc_http.logon("RPC_IN_DATA", (b"one", b"two"))
    )
    told = rpc_http.out_channel([BOUND, ANSWER])
    one.say(asked[:6])
    other.say(told)
    one.say(asked[6:])
    greeted = Tcp(recording, C, 49_703, S, 593)
    greeted.open()
    greeted.say(rpc_http.greeted([(0, BIND), (1, BOUND), (0, CALL), (1, ANSWER)]))
    return recording


def _datagrams() -> Recording:
    recording = Recording(START)
    datagrams.converse(recording, datagrams.lookup(exchanges.SVCCTL, 49_900, S), 135)
    call = datagrams.Call(exchanges.SVCCTL, 3)
    datagrams.converse(recording, datagrams.acknowledged(call, bytes(40), bytes(20), asked_back=True), 49_900)
    datagram(recording, S, 53, C, 50_000, names.dns_answer("srv.corp.example", [S]))
    datagram(recording, S, 137, C, 137, names.nbns_answer("SRV", [S]))
    datagram(recording, C, 50_001, S, 88, kerberos.as_req())
    datagram(recording, S, 88, C, 50_001, kerberos.krb_error(kerberos.PREAUTH_REQUIRED))
    tcp = Tcp(recording, C, 50_002, S, 88)
    tcp.open()
    tcp.send(kerberos.over_tcp(kerberos.tgs_req("RPCSS", "srv")))
    tcp.reply(kerberos.over_tcp(kerberos.kdc_rep(kerberos.TGS_REP, "RPCSS", "srv")))
    return recording


MADE: tuple[Callable[[], Recording], ...] = (
    _smb2, _older, _smb3, _many, _smb1, _older1, _mapped, _http, _datagrams,
)  # fmt: skip


@cache
def made(number: int) -> tuple[Frame, ...]:
    return tuple(MADE[number]().frames)
