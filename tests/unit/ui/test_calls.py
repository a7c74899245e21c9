"""`rpcdiag calls`: what was called, how safe it was, and what objects were asked for."""

import json
from pathlib import Path
from struct import pack

import pytest

from rpcdiag.capture.choice import Engine
from rpcdiag.dissect.dcerpc import Response
from rpcdiag.track.call_details import details
from rpcdiag.track.transcript import Transcript
from rpcdiag.track.wire import Wire
from rpcdiag.ui.cli import main
from tests.build import exchanges, pdus
from tests.build.conversation import Recording, Tcp
from tests.build.story import START
from tests.unit.dissect.test_rem_unknown import (
    ADDED,
    ANSWER,
    ANSWER2,
    COUNT,
    OTHER,
    PING,
    PONG,
    QUERY,
    QUERY2,
    RELEASED,
)

C, S = "10.0.0.1", "10.0.0.2"
EXPORTER = ("99fcfec4-5260-101b-bbcb-00aa0021347a", "0.0")
DISCONNECTED = 0x80010108
INVALID_SET = 1912


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
    exchanges.bind(exporter, EXPORTER, 135)
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
    assert "refused, 0x80004002 E_NOINTERFACE" in query
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


def _says(folder: Path, interface: tuple[str, str], calls: list[tuple[int, bytes, bytes]]) -> list[list[str]]:
    """What `rpcdiag calls` says of the answers to calls of the given numbers, requests and answers."""
    recording = Recording(START)
    tcp = Tcp(recording, C, 50001, S, 49670)
    tcp.open()
    tcp.send(pdus.bind([(*interface, [pdus.NDR32])]))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "49670"))
    for at, (opnum, asked, answered) in enumerate(calls, start=2):
        tcp.send(pdus.request(opnum, asked, call_id=at, instance=pdus.IPID if interface != EXPORTER else None))
        tcp.reply(pdus.response(answered, call_id=at))
    (folder / "c.pcapng").write_bytes(recording.pcapng())
    spoken = list(Transcript(Wire(str(folder / "c.pcapng"), Engine()).rows()))
    return [list(details(one).says) for one in spoken if isinstance(one.pdu, Response)]


def test_what_the_exporter_grants_and_refuses(tmp_path: Path) -> None:
    failed = pdus.orpcthat() + pack("<II", 0, DISCONNECTED)
    first, gone, second, added, released = _says(tmp_path, (pdus.REM_UNKNOWN2, "0.0"), [
        (3, QUERY, ANSWER), (3, QUERY, failed), (6, QUERY2, ANSWER2), (4, COUNT, ADDED), (5, COUNT, RELEASED),
    ])  # fmt: skip
    assert [one.split(" (")[0] for one in first] == [f"gets {OTHER}", "refused, 0x80004002 E_NOINTERFACE"]
    assert gone == ["refused, 0x80010108 RPC_E_DISCONNECTED"]
    assert [one.split()[0] for one in second] == ["object", "gets", "refused,"]
    assert added == ["refused, 0x80070057 E_INVALIDARG"]
    assert released == []


def test_what_becomes_of_pings(tmp_path: Path) -> None:
    simple = pack("<Q", 99)
    kept, lost, begun, refused = _says(tmp_path, EXPORTER, [
        (1, simple, pack("<I", 0)), (1, simple, pack("<I", INVALID_SET)), (2, PING, PONG),
        (2, PING, PONG[:-4] + pack("<I", INVALID_SET)),
    ])  # fmt: skip
    assert kept == []
    assert lost == refused == ["refused, 0x00000778 OR_INVALID_SET"]
    assert begun == ["as set 0x0000000000000063"]


def test_a_body_is_read_as_its_context_was_agreed(tmp_path: Path) -> None:
    """A count of 8 bytes, as NDR64 has it: read as NDR32 it would be a refused reference and a status of 2."""
    recording = Recording(START)
    tcp = Tcp(recording, C, 50001, S, 49670)
    tcp.open()
    tcp.send(pdus.bind([(pdus.REM_UNKNOWN2, "0.0", [pdus.NDR64])]))
    tcp.reply(pdus.bind_ack(((0, 0, pdus.NDR64),), "49670"))
    tcp.send(pdus.request(4, bytes(8), call_id=2, instance=pdus.IPID))
    wide = pack("<IIQ", 0, 0, 0) + pack("<QIII", 2, 0, 0x80070057, 1)
    tcp.reply(pdus.response(wide, call_id=2))
    (tmp_path / "c.pcapng").write_bytes(recording.pcapng())
    (answer,) = [
        one for one in Transcript(Wire(str(tmp_path / "c.pcapng"), Engine()).rows()) if isinstance(one.pdu, Response)
    ]
    assert answer.wide
    assert details(answer).says == ("refused, 0x80070057 E_INVALIDARG",)


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"no capture")
    assert main(["calls", str(tmp_path / "x")]) == 2
    assert "unknown format" in capsys.readouterr().err
