"""Which form of the pass reads a capture: interpreted while that is quicker, compiled where it is at hand.

Loading the compiled pass takes as long as interpreting half a MB or more. Where it is not in the cache yet and the
capture is large, a process aside builds it; the capture at hand is begun without it, and goes on with it as soon as it is there.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from rpcdiag.capture.reader import CaptureReader
from rpcdiag.errors import MissingPiece
from rpcdiag.sweep import cache
from rpcdiag.sweep.engine import MAX_FLOWS, Sweep
from rpcdiag.sweep.machine import look_again, machine

AUTO, PYTHON, COMPILED = "auto", "python", "compiled"
WORTH_LOADING = 1 << 20  # bytes
WORTH_BUILDING = 4 << 20
LOOK_EVERY = 64 << 20


class Engine:
    """The choice for one run.

    Raises:
        MissingPiece: the compiled pass was asked for and is not there.
    """

    def __init__(self, wish: str = AUTO, *, max_flows: int = MAX_FLOWS, jobs: int = 0) -> None:
        self.total = 0
        self.several = False
        self.endless = False  # a capture that is still being recorded
        self.jobs = jobs or _cores()
        self._wish = wish
        self._max_flows = max_flows
        self._building = False
        if wish == COMPILED and machine() is None:
            raise MissingPiece(
                "the compiled pass is not in the cache", "pip install 'rpcdiag[fast]', then rpcdiag warm"
            )

    def prepare(self, paths: Sequence[str]) -> None:
        """Told what will be read."""
        self.total = sum(_size(path) for path in paths)
        self.several = len(paths) > 1
        if self._wish == AUTO and self.total >= WORTH_BUILDING:
            self._build(machine() is None)

    @property
    def compiled(self) -> bool:
        """Whether the compiled pass is what captures are begun with."""
        if self._wish == AUTO and self.endless:
            return machine() is not None
        if self._wish == AUTO:
            return self.total >= WORTH_LOADING and machine() is not None
        return self._wish == COMPILED

    def sweep(self, path: str) -> Sweep:
        """The pass over the capture at `path`."""
        return Sweep(self._max_flows, machine() if self.compiled else None)

    def reads_ahead(self, path: str) -> bool:
        """Whether a thread may read the capture while the pass goes on: it is the only one, and no pipe that waits."""
        return self.compiled and not self.several and self.jobs > 1 and path != "-"

    def interpreted(self) -> "Engine":
        """The same without the compiled pass."""
        return Engine(PYTHON, max_flows=self._max_flows, jobs=self.jobs)

    def watch(self, reader: CaptureReader) -> Callable[[int], None] | None:
        """Told how many bytes were read, goes over to the compiled pass when that is worth it and possible."""
        if self._wish != AUTO or reader.sweep.compiled:
            return None
        next_look = WORTH_BUILDING

        def look(read: int) -> None:
            nonlocal next_look
            if read < next_look or reader.sweep.compiled:
                return
            next_look = read + LOOK_EVERY
            code = look_again()
            self._build(code is None)
            if code is not None:
                reader.sweep.adopt(code)

        return look

    def _build(self, wanted: bool) -> None:
        if wanted and not self._building:
            self._building = True
            cache.build_aside()


def _cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(path: str) -> int:
    return Path(path).stat().st_size if os.path.isfile(path) else 0
