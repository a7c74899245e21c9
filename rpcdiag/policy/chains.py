"""Filters whose rules stand in chains that jump to one another, told as one list of rules in which the first decides.

A jump becomes the rules of its target, each with the conditions of the jump beside its own. Where that cannot be said
as one rule, the rule says less, and leaves open whether it matches.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rpcdiag.policy.model import Action, Ports, Rule, Scope
from rpcdiag.policy.written import MAX_ITEMS, MAX_RULES, MAX_WORDS, Remarks, opened, short

MAX_DEPTH = 16  # of jumps
MAX_STEPS = 50_000  # that are looked at, jumps included
MAX_PAIRS = 256  # of networks or ranges that are compared, where two rules limit the same

_EXACT, _NONE, _TOO_HARD = "exact", "none", "too hard"


class Match(NamedTuple):
    """What packets have to be. `unclear`: conditions that are not evaluated; `never`: none is like that."""

    protocols: tuple[str, ...] = ()
    sources: Scope = Scope()
    destinations: Scope = Scope()
    source_ports: Ports = Ports()
    ports: Ports = Ports()
    established: bool = False
    unclear: tuple[str, ...] = ()
    never: bool = False

    @property
    def everything(self) -> bool:
        return self == Match()

    def at(self, sources: bool, scope: Scope) -> "Match":
        """With that scope for the sources, or for the destinations."""
        return self._replace(sources=scope) if sources else self._replace(destinations=scope)


class Jump(NamedTuple):
    """To another chain; `back`: what it does not decide goes on behind the jump."""

    chain: str
    back: bool = True


class Return(NamedTuple):
    """Back to where the chain was jumped from, or to its policy."""


class Step(NamedTuple):
    """A rule of a chain."""

    match: Match
    target: Action | Jump | Return
    line: int | None
    name: str


def flat(
    chains: Mapping[str, Sequence[Step]], first: str, inbound: bool | None, remarks: Remarks, place: int = 1
) -> tuple[Rule, ...]:
    """The rules that packets meet who enter at the chain `first`, numbered from `place`."""
    rules: list[Rule] = []
    for step, match in _walk(chains, first, Match(), (), remarks, iter(range(MAX_STEPS))):
        if len(rules) >= MAX_RULES:
            remarks.add(f"only the first {MAX_RULES} rules were read")
            break
        if isinstance(step.target, Action):
            rules.append(_rule(step, step.target, match, inbound, place + len(rules)))
    return tuple(rules)


def _walk(
    chains: Mapping[str, Sequence[Step]],
    name: str,
    before: Match,
    way: tuple[str, ...],
    remarks: Remarks,
    left: Iterator[int],
) -> Iterator[tuple[Step, Match]]:
    """Steps that decide, with all that packets had to be to come there; `left` is what may still be looked at."""
    why = "jumped to in a circle, or too deep" if name in way or len(way) >= MAX_DEPTH else None
    if name not in chains:
        why = "not in the file"
    if why is not None:
        remarks.add(f"chain {short(name)!r} is {why}: what it decides is not known")
        unknown = before._replace(unclear=(*before.unclear, f"chain {short(name)}"))
        yield Step(Match(), Action.DROP, None, name), unknown
        return
    for step in chains[name]:
        if next(left, None) is None:
            remarks.add(f"chains jump to one another too often: only {MAX_STEPS} rules were looked at")
            return
        match = both(before, step.match)
        if match.never:
            continue
        if isinstance(step.target, Jump):
            yield from _walk(chains, step.target.chain, match, (*way, name), remarks, left)
        elif isinstance(step.target, Action):
            yield step, match
        leaves = isinstance(step.target, Return) or (isinstance(step.target, Jump) and not step.target.back)
        if leaves and step.match.everything:
            return
        if leaves:
            before = before._replace(unclear=(*before.unclear, f"whether {short(step.name)} left the chain before"))


def _rule(step: Step, action: Action, match: Match, inbound: bool | None, place: int) -> Rule:
    rule = Rule(
        name=short(step.name, MAX_WORDS),
        action=action,
        place=place,
        inbound=inbound,
        protocols=match.protocols,
        sources=match.sources,
        destinations=match.destinations,
        source_ports=match.source_ports,
        ports=match.ports,
        established=match.established,
        line=step.line,
    )
    for why in dict.fromkeys(match.unclear[:MAX_ITEMS]):
        rule = opened(rule, why)
    return rule


def both(one: Match, other: Match) -> Match:
    """What packets are that match the one and the other."""
    protocols = _common(one.protocols, other.protocols)
    sources, destinations = _meet(one.sources, other.sources), _meet(one.destinations, other.destinations)
    source_ports, ports = _overlap(one.source_ports, other.source_ports), _overlap(one.ports, other.ports)
    doubts = [*one.unclear, *other.unclear]
    if _TOO_HARD in (sources[1], destinations[1]):
        doubts.append("addresses that two rules limit")
    if _TOO_HARD in (source_ports[1], ports[1]):
        doubts.append("ports that two rules limit")
    nothing = protocols is None or _NONE in (sources[1], destinations[1], source_ports[1], ports[1])
    return Match(
        protocols or (),
        sources[0],
        destinations[0],
        source_ports[0],
        ports[0],
        one.established or other.established,
        tuple(dict.fromkeys(doubts))[:MAX_ITEMS],
        one.never or other.never or nothing,
    )


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...] | None:
    if not one or not other:
        return one or other
    return tuple(name for name in one if name in other) or None


def _overlap(one: Ports, other: Ports) -> tuple[Ports, str]:
    """The common ports, and how they were found."""
    if one.any or other.any or one == other:
        return (other if one.any else one), _EXACT
    if len(one.ranges) * len(other.ranges) > MAX_PAIRS:
        return one, _TOO_HARD
    ranges = tuple((max(a, c), min(b, d)) for a, b in one.ranges for c, d in other.ranges if max(a, c) <= min(b, d))
    return Ports(ranges), _EXACT if ranges else _NONE


def _meet(one: Scope, other: Scope) -> tuple[Scope, str]:
    """The common addresses, and how they were found; where that is too hard, what is surely not fewer."""
    if one.any or other.any or one == other:
        return (other if one.any else one), _EXACT
    if any(scope.negated or scope.ranges or scope.names for scope in (one, other)):
        return (other if one.negated or one.names else one), _TOO_HARD
    if len(one.networks) * len(other.networks) > MAX_PAIRS:
        return one, _TOO_HARD
    common = tuple(
        a if a.prefixlen >= b.prefixlen else b
        for a in one.networks
        for b in other.networks
        if a.version == b.version and a.overlaps(b)
    )
    return Scope(common), _EXACT if common else _NONE
