"""The newer capture file: blocks, sections and interfaces. [draft-ietf-opsawg-pcapng]"""

from struct import Struct

from rpcdiag.capture.damage import Damaged
from rpcdiag.capture.points import Point, link_name
from rpcdiag.sweep.columns import (
    BIG,
    FORMAT,
    IF_DIVIDE,
    IF_LINK,
    IF_LONGEST,
    IF_MULTIPLY,
    IF_OFFSET,
    IF_POINT,
    IF_SKIPPED,
    IF_SNAPLEN,
    INTERFACE_WIDTH,
    INTERFACES,
    LAST_NS,
    NO_INTERFACE,
    NUMBER,
    PCAPNG,
    POINT_ID,
    POINT_LAST,
    POINT_WIDTH,
    POINTS,
    POINTS_AT,
    SKIPPED,
    UNKNOWN_LINK,
)
from rpcdiag.sweep.engine import Sweep
from rpcdiag.sweep.records import MAX_RECORD, MAX_TIME, stamp_to_ns

_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_OLD_PACKET = 2
_SIMPLE_PACKET = 3
_STATISTICS = 5
WATCHER = b"rpcdiag live"  # the application that a section of our own names
_OPTION_APPLICATION = 4
_OPTION_END_TIME = 3
_OPTION_NAME = 2
_OPTION_RESOLUTION = 9
_OPTION_OFFSET = 14
MAX_INTERFACES = 1 << 16


def why_not(head: bytes) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    return None if head[:4] == b"\x0a\x0d\x0d\x0a" else "not pcapng: no section header block"


class PcapngFile:
    """Sees to every block but the enhanced packet blocks, which the pass takes itself."""

    name = "pcapng"

    def __init__(self, sweep: Sweep) -> None:
        self.needs = "a block"
        self.points: dict[int, Point] = {}
        self.links: list[int] = []
        self.unread: dict[int, int] = {}  # packets of link types that are not read, of sections that ended
        self._sweep = sweep
        self._order = "<"
        self._ours = False  # the section is from `rpcdiag live`
        sweep.state.counters[FORMAT] = PCAPNG

    def other(self, b: bytearray, at: int, count: int) -> int:
        """Take the block at `at`; returns the bytes used, 0 where more are needed.

        Raises:
            Damaged: a block that cannot be.
        """
        if count - at < 12:
            return 0
        kind, length = Struct(self._order + "II").unpack_from(b, at)
        if kind == _SECTION:
            self._order = self._byte_order(b, at)
            _, length = Struct(self._order + "II").unpack_from(b, at)
            counters = self._sweep.state.counters
            self._forget_interfaces()
            self._ours = False
            counters[BIG], counters[INTERFACES] = self._order == ">", 0
        if length < 12 or length & 3 or length > MAX_RECORD:
            raise Damaged(at, f"a block after packet {self._number} claims {length} bytes")
        if at + length > count:
            return 0
        if kind == _SECTION:
            self._ours = _option(b, at + 24, at + length - 4, self._order, _OPTION_APPLICATION) == WATCHER
        elif kind == _INTERFACE:
            self._describe(b, at, length)
        elif kind == _SIMPLE_PACKET:
            self._simple_packet(b, at, length)
        elif kind == _OLD_PACKET:
            self._old_packet(b, at, length)
        elif kind == _STATISTICS and self._ours:
            self._watched(b, at, length)
        return int(length)

    @property
    def _number(self) -> int:
        return self._sweep.state.counters[NUMBER]

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
        name, resolution, offset = "", 6, 0
        option, end = at + 16, at + length - 4
        while option + 4 <= end:
            code, size = Struct(self._order + "HH").unpack_from(b, option)
            value = bytes(b[option + 4 : min(option + 4 + size, end)])
            if code == 0:
                break
            if code == _OPTION_NAME:
                name = value.decode("utf-8", "replace")
            elif code == _OPTION_RESOLUTION and value:
                resolution = value[0]
            elif code == _OPTION_OFFSET and len(value) == 8:
                offset = Struct(self._order + "q").unpack(value)[0] * 1_000_000_000
            option += 4 + (size + 3 & ~3)
        point = len(self.points)
        self.points[point] = Point(name or f"interface {point}", link_name(link))
        if link not in self.links:
            self.links.append(link)
        self._add(link, point, snaplen, resolution, offset)

    def _forget_interfaces(self) -> None:
        interfaces = self._sweep.state.interfaces
        for row in range(0, len(interfaces), INTERFACE_WIDTH):
            if interfaces[row + IF_SKIPPED]:
                link = interfaces[row + IF_LINK]
                self.unread[link] = self.unread.get(link, 0) + interfaces[row + IF_SKIPPED]
                interfaces[row + IF_SKIPPED] = 0

    def _add(self, link: int, point: int, snaplen: int, resolution: int, offset: int) -> None:
        state = self._sweep.state
        interfaces, row = state.interfaces, state.counters[INTERFACES] * INTERFACE_WIDTH
        if row == len(interfaces):
            interfaces.frombytes(bytes(8 * len(interfaces)))
        power = resolution & 0x7F
        if resolution & 0x80:
            multiply, divide, longest = min(power, 62), 0, MAX_TIME // 2 if power >= 30 else (9 << 30) << power
        elif power <= 9:
            multiply, divide = 10 ** (9 - power), 1
            longest = MAX_TIME // multiply
        else:
            multiply, divide, longest = 1, 10 ** (min(power, 18) - 9), MAX_TIME
        if abs(offset) > MAX_TIME // 2:
            offset, longest = 0, -1  # no clock says so
        interfaces[row + IF_LINK] = link
        interfaces[row + IF_POINT] = point
        interfaces[row + IF_SNAPLEN] = snaplen
        interfaces[row + IF_MULTIPLY] = multiply
        interfaces[row + IF_DIVIDE] = divide
        interfaces[row + IF_OFFSET] = offset
        interfaces[row + IF_LONGEST] = longest
        state.counters[INTERFACES] += 1

    def _watched(self, b: bytearray, at: int, length: int) -> None:
        """Until when the interface was watched: silence after the last packet is silence that was seen. 4.6

        Only of files of our own. Of others it is not known what was filtered out, or whose clock it was.
        """
        state = self._sweep.state
        counters = state.counters
        (interface,) = Struct(self._order + "I").unpack_from(b, at + 8)
        end = _option(b, at + 20, at + length - 4, self._order, _OPTION_END_TIME)
        if len(end) != 8 or interface >= counters[INTERFACES] or not counters[POINTS]:
            return
        row = interface * INTERFACE_WIDTH
        ns = stamp_to_ns(state.interfaces, row, *Struct(self._order + "II").unpack(end))
        counters[LAST_NS] = max(counters[LAST_NS], ns)
        for place in range(POINTS_AT, POINTS_AT + counters[POINTS] * POINT_WIDTH, POINT_WIDTH):
            if counters[place + POINT_ID] & 0xFFFFF == state.interfaces[row + IF_POINT]:
                counters[place + POINT_LAST] = max(counters[place + POINT_LAST], ns)

    def _simple_packet(self, b: bytearray, at: int, length: int) -> None:
        state = self._sweep.state
        (wire,) = Struct(self._order + "I").unpack_from(b, at + 8)
        snaplen = state.interfaces[IF_SNAPLEN] if state.counters[INTERFACES] else 0
        captured = min(wire, snaplen or wire, length - 16)
        self._packet(b, at + 12, at + length - 4, 0, None, captured, wire)

    def _old_packet(self, b: bytearray, at: int, length: int) -> None:
        if length < 32:
            raise Damaged(at, f"packet block after packet {self._number} is too short")
        interface, _, high, low, captured, wire = Struct(self._order + "HHIIII").unpack_from(b, at + 8)
        self._packet(b, at + 28, at + length - 4, interface, (high, low), captured, wire)

    def _packet(
        self, b: bytearray, at: int, limit: int, interface: int, stamp: tuple[int, int] | None, captured: int, wire: int
    ) -> None:
        state = self._sweep.state
        counters, row = state.counters, interface * INTERFACE_WIDTH
        if at + captured > limit:
            raise Damaged(at, f"packet {self._number + 1} claims {captured} bytes, its block holds {limit - at}")
        counters[NUMBER] += 1
        if interface >= counters[INTERFACES]:
            counters[SKIPPED + NO_INTERFACE] += 1
            return
        ns = -1 if stamp is None else stamp_to_ns(state.interfaces, row, *stamp)
        unread = counters[SKIPPED + UNKNOWN_LINK]
        self._sweep.single(
            b, at, at + captured, wire=wire, link=state.interfaces[row + IF_LINK], number=counters[NUMBER],
            ns=counters[LAST_NS] if ns < 0 else ns, point=state.interfaces[row + IF_POINT],
        )  # fmt: skip
        state.interfaces[row + IF_SKIPPED] += counters[SKIPPED + UNKNOWN_LINK] - unread


def _option(b: bytearray, at: int, end: int, order: str, wanted: int) -> bytes:
    """The value of an option of a block, empty where there is none. 3.5"""
    while at + 4 <= end:
        code, size = Struct(order + "HH").unpack_from(b, at)
        if code == 0:
            break
        if code == wanted:
            return bytes(b[at + 4 : min(at + 4 + size, end)])
        at += 4 + (size + 3 & ~3)
    return b""
