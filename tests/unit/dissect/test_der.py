"""DER: lengths, tags and integers, and where the capture ends."""

import pytest

from rpcdiag.dissect import der
from rpcdiag.dissect.der import Der
from rpcdiag.errors import Malformed, Truncated
from tests.build import tokens


@pytest.mark.parametrize("value", [0, 1, -1, 127, 128, -128, -135, 255, 65536, -(2**31), 2**32 - 1, 2**63 - 1])
def test_integers(value: int) -> None:
    assert Der(tokens.integer(value)).integer("number") == value


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 70000])
def test_lengths(size: int) -> None:
    cursor = Der(tokens.der(0x04, bytes(size)) + tokens.integer(7))
    assert cursor.octets("bytes").content() == (bytes(size), size)
    assert cursor.integer("number") == 7


def test_fields_that_nobody_asks_for_are_passed_over() -> None:
    whole = tokens.field(0, tokens.integer(5)) + tokens.field(2, tokens.integer(6)) + tokens.field(4, tokens.integer(7))
    cursor = Der(whole)
    assert cursor.find(1, "one") is None
    assert cursor.need(4, "four").integer("four") == 7
    with pytest.raises(Malformed, match="five"):
        cursor.need(5, "five")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (b"\x02", "without length"),
        (b"\x02\x00", "no bytes"),
        (b"\x02\x09" + bytes(9), "9 bytes"),
        (b"\x02\x80\x01\x00\x00", "a length of 0 bytes"),
        (b"\x02\x85\x00\x00\x00\x00\x01\x01", "a length of 5 bytes"),
        (b"\x02\x82\x01", "is cut"),
        (b"\x02\x02\x01", "the parent ends"),
        (b"\x04\x01\x01", "tag 0x04"),
        (b"", "is missing"),
    ],
)
def test_what_is_no_der_is_malformed(wrong: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        Der(wrong).integer("number")


def test_what_stands_before_the_cut_can_be_read() -> None:
    whole = tokens.sequence(tokens.integer(5), tokens.der(0x04, bytes(100)))
    inside = Der(whole[:20], len(whole)).enter(der.SEQUENCE, "all")
    assert inside.integer("number") == 5
    assert inside.octets("bytes").content() == (bytes(13), 100)
    with pytest.raises(Truncated):
        Der(whole[:4], len(whole)).enter(der.SEQUENCE, "all").integer("number")


@pytest.mark.parametrize(
    ("raw", "text"),
    [("2a864882f712010202", "1.2.840.48018.1.2.2"), ("2b0601050502", "1.3.6.1.5.5.2"), ("883703", "2.999.3"), ("", "")],
)
def test_object_identifiers(raw: str, text: str) -> None:
    assert der.oid_text(bytes.fromhex(raw)) == text
