"""Datagrams of two places: put together from their pieces, and which at one place is which at the other.

UDP has no sequence numbers. What tells a datagram is its ends, its IP id, its payload and the time, in that order: a payload
alone is no proof, for who gets no answer sends the same again, and a resolver asks several servers the same.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rpcdiag.compare.clock import Pair
from rpcdiag.compare.pieces import HEAD, SERVICES, Piece
from rpcdiag.compare.result import Offset
from rpcdiag.compare.talks import BARE_COPY_NS, COPY_NS
from rpcdiag.model.packets import Address, Endpoint

TOGETHER_NS = 30_000_000_000  # pieces of one datagram. [RFC1122] 3.3.2
WINDOW_NS = 400_000_000  # a datagram that arrives later than that is another one
NEAR_NS = 50_000_000  # where nothing but the time tells
LEAST_PAYLOAD = 8  # bytes that tell something
Ends = tuple[Endpoint, Endpoint]


class Datagram:
    """One datagram at one place: its pieces in the order of the file; `first` has the ports, if it is here."""

    __slots__ = ("first", "pieces")

    def __init__(self, piece: Piece) -> None:
        self.pieces = [piece]
        self.first = None if piece.offset else piece

    def add(self, piece: Piece) -> None:
        self.pieces.append(piece)
        if not piece.offset:
            self.first = piece

    @property
    def time_ns(self) -> int:
        return self.pieces[0].time_ns

    @property
    def packet(self) -> int:
        return self.pieces[0].packet

    @property
    def packets(self) -> tuple[int, ...]:
        return tuple(one.packet for one in self.pieces)

    @property
    def ip_id(self) -> int:
        return self.pieces[0].ip_id

    @property
    def length(self) -> int:
        """With its UDP header; 0 where the first piece is not here."""
        return 0 if self.first is None else self.first.length

    @property
    def fragmented(self) -> bool:
        return len(self.pieces) > 1 or self.pieces[0].more or self.pieces[0].offset > 0

    @property
    def head(self) -> bytes:
        return b"" if self.first is None else self.first.head

    def spans(self) -> list[tuple[int, int]]:
        """Which bytes are here."""
        joined: list[tuple[int, int]] = []
        for start, end in sorted((one.offset, one.offset + one.size) for one in self.pieces):
            if joined and start <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        return joined

    def beyond(self, other: "Datagram") -> list[Piece]:
        """The pieces with bytes that the other place has not."""
        if len(self.pieces) == len(other.pieces) == 1 and self.pieces[0].size == other.pieces[0].size:
            return [] if self.pieces[0].offset == other.pieces[0].offset else self.pieces
        there = other.spans()
        starts = [start for start, _ in there]
        found = []
        for one in self.pieces:
            place = bisect_right(starts, one.offset) - 1
            if place < 0 or one.offset + one.size > there[place][1]:
                found.append(one)
        return found


class Exchange:
    """The datagrams between two ends at one place; `sent` by client and server."""

    def __init__(self, client: Endpoint, server: Endpoint) -> None:
        self.client, self.server = client, server
        self.sent: tuple[list[Datagram], list[Datagram]] = ([], [])

    @property
    def ends(self) -> Ends:
        return self.client, self.server

    @property
    def first(self) -> Datagram:
        """The one recorded first."""
        return min((side[0] for side in self.sent if side), key=lambda one: one.packet)


class Sorted(NamedTuple):
    """One place: exchanges, datagrams whose first piece is not there, and how many packets are there twice."""

    exchanges: list[Exchange]
    headless: dict[tuple[Address, Address, int], list[Datagram]]
    copies: int


class Paired(NamedTuple):
    """An exchange at both places, and what tells that it is the same: ends, ids, payload, time."""

    first: Exchange
    second: Exchange
    by: str


class Delivery(NamedTuple):
    """A datagram at one place or at both; `side` sent it."""

    side: int
    here: Datagram | None
    there: Datagram | None


def arranged(pieces: Iterable[Piece], wanted: Mapping[Ends, object]) -> Sorted:
    """What one place recorded; `wanted` are known pairs of client and server."""
    found: list[Datagram] = []
    open_: dict[tuple[Address, Address, int], tuple[Datagram, set[int]]] = {}
    seen: dict[Hashable, int] = {}
    copies = 0
    for one in pieces:
        what = one[2:6] + one[7:]  # all but number, time and TTL
        before, seen[what] = seen.get(what), one.time_ns
        if before is not None and abs(one.time_ns - before) <= (COPY_NS if one.ip_id else BARE_COPY_NS):
            copies += 1
            continue
        if not one.offset and not one.more:
            found.append(Datagram(one))
            continue
        key = one.source, one.destination, one.ip_id
        datagram, offsets = open_.get(key) or (None, set())
        if datagram is None or one.offset in offsets or one.time_ns - datagram.time_ns > TOGETHER_NS:
            datagram = Datagram(one)
            open_[key] = datagram, {one.offset}
            found.append(datagram)
        else:
            datagram.add(one)
            offsets.add(one.offset)
    return _exchanges(found, wanted, copies)


def _exchanges(found: Sequence[Datagram], wanted: Mapping[Ends, object], copies: int) -> Sorted:
    exchanges: dict[Ends, Exchange] = {}
    headless: dict[tuple[Address, Address, int], list[Datagram]] = {}
    for datagram in found:
        first = datagram.first
        if first is None or first.ports is None:
            piece = datagram.pieces[0]
            headless.setdefault((piece.source, piece.destination, piece.ip_id), []).append(datagram)
            continue
        ends = Endpoint(first.source, first.ports[0]), Endpoint(first.destination, first.ports[1])
        exchange = exchanges.get(ends)
        if exchange is None:
            asks = ends in wanted or ((ends[1], ends[0]) not in wanted and not _serves(ends[0], ends[1]))
            exchange = Exchange(*(ends if asks else (ends[1], ends[0])))
            exchanges[ends] = exchanges[ends[1], ends[0]] = exchange
        exchange.sent[int(ends[0] != exchange.client)].append(datagram)
    return Sorted(list(dict.fromkeys(exchanges.values())), headless, copies)


def _serves(one: Endpoint, other: Endpoint) -> bool:
    return one.port in SERVICES and other.port not in SERVICES


class Prints:
    """What stands for a datagram's payload: as much of it as every packet of both captures holds."""

    def __init__(self, sides: Iterable[Iterable[Piece]]) -> None:
        self._room, self._sums = HEAD, True
        for side in sides:
            for one in side:
                if one.crc is None:
                    self._sums = False
                    if one.ports is not None and len(one.head) < min(HEAD, one.length - 8):
                        self._room = min(self._room, len(one.head))

    @property
    def telling(self) -> bool:
        return self._room >= LEAST_PAYLOAD

    def of(self, one: Datagram) -> Hashable:
        first = one.first
        if first is None:
            return None
        return one.length, first.head[: self._room], first.crc if self._sums and not one.fragmented else None


class Meeting:
    """Exchanges of two places matched. `moved`: what an address at the first place reads at the second; `certain`: which
    packets tell of the clocks, and of who is nearer."""

    def __init__(self, sides: tuple[Sorted, Sorted], prints: Prints, moved: Mapping[Address, Address]) -> None:
        self.sides, self.prints, self.moved = sides, prints, dict(moved)
        self.pairs: list[Paired] = []
        self.ids_kept = False
        self._left = [list(side.exchanges) for side in sides]
        self._take("ends", lambda one: one.ends)
        if prints.telling:
            self._by_parts("ids", self._with_ids, lambda *_: True)
        self._weigh_ids()
        self.certain = self._certain()

    def more(self, clock: Offset) -> None:
        """Further ones, by payload and time."""
        if not self.prints.telling:
            return
        if clock.ns is None:
            self._by_parts("payload", self._plain, lambda one, other: len(_alike(self.prints, one, other)) == 2)
            return

        def near(one: Exchange, other: Exchange) -> bool:
            expected = clock.there(one.first.time_ns)
            return abs(other.first.time_ns - expected) <= WINDOW_NS

        self._by_parts("payload", self._plain, near)
        self._at_the_same_time(clock)

    def _certain(self) -> list[tuple[Paired, list[Pair[Piece]]]]:
        """Whole datagrams that can only be one another: ends or ids, and a payload that stands once at either place."""
        found: list[tuple[Paired, list[Pair[Piece]]]] = []
        for pair in self.pairs:
            pieces: list[Pair[Piece]] = []
            if pair.by in ("ends", "ids"):
                for side in (0, 1):
                    ours, theirs = (_once(one.sent[side], self._with_id) for one in (pair.first, pair.second))
                    if not any(ours.get(key) and theirs.get(key) for key in ours):
                        ours, theirs = (_once(one.sent[side], self.prints.of) for one in (pair.first, pair.second))
                    for key, one in ours.items():
                        other = theirs.get(key)
                        if one is not None and other is not None and one.first and other.first:
                            pieces.append(Pair(one.first, other.first, side))
            found.append((pair, pieces))
        return found

    def deliveries(self, pair: Paired, clock: Offset) -> list[Delivery]:
        """What became of every datagram of an exchange."""
        found = [
            Delivery(side, here, there)
            for side in (0, 1)
            for here, there in self._matched(pair.first.sent[side], pair.second.sent[side], clock)
        ]
        return [self._with_headless(one, pair) for one in found]

    def alone(self) -> Iterator[tuple[int, Exchange]]:
        """Exchanges that only one place has."""
        for place in (0, 1):
            for one in self._left[place]:
                yield place, one

    def _take(self, by: str, key: Callable[[Exchange], Hashable]) -> None:
        theirs = _unique(self._left[1], key)
        for what, one in _unique(self._left[0], key).items():
            other = theirs.get(what)
            if one is not None and other is not None:
                self._meet(one, other, by)
        self._drop_taken()

    def _meet(self, one: Exchange, other: Exchange, by: str) -> None:
        self.pairs.append(Paired(one, other, by))
        if by != "time":
            self.moved.setdefault(one.server.address, other.server.address)

    def _drop_taken(self) -> None:
        taken = {id(one) for pair in self.pairs for one in (pair.first, pair.second)}
        self._left = [[one for one in side if id(one) not in taken] for side in self._left]

    def _by_parts(
        self, by: str, keys: Callable[[Exchange], Iterable[Hashable]], fits: Callable[[Exchange, Exchange], bool]
    ) -> None:
        """By a datagram that stands once at either place."""
        tables: list[dict[Hashable, Exchange | None]] = []
        for side in self._left:
            table: dict[Hashable, Exchange | None] = {}
            for one in side:
                for key in keys(one):
                    table[key] = None if key in table else one
            tables.append(table)
        taken: set[int] = set()
        refused: set[tuple[int, int]] = set()
        for key, ours in tables[0].items():
            theirs = tables[1].get(key)
            if ours is None or theirs is None or taken & {id(ours), id(theirs)}:
                continue
            both = id(ours), id(theirs)
            if both in refused or not fits(ours, theirs):
                refused.add(both)
                continue
            taken |= {*both}
            self._meet(ours, theirs, by)
        self._drop_taken()

    def _with_id(self, one: Datagram) -> Hashable:
        return (self.prints.of(one), one.ip_id) if one.ip_id else None

    def _with_ids(self, one: Exchange) -> Iterator[Hashable]:
        for side in (0, 1):
            for datagram in one.sent[side]:
                if datagram.ip_id and datagram.length >= 8 + LEAST_PAYLOAD:
                    yield side, self.prints.of(datagram), datagram.ip_id

    def _plain(self, one: Exchange) -> Iterator[Hashable]:
        for side in (0, 1):
            for what in dict.fromkeys(map(self.prints.of, one.sent[side])):
                yield side, what

    def _fits(self, one: Exchange, other: Exchange) -> bool:
        """Whether the addresses may be one another."""
        ends = (one.server.address, other.server.address), (one.client.address, other.client.address)
        return all(self.moved.get(here, there) == there for here, there in ends)

    def _at_the_same_time(self, clock: Offset) -> None:
        """Those for which nothing but the time speaks: then nothing is said of them, rather than that they were lost."""
        waiting: dict[int, deque[Exchange]] = {}
        for other in sorted(self._left[1], key=lambda one: one.first.time_ns):
            waiting.setdefault(other.server.port, deque()).append(other)
        for one in sorted(self._left[0], key=lambda one: one.first.time_ns):
            among = waiting.get(one.server.port)
            expected = clock.there(one.first.time_ns)
            while among and among[0].first.time_ns < expected - NEAR_NS:
                among.popleft()
            if among and among[0].first.time_ns <= expected + NEAR_NS and self._fits(one, among[0]):
                self._meet(one, among.popleft(), "time")
        self._drop_taken()

    def _weigh_ids(self) -> None:
        """Whether the path leaves IP ids alone: then another id is another packet."""
        same = other = 0
        for pair in self.pairs:
            for side in (0, 1):
                ours, theirs = (_once(one.sent[side], self.prints.of) for one in (pair.first, pair.second))
                for key, here in ours.items():
                    there = theirs.get(key)
                    if here is not None and there is not None and here.ip_id and there.ip_id:
                        same += here.ip_id == there.ip_id
                        other += here.ip_id != there.ip_id
        self.ids_kept = same > 4 * other

    def _matched(
        self, ours: Sequence[Datagram], theirs: Sequence[Datagram], clock: Offset
    ) -> list[tuple[Datagram | None, Datagram | None]]:
        left: tuple[list[Datagram], list[Datagram]] = (list(ours), list(theirs))
        found: list[tuple[Datagram | None, Datagram | None]] = []
        steps: list[tuple[Callable[[Datagram], Hashable], int]] = [(self._with_id, WINDOW_NS)]
        if self.prints.telling:
            steps.append((self._without_id if self.ids_kept else self.prints.of, WINDOW_NS))
        if clock.ns is not None:  # the payload was rewritten, or too little of it is here
            steps.append((lambda one: one.ip_id or None, WINDOW_NS))
            if not self.ids_kept:
                steps.append((lambda one: True, NEAR_NS))
        for key, window in steps:
            if not left[0] or not left[1]:
                break
            made = _in_turn(left, key, clock, window)
            found += made
            gone = {id(one) for pair in made for one in pair}
            left = [one for one in left[0] if id(one) not in gone], [one for one in left[1] if id(one) not in gone]
        found += [(one, None) for one in left[0]]
        return found + [(None, one) for one in left[1]]

    def _without_id(self, one: Datagram) -> Hashable:
        return None if one.ip_id else self.prints.of(one)

    def _with_headless(self, one: Delivery, pair: Paired) -> Delivery:
        """With pieces of it whose first is not there."""
        datagram = one.here or one.there
        if datagram is None or (one.here and one.there) or not datagram.fragmented:
            return one
        at = 1 if one.here else 0
        ends = (pair.second if at else pair.first).ends
        source, destination = ends[one.side].address, ends[1 - one.side].address
        among = self.sides[at].headless.get((source, destination, datagram.ip_id))
        if not among:
            return one
        return one._replace(there=among[0]) if at else one._replace(here=among[0])


def _alike(prints: Prints, one: Exchange, other: Exchange) -> set[int]:
    """The sides that said something that both have."""
    return {
        side
        for side in (0, 1)
        if not {prints.of(each) for each in one.sent[side]}.isdisjoint(prints.of(each) for each in other.sent[side])
    }


def _once(among: Iterable[Datagram], key: Callable[[Datagram], Hashable]) -> dict[Hashable, Datagram | None]:
    """None where the key stands for several."""
    found: dict[Hashable, Datagram | None] = {}
    for one in among:
        what = key(one)
        if what is not None:
            found[what] = None if what in found else one
    return found


def _unique(among: Iterable[Exchange], key: Callable[[Exchange], Hashable]) -> dict[Hashable, Exchange | None]:
    found: dict[Hashable, Exchange | None] = {}
    for one in among:
        what = key(one)
        found[what] = None if what in found else one
    return found


def _in_turn(
    left: tuple[list[Datagram], list[Datagram]], key: Callable[[Datagram], Hashable], clock: Offset, window: int
) -> list[tuple[Datagram | None, Datagram | None]]:
    """Those with the same key: by time, or by rank where the clocks are not known."""
    groups: dict[Hashable, tuple[list[Datagram], list[Datagram]]] = {}
    for place in (0, 1):
        for one in left[place]:
            what = key(one)
            if what is not None:
                groups.setdefault(what, ([], []))[place].append(one)
    found: list[tuple[Datagram | None, Datagram | None]] = []
    for ours, theirs in groups.values():
        if clock.ns is None:
            found += zip(ours, theirs, strict=False)
            continue
        at = 0
        for one in ours:
            expected = clock.there(one.time_ns)
            while at < len(theirs) and theirs[at].time_ns < expected - window:
                at += 1
            if at < len(theirs) and theirs[at].time_ns <= expected + window:
                found.append((one, theirs[at]))
                at += 1
    return found
