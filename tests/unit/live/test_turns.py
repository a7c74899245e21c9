"""What turned since one looked last."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.live import turns as module
from rpcdiag.live.turns import AGAIN_NS, SECOND, Turn, Turns
from rpcdiag.model.evidence import Confidence, Severity
from tests.build import exchanges
from tests.build.conversation import SECOND as A_SECOND
from tests.build.conversation import Recording, Tcp
from tests.build.story import START

C, S = "10.0.0.1", "10.0.0.2"


def _look(turns: Turns, folder: Path, recording: Recording, now_ns: int = 0) -> list[Turn]:
    path = folder / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    diagnosis = analyze([str(path)])
    return turns.look(diagnosis.case, diagnosis.findings, now_ns or recording.now)


def test_a_port_is_handed_out_tried_silent_and_found_blocked(tmp_path: Path) -> None:
    recording, turns = Recording(START), Turns()
    exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, 49667)
    assert [(turn.state, turn.port) for turn in _look(turns, tmp_path, recording)] == [("referred", 49667)]
    began = recording.now
    tcp = Tcp(recording, C, 50001, S, 49667)
    tcp.syns((0,), until=0)
    told = _look(turns, tmp_path, recording, began + SECOND // 2)
    assert [turn.state for turn in told if not turn.finding] == ["trying"]
    assert "handed out for drsuapi" in told[0].says
    assert _look(turns, tmp_path, recording, began + SECOND // 2) == []
    assert [turn.state for turn in _look(turns, tmp_path, recording, began + SECOND)][:1] == ["silent 1 s"]
    recording.wait(20 * A_SECOND)
    Tcp(recording, C, 9, S, 445).open()
    told = _look(turns, tmp_path, recording)
    assert told[0].state == "silent 3 s"
    assert next(turn.finding.rule for turn in told if turn.finding) == "dynamic-port-blocked"
    assert {turn.case for turn in told} == {"c1"}


def test_what_works_is_connected_and_both_directions_are_one_case(tmp_path: Path) -> None:
    recording, turns = Recording(START), Turns()
    exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, 49667)
    Tcp(recording, C, 50001, S, 49667).open()
    exchanges.lookup(recording, S, 50000, C, exchanges.DRSUAPI, 49668)
    told = [turn for turn in _look(turns, tmp_path, recording) if turn.finding is None]
    assert [turn.state for turn in told] == ["referred", "connected", "referred"]
    assert {turn.case for turn in told} == {"c1"}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Of a capture in which nothing turns."""
    recording = Recording(START)
    Tcp(recording, C, 50001, S, 445).open()
    (tmp_path / "quiet.pcapng").write_bytes(recording.pcapng())
    return analyze([str(tmp_path / "quiet.pcapng")]).case


def _finding(
    severity: Severity = Severity.ERROR, confidence: Confidence = Confidence.LIKELY, client: str = C
) -> Finding:
    return Finding("not-registered", "a summary", severity, confidence, ip_address(client), ip_address(S), ())


def _told(turns: Turns, case: Case, *findings: Finding, at: int = 0) -> list[tuple[str, Confidence]]:
    return [
        (turn.finding.severity.value, turn.finding.confidence)
        for turn in turns.look(case, findings, START + at)
        if turn.finding
    ]


def test_a_finding_is_told_again_only_when_it_is_surer_or_worse(case: Case) -> None:
    turns = Turns()
    assert _told(turns, case, _finding()) == [("error", Confidence.LIKELY)]
    more = _finding()._replace(times=2, summary="the same, and how often")
    assert _told(turns, case, more) == []
    established = _finding(confidence=Confidence.ESTABLISHED)
    assert _told(turns, case, established) == [("error", Confidence.ESTABLISHED)]
    assert _told(turns, case, _finding()) == []  # a flow was given up that it rested on
    assert _told(turns, case, established) == []
    assert _told(turns, case, _finding(Severity.NOTE, Confidence.POSSIBLE)) == []
    assert _told(turns, case, _finding(confidence=Confidence.PROVEN)) == [("error", Confidence.PROVEN)]
    back = _finding()._replace(direction=Direction.SERVER_TO_CLIENT)
    assert _told(turns, case, _finding(), back, back._replace(rule="mapper-blocked")) == [
        ("error", Confidence.LIKELY), ("error", Confidence.LIKELY),
    ]  # fmt: skip


def test_a_finding_that_was_given_up_is_new_when_it_comes_back_late(case: Case) -> None:
    turns = Turns()
    assert len(_told(turns, case, _finding())) == 1
    assert _told(turns, case, at=SECOND) == []
    assert _told(turns, case, _finding(), at=AGAIN_NS) == []
    assert _told(turns, case, at=AGAIN_NS + SECOND) == []
    assert _told(turns, case, at=2 * AGAIN_NS + 2 * SECOND) == []
    assert len(_told(turns, case, _finding(), at=2 * AGAIN_NS + 3 * SECOND)) == 1


def test_what_is_remembered_of_findings_that_are_gone_is_bounded(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GONE", 10)
    turns = Turns()
    many = [_finding(client=f"10.0.1.{number}") for number in range(30)]
    for one in many:
        assert len(_told(turns, case, one)) == 1
    assert _told(turns, case, *many[19:]) == []
    assert len(_told(turns, case, *many[:19])) == 19


def test_names_of_cases_go_on_where_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CASES", 3)
    turns, server = Turns(), ip_address(S)
    clients = [ip_address(f"10.0.1.{number}") for number in range(5)]
    assert [turns.name(client, server) for client in clients[:3]] == ["c1", "c2", "c3"]
    assert turns.name(server, clients[0]) == "c1"
    assert [turns.name(client, server) for client in clients[3:]] == ["c4", "c5"]
    assert turns.name(clients[0], server) == "c1"
    assert turns.name(clients[1], server) == "c6"
    assert turns.name(ip_address("2001:db8::1"), ip_address("2001:db8::2")) == "c7"
