"""A capture block by block, in turn with the pass or ahead of it.

Reading and decompressing leave the interpreter alone, and so does the compiled pass: where there is a second core, a
thread that reads ahead costs the pass no time.
"""

import threading
from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.capture.source import Source

if TYPE_CHECKING:  # loaded only where a capture is still being recorded
    from rpcdiag.capture.live import LiveSource

BLOCK = 1024 * 1024  # larger is no faster, half of it costs 10 %
_ROOMS = 3  # one is walked, one waits, one is being filled
_HEAD = 64 * 1024  # before each, for what the pass left of the one before


class Block(NamedTuple):
    """Bytes `room[at:end]` to be walked; they are valid until the next block is asked for."""

    room: bytearray
    at: int
    end: int


class InTurn:
    """Each block is read when it is asked for, into the same room."""

    def __init__(self, source: "Source | LiveSource") -> None:
        self._source = source
        self._room = bytearray(BLOCK)

    def next(self, left: bytes) -> Block | None:
        """What was left of the block before, and what follows; nothing follows at the end. None: nothing has come yet.

        Raises:
            CorruptInput: the file cannot be read further; everything before that place has been returned.
        """
        held, room = len(left), self._room
        if held == len(room):
            room.extend(bytes(held))
        room[:held] = left
        with memoryview(room) as view, view[held:] as free:
            count = self._source.readinto(free)
        return None if count is None else Block(room, 0, held + count)

    def close(self) -> None:
        """Give the file back."""
        self._source.close()


class Ahead:
    """A thread reads the next blocks while one is walked. As long as it lives, nobody else reads the source."""

    def __init__(self, source: Source) -> None:
        from queue import SimpleQueue

        self._source = source
        self._empty: SimpleQueue[bytearray | None] = SimpleQueue()
        self._filled: SimpleQueue[tuple[bytearray, int] | BaseException] = SimpleQueue()
        self._walked: bytearray | None = None
        self._stop = False
        for _ in range(_ROOMS):
            self._empty.put(bytearray(_HEAD + BLOCK))
        self._thread = threading.Thread(target=self._read, name="reads ahead", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop and (room := self._empty.get()) is not None:
            try:
                with memoryview(room) as view, view[_HEAD:] as free:
                    count = self._source.readinto(free)
            except BaseException as error:  # noqa: BLE001  whatever it is, it is raised to whoever asks for the block
                self._filled.put(error)
                return
            self._filled.put((room, count))
            if not count:
                return

    def next(self, left: bytes) -> Block:
        """As `InTurn.next`."""
        filled = self._filled.get()
        if isinstance(filled, BaseException):
            self._filled.put(filled)  # for who asks again
            raise filled
        room, count = filled
        if self._walked is not None:
            self._empty.put(self._walked)
        self._walked = room
        if len(left) > _HEAD:
            with memoryview(room) as view:
                joined = bytearray(b"".join((left, view[_HEAD : _HEAD + count])))
            return Block(joined, 0, len(joined))
        at = _HEAD - len(left)
        room[at:_HEAD] = left
        return Block(room, at, _HEAD + count)

    def close(self) -> None:
        """Give the file back, when the thread has done with it."""
        self._stop = True
        self._empty.put(None)
        self._thread.join()
        self._source.close()
