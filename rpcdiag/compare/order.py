"""Which host is on which side of the path, and so what it means that only one place has a packet."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

from rpcdiag.compare import clock as clocks
from rpcdiag.compare.clock import Pair
from rpcdiag.compare.passage import Fate
from rpcdiag.compare.talks import Same, Talk, kind
from rpcdiag.model.packets import Address, Endpoint

Ends = tuple[Endpoint, Endpoint]


class Lost(NamedTuple):
    """A segment that one place did not record: `at` is the other one."""

    talk: Talk  # at the place that saw it
    side: int
    at: int
    fate: Fate
    how: str  # lost, repeated, made, unrecorded
    edge_ns: int = 0  # after the last packet of the other capture, or (negative) before its first
    proviso: str | None = None


class Passage(NamedTuple):
    """One conversation, at one place or at both, and what became of its segments."""

    first: Talk | None
    second: Talk | None
    by: str
    fates: tuple[Fate, ...]

    @property
    def talk(self) -> Talk:
        """As the first place that saw it has it."""
        found = self.first or self.second
        if found is None:
            raise ValueError("a conversation that nobody recorded")
        return found

    def at(self, place: int) -> Talk | None:
        return self.second if place else self.first


class Order:
    """Which host is on which side of the path: TTLs tell, else the time that packets take."""

    def __init__(self, same: Sequence[Same]) -> None:
        self._of_pair: dict[tuple[int, Address, Address], int] = {}
        self._of_host: dict[tuple[int, Address], int] = {}
        self._votes = [0, 0]
        for one in same:
            self.learn(one.first.ends, one.second.ends, clocks.certain(one))

    def learn(self, first: Ends, second: Ends, pairs: Sequence[Pair[Any]]) -> None:
        """What packets of one conversation say that both places have."""
        near = _nearer(pairs)
        if near is None:
            return
        self._votes[near] += 1
        for place, ends in enumerate((first, second)):
            client, server = ends[0].address, ends[1].address
            self._of_pair[place, client, server] = near
            self._of_host.setdefault((place, client), near)
            self._of_host.setdefault((place, server), 1 - near)

    @property
    def known(self) -> bool:
        return any(self._votes)

    def near(self, talk: Talk, place: int) -> int:
        """The place that is nearer to the client."""
        near = self.nearer(talk.client.address, talk.server.address, place)
        return int(self._votes[1] > self._votes[0]) if near is None else near

    def nearer(self, client: Address, server: Address, place: int) -> int | None:
        """The same of two hosts, as `place` names them; None where no packet tells."""
        near = self._of_pair.get((place, client, server))
        if near is None:
            reverse = self._of_pair.get((place, server, client))
            near = None if reverse is None else 1 - reverse
        if near is None:
            near = self._of_host.get((place, client))
        if near is None:
            other = self._of_host.get((place, server))
            near = None if other is None else 1 - other
        return near

    def of_host(self, place: int, address: Address) -> int | None:
        """The place that is nearer to a host, as far as its own packets tell."""
        return self._of_host.get((place, address))

    def judged(self, passage: Passage) -> Iterable[Lost]:
        """What did not arrive."""
        answered = {fate.side for fate in passage.fates if fate.arrived}
        for fate in passage.fates:
            if fate.arrived:
                continue
            at = 0 if fate.here is not None else 1
            talk = passage.at(at)
            if talk is None:
                continue
            near = self.near(talk, at)
            leaves = near if fate.side == 0 else 1 - near  # the place that the sender is nearer to
            if passage.first is None or passage.second is None:
                leaves = at if not self.known else leaves
            if leaves == at:
                how = "repeated" if fate.repeated else "unrecorded" if fate.acknowledged else "lost"
            else:
                what = kind(fate.one)
                own = (what == "SYN-ACK" and fate.side in answered) or (what == "FIN" and fate.acknowledged)
                made = what in ("RST", "SYN-ACK", "FIN") and not own and not fate.repeated
                how = "made" if made else "unrecorded"  # who sends more, or is told that it came, sent it
            yield Lost(talk, fate.side, at, fate, how)


def _nearer(pairs: Sequence[Pair[Any]]) -> int | None:
    """The place nearer to the client."""
    for side in (0, 1):
        falls = [one.first.ttl - one.second.ttl for one in pairs if one.side == side]
        if falls and median(falls):
            return int(median(falls) < 0) if side == 0 else int(median(falls) > 0)
    gaps = [[one.second.time_ns - one.first.time_ns for one in pairs if one.side == side] for side in (0, 1)]
    if gaps[0] and gaps[1] and median(gaps[0]) != median(gaps[1]):
        return int(median(gaps[0]) < median(gaps[1]))
    return None
