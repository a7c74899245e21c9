"""The classic capture file. [draft-ietf-opsawg-pcap]"""

from typing import Literal

from rpcdiag.capture.points import Point, link_name
from rpcdiag.sweep.columns import BIG, FORMAT, IF_LINK, PCAP, RECORD_HEADER, SCALE
from rpcdiag.sweep.engine import Sweep

MAGICS: dict[bytes, tuple[Literal["big", "little"], int, int]] = {
    b"\xa1\xb2\xc3\xd4": ("big", 1000, 16),
    b"\xd4\xc3\xb2\xa1": ("little", 1000, 16),
    b"\xa1\xb2\x3c\x4d": ("big", 1, 16),
    b"\x4d\x3c\xb2\xa1": ("little", 1, 16),
    b"\xa1\xb2\xcd\x34": ("big", 1000, 24),  # the "modified" format of old Linux tools: 8 bytes more a record
    b"\x34\xcd\xb2\xa1": ("little", 1000, 24),
}
FILE_HEADER = 24


def why_not(head: bytes) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    return None if head[:4] in MAGICS else "not pcap: no magic number a1b2c3d4 in either byte order"


class PcapFile:
    """What the file header says; the records need nothing but the pass."""

    name = "pcap"

    def __init__(self, sweep: Sweep) -> None:
        self.needs = "the file header"
        self.points: dict[int, Point] = {}
        self.links: list[int] = []
        self.unread: dict[int, int] = {}
        self._sweep = sweep

    def other(self, b: bytearray, at: int, count: int) -> int:
        """Take the file header at `at`; returns the bytes used, 0 where more are needed."""
        if count - at < FILE_HEADER:
            return 0
        order, scale, header = MAGICS[bytes(b[at : at + 4])]
        link = int.from_bytes(b[at + 20 : at + 24], order) & 0xFFFF
        state = self._sweep.state
        counters = state.counters
        counters[FORMAT], counters[BIG], counters[SCALE], counters[RECORD_HEADER] = PCAP, order == "big", scale, header
        state.interfaces[IF_LINK] = link
        self.links = [link]
        self.points[0] = Point("", link_name(link))
        self.needs = "a packet"
        return FILE_HEADER
