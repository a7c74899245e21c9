"""What is missing is said with the command that mends it."""

import json
import sys

import pytest

from rpcdiag.ui import doctor
from rpcdiag.ui.cli import main


def test_every_check_that_is_not_ok_says_how_to_mend_it() -> None:
    found = list(doctor.checks())
    assert len({one.name for one in found}) == len(found)
    for one in found:
        assert one.says
        assert one.state == doctor.OK or one.mend, one.name


def test_a_missing_right_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("rpcdiag.ui.doctor.socket.socket", refused)
    capture = next(one for one in doctor.checks() if one.name == "capture")
    assert capture.state == doctor.MISSING
    assert "setcap cap_net_raw" in (capture.mend or "")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert main(["doctor"]) == 0
    assert "mend: pip install impacket" in capsys.readouterr().out


def test_the_same_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "-T", "json"]) == 0
    told = json.loads(capsys.readouterr().out)["checks"]
    assert {"name", "needed_for", "state", "says", "mend"} == set(told[0])


def test_on_windows_the_log_and_npcap_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    found = {one.name: one for one in doctor.checks()}
    assert "Npcap" in found["capture"].says
    assert "LogBlocked True" in (found["firewall log"].mend or "")
