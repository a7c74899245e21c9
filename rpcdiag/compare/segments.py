"""The TCP segments of chosen conversations, one by one: a capture is read a second time for them.

The pass of the diagnosis keeps no packets. What is kept here is bounded by MAX_SEGMENTS; SYNs of other conversations are
kept as well, up to MAX_SYNS, because they tell about clocks.
"""

import itertools
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address
from struct import Struct, error
from typing import NamedTuple

from rpcdiag.capture.reader import CaptureReader
from rpcdiag.errors import Truncated
from rpcdiag.model.packets import Endpoint
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

FIN, SYN, RST, ACK = 1, 2, 4, 16
MAX_SEGMENTS = 300_000
MAX_SYNS = 20_000
MAX_POINTS = 256
MAX_WANTED = 100_000  # conversations
HEAD = 64  # bytes of a payload that are compared
MAX_TAGS, MAX_EXTENSIONS, MAX_OPTIONS = 8, 12, 40
_TCP = Struct(">HHIIBBH")
_IPV4 = Struct(">BBHHHBB2x4s4s")
_RAW_LINKS = frozenset({12, 14, 101, 228, 229})
_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})


class Segment(NamedTuple):
    """One TCP packet; `mss` and `stamp` (the sender's time stamp) are None where it has no such option."""

    packet: int
    time_ns: int
    source: Endpoint
    destination: Endpoint
    sequence: int
    acknowledged: int
    flags: int
    size: int  # of the payload, on the wire
    ttl: int
    ip_id: int
    head: bytes  # the first bytes of the payload
    mss: int | None
    stamp: int | None


class Segments(NamedTuple):
    """What was kept, in the order of the file; `full` says that there was no room for more after the last."""

    segments: list[Segment]
    full: bool


Take = Callable[[bytes, int, int, int, int], None]  # frame, link type, packet, time, capture point


def read(
    path: str, point: int | None, wanted: Collection[tuple[Endpoint, Endpoint]], isns: Collection[int]
) -> Segments:
    """Segments at a capture point (None: at any) between wanted ends, or that open with one of these numbers.

    Raises:
        InputError: the capture cannot be read again.
    """
    kept = _Kept(point, wanted, isns)
    reader = CaptureReader(path, _Frames(kept.take))
    for _ in reader.events():
        pass
    return Segments(kept.segments, kept.full)


def points(path: str) -> dict[int, str]:
    """The interfaces that a capture describes, also those at which nothing was recorded.

    Raises:
        InputError: the capture cannot be read again.
    """
    reader = CaptureReader(path, _Frames(lambda *_: None))
    for _ in reader.events():
        pass
    known = itertools.takewhile(lambda one: one.link_type != "unknown", map(reader.point, itertools.count()))
    return {number: one.name for number, one in enumerate(itertools.islice(known, MAX_POINTS))}


class _Kept:
    def __init__(self, point: int | None, wanted: Collection[tuple[Endpoint, Endpoint]], isns: Collection[int]) -> None:
        self.segments: list[Segment] = []
        self.full = False
        self._point, self._isns, self._syns = point, frozenset(isns), 0
        self._wanted: set[tuple[Endpoint, Endpoint]] = set()
        for one, other in wanted:
            self._want(one, other)

    def _want(self, one: Endpoint, other: Endpoint) -> None:
        if len(self._wanted) < 2 * MAX_WANTED:
            self._wanted |= {(one, other), (other, one)}

    def take(self, frame: bytes, link: int, packet: int, time_ns: int, point: int) -> None:
        if self._point is not None and point != self._point:
            return
        try:
            segment = decode(frame, link, packet, time_ns)
        except Truncated:
            return  # counted by the first reading
        if segment is None:
            return
        ends = segment.source, segment.destination
        if segment.flags & SYN and not segment.flags & ACK and segment.sequence in self._isns:
            self._want(*ends)
        if ends not in self._wanted:
            if not segment.flags & SYN or self._syns >= MAX_SYNS:
                return
            self._syns += 1
        if len(self.segments) >= MAX_SEGMENTS:
            self.full = True
            return
        self.segments.append(segment)


class _Frames(Sweep):
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


def decode(frame: bytes, link: int, packet: int, time_ns: int) -> Segment | None:
    """The TCP packet in a frame, None where it is none or a piece of one.

    Raises:
        Truncated: the capture holds too little of it.
    """
    try:
        return _decoded(frame, link, packet, time_ns)
    except (error, IndexError) as cut:
        raise Truncated("frame", len(frame), "ends within its headers") from cut


def _decoded(frame: bytes, link: int, packet: int, time_ns: int) -> Segment | None:
    ip = _network(frame, link)
    if ip is None:
        return None
    version = frame[ip] >> 4
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    if version == 4:
        head, _, total, ip_id, fragment, ttl, protocol, sender, receiver = _IPV4.unpack_from(frame, ip)
        at = ip + ((head & 15) << 2)
        if protocol != 6 or fragment & 0x3FFF or at < ip + 20:
            return None
        stop = ip + total if total else len(frame)
        source, destination = IPv4Address(sender), IPv4Address(receiver)
    elif version == 6:
        found = _past_extensions(frame, ip)
        if found is None or len(frame) < ip + 40:
            return None
        at, ip_id, ttl = found, 0, frame[ip + 7]
        stop = ip + 40 + (frame[ip + 4] << 8 | frame[ip + 5])
        source, destination = IPv6Address(frame[ip + 8 : ip + 24]), IPv6Address(frame[ip + 24 : ip + 40])
    else:
        return None
    sport, dport, sequence, acknowledged, offset, flags, _ = _TCP.unpack_from(frame, at)
    payload = at + (offset >> 4 << 2)
    if offset < 0x50 or payload > stop:
        return None
    mss, stamp = _options(frame[at + 20 : payload])
    return Segment(
        packet, time_ns, Endpoint(source, sport), Endpoint(destination, dport), sequence, acknowledged, flags & 0x3F,
        stop - payload, ttl, ip_id, frame[payload : min(stop, payload + HEAD)], mss, stamp,
    )  # fmt: skip


def _network(b: bytes, link: int) -> int | None:
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


def _past_extensions(b: bytes, ip: int) -> int | None:
    """Where TCP begins behind the headers of IPv6."""
    protocol, at = b[ip + 6], ip + 40
    for _ in range(MAX_EXTENSIONS):
        if protocol == 6:
            return at
        if protocol not in (0, 43, 51, 60, 135, 139, 140):
            return None
        protocol, at = b[at], at + (b[at + 1] + (2 if protocol == 51 else 1)) * (4 if protocol == 51 else 8)
    return None


def _options(b: bytes) -> tuple[int | None, int | None]:
    """Maximum segment size and time stamp. [RFC9293] 3.2, [RFC7323] 3.2"""
    mss = stamp = None
    at = 0
    for _ in range(MAX_OPTIONS):
        if at >= len(b) or b[at] == 0:
            break
        if b[at] == 1:
            at += 1
            continue
        size = b[at + 1] if at + 1 < len(b) else 0
        if size < 2 or at + size > len(b):
            break
        if b[at] == 2 and size == 4:
            mss = b[at + 2] << 8 | b[at + 3]
        elif b[at] == 8 and size == 10:
            stamp = int.from_bytes(b[at + 2 : at + 6], "big")
        at += size
    return mss, stamp
