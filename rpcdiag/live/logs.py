"""Logs beside a capture that is still recorded: what was appended since one looked last, and of it what can matter."""

from collections import deque
from collections.abc import Callable, Sequence

from rpcdiag.errors import InputError, RpcdiagError
from rpcdiag.logs.entry import BadLine, LogEntry
from rpcdiag.logs.follow import Followed, FollowedFile
from rpcdiag.logs.reader import MAX_BAD, LogFile, Wanted

MOST_KEPT = 20_000  # rows of a log that concern the capture; the latest
MOST_FRESH = 5_000  # rows that do not yet: their packets may still be on their way to us
MOST_POLLS = 8  # of one look, a MiB each
Say = Callable[[str], None]


class LogsBeside:
    """Read on at every look. With `from_start` all of a log is read, else what comes from now on."""

    def __init__(self, paths: Sequence[str], say: Say, *, from_start: bool) -> None:
        self._say = say
        self._logs: list[_Kept] = []
        for path in dict.fromkeys(paths):
            try:
                self._logs.append(_Kept(FollowedFile(path, say, from_start=from_start, at_end=not from_start)))
            except InputError as error:
                say(str(error))

    def files(self, wanted: Wanted) -> list[LogFile]:
        """The logs with the rows that are `wanted`; of one that cannot be read that is said, once, and it is left out."""
        files = []
        for log in list(self._logs):
            try:
                files.append(log.file(wanted))
            except RpcdiagError as error:
                self._say(str(error))
                self._logs.remove(log)
                log.followed.finish()
        return files

    def close(self) -> None:
        for log in self._logs:
            log.followed.finish()


class _Kept:
    """Rows of one log, in the order in which they came."""

    def __init__(self, followed: Followed) -> None:
        self.followed = followed
        self._kept: deque[tuple[int, LogEntry]] = deque(maxlen=MOST_KEPT)
        self._fresh: deque[tuple[int, LogEntry]] = deque(maxlen=MOST_FRESH)
        self._bad: list[BadLine] = []
        self._bad_count = self._count = self._drops = 0

    def file(self, wanted: Wanted) -> LogFile:
        late = [one for one in self._fresh if wanted(one[1])]
        if late:  # they came before some that are kept already
            self._fresh = deque((one for one in self._fresh if not wanted(one[1])), maxlen=MOST_FRESH)
            self._kept = deque(sorted([*self._kept, *late], key=lambda one: one[0]), maxlen=MOST_KEPT)
        for _ in range(MOST_POLLS):
            for one in self.followed.poll():
                self._add(one, wanted)
            if not self.followed.behind:
                break
        entries = tuple(entry for _, entry in self._kept)
        left_out, dropped = self._count - len(entries), self._drops - sum(entry.drops for entry in entries)
        return LogFile(
            self.followed.path, self.followed.format or "unknown", entries, tuple(self._bad), self._bad_count, (),
            left_out=left_out, left_out_drops=dropped,
        )  # fmt: skip

    def _add(self, one: LogEntry | BadLine, wanted: Wanted) -> None:
        if isinstance(one, BadLine):
            self._bad_count += 1
            if len(self._bad) < MAX_BAD:
                self._bad.append(one)
            return
        self._count += 1
        self._drops += one.drops
        (self._kept if wanted(one) else self._fresh).append((self._count, one))
