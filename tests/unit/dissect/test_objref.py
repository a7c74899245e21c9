"""Object references."""

from contextlib import suppress
from struct import pack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rpcdiag.dissect import objref
from rpcdiag.dissect.objref import Element, IpidHint, Objref, StdObjref
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import DecodeError, Malformed, Truncated
from tests.build import pdus
from tests.build.exchanges import IUNKNOWN

SINK = "027947e1-d731-11ce-a357-000000000001"
CLSID = "3cb169b3-17d9-4e47-8b93-2878998f69a2"
NULL = "00000000-0000-0000-0000-000000000000"
STANDARD = pdus.objref(SINK, 42, ["client[49711]", "10.0.0.5"])
STD = StdObjref(0, 5, 42, 0x0A0B0C0D, pdus.IPID)
HANDLER = b"MEOW" + pack("<I", 2) + STANDARD[8:64] + pdus.uuid(CLSID) + pdus.dual_strings(["client"])
EXTENDED = (
    b"MEOW" + pack("<I", 8) + STANDARD[8:64] + b"VYSN" + pdus.dual_strings(["client"])
    + pack("<I", 1) + b"VYSN" + pdus.uuid(CLSID) + pack("<II", 3, 8) + b"abc" + bytes(5)
)  # fmt: skip


def custom(data: bytes, *, more: int = 0) -> bytes:
    """OBJREF_CUSTOM; Windows often states 8 bytes more than there are."""
    return b"MEOW" + pack("<I", 4) + pdus.uuid(SINK) + pdus.uuid(CLSID) + pack("<II", 0, len(data) + more) + data


def pointed(reference: bytes) -> bytes:
    return pack("<II", len(reference), len(reference)) + reference


def decode(data: bytes) -> Objref:
    return objref.decode(Reader(data))


def test_a_standard_reference_names_object_and_resolver() -> None:
    reference = decode(STANDARD)
    assert (reference.kind, reference.iid, reference.std) == (objref.STANDARD, SINK, STD)
    assert reference.resolver is not None
    assert [(one.host, one.port) for one in reference.resolver.strings] == [("client", 49711), ("10.0.0.5", None)]
    assert reference.ipid == pdus.IPID


def test_handler_and_extended_references() -> None:
    handler, extended = decode(HANDLER), decode(EXTENDED)
    assert (handler.std, handler.clsid, handler.elements) == (STD, CLSID, ())
    assert handler.resolver is not None
    assert handler.resolver.strings[0].host == "client"
    assert (extended.std, extended.clsid, extended.elements) == (STD, None, (Element(CLSID, b"abc"),))
    assert extended.resolver == handler.resolver


def test_a_custom_reference_goes_on_to_the_end_of_what_holds_it() -> None:
    reference = decode(custom(b"whatever", more=8))
    assert (reference.clsid, reference.custom, reference.custom_length, reference.std) == (CLSID, b"whatever", 8, None)


def test_impacket_reads_the_same_reference() -> None:
    from impacket.dcerpc.v5 import dcomrt
    from impacket.uuid import bin_to_string

    theirs = dcomrt.OBJREF_STANDARD(STANDARD)["std"]
    ours = decode(STANDARD).std
    assert ours is not None
    assert (theirs["flags"], theirs["cPublicRefs"], theirs["oxid"], theirs["oid"]) == ours[:4]
    assert bin_to_string(theirs["ipid"]).lower() == ours.ipid


@pytest.mark.parametrize("whole", [STANDARD, HANDLER, EXTENDED], ids=["standard", "handler", "extended"])
def test_a_cut_reference_is_truncated(whole: bytes) -> None:
    for kept in range(len(whole)):
        with pytest.raises(Truncated):
            objref.decode(Reader(whole[:kept], len(whole)))


@pytest.mark.parametrize(
    "spoilt",
    [b"WOEM" + STANDARD[4:], STANDARD[:4] + pack("<I", 3) + STANDARD[8:], EXTENDED.replace(b"VYSN", b"VYSO", 1)],
)
def test_wrong_signatures_and_kinds_are_malformed(spoilt: bytes) -> None:
    with pytest.raises(Malformed):
        decode(spoilt)


def test_all_references_of_a_stub_are_found_where_they_are() -> None:
    inner = custom(bytes(4) + pointed(STANDARD), more=8)
    stub = b"xyz" + STANDARD + b"MEOW" + pointed(HANDLER) + bytes(5) + pointed(inner) + EXTENDED + b"MEOW"
    found = objref.find_all(stub, 16)
    assert [one.kind for _, one in found] == [1, 2, 4, 1, 8]
    assert all(stub.startswith(b"MEOW" + pack("<I", one.kind), at) for at, one in found)
    assert found[0] == (3, decode(STANDARD))
    assert found[2][1] == decode(inner)
    assert objref.find_all(stub, 2) == found[:2]
    assert objref.find_all(stub, 0) == []


def test_what_does_not_hold_together_is_not_found() -> None:
    nothing = [
        STANDARD[:-1],
        STANDARD.replace(pdus.uuid(SINK), pdus.uuid(NULL)),
        STANDARD.replace(pdus.uuid(pdus.IPID), pdus.uuid(NULL)),
        STANDARD.replace(pack("<Q", 42), bytes(8)),
        custom(b"abc").replace(pdus.uuid(CLSID), pdus.uuid(NULL)),
        STANDARD[:4] + pack("<I", 5) + STANDARD[8:],
        b"MEOW",
        custom(b"abc", more=1),
    ]
    assert [objref.find_all(stub, 16) for stub in nothing] == [[]] * len(nothing)
    assert [one for _, one in objref.find_all(b"".join(nothing[1:-1]) + STANDARD, 16)] == [decode(STANDARD)]


OVERLAPPING = b"MEOW\4\0\0\0" + bytes(range(1, 33)) + pack("<II", 0, 1 << 21)  # custom ones within one another
GREEDY = STANDARD[:64] + pack("<HH", 8192, 8192)  # each takes 16 KiB, none of which is what follows


@pytest.mark.parametrize(
    "filling", [b"MEOW", b"MEOW\1\0\0\0", OVERLAPPING, GREEDY], ids=["bare", "kind", "in", "greedy"]
)
def test_a_stub_full_of_signatures_costs_no_more_than_its_length(
    filling: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = filling * ((4 << 20) // len(filling))
    read: list[int] = []

    def counted(reader: Reader) -> Objref:
        before = reader.offset
        try:
            return whole(reader)
        finally:
            read.append(reader.offset - before)

    whole = objref.decode
    monkeypatch.setattr(objref, "decode", counted)
    found = objref.find_all(stub, 1 << 30)
    assert sum(read) <= 5 * len(stub)
    assert len(read) <= len(stub) // 8
    assert len(found) <= len(read)


def test_the_limit_ends_the_search() -> None:
    stub = STANDARD * 1000
    assert [at for at, _ in objref.find_all(stub, 7)] == [len(STANDARD) * number for number in range(7)]
    assert len(objref.find_all(stub, 5000)) == 1000


@given(st.binary(max_size=300), st.integers(0, 8))
@example(b"MEOW\4\0\0\0", 1)
@example(custom(b"")[:-1], 1)
def test_any_stub_is_searched_without_complaint(data: bytes, limit: int) -> None:
    for stub in (data, b"MEOW\1\0\0\0" + data, b"MEOW\4\0\0\0" + data, b"MEOW\x08\0\0\0" + data):
        assert len(objref.find_all(stub, limit)) <= limit
        with suppress(DecodeError):
            decode(stub)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=4), st.sampled_from([STANDARD, HANDLER, EXTENDED]))
def test_spoilt_references_decode_or_raise_decode_error(at: int, dirt: bytes, whole: bytes) -> None:
    spoilt = whole[:at] + dirt + whole[at + len(dirt) :]
    with suppress(DecodeError):
        decode(spoilt)


def test_the_hint_in_an_ipid() -> None:
    assert objref.ipid_hint("0002c410-0a80-ffff-ca84-a9226eec8843") == IpidHint(0x0A80, 0xFFFF)
    assert objref.ipid_hint(IUNKNOWN) == IpidHint(0, 0)
    for text in ("", "no", "0002c410-0a8g-ffff-ca84-a9226eec8843"):
        with pytest.raises(Malformed):
            objref.ipid_hint(text)
