"""The few operations that the interpreter and the compiler do differently; this is the interpreter's form.

`native.py` holds the compiler's: the same names, the same results.
"""

from struct import Struct
from typing import Any

from rpcdiag.sweep.columns import ELSEWHERE

u16 = Struct(">H").unpack_from  # each returns a tuple
u16_pair = Struct(">HH").unpack_from
u32 = Struct(">I").unpack_from
u32_little = Struct("<I").unpack_from
i64 = Struct(">q").unpack_from
record_big = Struct(">IIII").unpack_from
record_little = Struct("<IIII").unpack_from
block_big = Struct(">II").unpack_from
block_little = Struct("<II").unpack_from
enhanced_big = Struct(">IIIII").unpack_from
enhanced_little = Struct("<IIIII").unpack_from
tcp_header = Struct(">HHIIBB").unpack_from
ipv4_header = Struct(">BBHHHBB").unpack_from
# ethertype with version and length and service, total length, IP id, fragment, TTL, protocol, both ends, sequence,
# acknowledged, data offset, flags of an Ethernet frame with IPv4 without options and TCP
usual = Struct(">12xIHHHBB2x12sIIBB").unpack_from


def ends_key(b: Any, source: int, size: int, transport: int) -> Any:
    """What finds the flow of a packet: addresses and ports."""
    return bytes(b[source : source + 2 * size]) + bytes(b[transport : transport + 4])


def find(table: Any, flows: Any, b: Any, key: Any, size: int, point: int) -> int:
    """Twice the offset of the flow's record, plus the side that sent the packet; -1 if it is not known."""
    found: int = table.get(key + point.to_bytes(8, "little") if point else key, -1)
    return found


def find_turned(table: Any, flows: Any, b: Any, key: Any, size: int, point: int) -> int:
    """The same for a packet with both ends exchanged."""
    return find(table, flows, b, turned(key, size), size, point)


def turned(key: bytes, size: int) -> bytes:
    return key[size : 2 * size] + key[:size] + key[2 * size + 2 :] + key[2 * size : 2 * size + 2]


def enter(table: Any, flows: Any, b: Any, key: Any, size: int, point: int, at: int) -> None:
    """Make the record at `at` the one that packets with these ends belong to, its side 0 the sender of this one."""
    back = turned(key, size)
    if point:
        tail = point.to_bytes(8, "little")
        key, back = key + tail, back + tail
    table[back] = 2 * at + 1
    table[key] = 2 * at


def alias(table: Any, flows: Any, b: Any, key: Any, size: int, point: int, found: int) -> None:
    """Packets with these ends belong to a record that was opened at another capture point."""
    flows[(found >> 1) + ELSEWHERE] = (point << 1 | size >> 4) + 2
    table[key + point.to_bytes(8, "little") if point else key] = found


def copy(to: Any, at: int, b: Any, start: int, count: int) -> None:
    to[at : at + count] = b[start : start + count]


def digest(b: Any, at: int, count: int, seed: int) -> int:
    """A hash of some bytes, to find what was seen before; it differs between the two forms, what is found does not."""
    return hash((seed, bytes(b[at : at + count])))


def holds(b: Any, at: int, count: int, mark: int) -> bool:
    """Whether four bytes stand somewhere among these; the mark is their big-endian number."""
    return count >= 4 and mark.to_bytes(4, "big") in bytes(b[at : at + count])


def same(b: Any, at: int, other: Any, place: int, count: int) -> bool:
    """Whether both hold the same bytes there."""
    return bool(b[at : at + count] == other[place : place + count])
