"""`rpcdiag calls`: what was called, how safe it was, and what objects were asked for."""

import json
from pathlib import Path

import pytest

from rpcdiag.ui.cli import main
from tests.build import exchanges, pdus
from tests.build.conversation import Recording, Tcp
from tests.build.story import START
from tests.unit.dissect.test_rem_unknown import ANSWER, COUNT, PING, QUERY, RELEASED

C, S = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def capture(tmp_path: Path) -> str:
    """Objects that are asked for, let go and pinged; a call that fails, one that hangs, one that is sealed."""
    recording = Recording(START)
    tcp = Tcp(recording, C, 50001, S, 49670)
    tcp.open()
    tcp.send(pdus.bind([(pdus.REM_UNKNOWN2, "0.0", [pdus.NDR32])], auth=(10, 5, exchanges.NTLM1)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "49670", auth=(10, 5, exchanges.NTLM2)))
    tcp.send(pdus.request(3, QUERY, call_id=2, instance=pdus.IPID, auth=exchanges.SIGNATURE))
    tcp.reply(pdus.response(ANSWER, call_id=2, auth=exchanges.SIGNATURE))
    tcp.send(pdus.request(5, COUNT, call_id=3, instance=pdus.IPID))
    tcp.reply(pdus.response(RELEASED, call_id=3))
    tcp.send(pdus.request(3, QUERY, call_id=4, instance=pdus.IPID, auth=(10, 6, bytes(16))))
    tcp.reply(pdus.fault(5, call_id=4))
    tcp.send(pdus.request(4, QUERY[:40], call_id=5, instance=pdus.IPID))
    exporter = Tcp(recording, C, 50002, S, 135)
    exporter.open()
    exchanges.bind(exporter, ("99fcfec4-5260-101b-bbcb-00aa0021347a", "0.0"), 135)
    exporter.send(pdus.request(2, PING, call_id=2))
    path = tmp_path / "c.pcapng"
    path.write_bytes(recording.pcapng())
    return str(path)


def test_a_line_for_every_call(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calls", capture]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    query, release, sealed = lines[:3]
    process = int(pdus.IPID.split("-")[1], 16)
    assert "IRemUnknown2.RemQueryInterface  response  packet-integrity  asks " in query
    assert f"{pdus.IPID} (process {process}, if Windows made it) for IUnknown, " in query
    assert "gets 00012c2b-0a80-0000-570f-81cf2686e86c" in query
    assert "refused, 0x80004002" in query
    assert f"lets go 5 of {pdus.IPID}" in release
    assert "fault 0x00000005" in sealed
    assert "packet-privacy" in sealed
    assert "asks" not in sealed
    assert sum("unanswered" in line for line in lines) == 2
    assert any("pings set 0x0000000000000063: 2 objects added, 1 removed" in line for line in lines)


def test_the_same_for_a_program(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calls", "--json", capture]) == 0
    calls = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first = calls[0]
    assert (first["operation"], first["auth_level"], first["com_version"]) == (
        "RemQueryInterface", "packet-integrity", "5.7",
    )  # fmt: skip
    assert first["object"] == pdus.IPID
    assert first["causality"]
    assert [call["outcome"] for call in calls].count("unanswered") == 2
    assert calls[2]["status"] == "0x00000005"


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"no capture")
    assert main(["calls", str(tmp_path / "x")]) == 2
    assert "unknown format" in capsys.readouterr().err
