"""Events of hosts by number and time: for rules that a host's own word proves."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rpcdiag.case import Case
from rpcdiag.diagnose.once import once
from rpcdiag.model.evidence import Logged

if TYPE_CHECKING:  # loaded only where there is a log
    from rpcdiag.logs.host import Statement

CLOSE_NS = 10_000_000_000  # an event comes this much before or after what it is about at most
MAX_SHOWN = 4
MAX_LINES = 8


class HostEvents:
    """What hosts state, on the clock of the captures; what is written by a clock that is not known is left out."""

    def __init__(self, case: Case) -> None:
        self._by_number: dict[int, list[tuple[int, Statement]]] = {}
        for one in case.statements:
            offset_ns = case.logs[one.log].clock.offset_ns
            if one.written_ns is not None and offset_ns is not None:
                self._by_number.setdefault(one.event, []).append((one.written_ns - offset_ns, one))
        for several in self._by_number.values():
            several.sort(key=_when)

    @staticmethod
    @once
    def of(case: Case) -> "HostEvents":
        """The one that all rules ask."""
        return HostEvents(case)

    def between(self, numbers: Iterable[int], first_ns: int, last_ns: int) -> list["Statement"]:
        """Those written from one time to the other, by whomever."""
        found = []
        for number in sorted(numbers):
            known = self._by_number.get(number, [])
            begin, end = bisect_left(known, first_ns, key=_when), bisect_right(known, last_ns, key=_when)
            found += [one for _, one in known[begin:end]]
        return found


def _when(one: tuple[int, "Statement"]) -> int:
    return one[0]


def as_evidence(found: Sequence["Statement"]) -> tuple[Logged, ...]:
    """Events that say the same become one piece."""
    lines: dict[tuple[int, str], list[int]] = {}
    for one in found:
        lines.setdefault((one.log, f"event {one.event}: {one.says}"), []).append(one.line)
    return tuple(Logged(says, log, tuple(those[:MAX_LINES])) for (log, says), those in lines.items())[:MAX_SHOWN]
