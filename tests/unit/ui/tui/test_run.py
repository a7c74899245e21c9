"""`live --tui` on a terminal of its own, and why it would not start."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from rpcdiag.ui.cli import main
from rpcdiag.ui.tui import run

CAPTURE = Path(__file__).resolve().parents[4] / "pcaps" / "dynamic-port-closed" / "capture.pcapng"


def _until(terminal: int, text: bytes) -> bytes:
    """Everything the terminal is told until it is told this."""
    got = b""
    while text not in got:
        data = os.read(terminal, 4096)
        assert data, got
        got += data
    return got


@pytest.mark.parametrize(("key", "code"), [(b"q", 1), (b"\x03", 1)])
def test_the_summary_comes_when_the_screen_has_been_given_back(key: bytes, code: int, tmp_path: Path) -> None:
    terminal, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    kept = tmp_path / "kept.pcapng"
    command = [sys.executable, "-m", "rpcdiag", "live", "-r", str(CAPTURE), "--tui", "-w", str(kept)]
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdin=other, stdout=subprocess.PIPE, stderr=other, env=environment) as process:
        os.close(other)
        screen = _until(terminal, b"ENDED")
        os.write(terminal, key)
        assert process.stdout is not None
        after = process.stdout.read().decode()
        assert process.wait() == code
    os.close(terminal)
    assert b"\x1b[?1049h" in screen
    assert b"\x1b[31m" not in screen  # no colour
    assert "Nothing listens on the dynamic port" in after
    assert "\x1b" not in after
    assert kept.read_bytes() == CAPTURE.read_bytes()


def test_an_interrupt_while_the_capture_goes_on(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    terminal, other = pty.openpty()
    command = [sys.executable, "-m", "rpcdiag", "live", "-r", str(fifo), "--tui"]
    environment = {**os.environ, "TERM": "xterm-256color"}
    with (
        subprocess.Popen(command, stdin=other, stdout=subprocess.PIPE, stderr=other, env=environment) as process,
        open(fifo, "wb", buffering=0) as stream,
    ):
        os.close(other)
        stream.write(CAPTURE.read_bytes())
        _until(terminal, b"dynamic-port-closed")  # while it goes on
        process.terminate()
        assert process.stdout is not None
        assert b"Nothing listens on the dynamic port" in process.stdout.read()
        assert process.wait() == 130
    os.close(terminal)


def test_it_needs_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: False)
    assert main(["live", "-r", str(CAPTURE), "--tui"]) == 2
    assert "--tui: needs a terminal" in capsys.readouterr().err


def test_it_is_no_output_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "-r", str(CAPTURE), "--tui", "-T", "ndjson"]) == 2
    assert "choose one" in capsys.readouterr().err


def test_without_textual_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    assert main(["live", "-r", str(CAPTURE), "--tui"]) == 4
    assert "pip install 'rpcdiag[tui]'" in capsys.readouterr().err


def test_a_file_that_is_no_capture_ends_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("not a capture, but long enough to be looked at as if it were one, of some kind", "utf-8")
    terminal, other = pty.openpty()
    command = [sys.executable, "-m", "rpcdiag", "live", "-r", str(path), "--tui"]
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=other, stdout=subprocess.PIPE, stderr=other, env=environment) as process:
        os.close(other)
        assert b"unknown format" in _until(terminal, b"unknown format")
        assert process.wait() == 2
    os.close(terminal)
