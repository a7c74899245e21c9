"""Rights that are given up once all is open: logs of root's are followed nevertheless, and nothing else is to be had."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rpcdiag.logs import opening
from rpcdiag.logs.opening import Keeper, open_log, rights_kept, why_not
from tests.build import logs
from tests.build.story import START

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not sys.platform.startswith("linux"),
    reason="only root can give up root's rights",
)
NOBODY = 65534
C, S = "10.0.0.1", "10.0.0.2"
_REPO = Path(__file__).parents[3]


def _row(second: int, port: int = 49664) -> str:
    return logs.pfirewall(START + second * 1_000_000_000, "DROP", C, 50000 + second, S, port, hours=0)


def _secret(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    path.chmod(0o600)
    return path


@contextmanager
def _keeper(*paths: Path, uid: int = NOBODY, gid: int = NOBODY) -> Iterator[Keeper]:
    keeper = Keeper([str(path) for path in paths], uid, gid)
    try:
        yield keeper
    finally:
        keeper.close()


def _read(keeper: Keeper, path: Path) -> bytes:
    with os.fdopen(keeper.descriptor(str(path)), "rb") as stream:
        return stream.read()


def test_what_was_named_is_opened_again_and_again_whatever_has_the_name_now(tmp_path: Path) -> None:
    log = _secret(tmp_path / "x.log", "one")
    with _keeper(log) as keeper:
        assert _read(keeper, log) == b"one"
        log.rename(tmp_path / "x.log.1")
        with pytest.raises(FileNotFoundError):
            keeper.descriptor(str(log))
        _secret(log, "two")
        assert _read(keeper, log) == b"two"


def test_a_descriptor_is_for_reading_only(tmp_path: Path) -> None:
    log = _secret(tmp_path / "x.log", "one")
    with _keeper(log) as keeper:
        descriptor = keeper.descriptor(str(log))
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptor, b"x")
        os.close(descriptor)


def test_nothing_else_is_opened(tmp_path: Path) -> None:
    log, other = _secret(tmp_path / "x.log", "one"), _secret(tmp_path / "other", "secret")
    with _keeper(log) as keeper, pytest.raises(PermissionError):
        keeper.descriptor(str(other))


def _link(log: Path, secret: Path) -> None:
    log.symlink_to(secret)


def _second_name(log: Path, secret: Path) -> None:
    log.hardlink_to(secret)


def _pipe(log: Path, secret: Path) -> None:
    os.mkfifo(log)


def _folder(log: Path, secret: Path) -> None:
    log.mkdir()


def _socket(log: Path, secret: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(log))


@pytest.mark.parametrize("trick", [_link, _second_name, _pipe, _folder, _socket])
def test_what_is_put_in_the_place_of_a_log_is_not_opened(tmp_path: Path, trick: Callable[[Path, Path], None]) -> None:
    log, secret = _secret(tmp_path / "x.log", "one"), _secret(tmp_path / "secret", "secret")
    with _keeper(log) as keeper:
        log.unlink()
        trick(log, secret)
        with pytest.raises(OSError):  # noqa: PT011  which one depends on the trick
            keeper.descriptor(str(log))
        if log.is_dir():
            log.rmdir()
        else:
            log.unlink()
        _secret(log, "two")
        assert _read(keeper, log) == b"two"  # and it goes on


def test_a_folder_in_the_way_cannot_be_replaced_by_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = _secret(folder / "x.log", "one")
    (tmp_path / "secrets").mkdir()
    _secret(tmp_path / "secrets" / "x.log", "secret")
    with _keeper(log) as keeper:
        folder.rename(tmp_path / "away")
        folder.symlink_to(tmp_path / "secrets")
        assert _read(keeper, log) == b"one"


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "handed"),
    [
        (0o755, 0, 0, True),
        (0o775, 0, 4, True),
        (0o1777, 0, 0, True),
        (0o777, 0, 0, False),
        (0o775, 0, NOBODY, False),
        (0o700, NOBODY, 0, False),
    ],
)
def test_nor_out_of_a_folder_in_which_the_reader_can_give_a_file_another_name(
    tmp_path: Path, mode: int, uid: int, gid: int, handed: bool
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = _secret(folder / "x.log", "one")
    os.chown(folder, uid, gid)
    folder.chmod(mode)
    with _keeper(log) as keeper:
        if handed:
            assert _read(keeper, log) == b"one"
        else:
            with pytest.raises(PermissionError, match="only root may read it, and its folder"):
                keeper.descriptor(str(log))


def test_the_process_ends_with_the_one_that_asks(tmp_path: Path) -> None:
    log = _secret(tmp_path / "x.log", "one")
    keeper = Keeper([str(log)], NOBODY, NOBODY)
    process = keeper._process
    keeper.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(PermissionError, match="has ended"):
        keeper.descriptor(str(log))


def test_without_somebody_to_become_there_is_no_process(tmp_path: Path) -> None:
    log = _secret(tmp_path / "x.log", "one")
    with rights_kept([str(log)], None):
        assert opening._keeper is None
    with rights_kept([str(log)], (NOBODY, NOBODY)):
        assert opening._keeper is not None
        with open_log(str(log)) as stream:
            assert stream.read() == b"one"
    assert opening._keeper is None


_AS_NOBODY = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from rpcdiag.logs.opening import why_not
import shlex, pwd, grp, encodings.idna
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
try:
    open(sys.argv[1])
except OSError as error:
    print(why_not(sys.argv[1], error))
"""


def test_who_may_not_read_is_told_the_command_that_lets_him(tmp_path: Path) -> None:
    log = _secret(tmp_path / "x y.log", "one")

    def said() -> str:
        command = [sys.executable, "-c", _AS_NOBODY, str(log), str(_REPO)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert (
        said() == f"Permission denied: 'sudo setfacl -m u:nobody:r '{log}'' lets nobody read it, until it is replaced"
    )
    for folder in (log.parent, *log.parent.parents):
        if folder.stat().st_mode & 0o001 == 0:
            return  # the rest needs a folder that everybody may enter
    os.chown(log, 0, 4)
    log.chmod(0o640)
    assert "'sudo usermod -aG adm nobody'" in said()


def test_root_is_told_no_command() -> None:
    assert why_not("/x", PermissionError(13, "Permission denied")) == "Permission denied"


class _Program:
    """The program in a process of its own; `lines` are those that it has written so far."""

    def __init__(self, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rpcdiag", *arguments], cwd=_REPO, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def until(self, word: str) -> str:
        """Lines up to the one with this word."""
        assert self.process.stdout is not None
        text = ""
        while word not in text:
            line = self.process.stdout.readline()
            assert line, (text, self.process.stderr.read() if self.process.stderr else "")
            text += line
        return text

    def end(self) -> None:
        self.process.kill()
        with self.process:
            pass

    def uids(self) -> set[str]:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return set(next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:])

    def rights(self) -> str:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1]


def test_a_log_of_roots_is_followed_through_its_rotation_by_somebody_else(tmp_path: Path) -> None:
    log = _secret(tmp_path / "pfirewall.log", logs.PFIREWALL + _row(1))
    program = _Program("tail", str(log), "--user", "nobody", "-c", "4", "-T", "ndjson")
    try:
        program.until("50001")
        assert program.uids() == {str(NOBODY)}
        assert int(program.rights(), 16) == 0
        with log.open("a") as stream:
            stream.write(_row(2))
        program.until("50002")
        log.rename(tmp_path / "pfirewall.log.1")
        time.sleep(0.5)  # the name is nobody's for a while
        _secret(log, logs.PFIREWALL + _row(3))
        program.until("50003")
        log.write_text(logs.PFIREWALL + _row(4, 135))  # truncated
        program.until("50004")
        _, complaints = program.process.communicate(timeout=20)
        assert "denied" not in complaints
        assert "was replaced" in complaints
    finally:
        program.end()


def test_a_log_that_is_made_later_is_followed_as_well(tmp_path: Path) -> None:
    log = tmp_path / "pfirewall.log"
    program = _Program("tail", str(log), "--user", "nobody", "-c", "1", "-T", "ndjson")
    try:
        assert program.process.stderr is not None
        assert "no such file; waiting for it" in program.process.stderr.readline()
        _secret(log, logs.PFIREWALL + _row(1))
        program.until("50001")
    finally:
        program.end()


def test_what_is_watched_has_its_log_of_roots_also_when_it_sums_up(tmp_path: Path) -> None:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except (AttributeError, PermissionError):
        pytest.skip("packets cannot be captured here")
    log = _secret(tmp_path / "pfirewall.log", logs.PFIREWALL + _row(1) + _row(2))
    program = _Program(
        "live",
        "-i",
        "lo",
        "--user",
        "nobody",
        "--log",
        str(log),
        "-a",
        "duration:2",
        "-T",
        "json",
        "--fail-on",
        "never",
    )
    try:
        output, complaints = program.process.communicate(timeout=60)
    finally:
        program.end()
    assert '"entries": 2' in output, complaints
    assert "denied" not in complaints
