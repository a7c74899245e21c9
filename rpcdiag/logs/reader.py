"""A log file to entries: opened, decoded, its format told by content."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

from rpcdiag import plugins
from rpcdiag.errors import InputError, UnknownFormat
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat

HEAD = 64 * 1024
MAX_LINE = 64 * 1024
MAX_BAD = 20
ALL_UP_TO = 200_000  # entries; after that only those that can matter are kept


class LogFile(NamedTuple):
    """What a log file says. `bad` holds the first unreadable lines, `bad_count` their number."""

    path: str
    format: str
    entries: tuple[LogEntry, ...]
    bad: tuple[BadLine, ...]
    bad_count: int
    notes: tuple[str, ...]


def read(path: str) -> LogFile:
    """Read one log.

    Raises:
        InputError: missing, empty, a directory, not readable.
        UnknownFormat: no format takes it; holds the reason of each.
    """
    encoding, head = _head(path)
    chosen = _recognise(path, head)
    entries: list[LogEntry] = []
    bad: list[BadLine] = []
    bad_count = left_out = 0
    notes = []
    try:
        with _open(path) as stream:
            for one in chosen.parse(_lines(stream, encoding)):
                if isinstance(one, BadLine):
                    bad_count += 1
                    if len(bad) < MAX_BAD:
                        bad.append(one)
                elif len(entries) < ALL_UP_TO or one.drops or one.action == "lost":
                    entries.append(one)
                else:
                    left_out += 1
    except (OSError, EOFError) as error:
        notes.append(f"could not be read to its end: {error}")
    if left_out:
        notes.append(f"{left_out} rows that are no drops were counted and not kept: the log is large")
    lost = sum(entry.lost for entry in entries)
    if lost:
        notes.append(f"the firewall says that it lost {lost} rows: a missing row proves nothing")
    return LogFile(path, chosen.name, tuple(entries), tuple(bad), bad_count, tuple(notes))


def with_rotated(paths: Sequence[str]) -> list[str]:
    """The logs, each followed by the `.old` that rotation has left beside it, unless that is named anyway."""
    found = []
    for path in dict.fromkeys(paths):
        found.append(path)
        old = path + ".old"
        if old not in paths and os.path.isfile(old):
            found.append(old)
    return found


def _recognise(path: str, head: str) -> LogFormat:
    reasons = []
    for one in plugins.discover("rpcdiag.logs.formats", "FORMAT"):
        why = one.why_not(head)
        if why is None:
            found: LogFormat = one
            return found
        reasons.append(why)
    raise UnknownFormat(path, tuple(reasons), "line 1")


def _open(path: str) -> IO[bytes]:
    """The file, unpacked where it is compressed.

    Raises:
        InputError: it cannot be opened.
    """
    try:
        if os.path.isdir(path):
            raise InputError(path, "is a directory")
        stream = open(path, "rb")  # noqa: SIM115  the caller closes it
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from None
    if stream.peek(2)[:2] == b"\x1f\x8b":
        import gzip

        stream.close()
        return gzip.open(path)  # type: ignore[return-value]
    return stream


def _head(path: str) -> tuple[str, str]:
    """The encoding, and the first 64 KiB as text."""
    with _open(path) as stream:
        try:
            raw = stream.read(HEAD)
        except (OSError, EOFError) as error:
            raise InputError(path, f"cannot be read: {error}", "byte 0") from None
    if not raw.strip(b"\x00\r\n\t "):
        raise InputError(path, "is empty", "byte 0")
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if raw.startswith(mark):
            return encoding, raw[len(mark) :].decode(encoding, "replace")
    return "utf-8", raw.lstrip(b"\x00").decode("utf-8", "replace")


def _lines(stream: IO[bytes], encoding: str) -> Iterator[str]:
    """Lines as text, byte-order mark and excess length cut off."""
    if encoding.startswith("utf-16"):
        import codecs

        text: Iterable[str] = codecs.iterdecode(iter(lambda: stream.read(HEAD), b""), encoding, "replace")
        yield from _split(text)
        return
    for number, raw in enumerate(iter(lambda: stream.readline(MAX_LINE), b"")):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 0 else raw
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            yield line.decode("latin-1")


def _split(pieces: Iterable[str]) -> Iterator[str]:
    held = ""
    for piece in pieces:
        held += piece.replace("\ufeff", "")
        *whole, held = held.split("\n")
        yield from whole
        held = held[:MAX_LINE]
    if held:
        yield held
