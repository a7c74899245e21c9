"""Logs that are read while a capture is recorded."""

from pathlib import Path

from rpcdiag.analysis import so_far
from rpcdiag.capture.choice import Engine
from rpcdiag.capture.live import Pipe
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.intake import Reading, take_live
from rpcdiag.live import logs as beside
from rpcdiag.live.logs import LogsBeside
from rpcdiag.live.turns import Turns
from rpcdiag.logs.entry import LogEntry
from rpcdiag.model.evidence import Confidence
from tests.build import logs

OCS = Path(__file__).resolve().parents[3] / "pcaps" / "ocs-advfirewall"


def _row(port: int, source: str = "10.20.3.7") -> str:
    return f"2011-03-02 10:15:41 DROP TCP {source} 10.30.1.5 {port} 49154 52 S 1 0 8192 - - - RECEIVE\r\n"


def test_a_finding_becomes_proven_when_the_log_says_so_and_its_rows_are_told(tmp_path: Path) -> None:
    log = tmp_path / "pfirewall.log"
    log.write_text("#Version: 1.5\r\n")
    rows = (OCS / "pfirewall.log").read_text().splitlines(keepends=True)
    read, turns = LogsBeside([str(log)], print, from_start=True), Turns()
    states: list[list[str]] = []
    sure: list[Confidence] = []

    def look(reading: Reading) -> None:
        if reading.so_far is None or not reading.packets:
            return
        if len(states) == 1:
            log.write_text("".join(rows))
        case, findings = so_far(reading.so_far(), brief=True, logs=read.files)
        states.append([turn.state for turn in turns.look(case, findings, 0) if turn.logged])
        sure.append(_blocked(case, findings))
        if len(states) == 3:
            source.stopped = True

    fifo = _endless(tmp_path)
    source = Pipe(str(fifo))
    take_live("x", source, Engine("python", jobs=1), look)
    read.close()
    assert states[:3] == [[], ["logged"] * 3, []]
    assert sure[:3] == [Confidence.ESTABLISHED, Confidence.PROVEN, Confidence.PROVEN]


def _endless(folder: Path) -> Path:
    """The capture in a pipe whose writer stays."""
    import os

    fifo = folder / "fifo"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDWR)
    os.write(held, (OCS / "capture.pcapng").read_bytes())
    return fifo


def _blocked(case: Case, findings: tuple[Finding, ...]) -> Confidence:
    return next(one.confidence for one in findings if one.rule == "dynamic-port-blocked")


def test_rows_are_kept_that_concern_the_capture_also_where_that_shows_later(tmp_path: Path) -> None:
    path = tmp_path / "pfirewall.log"
    path.write_text(logs.PFIREWALL + _row(1) + _row(2, "10.9.9.9") + _row(3) + "2011 rubbish DROP\n")
    read = LogsBeside([str(path)], print, from_start=True)

    def first(entry: LogEntry) -> bool:
        return str(entry.source) == "10.20.3.7"

    (file,) = read.files(first)
    assert [one.source_port for one in file.entries] == [1, 3]
    assert (file.rows, file.drops, file.bad_count, file.format) == (3, 3, 1, "windows-firewall")
    with path.open("a") as stream:
        stream.write(_row(4))
    (file,) = read.files(lambda _: True)
    assert [one.source_port for one in file.entries] == [1, 2, 3, 4]
    read.close()


def test_the_latest_rows_are_kept_of_too_many(tmp_path: Path) -> None:
    path = tmp_path / "pfirewall.log"
    path.write_text(logs.PFIREWALL + "".join(_row(1 + number % 60000) for number in range(beside.MOST_KEPT + 5)))
    read = LogsBeside([str(path)], print, from_start=True)
    (file,) = read.files(lambda _: True)
    read.close()
    assert len(file.entries) == beside.MOST_KEPT
    assert file.entries[0].source_port == 6
    assert file.left_out == 5


def test_a_log_that_cannot_be_read_is_said_once_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("hello\nworld\n")
    said: list[str] = []
    read = LogsBeside([str(tmp_path / "x.log"), str(tmp_path)], said.append, from_start=True)
    assert [read.files(lambda _: True) for _ in range(2)] == [[], []]
    assert [("is a directory" in one, "unknown format" in one) for one in said] == [(True, False), (False, True)]
    read.close()
