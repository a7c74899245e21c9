"""What a connection says of objects and endpoints besides the plain exchange: references, pieces, errors."""

from collections.abc import Iterable

import pytest

from rpcdiag.dissect import exterror
from rpcdiag.track.facts import Connection, Readable, Referral, ReferralKind
from tests.build import exchanges, pdus
from tests.build.exchanges import DRSUAPI, SIGNATURE, SVCCTL
from tests.build.sweeping import Talk
from tests.unit.dissect.test_exterror import REAL
from tests.unit.track.test_association import MAPPER, SEALED, SECOND, TOWER, _flow, _talk

SINK = "7c857801-7381-11cf-884d-00aa004b2e24"
POINT = "b196b286-bab4-101a-b69c-00aa00341d07"
OXID = 0x0102030405060708
REFERENCE = pdus.objref(SINK, OXID, ["CLIENT", "10.0.0.5"])
BIND = [(0, pdus.bind([(POINT, "0.0", [pdus.NDR32])])), (1, pdus.bind_ack(pdus.ACCEPTED_32, "49712"))]
BINDINGS = ["SRV[49670]", "10.0.0.9[49670]"]
CLASS = "8bc3f05e-d86b-11d0-a075-00c04fb68820"


def _said(turns: Iterable[tuple[int, bytes]]) -> tuple[Connection, tuple[Referral, ...]]:
    """What is told at once is with the connection until it is asked for."""
    talk = Talk()
    for number, (side, data) in enumerate(turns, start=1):
        talk.say(side, data, number, number * 1_000_000)
    found = talk.referrals
    return talk.connection(_flow(), 100 * SECOND), found


def _advise(stub: bytes, *, auth: tuple[int, int, bytes] | None = None, instance: str | None = pdus.IPID) -> bytes:
    return pdus.request(5, pdus.orpcthis() + stub, instance=instance, auth=auth)


def _pointed(reference: bytes) -> bytes:
    return pdus.pointed(reference)


# --- object references


def test_an_object_of_the_client_in_a_request_is_a_referral() -> None:
    rpc, found = _said([*BIND, (0, _advise(_pointed(REFERENCE), auth=SIGNATURE))])
    (referral,) = found
    assert (referral.kind, referral.by_client, referral.readable) == ("object_reference", True, Readable.CLEAR)
    assert (referral.oxid, referral.ipid, referral.iids) == (OXID, pdus.IPID, (SINK,))
    assert (referral.request_packet, referral.response_packet) == (3, 3)
    assert [(one.text, one.port, one.packet) for one in referral.endpoints] == [
        ("CLIENT", None, 3),
        ("10.0.0.5", None, 3),
    ]
    assert rpc.com_version == (5, 7)


def test_an_object_in_an_answer_is_the_server_s() -> None:
    answer = pdus.response(pdus.orpcthat() + _pointed(REFERENCE) + bytes(4))
    _, found = _said([*BIND, (0, _advise(bytes(16))), (1, answer)])
    (referral,) = found
    assert (referral.kind, referral.by_client, referral.response_packet) == ("object_reference", False, 4)


@pytest.mark.parametrize("asks", [True, False])
def test_a_reference_that_crosses_fragments_is_read_whole(asks: bool) -> None:
    body = bytes(70) + _pointed(REFERENCE) + bytes(90)
    stub = (pdus.orpcthis() if asks else pdus.orpcthat()) + body
    pieces = [stub[at : at + 60] for at in range(0, len(stub), 60)]
    flags = [(1 if number == 0 else 0) | (2 if number == len(pieces) - 1 else 0) for number in range(len(pieces))]
    if asks:
        turns = [
            (0, pdus.request(5, piece, instance=pdus.IPID, flags=bits))
            for piece, bits in zip(pieces, flags, strict=True)
        ]
    else:
        turns = [(0, _advise(bytes(16)))]
        turns += [(1, pdus.response(piece, flags=bits)) for piece, bits in zip(pieces, flags, strict=True)]
    _, found = _said([*BIND, *turns])
    (referral,) = found
    assert (referral.oxid, referral.response_packet, len(referral.endpoints)) == (OXID, 2 + len(turns), 2)


def test_a_sealed_reference_is_not_looked_for() -> None:
    _, found = _said([*BIND, (0, _advise(_pointed(REFERENCE), auth=SEALED))])
    assert found == ()


def test_a_call_on_no_object_hands_none_over() -> None:
    _, found = _said([*BIND, (0, _advise(_pointed(REFERENCE), instance=None))])
    assert found == ()


def test_the_signature_alone_is_no_reference() -> None:
    _, found = _said([*BIND, (0, _advise(b"MEOW\x01\0\0\0" + bytes(80)))])
    assert found == ()


def test_each_exporter_is_named_once_for_each_side() -> None:
    other = pdus.objref(SINK, OXID + 1, ["CLIENT"])
    turns = [
        (0, _advise(_pointed(REFERENCE) + _pointed(other))),
        (1, pdus.response(pdus.orpcthat() + _pointed(REFERENCE))),
        (0, _advise(_pointed(REFERENCE))),
    ]
    _, found = _said([*BIND, *turns])
    assert [(one.oxid, one.by_client) for one in found] == [(OXID, True), (OXID + 1, True), (OXID, False)]


def test_a_client_s_object_within_an_activation_is_found() -> None:
    asked = pdus.create_instance_request(CLASS, [exchanges.IUNKNOWN]) + _pointed(REFERENCE)
    bind = [(0, pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])])), (1, pdus.bind_ack(pdus.ACCEPTED_32, "135"))]
    _, found = _said([*bind, (0, pdus.request(4, asked)), (1, pdus.response(pdus.create_instance_response(BINDINGS)))])
    assert [(one.kind, one.by_client) for one in found] == [("object_reference", True), ("activation", False)]


# --- calls whose bind nobody saw


def _unbound(
    turns: Iterable[tuple[int, bytes]], *, port: int = 135, last_ns: int = 100 * SECOND
) -> tuple[Connection, Talk]:
    talk = Talk()
    talk.state.flows[44] = 50000 << 16 | port  # KEY + 4: the ports of its ends
    for number, (side, data) in enumerate(turns, start=1):
        talk.say(side, data, number, number * 1_000_000)
    return talk.connection(_flow(), last_ns), talk


MAP = pdus.map_request(pdus.tower(*DRSUAPI, 135, "10.0.0.9"), wide=True)
ACTIVATION = pdus.create_instance_request(CLASS, [exchanges.IUNKNOWN])
IN_REQUEST, IN_ANSWER = "the activation properties in the request", "the bindings in the answer"


@pytest.mark.parametrize("port", [135, 593, 49152])
def test_an_activation_is_told_by_its_body(port: int) -> None:
    turns = [(0, pdus.request(4, ACTIVATION)), (1, pdus.response(pdus.create_instance_response(BINDINGS)))]
    rpc, talk = _unbound(turns, port=port)
    (referral,) = talk.referrals
    assert (referral.kind, referral.readable, referral.unbound) == ("activation", Readable.CARVED, True)
    assert (referral.clsid, referral.status) == (CLASS, 0)
    assert [one.text for one in referral.endpoints] == BINDINGS
    assert [(use.interface.uuid, use.accepted, use.calls, use.by) for use in rpc.interfaces] == [
        (pdus.SCM, None, 1, IN_REQUEST)
    ]


def test_an_ept_map_is_told_by_its_tower_in_either_ndr() -> None:
    for wide in (True, False):
        asked = pdus.map_request(pdus.tower(*DRSUAPI, 135, "10.0.0.9"), wide=wide)
        turns = [(0, pdus.request(3, asked)), (1, pdus.response(pdus.map_response([TOWER], wide=wide)))]
        rpc, talk = _unbound(turns)
        (referral,) = talk.referrals
        assert (referral.kind, referral.interface, referral.readable) == ("ept_map", DRSUAPI, Readable.CARVED)
        assert [one.port for one in referral.endpoints] == [49667]
        assert [use.by for use in rpc.interfaces] == ["the tower in the request"]


def test_the_resolver_is_told_by_its_bindings() -> None:
    resolve = [(0, pdus.request(4, pdus.resolve_request(OXID))), (1, pdus.response(pdus.resolve_response(BINDINGS)))]
    rpc, talk = _unbound(resolve)
    (referral,) = talk.referrals
    assert (referral.kind, referral.oxid, referral.readable) == ("resolve_oxid", OXID, Readable.CARVED)
    assert [use.by for use in rpc.interfaces] == [IN_ANSWER]
    alive = [(0, pdus.request(5, b"")), (1, pdus.response(pdus.alive_response(["SRV", "10.0.0.9"])))]
    assert [one.kind for one in _unbound(alive)[1].referrals] == [ReferralKind.SERVER_ALIVE2]


def test_a_listing_is_told_by_its_towers() -> None:
    turns = [(0, pdus.request(2, bytes(40))), (1, pdus.response(pdus.lookup_response([TOWER])))]
    rpc, talk = _unbound(turns)
    assert [(one.kind, len(one.endpoints)) for one in talk.referrals] == [("ept_lookup", 1)]
    assert [use.interface.uuid for use in rpc.interfaces] == [pdus.EPM]


def test_a_request_that_was_never_answered_tells_its_interface_all_the_same() -> None:
    rpc, talk = _unbound([(0, pdus.request(4, ACTIVATION))])
    assert (talk.referrals, [use.by for use in rpc.interfaces]) == ((), [IN_REQUEST])


@pytest.mark.parametrize("opnum", [0, 2, 3, 4, 5])
def test_a_body_that_decides_nothing_claims_nothing(opnum: int) -> None:
    for stub in (b"", bytes(64), b"MEOW" + bytes(60)):
        rpc, talk = _unbound([(0, pdus.request(opnum, stub)), (1, pdus.response(bytes(48)))])
        assert (talk.referrals, rpc.interfaces) == ((), ())


def test_elsewhere_than_on_the_mapper_s_port_only_a_sign_in_the_stub_counts() -> None:
    turns = [(0, pdus.request(4, pdus.resolve_request(OXID))), (1, pdus.response(pdus.resolve_response(BINDINGS)))]
    assert _unbound(turns, port=49152)[1].referrals == ()
    turns = [(0, pdus.request(3, MAP)), (1, pdus.response(pdus.map_response([TOWER], wide=True)))]
    assert [one.kind for one in _unbound(turns, port=49152)[1].referrals] == ["ept_map"]


def test_a_sealed_call_is_taken_for_an_activation_on_the_mapper_s_port_only() -> None:
    turns = [(0, pdus.request(4, bytes(400), auth=SEALED)), (1, pdus.response(bytes(800), auth=SEALED))]
    (referral,) = _unbound(turns)[1].referrals
    assert (referral.kind, referral.readable, referral.unbound) == ("activation", Readable.SEALED, True)
    assert _unbound(turns)[0].interfaces == ()
    assert _unbound(turns, port=49152)[1].referrals == ()


# --- answers of which something is missing


def _cut(turns: list[tuple[int, bytes]], whole: bytes, kept: int, more: Iterable[bytes] = ()) -> Talk:
    talk = Talk()
    for number, (side, data) in enumerate(turns, start=1):
        talk.say(side, data, number, number)
    talk.say(1, whole[:kept], 9, 9)
    talk.lose(1, len(whole) - kept, 10, 10)
    for piece in more:
        talk.say(1, piece, 11, 11)
    return talk


def test_a_tower_before_the_gap_stands_in_its_place() -> None:
    towers = [TOWER, pdus.tower(*SVCCTL, 49668, "10.0.0.9")]
    whole = pdus.response(pdus.map_response(towers, wide=True), context=1)
    talk = _cut([*MAPPER, (0, pdus.request(3, MAP, context=1))], whole, 180)
    (referral,) = talk.referrals
    assert (referral.readable, referral.status, referral.interface) == (Readable.CUT, None, DRSUAPI)
    assert [(one.port, one.packet) for one in referral.endpoints] == [(49667, 9)]


SCM = [(0, pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])])), (1, pdus.bind_ack(pdus.ACCEPTED_32, "135"))]


def test_a_binding_before_the_gap_counts() -> None:
    whole = pdus.response(pdus.create_instance_response(BINDINGS))
    kept = whole.rindex("SRV[49670]".encode("utf-16-le")) + 24
    (referral,) = _cut([*SCM, (0, pdus.request(4, ACTIVATION))], whole, kept).referrals
    assert (referral.kind, referral.readable, referral.clsid) == ("activation", Readable.CARVED, CLASS)
    assert [one.text for one in referral.endpoints] == ["SRV[49670]"]


def test_what_stands_behind_the_gap_counts_too() -> None:
    stub = pdus.create_instance_response(BINDINGS)
    first, rest = pdus.response(stub[:60], flags=1), pdus.response(stub[60:], flags=2)
    (referral,) = _cut([*SCM, (0, pdus.request(4, ACTIVATION))], first, 50, [rest]).referrals
    assert (referral.readable, [one.text for one in referral.endpoints]) == (Readable.CARVED, BINDINGS)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (pdus.map_response([TOWER], wide=True), "ept_map"),
        (pdus.lookup_response([TOWER, pdus.tower(*SVCCTL, 49668, "10.0.0.9")]), "ept_lookup"),
        (pdus.create_instance_response(BINDINGS), "activation"),
        (pdus.resolve_response(BINDINGS), "resolve_oxid"),
    ],
)
def test_an_answer_without_its_request_says_what_it_names(answer: bytes, kind: str) -> None:
    (referral,) = _unbound([(1, pdus.response(answer))])[1].referrals
    assert (referral.kind, referral.readable, referral.unbound) == (kind, Readable.CARVED, True)
    assert {one.port for one in referral.endpoints} <= {49667, 49668, 49670}
    assert (referral.request_packet, referral.response_packet) == (1, 1)
    assert _unbound([(1, pdus.response(answer))], port=49152)[1].referrals == ()
    assert _unbound([(1, pdus.response(answer, auth=SEALED))])[1].referrals == ()


# --- extended errors


def test_a_fault_brings_its_extended_error() -> None:
    plain = pdus.fault(5)
    more = pdus.pdu(pdus.FAULT, plain[16:23] + b"\x01" + plain[24:] + REAL)
    rpc, _ = _talk([*BIND, (0, _advise(b"")), (1, plain), (0, _advise(b"")), (1, more)])
    without, with_it = rpc.faults
    assert without.extended == ()
    assert [(one.computer, one.status, one.location) for one in with_it.extended] == [("DC1", 1745, 183)]
    assert rpc.damage == ()


def test_a_fault_whose_extended_error_is_spoilt_or_cut_stays_a_fault() -> None:
    plain = pdus.fault(5)
    spoilt = pdus.pdu(pdus.FAULT, plain[16:23] + b"\x01" + plain[24:] + b"\xff" + REAL[1:])
    rpc, _ = _talk([*BIND, (0, _advise(b"")), (1, spoilt)])
    assert ([one.extended for one in rpc.faults], rpc.damage) == ([()], ())
    talk = Talk()
    whole = pdus.pdu(pdus.FAULT, plain[16:23] + b"\x01" + plain[24:] + REAL)
    talk.say(1, whole[:60], 1, 1)
    talk.lose(1, len(whole) - 60, 2, 2)
    rpc = talk.connection(_flow(), SECOND)
    assert ([one.extended for one in rpc.faults], rpc.damage) == ([()], ())


def test_a_nak_brings_its_extended_error() -> None:
    body = pdus.bind_nak(4)[16:] + bytes(2) + pdus.uuid(exterror.BIND_NAK_SIGNATURE)
    body += pdus.extended_error("SRV1", 2, 1753, 500)
    rpc, _ = _talk([BIND[0], (1, pdus.pdu(pdus.BIND_NAK, body)), BIND[0], (1, pdus.bind_nak(4))])
    with_it, without = rpc.binds
    assert [(one.computer, one.component_name, one.status) for one in with_it.extended] == [
        ("SRV1", "RPC runtime", 1753)
    ]
    assert without.extended == ()
