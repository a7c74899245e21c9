"""Logs that are written while they are read."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.errors import InputError, UnknownFormat
from rpcdiag.logs import follow
from rpcdiag.logs.entry import BadLine, LogEntry
from rpcdiag.logs.follow import IDLE_POLLS, FollowedFile, FollowedStream
from rpcdiag.logs.reader import MAX_LINE, read
from tests.build import logs

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
W3C = "#Software: X\n#Fields: date time c-ip c-port r-ip r-port action\n"
BLOCK = (
    "Denied Connection TMG1 3/13/2011 8:06:20 AM\nLog type: Firewall service\nStatus: A packet\n"
    "Rule: Default rule\nSource: Internal (10.0.0.1:50001)\nDestination: Local Host (10.0.0.2:135)\nProtocol: RPC\n"
)


def _row(port: int) -> str:
    return f"2011-03-02 10:15:41 DROP TCP 10.20.3.7 10.30.1.5 {port} 49154 52 S 1 0 8192 - - - RECEIVE\r\n"


_followed: list[FollowedFile] = []


def _ignore(text: str) -> None:
    """What is said does not matter here."""


@pytest.fixture(autouse=True)
def _finished() -> Iterator[None]:
    yield
    while _followed:
        _followed.pop().finish()


class _Log:
    """A file under a follower; `new` gives the source ports of the rows that came."""

    def __init__(self, path: Path, **how: Any) -> None:
        self.path, self.said = path, list[str]()
        self.followed = FollowedFile(str(path), self.said.append, **how)
        _followed.append(self.followed)

    def new(self) -> list[int | None]:
        return [one.source_port for one in self.polled() if isinstance(one, LogEntry)]

    def polled(self) -> list[LogEntry | BadLine]:
        found = self.followed.poll()
        while self.followed.behind:
            found += self.followed.poll()
        return found

    def add(self, text: str) -> None:
        with self.path.open("ab") as stream:
            stream.write(text.encode())


@pytest.fixture(params=[True, False], ids=["held", "reopened"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> _Log:
    """A log that is held open, as on Linux, or opened for every look, as on Windows."""
    path = tmp_path / "pfirewall.log"
    path.write_bytes((logs.PFIREWALL + _row(1)).encode())
    return _Log(path, holds=request.param)


def test_what_is_appended_comes_once_and_in_whole_lines(log: _Log) -> None:
    assert log.new() == [1]
    log.add(_row(2) + _row(3)[:50])
    assert log.new() == [2]
    assert log.new() == []
    log.add(_row(3)[50:] + _row(4))
    assert log.new() == [3, 4]
    assert log.said == []


def test_a_renamed_file_is_read_to_its_end_and_then_its_successor(log: _Log) -> None:
    assert log.new() == [1]
    log.add(_row(2))
    log.path.rename(log.path.with_suffix(".log.old"))
    log.path.write_bytes((logs.PFIREWALL + _row(3)).encode())
    assert log.new() + log.new() == [2, 3]
    log.add(_row(4))
    assert log.new() == [4]
    assert ["replaced" in said for said in log.said] == [True]


def test_the_successor_may_come_later_and_without_a_header(log: _Log) -> None:
    log.new()
    log.path.rename(log.path.with_suffix(".log.old"))
    assert log.new() == []
    log.path.write_bytes(_row(3).encode())
    assert log.new() == [3]
    assert "waiting for it" in log.said[0]


def test_copied_and_truncated(log: _Log) -> None:
    log.new()
    log.path.write_bytes(b"")
    assert log.new() == []
    log.add(logs.PFIREWALL + _row(2))
    assert log.new() == [2]
    assert "truncated" in log.said[0]


def test_truncated_and_grown_beyond_the_place_between_two_looks(log: _Log) -> None:
    log.new()
    log.path.write_bytes((logs.PFIREWALL + _row(7) + _row(8) + _row(9)).encode())
    assert log.new() == [7, 8, 9]


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    log = _Log(tmp_path / "late.log")
    assert log.new() == log.new() == []
    log.add(logs.PFIREWALL)
    assert log.new() == []
    log.add(_row(1))
    assert log.new() == [1]
    assert [said.rpartition("late.log: ")[2] for said in log.said] == ["no such file; waiting for it", "is there now"]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf#Version: 1.5\r\n", b"2011-03-"])
def test_a_file_without_a_row_waits_for_its_first_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(content)
    log = _Log(tmp_path / "x.log")
    assert log.new() == []
    log.add(_row(1)[:30].removeprefix(content.decode() if content.startswith(b"2") else "-"))
    assert log.new() == []
    log.add(_row(1)[30:])
    assert log.new() == [1]


def test_room_that_is_reserved_is_not_the_end_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "pfirewall.log"
    data = (logs.PFIREWALL + _row(1)).encode()
    path.write_bytes(data + bytes(4096))
    log = _Log(path)
    assert log.new() == [1]
    with path.open("r+b") as stream:
        stream.seek(len(data))
        stream.write(_row(2).encode())
    assert log.new() == [2]
    assert log.said == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings_also_where_a_character_is_cut(encoding: str, tmp_path: Path) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    data = mark + (logs.PFIREWALL + _row(1) + _row(2)).encode(encoding)
    path = tmp_path / "x.log"
    path.write_bytes(data[:-61])
    log = _Log(path)
    assert log.new() == [1]
    with path.open("ab") as stream:
        stream.write(data[-61:])
    assert log.new() == [2]


def test_what_is_not_utf_8_is_of_windows(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(
        b"Mar 13 08:06:20 fw kernel: [DROP caf\xe9 \x93x\x94] IN=eth0 OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=TCP SPT=1 DPT=2\n"
    )
    (one,) = _Log(tmp_path / "x.log").polled()
    assert isinstance(one, LogEntry)
    assert one.rule == "[DROP café “x”]"


def test_a_large_file_is_read_near_its_end_with_the_columns_of_its_header(tmp_path: Path) -> None:
    rows = [f"2011-03-02 10:15:41 10.0.0.1 {port} 10.0.0.2 135 Denied\n" for port in range(1, 200)]
    other = "#Fields: date time r-ip r-port c-ip c-port action\n"
    for header, text in (
        (0, W3C + "".join(rows)),
        (1, W3C + "".join(rows[:50]) + other + "".join(rows[50:])),
    ):
        path = tmp_path / f"{header}.log"
        path.write_text(text)
        whole = [one for one in read(str(path)).entries if one.line]
        found = _Log(path, window=500).polled()
        assert found == whole[-len(found) :]
        assert 5 < len(found) < 20


def test_nothing_that_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "pfirewall.log"
    path.write_text(logs.PFIREWALL + _row(1))
    log = _Log(path, at_end=True)
    assert log.new() == []
    log.add(_row(2))
    (one,) = log.polled()
    assert one.line == 7


def test_a_line_without_end_takes_no_room_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "pfirewall.log"
    path.write_text(logs.PFIREWALL + _row(1))
    log = _Log(path)
    log.new()
    for _ in range(5):
        log.add("x" * MAX_LINE)
        assert log.new() == []
    log.add("\n" + _row(2))
    (one,) = log.polled()
    assert one.line == 8
    assert "longer than 64 KiB" in log.said[0]


def test_a_row_of_several_lines_ends_where_nothing_follows(tmp_path: Path) -> None:
    path = tmp_path / "viewer.txt"
    path.write_text(BLOCK)
    log = _Log(path)
    assert [log.new() for _ in range(IDLE_POLLS + 2)] == [[], [], [], [], [], [50001], []]
    log.add(BLOCK)
    log.add(BLOCK)
    (one,) = log.polled()
    assert one.line == 8
    (two,) = log.followed.finish()
    assert two.line == 15


def test_the_last_line_counts_at_the_end_though_nothing_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "pfirewall.log"
    path.write_text(logs.PFIREWALL + _row(1) + _row(2).strip())
    log = _Log(path, once=True)
    assert log.new() == [1]
    assert len(log.followed.finish()) == 1
    assert log.followed.finish() == []


@pytest.mark.parametrize(
    ("content", "error"), [(None, "No such file"), (b"", "is empty"), (b"hello\n", "unknown format")]
)
def test_what_is_read_once_has_to_be_there(content: bytes | None, error: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "x.log").write_bytes(content)
    with pytest.raises(InputError, match=error):
        _Log(tmp_path / "x.log", once=True).polled()
    with pytest.raises(InputError, match="is a directory"):
        _Log(tmp_path)


def test_what_is_written_later_and_known_to_nobody_is_said_once(tmp_path: Path) -> None:
    log = _Log(tmp_path / "x.log")
    log.new()
    for _ in range(3):
        log.add("nothing that anybody knows\n" * 2000)
        assert log.new() == []
    assert sum("unknown format" in said for said in log.said) == 1


def test_a_packed_log_is_read_once(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "x.log.gz").write_bytes(gzip.compress((logs.PFIREWALL + _row(1)).encode()))
    log = _Log(tmp_path / "x.log.gz")
    assert log.new() == [1]
    assert log.followed.ended
    assert "not followed" in log.said[0]


def test_a_pipe(tmp_path: Path) -> None:
    data = (logs.PFIREWALL + _row(1)).encode()
    came: list[bytes | None] = [data[:20], None, data[20:], b""]
    stream = FollowedStream("-", lambda: came.pop(0), _ignore)
    assert [len(stream.poll()) for _ in range(4)] == [0, 0, 1, 0]
    assert stream.ended
    for content, error in (([b""], InputError), ([b"hello\n", b""], UnknownFormat)):
        rest = list(content)
        stream = FollowedStream("-", lambda rest=rest: rest.pop(0), _ignore)  # type: ignore[misc]
        with pytest.raises(error):
            _ = [stream.poll() for _ in content]


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize("story", ["ocs-advfirewall/pfirewall.log", "dpm-tmg/tmg.log"])
def test_in_whatever_pieces_it_comes_it_is_what_the_whole_file_says(step: int, story: str) -> None:
    data = (PCAPS / story).read_bytes()[: 4000 if step == 1 else None]
    pieces: list[bytes | None] = [data[at : at + step] for at in range(0, len(data), step)]
    stream = FollowedStream("-", lambda: pieces.pop(0) if pieces else b"", _ignore)
    found = []
    while not stream.ended:
        found += stream.poll()
    whole = read(str(PCAPS / story))
    entries = [one for one in found if isinstance(one, LogEntry)]
    assert entries[:-1] == list(whole.entries)[: len(entries) - 1]
    assert len(entries) > 10
    assert step == 1 or entries == list(whole.entries)


def test_an_interrupted_follower_leaves_no_thread_behind(log: _Log) -> None:
    import threading

    before = threading.active_count()
    log.new()
    assert threading.active_count() == before + 1
    log.followed.finish()
    assert threading.active_count() == before


def test_windows_files_are_not_held_open() -> None:
    assert (os.name != "nt") == follow.HOLDS
