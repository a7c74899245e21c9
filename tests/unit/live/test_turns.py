"""What turned since one looked last."""

from pathlib import Path

from rpcdiag.analysis import analyze
from rpcdiag.live.turns import SECOND, Turn, Turns
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
