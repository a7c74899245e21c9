"""What was seen, kept as pcapng files that are valid at every moment: one, or a ring of them."""

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from rpcdiag.capture.packet_socket import blocks


class Ring(NamedTuple):
    """When a file is full, and how many are kept; zero: no limit."""

    size: int = 0  # bytes
    seconds: float = 0
    packets: int = 0
    files: int = 0

    @property
    def several(self) -> bool:
        return bool(self.size or self.seconds or self.packets)


class Keeper:
    """Writes whole blocks. Where the disk is full it stops, says so once, and the analysis goes on.

    `heading`: section and interface blocks, with which every file begins.
    """

    def __init__(self, path: str, heading: bytes, ring: Ring, say: Callable[[str], None]) -> None:
        self._path, self._heading, self._ring, self._say = path, heading, ring, say
        self._names: deque[str] = deque()
        self._number = self._packets = self._size = 0
        self._opened = 0.0
        self._stream: int | None = None
        self.stopped: str | None = None
        self.files = 0
        self.written = 0
        self._open()

    def _open(self) -> None:
        """Raises OSError where the first file cannot be made."""
        path = self._path
        if self._ring.several:
            self._number += 1
            stem, dot, suffix = path.rpartition(".")
            stamp = time.strftime("%Y%m%d%H%M%S")
            path = f"{stem or suffix}_{self._number:05}_{stamp}{dot + suffix if dot and stem else ''}"
        self._stream = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        self.files += 1
        self._names.append(path)
        while self._ring.files and len(self._names) > self._ring.files:
            _remove(self._names.popleft())
        self._packets, self._size, self._opened = 0, 0, time.monotonic()
        self._put(self._heading)

    def __call__(self, data: bytes) -> None:
        """Keep these blocks: packets of the stream, one or many."""
        if self._stream is None:
            return
        try:
            if not self._ring.several:
                self._put(data)
                return
            for block in blocks(data):
                if self._full(len(block)):
                    os.close(self._stream)
                    self._open()
                self._put(block)
                self._packets += 1
        except OSError as error:
            self._stop(error)

    def _full(self, more: int) -> bool:
        ring = self._ring
        return bool(
            (ring.size and self._packets and self._size + more > ring.size)
            or (ring.packets and self._packets >= ring.packets)
            or (ring.seconds and time.monotonic() - self._opened >= ring.seconds)
        )

    def _put(self, data: bytes) -> None:
        """All of it, or what was written of it is taken back: the file stays valid."""
        assert self._stream is not None  # an invariant, not input
        view, start = memoryview(data), self._size
        try:
            while view:
                count = os.write(self._stream, view)
                view = view[count:]
                self._size += count
        except OSError:
            os.ftruncate(self._stream, start)
            self._size = start
            raise
        self.written += len(data)

    def _stop(self, error: OSError) -> None:
        self.stopped = error.strerror or str(error)
        self._say(f"{self._names[-1]}: {self.stopped}: nothing more is written, the analysis goes on")
        if self._stream is not None:
            os.close(self._stream)
            self._stream = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that are there now, the oldest first."""
        return tuple(self._names)

    def close(self, ending: bytes = b"") -> None:
        """Add the last blocks and close."""
        if self._stream is None:
            return
        try:
            self._put(ending)
        except OSError as error:
            self._stop(error)
            return
        os.close(self._stream)
        self._stream = None


def _remove(path: str) -> None:
    with suppress(OSError):
        os.remove(path)  # noqa: PTH107  everything here is by descriptor and name
