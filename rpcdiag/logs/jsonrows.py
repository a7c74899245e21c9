"""The objects of a log in JSON: one a line, a list of them, or a document whose `records` is such a list.

Nothing of the file is held but the object at hand. What breaks off or is no JSON is told with the line it begins at;
reading goes on behind that line, or where the error is when that is further away.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from rpcdiag.logs.entry import BadLine

MAX_OBJECT = 4 * 1024 * 1024  # characters; an hour of one address in a flow log is about one million
PIECE = 4096  # characters; what is longer and does not end in a line feed goes on in the next piece
MAX_LINE = 64 * 1024
_BETWEEN = frozenset(" \t\r\n,[]}\x00\ufeff")
_NEAR_END = 12  # an error so close to the end of what was read can be mended by what follows
_Numbered = tuple[int, dict[str, Any] | BadLine]


def objects(pieces: Iterable[str]) -> Iterator[_Numbered]:
    """Every object with the number of the line it begins at."""
    import json

    reader = _Reader()
    for piece in pieces:
        whole = _ended(piece)
        if not reader.size and whole.endswith(("}\n", "}\r\n")) and whole.startswith("{"):
            try:
                found = json.loads(whole)
            except (ValueError, RecursionError):
                pass
            else:
                if type(found.get("records")) is not list:
                    yield reader.line, found
                    reader.line += whole.count("\n")
                    continue
        yield from reader.feed(whole)
    yield from reader.take(final=True)


def lines(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of text that is cut anywhere; of one that is too long its beginning, once."""
    held = ""
    for piece in pieces:
        *whole, rest = _ended(piece).split("\n")
        for part in whole:
            yield held + part[: MAX_LINE - len(held)]
            held = ""
        held += rest[: MAX_LINE - len(held)]
    if held:
        yield held


def _ended(piece: str) -> str:
    """A short piece without a line feed is a line that was given without one, or the end of a file."""
    return piece if piece.endswith("\n") or len(piece) >= PIECE else piece + "\n"


class _Reader:
    """Holds at most one object that has begun, and what was read behind it."""

    def __init__(self) -> None:
        from json import JSONDecoder

        self.line = 1  # at which what is held begins
        self.size = 0
        self._parts: list[str] = []
        self._decode = JSONDecoder().raw_decode
        self._again_at = 0  # an object that goes on is looked at again when there is twice as much of it

    def feed(self, piece: str) -> Iterator[_Numbered]:
        self._parts.append(piece)
        self.size += len(piece)
        if self.size >= self._again_at:
            yield from self.take(final=False)

    def take(self, *, final: bool) -> Iterator[_Numbered]:
        """The objects that are whole."""
        text, at = "".join(self._parts), 0
        while (at := self._next(text, at)) < len(text):
            if text[at] != "{":
                yield self._bad("no object of JSON")
                at = self._skipped(text, at, text.find("\n", at))
            elif (inner := _records(text, at)) is not None:
                self.line += text.count("\n", at, inner)
                at = inner
            else:
                try:
                    found, end = self._decode(text, at)
                except (ValueError, RecursionError) as error:
                    if not final and len(text) - at < MAX_OBJECT and _goes_on(text, error):
                        break
                    yield self._bad(f"broken JSON: {error}"[:120])
                    at = self._skipped(text, at, _behind(text, at, error))
                else:
                    yield self.line, found
                    at = self._skipped(text, at, end)
        self._parts = [text[at:]] if at < len(text) else []
        self.size = len(text) - at
        self._again_at = 2 * self.size

    def _next(self, text: str, at: int) -> int:
        begin = at
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        return self._skipped(text, begin, at)

    def _skipped(self, text: str, at: int, to: int) -> int:
        to = len(text) if to < 0 else to
        self.line += text.count("\n", at, to)
        return to

    def _bad(self, why: str) -> _Numbered:
        return self.line, BadLine(self.line, why)


def _records(text: str, at: int) -> int | None:
    """Where the list `records` of a document begins, if the object at `at` is one."""
    head = text[at : at + 60]
    return at + head.index("[") + 1 if "".join(head.split()).startswith('{"records":[') else None


def _goes_on(text: str, error: Exception) -> bool:
    """Whether more text could mend what is wrong."""
    from json import JSONDecodeError

    if not isinstance(error, JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or len(text.rstrip()) - error.pos <= _NEAR_END


def _behind(text: str, at: int, error: Exception) -> int:
    """Where to go on: at the next line, for the error may be that this one was cut; or where the error is."""
    from json import JSONDecodeError

    if not isinstance(error, JSONDecodeError) or error.msg.startswith("Unterminated string"):
        return len(text)
    following = text.find("\n", at)
    near = text.find("\n", following + 1) if following >= 0 else -1
    if near < 0 or error.pos <= near + 1:
        return following
    return text.rfind("\n", at, error.pos)
