"""tshark's reading against ours where RPC is in SMB's pipes, in HTTP, in datagrams."""

from collections.abc import Iterable

import pytest

from rpcdiag.verify.compare import Difference, Sums, Why
from rpcdiag.verify.reading import HTTP, PIPE, TCP, UDP
from tests.build import datagrams, pdus, rpc_http, smb1, smb2
from tests.build.conversation import Recording, Tcp
from tests.build.exchanges import DRSUAPI, LSARPC
from tests.build.messages import CLIENT as ASKS
from tests.build.messages import Message
from tests.build.verifying import CLIENT, SERVER, compared, map_request, map_response, needs_tshark, recording

pytestmark = needs_tshark
SAMR = ("12345778-1234-abcd-ef00-0123456789ac", "1.0")


def _say(tcp: Tcp, messages: Iterable[Message]) -> None:
    for side, data in messages:
        (tcp.send if side == ASKS else tcp.reply)(data)


def _over_smb(session: smb1.Session | smb2.Session, *, one_segment: bool = False) -> tuple[Sums, list[Difference]]:
    told = recording()
    tcp = Tcp(told, CLIENT, 50000, SERVER, 445)
    tcp.open()
    if one_segment:
        told_by: dict[int, bytes] = {}
        for side, data in session.messages:
            if told_by and side not in told_by:
                _say(tcp, told_by.items())
                told_by.clear()
            told_by[side] = told_by.get(side, b"") + data
        _say(tcp, told_by.items())
    else:
        _say(tcp, session.messages)
    comparison, differences = compared(told.pcapng())
    return comparison.sums(PIPE), differences


def _bind(interface: tuple[str, str]) -> bytes:
    return pdus.bind([(*interface, [pdus.NDR32])])


def _ack(name: str) -> bytes:
    return pdus.bind_ack(pdus.ACCEPTED_32, f"\\PIPE\\{name}")


def test_pipes_of_smb_2_are_read_alike() -> None:
    session = smb2.logged_on()
    tree = session.tree()
    samr, lsarpc = session.create(tree, "samr"), session.create(tree, "lsarpc")
    session.write(samr, _bind(SAMR))
    session.read(samr, _ack("lsass"))
    session.transceive(lsarpc, _bind(LSARPC), _ack("lsass"))
    session.transceive(samr, pdus.request(64, bytes(20)), pdus.response(bytes(40)))
    session.transceive(lsarpc, pdus.request(44, bytes(20)), pdus.fault(5))
    session.write(lsarpc, pdus.request(15, bytes(20), call_id=3))
    session.read_pieces(lsarpc, pdus.response(bytes(400), call_id=3), [100, 200])
    session.close(samr)
    opened = session.create_and_write(tree, "samr", _bind(SAMR))
    session.read(opened, _ack("lsass"))
    sums, differences = _over_smb(session)
    assert not differences
    assert sums[:4] == (12, 12, 12, 12)


def test_pipes_of_smb_1_are_read_alike() -> None:
    session = smb1.Session()
    session.negotiate()
    session.setup()
    session.tree()
    fid = session.create("\\samr")
    session.write(fid, _bind(SAMR))
    session.read(fid, _ack("lsass"))
    session.transact(fid, pdus.request(64, bytes(20)), pdus.response(bytes(40)))
    session.close(fid)
    sums, differences = _over_smb(session)
    assert not differences
    assert sums[:4] == (4, 4, 4, 4)


def test_the_same_call_in_two_pipes_and_one_segment_is_two_pdus() -> None:
    session = smb2.logged_on()
    tree = session.tree()
    pipes = [session.create(tree, name) for name in ("samr", "lsarpc")]
    for pipe, interface in zip(pipes, (SAMR, LSARPC), strict=True):
        session.transceive(pipe, _bind(interface), _ack("lsass"))
    asked = [
        session.ask(smb2.IOCTL, smb2.ioctl_request(smb2.FSCTL_PIPE_TRANSCEIVE, pipe.file_id, pdus.request(7, b"ab")),
                    tree_id=tree)
        for pipe in pipes
    ]  # fmt: skip
    for pipe, one in zip(pipes, asked, strict=True):
        session.answer(one, smb2.ioctl_response(smb2.FSCTL_PIPE_TRANSCEIVE, pipe.file_id, pdus.response(b"abcd")))
    sums, differences = _over_smb(session, one_segment=True)
    assert not differences
    assert sums[:4] == (8, 8, 8, 8)


def test_datagrams_are_read_alike() -> None:
    told = recording()
    said = datagrams.lookup(DRSUAPI, 49_700, SERVER)
    call = datagrams.Call(DRSUAPI, 3, 1)
    said += datagrams.acknowledged(call._replace(sequence=2), bytes(24), bytes(48), asked_back=True)
    parts = datagrams.fragments(datagrams.REQUEST, call, bytes(range(200)), 80)
    said += [(ASKS, part) for part in parts]
    said += [(1, datagrams.fack(call.booted(), 2)), (1, datagrams.failed(datagrams.REJECT, call.booted(), 0x1C010003))]
    big = call._replace(sequence=3, big=True, instance="00001234-0000-0000-c000-000000000046")
    said += datagrams.asked(big, bytes(8), bytes(8))
    said += [(ASKS, datagrams.cancel(big)), (1, datagrams.cancel_ack(big)), (ASKS, datagrams.pdu(datagrams.PING, big))]
    said += [(1, datagrams.pdu(datagrams.WORKING, big)), (1, datagrams.failed(datagrams.FAULT, big, 5))]
    datagrams.converse(told, said, 135, client=CLIENT, server=SERVER, answers_from=49_701)
    comparison, differences = compared(told.pcapng())
    assert not differences
    assert comparison.sums(UDP)[:4] == (len(said),) * 4


def test_a_reading_of_ours_of_a_datagram_that_is_wrong_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    told = recording()
    datagrams.converse(told, datagrams.lookup(DRSUAPI, 49_700, SERVER), 135, client=CLIENT, server=SERVER)
    from rpcdiag.verify import ours

    read = ours._of_datagram
    monkeypatch.setattr(ours, "_of_datagram", lambda header, pdu: {**read(header, pdu), "activity": "?", "opnum": "9"})
    _, differences = compared(told.pcapng())
    assert {(one.what, one.why) for one in differences} == {("activity", Why.VALUE), ("opnum", Why.VALUE)}
    assert len(differences) == 4


def test_rpc_over_http_version_1_is_read_alike() -> None:
    told = recording()
    tcp = Tcp(told, CLIENT, 50000, SERVER, 593)
    tcp.open()
    _say(tcp, rpc_http.greeted([(0, _bind(DRSUAPI)), (1, pdus.bind_ack(pdus.ACCEPTED_32, "593"))]))
    comparison, differences = compared(told.pcapng())
    assert not differences
    assert comparison.sums(TCP)[:4] == (2, 2, 2, 2)


def test_tshark_reads_what_is_with_the_heads_of_rpc_over_http_and_no_more() -> None:
    """Segments behind those of the heads are `Continuation` to it. [MS-RPCH] 2.1.2.1: the bodies are PDUs, one by one."""
    told: Recording = recording()
    sent = rpc_http.in_channel([_bind((pdus.EPM, "3.0")), map_request()])
    got = rpc_http.out_channel([pdus.bind_ack(pdus.ACCEPTED_32, "593"), map_response()])
    outward, inward = (Tcp(told, CLIENT, port, SERVER, 80) for port in (50001, 50002))
    outward.open()
    inward.open()
    _say(outward, got[:4])
    _say(inward, sent[:3])
    _say(outward, got[4:6])
    _say(inward, sent[3:])
    _say(outward, got[6:])
    comparison, differences = compared(told.pcapng())
    assert {(one.what, one.why) for one in differences} == {("only-ours", Why.FRAMING)}
    assert comparison.sums(HTTP)[:4] == (8, 1, 1, 8)
    kinds = [one.ours.kind for one in differences if one.ours is not None]
    assert sorted(kinds) == ["bind", "bind_ack", "request", "response", "rts", "rts", "rts"]
