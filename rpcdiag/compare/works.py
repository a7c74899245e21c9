"""The same thing twice, once working and once not: the first step at which they part."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.compare import against
from rpcdiag.compare.against import Found, Logons
from rpcdiag.compare.result import Comparison, Difference, Mode, Rung, Side, rules_of
from rpcdiag.compare.steps import Calls, Key, Pair, Step, asked_on, calls, pairs

MAX_DIFFERENCES = 200
MAX_RUNGS = 300
MAX_PAIRS = 400  # of hosts, in each capture
REPEATS = 3  # further connections for the same that are looked at


class Aligned(NamedTuple):
    """The same step in both captures; one is None where it has none."""

    good: Step | None
    bad: Step | None


class Known(NamedTuple):
    """What was called, and who logged on, in either capture."""

    calls: tuple[Calls, Calls]
    logons: tuple[Logons, Logons]


class Hosts(NamedTuple):
    """A client and a server of one capture, and who they are in the other."""

    good: Pair
    bad: Pair


def compare(good: Diagnosis, bad: Diagnosis, why: str) -> Comparison:
    """What differs, in the order in which the good one does things."""
    ours, theirs = pairs(good)[:MAX_PAIRS], pairs(bad)[:MAX_PAIRS]
    hosts = _matched(ours, theirs)
    known = Known(
        (calls(good.case.captures[0].path), calls(bad.case.captures[0].path)),
        (against.by_flow(good.case), against.by_flow(bad.case)),
    )
    differences: list[Difference] = []
    rungs: list[Rung] = []
    remarks: list[str] = []
    same = 0
    if hosts:
        differences += _dated(against.names(good.case, bad.case), bad, None)
    for pair in hosts:
        aligned = align(pair.good.steps, pair.bad.steps)
        differences += _dated(against.hosts(pair.good, pair.bad), bad, pair)
        if against.moved(pair.good, pair.bad):
            remarks.append(
                f"{pair.good.client} -> {pair.good.server} is compared with {pair.bad.client} -> {pair.bad.server}"
            )
        rungs.append(Rung(_hosts(pair.good), "", _hosts(pair.bad)))
        told: set[tuple[str, str]] = set()
        for one in aligned:
            found = list(_parted(one, known))
            fresh = [each for each in found if (each.kind, each.about) not in told]
            told |= {(each.kind, each.about) for each in found}
            differences += _dated(fresh, bad, pair)
            mark = "!" if any(each.matters for each in found) else "~" if found else "="
            same += not found
            rungs.append(Rung(_rung(one.good), mark, _rung(one.bad)))
        differences += _dated(against.tickets(good.case, bad.case, pair.good.client, pair.bad.client), bad, pair)
    remarks += _left_out(ours, theirs, hosts)
    differences = sorted(dict.fromkeys(differences), key=lambda one: not one.matters)
    return Comparison(
        mode=Mode.WORKS,
        why=why,
        sides=(_side("GOOD", good), _side("BAD", bad)),
        common=bool(hosts),
        verdict=_verdict(differences, bool(hosts), same),
        differences=tuple(differences[:MAX_DIFFERENCES]),
        more=max(0, len(differences) - MAX_DIFFERENCES),
        rungs=tuple(rungs[:MAX_RUNGS]),
        remarks=tuple(remarks),
        same=same,
    )


def _side(label: str, diagnosis: Diagnosis) -> Side:
    one = diagnosis.case.captures[0]
    return Side(label, one.path, None, one.packets, one.first_ns, one.last_ns)


def _hosts(pair: Pair) -> str:
    return f"{pair.client} -> {pair.server}"


def _matched(ours: Sequence[Pair], theirs: Sequence[Pair]) -> list[Hosts]:
    """Who plays which part: the same addresses first, then those that do the most of the same."""
    keys = [[_keys(one) for one in some] for some in (ours, theirs)]
    scored = []
    for place, one in enumerate(ours):
        for other_place, other in enumerate(theirs):
            alike = _alike(keys[0][place], keys[1][other_place])
            if alike:
                known = (one.client == other.client) + 2 * (one.server == other.server)
                scored.append((-known, -alike, place, other_place))
    taken: tuple[set[int], set[int]] = (set(), set())
    found = []
    for _, _, place, other_place in sorted(scored):
        if place not in taken[0] and other_place not in taken[1]:
            taken[0].add(place)
            taken[1].add(other_place)
            found.append((place, other_place))
    return [Hosts(ours[place], theirs[other]) for place, other in sorted(found)]


_Keys = tuple[frozenset[Key], frozenset[Key]]


def _keys(one: Pair) -> _Keys:
    """What a pair does, and what else it is known by."""
    return (
        frozenset(step.key for step in one.steps),
        frozenset(key for step in one.steps for key in step.others),
    )


def _alike(one: _Keys, other: _Keys) -> float:
    """Which part of what the two do is the same; what one is known by beyond its key counts little."""
    shared = len(one[0] & other[0]) / len(one[0] | other[0])
    return shared or (0.01 if one[1] & other[1] else 0.0)


def align(good: Sequence[Step], bad: Sequence[Step]) -> list[Aligned]:
    """Step by step: the n-th of a key with the n-th; what is left by other keys; what then is left stands alone."""
    found: list[Aligned] = []
    left, right = list(good), list(bad)
    for keys in (lambda step: (step.key,), lambda step: step.others):
        waiting: dict[Key, deque[Step]] = {}
        for step in right:
            for key in keys(step):
                waiting.setdefault(key, deque()).append(step)
        used: set[int] = set()
        rest = []
        for step in left:
            other = next((one for key in keys(step) if (one := _next(waiting.get(key), used)) is not None), None)
            if other is None:
                rest.append(step)
            else:
                used.add(id(other))
                found.append(Aligned(step, other))
        left, right = rest, [step for step in right if id(step) not in used]
    partners = {step.key: step for step in good}
    done = {one.good.key for one in found if one.good is not None}
    counts: dict[tuple[str, ...], int] = {}
    alone: list[Aligned] = [Aligned(step, None) for step in left if step.key not in done]
    for step in right:
        partner = partners.get(step.key)
        counts[step.key] = counts.get(step.key, 0) + 1
        if partner is None:
            alone.append(Aligned(None, step))
        elif counts[step.key] <= REPEATS:  # tried again: compared with the last that worked
            found.append(Aligned(partner, step))
    return _in_order(found, alone)


def _next(waiting: "deque[Step] | None", used: set[int]) -> Step | None:
    """The first that has no partner."""
    while waiting and id(waiting[0]) in used:
        waiting.popleft()
    return waiting[0] if waiting else None


def _in_order(found: Sequence[Aligned], alone: Sequence[Aligned]) -> list[Aligned]:
    """By the good one's time; what only the bad one does stands where it does it."""
    after = sorted((one.bad.time_ns, one.good.time_ns) for one in found if one.good is not None and one.bad is not None)

    times = [bad for bad, _ in after]

    def place(one: Aligned) -> tuple[int, int]:
        if one.good is not None:
            return one.good.time_ns, one.bad.time_ns if one.bad is not None else 0
        when = one.bad.time_ns if one.bad is not None else 0
        before = bisect_right(times, when) - 1
        return (after[before][1] if before >= 0 else -1), when

    return sorted([*found, *alone], key=place)


def _parted(one: Aligned, known: Known) -> Iterator[Found]:
    if one.good is None or one.bad is None:
        yield from against.alone(one.good, one.bad)
    elif one.good.referral is not None and one.bad.referral is not None:
        yield from against.lookups(one.good.referral, one.bad.referral)
    elif one.good.conversation is not None and one.bad.conversation is not None:
        both = one.good.conversation, one.bad.conversation
        yield from against.connections(*both)
        yield from against.logons(*known.logons, *both)
        yield from against.sequences(asked_on(one.good, known.calls[0]), asked_on(one.bad, known.calls[1]))


def _dated(found: Sequence[Found] | Iterator[Found], bad: Diagnosis, pair: Hosts | None) -> list[Difference]:
    """With the rules that find something on the same flows of the bad capture."""
    told = []
    for one in found:
        flows = {flow for flow in one.flows[1:] if flow}
        rules = rules_of(
            finding
            for finding in bad.findings
            if flows & set(finding.flows) or (one.referral is not None and one.referral in finding.referrals)
        )
        told.append(
            Difference(
                one.kind, one.says, one.matters, one.packets, one.flows,
                str(pair.bad.client) if pair else None, str(pair.bad.server) if pair else None, rules,
            )
        )  # fmt: skip
    return told


def _rung(step: Step | None) -> str | None:
    if step is None:
        return None
    first, last = step.packets
    span = f"#{first}-{last}" if last != first else f"#{first}"
    return f"{span} {step.title}: {_fate(step)}"


def _fate(step: Step) -> str:
    if step.referral is not None:
        return against.answer(step.referral)
    return against.course(step.conversation) if step.conversation is not None else ""


def _left_out(ours: Sequence[Pair], theirs: Sequence[Pair], hosts: Sequence[Hosts]) -> list[str]:
    """Hosts that only one capture has."""
    used = {id(one.good) for one in hosts} | {id(one.bad) for one in hosts}
    told = []
    for label, some in (("GOOD", ours), ("BAD", theirs)):
        rest = [one for one in some if id(one) not in used]
        if rest and hosts:
            shown = ", ".join(_hosts(one) for one in rest[:5]) + (" ..." if len(rest) > 5 else "")
            told.append(f"only in {label}: {shown}")
    return told


def _verdict(differences: Sequence[Difference], common: bool, same: int) -> str:
    if not common:
        return "the two captures have nothing in common: no lookup and no connection of one is like one of the other"
    if differences:
        return differences[0].says
    return f"no difference: {same} step{'s' if same != 1 else ''} went the same way"
