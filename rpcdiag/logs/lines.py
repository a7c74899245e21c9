"""Bytes of a log that is still written, to lines: whole ones, decoded as the file's beginning says."""

import codecs
from collections.abc import Iterator

from rpcdiag.logs.reader import MAX_LINE

_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))


def encoding_of(beginning: bytes) -> tuple[str, int]:
    """The encoding that the mark of a file's first bytes names, and the bytes of that mark."""
    for mark, encoding in _MARKS:
        if beginning.startswith(mark):
            return encoding, len(mark)
    return "utf-8", 0


def decoded(raw: bytes, encoding: str) -> str:
    """Text without NUL bytes, which are what crashes and preallocation leave; what is not UTF-8 is Windows' cp1252."""
    if encoding.startswith("utf-16"):
        return raw.decode(encoding, "replace").replace("\x00", "").replace("\ufeff", "")
    try:
        return raw.replace(b"\x00", b"").decode("utf-8")
    except UnicodeDecodeError:
        return raw.replace(b"\x00", b"").decode("cp1252", "replace")


class Lines:
    """Cuts what `feed` gets; keeps the part of a line that has no end yet, at most 64 KiB of it.

    A line that is longer comes as an empty one and is counted in `too_long`; in `pieces` it comes in several, of which
    only the last has a line feed.
    """

    def __init__(self, encoding: str, *, pieces: bool = False) -> None:
        self._pieces = pieces
        wide = encoding.startswith("utf-16")
        self._decoder = codecs.getincrementaldecoder(encoding)("replace") if wide else None
        self._held = b""
        self._over = False
        self.too_long = 0

    @property
    def waiting(self) -> bool:
        """Whether a line has begun."""
        return bool(self._held) or self._over

    def feed(self, data: bytes) -> list[str]:
        """The lines that are whole by now, each with its line feed."""
        if self._decoder is not None:  # from here on as UTF-8, in which a line feed is one byte
            data = self._decoder.decode(data).replace("\ufeff", "").encode("utf-8", "replace")
        if b"\x00" in data:
            data = data.replace(b"\x00", b"")
        *whole, rest = (self._held + data).split(b"\n")
        self._held = rest
        return [*(text for raw in whole for text in self._line(raw)), *self._shortened()]

    def flush(self) -> list[str]:
        """What is left, where nothing follows."""
        if not self.waiting:
            return []
        raw, self._held = self._held, b""
        return list(self._line(raw))

    def _line(self, raw: bytes) -> Iterator[str]:
        if self._over or (len(raw) > MAX_LINE and not self._pieces):
            self.too_long += 1
            self._over = False
            yield "\n"
            return
        while len(raw) > MAX_LINE:
            yield decoded(raw[:MAX_LINE], "utf-8")
            raw = raw[MAX_LINE:]
        yield decoded(raw, "utf-8") + "\n"

    def _shortened(self) -> list[str]:
        """The line that has no end yet is kept short: pieces of it, or nothing but the fact."""
        pieces = []
        if self._pieces:
            while len(self._held) >= MAX_LINE:
                pieces.append(decoded(self._held[:MAX_LINE], "utf-8"))
                self._held = self._held[MAX_LINE:]
        elif len(self._held) > MAX_LINE or self._over:
            self._held, self._over = b"", True
        return pieces
