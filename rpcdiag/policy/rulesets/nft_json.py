"""Plain filters of Linux, as `nft -j list ruleset` prints them; libnftables-json(5) has the schema.

Chains are followed; sets and simple verdict maps are put in their places. What an expression matches that is not known
here leaves open whether its rule matches. Whether the box is read as a host or as a router: see the remark it leaves.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rpcdiag.policy import written
from rpcdiag.policy.chains import Jump, Match, Return, Step, both, flat
from rpcdiag.policy.model import Action, Network, Ports, Rule, RuleSet, RuleSetFormat, Scope
from rpcdiag.policy.written import MAX_ITEMS, MAX_RULES, Remarks, bounded, short

_FAMILIES = ("inet", "ip", "ip6")
_HOOKS = ("input", "output", "forward")
_LOOPBACK = written.scope([written.addresses("127.0.0.0/8"), written.addresses("::1")])
_SIDES = {"saddr": True, "daddr": False}  # whether it is the source
_INTERFACES = {"iifname": True, "iif": True, "oifname": False, "oif": False}
# statements that decide nothing
_GOES_ON = frozenset(
    [
        "counter",
        "log",
        "mangle",
        "ct",
        "helper",
        "notrack",
        "xt_comment",
        "flow",
        "nftrace",
        "meter",
        "set",
        "map",
        "add",
        "update",
        "last",
    ]
)
_Json = Any  # what a file of JSON holds

MAX_ELEMENTS = 500_000  # of named sets that are put in the places of their names


class _Sets:
    """Elements of named sets and maps, by family, table and name; so many of them are told, and no more."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], list[_Json]] = {}
        self._left = MAX_ELEMENTS

    def add(self, key: tuple[str, str, str], elements: list[_Json]) -> None:
        self._known[key] = elements

    def elements(self, key: tuple[str, str, str]) -> list[_Json] | None:
        found = self._known.get(key)
        if found is None or len(found) > self._left:
            return None
        self._left -= len(found)
        return found


class _Base(NamedTuple):
    """A chain at a hook."""

    key: str
    hook: str
    priority: int
    policy: Action
    family: str


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    start = head.lstrip("\ufeff \t\r\n")
    if start.startswith("{") and '"nftables"' in start[:4096]:
        return None
    return "nft-json: no JSON object with 'nftables'"


def parse(text: str) -> RuleSet:
    remarks = Remarks()
    try:
        loaded = json.loads(bounded(text, remarks).lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        remarks.breaks_off(f"it is no JSON: {type(error).__name__}")
        return RuleSet(RULE_SET.name, (), "linux", remarks=remarks.all(), cut=remarks.cut)
    objects = loaded.get("nftables") if isinstance(loaded, dict) else None
    listed = [one for one in objects if isinstance(one, dict)] if isinstance(objects, list) else []
    if not listed:
        remarks.add("there is no list 'nftables'")
    places = _places(text)
    chains, bases = _chains(listed, places, remarks)
    return _rule_set(chains, bases, remarks)


def _places(text: str) -> Iterator[int]:
    """The line at which each rule begins; nft writes all of it in one line, people reformat it."""
    place, line = 0, 1
    while (found := text.find('"rule"', place)) >= 0:
        line += text.count("\n", place, found)
        place = found + 6
        rest = text[place : place + 64].lstrip()
        if rest.startswith(":"):
            yield line


def _rule_set(chains: Mapping[str, list[Step]], bases: list[_Base], remarks: Remarks) -> RuleSet:
    def filled(hook: str) -> list[_Base]:
        return [base for base in bases if base.hook == hook and (chains.get(base.key) or base.policy is Action.DROP)]

    router = any(chains.get(base.key) for base in bases if base.hook == "forward")
    if router and (filled("input") or filled("output")):
        remarks.add("a chain at forward has rules: read as a router; what is at input and output is left out")
    found: tuple[Rule, ...] = ()
    default: Action | None = None
    for hook, inbound in (("forward", None),) if router else (("input", True), ("output", False)):
        there = sorted(filled(hook), key=lambda base: base.priority)
        for number, base in enumerate(there):
            rules = flat(chains, base.key, inbound, remarks, len(found) + 1)
            last = number + 1 == len(there)
            found += tuple(_for(base.family, one if last else _more_to_come(one)) for one in rules)
            if not last and base.policy is Action.DROP:
                found += (_for(base.family, _policy(base, inbound, len(found) + 1)),)
        if len(there) > 1:
            remarks.add(
                f"{len(there)} chains at {hook}: what the first accept, the others may drop, so that is left open"
            )
        if hook == "output" and there and there[-1].policy is Action.DROP:
            found += (_policy(there[-1], inbound, len(found) + 1),)
        elif hook != "output":
            default = there[-1].policy if there else None
    if not found:
        remarks.add("no rule was found")
    return RuleSet(RULE_SET.name, found[:MAX_RULES], "linux", default, remarks=remarks.all())


def _policy(base: _Base, inbound: bool | None, place: int) -> Rule:
    return Rule(f"policy of {base.key}", base.policy, place=place, inbound=inbound)


def _more_to_come(rule: Rule) -> Rule:
    return written.opened(rule, "what the next chain does") if rule.action is Action.ALLOW else rule


def _for(family: str, rule: Rule) -> Rule:
    """A table of one family sees its packets only."""
    if family == "inet" or not (rule.sources.any and rule.destinations.any):
        return rule
    everybody = written.addresses("0.0.0.0/0" if family == "ip" else "::/0")
    return rule._replace(destinations=written.scope([everybody]))


def _chains(
    objects: list[dict[str, _Json]], lines: Iterator[int], remarks: Remarks
) -> tuple[dict[str, list[Step]], list[_Base]]:
    chains: dict[str, list[Step]] = {}
    bases: list[_Base] = []
    sets = _Sets()
    for one in objects:
        _declare(one, chains, bases, sets, remarks)
    count = 0
    for one in objects:
        rule = one.get("rule")
        if not isinstance(rule, dict):
            continue
        line = next(lines, None)
        count += 1
        if count > MAX_RULES:
            remarks.add(f"only the first {MAX_RULES} rules were read")
            break
        if rule.get("family") in _FAMILIES:
            key = _key(rule, rule.get("chain"))
            there = chains.setdefault(key, [])
            there += _Reading(rule, key, len(there) + 1, line, sets, remarks).steps()
    return chains, bases


def _key(of: Mapping[str, _Json], chain: _Json) -> str:
    return f"{of.get('family')} {of.get('table')} {chain}"


def _declare(
    one: Mapping[str, _Json],
    chains: dict[str, list[Step]],
    bases: list[_Base],
    sets: _Sets,
    remarks: Remarks,
) -> None:
    chain, named = one.get("chain"), one.get("set") or one.get("map")
    if isinstance(named, dict):
        elements = named.get("elem")
        key = (str(named.get("family")), str(named.get("table")), str(named.get("name")))
        if isinstance(elements, list) and len(elements) > MAX_ITEMS:
            remarks.add(f"the set {short(key[2])} has more than {MAX_ITEMS} elements: who is in it is left open")
        else:
            sets.add(key, elements if isinstance(elements, list) else [])
    if not isinstance(chain, dict):
        return
    family, hook = chain.get("family"), chain.get("hook")
    if family not in _FAMILIES:
        remarks.add(f"chains of the family {short(str(family))} are not looked at")
        return
    key_of = _key(chain, chain.get("name"))
    chains.setdefault(key_of, [])
    if hook in _HOOKS and chain.get("type", "filter") == "filter":
        priority = chain.get("prio")
        policy = Action.DROP if chain.get("policy") == "drop" else Action.ALLOW
        bases.append(_Base(key_of, hook, priority if isinstance(priority, int) else 0, policy, family))


class _Reading:
    """The expressions of one rule, from left to right."""

    def __init__(
        self, rule: Mapping[str, _Json], chain: str, number: int, line: int | None, sets: _Sets, remarks: Remarks
    ) -> None:
        self._rule = rule
        self._chain = chain
        self._line = line
        self._sets = sets
        self._remarks = remarks
        comment = rule.get("comment")
        self._name = short(comment, 200) if isinstance(comment, str) and comment else f"{chain} {number}"
        self._match = Match()
        self._steps: list[Step] = []

    def steps(self) -> list[Step]:
        expressions = self._rule.get("expr")
        for one in expressions[:256] if isinstance(expressions, list) else ():
            for kind, what in one.items() if isinstance(one, dict) else ():
                self._expression(kind, what)
        if self._steps:
            for says in self._match.unclear:
                self._remarks.add(f"{self._name}: {says}: whether the rule matches is left open", self._line)
        return self._steps

    def _doubt(self, why: str) -> None:
        self._match = self._match._replace(unclear=(*self._match.unclear, why))

    def _expression(self, kind: str, what: _Json) -> None:
        if kind == "match" and isinstance(what, dict):
            self._add(self._condition(what))
        elif kind == "vmap" and isinstance(what, dict):
            self._verdict_map(what)
        elif kind in ("accept", "drop", "reject", "jump", "goto", "return", "continue"):
            self._decide(kind, what, self._match)
        elif kind == "limit":
            self._doubt("a limit of packets")
        elif kind not in _GOES_ON:
            self._doubt(f"the expression {short(kind)}")
            if kind in ("queue", "tproxy", "synproxy"):
                self._decide("drop", None, self._match)

    def _add(self, match: Match) -> None:
        self._match = both(self._match, match)

    def _decide(self, kind: str, what: _Json, match: Match) -> None:
        target: Action | Jump | Return
        if kind in ("jump", "goto"):
            name = what.get("target") if isinstance(what, dict) else None
            target = Jump(_key(self._rule, name), back=kind == "jump")
        elif kind == "return":
            target = Return()
        elif kind == "reject":
            reset = isinstance(what, dict) and what.get("type") == "tcp reset"
            target = Action.RESET if reset else Action.REJECT
        elif kind == "continue":
            return
        else:
            target = Action.ALLOW if kind == "accept" else Action.DROP
        if not match.never:
            self._steps.append(Step(match, target, self._line, self._name))

    def _verdict_map(self, what: Mapping[str, _Json]) -> None:
        """`ct state vmap { established : accept, invalid : drop }`: a step for each element."""
        data = what.get("data")
        elements = data.get("set") if isinstance(data, dict) else self._named(data)
        if not isinstance(elements, list) or len(elements) > MAX_ITEMS:
            self._doubt("a verdict map")
            self._decide("drop", None, self._match)
            return
        for element in elements:
            pair = element if isinstance(element, list) and len(element) == 2 else (None, None)
            key, verdict = pair
            if not isinstance(verdict, dict):
                self._doubt("a verdict map")
                continue
            match = both(self._match, self._condition({"op": "==", "left": what.get("key"), "right": key}))
            for kind, target in verdict.items():
                self._decide(kind, target, match)

    def _named(self, value: _Json) -> list[_Json] | None:
        if not (isinstance(value, str) and value.startswith("@")):
            return None
        return self._sets.elements((str(self._rule.get("family")), str(self._rule.get("table")), value[1:]))

    def _condition(self, what: Mapping[str, _Json]) -> Match:
        left, right, negated = what.get("left"), what.get("right"), what.get("op") == "!="
        if what.get("op") not in ("==", "!=", "in") or not isinstance(left, dict):
            return Match(unclear=("a comparison",))
        try:
            if "payload" in left:
                return self._payload(left["payload"], right, negated)
            if "meta" in left:
                return self._meta(left["meta"], right, negated)
            if "ct" in left and isinstance(left["ct"], dict) and left["ct"].get("key") == "state":
                return _states(self._values(right), negated)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            return Match(unclear=(short(str(error), 100),))
        return Match(unclear=(f"a condition on {short(', '.join(map(str, left)))}",))

    def _values(self, right: _Json) -> list[_Json]:
        """One value, a list, a set in braces, or a named one."""
        if isinstance(right, dict) and "set" in right:
            right = right["set"]
        named = self._named(right)
        if named is not None:
            right = named
        elif isinstance(right, str) and right.startswith("@"):
            raise ValueError(f"the set {short(right)} is not in the file, or too large")
        values = right if isinstance(right, list) else [right]
        if len(values) > MAX_ITEMS:
            raise ValueError("a set that is too large")
        return [one["elem"]["val"] if isinstance(one, dict) and "elem" in one else one for one in values]

    def _payload(self, payload: Mapping[str, _Json], right: _Json, negated: bool) -> Match:
        layer, field = str(payload.get("protocol")), str(payload.get("field"))
        if field in _SIDES and layer in ("ip", "ip6"):
            found = written.scope([_network(one) for one in self._values(right)])
            return Match().at(_SIDES[field], found._replace(negated=negated))
        if field in ("dport", "sport") and layer in ("tcp", "udp", "th", "sctp", "dccp", "udplite"):
            ranges = [_port_range(one) for one in self._values(right)]
            left = written.without(ranges) if negated else tuple(ranges)
            protocols = () if layer == "th" else (written.protocol(layer) or layer,)
            one = (
                Match(protocols, ports=Ports(left)) if field == "dport" else Match(protocols, source_ports=Ports(left))
            )
            return one._replace(never=not left)
        if (layer, field) in (("ip", "protocol"), ("ip6", "nexthdr")):
            return _protocols(self._values(right), negated)
        known = written.protocol(layer) if layer not in ("ip", "ip6", "th", "ether", "vlan", "arp") else None
        return Match((known,) if known else (), unclear=(f"{short(layer)} {short(field)}",))

    def _meta(self, meta: Mapping[str, _Json], right: _Json, negated: bool) -> Match:
        key = str(meta.get("key"))
        if key == "l4proto":
            return _protocols(self._values(right), negated)
        if key == "nfproto" and not negated:
            family = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}[str(right)] if str(right) in ("ipv4", "ipv6") else None
            if family is not None:
                return Match(destinations=written.scope([written.addresses(family)]))
        if key in _INTERFACES:
            names = [str(one) for one in self._values(right)]
            there = _LOOPBACK if names == ["lo"] else Scope(names=tuple(map(short, names)))
            return Match().at(_INTERFACES[key], there._replace(negated=negated))
        raise ValueError(f"meta {short(key)}")


def _states(values: list[_Json], negated: bool) -> Match:
    states = {str(one) for one in values}
    if negated:
        return Match(unclear=(f"not of the state {short(','.join(sorted(states)))}",))
    if states <= {"invalid"}:
        return Match(never=True)
    if "new" in states:
        return Match()
    if states & {"established", "related"}:
        return Match(established=True)
    return Match(unclear=(f"state {short(','.join(sorted(states)))}",))


def _protocols(values: list[_Json], negated: bool) -> Match:
    if negated:
        raise ValueError("not of a protocol")
    known = [written.protocol(str(one)) for one in values]
    return Match(protocols=tuple(one for one in known if one is not None))


def _port_range(value: _Json) -> tuple[int, int]:
    """A number, or `{"range": [1, 2]}`; names of services stay names.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, dict) and isinstance(value.get("range"), list) and len(value["range"]) == 2:
        return written.port_range(f"{value['range'][0]}-{value['range'][1]}")
    return written.port_range(str(value))


def _network(value: _Json) -> "Network | tuple[Any, Any]":
    """`"10.0.0.1"`, `{"prefix": {"addr": ..., "len": 8}}`, `{"range": [...]}`.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, dict):
        prefix, ends = value.get("prefix"), value.get("range")
        if isinstance(prefix, dict):
            return written.addresses(f"{prefix.get('addr')}/{prefix.get('len')}")
        if isinstance(ends, list) and len(ends) == 2:
            return written.addresses(f"{ends[0]}-{ends[1]}")
    return written.addresses(str(value))


RULE_SET = RuleSetFormat("nft-json", "Linux: nft -j list ruleset", why_not, parse)
