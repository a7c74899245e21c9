"""Logs that are still written: what is appended, through rotation, truncation and late creation.

Nothing here waits or looks at a clock: whoever follows calls `poll` as often as it likes. A file that was replaced is
read to its end first; its successor is read from the start by a parser of its own.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from typing import IO, Protocol

from rpcdiag import plugins
from rpcdiag.errors import InputError, UnknownFormat
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.lines import Lines, decoded, encoding_of
from rpcdiag.logs.opening import open_log, why_not
from rpcdiag.logs.opening import status as status_of
from rpcdiag.logs.pushed import Pushed
from rpcdiag.logs.reader import HEAD, read
from rpcdiag.logs.unpacked import is_packed

CHUNK = 1 << 20  # bytes of one poll
WINDOW = 4 << 20  # of a larger file only so much of its end is read for the last rows
IDLE_POLLS = 5  # without anything new, after which a row of several lines is taken to be whole
MAX_PREAMBLE = 64  # lines of a header
MAX_ENTRIES = 20_000  # names in a folder among which a renamed file is looked for
HOLDS = os.name != "nt"  # Windows cannot rename a file that somebody holds open
_TAIL = 64  # bytes before the place of reading, by which a file is known to be the same
_PREALLOCATED = bytes(2)  # more than the last character of UTF-16 ends in
Say = Callable[[str], None]
Found = list[LogEntry | BadLine]


class Followed(Protocol):
    """`behind`: there is more to be had at once. `ended`: nothing will follow. `piped`: it ends when its writer does."""

    path: str
    piped: bool
    behind: bool
    ended: bool

    @property
    def format(self) -> str | None:
        """Name of its format, once that is known."""

    def poll(self) -> Found:
        """What has come since it was asked last."""

    def finish(self) -> Found:
        """The last rows, where nobody will ask again; a line without an end counts as one."""


class _Part:
    """One life of a file, from its beginning to the next rotation; its format is told as soon as its lines tell it."""

    def __init__(self, path: str, formats: Sequence[LogFormat], former: LogFormat | None, say: Say) -> None:
        self._path, self._formats, self._former, self._say = path, formats, former, say
        self.format: LogFormat | None = None
        self._raw = bytearray()  # until the format is known
        self._lines: Lines | None = None
        self._pushed: Pushed | None = None
        self._idle = 0
        self._deaf = False  # nobody knows its format

    def begin(self, format: LogFormat, encoding: str, preamble: Sequence[str] = (), skipped: int = 0) -> None:
        """Parse what is fed from now on; the arguments are those of `Pushed`."""
        self.format = format
        self._lines = Lines(encoding, pieces=not format.whole_lines)
        self._pushed = Pushed(format.parse, preamble, skipped)

    def feed(self, data: bytes, *, whole: bool = False) -> Found:
        """What these bytes bring.

        Raises:
            UnknownFormat: `whole` says that this is all there is to tell the format by, and nobody knows it.
        """
        self._idle = 0
        if self._deaf:
            return []
        if self._lines is None or self._pushed is None:
            self._raw += data
            return self._begun(whole=whole)
        return self._parsed(self._lines.feed(data))

    def _begun(self, *, whole: bool) -> Found:
        raw = bytes(self._raw).lstrip(b"\x00")
        encoding, mark = encoding_of(raw)
        head = decoded(raw[mark:HEAD], encoding)
        if not head.strip() or not (whole or "\n" in head):
            return []
        enough = len(raw) >= HEAD or _has_rows(head)
        candidates = [self._former, *self._formats] if self._former is not None else self._formats
        reasons = []
        for one in candidates:
            why = one.why_not(head)
            if why is None:
                return self._begin_with(one, encoding, raw[mark:])
            reasons.append(why)
        if self._former is not None and enough:
            return self._begin_with(self._former, encoding, raw[mark:])
        if whole:
            raise UnknownFormat(self._path, tuple(reasons), "line 1")
        if len(raw) >= HEAD:
            self._say(str(UnknownFormat(self._path, tuple(reasons), "line 1")))
            self._deaf = True
            self._raw.clear()
        return []

    def _begin_with(self, format: LogFormat, encoding: str, raw: bytes) -> Found:
        self._raw.clear()
        self.begin(format, encoding)
        return self.feed(raw)

    def _parsed(self, lines: list[str]) -> Found:
        if self._lines is None or self._pushed is None:
            return []
        found = self._pushed.feed(lines)
        if self._lines.too_long:
            self._say(f"{self._path}: {self._lines.too_long} lines are longer than {HEAD // 1024} KiB and left out")
            self._lines.too_long = 0
        return found

    def idle(self) -> Found:
        """Nothing new was there."""
        self._idle += 1
        if self._pushed is None or self.format is None or not self.format.whole_lines or self._idle != IDLE_POLLS:
            return []
        return self._pushed.nothing_follows()

    def end(self) -> Found:
        if self._lines is None or self._pushed is None:
            return []
        found = self._parsed(self._lines.flush())
        return found + self._pushed.end()


def _has_rows(head: str) -> bool:
    """Whether there is more than the beginning of a header."""
    return any(not line.startswith("#") for line in head.split("\n")[:-1] if line.strip())


def _formats(mapped: LogFormat | None) -> tuple[LogFormat, ...]:
    """All formats; one that the user has described comes first."""
    known = plugins.discover("rpcdiag.logs.formats", "FORMAT")
    return tuple(known) if mapped is None else (mapped, *(one for one in known if one.name != mapped.name))


class FollowedFile:
    """A file by its name. With `from_start` all of it is read, else of a large one the last `WINDOW` bytes.

    Raises:
        InputError: it is a directory; with `once` also: it cannot be opened.
    """

    piped = False

    def __init__(
        self, path: str, say: Say, *, from_start: bool = False, at_end: bool = False, once: bool = False,
        window: int = WINDOW, holds: bool = HOLDS, mapped: LogFormat | None = None,
    ) -> None:  # fmt: skip
        if os.path.isdir(path):
            raise InputError(path, "is a directory")
        self.path, self._say, self._once, self._holds = path, say, once, holds
        self._window = 0 if at_end else window
        self._from_start = from_start
        self._formats = _formats(mapped)
        self._mapped = mapped
        self._file: IO[bytes] | None = None
        self._identity: tuple[int, int] | None = None
        self._at = 0
        self._tail = b""
        self._part: _Part | None = None
        self._first = True  # nothing was ever read
        self._missing: str | None = None  # what was said of it
        self.behind = self.ended = False

    @property
    def format(self) -> str | None:
        return self._part.format.name if self._part is not None and self._part.format is not None else None

    def poll(self) -> Found:
        """What has come since it was asked last.

        Raises:
            UnknownFormat: it was there from the beginning, and nobody knows its format.
            InputError: with `once`, it cannot be read.
        """
        self.behind = False
        if self.ended:
            return []
        try:
            return self._polled()
        except OSError as error:
            if self._once:
                raise InputError(self.path, why_not(self.path, error)) from None
            self._is_missing(error)
            self._close()
            return []
        finally:
            if not self._holds:
                self._close()

    def finish(self) -> Found:
        self.ended = True
        self._close()
        part, self._part = self._part, None
        return part.end() if part is not None else []

    def _polled(self) -> Found:
        if self._part is None:
            return self._begun() if self._opened() else []
        if self._file is None and not self._reopened():
            return self._renamed() + self._moved()
        found = self._appended()
        if found is not None:
            return found
        if self._replaced():
            rest = self._appended() or []  # what was written between the two looks
            self.behind = True
            return rest + self._moved()
        return self._part.idle()

    def _opened(self) -> bool:
        try:
            self._file = open_log(self.path, buffering=0)  # held until it is replaced
        except OSError as error:
            if self._once:
                raise
            self._is_missing(error)
            return False
        status = os.fstat(self._file.fileno())
        self._identity = status.st_dev, status.st_ino
        if self._missing is not None:
            self._say(f"{self.path}: is there now")
            self._missing = None
        return True

    def _is_missing(self, error: OSError) -> None:
        why = "no such file" if isinstance(error, FileNotFoundError) else why_not(self.path, error)
        if self._missing != why:
            self._missing = why
            self._say(f"{self.path}: {why}; waiting for it")
        self._first = self._first and not isinstance(error, FileNotFoundError)  # what is created later is all new

    def _begun(self) -> Found:
        """Begin with an open file."""
        assert self._file is not None  # an invariant, not input
        head = self._read(0, HEAD)
        if not head.strip(b"\x00\r\n\t \xff\xfe"):
            if self._once:
                raise InputError(self.path, "is empty", "byte 0")
            self._new_part(None)  # the format will show
            return []
        first, self._first = self._first, False
        if not first:
            self._new_part(None)
            return self._appended() or []
        if is_packed(head):
            return self._whole()
        head = head.lstrip(b"\x00")
        encoding, mark = encoding_of(head)
        if not self._once and not _has_rows(decoded(head[mark:], encoding)):
            self._new_part(None)
            return self._appended() or []
        known = self._known(decoded(head[mark:], encoding))
        if known.parse_file is not None:
            return self._whole()
        self._new_part(None)
        self._begin_near_the_end(known, decoded(head[mark:], encoding), encoding, mark)
        return self._appended() or []

    def _new_part(self, former: LogFormat | None) -> None:
        self._part = _Part(self.path, self._formats, former, self._say)
        self._at, self._tail = 0, b""

    def _known(self, head: str) -> LogFormat:
        reasons = []
        for one in self._formats:
            why = one.why_not(head)
            if why is None:
                return one
            reasons.append(why)
        raise UnknownFormat(self.path, tuple(reasons), "line 1")

    def _whole(self) -> Found:
        """A file that cannot be followed: packed, or binary."""
        log = read(self.path, mapped=self._mapped)
        self.ended = True
        self._close()
        if not self._once:
            self._say(f"{self.path}: is packed or binary: it is read once and not followed")
        return [*log.bad, *log.entries]

    def _begin_near_the_end(self, known: LogFormat, head: str, encoding: str, mark: int) -> None:
        assert self._file is not None  # invariants, not input
        assert self._part is not None
        size = os.fstat(self._file.fileno()).st_size
        if self._from_start or size <= self._window or not known.whole_lines:
            self._at = mark
            self._part.begin(known, encoding)
            return
        width = 2 if encoding.startswith("utf-16") else 1
        self._at, lines, last_fields = self._place(mark, max(mark, size - self._window), encoding, width)
        self._part.begin(known, encoding, _preamble(head, last_fields), lines)

    def _place(self, mark: int, near: int, encoding: str, width: int) -> tuple[int, int, str | None]:
        """The first line that begins at `near` or after: where, how many lines precede it, the last `#Fields` of them."""
        feed = "\n".encode(encoding)
        fields = "\n#Fields:".encode(encoding)
        at, count, last = mark, 0, -1
        near -= (near - mark) % width
        carried = b""
        while at < near:
            data = self._read(at, min(CHUNK, near - at))
            if not data:
                break
            count += data.count(feed)
            place = (carried + data).rfind(fields)
            if place >= 0:
                last = at - len(carried) + place + width
            carried = data[-len(fields) :]
            at += len(data)
        data = self._read(at, 2 * HEAD)
        end = data.find(feed)
        if self._read(at - width, width) != feed and end >= 0:
            at, count = at + end + width, count + 1
        said = decoded(self._read(last, HEAD), encoding).split("\n", 1)[0] if last >= 0 else None
        return at, count, said

    def _read(self, at: int, count: int) -> bytes:
        assert self._file is not None  # an invariant, not input
        self._file.seek(at)
        data = bytearray()
        while len(data) < count and (more := self._file.read(count - len(data))):
            data += more
        return bytes(data)

    def _appended(self) -> Found | None:
        """What was appended, None where nothing was."""
        if self._file is None or self._part is None:
            return None
        size = os.fstat(self._file.fileno()).st_size
        if size < self._at or (
            size > self._at and self._read(self._at - len(self._tail), len(self._tail)) != self._tail
        ):
            self._say(f"{self.path}: was truncated; read from its beginning")
            rest = self._ended_part()
            return rest + (self._appended() or [])
        if size == self._at:
            return None
        data = self._read(self._at, CHUNK)
        if len(data) < CHUNK and data.endswith(_PREALLOCATED):  # room that will be written into
            data = data.rstrip(b"\x00")
            if not data:
                return None
        self._at += len(data)
        self._tail = (self._tail + data)[-_TAIL:]
        self.behind = self._at < size
        whole = self._once and not self.behind
        return self._part.feed(data, whole=whole)

    def _ended_part(self) -> Found:
        """End this life of the file, and begin the next."""
        assert self._part is not None  # an invariant, not input
        former = self._part.format
        rest = self._part.end()
        self._new_part(former)
        return rest

    def _replaced(self) -> bool:
        """Whether the name now stands for another file."""
        try:
            status = status_of(self.path)
        except OSError as error:
            if not self._once:
                self._is_missing(error)
            return False
        if self._missing is not None and (status.st_dev, status.st_ino) == self._identity:
            self._missing = None
        return (status.st_dev, status.st_ino) != self._identity

    def _moved(self) -> Found:
        """Leave this file, follow what now has its name."""
        self._close()
        rest = self._ended_part()
        self._say(f"{self.path}: was replaced; following the new file")
        self._missing = None
        if self._opened():
            rest += self._appended() or []
        else:
            self._identity = None
        return rest

    def _reopened(self) -> bool:
        """Where files are not held open: this one again, or its successor where it could not be opened before."""
        self._file = open_log(self.path, buffering=0)  # closed after this poll, or held
        status = os.fstat(self._file.fileno())
        identity = status.st_dev, status.st_ino
        if self._identity not in (None, identity):
            self._close()
            return False
        self._identity, self._missing = identity, None
        return True

    def _renamed(self) -> Found:
        """What was appended to a file that was not held open, before it was renamed within its folder."""
        with os.scandir(os.path.dirname(self.path) or ".") as entries:  # noqa: PTH120
            for entry in islice(entries, MAX_ENTRIES):
                if entry.is_file(follow_symlinks=False):
                    status = os.stat(entry.path)  # noqa: PTH116  what scandir knows has no inode on Windows
                    if (status.st_dev, status.st_ino) == self._identity:
                        self._file = open(entry.path, "rb", buffering=0)  # noqa: SIM115  closed by the caller
                        return self._appended() or []
        return []

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _preamble(head: str, last_fields: str | None) -> list[str]:
    """The lines of a file's beginning that a parser has to know that begins later: what looks like a header."""
    lines = [line for line in head.split("\n")[:-1] if line.strip()]
    kept = [line for place, line in enumerate(lines) if line.startswith("#") or place == 0][:MAX_PREAMBLE]
    if last_fields is not None:
        kept.append(last_fields)
    return [f"{line}\n" for line in kept]


class FollowedStream:
    """A pipe: `read` gives the bytes it has, none at its end, None where there are none now."""

    piped = True

    def __init__(self, path: str, read: Callable[[], bytes | None], say: Say, mapped: LogFormat | None = None) -> None:
        self.path, self._get = path, read
        self._part = _Part(path, _formats(mapped), None, say)
        self._came = False
        self.behind = self.ended = False

    @property
    def format(self) -> str | None:
        return self._part.format.name if self._part.format is not None else None

    def poll(self) -> Found:
        """What has come since it was asked last.

        Raises:
            InputError: it has ended, and nothing or nothing known was in it.
        """
        if self.ended:
            return []
        data = self._get()
        self.behind = bool(data)
        if data is None:
            return self._part.idle()
        if data:
            self._came = True
            return self._part.feed(data)
        self.ended = True
        if not self._came:
            raise InputError(self.path, "is empty", "byte 0")
        return self._part.feed(b"", whole=True) + self._part.end()

    def finish(self) -> Found:
        if self.ended:
            return []
        self.ended = True
        return self._part.end()


def through_pipe(path: str, say: Say, mapped: LogFormat | None = None) -> FollowedStream:
    """What comes through a pipe, or standard input (`-`), on every system: a thread reads ahead a little."""
    ahead: queue.Queue[bytes] = queue.Queue(maxsize=16)

    def fetch() -> None:
        data = b"-"
        try:
            pipe = sys.stdin.fileno() if path == "-" else os.open(path, os.O_RDONLY)  # waits for whoever writes to it
        except OSError as error:
            say(f"{path}: {error.strerror or error}")
            ahead.put(b"")
            return
        while data:
            try:
                data = os.read(pipe, HEAD)
            except OSError:
                data = b""
            ahead.put(data)

    def taken() -> bytes | None:
        try:
            return ahead.get_nowait()
        except queue.Empty:
            return None

    threading.Thread(target=fetch, daemon=True).start()
    return FollowedStream(path, taken, say, mapped)
