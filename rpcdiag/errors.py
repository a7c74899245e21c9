"""Everything that can go wrong on purpose.

RpcdiagError
├── InputError        the file given to us is the problem: one line to the user, no traceback
│   ├── UnknownFormat     holds the reason each reader gave
│   └── CorruptInput      recognised, then contradicts itself at this byte or line
├── MissingPiece      a privilege, package or program the request needs is not there: what, and how to get it
└── DecodeError       protocol bytes did not decode: field, offset, why
    ├── Truncated         the capture stops short; the wire may have been fine
    └── Malformed         the bytes are there and break the specification
"""


class RpcdiagError(Exception):
    """The root of the tree."""


def said_of(error: Exception) -> str:
    """What the system says of a file: without the number, and without the name, which stands there already."""
    words: str | None = getattr(error, "strerror", None)
    return words or str(error)


class InputError(RpcdiagError):
    """A file that the user named cannot be used; `place` is a byte offset or line, as text."""

    def __init__(self, path: str, why: str, place: str = "") -> None:
        super().__init__(path, why, place)
        self.path = path
        self.why = why
        self.place = place

    def __str__(self) -> str:
        return f"{self.path}: {self.place + ': ' if self.place else ''}{self.why}"


class UnknownFormat(InputError):
    """No reader takes the file; `reasons` holds what each of them said."""

    def __init__(self, path: str, reasons: tuple[str, ...], place: str = "byte 0") -> None:
        super().__init__(path, "unknown format (" + "; ".join(reasons) + ")", place)
        self.reasons = reasons

    def __reduce__(self) -> tuple[type["UnknownFormat"], tuple[str, tuple[str, ...], str]]:
        return UnknownFormat, (self.path, self.reasons, self.place)


class CorruptInput(InputError):
    """The file was recognised and then contradicts itself at `place`."""


class MissingPiece(RpcdiagError):
    """Something that the request needs is not on this machine."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


class DecodeError(RpcdiagError):
    """Protocol bytes did not decode: which field, at which offset of the PDU or stub, and why."""

    def __init__(self, field: str, offset: int, why: str) -> None:
        super().__init__(field, offset, why)
        self.field = field
        self.offset = offset
        self.why = why

    def __str__(self) -> str:
        return f"{self.field} at {self.offset}: {self.why}"


class Truncated(DecodeError):
    """The capture stops short of what the sender sent."""


class Malformed(DecodeError):
    """The bytes are there and break the specification."""
