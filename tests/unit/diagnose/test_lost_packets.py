"""Captures that lack packets of conversations that went well: no failure is made of the gaps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.capture.choice import PYTHON, Engine
from rpcdiag.model.evidence import Confidence, Severity
from tests.build import exchanges, pdus
from tests.build.containers import Frame, pcap
from tests.build.conversation import SECOND, Recording, Tcp, datagram
from tests.build.story import START

CLIENT, SERVER, PORT = "10.5.0.10", "10.6.0.20", 49153
NOT_REGISTERED = 0x16C9A0D6


def _used(recording: Recording) -> None:
    tcp = Tcp(recording, CLIENT, 51101, SERVER, PORT)
    tcp.open()
    exchanges.session(tcp, exchanges.DRSUAPI)
    tcp.close()


def _looked_up(recording: Recording) -> None:
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, PORT)
    _used(recording)


def _asked_twice(recording: Recording) -> None:
    """The first question is answered with nothing; the client logs on and asks again."""
    tcp = Tcp(recording, CLIENT, 51100, SERVER, 135)
    tcp.open()
    exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
    exchanges.ask(tcp, exchanges.DRSUAPI, [], NOT_REGISTERED)
    tcp.send(pdus.bind(pdus.contexts(pdus.EPM, "3.0"), alter=True, auth=(10, 5, exchanges.NTLM1)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_64, "", alter=True, auth=(10, 5, exchanges.NTLM2)))
    tcp.send(pdus.auth3(exchanges.NTLM3))
    exchanges.ask(tcp, exchanges.DRSUAPI, [pdus.tower(*exchanges.DRSUAPI, PORT, SERVER)], call_id=9)
    tcp.close()
    _used(recording)


def _activated(recording: Recording) -> None:
    tcp = Tcp(recording, CLIENT, 51100, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", [f"{SERVER}[{PORT}]"])
    used = Tcp(recording, CLIENT, 51101, SERVER, PORT)
    used.open()
    exchanges.exporter(used)


def _frames(build: Callable[[Recording], None]) -> list[Frame]:
    recording = Recording(START)
    build(recording)
    recording.wait(20 * SECOND)
    datagram(recording, CLIENT, 40_000, "10.5.0.11", 9)  # the capture runs on
    return recording.frames


def _alarms(path: Path, frames: list[Frame]) -> list[str]:
    path.write_bytes(pcap(frames))
    found = analyze([str(path)], engine=Engine(PYTHON)).findings
    return [one.rule for one in found if one.severity is not Severity.NOTE]


@pytest.mark.parametrize("build", [_looked_up, _asked_twice, _activated])
def test_any_packet_may_be_missing_and_any_two_in_turn(
    tmp_path: Path, build: Callable[[Recording], None]
) -> None:  # fmt: skip
    frames = _frames(build)
    found = {
        (at, count): alarms
        for count in (1, 2)
        for at in range(len(frames))
        if (alarms := _alarms(tmp_path / "capture.pcap", frames[:at] + frames[at + count :]))
    }
    assert found == {}


@pytest.mark.parametrize("build", [_looked_up, _activated])
def test_all_that_the_mapper_says_may_be_missing(tmp_path: Path, build: Callable[[Recording], None]) -> None:
    """The server's segments with data: only its acknowledgements tell that it is there."""
    kept = [
        frame
        for frame in _frames(build)
        if not (
            frame.data[26:30] == bytes((10, 6, 0, 20)) and frame.data[34:36] == b"\x00\x87" and len(frame.data) > 66
        )
    ]
    assert _alarms(tmp_path / "capture.pcap", kept) == []


@pytest.mark.parametrize(("lost", "confidence"), [(False, Confidence.ESTABLISHED), (True, Confidence.LIKELY)])
def test_a_refusal_at_a_level_that_nobody_saw(tmp_path: Path, lost: bool, confidence: Confidence) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 51101, SERVER, PORT)
    tcp.open()
    tcp.send(pdus.bind([(*exchanges.SVCCTL, [pdus.NDR32])]))
    bound = tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, str(PORT)))
    tcp.send(pdus.request(15, bytes(24)))
    tcp.reply(pdus.fault(5))
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap(recording.frames[bound:] if lost else recording.frames))
    (finding,) = [one for one in analyze([str(path)]).findings if one.rule == "access-denied"]
    assert finding.confidence is confidence
