"""A stream of bytes to PDUs. [MS-RPCE] 2.2.2.1

Yields the same events however the bytes are cut. A gap inside a PDU costs that PDU its end, not the stream its
framing: the header had told where the next one begins. Framing that is lost is found again at the next header that
is followed by another, or that ends with the data.
"""

from collections.abc import Iterator
from typing import NamedTuple

HEADER = 16
MAX_TAIL = 1 << 17  # a PDU has at most 65,535 bytes
_TYPES = frozenset(range(20)) - frozenset({1, 4, 5, 6, 7, 8, 9, 10})
MIN_LENGTH = {0: 24, 2: 24, 3: 24, 11: 28, 12: 26, 13: 18, 14: 28, 15: 26, 16: 16, 17: 16, 18: 16, 19: 16}


class Frame(NamedTuple):
    """One PDU: `data` is what the capture kept of `length` bytes; it was complete with `packet`."""

    offset: int
    data: bytes
    length: int
    first_packet: int
    packet: int
    time_ns: int
    after_loss: bool


class Skipped(NamedTuple):
    """Bytes at `offset` that belong to no PDU."""

    offset: int
    length: int
    packet: int


def plausible(b: bytes | bytearray, at: int = 0) -> bool:
    """Whether the 16 bytes at `at` can be the common header of a connection-oriented PDU."""
    if b[at] != 5 or b[at + 1] > 1 or b[at + 2] not in _TYPES:
        return False
    if b[at + 4] & 0xEF or b[at + 5] > 3 or b[at + 6] or b[at + 7]:
        return False
    length, token = _lengths(b, at)
    return length >= MIN_LENGTH[b[at + 2]] and (not token or HEADER + 8 + token <= length)


def _lengths(b: bytes | bytearray, at: int) -> tuple[int, int]:
    if b[at + 4] & 0x10:
        return b[at + 8] | b[at + 9] << 8, b[at + 10] | b[at + 11] << 8
    return b[at + 8] << 8 | b[at + 9], b[at + 10] << 8 | b[at + 11]


class Framer:
    """Remembers one unfinished PDU, at most MAX_TAIL bytes; counts where every byte went."""

    def __init__(self) -> None:
        self.in_pdus = 0
        self.skipped = 0
        self.missing = 0
        self._tail = bytearray()
        self._start = 0  # offset of the tail in the stream
        self._marks: list[tuple[int, int, int]] = []  # (offset of its end, packet, time) of each piece of the tail
        self._owed = 0  # bytes of a PDU whose middle is missing, still to come
        self._lost = False

    def feed(self, data: bytes, packet: int, time_ns: int) -> Iterator[Frame | Skipped]:
        """Take the next bytes of the stream."""
        if self._owed:
            data = self._pay(data)
            if not data:
                return
        self._tail += data
        self._marks.append((self._start + len(self._tail), packet, time_ns))
        yield from self._frames()

    def gap(self, length: int, packet: int, time_ns: int) -> Iterator[Frame | Skipped]:
        """The next `length` bytes of the stream are not in the capture."""
        self.missing += length
        if self._owed:
            over = length - self._owed
            self._owed = max(0, -over)
            self._start += length
            self._lost = over > 0
            return
        tail = len(self._tail)
        if tail >= HEADER and not self._lost and plausible(self._tail):
            whole = _lengths(self._tail, 0)[0]
            yield self._cut(whole)
            over = tail + length - whole
            self._start += tail + length
            self._tail.clear()
            self._marks.clear()
            self._owed, self._lost = max(0, -over), over > 0
            return
        if tail:
            yield self._skip(tail)
        self._start += length
        self._lost = True

    def close(self) -> Iterator[Frame | Skipped]:
        """The end of the stream: a PDU that is not complete is handed on as far as it goes."""
        tail = len(self._tail)
        if tail >= HEADER and not self._lost and plausible(self._tail):
            yield self._cut(_lengths(self._tail, 0)[0])
            self._start += tail
            self._tail.clear()
            self._marks.clear()
        elif self._lost and tail >= HEADER:
            yield from self._search(final=True)
        if self._tail:
            yield self._skip(len(self._tail))

    def _pay(self, data: bytes) -> bytes:
        """Bytes of a PDU that was handed on without them."""
        count = min(self._owed, len(data))
        self._owed -= count
        self._start += count
        self.in_pdus += count
        return data[count:]

    def _frames(self) -> Iterator[Frame | Skipped]:
        while len(self._tail) >= HEADER:
            if self._lost:
                yield from self._search(final=False)
                if self._lost:
                    return
                continue
            if not plausible(self._tail):
                self._lost = True
                continue
            length = _lengths(self._tail, 0)[0]
            if len(self._tail) < length:
                return
            yield self._frame(length)

    def _frame(self, length: int, *, after_loss: bool = False) -> Frame:
        data = bytes(self._tail[:length])
        start, end = self._start, self._start + length
        first = self._at(start + 1)
        last = self._at(end)
        del self._tail[:length]
        self._start = end
        self._marks = [mark for mark in self._marks if mark[0] > end]
        self.in_pdus += length
        return Frame(start, data, length, first[1], last[1], last[2], after_loss)

    def _cut(self, whole: int) -> Frame:
        first, last = self._at(self._start + 1), self._marks[-1]
        self.in_pdus += len(self._tail)
        return Frame(self._start, bytes(self._tail), whole, first[1], last[1], last[2], after_loss=False)

    def _at(self, offset: int) -> tuple[int, int, int]:
        """The piece that brought the byte before `offset`."""
        for mark in self._marks:
            if mark[0] >= offset:
                return mark
        return self._marks[-1]

    def _skip(self, count: int) -> Skipped:
        packet = self._at(self._start + 1)[1]
        skipped = Skipped(self._start, count, packet)
        del self._tail[:count]
        self._start += count
        self._marks = [mark for mark in self._marks if mark[0] > self._start]
        self.skipped += count
        return skipped

    def _search(self, *, final: bool) -> Iterator[Frame | Skipped]:
        """Find the next header; one is believed when another, or the end of a piece, follows it."""
        tail = self._tail
        ends = {mark[0] for mark in self._marks}
        at = 0
        while (at := tail.find(b"\x05", at)) != -1 and at + HEADER <= len(tail):
            if plausible(tail, at):
                end = at + _lengths(tail, at)[0]
                starts_piece = self._start + at in ends or at == 0
                if end > len(tail):
                    if starts_piece:
                        break  # believed for its place; the rest of it is still to come
                elif (
                    self._start + end in ends
                    or (end + HEADER <= len(tail) and plausible(tail, end))
                    or (end + HEADER > len(tail) and not final)
                ):
                    break
            at += 1
        else:
            keep = min(len(tail), HEADER - 1) if not final else 0
            if len(tail) > MAX_TAIL or len(tail) - keep > 0:
                yield self._skip(len(tail) - keep)
            return
        if at:
            yield self._skip(at)
        self._lost = False
