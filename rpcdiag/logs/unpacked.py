"""The bytes of a log: of a file, plain or packed, or of what a pipe has said."""

import io
import os
import shutil
import stat
import sys
import zlib
from typing import IO, Any, Final, cast

from rpcdiag.errors import InputError, said_of
from rpcdiag.logs.opening import open_log, why_not

GZIP: Final = b"\x1f\x8b"
_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\x00"
BROKEN = (OSError, EOFError, zlib.error)  # what reading a file, packed or not, can end in
_NO_LOG = (
    (b"MSCF", "is a cabinet: unpack it first (expand {path} -F:* .), and give what was in it"),
    (b"PK\x03\x04", "is a zip archive: unpack it first, and give what was in it"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it first, and give what was in it"),
    (b"Rar!\x1a\x07", "is a rar archive: unpack it first, and give what was in it"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd: unpack it first (zstd -d)"),
    *(
        (magic, "is a capture: name it without --log")
        for magic in (
            b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d",
        )
    ),
)  # fmt: skip


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is unpacked when it is read."""
    return head.startswith((GZIP, _BZIP2, _XZ))


def refuse(path: str, head: bytes) -> None:
    """Raises:
    InputError: a file that begins so holds no log that could be read here; says what to do with it.
    """
    for magic, says in _NO_LOG:
        if head.startswith(magic):
            raise InputError(path, says.format(path=path), "byte 0")


def is_pipe(path: str) -> bool:
    """Whether it says what it says once: standard input, a named pipe, what a shell puts in the place of `<(...)`."""
    return path == "-" or (os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode))  # noqa: PTH110, PTH116


class Source:
    """What a log is read from, as often as that is needed: a pipe speaks once, so what it said is kept meanwhile."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._copy: IO[bytes] | None = None

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        if self._copy is not None:
            self._copy.close()

    def open(self) -> IO[bytes]:
        """Its bytes from the beginning, unpacked where they are packed.

        Raises:
            InputError: it cannot be opened.
        """
        try:
            if os.path.isdir(self.path):
                raise InputError(self.path, "is a directory")
            stream = self._again() if self._copy is not None or is_pipe(self.path) else self._file()
        except FileNotFoundError:
            raise InputError(self.path, "no such file") from None
        except OSError as error:
            raise InputError(self.path, why_not(self.path, error)) from None
        except ValueError as error:  # a name with a NUL in it
            raise InputError(self.path, said_of(error)) from None
        try:
            head = stream.peek(8)[:8]
        except OSError as error:
            stream.close()
            raise InputError(self.path, error.strerror or str(error)) from None
        return _unpacked(stream, head)

    def _file(self) -> io.BufferedReader:
        return cast("io.BufferedReader", open_log(self.path))  # the caller closes it

    def _again(self) -> io.BufferedReader:
        """What the pipe has said, and what it still says where nobody has listened yet."""
        if self._copy is None:
            from tempfile import TemporaryFile

            self._copy = TemporaryFile()  # noqa: SIM115  closed at the end
            if self.path == "-":
                shutil.copyfileobj(sys.stdin.buffer, self._copy)
            else:
                with self._file() as pipe:
                    shutil.copyfileobj(pipe, self._copy)
        self._copy.seek(0)
        return os.fdopen(os.dup(self._copy.fileno()), "rb")


def _unpacked(stream: io.BufferedReader, head: bytes) -> IO[bytes]:
    """Closing it closes the file as well."""
    if head.startswith(GZIP):
        import gzip

        unpacked = gzip.GzipFile(fileobj=stream)
        unpacked.myfileobj = stream  # type: ignore[assignment]  # closed with it
        return unpacked  # type: ignore[return-value]  # a GzipFile is read like any other file
    if head.startswith(_XZ):
        return _unpacked_xz(stream)
    if head.startswith(_BZIP2):
        return _unpacked_bzip2(stream)
    return stream


def _unpacked_xz(stream: io.BufferedReader) -> IO[bytes]:
    import lzma

    plain = lzma.LZMAFile(stream)  # noqa: SIM115  closed below

    class Unpacked(io.RawIOBase):
        """Breaks with an error that others break with, too."""

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:  # noqa: ANN401  any buffer
            try:
                data = plain.read(len(buffer))
            except lzma.LZMAError as error:
                raise OSError(str(error)) from None
            buffer[: len(data)] = data
            return len(data)

        def seek(self, offset: int, whence: int = 0, /) -> int:
            return plain.seek(offset, whence)

        def close(self) -> None:
            plain.close()
            stream.close()
            super().close()

    return io.BufferedReader(Unpacked(), 1 << 16)


def _unpacked_bzip2(stream: io.BufferedReader) -> IO[bytes]:
    import bz2

    class Bzip2File(bz2.BZ2File):
        def close(self) -> None:
            super().close()
            stream.close()

    return cast("IO[bytes]", Bzip2File(stream))
