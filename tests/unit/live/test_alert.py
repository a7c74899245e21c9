"""Who is told of findings, and how often."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from rpcdiag.errors import InputError
from rpcdiag.live.alert import MOST, Alert
from rpcdiag.ui.cli import main

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
HOSTILE = {"rule": "x", "summary": "$(touch pwned) `id` '; rm -rf / \x1b[31m\n"}


def test_a_command_gets_the_finding_on_its_input_and_nothing_as_argument(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    script = tmp_path / "tell.py"
    script.write_text(f"import sys; open({str(told)!r}, 'w').write(str(len(sys.argv)) + sys.stdin.read())")
    alert = Alert(f"{sys.executable} {script}", pytest.fail)
    alert(HOSTILE)
    alert.finish()
    text = told.read_text()
    assert text[0] == "1"
    assert json.loads(text[1:]) == HOSTILE


def test_a_command_that_is_not_there_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    alert = Alert(str(tmp_path / "nothing"), said.append)
    alert(HOSTILE)
    alert.finish()
    assert len(said) == 1
    assert "No such file" in said[0]


def test_no_more_than_so_many_in_a_minute(tmp_path: Path) -> None:
    alert = Alert("true", pytest.fail)
    for _ in range(MOST + 5):
        alert(HOSTILE)
    alert.finish()
    assert alert.left_out == 5


@pytest.mark.parametrize(
    "target",
    ["http://192.0.2.1:80/", "http://example.com:80/", "https://127.0.0.1:1/", "http://127.0.0.1/", "http://", "'"],
)
def test_only_a_server_on_this_machine(target: str) -> None:
    with pytest.raises(InputError):
        Alert(target, pytest.fail)


def test_a_server_on_this_machine_gets_it() -> None:
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    alert = Alert(f"http://127.0.0.1:{server.server_port}/told", pytest.fail)
    alert(HOSTILE)
    alert.finish()
    thread.join()
    server.server_close()
    assert json.loads(got[0]) == HOSTILE


def test_somebody_is_told_of_what_is_found_when_the_capture_ends(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    assert main(["live", "-r", str(PCAPS / "ocs-advfirewall" / "capture.pcapng"), "--alert", f"tee {told}"]) == 1
    found = json.loads(told.read_text(encoding="utf-8"))
    assert (found["rule"], found["case_id"], found["times"]) == ("dynamic-port-blocked", "c1", 1)
