"""Blocks of a pcapng file, little-endian. [draft-ietf-opsawg-pcapng] 4"""

import struct
from collections.abc import Iterable

from rpcdiag.capture.raw import Interface, Option, Record

COMMENT, NAME, DESCRIPTION, PROGRAM = 1, 2, 3, 4
MAX_OPTION = 0xFFFC


def section(options: Iterable[Option] = ()) -> bytes:
    """A section header; the length of the section is not given."""
    return _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), options)


def interface(one: Interface) -> bytes:
    """An interface description, with the resolution of its clock."""
    options = [*one.options, Option(9, bytes([one.resolution]))]
    if one.offset_s:
        options.append(Option(14, struct.pack("<q", one.offset_s)))
    return _block(1, struct.pack("<HHI", one.link, 0, one.snaplen), options)


def packet(record: Record, number: int, comments: Iterable[str] = ()) -> bytes:
    """An enhanced packet of interface `number`, as it was recorded, with comments behind those that it had."""
    said = (Option(COMMENT, text.encode("utf-8", "replace")[:MAX_OPTION]) for text in comments)
    head = struct.pack(
        "<IIIII", number, record.stamp >> 32, record.stamp & 0xFFFFFFFF, len(record.data), record.wire
    )  # fmt: skip
    return _block(6, head + record.data + bytes(-len(record.data) % 4), (*record.options, *said))


def _block(kind: int, body: bytes, options: Iterable[Option]) -> bytes:
    written = b"".join(
        struct.pack("<HH", one.code, len(one.value)) + one.value + bytes(-len(one.value) % 4) for one in options
    )
    if written:
        written += bytes(4)
    size = 12 + len(body) + len(written)
    return b"".join((struct.pack("<II", kind, size), body, written, struct.pack("<I", size)))
