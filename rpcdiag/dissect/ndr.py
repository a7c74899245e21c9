"""NDR and NDR64: the same declarations, other sizes. [C706] chapter 14, [MS-RPCE] 2.2.5"""

from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import Malformed

MAX_COUNT = 1 << 16


class Ndr(Reader):
    """A Reader that knows pointers and counts: 4 bytes each in NDR, 8 in NDR64, aligned to their size."""

    __slots__ = ("wide",)

    def __init__(self, data: bytes, wire_length: int | None = None, *, big: bool = False, wide: bool = False) -> None:
        super().__init__(data, wire_length, big=big)
        self.wide = wide

    def pointer(self, field: str) -> int:
        """A referent id; 0 is null."""
        self.align(8 if self.wide else 4)
        return self.u64(field) if self.wide else self.u32(field)

    def count(self, field: str, most: int = MAX_COUNT) -> int:
        """A conformance, offset or actual count.

        Raises:
            Malformed: more than `most`, which no sane sender asks for.
        """
        number = self.pointer(field)
        if number > most:
            raise Malformed(field, self.offset, f"{number} elements")
        return number

    def long(self, field: str) -> int:
        """A 32-bit number at its alignment."""
        self.align(4)
        return self.u32(field)

    def guid(self, field: str) -> str:
        """A UUID at its alignment."""
        self.align(4)
        return self.uuid(field)
