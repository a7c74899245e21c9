# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP conversations, packet by packet. Frames are made by scapy, whose licence is that of this file."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether

from tests.build.containers import Frame, Interface, pcap, pcapng
from tests.build.messages import Message, segments

MS = 1_000_000
SECOND = 1_000_000_000
MSS = 1460
VISTA_RETRIES = (0, 3, 9)  # seconds of a SYN and its repeats: Vista to Server 2008 R2
RETRIES = (0, 1, 3, 7, 15)  # Windows 10, Server 2016 and later


class Recording:
    """Frames with their times and interfaces; `number` is that of the frame recorded last, from 1."""

    def __init__(self, start_ns: int) -> None:
        self.now = start_ns
        self.frames: list[Frame] = []
        self.interfaces: tuple[Interface, ...] = (Interface(),)
        self._ports = 0

    @property
    def number(self) -> int:
        return len(self.frames)

    def wait(self, ns: int) -> None:
        self.now += ns

    def add(self, packet: object, interface: int = 0) -> int:
        data = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet)
        self.frames.append(Frame(self.now, interface, data))
        self.now += 200_000
        return self.number

    def isn(self) -> int:
        """Sequence numbers that look random and are the same every time."""
        self._ports += 1
        return (0x1F3A55C7 * (self._ports + 1)) & 0xFFFFFFFF

    def pcapng(self, interfaces: tuple[Interface, ...] | None = None) -> bytes:
        return pcapng(self.frames, interfaces or self.interfaces)

    def pcap(self) -> bytes:
        return pcap(self.frames)


class Tcp:
    """One connection; every method returns the number of the packet that it is about."""

    def __init__(
        self, recording: Recording, client: str, client_port: int, server: str, server_port: int, *,
        client_ttl: int = 128, server_ttl: int = 128, interface: int = 0, isn: int | None = None,
    ) -> None:  # fmt: skip
        self.recording = recording
        self.ends = ((client, client_port), (server, server_port))
        self.ttls = (client_ttl, server_ttl)
        self.interface = interface
        first = recording.isn() if isn is None else isn
        self.next = [first, recording.isn()]
        self.isn = first
        self.ids = 0x1000 + recording.number

    def _packet(
        self, side: int, flags: str, data: bytes = b"", *, ttl: int | None = None, seq: int | None = None
    ) -> int:
        (source, sport), (destination, dport) = self.ends[side], self.ends[1 - side]
        self.ids += 1
        ip: object
        if ":" in source:
            ip = IPv6(src=source, dst=destination, hlim=ttl or self.ttls[side])
        else:
            ip = IP(src=source, dst=destination, ttl=ttl or self.ttls[side], id=self.ids & 0xFFFF, flags="DF")
        tcp = TCP(
            sport=sport, dport=dport, flags=flags, seq=self.next[side] if seq is None else seq,
            ack=self.next[1 - side] if "A" in flags else 0, window=8192,
            options=[("MSS", MSS), ("NOP", None), ("NOP", None), ("SAckOK", b"")] if "S" in flags else [],
        )  # fmt: skip
        return self.recording.add(ip / tcp / data if data else ip / tcp, self.interface)

    def open(self) -> int:
        """The handshake; the number of its SYN."""
        syn = self._packet(0, "S")
        self.next[0] += 1
        self._packet(1, "SA")
        self.next[1] += 1
        self._packet(0, "A")
        return syn

    def middle(self) -> None:
        """As if the handshake lay before the capture."""
        self.next = [self.next[0] + 1, self.next[1] + 1]

    def syns(self, retries: tuple[int, ...] = RETRIES, *, until: int = 21) -> list[int]:
        """SYNs that nobody answers; the recording goes on until `until` seconds after the first."""
        start = self.recording.now
        found = []
        for second in retries:
            self.recording.now = start + second * SECOND
            found.append(self._packet(0, "S"))
        self.recording.now = start + until * SECOND
        return found

    def refused(self, *, ttl: int | None = None, times: int = 1) -> tuple[int, int]:
        """A SYN and the RST to it; the numbers of the first of each."""
        syn = self._packet(0, "S")
        self.next[0] += 1
        self.next[1] = 0
        rst = self._packet(1, "RA", ttl=ttl)
        for _ in range(times - 1):
            self.recording.wait(500 * MS)
            self._packet(0, "S", seq=self.isn)
            self._packet(1, "RA", ttl=ttl)
        return syn, rst

    def prohibited(self, router: str, kind: int = 3, code: int = 13) -> tuple[int, int]:
        """A SYN and the ICMP error to it, which quotes the IP header and 8 bytes."""
        return self._packet(0, "S"), self.error(router, kind, code)

    def error(self, router: str, kind: int, code: int) -> int:
        """An ICMP error about the packet that was recorded last, one of the client's."""
        quoted = self.recording.frames[-1].data[14 : 14 + 28]
        client = self.ends[0][0]
        return self.recording.add(
            IP(src=router, dst=client, ttl=64, id=7) / ICMP(type=kind, code=code) / quoted, self.interface
        )

    def send(self, data: bytes, *, acknowledge: bool = True) -> int:
        """The client's bytes, in segments; the number of the last."""
        return self._send(0, data, acknowledge)

    def reply(self, data: bytes, *, acknowledge: bool = True) -> int:
        """The server's bytes."""
        return self._send(1, data, acknowledge)

    def _send(self, side: int, data: bytes, acknowledge: bool) -> int:
        number = 0
        for at in range(0, len(data), MSS):
            piece = data[at : at + MSS]
            number = self._packet(side, "PA", piece)
            self.next[side] += len(piece)
        if acknowledge:
            self._packet(1 - side, "A")
        return number

    def say(self, messages: Iterable[Message], sizes: Sequence[int] = (MSS,)) -> list[int]:
        """What both sides say, in segments of these sizes in turn; the number of the packet that ends each message."""
        ends: list[int] = []
        for side, piece, ended, silent in segments(messages, sizes):
            number = self._packet(side, "PA", piece)
            self.next[side] = self.next[side] + len(piece) & 0xFFFFFFFF
            ends += [number] * ended
            if silent:
                self._packet(1 - side, "A")
        return ends

    def repeat(self, side: int, data: bytes, seconds: tuple[int, ...]) -> list[int]:
        """The last `data` again, unanswered."""
        start = self.recording.now
        found = []
        for second in seconds:
            self.recording.now = start + second * SECOND
            found.append(self._packet(side, "PA", data, seq=self.next[side] - len(data)))
        return found

    def keep_alive(self, side: int = 0, data: bytes = b"\0", *, answered: bool = False) -> int:
        """A keep-alive: Windows has the last byte again in it, others have none."""
        number = self._packet(side, "A", data, seq=self.next[side] - 1)
        if answered:
            self._packet(1 - side, "A")
        return number

    def close(self) -> None:
        """FIN both ways."""
        self._packet(0, "FA")
        self.next[0] += 1
        self._packet(1, "FA")
        self.next[1] += 1
        self._packet(0, "A")

    def fin(self, side: int = 1) -> int:
        number = self._packet(side, "FA")
        self.next[side] += 1
        return number

    def rst(self, side: int = 1, *, ttl: int | None = None) -> int:
        return self._packet(side, "RA", ttl=ttl)

    def stray(self, side: int = 0) -> int:
        """An ACK that belongs to no connection any more."""
        return self._packet(side, "A")


def datagram(recording: Recording, source: str, sport: int, destination: str, dport: int, data: bytes = b"x") -> int:
    ip = IPv6(src=source, dst=destination) if ":" in source else IP(src=source, dst=destination, id=9)
    return recording.add(ip / UDP(sport=sport, dport=dport) / data)


def icmp_error(recording: Recording, sender: str, kind: int = 3, code: int = 3) -> int:
    """An ICMP error about the packet recorded last: it quotes the IP header and 8 bytes."""
    quoted = recording.frames[-1].data[14:]
    if quoted[0] >> 4 == 6:
        source = str(ip_address(quoted[8:24]))
        head = IPv6(src=sender, dst=source, nh=58)
        return recording.add(head / bytes((kind, code, 0, 0, 0, 0, 0, 0)) / quoted[:48])
    source = str(ip_address(quoted[12:16]))
    return recording.add(IP(src=sender, dst=source, ttl=64, id=7) / ICMP(type=kind, code=code) / quoted[:28])


def pieces(
    recording: Recording, source: tuple[str, int], destination: tuple[str, int], data: bytes, *, number: int,
    lost: Sequence[int] = (),
) -> None:  # fmt: skip
    """A datagram in IP fragments, some of which never arrive."""
    whole = IP(src=source[0], dst=destination[0], id=number) / UDP(sport=source[1], dport=destination[1]) / data
    for place, piece in enumerate(fragment(whole, fragsize=1480)):
        if place not in lost:
            recording.add(piece)


class Udp:
    """Datagrams between two ends, each with an IP id of its own; every method returns the numbers of its packets."""

    def __init__(
        self, recording: Recording, client: str, client_port: int, server: str, server_port: int, *, size: int = 1480,
    ) -> None:  # fmt: skip
        self.recording, self.size = recording, size
        self.ends = ((client, client_port), (server, server_port))

    def ask(self, data: bytes, *, ip_id: int | None = None) -> list[int]:
        return self._send(0, data, ip_id)

    def answer(self, data: bytes, *, ip_id: int | None = None) -> list[int]:
        return self._send(1, data, ip_id)

    def _send(self, side: int, data: bytes, ip_id: int | None) -> list[int]:
        (source, sport), (destination, dport) = self.ends[side], self.ends[1 - side]
        number = (0x5000 + 0x4000 * side + self.recording.number) & 0xFFFF if ip_id is None else ip_id
        udp = UDP(sport=sport, dport=dport) / data
        whole: object
        if ":" in source:
            whole = IPv6(src=source, dst=destination, hlim=128)
            if len(data) + 8 > self.size:
                made = fragment6(whole / IPv6ExtHdrFragment(id=number) / udp, self.size + 40)
                return [self.recording.add(one) for one in made]
            return [self.recording.add(whole / udp)]
        whole = IP(src=source, dst=destination, id=number, ttl=128) / udp
        return [self.recording.add(piece) for piece in fragment(whole, fragsize=self.size)]

    def error(self, about: int, sender: str, kind: int = 3, code: int = 3) -> int:
        """An ICMP error about the datagram in packet `about`."""
        quoted = self.recording.frames[about - 1].data[14 : 14 + 28]
        client = self.ends[0][0]
        return self.recording.add(IP(src=sender, dst=client, ttl=128, id=11) / ICMP(type=kind, code=code) / quoted)


def esp(recording: Recording, source: str, destination: str, size: int = 60) -> int:
    """A packet that IPsec encrypts. [RFC4303] 2"""
    return recording.add(IP(src=source, dst=destination, proto=50, id=9) / bytes(at % 251 + 1 for at in range(size)))


def spoken(
    messages: Iterable[Message], port: int, sizes: Sequence[int] = (MSS,), *, client: str = "10.0.0.5",
    server: str = "10.0.0.9", start_ns: int = 1_300_000_000 * SECOND,
) -> Recording:  # fmt: skip
    """A whole connection to `port` in which this is said."""
    recording = Recording(start_ns)
    tcp = Tcp(recording, client, 49_700, server, port)
    tcp.open()
    tcp.say(messages, sizes)
    tcp.close()
    return recording
