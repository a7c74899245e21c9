"""Looks at what is known while a capture is recorded: often enough, and no oftener than that costs little."""

import time
from collections.abc import Callable

from rpcdiag.analysis import so_far
from rpcdiag.capture.live import LiveSource
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.intake import Reading
from rpcdiag.live.logs import LogsBeside

MOST_OFTEN_S = 0.4
LEAST_OFTEN_S = 1.6  # so that a finding comes within two seconds of the packet that decides
COST_SHARE = 8  # looking takes at most one part in so many of the time, while the bound above allows
LARGEST_SHARE = 4  # and of a large state, for which it does not: one look takes half a second and more
BEHIND_NS = 300_000_000  # a packet reaches us within this time after it came

Look = Callable[[Case, tuple[Finding, ...], int, Reading], None]


class Watcher:
    """To be told of the reading; calls `look` with what is known, and the time until which is known."""

    def __init__(self, source: LiveSource, look: Look, logs: LogsBeside | None = None) -> None:
        self._source, self._look, self._logs = source, look, logs
        self._next = time.monotonic() + MOST_OFTEN_S
        self._until_ns = 0

    def __call__(self, reading: Reading) -> None:
        began = time.monotonic()
        if began < self._next or reading.so_far is None or reading.watched_until is None:
            return
        taken = reading.so_far()
        if self._source.clocked and taken.last_ns is not None:
            behind = time.time_ns() - BEHIND_NS if self._source.idle else taken.last_ns - BEHIND_NS
            reading.watched_until(behind)
            taken = reading.so_far()
        if taken.last_ns is not None:
            self._until_ns = taken.last_ns
            case, findings = so_far(taken, brief=True, logs=self._logs.files if self._logs is not None else None)
            self._look(case, findings, self._until_ns, reading)
        took = time.monotonic() - began
        pause = min(max(MOST_OFTEN_S, COST_SHARE * took), LEAST_OFTEN_S)
        self._next = began + took + max(pause, (LARGEST_SHARE - 1) * took)
