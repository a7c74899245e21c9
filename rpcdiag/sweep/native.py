"""The operations of `primitives.py` in the form that the compiler takes: the same names, the same results.

Loads are written byte by byte: the compiler makes one instruction of them. A key is where the packet's addresses and
ports stand (`addresses | ports << 32`), the table is an array of hash slots.
"""

from typing import Any

from rpcdiag.sweep.columns import SERIAL_NUMBER

SLOT = 8  # numbers of a hash slot: five of the key, the point, the value plus one (0: free)


def octet(b: Any, at: int) -> int:
    """One byte, as a number with a sign: the compiler would make floats of sums of both kinds."""
    return int64(b[at])


def u16(b: Any, at: int) -> Any:
    return (octet(b, at) << 8 | octet(b, at + 1),)


def u16_pair(b: Any, at: int) -> Any:
    return octet(b, at) << 8 | octet(b, at + 1), octet(b, at + 2) << 8 | octet(b, at + 3)


def u32(b: Any, at: int) -> Any:
    return (big(b, at),)


def u32_little(b: Any, at: int) -> Any:
    return (little(b, at),)


def i64(b: Any, at: int) -> Any:
    return (big(b, at) << 32 | big(b, at + 4),)


def big(b: Any, at: int) -> int:
    return octet(b, at) << 24 | octet(b, at + 1) << 16 | octet(b, at + 2) << 8 | octet(b, at + 3)


def little(b: Any, at: int) -> int:
    return octet(b, at + 3) << 24 | octet(b, at + 2) << 16 | octet(b, at + 1) << 8 | octet(b, at)


def record_big(b: Any, at: int) -> Any:
    return big(b, at), big(b, at + 4), big(b, at + 8), big(b, at + 12)


def record_little(b: Any, at: int) -> Any:
    return little(b, at), little(b, at + 4), little(b, at + 8), little(b, at + 12)


def block_big(b: Any, at: int) -> Any:
    return big(b, at), big(b, at + 4)


def block_little(b: Any, at: int) -> Any:
    return little(b, at), little(b, at + 4)


def enhanced_big(b: Any, at: int) -> Any:
    return big(b, at), big(b, at + 4), big(b, at + 8), big(b, at + 12), big(b, at + 16)


def enhanced_little(b: Any, at: int) -> Any:
    return little(b, at), little(b, at + 4), little(b, at + 8), little(b, at + 12), little(b, at + 16)


def tcp_header(b: Any, at: int) -> Any:
    return (
        octet(b, at) << 8 | octet(b, at + 1),
        octet(b, at + 2) << 8 | octet(b, at + 3),
        big(b, at + 4),
        big(b, at + 8),
        octet(b, at + 12),
        octet(b, at + 13),
    )


def ipv4_header(b: Any, at: int) -> Any:
    return (
        octet(b, at),
        octet(b, at + 1),
        octet(b, at + 2) << 8 | octet(b, at + 3),
        octet(b, at + 4) << 8 | octet(b, at + 5),
        octet(b, at + 6) << 8 | octet(b, at + 7),
        octet(b, at + 8),
        octet(b, at + 9),
    )


def usual(b: Any, at: int) -> Any:
    return (
        octet(b, at + 12) << 8 | octet(b, at + 13),
        octet(b, at + 14),
        octet(b, at + 16) << 8 | octet(b, at + 17),
        octet(b, at + 18) << 8 | octet(b, at + 19),
        octet(b, at + 20) << 8 | octet(b, at + 21),
        octet(b, at + 22),
        octet(b, at + 23),
        (at + 26) | (at + 34) << 32,
        big(b, at + 38),
        big(b, at + 42),
        octet(b, at + 46),
        octet(b, at + 47),
    )


def ends_key(b: Any, source: int, size: int, transport: int) -> int:
    return source | transport << 32


def words(b: Any, key: int, size: int, back: int) -> Any:
    """The five numbers of a key; those of the exchanged ends where `back`."""
    source, transport = key & 0xFFFFFFFF, key >> 32
    ports = big(b, transport)
    if back != 0:
        ports = (ports & 0xFFFF) << 16 | ports >> 16
    if size == 4:
        one, two = big(b, source), big(b, source + 4)
        if back != 0:
            one, two = two, one
        return one << 32 | two, 0, 0, 0, ports
    a = big(b, source) << 32 | big(b, source + 4)
    c = big(b, source + 8) << 32 | big(b, source + 12)
    d = big(b, source + 16) << 32 | big(b, source + 20)
    e = big(b, source + 24) << 32 | big(b, source + 28)
    if back != 0:
        return d, e, a, c, ports | 1 << 32
    return a, c, d, e, ports | 1 << 32


def slot_of(table: Any, a: int, c: int, d: int, e: int, ports: int, point: int) -> int:
    """Offset of the slot that holds the key, or of the free one where it belongs."""
    h = (a ^ ports << 13) * -7046029254386353131
    h = (h ^ (h >> 29 & 0x7FFFFFFFF) ^ c ^ point) * -4658895280553007687
    if ports >> 32 != 0:
        h = (h ^ (h >> 31 & 0x1FFFFFFFF) ^ d) * -7723592293110705685
        h = h ^ e * 0x9E3779B1
    h = h ^ (h >> 32 & 0xFFFFFFFF)
    last = len(table) - SLOT
    at = h * SLOT & last
    while table[at + 6] != 0:
        if (
            table[at] == a
            and table[at + 4] == ports
            and table[at + 5] == point
            and table[at + 1] == c
            and table[at + 2] == d
            and table[at + 3] == e
        ):
            return at
        at = (at + SLOT) & last
    return at


def find(table: Any, flows: Any, b: Any, key: int, size: int, point: int) -> int:
    a, c, d, e, ports = words(b, key, size, 0)
    found: int = table[slot_of(table, a, c, d, e, ports, point) + 6] - 1
    return found


def find_turned(table: Any, flows: Any, b: Any, key: int, size: int, point: int) -> int:
    a, c, d, e, ports = words(b, key, size, 1)
    found: int = table[slot_of(table, a, c, d, e, ports, point) + 6] - 1
    return found


def put(table: Any, b: Any, key: int, size: int, point: int, back: int, value: int) -> None:
    a, c, d, e, ports = words(b, key, size, back)
    at = slot_of(table, a, c, d, e, ports, point)
    table[at], table[at + 1], table[at + 2], table[at + 3] = a, c, d, e
    table[at + 4], table[at + 5], table[at + 6] = ports, point, value + 1


def enter(table: Any, flows: Any, b: Any, key: int, size: int, point: int, at: int) -> None:
    put(table, b, key, size, point, 1, 2 * at + 1)
    put(table, b, key, size, point, 0, 2 * at)


def alias(table: Any, flows: Any, b: Any, key: int, size: int, point: int, found: int) -> None:
    put(table, b, key, size, point, 0, found)


def copy(to: Any, at: int, b: Any, start: int, count: int) -> None:
    if at < 0 or start < 0 or count < 0 or at + count > len(to) or start + count > len(b):
        raise IndexError("copy")
    move(to, at, b, start, count)


def digest(b: Any, at: int, count: int, seed: int) -> int:
    h = seed * -7046029254386353131 + count
    end = at + count
    while at + 4 <= end:
        h = (h ^ little(b, at)) * -4658895280553007687
        h = h ^ (h >> 29 & 0x7FFFFFFFF)
        at += 4
    while at < end:
        h = (h ^ octet(b, at)) * -4658895280553007687
        at += 1
    return h ^ (h >> 32 & 0xFFFFFFFF)


def holds(b: Any, at: int, count: int, mark: int) -> bool:
    if at < 0 or at + count > len(b):
        raise IndexError("holds")
    number = 0
    for place in range(count):
        number = (number << 8 | octet(b, at + place)) & 0xFFFFFFFF
        if number == mark and place >= 3:
            return True
    return False


def same(b: Any, at: int, other: Any, place: int, count: int) -> bool:
    for number in range(count):
        if b[at + number] != other[place + number]:
            return False
    return True


def copy_table(old: Any, new: Any, flows: Any) -> None:
    """Every key of the old table whose flow still has a serial number, into the new one."""
    for at in range(0, len(old), SLOT):
        value = old[at + 6] - 1
        if value >= 0 and flows[(value >> 1) + SERIAL_NUMBER] >= 0:
            place = slot_of(new, old[at], old[at + 1], old[at + 2], old[at + 3], old[at + 4], old[at + 5])
            for word in range(SLOT - 1):
                new[place + word] = old[at + word]
