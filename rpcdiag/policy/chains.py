"""Filters whose rules stand in chains that jump to one another, told as one list of rules in which the first decides.

A jump becomes the rules of its target, each with the conditions of the jump beside its own. Where that cannot be said
as one rule, the rule says less, and leaves open whether it matches.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rpcdiag.policy.model import Action, Network, Ports, Rule, Scope
from rpcdiag.policy.written import MAX_ITEMS, MAX_RULES, MAX_WORDS, Remarks, opened, short

MAX_DEPTH = 16  # of jumps
MAX_STEPS = 500_000  # that are looked at, jumps included


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
    sources, sure_source = _meet(one.sources, other.sources)
    destinations, sure_destination = _meet(one.destinations, other.destinations)
    source_ports, ports = _overlap(one.source_ports, other.source_ports), _overlap(one.ports, other.ports)
    impossible = None in (protocols, sources, destinations, source_ports, ports)
    doubts = [*one.unclear, *other.unclear]
    if not (sure_source and sure_destination):
        doubts.append("addresses that two rules limit")
    return Match(
        protocols or (),
        sources or Scope(),
        destinations or Scope(),
        source_ports or Ports(),
        ports or Ports(),
        one.established or other.established,
        tuple(dict.fromkeys(doubts))[:MAX_ITEMS],
        one.never or other.never or impossible,
    )


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...] | None:
    if not one or not other:
        return one or other
    return tuple(name for name in one if name in other) or None


def _overlap(one: Ports, other: Ports) -> Ports | None:
    if one.any or other.any:
        return other if one.any else one
    ranges = [
        (max(a, c), min(b, d))
        for a, b in one.ranges[:MAX_ITEMS]
        for c, d in other.ranges[:256]
        if max(a, c) <= min(b, d)
    ]
    return Ports(tuple(ranges[:MAX_ITEMS])) if ranges else None


def _meet(one: Scope, other: Scope) -> tuple[Scope | None, bool]:
    """The common addresses, None where there are none; and whether that is exact."""
    if one.any or other.any or one == other:
        return (other if one.any else one), True
    if one.negated or other.negated or one.ranges or other.ranges or one.names or other.names:
        return (other if one.negated or one.names else one), False
    common: list[Network] = [
        a if a.prefixlen >= b.prefixlen else b
        for a in one.networks[:256]
        for b in other.networks[:256]
        if a.version == b.version and a.overlaps(b)
    ]
    return (Scope(tuple(common[:MAX_ITEMS])) if common else None), True
