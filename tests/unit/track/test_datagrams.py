"""Connectionless RPC as conversations: roles, calls and their fates, referrals, bounds."""

from collections.abc import Iterable
from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from struct import pack
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpcdiag.analysis import analyze
from rpcdiag.capture.reader import CaptureReader
from rpcdiag.dissect.connectionless import CONV
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.flows.flow import UDP, Flow, TcpOutcome
from rpcdiag.model.packets import Endpoint
from rpcdiag.sweep.columns import EV_DATAGRAM, EVENT_WIDTH
from rpcdiag.sweep.packets import CONNECTIONLESS, NAME_ANSWER
from rpcdiag.track import datagram_calls
from rpcdiag.track import datagrams as tracked
from rpcdiag.track.datagram_calls import DatagramFlow
from rpcdiag.track.datagrams import Datagrams
from rpcdiag.track.facts import Fate, Readable, ReferralKind
from tests.build import pdus
from tests.build.conversation import Recording, datagram, icmp_error
from tests.build.datagrams import (
    ACK,
    ACTIVITY,
    CALLBACK,
    CONVERSATION,
    FACK,
    FAULT,
    FRAGMENT,
    IDEMPOTENT,
    LAST_FRAGMENT,
    MAYBE,
    NOCALL,
    PING,
    REJECT,
    REQUEST,
    RESPONSE,
    WORKING,
    Call,
    acknowledged,
    asked,
    converse,
    fack,
    failed,
    fragments,
    lookup,
    pdu,
)
from tests.build.messages import CLIENT, SERVER, Message

SECOND = 1_000_000_000
SERVICE = ("5a7c1e00-93d4-4f06-8b2a-6d0c5e9f1a34", "1.0")
CALL = Call(SERVICE, opnum=7)
C, S, ELSEWHERE = ("10.0.0.5", 49_800), ("10.0.0.9", 135), ("10.0.0.9", 49_161)
C6, S6 = ("2001:db8::5", 49_800), ("2001:db8::9", 135)
Ends = tuple[str, int]


class Said(NamedTuple):
    """One datagram; `cut` bytes of it are not in the capture."""

    source: Ends
    destination: Ends
    data: bytes
    point: int = 0
    cut: int = 0


def told(said: Iterable[Said], what: int = CONNECTIONLESS) -> tuple[list[int], memoryview]:
    """The events of datagrams, a packet and a millisecond each."""
    rows: list[int] = []
    arena = bytearray(b"before")
    for number, one in enumerate(said, start=1):
        ends = [ip_address(host).packed for host, _ in (one.source, one.destination)]
        kept = one.data[: max(0, len(one.data) - one.cut)]
        row = [
            EV_DATAGRAM,
            what,
            number,
            number * 1_000_000,
            one.point,
            len(ends[0]),
            len(arena),
            len(kept),
            len(one.data),
        ]
        rows += row + [0] * (EVENT_WIDTH - len(row))
        arena += b"".join(ends) + pack(">HH", one.source[1], one.destination[1]) + kept
    return rows, memoryview(bytes(arena))


def between(messages: Iterable[Message], client: Ends = C, server: Ends = S, answers: Ends | None = None) -> list[Said]:
    return [
        Said(client, server, data) if side == CLIENT else Said(answers or server, client, data)
        for side, data in messages
    ]


def conversations(said: Iterable[Said], last_ns: int = 100 * SECOND) -> tuple[DatagramFlow, ...]:
    datagrams = Datagrams()
    datagrams.feed(*told(said))
    found = datagrams.conversations(last_ns)
    for one in found:
        check(one)
    return found


def only(said: Iterable[Said], last_ns: int = 100 * SECOND) -> DatagramFlow:
    (one,) = conversations(said, last_ns)
    return one


def check(one: DatagramFlow) -> None:
    """What holds for every conversation."""
    rpc = one.rpc
    assert sum(rpc.fates.values()) == rpc.requests
    assert all(count >= 0 for count in rpc.fates.values())
    assert rpc.fates[Fate.REJECTED] == 0
    assert rpc.bytes_in_pdus + rpc.bytes_skipped + rpc.bytes_missing == rpc.stream_bytes
    assert rpc.stream_bytes == one.flow.client_bytes + one.flow.server_bytes
    assert one.asked_again <= one.repeats <= one.flow.packets == rpc.pdus
    assert sum(use.calls for use in rpc.interfaces) <= rpc.requests


@pytest.mark.parametrize(("client", "server"), [(C, S), (C6, S6)])
@pytest.mark.parametrize("big", [False, True])
def test_a_call_and_its_answer(client: Ends, server: Ends, big: bool) -> None:
    one = only(between(asked(CALL._replace(big=big), bytes(8), bytes(4)), client, server))
    flow, rpc = one.flow, one.rpc
    assert (str(flow.client.address), flow.client.port) == client
    assert (str(flow.server.address), flow.server.port) == server
    assert (flow.outcome, flow.roles, flow.transport, flow.syns) == (TcpOutcome.ESTABLISHED, "content", UDP, ())
    assert (flow.first_packet, flow.last_packet, flow.client_bytes, flow.server_bytes) == (1, 2, 88, 84)
    assert (rpc.requests, rpc.fates[Fate.RESPONSE], one.first_answer) == (1, 1, 2)
    (use,) = rpc.interfaces
    assert (use.interface, use.accepted, use.calls, use.auth_type) == (Syntax(*SERVICE), True, 1, None)


@pytest.mark.parametrize("ends", [{}, {"client": C6[0], "server": S6[0]}])
@pytest.mark.parametrize("big", [False, True])
def test_a_capture_through_the_pass(ends: dict[str, str], big: bool, tmp_path: Path) -> None:
    recording = Recording(1_300_000_000 * SECOND)
    said = acknowledged(CALL._replace(big=big), bytes(40), bytes(24), asked_back=True)
    converse(recording, said, 135, **ends)  # type: ignore[arg-type]  # addresses only
    converse(recording, lookup(SERVICE, 49_555, "10.0.0.9", sequence=1), 135, answers_from=1025, **ends)  # type: ignore[arg-type]  # as above
    path = tmp_path / "capture.pcap"
    path.write_bytes(recording.pcap())
    reader, datagrams = CaptureReader(str(path)), Datagrams()
    for rows, arena in chain(reader.events(), reader.finish()):
        datagrams.feed(rows, arena)
    (one,) = datagrams.conversations()
    check(one)
    assert (one.flow.packets, one.flow.server.port, one.callbacks_answered) == (7, 135, 1)
    assert [end.port for end in one.answered_from] == [1025]
    assert (one.rpc.requests, one.rpc.fates[Fate.RESPONSE]) == (2, 2)
    assert [there.port for there in one.referrals[0].endpoints] == [49_555]


def test_other_events_are_for_others() -> None:
    datagrams = Datagrams()
    datagrams.feed(*told(between(asked(CALL, b"", b"")), NAME_ANSWER))
    assert datagrams.conversations() == ()


def test_the_same_ends_at_two_capture_points_are_two_conversations() -> None:
    said = between(asked(CALL, b"", b""))
    both = conversations([*said, *(one._replace(point=1) for one in said)])
    assert [one.flow.point for one in both] == [0, 1]
    assert [one.repeats for one in both] == [0, 0]


def test_silence_is_the_same_request_again() -> None:
    request = (CLIENT, pdu(REQUEST, CALL, bytes(8)))
    one = only(between([request] * 4))
    assert (one.flow.outcome, one.rpc.requests, one.rpc.fates[Fate.UNANSWERED]) == (TcpOutcome.UNANSWERED, 1, 1)
    assert (one.repeats, one.asked_again, one.first_answer) == (3, 3, None)
    assert (one.flow.repeats_from_client, one.flow.repeated) == (3, (2, 3, 4))
    (call,) = one.rpc.open_calls
    assert (call.packet, call.opnum, call.fate) == (1, 7, Fate.UNANSWERED)
    assert one.rpc.interfaces[0].accepted is None


def test_a_request_at_the_very_end_may_still_be_answered() -> None:
    one = only(between([(CLIENT, pdu(REQUEST, CALL))]), last_ns=SECOND // 2)
    assert one.rpc.fates[Fate.CUT] == 1
    assert [call.fate for call in one.rpc.open_calls] == [Fate.CUT]


def test_a_repeat_that_was_answered_is_no_silence() -> None:
    request, response = asked(CALL, bytes(8), bytes(4))
    one = only(between([request, request, response, response, request]))
    assert (one.rpc.requests, one.rpc.fates[Fate.RESPONSE]) == (1, 1)
    assert (one.repeats, one.asked_again, one.repeated_answers) == (2, 1, 1)
    assert (one.flow.repeats_from_client, one.flow.repeated) == (0, ())


def test_words_that_are_no_answer() -> None:
    back = CALL.booted()
    said = [
        (CLIENT, pdu(REQUEST, CALL)),
        (CLIENT, pdu(PING, CALL)),
        (SERVER, pdu(NOCALL, back)),
        (CLIENT, pdu(REQUEST, CALL)),
        (CLIENT, pdu(PING, CALL)),
        (SERVER, pdu(WORKING, back)),
    ]
    one = only(between(said))
    assert (one.rpc.requests, one.rpc.fates[Fate.UNANSWERED]) == (1, 1)
    assert (one.pings, one.nocalls, one.working, one.asked_again) == (2, 1, 1, 1)
    assert (one.flow.outcome, one.first_answer) == (TcpOutcome.ESTABLISHED, 3)


@pytest.mark.parametrize(
    ("kind", "status", "accepted"), [(FAULT, 5, None), (REJECT, 0x1C010003, False), (REJECT, 0x1C00000B, None)]
)
def test_a_fault_and_a_reject_have_a_status(kind: int, status: int, accepted: bool | None) -> None:
    one = only(between([(CLIENT, pdu(REQUEST, CALL)), (SERVER, failed(kind, CALL.booted(), status))]))
    assert (one.rpc.requests, one.rpc.fates[Fate.FAULT]) == (1, 1)
    (fault,) = one.rpc.faults
    assert (fault.request_packet, fault.packet, fault.status, fault.opnum) == (1, 2, status, 7)
    assert fault.interface == Syntax(*SERVICE)
    assert one.rpc.interfaces[0].accepted is accepted


def test_a_call_that_failed_is_asked_anew_with_the_same_number() -> None:
    request, response = asked(CALL, b"", b"")
    one = only(between([request, (SERVER, failed(REJECT, CALL, 0x1C010006)), request, response]))
    assert (one.rpc.requests, one.rpc.fates[Fate.FAULT], one.rpc.fates[Fate.RESPONSE], one.repeats) == (2, 1, 1, 0)


def test_a_fault_whose_status_the_capture_has_not() -> None:
    said = between([(CLIENT, pdu(REQUEST, CALL)), (SERVER, failed(FAULT, CALL, 5))])
    one = only([said[0], said[1]._replace(cut=2)])
    assert (one.rpc.fates[Fate.FAULT], one.rpc.faults) == (1, ())
    (damage,) = one.rpc.damage
    assert (damage.packet, damage.cut) == (2, True)


def test_maybe_wants_no_answer() -> None:
    one = only(between([(CLIENT, pdu(REQUEST, CALL, flags1=MAYBE | IDEMPOTENT))]))
    assert (one.rpc.requests, one.rpc.fates[Fate.ONE_WAY], one.rpc.open_calls) == (1, 1, ())


def test_maybe_that_is_answered_all_the_same() -> None:
    said = [(CLIENT, pdu(REQUEST, CALL, flags1=MAYBE)), (SERVER, failed(REJECT, CALL, 0x1C010003))]
    one = only(between(said))
    assert (one.rpc.fates[Fate.ONE_WAY], one.rpc.fates[Fate.FAULT]) == (0, 1)


def test_calls_are_told_apart_by_activity_and_number() -> None:
    other = CALL._replace(activity=CALLBACK, opnum=8)
    later = CALL._replace(sequence=1, opnum=9)
    said = [(CLIENT, pdu(REQUEST, one)) for one in (CALL, other, later)]
    said += [(SERVER, pdu(RESPONSE, later)), (SERVER, failed(FAULT, other, 5))]
    one = only(between(said))
    assert [(call.packet, call.opnum) for call in one.rpc.open_calls] == [(1, 7)]
    assert (one.rpc.faults[0].request_packet, one.rpc.faults[0].opnum) == (2, 8)
    assert (one.rpc.requests, one.rpc.fates[Fate.RESPONSE]) == (3, 1)


def test_an_answer_without_its_request() -> None:
    one = only(between([(SERVER, pdu(RESPONSE, CALL)), (SERVER, failed(FAULT, CALL, 5))]))
    assert (one.rpc.requests, one.rpc.orphan_answers) == (0, 2)
    assert (one.flow.client, one.flow.outcome) == (Endpoint(ip_address(C[0]), C[1]), TcpOutcome.ESTABLISHED)
    assert one.rpc.faults[0].request_packet is None


def test_an_answer_from_another_port_belongs_to_the_call() -> None:
    second = CALL._replace(sequence=1)
    said = between(asked(CALL, b"", b""), answers=ELSEWHERE)
    said += between([(CLIENT, pdu(ACK, CALL)), *asked(second, b"", b"")], server=ELSEWHERE)
    one = only(said)
    assert (one.flow.server.port, one.flow.packets) == (135, 5)
    assert one.answered_from == (Endpoint(ip_address(ELSEWHERE[0]), ELSEWHERE[1]),)
    assert (one.rpc.requests, one.rpc.fates[Fate.RESPONSE], one.rpc.orphan_answers) == (2, 2, 0)


def test_an_activity_goes_on_with_another_server() -> None:
    other = ("10.0.0.10", 135)
    first, second = CALL, CALL._replace(sequence=1)
    said = between([(CLIENT, pdu(REQUEST, first))]) + between(asked(second, b"", b""), server=other)
    said += between([(SERVER, pdu(RESPONSE, first))])
    one, two = conversations(said)
    assert (one.flow.packets, one.rpc.fates[Fate.RESPONSE]) == (2, 1)
    assert (two.flow.packets, two.rpc.fates[Fate.RESPONSE]) == (2, 1)


@pytest.mark.parametrize("answers", [S, ELSEWHERE])
@pytest.mark.parametrize("back", [CALLBACK, ACTIVITY])
def test_a_server_that_asks_back_stays_the_server(answers: Ends, back: str) -> None:
    client, who, told_back, answer, ack = acknowledged(CALL, bytes(8), bytes(4), asked_back=True)
    conv = Call(CONVERSATION, activity=back)
    who = (SERVER, pdu(REQUEST, conv, who[1][80:], flags1=IDEMPOTENT))
    told_back = (CLIENT, pdu(RESPONSE, conv, bytes(8)))
    said = between([client, who], answers=answers)
    said += between([told_back], server=answers) + between([answer], answers=answers) + between([ack], server=answers)
    one = only(said)
    assert (one.flow.client.port, one.flow.server.port) == (C[1], S[1])
    assert (one.callbacks, one.callbacks_answered) == (1, 1)
    assert (one.rpc.requests, one.rpc.fates[Fate.RESPONSE], one.rpc.orphan_answers) == (1, 1, 0)
    assert [use.interface.uuid for use in one.rpc.interfaces] == [SERVICE[0]]
    assert one.answered_from == (() if answers == S else (Endpoint(ip_address(answers[0]), answers[1]),))


def test_a_client_may_answer_from_another_port_too() -> None:
    client, who, told_back, *_ = acknowledged(CALL, bytes(8), bytes(4), asked_back=True)
    one = only([*between([client, who]), *between([told_back], (C[0], 5000))])
    assert (one.callbacks_answered, one.answered_from, one.flow.client_bytes) == (1, (), 88 + 88)


def test_a_capture_that_begins_with_the_question_back() -> None:
    said = acknowledged(CALL, bytes(8), bytes(4), asked_back=True)[1:]
    one = only(between(said))
    assert (one.flow.client.port, one.flow.server.port) == (C[1], S[1])
    assert (one.callbacks, one.callbacks_answered, one.rpc.requests, one.rpc.orphan_answers) == (1, 1, 0, 1)


def test_a_server_may_call_back_within_the_same_activity() -> None:
    back = Call(SERVICE, opnum=1, sequence=1)
    said = [(CLIENT, pdu(REQUEST, CALL)), (SERVER, pdu(REQUEST, back)), (CLIENT, pdu(RESPONSE, back))]
    one = only(between([*said, (SERVER, pdu(RESPONSE, CALL))]))
    assert (one.flow.client.port, one.rpc.requests, one.rpc.fates[Fate.RESPONSE]) == (C[1], 1, 1)
    assert (one.callbacks, one.callbacks_answered) == (1, 1)


def test_both_sides_acknowledge_fragments() -> None:
    said = between([(CLIENT, pdu(REQUEST, CALL)), (SERVER, fack(CALL, 0))], answers=ELSEWHERE)
    one = only([*said, *between([(CLIENT, fack(CALL, 0))], server=ELSEWHERE)])
    assert (one.facks, one.flow.outcome, one.rpc.fates[Fate.UNANSWERED]) == (2, TcpOutcome.ESTABLISHED, 1)


def test_the_same_number_asked_of_another_server_is_another_call() -> None:
    other = ("10.0.0.10", 135)
    one, two = conversations(between([(CLIENT, pdu(REQUEST, CALL))]) + between(asked(CALL, b"", b""), server=other))
    assert (one.rpc.requests, one.rpc.fates[Fate.UNANSWERED]) == (1, 1)
    assert (two.rpc.requests, two.rpc.fates[Fate.RESPONSE]) == (1, 1)


def test_a_host_that_talks_to_itself() -> None:
    one = only(between(asked(CALL, b"", b""), server=(C[0], 135)))
    assert (one.flow.outcome, one.flow.client_bytes, one.flow.server_bytes) == (TcpOutcome.ESTABLISHED, 80, 80)


def test_an_interface_that_answered_is_accepted_for_good() -> None:
    later = CALL._replace(sequence=1)
    said = [*asked(CALL, b"", b""), (CLIENT, pdu(REQUEST, later)), (SERVER, failed(REJECT, later, 0x1C010003))]
    (use,) = only(between(said)).rpc.interfaces
    assert (use.accepted, use.calls) == (True, 2)


def test_conv_among_clients_is_never_their_call() -> None:
    (one,) = conversations(between([(CLIENT, pdu(RESPONSE, Call((CONV, "3.0"))))]))
    assert (one.flow.client.port, one.rpc.requests, one.rpc.orphan_answers) == (C[1], 0, 0)


def test_a_response_the_wrong_way_round_answers_nothing() -> None:
    one = only(between([(CLIENT, pdu(REQUEST, CALL)), (CLIENT, pdu(RESPONSE, CALL))]))
    assert (one.flow.outcome, one.rpc.orphan_answers, one.rpc.requests) == (TcpOutcome.UNANSWERED, 1, 1)


def test_both_ends_may_ask_each_other() -> None:
    said = between(asked(CALL, b"", b"")) + between(
        asked(CALL._replace(activity=CALLBACK), b"", b""), client=S, server=C
    )
    assert [(one.flow.client.port, one.rpc.requests) for one in conversations(said)] == [(C[1], 1), (S[1], 1)]


def test_a_lookup_is_a_referral() -> None:
    one = only(between(lookup(SERVICE, 49_555, "10.0.0.9")))
    (referral,) = one.referrals
    assert (referral.kind, referral.interface, referral.readable) == (
        ReferralKind.EPT_MAP, Syntax(*SERVICE), Readable.CLEAR,
    )  # fmt: skip
    assert [(there.protseq, there.port) for there in referral.endpoints] == [("ncadg_ip_udp", 49_555)]
    assert (referral.request_packet, referral.response_packet) == (1, 2)


def test_a_lookup_that_is_asked_twice_is_one_referral_with_two_tries() -> None:
    said = lookup(SERVICE, 1, "10.0.0.9", status=pdus.NOT_REGISTERED)
    one = only(between(said + lookup(SERVICE, 49_555, "10.0.0.9", sequence=1)))
    (referral,) = one.referrals
    assert [(known.request_packet, known.status) for known in referral.tries] == [(1, pdus.NOT_REGISTERED), (3, 0)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (0, 2, 2, 1, 3)])
def test_fragments_in_any_order(order: tuple[int, ...]) -> None:
    (_, whole), (_, answer) = lookup(SERVICE, 49_555, "10.0.0.9")
    call = Call(opnum=3)
    requests = fragments(REQUEST, call, whole[80:], 50)
    answers = fragments(RESPONSE, call.booted(), answer[80:], 40)
    assert len(requests) >= 3
    assert len(answers) == 4
    said = [(CLIENT, data) for data in requests] + [(SERVER, fack(call, 0)), (CLIENT, fack(call, 0))]
    said[len(requests) : len(requests)] = [(SERVER, fack(call, 1))]
    one = only(between(said + [(SERVER, answers[number]) for number in order]))
    (referral,) = one.referrals
    assert [there.port for there in referral.endpoints] == [49_555]
    assert (one.rpc.requests, one.rpc.fates[Fate.RESPONSE], one.facks) == (1, 1, 3)
    assert (one.repeats, one.repeated_answers) == (0, len(order) - 4)


def test_a_fragment_that_never_came_leaves_no_referral() -> None:
    (request, (_, answer)) = lookup(SERVICE, 49_555, "10.0.0.9")
    pieces = fragments(RESPONSE, Call(opnum=3), answer[80:], 40)
    one = only(between([request, *((SERVER, data) for data in (pieces[0], pieces[3]))]))
    assert (one.referrals, one.rpc.fates[Fate.RESPONSE]) == ((), 1)


def test_a_fragment_that_is_cut_leaves_the_rest_unread() -> None:
    (request, (_, answer)) = lookup(SERVICE, 49_555, "10.0.0.9")
    said = between([request, *((SERVER, data) for data in fragments(RESPONSE, Call(opnum=3), answer[80:], 40))])
    said[1] = said[1]._replace(cut=4)
    (referral,) = only(said).referrals
    assert (referral.readable, referral.status, referral.endpoints) == (Readable.CUT, None, ())


def test_fragments_of_a_request_are_repeated_alone() -> None:
    pieces = fragments(REQUEST, CALL, bytes(100), 40)
    one = only(between([(CLIENT, data) for data in (*pieces, pieces[1])]))
    assert (one.rpc.requests, one.repeats) == (1, 1)


def _secured(data: bytes, level: int) -> bytes:
    return data[:78] + b"\x0a" + data[79:] + bytes(-len(data) % 8) + bytes([level, 0]) + bytes(20)


def test_security_of_an_interface() -> None:
    levels = (2, 5, 2)
    said = [(CLIENT, _secured(pdu(REQUEST, CALL._replace(sequence=at)), level)) for at, level in enumerate(levels)]
    (use,) = only(between(said)).rpc.interfaces
    assert (use.auth_type, use.auth_level, use.calls) == (10, 5, 3)


def test_a_sealed_lookup_says_only_that_it_was() -> None:
    said = [(side, _secured(data, 6)) for side, data in lookup(SERVICE, 49_555, "10.0.0.9")]
    (referral,) = only(between(said)).referrals
    assert (referral.readable, referral.endpoints) == (Readable.SEALED, ())


def test_bytes_that_are_no_header_are_counted() -> None:
    datagrams = Datagrams()
    datagrams.feed(*told([Said(C, S, b"\x05" + bytes(90)), Said(C, S, bytes(100), cut=50)]))
    assert (datagrams.conversations(), datagrams.undecoded) == ((), 2)
    assert [(one.packet, one.cut) for one in datagrams.damage] == [(1, False), (2, True)]


def test_what_follows_a_pdu_is_skipped_and_what_is_cut_is_missing() -> None:
    request = pdu(REQUEST, CALL, bytes(20))
    one = only([Said(C, S, request + b"more"), Said(C, S, pdu(REQUEST, CALL._replace(sequence=1), bytes(9)), cut=5)])
    assert (one.rpc.bytes_in_pdus, one.rpc.bytes_skipped, one.rpc.bytes_missing) == (184, 4, 5)


def test_old_conversations_go_and_are_counted() -> None:
    many = tracked.MAX_CONVERSATIONS
    datagrams = Datagrams()
    datagrams.feed(*told(Said((C[0], 1), (S[0], 1 + port), pdu(REQUEST, CALL)) for port in range(many + 5)))
    found = datagrams.conversations()
    assert (len(found), datagrams.evicted, found[0].flow.server.port) == (many, 5, 6)


def test_old_activities_go_and_their_calls_still_count() -> None:
    many = tracked.MAX_ACTIVITIES
    calls = [CALL._replace(activity=f"{number:08x}{ACTIVITY[8:]}") for number in range(many + 3)]
    said = [(CLIENT, pdu(REQUEST, call)) for call in calls] + [(SERVER, pdu(RESPONSE, calls[0]))]
    one = only(between(said))
    assert (one.rpc.requests, one.evicted_activities) == (many + 3, 3)
    assert (one.rpc.fates[Fate.UNANSWERED], one.rpc.orphan_answers) == (many + 3, 1)
    assert len(one.rpc.open_calls) == datagram_calls.MAX_OPEN_CALLS


def test_an_activity_remembers_its_last_calls() -> None:
    calls = [CALL._replace(sequence=number) for number in range(8)]
    said = [(CLIENT, pdu(REQUEST, call)) for call in (*calls, calls[0])]
    one = only(between(said))
    assert (one.rpc.requests, one.repeats) == (8, 1)


def test_bodies_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "MAX_HELD", 1000)
    calls = [Call(opnum=3, activity=f"{number:08x}{ACTIVITY[8:]}") for number in range(30)]
    datagrams = Datagrams()
    datagrams.feed(*told(between([(CLIENT, pdu(REQUEST, call, bytes(400))) for call in calls])))
    assert datagrams._held == 1200
    (one,) = datagrams.conversations()
    assert one.rpc.requests == 30


def test_what_is_forgotten_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "MAX_ACTIVITIES", 2)
    calls = [Call(opnum=3, activity=f"{number:08x}{ACTIVITY[8:]}") for number in range(30)]
    datagrams = Datagrams()
    datagrams.feed(*told(between([(CLIENT, pdu(REQUEST, call, bytes(400))) for call in calls])))
    assert datagrams._held == 800
    datagrams.feed(*told(between([(SERVER, pdu(RESPONSE, call)) for call in calls])))
    assert datagrams._held == 0


KINDS = st.sampled_from([REQUEST, REQUEST, RESPONSE, FAULT, REJECT, PING, WORKING, NOCALL, ACK, FACK])


@st.composite
def anything(draw: st.DrawFn) -> Said:
    """Any PDU of few ends, activities, numbers and interfaces, which meet by chance; some of it broken."""
    kind = draw(KINDS)
    call = Call(
        draw(st.sampled_from([SERVICE, CONVERSATION, (pdus.EPM, "3.0")])), draw(st.sampled_from([3, 7])),
        draw(st.sampled_from([0, 1, 2, 9, 0xFFFFFFFF])), activity=draw(st.sampled_from([ACTIVITY, CALLBACK])),
        big=draw(st.booleans()),
    )  # fmt: skip
    body = draw(
        st.sampled_from(
            [b"", bytes(4), bytes(16), pdus.uuid(ACTIVITY) + bytes(4), lookup(SERVICE, 1, "1.2.3.4")[1][1][80:]]
        )
    )
    flags = draw(st.sampled_from([0, MAYBE, FRAGMENT, FRAGMENT | LAST_FRAGMENT]))
    data = bytearray(pdu(kind, call, body, flags1=flags, fragment=draw(st.integers(0, 3))))
    for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=2)):
        data[at] = draw(st.integers(0, 255))
    ends = draw(st.permutations([C, S, ELSEWHERE]))
    return Said(ends[0], ends[1], bytes(data), draw(st.integers(0, 1)), draw(st.sampled_from([0, 0, 0, 3, 90])))


@settings(max_examples=300)
@given(st.lists(anything(), max_size=30))
def test_whatever_is_said_the_sums_hold(said: list[Said]) -> None:
    datagrams = Datagrams()
    datagrams.feed(*told(said))
    found = datagrams.conversations()
    for one in found:
        check(one)
    assert sum(one.flow.packets for one in found) + datagrams.undecoded == len(said)
    assert datagrams.conversations() == found


@settings(max_examples=100)
@given(st.lists(anything(), max_size=30))
def test_small_bounds_hold_too(said: list[Said]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, most in (
            ("MAX_CONVERSATIONS", 2),
            ("MAX_ACTIVITIES", 1),
            ("MAX_ACTIVITIES_IN_ALL", 2),
            ("MAX_CALLS", 1),
        ):
            patch.setattr(tracked, name, most)
        for name in ("MAX_OPEN_CALLS", "MAX_INTERFACES", "MAX_FAULTS", "MAX_FRAGMENTS", "MAX_PORTS"):
            patch.setattr(datagram_calls, name, 1)
        datagrams = Datagrams()
        datagrams.feed(*told(said))
        found = datagrams.conversations()
    assert len(found) <= 2
    for one in found:
        check(one)


@given(st.lists(st.binary(max_size=120), max_size=8))
def test_any_bytes_make_no_trouble(payloads: list[bytes]) -> None:
    datagrams = Datagrams()
    datagrams.feed(*told(Said(C, S, data) for data in payloads))
    for one in datagrams.conversations():
        check(one)


@pytest.mark.parametrize(
    ("ends", "sender", "kind", "code", "outcome"),
    [
        ((C, S), S[0], 3, 3, TcpOutcome.REFUSED),
        ((C, S), "10.0.0.254", 3, 13, TcpOutcome.PROHIBITED),
        ((C, S), "10.0.0.254", 3, 3, TcpOutcome.PROHIBITED),  # who says so is not who was asked
        ((C, S), "10.0.0.254", 3, 4, TcpOutcome.UNANSWERED),  # fragmentation needed
        ((C6, S6), S6[0], 1, 4, TcpOutcome.REFUSED),
        ((C6, S6), "2001:db8::fe", 1, 1, TcpOutcome.PROHIBITED),
    ],
)
def test_an_icmp_error_ends_a_conversation_that_nobody_answers(
    tmp_path: Path, ends: tuple[Ends, Ends], sender: str, kind: int, code: int, outcome: TcpOutcome
) -> None:
    (client, server), recording = ends, Recording(0)
    for _ in range(2):
        datagram(recording, *client, *server, pdu(REQUEST, CALL, bytes(40)))
        number = icmp_error(recording, sender, kind, code)
        recording.wait(SECOND)
    (flow,) = _analyzed(tmp_path, recording)
    assert (flow.outcome, flow.transport) == (outcome, UDP)
    assert [(str(error.sender), error.packet, error.quotes_client) for error in flow.icmp] == [
        (sender, number - 2, True), (sender, number, True),
    ]  # fmt: skip


def test_an_icmp_error_about_an_answer_or_another_port_says_nothing_of_the_question(tmp_path: Path) -> None:
    recording = Recording(0)
    datagram(recording, *C, S[0], 4444, b"something else, long enough")
    icmp_error(recording, S[0])
    datagram(recording, *C, *S, pdu(REQUEST, CALL, bytes(40)))
    datagram(recording, *S, *C, pdu(RESPONSE, CALL, bytes(40)))
    icmp_error(recording, C[0])
    (flow,) = _analyzed(tmp_path, recording)
    assert flow.outcome is TcpOutcome.ESTABLISHED
    assert [error.quotes_client for error in flow.icmp] == [False]


def _analyzed(folder: Path, recording: Recording) -> list[Flow]:
    path = folder / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    return [one.flow for one in analyze([str(path)]).case.flows]
