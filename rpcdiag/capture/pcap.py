"""The classic capture file. [draft-ietf-opsawg-pcap]"""

from struct import Struct

from rpcdiag.capture.scan import Scanner
from rpcdiag.capture.table import Point, link_name
from rpcdiag.capture.walk import MAX_RECORD, Damaged, Walker

_MAGICS = {
    b"\xa1\xb2\xc3\xd4": (">", 1000, 16),
    b"\xd4\xc3\xb2\xa1": ("<", 1000, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\xcd\x34": (">", 1000, 24),  # the "modified" format of old Linux tools: 8 bytes more a record
    b"\x34\xcd\xb2\xa1": ("<", 1000, 24),
}
FILE_HEADER = 24


def why_not(head: bytes) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    return None if head[:4] in _MAGICS else "not pcap: no magic number a1b2c3d4 in either byte order"


class PcapWalker(Walker):
    """Walks the records of one file, a block of bytes at a time; remembers the byte order and the packet number."""

    name = "pcap"

    def __init__(self, scanner: Scanner) -> None:
        super().__init__(scanner, "the file header")
        self._record: Struct | None = None
        self._scale = 1000
        self._length = 16

    def walk(self, b: bytearray, count: int) -> int:
        at = 0
        if self._record is None:
            if count < FILE_HEADER:
                return 0
            order, self._scale, self._length = _MAGICS[bytes(b[:4])]
            self._record = Struct(order + "IIII")
            self.links = [Struct(order + "I").unpack_from(b, 20)[0] & 0xFFFF]
            self.points[0] = Point("", link_name(self.links[0]))
            self.needs = "a packet"
            at = FILE_HEADER
        unpack, header, scale, link = self._record.unpack_from, self._length, self._scale, self.links[0]
        packet, skipped, number = self.scanner.packet, self.skipped, self.packets
        first, last = self.first_ns, self.last_ns
        while at + header <= count:
            seconds, fraction, captured, wire = unpack(b, at)
            if captured > MAX_RECORD:
                self.packets, self.first_ns, self.last_ns = number, first, last
                raise Damaged(at, f"packet {number + 1} claims {captured} bytes")
            end = at + header + captured
            if end > count:
                break
            number += 1
            time = seconds * 1_000_000_000 + fraction * scale
            if first is None or last is None:
                first = last = time
            elif time > last:
                last = time
            elif time < first:
                first = time
            why = packet(b, at + header, captured, wire if wire > captured else captured, link, number, time, 0)
            if why:
                skipped[why] = skipped.get(why, 0) + 1
            at = end
        self.packets, self.first_ns, self.last_ns = number, first, last
        return at
