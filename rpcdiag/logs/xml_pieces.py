"""Elements out of a long XML text, one by one, without holding the text.

Exports of events can be one line of gigabytes, a sequence without a root, or cut: so elements are cut out of the text
and parsed one each; what does not parse is one bad element, and the next begins anew.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

MAX_ELEMENT = 256 * 1024
_TAIL = 512  # characters that can be the beginning of a tag whose rest is in the next piece


class Piece(NamedTuple):
    """The text of an element and the line on which it begins; None where no end was found."""

    line: int
    text: str | None


class Pieces:
    """Feed text; what starts like `begin` and ends like `end` comes out. Holds at most 256 KiB and one piece of text."""

    def __init__(self, begin: re.Pattern[str], end: re.Pattern[str]) -> None:
        self._begin, self._end = begin, end
        self._held = ""
        self._line = 1  # on which what is held begins
        self._inside = False
        self._searched = 0  # up to here there is no end

    def cut(self, text: Iterable[str]) -> Iterator[Piece]:
        for part in text:
            self._held += part
            yield from self._complete()
        if self._inside:
            yield Piece(self._line, None)

    def _complete(self) -> Iterator[Piece]:
        while True:
            if not self._inside:
                found = self._begin.search(self._held)
                if found is None:
                    self._drop(max(0, len(self._held) - _TAIL))
                    return
                self._drop(found.start())
                self._inside, self._searched = True, 1
            again = self._begin.search(self._held, self._searched)
            end = self._end.search(self._held, self._searched, again.start() if again else len(self._held))
            if end is not None:
                yield Piece(self._line, self._held[: end.end()])
                self._drop(end.end())
                self._inside = False
            elif again is not None:
                yield Piece(self._line, None)
                self._drop(again.start())
                self._searched = 1
            elif len(self._held) > MAX_ELEMENT:
                yield Piece(self._line, None)
                self._drop(len(self._held) - _TAIL)
                self._inside = False
            else:
                self._searched = max(1, len(self._held) - _TAIL)
                return

    def _drop(self, count: int) -> None:
        self._line += self._held.count("\n", 0, count)
        self._held = self._held[count:]


def element(text: str) -> Element:
    """The element, its names without their namespace.

    Raises:
        ValueError: it is none, or it defines entities.
    """
    from defusedxml import DefusedXmlException  # 3 ms: only where there is XML
    from defusedxml.ElementTree import fromstring

    try:
        found: Element = fromstring(text.replace("\x00", ""), forbid_dtd=True)
    except (ParseError, DefusedXmlException, RecursionError) as error:
        raise ValueError(f"no XML: {error}"[:120]) from None
    for one in found.iter():
        one.tag = one.tag.rpartition("}")[2]
    return found


def text_of(parent: Element | None, path: str) -> str:
    """The text of what lies at `path`, or nothing."""
    return (parent.findtext(path) or "").strip() if parent is not None else ""
