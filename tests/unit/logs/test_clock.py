"""The offset between two clocks, from rows cut off to whole seconds."""

from datetime import datetime
from math import floor
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.logs import clock
from rpcdiag.logs.clock import Bound

SECOND = 1_000_000_000
PAIRED = Path(__file__).resolve().parents[3].parent / "shared" / "reference" / "paired_datasets.tsv"
ZONE = -4 * 3600 * SECOND  # of all the paired sets


class Paired(NamedTuple):
    """A row of the table: a blocked connection, with one drop written for every SYN."""

    name: str
    written: list[int]
    times: list[int]
    mapper: int | None  # when the connection to the mapper began; its ALLOW was written in the second of the first drop
    residual: Bound  # of all connections of the file

    def bounds(self, shift: int = 0) -> list[Bound]:
        drops = clock.bound([at + shift for at in self.written], self.times, SECOND)
        return (
            [drops] if self.mapper is None else [drops, clock.bound([self.written[0] + shift], [self.mapper], SECOND)]
        )


def _paired() -> list[Paired]:
    if not PAIRED.exists():
        pytest.skip("the table of paired sets lies in ../shared, outside the repository")
    names, *rows = (line.split("\t") for line in PAIRED.read_text(encoding="utf-8").splitlines())
    return [_set(dict(zip(names, row, strict=False))) for row in rows]


def _ns(seconds: str) -> int:
    return round(float(seconds) * 1000) * 1_000_000


def _set(row: dict[str, str]) -> Paired:
    first = round(datetime.fromisoformat(row["syn_utc"]).timestamp() * 1000) * 1_000_000
    minute = (first + ZONE) // (60 * SECOND) * 60 * SECOND
    written: list[int] = []
    for seconds in row["event_local_seconds"].split(","):
        while written and minute + int(seconds) * SECOND < written[-1]:
            minute += 60 * SECOND
        written.append(minute + int(seconds) * SECOND)
    before = row["mapper_syn_before_s"]
    low, high = row["residual_offset_interval_s"].strip("[)").split(",")
    return Paired(
        row["name"], written, [first + _ns(one) for one in row["syn_offsets_s"].split(",")],
        first + _ns(before) if before.startswith("-") else None, Bound(_ns(low), _ns(high)),
    )  # fmt: skip


@pytest.mark.parametrize("shift", [0, 9017 * SECOND])  # 2 h 30 min 17 s
def test_what_the_paired_sets_allow_holds_the_offset_of_their_table(shift: int) -> None:
    by_file: dict[str, list[Bound]] = {}
    for one in _paired():
        bounds = by_file.setdefault(one.name, [])
        bounds += one.bounds(shift)
        allowed, depth = clock.densest(bounds)
        assert depth == len(bounds)  # paired by rank no two contradict each other
        low, high = allowed.low - ZONE - shift, allowed.high - ZONE - shift
        assert low <= one.residual.low + 2_000_000  # more events than the table names narrow some from below
        assert high >= one.residual.high - 2_000_000


@pytest.mark.parametrize("name", ["sc_query", "sharpsc_create", "sharpsc_query"])
def test_three_of_the_paired_sets_have_no_other_events(name: str) -> None:
    sets = [one for one in _paired() if one.name.startswith(f"covenant_{name}_")]
    allowed, _ = clock.densest([bound for one in sets for bound in one.bounds()])
    assert abs(allowed.low - ZONE - sets[0].residual.low) <= 2_000_000
    assert abs(allowed.high - ZONE - sets[0].residual.high) <= 2_000_000


@pytest.mark.parametrize(("shift", "offset"), [(0, ZONE), (9017 * SECOND, ZONE + 9017 * SECOND)])
def test_the_paired_sets_together_are_one_clock(shift: int, offset: int) -> None:
    bounds = [bound for one in _paired() for bound in one.bounds(shift)]
    found = clock.clustered(bounds, uptime=False)
    assert (found.basis, found.matches) == ("measured", len(bounds))
    assert found.offset_ns is not None
    assert abs(found.offset_ns - offset) <= found.spread_ns
    assert found.spread_ns < SECOND // 3


@given(
    st.integers(-50_000, 50_000),
    st.lists(st.floats(0, 5000), min_size=3, max_size=30, unique_by=lambda at: round(at, 3)),
)
def test_the_true_offset_is_always_inside(offset_s: int, starts: list[float]) -> None:
    bounds = []
    for start in starts:
        times = [round((start + later) * SECOND) for later in (0, 1.01, 3.02)]
        written = [floor((time + offset_s * SECOND) / SECOND) * SECOND for time in times]
        bounds.append(clock.bound(written, times, SECOND))
    found = clock.clustered(bounds, uptime=False)
    assert found.matches == len(starts)
    assert found.offset_ns is not None
    assert abs(found.offset_ns - offset_s * SECOND) <= SECOND


@pytest.mark.parametrize(
    ("written", "times", "pairs"),
    [
        ((0, 1, 3, 7), (0, 1, 3, 7), [(0, 0), (1, 1), (2, 2), (3, 3)]),
        ((0, 3, 7), (0, 1, 3, 7), [(0, 0), (1, 2), (2, 3)]),  # a row was lost
        ((0, 1, 3, 7, 15), (3, 7, 15), [(2, 0), (3, 1), (4, 2)]),  # the capture began late
    ],
)
def test_rows_go_with_syns_by_rank_or_by_the_gaps(
    written: tuple[int, ...], times: tuple[int, ...], pairs: list[tuple[int, int]]
) -> None:
    assert clock.align([one * SECOND for one in written], [one * SECOND for one in times], SECOND) == pairs


def test_one_row_of_three_syns_leaves_all_three_open() -> None:
    assert clock.bound([0], [0, 3 * SECOND, 9 * SECOND], SECOND) == Bound(-9 * SECOND, SECOND)


def test_an_offset_near_half_a_quarter_of_an_hour_is_one_hypothesis() -> None:
    bounds = [Bound(450 * SECOND + shift - SECOND // 2, 450 * SECOND + shift + SECOND // 2) for shift in (-9, 0, 9, 20)]
    assert clock.clustered(bounds, uptime=False).matches == 4


def test_many_that_agree_outweigh_one_that_is_exact_but_incomplete() -> None:
    agreeing = [Bound(0, SECOND)] * 10
    assert clock.measured([Bound(9 * SECOND, 10 * SECOND)], agreeing, uptime=False).offset_ns == 0
    assert (
        clock.measured([Bound(9 * SECOND, 10 * SECOND)], agreeing[:2], uptime=False).offset_ns
        == 9 * SECOND + SECOND // 2
    )


def test_a_log_that_says_utc_is_checked() -> None:
    assert clock.in_utc([]).basis == "utc"
    assert clock.in_utc([Bound(-SECOND, 0), Bound(0, SECOND), Bound(90 * SECOND, 91 * SECOND)]).offset_ns == 0
    off = clock.in_utc([Bound(90 * SECOND, 91 * SECOND)] * 3)
    assert (off.basis, off.matches) == ("measured", 3)
    assert clock.in_utc([Bound(90 * SECOND, 91 * SECOND)]).basis == "none"
