"""What became of every segment of one conversation between two places: arrived, lost, lost and repeated, made in between."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from rpcdiag.compare.clock import bases
from rpcdiag.compare.result import Offset
from rpcdiag.compare.segments import ACK, Segment
from rpcdiag.compare.talks import MASK, Same, kind

WINDOW_NS = 400_000_000  # a segment that arrives later than that is another one


class Fate(NamedTuple):
    """One segment: at which places it was recorded. `side` sent it: 0 the client, 1 the server.

    `recut`: its bytes are at the other place, in other segments. `repeated`: the same was sent again and arrived.
    `acknowledged`: the other end has it all the same.
    """

    side: int
    here: Segment | None
    there: Segment | None
    recut: bool = False
    repeated: bool = False
    acknowledged: bool = False

    @property
    def arrived(self) -> bool:
        return self.recut or (self.here is not None and self.there is not None)

    @property
    def one(self) -> Segment:
        """Where it was recorded first of all."""
        found = self.here or self.there
        if found is None:
            raise ValueError("a segment that nobody recorded")
        return found


def fates(same: Same, clock: Offset) -> list[Fate]:
    """Every segment, by the clock of the first place."""
    found: list[Fate] = []
    for side in (0, 1):
        found += _one_way(same, side, clock)
    return sorted(found, key=lambda fate: _when(fate, clock))


def _when(fate: Fate, clock: Offset) -> tuple[int, int]:
    return (fate.here.time_ns if fate.here is not None else clock.back(fate.one.time_ns)), fate.one.packet


def _one_way(same: Same, side: int, clock: Offset) -> list[Fate]:
    here, there = same.first.sent[side], same.second.sent[side]
    began = bases(same, side)
    groups: dict[tuple[object, ...], tuple[list[Segment], list[Segment]]] = {}
    for place, segments in enumerate((here, there)):
        for one in segments:
            key = kind(one), (one.sequence - began[place]) & MASK, one.size, _acknowledges(one, same, place, side)
            groups.setdefault(key, ([], []))[place].append(one)
    matched: list[Fate] = []
    left: tuple[list[Segment], list[Segment]] = ([], [])
    for ours, theirs in groups.values():
        for first, second in _paired(ours, theirs, clock):
            if first is not None and second is not None:
                matched.append(Fate(side, first, second))
            elif first is not None:
                left[0].append(first)
            elif second is not None:
                left[1].append(second)
    return matched + _unmatched(same, side, began, left, matched)


def _acknowledges(one: Segment, same: Same, place: int, side: int) -> int | None:
    """What a segment without payload acknowledges: nothing else tells it from others."""
    if one.size or not one.flags & ACK:
        return None
    return (one.acknowledged - bases(same, 1 - side)[place]) & MASK


def _paired(
    ours: list[Segment], theirs: list[Segment], clock: Offset
) -> list[tuple[Segment | None, Segment | None]]:  # fmt: skip
    """Which of several equal segments is which: by IP id, else by time, else by rank."""
    if len(ours) == len(theirs) == 1 and clock.ns is None:
        return [(ours[0], theirs[0])]
    found: list[tuple[Segment | None, Segment | None]] = []
    if _same_ids(ours, theirs):
        waiting: dict[int, list[Segment]] = {}
        for other in theirs:
            waiting.setdefault(other.ip_id, []).append(other)
        for one in ours:
            of_id = waiting.get(one.ip_id)
            found.append((one, of_id.pop(0) if of_id else None))
        return found + [(None, other) for others in waiting.values() for other in others]
    if clock.ns is None:
        found += zip(ours, theirs, strict=False)
        found += [(one, None) for one in ours[len(theirs) :]]
        return found + [(None, other) for other in theirs[len(ours) :]]
    at = 0
    for one in ours:
        expected = clock.there(one.time_ns)
        while at < len(theirs) and theirs[at].time_ns < expected - WINDOW_NS:
            found.append((None, theirs[at]))
            at += 1
        if at < len(theirs) and theirs[at].time_ns <= expected + WINDOW_NS:
            found.append((one, theirs[at]))
            at += 1
        else:
            found.append((one, None))
    return found + [(None, other) for other in theirs[at:]]


def _same_ids(ours: Sequence[Segment], theirs: Sequence[Segment]) -> bool:
    """Whether IP ids tell them apart: each its own, and one at least at both places."""
    here, there = {one.ip_id for one in ours}, {one.ip_id for one in theirs}
    return 0 not in here | there and bool(here & there) and len(here) == len(ours) and len(there) == len(theirs)


def _unmatched(
    same: Same, side: int, began: tuple[int, int], left: tuple[list[Segment], list[Segment]],
    matched: list[Fate],
) -> list[Fate]:  # fmt: skip
    cut = _recut(left[0], left[1], began), _recut(left[1], left[0], (began[1], began[0]))
    arrived = {(kind(fate.one), (fate.one.sequence - began[0]) & MASK, fate.one.size) for fate in matched}
    answered = _answered(same, side)
    found = []
    for place in (0, 1):
        for one in left[place]:
            recut = one.packet in cut[place]
            again = (kind(one), (one.sequence - began[place]) & MASK, one.size) in arrived
            end = (one.sequence + one.size + (kind(one) in ("SYN", "SYN-ACK", "FIN"))) & MASK
            known = answered[place] is not None and _reaches(answered[place], end) and kind(one) not in ("ACK", "RST")
            here, there = (one, None) if place == 0 else (None, one)
            found.append(Fate(side, here, there, recut, again, known))
    return found


def _reaches(acknowledged: int | None, end: int) -> bool:
    return acknowledged is not None and (acknowledged - end) & MASK < 1 << 31


def _answered(same: Same, side: int) -> tuple[int | None, int | None]:
    """The highest number that the other end acknowledged, in the numbers of either place."""
    began = bases(same, side)
    best: int | None = None
    for place, talk in enumerate((same.first, same.second)):
        for one in talk.sent[1 - side]:
            if one.flags & ACK and not one.flags & 4:
                number = (one.acknowledged - began[place]) & MASK
                if best is None or (number - best) & MASK < 1 << 31:
                    best = number
    if best is None:
        return None, None
    return (best + began[0]) & MASK, (best + began[1]) & MASK


def _recut(ours: Sequence[Segment], theirs: Sequence[Segment], began: tuple[int, int]) -> set[int]:
    """Packets of ours whose bytes are there, in other pieces."""
    if not ours or not theirs:
        return set()
    spans = sorted(
        ((other.sequence - began[1]) & MASK, ((other.sequence - began[1]) & MASK) + other.size)
        for other in theirs
        if other.size
    )
    joined: list[list[int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(end, joined[-1][1])
        else:
            joined.append([start, end])
    starts = [span[0] for span in joined]
    found = set()
    for one in ours:
        start = (one.sequence - began[0]) & MASK
        place = bisect_right(starts, start) - 1
        if one.size and place >= 0 and start + one.size <= joined[place][1]:
            found.add(one.packet)
    return found
