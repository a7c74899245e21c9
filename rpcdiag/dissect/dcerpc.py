"""Connection-oriented PDUs. [MS-RPCE] 2.2.2, [C706] chapter 12.6"""

from contextlib import suppress
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import DecodeError, Malformed, Truncated

HEADER = 16
MAX_CONTEXTS = 64
MAX_TRANSFERS = 16
SYNTAX = 20  # bytes of an interface or transfer syntax


class PduType(IntEnum):
    """[MS-RPCE] 2.2.2.1, [C706] 12.6.4"""

    REQUEST = 0
    RESPONSE = 2
    FAULT = 3
    BIND = 11
    BIND_ACK = 12
    BIND_NAK = 13
    ALTER_CONTEXT = 14
    ALTER_CONTEXT_RESP = 15
    AUTH3 = 16
    SHUTDOWN = 17
    CO_CANCEL = 18
    ORPHANED = 19
    RTS = 20  # [MS-RPCH] 2.2.3.6


_TYPES = {kind.value: kind for kind in PduType}
_LITTLE, _BIG = Struct("<BBBBIHHI").unpack_from, Struct(">BBBBIHHI").unpack_from

FIRST_FRAGMENT = 0x01
LAST_FRAGMENT = 0x02
DID_NOT_EXECUTE = 0x20
MAYBE = 0x40
OBJECT = 0x80

PRIVACY = 6  # the level that seals the stub


class Auth(NamedTuple):
    """The security trailer. [MS-RPCE] 2.2.2.11"""

    type: int
    level: int
    context_id: int
    token: bytes


class Header(NamedTuple):
    type: PduType
    flags: int
    big: bool
    length: int
    auth_length: int
    call_id: int


class Syntax(NamedTuple):
    """An interface or transfer syntax; the version is `major.minor`."""

    uuid: str
    version: str


UNSEEN = Syntax("", "")  # the capture does not hold it


class Context(NamedTuple):
    """One presentation context offered. [C706] 12.6.3.1"""

    id: int
    interface: Syntax
    transfers: tuple[Syntax, ...]


class Result(NamedTuple):
    """The server's answer for one context: 0 accepted, 1 and 2 rejected, 3 negotiate_ack (then `reason` holds bits)."""

    result: int
    reason: int
    transfer: Syntax


class Bind(NamedTuple):
    """bind or alter_context; `cut` where the capture lacks the end of its list of contexts."""

    header: Header
    association_group: int
    contexts: tuple[Context, ...]
    auth: Auth | None
    cut: bool = False


class BindAck(NamedTuple):
    """bind_ack or alter_context_resp; `secondary_address` is the port or pipe that the server believes it serves.

    `cut` where the capture lacks the last results.
    """

    header: Header
    association_group: int
    secondary_address: str
    results: tuple[Result, ...]
    auth: Auth | None
    cut: bool = False


class BindNak(NamedTuple):
    """[MS-RPCE] 2.2.2.9 for the reasons; None where the capture ends before it."""

    header: Header
    reason: int | None


class Request(NamedTuple):
    header: Header
    context_id: int
    opnum: int
    object: str | None
    stub: bytes
    stub_length: int  # on the wire; more than `stub` where the capture is cut
    auth: Auth | None


class Response(NamedTuple):
    header: Header
    context_id: int
    stub: bytes
    stub_length: int
    auth: Auth | None


class Fault(NamedTuple):
    header: Header
    context_id: int
    status: int
    auth: Auth | None


class Other(NamedTuple):
    """auth3, shutdown, co_cancel, orphaned, rts: nothing in them but the trailer matters."""

    header: Header
    auth: Auth | None


Pdu = Bind | BindAck | BindNak | Request | Response | Fault | Other


def decode_header(reader: Reader) -> Header:
    """The 16 bytes that every PDU begins with. [MS-RPCE] 2.2.2.1

    Raises:
        DecodeError: not the header of a version 5 PDU, or cut.
    """
    raw = reader.take(HEADER, "common_header")
    big = not raw[4] & 0x10
    version, minor, number, flags, _, length, auth_length, call_id = (_BIG if big else _LITTLE)(raw)
    reader.big = big
    if version != 5 or minor > 1:
        raise Malformed("rpc_vers", 0, f"version {version}.{minor}")
    kind = _TYPES.get(number)
    if kind is None:
        raise Malformed("ptype", 2, f"no PDU type {number}")
    if length < HEADER:
        raise Malformed("frag_length", 8, f"{length} bytes")
    return Header(kind, flags, big, length, auth_length, call_id)


def decode(data: bytes, length: int | None = None) -> Pdu:
    """Decode one PDU of which the sender sent `length` bytes and the capture holds `data`.

    Raises:
        DecodeError: the fields of the PDU do not hold together, or are not in the capture.
    """
    reader = Reader(data, length)
    header = decode_header(reader)
    reader.wire_length = min(reader.wire_length, header.length) if length is None else header.length
    auth, end = _decode_auth(data, header)
    match header.type:
        case PduType.BIND | PduType.ALTER_CONTEXT:
            return _decode_bind(reader, header, auth)
        case PduType.BIND_ACK | PduType.ALTER_CONTEXT_RESP:
            return _decode_bind_ack(reader, header, auth)
        case PduType.BIND_NAK:
            return BindNak(header, reader.u16("provider_reject_reason"))
        case PduType.REQUEST:
            return _decode_request(reader, header, auth, data, end)
        case PduType.RESPONSE:
            reader.skip(4, "alloc_hint")
            context_id = reader.u16("p_cont_id")
            reader.skip(2, "cancel_count")
            return Response(header, context_id, data[reader.offset : end], max(0, end - reader.offset), auth)
        case PduType.FAULT:
            reader.skip(4, "alloc_hint")
            context_id = reader.u16("p_cont_id")
            reader.skip(2, "cancel_count")
            return Fault(header, context_id, reader.u32("status"), auth)
        case _:
            return Other(header, auth)


def remains(data: bytes, length: int) -> Bind | BindAck | BindNak | None:
    """What the capture kept of a bind or its answer, where `decode` raises Truncated; None for other PDUs.

    Of a bind the contexts whose interface is there, of its answer the results whose code is.
    """
    reader = Reader(data, length)
    try:
        header = decode_header(reader)
        reader.wire_length = header.length
        auth, _ = _decode_auth(data, header)
        match header.type:
            case PduType.BIND | PduType.ALTER_CONTEXT:
                return _begun_bind(reader, header, auth)
            case PduType.BIND_ACK | PduType.ALTER_CONTEXT_RESP:
                return _begun_bind_ack(reader, header, auth)
            case PduType.BIND_NAK:
                return BindNak(header, None)
            case _:
                return None
    except DecodeError:
        return None


def _begun_bind(reader: Reader, header: Header, auth: Auth | None) -> Bind:
    group, contexts = 0, []
    with suppress(Truncated):
        reader.skip(4, "max_frag")
        group = reader.u32("assoc_group_id")
        for _ in range(_count(reader, "n_context_elem", "contexts")):
            number, transfers = _context_head(reader)
            interface = _decode_syntax(reader, "abstract_syntax")
            contexts.append(Context(number, interface, ()))
            for _ in range(transfers):
                known = (*contexts[-1].transfers, _decode_syntax(reader, "transfer_syntax"))
                contexts[-1] = contexts[-1]._replace(transfers=known)
    return Bind(header, group, tuple(contexts), auth, cut=True)


def _begun_bind_ack(reader: Reader, header: Header, auth: Auth | None) -> BindAck:
    group, address, results = 0, "", []
    with suppress(Truncated):
        reader.skip(4, "max_frag")
        group = reader.u32("assoc_group_id")
        address = _decode_address(reader)
        if reader.offset >= header.length:
            return BindAck(header, group, address, (), auth)
        for _ in range(_count(reader, "n_results", "results")):
            results.append(Result(reader.u16("result"), reader.u16("reason"), UNSEEN))
            results[-1] = results[-1]._replace(transfer=_decode_syntax(reader, "transfer_syntax"))
    return BindAck(header, group, address, tuple(results), auth, cut=True)


def _decode_auth(data: bytes, header: Header) -> tuple[Auth | None, int]:
    """The trailer, where the capture holds it, and where the body before it (and its padding) ends."""
    if not header.auth_length:
        return None, header.length
    at = header.length - header.auth_length - 8
    if at < HEADER:
        raise Malformed("auth_length", 10, f"{header.auth_length} bytes in a PDU of {header.length}")
    if at + 8 > len(data):
        return None, at
    context_id = int.from_bytes(data[at + 4 : at + 8], "big" if header.big else "little")
    auth = Auth(data[at], data[at + 1], context_id, data[at + 8 : header.length])
    return auth, max(HEADER, at - data[at + 2])


def _decode_syntax(reader: Reader, field: str) -> Syntax:
    uuid = reader.uuid(field)
    version = reader.u32(field + "_version")
    return Syntax(uuid, f"{version & 0xFFFF}.{version >> 16}")


def _count(reader: Reader, field: str, what: str) -> int:
    """How many contexts or results follow."""
    count = reader.u8(field)
    reader.skip(3, "reserved")
    if count > MAX_CONTEXTS:
        raise Malformed(field, reader.offset - 4, f"{count} {what}")
    return count


def _decode_bind(reader: Reader, header: Header, auth: Auth | None) -> Bind:
    reader.skip(4, "max_frag")
    group = reader.u32("assoc_group_id")
    count = _count(reader, "n_context_elem", "contexts")
    return Bind(header, group, tuple([_decode_context(reader) for _ in range(count)]), auth)


def _context_head(reader: Reader) -> tuple[int, int]:
    """The number of a context and how many transfer syntaxes it has, for which there must be room in the PDU."""
    head = reader.take(4, "p_cont_elem")
    transfers = head[2]
    if transfers > MAX_TRANSFERS or SYNTAX * (1 + transfers) > reader.left:
        raise Malformed("n_transfer_syn", reader.offset - 2, f"{transfers} transfer syntaxes")
    return int.from_bytes(head[:2], "big" if reader.big else "little"), transfers


def _decode_context(reader: Reader) -> Context:
    number, transfers = _context_head(reader)
    interface = _decode_syntax(reader, "abstract_syntax")
    return Context(number, interface, tuple([_decode_syntax(reader, "transfer_syntax") for _ in range(transfers)]))


def _decode_address(reader: Reader) -> str:
    """The secondary address of a bind_ack, with the padding behind it."""
    address = reader.take(reader.u16("sec_addr_length"), "sec_addr").rstrip(b"\x00").decode("latin-1")
    reader.align(4)
    return address


def _decode_bind_ack(reader: Reader, header: Header, auth: Auth | None) -> BindAck:
    reader.skip(4, "max_frag")
    group = reader.u32("assoc_group_id")
    address = _decode_address(reader)
    if reader.offset >= header.length:
        return BindAck(header, group, address, (), auth)
    results = tuple(
        [
            Result(reader.u16("result"), reader.u16("reason"), _decode_syntax(reader, "transfer_syntax"))
            for _ in range(_count(reader, "n_results", "results"))
        ]
    )
    return BindAck(header, group, address, results, auth)


def _decode_request(reader: Reader, header: Header, auth: Auth | None, data: bytes, end: int) -> Request:
    reader.skip(4, "alloc_hint")
    context_id, opnum = reader.u16("p_cont_id"), reader.u16("opnum")
    instance = reader.uuid("object") if header.flags & OBJECT else None
    at = reader.offset
    return Request(header, context_id, opnum, instance, data[at:end], max(0, end - at), auth)
