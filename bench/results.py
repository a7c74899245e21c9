"""What the runs gave: medians, ratios, and whether the goals are reached."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from bench.measure import Cost
from bench.programs import CAPINFOS, OURS, OURS_PCAPNG, OURS_PYTHON, PIPE, TSHARK
from bench.truth import Figures

MB = 1_000_000


class Contents(NamedTuple):
    """What a capture holds and what was found in it."""

    size: int
    files: int
    truth: Figures
    differences: tuple[str, ...] | None = None  # None: our program gave no document
    tshark_pdus: int | None = None


class Runs(NamedTuple):
    """All rounds of one program on one capture; of a slice of `slice` packets where it is given."""

    costs: tuple[Cost, ...]
    slice: int | None = None
    instructions: int | None = None

    @property
    def failed(self) -> Cost | None:
        return next((cost for cost in self.costs if cost.code), None)


class Median(NamedTuple):
    """Seconds, seconds, bytes; extrapolated ones are times for the whole capture."""

    wall: float
    cpu: float
    peak: float
    extrapolated: bool


class Goal(NamedTuple):
    """`value` is None where it was not measured."""

    text: str
    shown: str
    reached: bool | None


class Results:
    """Looked up by capture and program."""

    def __init__(self, contents: Mapping[str, Contents], runs: Mapping[tuple[str, str], Runs], scale: float) -> None:
        self.contents = contents
        self.runs = runs
        self.scale = scale

    def median(self, capture: str, program: str) -> Median | None:
        """The medians of all rounds; None where there are none, or one failed."""
        runs = self.runs.get((capture, program))
        if runs is None or runs.failed or not runs.costs:
            return None
        wall, cpu = median(cost.wall for cost in runs.costs), median(cost.cpu for cost in runs.costs)
        peak = median(cost.peak for cost in runs.costs)
        packets = self.contents[capture].truth["packets"]
        if runs.slice is None or runs.slice >= packets:
            return Median(wall, cpu, peak, extrapolated=False)
        start = self.median("small", program) if capture != "small" else None
        times = packets / runs.slice
        first_wall, first_cpu = (min(start.wall, wall), min(start.cpu, cpu)) if start else (0.0, 0.0)
        whole = first_wall + (wall - first_wall) * times, first_cpu + (cpu - first_cpu) * times
        return Median(*whole, peak, extrapolated=True)

    def ratio(self, capture: str, program: str, to: str) -> float | None:
        """How many times as long as another program one takes."""
        one, other = self.median(capture, program), self.median(capture, to)
        return one.wall / other.wall if one and other and other.wall else None

    def goals(self) -> list[Goal]:
        """Every goal; those whose figures are missing are neither reached nor missed."""
        return [
            self._at_least("needle", TSHARK, OURS, 40),
            self._at_least("needle", PIPE, OURS, 4),
            self._at_most("needle", OURS, CAPINFOS, 2.5),
            self._at_least("dense", TSHARK, OURS, 25),
            self._at_most("needle", OURS_PCAPNG, OURS, 1.2),
            self._at_most("dense", OURS_PCAPNG, OURS, 1.2),
            self._at_least("needle", TSHARK, OURS_PYTHON, 6),
            self._peak("needle", 200),
            self._growth("needle", "needle2", 1.15),
            self._peak("dense", 400),
            self._seconds("small", 0.25),
            self._at_most("small", OURS, TSHARK, 1),
            self._at_most("medium", OURS, TSHARK, 1),
            *(self._exact(capture) for capture in self.contents),
        ]

    def _at_least(self, capture: str, slower: str, faster: str, times: float) -> Goal:
        value = self.ratio(capture, slower, faster)
        text = f"{capture}: {faster} at least {times:g} times as fast as {slower}"
        return _goal(text, value, lambda one: one >= times, "{:.1f} times")

    def _at_most(self, capture: str, program: str, to: str, times: float) -> Goal:
        value = self.ratio(capture, program, to)
        text = f"{capture}: {program} takes at most {times:g} times as long as {to}"
        return _goal(text, value, lambda one: one <= times, "{:.2f} times")

    def _peak(self, capture: str, most: float) -> Goal:
        one = self.median(capture, OURS)
        value = one.peak / MB if one else None
        return _goal(f"{capture}: less than {most:g} MB of memory", value, lambda peak: peak < most, "{:.0f} MB")

    def _growth(self, capture: str, larger: str, times: float) -> Goal:
        one, other = self.median(capture, OURS), self.median(larger, OURS)
        value = other.peak / one.peak if one and other else None
        text = f"{larger}: at most {times:g} times the memory of {capture}"
        return _goal(text, value, lambda growth: growth <= times, "{:.2f} times")

    def _seconds(self, capture: str, most: float) -> Goal:
        one = self.median(capture, OURS)
        return _goal(
            f"{capture}: less than {most:g} s", one.wall if one else None, lambda wall: wall < most, "{:.3f} s"
        )

    def _exact(self, capture: str) -> Goal:
        found = self.contents[capture].differences
        shown = "not measured" if found is None else f"{len(found)} figures differ"
        return Goal(f"{capture}: everything found that was put in", shown, None if found is None else not found)


def _goal(text: str, value: float | None, reached: Callable[[float], bool], shown: str) -> Goal:
    if value is None:
        return Goal(text, "not measured", None)
    return Goal(text, shown.format(value), reached(value))


def order(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The wanted names in their usual order; all of them where none is wanted."""
    chosen = [name for name in names if name in wanted]
    return chosen or list(names)
