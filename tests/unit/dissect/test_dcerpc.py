"""PDUs: what was built is what is decoded."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.dissect import dcerpc
from rpcdiag.dissect.dcerpc import PduType
from rpcdiag.errors import DecodeError, Malformed, Truncated
from tests.build import pdus

OBJECT = "0000c000-0530-0000-7d85-1122334455aa"
SIGNED = (10, 5, b"s" * 16)
ALL = {
    "bind": pdus.bind(pdus.contexts(pdus.EPM, "3.0"), auth=(9, 5, b"t" * 30)),
    "bind_ack": pdus.bind_ack(pdus.ACCEPTED_64, "49667", auth=(9, 5, b"t" * 30)),
    "bind_nak": pdus.bind_nak(9),
    "alter_context": pdus.bind(pdus.contexts(pdus.SCM, "0.0"), alter=True),
    "alter_context_resp": pdus.bind_ack(pdus.ACCEPTED_32, "", alter=True),
    "auth3": pdus.auth3(b"t" * 20),
    "request": pdus.request(4, bytes(50), instance=OBJECT, auth=SIGNED),
    "response": pdus.response(bytes(50), auth=SIGNED),
    "fault": pdus.fault(5),
    "big": pdus.request(4, bytes(50), instance=OBJECT, big=True),
    "shutdown": pdus.pdu(17, b""),
    "co_cancel": pdus.pdu(18, b""),
    "orphaned": pdus.pdu(19, b""),
}


@pytest.mark.parametrize("big", [False, True])
def test_a_bind_tells_its_contexts_in_both_byte_orders(big: bool) -> None:
    pdu = dcerpc.decode(pdus.bind(pdus.contexts(pdus.EPM, "3.0"), group=7, big=big))
    assert isinstance(pdu, dcerpc.Bind)
    assert (pdu.header.type, pdu.association_group) == (PduType.BIND, 7)
    assert [context.id for context in pdu.contexts] == [0, 1, 2]
    assert {context.interface for context in pdu.contexts} == {dcerpc.Syntax(pdus.EPM, "3.0")}
    assert [context.transfers[0].uuid for context in pdu.contexts] == [pdus.NDR32[0], pdus.NDR64[0], pdus.FEATURES[0]]


@pytest.mark.parametrize("big", [False, True])
def test_a_bind_ack_tells_its_results_and_address(big: bool) -> None:
    pdu = dcerpc.decode(pdus.bind_ack(pdus.ACCEPTED_64, "49667", big=big))
    assert isinstance(pdu, dcerpc.BindAck)
    assert pdu.secondary_address == "49667"
    assert [(result.result, result.reason) for result in pdu.results] == [(2, 2), (0, 0), (3, 3)]


def test_a_signed_request_is_readable_and_its_padding_is_no_stub() -> None:
    pdu = dcerpc.decode(pdus.request(3, b"x" * 13, call_id=9, context=2, instance=OBJECT, auth=SIGNED))
    assert isinstance(pdu, dcerpc.Request)
    assert (pdu.header.call_id, pdu.context_id, pdu.opnum, pdu.object) == (9, 2, 3, OBJECT)
    assert (pdu.stub, pdu.stub_length) == (b"x" * 13, 13)
    assert pdu.auth == dcerpc.Auth(10, 5, 0, b"s" * 16)


def test_a_fault_tells_its_status() -> None:
    pdu = dcerpc.decode(pdus.fault(0x1C01000B, flags=0x23))
    assert isinstance(pdu, dcerpc.Fault)
    assert (pdu.status, pdu.header.flags & dcerpc.DID_NOT_EXECUTE) == (0x1C01000B, 0x20)


def test_a_nak_tells_its_reason_and_not_the_version_list_behind_it() -> None:
    pdu = dcerpc.decode(pdus.bind_nak(4))
    assert isinstance(pdu, dcerpc.BindNak)
    assert pdu.reason == 4


def test_a_cut_request_keeps_the_stub_that_is_there() -> None:
    whole = pdus.request(3, b"abcdefgh")
    pdu = dcerpc.decode(whole[:-3], len(whole))
    assert isinstance(pdu, dcerpc.Request)
    assert (pdu.stub, pdu.stub_length) == (b"abcde", 8)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_cut_capture_is_truncated_never_malformed(name: str) -> None:
    whole = ALL[name]
    for kept in range(len(whole)):
        with suppress(Truncated):
            dcerpc.decode(whole[:kept], len(whole))


def test_of_a_cut_bind_the_contexts_whose_interface_is_there_remain() -> None:
    whole = pdus.bind(pdus.contexts(pdus.EPM, "3.0"), group=7, auth=(9, 5, b"t" * 30))
    said = {}
    for kept in range(16, 160):
        rest = dcerpc.remains(whole[:kept], len(whole))
        assert isinstance(rest, dcerpc.Bind)
        assert (rest.cut, rest.auth) == (True, None)
        said[kept] = [(context.id, context.interface.uuid, len(context.transfers)) for context in rest.contexts]
    assert (said[51], said[52], said[71]) == ([], [(0, pdus.EPM, 0)], [(0, pdus.EPM, 0)])
    assert (said[72], said[96]) == ([(0, pdus.EPM, 1)], [(0, pdus.EPM, 1), (1, pdus.EPM, 0)])
    assert len(said[140]) == 3


def test_of_a_cut_bind_ack_the_results_whose_code_is_there_remain() -> None:
    whole = pdus.bind_ack(pdus.ACCEPTED_64, "135")
    said = {}
    for kept in range(16, len(whole)):
        rest = dcerpc.remains(whole[:kept], len(whole))
        assert isinstance(rest, dcerpc.BindAck)
        assert rest.cut
        said[kept] = [result.result for result in rest.results]
    assert (said[39], said[40], said[64], said[88]) == ([], [2], [2, 0], [2, 0, 3])


@pytest.mark.parametrize("name", sorted(ALL))
def test_of_other_pdus_nothing_remains(name: str) -> None:
    whole = ALL[name]
    rest = [dcerpc.remains(whole[:kept], len(whole)) for kept in range(len(whole))]
    kinds = {"bind": dcerpc.Bind, "alter_context": dcerpc.Bind, "bind_nak": dcerpc.BindNak}
    kind = kinds.get(name, dcerpc.BindAck if name.startswith(("bind_ack", "alter")) else None)
    assert all(one is None for one in rest[:16])
    assert {type(one) for one in rest[16:]} <= {kind or type(None)}


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_leave_something_or_nothing(data: bytes, length: int) -> None:
    dcerpc.remains(data, length)


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_raise_decode_error(data: bytes) -> None:
    with suppress(DecodeError):
        dcerpc.decode(data)


@given(st.sampled_from(sorted(ALL)), st.integers(0, 200), st.binary(min_size=1, max_size=8))
def test_a_spoilt_pdu_decodes_or_raises_decode_error(name: str, at: int, dirt: bytes) -> None:
    whole = bytearray(ALL[name])
    whole[at : at + len(dirt)] = dirt
    with suppress(DecodeError):
        dcerpc.decode(bytes(whole))


def test_too_many_contexts_are_malformed() -> None:
    whole = bytearray(pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]))
    whole[24] = 255
    with pytest.raises(Malformed, match="255 contexts"):
        dcerpc.decode(bytes(whole))
