"""The datagrams of one place, whole or in pieces, and the ICMP errors about them.

Those of services that RPC needs are kept, those between ends where RPC goes over UDP, and whatever looks like it. A piece
behind the first has no ports: all of them are kept, up to MAX_LATER. What stands for a payload are its length, its first
bytes and, where the capture has all of it, its checksum.
"""

from collections.abc import Collection
from contextlib import suppress
from struct import Struct
from struct import error as StructError
from typing import NamedTuple
from zlib import crc32

from rpcdiag.compare.frames import ICMP, ICMP6, UDP, Packet, packet_at
from rpcdiag.model.packets import Address, Endpoint
from rpcdiag.sweep.packets import is_connectionless

SERVICES = {
    53: "DNS",
    88: "Kerberos",
    135: "RPC",
    389: "LDAP",
    464: "Kerberos password",
}
MAX_PIECES = 200_000
MAX_LATER = 50_000
MAX_ERRORS = 2_000
MAX_PORTS = 64
HEAD = 80  # as long as the header of a connectionless PDU
_UDP = Struct(">HHH")
_ERRORS = {ICMP: frozenset({3, 4, 11, 12}), ICMP6: frozenset({1, 2, 3, 4})}


class Piece(NamedTuple):
    """A datagram, or one of the IP fragments of one; only the first has ports."""

    packet: int
    time_ns: int
    source: Address
    destination: Address
    ports: tuple[int, int] | None
    ip_id: int
    ttl: int
    offset: int
    more: bool
    size: int  # behind the IP header, on the wire
    length: int  # of the whole datagram with its header, 0 where this piece does not say
    head: bytes  # the first bytes of the payload
    crc: int | None  # of the payload in this piece; None where the capture has not all of it


class Quote(NamedTuple):
    """An ICMP error about a datagram; `ports` are None where it quotes a piece behind the first."""

    packet: int
    time_ns: int
    sender: Address
    receiver: Address
    version: int
    kind: int
    code: int
    source: Address
    destination: Address
    ports: tuple[int, int] | None
    ip_id: int


class Udp(NamedTuple):
    """What was kept. `pieced`: pieces behind a first one, of any protocol. `cut`: packets too short for their headers.
    What tells which packets a capture filter let in: `tcp_ports` and `udp_ports`, some of those that are here, and
    `others`, how many packets are neither TCP nor UDP.
    """

    pieces: list[Piece]
    errors: list[Quote]
    pieced: int
    tcp_ports: frozenset[int]
    udp_ports: frozenset[int]
    others: int
    cut: int
    full_ns: int | None  # when there was no room for more


class KeptPieces:
    """Takes every frame that is not TCP."""

    def __init__(self, wanted: Collection[tuple[Endpoint, Endpoint]]) -> None:
        self.pieced = self.cut = 0
        self._wanted = {ends for one, other in wanted for ends in ((one, other), (other, one))}
        self._pieces: list[Piece] = []
        self._errors: list[Quote] = []
        self._ports: tuple[set[int], set[int]] = (set(), set())
        self._others = self._later = 0
        self._full_ns: int | None = None

    def made(self) -> Udp:
        tcp, udp = map(frozenset, self._ports)
        return Udp(self._pieces, self._errors, self.pieced, tcp, udp, self._others, self.cut, self._full_ns)

    def note(self, port: int, *, udp: bool = False) -> None:
        """That a packet to or from this port is here."""
        if len(self._ports[udp]) < MAX_PORTS:
            self._ports[udp].add(port)

    def take(self, frame: bytes, ip: Packet | None, packet: int, time_ns: int, *, everybody: bool) -> None:
        """`everybody`: the frame goes to several hosts, and so not through a router.

        Raises:
            struct.error, IndexError: the capture holds too little of it.
        """
        if ip is None:
            self._others += 1
        elif ip.protocol == UDP:
            self.pieced += ip.offset > 0
            piece = None if everybody else decode(frame, ip, packet, time_ns)
            if piece is not None and not piece.destination.is_multicast and self._chosen(piece):
                self._keep(piece)
        elif ip.protocol in _ERRORS:
            self._others += 1
            with suppress(StructError, IndexError):
                self._quote(quoted(frame, ip, packet, time_ns))
        else:
            self._others += 1
            self.pieced += ip.offset > 0

    def _quote(self, error: Quote | None) -> None:
        if error is not None and len(self._errors) < MAX_ERRORS:
            self._errors.append(error)

    def _chosen(self, one: Piece) -> bool:
        if one.ports is None:
            self._later += 1
            if self._later > MAX_LATER and self._full_ns is None:
                self._full_ns = one.time_ns
            return self._later <= MAX_LATER
        service = next((port for port in one.ports if port in SERVICES), None)
        self.note(min(one.ports) if service is None else service, udp=True)
        if service is not None:
            return True
        if one.head[:1] == b"\x04" and is_connectionless(one.head, 0, len(one.head), max(0, one.length - 8)):
            return True
        ends = Endpoint(one.source, one.ports[0]), Endpoint(one.destination, one.ports[1])
        return ends in self._wanted

    def _keep(self, piece: Piece) -> None:
        if len(self._pieces) >= MAX_PIECES:
            self._full_ns = piece.time_ns if self._full_ns is None else self._full_ns
        else:
            self._pieces.append(piece)


def decode(frame: bytes, ip: Packet, packet: int, time_ns: int) -> Piece | None:
    """The datagram, or its piece; None where its header contradicts itself.

    Raises:
        struct.error: the capture holds too little of it.
    """
    source, destination = ip.ends()
    size = ip.stop - ip.at
    if size <= 0:
        return None
    if ip.offset:
        crc = crc32(frame[ip.at : ip.stop]) if len(frame) >= ip.stop else None
        return Piece(
            packet, time_ns, source, destination, None, ip.ip_id, ip.ttl, ip.offset, ip.more, size, 0, b"", crc
        )
    sport, dport, length = _UDP.unpack_from(frame, ip.at)
    if size < 8 or (length < size if ip.more else length > size):
        return None
    payload, stop = ip.at + 8, ip.at + (size if ip.more else length or size)
    return Piece(
        packet, time_ns, source, destination, (sport, dport), ip.ip_id, ip.ttl, 0, ip.more, size, length or size,
        frame[payload : min(stop, payload + HEAD)], crc32(frame[payload:stop]) if len(frame) >= stop else None,
    )  # fmt: skip


def quoted(frame: bytes, ip: Packet, packet: int, time_ns: int) -> Quote | None:
    """What an ICMP error says about a datagram. [RFC792], [RFC4443] 2.4

    Raises:
        struct.error, IndexError: the capture holds too little of it.
    """
    if frame[ip.at] not in _ERRORS[ip.protocol] or not ip.whole:
        return None
    about = packet_at(frame, ip.at + 8)
    if about is None or about.protocol != UDP:
        return None
    ports = None if about.offset else _UDP.unpack_from(frame, about.at)[:2]
    return Quote(
        packet, time_ns, *ip.ends(), ip.version, frame[ip.at], frame[ip.at + 1], *about.ends(), ports, about.ip_id
    )
