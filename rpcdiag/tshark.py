"""tshark, run beside us: no shell, none of the user's own settings, nothing left behind.

Secrets go into its preferences file, which nobody else can read, and never into its arguments, which everybody can.
"""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

from rpcdiag.errors import MissingPiece

REMEDY = "install tshark: apt install tshark, dnf install wireshark-cli, brew install wireshark, or from wireshark.org"
CUT_SHORT = "cut short"
MAX_COMPLAINT = 500
GRACE_S = 10  # from its last output to its end


def program() -> str:
    """Where it is.

    Raises:
        MissingPiece: it is not installed.
    """
    found = shutil.which("tshark")
    if found is None:
        raise MissingPiece("tshark is not installed", REMEDY)
    return found


def version() -> str:
    """The first line that it says of itself.

    Raises:
        MissingPiece: it is not installed.
    """
    done = subprocess.run([program(), "--version"], capture_output=True, text=True, check=False, errors="replace")
    return done.stdout.splitlines()[0] if done.stdout else "tshark"


def reading(path: str) -> list[str]:
    """Arguments to read a capture: the path begins with a slash, and so is no option and not standard input."""
    return ["-n", "-r", str(Path(path).absolute())]


class Run:
    """One run: its output while in the `with` block; how it ended in `code`, `said` and `late` after it.

    Raises:
        MissingPiece: it is not installed.
    """

    def __init__(self, arguments: Sequence[str], *, preferences: str = "", limit_s: float | None = None) -> None:
        self.command = [program(), *arguments]
        self.code = 0
        self.said = ""
        self.late = False  # it was ended after `limit_s`
        self._preferences = preferences
        self._limit_s = limit_s

    def __enter__(self) -> Self:
        self._settings = tempfile.TemporaryDirectory(prefix="rpcdiag-")  # mode 0700
        self._complaints = tempfile.TemporaryFile()
        try:
            if self._preferences:
                _write_private(os.path.join(self._settings.name, "preferences"), self._preferences)  # noqa: PTH118
            own = {"WIRESHARK_CONFIG_DIR": self._settings.name, "XDG_CONFIG_HOME": self._settings.name}
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env={**os.environ, **own, "LC_ALL": "C.UTF-8"},
            )
        except BaseException:
            self._clean()
            raise
        assert self._process.stdout is not None  # a pipe was asked for
        self.output: IO[bytes] = self._process.stdout
        self._timer = threading.Timer(self._limit_s, self._end) if self._limit_s is not None else None
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def _end(self) -> None:
        self.late = True
        self._process.kill()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.output.close()  # whoever has had enough of it ends it
            if kind is None:
                self._wait()
        finally:
            self._process.kill()
            self.code = self._process.wait()
            if self._timer is not None:
                self._timer.cancel()
            self.said = _said(self._complaints)
            self._clean()

    def _wait(self) -> None:
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _clean(self) -> None:
        self._complaints.close()
        self._settings.cleanup()


def _write_private(path: str, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _said(complaints: IO[bytes]) -> str:
    """The last lines of its standard error, without the usual one about root."""
    complaints.seek(0)
    lines = complaints.read(1 << 16).decode("utf-8", "replace").splitlines()
    return " ".join(line for line in lines if line and not line.startswith("Running as user"))[-MAX_COMPLAINT:]
