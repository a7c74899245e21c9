"""The compiled pass is machine code: it is run only where nobody else can have written it, and only if it fits."""

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.sweep import cache, compiler
from rpcdiag.sweep import machine as loader
from rpcdiag.sweep.machine import Machine
from tests.unit.sweep.compiled import home

REAL_BUILD_ASIDE = cache.build_aside  # while the tests run, another stands in its place
windows = pytest.mark.skipif(sys.platform == "win32", reason="the access list of the profile decides there")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the user's own, and a loader that has not looked yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(loader, "_loaded", [])
    made = tmp_path / "rpcdiag"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def kept(folder: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds the compiled pass."""
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", home())
        known = cache.read()
    assert known is not None
    name, code, version = known
    return Path(cache.write(name, code, version))


def test_what_was_written_is_read_and_loaded(kept: Path) -> None:
    assert cache.object_path() == str(kept)
    assert isinstance(loader.machine(), Machine)
    assert kept.stat().st_mode & 0o777 == 0o600


@windows
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_not_trusted(kept: Path, mode: int) -> None:
    kept.parent.chmod(mode)
    assert cache.read() is None
    assert loader.machine() is None


@windows
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_object_that_others_can_write_is_not_trusted(kept: Path, mode: int) -> None:
    kept.chmod(mode)
    assert loader.machine() is None


@windows
def test_an_object_of_another_user_is_not_trusted(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = kept.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert loader.machine() is None


def _empty(code: bytes) -> bytes:
    return b""


def _without_code(code: bytes) -> bytes:
    return code[: code.index(b"\n\n") + 2]


def _garbage(code: bytes) -> bytes:
    return b"\x00\xff" * 5000


def _garbage_behind_the_head(code: bytes) -> bytes:
    return _without_code(code) + b"\x00\xff" * 5000


def _half_of_it(code: bytes) -> bytes:
    return code[: len(code) // 2]


def _half_a_head(code: bytes) -> bytes:
    return code[:10]


@pytest.mark.parametrize(
    "damage",
    [_empty, _without_code, _garbage, _half_a_head, _garbage_behind_the_head, _half_of_it],
)
def test_a_damaged_object_is_not_loaded(kept: Path, damage: Callable[[bytes], bytes]) -> None:
    kept.write_bytes(damage(kept.read_bytes()))
    # in a process of its own: what the loader of objects does with rubbish is not known
    asked = "from rpcdiag.sweep.machine import machine; print(machine())"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr


def test_without_an_object_the_interpreter_reads(folder: Path) -> None:
    assert loader.machine() is None
    assert loader.look_again() is None


def test_an_object_that_came_later_is_found_by_those_who_look_again(
    folder: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loader.machine() is None
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", home())
        known = cache.read()
    assert known is not None
    cache.write(*known)
    assert loader.machine() is None
    assert isinstance(loader.look_again(), Machine)


def test_an_object_made_with_another_llvmlite_is_not_loaded(kept: Path) -> None:
    known = cache.read()
    assert known is not None
    cache.write(known[0], known[1], "0.0.1")
    assert loader.machine() is None


def test_the_key_changes_with_any_byte_of_any_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(cache.__file__).parent
    for source in here.glob("*.py"):
        shutil.copy(source, tmp_path)
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "cache.py"))
    before = cache.object_path()
    for name in cache._SOURCES:
        (tmp_path / f"{name}.py").write_bytes((here / f"{name}.py").read_bytes() + b"\n")
        after = cache.object_path()
        assert after != before, name
        before = after


def test_the_key_takes_every_module_that_is_compiled() -> None:
    compiled = {module.__name__.rpartition(".")[2] for module in compiler.MODULES}
    assert compiled | {"columns", "compiler"} <= set(cache._SOURCES)


def test_the_key_changes_with_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.object_path()
    monkeypatch.setattr(cache, "_processor", lambda: "another")
    assert cache.object_path() != before


def test_an_object_comes_whole_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write("old", b"old code", "1")

    def full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="no space"):
            cache.write("new", b"new code", "2")
    assert cache.read() == ("old", b"old code", "1")
    cache.write("new", b"new code", "2")
    assert cache.read() == ("new", b"new code", "2")


def test_the_oldest_objects_of_other_versions_are_forgotten_and_nothing_else(folder: Path) -> None:
    other = folder / "notes.o"
    other.write_bytes(b"mine")
    old = [folder / f"pass-{number}.o" for number in range(cache.KEPT + 2)]
    for age, place in enumerate(old):
        place.write_bytes(b"old")
        os.utime(place, (1_000_000 - age, 1_000_000 - age))
    path = cache.write("name", b"code", "1")
    assert sorted(folder.iterdir()) == sorted([Path(path), other, *old[: cache.KEPT - 1]])


# --- the process aside


@pytest.fixture
def started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have been started."""
    commands: list[list[str]] = []

    def popen(command: list[str], **_: Any) -> object:
        commands.append(command)
        return object()

    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setattr(cache, "can_build", lambda: True)
    monkeypatch.setattr(cache, "_aside", [])
    return commands


def test_one_process_builds_and_no_second_while_it_does(started: list[list[str]]) -> None:
    assert REAL_BUILD_ASIDE()
    assert not REAL_BUILD_ASIDE()
    (command,) = started
    assert command[:3] == [sys.executable, "-m", "rpcdiag.sweep.compiler"]
    assert Path(command[3]).exists()


@pytest.mark.parametrize(("loader", "builds"), [("", False), ("0.0.1", True)])
def test_an_image_that_may_not_be_run_is_not_built_again(started: list[list[str]], loader: str, builds: bool) -> None:
    """Where the system forbids it, another would help no more; what another loader wants, is."""
    cache.write("64", b"code", loader)
    assert REAL_BUILD_ASIDE() is builds
    assert len(started) == builds


def test_where_memory_may_not_become_code_the_interpreter_reads(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidding:
        """A system whose policy is against it."""

        memcpy = memmove = len

        def mprotect(self, *_: object) -> int:
            return -1

    known = cache.read()
    assert known is not None
    if known[2]:
        pytest.skip("this processor's object is loaded by llvmlite")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Forbidding())
    monkeypatch.setattr(ctypes, "cast", lambda *_: ctypes.c_void_p(1))
    assert loader.machine() is None


def test_a_lock_of_somebody_else_is_respected(started: list[list[str]]) -> None:
    Path(f"{cache.object_path()}.lock").touch()
    assert not REAL_BUILD_ASIDE()
    assert not started


def test_a_lock_whose_owner_died_is_taken(started: list[list[str]]) -> None:
    lock = Path(f"{cache.object_path()}.lock")
    lock.touch()
    long_ago = time.time() - cache.STALE_S - 10
    os.utime(lock, (long_ago, long_ago))
    assert REAL_BUILD_ASIDE()
    assert len(started) == 1
    assert time.time() - lock.stat().st_mtime < 60


def test_without_the_compiler_nothing_is_started(started: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "can_build", lambda: False)
    assert not REAL_BUILD_ASIDE()
    assert not started
    assert not Path(f"{cache.object_path()}.lock").exists()


def test_a_folder_that_cannot_be_made_is_no_error(
    started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not REAL_BUILD_ASIDE()
    assert not started


def test_a_process_that_cannot_be_started_is_no_error_and_leaves_no_lock(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def popen(command: list[str], **_: Any) -> object:
        raise OSError("no processes left")

    monkeypatch.setattr(subprocess, "Popen", popen)
    assert not REAL_BUILD_ASIDE()
    assert not Path(f"{cache.object_path()}.lock").exists()


def test_the_lock_goes_also_where_the_build_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = folder / "lock"
    lock.touch()

    def fail() -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(compiler, "warm", fail)
    monkeypatch.setattr(os, "nice", lambda _: 0)
    with pytest.raises(RuntimeError):
        compiler.main([str(lock)])
    assert not lock.exists()
