"""SMB sessions and their pipes in a case: names, origins, verdicts, copies, log rows."""

from pathlib import Path
from random import Random

import pytest

from bench import tokens
from rpcdiag.flows.flow import PIPE, TcpOutcome
from rpcdiag.model.evidence import Confidence
from rpcdiag.track.facts import Fate
from rpcdiag.track.origin import OriginKind
from rpcdiag.track.sessions import MAX_KEPT
from rpcdiag.track.strict import Verdict
from tests.build import containers, exchanges, logs, pdus, smb, smb1, smb2
from tests.build.carrying import ANSWER, BIND, BOUND, CALL, analyzed, called, pipes_of, said
from tests.build.containers import Interface
from tests.build.conversation import SECOND, Recording, Tcp, spoken
from tests.build.story import START

C, S = "10.0.0.5", "10.0.0.9"
TOKENS = (
    (tokens.ntlm_negotiate(), tokens.ntlm_authenticate(Random(1))),
    (tokens.ntlm_challenge(Random(2)), b""),
)


def _tcp(recording: Recording, port: int = 49_700, to: int = 445) -> Tcp:
    tcp = Tcp(recording, C, port, S, to)
    tcp.open()
    return tcp


def _mapper(session: smb2.Session, tree: int) -> None:
    """A lookup whose towers name a pipe and a port."""
    mapper = session.create(tree, "epmapper")
    session.transceive(
        mapper, pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]), pdus.bind_ack(pdus.ACCEPTED_32, "epmapper")
    )
    towers = [
        pdus.pipe_tower(*exchanges.SVCCTL, r"\PIPE\someones", r"\\SRV"), pdus.tower(*exchanges.SVCCTL, 49_670, S),
    ]  # fmt: skip
    wanted = pdus.map_request(pdus.pipe_tower(*exchanges.SVCCTL, "", ""))
    session.transceive(mapper, pdus.request(3, wanted), pdus.response(pdus.map_response(towers)))


def test_where_the_mapper_behind_a_pipe_sends_a_client(tmp_path: Path) -> None:
    recording = Recording(START)
    session = smb2.logged_on()
    tree = session.tree()
    _mapper(session, tree)
    tcp = _tcp(recording)
    tcp.say(session.messages)
    session.messages.clear()
    called(session, "someones", tree=tree)
    called(session, "svcctl", tree=tree)
    tcp.say(session.messages)
    other = _tcp(recording, 49_800, 49_670)
    exchanges.session(other, exchanges.SVCCTL)
    diagnosis = analyzed(tmp_path, recording)
    origins = {flow.flow.pipe or flow.flow.server.port: flow.origin for flow in diagnosis.case.flows}
    assert {end: (one.kind, one.confidence) for end, one in origins.items()} == {
        r"\pipe\epmapper": (OriginKind.MAPPER, Confidence.PROVEN),
        r"\pipe\someones": (OriginKind.EPT_MAP, Confidence.PROVEN),
        r"\pipe\svcctl": (OriginKind.WELL_KNOWN, Confidence.LIKELY),
        49_670: (OriginKind.EPT_MAP, Confidence.PROVEN),
    }
    (referral,) = diagnosis.case.referrals
    assert {diagnosis.case.flow(id).flow.server.port for id in referral.flows} == {445, 49_670}
    assert referral.asked_on.flow.pipe == r"\pipe\epmapper"
    assert {flow.strict.verdict for flow in pipes_of(diagnosis)} == {Verdict.NOT_APPLICABLE}
    assert all(flow.flow.carrier == pipes_of(diagnosis)[0].flow.carrier for flow in pipes_of(diagnosis))


def test_a_pipe_that_was_opened_before_the_capture_has_no_name(tmp_path: Path) -> None:
    session = smb2.logged_on()
    pipe = session.create(session.tree(), "svcctl")
    session.messages.clear()
    session.transceive(pipe, CALL, ANSWER)
    recording = Recording(START)
    tcp = Tcp(recording, C, 49_700, S, 445)
    tcp.middle()
    tcp.say(session.messages)
    (flow,) = pipes_of(analyzed(tmp_path, recording))
    assert (flow.flow.pipe, flow.origin.kind) == (None, OriginKind.BEFORE_CAPTURE)
    assert flow.rpc is not None
    assert flow.rpc.fates[Fate.RESPONSE] == 1


def test_the_same_session_at_two_capture_points(tmp_path: Path) -> None:
    """Each pipe is the other's copy, also where two have one name."""
    recording = Recording(START)
    session = smb2.logged_on()
    tree = session.tree()
    for name in ("svcctl", "lsarpc", "svcctl"):
        called(session, name, tree=tree)
    tcp = _tcp(recording)
    tcp.say(session.messages)
    both = [
        copy
        for frame in recording.frames
        for copy in (frame, frame._replace(interface=1, time_ns=frame.time_ns + 50_000, data=_routed(frame.data)))
    ]
    diagnosis = analyzed(tmp_path, containers.pcapng(both, (Interface("near"), Interface("far"))))
    pipes = pipes_of(diagnosis)
    assert sorted((flow.flow.pipe, flow.flow.point) for flow in pipes) == [
        (r"\pipe\lsarpc", 0), (r"\pipe\lsarpc", 1), *[(r"\pipe\svcctl", 0)] * 2, *[(r"\pipe\svcctl", 1)] * 2,
    ]  # fmt: skip
    for flow in pipes:
        (copy,) = flow.same_as
        other = diagnosis.case.flow(copy)
        assert other.same_as == (flow.id,)
        assert other.flow.pipe == flow.flow.pipe
        assert abs(other.flow.first_packet - flow.flow.first_packet) == 1
    assert len(diagnosis.case.conversations) == 3


def _routed(frame: bytes) -> bytes:
    """One hop further."""
    return frame[:22] + bytes((frame[22] - 1,)) + frame[23:]


def test_the_row_of_a_connection_belongs_to_each_of_its_pipes(tmp_path: Path) -> None:
    recording = Recording(START)
    session = smb2.logged_on()
    tree = session.tree()
    for name in ("svcctl", "lsarpc"):
        called(session, name, tree=tree)
    tcp = _tcp(recording)
    tcp.say(session.messages)
    other = _tcp(recording, 49_900, 135)
    exchanges.bind(other, (pdus.EPM, "3.0"), 135)
    row = logs.pfirewall(START, "ALLOW", C, 49_700, S, 445, hours=0)
    log = logs.PFIREWALL + row + logs.pfirewall(START + SECOND, "ALLOW", C, 49_900, S, 135, hours=0)
    case = analyzed(tmp_path, recording, logs=(log,)).case
    rows = {one.near.flow.pipe: [entry.position for entry in case.rows_of(one)] for one in case.conversations}
    assert rows[r"\pipe\svcctl"] == rows[r"\pipe\lsarpc"] != []
    assert len(rows[r"\pipe\svcctl"]) == 1
    assert rows[None] != rows[r"\pipe\svcctl"]


@pytest.mark.parametrize("status", [0, smb.STATUS_LOGON_FAILURE])
def test_who_logged_on(status: int) -> None:
    session = smb2.Session()
    session.negotiate()
    session.setup(*TOKENS, status=status)
    (logon,) = said(session.messages).session.setups
    assert logon.tokens == TOKENS[0]
    assert logon.challenge == TOKENS[1][0]
    assert (logon.status, logon.guest) == (status, False)
    assert logon.response_packet is not None
    assert logon.request_packet < logon.response_packet


def test_a_guest_and_a_session_that_is_encrypted() -> None:
    session = smb2.Session(smb2.SMB_3_1_1)
    session.negotiate()
    session.setup(*TOKENS, flags=1 | 4)
    one = said(session.messages).session
    assert [logon.guest for logon in one.setups] == [True]
    assert one.encrypts is not None


def test_a_logon_of_old() -> None:
    session = smb1.Session(extended=False)
    session.negotiate()
    session.setup(status=smb.STATUS_LOGON_FAILURE)
    (logon,) = said(session.messages).session.setups
    assert (logon.user, logon.domain, logon.status) == ("operator", "CORP", smb.STATUS_LOGON_FAILURE)


def test_a_share_that_is_refused() -> None:
    session = smb2.logged_on()
    session.tree(r"\\SRV\nothing", status=smb.STATUS_BAD_NETWORK_NAME)
    session.tree()
    trees = said(session.messages).session.trees
    assert [(tree.name, tree.share, tree.status) for tree in trees] == [
        (r"\\SRV\nothing", None, smb.STATUS_BAD_NETWORK_NAME), (r"\\SRV\IPC$", "pipe", 0),
    ]  # fmt: skip


def test_of_each_kind_of_fact_so_many_are_kept() -> None:
    session = smb2.logged_on()
    for number in range(MAX_KEPT + 50):
        session.tree(rf"\\SRV\{number}", status=smb.STATUS_BAD_NETWORK_NAME)
    pipe = session.create(session.tree(), "svcctl")
    for _ in range(MAX_KEPT + 50):
        session.write(pipe, BIND, status=smb.STATUS_PIPE_DISCONNECTED)
    one = said(session.messages).session
    assert (len(one.trees), len(one.errors)) == (MAX_KEPT, MAX_KEPT)
    assert [opened.name for opened in one.pipes] == ["svcctl"]


def _late(side: int) -> bytes:
    """A file's segment of `side` is missing; what follows on that side waits behind it, the other side goes on."""
    session = smb2.logged_on()
    tree = session.tree()
    recording = Recording(START)
    tcp = _tcp(recording)
    tcp.say(session.messages)
    tcp.next[side] += 500
    session.messages.clear()
    called(session, "lsarpc", tree=tree)
    called(session, "svcctl", tree=tree)
    tcp.say(session.messages)
    return recording.pcap()


@pytest.mark.parametrize("side", [0, 1])
def test_pipes_that_are_opened_behind_a_gap_keep_their_names(side: int, tmp_path: Path) -> None:
    """The answer that says their file id comes after what went through them, or before the question."""
    diagnosis = analyzed(tmp_path, _late(side))
    pipes = [flow for flow in pipes_of(diagnosis) if flow.flow.pipe]
    assert [flow.flow.pipe for flow in pipes] == [r"\pipe\lsarpc", r"\pipe\svcctl"]
    for flow in pipes:
        assert flow.rpc is not None
        assert flow.rpc.requests == 1
        assert [use.interface.uuid for use in flow.rpc.interfaces] == [exchanges.SVCCTL[0]]
    if side == 1:  # all that the server said comes in its turn
        assert len(pipes_of(diagnosis)) == 2
        assert [flow.rpc.fates[Fate.RESPONSE] for flow in pipes if flow.rpc] == [1, 1]
    (one,) = diagnosis.case.sessions
    assert set(one.pipes.values()) == {flow.id for flow in pipes_of(diagnosis)}


def test_a_connection_that_breaks_takes_its_pipes_along(tmp_path: Path) -> None:
    recording = Recording(START)
    session = smb2.logged_on()
    tree = session.tree()
    called(session, tree=tree)
    pipe = session.create(tree, "lsarpc")
    session.transceive(pipe, BIND, BOUND)
    session.ask(smb2.WRITE, smb2.write_request(pipe.file_id, CALL), tree_id=tree)
    tcp = _tcp(recording)
    tcp.say(session.messages)
    tcp.rst(1)
    flows = {flow.flow.pipe: flow.flow for flow in pipes_of(analyzed(tmp_path, recording))}
    assert flows[r"\pipe\svcctl"].outcome is TcpOutcome.ESTABLISHED  # it was closed before
    assert flows[r"\pipe\lsarpc"].outcome is TcpOutcome.RESET
    assert {flow.transport for flow in flows.values()} == {PIPE}


def test_a_session_without_pipes_is_none_of_ours(tmp_path: Path) -> None:
    session = smb2.logged_on()
    file = session.create(session.tree(r"\\SRV\data"), "file.bin")
    session.read(file, bytes(5000), length=5000)
    diagnosis = analyzed(tmp_path, spoken(session.messages, 445))
    assert diagnosis.case.flows == ()
    assert [one.said.pipes for one in diagnosis.case.sessions] == [()]


@pytest.mark.parametrize(
    ("name", "again", "found"), [("svcctl", False, ["error"]), ("svcctl", True, []), ("report.docx", False, [])]
)
def test_a_pipe_of_rpc_that_is_refused(tmp_path: Path, name: str, again: bool, found: list[str]) -> None:
    recording = Recording(START)
    session = smb2.logged_on(tokens=TOKENS)
    tree = session.tree()
    session.create(tree, name, status=0xC0000022)
    if again:
        session.create(tree, name)
    _tcp(recording).say(session.messages)
    findings = analyzed(tmp_path, recording).findings
    assert [one.severity for one in findings if one.rule == "access-denied"] == found


@pytest.mark.parametrize(
    ("name", "again", "found"), [("spoolss", False, ["warning"]), ("spoolss", True, []), ("report.docx", False, [])]
)
def test_a_pipe_of_rpc_that_is_not_there(tmp_path: Path, name: str, again: bool, found: list[str]) -> None:
    recording = Recording(START)
    session = smb2.logged_on(tokens=TOKENS)
    tree = session.tree()
    session.create(tree, name, status=0xC0000034)
    if again:
        session.create(tree, name)
    _tcp(recording).say(session.messages)
    findings = analyzed(tmp_path, recording).findings
    assert [one.severity for one in findings if one.rule == "not-registered"] == found


@pytest.mark.parametrize(
    ("share", "again", "found"),
    [(r"\\SRV\IPC$", False, ["error"]), (r"\\SRV\ipc$", True, []), (r"\\SRV\data", False, [])],
)
def test_the_share_of_all_pipes_that_is_refused(tmp_path: Path, share: str, again: bool, found: list[str]) -> None:
    recording = Recording(START)
    session = smb2.logged_on(tokens=TOKENS)
    session.tree(share, status=0xC0000022)
    if again:
        session.tree(share)
    _tcp(recording).say(session.messages)
    findings = analyzed(tmp_path, recording).findings
    assert [one.severity for one in findings if one.rule == "access-denied"] == found
