"""`rpcdiag tail`: what is shown of logs, and what becomes of it while they are written."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.live.history import Facts, Handed, History
from rpcdiag.live.resolve import Names
from rpcdiag.logs.entry import BadLine, LogEntry
from rpcdiag.logs.follow import FollowedFile
from rpcdiag.model.packets import Address
from rpcdiag.ui import tail
from rpcdiag.ui.cli import main
from rpcdiag.ui.tail import Events, Lines, Tail, Wanted
from rpcdiag.ui.tail_rows import Columns, Look, Row, labels
from tests.build import logs

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
OCS = PCAPS / "ocs-advfirewall"
LOG, CAPTURE = str(OCS / "pfirewall.log"), str(OCS / "capture.pcapng")
S = ip_address("10.30.1.5")
PLAIN = Look(False, 0, {}, (), None)


def _row(port: int, *, to: str = str(S), action: str = "DROP", protocol: str = "TCP") -> str:
    return f"2011-03-02 10:15:41 {action} {protocol} 10.20.3.7 {to} {port} 49154 52 S 1 0 8192 - - - RECEIVE\r\n"


class _Running:
    """A tail over a file, whose sleeping is what happens next."""

    def __init__(self, path: Path, *, wanted: Wanted | None = None, **how: Any) -> None:
        self.path, self.said = path, list[str]()
        self.known = History()
        self.steps: list[Callable[[], object]] = []
        self.log = FollowedFile(str(path), self.said.append)
        self.tail = Tail(
            [self.log], wanted or Wanted(), how.pop("shown", Events()), self.known,
            sleep=self._sleep, now_ns=lambda: 0, **how,
        )  # fmt: skip

    def _sleep(self, _: float) -> None:
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()

    def add(self, text: str) -> None:
        with self.path.open("a", newline="") as stream:
            stream.write(text)

    def run(self) -> None:
        try:
            self.tail.run()
        except KeyboardInterrupt:
            pass
        finally:
            self.log.finish()
        self.tail.end()


def _events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "pfirewall.log"
    path.write_text(logs.PFIREWALL + "".join(_row(port) for port in range(1, 21)), newline="")
    return path


def test_the_last_rows_then_what_is_appended(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = _Running(log, before=3)
    running.steps = [lambda: running.add(_row(21)), lambda: running.add(_row(22) + "2011 rubbish\r\n")]
    running.run()
    rows = _events(capsys)
    assert [row.get("source_port") for row in rows] == [18, 19, 20, 21, 22, None]
    assert [row["backlog"] for row in rows[:-1]] == [True, True, True, False, False]
    assert (rows[-1]["rows"], rows[-1]["shown"], rows[-1]["bad_lines"], rows[-1]["drops"]) == (22, 5, 1, 5)
    assert rows[-1]["dropped"] == [
        {"client": "10.20.3.7", "server": str(S), "port": 49154, "protocol": "tcp", "rows": 5}
    ]


def test_the_last_rows_are_the_last_that_the_filter_lets_through(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = _Running(log, wanted=Wanted("sport 3-9"), before=2)
    running.steps = [lambda: running.add(_row(5) + _row(50))]
    running.run()
    assert [row.get("source_port") for row in _events(capsys)] == [8, 9, 5, None]


def test_client_and_server_are_short_for_a_filter() -> None:
    assert Wanted("drop or allow", client="10.0.0.1", server="10.0.0.0/8").filter is not None
    assert str(Wanted("tcp or udp", client="10.0.0.1", server="::1").filter.text) == (  # type: ignore[union-attr]
        "(src 10.0.0.1) and (dst ::1) and (tcp or udp)"
    )


def test_noise_is_left_out_and_counted_and_makes_no_failure(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_text(logs.PFIREWALL + _row(1, to="10.30.1.255", protocol="UDP") + _row(2, action="ALLOW"))
    running = _Running(log, wanted=Wanted(noise=False))
    running.run()
    *rows, end = _events(capsys)
    assert [row["action"] for row in rows] == ["allow"]
    assert (end["noise"], end["drops"]) == (1, 0)
    assert main(["tail", str(log), "--once"]) == 0
    assert "drop   in  udp  10.20.3.7:1" in capsys.readouterr().out


def test_it_ends_after_so_many_rows(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = _Running(log, before=3, most=5)
    running.steps = [lambda: running.add(_row(21) + _row(22) + _row(23))]
    running.tail.run()
    running.log.finish()
    assert [row["source_port"] for row in _events(capsys)] == [18, 19, 20, 21, 22]


def test_somebody_is_told_of_new_rows_only(log: Path) -> None:
    told: list[dict[str, Any]] = []
    running = _Running(log, wanted=Wanted(alert_on="sport 22-"), alert=told.append)
    running.steps = [lambda: running.add(_row(21) + _row(22))]
    running.run()
    assert [one["source_port"] for one in told] == [22]
    assert told[0]["action"] == "drop"


def test_a_port_that_is_handed_out_after_its_row_is_told_of(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = _Running(log, before=1, shown=Lines(PLAIN, None))
    handed = {(S, 49154): [Handed(5, ip_address("10.20.3.7"), "drsuapi", 13, "eth0")]}
    running.steps = [lambda: running.known.learn("live", Facts(handed, {}, {}, {}))]
    running.run()
    out = capsys.readouterr().out
    assert "10.20.3.7 > 10.30.1.5, line 25 above: 49154: handed out to 10.20.3.7 for drsuapi (when" in out
    assert "1 x 10.20.3.7 > 10.30.1.5  tcp 49154  (10.20.3.7 was sent there for drsuapi)" in out


def test_names_stand_on_later_lines_once_they_are_known(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def known(address: Address) -> str | None:
        return "fe1.\x1b[2Jcontoso" if address != S else None

    names = Names(known)
    running = _Running(log, before=1, shown=Lines(PLAIN, names))
    running.steps = [names.settled, lambda: running.add(_row(21))]
    running.run()
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert "contoso" not in first
    assert second.endswith("(fe1.\\x1b[2Jcontoso > ?)")


def test_drops_of_too_many_kinds_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MOST_COUNTED", 3)
    counts = tail.Counts()
    entry = LogEntry(1, None, 1, "local", "drop", "tcp", None, None, S, 1)
    for port in (1, 2, 3, 4, 5, 1):
        counts.add(Row("x", entry._replace(destination_port=port), noise=False, told=None))
    counts.unreadable("x\x1b", BadLine(7, "y\x1b"))
    said = "\n".join(tail.summary(counts))
    assert "2 x others" in said
    assert "1 lines could not be read, the first: x\\x1b, line 7: y\\x1b" in said


def test_columns_stay_in_line_and_lines_in_their_width() -> None:
    columns = Columns(PLAIN)
    entry = LogEntry(
        1, 0, 10**9, "local", "drop", "tcp", ip_address("2001:db8:0:1:2:3:4:5"), 50000, S, 49154, "in",
        rule="r\x1b[31m\u202e" + "x" * 500, service="RPC",
    )  # fmt: skip
    lines = [columns.line(Row("x", one, noise=False, told=None)) for one in (entry, entry._replace(source=S))]
    assert lines[0].index(" > ") == lines[1].index(" > ")
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith("1970-01-01 00:00:00 drop   in  tcp  [2001:db8:0:1:2:3:4:5]:50000 > 10.30.1.5:49154*")
    cut = Columns(PLAIN._replace(width=60)).line(Row("x", entry, noise=False, told=None))
    assert (len(cut), cut[-1]) == (60, "…")


@pytest.mark.parametrize(
    ("written_ns", "basis", "shown"),
    [
        (None, "local", "-    "), (10**9, "no_year", "     01-01 00:00:01"), (10**9, "uptime", "[         1.000000]"),
        (1 << 70, "utc", "1180591620717411303"),
    ],
)  # fmt: skip
def test_times_are_shown_as_they_are_written(written_ns: int | None, basis: str, shown: str) -> None:
    entry = LogEntry(1, written_ns, 10**9, basis, "drop", "tcp", None, None, None, None)
    assert Columns(PLAIN).line(Row("x", entry, noise=False, told=None)).startswith(shown)


def test_colours_tell_what_became_of_it_and_the_filter_is_marked() -> None:
    wanted = Wanted("port 135", highlight="src 10.0.0.9")
    columns = Columns(Look(True, 0, {}, wanted.marks, wanted.highlight))
    entry = LogEntry(1, 0, 1, "utc", "drop", "tcp", ip_address("10.0.0.1"), 5, S, 135)
    drop, allow, noise, bright = (
        columns.line(Row("x", one, noise=quiet, told=None))
        for one, quiet in (
            (entry, False), (entry._replace(action="allow"), False), (entry, True),
            (entry._replace(source=ip_address("10.0.0.9")), False),
        )
    )  # fmt: skip
    assert drop.startswith("\x1b[31m")
    assert "\x1b[31m\x1b[1;4m135\x1b[0m" in drop
    assert allow.startswith("\x1b[32m")
    assert noise.startswith("\x1b[2m")
    assert bright.startswith("\x1b[1;7m> ")


def test_logs_are_told_apart_by_the_shortest_name() -> None:
    assert labels(["/a/x.log"]) == {}
    assert labels(["/a/x.log", "/b/yy.log"]) == {"/a/x.log": "x.log ", "/b/yy.log": "yy.log"}
    assert list(labels(["/a/x.log", "/b/x.log"]).values()) == ["/a/x.log", "/b/x.log"]


def test_the_line_that_matters_with_who_handed_the_port_out(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["tail", LOG, "--once", "--client", "10.20.3.7", "--capture", CAPTURE, "--", "port", "49154"]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert "drop   in  tcp  10.20.3.7:56626       > 10.30.1.5:49154*       S" in out
    assert "49154: handed out to 10.20.3.7 for" in out
    assert "3 ms before (packet 10 of capture.pcapng)" in out
    assert "426 rows, 3 shown, 423 that the filter leaves out; 3 of them refused" in out


def test_a_diagnosis_beside_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "diagnosis.json"
    assert main(["analyze", CAPTURE, "--log", LOG, "-T", "json", "-o", str(case)]) == 1
    assert main(["tail", LOG, "--once", "-n", "1", "-f", "handed", "--case", str(case), "-T", "ndjson"]) == 1
    row, _ = _events(capsys)
    assert row["line"] == 207
    assert row["history"]["told"] == "10.20.3.7"
    assert row["history"]["packet"] == 10


def test_standard_input_and_several_logs() -> None:
    command = [sys.executable, "-m", "rpcdiag", "tail", "-", str(PCAPS / "dpm-tmg" / "tmg.log"), "--once", "-n", "1"]
    done = subprocess.run(command, input=Path(LOG).read_bytes(), capture_output=True, check=False)
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("-       2011-03-13 08:07:22 drop")
    assert lines[1].startswith("tmg.log 2011-03-13 07:06:53 close")
    assert done.returncode == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_gets_the_sums(number: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "late.log"
    command = [sys.executable, "-m", "rpcdiag", "tail", str(path), "-T", "ndjson"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "waiting for it" in process.stderr.readline()
        path.write_text(logs.PFIREWALL + _row(1))
        assert json.loads(process.stdout.readline())["source_port"] == 1
        process.send_signal(number)
        assert json.loads(process.stdout.read().splitlines()[-1])["drops"] == 1
        assert process.wait(20) == 130


def test_a_capture_that_is_still_written_beside_the_log(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "rpcdiag", "tail", LOG, "-n", "1", "-f", "port 49154 and syn", "-r", str(fifo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, open(fifo, "wb") as stream:
        assert process.stdout is not None
        assert "10.30.1.5:49154*" in process.stdout.readline()
        stream.write(Path(CAPTURE).read_bytes())
        stream.flush()
        assert "line 207 above: 49154: handed out to 10.20.3.7" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        process.stdout.read()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-f", "port x"], "character 6"),
        (["--", "drop", "and"], "character 9"),
        (["--highlight", "("], "character 2"),
        (["--client", "dc1.contoso.com"], "names are not looked up"),
        (["--alert-on", "drop"], "--alert says who"),
        (["--alert", "http://192.0.2.1:1/"], "only http to this machine"),
        (["--case", LOG], "is no JSON"),
        (["--capture", LOG], "unknown format"),
        (["-i", "lo", "-r", "x"], "do not go together"),
        (["-r", "nothing-there"], "No such file"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tail", LOG, *arguments]) == 2
    assert says in capsys.readouterr().err


def test_logs_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.log").write_text("hello\n")
    assert main(["tail", str(tmp_path / "x.log")]) == 2
    assert main(["tail", str(tmp_path / "y.log"), "--once"]) == 2
    assert main(["tail", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert [word in said for word in ("unknown format", "No such file", "is a directory")] == [True] * 3
