"""`live` over a pipe says what `analyze` says of the file."""

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rpcdiag.ui.cli import main

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
STORIES = sorted(path.parent.name for path in PCAPS.glob("*/capture.pcapng"))


def _fed(fifo: Path, data: bytes, pause: float = 0) -> threading.Thread:
    def feed() -> None:
        with open(fifo, "wb", buffering=0) as stream:
            for at in range(0, len(data), 4096):
                stream.write(data[at : at + 4096])
                time.sleep(pause)

    thread = threading.Thread(target=feed)
    thread.start()
    return thread


@pytest.mark.parametrize("story", STORIES)
def test_the_document_is_that_of_the_file(
    story: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = PCAPS / story / "capture.pcapng"
    code = main(["analyze", "-T", "json", str(path)])
    wanted = json.loads(capsysbinary.readouterr().out)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = _fed(fifo, path.read_bytes())
    assert main(["live", "-r", str(fifo), "-T", "json"]) == code
    thread.join()
    got = json.loads(capsysbinary.readouterr().out)
    got["captures"][0]["path"] = str(path)
    assert got == wanted


def test_events_for_machines_hold_the_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    kept = tmp_path / "kept.pcapng"
    data = (PCAPS / "ocs-advfirewall" / "capture.pcapng").read_bytes()
    thread = _fed(fifo, data)
    assert main(["live", "-r", str(fifo), "-T", "ndjson", "-w", str(kept)]) == 1
    thread.join()
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["event_type"] == "start"
    assert events[-1]["event_type"] == "end"
    assert events[-1]["findings"][0]["rule"] == "dynamic-port-blocked"
    found = [event for event in events if event["event_type"] == "finding"]
    assert found[0]["rule"] == "dynamic-port-blocked"
    turns = [event for event in events if event["event_type"] == "turn"]
    assert turns[0]["community_id"].startswith("1:")
    assert kept.read_bytes() == data


def test_findings_come_while_the_capture_goes_on(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data = (PCAPS / "ocs-advfirewall" / "capture.pcapng").read_bytes()
    command = [sys.executable, "-m", "rpcdiag", "live", "-r", str(fifo), "-T", "ndjson"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        open(fifo, "wb", buffering=0) as stream,
    ):
        stream.write(data)
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event_type"] == "finding":
                break
        assert event["rule"] == "dynamic-port-blocked"
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert json.loads(rest.splitlines()[-1])["interrupted"] is True
        assert process.wait(20) == 130


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["live"], "name an interface"),
        (["live", "-r", "x", "-i", "lo"], "name an interface"),
        (["live", "-r", "nothing-there"], "No such file"),
        (["live", "-r", "x", "-b", "files:3"], "not when one is full"),
        (["live", "-r", "x", "-a", "minutes:3"], "is none of duration:NUMBER"),
        (["live", "-r", "x", "-a", "duration:-3"], "is none of"),
        (["live", "-r", "x", "--alert", "http://192.0.2.1:1/"], "only http to this machine"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


def test_a_pipe_that_is_no_capture_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text"
    path.write_bytes(struct.pack("<I", 7) * 100)
    assert main(["live", "-r", str(path)]) == 2
    assert "unknown format" in capsys.readouterr().err


def test_a_pipe_is_left_after_so_many_packets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fifo, kept = tmp_path / "fifo", tmp_path / "kept.pcapng"
    os.mkfifo(fifo)
    data = (PCAPS / "ocs-advfirewall" / "capture.pcapng").read_bytes()
    thread = _fed(fifo, data[:20_000])  # which a pipe holds, whoever reads it
    assert main(["live", "-r", str(fifo), "-T", "ndjson", "-c", "9", "-w", str(kept)]) == 0
    thread.join()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["packets"] == 9
    assert data.startswith(kept.read_bytes())
    assert main(["analyze", "-T", "json", str(kept)]) == 0
    assert json.loads(capsys.readouterr().out)["captures"][0]["packets"] == 9
