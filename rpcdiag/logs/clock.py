"""How far the clock of a log is from that of the captures.

A row that was cut off to whole seconds bounds the offset by one second. The bounds of all connections that can only be
one another's are intersected; what most of them allow is the offset, if enough do and nothing else comes near.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rpcdiag.logs.fields import SECOND

QUARTER = 900 * SECOND
WIDEST_ZONE = 14 * 3600 * SECOND + QUARTER // 2
BEFORE = SECOND // 5  # and this much before it
LATE = 2 * SECOND  # a row is written this much after its packet at most
ENOUGH = 3  # independent attempts that agree make a clock; what speaks twice counts for two, see `clustered`
REPEATED = 3  # rows of one attempt at the pauses between its SYNs
APART = 60 * SECOND  # offsets further apart than this are two hypotheses
MAX_SYNS = 16  # more than any system sends
_JITTER = SECOND // 10


class Clock(NamedTuple):
    """`offset_ns` is the log's time as written minus the capture's; `basis` is measured, utc, given or none.

    Where it is measured it lies between `low_ns` and `high_ns`; a whole time zone between them is taken for the offset.
    """

    offset_ns: int | None
    basis: str
    matches: int
    spread_ns: int
    why: str
    low_ns: int | None = None
    high_ns: int | None = None


class Bound(NamedTuple):
    """The offsets that one attempt allows; `rows` of it came at the pauses at which its packets did."""

    low: int
    high: int
    rows: int = 1


def align(
    written: Sequence[int], times: Sequence[int], resolution_ns: int, offset_ns: int | None = None
) -> list[tuple[int, int]]:
    """Which row speaks of which packet, as positions; of several ways the one that the offset is nearest to."""
    ways = _alignments(written, times, resolution_ns)
    if offset_ns is None or len(ways) == 1:
        return ways[0]
    return min(ways, key=lambda way: abs(written[way[0][0]] - times[way[0][1]] - offset_ns))


def _alignments(written: Sequence[int], times: Sequence[int], resolution_ns: int) -> list[list[tuple[int, int]]]:
    """By rank; where rows or packets are missing by the gaps between them, in all the ways that fit best.

    Not by nearness: an offset of less than a second would then move rows by one retransmission.
    """
    if len(written) == len(times) or not written or not times:
        return [list(zip(range(len(written)), range(len(times)), strict=False))]
    written, times = written[:MAX_SYNS], times[:MAX_SYNS]
    starts = [*((0, packet) for packet in range(len(times))), *((row, 0) for row in range(1, len(written)))]
    ways = [_aligned_from(start, written, times, resolution_ns + _JITTER) for start in starts]
    most = max(len(way) for way in ways)
    return [way for way in ways if len(way) == most]


def _aligned_from(
    start: tuple[int, int], written: Sequence[int], times: Sequence[int], tolerance: int
) -> list[tuple[int, int]]:
    offset = written[start[0]] - times[start[1]]
    pairs = []
    packet = start[1]
    for row in range(start[0], len(written)):
        expected = written[row] - offset
        while packet < len(times) and times[packet] < expected - tolerance:
            packet += 1
        if packet < len(times) and times[packet] <= expected + tolerance:
            pairs.append((row, packet))
            packet += 1
    return pairs


def bound(written: Sequence[int], times: Sequence[int], resolution_ns: int) -> Bound:
    """What the rows of one attempt allow, given the times of its packets; neither is empty.

    A time T cut off to r and a packet at t say T - t <= offset < T - t + r. Where the rows contradict one another
    (some were written late), the first alone counts; where they fit in several ways, all of these are allowed.
    Times finer than the delay of writing get that much room.
    """
    room = _JITTER if resolution_ns < _JITTER else 0
    allowed = []
    rows = len(written)
    ways = _alignments(written, times, resolution_ns)
    for way in ways:
        gaps = [written[row] - times[packet] for row, packet in way]
        low, high = max(gaps), min(gaps) + resolution_ns
        rows = min(rows, len(way)) if low <= high and len(ways) == 1 else 1
        allowed.append((low, high) if low <= high else (gaps[0], gaps[0] + resolution_ns))
    return Bound(min(low for low, _ in allowed) - room, max(high for _, high in allowed) + room, rows)


def densest(bounds: Sequence[Bound]) -> tuple[Bound, int]:
    """The first stretch that most bounds cover, and how many do."""
    edges = sorted([(one.low, 0) for one in bounds] + [(one.high, 1) for one in bounds])
    depth = most = 0
    best = bounds[0]
    for at, (place, ends) in enumerate(edges):
        depth += -1 if ends else 1
        if depth > most:
            most, best = depth, Bound(place, edges[at + 1][0])
    return best, most


def measured(exact: Sequence[Bound], others: Sequence[Bound], *, uptime: bool) -> Clock:
    """The offset from rows whose packets are known beyond doubt: one of these weighs as much as makes a clock.

    Not more, for the rows of one can be incomplete or late where hundreds of others agree.
    """
    best, _ = densest([*(one for one in exact for _ in range(ENOUGH)), *others])
    agreeing = sum(one.low <= best.high and one.high >= best.low for one in (*exact, *others))
    return _found(best, agreeing, uptime=uptime)


def clustered(bounds: Sequence[Bound], *, uptime: bool) -> Clock:
    """The offset that most attempts allow, if enough of them do and no other comes near.

    A row for every SYN of an attempt, and an offset that is a whole time zone, are worth another attempt each: another use
    of the same ports would hit neither but by chance.
    """
    best, count = densest(bounds)
    agreeing = [one for one in bounds if one.low <= best.high and one.high >= best.low]
    repeated = any(one.rows >= REPEATED for one in agreeing)
    said_twice = 0 if uptime else repeated + (_rounded(best) % QUARTER == 0)
    rivals = [one for one in bounds if one.low > best.high + APART or one.high < best.low - APART]
    rival, against = densest(rivals) if rivals else (best, 0)
    if count + said_twice >= ENOUGH and count >= 2 * against:
        return _found(best, count, uptime=uptime)
    said = [_signed(_rounded(one)) for one in ((best, rival) if rivals else (best,))]
    if uptime:
        why = f"{_connections(count)} cannot tell when the machine of the log was started"
    elif rivals:
        why = f"{_connections(count)} say that the offset is {said[0]}, {against} that it is {said[1]}"
    else:
        why = f"{_connections(count)} cannot tell whether the offset is really {said[0]}; {ENOUGH} could"
    return none(why, count)


def in_utc(bounds: Sequence[Bound]) -> Clock:
    """The clock of a log that says it is in UTC: believed unless its rows contradict it."""
    fitting = [one for one in bounds if one.low <= LATE and one.high >= -LATE]
    if 2 * len(fitting) >= len(bounds):
        best, count = densest(fitting) if fitting else (Bound(0, 0), 0)
        if best.high < -BEFORE:  # no row is written before its packet: the clock is behind by less than two seconds
            return _found(best, count, uptime=False, what="the log says that it is in UTC and is off: ")
        checked = f"checked on {_connections(len(fitting))}" if fitting else "no row could be checked"
        return Clock(0, "utc", len(fitting), 0, f"the log is in UTC; {checked}")
    clock = clustered(bounds, uptime=False)
    if clock.offset_ns is None:
        return none(f"the log says that it is in UTC, but {clock.why.removeprefix('not evaluable: ')}", clock.matches)
    return clock._replace(why=f"the log says that it is in UTC and is off: {clock.why}")


def given(offset_ns: int, bounds: Sequence[Bound]) -> Clock:
    """The clock that the user knows."""
    fitting = [one for one in bounds if one.low - LATE <= offset_ns <= one.high + LATE]
    checked = f", and fits {len(fitting)} of {_connections(len(bounds))}" if bounds else ""
    return Clock(offset_ns, "given", len(fitting), 0, f"offset {offset_ns / SECOND:+.3f} s was given{checked}")


def none(why: str, matches: int = 0) -> Clock:
    """A clock that cannot be told."""
    return Clock(None, "none", matches, 0, f"not evaluable: {why}")


def _found(best: Bound, agreeing: int, *, uptime: bool, what: str = "") -> Clock:
    offset = (best.low + best.high) // 2 if uptime else _rounded(best)
    spread = best.high - best.low
    what += "counts from the start of its machine" if uptime else _signed(offset)
    why = f"{what}, measured on {_connections(agreeing)}, uncertain by {spread / SECOND:.2f} s"
    return Clock(offset, "measured", agreeing, spread, why, best.low, best.high)


def _rounded(best: Bound) -> int:
    """A whole quarter of an hour where the bound allows it, for then it is a time zone; else its middle."""
    middle = (best.low + best.high) // 2
    zone = round(middle / QUARTER) * QUARTER
    return zone if best.low - _JITTER <= zone <= best.high + _JITTER else middle


def _signed(ns: int) -> str:
    if ns % QUARTER == 0:
        hours, minutes = divmod(abs(ns) // (60 * SECOND), 60)
        return f"{'-' if ns < 0 else '+'}{hours}:{minutes:02}"
    return f"{ns / SECOND:+.3f} s"


def _connections(count: int) -> str:
    return f"{count} connection{'' if count == 1 else 's'}"
