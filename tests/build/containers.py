"""Capture files out of frames, byte for byte the same every time."""

from collections.abc import Iterable
from struct import pack
from typing import NamedTuple

ETHERNET = 1
RAW = 101
NULL = 0
SLL = 113
SLL2 = 276


class Frame(NamedTuple):
    time_ns: int
    interface: int
    data: bytes
    length: int | None = None  # on the wire, where the capture cut it


def pcap(frames: Iterable[Frame], *, link: int = ETHERNET, order: str = "<", nanoseconds: bool = False) -> bytes:
    """A classic capture file."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    out = [pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for frame in frames:
        seconds, rest = divmod(frame.time_ns, 1_000_000_000)
        fraction = rest if nanoseconds else rest // 1000
        out.append(pack(order + "IIII", seconds, fraction, len(frame.data), frame.length or len(frame.data)))
        out.append(frame.data)
    return b"".join(out)


def snapped(frames: Iterable[Frame], length: int) -> list[Frame]:
    """The same frames, recorded with a snap length."""
    return [
        frame._replace(data=frame.data[:length], length=frame.length or len(frame.data))
        if len(frame.data) > length
        else frame
        for frame in frames
    ]


class Interface(NamedTuple):
    name: str = ""
    link: int = ETHERNET
    resolution: int = 9  # power of ten; with 0x80 set a power of two


def pcapng(frames: Iterable[Frame], interfaces: Iterable[Interface] = (Interface(),), *, order: str = "<") -> bytes:
    """A pcapng file of one section; no option says who made it or when."""
    described = list(interfaces)
    out = [_block(order, 0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for one in described:
        options = (_option(order, 2, one.name.encode()) if one.name else b"") + _option(
            order, 9, bytes([one.resolution])
        )
        out.append(_block(order, 1, pack(order + "HHI", one.link, 0, 0) + options + _option(order, 0, b"")))
    for frame in frames:
        resolution = described[frame.interface].resolution
        per_second = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        ticks = frame.time_ns * per_second // 1_000_000_000
        head = pack(order + "IIIII", frame.interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame.data),
                    frame.length or len(frame.data))  # fmt: skip
        out.append(_block(order, 6, head + _padded(frame.data)))
    return b"".join(out)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _option(order: str, code: int, value: bytes) -> bytes:
    return pack(order + "HH", code, len(value)) + _padded(value)


def _block(order: str, kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return pack(order + "II", kind, length) + body + pack(order + "I", length)
