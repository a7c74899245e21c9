"""Pipes inside sessions of SMB 1, in all the forms in which data go through them."""

import pytest

from rpcdiag.sweep.columns import MAYBE, NO, YES
from tests.build import pdus, smb, smb1
from tests.build.carrying import ANSWER, BIND, BIND_KINDS, BOUND, CALL, CALL_KINDS, Pipe, Reading, read, said
from tests.build.conversation import Recording, Tcp
from tests.build.messages import SERVER
from tests.build.smb import framed
from tests.build.smb1 import Session

WHOLE = Pipe(r"\svcctl", YES, [*BIND_KINDS, *CALL_KINDS])
TOKENS = (b"one", b"two"), (b"three", b"")


def _session(*, wide: bool = True, extended: bool = True) -> Session:
    session = Session(wide=wide, extended=extended)
    session.negotiate()
    session.setup(*TOKENS)
    session.tree()
    return session


def _from(session: Session, first: int) -> Reading:
    """The capture begins with this message."""
    recording = Recording(0)
    tcp = Tcp(recording, "10.0.0.5", 49_700, "10.0.0.9", 139)
    tcp.middle()
    tcp.say(session.messages[first:])
    return read(recording.pcap())


@pytest.mark.parametrize("port", [139, 445])
@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_a_call_through_a_pipe(wide: bool, extended: bool, port: int) -> None:
    session = _session(wide=wide, extended=extended)
    pipe = session.create(r"\svcctl")
    session.write(pipe, BIND)
    session.read(pipe, BOUND)
    session.transact(pipe, CALL, ANSWER)
    session.close(pipe)
    session.disconnect()
    seen = said([*(smb.netbios_session() if port == 139 else []), *session.messages], port)
    assert seen.pipes == [WHOLE]
    assert seen.session.dialect == "1"
    assert [(tree.name, tree.share) for tree in seen.session.trees] == [(r"\\SRV\IPC$", "pipe")]
    (logon,) = seen.session.setups
    assert (logon.user, logon.domain) == ((None, None) if extended else ("operator", "CORP"))


def test_answers_without_words_keep_the_framing() -> None:
    """35 bytes: what is said of a file that was closed, or refused. They stand before others in the same segment."""
    session = _session()
    pipe = session.create(r"\svcctl")
    session.transact(pipe, BIND, BOUND)
    for _ in range(2):
        closing = session.ask(smb1.close_request(0x7777))
        asked = session.ask(smb1.transact_request(pipe, CALL))
        session.answer(closing, smb1.failed(smb1.CLOSE))
        session.answer(asked, smb1.transact_response(ANSWER))
    assert len(smb1.message([smb1.failed(smb1.CLOSE)], smb1.Ids(), flags2=0)) == 35
    seen = said(session.messages, sizes=(60_000,))
    assert seen.pipes == [WHOLE._replace(pdus=BIND_KINDS + 2 * CALL_KINDS)]
    (flow,) = seen.listed()
    stream = seen.table.stream(flow)
    assert stream is not None
    assert stream.gap_ns == (None, None)


def test_the_core_commands() -> None:
    session = _session()
    pipe = session.create(r"\svcctl")
    session.write_core(pipe, BIND)
    session.read_core(pipe, BOUND)
    session.write_core(pipe, CALL)
    session.read_core(pipe, ANSWER)
    assert said(session.messages).pipes == [WHOLE]


@pytest.mark.parametrize("wide", [False, True])
def test_blocks_in_a_chain(wide: bool) -> None:
    session = Session(wide=wide, extended=False)
    session.negotiate()
    session.setup_and_tree()
    pipe = session.open(r"\PIPE\lsarpc")
    session.write_and_read(pipe, BIND, BOUND)
    session.write_and_read(pipe, CALL, ANSWER)
    seen = said(session.messages)
    assert seen.pipes == [WHOLE._replace(name=r"\PIPE\lsarpc")]
    assert [(tree.name, tree.share) for tree in seen.session.trees] == [(r"\\SRV\IPC$", "pipe")]


def test_a_message_behind_its_length() -> None:
    session = _session()
    pipe = session.create(r"\svcctl")
    first = len(session.messages)
    raw = smb1.MESSAGE_START | smb1.RAW_PIPE
    session.write(pipe, BIND, mode=raw)
    session.read(pipe, BOUND)
    ids = session.ask(smb1.write_andx_request(pipe, CALL[:20], mode=raw, left=len(CALL) - 20))
    session.answer(ids, smb1.write_andx_response(22))
    session.write(pipe, CALL[20:], mode=smb1.RAW_PIPE)
    session.read(pipe, ANSWER)
    assert said(session.messages).pipes == [WHOLE]
    assert _from(session, first).pipes == [WHOLE._replace(name=None)]


@pytest.mark.parametrize("dos", [False, True])
def test_answers_that_come_in_parts(dos: bool) -> None:
    session = _session()
    pipe = session.create(r"\svcctl")
    session.transact(pipe, BIND, BOUND)
    answer = pdus.response(bytes(range(250)) * 12)
    if dos:
        ids = session.ask(smb1.transact_request(pipe, CALL))
        session.answer(ids, smb1.transact_response(answer[:500]), status=smb1.dos_status(1, 234))
        session.read(pipe, answer[500:])
    else:
        session.transact(pipe, CALL, answer, first=1024)
    session.write(pipe, CALL)
    session.read_pieces(pipe, answer, (16, 1024))
    session.transact_parts(pipe, CALL, answer, (1000, 1500))
    session.transact(pipe, CALL, ANSWER)
    seen = said(session.messages)
    assert seen.pipes == [Pipe(r"\svcctl", YES, BIND_KINDS + 4 * CALL_KINDS)]
    assert [frame.data for frame in seen.pdus if frame.data[2] == 2] == [answer, answer, answer, ANSWER]


@pytest.mark.parametrize("opened", [True, False])
def test_requests_that_are_sent_in_parts(opened: bool) -> None:
    session = _session()
    pipe = session.create(r"\svcctl")
    first = len(session.messages)
    asked = pdus.request(9, bytes(range(250)) * 12)
    session.transact_sent_in_parts(pipe, BIND, BOUND, (40,))
    session.transact_sent_in_parts(pipe, asked, ANSWER, (1000, 600))
    session.transact(pipe, CALL, ANSWER)
    seen = said(session.messages) if opened else _from(session, first)
    (flow,) = seen.listed()
    assert seen.said(seen.table.serial(flow)) == BIND_KINDS + 2 * CALL_KINDS
    assert [frame.data for frame in seen.pdus if frame.data[2] in (0, 11)] == [BIND, asked, CALL]
    stream = seen.table.stream(flow)
    assert stream is not None
    assert (stream.skipped, stream.missing, stream.orphan_answers) == (0, 0, 0)


def test_pipes_that_are_used_in_turns() -> None:
    session = _session()
    one, other = session.create(r"\svcctl"), session.create(r"\ntsvcs")
    asked = [session.ask(smb1.transact_request(fid, BIND)) for fid in (one, other)]
    for ids in reversed(asked):
        session.answer(ids, smb1.transact_response(BOUND))
    session.transact(other, CALL, ANSWER)
    session.transact(one, CALL, ANSWER)
    assert said(session.messages).pipes == [WHOLE, WHOLE._replace(name=r"\ntsvcs")]


@pytest.mark.parametrize(
    "status", [smb.STATUS_ACCESS_DENIED, smb.STATUS_OBJECT_NAME_NOT_FOUND, smb.STATUS_PIPE_NOT_AVAILABLE]
)
@pytest.mark.parametrize("old", [False, True])
def test_a_pipe_that_is_refused(old: bool, status: int) -> None:
    session = _session()
    if old:
        session.open(r"\PIPE\svcctl", status=status)
    else:
        session.create(r"\PIPE\svcctl", status=status)
    seen = said(session.messages)
    assert seen.pipes == [Pipe(r"\PIPE\svcctl", MAYBE, [])]
    assert [(pipe.name, pipe.status) for pipe in seen.session.pipes] == [(r"\PIPE\svcctl", status)]


def test_a_refusal_on_an_open_pipe() -> None:
    session = _session()
    pipe = session.create(r"\svcctl")
    session.write(pipe, BIND, status=smb.STATUS_PIPE_DISCONNECTED)
    session.transact(pipe, BIND, BOUND, status=smb.STATUS_PIPE_BROKEN)
    errors = said(session.messages).session.errors
    assert [(error.command, error.status) for error in errors] == [
        ("write", smb.STATUS_PIPE_DISCONNECTED), ("transaction", smb.STATUS_PIPE_BROKEN),
    ]  # fmt: skip


def test_the_answer_says_that_it_is_a_pipe_where_the_tree_was_not_seen() -> None:
    session = _session()
    first = len(session.messages)
    pipe = session.create(r"\svcctl")
    session.transact(pipe, BIND, BOUND)
    session.transact(pipe, CALL, ANSWER)
    old = session.open(r"\PIPE\lsarpc")
    session.write(old, b"this is no PDU of RPC")
    seen = _from(session, first)
    assert seen.pipes == [WHOLE, Pipe(r"\PIPE\lsarpc", NO, [])]


@pytest.mark.parametrize("how", ["transact", "write", "core"])
def test_a_pipe_that_was_opened_before_the_capture(how: str) -> None:
    session = _session()
    pipe = session.create(r"\svcctl")
    first = len(session.messages)
    for asked, answered in ((BIND, BOUND), (CALL, ANSWER)):
        if how == "transact":
            session.transact(pipe, asked, answered)
        elif how == "write":
            session.write(pipe, asked)
            session.read(pipe, answered)
        else:
            session.write_core(pipe, asked)
            session.read_core(pipe, answered)
    assert _from(session, first).pipes == [WHOLE._replace(name=None)]


def test_files_are_no_pipes_however_they_begin() -> None:
    session = _session()
    pipe = session.create(r"\svcctl")
    session.transact(pipe, BIND, BOUND)
    session.tree(r"\\SRV\data")
    file = session.create(r"\file.bin", pipe=False, size=1 << 20)
    for data in (CALL + bytes(3000), b"text" * 15_000):
        session.write(file, data)
        session.read(file, data, length=60_000)
    assert said(session.messages).pipes == [WHOLE._replace(pdus=BIND_KINDS)]


def test_chains_that_lead_back_or_out_of_the_message() -> None:
    session = _session()
    pipe = session.create(r"\svcctl")
    session.transact(pipe, BIND, BOUND)
    whole = smb1.message([smb1.write_andx_request(pipe, CALL), smb1.read_andx_request(pipe, 1024)],
                         smb1.Ids(session.tid, mid=9), flags2=session.flags2)  # fmt: skip
    for place in (0, 32, 35, len(whole) - 2, len(whole), 0xFFFF):
        bent = whole[:35] + place.to_bytes(2, "little") + whole[37:]
        session.messages.append((0, framed(bent)))
    session.messages.append((SERVER, framed(whole[:9] + b"\x98" + whole[10:])))
    session.transact(pipe, CALL, ANSWER)
    assert said(session.messages).pipes == [WHOLE._replace(pdus=[*BIND_KINDS, *[(0, 0)] * 6, *CALL_KINDS])]
