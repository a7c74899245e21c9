"""Single frames by struct: the shapes that readers have to cope with."""

from ipaddress import ip_address
from struct import pack

SYN, ACK, PSH, RST, FIN = 2, 16, 8, 4, 1


def tcp(
    source: str, sport: int, destination: str, dport: int, *, flags: int = ACK, seq: int = 1, ack: int = 1,
    data: bytes = b"", ttl: int = 64, ip_id: int = 7,
) -> bytes:  # fmt: skip
    """An IP datagram with a TCP segment."""
    segment = pack(">HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 8192, 0, 0) + data
    return ip(source, destination, 6, segment, ttl=ttl, ip_id=ip_id)


def ip(
    source: str, destination: str, protocol: int, payload: bytes, *, ttl: int = 64, ip_id: int = 7, fragment: int = 0,
    extensions: bytes = b"", first: int | None = None,
) -> bytes:  # fmt: skip
    """A datagram of either version; `extensions` come before the payload of version 6, `first` is their kind."""
    one, other = ip_address(source), ip_address(destination)
    if one.version == 4:
        head = pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), ip_id, fragment, ttl, protocol, 0)
        return head + one.packed + other.packed + payload
    head = pack(">IHBB", 6 << 28, len(extensions) + len(payload), protocol if first is None else first, ttl)
    return head + one.packed + other.packed + extensions + payload


def ethernet(datagram: bytes, *, tags: tuple[int, ...] = ()) -> bytes:
    """A frame; each tag is the type of a VLAN header put before the datagram."""
    kind = 0x0800 if datagram[0] >> 4 == 4 else 0x86DD
    out = bytes(12)
    for tag in tags:
        out += pack(">HH", tag, 5)
    return out + pack(">H", kind) + datagram


def cooked(datagram: bytes) -> bytes:
    """Linux cooked, version 1."""
    return pack(">HHHQH", 0, 1, 6, 0, 0x0800 if datagram[0] >> 4 == 4 else 0x86DD) + datagram


def cooked2(datagram: bytes, interface: int) -> bytes:
    """Linux cooked, version 2: it names the interface."""
    kind = 0x0800 if datagram[0] >> 4 == 4 else 0x86DD
    return pack(">HHIHBBQ", kind, 0, interface, 1, 0, 6, 0) + datagram


def loopback(datagram: bytes, *, order: str = "<") -> bytes:
    """BSD loopback: the address family in the byte order of the host."""
    return pack(order + "I", 2 if datagram[0] >> 4 == 4 else 30) + datagram


def fragmented(source: str, destination: str, payload: bytes, size: int, *, protocol: int = 6) -> list[bytes]:
    """An IPv4 datagram in fragments of `size` bytes (a multiple of 8)."""
    pieces = range(0, len(payload), size)
    return [
        ip(source, destination, protocol, payload[at : at + size], ip_id=99,
           fragment=(at >> 3) | (0x2000 if at + size < len(payload) else 0))
        for at in pieces
    ]  # fmt: skip
