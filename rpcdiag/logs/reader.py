"""A log file to entries: opened, decoded, its format told by content."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, NamedTuple

from rpcdiag import plugins
from rpcdiag.errors import InputError, UnknownFormat
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.unpacked import BROKEN, Source, refuse

HEAD = 64 * 1024
MAX_LINE = 64 * 1024
MAX_BAD = 20
ALL_UP_TO = 20_000  # entries; after that only those are kept that can concern the captures
MAX_KEPT = 200_000
FOR_SURE = 50_000  # of these for rows that have the very ports of a connection, or are about a port or a host
MAX_UNREAD = 1_000_000  # lines that are shown to the other formats of a file
MAX_WORDS = 65_536  # distinct texts of a large log that are held once
_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))


Wanted = Callable[[LogEntry], int]  # 0: no; 1: it may concern the captures; 2: it does, as far as a row can tell


class Kind(NamedTuple):
    """How many rows of one kind there are, and when the first and the last were written."""

    rows: int
    first_ns: int
    last_ns: int


class LogFile(NamedTuple):
    """What a log file says. `bad` holds the first unreadable lines, `bad_count` their number.

    Of a large log `entries` are those that can concern the captures, and the first ones; `rows` and `drops` count all,
    `kinds` what was logged when: by action and direction. Not `whole`: even rows that do concern them were too many.
    """

    path: str
    format: str
    entries: tuple[LogEntry, ...]
    bad: tuple[BadLine, ...]
    bad_count: int
    notes: tuple[str, ...]
    counts: str = "line"  # what the numbers of entries count
    left_out: int = 0  # rows that are counted and not kept
    left_out_drops: int = 0
    kinds: dict[tuple[str, str], Kind] = {}  # noqa: RUF012 (a named tuple's default; nobody writes to it)
    whole: bool = True
    cut: str = ""  # why it could not be read to its end

    @property
    def rows(self) -> int:
        return len(self.entries) + self.left_out

    @property
    def drops(self) -> int:
        return sum(entry.drops for entry in self.entries) + self.left_out_drops


class _Kept:
    """Entries and bad lines, as many of them as fit."""

    def __init__(self, wanted: Wanted | None) -> None:
        self.entries: list[LogEntry] = []
        self.bad: list[BadLine] = []
        self.bad_count = 0
        self.left_out = self.left_out_drops = self.lost = 0
        self.full = False  # rows were left out that may concern the captures
        self.whole = True
        self.unread: set[int] | None = None  # numbers of all bad lines, where they may be of another format
        self._words: dict[str, str] = {}
        self._wanted = wanted or _with_tcp
        self._kinds: dict[tuple[str, str], list[int]] = {}

    def add(self, one: LogEntry | BadLine) -> None:
        if isinstance(one, BadLine):
            self.bad_count += 1
            if self.unread is not None and len(self.unread) < MAX_UNREAD:
                self.unread.add(one.line)
            if len(self.bad) < MAX_BAD:
                self.bad.append(one)
            return
        self._count(one)
        kept = len(self.entries)
        if kept < ALL_UP_TO:
            self.entries.append(one)
            return
        wanted = self._wanted(one)
        if wanted and kept < (MAX_KEPT if wanted > 1 else MAX_KEPT - FOR_SURE):
            self.entries.append(self._compact(one))
            return
        self.full = self.full or bool(wanted)
        self.whole = self.whole and wanted <= 1
        self.left_out += 1
        self.left_out_drops += one.drops

    def _compact(self, one: LogEntry) -> LogEntry:
        """Texts that many rows share are held once."""
        words = self._words
        room = len(words) < MAX_WORDS
        return LogEntry._make(
            (words.setdefault(value, value) if room else words.get(value, value)) if type(value) is str else value
            for value in one
        )

    def _count(self, one: LogEntry) -> None:
        self.lost += one.lost
        at = one.written_ns
        if at is None:
            return
        kind = self._kinds.get((one.action, one.path))
        if kind is None:
            self._kinds[one.action, one.path] = [1, at, at]
            return
        kind[0] += 1
        if at < kind[1]:
            kind[1] = at
        elif at > kind[2]:
            kind[2] = at

    def kinds(self) -> dict[tuple[str, str], Kind]:
        return {name: Kind(*kind) for name, kind in self._kinds.items()}


def _with_tcp(entry: LogEntry) -> bool:
    return entry.protocol == "tcp" or entry.action == "lost" or entry.event is not None


def read(path: str, wanted: Wanted | None = None, mapped: LogFormat | None = None) -> LogFile:
    """Read one log; of a large one what is `wanted`. A format that the user has described, `mapped`, comes first.

    Raises:
        InputError: missing, empty, a directory, not readable.
        UnknownFormat: no format takes it; holds the reason of each.
        MissingPiece: the package that reads this format is not installed.
    """
    with Source(path) as source:
        encoding, head = _head(source)
        return _read(source, _recognise(path, head, mapped), encoding, _Kept(wanted))


def read_all(path: str, wanted: Wanted | None = None, mapped: LogFormat | None = None) -> tuple[LogFile, ...]:
    """The same of a file into which several devices may have written: one log for each format that its lines have.

    What syslog collects is often such a file. What the first format cannot read is shown to the others that know lines
    near the beginning of the file.

    Raises:
        InputError, UnknownFormat, MissingPiece: as `read`.
    """
    with Source(path) as source:
        return _read_all(source, wanted, mapped)


def _read_all(source: Source, wanted: Wanted | None, mapped: LogFormat | None) -> tuple[LogFile, ...]:
    path = source.path
    encoding, head = _head(source)
    chosen = _recognise(path, head, mapped)
    kept = _Kept(wanted)
    others = _others(chosen, head) if chosen.whole_lines and chosen.parse_file is None else []
    kept.unread = set() if others else None
    first = _read(source, chosen, encoding, kept)
    parts = []
    for other in others if kept.unread else ():
        part = _read(source, other, encoding, _Part(wanted, kept.unread or set()))
        if part.rows:
            parts.append(part._replace(notes=(f"lines of {path} that are no {chosen.name}", *part.notes)))
    if not parts or kept.unread is None:
        return (first,)
    names = ", ".join(f"{part.format} ({part.rows} rows)" for part in parts)
    bad = tuple(one for one in first.bad if one.line in kept.unread)
    read_by_others = first.bad_count - (sum(part.rows for part in parts))
    notes = (*first.notes, f"the file holds lines of other formats as well: {names}")
    return first._replace(bad=bad, bad_count=max(len(bad), read_by_others), notes=notes), *parts


def _read(source: Source, chosen: LogFormat, encoding: str, kept: _Kept) -> LogFile:
    path = source.path
    notes = _notes_of_rotation(path)
    cut = ""
    try:
        with source.open() as stream:
            for one in _parsed(chosen, stream, encoding, kept):
                kept.add(one)
    except BROKEN as error:
        cut = f"could not be read to its end: {error}"
        notes.append(cut)
    if kept.left_out:
        notes.append(
            f"{kept.left_out} rows were counted and not kept: the log is large, and they concern no host of the captures"
            + (f", or come after the first {len(kept.entries)} that may" if kept.full else "")
        )
    if kept.lost:
        notes.append(f"the firewall says that it lost {kept.lost} rows: a missing row proves nothing")
    return LogFile(
        path, chosen.name, tuple(kept.entries), tuple(kept.bad), kept.bad_count, tuple(notes), chosen.counts,
        kept.left_out, kept.left_out_drops, kept.kinds(), kept.whole, cut,
    )  # fmt: skip


class _Part(_Kept):
    """Of the lines that the format of the file could not read those that another one can."""

    def __init__(self, wanted: Wanted | None, unread: set[int]) -> None:
        super().__init__(wanted)
        self._left = unread

    def add(self, one: LogEntry | BadLine) -> None:
        if isinstance(one, LogEntry) and one.line in self._left:
            self._left.remove(one.line)
            super().add(one)


def _others(chosen: LogFormat, head: str) -> list[LogFormat]:
    """Formats of single lines, other than the file's own, that know some at its beginning."""
    known: list[LogFormat] = plugins.discover("rpcdiag.logs.formats", "FORMAT")
    lines = [one for one in known if one.name != chosen.name and one.whole_lines and one.parse_file is None]
    return [one for one in lines if one.why_not(head) is None]


def _parsed(chosen: LogFormat, stream: IO[bytes], encoding: str, kept: _Kept) -> Iterator[LogEntry | BadLine]:
    if chosen.parse_file is not None:
        return chosen.parse_file(stream)
    return chosen.parse(_lines(stream, encoding, kept) if chosen.whole_lines else _pieces(stream, encoding))


def format_of(path: str) -> str | None:
    """The name of the format that takes the beginning of a file, where one does."""
    try:
        with Source(path) as source:
            return _recognise(path, _head(source)[1], None).name
    except InputError:
        return None


def with_rotated(paths: Sequence[str]) -> list[str]:
    """The logs, each preceded by the `.old` that rotation has left beside it, unless that is named anyway."""
    found = []
    for path in dict.fromkeys(paths):
        old = path + ".old"
        if old not in paths and os.path.isfile(old) and os.path.getsize(old):  # noqa: PTH202  no pathlib here
            found.append(old)
        found.append(path)
    return found


def _notes_of_rotation(path: str) -> list[str]:
    successor = path.removesuffix(".old")
    if successor == path or not os.path.isfile(successor):
        return []
    return [f"the rotated part of {successor}, beside which it was found: its rows are the older ones"]


def _recognise(path: str, head: str, mapped: LogFormat | None) -> LogFormat:
    reasons = []
    known = plugins.discover("rpcdiag.logs.formats", "FORMAT")
    if mapped is not None:
        known = [mapped, *(one for one in known if one.name != mapped.name)]
    for one in known:
        why = one.why_not(head)
        if why is None:
            found: LogFormat = one
            return found
        reasons.append(why)
    raise UnknownFormat(path, tuple(reasons), "line 1")


def _head(source: Source) -> tuple[str, str]:
    """The encoding, and the first 64 KiB as text; NUL bytes that a crash has left in front do not count."""
    path, raw = source.path, b""
    with source.open() as stream:
        try:
            while len(raw) < HEAD and (piece := stream.read(HEAD)):
                raw = (raw + piece).lstrip(b"\x00")
        except BROKEN as error:
            raw = raw or _beginning(source)
            if not raw:
                raise InputError(path, f"cannot be read: {error}", "byte 0") from None
    raw = raw[:HEAD]
    if not raw.strip(b"\x00\r\n\t "):
        raise InputError(path, "is empty", "byte 0")
    refuse(path, raw)
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding, raw[len(mark) :].decode(encoding, "replace")
    return "utf-8", raw.decode("utf-8", "replace").replace("\x00", "")


def _beginning(source: Source) -> bytes:
    """What can be unpacked of a packed file that is cut or broken."""
    raw = b""
    with source.open() as stream:
        try:
            while len(raw) < HEAD and (piece := stream.read(512)):
                raw = (raw + piece).lstrip(b"\x00")
        except BROKEN:
            pass
    return raw


def _lines(stream: IO[bytes], encoding: str, kept: _Kept) -> Iterator[str]:
    """Every line as text, one each, so that parsers can count them; one that is too long is empty and told as bad."""
    pieces = _split_wide(stream, encoding) if encoding.startswith("utf-16") else _split(stream)
    for number, line in enumerate(pieces, start=1):
        if line is None:
            kept.add(BadLine(number, f"longer than {MAX_LINE // 1024} KiB"))
        yield line or ""


def _pieces(stream: IO[bytes], encoding: str) -> Iterator[str]:
    """The text in pieces, where lines mean nothing; without its byte-order mark."""
    import codecs

    first = True
    for piece in codecs.iterdecode(iter(lambda: stream.read(HEAD), b""), encoding, "replace"):
        yield piece.removeprefix("\ufeff") if first else piece
        first = False


def _split(stream: IO[bytes]) -> Iterator[str | None]:
    """Lines of a file whose line ends are single bytes; None for one that is too long. NUL bytes are padding."""
    first = True
    while raw := stream.readline(MAX_LINE):
        line: bytes | None = raw.replace(b"\x00", b"") if b"\x00" in raw else raw
        while len(raw) == MAX_LINE and not raw.endswith(b"\n"):
            raw = stream.readline(MAX_LINE)
            line = None if line is None else line + raw.replace(b"\x00", b"")
            if line is not None and len(line) > MAX_LINE:
                line = None
        if line is None:
            yield None
            continue
        if first:
            line, first = line.removeprefix(b"\xef\xbb\xbf"), False
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            yield line.decode("latin-1")


def _split_wide(stream: IO[bytes], encoding: str) -> Iterator[str | None]:
    """The same for UTF-16."""
    import codecs

    text: Iterable[str] = codecs.iterdecode(iter(lambda: stream.read(HEAD), b""), encoding, "replace")
    held, too_long = "", False
    for piece in text:
        held += piece.replace("\ufeff", "").replace("\x00", "")
        *whole, held = held.split("\n")
        for line in whole:
            yield None if too_long or len(line) > MAX_LINE else line
            too_long = False
        if len(held) > MAX_LINE:
            held, too_long = "", True
    if too_long or held:
        yield None if too_long else held
