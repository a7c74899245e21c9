"""Ten thousand connections that are alike cost one verdict and a count.

A connection is plain when nothing can be said of it that was not said of those before it: opened, answered in
everything, closed; to the mapper, to be told a port, or to a port that the mapper had told its client of before.
Where more than LISTED plain ones are alike (ends, port, interfaces), the rest is counted and never looked at again.

Rules look at the neighbours of what failed, so nothing is folded between hosts between which anything failed to open,
was reset, stalled, was refused an interface, or was told a port by anything but the mapper.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import EPMAPPER
from rpcdiag.flows.table import CaptureFlows, Ends, columns
from rpcdiag.intake import Taken
from rpcdiag.sweep.columns import S_NS, W_NEXT
from rpcdiag.track.association import Association
from rpcdiag.track.facts import Readable, ReferralKind
from rpcdiag.track.origin import MAPPER_PORTS
from rpcdiag.track.tracker import Tracker

LISTED = 100
WORTH_FOLDING = 2000  # connections that were followed; fewer are looked at in less time than it takes to sort them


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
    """Plain connections that are alike, by first packet: offsets of their records."""

    ends: Ends
    nature: Nature
    members: list[int]


def fold(taken: Taken) -> tuple[Folded, ...]:
    """Take the connections that need not be looked at out of the capture's flows; `like` counts from its first."""
    if taken.flows.followed < WORTH_FOLDING:
        return ()
    natures = _Natures(taken.tracker)
    groups, troubled, elsewhere = _grouped(taken.flows, natures)
    if all(len(group.members) <= LISTED for group in groups):
        return ()
    told = _Told(taken.flows, natures, groups)
    folded: list[tuple[_Group, list[int]]] = []
    spared: set[int] = set()
    for group in groups:
        begin: int | None = 0
        if group.ends.port not in MAPPER_PORTS:
            begin = told.first_place(group)
            looked_at = group.members
            if begin is not None and group.ends.pair not in troubled:
                looked_at = group.members[: begin + LISTED]
            spared.update(o for one in looked_at for o in told.latest(group.ends, one))
        if group.ends.pair not in troubled and begin is not None and len(group.members) - begin > LISTED:
            folded.append((group, group.members[begin + LISTED :]))
    spared.update(o for ends, one in elsewhere for o in told.latest(ends, one))
    counted = (_folded(taken.flows, natures, group, rest, spared) for group, rest in folded)
    return tuple(one for one in counted if one.flows)


def _folded(flows: CaptureFlows, natures: "_Natures", group: _Group, rest: list[int], spared: set[int]) -> Folded:
    gone = [o for o in rest if o not in spared]
    flows.folded.update(gone)
    sums = [flows.sums(o) for o in gone]
    return Folded(
        like=flows.serial(group.members[len(group.members) - len(rest) - 1]),
        flows=len(gone),
        first_ns=min((one.start_ns for one in sums), default=0),
        last_ns=max((one.end_ns for one in sums), default=0),
        requests=sum(one.requests for one in sums),
        stream_bytes=sum(one.stream_bytes for one in sums),
        referrals=sum(len(natures.of(flows.node(o)).answers) for o in gone),
    )


def _grouped(
    flows: CaptureFlows, natures: "_Natures"
) -> tuple[list[_Group], set[tuple[int, ...]], list[tuple[Ends, int]]]:
    """The groups; the pairs of hosts between which not everything went well; the connections that are in no group."""
    groups: dict[tuple[object, ...], _Group] = {}
    troubled: set[tuple[int, ...]] = set()
    others: list[tuple[Ends, int]] = []
    for o, ends, well, node in flows.outlines():
        nature = natures.of(node) if node >= 0 else None
        on_mapper = ends.port in MAPPER_PORTS
        if not well or (nature is not None and _tells_more(nature, ends, on_mapper)):
            troubled.add(ends.pair)
        elif nature is not None and nature.plain:
            key = (ends, nature.interfaces)
            group = groups.get(key)
            if group is None:
                group = groups[key] = _Group(ends, nature, [])
            group.members.append(o)
            continue
        if not on_mapper:
            others.append((ends, o))
    return list(groups.values()), troubled, others


def _tells_more(nature: Nature, ends: Ends, on_mapper: bool) -> bool:
    """Whether ports were handed out in other ways than from a mapper for its own host."""
    if nature.foreign or on_mapper != all(one.uuid == EPMAPPER for one in nature.interfaces):
        return True
    return any(address != ends.server for answer in nature.answers for address in answer.addresses)


class _Told:
    """When clients were told of which ports, on which connection."""

    def __init__(self, flows: CaptureFlows, natures: "_Natures", groups: list[_Group]) -> None:
        self._flows = flows
        self._by_end: dict[tuple[tuple[int, ...], int], dict[str, list[tuple[int, int]]]] = {}
        for group in groups:
            if group.ends.port in MAPPER_PORTS:
                for o in group.members:
                    for answer, ns in _answers(flows, natures.of(flows.node(o)), o):
                        for port in answer.ports:
                            told = self._by_end.setdefault((group.ends.pair, port), {})
                            told.setdefault(answer.interface, []).append((ns, o))
        for told in self._by_end.values():
            for times in told.values():
                times.sort()

    def first_place(self, group: _Group) -> int | None:
        """The first member that went to its port after its client had been told of it, for what it bound."""
        told = self._by_end.get((group.ends.pair, group.ends.port), {})
        firsts = [told[interface.uuid][0][0] for interface in group.nature.interfaces if interface.uuid in told]
        if not firsts:
            return None
        for place, o in enumerate(group.members):
            if self._flows.start_ns(o) >= min(firsts):
                return place
        return None

    def latest(self, ends: Ends, o: int) -> Iterator[int]:
        """The connections on which the client was told last, for each interface, before it went there."""
        start = self._flows.start_ns(o)
        for times in self._by_end.get((ends.pair, ends.port), {}).values():
            place = bisect_right(times, (start, 1 << 62))
            if place:
                yield times[place - 1][1]


def _answers(flows: CaptureFlows, nature: Nature, o: int) -> Iterator[tuple[Answer, int]]:
    """The lookups of one connection, with the time of their answers."""
    wanted = {answer.step: answer for answer in nature.answers}
    last = max(wanted, default=-1)
    at, step = flows.first_step(o), 0
    while at >= 0 and step <= last:
        record = flows.sweep.record(at)
        if step in wanted:
            yield wanted[step], record[S_NS]
        at, step = record[W_NEXT], step + 1


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
