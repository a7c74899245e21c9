"""How far the reading has come, on a terminal: nothing for what takes no time."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rpcdiag.intake import Reading, Watch

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_S = 0.5  # before anything is shown: loading the drawing takes a tenth of a second
EVERY_S = 0.1


@contextmanager
def shown(paths: Sequence[str], wanted: bool | None = None) -> Iterator[Watch | None]:
    """Something to tell the reading to, where standard error is a terminal or it is `wanted`."""
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield None
        return
    bar = _Bar(sum(_size(path) for path in paths))
    try:
        yield bar.tell
    finally:
        bar.close()


class _Bar:
    """Draws at most ten times a second; compressed captures have no end that is known."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._began = time.monotonic()
        self._drawn = self._began + PATIENCE_S - EVERY_S
        self._latest: dict[str, Reading] = {}
        self._progress: Progress | None = None

    def tell(self, reading: Reading) -> None:
        self._latest[reading.path] = reading
        now = time.monotonic()
        if now - self._drawn < EVERY_S:
            return
        self._drawn = now
        if self._progress is None:
            self._progress = _progress(self._total)
        sums = list(self._latest.values())
        done = sum(one.bytes for one in sums)
        packets = sum(one.packets for one in sums)
        self._progress.update(
            self._progress.task_ids[0],
            completed=done,
            total=self._total if done <= self._total else None,
            packets=packets,
            rate=packets / max(now - self._began, 0.001),
            flows=sum(one.flows for one in sums),
            pdus=sum(one.pdus for one in sums),
            findings=_findings(sums),
        )

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def _progress(total: int) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    progress = Progress(
        BarColumn(bar_width=20),
        DownloadColumn(),
        TextColumn("{task.fields[packets]:,} packets ({task.fields[rate]:,.0f}/s)"),
        TextColumn("{task.fields[flows]:,} flows, {task.fields[pdus]:,} RPC PDUs{task.fields[findings]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    progress.add_task("", total=total or None, packets=0, rate=0.0, flows=0, pdus=0, findings="")
    progress.start()
    return progress


def _findings(readings: Sequence[Reading]) -> str:
    """How many there are so far, where somebody counted."""
    counted = [one.findings for one in readings if one.findings is not None]
    return f", {sum(counted)} finding{'' if sum(counted) == 1 else 's'} so far" if counted else ""


def _size(path: str) -> int:
    place = Path(path)
    return place.stat().st_size if path != "-" and place.is_file() else 0
