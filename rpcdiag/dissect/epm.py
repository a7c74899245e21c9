"""The endpoint mapper: what is asked and which towers answer. [C706] appendices I, L, O, [MS-RPCE] 2.2.1.2"""

from contextlib import suppress
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address
from typing import NamedTuple

from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.reader import Reader, uuid_text
from rpcdiag.errors import DecodeError, Malformed, Truncated

EPT_LOOKUP = 2
EPT_MAP = 3
EPT_LOOKUP_HANDLE_FREE = 4

NOT_REGISTERED = 0x16C9A0D6
MAX_FLOORS = 16
MAX_TOWERS = 1024
MAX_TOWER = 2048
MAX_COUNT = 1 << 20  # of towers that a client says it could take


class FloorId(IntEnum):
    """Protocol identifiers of tower floors. [C706] appendix I, [MS-RPCE] 2.1.1"""

    NCADG = 0x0A
    NCACN = 0x0B
    NCALRPC = 0x0C
    UUID = 0x0D
    TCP = 0x07
    UDP = 0x08
    IP = 0x09
    NAMED_PIPE = 0x0F
    LOCAL_PIPE = 0x10
    NETBIOS = 0x11
    HTTP = 0x1F


class Tower(NamedTuple):
    """Where an interface can be had: `address` as the server wrote it, which may be 0.0.0.0."""

    interface: Syntax | None
    transfer: Syntax | None
    protseq: str
    port: int | None
    address: IPv4Address | None
    pipe: str | None
    host: str | None


class MapRequest(NamedTuple):
    """ept_map: the tower that the client would like; Windows fills in the address it knows the server by."""

    object: str | None
    tower: Tower | None
    max_towers: int
    continues: bool = False  # it asks for more of what an answer before it began to list


class MapResponse(NamedTuple):
    towers: tuple[Tower, ...]
    status: int


class Entry(NamedTuple):
    """One line of the map that ept_lookup lists."""

    object: str
    tower: Tower | None
    annotation: str


class LookupResponse(NamedTuple):
    entries: tuple[Entry, ...]
    status: int


def decode_tower(reader: Reader) -> Tower:
    """Decode one tower_octet_string. [C706] appendix L

    Lengths are little-endian here even inside a big-endian PDU.

    Raises:
        DecodeError: a floor that does not hold together, or is not in the capture.
    """
    big, reader.big = reader.big, False
    count = reader.u16("floor_count")
    if count > MAX_FLOORS:
        raise Malformed("floor_count", reader.offset - 2, f"{count} floors")
    floors = []
    for _ in range(count):
        left = reader.take(reader.u16("lhs_length"), "lhs")
        right = reader.take(reader.u16("rhs_length"), "rhs")
        floors.append((left, right))
    reader.big = big
    return _tower(floors)


def decode_floors(reader: Reader) -> Tower | None:
    """As much of a tower as there is; None where not even its fourth floor is, with the port or the pipe.

    For towers that are cut; one that is whole must hold together, see `decode_tower`.
    """
    tower = _tower(_floors(reader))
    return tower if tower.interface and tower.transfer and (tower.port or tower.pipe) else None


def _floors(reader: Reader) -> list[tuple[bytes, bytes]]:
    """Those that are whole."""
    floors: list[tuple[bytes, bytes]] = []
    reader.big = False
    with suppress(DecodeError):
        for _ in range(min(reader.u16("floor_count"), MAX_FLOORS)):
            left = reader.take(reader.u16("lhs_length"), "lhs")
            floors.append((left, reader.take(reader.u16("rhs_length"), "rhs")))
    return floors


def _tower(floors: list[tuple[bytes, bytes]]) -> Tower:
    interface = _syntax(floors[0][0][:19], floors[0][1][:2]) if floors else None
    transfer = _syntax(floors[1][0][:19], floors[1][1][:2]) if len(floors) > 1 else None
    protocol = floors[2][0][:1] if len(floors) > 2 else b""
    protseq, port, address, pipe, host = "unknown", None, None, None, None
    for left, right in floors[3:]:
        match left[:1]:
            case b"\x07" if len(right) >= 2:
                protseq, port = "ncacn_ip_tcp", int.from_bytes(right[:2], "big")
            case b"\x08" if len(right) >= 2:
                protseq, port = "ncadg_ip_udp", int.from_bytes(right[:2], "big")
            case b"\x1f" if len(right) >= 2:
                protseq, port = "ncacn_http", int.from_bytes(right[:2], "big")
            case b"\x09" if len(right) >= 4:
                address = IPv4Address(right[:4])
            case b"\x0f":
                protseq, pipe = "ncacn_np", _text(right)
            case b"\x10":
                protseq, pipe = "ncalrpc", _text(right)
            case b"\x11":
                host = _text(right)
            case _:
                pass
    if protocol == b"\x0c":
        protseq = "ncalrpc"
    return Tower(interface, transfer, protseq, port, address, pipe, host)


@lru_cache(maxsize=1024)  # servers hand out the same few interfaces
def _syntax(left: bytes, right: bytes) -> Syntax | None:
    if len(left) < 19 or left[0] != FloorId.UUID:
        return None
    major = left[17] | left[18] << 8
    minor = int.from_bytes(right, "little")
    return Syntax(uuid_text(left[1:17]), f"{major}.{minor}")


def _text(b: bytes) -> str:
    return b.split(b"\x00")[0].decode("latin-1")


def _tower_length(ndr: Ndr) -> int:
    ndr.count("tower_max", MAX_TOWER)
    length = ndr.long("tower_length")
    if length > MAX_TOWER:
        raise Malformed("tower_length", ndr.offset - 4, f"{length} bytes")
    return length


def _pointed_tower(ndr: Ndr) -> Tower:
    """A twr_t: conformance, length, octets."""
    end = _tower_length(ndr) + ndr.offset
    tower = decode_tower(ndr)
    if ndr.offset > end:
        raise Malformed("tower_length", end, "the floors are longer than their tower")
    ndr.skip(end - ndr.offset, "tower")
    return tower


def decode_map_request(ndr: Ndr) -> MapRequest:
    """ept_map, opnum 3, request. [C706] appendix O

    Raises:
        DecodeError: as everywhere.
    """
    instance = ndr.guid("object") if ndr.pointer("object_ptr") else None
    tower = _pointed_tower(ndr) if ndr.pointer("map_tower_ptr") else None
    ndr.align(4)
    continues = any(ndr.take(20, "entry_handle"))
    return MapRequest(instance, tower, ndr.long("max_towers"), continues)


def wanted(ndr: Ndr) -> MapRequest:
    """What an ept_map request asks for; where the capture cuts it, those floors of its tower that are whole.

    Raises:
        DecodeError: as everywhere.
    """
    at, big = ndr.offset, ndr.big
    try:
        return decode_map_request(ndr)
    except Truncated:
        ndr.offset, ndr.big = at, big
    instance = ndr.guid("object") if ndr.pointer("object_ptr") else None
    if not ndr.pointer("map_tower_ptr"):
        return MapRequest(instance, None, 0)
    _tower_length(ndr)
    return MapRequest(instance, _tower(_floors(ndr)), 0)


def _towers_ahead(ndr: Ndr) -> tuple[int, int]:
    """How many towers an answer to ept_map has, and how many of them follow."""
    ndr.skip(20, "entry_handle")
    count = ndr.long("num_towers")
    ndr.count("max_count", MAX_COUNT)
    ndr.count("offset", MAX_TOWERS)
    actual = ndr.count("actual_count", MAX_TOWERS)
    return count, sum(1 for _ in range(actual) if ndr.pointer("tower_ptr"))


def decode_map_response(ndr: Ndr) -> MapResponse:
    """ept_map, opnum 3, response. [C706] appendix O

    Raises:
        DecodeError: as everywhere.
    """
    count, follow = _towers_ahead(ndr)
    towers = [_pointed_tower(ndr) for _ in range(follow)]
    return MapResponse(tuple(towers[:count]), ndr.long("status"))


def begun_map_response(ndr: Ndr) -> tuple[Tower, ...]:
    """The towers of an answer that the capture cuts, the last of them perhaps without what follows its port or pipe.

    Raises:
        Malformed: what is there does not hold together.
    """
    towers: list[Tower] = []
    with suppress(Truncated):
        count, follow = _towers_ahead(ndr)
        for _ in range(min(count, follow)):
            at, big = ndr.offset, ndr.big
            try:
                towers.append(_pointed_tower(ndr))
            except Truncated:
                ndr.offset, ndr.big = at, big
                _tower_length(ndr)
                last = decode_floors(ndr)
                return (*towers, last) if last is not None else tuple(towers)
    return tuple(towers)


def decode_lookup_response(ndr: Ndr) -> LookupResponse:
    """ept_lookup, opnum 2, response. [C706] appendix O

    Raises:
        DecodeError: as everywhere.
    """
    ndr.skip(20, "entry_handle")
    count = ndr.long("num_ents")
    ndr.count("max_count", MAX_COUNT)
    ndr.count("offset", MAX_TOWERS)
    actual = ndr.count("actual_count", MAX_TOWERS)
    heads = []
    for _ in range(actual):
        ndr.align(8 if ndr.wide else 4)
        instance = ndr.uuid("object")
        referent = ndr.pointer("tower_ptr")
        ndr.count("annotation_offset", 64)
        length = ndr.count("annotation_count", 64)
        heads.append((instance, referent, _text(ndr.take(length, "annotation"))))
    entries = [
        Entry(instance, _pointed_tower(ndr) if referent else None, annotation)
        for instance, referent, annotation in heads
    ]
    return LookupResponse(tuple(entries[:count]), ndr.long("status"))


def status_of(stub: bytes, *, big: bool = False) -> int | None:
    """The status word that ends every answer of the mapper, where the body itself cannot be read."""
    return int.from_bytes(stub[-4:], "big" if big else "little") if len(stub) >= 24 else None
