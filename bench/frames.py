"""Ethernet frames of one pair of hosts with correct checksums: TCP, UDP and ARP, over IPv4 or IPv6, with or without VLAN."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random
from struct import Struct, pack

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MSS = 1460
SMALLEST_FRAME = 60  # without the checksum, which captures do not hold
SYN_OPTIONS = bytes.fromhex("020405b40103030801010402")  # segment size, window scale, selective acknowledgements

_IPV4 = Struct(">BBHHHBBH").pack
_IPV6 = Struct(">IHBB").pack
_TCP = Struct(">HHIIBBHHH").pack
_UDP = Struct(">HHHH").pack
_TCP_NUMBER, _UDP_NUMBER = 6, 17


def word_sum(data: bytes) -> int:
    """The sum of 16-bit words modulo 65,535, which is the ones' complement sum."""
    return int.from_bytes(data if len(data) % 2 == 0 else data + b"\x00", "big") % 0xFFFF


def mac(number: int) -> bytes:
    """A locally administered address."""
    return b"\x02\x00" + number.to_bytes(4, "big")


class Hosts:
    """Two hosts on a path; side 0 is the client, 1 the server."""

    def __init__(self, client: str, server: str, *, vlan: int = 0, ttl: int = 128) -> None:
        ends = ip_address(client), ip_address(server)
        packed = ends[0].packed, ends[1].packed
        macs = tuple(mac(int.from_bytes(one[-4:], "big")) for one in packed)
        tag = pack(">HH", 0x8100, vlan) if vlan else b""
        self.six = isinstance(ends[0], IPv6Address)
        kind = b"\x86\xdd" if self.six else b"\x08\x00"
        self.mss = MSS - 20 if self.six else MSS
        self.pseudo_sum = word_sum(packed[0] + packed[1])
        self._ethernet = (macs[1] + macs[0] + tag + kind, macs[0] + macs[1] + tag + kind)
        self._addresses = (packed[0] + packed[1], packed[1] + packed[0])
        self._ttl = ttl
        self._id = word_sum(packed[0])

    def frame(self, side: int, protocol: int, segment: bytes) -> bytes:
        """What `side` sends, as a whole frame."""
        if self.six:
            header = _IPV6(0x60000000, len(segment), protocol, self._ttl)
        else:
            self._id = self._id + 1 & 0xFFFF
            header = _IPV4(0x45, 0, 20 + len(segment), self._id, 0x4000, self._ttl, protocol, 0)
            total = (int.from_bytes(header, "big") + self.pseudo_sum) % 0xFFFF
            header = header[:10] + (~total & 0xFFFF).to_bytes(2, "big")
        frame = self._ethernet[side] + header + self._addresses[side] + segment
        return frame if len(frame) >= SMALLEST_FRAME else frame.ljust(SMALLEST_FRAME, b"\x00")

    def datagram(self, side: int, ports: tuple[int, int], data: bytes) -> bytes:
        """A UDP datagram; `ports` are those of client and server."""
        length = 8 + len(data)
        source, destination = ports[side], ports[1 - side]
        total = (
            word_sum(_UDP(source, destination, length, 0) + data) + self.pseudo_sum + _UDP_NUMBER + length
        ) % 0xFFFF
        header = _UDP(source, destination, length, ~total & 0xFFFF or 0xFFFF)
        return self.frame(side, _UDP_NUMBER, header + data)


class Connection:
    """One TCP connection: makes its segments and counts its sequence numbers."""

    __slots__ = ("_hosts", "_ports", "sequence")

    def __init__(self, hosts: Hosts, ports: tuple[int, int], random: Random) -> None:
        self._hosts = hosts
        self._ports = (ports, (ports[1], ports[0]))
        self.sequence = [random.getrandbits(32), random.getrandbits(32)]

    @property
    def mss(self) -> int:
        return self._hosts.mss

    def segment(
        self, side: int, flags: int, data: bytes = b"", *, sequence: int | None = None, options: bytes = b""
    ) -> bytes:
        """The next segment of `side`, or one sent again from `sequence`."""
        first = self.sequence[side] if sequence is None else sequence
        acknowledged = self.sequence[1 - side] if flags & ACK else 0
        source, destination = self._ports[side]
        offset = 20 + len(options) << 2
        length = 20 + len(options) + len(data)
        rest = options + data
        header = _TCP(source, destination, first, acknowledged, offset, flags, 0xFAF0, 0, 0)
        total = word_sum(header + rest) + self._hosts.pseudo_sum + _TCP_NUMBER + length
        header = _TCP(source, destination, first, acknowledged, offset, flags, 0xFAF0, ~(total % 0xFFFF) & 0xFFFF, 0)
        if sequence is None:
            self.sequence[side] = first + len(data) + (1 if flags & (SYN | FIN) else 0) & 0xFFFFFFFF
        return self._hosts.frame(side, _TCP_NUMBER, header + rest)


def arp_request(sender: str, wanted: str) -> bytes:
    """Who has `wanted`?"""
    source, target = IPv4Address(sender).packed, IPv4Address(wanted).packed
    hardware = mac(int.from_bytes(source, "big"))
    body = pack(">HHBBH", 1, 0x0800, 6, 4, 1) + hardware + source + bytes(6) + target
    return (b"\xff" * 6 + hardware + b"\x08\x06" + body).ljust(SMALLEST_FRAME, b"\x00")
