"""Where bytes come from: a file, a compressed file or standard input, told by content."""

import os
import sys
from typing import Any

from rpcdiag.errors import CorruptInput, InputError, MissingPiece, RpcdiagError

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_XZ = b"\xfd7zXZ\x00"
_PEEK = 64
_STEP = 64 * 1024


class Source:
    """A forward-only stream of bytes with a look at its beginning.

    Raises:
        InputError: there is nothing that could be read.
        MissingPiece: the package that decompresses it is not installed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.compression: str | None = None
        self._late: Exception | None = None  # met after bytes that had to be handed on first
        self._raw = self._open(path)
        try:
            head = _fill(self._raw, _PEEK)
            if not head:
                raise InputError(path, "is empty", "byte 0")
            self._stream, self._head = self._decompressed(self._raw, head)
        except OSError as error:
            self.close()
            raise InputError(path, error.strerror or str(error)) from None
        except RpcdiagError:
            self.close()
            raise
        self.head = self._head

    @staticmethod
    def _open(path: str) -> Any:  # noqa: ANN401  one of several file types that share `read`
        if path == "-":
            return sys.stdin.buffer
        try:
            if os.path.isdir(path):
                raise InputError(path, "is a directory")
            return open(path, "rb", buffering=0)
        except FileNotFoundError:
            raise InputError(path, "no such file") from None
        except OSError as error:
            raise InputError(path, error.strerror or str(error)) from None

    def _decompressed(self, raw: Any, head: bytes) -> tuple[Any, bytes]:  # noqa: ANN401  as above
        joined = _Joined(head, raw)
        stream: Any
        if head.startswith(_GZIP):
            import gzip

            self.compression, stream = "gzip", gzip.GzipFile(fileobj=joined)  # type: ignore[call-overload]  # only read() is called
        elif head.startswith(_XZ):
            import lzma

            self.compression = "xz"
            stream = lzma.LZMAFile(joined)  # type: ignore[arg-type]  # noqa: SIM115  only read() is called; close() closes it
        elif head.startswith(_ZSTD):
            try:
                import zstandard
            except ImportError:
                raise MissingPiece(f"{self.path} is compressed with zstd", "pip install zstandard") from None
            self.compression = "zstd"
            stream = zstandard.ZstdDecompressor().stream_reader(joined, read_across_frames=True)  # type: ignore[arg-type]  # only read() is called
        else:
            return raw, head
        try:
            head = _fill(stream, _PEEK)
        except Exception as error:  # noqa: BLE001  every decompressor has its own kinds of error
            raise CorruptInput(self.path, f"{self.compression} stream is damaged: {error}", "byte 0") from None
        if not head:
            raise InputError(self.path, f"holds nothing inside its {self.compression} compression", "byte 0")
        return stream, head

    def readinto(self, room: memoryview) -> int:
        """Bytes put into `room`, 0 at the end.

        Raises:
            CorruptInput: the compressed stream is cut or damaged here.
        """
        if self._head:
            count = min(len(self._head), len(room))
            room[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        try:
            if self.compression is None and self.path != "-":
                count = self._stream.readinto(room)
                return int(count or 0)
            return self._read_steps(room)
        except Exception as error:  # noqa: BLE001  every decompressor has its own kinds of error
            what = f"{self.compression} stream is damaged or cut" if self.compression else "cannot be read further"
            raise CorruptInput(self.path, f"{what}: {error}") from None

    def _read_steps(self, room: memoryview) -> int:
        """In steps: a stream that is cut raises, and what the step before it gave must not be lost."""
        if self._late is not None:
            raise self._late
        count = 0
        live = self.path == "-" and self.compression is None
        read = self._stream.read1 if live else self._stream.read  # a pipe gives what it has
        while count < len(room):
            try:
                data = read(min(_STEP, len(room) - count))
            except Exception as error:
                if not count:
                    raise
                self._late = error
                break
            if not data:
                break
            room[count : count + len(data)] = data
            count += len(data)
            if live:
                break
        return count

    def close(self) -> None:
        """Give the file back; standard input stays open."""
        if self.path != "-":
            self._raw.close()


class _Joined:
    """What was peeked, then the rest: as much of a file object as the decompressors ask for."""

    def __init__(self, head: bytes, rest: Any) -> None:  # noqa: ANN401  as above
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            data: bytes = self._rest.read(size)
            return data
        head = self._head if size < 0 else self._head[:size]
        self._head = self._head[len(head) :]
        return head

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    @property
    def closed(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing: the Source closes the file."""


def _fill(stream: Any, count: int) -> bytes:  # noqa: ANN401  as above
    """The first `count` bytes, fewer only at the end of the stream: a pipe gives what it has."""
    data = b""
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            break
        data += more
    return data
