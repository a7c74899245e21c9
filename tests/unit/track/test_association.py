"""One RPC connection: calls and their fates, contexts, referrals."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.flows.flow import Flow, TcpOutcome
from rpcdiag.model.packets import Endpoint
from rpcdiag.track.facts import Connection, Fate, Readable
from tests.build import exchanges, pdus
from tests.build.exchanges import DRSUAPI, SVCCTL
from tests.build.sweeping import Talk

SECOND = 1_000_000_000
TOWER = pdus.tower(*DRSUAPI, 49667, "10.0.0.9")
SEALED = (10, 6, bytes(16))


def _flow(outcome: TcpOutcome = TcpOutcome.ESTABLISHED, fin: int | None = None) -> Flow:
    from ipaddress import IPv4Address

    ends = [Endpoint(IPv4Address(1), 50000), Endpoint(IPv4Address(2), 135)]
    return Flow(
        number=0, capture=0, point=0, client=ends[0], server=ends[1], roles="syn", first_packet=1, last_packet=9,
        start_ns=0, end_ns=0, packets=9, outcome=outcome, syns=(), syn_count=1, isn=1, syn_ack=2, syn_ack_ns=0, reset=None,
        fin_from_client=None, fin_from_server=fin, icmp=(), client_ttl=1, server_ttl=1, client_bytes=0, server_bytes=0,
        repeats_from_client=0, repeats_from_server=0, repeated=(), stalled_size=0, acknowledged_size=0, silence=None,
        watched_ns=0,
    )  # fmt: skip


def _talk(
    turns: Iterable[tuple[int, bytes]], *, last_ns: int = 100 * SECOND, flow: Flow | None = None
) -> tuple[Connection, Talk]:
    """Each turn is a side and its bytes, a packet and a millisecond each."""
    talk = Talk()
    for number, (side, data) in enumerate(turns, start=1):
        talk.say(side, data, number, number * 1_000_000)
    return talk.connection(flow or _flow(), last_ns), talk


BIND = [(0, pdus.bind(pdus.contexts(*SVCCTL))), (1, pdus.bind_ack(pdus.ACCEPTED_64, "49680"))]
MAPPER = [(0, pdus.bind(pdus.contexts(pdus.EPM, "3.0"))), (1, pdus.bind_ack(pdus.ACCEPTED_64, "135"))]


def test_an_accepted_ndr64_beside_a_rejected_ndr32_is_accepted() -> None:
    rpc, _ = _talk(BIND)
    (use,) = rpc.interfaces
    assert (use.interface, use.accepted) == (SVCCTL, True)
    assert rpc.secondary_address == "49680"


def _cut(whole: bytes, kept: int, *, side: int, packet: int, talk: Talk) -> None:
    talk.say(side, whole[:kept], packet, packet)
    if kept < len(whole):
        talk.lose(side, len(whole) - kept, packet, packet)


def _bound(bind: bytes, ack: bytes, kept: tuple[int, int]) -> Connection:
    talk = Talk()
    for side, whole in enumerate((bind, ack)):
        _cut(whole, kept[side], side=side, packet=side + 1, talk=talk)
    return talk.connection(_flow(), SECOND)


@pytest.mark.parametrize(
    ("kept", "offered", "accepted"),
    [
        ((74, 74), 1, None),  # a snap length of 128: the first result is that of NDR32, which is always refused
        ((42, 42), 0, None),
        ((200, 74), 3, True),  # the second result is there
        ((200, 42), 3, None),
        ((74, 200), 1, None),
        ((200, 200), 3, True),
    ],
)
def test_of_a_cut_bind_and_its_answer_no_more_is_known_than_is_there(
    kept: tuple[int, int], offered: int, accepted: bool | None
) -> None:
    rpc = _bound(BIND[0][1], BIND[1][1], kept)
    (bind,) = rpc.binds
    assert (len(bind.contexts), bind.answer, bind.cut) == (offered, "ack", kept[0] < 160)
    assert [(use.interface, use.accepted) for use in rpc.interfaces] == ([(SVCCTL, accepted)] if offered else [])
    assert [one.cut for one in rpc.damage] == [True] * sum(one < 100 for one in kept)


def test_a_refusal_is_one_where_all_results_of_the_interface_are_there() -> None:
    bind = pdus.bind([(*SVCCTL, [pdus.NDR32]), (*DRSUAPI, [pdus.NDR32]), (*SVCCTL, [pdus.NDR64])])
    ack = pdus.bind_ack(pdus.UNSUPPORTED * 3, "1")
    whole = {use.interface: use.accepted for use in _bound(bind, ack, (len(bind), len(ack))).interfaces}
    assert whole == {SVCCTL: False, DRSUAPI: False}
    rpc = _bound(bind, ack, (len(bind), len(ack) - 22))
    assert {use.interface: use.accepted for use in rpc.interfaces} == {SVCCTL: None, DRSUAPI: False}
    assert rpc.binds[0].refused == (DRSUAPI,)
    assert _bound(bind, ack, (len(bind) - 1, len(ack))).binds[0].refused == ()


@pytest.mark.parametrize(("kept", "level", "cut"), [(200, 5, False), (164, None, True), (74, None, True)])
def test_how_a_cut_bind_is_secured_is_not_known(kept: int, level: int | None, cut: bool) -> None:
    rpc = _bound(pdus.bind(pdus.contexts(*SVCCTL), auth=(9, 5, bytes(200))), BIND[1][1], (kept, 200))
    (bind,), (use,) = rpc.binds, rpc.interfaces
    assert (bind.auth_level, bind.auth_cut, bind.token_cut) == (level, cut, True)
    assert (use.auth_level, use.auth_cut) == (level, cut)


def test_the_level_of_a_fault_on_a_context_of_which_it_is_cut_away_is_not_known() -> None:
    talk = Talk()
    bind = pdus.bind([(*SVCCTL, [pdus.NDR32])], auth=(9, 5, bytes(200)))
    _cut(bind, 74, side=0, packet=1, talk=talk)
    _cut(pdus.request(1, b"x" * 80, auth=SEALED), 40, side=0, packet=2, talk=talk)
    talk.say(1, pdus.fault(5), 3, 3)
    (fault,) = talk.connection(_flow(), SECOND).faults
    assert (fault.interface, fault.auth_level, fault.auth_cut) == (SVCCTL, None, True)


def test_without_a_trailer_nothing_of_it_is_cut() -> None:
    rpc, _ = _talk([*BIND, (0, pdus.request(1, b"", context=1)), (1, pdus.fault(5, context=1))])
    assert (rpc.binds[0].auth_cut, rpc.interfaces[0].auth_cut, rpc.faults[0].auth_cut) == (False, False, False)


@given(st.integers(16, 170), st.integers(16, 170), st.binary(min_size=1, max_size=4), st.sampled_from([False, True]))
def test_the_pass_and_the_decoder_find_the_same_contexts(kept: int, at: int, dirt: bytes, big: bool) -> None:
    whole = bytearray(pdus.bind(pdus.contexts(*SVCCTL), big=big, auth=(9, 5, bytes(4))))
    kept = min(kept, len(whole))
    whole[at : at + len(dirt)] = dirt
    talk = Talk()
    _cut(bytes(whole), kept, side=0, packet=1, talk=talk)
    rpc = talk.connection(_flow(), SECOND)
    stream = talk.flows.stream(0, talk.flows.flow(0, 0, "content"))
    assert stream is not None
    assert len(stream.contexts) == sum(len(bind.contexts) for bind in rpc.binds)


def test_a_call_on_a_context_behind_the_cut_is_taken_for_one_of_the_same_interface() -> None:
    """Windows accepts NDR64, the second context: a snap length of 128 keeps the first only."""
    talk = Talk()
    _cut(MAPPER[0][1], 74, side=0, packet=1, talk=talk)
    _cut(MAPPER[1][1], 74, side=1, packet=2, talk=talk)
    asked = pdus.request(3, pdus.map_request(TOWER, wide=True), context=1)
    _cut(asked, 74, side=0, packet=3, talk=talk)
    _cut(pdus.response(pdus.map_response([TOWER], wide=True), context=1), 74, side=1, packet=4, talk=talk)
    (referral,) = talk.referrals
    assert (referral.kind, referral.readable, referral.status) == ("ept_map", Readable.CUT, None)
    assert (referral.interface, referral.endpoints, referral.unbound, referral.sure) == (None, (), True, False)


@pytest.mark.parametrize(
    ("kept", "interface", "readable", "ports"),
    [((138, 138), DRSUAPI, Readable.CUT, []), ((138, 158), DRSUAPI, Readable.CUT, [49667]),
     ((74, 166), DRSUAPI, Readable.CUT, [49667]), ((400, 400), DRSUAPI, Readable.CLEAR, [49667]),
     ((74, 74), None, Readable.CUT, [])],
)  # fmt: skip
def test_a_tower_that_stands_whole_in_a_cut_body_is_read(
    kept: tuple[int, int], interface: tuple[str, str] | None, readable: Readable, ports: list[int]
) -> None:
    talk = Talk()
    for number, (side, data) in enumerate(MAPPER, start=1):
        talk.say(side, data, number, number)
    _cut(pdus.request(3, pdus.map_request(TOWER, wide=True), context=1), kept[0], side=0, packet=3, talk=talk)
    answer = pdus.response(pdus.map_response([TOWER], wide=True), context=1)
    _cut(answer, kept[1], side=1, packet=4, talk=talk)
    (referral,) = talk.referrals
    assert (referral.interface, referral.readable) == (interface, readable)
    assert [one.port for one in referral.endpoints] == ports
    assert (referral.status is None) == (readable is Readable.CUT)


def test_a_rejected_interface_is_not() -> None:
    rpc, _ = _talk([(0, pdus.bind([(*SVCCTL, [pdus.NDR32])])), (1, pdus.bind_ack(pdus.UNSUPPORTED, "1"))])
    assert [use.accepted for use in rpc.interfaces] == [False]


def test_answers_find_their_requests_by_call_id() -> None:
    calls = [(0, pdus.request(1, b"", call_id=7, context=1)), (0, pdus.request(2, b"", call_id=8, context=1))]
    answers = [(1, pdus.response(b"", call_id=8)), (1, pdus.fault(5, call_id=7))]
    rpc, _ = _talk([*BIND, *calls, *answers])
    assert (rpc.requests, rpc.fates[Fate.RESPONSE], rpc.fates[Fate.FAULT]) == (2, 1, 1)
    (fault,) = rpc.faults
    assert (fault.request_packet, fault.packet, fault.opnum, fault.status) == (3, 6, 1, 5)
    assert fault.interface == SVCCTL


@pytest.mark.parametrize(
    ("last_ns", "flow", "fate"),
    [
        (100 * SECOND, _flow(), Fate.UNANSWERED),
        (SECOND // 2, _flow(), Fate.CUT),
        (100 * SECOND, _flow(TcpOutcome.RESET), Fate.REJECTED),
        (100 * SECOND, _flow(fin=9), Fate.REJECTED),
    ],
)
def test_the_fate_of_a_request_without_answer(last_ns: int, flow: Flow, fate: Fate) -> None:
    rpc, _ = _talk([*BIND, (0, pdus.request(1, b"", context=1))], last_ns=last_ns, flow=flow)
    assert rpc.fates[fate] == 1
    assert sum(rpc.fates.values()) == rpc.requests == 1


def test_a_request_on_a_rejected_context_is_rejected() -> None:
    rpc, _ = _talk([*BIND, (0, pdus.request(1, b"", context=0))])
    assert rpc.fates[Fate.REJECTED] == 1


def test_a_call_that_asks_for_no_answer_is_one_way() -> None:
    rpc, _ = _talk([*BIND, (0, pdus.request(1, b"", context=1, flags=0x43))])
    assert rpc.fates[Fate.ONE_WAY] == 1


def test_an_answer_that_overtakes_its_request_is_its_answer() -> None:
    talk = Talk()
    talk.say(1, pdus.response(b"", call_id=5), 1, 2 * SECOND)
    talk.say(0, pdus.request(1, b"", call_id=5), 2, SECOND)
    rpc = talk.connection(_flow(), 9 * SECOND)
    assert (rpc.fates[Fate.RESPONSE], rpc.orphan_answers) == (1, 0)


def _map(answer: bytes, *, auth: tuple[int, int, bytes] | None = None, call_id: int = 2) -> list[tuple[int, bytes]]:
    asked = pdus.map_request(pdus.tower(*DRSUAPI, 135, "10.0.0.9"), wide=True)
    return [
        (0, pdus.request(3, asked, call_id=call_id, context=1, auth=auth)),
        (1, pdus.response(answer, call_id=call_id, context=1, auth=auth)),
    ]


def test_an_ept_map_is_a_referral() -> None:
    _, talk = _talk([*MAPPER, *_map(pdus.map_response([TOWER], wide=True))])
    (referral,) = talk.referrals
    assert (referral.kind, referral.interface, referral.status) == ("ept_map", DRSUAPI, 0)
    assert [(one.port, one.text) for one in referral.endpoints] == [(49667, "10.0.0.9[49667]")]
    assert (referral.request_packet, referral.response_packet, referral.readable) == (3, 4, Readable.CLEAR)
    assert str(referral.asked_address) == "10.0.0.9"


def test_asked_again_with_a_logon_it_is_one_lookup() -> None:
    refused = pdus.map_response([], pdus.NOT_REGISTERED, wide=True)
    _, talk = _talk([*MAPPER, *_map(refused), *_map(refused, auth=exchanges.SIGNATURE, call_id=3)])
    (referral,) = talk.referrals
    assert [(one.request_packet, one.response_packet) for one in referral.tries] == [(3, 4), (5, 6)]
    assert referral.status == pdus.NOT_REGISTERED


def test_two_lookups_of_the_same_that_succeed_are_two() -> None:
    answer = pdus.map_response([TOWER], wide=True)
    _, talk = _talk([*MAPPER, *_map(answer), *_map(answer, call_id=3)])
    assert len(talk.referrals) == 2


def test_a_sealed_answer_is_known_to_be_there_and_no_more() -> None:
    _, talk = _talk([*MAPPER, *_map(pdus.map_response([TOWER], wide=True), auth=SEALED)])
    (referral,) = talk.referrals
    assert (referral.readable, referral.endpoints, referral.status) == (Readable.SEALED, (), None)


def test_an_answer_in_fragments_is_read_whole() -> None:
    pieces = pdus.fragments(pdus.map_response([TOWER, TOWER], wide=True), 64)
    asked = _map(b"")[:1]
    _, talk = _talk([*MAPPER, *asked, *[(1, piece) for piece in pieces]])
    (referral,) = talk.referrals
    assert len(referral.endpoints) == 2
    assert referral.response_packet == 3 + len(pieces)


def test_a_listing_is_one_referral_and_its_end_no_failure() -> None:
    turns = [(0, pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])])), (1, pdus.bind_ack(pdus.ACCEPTED_32, "135"))]
    answers = [
        pdus.lookup_response([TOWER]),
        pdus.lookup_response([TOWER]),
        pdus.lookup_response([], pdus.NOT_REGISTERED),
    ]
    for number, answer in enumerate(answers, start=2):
        turns += [(0, pdus.request(2, bytes(40), call_id=number)), (1, pdus.response(answer, call_id=number))]
    _, talk = _talk(turns)
    (referral,) = talk.referrals
    assert (referral.kind, referral.status, len(referral.endpoints)) == ("ept_lookup", 0, 2)


def test_a_body_that_is_cut_keeps_its_status_unknown_and_says_so() -> None:
    whole = pdus.response(pdus.map_response([TOWER], wide=True), context=1)
    talk = Talk()
    turns = [*MAPPER, *_map(b"")[:1]]
    for number, (side, data) in enumerate(turns, start=1):
        talk.say(side, data, number, number)
    talk.say(1, whole[:60], 9, 9)
    talk.lose(1, len(whole) - 60, 10, 10)
    (referral,) = talk.referrals
    assert (referral.readable, referral.endpoints, referral.status) == (Readable.CUT, (), None)


def test_an_error_code_in_an_answer_is_carried() -> None:
    ipid = "0000c000-0530-0000-7d85-1122334455aa"
    stub = pdus.orpcthat() + (0x800706BA).to_bytes(4, "little")
    rpc, _ = _talk([*BIND, (0, pdus.request(5, b"", context=1, instance=ipid)), (1, pdus.response(stub, context=1))])
    (carried,) = rpc.carried
    assert (carried.result, carried.request_packet, carried.packet) == (0x800706BA, 3, 4)


def test_a_damaged_pdu_is_a_fact_with_its_packet() -> None:
    broken = bytearray(pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]))
    broken[24] = 200
    rpc, _ = _talk([(0, bytes(broken))])
    (damage,) = rpc.damage
    assert (damage.packet, damage.cut) == (1, False)
