"""The newer capture file: blocks, sections and interfaces. [draft-ietf-opsawg-pcapng]"""

from struct import Struct
from typing import NamedTuple

from rpcdiag.capture.scan import Scanner
from rpcdiag.capture.table import Point, link_name
from rpcdiag.capture.walk import MAX_RECORD, Damaged, Walker

_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_OLD_PACKET = 2
_SIMPLE_PACKET = 3
_ENHANCED_PACKET = 6
_OPTION_NAME = 2
_OPTION_RESOLUTION = 9
_OPTION_OFFSET = 14
MAX_INTERFACES = 1 << 16
MAX_TIME = 1 << 63  # ns: the year 2262


class _Interface(NamedTuple):
    link: int
    point: int
    snaplen: int
    ticks: int  # per second
    offset_ns: int


def why_not(head: bytes) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    return None if head[:4] == b"\x0a\x0d\x0d\x0a" else "not pcapng: no section header block"


class PcapngWalker(Walker):
    """Walks the blocks of one file; remembers the interfaces of the section, and the packet number of the file."""

    name = "pcapng"

    def __init__(self, scanner: Scanner) -> None:
        super().__init__(scanner, "a block")
        self._order = "<"
        self._interfaces: list[_Interface] = []

    def walk(self, b: bytearray, count: int) -> int:
        at = 0
        head = Struct(self._order + "II").unpack_from
        enhanced = Struct(self._order + "IIIII").unpack_from
        while at + 12 <= count:
            kind, length = head(b, at)
            if kind == _SECTION:
                self._order = self._byte_order(b, at)
                head = Struct(self._order + "II").unpack_from
                enhanced = Struct(self._order + "IIIII").unpack_from
                kind, length = head(b, at)
                self._interfaces = []
            if length < 12 or length & 3 or length > MAX_RECORD:
                raise Damaged(at, f"a block after packet {self.packets} claims {length} bytes")
            if at + length > count:
                break
            if kind == _ENHANCED_PACKET:
                if length < 32:
                    raise Damaged(at, f"packet block after packet {self.packets} is too short")
                interface, high, low, captured, wire = enhanced(b, at + 8)
                self._packet(b, at + 28, at + length - 4, interface, high << 32 | low, captured, wire)
            elif kind == _INTERFACE:
                self._describe(b, at, length)
            elif kind == _SIMPLE_PACKET:
                (wire,) = Struct(self._order + "I").unpack_from(b, at + 8)
                snaplen = self._interfaces[0].snaplen if self._interfaces else 0
                captured = min(wire, snaplen or wire, length - 16)
                self._packet(b, at + 12, at + length - 4, 0, None, captured, wire)
            elif kind == _OLD_PACKET:
                if length < 32:
                    raise Damaged(at, f"packet block after packet {self.packets} is too short")
                interface, _, high, low, captured, wire = Struct(self._order + "HHIIII").unpack_from(b, at + 8)
                self._packet(b, at + 28, at + length - 4, interface, high << 32 | low, captured, wire)
            at += length
        return at

    def _byte_order(self, b: bytearray, at: int) -> str:
        magic = bytes(b[at + 8 : at + 12])
        if magic == b"\x4d\x3c\x2b\x1a":
            return "<"
        if magic == b"\x1a\x2b\x3c\x4d":
            return ">"
        raise Damaged(at, "section header without its byte-order magic")

    def _describe(self, b: bytearray, at: int, length: int) -> None:
        if length < 20 or len(self.points) >= MAX_INTERFACES:
            raise Damaged(at, "interface description too short" if length < 20 else "too many interfaces")
        link, _, snaplen = Struct(self._order + "HHI").unpack_from(b, at + 8)
        name, ticks, offset_ns = "", 1_000_000, 0
        option, end = at + 16, at + length - 4
        while option + 4 <= end:
            code, size = Struct(self._order + "HH").unpack_from(b, option)
            value = bytes(b[option + 4 : min(option + 4 + size, end)])
            if code == 0:
                break
            if code == _OPTION_NAME:
                name = value.decode("utf-8", "replace")
            elif code == _OPTION_RESOLUTION and value:
                power = value[0] & 0x7F
                ticks = 2 ** min(power, 63) if value[0] & 0x80 else 10 ** min(power, 18)
            elif code == _OPTION_OFFSET and len(value) == 8:
                offset_ns = Struct(self._order + "q").unpack(value)[0] * 1_000_000_000
            option += 4 + (size + 3 & ~3)
        point = len(self.points)
        self.points[point] = Point(name or f"interface {point}", link_name(link))
        if link not in self.links:
            self.links.append(link)
        self._interfaces.append(_Interface(link, point, snaplen, ticks, offset_ns))

    def _packet(
        self, b: bytearray, at: int, limit: int, interface: int, stamp: int | None, captured: int, wire: int
    ) -> None:
        if at + captured > limit:
            raise Damaged(at, f"packet {self.packets + 1} claims {captured} bytes, its block holds {limit - at}")
        self.packets += 1
        if interface >= len(self._interfaces):
            self.skipped["unknown-interface"] = self.skipped.get("unknown-interface", 0) + 1
            return
        of = self._interfaces[interface]
        time = self.last_ns or 0
        if stamp is not None:
            ticks = of.ticks
            time = stamp * (1_000_000_000 // ticks) if 1_000_000_000 % ticks == 0 else stamp * 1_000_000_000 // ticks
            time += of.offset_ns
            if not 0 <= time < MAX_TIME:
                time = self.last_ns or 0  # no clock says so: the packet counts, its time does not
            if self.first_ns is None or self.last_ns is None:
                self.first_ns = self.last_ns = time
            elif time > self.last_ns:
                self.last_ns = time
            elif time < self.first_ns:
                self.first_ns = time
        why = self.scanner.packet(b, at, captured, max(wire, captured), of.link, self.packets, time, of.point)
        if why:
            self.skipped[why] = self.skipped.get(why, 0) + 1
