"""Object references: how an interface of an object is handed to somebody else. [MS-DCOM] 2.2.18

The bindings in a reference are those of the object resolver (port 135) on the host that keeps the object; they carry
a port where the sender put one in. A reference in a request tells the server where to call back.
"""

import re
from typing import NamedTuple

from rpcdiag.dissect.dcom import DualStrings, decode_dual_strings
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import DecodeError, Malformed

STANDARD = 1
HANDLER = 2
CUSTOM = 4
EXTENDED = 8

SORF_NOPING = 0x1000  # in the flags of a STDOBJREF: the object's resolver counts no pings. [MS-DCOM] 2.2.18.2

MAX_POINTED = 1 << 22  # bytes behind one interface pointer
MAX_ELEMENTS = 16
_MEOW = b"MEOW"
_LIKELY = re.compile(rb"MEOW[\x01\x02\x04\x08]\0\0\0")
_CUSTOM_HEADER = 48
_NSYV = 0x4E535956
_NULL = "00000000-0000-0000-0000-000000000000"


class StdObjref(NamedTuple):
    """STDOBJREF: one interface of one object. [MS-DCOM] 2.2.18.2"""

    flags: int
    public_refs: int
    oxid: int
    oid: int
    ipid: str


class Element(NamedTuple):
    """DATAELEMENT, what an extended reference carries besides: the envoy context. [MS-DCOM] 2.2.18.8"""

    id: str
    data: bytes


class Objref(NamedTuple):
    """An object reference; which fields are filled depends on its kind.

    `clsid` is the handler's or the unmarshaler's, `custom` what the latter reads; `custom_length` is that on the wire.
    """

    kind: int
    iid: str
    std: StdObjref | None
    resolver: DualStrings | None
    clsid: str | None
    custom: bytes
    custom_length: int
    elements: tuple[Element, ...]

    @property
    def ipid(self) -> str | None:
        return self.std.ipid if self.std else None


class IpidHint(NamedTuple):
    """`process` is the low half of its id; `apartment` is 0 (neutral), 0xFFFF (multithreaded) or a thread's id."""

    process: int
    apartment: int


def decode(reader: Reader) -> Objref:
    """An OBJREF, little-endian whatever the PDU; custom data goes on to the reader's end.

    The size that a custom reference states is no bound: Windows often states 8 bytes more than it sends.

    Raises:
        DecodeError: as everywhere.
    """
    if reader.take(4, "signature") != _MEOW:
        raise Malformed("signature", reader.offset - 4, "no MEOW")
    kind = reader.u32("objref_flags")
    if kind not in (STANDARD, HANDLER, CUSTOM, EXTENDED):
        raise Malformed("objref_flags", reader.offset - 4, f"kind {kind}")
    iid = reader.uuid("iid")
    if kind == CUSTOM:
        clsid = reader.uuid("clsid")
        reader.skip(8, "extension")
        length = reader.left
        return Objref(kind, iid, None, None, clsid, reader.rest(), length, ())
    std = decode_std(reader)
    handler = reader.uuid("clsid") if kind == HANDLER else None
    if kind != EXTENDED:
        return Objref(kind, iid, std, decode_dual_strings(reader), handler, b"", 0, ())
    _signature(reader, "signature1")
    resolver = decode_dual_strings(reader)
    return Objref(kind, iid, std, resolver, None, b"", 0, _elements(reader))


def decode_std(reader: Reader) -> StdObjref:
    """STDOBJREF, from where the reader is: in an OBJREF it stands unaligned, elsewhere at a multiple of 8.

    Raises:
        DecodeError: as everywhere.
    """
    flags, refs = reader.u32("std_flags"), reader.u32("public_refs")
    return StdObjref(flags, refs, reader.u64("oxid"), reader.u64("oid"), reader.uuid("ipid"))


def _signature(reader: Reader, field: str) -> None:
    if reader.u32(field) != _NSYV:
        raise Malformed(field, reader.offset - 4, "not VYSN")


def _elements(reader: Reader) -> tuple[Element, ...]:
    """[MS-DCOM] 2.2.18.7"""
    count = reader.u32("element_count")
    if count > MAX_ELEMENTS:
        raise Malformed("element_count", reader.offset - 4, f"{count} elements")
    _signature(reader, "signature2")
    found = []
    for _ in range(count):
        name, size, rounded = reader.uuid("data_id"), reader.u32("size"), reader.u32("rounded_size")
        if size > rounded:
            raise Malformed("size", reader.offset - 8, f"{size} bytes in {rounded}")
        found.append(Element(name, reader.take(rounded, "element_data")[:size]))
    return tuple(found)


def decode_interface_pointer(ndr: Ndr) -> Objref:
    """MInterfacePointer behind a pointer: conformance, length, an object reference. [MS-DCOM] 2.2.14

    Raises:
        DecodeError: as everywhere.
    """
    ndr.count("interface_data_max", MAX_POINTED)
    length = ndr.long("interface_data_length")
    at = ndr.offset
    if length > MAX_POINTED:
        raise Malformed("interface_data_length", at - 4, f"{length} bytes")
    if length > ndr.left:
        raise Malformed("interface_data_length", at - 4, f"{length} bytes where {ndr.left} are left")
    reference = decode(Reader(ndr.rest()[:length], length))
    ndr.offset = at + length
    return reference


def find_all(stub: bytes, limit: int) -> list[tuple[int, Objref]]:
    """Every object reference in a readable stub, those within the data of custom ones too, and where it begins.

    Only what holds together counts. At most `limit` are given, and no more bytes are read in all attempts together
    than four times the stub: an ordinary stub is far from that, a stub full of signatures ends there.
    """
    found: list[tuple[int, Objref]] = []
    room = 4 * len(stub)
    likely = _LIKELY.search(stub)
    while likely and len(found) < limit and room > 0:
        at = likely.start()
        goes_on, end = at + len(_MEOW), _end(stub, at)
        if stub[at + 4] == CUSTOM and end - at > room:
            break
        reader = Reader(stub, end, offset=at)
        try:
            reference = decode(reader)
        except DecodeError:
            pass
        else:
            if _holds_together(reference):
                found.append((at, reference))
                goes_on = at + _CUSTOM_HEADER if reference.kind == CUSTOM else reader.offset
        room -= reader.offset - at
        likely = _LIKELY.search(stub, goes_on)
    return found


def _end(stub: bytes, at: int) -> int:
    """Where a reference must end: a custom one where its size says, or the length of the interface pointer before."""
    if stub[at + 4] != CUSTOM:
        return len(stub)
    before, whole = _u32(stub, max(0, at - 4)), _CUSTOM_HEADER + _u32(stub, at + _CUSTOM_HEADER - 4)
    end = at + (before if _CUSTOM_HEADER <= before <= whole <= before + 8 else whole)
    return end if end <= len(stub) else at


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _holds_together(reference: Objref) -> bool:
    """Whether the fields that are never null are not. [MS-DCOM] 2.2.18"""
    if reference.iid == _NULL:
        return False
    if reference.std is None:
        return reference.clsid != _NULL
    return reference.std.ipid != _NULL and bool(reference.std.oxid)


def ipid_hint(ipid: str) -> IpidHint:
    """Process and apartment that Windows builds into an IPID: a hint, no fact.

    [MS-DCOM] 2.2 leaves the 16 bytes to the implementation. Windows fills bytes 4 and 5 with the low half of the
    process id, 6 and 7 with the apartment; other implementations fill them with whatever they like.

    Raises:
        Malformed: not the text of a UUID.
    """
    parts = ipid.split("-")
    if [len(part) for part in parts] != [8, 4, 4, 4, 12]:
        raise Malformed("ipid", 0, "no UUID")
    try:
        return IpidHint(int(parts[1], 16), int(parts[2], 16))
    except ValueError:
        raise Malformed("ipid", 0, "no UUID") from None
