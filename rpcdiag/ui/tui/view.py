"""Between the capture's thread and the screen: takes what is known, makes snapshots, keeps what a slice is cut from."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from rpcdiag.analysis import Diagnosis
from rpcdiag.capture.live import LiveSource
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.intake import Reading
from rpcdiag.live.keep import Keeper
from rpcdiag.live.recent import Recent, Slice, cut_files
from rpcdiag.live.turns import Turn
from rpcdiag.model.evidence import Severity
from rpcdiag.model.packets import Address
from rpcdiag.remedies.advise import Remedies
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.report.names import clean
from rpcdiag.ui.tui.snapshot import (
    MAX_CASES,
    Counters,
    Snapshot,
    Timeline,
    by_urgency,
    case_rows,
    endpoints,
    line,
)

MAX_ADVISED = 200  # findings of one look that get their remedies; of more, those at the end
RATE_OVER_S = 3.0
MOST_MESSAGES = 100

_Rate = deque[tuple[float, int]]


@dataclass(slots=True)
class View:
    """`latest` is replaced as a whole, so whoever reads it needs no lock. `what` is watched; `keeper` writes `-w`."""

    what: str
    latest: Snapshot | None = None
    source: LiveSource | None = None
    keeper: Keeper | None = None
    recent: Recent = field(default_factory=Recent)
    messages: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_MESSAGES))
    said: int = 0
    finished: threading.Event = field(default_factory=threading.Event)
    _timeline: Timeline = field(default_factory=Timeline)
    _counters: Counters = field(default_factory=Counters)
    _rate: _Rate = field(default_factory=lambda: deque(maxlen=64))
    _remedies: dict[tuple[object, ...], tuple[Remedy, ...]] = field(default_factory=dict)

    def complain(self, text: object) -> None:
        """What would go to standard error: shown in the last line, told again afterwards."""
        self.messages.append(clean(str(text)))
        self.said += 1

    def watch(self, source: LiveSource, keeper: Keeper | None) -> None:
        """Where the bytes come from; from now on the latest of them are kept."""
        self.source, self.keeper = source, keeper
        self.recent(source.head)
        source.also(self.recent)

    # what `live` tells whoever prints

    def start(self, what: str) -> None: ...

    def turns(self, turns: list[Turn]) -> None:
        self._timeline.add(line(turn) for turn in turns if turn.logged is None)  # rows of logs come by themselves

    def stats(self, packets: int, loss: dict[str, tuple[int, int]]) -> None:
        self._counters = self._counters._replace(dropped=sum(dropped for _, dropped in loss.values()))

    def known(
        self, case: Case, findings: tuple[Finding, ...], now_ns: int, name: Callable[[Address, Address], str],
        reading: Reading | None = None,
    ) -> None:  # fmt: skip
        """What is known at this look; without a `reading` it is the last one."""
        packets = sum(one.packets for one in case.captures)
        self._counters = self._counters._replace(
            packets=packets, evicted=case.accounting.evicted_flows, rate=self._packets_a_second(packets),
            kept=self.recent.size,
        )  # fmt: skip
        if reading is not None:
            self._counters = self._counters._replace(flows=reading.flows, pdus=reading.pdus)
        else:
            self._counters = self._counters._replace(rate=0.0)
            if not self._counters.flows:  # nobody looked before the end
                pdus = sum(one.rpc.pdus for one in case.flows if one.rpc)
                self._counters = self._counters._replace(flows=len(case.flows), pdus=pdus)
        if case.logs:
            self._timeline.add_logs(case, name)
        rows = sorted(case_rows(case, findings, self._timeline.last, name, now_ns), key=by_urgency)
        self._timeline.forget({row.name for row in rows})
        self.latest = Snapshot(
            case, findings, self._advised(case, findings), tuple(rows[:MAX_CASES]), max(0, len(rows) - MAX_CASES),
            self._timeline.lines(), tuple(endpoints(case)), self._counters, now_ns,
            "" if reading is None else None,
        )  # fmt: skip

    def _packets_a_second(self, packets: int) -> float:
        now = time.monotonic()
        self._rate.append((now, packets))
        while len(self._rate) > 2 and now - self._rate[0][0] > RATE_OVER_S:
            self._rate.popleft()
        began, before = self._rate[0]
        return (packets - before) / (now - began) if now - began > 0.1 else 0.0

    def _advised(self, case: Case, findings: tuple[Finding, ...]) -> dict[str, tuple[Remedy, ...]]:
        """Remedies by finding id; those of a finding that says the same as before are not made again."""
        shown = findings[:MAX_ADVISED]
        keys = {one.id: (one.rule, one.client, one.server, one.direction, one.subject) for one in shown}
        made = Remedies(case, [one for one in shown if keys[one.id] not in self._remedies])
        given = {one.id: made[one.id] if one.id in made else self._remedies[keys[one.id]] for one in shown}
        self._remedies = {keys[id]: remedies for id, remedies in given.items()}
        return given

    def end(self, diagnosis: Diagnosis, color: str) -> None:
        """The summary comes when the screen has been given back."""

    # what the screen asks for

    def stop(self) -> None:
        """End the capture soon."""
        if self.source is not None:
            self.source.stopped = True

    def cut(self, path: str, one: Address, other: Address) -> Slice:
        """Write the packets between two hosts: from the files of `-w`, or from what is in memory.

        Raises:
            OSError: the file exists already or cannot be written.
        """
        if self.keeper is not None and not self.keeper.stopped:
            return cut_files(self.keeper.paths, path, one, other)
        return self.recent.cut(path, one, other)

    def worst(self) -> str:
        """How many findings of which severity."""
        if self.latest is None:
            return "no findings"
        found = self.latest.findings
        counts = {severity: sum(one.severity is severity for one in found) for severity in Severity}
        said = [f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts.items() if count]
        return ", ".join(said) or "no findings"
