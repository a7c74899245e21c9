"""Log rows to the connection attempts of a capture, across two clocks.

The initial sequence number needs no clock. Where a log has none, rows and attempts with the same ends are brought
together by time, once the offset of the clocks is known (`clock`). What cannot be told is said, not guessed.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rpcdiag.logs import clock as clocks
from rpcdiag.logs.clock import BEFORE, LATE, WIDEST_ZONE, Bound
from rpcdiag.logs.clock import Clock as Clock
from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.fields import SECOND
from rpcdiag.logs.reader import LogFile
from rpcdiag.model.packets import Address, Endpoint

CLOSE_ROW = 150 * SECOND  # a row about the end of a connection comes as late as the connection lasts
SCHEDULE = 70 * SECOND  # the longest pause between two SYNs of one attempt, on any system
MAX_ROWS = 256  # of one attempt; a connection that is reported on for days has no more to tell
FIRST_EPHEMERAL = 1024
AT_THAT_TIME = 600 * SECOND
DAY = 86_400 * SECOND
HOUR = 3600 * SECOND
LAST_YEAR = 250_000_000_000  # seconds; calendars end soon after, times in captures need not
_SYN = frozenset({"S"})
_Ends = tuple[Endpoint, Endpoint]


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


class LogMatch(NamedTuple):
    """Entries (positions in the log) that belong to an attempt.

    Grade A: same sequence number (or IP id), "isn" or "ip-id"; B: same ends, time fits, "ports-and-time"; C: same ends,
    unique in the log and the captures, but the clock could not be checked, or is an hour off there (summer time), "ports";
    D: the rows have no time at all.
    """

    attempt: int
    entries: tuple[int, ...]
    grade: str
    basis: str
    agrees: tuple[tuple[int, int], ...] = ()  # (entry, packet) paired by rank


class Matched(NamedTuple):
    clock: Clock
    matches: tuple[LogMatch, ...]


class _Use(NamedTuple):
    """One use of a pair of ends: an attempt, with its copies at other points. `exact` are the rows that are surely its.

    `other_isn` is the sequence number that its rows have instead, where a device between capture and log changes them.
    """

    copies: tuple[Attempt, ...]
    exact: tuple[int, ...]
    basis: str
    other_isn: int | None = None

    @property
    def attempt(self) -> Attempt:
        return self.copies[0]


class _Pair(NamedTuple):
    """Two ends: their uses by time, and the rows of either direction by time; rows without a time come first."""

    uses: tuple[_Use, ...]
    rows: tuple[int, ...]


class _Prepared(NamedTuple):
    """A log before its clock is known: its rows brought together with the attempts, and what these say of the offset."""

    entries: Sequence[LogEntry]
    pairs: list[_Pair]
    alone: list[list[tuple[int, ...]]]
    exact: list[Bound]
    others: list[Bound]
    basis: str | None


def match(log: LogFile, attempts: Sequence[Attempt], *, offset_ns: int | None = None) -> Matched:
    """Find the rows of each attempt and the offset between the clocks."""
    return match_all([log], attempts, offset_ns=offset_ns)[0]


def match_all(
    logs: Sequence[LogFile], attempts: Sequence[Attempt], *, offset_ns: int | None = None
) -> tuple[Matched, ...]:
    """The same for several logs: one whose clock cannot be told alone shares it with the others of its host."""
    if not attempts:
        return (Matched(clocks.none("the captures hold no connection to compare with"), ()),) * len(logs)
    middle = attempts[len(attempts) // 2].times_ns[0]
    prepared = [_prepared(log, attempts, middle) for log in logs]
    own = [_clock(one, offset_ns) for one in prepared]
    found = []
    for number, one in enumerate(prepared):
        clock = own[number]
        if clock.offset_ns is None and len(logs) > 1:
            clock = _shared(number, logs, prepared) or clock
        found.append(Matched(clock, _matches(one, attempts, clock)))
    return tuple(found)


def _prepared(log: LogFile, attempts: Sequence[Attempt], middle: int) -> _Prepared:
    entries = _cut_off(_dated(log.entries, middle))
    uptime = any(entry.basis == "uptime" for entry in entries[:1])
    pairs = _pairs(entries, attempts)
    alone = [_unambiguous(entries, pair, any_time=uptime) for pair in pairs]
    exact: list[Bound] = []
    others: list[Bound] = []
    for pair, unique in zip(pairs, alone, strict=True):
        for use, rows in zip(pair.uses, unique, strict=True):
            one = _bound(entries, use.attempt, use.exact or rows)
            if one is not None:
                (exact if use.exact else others).append(one)
    basis = next((entry.basis for entry in entries if entry.written_ns is not None), None)
    return _Prepared(entries, pairs, alone, exact, others, basis)


def _matches(one: _Prepared, attempts: Sequence[Attempt], clock: Clock) -> tuple[LogMatch, ...]:
    found: dict[int, LogMatch] = {}
    for pair, unique in zip(one.pairs, one.alone, strict=True):
        in_steps = clock.basis == "measured" and one.basis in ("local", "no_year")
        for use, accepted in zip(pair.uses, _accepted(one.entries, pair, unique, clock, in_steps), strict=True):
            if accepted is not None:
                for copy in use.copies:
                    found[copy.key] = _with_packets(one.entries, copy, accepted, clock)
    return tuple(found[attempt.key] for attempt in attempts if attempt.key in found)


_ZONES = {"offset": "utc", "no_year": "local"}  # bases that count alike


def _shared(number: int, logs: Sequence[LogFile], prepared: Sequence[_Prepared]) -> Clock | None:
    """The clock that all logs of the same host give together, for two that write the same kind of time."""
    mine = prepared[number]
    basis = _ZONES.get(mine.basis or "", mine.basis)
    if basis is None or basis == "uptime":
        return None
    same = [
        position
        for position, one in enumerate(prepared)
        if position != number and _ZONES.get(one.basis or "", one.basis) == basis
        and same_host(logs[number], logs[position])
    ]  # fmt: skip
    if not same:
        return None
    exact = [bound for position in (number, *same) for bound in prepared[position].exact]
    others = [bound for position in (number, *same) for bound in prepared[position].others]
    if not exact and not others:
        return None
    clock = clocks.measured(exact, others, uptime=False) if exact else clocks.clustered(others, uptime=False)
    if clock.offset_ns is None:
        return None
    named = ", ".join(logs[position].path for position in same)
    return clock._replace(why=f"{clock.why}, together with {named} of the same host")


def same_host(one: LogFile, other: LogFile) -> bool:
    """Whether two logs were surely written by one host: it has the same name in both, or the same address of its own."""
    names, others = devices(one), devices(other)
    if len(names) > 1 or len(others) > 1:
        return False
    if names and others:
        return names == others
    return bool(own_addresses(one) & own_addresses(other))


def devices(log: LogFile) -> frozenset[str]:
    """The names of those that wrote the log, without their domain."""
    return frozenset({entry.device.partition(".")[0].lower() for entry in log.entries if entry.device})


def own_addresses(log: LogFile, device: str | None = None) -> frozenset[Address]:
    """Addresses of the host that wrote the log, or those rows of it: what it sends from, and TCP is sent to."""
    known = own_by_device(log)
    return known.get(device, frozenset()) if device is not None else frozenset().union(*known.values())


def own_by_device(log: LogFile) -> dict[str | None, frozenset[Address]]:
    """The same of each of those that wrote the log."""
    found: dict[str | None, set[Address]] = {}
    for entry in log.entries:
        if entry.path == "out" and entry.source is not None:
            found.setdefault(entry.device, set()).add(entry.source)
        elif entry.path == "in" and entry.destination is not None and entry.protocol == "tcp":
            found.setdefault(entry.device, set()).add(entry.destination)
    return {
        device: frozenset({one for one in its if not (one.is_loopback or one.is_unspecified or one.is_link_local)})
        for device, its in found.items()
    }


def drops_logged(log: LogFile) -> bool:
    """Whether the log proves that drops are logged at all."""
    return log.left_out_drops > 0 or any(entry.drops for entry in log.entries)


class OwnDrops(NamedTuple):
    """What a host drops that comes in to it: its addresses, and when it wrote which line; by time."""

    addresses: frozenset[Address]
    written: tuple[int, ...]
    lines: tuple[int, ...]

    def near(self, host: Address, time_ns: int, clock: Clock) -> tuple[int, ...]:
        """Lines within ten minutes of a time of the captures; none where they are of another host or clock."""
        if clock.offset_ns is None or host not in self.addresses:
            return ()
        at = time_ns + clock.offset_ns
        return self.lines[bisect_left(self.written, at - AT_THAT_TIME) : bisect_right(self.written, at + AT_THAT_TIME)]


def own_drops(log: LogFile, near_ns: int) -> OwnDrops:
    """None where several hosts wrote the log, or rows of it are lost: then a missing row proves nothing."""
    if not log.whole or len(devices(log)) > 1 or any(entry.lost for entry in log.entries):
        return OwnDrops(frozenset(), (), ())
    rows = sorted(
        (entry.written_ns, entry.line)
        for entry in _dated(log.entries, near_ns)
        if entry.drops and entry.path == "in" and entry.written_ns is not None
    )
    return OwnDrops(own_addresses(log), tuple(at for at, _ in rows), tuple(line for _, line in rows))


def _dated(entries: Sequence[LogEntry], near_ns: int) -> Sequence[LogEntry]:
    """Rows without a year get the one that brings them nearest to the capture."""
    if not any(entry.basis == "no_year" for entry in entries):
        return entries
    year = datetime.fromtimestamp(min(max(near_ns // SECOND, 0), LAST_YEAR), UTC).year
    shifts: dict[int, int] = {}  # of each day
    moved = []
    for entry in entries:
        if entry.basis == "no_year" and entry.written_ns is not None:
            day = entry.written_ns // DAY
            if day not in shifts:
                written = datetime.fromtimestamp(day * DAY // SECOND, UTC)
                candidates = [_in_year(written, one) * SECOND for one in (year - 1, year, year + 1)]
                shifts[day] = min(candidates, key=lambda ns: abs(ns - near_ns)) - day * DAY
            entry = entry._replace(written_ns=entry.written_ns + shifts[day])
        moved.append(entry)
    return moved


def _cut_off(entries: Sequence[LogEntry]) -> Sequence[LogEntry]:
    """Where every time of a log is a whole second its fractions are written, but not known: `10:00:01.000Z`."""
    timed = [entry for entry in entries if entry.written_ns is not None]
    finer = any(entry.resolution_ns < SECOND for entry in timed)
    if not finer or any((entry.written_ns or 0) % SECOND for entry in timed):
        return entries
    return [one._replace(resolution_ns=SECOND) if one.resolution_ns < SECOND else one for one in entries]


def _in_year(written: datetime, year: int) -> int:
    """Seconds since 1970 of the same day in another year; 29 February is 1 March where there is none."""
    try:
        return int(written.replace(year=year).timestamp())
    except ValueError:
        return int(written.replace(year=year, month=3, day=1).timestamp())


def _pairs(entries: Sequence[LogEntry], attempts: Sequence[Attempt]) -> list[_Pair]:
    """Attempts and rows that have the same ends, brought together."""
    by_ends: dict[_Ends, list[Attempt]] = {}
    for attempt in attempts:
        by_ends.setdefault((attempt.client, attempt.server), []).append(attempt)
    rows, by_sequence = _indexed(entries, by_ends)
    grouped = {ends: _copies(group) for ends, group in by_ends.items()}
    sequences = Counter(_sequence(group[0]) for groups in grouped.values() for group in groups)
    found = []
    for (client, server), groups in grouped.items():
        mine = rows.get((client, server), []) + (rows.get((server, client), []) if client != server else [])
        mine.sort(key=lambda row: (entries[row].written_ns or 0, row))
        uses = [_use(entries, group, mine, by_sequence, sequences) for group in groups]
        if len(uses) == 1 and not uses[0].exact:
            uses = [uses[0]._replace(other_isn=_changed_isn(entries, uses[0].attempt, mine))]
        found.append(_Pair(tuple(uses), tuple(mine)))
    return found


def _indexed(
    entries: Sequence[LogEntry], wanted: Iterable[_Ends]
) -> tuple[dict[_Ends, list[int]], dict[tuple[int | None, int, int], list[int]]]:
    """TCP rows by their ends, and SYN rows by sequence number and ports, of the ports that are wanted."""
    ports = {(client.port, server.port) for client, server in wanted}
    ports |= {(server, client) for client, server in ports}
    by_ends: dict[_Ends, list[int]] = {}
    by_sequence: dict[tuple[int | None, int, int], list[int]] = {}
    for position, entry in enumerate(entries):
        source_port, destination_port = entry.source_port, entry.destination_port
        if source_port is None or destination_port is None or entry.protocol != "tcp":
            continue
        if (source_port, destination_port) not in ports and not is_translated(entry):
            continue
        for source, destination in _ends(entry):
            by_ends.setdefault((source, destination), []).append(position)
        if entry.sequence and _is_syn(entry):
            by_sequence.setdefault((entry.sequence, source_port, destination_port), []).append(position)
    return by_ends, by_sequence


def is_translated(entry: LogEntry) -> bool:
    """Whether the row names the ends on both sides of an address translation."""
    return entry.translated_source is not None or entry.translated_destination is not None


def _ends(entry: LogEntry) -> Iterator[_Ends]:
    """The ends of a row as captures can show them: before a translation, behind it, and with one side translated."""
    if entry.source is None or entry.destination is None or entry.source_port is None or entry.destination_port is None:
        return
    source, destination = Endpoint(entry.source, entry.source_port), Endpoint(entry.destination, entry.destination_port)
    yield source, destination
    if is_translated(entry):
        behind = _behind(source, entry.translated_source, entry.translated_source_port)
        beyond = _behind(destination, entry.translated_destination, entry.translated_destination_port)
        found = {(source, beyond), (behind, destination), (behind, beyond)} - {(source, destination)}
        yield from sorted(found, key=str)


def _behind(end: Endpoint, address: Address | None, port: int | None) -> Endpoint:
    return Endpoint(address or end.address, port or end.port)


def _copies(attempts: Sequence[Attempt]) -> list[tuple[Attempt, ...]]:
    """Attempts with the same ends by time; the same one, seen at several points, is one."""
    groups: list[list[Attempt]] = []
    for attempt in sorted(attempts, key=lambda one: one.times_ns[0]):
        last = groups[-1][0] if groups else None
        same_for = LATE if attempt.isn is None else SCHEDULE
        if last and attempt.isn == last.isn and attempt.times_ns[0] - last.times_ns[0] <= same_for:
            groups[-1].append(attempt)
        else:
            groups.append([attempt])
    return [tuple(group) for group in groups]


def _sequence(attempt: Attempt) -> tuple[int | None, int, int]:
    return attempt.isn, attempt.client.port, attempt.server.port


def _use(
    entries: Sequence[LogEntry],
    copies: tuple[Attempt, ...],
    rows: Sequence[int],
    by_sequence: dict[tuple[int | None, int, int], list[int]],
    sequences: Counter[tuple[int | None, int, int]],
) -> _Use:
    attempt = copies[0]
    hits = by_sequence.get(_sequence(attempt), []) if attempt.isn is not None else []
    exact = [row for row in hits if _forward(entries[row], attempt)]
    if not exact and len({(entries[row].source, entries[row].destination) for row in hits}) == 1:
        exact = hits if sequences[_sequence(attempt)] == 1 else []  # addresses were translated in between
    if exact:
        return _Use(copies, tuple(exact[:MAX_ROWS]), "isn")
    ids = {one for copy in copies for one in copy.ip_ids if one}
    by_id = [row for row in rows if entries[row].ip_id in ids and _may_be(entries[row], attempt)] if ids else []
    return _Use(copies, tuple(row for row in by_id[:MAX_ROWS] if _is_first(entries[row], attempt)), "ip-id")


def _is_syn(entry: LogEntry) -> bool:
    return entry.flags is None or set(entry.flags) <= _SYN


def _forward(entry: LogEntry, attempt: Attempt) -> bool:
    """Whether the row speaks of a packet of the client, with the addresses that the capture saw."""
    if (entry.source, entry.source_port, entry.destination) == (*attempt.client, attempt.server.address):
        return True
    return is_translated(entry) and (attempt.client, attempt.server) in _ends(entry)


def _sent_by_client(entry: LogEntry, attempt: Attempt) -> bool:
    return entry.source_port == attempt.client.port or (is_translated(entry) and _forward(entry, attempt))


def _is_first(entry: LogEntry, attempt: Attempt) -> bool:
    """Whether the row speaks of a SYN, or of a connection as it begins."""
    return _begins(entry) and _forward(entry, attempt)


def _begins(entry: LogEntry) -> bool:
    return (entry.drops or entry.action in ("allow", "open", "unknown")) and _is_syn(entry)


def _changed_isn(entries: Sequence[LogEntry], attempt: Attempt, rows: Sequence[int]) -> int | None:
    """The one other sequence number of rows that come, SYN for SYN, at the pauses of the attempt.

    Firewalls that choose initial sequence numbers anew (Cisco ASA does unless told not to) leave the ends and the times.
    """
    syns = [row for row in rows if entries[row].sequence and _is_first(entries[row], attempt)]
    numbers = {entries[row].sequence for row in syns}
    written = [ns for row in syns if (ns := entries[row].written_ns) is not None]
    if len(numbers) != 1 or len(written) < clocks.REPEATED or attempt.isn is None:
        return None
    same = clocks.bound(written, attempt.times_ns, entries[syns[0]].resolution_ns).rows == len(written)
    return numbers.pop() if same else None


def _may_be(entry: LogEntry, attempt: Attempt, other_isn: int | None = None) -> bool:
    """Whether nothing in the row contradicts: a SYN with another sequence number is another use of the ports."""
    if attempt.isn is None or not entry.sequence or entry.flags is None or not _is_syn(entry):
        return True
    return entry.sequence in (attempt.isn, other_isn)


def _unambiguous(entries: Sequence[LogEntry], pair: _Pair, *, any_time: bool) -> list[tuple[int, ...]]:
    """For each use the rows that can only be its own, whatever the time zone; none where that cannot be told."""
    first, last = pair.uses[0].attempt.times_ns[0], pair.uses[-1].attempt.times_ns[-1]
    rows = pair.rows
    if not any_time:
        low = bisect_left(rows, first - WIDEST_ZONE, key=lambda row: entries[row].written_ns or 0)
        high = bisect_right(rows, last + WIDEST_ZONE, key=lambda row: entries[row].written_ns or 0)
        rows = tuple(row for row in rows[:low] if entries[row].written_ns is None) + rows[low:high]
    if len(pair.uses) == 1:
        use = pair.uses[0]
        rows = tuple(row for row in rows if _may_be(entries[row], use.attempt, use.other_isn))
    episodes = _episodes(entries, rows, pair.uses[0].attempt)
    return episodes if len(episodes) == len(pair.uses) else [()] * len(pair.uses)


def _episodes(entries: Sequence[LogEntry], rows: Sequence[int], attempt: Attempt) -> list[tuple[int, ...]]:
    """Rows of the same ends, split where the pause before a SYN is longer than that of any retransmission."""
    found: list[list[int]] = []
    latest: int | None = None
    for row in rows:
        written = entries[row].written_ns
        begins = _is_first(entries[row], attempt)
        if not found or (begins and latest is not None and (written or 0) - latest > SCHEDULE):
            found.append([])
        if begins:
            latest = written
        if len(found[-1]) < MAX_ROWS:
            found[-1].append(row)
    return [tuple(rows) for rows in found]


def _clock(one: _Prepared, offset_ns: int | None) -> Clock:
    exact, others, basis = one.exact, one.others, one.basis
    if offset_ns is not None:
        return clocks.given(offset_ns, [*exact, *others])
    if basis is None:
        return clocks.none("no row has a time" if one.entries else "the log has no rows")
    if exact:
        return clocks.measured(exact, others, uptime=basis == "uptime")
    if basis in ("utc", "offset"):
        return clocks.in_utc(others)
    if others:
        return clocks.clustered(others, uptime=basis == "uptime")
    return clocks.none(_why_no_bound(one.pairs, one.alone))


def _why_no_bound(pairs: Sequence[_Pair], alone: Sequence[Sequence[tuple[int, ...]]]) -> str:
    if any(any(rows) for rows in alone):
        return "no row speaks of the beginning of a connection in the captures"
    if any(pair.rows for pair in pairs):
        return "the log has the ends of these connections, but on another day or several times: no overlap is certain"
    return "no row has the ends of a connection in the captures"


def _bound(entries: Sequence[LogEntry], attempt: Attempt, rows: Sequence[int]) -> Bound | None:
    """The offsets that the rows allow, or None where none of them tells."""
    told, times = _told(entries, attempt, rows)
    written = [ns for row in told if (ns := entries[row].written_ns) is not None]
    return clocks.bound(written, times, entries[told[0]].resolution_ns) if written else None


def _told(entries: Sequence[LogEntry], attempt: Attempt, rows: Sequence[int]) -> tuple[list[int], tuple[int, ...]]:
    """The rows that speak of one SYN each, and the times of these SYNs.

    All drops; or else the one row with which the connection was admitted, which was written at the first SYN.
    """
    first = [row for row in rows if _begins(entries[row]) and _sent_by_client(entries[row], attempt)]
    first.sort(key=lambda row: (entries[row].written_ns or 0, row))
    drops = [row for row in first if entries[row].drops]
    return (drops, attempt.times_ns) if drops else (first[:1], attempt.times_ns[:1])


def _accepted(
    entries: Sequence[LogEntry], pair: _Pair, alone: Sequence[tuple[int, ...]], clock: Clock, in_steps: bool
) -> Iterator[LogMatch | None]:
    """For each use its rows, or None; `in_steps`: its clock may change from or to summer time."""
    in_time = _in_time(entries, pair, clock.offset_ns) if clock.offset_ns is not None else [()] * len(pair.uses)
    for use, near, only in zip(pair.uses, in_time, alone, strict=True):
        key = use.attempt.key
        if use.exact:
            yield LogMatch(key, tuple(sorted({*use.exact, *near})), "A", use.basis)
        elif near:
            yield LogMatch(key, tuple(sorted(near)), "B", "ports-and-time")
        elif only and clock.offset_ns is None and use.attempt.client.port >= FIRST_EPHEMERAL:
            timed = any(entries[row].written_ns is not None for row in only)
            yield LogMatch(key, tuple(sorted(only)), "C" if timed else "D", "ports")
        elif only and in_steps and _is_an_hour_off(entries, use.attempt, only, clock.offset_ns or 0):
            yield LogMatch(key, tuple(sorted(only)), "C", "ports")
        else:
            yield None


def _is_an_hour_off(entries: Sequence[LogEntry], attempt: Attempt, rows: Sequence[int], offset: int) -> bool:
    """Whether rows fit but for an hour: what a clock in local time is off by on the other side of a change."""
    told, times = _told(entries, attempt, rows)
    written = [ns for row in told if (ns := entries[row].written_ns) is not None]
    if not written:
        return False
    fits = clocks.bound(written, times, entries[told[0]].resolution_ns)
    return any(fits.low - LATE <= offset + step <= fits.high + BEFORE for step in (-HOUR, HOUR))


def _in_time(entries: Sequence[LogEntry], pair: _Pair, offset: int) -> list[list[int]]:
    """The rows of each use by time: a row belongs to the latest attempt that had begun when it was written."""
    starts = [use.attempt.times_ns[0] for use in pair.uses]
    found: list[list[int]] = [[] for _ in pair.uses]
    joined: dict[str, int] = {}  # connection of the log -> use
    for row in pair.rows:
        entry = entries[row]
        if entry.written_ns is None:
            continue
        at = entry.written_ns - offset
        number = bisect_right(starts, at + BEFORE + entry.resolution_ns) - 1
        if number < 0 or len(found[number]) == MAX_ROWS:
            continue
        use = pair.uses[number]
        if not _may_be(entry, use.attempt, use.other_isn):
            continue
        continues = entry.connection is not None and joined.get(entry.connection) == number
        if continues or at <= _until(entry, pair.uses[number]):
            found[number].append(row)
            if entry.connection is not None:
                joined[entry.connection] = number
    return found


def _until(entry: LogEntry, use: _Use) -> int:
    """The latest capture time at which such a row can still speak of the attempt."""
    last = max(copy.times_ns[-1] for copy in use.copies)
    return last + entry.resolution_ns + (CLOSE_ROW if entry.action in ("close", "progress", "fail") else LATE)


def _with_packets(entries: Sequence[LogEntry], attempt: Attempt, one: LogMatch, clock: Clock) -> LogMatch:
    """The match with its rows paired with the attempt's packets."""
    rows, times = _told(entries, attempt, one.entries)
    written = [entries[row].written_ns or 0 for row in rows]
    resolution = entries[rows[0]].resolution_ns if rows else SECOND
    pairs = clocks.align(written, times, resolution, clock.offset_ns)
    agrees = tuple((rows[row], attempt.packets[packet]) for row, packet in pairs if packet < len(attempt.packets))
    return one._replace(attempt=attempt.key, agrees=agrees)
