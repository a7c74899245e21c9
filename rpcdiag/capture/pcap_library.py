"""Packets of an interface through libpcap, or Npcap on Windows, as a pcapng stream: where there are no packet sockets.

The same stream and the same calls as `packet_socket.Sockets` has. The library is called directly, through ctypes.
[pcap(3PCAP), Npcap Developer's Guide]
"""

import ctypes
import os
import sys
import time
from ctypes.util import find_library
from typing import Any

from rpcdiag.capture.packet_socket import MAX_SNAPLEN, Loss, enhanced, interface, section, statistics
from rpcdiag.errors import InputError, MissingPiece

_TO_MS = 50
_PACKETS_A_TURN = 512  # of one interface, before the next has its turn
_RAW = {12: 101, 14: 101}  # numbers that differ between systems and files


class _Header(ctypes.Structure):
    """`struct pcap_pkthdr`: a timeval of two longs, which are of 32 bits on Windows."""

    _fields_ = [
        ("seconds", ctypes.c_long),
        ("micros", ctypes.c_long),
        ("caplen", ctypes.c_uint),
        ("len", ctypes.c_uint),
    ]


class _Stat(ctypes.Structure):
    _fields_ = [("recv", ctypes.c_uint), ("drop", ctypes.c_uint), ("ifdrop", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint), ("instructions", ctypes.c_void_p)]


def _library() -> Any:  # noqa: ANN401  ctypes has no types for it
    """Raises MissingPiece where it is not installed."""
    if sys.platform == "win32":
        folder = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "Npcap")  # noqa: PTH118
        name: str | None = os.path.join(folder, "wpcap.dll")  # noqa: PTH118
        missing = "install Npcap from https://npcap.com"
        if os.path.isdir(folder):
            os.add_dll_directory(folder)
    else:
        name, missing = find_library("pcap"), "apt install libpcap0.8"
    try:
        if name is None:
            raise OSError
        library = ctypes.CDLL(name)
    except OSError:
        raise MissingPiece("no library to capture with is installed", missing) from None
    library.pcap_open_live.restype = ctypes.c_void_p
    library.pcap_geterr.restype = ctypes.c_char_p
    return library


class _Handle:
    """One interface.

    Raises:
        InputError: there is no such interface, or a filter that does not compile.
        MissingPiece: no right to capture.
    """

    def __init__(
        self,
        library: Any,  # noqa: ANN401  as above
        name: str,
        number: int,
        expression: str | None,
        snaplen: int,
        *,
        promiscuous: bool,
    ) -> None:
        self.name, self.snaplen, self._number = name, snaplen or MAX_SNAPLEN, number
        self._library = library
        said = ctypes.create_string_buffer(512)
        place = library.pcap_open_live(name.encode(), self.snaplen, int(promiscuous), _TO_MS, said)
        if not place:
            why = said.value.decode("utf-8", "replace")
            if "permission" in why.lower() or "not permitted" in why.lower():
                raise MissingPiece(f"no right to capture on {name}", "run it as an administrator")
            raise InputError(name, f"cannot be captured on: {why}")
        self._pcap = ctypes.c_void_p(place)
        kind = library.pcap_datalink(self._pcap)
        self.link = _RAW.get(kind, kind)
        library.pcap_setnonblock(self._pcap, 1, said)
        if expression:
            self._filter(expression)
        self._header, self._data = ctypes.POINTER(_Header)(), ctypes.POINTER(ctypes.c_ubyte)()

    def _filter(self, expression: str) -> None:
        program = _Program()
        if self._library.pcap_compile(
            self._pcap, ctypes.byref(program), expression.encode(), 1, ctypes.c_uint(0xFFFFFFFF)
        ):
            why = (self._library.pcap_geterr(self._pcap) or b"").decode("utf-8", "replace")
            self.close()
            raise InputError(f"-f {expression!r}", why)
        self._library.pcap_setfilter(self._pcap, ctypes.byref(program))
        self._library.pcap_freecode(ctypes.byref(program))

    def take(self, into: bytearray, room: int) -> bool:
        """Add what is there to the stream; whether there was anything."""
        came = False
        for _ in range(_PACKETS_A_TURN):
            if len(into) + self.snaplen + 64 > room:
                break
            got = self._library.pcap_next_ex(self._pcap, ctypes.byref(self._header), ctypes.byref(self._data))
            if got != 1:
                break
            head = self._header.contents
            data = ctypes.string_at(self._data, min(head.caplen, self.snaplen))
            ns = (head.seconds * 1_000_000 + head.micros) * 1000
            into += enhanced(self._number, ns, data, head.len)
            came = True
        return came

    def loss(self) -> Loss:
        stat = _Stat()
        if self._library.pcap_stats(self._pcap, ctypes.byref(stat)):
            return Loss(0, 0)
        return Loss(stat.recv, stat.drop + stat.ifdrop)

    def close(self) -> None:
        self._library.pcap_close(self._pcap)


class PcapSockets:
    """Several interfaces as one pcapng stream; see `packet_socket.Sockets`."""

    def __init__(
        self, names: tuple[str, ...], expression: str | None = None, snaplen: int = 0, *, promiscuous: bool = True
    ) -> None:
        library = _library()
        self._handles: list[_Handle] = []
        try:
            for number, name in enumerate(names):
                self._handles.append(_Handle(library, name, number, expression, snaplen, promiscuous=promiscuous))
        except BaseException:
            self.close()
            raise
        self._headed = False

    @property
    def heading(self) -> bytes:
        """The blocks before all packets."""
        return section() + b"".join(interface(one.name, one.link, one.snaplen) for one in self._handles)

    def read(self, room: int, timeout_ms: int) -> bytes:
        """Up to `room` bytes of the stream, whole blocks; first those before all packets. Empty where nothing came."""
        if not self._headed:
            self._headed = True
            return self.heading
        until = time.monotonic() + timeout_ms / 1000
        taken = bytearray()
        while not self._gather(taken, room) and time.monotonic() < until:
            time.sleep(0.01)
        return bytes(taken)

    def _gather(self, taken: bytearray, room: int) -> bool:
        """Every interface has its turn."""
        came = False
        for one in self._handles:
            came = one.take(taken, room) or came
        return came

    def ending(self, ns: int) -> bytes:
        """The blocks behind all packets."""
        return b"".join(statistics(number, ns, one.loss()) for number, one in enumerate(self._handles))

    def troubles(self) -> list[str]:
        """Nothing is known of that here."""
        return []

    def loss(self) -> dict[str, Loss]:
        """By interface."""
        return {one.name: one.loss() for one in self._handles}

    def close(self) -> None:
        """Give the interfaces back."""
        for one in self._handles:
            one.close()
        self._handles = []
