"""Pipes inside sessions of SMB 2 and 3: what was opened, what went through, what was refused."""

from collections.abc import Callable
from itertools import chain, repeat

import pytest

from rpcdiag.sweep.columns import MAYBE, NO, YES
from tests.build import exchanges, pdus, smb, smb2
from tests.build.carrying import ANSWER, BIND, BIND_KINDS, BOUND, CALL, CALL_KINDS, Pipe, called, read, said
from tests.build.conversation import Recording, Tcp, spoken
from tests.build.smb2 import Session

WHOLE = Pipe("svcctl", YES, [*BIND_KINDS, *CALL_KINDS])
LSARPC = pdus.bind([(*exchanges.LSARPC, [pdus.NDR32])])


def _session() -> tuple[Session, int]:
    session = smb2.logged_on()
    return session, session.tree()


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize(
    "dialect", [smb2.SMB_2_0_2, smb2.SMB_2_1, smb2.SMB_3_0, smb2.SMB_3_0_2, smb2.SMB_3_1_1]
)  # fmt: skip
def test_a_call_through_a_pipe_in_every_dialect(dialect: int, multi: bool) -> None:
    session = smb2.logged_on(dialect, multi=multi, signed=True)
    called(session)
    session.logoff()
    seen = said(session.messages)
    assert seen.pipes == [WHOLE]
    assert (
        seen.session.dialect
        == {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1"}[dialect]
    )
    (opened,) = seen.session.pipes
    assert (opened.name, opened.status) == ("svcctl", 0)
    assert opened.request_packet is not None
    assert opened.response_packet is not None
    assert opened.request_packet < opened.response_packet
    assert [(tree.name, tree.share, tree.status) for tree in seen.session.trees] == [(r"\\SRV\IPC$", "pipe", 0)]


def test_a_session_on_139() -> None:
    session = smb2.logged_on()
    called(session)
    assert said([*smb.netbios_session(), *session.messages, smb.keep_alive()], 139).pipes == [WHOLE]


def test_the_data_may_stand_behind_a_gap() -> None:
    session, tree = _session()
    pipe = session.create(tree, "svcctl")
    asked = session.ask(smb2.WRITE, smb2.write_request(pipe.file_id, BIND, data_offset=128), tree_id=tree)
    session.answer(asked, smb2.write_response(len(BIND)))
    asked = session.ask(smb2.READ, smb2.read_request(pipe.file_id, 1024), tree_id=tree)
    session.answer(asked, smb2.read_response(BOUND, data_offset=200))
    assert said(session.messages).pipes == [Pipe("svcctl", YES, BIND_KINDS)]


def test_answers_that_come_in_parts() -> None:
    session, tree = _session()
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    answer = pdus.response(bytes(range(250)) * 12)
    session.transceive(pipe, CALL, answer, first=1024)
    session.write(pipe, CALL)
    session.read_pieces(pipe, answer, (16, 1000, 1))
    seen = said(session.messages)
    assert seen.pipes == [Pipe("svcctl", YES, BIND_KINDS + 2 * CALL_KINDS)]
    assert [frame.data for frame in seen.pdus if frame.data[2] == 2] == [answer, answer]


def test_several_pdus_in_one_message() -> None:
    session, tree = _session()
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    fragments = pdus.fragments(bytes(3000), 1000)
    session.transceive(pipe, CALL, b"".join(fragments))
    session.write(pipe, CALL[:10])
    session.write(pipe, CALL[10:] + CALL)
    assert said(session.messages).pipes[0].pdus == [*BIND_KINDS, (0, 0), (1, 2), (1, 2), (1, 2), (0, 0), (0, 0)]


def test_interim_answers_are_none() -> None:
    session, tree = _session()
    pipe = session.create(tree, "svcctl", pending=True)
    session.write(pipe, BIND, pending=True)
    session.read(pipe, BOUND, pending=True)
    session.transceive(pipe, CALL, ANSWER, pending=True)
    asked = session.ask(smb2.READ, smb2.read_request(pipe.file_id, 1024), tree_id=tree)
    session.pending(asked, 0x77)
    session.cancel(asked, 0x77)
    session.answer(asked, smb2.error(), status=smb.STATUS_CANCELLED, async_id=0x77)
    seen = said(session.messages)
    assert seen.pipes == [WHOLE]
    assert [(error.command, error.status) for error in seen.session.errors] == [("read", smb.STATUS_CANCELLED)]


def test_a_compound_names_the_file_of_the_request_before() -> None:
    session, tree = _session()
    pipe = session.create_and_write(tree, "srvsvc", BIND)
    session.read(pipe, BOUND)
    assert said(session.messages).pipes == [Pipe("srvsvc", YES, BIND_KINDS)]


def test_create_write_and_read_in_one() -> None:
    session, tree = _session()
    file = session.file_id()
    parts = [
        (smb2.CREATE, smb2.create_request("samr")),
        (smb2.WRITE, smb2.write_request(smb2.ANY_FILE, BIND)),
        (smb2.READ, smb2.read_request(smb2.ANY_FILE, 1024)),
    ]
    asked = session.ask_all(parts, tree_id=tree)
    bodies = (smb2.create_response(file), smb2.write_response(len(BIND)), smb2.read_response(BOUND))
    session.answer_all([(one, body, 0) for one, body in zip(asked, bodies, strict=True)])
    session.transceive(smb2.Open(tree, file), CALL, ANSWER)
    assert said(session.messages).pipes == [WHOLE._replace(name="samr")]


def test_a_compound_need_not_begin_with_an_opening() -> None:
    """Write and read of an older pipe, while a younger one is open. [MS-SMB2] 3.3.5.2.7.2"""
    session, tree = _session()
    old, young = session.create(tree, "svcctl"), session.create(tree, "lsarpc")
    session.transceive(young, LSARPC, BOUND)
    parts = [
        (smb2.WRITE, smb2.write_request(old.file_id, BIND)),
        (smb2.READ, smb2.read_request(smb2.ANY_FILE, 1024)),
    ]
    asked = session.ask_all(parts, tree_id=tree)
    session.answer_all([(asked[0], smb2.write_response(len(BIND)), 0), (asked[1], smb2.read_response(BOUND), 0)])
    assert said(session.messages).pipes == [
        Pipe("svcctl", YES, BIND_KINDS), Pipe("lsarpc", YES, BIND_KINDS),
    ]  # fmt: skip


def test_a_file_that_is_opened_and_read_in_one_is_no_pipe() -> None:
    session, tree = _session()
    disk = session.tree(r"\\SRV\data")
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    parts = [
        (smb2.CREATE, smb2.create_request("file")),
        (smb2.READ, smb2.read_request(smb2.ANY_FILE, 1024)),
    ]
    asked = session.ask_all(parts, tree_id=disk)
    other = session.ask(smb2.CREATE, smb2.create_request("lsarpc"), tree_id=tree)
    bodies = smb2.create_response(session.file_id()), smb2.read_response(b"text" * 50)
    session.answer_all([(one, body, 0) for one, body in zip(asked, bodies, strict=True)])
    session.answer(other, smb2.create_response(session.file_id()))
    assert said(session.messages).pipes == [Pipe("svcctl", YES, BIND_KINDS), Pipe("lsarpc", MAYBE, [])]


def test_pipes_that_are_used_in_turns() -> None:
    session, tree = _session()
    one, other = session.create(tree, "svcctl"), session.create(tree, "lsarpc")
    asked = [
        session.ask(smb2.WRITE, smb2.write_request(pipe.file_id, data), tree_id=tree)
        for pipe, data in ((one, BIND), (other, LSARPC))
    ]
    reads = [session.ask(smb2.READ, smb2.read_request(pipe.file_id, 1024), tree_id=tree) for pipe in (other, one)]
    for request in reversed(asked):
        session.answer(request, smb2.write_response(100))
    answers = {0: pdus.response(b"other" * 8), 1: pdus.response(b"one" * 8)}
    for place in (1, 0):
        session.answer(reads[place], smb2.read_response(answers[place]))
    seen = said(session.messages)
    assert [(pipe.name, pipe.pdus) for pipe in seen.pipes] == [
        ("svcctl", [(0, 11), (1, 2)]), ("lsarpc", [(0, 11), (1, 2)]),
    ]  # fmt: skip
    serials = [opened.serial for opened in seen.session.pipes]
    assert [next(frame.data for frame in seen.pdus if frame.flow == serial and frame.side) for serial in serials] == [
        answers[1], answers[0],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "status", [smb.STATUS_ACCESS_DENIED, smb.STATUS_OBJECT_NAME_NOT_FOUND, smb.STATUS_PIPE_NOT_AVAILABLE]
)
def test_a_pipe_that_is_refused(status: int) -> None:
    session, tree = _session()
    session.create(tree, "svcctl", status=status)
    seen = said(session.messages)
    assert seen.pipes == [Pipe("svcctl", MAYBE, [])]
    assert [(pipe.name, pipe.status) for pipe in seen.session.pipes] == [("svcctl", status)]


def test_a_refusal_on_an_open_pipe() -> None:
    session, tree = _session()
    pipe = session.create(tree, "svcctl")
    session.write(pipe, BIND, status=smb.STATUS_PIPE_DISCONNECTED)
    session.transceive(pipe, BIND, BOUND, status=smb.STATUS_PIPE_BROKEN)
    session.close(pipe)
    errors = said(session.messages).session.errors
    assert [(error.command, error.status) for error in errors] == [
        ("write", smb.STATUS_PIPE_DISCONNECTED), ("ioctl", smb.STATUS_PIPE_BROKEN),
    ]  # fmt: skip


def _from(session: Session, first: int) -> bytes:
    """The capture begins with this message."""
    recording = Recording(0)
    tcp = Tcp(recording, "10.0.0.5", 49_700, "10.0.0.9", 445)
    tcp.middle()
    tcp.say(session.messages[first:])
    return recording.pcap()


def test_a_capture_that_begins_behind_the_tree() -> None:
    session, tree = _session()
    first = len(session.messages)
    called(session, tree=tree)
    assert read(_from(session, first)).pipes == [WHOLE]


def test_a_refusal_in_a_tree_that_was_not_seen_is_no_pipe_of_a_later_one() -> None:
    session, tree = _session()
    first = len(session.messages)
    session.create(tree, "svcctl", status=smb.STATUS_ACCESS_DENIED)
    called(session, tree=tree)
    seen = read(_from(session, first))
    assert seen.pipes == [WHOLE]
    assert [(pipe.status, pipe.serial is not None) for pipe in seen.session.pipes] == [
        (smb.STATUS_ACCESS_DENIED, False), (0, True),
    ]  # fmt: skip


@pytest.mark.parametrize("write", [False, True])
def test_a_pipe_that_was_opened_before_the_capture(write: bool) -> None:
    session, tree = _session()
    pipe = session.create(tree, "svcctl")
    first = len(session.messages)
    if write:
        session.write(pipe, BIND)
        session.read(pipe, BOUND)
    else:
        session.transceive(pipe, BIND, BOUND)
    session.transceive(pipe, CALL, ANSWER)
    seen = read(_from(session, first))
    assert seen.pipes == [WHOLE._replace(name=None)]
    (flow,) = seen.listed()
    assert (flow.client.port, flow.server.port, flow.syns) == (49_700, 445, ())


def test_two_pipes_that_were_opened_before_the_capture() -> None:
    session, tree = _session()
    one, other = session.create(tree, "svcctl"), session.create(tree, "lsarpc")
    first = len(session.messages)
    for pipe in (one, other, one):
        session.transceive(pipe, CALL, ANSWER)
    assert [pipe.pdus for pipe in read(_from(session, first)).pipes] == [2 * CALL_KINDS, CALL_KINDS]


def test_a_pipe_without_rpc_is_not_listed() -> None:
    session, tree = _session()
    pipe = session.create(tree, "PSEXESVC-HOST-1-stdin")
    session.write(pipe, b"cmd /c dir\r\n")
    session.read(pipe, b"Volume in drive C has no label.\r\n" * 9)
    session.write(pipe, BIND)  # too late: it was told what it is
    seen = said(session.messages)
    assert seen.pipes == [Pipe("PSEXESVC-HOST-1-stdin", NO, [])]
    assert list(seen.listed()) == []


@pytest.mark.parametrize("share", [0, 0x8000])
def test_encrypted_from_a_point_on(share: int) -> None:
    session = smb2.logged_on(smb2.SMB_3_1_1)
    tree = session.tree(share_flags=share)
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    recording = spoken(session.messages, 445)
    before = recording.number
    session.encrypted(200, 180, 3000, 90)
    recording = spoken(session.messages, 445)
    seen = read(recording.pcap())
    assert seen.pipes == [Pipe("svcctl", YES, BIND_KINDS)]
    client, server = seen.session.sealed
    assert client is not None
    assert server is not None
    assert before - 4 < client < server <= recording.number
    assert (seen.session.encrypts is not None) == bool(share)


def test_encrypted_from_the_beginning() -> None:
    session = smb2.logged_on(smb2.SMB_3_1_1)
    session.messages.clear()
    session.encrypted(200, 180)
    seen = said(session.messages)
    assert seen.pipes == []
    assert seen.session.sealed == (4, 5)


def test_a_compressed_message_is_a_gap_in_its_pipe() -> None:
    session = smb2.logged_on(smb2.SMB_3_1_1)
    tree = session.tree()
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    answer = pdus.response(bytes(3000))
    session.write(pipe, CALL)
    session.read_pieces(pipe, answer, (1024, 1024))
    session.compress(-3)
    session.transceive(pipe, CALL, ANSWER)
    seen = said(session.messages)
    assert seen.pipes == [Pipe("svcctl", YES, BIND_KINDS + 2 * CALL_KINDS)]
    answers = [(len(frame.data), frame.length) for frame in seen.pdus if frame.data[2] == 2]
    assert answers == [(1024, len(answer)), (len(ANSWER), len(ANSWER))]


def _file(session: Session) -> smb2.Open:
    return session.create(session.tree(r"\\SRV\data"), "file.bin", size=1 << 21)


def _read(session: Session, file: smb2.Open, data: bytes) -> None:
    session.read(file, data, length=len(data))


def _write(session: Session, file: smb2.Open, data: bytes) -> None:
    session.write(file, data)


@pytest.mark.parametrize("move", [_read, _write])
@pytest.mark.parametrize("size", [1000, 60_000, 1 << 20])
def test_a_file_that_begins_like_a_pdu_is_a_file(move: Callable[[Session, smb2.Open, bytes], None], size: int) -> None:
    session, tree = _session()
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    move(session, _file(session), (CALL + bytes(size))[:size])
    session.transceive(pipe, CALL, ANSWER)
    assert said(session.messages).pipes == [WHOLE]


def test_a_file_in_a_tree_that_was_not_seen_is_no_pipe() -> None:
    session, _ = _session()
    file = _file(session)
    first = len(session.messages)
    _read(session, file, b"text" * 1000)
    _write(session, file, b"text" * 1000)
    assert read(_from(session, first)).pipes == []


@pytest.mark.parametrize("first", [1, 3, 4, 7, 15, 16])
def test_a_session_whose_first_segment_is_tiny_is_found(first: int) -> None:
    session = smb2.logged_on()
    called(session)
    assert said(session.messages, sizes=chain([first], repeat(1460))).pipes == [WHOLE]
