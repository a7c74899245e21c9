"""Two readings of one capture, joined PDU by PDU while both are read.

A PDU is the same for both when stream ends, type, call id, length and the packet that completed it are the same.
What is left then is joined without the packet, in order: see docs/verify.md for when the two complete a PDU at
different packets.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from rpcdiag.verify.reading import Reading

MAX_UNMATCHED = 1 << 16  # readings of one side that wait for the other's
SEVERAL = -1
_NOTES = frozenset({"malformed", "damage"})  # what a reader says of itself, not of the PDU


class Why(StrEnum):
    """Classes of differences: what the readings themselves say of the reason. See docs/verify.md."""

    CUT = "cut"  # bytes of the PDU are not in the capture
    NOT_RECOGNISED = "not-recognised"  # the other reader takes the connection for something else
    FRAMING = "framing"  # it reads the connection, and lost where its PDUs begin
    UNLINKED = "unlinked"  # it did not join the answer with its request, and so does not know what it holds
    LATE = "late"  # both have the PDU, completed by another packet
    MALFORMED = "malformed"  # one of them says itself that the PDU does not decode
    VALUE = "value"  # they read the same bytes differently


class Difference(NamedTuple):
    """One PDU on which the two do not agree; a reading is None where that reader has no such PDU."""

    what: str  # `only-ours`, `only-theirs`, `packet`, or the field
    why: Why
    ours: Reading | None
    theirs: Reading | None

    @property
    def packet(self) -> int:
        return min(one.packet for one in (self.ours, self.theirs) if one is not None)


class Sums(NamedTuple):
    """PDUs of one transport. `copies`: ours at a second capture point, which are in no other number."""

    ours: int
    theirs: int
    agreed: int
    either: int
    copies: int

    @property
    def percent(self) -> float:
        return 100.0 * self.agreed / self.either if self.either else 100.0


class Comparison:
    """Feed it by iterating: it yields differences; `sums` are right when it has ended."""

    def __init__(self, ours: Iterable[Reading], theirs: Iterable[Reading]) -> None:
        self._sides = (iter(ours), iter(theirs))
        self._waiting: tuple[dict[tuple[object, ...], deque[Reading]], ...] = ({}, {})
        self._held = [0, 0]
        self._read: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._agreed: Counter[str] = Counter()
        self._joined: Counter[str] = Counter()
        self._copies: Counter[str] = Counter()
        self._ends: tuple[set[tuple[str, ...]], ...] = (set(), set())  # connections that each reads
        self.classes: Counter[str] = Counter()
        self._points: dict[int, int] = {}  # hash of a PDU that both read -> its point, SEVERAL

    def __iter__(self) -> Iterator[Difference]:
        for difference in self._differences():
            self.classes[f"{difference.what} ({difference.why})"] += 1
            yield difference

    def _differences(self) -> Iterator[Difference]:
        heads = [next(side, None) for side in self._sides]
        while any(head is not None for head in heads):
            turn = 0 if heads[1] is None or (heads[0] is not None and heads[0].packet <= heads[1].packet) else 1
            head = heads[turn]
            assert head is not None  # the one whose turn it is
            yield from self._take(turn, head)
            heads[turn] = next(self._sides[turn], None)
        yield from self._rest()

    def sums(self, transport: str) -> Sums:
        ours, theirs = self._read[0][transport], self._read[1][transport]
        copies = self._copies[transport]
        ours -= copies
        return Sums(ours, theirs, self._agreed[transport], ours + theirs - self._joined[transport], copies)

    @property
    def transports(self) -> list[str]:
        return sorted(self._read[0] | self._read[1])

    def _take(self, turn: int, reading: Reading) -> Iterator[Difference]:
        self._read[turn][reading.transport] += 1
        if len(self._ends[turn]) < MAX_UNMATCHED:
            self._ends[turn].add(reading.ends)
        key = (*reading.place, reading.packet)
        others = self._waiting[1 - turn].get(key)
        if others:
            other = next((one for one in others if not _differing(*_in_order(turn, reading, one))), others[0])
            others.remove(other)  # pipes of one session number their calls alike: that which says the same
            if not others:
                del self._waiting[1 - turn][key]
            self._held[1 - turn] -= 1
            yield from self._join(*_in_order(turn, reading, other))
            return
        self._waiting[turn].setdefault(key, deque()).append(reading)
        self._held[turn] += 1
        if self._held[turn] > MAX_UNMATCHED:
            yield self._drop(turn)

    def _drop(self, turn: int) -> Difference:
        """The one that waits longest will not be joined any more."""
        key = next(iter(self._waiting[turn]))
        reading = self._waiting[turn][key].popleft()
        if not self._waiting[turn][key]:
            del self._waiting[turn][key]
        self._held[turn] -= 1
        return self._alone(turn, reading)

    def _alone(self, turn: int, reading: Reading) -> Difference:
        known = reading.ends in self._ends[1 - turn]
        why = Why.CUT if reading.cut else Why.FRAMING if known else Why.NOT_RECOGNISED
        if turn == 0:
            return Difference("only-ours", why, reading, None)
        return Difference("only-theirs", why, None, reading)

    def _join(self, ours: Reading, theirs: Reading) -> Iterator[Difference]:
        self._joined[ours.transport] += 1
        if len(self._points) < MAX_UNMATCHED:
            key = hash(ours.place)  # not the place itself: this is most of what is remembered
            self._points[key] = ours.point if self._points.get(key, ours.point) == ours.point else SEVERAL
        differing = [Difference(name, _why(name, ours, theirs), ours, theirs) for name in _differing(ours, theirs)]
        if not differing:
            self._agreed[ours.transport] += 1
        yield from differing

    def _rest(self) -> Iterator[Difference]:
        """Readings that found none at the same packet: joined in order where all but the packet is the same."""
        late: dict[tuple[str, ...], deque[Reading]] = {}
        for readings in self._waiting[1].values():
            for theirs in readings:
                late.setdefault(theirs.place, deque()).append(theirs)
        for readings in self._waiting[0].values():
            for ours in readings:
                if self._points.get(hash(ours.place), ours.point) != ours.point:
                    self._copies[ours.transport] += 1
                    continue
                same = late.get(ours.place)
                if not same:
                    yield self._alone(0, ours)
                    continue
                theirs = same.popleft()
                self._joined[ours.transport] += 1
                yield Difference("packet", Why.LATE, ours, theirs)
        for same in late.values():
            for theirs in same:
                yield self._alone(1, theirs)


def _in_order(turn: int, reading: Reading, other: Reading) -> tuple[Reading, Reading]:
    return (reading, other) if turn == 0 else (other, reading)


def _why(name: str, ours: Reading, theirs: Reading) -> Why:
    if _NOTES & {*ours.fields, *theirs.fields}:
        return Why.CUT if ours.cut else Why.MALFORMED
    if name in ours.fields and name in theirs.fields:
        return Why.VALUE
    if ours.cut:
        return Why.CUT
    known = "opnum" in ours.fields, "opnum" in theirs.fields
    return Why.UNLINKED if ours.kind == "response" and not all(known) else Why.VALUE


def _differing(ours: Reading, theirs: Reading) -> list[str]:
    """Fields on which two readings of one PDU differ; a field that only one of them tells is one."""
    names = {*ours.fields, *theirs.fields} - _NOTES
    if ours.kind != "request" and not ("opnum" in ours.fields and "opnum" in theirs.fields):
        names.discard("opnum")  # an answer does not hold it [C706] 12.6.4.10: it is known from the request, if that is
    if "pipe" not in theirs.fields:
        names.discard("pipe")  # the answer to a READ does not hold its file [MS-SMB2] 2.2.20: they do not look it up
    return sorted(name for name in names if ours.fields.get(name) != theirs.fields.get(name))
