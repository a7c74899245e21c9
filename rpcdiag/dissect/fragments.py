"""Fragments of a call's stub, put together. [MS-RPCE] 2.2.2.4, pfc_flags"""

from typing import NamedTuple

from rpcdiag.dissect.dcerpc import FIRST_FRAGMENT, LAST_FRAGMENT

MAX_STUB = 1 << 22
MAX_CALLS = 64


class Stub(NamedTuple):
    """The body of one call in one direction; `cut` where bytes of it are not in the capture.

    `loose` are those behind the first hole: nobody knows where in the body they stand. `fragments`: PDUs it came in.
    """

    data: bytes
    length: int
    cut: bool
    first_packet: int
    loose: bytes = b""
    fragments: int = 1


class _Parts:
    __slots__ = ("cut", "data", "first_packet", "fragments", "length", "loose")

    def __init__(self, packet: int) -> None:
        self.data = bytearray()
        self.loose = bytearray()
        self.length = 0
        self.fragments = 0
        self.cut = False
        self.first_packet = packet


class Assembler:
    """Puts stubs together by call id; remembers at most MAX_CALLS unfinished ones of MAX_STUB bytes each."""

    def __init__(self) -> None:
        self._parts: dict[int, _Parts] = {}

    def __contains__(self, call_id: int) -> bool:
        return call_id in self._parts

    def add(self, call_id: int, flags: int, stub: bytes, length: int, packet: int) -> Stub | None:
        """Take one fragment; the whole when it was the last. A call whose beginning is missing yields a cut stub."""
        parts = self._parts.get(call_id)
        if flags & FIRST_FRAGMENT or parts is None:
            if len(self._parts) >= MAX_CALLS:
                del self._parts[next(iter(self._parts))]
            parts = self._parts[call_id] = _Parts(packet)
            parts.cut = not flags & FIRST_FRAGMENT
        parts.length += length
        parts.fragments += 1
        if not parts.cut:  # what follows a hole would be read at the wrong place
            room = MAX_STUB - len(parts.data)
            parts.data += stub[:room]
            parts.cut = len(stub) < length or length > room
        else:
            parts.loose += stub[: MAX_STUB - len(parts.loose)]
        if not flags & LAST_FRAGMENT:
            return None
        del self._parts[call_id]
        return Stub(bytes(parts.data), parts.length, parts.cut, parts.first_packet, bytes(parts.loose), parts.fragments)
