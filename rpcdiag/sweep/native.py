"""The operations of `primitives.py` in the form that the compiler takes: the same names, the same results.

Loads are written byte by byte: the compiler makes one instruction of them. A key is where the packet's addresses and
ports stand (`addresses | ports << 32`). The table is an array of hash slots: 32 bits of the hash, and the flow's place
and side plus one (0: free); the ends themselves stand in the flow's record. Behind the slots stands the seed of the hash.
"""

from typing import Any

from rpcdiag.sweep.columns import ELSEWHERE, KEY, SERIAL_NUMBER


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
        big(b, at + 12),
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
    """The ends of a key as a flow record holds them; exchanged where `back`."""
    source, transport = key & 0xFFFFFFFF, key >> 32
    ports = big(b, transport)
    if back != 0:
        ports = (ports & 0xFFFF) << 16 | ports >> 16
    if size == 4:
        one, two = big(b, source), big(b, source + 4)
        if back != 0:
            one, two = two, one
        return 0, one, 0, two, ports
    a = big(b, source) << 32 | big(b, source + 4)
    c = big(b, source + 8) << 32 | big(b, source + 12)
    d = big(b, source + 16) << 32 | big(b, source + 20)
    e = big(b, source + 24) << 32 | big(b, source + 28)
    if back != 0:
        return d, e, a, c, ports
    return a, c, d, e, ports


def tag_of(seed: int, a: int, c: int, d: int, e: int, ports: int, where: int) -> int:
    """32 bits of a hash."""
    h = ((seed ^ c) * -7046029254386353131 ^ e) * -4658895280553007687
    h = (h ^ (h >> 29 & 0x7FFFFFFFF) ^ ports ^ where << 32) * -7723592293110705685
    if where & 1 != 0:
        h = (h ^ (h >> 31 & 0x1FFFFFFFF) ^ a) * -7046029254386353131
        h = (h ^ (h >> 31 & 0x1FFFFFFFF) ^ d) * -4658895280553007687
    return (h ^ h >> 32) & 0xFFFFFFFF


def belongs(flows: Any, value: int, a: int, c: int, d: int, e: int, ports: int, where: int) -> bool:
    """Whether a packet with these ends is of that side of that flow; `where` is as in KEY + 5."""
    o = value >> 1
    if value & 1 != 0:
        a, c, d, e = d, e, a, c
        ports = (ports & 0xFFFF) << 16 | ports >> 16
    if flows[o + KEY + 1] != c or flows[o + KEY + 3] != e or flows[o + KEY + 4] != ports:
        return False
    if flows[o + KEY] != a or flows[o + KEY + 2] != d:
        return False
    return flows[o + KEY + 5] == where or flows[o + ELSEWHERE] == where + 2


def slot_of(table: Any, flows: Any, a: int, c: int, d: int, e: int, ports: int, where: int) -> int:
    """The slot that holds the flow with these ends, or the free one where it belongs."""
    last = len(table) - 2
    tag = tag_of(table[last + 1], a, c, d, e, ports, where)
    at = tag & last
    while table[at] != 0:
        held = table[at]
        if held >> 32 & 0xFFFFFFFF == tag and belongs(flows, (held & 0xFFFFFFFF) - 1, a, c, d, e, ports, where):
            return at
        at = (at + 1) & last
    return at


def found_at(table: Any, flows: Any, b: Any, key: int, size: int, point: int, back: int) -> int:
    a, c, d, e, ports = words(b, key, size, back)
    held = table[slot_of(table, flows, a, c, d, e, ports, point << 1 | size >> 4)]
    return (held & 0xFFFFFFFF) - 1


def find(table: Any, flows: Any, b: Any, key: int, size: int, point: int) -> int:
    return found_at(table, flows, b, key, size, point, 0)


def find_turned(table: Any, flows: Any, b: Any, key: int, size: int, point: int) -> int:
    return found_at(table, flows, b, key, size, point, 1)


def put(table: Any, flows: Any, b: Any, key: int, size: int, point: int, back: int, value: int) -> None:
    a, c, d, e, ports = words(b, key, size, back)
    where = point << 1 | size >> 4
    tag = tag_of(table[len(table) - 1], a, c, d, e, ports, where)
    table[slot_of(table, flows, a, c, d, e, ports, where)] = tag << 32 | (value + 1)


def enter(table: Any, flows: Any, b: Any, key: int, size: int, point: int, at: int) -> None:
    put(table, flows, b, key, size, point, 1, 2 * at + 1)
    put(table, flows, b, key, size, point, 0, 2 * at)


def alias(table: Any, flows: Any, b: Any, key: int, size: int, point: int, found: int) -> None:
    flows[(found >> 1) + ELSEWHERE] = (point << 1 | size >> 4) + 2
    put(table, flows, b, key, size, point, 0, found)


def copy(to: Any, at: int, b: Any, start: int, count: int) -> None:
    if count == 0:
        return  # from behind the end, where a packet was cut in its options
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
    if count < 4:
        return False
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
    """What slots of the old table hold of flows that still have a serial number, into the new one."""
    last = len(new) - 2
    for place in range(len(old)):
        held = old[place]
        if held != 0 and flows[((held & 0xFFFFFFFF) - 1 >> 1) + SERIAL_NUMBER] >= 0:
            at = held >> 32 & last
            while new[at] != 0:
                at = (at + 1) & last
            new[at] = held


def fill_table(values: Any, new: Any, flows: Any) -> None:
    """Sides of flows into a new table; those less than -1 are the other half of one, recorded at another point."""
    for place in range(len(values)):
        value, other = values[place], 0
        if value < 0:
            value, other = -2 - value, 1
        o = value >> 1
        a, c, d, e, ports = (
            flows[o + KEY],
            flows[o + KEY + 1],
            flows[o + KEY + 2],
            flows[o + KEY + 3],
            flows[o + KEY + 4],
        )
        where = flows[o + ELSEWHERE] - 2 if other != 0 else flows[o + KEY + 5]
        if value & 1 != 0:
            a, c, d, e = d, e, a, c
            ports = (ports & 0xFFFF) << 16 | ports >> 16
        tag = tag_of(new[len(new) - 1], a, c, d, e, ports, where)
        new[slot_of(new, flows, a, c, d, e, ports, where)] = tag << 32 | (value + 1)
