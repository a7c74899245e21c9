"""The one thing that touches protocol bytes: it knows what the sender sent and what the capture kept."""

from struct import Struct

from rpcdiag.errors import Malformed, Truncated

_U16 = (Struct("<H").unpack_from, Struct(">H").unpack_from)
_U32 = (Struct("<I").unpack_from, Struct(">I").unpack_from)
_U64 = (Struct("<Q").unpack_from, Struct(">Q").unpack_from)


class Reader:
    """Reads `data`, of which the sender sent `wire_length` bytes; `offset` is the place of the next byte."""

    __slots__ = ("_data", "big", "offset", "wire_length")

    def __init__(self, data: bytes, wire_length: int | None = None, *, big: bool = False, offset: int = 0) -> None:
        self._data = data
        self.wire_length = len(data) if wire_length is None else wire_length
        self.big = big
        self.offset = offset

    @property
    def left(self) -> int:
        """Bytes that the sender sent after the current place."""
        return self.wire_length - self.offset

    def _need(self, count: int, field: str) -> int:
        at = self.offset
        end = at + count
        if count < 0 or end > self.wire_length:
            raise Malformed(field, at, f"needs {count} bytes, the sender's data ends at {self.wire_length}")
        if end > len(self._data):
            raise Truncated(field, at, f"needs {count} bytes, the capture ends at {len(self._data)}")
        self.offset = end
        return at

    # what is read most often does not call _need where the bytes are there

    def take(self, count: int, field: str) -> bytes:
        """The next `count` bytes, which hold `field`.

        Raises:
            Malformed: the sender's data is too short for the field.
            Truncated: the sender's data is long enough, the capture is not.
        """
        at = self.offset
        end = at + count
        if count < 0 or end > self.wire_length or end > len(self._data):
            self._need(count, field)
        self.offset = end
        return bytes(self._data[at:end])

    def skip(self, count: int, field: str) -> None:
        self._need(count, field)

    def u8(self, field: str) -> int:
        return self._data[self._need(1, field)]

    def u16(self, field: str) -> int:
        at = self.offset
        if at + 2 > self.wire_length or at + 2 > len(self._data):
            self._need(2, field)
        self.offset = at + 2
        return int(_U16[self.big](self._data, at)[0])

    def u32(self, field: str) -> int:
        at = self.offset
        if at + 4 > self.wire_length or at + 4 > len(self._data):
            self._need(4, field)
        self.offset = at + 4
        return int(_U32[self.big](self._data, at)[0])

    def u64(self, field: str) -> int:
        return int(_U64[self.big](self._data, self._need(8, field))[0])

    def align(self, to: int) -> None:
        """Skip to the next multiple of `to`, counted from the start of the data."""
        self.offset += -self.offset % to

    def uuid(self, field: str) -> str:
        """A UUID in the sender's byte order, lower case with dashes. [C706] appendix A"""
        at = self._need(16, field)
        return uuid_text(bytes(self._data[at : at + 16]), big=self.big)

    def rest(self) -> bytes:
        """What the capture kept of everything that follows."""
        at = self.offset
        self.offset = self.wire_length
        return bytes(self._data[at : self.wire_length])


def uuid_text(b: bytes, *, big: bool = False) -> str:
    """16 bytes as `e1af8308-5d1f-11c9-91a4-08002b14a0fa`."""
    if big:
        one, two, three = b[0:4], b[4:6], b[6:8]
    else:
        one, two, three = b[3::-1], b[5:3:-1], b[7:5:-1]
    return f"{one.hex()}-{two.hex()}-{three.hex()}-{b[8:10].hex()}-{b[10:16].hex()}"
