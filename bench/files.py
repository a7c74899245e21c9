"""Capture files: the same packets written as pcap and pcapng, and both read again; no program of others is needed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct, pack, unpack_from
from typing import NamedTuple, Protocol

_RECORD = Struct("<IIII")
_BLOCK = Struct("<IIIIIII")
_BUFFER = 1 << 20
_ETHERNET = 1
_SNAPLEN = 262144
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_TSRESOL = 9


class Packet(NamedTuple):
    """One packet; times are microseconds since 1970."""

    time_us: int
    data: bytes


class Writer(Protocol):
    """Takes packets in the order of the file."""

    def write(self, time_us: int, data: bytes) -> None: ...

    def close(self) -> None: ...


class PcapWriter:
    """Classic pcap, microseconds, little endian."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=_BUFFER)
        self._file.write(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _SNAPLEN, _ETHERNET))

    def write(self, time_us: int, data: bytes) -> None:
        seconds, fraction = divmod(time_us, 1_000_000)
        self._file.write(_RECORD.pack(seconds, fraction, len(data), len(data)) + data)

    def close(self) -> None:
        self._file.close()


class PcapngWriter:
    """One section, one interface, enhanced packet blocks; microseconds unless told to write nanoseconds."""

    def __init__(self, path: Path, *, nanoseconds: bool = False) -> None:
        self._file = path.open("wb", buffering=_BUFFER)
        self._scale = 1000 if nanoseconds else 1
        options = pack("<HHB3xHH", _TSRESOL, 1, 9, 0, 0) if nanoseconds else b""
        self._block(_SECTION, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        self._block(_INTERFACE, pack("<HHI", _ETHERNET, 0, _SNAPLEN) + options)

    def _block(self, kind: int, body: bytes) -> None:
        length = pack("<I", 12 + len(body))
        self._file.write(pack("<I", kind) + length + body + length)

    def write(self, time_us: int, data: bytes) -> None:
        ticks = time_us * self._scale
        size = len(data)
        padding = -size % 4
        length = 32 + size + padding
        head = _BLOCK.pack(_PACKET, length, 0, ticks >> 32, ticks & 0xFFFFFFFF, size, size)
        self._file.write(b"".join((head, data, bytes(padding), length.to_bytes(4, "little"))))

    def close(self) -> None:
        self._file.close()


class Twins:
    """Writes the same packets to several files."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers

    def write(self, time_us: int, data: bytes) -> None:
        for writer in self._writers:
            writer.write(time_us, data)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


class Ring:
    """Files `name_00001.pcap` and so on, as a ring buffer leaves them; a new one begins only where `cut` says so."""

    def __init__(self, folder: Path, name: str, size: int) -> None:
        self._folder, self._name, self._size = folder, name, size
        self._written = 0
        self._writer: PcapWriter | None = None
        self.paths: list[Path] = []
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob(f"{name}_*.pcap"):
            stale.unlink()

    def write(self, time_us: int, data: bytes) -> None:
        if self._writer is None:
            self.paths.append(self._folder / f"{self._name}_{len(self.paths) + 1:05}.pcap")
            self._writer = PcapWriter(self.paths[-1])
            self._written = 24
        self._writer.write(time_us, data)
        self._written += 16 + len(data)

    def cut(self) -> None:
        """End the current file if it has reached its size."""
        if self._written >= self._size:
            self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._written = None, 0


def read_packets(path: Path, limit: int | None = None) -> Iterator[Packet]:
    """The packets of a file that one of the writers above, or a script of the stories, has made."""
    with path.open("rb") as file:
        magic = file.read(4)
    packets = _read_pcap(path) if magic == b"\xd4\xc3\xb2\xa1" else _read_pcapng(path)
    for number, packet in enumerate(packets):
        if number == limit:
            return
        yield packet


def _read_pcap(path: Path) -> Iterator[Packet]:
    with path.open("rb") as file:
        file.seek(24)
        while head := file.read(16):
            seconds, fraction, size, _ = _RECORD.unpack(head)
            yield Packet(seconds * 1_000_000 + fraction, file.read(size))


def _read_pcapng(path: Path) -> Iterator[Packet]:
    per_microsecond = 1
    with path.open("rb") as file:
        while head := file.read(8):
            kind, length = unpack_from("<II", head)
            body = file.read(length - 8)
            if kind == _INTERFACE:
                per_microsecond = 10 ** (_resolution(body[8:-4]) - 6)
            elif kind == _PACKET:
                high, low, size = unpack_from("<III", body, 4)
                yield Packet((high << 32 | low) // per_microsecond, body[20 : 20 + size])


def _resolution(options: bytes) -> int:
    """The if_tsresol option; 6 where there is none."""
    at = 0
    while at + 4 <= len(options):
        code, size = unpack_from("<HH", options, at)
        if code == _TSRESOL:
            return options[at + 4]
        at += 4 + size + -size % 4
    return 6


def interfaces(path: Path) -> int:
    """How many capture points a pcapng file describes."""
    data = path.read_bytes()
    at = count = 0
    while at + 8 <= len(data):
        kind, length = unpack_from("<II", data, at)
        count += kind == _INTERFACE
        at += length
    return count
