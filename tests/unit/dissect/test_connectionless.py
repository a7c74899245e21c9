"""Datagrams to fields: both byte orders, every body, nonsense."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.dissect import connectionless
from rpcdiag.dissect.connectionless import Auth, Cancel, Fack, Fault, Other, PduType, Request, Response
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.errors import DecodeError, Malformed, Truncated
from tests.build import datagrams, pdus
from tests.build.datagrams import ACTIVITY, BOOTED, Call

SERVICE = ("5a7c1e00-93d4-4f06-8b2a-6d0c5e9f1a34", "2.1")
BOTH = pytest.mark.parametrize("big", [False, True])


def _call(big: bool) -> Call:
    return Call(SERVICE, opnum=7, sequence=70_000, boot=BOOTED, instance=pdus.IPID, big=big)


def _signed(data: bytes, level: int, *, kind: int = 10) -> bytes:
    """With an authentication trailer. [MS-RPCE] 2.2.3.4"""
    return data[:78] + bytes([kind]) + data[79:] + bytes(-len(data) % 8) + bytes([level, 3]) + bytes(22)


@BOTH
def test_every_field_of_the_header(big: bool) -> None:
    data = datagrams.pdu(datagrams.REQUEST, _call(big), b"stub", flags1=0x26, flags2=2, fragment=5, serial=0x1234)
    header = connectionless.decode_header(data)
    assert header == connectionless.Header(
        PduType.REQUEST, 0x26, 2, big, pdus.IPID, Syntax(*SERVICE), ACTIVITY, BOOTED, 70_000, 7, 0xFFFF, 0xFFFF, 4, 5, 0,
        0x1234,
    )  # fmt: skip
    assert connectionless.decode(data) == Request(header, b"stub", 4, None)
    assert (header.whole, header.last) == (False, True)


def test_no_object_is_none() -> None:
    assert connectionless.decode_header(datagrams.pdu(0, Call())).object is None


@BOTH
def test_bodies(big: bool) -> None:
    call = _call(big)
    fault = connectionless.decode(datagrams.failed(datagrams.FAULT, call, 0x1C00000B))
    reject = connectionless.decode(datagrams.failed(datagrams.REJECT, call, 0x1C010003))
    assert isinstance(fault, Fault)
    assert isinstance(reject, Fault)
    assert (fault.status, reject.status) == (0x1C00000B, 0x1C010003)
    assert (fault.header.type, reject.header.type) == (PduType.FAULT, PduType.REJECT)
    for kind in (datagrams.FACK, datagrams.NOCALL):
        fack = connectionless.decode(datagrams.fack(call, 4, kind=kind, window=32, serial=9, missing=(5, 1 << 31)))
        assert fack == Fack(fack.header, 32, 4096, 1464, 9, (5, 1 << 31))
        assert fack.header.fragment == 4
    cancel = connectionless.decode(datagrams.cancel(call, 6))
    assert cancel == Cancel(cancel.header, 0, 6)
    told = connectionless.decode(datagrams.cancel_ack(call, 6, accepting=False))
    assert told == Cancel(told.header, 0, 6, False)
    response = connectionless.decode(datagrams.pdu(datagrams.RESPONSE, call, b"answer"))
    assert response == Response(response.header, b"answer", 6, None)


def test_bodies_that_may_be_left_out() -> None:
    for kind in (datagrams.PING, datagrams.WORKING, datagrams.ACK):
        assert isinstance(connectionless.decode(datagrams.pdu(kind, Call())), Other)
    for kind in (datagrams.FACK, datagrams.NOCALL):
        fack = connectionless.decode(datagrams.pdu(kind, Call()))
        assert isinstance(fack, Fack)
        assert fack.window is None
    for kind in (datagrams.CANCEL, datagrams.CANCEL_ACK):
        cancel = connectionless.decode(datagrams.pdu(kind, Call()))
        assert isinstance(cancel, Cancel)
        assert cancel.cancel_id is None


def test_a_fack_of_an_unknown_version_is_not_guessed() -> None:
    data = bytearray(datagrams.fack(Call(), 1))
    data[80] = 7
    fack = connectionless.decode(bytes(data))
    assert isinstance(fack, Fack)
    assert fack.window is None


@pytest.mark.parametrize("stub", [b"", b"12345678", b"123"])
def test_the_level_of_security_follows_the_padded_body(stub: bytes) -> None:
    pdu = connectionless.decode(_signed(datagrams.pdu(datagrams.REQUEST, Call(), stub), 6))
    assert isinstance(pdu, Request)
    assert pdu.stub == stub
    assert pdu.auth == Auth(6, 3, bytes(22))
    assert pdu.header.auth_proto == 10


def test_a_level_that_the_capture_has_not_is_not_known() -> None:
    data = _signed(datagrams.pdu(datagrams.REQUEST, Call(), bytes(8)), 6)
    pdu = connectionless.decode(data[:84], len(data))
    assert isinstance(pdu, Request)
    assert (len(pdu.stub), pdu.stub_length, pdu.auth) == (4, 8, None)


def test_conv_asks_about_an_activity() -> None:
    conv = Call(datagrams.CONVERSATION)
    asked = connectionless.decode(datagrams.pdu(datagrams.REQUEST, conv, pdus.uuid(ACTIVITY) + bytes(4)))
    assert isinstance(asked, Request)
    assert connectionless.asked_of(asked) == ACTIVITY
    assert connectionless.asked_of(asked._replace(stub=bytes(15))) is None
    other = connectionless.decode(datagrams.pdu(datagrams.REQUEST, Call(), bytes(20)))
    assert isinstance(other, Request)
    assert connectionless.asked_of(other) is None


def _changed(at: int, to: bytes) -> bytes:
    data = datagrams.pdu(datagrams.REQUEST, Call(), bytes(8))
    return data[:at] + to + data[at + len(to) :]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "header"),
        (datagrams.pdu(0, Call())[:79], "header"),
        (_changed(0, b"\x05"), "rpc_vers"),
        (_changed(1, b"\x0b"), "ptype"),
        (_changed(4, b"\x01\x01\x01"), "drep"),  # a worm's datagram of ones, to port 1434, is no RPC
        (_changed(4, b"\x20"), "drep"),
        (_changed(5, b"\x04"), "drep"),
        (_changed(74, pack("<H", 9)), "len"),
        (datagrams.pdu(datagrams.FAULT, Call(), b"123"), "status"),
        (datagrams.pdu(datagrams.FACK, Call(), bytes(8)), "fack"),
        (datagrams.pdu(datagrams.FACK, Call(), bytes(14) + b"\xff\xff"), "selack_len"),
        (datagrams.pdu(datagrams.CANCEL_ACK, Call(), bytes(8)), "server_is_accepting"),
        (_signed(datagrams.pdu(datagrams.REQUEST, Call()), 7), "auth_level"),
    ],
)
def test_nonsense(data: bytes, field: str) -> None:
    with pytest.raises(Malformed) as caught:
        connectionless.decode(data)
    assert caught.value.field == field


def test_a_short_capture_is_not_a_broken_sender() -> None:
    data = datagrams.failed(datagrams.FAULT, Call(), 5)
    for kept in (10, 79, 82):
        with pytest.raises(Truncated):
            connectionless.decode(data[:kept], len(data))


@given(st.binary(max_size=200), st.integers(0, 300), st.booleans())
def test_any_bytes_decode_or_raise_decode_error(tail: bytes, more: int, headed: bool) -> None:
    data = bytes([4, tail[0] % 11 if tail else 0, 0, 0, 0x10, 0, 0]) + tail if headed else tail
    try:
        pdu = connectionless.decode(data, len(data) + more)
    except DecodeError:
        return
    assert pdu.header.length <= len(data) + more - 80
