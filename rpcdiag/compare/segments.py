"""The TCP segments of chosen conversations, one by one: a capture is read a second time for them.

The pass of the diagnosis keeps no packets. What is kept here is bounded by MAX_SEGMENTS; SYNs of other conversations are
kept as well, up to MAX_SYNS, because they tell about clocks.
"""

import itertools
from collections.abc import Collection
from struct import Struct, error
from typing import NamedTuple

from rpcdiag.capture.fragments import FragmentTable
from rpcdiag.capture.reader import CaptureReader
from rpcdiag.compare.frames import TCP, Frames, Packet, network, packet_at
from rpcdiag.compare.pieces import KeptPieces, Udp
from rpcdiag.errors import Truncated
from rpcdiag.model.packets import Endpoint

FIN, SYN, RST, ACK = 1, 2, 4, 16
MAX_SEGMENTS = 300_000
MAX_SYNS = 20_000
MAX_POINTS = 256
MAX_WANTED = 100_000  # conversations
HEAD = 64  # bytes of a payload that are compared
MAX_OPTIONS = 40
_TCP = Struct(">HHIIBB")


class Segment(NamedTuple):
    """One TCP packet; `mss` and `stamp` (the sender's time stamp) are None where it has no such option.

    `mss` is 0 where the capture has not all of the options.
    """

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
    """What was kept, in the order of the file; `full_ns` is when there was no room for more, or None."""

    segments: list[Segment]
    full_ns: int | None
    udp: Udp


def read(
    path: str,
    point: int | None,
    wanted: Collection[tuple[Endpoint, Endpoint]],
    isns: Collection[int],
    datagrams: Collection[tuple[Endpoint, Endpoint]] = (),
) -> Segments:
    """Segments at a capture point (None: at any) between wanted ends, or that open with one of these numbers; and
    datagrams, of services that are compared anyhow and between those ends.

    Raises:
        InputError: the capture cannot be read again.
    """
    kept = _Kept(point, wanted, isns, datagrams)
    reader = CaptureReader(path, Frames(kept.take))
    for _ in reader.events():
        pass
    return Segments(kept.segments, kept.full_ns, kept.udp.made())


def points(path: str) -> dict[int, str]:
    """The interfaces that a capture describes, also those at which nothing was recorded.

    Raises:
        InputError: the capture cannot be read again.
    """
    reader = CaptureReader(path, Frames(lambda *_: None))
    for _ in reader.events():
        pass
    known = itertools.takewhile(lambda one: one.link_type != "unknown", map(reader.point, itertools.count()))
    return {number: one.name for number, one in enumerate(itertools.islice(known, MAX_POINTS))}


class _Kept:
    def __init__(
        self,
        point: int | None,
        wanted: Collection[tuple[Endpoint, Endpoint]],
        isns: Collection[int],
        datagrams: Collection[tuple[Endpoint, Endpoint]],
    ) -> None:
        self.segments: list[Segment] = []
        self.full_ns: int | None = None
        self.udp = KeptPieces(datagrams)
        self._point, self._isns, self._syns = point, frozenset(isns), 0
        self._parts = FragmentTable()  # of TCP
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
            ip = opened(frame, link)
            if ip is None or ip.protocol != TCP:
                self.udp.take(frame, ip, packet, time_ns, everybody=link == 1 and bool(frame[0] & 1))
                return
            segment = (
                _segment(frame, ip, packet, time_ns) if ip.whole else self._joined(frame, link, ip, packet, time_ns)
            )
        except (error, IndexError):
            self.udp.cut += 1  # counted by the first reading too
            return
        if segment is not None:
            self._keep(segment)

    def _joined(self, frame: bytes, link: int, ip: Packet, packet: int, time_ns: int) -> Segment | None:
        """The segment whose last piece this is."""
        self.udp.pieced += ip.offset > 0
        made = self._parts.add(frame[network(frame, link) or 0 : ip.stop], packet, time_ns, 0)
        whole = None if made is None else packet_at(made.data, 0)
        if made is None or whole is None or not whole.whole:
            return None
        return _segment(made.data, whole, packet, time_ns)

    def _keep(self, segment: Segment) -> None:
        ends = segment.source, segment.destination
        self.udp.note(min(ends[0].port, ends[1].port))
        if segment.flags & SYN and not segment.flags & ACK and segment.sequence in self._isns:
            self._want(*ends)
        if ends not in self._wanted:
            if not segment.flags & SYN or self._syns >= MAX_SYNS:
                return
            self._syns += 1
        if len(self.segments) >= MAX_SEGMENTS:
            self.full_ns = segment.time_ns if self.full_ns is None else self.full_ns
            return
        self.segments.append(segment)


def decode(frame: bytes, link: int, packet: int, time_ns: int) -> Segment | None:
    """The TCP packet in a frame, None where it is none or a piece of one.

    Raises:
        Truncated: the capture holds too little of it.
    """
    try:
        ip = opened(frame, link)
        return None if ip is None or ip.protocol != TCP or not ip.whole else _segment(frame, ip, packet, time_ns)
    except (error, IndexError) as cut:
        raise Truncated("frame", len(frame), "ends within its headers") from cut


def opened(frame: bytes, link: int) -> Packet | None:
    """The IP packet in a frame."""
    at = network(frame, link)
    return None if at is None else packet_at(frame, at)


def _segment(frame: bytes, ip: Packet, packet: int, time_ns: int) -> Segment | None:
    sport, dport, sequence, acknowledged, offset, flags = _TCP.unpack_from(frame, ip.at)
    payload = ip.at + (offset >> 4 << 2)
    if offset < 0x50 or payload > ip.stop:
        return None
    mss, stamp = _options(frame[ip.at + 20 : payload])
    if mss is None and len(frame) < payload:
        mss = 0
    source, destination = ip.ends()
    return Segment(
        packet, time_ns, Endpoint(source, sport), Endpoint(destination, dport), sequence, acknowledged, flags & 0x3F,
        ip.stop - payload, ip.ttl, ip.ip_id, frame[payload : min(ip.stop, payload + HEAD)], mss, stamp,
    )  # fmt: skip


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
