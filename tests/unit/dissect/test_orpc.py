"""What stands before arguments and results of DCOM calls."""

from contextlib import suppress
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.dissect import orpc
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.orpc import ErrorInfo, Extension, OrpcThat, OrpcThis
from rpcdiag.errors import DecodeError, Malformed, Truncated
from tests.build import pdus
from tests.build.exchanges import IUNKNOWN

DEBUG = "f1f19680-4d2a-11ce-a66a-0020af6e72f4"
ERROR_OBJECT = "0000031b-0000-0000-c000-000000000046"


def text(said: str | None) -> bytes:
    """ErrorInfoString, which nothing rounds up."""
    if said is None:
        return pack("<I", 0)
    count = len(said) + 1
    return pack("<IIII", 0xFFFFFFFF, count, 0, count) + said.encode("utf-16-le") + b"\0\0"


def error_object(
    source: str | None, description: str | None, help_file: str | None, *, clsid: str = ERROR_OBJECT
) -> bytes:
    """[MS-DCOM] 2.2.21.2, in an OBJREF_CUSTOM of IErrorInfo."""
    data = pack("<II", 0, 77) + pdus.uuid(IUNKNOWN) + text(source) + text(description) + text(help_file)
    head = b"MEOW" + pack("<I", 4) + pdus.uuid("1cf2b120-547d-101b-8e65-08002b2bd119") + pdus.uuid(clsid)
    return head + pack("<II", 0, len(data)) + data


def extents(*those: tuple[str, bytes]) -> bytes:
    """A pointer, ORPC_EXTENT_ARRAY, and what it points to: always an even number of pointers."""
    room = len(those) + len(those) % 2
    stub = pack("<IIII", 0x20000, len(those), 0, 0x20004) + pack("<I", room)
    stub += b"".join(pack("<I", 0x20008 + 4 * number) for number in range(len(those))) + bytes(4 * (room - len(those)))
    for name, data in those:
        rounded = data + bytes(-len(data) % 8)
        stub += pack("<I", len(rounded)) + pdus.uuid(name) + pack("<I", len(data)) + rounded
    return stub


def this(extensions: bytes) -> bytes:
    return pdus.orpcthis()[:-4] + extensions


def that(extensions: bytes) -> bytes:
    return pack("<I", 1) + extensions


FAILED = error_object("Provider", "Der RPC-Server ist nicht verf\xfcgbar.", None)


def test_a_request_tells_version_and_causality_and_then_its_arguments() -> None:
    ndr = Ndr(pdus.orpcthis() + b"arguments")
    assert orpc.decode_this(ndr) == OrpcThis((5, 7), 0, pdus.CAUSALITY, ())
    assert ndr.rest() == b"arguments"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_extensions_of_requests_and_responses(count: int) -> None:
    those = [(DEBUG, bytes(range(10)) * number) for number in range(1, count + 1)]
    wanted = tuple(Extension(*one) for one in those)
    for data, decode in ((this(extents(*those)), orpc.decode_this), (that(extents(*those)), orpc.decode_that)):
        ndr = Ndr(data + b"rest")
        decoded = decode(ndr)
        assert decoded.extensions == wanted
        assert ndr.rest() == b"rest"


def test_a_response_without_extensions_is_eight_bytes() -> None:
    ndr = Ndr(pdus.orpcthat() + b"results!")
    assert orpc.decode_that(ndr) == OrpcThat(0, ())
    assert ndr.rest() == b"results!"


def test_pointers_are_wide_in_ndr64() -> None:
    ndr = Ndr(pack("<IIQ", 0, 0, 0) + b"results!", wide=True)
    assert orpc.decode_that(ndr) == OrpcThat(0, ())
    assert ndr.rest() == b"results!"


def test_impacket_reads_the_same_extensions() -> None:
    from impacket.dcerpc.v5 import dcomrt

    stub = this(extents((DEBUG, b"12345678"), (DEBUG, b"abc"))) + pack("<III", 0, 0, 0)
    found = dcomrt.RemRelease(stub)["ORPCthis"]["extensions"]["extent"]
    ours = orpc.decode_this(Ndr(stub)).extensions
    assert [b"".join(one["data"])[: one["size"]] for one in found] == [one.data for one in ours]
    assert len(ours) == 2


@pytest.mark.parametrize("major", [0, 4, 6, 0x0500])
def test_another_version_is_no_orpcthis(major: int) -> None:
    with pytest.raises(Malformed):
        orpc.decode_this(Ndr(pack("<H", major) + pdus.orpcthis()[2:]))


def test_what_the_object_says_of_its_failure() -> None:
    extensions = orpc.decode_that(Ndr(that(extents((DEBUG, b""), (orpc.ERROR_INFORMATION, FAILED))))).extensions
    wanted = ErrorInfo(IUNKNOWN, 77, "Provider", "Der RPC-Server ist nicht verf\xfcgbar.", None)
    assert orpc.error_info(extensions) == wanted
    assert orpc.error_info(extensions[:1]) is None


def test_an_error_object_of_another_make_is_left_alone() -> None:
    other = error_object("a", "b", "c", clsid=IUNKNOWN)
    assert orpc.error_info((Extension(orpc.ERROR_INFORMATION, other),)) is None


@pytest.mark.parametrize("kept", range(0, len(FAILED), 7))
def test_a_cut_error_object_is_refused(kept: int) -> None:
    with pytest.raises(DecodeError):
        orpc.error_info((Extension(orpc.ERROR_INFORMATION, FAILED[:kept]),))


def test_cut_extensions_are_truncated() -> None:
    whole = this(extents((DEBUG, bytes(16)), (orpc.ERROR_INFORMATION, FAILED)))
    for kept in range(len(whole)):
        with pytest.raises(Truncated):
            orpc.decode_this(Ndr(whole[:kept], len(whole)))


@pytest.mark.parametrize("count", [orpc.MAX_EXTENTS + 1, 0xFFFFFFFF])
def test_more_extensions_than_anybody_sends_are_refused(count: int) -> None:
    with pytest.raises(Malformed):
        orpc.decode_that(Ndr(pack("<IIIII", 0, 0x20000, 2, 0, 0x20004) + pack("<I", count) + bytes(1000)))


@given(st.binary(max_size=400), st.booleans(), st.booleans())
def test_any_bytes_decode_or_raise_decode_error(data: bytes, big: bool, wide: bool) -> None:
    for start in (b"", pdus.orpcthis()[:-4], pdus.orpcthat()[:4], this(b""), that(pack("<IIII", 1, 1, 0, 1))):
        for decode in (orpc.decode_this, orpc.decode_that):
            with suppress(DecodeError):
                decode(Ndr(start + data, big=big, wide=wide))
    with suppress(DecodeError):
        orpc.error_info((Extension(orpc.ERROR_INFORMATION, FAILED[:72] + data),))


@given(st.integers(0, 300), st.binary(min_size=1, max_size=4))
def test_spoilt_extensions_decode_or_raise_decode_error(at: int, dirt: bytes) -> None:
    whole = bytearray(that(extents((DEBUG, bytes(16)), (orpc.ERROR_INFORMATION, FAILED))))
    whole[at : at + len(dirt)] = dirt
    with suppress(DecodeError):
        orpc.error_info(orpc.decode_that(Ndr(bytes(whole))).extensions)
