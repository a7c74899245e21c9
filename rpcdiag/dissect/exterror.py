"""Extended error information: what happened inside the server that sent a fault or bind_nak.

[MS-EERR] 2.2; where it stands: [MS-RPCE] 2.2.2.8 (fault), 2.2.2.9 (bind_nak). Windows sends it only where the policy
"Propagation of extended error information" is set. In a fault it follows the header of 32 bytes, and the lowest bit of
the byte before the status says so; in a bind_nak a signature stands before it.
"""

from typing import NamedTuple

from rpcdiag.dissect import dcerpc
from rpcdiag.dissect.dcerpc import PduType
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.reader import Reader
from rpcdiag.dissect.status import status_name
from rpcdiag.errors import Malformed

BIND_NAK_SIGNATURE = "90740320-fad0-11d3-82d7-009027b130ab"
MAX_RECORDS = 32
MAX_PARAMETERS = 4  # [MS-EERR] 2.2.1.8
MAX_LENGTH = 0x7FFF  # of texts and binaries: the lengths are signed 16-bit numbers

PREVIOUS_MISSING = 1  # records before this one were left out
NEXT_MISSING = 2

_PRESENT = 0x01  # in the fault's flags
_HEADERS = 16  # of type serialization version 1. [MS-RPCE] 2.2.6
_EPOCH = 116_444_736_000_000_000  # 1970 in 100 ns since 1601
# rpcasync.h (EEInfoGCCOM, EEInfoGCFRS); [MS-EERR] 2.2.3. The first ten are in the table of status codes.
_MORE_COMPONENTS = {11: "COM", 12: "File Replication Service", 14: "RPC over HTTP proxy"}

ANSI, UNICODE, LONG, SHORT, POINTER, NONE, BINARY = range(1, 8)  # [MS-EERR] 2.2.1.4
_NAMED, _NAMELESS = 1, 2  # [MS-EERR] 2.2.1.6

Parameter = str | int | bytes | None


class ErrorRecord(NamedTuple):
    """One layer's account of the error; the record that follows it is that of the layer which caused it."""

    computer: str | None  # None: the host that sent the record
    process: int
    time_ns: int  # since 1970
    component: int
    status: int
    location: int
    flags: int
    parameters: tuple[Parameter, ...]

    @property
    def component_name(self) -> str | None:
        return status_name(self.component, "eeinfo_component") or _MORE_COMPONENTS.get(self.component)

    @property
    def location_name(self) -> str | None:
        """The place in the runtime, `DispatchToStubWorker40`; those of other components are numbers only."""
        return status_name(self.location, "eeinfo_location")


def of_fault(data: bytes, length: int | None = None) -> tuple[ErrorRecord, ...]:
    """What a fault PDU says beyond its status; empty where it says nothing more.

    Raises:
        DecodeError: no fault, or what it says cannot be read.
    """
    reader, header = _pdu(data, length, PduType.FAULT)
    reader.skip(7, "alloc_hint")
    if not reader.u8("fault_flags") & _PRESENT:
        return ()
    reader.skip(8, "status")
    trailer = header.auth_length + 8 if header.auth_length else 0
    return decode(data[reader.offset : header.length - trailer], header.length - trailer - reader.offset)


def of_bind_nak(data: bytes, length: int | None = None) -> tuple[ErrorRecord, ...]:
    """What a bind_nak PDU says beyond its reason; empty where it says nothing more.

    Raises:
        DecodeError: no bind_nak, or what it says cannot be read.
    """
    reader, header = _pdu(data, length, PduType.BIND_NAK)
    reader.skip(2, "provider_reject_reason")
    reader.skip(2 * reader.u8("n_protocols"), "versions")
    reader.align(4)
    # with one version, which all known servers send, multiples of 4 and of 8 are the same
    if reader.left < 16 or reader.uuid("signature") != BIND_NAK_SIGNATURE:
        return ()
    return decode(data[reader.offset : header.length], header.length - reader.offset)


def _pdu(data: bytes, length: int | None, kind: PduType) -> tuple[Reader, dcerpc.Header]:
    reader = Reader(data, length)
    header = dcerpc.decode_header(reader)
    if header.type is not kind:
        raise Malformed("ptype", 2, f"{header.type.name} where {kind.name} is due")
    reader.wire_length = min(reader.wire_length, header.length) if length is None else header.length
    return reader, header


def decode(data: bytes, length: int | None = None) -> tuple[ErrorRecord, ...]:
    """The records, the first one first; its headers say in which byte order they are, whatever the PDU's.

    Raises:
        DecodeError: as everywhere.
    """
    start = Reader(data, length)
    if start.u8("version") != 1:
        raise Malformed("version", 0, "not type serialization 1")
    order = start.u8("endianness")
    if order not in (0x00, 0x10):
        raise Malformed("endianness", 1, f"{order:#x}")
    start.big = not order
    if (header := start.u16("header_length")) != 8:
        raise Malformed("header_length", 2, f"{header} bytes")
    start.skip(4, "filler")
    size = start.u32("object_buffer_length")
    start.skip(4, "filler")
    if size > start.left:
        raise Malformed("object_buffer_length", 8, f"{size} bytes where {start.left} are left")
    ndr = Ndr(start.rest()[:size], size, big=start.big)
    return tuple(_records(ndr)) if ndr.pointer("record_ptr") else ()


class _Open(NamedTuple):
    """A record of which what its pointers point to has not been read yet."""

    record: ErrorRecord
    named: bool
    kinds: tuple[int, ...]


def _records(ndr: Ndr) -> list[ErrorRecord]:
    """The chain. A record's pointers are followed in their order, the one to the next record first: so all records
    come first, then the texts of the last, and so on back to the first. [C706] 14.3.12.3
    """
    chain: list[_Open] = []
    more = 1
    while more:
        if len(chain) == MAX_RECORDS:
            raise Malformed("next", ndr.offset, f"more than {MAX_RECORDS} records")
        more, one = _record(ndr)
        chain.append(one)
    closed = [_close(ndr, one) for one in reversed(chain)]
    return closed[::-1]


def _record(ndr: Ndr) -> tuple[int, _Open]:
    """ExtendedErrorInfo: the pointer to the next, and the record with placeholders. [MS-EERR] 2.2.1.8"""
    count = ndr.count("parameter_max", MAX_PARAMETERS)
    ndr.align(8)
    more = ndr.pointer("next")
    named = _computer(ndr)
    process = ndr.long("process")
    ndr.align(8)
    time_ns = (ndr.u64("time") - _EPOCH) * 100
    component, status = ndr.u32("component"), ndr.u32("status")
    location, flags = ndr.u16("location"), ndr.u16("flags")
    said = ndr.u16("parameter_count")
    if said != count:
        raise Malformed("parameter_count", ndr.offset - 2, f"{said} where the array has {count}")
    pairs = [_parameter(ndr) for _ in range(count)]
    record = ErrorRecord(
        "" if named else None,
        process,
        time_ns,
        component,
        status,
        location,
        flags,
        tuple([value for _, value in pairs]),
    )
    return more, _Open(record, named, tuple([kind for kind, _ in pairs]))


def _tag(ndr: Ndr, field: str) -> int:
    """The discriminant of a union that stands outside of it: it is there twice."""
    ndr.align(2)
    kind = ndr.u16(field)
    if (again := ndr.u16(field + "_tag")) != kind:
        raise Malformed(field + "_tag", ndr.offset - 2, f"{again} where {kind} is due")
    return kind


def _computer(ndr: Ndr) -> bool:
    """EEComputerName: whether a name follows later. [MS-EERR] 2.2.1.7"""
    ndr.align(4)
    kind = _tag(ndr, "computer_type")
    if kind not in (_NAMED, _NAMELESS):
        raise Malformed("computer_type", ndr.offset - 4, f"type {kind}")
    return kind == _NAMED and _points(ndr, "computer")


def _points(ndr: Ndr, field: str) -> bool:
    """EEAString, EEUString, BinaryEEInfo: a length, said again where the pointer leads."""
    ndr.align(4)
    ndr.skip(2, field + "_length")
    return bool(ndr.pointer(field + "_ptr"))


def _parameter(ndr: Ndr) -> tuple[int, Parameter]:
    """ExtendedErrorParam: its type, and its value where it is a number. [MS-EERR] 2.2.1.5"""
    ndr.align(8)
    kind = _tag(ndr, "parameter_type")
    if kind in (ANSI, UNICODE, BINARY):
        return (kind if _points(ndr, "parameter") else NONE), None
    if kind == LONG:
        return NONE, _signed(ndr.long("long"), 32)
    if kind == SHORT:
        return NONE, _signed(ndr.u16("short"), 16)
    if kind == POINTER:
        ndr.align(8)
        return NONE, ndr.u64("pointer")
    if kind != NONE:
        raise Malformed("parameter_type", ndr.offset - 4, f"type {kind}")
    return NONE, None


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _close(ndr: Ndr, one: _Open) -> ErrorRecord:
    """The record with its texts."""
    computer = _wide_text(ndr, "computer") if one.named else None
    values: list[Parameter] = []
    for kind, value in zip(one.kinds, one.record.parameters, strict=True):
        if kind == UNICODE:
            values.append(_wide_text(ndr, "text"))
        elif kind in (ANSI, BINARY):
            data = ndr.take(ndr.count("length", MAX_LENGTH), "data")
            values.append(data.rstrip(b"\0").decode("latin-1") if kind == ANSI else data)
        else:
            values.append(value)
    return one.record._replace(computer=computer, parameters=tuple(values))


def _wide_text(ndr: Ndr, field: str) -> str:
    size = ndr.count(field + "_max", MAX_LENGTH) * 2
    coding = "utf-16-be" if ndr.big else "utf-16-le"
    return ndr.take(size, field).decode(coding, "replace").rstrip("\0")
