"""Every frame of a capture as it is, and where the IP packet in it begins."""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from rpcdiag.model.packets import Address, KnownIPv4, KnownIPv6
from rpcdiag.sweep.columns import (
    BIG,
    BLOCK_LENGTH,
    CLAIMED,
    FORMAT,
    IF_LINK,
    IF_POINT,
    INTERFACE_WIDTH,
    INTERFACES,
    LAST_NS,
    MORE,
    NUMBER,
    OTHER_BLOCK,
    OVERRUN,
    PCAP,
    PCAPNG,
    RECORD_HEADER,
    SCALE,
    SINGLE_LINK,
    SINGLE_NS,
    SINGLE_NUMBER,
    SINGLE_POINT,
    TOO_LONG,
    TOO_SHORT,
    WHY,
)
from rpcdiag.sweep.engine import Sweep
from rpcdiag.sweep.records import MAX_RECORD, stamp_to_ns

MAX_TAGS, MAX_EXTENSIONS = 8, 12
MAX_ADDRESSES = 4096  # that are remembered
TCP, UDP, ICMP, ICMP6, FRAGMENT = 6, 17, 1, 58, 44
_IPV4 = Struct(">BBHHHBB2x4s4s")
_IPV6 = Struct(">16s16s")
_PIECE = Struct(">BxHI")
_EXTENSIONS = frozenset({0, 43, 51, 60, 135, 139, 140})
_RAW_LINKS = frozenset({12, 14, 101, 228, 229})
_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
Take = Callable[[bytes, int, int, int, int], None]  # frame, link type, packet, time, capture point


class Frames(Sweep):
    """Stands in the place of the pass, and hands on every frame as it is."""

    def __init__(self, take: Take) -> None:
        super().__init__(max_flows=1)
        self._take = take

    def walk(self, b: bytearray | bytes, at: int, count: int) -> int:
        counters = self.state.counters
        if counters[FORMAT] == PCAP:
            return self._pcap(b, at, count)
        if counters[FORMAT] == PCAPNG:
            return self._pcapng(b, at, count)
        self._hand(
            b, at, count, counters[SINGLE_LINK], counters[SINGLE_NUMBER], counters[SINGLE_NS], counters[SINGLE_POINT]
        )
        return self._stopped(MORE, count)

    def _hand(self, b: bytearray | bytes, at: int, end: int, link: int, number: int, ns: int, point: int) -> None:
        if link == 276 and end - at >= 20:
            point += int.from_bytes(b[at + 4 : at + 8], "big") << 20
        counters = self.state.counters
        counters[LAST_NS] = max(counters[LAST_NS], ns)
        self._take(bytes(b[at:end]), link, number, ns, point)

    def _stopped(self, why: int, at: int) -> int:
        self.state.counters[WHY] = why
        return at

    def _pcap(self, b: bytearray | bytes, at: int, count: int) -> int:
        counters = self.state.counters
        record = Struct((">" if counters[BIG] else "<") + "IIII")
        header, scale = counters[RECORD_HEADER], counters[SCALE]
        link = self.state.interfaces[IF_LINK]
        while at + header <= count:
            seconds, fraction, captured, _ = record.unpack_from(b, at)
            if captured > MAX_RECORD:
                counters[CLAIMED] = captured
                return self._stopped(TOO_LONG, at)
            place = at + header
            if place + captured > count:
                break
            counters[NUMBER] += 1
            self._hand(b, place, place + captured, link, counters[NUMBER], seconds * 10**9 + fraction * scale, 0)
            at = place + captured
        return self._stopped(MORE, at)

    def _pcapng(self, b: bytearray | bytes, at: int, count: int) -> int:
        counters, interfaces = self.state.counters, self.state.interfaces
        order = ">" if counters[BIG] else "<"
        block, enhanced = Struct(order + "II"), Struct(order + "IIIII")
        while at + 12 <= count:
            kind, length = block.unpack_from(b, at)
            if kind != 6:
                return self._stopped(OTHER_BLOCK, at)
            if length < 12 or length & 3 or length > MAX_RECORD:
                counters[CLAIMED] = length
                return self._stopped(BLOCK_LENGTH, at)
            if at + length > count:
                break
            if length < 32:
                return self._stopped(TOO_SHORT, at)
            interface, upper, lower, captured, _ = enhanced.unpack_from(b, at + 8)
            place = at + 28
            if place + captured > at + length - 4:
                counters[CLAIMED] = captured
                return self._stopped(OVERRUN, at)
            counters[NUMBER] += 1
            at += length
            if interface < counters[INTERFACES]:
                row = interface * INTERFACE_WIDTH
                ns = stamp_to_ns(interfaces, row, upper, lower)
                ns = counters[LAST_NS] if ns < 0 else ns
                number, link = counters[NUMBER], interfaces[row + IF_LINK]
                self._hand(b, place, place + captured, link, number, ns, interfaces[row + IF_POINT])
        return self._stopped(MORE, at)


def network(b: bytes, link: int) -> int | None:
    """Where the IP header begins."""
    if link == 1:
        kind, at = b[12] << 8 | b[13], 14
        for _ in range(MAX_TAGS):
            if kind not in _TAGS:
                break
            kind, at = b[at + 2] << 8 | b[at + 3], at + 4
        if kind == 0x8864:  # PPP over Ethernet
            kind, at = b[at + 6] << 8 | b[at + 7], at + 8
            return at if kind in (0x21, 0x57) else None
        return at if kind in (0x0800, 0x86DD) else None
    if link in (113, 276):
        at = 14 if link == 113 else 0
        return (16 if link == 113 else 20) if b[at] << 8 | b[at + 1] in (0x0800, 0x86DD) else None
    if link in (0, 108):
        return 4
    return 0 if link in _RAW_LINKS else None


class Packet(NamedTuple):
    """An IP packet, or a piece of one: what it carries lies from `at` to `stop`, of which the capture may lack the end."""

    version: int
    source: bytes
    destination: bytes
    protocol: int
    ip_id: int  # 0 for a whole packet of version 6
    ttl: int
    at: int
    stop: int
    offset: int = 0  # of a piece
    more: bool = False  # pieces follow

    @property
    def whole(self) -> bool:
        return not self.offset and not self.more

    def ends(self) -> tuple[Address, Address]:
        return _address(self.source), _address(self.destination)


@lru_cache(maxsize=MAX_ADDRESSES)
def _address(packed: bytes) -> Address:
    number = int.from_bytes(packed, "big")
    return KnownIPv4(number) if len(packed) == 4 else KnownIPv6(number)


def packet_at(frame: bytes, ip: int) -> Packet | None:
    """The IP packet whose header begins at `ip`; None where that is no IP header.

    Raises:
        struct.error, IndexError: the capture holds too little of the header.
    """
    version = frame[ip] >> 4
    if version == 4:
        head, _, total, ip_id, fragment, ttl, protocol, source, destination = _IPV4.unpack_from(frame, ip)
        at = ip + ((head & 15) << 2)
        if at < ip + 20:
            return None
        stop = ip + total if total else len(frame)
        offset, more = (fragment & 0x1FFF) << 3, bool(fragment & 0x2000)
        return Packet(4, source, destination, protocol, ip_id, ttl, at, stop, offset, more)
    if version == 6:
        return _version_6(frame, ip)
    return None


def _version_6(frame: bytes, ip: int) -> Packet | None:
    source, destination = _IPV6.unpack_from(frame, ip + 8)
    stop = ip + 40 + (frame[ip + 4] << 8 | frame[ip + 5])
    protocol, at = frame[ip + 6], ip + 40
    ip_id, offset, more = 0, 0, False
    for _ in range(MAX_EXTENSIONS):
        if protocol == FRAGMENT:
            protocol, field, ip_id = _PIECE.unpack_from(frame, at)
            at += 8
            offset, more = field & 0xFFF8, bool(field & 1)
            if offset:
                break
        elif protocol in _EXTENSIONS:
            length = frame[at + 1]
            protocol, at = frame[at], at + ((length + 2) * 4 if protocol == 51 else (length + 1) * 8)
        else:
            break
    else:
        return None
    return Packet(6, source, destination, protocol, ip_id, frame[ip + 7], at, stop, offset, more)
