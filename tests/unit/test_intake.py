"""Several captures at once: the same document, whatever the cores and the order in which they are named."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rpcdiag import analysis, intake
from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.capture import blocks, choice
from rpcdiag.capture.choice import Engine
from rpcdiag.errors import UnknownFormat
from rpcdiag.report.output import Options
from rpcdiag.report.outputs.json import render
from rpcdiag.sweep.machine import Machine, MachineError
from tests.build import containers, frames
from tests.build.containers import Frame
from tests.unit.sweep.compiled import machine as machine

PCAPS = Path(__file__).parents[2] / "pcaps"
STORIES = sorted(str(path) for path in PCAPS.glob("*/capture.pcapng"))[:8]


def _text(diagnosis: Diagnosis) -> str:
    return "\n".join(render(diagnosis, Options()))


def _read(paths: Sequence[str], wish: str, jobs: int) -> str:
    return _text(analyze(paths, engine=Engine(wish, jobs=jobs)))


def test_threads_and_one_core_say_the_same(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "machine", lambda: machine)
    alone = _read(STORIES, "compiled", 1)
    assert _read(STORIES, "compiled", 3) == alone
    assert _read(STORIES[::-1], "compiled", 3) == alone


def test_processes_and_one_core_say_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(intake, "WORTH_PROCESSES", 0)
    bad, cut = tmp_path / "bad", tmp_path / "cut.pcap"
    bad.write_bytes(b"no capture at all, and long enough")
    cut.write_bytes(Path(STORIES[0]).read_bytes()[:-7])
    paths = [*STORIES, str(bad), str(cut)]
    alone, together = (analyze(paths, engine=Engine("python", jobs=jobs)) for jobs in (1, 2))
    assert _text(together) == _text(alone)
    assert [str(one) for one in together.troubles] == [str(one) for one in alone.troubles]
    assert isinstance(together.troubles[0], UnknownFormat)
    assert [str(one) for one in together.cuts] == [str(one) for one in alone.cuts] != []


def test_a_fault_of_the_compiled_pass_is_made_good_by_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def call(self, *_: object) -> int:
            raise MachineError

    monkeypatch.setattr(choice, "machine", lambda: Broken())
    assert _read(STORIES[:1], "compiled", 1) == _read(STORIES[:1], "python", 1)


def test_who_interrupts_several_captures_gets_what_is_known(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "machine", lambda: machine)

    def watch(reading: intake.Reading) -> None:
        if reading.path == STORIES[2]:
            raise KeyboardInterrupt

    for jobs in (1, 2):
        diagnosis = analyze(STORIES, engine=Engine("compiled", jobs=jobs), watch=watch)
        assert diagnosis.interrupted
        assert diagnosis.case.accounting.sums_hold
        assert STORIES[0] in {capture.path for capture in diagnosis.case.captures}


def test_what_was_read_is_told(tmp_path: Path) -> None:
    many = [
        Frame(number, 0, frames.ethernet(frames.tcp("10.0.0.1", 1024 + number % 9, "10.0.0.2", 80, data=bytes(900))))
        for number in range(3000)
    ]
    path = tmp_path / "many.pcap"
    path.write_bytes(containers.pcap(many))
    told: list[intake.Reading] = []
    analyze([str(path)], watch=told.append)
    assert [one.bytes for one in told] == sorted(one.bytes for one in told)
    assert told[-1].bytes == path.stat().st_size
    assert (told[-1].packets, told[-1].flows) == (3000, 9)


@pytest.mark.parametrize("story", sorted(path.parent.name for path in PCAPS.glob("*/capture.pcapng")))
def test_looking_at_what_is_known_so_far_changes_nothing(story: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(PCAPS / story / "capture.pcapng")
    before = _text(analyze([path]))
    counted: list[int | None] = []
    monkeypatch.setattr(analysis, "COUNT_EVERY_S", 0.0)
    monkeypatch.setattr(blocks, "BLOCK", 512)
    monkeypatch.setattr(analysis, "COUNT_SHARE", 0)
    diagnosis = analyze([path], watch=lambda reading: counted.append(reading.findings))
    assert _text(diagnosis) == before
    known = [count for count in counted if count is not None]
    assert len(known) > 2
    assert known[0] <= 1
    assert known[-1] == len(diagnosis.findings)
