"""Every PDU with its connection, and calls out of them."""

import pytest

from rpcdiag.capture.choice import Engine
from rpcdiag.errors import InputError
from rpcdiag.sweep.machine import Machine
from rpcdiag.track import transcript
from rpcdiag.track.spoken import Call, Outcome
from rpcdiag.track.transcript import Transcript
from rpcdiag.track.wire import Wire
from tests.build import conversation, pdus, smb2
from tests.build.conversation import Recording, Tcp
from tests.build.exchanges import DRSUAPI, LSARPC, session
from tests.build.story import START
from tests.build.verifying import CLIENT, SERVER, map_request, map_response, mapper, saved, spoken


def _calls(data: bytes) -> list[Call]:
    with saved(data) as path:
        whole = Transcript(Wire(path).rows())
        return [call for one in whole for call in one.calls] + list(whole.open_calls())


def test_every_pdu_is_told_with_its_ends_and_packets() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    asked = tcp.send(map_request())
    told = tcp.reply(map_response())
    with saved(recording.pcapng()) as path:
        rows = list(Wire(path).rows())
    assert [(row.from_client, row.data[2]) for row in rows] == [(True, 11), (False, 12), (True, 0), (False, 2)]
    assert [row.packet for row in rows[2:]] == [asked, told]
    assert all(len(row.data) == row.length for row in rows)
    assert {(str(row.ends.client), str(row.ends.server), row.ends.transport, row.ends.pipe) for row in rows} == {
        (f"{CLIENT}:50000", f"{SERVER}:135", "ncacn_ip_tcp", None)
    }


def _piped(*, named: bool = True) -> Recording:
    """Two pipes of one SMB session, which begins with packet 1."""
    smb = smb2.logged_on()
    pipes = [smb.create(smb.tree(), name) for name in ("samr", "LSARPC")]
    if not named:
        smb.messages.clear()
    for pipe in pipes:
        smb.write(pipe, pdus.bind([(*LSARPC, [pdus.NDR32])]))
        smb.read(pipe, pdus.bind_ack(pdus.ACCEPTED_32, ""))
        smb.transceive(pipe, pdus.request(6, bytes(20)), pdus.response(bytes(20)))
    return conversation.spoken(smb.messages, 445)


def test_pipes_have_their_names_and_the_first_packet_of_their_session() -> None:
    with saved(_piped().pcapng()) as path:
        rows = list(Wire(path).rows())
    assert len(rows) == 8
    assert {row.ends.first_packet for row in rows} == {1}
    assert {row.ends.transport for row in rows} == {"ncacn_np"}
    assert [row.ends.pipe for row in rows] == ["\\pipe\\samr"] * 4 + ["\\pipe\\LSARPC"] * 4
    assert len({row.serial for row in rows}) == 2
    assert [row.from_client for row in rows] == [True, False] * 4


def test_a_pipe_that_was_opened_before_the_capture_has_no_name() -> None:
    with saved(_piped(named=False).pcapng()) as path:
        rows = list(Wire(path).rows())
    assert {(row.ends.transport, row.ends.pipe) for row in rows} == {("ncacn_np", None)}
    assert len({row.serial for row in rows}) == 2


def test_a_pdu_in_two_segments_names_both_packets() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    last = tcp.send(pdus.request(0, bytes(2000)), acknowledge=False)
    with saved(recording.pcapng()) as path:
        *_, row = Wire(path).rows()
    assert (row.first_packet, row.packet, row.length) == (last - 1, last, 2024)


def test_what_the_capture_cut_off_is_not_in_the_data() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(pdus.request(0, bytes(400)))
    recording.frames = [frame._replace(data=frame.data[:130], length=len(frame.data)) for frame in recording.frames]
    with saved(recording.pcapng()) as path:
        *_, row = Wire(path).rows()
    assert (len(row.data), row.length) == (130 - 54, 424)


def test_a_file_that_is_cut_says_so_after_its_rows() -> None:
    recording = Recording(START)
    mapper(recording)
    with saved(recording.pcap()[:-10]) as path:
        wire = Wire(path)
        assert len(list(wire.rows())) == 2
        assert wire.trouble is not None


def test_what_is_no_capture_is_an_input_error() -> None:
    with saved(b"nothing of the kind") as path, pytest.raises(InputError):
        Wire(path)


def test_a_request_and_its_answer_are_a_call() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    asked, told = tcp.send(map_request()), tcp.reply(map_response())
    (call,) = _calls(recording.pcapng())
    assert call.interface is not None
    assert (call.interface.uuid, call.opnum, call.call_id, call.outcome) == (pdus.EPM, 3, 2, Outcome.RESPONSE)
    assert (call.request_packet, call.answer_packet, call.secondary_address) == (asked, told, "135")
    assert call.request_ns is not None
    assert call.answer_ns is not None
    assert call.request_ns < call.answer_ns


def test_an_answer_tells_what_its_request_was() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request())
    tcp.reply(map_response(49999))
    *_, answer = spoken(recording.pcapng())
    assert answer.opnum == 3
    assert answer.referral is not None
    assert [endpoint.port for endpoint in answer.referral.endpoints] == [49999]


def test_an_answer_of_several_fragments_ends_with_the_last() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request())
    pieces = pdus.fragments(pdus.map_response([pdus.tower(*DRSUAPI, 49670, SERVER)]), 40)
    packets = [tcp.reply(piece) for piece in pieces]
    assert len(pieces) > 2
    (call,) = _calls(recording.pcapng())
    assert call.answer_packet == packets[-1]
    referred = [one.referral for one in spoken(recording.pcapng()) if one.referral]
    assert [endpoint.port for one in referred for endpoint in one.endpoints] == [49670]


def test_faults_one_way_calls_and_silence() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request(2))
    tcp.reply(pdus.fault(0x1C010003, call_id=2))
    tcp.send(pdus.request(1, b"", call_id=3, flags=0x43))
    tcp.send(map_request(4))
    found = {call.call_id: call for call in _calls(recording.pcapng())}
    assert found[2].outcome is Outcome.FAULT
    assert found[2].status == 0x1C010003
    assert found[3].outcome is Outcome.ONE_WAY
    assert found[4].outcome is Outcome.UNANSWERED


def test_an_answer_without_request_is_a_call_that_says_so() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.reply(map_response(call_id=77))
    (call,) = _calls(recording.pcapng())
    assert (call.outcome, call.request_packet, call.opnum, call.call_id) == (Outcome.WITHOUT_REQUEST, None, None, 77)


def test_a_callback_is_a_call_of_the_server() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.reply(pdus.request(9, bytes(4), call_id=5))
    tcp.send(pdus.response(bytes(4), call_id=5))
    (call,) = _calls(recording.pcapng())
    assert call.backwards
    assert (call.opnum, call.outcome) == (9, Outcome.RESPONSE)


def test_more_open_calls_than_are_remembered_lose_the_oldest_and_none_silently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcript, "MAX_PENDING", 4)
    monkeypatch.setattr(transcript, "MAX_CONNECTIONS", 2)
    recording = Recording(START)
    for port in range(50000, 50003):
        tcp = mapper(recording, port)
        for call_id in range(2, 12):
            tcp.send(map_request(call_id))
    calls = _calls(recording.pcapng())
    assert sorted((call.ends.client.port, call.call_id) for call in calls) == [
        (port, call_id) for port in range(50000, 50003) for call_id in range(2, 12)
    ]
    assert {call.outcome for call in calls} == {Outcome.UNANSWERED}


def test_a_pdu_that_does_not_decode_is_told_with_its_reason() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(pdus.pdu(pdus.BIND, bytes(8) + b"\xff" + bytes(20)))
    *_, last = spoken(recording.pcapng())
    assert last.pdu is None
    assert last.header is not None
    assert "255 contexts" in str(last.error)


def test_contexts_keep_their_interfaces() -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50000, SERVER, 49670)
    tcp.open()
    session(tcp, DRSUAPI, 2)
    assert {call.interface.uuid for call in _calls(recording.pcapng()) if call.interface} == {DRSUAPI[0]}


def test_the_compiled_pass_tells_the_same_rows(machine: Machine) -> None:
    recording = Recording(START)
    for port in range(50000, 50010):
        tcp = mapper(recording, port)
        for call_id in range(2, 12):
            tcp.send(map_request(call_id))
            tcp.reply(map_response(49670, call_id))
    with saved(recording.pcapng()) as path:
        plain, compiled = Wire(path, Engine("python")), Wire(path, Engine("compiled"))
        rows = list(plain.rows())
        assert len(rows) == 220
        assert list(compiled.rows()) == rows


def test_an_answer_recorded_before_its_request_finds_it() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    asked = tcp.send(map_request(), acknowledge=False)
    told = tcp.reply(map_response(), acknowledge=False)
    frames = recording.frames
    frames[asked - 1], frames[told - 1] = frames[told - 1], frames[asked - 1]
    (call,) = _calls(recording.pcapng())
    assert (call.outcome, call.request_packet, call.answer_packet, call.opnum) == (Outcome.RESPONSE, told, asked, 3)


def test_an_old_answer_is_not_that_of_a_request_that_came_later() -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.reply(map_response())
    tcp.send(map_request())
    tcp.reply(map_response())
    assert sorted(call.outcome for call in _calls(recording.pcapng())) == [Outcome.RESPONSE, Outcome.WITHOUT_REQUEST]
