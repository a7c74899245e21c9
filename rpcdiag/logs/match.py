"""Log rows to the connection attempts of a capture, across two clocks.

The initial sequence number needs no clock. Where a log has none, rows and SYNs with the same ends are paired by rank,
every pair bounds the offset of the clocks, and the bounds are intersected. What cannot be told is said, not guessed.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.fields import SECOND
from rpcdiag.logs.reader import LogFile
from rpcdiag.model.packets import Endpoint

QUARTER = 900 * SECOND
WIDEST_ZONE = 14 * 3600 * SECOND + QUARTER // 2
BEFORE = SECOND // 5
LATE = 2 * SECOND  # a row is written this much after its packet at most
CLOSE_ROW = 150 * SECOND  # a row about the end of a connection comes as late as the connection lasts
ENOUGH = 3  # independent attempts that agree make a clock
_SYN = frozenset({"S"})


class Attempt(NamedTuple):
    """A connection attempt of a capture: the times of its SYNs, or of its first packet where it has none."""

    key: int
    capture: int
    client: Endpoint
    server: Endpoint
    isn: int | None
    times_ns: tuple[int, ...]
    packets: tuple[int, ...]
    ip_ids: tuple[int, ...]


class Clock(NamedTuple):
    """`offset_ns` is the log's time as written minus the capture's; `basis` is measured, utc, given or none."""

    offset_ns: int | None
    basis: str
    matches: int
    spread_ns: int
    why: str


class LogMatch(NamedTuple):
    """Entries (positions in the log) that belong to an attempt. Grade A: same sequence number; B: same ends, time fits;
    C: same ends, the clock could not be checked."""

    attempt: int
    entries: tuple[int, ...]
    grade: str
    basis: str
    agrees: tuple[tuple[int, int], ...] = ()  # (entry, packet) paired by rank


class Matched(NamedTuple):
    clock: Clock
    matches: tuple[LogMatch, ...]


class _Pairs(NamedTuple):
    """Rows and attempt with the same ends: `exact` where sequence number or IP id agree."""

    attempt: Attempt
    rows: tuple[int, ...]
    exact: bool
    basis: str


def match(log: LogFile, attempts: Sequence[Attempt], *, offset_ns: int | None = None) -> Matched:
    """Find the rows of each attempt and the offset between the clocks."""
    entries = _dated(log, attempts)
    candidates = _candidates(entries, attempts)
    clock = _clock(log, entries, candidates, attempts, offset_ns)
    matches = []
    for pairs in candidates:
        found = _accepted(entries, pairs, clock)
        if found is not None:
            matches.append(found)
    return Matched(clock, tuple(matches))


def drops_logged(log: LogFile) -> bool:
    """Whether the log proves that drops are logged at all."""
    return any(entry.drops for entry in log.entries)


def _dated(log: LogFile, attempts: Sequence[Attempt]) -> Sequence[LogEntry]:
    """Rows without a year get the one that brings them nearest to the capture."""
    if not attempts or not any(entry.basis == "no_year" for entry in log.entries):
        return log.entries
    from datetime import UTC, datetime

    middle = attempts[len(attempts) // 2].times_ns[0]
    year = datetime.fromtimestamp(middle // SECOND, UTC).year
    moved = []
    for entry in log.entries:
        if entry.basis != "no_year" or entry.written_ns is None:
            moved.append(entry)
            continue
        written = datetime.fromtimestamp(entry.written_ns // SECOND, UTC)
        best: int | None = None
        for candidate in (year - 1, year, year + 1):
            try:
                ns = int(written.replace(year=candidate).timestamp()) * SECOND
            except ValueError:
                continue  # 29 February
            if best is None or abs(ns - middle) < abs(best - middle):
                best = ns
        moved.append(entry._replace(written_ns=best))
    return moved


def _candidates(entries: Sequence[LogEntry], attempts: Sequence[Attempt]) -> list[_Pairs]:
    """For every attempt the rows that may be its own, by the surest key there is."""
    by_ends: dict[tuple[object, ...], list[int]] = {}
    by_sequence: dict[tuple[int, int, int], list[int]] = {}
    for position, entry in enumerate(entries):
        if entry.protocol != "tcp" or entry.source_port is None or entry.destination_port is None:
            continue
        if entry.source is not None and entry.destination is not None:
            ends = (entry.source, entry.source_port, entry.destination, entry.destination_port)
            by_ends.setdefault(ends, []).append(position)
        if entry.sequence and (entry.flags is None or set(entry.flags) <= _SYN):
            key = (entry.sequence, entry.source_port, entry.destination_port)
            by_sequence.setdefault(key, []).append(position)
    uses = Counter((attempt.client, attempt.server) for attempt in attempts)
    found = []
    for attempt in attempts:
        exact: list[int] = []
        if attempt.isn is not None:
            exact = by_sequence.get((attempt.isn, attempt.client.port, attempt.server.port), [])
        rows = by_ends.get((*attempt.client, *attempt.server), [])
        rows = rows + by_ends.get((*attempt.server, *attempt.client), [])
        if exact:
            mine = set(exact)
            # rows of the same ends without a number of their own (ALLOW, close) follow if the ports were used once
            alone = uses[(attempt.client, attempt.server)] == 1
            extra = [row for row in rows if row not in mine and not entries[row].sequence] if alone else []
            found.append(_Pairs(attempt, tuple(sorted(mine.union(extra))), True, "isn"))
            continue
        rows = [row for row in rows if not _other_packet(entries[row], attempt)]
        if rows:
            by_id = _same_ids(entries, rows, attempt)
            found.append(_Pairs(attempt, tuple(sorted(rows)), by_id, "ip-id" if by_id else "ports-and-time"))
    return found


def _other_packet(entry: LogEntry, attempt: Attempt) -> bool:
    """Whether the row speaks of a SYN with another sequence number: another use of the same ports."""
    syn = entry.flags is not None and set(entry.flags) <= _SYN
    return bool(syn and entry.sequence and attempt.isn is not None and entry.sequence != attempt.isn)


def _same_ids(entries: Sequence[LogEntry], rows: Sequence[int], attempt: Attempt) -> bool:
    ids = {entries[row].ip_id for row in rows if entries[row].ip_id}
    return bool(ids) and ids <= set(attempt.ip_ids)


def _clock(
    log: LogFile, entries: Sequence[LogEntry], candidates: Sequence[_Pairs], attempts: Sequence[Attempt],
    given: int | None,
) -> Clock:  # fmt: skip
    if given is not None:
        return Clock(given, "given", 0, 0, f"offset {given / SECOND:+.3f} s was given")
    if not attempts:
        return Clock(None, "none", 0, 0, "not evaluable: the captures hold no connection to compare with")
    bounds = [bound for pairs in candidates if (bound := _bound(entries, pairs)) is not None]
    exact = [bound for bound, pairs in zip(bounds, [one for one in candidates if _bound(entries, one)], strict=True)
             if pairs.exact]  # fmt: skip
    utc = bool(log.entries) and log.entries[0].basis in ("utc", "offset")
    if exact:
        return _measured(exact, bounds, uptime=log.entries[0].basis == "uptime")
    if utc:
        fitting = [bound for bound in bounds if bound[0] <= LATE and bound[1] >= -LATE]
        if fitting or not bounds:
            return Clock(0, "utc", len(fitting), 0, f"the log is in UTC; {len(fitting)} connections agree")
    if not bounds:
        return Clock(None, "none", 0, 0, "not evaluable: no row has the ends of a connection in the captures")
    return _clustered(bounds, any_zone=log.entries[0].basis != "uptime")


def _bound(entries: Sequence[LogEntry], pairs: _Pairs) -> tuple[int, int] | None:
    """Least and greatest offset (written minus capture) that the rows allow, paired with the SYNs by rank."""
    rows = [entries[row] for row in pairs.rows if entries[row].written_ns is not None]
    first = [row for row in rows if row.action != "close" and (row.drops or row.action in ("allow", "open"))]
    if not first:
        return None
    least, greatest = None, None
    drops = [row for row in first if row.drops]
    ranked = drops if drops else first[:1]
    for row, time in zip(ranked, pairs.attempt.times_ns, strict=False):
        written = row.written_ns or 0
        low, high = written - time, written - time + row.resolution_ns
        least = low if least is None else max(least, low)
        greatest = high if greatest is None else min(greatest, high)
    if least is None or greatest is None:
        return None
    if least > greatest:  # rows were lost or written late: the first pair alone
        written = ranked[0].written_ns or 0
        return written - pairs.attempt.times_ns[0], written - pairs.attempt.times_ns[0] + ranked[0].resolution_ns
    return least, greatest


def _measured(exact: Sequence[tuple[int, int]], all_bounds: Sequence[tuple[int, int]], *, uptime: bool) -> Clock:
    """The offset from rows whose packets are known beyond doubt, narrowed by the others that agree."""
    low, high = exact[0]
    for bound in (*exact[1:], *all_bounds):
        if bound[0] <= high and bound[1] >= low:
            low, high = max(low, bound[0]), min(high, bound[1])
    agreeing = sum(bound[0] <= high and bound[1] >= low for bound in all_bounds)
    offset = _rounded(low, high)
    return Clock(
        offset, "measured", agreeing, max(0, high - low),
        f"{'counts from the start of its machine' if uptime else _signed(offset)}, measured on {agreeing} "
        f"connection{'s' if agreeing > 1 else ''}, uncertain by {max(0, high - low) / SECOND:.2f} s",
    )  # fmt: skip


def _clustered(bounds: Sequence[tuple[int, int]], *, any_zone: bool) -> Clock:
    """The offset that most attempts allow, if enough of them do and no other comes near."""
    support: Counter[int] = Counter()
    for low, high in bounds:
        support[round((low + high) / 2 / QUARTER)] += 1
    best, count = max(support.items(), key=lambda item: (item[1], -abs(item[0])))
    others = max((number for zone, number in support.items() if abs(zone - best) > 0), default=0)
    if any_zone and abs(best * QUARTER) > WIDEST_ZONE:
        return Clock(None, "none", count, 0, "not evaluable: the log is of another day than the captures")
    if count < ENOUGH or count < 2 * others:
        zones = ", ".join(_signed(zone * QUARTER) for zone, _ in support.most_common(3))
        return Clock(
            None, "none", count, 0,
            f"not evaluable: {count} connection{'s' if count > 1 else ''} cannot tell which of the offsets is right ({zones})",
        )  # fmt: skip
    inside = [bound for bound in bounds if round((bound[0] + bound[1]) / 2 / QUARTER) == best]
    low, high = _densest(inside)
    agreeing = sum(bound[0] <= high and bound[1] >= low for bound in inside)
    if agreeing < ENOUGH:
        return Clock(None, "none", agreeing, 0, "not evaluable: the rows do not agree on any one offset")
    offset = _rounded(low, high)
    return Clock(
        offset, "measured", agreeing, high - low,
        f"{_signed(offset)} measured on {agreeing} connections, uncertain by {(high - low) / SECOND:.2f} s",
    )  # fmt: skip


def _densest(bounds: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The stretch that most intervals cover."""
    edges = sorted([(low, 0) for low, _ in bounds] + [(high, 1) for _, high in bounds])
    depth = most = 0
    best = bounds[0]
    for at, (place, ends) in enumerate(edges):
        depth += -1 if ends else 1
        if depth > most:
            most = depth
            best = (place, edges[at + 1][0] if at + 1 < len(edges) else place)
    return best


def _rounded(low: int, high: int) -> int:
    """A whole quarter of an hour where the interval allows it, for then it is a time zone; else a point inside.

    A truncated time is never ahead: the true offset lies in the interval whose upper end is `high`.
    """
    zone = round((low + high) / 2 / QUARTER) * QUARTER
    if low - SECOND // 10 <= zone <= high + SECOND // 10:
        return zone
    return (low + high) // 2


def _signed(ns: int) -> str:
    whole = ns / SECOND
    if ns % QUARTER == 0:
        hours, minutes = divmod(abs(ns) // (60 * SECOND), 60)
        return f"{'-' if ns < 0 else '+'}{hours}:{minutes:02}"
    return f"{whole:+.3f} s"


def _accepted(entries: Sequence[LogEntry], pairs: _Pairs, clock: Clock) -> LogMatch | None:
    attempt = pairs.attempt
    rows = pairs.rows
    if pairs.exact:
        grade, basis = "A", pairs.basis
    elif clock.offset_ns is not None:
        rows = tuple(row for row in rows if _in_time(entries[row], attempt, clock.offset_ns))
        grade, basis = "B", "ports-and-time"
    else:
        # same ends with an ephemeral port, in time for some zone: likely the same, and no more than that
        rows = tuple(row for row in rows if _some_zone(entries[row], attempt))
        grade, basis = "C", "ports"
    if not rows:
        return None
    drops = [row for row in rows if entries[row].drops]
    return LogMatch(attempt.key, rows, grade, basis, tuple(zip(drops, attempt.packets, strict=False)))


def _in_time(entry: LogEntry, attempt: Attempt, offset: int) -> bool:
    if entry.written_ns is None:
        return False
    at = entry.written_ns - offset
    last = attempt.times_ns[-1] + (CLOSE_ROW if entry.action in ("close", "progress", "fail") else LATE)
    return attempt.times_ns[0] - BEFORE - entry.resolution_ns <= at <= last + entry.resolution_ns


def _some_zone(entry: LogEntry, attempt: Attempt) -> bool:
    if entry.written_ns is None:
        return False
    if entry.basis == "uptime":
        return True
    return abs(entry.written_ns - attempt.times_ns[0]) <= WIDEST_ZONE
