"""The single change that turns a verdict, found by making it and asking again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network

from rpcdiag.model.packets import Address
from rpcdiag.policy import words
from rpcdiag.policy.engine import judge_flows
from rpcdiag.policy.events import Event, Kind
from rpcdiag.policy.match import Matcher, Packet
from rpcdiag.policy.model import Action, Authentication, Keyword, Policy, Ports, Rule, Scope, Sure
from rpcdiag.policy.product import Learns, Product
from rpcdiag.policy.verdict import Change, Reason, Verdict

MAX_FLOWS = 512  # whose change is looked for one by one; the rest take that of a flow which is like them
MAX_EVENTS = 2048  # of one pair of hosts that are judged again for each change
MAX_WORK = 8_000_000  # events judged again, times rules, in all: what comes later has no change
DYNAMIC_FROM = 49152
_OF_SYSTEM_RULES = (  # of ISA and TMG; they are in no list of rules that could be right-clicked
    "System Policy Editor > the rule's configuration group (RPC to trusted servers: Authentication Services > Active "
    "Directory) > Enforce strict RPC compliance"
)
EPHEMERAL = Ports(((1024, 65535),))
_LEARNING = {
    Learns.MAP: "answers of the mapper",
    Learns.LOOKUP: "lists of the mapper's entries",
    Learns.CREATE_INSTANCE: "activations (RemoteCreateInstance)",
    Learns.GET_CLASS_OBJECT: "activations (RemoteGetClassObject)",
    Learns.REMOTE_ACTIVATION: "activations (RemoteActivation)",
    Learns.RESOLVE_OXID: "answers of the OXID resolver",
    Learns.SERVER_ALIVE2: "answers of the OXID resolver",
}


def with_flips(
    verdicts: Mapping[str, Verdict], events: Sequence[Event], policy: Policy, product: Product
) -> dict[str, Verdict]:
    """The verdicts, each that is a drop with the smallest change that was seen to turn it."""
    dropped = [id for id, verdict in verdicts.items() if verdict.passes is False]
    if not dropped:
        return dict(verdicts)
    between = _Between(events, policy, product)
    syns = {event.flow: event for event in events if event.kind is Kind.SYN}
    found: dict[tuple[object, ...], Change | None] = {}
    left = MAX_WORK
    done = dict(verdicts)
    for id in dropped:
        verdict, syn = verdicts[id], syns[id]
        key = (
            syn.client, syn.server, syn.port, verdict.reason, verdict.position, verdict.at, syn.about, verdict.action
        )  # fmt: skip
        if key not in found and len(found) < MAX_FLOWS and left > 0:
            near = between.events(syn)
            found[key], tried = _flip(verdict, syn, near, policy, product)
            left -= tried * len(near) * (8 + len(policy.rules))
        done[id] = verdict._replace(flips=found.get(key))
    return done


def changed(policy: Policy, change: Change) -> Policy:
    """The policy after the change."""
    if change.parameter is not None:
        name, value = change.parameter
        return policy._replace(overrides={**policy.overrides, name: value})
    rules = list(policy.rules)
    if change.rule is not None and 0 <= change.rule < len(rules):
        rule = change.becomes or rules[change.rule]
        if change.becomes is None:
            rule = rule._replace(
                strict=rule.strict if change.strict is None else change.strict,
                alg=rule.alg if change.alg is None else change.alg,
            )
        rules[change.rule] = rule
    elif change.becomes is not None:
        rules.insert(len(rules) if change.before is None else change.before, change.becomes)
    return policy._replace(rules=tuple(rules))


def _pair(event: Event) -> frozenset[Address]:
    return frozenset((event.client, event.server))


class _Between:
    """What the verdict on a flow can depend on: the events between its two hosts, of both directions.

    Where a port that one client was told is open for others, those of all that have to do with its server; behind a
    translation, those of all hosts. The first MAX_EVENTS of them.
    """

    def __init__(self, events: Sequence[Event], policy: Policy, product: Product) -> None:
        self._everything = list(events[:MAX_EVENTS]) if policy.translations else None
        self._of_server = not {"client", "server"} <= product.value("pinhole_key")
        self._found: dict[object, list[Event]] = defaultdict(list)
        for event in events:
            for key in {event.client, event.server} if self._of_server else (_pair(event),):
                if len(self._found[key]) < MAX_EVENTS:
                    self._found[key].append(event)

    def events(self, syn: Event) -> list[Event]:
        if self._everything is not None:
            return self._everything
        return self._found[syn.server if self._of_server else _pair(syn)]


def _flip(
    verdict: Verdict, syn: Event, events: Sequence[Event], policy: Policy, product: Product
) -> tuple[Change | None, int]:
    """The first change, the smallest before larger ones, under which the flow passes; and how many were tried."""
    tried = 0
    for change in _candidates(verdict, syn, events, policy, product):
        tried += 1
        after = changed(policy, change)
        again = judge_flows(events, after, product.under(after.overrides)).get(verdict.flow)
        if again is not None and again.passes:
            return change, tried
    return None, tried


def _candidates(
    verdict: Verdict, syn: Event, events: Sequence[Event], policy: Policy, product: Product
) -> Iterator[Change]:
    """Flags first, then settings of the product, then rules."""
    yield from _flags(verdict, events, policy, product)
    yield from _learning(verdict, events, product)
    yield from _rules(verdict, syn, policy, product)
    yield _new_rule(verdict, syn, policy, product)


def _flags(verdict: Verdict, events: Sequence[Event], policy: Policy, product: Product) -> Iterator[Change]:
    position = verdict.position
    if verdict.reason is Reason.STRICT_NON_EPM and position is not None:
        rule = policy.rules[position]
        yield _not_strict(rule, position, product)
    if (
        verdict.reason in (Reason.DEFAULT, Reason.RULE, Reason.SHADOWED, Reason.NOT_LEARNT_MESSAGE_TYPE)
        and product.reads
    ):
        for position in _control_rules(events, policy, product):
            rule = policy.rules[position]
            if rule.alg is False or (rule.alg is None and not product.flag("alg")):
                where = product.value("alg_setting")
                yield Change(
                    f"{words.rule(rule)}: have the product read RPC along" + (f" ({where})" if where else ""),
                    position, alg=True,
                )  # fmt: skip
            if rule.strict or (rule.strict is None and product.flag("strict")):
                yield _not_strict(rule, position, product)


def _not_strict(rule: Rule, position: int, product: Product) -> Change:
    where = rule.setting or (_OF_SYSTEM_RULES if rule.system else product.value("strict_setting"))
    return Change(f"make {words.rule(rule)} not strict" + (f": {where}" if where else ""), position, strict=False)


def _control_rules(events: Sequence[Event], policy: Policy, product: Product) -> list[int]:
    """The rules that admit connections to the mapper between the two."""
    again = judge_flows(events, policy, product)
    control = product.value("control_ports")
    found = [
        again[event.flow].position
        for event in events
        if event.kind is Kind.SYN and (event.protocol, event.port) in control and event.flow in again
    ]
    return [position for position in dict.fromkeys(found) if position is not None]


def _learning(verdict: Verdict, events: Sequence[Event], product: Product) -> Iterator[Change]:
    """Options of the product that somebody can set."""
    if verdict.reason is not Reason.NOT_LEARNT_MESSAGE_TYPE:
        return
    kinds = {event.learns for event in events if event.kind is Kind.TOLD and event.packet == verdict.packet}
    for option in product.options.values():
        learns = option.changes.get("learn")
        assumed = any(change.sure is Sure.UNCERTAIN for change in option.changes.values())
        if learns is not None and not assumed and isinstance(learns.value, frozenset) and kinds & learns.value:
            yield Change(f"set '{option.name}': {option.says}", parameter=("learn", learns))


def _rules(verdict: Verdict, syn: Event, policy: Policy, product: Product) -> Iterator[Change]:
    """Changes of rules that are there: one that is off or asks for authentication, one that blocks."""
    matcher = Matcher(policy, product)
    inbound = None if product.value("stands") == "path" else True
    packet = Packet(
        syn.client,
        syn.client_port,
        syn.server,
        syn.port,
        syn.protocol,
        syn.server,
        syn.port,
        syn.about,
        syn.rpc,
        inbound,
    )
    for position, rule in enumerate(policy.rules):
        if rule.action is not Action.ALLOW:
            continue
        fit = matcher.fit(rule._replace(enabled=True), packet)
        if fit.secured:
            becomes = rule._replace(authentication=Authentication.NONE)
            yield Change(
                f"{words.rule(rule)}: no longer ask for authentication, and limit it to the addresses of its clients "
                "(or have IPsec authenticate the connection)",
                position, becomes=becomes,
            )  # fmt: skip
        elif fit.fits and not rule.enabled:
            yield Change(f"switch {words.rule(rule)} on", position, becomes=rule._replace(enabled=True))
    if verdict.position is not None and verdict.reason in (Reason.RULE, Reason.SHADOWED, Reason.RETURN_PATH):
        rule = policy.rules[verdict.position]
        if rule.action is not Action.ALLOW and _narrow(rule):
            yield Change(
                f"switch {words.rule(rule)} off", verdict.position, becomes=rule._replace(enabled=False)
            )  # fmt: skip


def _narrow(rule: Rule) -> bool:
    """Whether it is about something: nobody switches a clean-up rule off."""
    return not (rule.sources.any and rule.destinations.any and rule.ports.any)


def _new_rule(verdict: Verdict, syn: Event, policy: Policy, product: Product) -> Change:
    """A rule for exactly these two, before all that are in its way."""
    back = verdict.reason is Reason.RETURN_PATH
    client, server = Scope((ip_network(syn.client),)), Scope((ip_network(syn.server),))
    ports, of_what, program, service = _ports(syn, policy, product)
    inbound = None if product.value("stands") == "path" or all(rule.inbound is None for rule in policy.rules) else True
    if product.value("stands") == "host":
        inbound = True
    name = f"RPC from {syn.client} to {syn.server}"
    rule = Rule(
        name, Action.ALLOW, inbound=inbound, protocols=(syn.protocol,), sources=client, destinations=server, ports=ports,
        program=program, service=service,
    )  # fmt: skip
    says = f"a new rule: allow {syn.protocol} from {syn.client} to {syn.server}, {of_what}"
    if back:
        rule = rule._replace(
            name=f"answers from {syn.server} to {syn.client}", sources=server, destinations=client, source_ports=ports,
            ports=EPHEMERAL, inbound=None if inbound is None else not inbound, program=None, service=None,
        )  # fmt: skip
        says = (
            f"a new rule for the answers: allow {syn.protocol} from {syn.server} port {syn.port} to {syn.client} ports "
            "1024-65535"
        )
    before = _place(policy, verdict)
    if before is not None and before < len(policy.rules):
        says += f", before {words.rule(policy.rules[before])}"
    return Change(says, becomes=rule, before=before)


def _ports(syn: Event, policy: Policy, product: Product) -> tuple[Ports, str, str | None, str | None]:
    """The ports to open: by their meaning where the product knows it, a number where it does not change."""
    from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS

    number = Ports(((syn.port, syn.port),))
    if product.flag("host_knows_ports"):
        matcher = Matcher(policy, product)
        process = matcher.process(
            Packet(
                syn.client, 0, syn.server, syn.port, syn.protocol, syn.server, syn.port, syn.about, syn.rpc,
                program=syn.program,
            )
        )  # fmt: skip
        if syn.port == 135:
            return Ports(keywords=(Keyword.RPC_EPMAP,)), "local port RPCEPMap", None, None
        if syn.rpc and syn.port not in FIXED_TCP_PORTS:
            who = process.service or process.program
            of = f" of {who}" if who else " (name its program and service too)"
            return Ports(keywords=(Keyword.RPC,)), f"local port RPC{of}", process.program, process.service
        return number, f"port {syn.port}", None, None
    if syn.rpc and syn.port >= DYNAMIC_FROM and syn.port not in FIXED_TCP_PORTS:
        wide = Ports(((DYNAMIC_FROM, 65535),))
        return (
            wide,
            f"ports {DYNAMIC_FROM}-65535 (the server's dynamic range), or give the service a fixed port",
            None,
            None,
        )
    if syn.rpc and 1025 <= syn.port <= 5000 and syn.port not in FIXED_TCP_PORTS:
        return (
            Ports(((1025, 5000),)),
            "ports 1025-5000 (the dynamic range before Vista), or give the service a fixed port",
            None,
            None,
        )
    return number, f"port {syn.port}", None, None


def _place(policy: Policy, verdict: Verdict) -> int | None:
    """Before the rule that decides, and behind those of the system, which nobody can go before."""
    if verdict.position is None:
        return None
    behind = max((number + 1 for number, rule in enumerate(policy.rules) if rule.system), default=0)
    return max(verdict.position, behind)
