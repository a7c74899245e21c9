"""The first so many packets of a stream, to the byte: pcap or pcapng, in pieces as they come."""

from struct import Struct

_PCAP = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
_SECTION = b"\x0a\x0d\x0d\x0a"
_PACKETS = frozenset({2, 3, 6})  # kinds of pcapng blocks
_PCAP_HEADER, _RECORD = 24, 16
MAX_BLOCK = 1 << 30


class FirstPackets:
    """Told all bytes of a stream, says how many of them belong to its first `count` packets.

    Remembers a header at most. A stream that is no capture, or breaks, is passed on: whoever reads it will say so.
    """

    def __init__(self, count: int) -> None:
        self._left = count
        self._head = bytearray()  # of a record or block, until there is enough of it
        self._rest = 0  # bytes of the record that is passing by
        self._order = ""
        self._pcapng = self._lost = False
        self._counts = False  # the one that is passing by is a packet

    @property
    def reached(self) -> bool:
        """The last of them has passed by."""
        return not self._left

    def of(self, data: bytes | memoryview) -> int:
        """How many of the next bytes still belong to them."""
        at = 0
        while at < len(data) and self._left and not self._lost:
            if self._rest:
                step = min(self._rest, len(data) - at)
                self._rest -= step
                at += step
                if not self._rest and self._counts:
                    self._left -= 1
                continue
            step = min(self._wanted - len(self._head), len(data) - at)
            self._head += data[at : at + step]
            at += step
            if len(self._head) == self._wanted:
                self._begin(bytes(self._head))
                self._head.clear()
        return len(data) if self._lost else at

    @property
    def _wanted(self) -> int:
        """Bytes of a header from which its length is known."""
        if not self._order:
            return 12
        return 8 if self._pcapng else _RECORD

    def _begin(self, head: bytes) -> None:
        if not self._order and head[:4] in _PCAP:
            self._order, self._rest, self._counts = _PCAP[head[:4]], _PCAP_HEADER - len(head), False
            return
        if not self._order:
            self._pcapng, self._lost = True, head[:4] != _SECTION
            self._order = "<" if head[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
        if self._pcapng:
            kind, length = Struct(self._order + "II").unpack_from(head)
            self._counts, self._rest = kind in _PACKETS, length - len(head)
        else:
            (length,) = Struct(self._order + "I").unpack_from(head, 8)
            self._counts, self._rest = True, length
        self._lost = self._lost or not 0 <= self._rest <= MAX_BLOCK
        if not self._rest and self._counts:
            self._left -= 1
