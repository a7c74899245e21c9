"""A remedy simulated before and after, over the capture's own flows and those of a stranger.

The policy before is the one that the user named, or the one that the finding implies: what the capture shows open is
open, and the rest is closed by default. The change must let the finding's flows pass, keep the stranger out, and turn
nothing else; where it does not, the remedy is told last, with what came of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.logs.isa_names import is_local_host, is_system
from rpcdiag.model.packets import Address
from rpcdiag.policy.engine import judge_flows, product_of
from rpcdiag.policy.events import Event, Kind, events_of, foreign
from rpcdiag.policy.flips import changed
from rpcdiag.policy.model import Action, Policy, Ports, Process, Rule, Scope, Sure
from rpcdiag.policy.verdict import Reason, Verdict
from rpcdiag.remedies import situation as words
from rpcdiag.remedies.remedy import Flip, Remedy, Replay, Simulated
from rpcdiag.remedies.situation import Situation, single
from rpcdiag.remedies.windows import PROGRAM_PATH

WHOLE = 300  # conversations of a case that is replayed whole; of a larger one those between the two hosts
MAX_EVENTS = 2000  # of such a case; a quarter of that where it is not replayed whole
MAX_SOURCES = 256  # that a rule of the implied policy names
MAX_OPEN = 512  # rules of the implied policy
MAX_FLIPS = 16
PRODUCTS = ("asa-9.7", "linux", "tmg", "windows-firewall")  # that are simulated most
_STRANGERS = {4: ("203.0.113.7", "198.51.100.7", "192.0.2.7"), 6: ("2001:db8:ffff::7", "2001:db8:fffe::7")}
_PRODUCTS = {"windows-firewall": "windows-firewall", "tmg": "tmg", "linux": "linux", "asa": "asa-9.7",
             "fortigate": "fortigate", "srx": "srx", "checkpoint": "check-point", "stormshield": "stormshield",
             "barracuda": "barracuda", "palo-alto": "pan-os", "cloud": "security-group", "none": "linux"}  # fmt: skip
_SYSTEM = "[System] Allow RPC from Forefront TMG to trusted servers"
_SHOWN_OPEN = "what the capture shows open"


class Flows(NamedTuple):
    """What all replays of a case begin with."""

    whole: bool  # all that the case holds, not what is between two hosts only
    events: Mapping[frozenset[Address], Sequence[Event]]  # by pair
    open: Mapping[Address, Mapping[int, tuple[Address, ...]]]  # host, port -> clients whose connections opened

    def of(self, one: Address, other: Address, *, all_hosts: bool) -> list[Event]:
        """The events that a replay for these two looks at: theirs with others too, and those of `all_hosts`, where the
        whole case is replayed.
        """
        if self.whole:
            near = (several for pair, several in self.events.items() if all_hosts or one in pair or other in pair)
            return sorted((event for several in near for event in several), key=_time)[:MAX_EVENTS]
        return list(self.events.get(frozenset((one, other)), ()))[: MAX_EVENTS // 4]


def _time(event: Event) -> int:
    return event.time_ns


def flows_of(case: Case, findings: Sequence[Finding]) -> Flows:
    """Of a large case what is between the hosts of these findings."""
    whole = len(case.conversations) <= WHOLE
    pairs = {frozenset((finding.client, finding.server)) for finding in findings}
    hosts = {host for pair in pairs for host in pair}
    found: dict[Address, dict[int, dict[Address, None]]] = {}
    for conversation in case.conversations:
        flow = conversation.near.flow
        if flow.outcome in FAILED_TO_OPEN or not (whole or flow.server.address in hosts):
            continue
        clients = found.setdefault(flow.server.address, {}).setdefault(flow.server.port, {})
        if len(clients) < MAX_SOURCES:
            clients[flow.client.address] = None
    events: dict[frozenset[Address], list[Event]] = {}
    for event in events_of(case, None if whole else pairs):
        events.setdefault(frozenset((event.client, event.server)), []).append(event)
    return Flows(
        whole, events,
        {host: {port: tuple(ports[port]) for port in sorted(ports)} for host, ports in sorted(found.items(), key=_text)},
    )  # fmt: skip


def _text(one: tuple[Address, object]) -> str:
    return str(one[0])


def replayed(s: Situation, remedies: Sequence[Remedy], flows: Flows) -> list[Remedy]:
    """The remedies with their replays."""
    return [
        remedy._replace(replay=_replay(s, remedy.change, flows)) if remedy.change else remedy for remedy in remedies
    ]


def failed(remedy: Remedy) -> bool:
    """Whether the replay shows that it does not cure, or opens what it should not."""
    return remedy.replay is not None and (not remedy.replay.cures or remedy.replay.opens)


def _replay(s: Situation, change: Simulated, flows: Flows) -> Replay | None:
    wanted = {one.id for one in s.failing}
    wanted = {s.case.conversations[s.case.flow(id).conversation].near.id for id in wanted}
    own = _own_events(s, flows, wanted, all_hosts=_concerns_others(change))
    if not wanted or not any(event.flow in wanted for event in own):
        return None
    policy, given = _before(s, change, flows)
    between = [event for event in own if (event.client, event.server) == (s.caller, s.host)]
    strangers = _strangers(s, change, own)
    tried = (one for who in strangers for one in foreign(between, s.caller, who.address, first_flow=f"{who.address}:"))
    everything = _ordered([*own, *tried])
    before = _judged(everything, policy, s)
    failing = [flow for flow in sorted(wanted) if flow in before and before[flow].passes is not True]
    if not failing:
        return None  # what is assumed to be in force does not show the failure
    moved = _moved(s, change, everything, wanted)
    after = _judged(moved, _after(policy, change, before, failing), s)
    return _told(s, change, policy, given, everything, before, after, wanted, strangers)


def _concerns_others(change: Simulated) -> bool:
    """Whether the change can turn flows between hosts that it does not name."""
    host_based = change.product == "windows-firewall"
    return change.switch is not None or not (host_based or all(not rule.destinations.any for rule in change.rules))


def _own_events(s: Situation, flows: Flows, wanted: set[str], *, all_hosts: bool) -> list[Event]:
    """Those of the case, or of the pair; who fails to reach an RPC service meant RPC."""
    own = flows.of(s.caller, s.host, all_hosts=all_hosts)
    return [event._replace(rpc=True) if event.flow in wanted else event for event in own]


def _ordered(events: Sequence[Event]) -> list[Event]:
    """A stranger's events beside those that they are made of."""
    return sorted(events, key=lambda event: event.time_ns)


class _Stranger(NamedTuple):
    """Somebody whose packets the capture does not hold; `within`: the remedy is for such a one."""

    address: Address
    within: bool


def _strangers(s: Situation, change: Simulated, events: Sequence[Event]) -> list[_Stranger]:
    """One from outside of the scope, and a neighbour within it where it is a subnet."""
    seen = {event.client for event in events} | {event.server for event in events}
    scopes = [network for rule in change.rules for network in rule.sources.networks]
    found = []
    for text in _STRANGERS[s.host.version]:
        address = ip_address(text)
        if address not in seen and not any(
            network.version == address.version and address in network for network in scopes
        ):
            found.append(_Stranger(address, within=False))
            break
    subnet = next((network for network in scopes if network.num_addresses > 1 and s.caller in network), None)
    if subnet is not None:
        for number in range(1, min(subnet.num_addresses - 1, 1024)):
            if subnet[number] not in seen:
                found.append(_Stranger(subnet[number], within=True))
                break
    return found


def _before(s: Situation, change: Simulated, flows: Flows) -> tuple[Policy, bool]:
    """The policy that the user named, where it is of this product and stops the flows; else the one that the finding implies."""
    if s.applied is not None and s.stopped_by and words.product_of(s.applied.policy.product) == change.product:
        return _with_processes(s, s.applied.policy), True
    return _with_processes(s, _implied(s, change, flows)), False


def _implied(s: Situation, change: Simulated, flows: Flows) -> Policy:
    product = _PRODUCTS.get(change.product, "linux")
    failing = {(one.flow.client.address, one.flow.server.port) for one in s.failing}
    shown = list(_shown_open(s, flows, failing, hosts=(s.host,) if product == "windows-firewall" else None))
    if product == "windows-firewall":
        profile = next((one for rule in change.rules for one in rule.profiles), "domain")
        inbound = tuple(rule._replace(inbound=True) for rule in shown)
        return Policy(f"Windows Firewall of {s.host}", product, inbound, hosts=(s.host,), profile=profile)
    if change.switch is not None and change.switch.strict is False:
        return _strict(s, product)
    called = "a plain packet filter" if change.product == "none" else product
    return Policy(called, product, tuple(shown))


def _strict(s: Situation, product: str) -> Policy:
    """A rule that enforces strict RPC before one that allows all; from the firewall itself it is a system rule's."""

    named = s.finding.subject.log_rule
    zones = s.finding.subject.device_zones
    system = bool(named and is_system(named)) or bool(zones and is_local_host(zones[0]))
    first = Rule(
        name=named or (_SYSTEM if system else "the rule that decides"), action=Action.ALLOW, system=system,
        protocols=("tcp",), sources=Scope((single(s.caller),)), ports=Ports(((135, 135),)), alg=True, strict=True,
    )  # fmt: skip
    rest = Rule(name="a rule that allows all", action=Action.ALLOW, alg=False, strict=False)
    return Policy(product, product, (first, rest), local_host=(s.caller,) if system else ())


def _shown_open(
    s: Situation, flows: Flows, failing: set[tuple[Address, int]], hosts: tuple[Address, ...] | None
) -> Iterator[Rule]:
    """Rules for what was seen to open, without the finding's own clients where they fail."""
    left = MAX_OPEN
    for host in flows.open if hosts is None and flows.whole else hosts or (s.host, s.caller):
        for port, clients in flows.open.get(host, {}).items():
            sources = tuple(single(one) for one in clients if host != s.host or (one, port) not in failing)
            if sources and left:
                left -= 1
                yield Rule(
                    name=_SHOWN_OPEN, action=Action.ALLOW, sources=Scope(sources), destinations=Scope((single(host),)),
                    ports=Ports(((port, port),)),
                )  # fmt: skip


def _with_processes(s: Situation, policy: Policy) -> Policy:
    """The program behind the failing port, as the remedy names it, unless the policy knows better."""
    known = {(one.host, one.port) for one in policy.processes}
    program, service, _ = s.program
    more = tuple(
        Process(s.host, port, program or PROGRAM_PATH, service)
        for port in sorted({one.flow.server.port for one in s.failing})
        if port not in (135, 593) and (s.host, port) not in known
    )
    profile = policy.profile or ("domain" if policy.product == "windows-firewall" else None)
    return policy._replace(processes=policy.processes + more, profile=profile)


def _judged(events: Sequence[Event], policy: Policy, s: Situation) -> dict[str, Verdict]:
    return judge_flows(events, policy, product_of(policy))


def _after(policy: Policy, change: Simulated, before: Mapping[str, Verdict], failing: Sequence[str]) -> Policy:
    """The policy with the change: a switch at the rule that decided, new rules behind those of the system."""
    if change.switch is not None and not change.rules:
        position = change.switch.rule
        if position is None:
            position = next((before[flow].position for flow in failing if before[flow].position is not None), None)
        return changed(policy, change.switch._replace(rule=position)) if position is not None else policy
    behind = max((number + 1 for number, rule in enumerate(policy.rules) if rule.system), default=0)
    return policy._replace(rules=(*policy.rules[:behind], *change.rules, *policy.rules[behind:]))


def _moved(s: Situation, change: Simulated, events: Sequence[Event], wanted: set[str]) -> Sequence[Event]:
    """The events as they would be once the failing services listen elsewhere."""
    if change.moved is None:
        return events
    moved = change.moved
    ports = sorted({event.port for event in events if event.flow in wanted and event.port not in (135, 593)})
    span = moved.last - moved.first + 1
    new = {port: moved.first + number % span for number, port in enumerate(ports)}

    def port_of(address: Address | None, host: Address, port: int | None) -> int | None:
        return new.get(port, port) if port is not None and (address or host) == moved.host else port

    return [
        event._replace(
            port=new.get(event.port, event.port) if event.server == moved.host else event.port,
            named=tuple(one._replace(port=port_of(one.address, event.server, one.port)) for one in event.named),
        )
        for event in events
    ]


def _word(verdict: Verdict) -> str:
    if verdict.passes is None:
        return "unknown"
    if verdict.passes:
        return "pass"
    return {Action.REJECT: "reject", Action.RESET: "reset"}.get(verdict.action, "drop")


_WHY = {
    Reason.RULE: "the rule decides",
    Reason.DEFAULT: "no rule is about it",
    Reason.PINHOLE: "the port was read out of an answer",
    Reason.STRICT_NON_EPM: "strict, and not the mapper that is bound",
}


def _why(verdict: Verdict) -> str:
    """In few words, and without the number of a dynamic port."""
    if verdict.reason is Reason.RULE and verdict.rule:
        return f"rule '{verdict.rule}'"
    why = _WHY.get(verdict.reason) or verdict.reason.value.replace("_", " ")
    return f"{why}; rule '{verdict.rule}'" if verdict.rule else why


def _told(
    s: Situation, change: Simulated, policy: Policy, given: bool, events: Sequence[Event],
    before: Mapping[str, Verdict], after: Mapping[str, Verdict], wanted: set[str], strangers: Sequence[_Stranger],
) -> Replay:  # fmt: skip
    outside = {one.address for one in strangers if not one.within}
    within = {one.address for one in strangers if one.within}
    flips, foreigners, unchanged = [], [], 0
    opens = False
    for syn in (event for event in events if event.kind is Kind.SYN):
        was, now = before.get(syn.flow), after.get(syn.flow)
        if was is None or now is None:
            continue
        flip = Flip(
            syn.flow, syn.client, syn.server, _word(was), _word(now), _why(was), _why(now), syn.flow.endswith("!")
        )
        if flip.foreign:
            foreigners.append(flip)
            opens = opens or (
                {syn.client, syn.server} & outside != set() and was.passes is not True and now.passes is not False
            )
        elif flip.before != flip.after:
            flips.append(flip)
            opens = opens or (syn.flow not in wanted and now.passes is not False and not _in_scope(change, syn))
        else:
            unchanged += 1
    cured = [flow for flow in wanted if flow in after and after[flow].passes]
    cures = bool(cured) and len(cured) == len([flow for flow in wanted if flow in after])
    says = _sentence(
        s, policy, given, before, after, flips, foreigners, within, wanted, unchanged, cures=cures, opens=opens
    )
    sure = Sure.least(*(after[flow].sure for flow in wanted if flow in after))
    return Replay(
        policy.path or policy.name, policy.product, says, tuple(flips[:MAX_FLIPS]), tuple(foreigners[:MAX_FLIPS]), unchanged,
        cures, opens, sure.value,
    )  # fmt: skip


def _in_scope(change: Simulated, syn: Event) -> bool:
    """Whether the flow is one that the new rules are meant for; a switch is for all that it lets pass."""
    if not change.rules:
        return True
    return any(
        network.version == syn.client.version and syn.client in network
        for rule in change.rules
        for network in rule.sources.networks
    )


def _list(flows: Sequence[str]) -> str:
    shown = list(flows[:4])
    rest = f" and {len(flows) - 4} more" if len(flows) > 4 else ""
    return (
        " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 and not rest else ", ".join(shown)
    ) + rest


def _sentence(
    s: Situation, policy: Policy, given: bool, before: Mapping[str, Verdict], after: Mapping[str, Verdict],
    flips: Sequence[Flip], foreigners: Sequence[Flip], within: set[Address], wanted: set[str], unchanged: int, *,
    cures: bool, opens: bool,
) -> str:  # fmt: skip
    known = sorted((flow for flow in wanted if flow in before and flow in after), key=lambda flow: int(flow[1:]))
    assumed = "the policy that was given" if given else f"{_SHOWN_OPEN}, the rest closed"
    if policy.rules and policy.rules[0].strict and not given:
        assumed = f"'{policy.rules[0].name}' is strict and comes before a rule that allows all"
    parts = [f"simulated with {policy.name} ({assumed}): before, {_list(known)} {_verb(known, before)}"]
    parts.append(f"after, {'they' if len(known) > 1 else 'it'} {_verb(known, after)}")
    for address in dict.fromkeys(flip.client for flip in foreigners):
        of_one = [flip for flip in foreigners if flip.client == address]
        parts.append(_stranger(address, of_one, address in within))
    others = [flip for flip in flips if flip.flow not in wanted]
    parts.append(
        f"besides, {_list([flip.flow for flip in others])} {'changes' if len(others) == 1 else 'change'}: "
        f"{others[0].before}, then {others[0].after}" if others else "nothing else changes"
    )  # fmt: skip
    text = "; ".join(parts)
    if not cures:
        text += ". NOT A CURE by itself: under this policy the flows still do not pass"
    if opens:
        text += ". OPENS MORE than it should: see the flows that change"
    return text


_ONE = {
    "pass": "passes",
    "unknown": "cannot be judged",
    "drop": "is dropped",
    "reject": "is rejected",
    "reset": "is reset",
}
_MANY = {
    "pass": "pass",
    "unknown": "cannot be judged",
    "drop": "are dropped",
    "reject": "are rejected",
    "reset": "are reset",
}


def _verb(flows: Sequence[str], verdicts: Mapping[str, Verdict]) -> str:
    done = _MANY if len(flows) > 1 else _ONE
    found = dict.fromkeys(f"{done[_word(verdicts[flow])]} ({_why(verdicts[flow])})" for flow in flows)
    return ", ".join(list(found)[:3])


def _stranger(address: Address, flips: Sequence[Flip], within: bool) -> str:
    who = f"a neighbour, {address}," if within else f"a stranger, {address},"
    if all(flip.before == flip.after for flip in flips):
        if all(flip.after == "pass" for flip in flips):
            return f"for {who} nothing changes"
        return f"{who} is still refused"
    opened = [flip for flip in flips if flip.before != "pass" and flip.after == "pass"]
    return f"{who} passes as well" if opened else f"for {who} the verdict changes: {flips[-1].after}"


__all__ = ["Flows", "failed", "flows_of", "replayed"]
