"""How far two captures' clocks are apart, from packets that both recorded.

A packet takes time from one place to the other: of those that go there the offset is smaller than it seems, of those that
come back larger. So the two directions bound it, as rows of a log bound that of a log (`logs.clock`).
"""

from collections.abc import Sequence
from statistics import median
from typing import Any, Generic, NamedTuple, TypeVar

from rpcdiag.compare.pieces import Piece
from rpcdiag.compare.result import Offset
from rpcdiag.compare.segments import Segment
from rpcdiag.compare.talks import MASK, Same, kind

LONG_NS = 10_000_000_000  # shorter recordings tell nothing of a drift
OUTLIER_NS = 500_000_000  # from the median: a repeat that was taken for its original
MAX_PAIRS = 50_000
NOTICED_NS = 1_000_000  # of drift, over the whole recording
_Table = dict[object, Segment | None]
NONE = Offset(None, None, None, 0, 0.0, 0)


One = TypeVar("One", Segment, Piece)


class Pair(NamedTuple, Generic[One]):
    """One packet at both places, from the client (0) or the server (1)."""

    first: One
    second: One
    side: int


def certain(same: Same) -> list[Pair[Segment]]:
    """Packets of a conversation that can only be one another: what tells them stands once at either place."""
    found: list[Pair[Segment]] = []
    for side in (0, 1):
        began = bases(same, side)
        tables: tuple[tuple[_Table, _Table], ...] = (({}, {}), ({}, {}))  # with the IP id, and without
        for place, talk in enumerate((same.first, same.second)):
            for one in talk.sent[side]:
                plain = kind(one), (one.sequence - began[place]) & MASK, one.size, one.flags
                for table, key in ((tables[0], (*plain, one.ip_id)), (tables[1], plain)):
                    table[place][key] = None if key in table[place] else one
        for table in tables if any(one.ip_id for one in same.first.sent[side]) else tables[1:]:
            pairs = [
                Pair(one, other, side)
                for key, one in table[0].items()
                if one is not None and (other := table[1].get(key)) is not None
            ]
            if pairs:
                found += pairs
                break
    return found


def bases(same: Same, side: int) -> tuple[int, int]:
    """The numbers that this side began with at either place; both 0 where one of them is not known."""
    one, other = ((talk.answer_isn if side else talk.isn) for talk in (same.first, same.second))
    return (0, 0) if one is None or other is None else (one, other)


def offset(pairs: Sequence[Pair[Any]]) -> Offset:
    """The offset that the packets agree on."""
    if not pairs:
        return NONE
    pairs = pairs[:MAX_PAIRS]
    gaps = [one.second.time_ns - one.first.time_ns for one in pairs]
    about = round(median(gaps))
    kept = [one for one, gap in zip(pairs, gaps, strict=True) if abs(gap - about) <= OUTLIER_NS] or list(pairs)
    drift, at = _drift(kept)
    straight = Offset(0, None, None, 0, drift, at)
    sides: tuple[list[int], list[int]] = ([], [])
    for one in kept:
        sides[one.side].append(one.second.time_ns - straight.there(one.first.time_ns))
    every = sides[0] + sides[1]
    low, middle, high = min(every), round(median(every)), max(every)
    if sides[0] and sides[1]:
        going, coming = sorted(sides, key=median, reverse=True)  # what goes from first to second looks later
        if max(coming) <= min(going):
            low, high = max(coming), min(going)
            middle = (low + high) // 2  # as far from one as from the other
    one_way = not sides[0] or not sides[1]  # what they take is not known
    return Offset(middle, None if one_way else low, None if one_way else high, len(kept), drift, at)


def _drift(pairs: Sequence[Pair[Any]]) -> tuple[float, int]:
    """How fast the offset grows, in millionths, and the time that it is told for."""
    ordered = sorted(pairs, key=lambda one: one.first.time_ns)
    third = len(ordered) // 3
    if third < 2 or ordered[-1].first.time_ns - ordered[0].first.time_ns < LONG_NS:
        return 0.0, ordered[0].first.time_ns
    ends = []
    for part in (ordered[:third], ordered[-third:]):
        gaps = []
        for side in (0, 1):  # the two directions look different: each is compared with itself
            some = [one.second.time_ns - one.first.time_ns for one in part if one.side == side]
            gaps.append(median(some) if some else None)
        ends.append((median(one.first.time_ns for one in part), gaps))
    (early, before), (late, after) = ends
    grown = [there - here for here, there in zip(before, after, strict=True) if here is not None and there is not None]
    if not grown or late - early < LONG_NS // 2:
        return 0.0, ordered[0].first.time_ns
    by = sum(grown) / len(grown)
    return (by / (late - early) * 1e6 if abs(by) >= NOTICED_NS else 0.0), round(early)
