"""Connectionless PDUs, one a datagram. [C706] chapter 12.5, [MS-RPCE] 2.2.3"""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.reader import Reader, uuid_text
from rpcdiag.errors import Malformed

HEADER = 80
CONV = "333a2276-0000-0000-0d00-00809c000000"  # by which a server asks its client back. [C706] appendix P
NO_OBJECT = "00000000-0000-0000-0000-000000000000"
MAX_SELECTIVE = 64  # words of a selective acknowledgement: 2048 fragments


class PduType(IntEnum):
    """[C706] 12.1, table 12-1"""

    REQUEST = 0
    PING = 1
    RESPONSE = 2
    FAULT = 3
    WORKING = 4
    NOCALL = 5
    REJECT = 6
    ACK = 7
    CL_CANCEL = 8
    FACK = 9
    CANCEL_ACK = 10


_TYPES = {kind.value: kind for kind in PduType}

# flags1. [C706] 12.5.2.3
LAST_FRAGMENT = 0x02
FRAGMENT = 0x04
NO_FACK = 0x08
MAYBE = 0x10
IDEMPOTENT = 0x20
BROADCAST = 0x40
# flags2
CANCEL_PENDING = 0x02

_FORMS = tuple(Struct(order + "IIIHHHHHBB").unpack_from for order in "<>")
_FACK = tuple(Struct(order + "HIIHH") for order in "<>")


class Header(NamedTuple):
    """The 80 bytes. `length` is that of the body, without the authentication behind it."""

    type: PduType
    flags: int
    flags2: int
    big: bool
    object: str | None
    interface: Syntax
    activity: str
    server_boot: int  # seconds since 1970, 0 where the client does not know it
    sequence: int
    opnum: int
    interface_hint: int
    activity_hint: int
    length: int
    fragment: int
    auth_proto: int
    serial: int

    @property
    def whole(self) -> bool:
        """Whether the body is not in fragments; some set the flag of the last fragment here too."""
        return not self.flags & FRAGMENT

    @property
    def last(self) -> bool:
        """Whether no fragment follows this one."""
        return not self.flags & FRAGMENT or bool(self.flags & LAST_FRAGMENT)


class Auth(NamedTuple):
    """What follows the body. [MS-RPCE] 2.2.3.4; `token` is what the capture has, its padding included."""

    level: int
    key_version: int
    token: bytes


class Request(NamedTuple):
    header: Header
    stub: bytes
    stub_length: int  # on the wire; more than `stub` where the capture is cut
    auth: Auth | None


class Response(NamedTuple):
    header: Header
    stub: bytes
    stub_length: int
    auth: Auth | None


class Fault(NamedTuple):
    """fault: the operation failed; reject: it was never executed. [C706] 12.5.3.4, 12.5.3.8"""

    header: Header
    status: int


class Fack(NamedTuple):
    """fack, and nocall, which may hold the same. [C706] 12.5.3.3

    `window` is None where there is no body, or one of a version that nobody specified. `fragment` of the header is the
    last one that arrived with all before it; bit n of `selective` speaks of the one n + 1 after it.
    """

    header: Header
    window: int | None = None
    max_tsdu: int = 0
    max_fragment: int = 0
    serial: int = 0  # of the PDU that made the receiver send this
    selective: tuple[int, ...] = ()


class Cancel(NamedTuple):
    """cl_cancel and cancel_ack; all None where there is no body. [C706] 12.5.3.1, 12.5.3.2"""

    header: Header
    version: int | None = None
    cancel_id: int | None = None
    accepting: bool | None = None  # in a cancel_ack


class Other(NamedTuple):
    """ping, working and ack: the header says it all."""

    header: Header


Pdu = Request | Response | Fault | Fack | Cancel | Other


def decode_header(data: bytes, length: int | None = None) -> Header:
    """The header of a datagram of `length` bytes. [C706] 12.5.2

    Raises:
        DecodeError: not the header of a version 4 PDU, longer than its datagram, or cut.
    """
    reader = Reader(data, length)
    raw = reader.take(HEADER, "header")
    if raw[0] != 4:
        raise Malformed("rpc_vers", 0, f"version {raw[0]}")
    kind = _TYPES.get(raw[1])
    if kind is None:
        raise Malformed("ptype", 1, f"no PDU type {raw[1]}")
    if raw[4] & 0xEE or raw[5] > 3 or raw[6]:
        raise Malformed("drep", 4, f"no data representation {raw[4:7].hex()}")
    big = not raw[4] & 0x10
    boot, version, sequence, opnum, interface_hint, activity_hint, body, fragment, proto, serial = _FORMS[big](raw, 56)
    if body > reader.left:
        raise Malformed("len", 74, f"{body} bytes, the datagram has {reader.left}")
    instance = uuid_text(raw[8:24], big=big)
    return Header(
        kind, raw[2], raw[3], big, None if instance == NO_OBJECT else instance,
        Syntax(uuid_text(raw[24:40], big=big), f"{version & 0xFFFF}.{version >> 16}"), uuid_text(raw[40:56], big=big),
        boot, sequence, opnum, interface_hint, activity_hint, body, fragment, proto, raw[7] << 8 | serial,
    )  # fmt: skip


def decode_body(header: Header, data: bytes, length: int | None = None) -> Pdu:
    """The PDU whose header has been read.

    Raises:
        DecodeError: the body does not hold together, or is not in the capture.
    """
    wire = len(data) if length is None else length
    end = HEADER + header.length
    match header.type:
        case PduType.REQUEST:
            return Request(header, data[HEADER:end], header.length, _auth(header, data, wire))
        case PduType.RESPONSE:
            return Response(header, data[HEADER:end], header.length, _auth(header, data, wire))
        case PduType.FAULT | PduType.REJECT:
            return Fault(header, _body(header, data).u32("status"))
        case PduType.FACK | PduType.NOCALL:
            return _fack(header, _body(header, data))
        case PduType.CL_CANCEL | PduType.CANCEL_ACK:
            return _cancel(header, _body(header, data))
        case _:
            return Other(header)


def decode(data: bytes, length: int | None = None) -> Pdu:
    """Decode one datagram of which the sender sent `length` bytes and the capture holds `data`.

    Raises:
        DecodeError: the fields of the PDU do not hold together, or are not in the capture.
    """
    return decode_body(decode_header(data, length), data, length)


def asked_of(request: Request) -> str | None:
    """The activity that a request of the interface `conv` asks about: always its first parameter."""
    if request.header.interface.uuid != CONV or len(request.stub) < 16:
        return None
    return uuid_text(request.stub[:16], big=request.header.big)


def _body(header: Header, data: bytes) -> Reader:
    return Reader(data, HEADER + header.length, big=header.big, offset=HEADER)


def _auth(header: Header, data: bytes, wire: int) -> Auth | None:
    """The level, where the capture holds it. The body is padded to 8 before it."""
    if not header.auth_proto:
        return None
    at = HEADER + header.length + -header.length % 8
    if at + 2 > len(data) or at + 2 > wire:
        return None
    level = data[at]
    if level > 6:
        raise Malformed("auth_level", at, f"no level {level}")
    return Auth(level, data[at + 1], data[at + 2 : wire])


def _fack(header: Header, reader: Reader) -> Fack:
    if not header.length:
        return Fack(header)
    version = reader.u8("vers")
    if version > 1:
        return Fack(header)
    reader.skip(1, "pad")
    form = _FACK[header.big]
    window, max_tsdu, max_fragment, serial, words = form.unpack(reader.take(form.size, "fack"))
    if words > MAX_SELECTIVE:
        raise Malformed("selack_len", reader.offset - 2, f"{words} words")
    selective = tuple(reader.u32("selack") for _ in range(words))
    return Fack(header, window, max_tsdu, max_fragment, serial, selective)


def _cancel(header: Header, reader: Reader) -> Cancel:
    if not header.length:
        return Cancel(header)
    version, cancel_id = reader.u32("vers"), reader.u32("cancel_id")
    if header.type is PduType.CL_CANCEL:
        return Cancel(header, version, cancel_id)
    return Cancel(header, version, cancel_id, bool(reader.u32("server_is_accepting")))
