"""The latest packets of a capture that is still recorded, as they came: what a slice is cut from."""

import os
import struct
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from rpcdiag.model.packets import Address

ROOM = 32 << 20  # bytes
LARGEST = 16 << 20  # of a record: more is damage
HEADINGS = 1 << 20  # bytes of sections and interfaces in all: more is damage
LOOKED_AT = 512  # bytes of a packet, in which addresses of an IP header may stand: link headers and tunnels before it
_SECTION, _INTERFACE, _SIMPLE, _OLD_PACKET, _PACKET = 0x0A0D0D0A, 1, 3, 2, 6
_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 6), b"\xa1\xb2\xc3\xd4": (">", 6),
    b"\x4d\x3c\xb2\xa1": ("<", 9), b"\xa1\xb2\x3c\x4d": (">", 9),
}  # fmt: skip


class Slice(NamedTuple):
    """What a slice holds: so many packets, of `of` that were at hand; `lost` ones had been given up."""

    packets: int
    of: int
    lost: int


class _Records:
    """Cuts a stream into records: blocks of pcapng, or headers and packets of pcap. What is no record ends it."""

    def __init__(self) -> None:
        self._tail = b""
        self._order = ""
        self._pcap = False
        self.resolution = 6  # decimals of the times of a pcap
        self.broken = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Whole records; the first of a pcap is its header."""
        if self.broken:
            return
        data = self._tail + data if self._tail else data
        at = 0
        while (size := self._size(data, at)) is not None:
            if not 8 <= size <= LARGEST:
                self.broken = True
                return
            if at + size > len(data):
                break
            yield data[at : at + size]
            at += size
        self._tail = data[at:]

    def _size(self, data: bytes, at: int) -> int | None:
        """Bytes of the record at `at`; None where that cannot be said yet."""
        if len(data) - at < 28 and not (self._order and len(data) - at >= (16 if self._pcap else 12)):
            return None
        if not self._order and data[at : at + 4] in _PCAP:
            self._order, self.resolution = _PCAP[data[at : at + 4]]
            self._pcap = True
            return 24
        if self._pcap:
            return 16 + int(struct.unpack_from(f"{self._order}I", data, at + 8)[0])
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            self._order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
        if not self._order:
            return 0
        return int(struct.unpack_from(f"{self._order}I", data, at + 4)[0])

    @property
    def is_pcap(self) -> bool:
        return self._pcap

    @property
    def order(self) -> str:
        return self._order


class _Sorter:
    """Tells headings from packets, and writes a pcap's as pcapng."""

    def __init__(self) -> None:
        self.records = _Records()
        self._began = False

    def feed(self, data: bytes) -> Iterator[tuple[bool, bool, bytes]]:
        """For every record whether it begins a section, whether it holds a packet, and its block."""
        for record in self.records.feed(data):
            if self.records.is_pcap:
                if self._began:
                    yield False, True, self._packet(record)
                else:
                    self._began = True
                    yield True, False, _heading(record, self.records.order, self.records.resolution)
                continue
            (kind,) = struct.unpack_from(f"{self.records.order}I", record)
            if kind == _SECTION:
                yield True, False, record
            elif kind in (_SIMPLE, _OLD_PACKET, _PACKET):
                yield False, True, record
            elif kind == _INTERFACE:
                yield False, False, record

    def _packet(self, record: bytes) -> bytes:
        """An enhanced packet block of a pcap's record."""
        order = self.records.order
        seconds, fraction, kept, wire = struct.unpack_from(f"{order}IIII", record)
        ticks = seconds * 10**self.records.resolution + fraction
        body = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, kept, wire) + record[16:]
        return _block(_PACKET, body)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _heading(header: bytes, order: str, resolution: int) -> bytes:
    """Section and interface of a pcap's header. Above 16 bits, the link type has flags."""
    snaplen, link = struct.unpack_from(f"{order}II", header, 16)
    section = _block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    return section + _block(1, struct.pack("<HHIHHBxxxI", link & 0xFFFF, 0, snaplen, 9, 1, resolution, 0))


class Recent:
    """Keeps at most `room` bytes of packets, the oldest go first. Fed by one thread, cut by another."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._sorter = _Sorter()
        self._lock = threading.Lock()
        self._packets: deque[tuple[int, bytes]] = deque()  # number of the section, block
        self._headings: list[bytes] = []
        self.size = self.lost = self.heading_size = 0

    def __call__(self, data: bytes) -> None:
        """The next bytes of the stream."""
        with self._lock:
            for begins, packet, block in self._sorter.feed(data):
                if not packet:
                    self.heading_size += len(block)
                    self._sorter.records.broken |= self.heading_size > HEADINGS
                if begins:
                    self._headings.append(block)
                elif not packet:
                    self._headings[-1] += block
                else:
                    self._packets.append((len(self._headings) - 1, block))
                    self.size += len(block)
            while self.size > self._room:
                self.size -= len(self._packets.popleft()[1])
                self.lost += 1

    def cut(self, path: str, one: Address, other: Address) -> Slice:
        """Write the packets between two hosts, and the ICMP errors that quote them.

        Raises:
            OSError: the file exists, or cannot be written.
        """
        with self._lock:
            packets, headings, lost = list(self._packets), list(self._headings), self.lost
        return write_slice(path, packets, headings, one, other)._replace(lost=lost)


def cut_files(sources: Iterable[str], path: str, one: Address, other: Address) -> Slice:
    """The same out of files that keep the stream.

    Raises:
        OSError: one cannot be read, or the slice cannot be written.
    """
    total = Slice(0, 0, 0)
    with _created(path) as stream:
        for source in sources:
            headings: list[bytes] = []
            with open(source, "rb") as file:
                part = _copy(stream, _in_file(file, headings), headings, one, other)
            total = Slice(total.packets + part.packets, total.of + part.of, 0)
    return total


def _in_file(file: BinaryIO, headings: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """Packets; `headings` grow meanwhile."""
    sorter = _Sorter()
    while data := file.read(1 << 20):
        for begins, packet, block in sorter.feed(data):
            if begins:
                headings.append(block)
            elif packet:
                yield len(headings) - 1, block
            else:
                headings[-1] += block


def write_slice(
    path: str, packets: Iterable[tuple[int, bytes]], headings: list[bytes], one: Address, other: Address
) -> Slice:
    """Raises OSError as `Recent.cut` does."""
    with _created(path) as stream:
        return _copy(stream, packets, headings, one, other)


def _created(path: str) -> BinaryIO:
    """Never one that is there already, be it a link."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb")


def _copy(
    stream: BinaryIO, packets: Iterable[tuple[int, bytes]], headings: list[bytes], one: Address, other: Address
) -> Slice:
    """The packets with both addresses side by side, as every IP header has them, whichever comes first."""
    there, back = one.packed + other.packed, other.packed + one.packed
    found = seen = 0
    section, written = -1, 0
    for number, block in packets:
        seen += 1
        start = block[: LOOKED_AT + 32]
        if there not in start and back not in start:
            continue
        if number != section:
            section, written = number, 0
        if written < len(headings[section]):  # interfaces may be named later than packets of others
            stream.write(headings[section][written:])
            written = len(headings[section])
        stream.write(block)
        found += 1
    if not found and headings:
        stream.write(headings[0])
    return Slice(found, seen, 0)
