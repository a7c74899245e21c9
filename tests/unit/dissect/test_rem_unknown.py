"""IRemUnknown, IRemUnknown2, and the pings of IObjectExporter."""

from collections.abc import Callable
from contextlib import suppress
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.dissect import objref, oxid, rem_unknown
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.objref import StdObjref
from rpcdiag.dissect.oxid import Ping, Pong
from rpcdiag.dissect.reader import Reader
from rpcdiag.dissect.rem_unknown import Found, References
from rpcdiag.errors import DecodeError, Malformed, Truncated
from tests.build import pdus
from tests.build.exchanges import IUNKNOWN

IDISPATCH = "00020400-0000-0000-c000-000000000046"
OTHER = "00012c2b-0a80-0000-570f-81cf2686e86c"
NO_INTERFACE = 0x80004002
STD = StdObjref(0x1000, 5, 0x1122334455667788, 77, OTHER)
IIDS = (IUNKNOWN, IDISPATCH)
REFERENCES = (References(pdus.IPID, 5, 0), References(OTHER, 1, 2))


def iids() -> bytes:
    return pack("<HHI", len(IIDS), 0, len(IIDS)) + b"".join(pdus.uuid(iid) for iid in IIDS)


def found(result: int, std: StdObjref | None) -> bytes:
    """REMQIRESULT, at a multiple of 8."""
    if std is None:
        return pack("<II", result, 0) + bytes(40)
    return pack("<IIIIQQ", result, 0, *std[:4]) + pdus.uuid(std.ipid)


QUERY = pdus.orpcthis() + pdus.uuid(pdus.IPID) + pack("<I", 5) + iids()
QUERY2 = pdus.orpcthis() + pdus.uuid(pdus.IPID) + iids()
ANSWER = pdus.orpcthat() + pack("<II", 0x20000, 2) + found(0, STD) + found(NO_INTERFACE, None) + pack("<I", 1)
REFERENCE = pdus.objref(IUNKNOWN, 42, ["srv"])
ANSWER2 = (
    pdus.orpcthat() + pack("<III", 2, 0, NO_INTERFACE) + pack("<III", 2, 0x20000, 0)
    + pack("<II", len(REFERENCE), len(REFERENCE)) + REFERENCE + bytes(-len(REFERENCE) % 4) + pack("<I", 1)
)  # fmt: skip
COUNT = pdus.orpcthis() + pack("<HHI", 2, 0, 2) + b"".join(pdus.uuid(i) + pack("<II", a, b) for i, a, b in REFERENCES)
ADDED = pdus.orpcthat() + pack("<IIII", 2, 0, 0x80070057, 1)
RELEASED = pdus.orpcthat() + pack("<I", 0)
PING = pack("<QHHH", 99, 3, 2, 1) + bytes(2) + pack("<II", 0x20000, 2) + pack("<QQ", 7, 8)
PING += pack("<II", 0x20004, 1) + pack("<Q", 9)
PONG = pack("<QHHI", 99, 1, 0, 0)


def query(ndr: Ndr) -> rem_unknown.Query:
    return rem_unknown.decode_query_request(ndr, rem_unknown.REM_QUERY_INTERFACE)


def query2(ndr: Ndr) -> rem_unknown.Query:
    return rem_unknown.decode_query_request(ndr, rem_unknown.REM_QUERY_INTERFACE2)


def added(ndr: Ndr) -> rem_unknown.CountAnswer:
    return rem_unknown.decode_count_response(ndr, rem_unknown.REM_ADD_REF)


def released(ndr: Ndr) -> rem_unknown.CountAnswer:
    return rem_unknown.decode_count_response(ndr, rem_unknown.REM_RELEASE)


def test_more_interfaces_are_asked_for() -> None:
    asked, asked2 = query(Ndr(QUERY)), query2(Ndr(QUERY2))
    assert (asked.ipid, asked.references, asked.iids) == (pdus.IPID, 5, IIDS)
    assert (asked2.ipid, asked2.references, asked2.iids) == (pdus.IPID, None, IIDS)
    assert asked.this.causality == pdus.CAUSALITY


def test_interfaces_are_found_or_not() -> None:
    answer = rem_unknown.decode_query_response(Ndr(ANSWER))
    assert (answer.found, answer.status) == ((Found(0, STD), Found(NO_INTERFACE, None)), 1)
    nothing = rem_unknown.decode_query_response(Ndr(pdus.orpcthat() + pack("<II", 0, 0x80010108)))
    assert (nothing.found, nothing.status) == ((), 0x80010108)


def test_the_second_form_answers_with_references() -> None:
    answer = rem_unknown.decode_query2_response(Ndr(ANSWER2))
    assert (answer.results, answer.status) == ((0, NO_INTERFACE), 1)
    assert answer.references == (objref.decode(Reader(REFERENCE)), None)


def test_references_are_counted() -> None:
    assert rem_unknown.decode_count_request(Ndr(COUNT)).references == REFERENCES
    assert added(Ndr(ADDED))[1:] == ((0, 0x80070057), 1)
    assert released(Ndr(RELEASED))[1:] == ((), 0)


def test_pings_name_objects_added_and_dropped() -> None:
    assert oxid.decode_complex_ping_request(Ndr(PING)) == Ping(99, 3, (7, 8), (9,))
    none = pack("<QHHH", 99, 3, 0, 0) + bytes(2) + pack("<II", 0, 0)
    assert oxid.decode_complex_ping_request(Ndr(none)) == Ping(99, 3, (), ())
    assert oxid.decode_complex_ping_response(Ndr(PONG)) == Pong(99, 1, 0)
    assert oxid.decode_simple_ping_request(Ndr(pack("<Q", 99))) == 99
    assert oxid.decode_status(Ndr(pack("<I", 0x776))) == 0x776


def _theirs(call: Any) -> bytes:
    return bytes(call.getData())


def test_we_read_what_impacket_writes() -> None:
    from impacket.dcerpc.v5 import dcomrt
    from impacket.uuid import string_to_bin

    call = dcomrt.RemAddRef()
    call["ORPCthis"]["cid"] = string_to_bin(pdus.CAUSALITY)
    call["ORPCthis"]["extensions"] = dcomrt.NULL
    for reference in REFERENCES:
        item = dcomrt.REMINTERFACEREF()
        item["ipid"], item["cPublicRefs"], item["cPrivateRefs"] = string_to_bin(reference.ipid), *reference[1:]
        call["InterfaceRefs"].append(item)
    call["cInterfaceRefs"] = 2
    assert rem_unknown.decode_count_request(Ndr(_theirs(call))).references == REFERENCES
    asked = dcomrt.RemQueryInterface()
    asked["ORPCthis"]["extensions"] = dcomrt.NULL
    asked["ripid"], asked["cRefs"], asked["cIids"] = string_to_bin(pdus.IPID), 5, 1
    iid = dcomrt.IID()
    iid["Data"] = string_to_bin(IDISPATCH)
    asked["iids"].append(iid)
    assert query(Ndr(_theirs(asked)))[1:] == (pdus.IPID, 5, (IDISPATCH,))


DECODERS: dict[str, tuple[bytes, Callable[[Ndr], object]]] = {
    "query": (QUERY, query),
    "query 2": (QUERY2, query2),
    "answer": (ANSWER, rem_unknown.decode_query_response),
    "answer 2": (ANSWER2, rem_unknown.decode_query2_response),
    "count": (COUNT, rem_unknown.decode_count_request),
    "added": (ADDED, added),
    "released": (RELEASED, released),
    "ping": (PING, oxid.decode_complex_ping_request),
    "pong": (PONG, oxid.decode_complex_ping_response),
    "simple ping": (bytes(8), oxid.decode_simple_ping_request),
    "status": (bytes(4), oxid.decode_status),
}


@pytest.mark.parametrize("name", DECODERS)
def test_stubs_are_read_to_their_last_byte_and_cut_ones_are_truncated(name: str) -> None:
    whole, decode = DECODERS[name]
    ndr = Ndr(whole)
    decode(ndr)
    assert ndr.left == 0
    for kept in range(len(whole)):
        with pytest.raises(Truncated):
            decode(Ndr(whole[:kept], len(whole)))


@pytest.mark.parametrize("name", ["query", "answer", "count", "ping"])
def test_counts_beyond_reason_are_malformed(name: str) -> None:
    whole, decode = DECODERS[name]
    at = {"query": 32 + 16 + 4 + 4, "answer": 12, "count": 36, "ping": 20}[name]
    with pytest.raises(Malformed):
        decode(Ndr(whole[:at] + b"\xff\xff\xff\x7f" + whole[at + 4 :]))


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.binary(max_size=300), wide=st.booleans(), big=st.booleans())
def test_any_bytes_decode_or_raise_decode_error(name: str, data: bytes, wide: bool, big: bool) -> None:
    whole, decode = DECODERS[name]
    for start in (b"", whole[:40], pdus.orpcthis()):
        with suppress(DecodeError):
            decode(Ndr(start + data, wide=wide, big=big))


@pytest.mark.parametrize("name", DECODERS)
@given(at=st.integers(0, 200), dirt=st.binary(min_size=1, max_size=4))
def test_spoilt_stubs_decode_or_raise_decode_error(name: str, at: int, dirt: bytes) -> None:
    whole, decode = DECODERS[name]
    spoilt = bytearray(whole)
    spoilt[at : at + len(dirt)] = dirt
    with suppress(DecodeError):
        decode(Ndr(bytes(spoilt)))
