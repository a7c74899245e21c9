"""DER as Kerberos and SPNEGO need it: definite lengths, one-byte tags. ITU-T X.690 8.1, 10.1"""

from rpcdiag.errors import Malformed, Truncated

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
ENUMERATED = 0x0A
SEQUENCE = 0x30
GENERAL_STRING = 0x1B
GENERALIZED_TIME = 0x18

MAX_LENGTH_BYTES = 4
MAX_INTEGER = 8
MAX_OID = 32
MAX_TEXT = 2048


def application(number: int) -> int:
    """The tag of a constructed [APPLICATION number]."""
    return 0x60 | number


def context(number: int) -> int:
    """The tag of a constructed [number]."""
    return 0xA0 | number


class Der:
    """A cursor over the elements of `data[at:end]`, of which the capture may hold less than the sender sent.

    An element that ends behind its parent is malformed; one that ends behind the capture is truncated, but only when
    its content is looked at: what stands before the cut can be read.
    """

    __slots__ = ("_data", "at", "end")

    def __init__(self, data: bytes, length: int | None = None, *, at: int = 0) -> None:
        self._data = data
        self.at = at
        self.end = len(data) if length is None else length

    @property
    def tag(self) -> int:
        """The tag of the next element, -1 where there is none."""
        at = self.at
        if at >= self.end:
            return -1
        if at >= len(self._data):
            raise Truncated("tag", at, f"the capture ends at {len(self._data)}")
        return self._data[at]

    def enter(self, tag: int, field: str) -> "Der":
        """The inside of the next element, which must have this tag; the cursor goes behind it."""
        found = self.tag
        if found != tag:
            raise Malformed(
                field, self.at, f"tag {found:#04x} where {tag:#04x} belongs" if found >= 0 else "is missing"
            )
        return self._inside(field)

    def find(self, number: int, field: str) -> "Der | None":
        """The inside of [number], None where it is left out; earlier fields are passed over.

        The fields of a sequence stand in the order of their numbers.
        """
        wanted = context(number)
        while context(0) <= (found := self.tag) < wanted:
            self._inside(field)
        return self._inside(field) if found == wanted else None

    def need(self, number: int, field: str) -> "Der":
        """The inside of [number], which must be there."""
        found = self.find(number, field)
        if found is None:
            raise Malformed(field, self.at, "is missing")
        return found

    def integer(self, field: str, tag: int = INTEGER) -> int:
        raw = self._content(tag, field, MAX_INTEGER)
        if not raw:
            raise Malformed(field, self.at, "an integer of no bytes")
        return int.from_bytes(raw, "big", signed=True)

    def octets(self, field: str) -> "Der":
        """An OCTET STRING, whatever it holds."""
        return self.enter(OCTET_STRING, field)

    def oid(self, field: str) -> bytes:
        """The content of an OBJECT IDENTIFIER, as it stands there."""
        return self._content(OID, field, MAX_OID)

    def bits(self, field: str) -> int:
        """A BIT STRING as KerberosFlags: bit 0 is the highest of 32. RFC 4120 5.2.8"""
        raw = self._content(BIT_STRING, field, MAX_INTEGER)
        return int.from_bytes(raw[1:5].ljust(4, b"\x00"), "big")

    def text(self, field: str, tag: int = GENERAL_STRING) -> str:
        """Windows writes UTF-8 here; other bytes are shown as what they are."""
        return self._content(tag, field, MAX_TEXT).decode("utf-8", "backslashreplace")

    def content(self) -> tuple[bytes, int]:
        """What the capture holds from here to the end, and how much the sender sent."""
        return self._data[self.at : self.end], self.end - self.at

    def _content(self, tag: int, field: str, most: int) -> bytes:
        inside = self.enter(tag, field)
        at, end = inside.at, inside.end
        if end - at > most:
            raise Malformed(field, at, f"{end - at} bytes, {most} are the most")
        if end > len(self._data):
            raise Truncated(field, at, f"needs {end - at} bytes, the capture ends at {len(self._data)}")
        return self._data[at:end]

    def _inside(self, field: str) -> "Der":
        """The element at the cursor; the cursor goes behind it."""
        data, at, end = self._data, self.at + 2, self.end
        if at > end:
            raise Malformed(field, self.at, f"a tag without length, the parent ends at {end}")
        if at > len(data):
            raise Truncated(field, self.at, f"the capture ends at {len(data)}")
        length = data[at - 1]
        if data[at - 2] & 0x1F == 0x1F:
            raise Malformed(field, self.at, "a tag of more than one byte")
        if length >= 0x80:
            count = length & 0x7F
            if not 0 < count <= MAX_LENGTH_BYTES:
                raise Malformed(field, self.at, f"a length of {count} bytes")
            if at + count > min(end, len(data)):
                kind = Malformed if at + count > end else Truncated
                raise kind(field, self.at, f"a length of {count} bytes is cut")
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > end:
            raise Malformed(field, self.at, f"{length} bytes, the parent ends at {end}")
        self.at = at + length
        return Der(data, at + length, at=at)


def oid_text(raw: bytes) -> str:
    """The content of an OBJECT IDENTIFIER as dotted numbers. X.690 8.19"""
    numbers, value = [], 0
    for byte in raw:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        return ""
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))
