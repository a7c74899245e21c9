"""One direction of a TCP connection, put back in order. [RFC9293] 3.4

Overlaps: the byte that was recorded first stays. A gap is a fact: it is handed on when waiting for its bytes makes
no more sense. Nothing is allocated for bytes that are not there.
"""

from collections.abc import Iterator
from typing import NamedTuple

MAX_PENDING = 64  # segments that wait for the bytes before them
MAX_PENDING_BYTES = 1 << 20
PATIENCE_NS = 3_000_000_000  # by then TCP has repeated a lost segment
_HALF = 1 << 31
_MASK = 0xFFFFFFFF


class Chunk(NamedTuple):
    """Bytes of a stream: `offset` counts from its first byte; they arrived in `packet` at `time_ns`."""

    offset: int
    data: bytes
    packet: int
    time_ns: int


class Gap(NamedTuple):
    """`length` bytes of the stream that the capture does not hold, known when `packet` went by."""

    offset: int
    length: int
    packet: int
    time_ns: int


class _Waiting(NamedTuple):
    start: int
    order: int
    data: bytes
    length: int
    packet: int
    time_ns: int


class Reassembler:
    """Feed segments in the order of the capture; holds at most MAX_PENDING segments of MAX_PENDING_BYTES in all."""

    def __init__(self) -> None:
        self.position = 0  # of the next byte to hand on
        self._base: int | None = None
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._order = 0

    def feed(
        self, start: int | None, sequence: int, data: bytes, length: int, packet: int, time_ns: int
    ) -> Iterator[Chunk | Gap]:
        """Take `data`, the captured part of a segment of `length` bytes; `start` is the stream's ISN, if known."""
        if self._base is None:
            self._base = sequence if start is None else start + 1 & _MASK
            if _signed(sequence - self._base) < 0:
                self._base = sequence
        at = self.position + _signed(sequence - (self._base + self.position))
        if self._waiting and time_ns - self._waiting[0].time_ns > PATIENCE_NS:
            yield from self._give_up(packet, time_ns)
        if at > self.position:
            self._wait(_Waiting(at, self._order, data, length, packet, time_ns))
            self._order += 1
            while len(self._waiting) > MAX_PENDING or self._waiting_bytes > MAX_PENDING_BYTES:
                yield from self._give_up(packet, time_ns)
            return
        yield from self._hand_on(at, data, length, packet, time_ns)
        yield from self._ready()

    def close(self) -> Iterator[Chunk | Gap]:
        """The end of the capture: whatever waits is handed on behind its gaps."""
        while self._waiting:
            last = self._waiting[0]
            yield from self._give_up(last.packet, last.time_ns)

    def _wait(self, segment: _Waiting) -> None:
        place = len(self._waiting)
        while place and self._waiting[place - 1].start > segment.start:
            place -= 1
        self._waiting.insert(place, segment)
        self._waiting_bytes += len(segment.data)

    def _give_up(self, packet: int, time_ns: int) -> Iterator[Chunk | Gap]:
        """Hand on the gap before the first waiting segment, and what follows it."""
        missing = self._waiting[0].start - self.position
        if missing > 0:
            gap = Gap(self.position, missing, packet, time_ns)
            self.position += missing
            yield gap
        yield from self._ready()

    def _ready(self) -> Iterator[Chunk | Gap]:
        while self._waiting and self._waiting[0].start <= self.position:
            segment = self._waiting.pop(0)
            self._waiting_bytes -= len(segment.data)
            yield from self._hand_on(segment.start, segment.data, segment.length, segment.packet, segment.time_ns)

    def _hand_on(self, at: int, data: bytes, length: int, packet: int, time_ns: int) -> Iterator[Chunk | Gap]:
        known = self.position - at
        if known >= length:
            return
        fresh = data[known:] if known > 0 else data
        if fresh:
            offset = self.position
            self.position += len(fresh)
            yield Chunk(offset, fresh, packet, time_ns)
        cut = at + length - self.position
        if cut > 0 and known < length:
            gap = Gap(self.position, cut, packet, time_ns)
            self.position += cut
            yield gap


def _signed(difference: int) -> int:
    return ((difference + _HALF) & _MASK) - _HALF
