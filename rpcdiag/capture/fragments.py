"""IP fragments to whole datagrams. [RFC791] 3.2, [RFC8200] 4.5"""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.model.packets import Address

MAX_DATAGRAMS = 256
MAX_PIECES = 64
MAX_LENGTH = 65535


class Whole(NamedTuple):
    """A datagram put together: `data` begins with an IP header that names no fragment."""

    data: bytes
    number: int
    time: int
    point: int


class Incomplete(NamedTuple):
    """A datagram of which pieces are missing; the ports are known where its first piece is here."""

    packet: int  # of the piece that came first
    time_ns: int
    source: Address
    destination: Address
    protocol: int
    ports: tuple[int, int] | None
    pieces: int


class _Parts:
    __slots__ = ("cut", "head", "number", "pieces", "time", "total")

    def __init__(self, number: int, time: int) -> None:
        self.number = number
        self.time = time
        self.cut = False  # the capture lacks bytes of a piece: then nothing is known to be lost
        self.head = b""
        self.pieces: dict[int, bytes] = {}
        self.total: int | None = None


class FragmentTable:
    """Remembers at most MAX_DATAGRAMS incomplete datagrams of MAX_PIECES pieces each; the oldest give way.

    Overlapping pieces: the first to arrive keeps its place, as in the streams above.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[int, bytes], _Parts] = {}

    def add(self, b: bytes, number: int, time: int, point: int) -> Whole | None:
        """Take one fragment, from its IP header on; the whole datagram when this one completes it."""
        taken = _ipv4(b) if b[0] >> 4 == 4 else _ipv6(b)
        if taken is None:
            return None
        key, head, offset, more, data = taken
        parts = self._open.get((point, key))
        if parts is None:
            if len(self._open) >= MAX_DATAGRAMS:
                del self._open[next(iter(self._open))]
            parts = self._open[(point, key)] = _Parts(number, time)
        if len(parts.pieces) >= MAX_PIECES or offset + len(data) > MAX_LENGTH:
            return None
        parts.pieces.setdefault(offset, data)
        parts.cut = parts.cut or len(b) < _claimed(b)
        if offset == 0:
            parts.head = head
        if not more:
            parts.total = offset + len(data)
        body = _joined(parts)
        if body is None:
            return None
        del self._open[(point, key)]
        return Whole(_whole(parts.head, body), number, time, point)

    def incomplete(self) -> tuple[Incomplete, ...]:
        """Those that nobody completed, without those of which the capture left bytes out."""
        return tuple(_incomplete(key, parts) for (_, key), parts in self._open.items() if not parts.cut)


def _joined(parts: _Parts) -> bytes | None:
    if parts.total is None or not parts.head:
        return None
    body = b""
    for offset in sorted(parts.pieces):
        if offset > len(body):
            return None
        body += parts.pieces[offset][len(body) - offset :]
    return body[: parts.total] if len(body) >= parts.total else None


def _ipv4(b: bytes) -> tuple[bytes, bytes, int, bool, bytes] | None:
    length = (b[0] & 15) << 2
    if len(b) < length:
        return None
    field = b[6] << 8 | b[7]
    return b[4:6] + b[9:10] + b[12:20], b[:length], (field & 0x1FFF) << 3, bool(field & 0x2000), b[length:]


def _ipv6(b: bytes) -> tuple[bytes, bytes, int, bool, bytes] | None:
    """The header that comes out skips the extension headers before the fragment header: nothing above reads them."""
    protocol, at = b[6], 40
    for _ in range(12):
        if at + 8 > len(b):
            return None
        if protocol == 44:
            field = b[at + 2] << 8 | b[at + 3]
            head = b[:6] + b[at : at + 1] + b[7:40]
            return b[at + 4 : at + 8] + b[8:40], head, field & 0xFFF8, bool(field & 1), b[at + 8 :]
        protocol, at = b[at], at + ((b[at + 1] + 1) << 3)
    return None


def _whole(head: bytes, body: bytes) -> bytes:
    if head[0] >> 4 == 4:
        total = min(len(head) + len(body), MAX_LENGTH)
        return head[:2] + total.to_bytes(2, "big") + head[4:6] + b"\x00\x00" + head[8:] + body
    return head[:4] + len(body).to_bytes(2, "big") + head[6:] + body


def _claimed(b: bytes) -> int:
    """How long the piece says that it is."""
    return (b[2] << 8 | b[3]) if b[0] >> 4 == 4 else 40 + (b[4] << 8 | b[5])


def _incomplete(key: bytes, parts: _Parts) -> Incomplete:
    size = 4 if len(key) == 11 else 16  # what `_ipv4` and `_ipv6` make keys of
    make = IPv4Address if size == 4 else IPv6Address
    ends = key[-2 * size :]
    first = parts.pieces.get(0, b"")
    protocol = key[2] if size == 4 else parts.head[6] if parts.head else 0
    ports = (first[0] << 8 | first[1], first[2] << 8 | first[3]) if len(first) >= 4 and protocol in (6, 17) else None
    return Incomplete(
        parts.number, parts.time, make(ends[:size]), make(ends[size:]), protocol, ports, len(parts.pieces)
    )
