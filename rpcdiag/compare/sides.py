"""Two places of one path: what left one and never reached the other."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import CaptureFacts, CaseFlow
from rpcdiag.compare import clock as clocks
from rpcdiag.compare import missed
from rpcdiag.compare.datagrams import Meeting, Paired, Prints, arranged
from rpcdiag.compare.doubt import weighed
from rpcdiag.compare.order import Lost, Order, Passage
from rpcdiag.compare.passage import Fate, fates
from rpcdiag.compare.pieces import Udp
from rpcdiag.compare.result import Comparison, Difference, Mode, Offset, Rung, Side, Translation, rules_of
from rpcdiag.compare.segments import read
from rpcdiag.compare.talks import Same, Talk, by_contents, in_common, kind, once, talks
from rpcdiag.compare.undelivered import Datagrams, Judge, Undelivered
from rpcdiag.diagnose.finding import Finding
from rpcdiag.flows.flow import UDP
from rpcdiag.model.packets import Address, Endpoint

MAX_DIFFERENCES = 200
MAX_PACKETS = 16  # of a difference
MAX_RUNGS = 300
MAX_QUIET = 5  # conversations without loss in the ladder
MAX_PORTS = 8
MOST_UNSURE_NS = 1_000_000_000  # about the time that a packet takes
_MATTER = frozenset({"SYN", "SYN-ACK", "segment", "RST"})
_Ends = tuple[Endpoint, Endpoint]


class Place(NamedTuple):
    """Where packets were recorded: a capture, or one point of it."""

    label: str
    diagnosis: Diagnosis
    facts: CaptureFacts
    point: int | None = None
    name: str | None = None  # of the point

    def flows(self) -> list[CaseFlow]:
        """The flows of the place that are TCP connections."""
        return [
            one
            for one in self.diagnosis.case.flows
            if one.flow.capture == self.facts.number
            and (self.point is None or one.flow.point == self.point)
            and one.flow.transport != UDP
        ]

    def datagram_flows(self) -> list[CaseFlow]:
        """The flows of the place that are RPC over UDP."""
        return [
            one
            for one in self.diagnosis.case.flows
            if one.flow.capture == self.facts.number
            and (self.point is None or one.flow.point == self.point)
            and one.flow.transport == UDP
        ]

    def side(self) -> Side:
        facts = self.facts
        return Side(self.label, facts.path, self.name, facts.packets, facts.first_ns, facts.last_ns)


class Recorded(NamedTuple):
    """Both places, read again: conversations, those in common, and the clock."""

    talks: tuple[list[Talk], list[Talk]]
    same: tuple[Same, ...]
    clock: Offset
    full: tuple[int | None, int | None]  # when there was no room for more segments
    chosen: frozenset[int]  # ids of conversations that are compared; the others only tell of the clock
    udp: tuple[Udp, Udp]
    meeting: Meeting  # of the exchanges of datagrams
    copies: tuple[int, ...]  # packets that a place recorded twice


class _Told:
    """What `analyze` says of conversations of each place, by their ends."""

    def __init__(self, places: tuple[Place, Place]) -> None:
        self._flows: tuple[dict[_Ends, list[str]], dict[_Ends, list[str]]] = ({}, {})
        self._findings: tuple[dict[str, list[Finding]], dict[str, list[Finding]]] = ({}, {})
        for place, flows, findings in zip(places, self._flows, self._findings, strict=True):
            for one in place.flows() + place.datagram_flows():
                flows.setdefault((one.flow.client, one.flow.server), []).append(one.id)
            for finding in place.diagnosis.findings:
                for id in finding.flows:
                    findings.setdefault(id, []).append(finding)

    def of(self, at: int, ends: Iterable[_Ends]) -> tuple[str | None, tuple[str, ...]]:
        """The first flow with these ends, and the rules that find something in those flows."""
        flows = [id for one in ends for id in self._flows[at].get(one, ())]
        found = [finding for id in flows for finding in self._findings[at].get(id, ())]
        return (flows[0] if flows else None), rules_of(found)


def record(places: tuple[Place, Place]) -> Recorded:
    """Read both captures a second time.

    Raises:
        InputError: a capture cannot be read again.
    """
    flows = [place.flows() for place in places]
    wanted = {(one.flow.client, one.flow.server) for side in flows for one in side}
    isns = {one.flow.isn for side in flows for one in side if one.flow.isn is not None}
    over_udp = {(one.flow.client, one.flow.server): None for place in places for one in place.datagram_flows()}
    got = [read(place.facts.path, place.point, wanted, isns, over_udp) for place in places]
    kept = [once(one.segments) for one in got]
    both = talks(kept[0][0], wanted), talks(kept[1][0], wanted)
    same = in_common(*both)
    udp = got[0].udp, got[1].udp
    prints = Prints(side.pieces for side in udp)
    meeting = Meeting(
        (arranged(udp[0].pieces, over_udp), arranged(udp[1].pieces, over_udp)), prints, _moved(same)
    )  # fmt: skip
    packets: list[clocks.Pair[Any]] = [pair for one in same for pair in clocks.certain(one)]
    packets += [pair for _, pairs in meeting.certain for pair in pairs]
    clock = clocks.offset(packets)
    for _ in range(2):  # what is found by contents may tell the clock, and that which of equal ones is which
        more = by_contents(*both, same, clock.there if clock.ns is not None else None)
        same += more
        if more and clock.ns is None:
            clock = clocks.offset([pair for one in more for pair in clocks.certain(one)])
    meeting.more(clock)
    chosen = {id(one) for side in both for one in side if one.ends in wanted or one.isn in isns}
    for one in same:
        if id(one.first) in chosen or id(one.second) in chosen:
            chosen |= {id(one.first), id(one.second)}
    full = got[0].full_ns, got[1].full_ns
    copies = tuple(copied + side.copies for (_, copied), side in zip(kept, meeting.sides, strict=True))
    return Recorded(both, tuple(same), clock, full, frozenset(chosen), udp, meeting, copies)


def _moved(same: Iterable[Same]) -> dict[Address, Address]:
    """What addresses at the first place read at the second, as TCP says."""
    found: dict[Address, Address] = {}
    for one in same:
        for here, there in zip(one.first.ends, one.second.ends, strict=True):
            found.setdefault(here.address, there.address)
    return found


def compare(places: tuple[Place, Place], recorded: Recorded, why: str, *, one_clock: bool) -> Comparison:
    """What was lost between; `one_clock`: both places are in one file, or the user says that clocks are the same."""
    clock = recorded.clock
    remarks: list[str] = []
    if clock.ns is None and one_clock:
        clock = Offset(0, 0, 0, 0, 0.0, 0)
    elif clock.ns is None and not all(place.facts.packets for place in places):
        one_clock = True
        remarks.append(
            f"{places[int(bool(places[0].facts.packets))].label} holds no packets: that it was recording is taken for granted"
        )
    elif clock.ns is None:
        remarks.append("no packet is in both captures, so how far their clocks are apart cannot be measured")
    order = Order(recorded.same)
    for pair, pieces in recorded.meeting.certain:
        order.learn(pair.first.ends, pair.second.ends, pieces)
    told = _Told(places)
    passages = _passages(recorded, clock)
    passing = _passing(passages)
    judge = Judge(recorded.meeting, order, clock, recorded.udp, passing, one_clock=one_clock)
    datagrams = judge.judged()
    lost = [one for passage in passages for one in order.judged(passage)]
    lost = [one for one in lost if _had_room(recorded.full, one.at, one.fate.one.time_ns, clock)]
    room = recorded.udp[0].full_ns, recorded.udp[1].full_ns
    undelivered = [one for one in datagrams.undelivered if _had_room(room, one.at, one.datagram.time_ns, clock)]
    if not one_clock:
        lost, undelivered, stopped = _within(places, lost, undelivered, clock)
        remarks += stopped
    datagrams = datagrams._replace(undelivered=undelivered)
    lost, cut = _legible(places, recorded, lost)
    labels = places[0].label, places[1].label
    lost, doubts = weighed(labels, order, recorded.udp, passages, lost, passing, one_clock=one_clock)
    unrecorded = sum(one.how == "unrecorded" for one in lost)
    common = bool(recorded.same) or bool(datagrams.deliveries)
    asked = missed.Asked(labels, recorded.udp, order, told.of)
    differences: list[Difference] = []
    if common or one_clock:
        differences += _grouped(places, told, [one for one in lost if one.how != "unrecorded"])
        differences += missed.differences(asked, datagrams, undelivered)
    differences += _icmp(places, recorded, told, lost)
    differences += missed.errors(asked, undelivered, lambda at, ns: _beyond_edge(places, at, ns, clock))
    differences.sort(key=lambda one: (not one.matters, one.kind.startswith("made")))
    arrived = sum(fate.arrived for passage in passages for fate in passage.fates) + _delivered(datagrams)
    if not differences and not common:
        remarks.append("neither capture holds a conversation of the other")
    remarks += _beyond(places, order, passages)
    remarks += _told(places, recorded, passages, unrecorded)
    remarks += cut + doubts
    remarks += missed.remarks(asked, undelivered, recorded.copies)
    return Comparison(
        mode=Mode.SIDES,
        why=why,
        sides=(places[0].side(), places[1].side()),
        common=common,
        verdict=_verdict(places, differences, common, arrived),
        differences=tuple(differences[:MAX_DIFFERENCES]),
        more=max(0, len(differences) - MAX_DIFFERENCES),
        rungs=tuple(_both_ladders(_ladder(order, passages, lost, clock), missed.ladder(asked, datagrams, clock))),
        remarks=tuple(remarks),
        same=arrived,
        clock=clock,
        translations=tuple(_translations(recorded)),
    )


def _passing(passages: Iterable[Passage]) -> set[tuple[int, Address, Address]]:
    """Places and hosts of TCP packets from one to the other that are in both."""
    found: set[tuple[int, Address, Address]] = set()
    for passage in passages:
        if passage.first is None or passage.second is None:
            continue
        for side in {fate.side for fate in passage.fates if fate.here is not None and fate.there is not None}:
            for place, talk in enumerate((passage.first, passage.second)):
                ends = talk.ends if side == 0 else talk.ends[::-1]
                found.add((place, ends[0].address, ends[1].address))
    return found


def _delivered(datagrams: Datagrams) -> int:
    """Packets of datagrams that are in both."""
    return sum(
        len(one.here.pieces) - len(one.here.beyond(one.there))
        for _, deliveries in datagrams.deliveries
        for one in deliveries
        if one.here is not None and one.there is not None
    )


def _passages(recorded: Recorded, clock: Offset) -> list[Passage]:
    found = []
    known: set[int] = set()
    for one in recorded.same:
        known |= {id(one.first), id(one.second)}
        if id(one.first) in recorded.chosen:
            found.append(Passage(one.first, one.second, one.by, tuple(fates(one, clock))))
    for place, side in enumerate(recorded.talks):
        for talk in side:
            if id(talk) in known or id(talk) not in recorded.chosen:
                continue
            alone = [
                Fate(of, segment, None) if place == 0 else Fate(of, None, segment)
                for of in (0, 1)
                for segment in talk.sent[of]
            ]
            alone.sort(key=lambda fate: fate.one.packet)
            found.append(Passage(talk if not place else None, talk if place else None, "", tuple(alone)))

    def began(passage: Passage) -> int:
        first = passage.talk.first.time_ns
        return first if passage.first is not None else clock.back(first)

    return sorted(found, key=began)


def _beyond_edge(places: tuple[Place, Place], at: int, time_ns: int, clock: Offset) -> int:
    """How long before the other capture's first packet, or after its last, what `at` saw should have come by; else 0."""
    other = places[1 - at].facts
    if other.first_ns is None or other.last_ns is None or clock.ns is None:
        return 0
    when = clock.there(time_ns) if at == 0 else clock.back(time_ns)
    unsure = min(((clock.high_ns or 0) - (clock.low_ns or 0)) // 2, MOST_UNSURE_NS)
    if when - unsure < other.first_ns:
        return min(-1, when - other.first_ns)
    return max(1, when - other.last_ns) if when + unsure > other.last_ns else 0


def _within(
    places: tuple[Place, Place], lost: Sequence[Lost], undelivered: Sequence[Undelivered], clock: Offset
) -> tuple[list[Lost], list[Undelivered], list[str]]:
    """Without what the other place cannot have recorded any more, or not yet.

    A file does not say how long nothing came. What the far end sent passed the other place: where that is not in its
    file either, it was not recording. Where there is no such packet, what was tried again and again counts as lost.
    """
    edges = [(one, _beyond_edge(places, one.at, one.fate.one.time_ns, clock)) for one in lost]
    datagrams = [(one, _beyond_edge(places, one.at, one.pieces[0].time_ns, clock)) for one in undelivered]
    off = {
        (one.at, gap > 0)
        for one, gap in edges
        if gap and one.how in ("made", "unrecorded") and kind(one.fate.one) not in ("RST", "FIN")
    } | {(one.at, gap > 0) for one, gap in datagrams if gap and one.how == "unrecorded"}
    told = [
        f"{places[1 - at].label} recorded nothing {'after its last' if after else 'before its first'} packet: what "
        f"{places[at].label} saw {'then' if after else 'until then'} is not compared"
        for at, after in sorted(off)
    ]
    return _segments_within(edges, off), _datagrams_within(datagrams, off), told


def _had_room(full: tuple[int | None, int | None], at: int, time_ns: int, clock: Offset) -> bool:
    """Whether the packets of the other place were still kept when this one came by."""
    until = full[1 - at]
    if until is None:
        return True
    return clock.ns is not None and (clock.there if at == 0 else clock.back)(time_ns) < until - MOST_UNSURE_NS


def _legible(
    places: tuple[Place, Place], recorded: Recorded, lost: Sequence[Lost]
) -> tuple[list[Lost], list[str]]:  # fmt: skip
    """Without what the other place may have, but cut within its headers."""
    cut = [udp.cut for udp in recorded.udp]
    kept = [one for one in lost if not cut[1 - one.at]]
    told = [
        f"{cut[at]} packets of {places[at].label} are cut within their headers: what is not there is not taken for lost"
        for at in (0, 1)
        if cut[at]
    ]
    return kept, told


def _segments_within(edges: Sequence[tuple[Lost, int]], off: set[tuple[int, bool]]) -> list[Lost]:
    tries: dict[tuple[object, ...], int] = {}
    for one, gap in edges:
        if gap:
            key = id(one.talk), one.side, kind(one.fate.one), one.fate.one.sequence
            tries[key] = tries.get(key, 0) + 1
    kept = []
    for one, gap in edges:
        what = kind(one.fate.one)
        again = tries.get((id(one.talk), one.side, what, one.fate.one.sequence), 0) > 1
        telling = what in ("SYN", "SYN-ACK", "RST") or (what == "segment" and again)
        if not gap or ((one.at, gap > 0) not in off and telling and one.how != "unrecorded"):
            kept.append(one._replace(edge_ns=gap))
    return kept


def _datagrams_within(edges: Sequence[tuple[Undelivered, int]], off: set[tuple[int, bool]]) -> list[Undelivered]:
    tries: dict[tuple[object, ...], int] = {}
    for one, gap in edges:
        if gap:
            key = one.at, one.side, one.exchange.client.address, one.exchange.server
            tries[key] = tries.get(key, 0) + 1
    kept = []
    for one, gap in edges:
        again = tries.get((one.at, one.side, one.exchange.client.address, one.exchange.server), 0) > 1
        telling = one.what == "datagram" and one.how in ("lost", "possible") and again
        if not gap or ((one.at, gap > 0) not in off and telling):
            kept.append(one._replace(edge_ns=gap))
    return kept


def _grouped(places: tuple[Place, Place], told: _Told, lost: Sequence[Lost]) -> Iterable[Difference]:
    """One difference for each kind of segment, way and pair of ends."""
    groups: dict[tuple[object, ...], list[Lost]] = {}
    for one in lost:
        key = one.how, one.at, one.side, kind(one.fate.one), one.talk.client.address, one.talk.server, one.proviso
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        yield _difference(places, told, group)


def _difference(places: tuple[Place, Place], told: _Told, group: Sequence[Lost]) -> Difference:
    head = group[0]
    talk, at = head.talk, head.at
    here, there = places[at].label, places[1 - at].label
    what = kind(head.fate.one)
    packets = tuple(one.fate.one.packet for one in group)
    ends = (
        f"from {talk.client.address} to {talk.server}"
        if head.side == 0
        else f"from {talk.server} to {talk.client.address}"
    )
    many = f"the {len(group)} {what}s" if len(group) > 1 else f"the {what}"
    were = "were" if len(group) > 1 else "was"
    shown = _numbers(packets)
    seen = f"{many} {ends} {were} seen at {here} ({shown}) and never at {there}"
    match head.how:
        case "lost":
            says = f"{seen}: dropped between {here} and {there}"
        case "repeated":
            says = f"{seen}: lost between {here} and {there}, and sent again with success"
        case _:
            says = (
                f"{seen}, where the sender is: made in between, by a device that speaks for "
                f"{talk.server.address if head.side else talk.client.address}"
            )
    if all(one.edge_ns for one in group):
        least = min((one.edge_ns for one in group), key=abs)
        edge = "last" if least > 0 else "first"
        when = "before" if least > 0 else "after"
        says += f" - unless {there} was not recording then: its {edge} packet is {_seconds(least)} {when}"
    if head.proviso:
        says += f" - {head.proviso}"
    pair = (packets[:MAX_PACKETS], ()) if at == 0 else ((), packets[:MAX_PACKETS])
    flows, rules = told.of(at, dict.fromkeys(one.talk.ends for one in group))
    return Difference(
        f"{head.how}-{what.lower()}", says, head.how != "repeated" and what in _MATTER, pair,
        (flows, None) if at == 0 else (None, flows), str(talk.client.address), str(talk.server), rules, len(group),
    )  # fmt: skip


def _icmp(
    places: tuple[Place, Place], recorded: Recorded, told: _Told, lost: Sequence[Lost]
) -> list[Difference]:  # fmt: skip
    """Errors that only one place saw, about a conversation of which the other lacks packets: of a device in between."""
    hurt = {(one.at, *one.talk.ends) for one in lost if one.how in ("lost", "repeated")}
    senders = [{error.sender for one in place.flows() for error in one.flow.icmp} for place in places]
    ends = [{end.address for talk in side for end in talk.ends} for side in recorded.talks]
    found: dict[tuple[int, Address, Endpoint], Difference] = {}
    for at, place in enumerate(places):
        for one in place.flows():
            for error in one.flow.icmp:
                key = at, error.sender, one.flow.server
                if error.sender in senders[1 - at] or error.sender in ends[at] or key in found:
                    continue
                if (at, one.flow.client, one.flow.server) not in hurt:
                    continue
                here, there = place.label, places[1 - at].label
                says = (
                    f"{error.sender} says ICMP type {error.kind} code {error.code} about {one.flow.client.address} -> "
                    f"{one.flow.server} (packet {error.packet} at {here}); {there} never saw that: the device is in between"
                )
                pair = ((error.packet,), ()) if at == 0 else ((), (error.packet,))
                flow, rules = told.of(at, [(one.flow.client, one.flow.server)])
                found[key] = Difference(
                    "made-icmp", says, True, pair, (flow, None) if at == 0 else (None, flow),
                    str(one.flow.client.address), str(one.flow.server), rules,
                )  # fmt: skip
    return list(found.values())


def _seconds(ns: int) -> str:
    return f"{abs(ns) / 1e9:.3f} s"


def _numbers(packets: Sequence[int]) -> str:
    shown = ", ".join(str(one) for one in packets[:MAX_PACKETS]) + (", ..." if len(packets) > MAX_PACKETS else "")
    return f"packet{'s' if len(packets) > 1 else ''} {shown}"


def _verdict(places: tuple[Place, Place], differences: Sequence[Difference], common: bool, arrived: int) -> str:
    if differences:
        return differences[0].says
    if not common:
        return "the two captures have nothing in common: no conversation of one is in the other"
    if not arrived:
        return "the same packets are in both captures, but none of a TCP connection that carries RPC, nor a datagram, so none is compared"
    return f"nothing was lost between {places[0].label} and {places[1].label}: {arrived} packets were seen at both"


def _beyond(places: tuple[Place, Place], order: Order, passages: Sequence[Passage]) -> list[str]:
    """SYNs that passed and were not answered: the place is further on."""
    found: dict[tuple[Address, Endpoint], list[tuple[int, int]]] = {}
    for one in passages:
        if one.first is None or one.second is None or one.first.sent[1] or one.second.sent[1]:
            continue
        far = 1 - order.near(one.first, 0)
        syns = [fate for fate in one.fates if fate.here and fate.there and kind(fate.one) == "SYN"]
        for fate in syns:
            if fate.here and fate.there:
                key = one.talk.client.address, one.talk.server
                found.setdefault(key, []).append((far, (fate.here, fate.there)[far].packet))
    told = []
    for (client, server), seen in found.items():
        far = seen[0][0]
        many = f"{len(seen)} SYNs" if len(seen) > 1 else "SYN"
        told.append(
            f"the {many} from {client} to {server} passed {places[far].label} "
            f"({_numbers([packet for _, packet in seen])}) and nothing came back there: the place is beyond "
            f"{places[far].label}, at the server or what stands before it"
        )
    return told[:MAX_DIFFERENCES]


def _told(
    places: tuple[Place, Place], recorded: Recorded, passages: Sequence[Passage], unrecorded: int
) -> Iterable[str]:
    """What devices between changed, and what was not compared."""
    pairs = [pair for one in recorded.same for pair in clocks.certain(one)]
    falls = {abs(one.first.ttl - one.second.ttl) for one in pairs}
    if falls and falls != {0}:
        hops = round(median(abs(one.first.ttl - one.second.ttl) for one in pairs))
        yield f"the TTL differs by {hops}: {hops} hop{'s' if hops != 1 else ''} between the two places"
    sizes = dict.fromkeys(
        (one.first.mss, one.second.mss) for one in pairs if one.first.mss and one.second.mss not in (0, one.first.mss)
    )
    for before, after in list(sizes)[:MAX_PORTS]:
        yield f"the largest segment size is rewritten: {before} at {places[0].label}, {after or 'none'} at {places[1].label}"
    drawn = [one for one in recorded.same if one.first.isn is not None and one.second.isn not in (None, one.first.isn)]
    if drawn:
        many = f"{len(drawn)} conversation{'s' if len(drawn) > 1 else ''}"
        yield f"a device between draws sequence numbers anew, or is a proxy with connections of its own ({many})"
    recut = sum(fate.recut for passage in passages for fate in passage.fates)
    if recut:
        yield f"{recut} segments were cut anew on the way, or by a network card; their bytes arrived"
    if unrecorded:
        yield f"{unrecorded} packets are missing in one capture although they passed there: the capture dropped them"
    if recorded.full != (None, None):
        yield "there were more packets than are compared: the rest of these captures was not looked at"


def _translations(recorded: Recorded) -> Iterable[Translation]:
    """Ends that read differently."""
    groups: dict[tuple[str, Address, Address], list[tuple[Endpoint, Endpoint, tuple[int, int]]]] = {}
    pairs: list[Same | Paired] = [*recorded.same, *(one for one in recorded.meeting.pairs if one.by != "time")]
    for one in pairs:
        packets = one.first.first.packet, one.second.first.packet
        for whose, here, there in (
            ("client", one.first.client, one.second.client), ("server", one.first.server, one.second.server),
        ):  # fmt: skip
            if here != there:
                groups.setdefault((whose, here.address, there.address), []).append((here, there, packets))
    for (whose, before, after), group in groups.items():
        ports = dict.fromkeys((here.port, there.port) for here, there, _ in group if here.port != there.port)
        shown = [packets for _, _, packets in group[:MAX_PACKETS]]
        yield Translation(
            whose, str(before), str(after), tuple(ports)[:MAX_PORTS], len(group),
            (tuple(one for one, _ in shown), tuple(other for _, other in shown)),
        )  # fmt: skip


def _ladder(
    order: Order, passages: Sequence[Passage], lost: Sequence[Lost], clock: Offset
) -> list[tuple[int, list[Rung]]]:
    """The conversations with a loss, and the first few without."""
    how = {id(one.fate): one.how for one in lost}
    found: list[tuple[int, list[Rung]]] = []
    quiet = rows = 0
    for passage in passages:
        if not any(id(fate) in how for fate in passage.fates):
            quiet += 1
            if quiet > MAX_QUIET:
                continue
        rungs = [Rung(_ends(passage.first), "", _ends(passage.second)), *_rungs(order, passage, how)]
        first = passage.talk.first.time_ns
        found.append((first if passage.first is not None else clock.back(first), rungs))
        rows += len(rungs)
        if rows >= MAX_RUNGS:
            break
    return found


def _both_ladders(one: list[tuple[int, list[Rung]]], other: list[tuple[int, list[Rung]]]) -> list[Rung]:
    """By time."""
    ordered = sorted(one + other, key=lambda part: part[0])
    return [rung for _, rungs in ordered for rung in rungs][:MAX_RUNGS]


def _ends(talk: Talk | None) -> str | None:
    return None if talk is None else f"{talk.client} -> {talk.server}"


def _rungs(order: Order, passage: Passage, how: dict[int, str]) -> Iterable[Rung]:
    at = 0 if passage.first is not None else 1
    right = order.near(passage.talk, at) == 0  # the client is left
    run: list[Fate] = []
    before: tuple[object, ...] | None = None
    for fate in passage.fates:
        what = kind(fate.one)
        seen = fate.arrived, fate.here is not None, fate.there is not None
        key = fate.side, seen, how.get(id(fate)), "data" if what in ("segment", "ACK") and fate.arrived else what
        if run and key != before:
            yield _rung(run, right, how)
            run = []
        run.append(fate)
        before = key
    if run:
        yield _rung(run, right, how)


def _rung(run: Sequence[Fate], right: bool, how: dict[int, str]) -> Rung:
    here = [fate.here for fate in run if fate.here is not None]
    there = [fate.there for fate in run if fate.there is not None]
    goes_right = (run[0].side == 0) is right
    left_text, right_text = (
        _many([(kind(one), one.packet) for one in here]),
        _many([(kind(one), one.packet) for one in there]),
    )
    if run[0].arrived:
        mark = "-->" if goes_right else "<--"
    elif id(run[0]) not in how:
        mark = "..."
    elif here:
        mark = "--x" if goes_right else "<-*"
    else:
        mark = "*->" if goes_right else "x--"
    return Rung(left_text, mark, right_text)


def _many(found: Sequence[tuple[str, int]]) -> str | None:
    if not found:
        return None
    kinds = dict.fromkeys(what for what, _ in found)
    first, last = found[0][1], found[-1][1]
    span = f"#{first}" if len(found) == 1 else f"#{first}-{last}"
    return f"{len(found)} x {'/'.join(kinds)} {span}" if len(found) > 1 else f"{found[0][0]} {span}"
