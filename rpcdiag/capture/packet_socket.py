"""Packets of a Linux interface, through the ring that the kernel fills (TPACKET_V3), as a pcapng stream.

One ring for each interface; `any` is one ring over all of them, with a cooked header that names the interface. The
stream is what the pass reads, and what `-w` writes: a capture seen live and the same one from its file are the same bytes.
[Linux Documentation/networking/packet_mmap, draft-ietf-opsawg-pcapng]
"""

import ctypes
import errno
import mmap
import select
import shlex
import socket
import struct
import sys
from ctypes.util import find_library
from typing import NamedTuple

from rpcdiag.capture.pcapng import WATCHER
from rpcdiag.errors import InputError, MissingPiece

ANY = "any"
_SOL_PACKET = 263
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION = 1, 5, 6, 10
_PROMISCUOUS = 1
_TPACKET_V3 = 2
_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26
_BLOCK = 1 << 18  # bytes; each is handed on when it is full, or after _RETIRE_MS
_BLOCKS = 128  # 32 MiB a ring: more than a second of 20,000 packets, while one looks at what is known
_RETIRE_MS = 60
_USER = 1  # bits of a block's status, and of a packet's
_VLAN_VALID, _VLAN_TPID = 1 << 4, 1 << 6
_BLOCK_HEADER = struct.Struct("=IIIII")  # version, private, status, packets, offset of the first
_PACKET_HEADER = struct.Struct("=IIIIIIHHIIHH")
_ADDRESS = 48  # of the sockaddr_ll behind a packet's header
_LOOPBACK, _OUTGOING = 772, 4  # ARPHRD and packet type
_ENHANCED = struct.Struct("<IIIIIII")
_COOKED = struct.Struct(">HHIHBB8s")
_ETHERNET, _RAW, _COOKED_V2 = 1, 101, 276
_LINKS = {1: _ETHERNET, 772: _ETHERNET, 65534: _RAW, 776: _RAW, 778: _RAW, 512: _RAW}  # by ARPHRD: loopback, tunnels
MAX_SNAPLEN = 262_144


class Loss(NamedTuple):
    """Packets that came, and those of them that the kernel had no room for."""

    seen: int
    dropped: int


class Ring:
    """The packets of one interface.

    Raises:
        InputError: there is no such interface, or a filter that does not compile.
        MissingPiece: no right to capture, or no way to compile the filter.
    """

    def __init__(self, name: str, number: int, expression: str | None, snaplen: int, *, promiscuous: bool) -> None:
        self.name = name
        self.link = _COOKED_V2 if name == ANY else _link(name)
        self.down = False
        self._loops = name in (ANY, "lo")
        self._number, self.snaplen = number, min(snaplen or MAX_SNAPLEN, MAX_SNAPLEN)
        self._seen = self._dropped = self._next = 0
        kind = socket.SOCK_DGRAM if name == ANY else socket.SOCK_RAW
        try:
            self.socket = socket.socket(socket.AF_PACKET, kind, socket.htons(_ETH_P_ALL) if name == ANY else 0)
        except PermissionError:
            raise MissingPiece(f"no right to capture on {name}", f"sudo {shlex.join(_command())}") from None
        try:
            self._open(expression, promiscuous=promiscuous)
        except OSError as error:
            self.socket.close()
            raise InputError(name, f"cannot be captured on: {error.strerror or error}") from None
        except BaseException:
            self.socket.close()
            raise

    def _open(self, expression: str | None, *, promiscuous: bool) -> None:
        sock = self.socket
        if expression:
            attach(sock, expression, self.link if self.link != _COOKED_V2 else _RAW, self.snaplen)
        sock.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
        request = struct.pack("=7I", _BLOCK, _BLOCKS, 2048, _BLOCK // 2048 * _BLOCKS, _RETIRE_MS, 0, 0)
        sock.setsockopt(_SOL_PACKET, _RX_RING, request)
        self._ring = mmap.mmap(sock.fileno(), _BLOCK * _BLOCKS, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._view = memoryview(self._ring)
        if self.name == ANY:  # bound to all of them from the beginning; what came before the ring is not read
            return
        sock.bind((self.name, _ETH_P_ALL))
        if promiscuous and self.name != "lo":
            index = socket.if_nametoindex(self.name)
            sock.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("=iHH8s", index, _PROMISCUOUS, 0, b""))

    def take(self, into: bytearray, room: int) -> bool:
        """Add the packets of the next block to the stream, where there is one and `room` for it; whether there was."""
        at = self._next * _BLOCK
        _, _, status, packets, first = _BLOCK_HEADER.unpack_from(self._ring, at)
        if not status & _USER or len(into) + _BLOCK * 2 > room:
            return False
        at += first
        for _ in range(packets):
            at += self._packet(at, into)
        struct.pack_into("=I", self._ring, self._next * _BLOCK + 8, 0)  # the kernel's again
        self._next = (self._next + 1) % _BLOCKS
        return True

    def _packet(self, at: int, into: bytearray) -> int:
        ahead, seconds, nanos, kept, length, status, mac, net, _, tag, tpid, _ = _PACKET_HEADER.unpack_from(
            self._ring, at
        )
        if self._loops and self._sent_on_loopback(at + _ADDRESS):
            return int(ahead)  # it comes back as a packet received
        start = at + (net if self.link == _COOKED_V2 else mac)
        data = bytes(self._view[start : start + min(kept, self.snaplen)])
        if self.link == _COOKED_V2:
            head = self._cooked(at + _ADDRESS)
            data, length = head + data, length + len(head)
        elif status & _VLAN_VALID and len(data) >= 12:  # the kernel took the tag off
            kind = tpid if status & _VLAN_TPID else 0x8100
            data, length = b"".join((data[:12], struct.pack(">HH", kind, tag), data[12:])), length + 4
        into += enhanced(self._number, seconds * 1_000_000_000 + nanos, data, length)
        return int(ahead)

    def _sent_on_loopback(self, at: int) -> bool:
        hardware, kind = struct.unpack_from("=HB", self._ring, at + 8)
        return bool(hardware == _LOOPBACK and kind == _OUTGOING)

    def _cooked(self, at: int) -> bytes:
        """A header of LINUX_SLL2 from the packet's link-layer address."""
        _, protocol, index, hardware, kind, size, address = struct.unpack_from("=HHiHBB8s", self._ring, at)
        return _COOKED.pack(socket.ntohs(protocol), 0, index, hardware, kind, min(size, 8), address)

    def loss(self) -> Loss:
        """Counted since the ring was opened."""
        try:
            seen, dropped, _ = struct.unpack("=III", self.socket.getsockopt(_SOL_PACKET, _STATISTICS, 12))
        except OSError:
            return Loss(self._seen, self._dropped)
        self._seen += seen
        self._dropped += dropped
        return Loss(self._seen, self._dropped)

    def trouble(self) -> str | None:
        """What is wrong with the interface since one asked last: that it went down, or is back."""
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO) and not self.down:
            self.down = True
            return f"{self.name}: the interface went down; nothing is seen there until it is back"
        if self.down and not error and self._is_up():
            self.down = False
            return f"{self.name}: the interface is back"
        return None

    def _is_up(self) -> bool:
        try:
            with open(f"/sys/class/net/{self.name}/operstate") as file:
                return file.read().strip() != "down"
        except OSError:
            return False

    def close(self) -> None:
        """Give the ring back."""
        self._view.release()
        self._ring.close()
        self.socket.close()


def section() -> bytes:
    """The section header block of a stream; it says who wrote it, by which its end is trusted when it is read again."""
    options = struct.pack("<HH", 4, len(WATCHER)) + WATCHER + bytes(-len(WATCHER) % 4) + bytes(4)
    size = 28 + len(options)
    return struct.pack("<IIIHHq", 0x0A0D0D0A, size, 0x1A2B3C4D, 1, 0, -1) + options + struct.pack("<I", size)


def interface(name: str, link: int, snaplen: int) -> bytes:
    """An interface description block with times in nanoseconds. 4.2"""
    text = name.encode()[:255]
    options = struct.pack("<HH", 2, len(text)) + text + bytes(-len(text) % 4)
    options += struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
    size = 20 + len(options)
    return struct.pack("<IIHHI", 1, size, link, 0, snaplen) + options + struct.pack("<I", size)


def enhanced(number: int, ns: int, data: bytes, length: int) -> bytes:
    """An enhanced packet block. 4.3"""
    kept = len(data)
    padding = -kept % 4
    size = 32 + kept + padding
    head = _ENHANCED.pack(6, size, number, ns >> 32, ns & 0xFFFFFFFF, kept, length)
    return b"".join((head, data, bytes(padding), struct.pack("<I", size)))


def blocks(data: bytes) -> list[bytes]:
    """The blocks of a little-endian pcapng stream, as it is made here."""
    found, at = [], 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        found.append(data[at : at + size])
        at += size
    return found


def statistics(number: int, ns: int, loss: Loss) -> bytes:
    """An interface statistics block: until when was watched, how many packets came and were dropped. 4.6"""
    stamp = struct.pack("<II", ns >> 32, ns & 0xFFFFFFFF)
    options = struct.pack("<HH", 3, 8) + stamp
    options += struct.pack("<HHQ", 4, 8, loss.seen) + struct.pack("<HHQ", 5, 8, loss.dropped) + struct.pack("<HH", 0, 0)
    size = 24 + len(options)
    return struct.pack("<III", 5, size, number) + stamp + options + struct.pack("<I", size)


def _link(name: str) -> int:
    try:
        with open(f"/sys/class/net/{name}/type") as file:
            kind = int(file.read())
    except (OSError, ValueError):
        known = ", ".join([*(known for _, known in socket.if_nameindex()), ANY])
        raise InputError(name, f"there is no such interface; there are {known}") from None
    link = _LINKS.get(kind)
    if link is None:
        raise InputError(name, f"interfaces of its kind ({kind}) are not read")
    return link


def _command() -> list[str]:
    return ["rpcdiag", *sys.argv[1:]]


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("bf_len", ctypes.c_uint), ("bf_insns", ctypes.POINTER(_Instruction))]


def compiled(expression: str, link: int, snaplen: int) -> bytes:
    """A filter expression as instructions for the kernel, by libpcap.

    Raises:
        InputError: it does not compile; says why.
        MissingPiece: there is no libpcap.
    """
    name = find_library("pcap")
    if name is None:
        raise MissingPiece(
            "filter expressions are compiled by libpcap, which is not installed", "apt install libpcap0.8"
        )
    library = ctypes.CDLL(name)
    library.pcap_open_dead.restype = ctypes.c_void_p
    library.pcap_geterr.restype = ctypes.c_char_p
    handle = ctypes.c_void_p(library.pcap_open_dead(ctypes.c_int(12 if link == _RAW else link), ctypes.c_int(snaplen)))
    program = _Program()
    try:
        if library.pcap_compile(handle, ctypes.byref(program), expression.encode(), 1, ctypes.c_uint(0xFFFFFFFF)):
            raise InputError(f"-f {expression!r}", (library.pcap_geterr(handle) or b"").decode("utf-8", "replace"))
        code = ctypes.string_at(program.bf_insns, program.bf_len * ctypes.sizeof(_Instruction))
        library.pcap_freecode(ctypes.byref(program))
    finally:
        library.pcap_close(handle)
    return code


def attach(sock: socket.socket, expression: str, link: int, snaplen: int) -> None:
    """Let the kernel pass on only packets that the expression matches.

    Raises:
        InputError, MissingPiece: as `compiled`.
    """
    code = compiled(expression, link, snaplen)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // ctypes.sizeof(_Instruction), ctypes.addressof(held))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


class Sockets:
    """Several interfaces as one pcapng stream, whose bytes come as they are asked for."""

    def __init__(
        self, names: tuple[str, ...], expression: str | None = None, snaplen: int = 0, *, promiscuous: bool = True
    ) -> None:
        self.rings: list[Ring] = []
        try:
            for number, name in enumerate(names):
                ring = Ring(name, number, expression, snaplen, promiscuous=promiscuous)
                self.rings.append(ring)
        except BaseException:
            self.close()
            raise
        self._waiting = bytearray(self.heading)
        self._poll = select.poll()
        for ring in self.rings:
            self._poll.register(ring.socket, select.POLLIN | select.POLLERR)

    def read(self, room: int, timeout_ms: int) -> bytes:
        """Up to `room` bytes of the stream, whole blocks; first those before all packets, by themselves.

        Empty where nothing came in time. `room` is at least 1 MiB.
        """
        if self._waiting:
            heading, self._waiting = bytes(self._waiting), bytearray()
            return heading
        taken = bytearray()
        if self._gather(taken, room):
            return bytes(taken)
        self._poll.poll(timeout_ms)
        self._gather(taken, room)
        return bytes(taken)

    def _gather(self, taken: bytearray, room: int) -> bool:
        before = len(taken)
        more = True
        while more:
            more = False
            for ring in self.rings:
                more = ring.take(taken, room) or more
        return len(taken) > before

    @property
    def heading(self) -> bytes:
        """The blocks before all packets."""
        return section() + b"".join(interface(ring.name, ring.link, ring.snaplen) for ring in self.rings)

    def ending(self, ns: int) -> bytes:
        """The blocks behind all packets: until when was watched, and what was lost."""
        return b"".join(statistics(number, ns, ring.loss()) for number, ring in enumerate(self.rings))

    def troubles(self) -> list[str]:
        """What is wrong with the interfaces since one asked last."""
        return [said for ring in self.rings if (said := ring.trouble())]

    def loss(self) -> dict[str, Loss]:
        """By interface."""
        return {ring.name: ring.loss() for ring in self.rings}

    def close(self) -> None:
        """Give the rings back."""
        for ring in self.rings:
            ring.close()
        self.rings = []
