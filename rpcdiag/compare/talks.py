"""Segments -> TCP conversations at one place, and which of them are the same at another place."""

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from rpcdiag.compare.segments import ACK, FIN, RST, SYN, Segment
from rpcdiag.model.packets import Endpoint

MASK = 0xFFFFFFFF
ALIKE = 4  # segments whose IP ids do not agree by chance
OPENING = 2  # segments with payload by which a conversation is known whose numbers were rewritten
COPY_NS = 20_000_000  # a packet recorded twice, on its way in and out; who repeats waits longer
BARE_COPY_NS = 1_000_000  # where no IP id tells
SAME_TIME_NS = 1_000_000_000
AGAIN_NS = 900_000_000  # a client that heard nothing asks again after a second


def once(segments: Sequence[Segment]) -> tuple[list[Segment], int]:
    """Without those that were recorded twice, as on a switch that mirrors what comes in and what goes out; how many.

    A segment that is sent again has another IP id. Where there are none (IPv6), the rest is believed only of a place
    at which much is there twice: acknowledgements may be alike.
    """
    seen: dict[Hashable, int] = {}
    again: list[bool] = []
    bare = 0
    for one in segments:
        what = one[2:8] + one[9:]  # all but number, time and TTL
        before, seen[what] = seen.get(what), one.time_ns
        gap = COPY_NS + 1 if before is None else abs(one.time_ns - before)
        again.append(gap <= (COPY_NS if one.ip_id else BARE_COPY_NS))
        bare += not one.ip_id
    copies = sum(found for found, one in zip(again, segments, strict=True) if not one.ip_id)
    believed = copies * 3 >= bare
    kept = [one for one, found in zip(segments, again, strict=True) if not found or (not one.ip_id and not believed)]
    return kept, len(segments) - len(kept)


class Talk:
    """One TCP conversation at one place; `sent` are the segments of client and server."""

    def __init__(self, client: Endpoint, server: Endpoint) -> None:
        self.client, self.server = client, server
        self.sent: tuple[list[Segment], list[Segment]] = ([], [])
        self.isn: int | None = None
        self.answer_isn: int | None = None

    @property
    def ends(self) -> tuple[Endpoint, Endpoint]:
        return self.client, self.server

    @property
    def first(self) -> Segment:
        """The one recorded first."""
        return min((side[0] for side in self.sent if side), key=lambda one: one.packet)

    @property
    def stamp(self) -> int | None:
        """Time stamp of the SYN: devices that draw numbers anew leave it alone."""
        return next((one.stamp for one in self.sent[0] if one.flags & SYN and one.stamp), None)

    @property
    def ids(self) -> Hashable:
        """Ends, and the IP ids of the first segments, which a device leaves that draws sequence numbers anew."""
        first = tuple((one.ip_id, one.size) for one in self.sent[0][:ALIKE])
        return (self.ends, first) if len(first) == ALIKE and all(number for number, _ in first) else None

    def opening(self) -> tuple[Hashable, ...]:
        """The first payloads of either side."""
        said = [[one for one in side if one.size][:OPENING] for side in self.sent]
        return tuple((side, one.head, one.size) for side in (0, 1) for one in said[side])


class Same(NamedTuple):
    """A conversation at both places, and what tells that it is the same: numbers, ends, ids, stamp, payload, time.

    A payload alone is no proof that packets are the same: who asks the same again says the same again.
    """

    first: Talk
    second: Talk
    by: str


def talks(segments: Iterable[Segment], clients: Collection[tuple[Endpoint, Endpoint]]) -> list[Talk]:
    """Conversations by their first packets; `clients` are known pairs of client and server."""
    found: list[Talk] = []
    current: dict[tuple[Endpoint, Endpoint], Talk] = {}
    for one in segments:
        ends, back = (one.source, one.destination), (one.destination, one.source)
        opens = one.flags & (SYN | ACK) == SYN
        talk = current.get(ends) or current.get(back)
        anew = opens and talk is not None and talk.isn is not None and talk.isn != one.sequence
        if talk is None or (anew and talk.client == one.source) or (opens and anew):
            from_client = opens or (not one.flags & SYN and _asks(ends, clients))
            talk = Talk(*(ends if from_client else back))
            current[ends] = current[back] = talk
            found.append(talk)
        side = 0 if one.source == talk.client else 1
        talk.sent[side].append(one)
        if opens and side == 0 and talk.isn is None:
            talk.isn = one.sequence
        elif one.flags & SYN and side == 1 and talk.answer_isn is None:
            talk.answer_isn = one.sequence
            talk.isn = (one.acknowledged - 1) & MASK if talk.isn is None and one.flags & ACK else talk.isn
    return found


def _asks(ends: tuple[Endpoint, Endpoint], clients: Collection[tuple[Endpoint, Endpoint]]) -> bool:
    if ends in clients:
        return True
    return (ends[1], ends[0]) not in clients and ends[1].port < ends[0].port


def in_common(first: Sequence[Talk], second: Sequence[Talk]) -> list[Same]:
    """Conversations that both places saw, by what cannot agree by chance: number and ends, number and part of the ends."""
    left, right = list(first), list(second)
    found: list[Same] = []
    _take(left, right, found, "numbers", lambda one: None if one.isn is None else (one.isn, *one.ends))
    _take(
        left,
        right,
        found,
        "numbers",
        lambda one: None if one.isn is None else (one.isn, one.answer_isn, _first_id(one)),
    )
    _take(
        left,
        right,
        found,
        "numbers",
        lambda one: None if None in (one.isn, one.answer_isn) else (one.isn, one.answer_isn),
    )
    _take(left, right, found, "numbers", lambda one: None if one.isn is None else (one.isn, one.server.port))
    _take(left, right, found, "numbers", lambda one: one.isn)
    _take(left, right, found, "ends", lambda one: one.ends)
    _take(left, right, found, "ids", lambda one: one.ids)
    return found


def by_contents(
    first: Sequence[Talk], second: Sequence[Talk], known: Sequence[Same], there: Callable[[int], int] | None
) -> list[Same]:
    """Further ones, whose sequence numbers were drawn anew: same ends at the same time, time stamps, or payloads."""
    done = {id(one.first) for one in known} | {id(one.second) for one in known}
    left, right = [one for one in first if id(one) not in done], [one for one in second if id(one) not in done]
    found: list[Same] = []
    _take(left, right, found, "stamp", lambda one: (one.stamp, one.server.port) if one.stamp else None)
    _take(left, right, found, "payload", lambda one: one.opening() if len(one.opening()) >= 2 else None)
    if there is not None:
        found += _at_the_same_time(left, right, there)
    return found


def _first_id(talk: Talk) -> int | None:
    """Of the SYN: with the number of the SYN it cannot agree by chance."""
    return next((one.ip_id for one in talk.sent[0] if one.flags & SYN and one.ip_id), None)


def _at_the_same_time(left: Iterable[Talk], right: Iterable[Talk], there: Callable[[int], int]) -> Iterator[Same]:
    waiting: dict[tuple[Endpoint, Endpoint], deque[Talk]] = {}
    for other in right:
        waiting.setdefault(other.ends, deque()).append(other)
    for one in left:
        among = waiting.get(one.ends)
        expected = there(one.first.time_ns)
        while among and among[0].first.time_ns < expected - SAME_TIME_NS:
            among.popleft()
        if among and among[0].first.time_ns <= expected + SAME_TIME_NS:
            yield Same(one, among.popleft(), "time")


def shares(same: Same) -> bool:
    """Whether the two have a segment in common."""
    return any(
        {(one.sequence, one.acknowledged, one.size) for one in here}
        & {(one.sequence, one.acknowledged, one.size) for one in there}
        for here, there in zip(same.first.sent, same.second.sent, strict=True)
    )


def contradict(same: Same) -> bool:
    """Whether they are two connections, although their numbers are the same: programs that make captures, and some
    devices, begin at the same number every time. Either the client says something else at the same place of its stream,
    or it asks again in vain at one place, and both say something at the other.
    """
    first, second = same.first, same.second
    said = {one.sequence: one.head for one in first.sent[0] if one.size}
    for one in second.sent[0]:
        head = said.get(one.sequence) if one.size else None
        shorter = min(len(head), len(one.head)) if head is not None else 0
        if head is not None and head[:shorter] != one.head[:shorter]:
            return True
    return any(
        _in_vain(here) and all(any(one.size for one in side) for side in there.sent)
        for here, there in ((first, second), (second, first))
    )


def _in_vain(talk: Talk) -> bool:
    asked = [one.time_ns for one in talk.sent[0] if one.flags & (SYN | ACK) == SYN]
    silent = not talk.sent[1] and not any(one.size for one in talk.sent[0])
    return silent and len(asked) > 1 and asked[-1] - asked[0] >= AGAIN_NS


def _take(left: list[Talk], right: list[Talk], found: list[Same], by: str, key: Callable[[Talk], Hashable]) -> None:
    """Those whose key is the same and stands once on either side leave the lists."""
    ours, theirs = _by_key(left, key), _by_key(right, key)
    gone: set[int] = set()
    for what, one in ours.items():
        other = theirs.get(what)
        if one is None or other is None:
            continue
        same = Same(one, other, by)
        if by == "ends" and ((one.isn is not None and other.isn is not None) or not shares(same)):
            continue  # one of them is older than its capture; else the numbers would have told
        found.append(same)
        gone |= {id(one), id(other)}
    if gone:
        left[:] = [one for one in left if id(one) not in gone]
        right[:] = [one for one in right if id(one) not in gone]


def _by_key(among: Sequence[Talk], key: Callable[[Talk], Hashable]) -> dict[Hashable, Talk | None]:
    """None where the key stands for several."""
    found: dict[Hashable, Talk | None] = {}
    for one in among:
        what = key(one)
        if what is not None:
            found[what] = None if what in found else one
    return found


def kind(one: Segment) -> str:
    """What a segment is: the most telling of its flags, data before the rest."""
    if one.flags & RST:
        return "RST"
    if one.flags & SYN:
        return "SYN-ACK" if one.flags & ACK else "SYN"
    if one.size:
        return "segment"
    return "FIN" if one.flags & FIN else "ACK"
