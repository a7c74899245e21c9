"""Bytes of a capture that is still being recorded: from interfaces, or through a pipe.

Reading never waits for long: where nothing comes, `readinto` says so, and whoever reads can look at the clock.
"""

import os
import select
import stat
import sys
from collections.abc import Callable
from typing import Protocol

from rpcdiag.capture.first import FirstPackets
from rpcdiag.errors import InputError

TICK_MS = 200
PIECE = 1 << 20  # bytes that are taken off the sockets at once: after a long look as few as ever, or memory would grow
_PEEK = 64


class LiveSource(Protocol):
    """What a reader of captures asks for.

    `clocked`: times of packets are of this machine's clock. `idle`: nothing came when it was asked last.
    """

    compression: str | None
    head: bytes
    clocked: bool
    idle: bool
    stopped: bool  # set it, and the stream ends soon

    def readinto(self, room: memoryview) -> int | None:
        """Bytes put into `room`; 0 at the end, None where nothing came for a while."""

    def also(self, tap: Callable[[bytes], None]) -> None:
        """Give what follows after `head` to one more tap."""

    def close(self) -> None: ...


class Interfaces:
    """The stream of packet sockets, until somebody says stop, or `first` have passed by.

    `tap` is given every whole piece with packets before it is read.
    """

    clocked = True

    def __init__(
        self, read: Callable[[int, int], bytes], tap: Callable[[bytes], None] | None = None,
        first: FirstPackets | None = None,
    ) -> None:  # fmt: skip
        self._read, self._tap, self._first = read, tap, first
        self.compression: str | None = None
        self.stopped = self.idle = False
        self._pending = memoryview(b"")
        self.head = read(PIECE, TICK_MS)
        if first is not None:
            first.of(self.head)
        self._pending = memoryview(self.head)

    def _more(self) -> bytes:
        data = self._read(PIECE, TICK_MS)
        if self._first is not None:
            data = data[: self._first.of(data)]
            self.stopped = self.stopped or self._first.reached
        if data and self._tap is not None:
            self._tap(data)
        return data

    def readinto(self, room: memoryview) -> int | None:
        if not self._pending:
            if self.stopped:
                return 0
            self._pending = memoryview(self._more())
            self.idle = not self._pending
            if self.idle:
                return None
        count = min(len(room), len(self._pending))
        room[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    def also(self, tap: Callable[[bytes], None]) -> None:
        self._tap = _both(self._tap, tap)

    def close(self) -> None: ...


def _both(one: Callable[[bytes], None] | None, other: Callable[[bytes], None]) -> Callable[[bytes], None]:
    if one is None:
        return other
    first = one

    def tap(data: bytes) -> None:
        first(data)
        other(data)

    return tap


class Pipe:
    """A pipe, or a file that somebody still writes into; `-` is standard input.

    Raises:
        InputError: it cannot be opened, or ends before anything came.
    """

    clocked = False

    def __init__(
        self, path: str, tap: Callable[[bytes], None] | None = None, first: FirstPackets | None = None
    ) -> None:
        self.compression: str | None = None
        self.stopped = self.idle = False
        self._path, self._tap, self._first = path, tap, first
        try:
            self._file = sys.stdin.fileno() if path == "-" else os.open(path, os.O_RDONLY)
        except OSError as error:
            raise InputError(path, error.strerror or str(error)) from None
        if stat.S_ISDIR(os.fstat(self._file).st_mode):
            raise InputError(path, "is a directory")
        self.head = b""
        while len(self.head) < _PEEK:
            data = os.read(self._file, 1 << 16)
            if not data:
                break
            self.head += data
        if not self.head:
            raise InputError(path, "is empty", "byte 0")
        self._pending = self.head[: self._belongs(self.head)]
        if tap is not None:
            tap(self._pending)

    def _belongs(self, data: bytes | memoryview) -> int:
        """How many of these bytes are wanted; tells that it was the last packet."""
        if self._first is None:
            return len(data)
        count = self._first.of(data)
        self.stopped = self.stopped or self._first.reached
        return count

    def readinto(self, room: memoryview) -> int | None:
        if self._pending:
            count = min(len(room), len(self._pending))
            room[:count] = self._pending[:count]
            self._pending = self._pending[count:]
            return count
        if self.stopped:
            return 0
        self.idle = not select.select([self._file], [], [], TICK_MS / 1000)[0]
        if self.idle:
            return None
        count = os.readv(self._file, [room])
        count = self._belongs(room[:count])
        if count and self._tap is not None:
            self._tap(bytes(room[:count]))
        return count

    def also(self, tap: Callable[[bytes], None]) -> None:
        self._tap = _both(self._tap, tap)

    def close(self) -> None:
        if self._path != "-":
            os.close(self._file)
