"""The compiled pass for tests: from the user's cache, else built once for the whole run, whatever its workers."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache as once
from pathlib import Path

import pytest

from rpcdiag.sweep import cache
from rpcdiag.sweep.machine import Machine, look_again

ROOT = Path(__file__).resolve().parents[3]
BUILD = "from rpcdiag.sweep.compiler import warm; warm()"  # a process of its own: it takes its memory with it
LONGEST_S = 900


@pytest.fixture(scope="session")
def machine() -> Machine:
    """The compiled pass; skips where it cannot be made."""
    return compiled()


@once
def compiled() -> Machine:
    if not cache.can_build():
        pytest.skip("the compiled pass needs numba and llvmlite: pip install 'rpcdiag[fast]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", home())
        found = look_again()
        if found is None:
            with _alone():
                if cache.read() is None:
                    subprocess.run([sys.executable, "-c", BUILD], cwd=ROOT, check=True, timeout=LONGEST_S)
            found = look_again()
    assert found is not None, "the compiled pass was built and cannot be loaded"
    return found


@once
def home() -> str:
    """Where the cache folder is: the user's, or one of the tests where that cannot be written or is not trusted."""
    usual = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(usual) / "rpcdiag"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        if cache.trusted(str(folder)):
            return usual
    except OSError:
        pass
    other = Path(tempfile.gettempdir()) / f"rpcdiag-tests-{os.getuid()}"
    other.mkdir(mode=0o700, exist_ok=True)
    return str(other)


def environment() -> dict[str, str]:
    """For processes that are to find what `compiled` found."""
    return {**os.environ, "XDG_CACHE_HOME": home(), "PYTHONPATH": str(ROOT)}


@contextmanager
def _alone() -> Iterator[None]:
    """One worker builds, the others wait for it."""
    import fcntl

    with open(Path(home()) / "rpcdiag-tests.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
