"""Connectionless PDUs joined to calls while they go by."""

import pytest

from rpcdiag.dissect import connectionless
from rpcdiag.track import datagram_transcript
from rpcdiag.track.spoken import Call, Outcome, Spoken
from rpcdiag.track.transcript import Transcript
from rpcdiag.track.wire import DATAGRAM, Wire
from tests.build import datagrams, pdus
from tests.build.conversation import Recording
from tests.build.conversation import datagram as send
from tests.build.datagrams import FAULT, FRAGMENT, IDEMPOTENT, LAST_FRAGMENT, MAYBE, REJECT, REQUEST, RESPONSE
from tests.build.exchanges import DRSUAPI
from tests.build.messages import CLIENT, SERVER, Message
from tests.build.verifying import recording, saved

CALL = datagrams.Call(DRSUAPI, 7, 3)


def _read(told: Recording) -> tuple[list[Spoken], list[Call]]:
    """Every PDU; every call, those that stay open at the end."""
    with saved(told.pcapng()) as path:
        transcript = Transcript(Wire(path).rows())
        spoken = list(transcript)
    return spoken, [call for one in spoken for call in one.calls] + list(transcript.open_calls())


def _said(said: list[Message], *, answers_from: int | None = None) -> tuple[list[Spoken], list[Call]]:
    told = recording()
    datagrams.converse(told, said, 50_135, answers_from=answers_from)
    return _read(told)


def _fates(calls: list[Call]) -> list[tuple[str, int | None, int | None]]:
    return [(call.outcome, call.request_packet, call.answer_packet) for call in calls]


def test_a_request_and_its_answer_are_a_call() -> None:
    spoken, (call,) = _said(datagrams.asked(CALL, bytes(8), bytes(4)))
    assert (call.serial, call.call_id, call.opnum, call.backwards) == (DATAGRAM, 3, 7, False)
    assert call.interface is not None
    assert call.interface.uuid == DRSUAPI[0]
    assert (call.request_packet, call.answer_packet, call.outcome, call.status) == (1, 2, Outcome.RESPONSE, None)
    assert [one.opnum for one in spoken] == [7, 7]
    assert (str(call.ends.client), str(call.ends.server)) == ("10.0.0.5:49800", "10.0.0.9:50135")
    assert (call.ends.transport, call.ends.first_packet) == ("ncadg_ip_udp", 1)


def test_what_is_sent_again_is_no_call_of_its_own() -> None:
    request, response = datagrams.asked(CALL, bytes(8), bytes(4))
    _, calls = _said([request, request, response, request, response])
    assert _fates(calls) == [(Outcome.RESPONSE, 1, 3)]


def test_what_failed_and_is_asked_again_is_another_call() -> None:
    request, response = datagrams.asked(CALL, bytes(8), bytes(4))
    _, calls = _said([request, (SERVER, datagrams.failed(REJECT, CALL, 0x1C00000B)), request, response])
    assert _fates(calls) == [(Outcome.FAULT, 1, 2), (Outcome.RESPONSE, 3, 4)]
    assert [call.status for call in calls] == [0x1C00000B, None]


def test_the_answer_may_come_from_another_port() -> None:
    spoken, (call,) = _said(datagrams.asked(CALL, bytes(8), bytes(4)), answers_from=50_200)
    assert call.outcome is Outcome.RESPONSE
    assert [one.row.ends.server.port for one in spoken] == [50_135, 50_200]
    assert [one.row.from_client for one in spoken] == [True, False]
    assert call.ends.server.port == 50_135


def test_no_answer_none_wanted_and_nobody_asked() -> None:
    said: list[Message] = [
        (CLIENT, datagrams.pdu(REQUEST, CALL)),
        (CLIENT, datagrams.pdu(REQUEST, CALL._replace(sequence=4), flags1=MAYBE)),
        (SERVER, datagrams.pdu(RESPONSE, CALL._replace(sequence=9))),
        (SERVER, datagrams.failed(FAULT, CALL._replace(sequence=10), 5)),
    ]
    _, calls = _said(said)
    assert sorted(_fates(calls), key=str) == [
        (Outcome.ONE_WAY, 2, None),
        (Outcome.UNANSWERED, 1, None),
        (Outcome.WITHOUT_REQUEST, None, 3),
        (Outcome.WITHOUT_REQUEST, None, 4),
    ]


def test_a_server_that_asks_back_stays_the_server() -> None:
    _, calls = _said(datagrams.acknowledged(CALL, bytes(8), bytes(4), asked_back=True))
    assert [(call.backwards, call.outcome, call.request_packet) for call in calls] == [
        (True, Outcome.RESPONSE, 2),
        (False, Outcome.RESPONSE, 1),
    ]
    assert {str(call.ends.client) for call in calls} == {"10.0.0.5:49800"}


def test_a_server_heard_first_stays_the_server() -> None:
    _, (call,) = _said([(SERVER, datagrams.pdu(RESPONSE, CALL))])
    assert (str(call.ends.client), call.backwards) == ("10.0.0.5:49800", False)
    back = CALL._replace(interface=datagrams.CONVERSATION)
    _, (call,) = _said([(SERVER, datagrams.pdu(REQUEST, back, flags1=IDEMPOTENT))])
    assert (str(call.ends.client), call.backwards) == ("10.0.0.5:49800", True)


def test_fragments_in_any_order_are_one_referral() -> None:
    mapper = datagrams.Call(opnum=3)
    answer = pdus.map_response([pdus.udp_tower(*DRSUAPI, 49_700, "10.0.0.9")])
    parts = datagrams.fragments(RESPONSE, mapper, answer, 60)
    request = (CLIENT, datagrams.pdu(REQUEST, mapper, pdus.map_request(pdus.udp_tower(*DRSUAPI, 135, "0.0.0.0"))))
    spoken, calls = _said([request, *((SERVER, part) for part in (parts[1], parts[0], *parts[2:]))])
    (referral,) = [one.referral for one in spoken if one.referral is not None]
    assert [one.port for one in referral.endpoints] == [49_700]
    assert [call.outcome for call in calls] == [Outcome.RESPONSE]


def test_what_does_not_decode_is_told_as_an_error() -> None:
    whole = datagrams.failed(FAULT, CALL, 5)
    cut = whole[:74] + b"\x02\x00" + whole[76:82]
    (one,), calls = _said([(SERVER, cut)])
    assert one.pdu is None
    assert one.error is not None
    assert isinstance(one.header, connectionless.Header)
    assert not calls


def test_the_oldest_calls_leave_the_memory_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagram_transcript, "MAX_CALLS", 3)
    spoken, calls = _said([(CLIENT, datagrams.pdu(REQUEST, CALL._replace(sequence=one))) for one in range(5)])
    assert sorted(call.call_id for call in calls) == [0, 1, 2, 3, 4]
    assert [len(one.calls) for one in spoken] == [0, 0, 0, 1, 1]


def test_bodies_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagram_transcript, "MAX_BODIES", 2)
    transcript = datagram_transcript.DatagramTranscript()
    told = recording()
    for sequence in range(5):
        mapper = datagrams.Call(opnum=3, sequence=sequence)
        for number in (0, 1):
            flags = FRAGMENT | (LAST_FRAGMENT if number == 1 and sequence < 4 else 0)
            data = datagrams.pdu(REQUEST, mapper, bytes(64), flags1=flags, fragment=2 * number)
            send(told, "10.0.0.5", 49_800, "10.0.0.9", 135, data)
    with saved(told.pcapng()) as path:
        for row in Wire(path).rows():
            transcript.take(row)
            assert len(transcript._bodies) <= 2
            assert sum(one.parts is not None for one in transcript._calls.values()) == len(transcript._bodies)
