"""tshark's reading against ours, on captures made for it; and what tshark is known to get wrong."""

import random
import subprocess
from struct import pack

import pytest

from rpcdiag.dissect.interfaces import interface_name
from rpcdiag.dissect.status import status_name
from rpcdiag.errors import InputError, MissingPiece
from rpcdiag.verify import peer
from rpcdiag.verify.compare import Why
from rpcdiag.verify.peer import Peer
from rpcdiag.verify.reading import TCP
from tests.build import pdus
from tests.build.conversation import Recording, Tcp
from tests.build.disorder import WAYS, made
from tests.build.exchanges import activate, activator
from tests.build.story import START
from tests.build.verifying import (
    CLIENT,
    SERVER,
    compared,
    local_tower,
    map_request,
    map_response,
    mapper,
    needs_tshark,
    saved,
    spoken,
)


def _shown(data: bytes) -> str:
    """All that tshark prints of the PDUs."""
    with saved(data) as path:
        run = subprocess.run(["tshark", "-n", "-r", path, "-V", "-Y", "dcerpc"], capture_output=True, check=True)
    return run.stdout.decode()


@needs_tshark
def test_a_mapper_and_an_activation_are_read_alike() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request())
    tcp.reply(map_response())
    tcp = Tcp(recording, CLIENT, 50001, SERVER, 135)
    tcp.open()
    activator(tcp)
    activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", ["10.0.0.2[49671]", "SERVER[49671]"])
    tcp = Tcp(recording, "fe80::1", 50002, "fe80::2", 49672)
    tcp.open()
    tcp.send(pdus.request(5, bytes(8), instance="00001234-0000-0000-c000-000000000046"))
    tcp.reply(pdus.fault(5))
    comparison, differences = compared(recording.pcapng())
    assert not differences
    assert comparison.sums(TCP)[:4] == (11, 11, 11, 11)


@needs_tshark
def test_a_reading_of_ours_that_is_wrong_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request())
    tcp.reply(map_response(49670))
    told = peer._body

    def other(proto: object, pdu: object) -> None:
        told(proto, pdu)  # type: ignore[arg-type]  # as it is called
        pdu.fields["towers"] = "49671"  # type: ignore[attr-defined]  # a Reading

    monkeypatch.setattr(peer, "_body", other)
    _, differences = compared(recording.pcapng())
    assert ("towers", Why.VALUE) in [(one.what, one.why) for one in differences]


@needs_tshark
@pytest.mark.parametrize("seed", range(4))
def test_it_does_not_matter_how_segments_cut_the_stream(seed: int) -> None:
    """Headers are kept whole: see the test below."""
    chance = random.Random(seed)
    recording = Recording(START)
    tcp = mapper(recording)
    for call_id in range(2, 8):
        for side, data in ((0, map_request(call_id)), (1, map_response(1024 + call_id, call_id))):
            at = chance.randint(16, len(data))
            for piece in (data[:at], data[at:]):
                (tcp.reply if side else tcp.send)(piece, acknowledge=False)
    comparison, differences = compared(recording.pcapng())
    assert not differences
    assert comparison.sums(TCP).agreed == 14


@needs_tshark
def test_a_header_in_two_segments_is_a_pdu_to_us_alone() -> None:
    """[C706] 12.6: PDUs are a stream of bytes, whatever the segments; tshark wants the 16 bytes at once."""
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request())
    answer = map_response()
    tcp.reply(answer[:10], acknowledge=False)
    tcp.reply(answer[10:])
    _, (difference,) = compared(recording.pcapng())
    assert (difference.what, difference.why) == ("only-ours", Why.FRAMING)
    assert difference.ours is not None
    assert difference.ours.fields["towers"] == "49670"


@needs_tshark
def test_a_lost_segment_loses_the_port_for_tshark_and_not_for_us() -> None:
    """The long bind_ack lacks its first segment; the mapper's answer begins in the middle of its last."""
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50000, SERVER, 135)
    tcp.open()
    tcp.send(pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]))
    tcp.send(map_request())
    last = tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135", auth=(9, 6, bytes(3000))) + map_response(49670))
    del recording.frames[last - 3]
    _, (difference,) = compared(recording.pcapng())
    assert (difference.what, difference.why, difference.packet) == ("only-ours", Why.FRAMING, last - 1)
    assert difference.ours is not None
    assert difference.ours.fields["towers"] == "49670"


@needs_tshark
def test_tshark_calls_the_mapper_version_4() -> None:
    """The interface is version 3.0. [C706] appendix O"""
    recording = Recording(START)
    mapper(recording)
    assert "EPMv4 V3.0" in _shown(recording.pcapng())
    bind = next(iter(spoken(recording.pcapng()))).pdu
    (context,) = bind.contexts  # type: ignore[union-attr]  # a bind
    assert (interface_name(context.interface.uuid), context.interface.version) == ("epmapper", "3.0")


@needs_tshark
def test_tshark_calls_the_floor_of_ncalrpc_spx() -> None:
    """0x0c is the local protocol. [C706] appendix I"""
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request())
    tcp.reply(pdus.response(pdus.map_response([local_tower("LRPC-1234")])))
    assert "SPX? (0x0c)" in _shown(recording.pcapng())
    *_, answer = spoken(recording.pcapng())
    assert answer.referral is not None
    (endpoint,) = answer.referral.endpoints
    assert (endpoint.protseq, endpoint.pipe) == ("ncalrpc", "LRPC-1234")


@needs_tshark
def test_tshark_has_no_name_for_not_registered() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request())
    tcp.reply(pdus.response(pdus.map_response([], pdus.NOT_REGISTERED)))
    assert "Return code: 0x16c9a0d6\n" in _shown(recording.pcapng())
    assert status_name(pdus.NOT_REGISTERED) == "ept_s_not_registered"
    assert not compared(recording.pcapng())[1]


@needs_tshark
def test_what_the_capture_cut_off_is_its_own_class() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(pdus.request(7, bytes(400)))
    recording.frames = [frame._replace(data=frame.data[:130], length=len(frame.data)) for frame in recording.frames]
    assert {one.why for one in compared(recording.pcapng())[1]} <= {Why.CUT}


@needs_tshark
def test_a_cut_file_is_read_to_there_and_tshark_says_so() -> None:
    recording = Recording(START)
    mapper(recording)
    with saved(recording.pcap()[:-10]) as path:
        other = Peer(path)
        assert len(list(other.readings())) == 2
        assert other.trouble is not None


@needs_tshark
def test_what_tshark_cannot_read_is_an_input_error() -> None:
    with saved(pack("<I", 7) * 20) as path, pytest.raises(InputError, match="tshark"):
        list(Peer(path).readings())


@needs_tshark
def test_a_reading_that_nobody_wants_any_more_ends_the_program() -> None:
    recording = Recording(START)
    for port in range(50000, 50040):
        tcp = mapper(recording, port)
        tcp.send(map_request())
    with saved(recording.pcapng()) as path:
        readings = Peer(path).readings()
        next(readings)
        readings.close()  # type: ignore[attr-defined]  # a generator


def test_without_tshark_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPiece, match="install tshark"):
        Peer("capture")


@needs_tshark
@pytest.mark.parametrize("way", WAYS)
def test_whatever_happens_to_the_packets_tshark_knows_nothing_that_we_do_not(way: str) -> None:
    for seed in range(6):
        _, differences = compared(made(seed, way))
        for one in differences:
            assert one.what != "only-theirs"
            if one.ours is not None and one.theirs is not None and one.why is not Why.MALFORMED:
                assert one.what in one.ours.fields
                assert one.what not in one.theirs.fields
        assert way != "whole" or not differences


@needs_tshark
def test_names_that_do_not_print_are_still_the_same_names() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])], alter=True, call_id=5))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "\x01\x1b[2J<&>\"'\x7f\x80ü]]>", alter=True, call_id=5))
    tcp = Tcp(recording, CLIENT, 50009, SERVER, 135)
    tcp.open()
    activator(tcp)
    activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", ["\x1b]0;x\x07<a>\uffff[49670]", "a b[49671]"])
    assert not compared(recording.pcapng())[1]
