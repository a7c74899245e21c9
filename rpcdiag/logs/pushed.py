"""A log format's parser, which pulls lines, given lines as they come.

The parser runs in a thread of its own that is awake only while `feed` or `end` waits for it: nothing happens at the
same time, and what comes out depends on the lines alone.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from rpcdiag.logs.entry import BadLine, LogEntry

Parse = Callable[[Iterable[str]], Iterator[LogEntry | BadLine]]
_MOST_BLANKS = 1024


class Pushed:
    """`preamble` are lines from the file's beginning that the parser has to know; nothing of them comes out.

    `skipped`: how many lines of the file come before the first that is fed. `end` has to be called.
    """

    def __init__(self, parse: Parse, preamble: Iterable[str] = (), skipped: int = 0) -> None:
        self._parse = parse
        self._lines: list[str] | None = []
        self._found: list[LogEntry | BadLine] = []
        self._given, self._wanted = threading.Semaphore(0), threading.Semaphore(0)
        self._ended = False
        self._failed: BaseException | None = None
        self._blanks: list[int] = []  # numbers, as the parser counts, of lines that we put in
        self._fed = self._told = 0
        self._open = False  # a row may have begun of which nothing came out
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        known = list(preamble)
        self._hand_over(known)
        self._known = len(known)
        self._shift = skipped - len(known)

    def feed(self, lines: list[str]) -> list[LogEntry | BadLine]:
        """What the parser says of these lines; it may keep the beginning of a row of several lines to itself."""
        if not lines:
            return []
        found = self._hand_over(lines)
        if found:
            self._told = max(one.line for one in found)
        last = lines[-1].strip()
        self._open = bool(last) and not last.startswith("#") and self._told < self._fed
        return self._renumbered(found)

    def nothing_follows(self) -> list[LogEntry | BadLine]:
        """For a while nothing was written: a row of several lines ends where an empty line would end it."""
        if not self._open:
            return []
        self._open = False
        self._blanks.append(self._fed + 1)
        found = self._hand_over(["\n"])
        if len(self._blanks) > _MOST_BLANKS:  # of the oldest, which no row to come stands before
            del self._blanks[0]
            self._shift -= 1
        return self._renumbered(found)

    def end(self) -> list[LogEntry | BadLine]:
        """The last rows."""
        self._lines = None
        found = self._renumbered(self._run_on())
        self._thread.join()
        return found

    def _renumbered(self, found: list[LogEntry | BadLine]) -> list[LogEntry | BadLine]:
        return [
            one._replace(line=one.line + self._shift - bisect_left(self._blanks, one.line))
            for one in found
            if one.line > self._known
        ]

    def _hand_over(self, lines: list[str]) -> list[LogEntry | BadLine]:
        if self._ended:
            return []
        self._lines = lines
        self._fed += len(lines)
        return self._run_on()

    def _run_on(self) -> list[LogEntry | BadLine]:
        if not self._ended:
            self._given.release()
            self._wanted.acquire()
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
        found, self._found = self._found, []
        return found

    def _run(self) -> None:
        try:
            for one in self._parse(self._pulled()):
                self._found.append(one)
        except BaseException as error:  # noqa: BLE001  raised again where somebody waits
            self._failed = error
        self._ended = True
        self._wanted.release()

    def _pulled(self) -> Iterator[str]:
        self._given.acquire()
        while self._lines is not None:
            yield from self._lines
            self._wanted.release()
            self._given.acquire()
