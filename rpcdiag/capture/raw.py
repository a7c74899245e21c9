"""The records of a capture as they stand in the file, for whoever writes them again: nothing is looked into.

Packets are numbered as the pass numbers them. [draft-ietf-opsawg-pcap], [draft-ietf-opsawg-pcapng]
"""

from collections.abc import Iterator
from struct import Struct, pack, unpack
from typing import NamedTuple

from rpcdiag.capture import pcap, pcapng
from rpcdiag.capture.source import Source
from rpcdiag.errors import CorruptInput, UnknownFormat
from rpcdiag.sweep.records import MAX_RECORD

STEP = 1 << 20
MAX_OPTIONS = 256  # of one block
MAX_INTERFACES = pcapng.MAX_INTERFACES
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_RESOLUTION, _OFFSET, _FCS = 9, 14, 13
# options that are kept, and how many bytes a number has that has to be turned round
_INTERFACE_OPTIONS = {
    1: 1,
    2: 1,
    3: 1,
    4: 1,
    5: 1,
    6: 1,
    7: 1,
    8: 8,
    _RESOLUTION: 1,
    11: 1,
    12: 1,
    _FCS: 1,
    _OFFSET: 8,
    15: 1,
}
_PACKET_OPTIONS = {1: 1, 2: 4, 3: 1, 4: 8, 5: 8, 6: 4, 7: 1}
_FCS_GIVEN = 0x04000000


class Option(NamedTuple):
    """One option of a block, its numbers little-endian."""

    code: int
    value: bytes


class Interface(NamedTuple):
    """Where packets were recorded; `resolution` is that of pcapng: 6 for microseconds, from 0x80 on powers of two."""

    link: int
    snaplen: int
    resolution: int
    offset_s: int
    options: tuple[Option, ...]  # without the two above

    def ns(self, stamp: int) -> int:
        """A time stamp as nanoseconds since 1970."""
        if self.resolution & 0x80:
            since: int = stamp * 1_000_000_000 >> (self.resolution & 0x7F)
        else:
            since = stamp * 1_000_000_000 // 10**self.resolution
        return since + self.offset_s * 1_000_000_000


class Record(NamedTuple):
    """One packet: `stamp` in the units of its interface, `data` what was kept of `wire` bytes."""

    number: int
    interface: int
    stamp: int
    data: bytes
    wire: int
    options: tuple[Option, ...]


class RawCapture:
    """One pass over one capture file; `interfaces` grows as they are met.

    After `records` has ended, `trouble` says why the file could not be read to its end, if so.

    Raises:
        InputError: missing, empty, not a capture.
        MissingPiece: the package for its compression is not installed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.interfaces: list[Interface] = []
        self.trouble: CorruptInput | None = None
        self._source = Source(path)
        self._buffer = bytearray()
        self._at = 0
        self._ended = False
        head = self._source.head
        reasons = (pcap.why_not(head), pcapng.why_not(head))
        if None not in reasons:
            self._source.close()
            raise UnknownFormat(path, tuple(why for why in reasons if why))
        self._pcap = reasons[0] is None

    def close(self) -> None:
        """Give the file back."""
        self._source.close()

    def records(self) -> Iterator[Record]:
        """Every packet, up to where the file is damaged or cut."""
        try:
            yield from self._pcap_records() if self._pcap else self._pcapng_records()
        except CorruptInput as error:
            self.trouble = error
        finally:
            self.close()

    def _fill(self, count: int) -> bool:
        """Whether there are so many bytes from the current place on."""
        while len(self._buffer) - self._at < count and not self._ended:
            del self._buffer[: self._at]
            self._at = 0
            room = bytearray(STEP)
            with memoryview(room) as view:
                got = self._source.readinto(view)
            self._ended = not got
            self._buffer += room[:got]
        return len(self._buffer) - self._at >= count

    def _take(self, count: int) -> bytes | None:
        """The next bytes; None where the file ends before."""
        if not self._fill(count):
            return None
        data = bytes(self._buffer[self._at : self._at + count])
        self._at += count
        return data

    def _damaged(self, why: str) -> CorruptInput:
        return CorruptInput(self.path, why)

    def _pcap_records(self) -> Iterator[Record]:
        head = self._take(pcap.FILE_HEADER)
        if head is None:
            return
        order, scale, size = pcap.MAGICS[head[:4]]
        form = ">" if order == "big" else "<"
        snaplen, network = unpack(form + "II", head[16:24])
        options = (Option(_FCS, bytes([(network >> 28) * 16 & 0xFF])),) if network & _FCS_GIVEN else ()
        self.interfaces.append(Interface(network & 0xFFFF, snaplen, 6 if scale == 1000 else 9, 0, options))
        per_second, header, number = 1_000_000_000 // scale, Struct(form + "IIII"), 0
        while self._fill(size):
            seconds, fraction, captured, wire = header.unpack_from(self._buffer, self._at)
            if captured > MAX_RECORD:
                raise self._damaged(f"packet {number + 1} claims {captured} bytes")
            self._at += size
            data = self._take(captured)
            if data is None:
                return
            number += 1
            yield Record(number, 0, seconds * per_second + fraction, data, wire, ())

    def _pcapng_records(self) -> Iterator[Record]:
        self._order, self._first, self._number = "<", 0, 0
        self._last: dict[int, int] = {}  # stamp of each interface's last packet: simple packets have none
        while self._fill(12):
            kind, length = Struct(self._order + "II").unpack_from(self._buffer, self._at)
            if kind == _SECTION:
                self._order = ">" if self._buffer[self._at + 8 : self._at + 12] == b"\x1a\x2b\x3c\x4d" else "<"
                self._first = len(self.interfaces)
                (length,) = Struct(self._order + "I").unpack_from(self._buffer, self._at + 4)
            if length < 12 or length & 3 or length > MAX_RECORD:
                raise self._damaged(f"a block after packet {self._number} claims {length} bytes")
            block = self._take(length)
            if block is None:
                return
            if kind == _INTERFACE:
                self._describe(block)
            elif kind in (_ENHANCED, _SIMPLE_PACKET, _OLD_PACKET):
                record = self._packet(kind, block)
                if record is not None:
                    yield record

    def _describe(self, block: bytes) -> None:
        if len(block) < 20 or len(self.interfaces) >= MAX_INTERFACES:
            raise self._damaged("interface description too short, or too many of them")
        link, _, snaplen = unpack(self._order + "HHI", block[8:16])
        resolution, offset, kept = 6, 0, []
        for option in self._options(block[16:-4], _INTERFACE_OPTIONS):
            if option.code == _RESOLUTION and option.value:
                resolution = option.value[0]
            elif option.code == _OFFSET and len(option.value) == 8:
                (offset,) = unpack("<q", option.value)
            elif option.code not in (_RESOLUTION, _OFFSET):
                kept.append(option)
        self.interfaces.append(Interface(link, snaplen, resolution, offset, tuple(kept)))

    def _packet(self, kind: int, block: bytes) -> Record | None:
        """One packet block; None where its interface was never described.

        Raises:
            CorruptInput: a block that cannot be.
        """
        fixed = {_ENHANCED: 28, _SIMPLE_PACKET: 12, _OLD_PACKET: 28}[kind]
        if len(block) < fixed + 4:
            raise self._damaged(f"packet block after packet {self._number} is too short")
        local, stamp = 0, None
        extra: tuple[Option, ...] = ()
        if kind == _ENHANCED:
            local, high, low, captured, wire = unpack(self._order + "IIIII", block[8:28])
            stamp = high << 32 | low
        elif kind == _OLD_PACKET:
            local, drops, high, low, captured, wire = unpack(self._order + "HHIIII", block[8:28])
            stamp = high << 32 | low
            extra = (Option(4, pack("<Q", drops)),) if drops != 0xFFFF else ()
        else:
            (wire,) = unpack(self._order + "I", block[8:12])
            known = self._first < len(self.interfaces)
            snaplen = self.interfaces[self._first].snaplen if known else 0
            captured = min(wire, snaplen or wire, len(block) - 16)
        if fixed + captured > len(block) - 4:
            raise self._damaged(f"packet {self._number + 1} claims {captured} bytes, its block holds fewer")
        self._number += 1
        interface = self._first + local
        if interface >= len(self.interfaces):
            return None
        stamp = self._last.get(interface, 0) if stamp is None else stamp
        self._last[interface] = stamp
        options = (
            () if kind == _SIMPLE_PACKET else self._options(block[fixed + (captured + 3 & ~3) : -4], _PACKET_OPTIONS)
        )
        return Record(self._number, interface, stamp, block[fixed : fixed + captured], wire, (*extra, *options))

    def _options(self, data: bytes, kept: dict[int, int]) -> tuple[Option, ...]:
        """Those of the options that mean something in another section."""
        found: list[Option] = []
        at = 0
        while at + 4 <= len(data) and len(found) < MAX_OPTIONS:
            code, size = unpack(self._order + "HH", data[at : at + 4])
            if code == 0 or at + 4 + size > len(data):
                break
            value = data[at + 4 : at + 4 + size]
            if code in kept:
                turned = self._order == ">" and kept[code] == size > 1
                found.append(Option(code, value[::-1] if turned else value))
            at += 4 + (size + 3 & ~3)
        return tuple(found)
