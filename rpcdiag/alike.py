"""Ten thousand connections that are alike cost one verdict and a count.

A connection is plain when nothing can be said of it that was not said of those before it: opened, answered in
everything, closed; to the mapper, to be told a port, or to a port that the mapper had told its client of before.
Where more than LISTED plain ones are alike (ends, port, interfaces), the rest is counted and never looked at again.

Rules look at the neighbours of what failed, so nothing is folded between hosts between which anything failed to open,
was reset, stalled, was refused an interface, or was told a port by anything but the mapper.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import EPMAPPER
from rpcdiag.flows.flow import HTTP
from rpcdiag.flows.overview import Ends, Outline, Overview
from rpcdiag.flows.table import columns
from rpcdiag.intake import Taken
from rpcdiag.sweep.columns import START_NS
from rpcdiag.track.association import Association
from rpcdiag.track.facts import Readable, ReferralKind
from rpcdiag.track.origin import MAPPER_PORTS
from rpcdiag.track.tracker import Tracker

LISTED = 100
WORTH_FOLDING = 4000  # connections that were followed; fewer are looked at in less time than it takes to sort them


class Answer(NamedTuple):
    """A lookup that was answered: the step with the answer, the endpoints it names, and for which interface."""

    step: int
    ports: frozenset[int]
    addresses: frozenset[tuple[int, int]]  # as flow records hold them
    interface: str


class Nature(NamedTuple):
    """What is common to all connections that took the same steps; `plain` is false where there is more to say."""

    plain: bool
    foreign: bool  # ports were handed out by something else than the mapper, or refused
    interfaces: tuple[Syntax, ...]
    answers: tuple[Answer, ...]


class Folded(NamedTuple):
    """Connections that are counted only; all are like flow number `like`, and all their calls were answered."""

    like: int
    flows: int
    first_ns: int
    last_ns: int
    requests: int
    stream_bytes: int
    referrals: int


class _Group(NamedTuple):
    """Plain connections that are alike: their places, by first packet; and by the steps that they took."""

    ends: Ends
    interfaces: tuple[Syntax, ...]
    members: list[int]
    by_steps: list[tuple[Nature, list[int]]]


class _Groups(NamedTuple):
    """The groups; the pairs of hosts between which not everything went well; the connections that are in no group."""

    plain: list[_Group]
    troubled: set[tuple[int, ...]]
    others: list[tuple[Ends, list[int]]]


def fold(taken: Taken) -> tuple[Folded, ...]:
    """Take the connections that need not be looked at out of the capture's flows; `like` counts from its first."""
    if taken.flows.followed < WORTH_FOLDING:
        return ()
    overview = taken.flows.overview()
    outlines = overview.outlines()
    if not _many(outlines):
        return ()
    groups, troubled, others = _grouped(outlines, _Natures(taken.tracker))
    if all(len(group.members) <= LISTED for group in groups):
        return ()
    told = _Told(overview, groups)
    foldable: list[tuple[_Group, int]] = []  # with how many of its members are listed
    spared: set[int] = set()
    for group in groups:
        begin: int | None = 0
        if group.ends.port not in MAPPER_PORTS:
            begin = told.first_place(group)
            looked_at = group.members
            if begin is not None and group.ends.pair not in troubled:
                looked_at = group.members[: begin + LISTED]
            spared.update(told.latest(group.ends, looked_at))
        if group.ends.pair not in troubled and begin is not None and len(group.members) - begin > LISTED:
            foldable.append((group, begin + LISTED))
    for ends, members in others:
        spared.update(told.latest(ends, members))
    folded: list[Folded] = []
    for group, listed in foldable:
        gone = [place for place in group.members[listed:] if place not in spared]
        if gone:
            taken.flows.folded.update(map(overview.records.__getitem__, gone))
            folded.append(_folded(overview, group, group.members[listed - 1], gone))
    return tuple(folded)


def _folded(overview: Overview, group: _Group, last_listed: int, gone: list[int]) -> Folded:
    sums, these = overview.sums(gone), set(gone)
    return Folded(
        like=overview.serial(last_listed),
        flows=len(gone),
        first_ns=sums.first_ns,
        last_ns=sums.last_ns,
        requests=sums.requests,
        stream_bytes=sums.stream_bytes,
        referrals=sum(
            len(nature.answers) * len(these.intersection(members))
            for nature, members in group.by_steps
            if nature.answers
        ),
    )


def _many(outlines: list[Outline]) -> bool:
    """Whether any group can have more than LISTED members: natures take their time and room."""
    counts: Counter[Ends] = Counter()
    for outline in outlines:
        counts[outline.ends] += len(outline.members)
    return max(counts.values(), default=0) > LISTED


def _grouped(outlines: list[Outline], natures: "_Natures") -> _Groups:
    groups: dict[tuple[Ends, tuple[Syntax, ...]], _Group] = {}
    troubled: set[tuple[int, ...]] = set()
    others: list[tuple[Ends, list[int]]] = []
    for ends, well, node, members in outlines:
        nature = natures.of(node) if node >= 0 else None
        on_mapper = ends.port in MAPPER_PORTS
        if not well or (nature is not None and _tells_more(nature, ends, on_mapper)):
            troubled.add(ends.pair)
        elif nature is not None and nature.plain:
            group = groups.setdefault((ends, nature.interfaces), _Group(ends, nature.interfaces, [], []))
            group.by_steps.append((nature, members))
            continue
        if not on_mapper:
            others.append((ends, members))
    for group in groups.values():
        group.members.extend(sorted(chain.from_iterable(members for _, members in group.by_steps)))
    return _Groups(list(groups.values()), troubled, others)


def _tells_more(nature: Nature, ends: Ends, on_mapper: bool) -> bool:
    """Whether ports were handed out in other ways than from a mapper for its own host."""
    if nature.foreign or on_mapper != all(one.uuid == EPMAPPER for one in nature.interfaces):
        return True
    return any(address != ends.server for answer in nature.answers for address in answer.addresses)


class _Told:
    """When clients were told of which ports, on which connection."""

    def __init__(self, overview: Overview, groups: list[_Group]) -> None:
        self._starts = overview.column(START_NS)
        self._by_end: dict[Ends, dict[str, list[tuple[int, int]]]] = {}
        for group in groups:
            if group.ends.port in MAPPER_PORTS:
                for nature, members in group.by_steps:
                    self._note(overview, group.ends.pair, nature, members)
        for told in self._by_end.values():
            for times in told.values():
                times.sort()

    def _note(self, overview: Overview, pair: tuple[int, ...], nature: Nature, members: list[int]) -> None:
        """The lookups of connections that took the same steps."""
        for answer in nature.answers:
            noted = [*zip(overview.times(answer.step, members), members, strict=True)]
            for port in answer.ports:
                self._by_end.setdefault(Ends(pair, port), {}).setdefault(answer.interface, []).extend(noted)

    def first_place(self, group: _Group) -> int | None:
        """The first member that went to its port after its client had been told of it, for what it bound."""
        told = self._by_end.get(group.ends, {})
        firsts = [told[interface.uuid][0][0] for interface in group.interfaces if interface.uuid in told]
        if not firsts:
            return None
        first = min(firsts)
        return next((number for number, place in enumerate(group.members) if self._starts[place] >= first), None)

    def latest(self, ends: Ends, places: list[int]) -> Iterator[int]:
        """The connections on which the client was told last, for each interface, before it went to these."""
        for times in self._by_end.get(ends, {}).values():
            for place in places:
                before = bisect_right(times, (self._starts[place], 1 << 62))
                if before:
                    yield times[before - 1][1]


class _Natures:
    """The natures of the nodes that connections ended at."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._known: dict[int, Nature] = {}

    def of(self, node: int) -> Nature:
        nature = self._known.get(node)
        if nature is None:
            nature = self._known[node] = self._nature(node)
        return nature

    def _nature(self, node: int) -> Nature:
        association = Association()
        answers: list[Answer] = []
        foreign = False
        for step in self._tracker.replay(association, node):
            for referral in association.referrals[len(answers) :]:
                plain = referral.kind is ReferralKind.EPT_MAP and referral.readable is Readable.CLEAR
                plain = plain and all(one.protseq != HTTP for one in referral.endpoints)
                if not plain or referral.status or referral.interface is None:
                    foreign = True
                    break
                ports = frozenset(one.port for one in referral.endpoints if one.port and one.protseq == "ncacn_ip_tcp")
                addresses = frozenset(columns(one.address) for one in referral.endpoints if one.address)
                answers.append(Answer(step, ports, addresses, referral.interface.uuid))
            if foreign:
                break
        plain = association.plain and len(answers) == self._tracker.answers(node)
        return Nature(plain, foreign or association.refused, association.offered, tuple(answers))
