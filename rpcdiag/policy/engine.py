"""The one machine that all products are: rules in order, ports read out of answers, and what ends a connection later.

A product differs from another in its parameters only (`product.PARAMETERS`). Everything here is a pure function of
events, policy and product; tables have limits.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rpcdiag.case import Case
from rpcdiag.dissect.interfaces import EPMAPPER
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.packets import Address
from rpcdiag.policy import words
from rpcdiag.policy.events import Event, Kind, copies, events_of
from rpcdiag.policy.match import Matcher, Packet
from rpcdiag.policy.model import Action, Policy, Rule, Sure
from rpcdiag.policy.product import CONNECTION, UNSAID, Learns, Product, names, product
from rpcdiag.policy.verdict import Applied, Reason, Verdict
from rpcdiag.track.origin import OriginKind

MAX_PINHOLES = 1 << 16
MAX_UNTAUGHT = 1 << 16
MAX_DECIDED = 1 << 16
_SECOND = 1_000_000_000
_UNKNOWN_BEFORE = frozenset({OriginKind.BEFORE_CAPTURE, OriginKind.OTHER_CLIENT, OriginKind.UNEXPLAINED})
_OF_MAPPER = frozenset({Learns.MAP, Learns.LOOKUP})

# the parameters on which a verdict rests, by its reason
RESTS_ON: dict[Reason, tuple[str, ...]] = {
    Reason.DEFAULT: ("default",),
    Reason.PINHOLE: ("control_ports", "learn", "pinhole_key", "pinhole_ttl"),
    Reason.PINHOLE_EXPIRED: ("control_ports", "learn", "pinhole_key", "pinhole_ttl", "pinhole_multi"),
    Reason.NOT_LEARNT_SEALED: ("control_ports", "needs_clear"),
    Reason.NOT_LEARNT_FRAGMENTED: ("control_ports", "needs_unfragmented"),
    Reason.NOT_LEARNT_SEGMENTED: ("control_ports", "needs_single_segment"),
    Reason.NOT_LEARNT_NDR64: ("control_ports", "needs_ndr32"),
    Reason.NOT_LEARNT_MESSAGE_TYPE: ("control_ports", "learn"),
    Reason.NOT_LEARNT_UNSEEN: ("control_ports", "learn"),
    Reason.UUID_DENIED: ("control_ports", "uuid_check_on_dynamic"),
    Reason.STRICT_NON_EPM: ("control_ports", "non_epm_on_135"),
    Reason.NAT_BINDING_UNREACHABLE: ("nat_rewrite",),
    Reason.IDLE_FORGOTTEN: ("idle_tcp", "on_idle"),
    Reason.REVERSE_NOT_PERMITTED: ("learn",),
    Reason.STEALTH_CLOSED_PORT: ("stealth",),
    Reason.RETURN_PATH: ("stateful",),
}


def product_of(policy: Policy) -> Product:
    """The product that evaluates the policy, with what the policy overrides."""
    if policy.product in names():
        return product(policy.product).under(policy.overrides)
    return Product(policy.product, policy.product, (), UNSAID, {}, (), policy.path or "").under(policy.overrides)


def apply(case: Case, policy: Policy) -> Applied:
    """What the policy does to every flow of the case; the copies of a conversation share one verdict."""
    from rpcdiag.policy.flips import with_flips

    events = events_of(case)
    chosen = product_of(policy)
    judged = with_flips(judge_flows(events, policy, chosen), events, policy, chosen)
    of_copies = copies(case)
    verdicts = {
        id: verdict._replace(flow=id) for near, verdict in judged.items() for id in of_copies.get(near, (near,))
    }
    return Applied(policy, {flow.id: verdicts[flow.id] for flow in case.flows if flow.id in verdicts})


def judge_flows(events: Sequence[Event], policy: Policy, product: Product) -> dict[str, Verdict]:
    """The verdict on each flow that opens among the events, which are in time order."""
    machine = _Machine(policy, product)
    for event in events:
        machine.feed(event)
    return machine.verdicts


class Decision(NamedTuple):
    """What the rules alone say of a packet; `position` is None where it is the default.

    `secured`: a rule that fits but for the authentication it asks for. `shadowed`: one further down that would decide
    otherwise. `missing`: what the policy would have to say for it to be known.
    """

    passes: bool | None
    action: Action
    position: int | None = None
    secured: int | None = None
    shadowed: int | None = None
    missing: str = ""
    open_rule: int | None = None


class _Gate(NamedTuple):
    """A place where the rules are asked: a host's own firewall, or one in the path (`inbound` is None)."""

    inbound: bool | None
    default: Action


class _Session(NamedTuple):
    """A connection that was let in; `reads` and `strict` are what the rule that did has of it."""

    syn: Event
    position: int | None
    reads: bool
    strict: bool
    pinhole: "_Pinhole | None" = None


class _Pinhole(NamedTuple):
    """A port that was read out of an answer; `position` is the rule of the connection on which that was."""

    uuid: str | None
    until_ns: int | None
    told: Event
    position: int | None


class _Untaught(NamedTuple):
    """An answer that taught nothing."""

    reason: Reason
    told: Event
    position: int | None
    says: str
    lost: bool  # the connection on which it would have come is ended, or not let in


class _Machine:
    """State: sessions by flow (as many as the case has), MAX_PINHOLES ports, MAX_UNTAUGHT answers not understood."""

    def __init__(self, policy: Policy, product: Product) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self._policy = policy
        self._product = product
        self._matcher = Matcher(policy, product)
        self._chains = any(rule.inbound is not None for rule in policy.rules)
        self._sessions: dict[str, _Session] = {}
        self._pinholes: dict[tuple[Address | int | None, ...], _Pinhole] = {}
        self._of_connection: dict[str, list[tuple[Address | int | None, ...]]] = {}
        self._untaught: dict[str, _Untaught] = {}
        self._untaught_ports: dict[tuple[Address, Address, int], _Untaught] = {}
        self._real = {one.seen: one.real for one in policy.translations}
        self._unreachable: dict[tuple[Address, Address], Event] = {}
        self._decided: dict[tuple[object, ...], Decision] = {}
        self._by_source_port = any(not rule.source_ports.any for rule in policy.rules)
        self._lenient: dict[tuple[object, ...], int | None] = {}

    def feed(self, event: Event) -> None:
        if event.kind is Kind.SYN:
            if event.flow not in self.verdicts:
                self.verdicts[event.flow] = self._opens(event)
            return
        verdict = self.verdicts.get(event.flow)
        session = self._sessions.get(event.flow)
        if event.kind is Kind.TOLD:
            self._told(event, session if verdict is not None and verdict.passes is not False else None)
            return
        if session is None or verdict is None or not verdict.passes:
            return
        if event.kind is Kind.BIND:
            self._bound(event, session)
        elif event.kind is Kind.DATA:
            self._after_silence(event, session)
        else:
            self._closed(event)

    # a connection opens

    def _opens(self, syn: Event) -> Verdict:
        told = self._unreachable.get((syn.client, syn.server))
        if told is not None:
            return self._verdict(
                syn, False, Reason.NAT_BINDING_UNREACHABLE, Action.DROP, words.not_translated(told, syn.server)
            )
        gates = self._gates(syn)
        if not gates:
            says = f"neither {syn.client} nor {syn.server} runs this firewall"
            return self._verdict(syn, True, Reason.NOT_IN_PATH, Action.ALLOW, says)
        verdicts = [self._at(gate, syn) for gate in gates]
        refused = next((verdict for verdict in verdicts if not verdict.passes), None)
        if refused is not None:
            self._sessions.pop(syn.flow, None)
        found = refused or verdicts[-1]
        if syn.program_by and gates[-1].inbound:
            return found._replace(says=f"{found.says} ({syn.program_by})")
        return found

    def _gates(self, syn: Event) -> list[_Gate]:
        """Where the connection meets the policy, in order."""
        policy, stands = self._policy, self._product.value("stands")
        hosts = policy.hosts
        if stands == "either":
            if not self._chains:
                stands = "path"
            elif hosts is None and policy.local_host:
                hosts = policy.local_host
        if stands == "path":
            return [_Gate(None, policy.default)]
        gates = []
        if hosts is None or syn.client in hosts:
            gates.append(_Gate(False, policy.default_out))
        if hosts is None or syn.server in hosts:
            gates.append(_Gate(True, policy.default))
        if not gates and self._product.value("stands") == "either":
            gates.append(_Gate(None, policy.default))
        return gates

    def _at(self, gate: _Gate, syn: Event) -> Verdict:
        there = Packet(
            syn.client, syn.client_port, syn.server, syn.port, syn.protocol, syn.server, syn.port, syn.about, syn.rpc,
            gate.inbound, program=syn.program,
        )  # fmt: skip
        found = self._decide(there, gate.default)
        if found.passes is None:
            return self._open_question(syn, found)
        if found.passes:
            if not self._product.flag("stateful"):
                back = self._answer(syn, gate)
                if back is not None:
                    return back
            return self._admitted(syn, found, gate)
        return self._pinhole(syn) or self._refused(syn, found, gate)

    def _decide(self, packet: Packet, default: Action) -> Decision:
        """What the rules say, looked up where they said it of a packet like this one."""
        like = packet if self._by_source_port or packet.answer else packet._replace(source_port=0)
        known = self._decided.get((like, default))
        if known is None:
            known = decide(self._policy, self._product, self._matcher, packet, default)
            if len(self._decided) < MAX_DECIDED:
                self._decided[like, default] = known
        return known

    def _answer(self, syn: Event, gate: _Gate) -> Verdict | None:
        """The verdict where nothing admits the answer: of a filter that keeps no state."""
        inbound = None if gate.inbound is None else not gate.inbound
        back = Packet(
            syn.server, syn.port, syn.client, syn.client_port, syn.protocol, syn.server, syn.port, syn.about, syn.rpc,
            inbound, answer=True,
        )  # fmt: skip
        default = self._policy.default_out if inbound is False else self._policy.default
        found = self._decide(back, default)
        if found.passes:
            return None
        if found.passes is None:
            return self._open_question(syn, found)
        return self._verdict(
            syn, False, Reason.RETURN_PATH, found.action,
            words.return_path(syn, self._named(found.position)), position=found.position,
        )  # fmt: skip

    def _open_question(self, syn: Event, found: Decision) -> Verdict:
        return self._verdict(
            syn, None, Reason.UNDECIDED, found.action,
            f"{self._named(found.open_rule)} may decide: {found.missing}", position=found.open_rule,
        )  # fmt: skip

    def _admitted(self, syn: Event, found: Decision, gate: _Gate) -> Verdict:
        rule = None if found.position is None else self._policy.rules[found.position]
        reads, strict = self._reading(rule, syn)
        self._sessions[syn.flow] = _Session(syn, found.position, reads, strict)
        if rule is None:
            where = "what a host sends" if gate.inbound is False else "the default"
            return self._verdict(syn, True, Reason.DEFAULT, Action.ALLOW, f"no rule is about it; {where} is allowed")
        return self._verdict(
            syn, True, Reason.RULE, Action.ALLOW, words.admitted(self._named(found.position), reads, strict),
            position=found.position,
        )  # fmt: skip

    def _reading(self, rule: Rule | None, syn: Event) -> tuple[bool, bool]:
        """Whether the product reads along on a connection that this rule admits, and whether strictly."""
        product = self._product
        if rule is None or (syn.protocol, syn.port) not in product.value("control_ports"):
            return False, False
        reads = product.flag("alg") if rule.alg is None else rule.alg
        strict = product.flag("strict") if rule.strict is None else rule.strict
        return reads, reads and strict

    def _pinhole(self, syn: Event) -> Verdict | None:
        """The verdict where the port was read out of an answer, and is still open."""
        key = self._key(syn.client, syn.server, syn.port)
        known = self._pinholes.get(key)
        if known is None:
            return None
        if known.until_ns is not None and syn.time_ns > known.until_ns:
            return None
        if not self._product.flag("pinhole_multi"):
            self._pinholes[key] = known._replace(until_ns=syn.time_ns - 1)
        self._sessions[syn.flow] = _Session(syn, known.position, False, False, known)
        return self._verdict(
            syn, True, Reason.PINHOLE, Action.ALLOW, words.pinhole(known.told, self._named(known.position)),
            position=known.position, packet=known.told.packet, more=self._learnt_by(known.told),
        )  # fmt: skip

    def _learnt_by(self, told: Event) -> tuple[str, ...]:
        return () if told.learns in self._product.value("learn") else ("learn_not_strict",)

    def _refused(self, syn: Event, found: Decision, gate: _Gate) -> Verdict:
        """No rule admits it, and no answer did: which of the reasons is the one that helps."""
        by = self._by(found)
        position, shadowed = found.position, found.shadowed

        def verdict(reason: Reason, says: str, packet: int | None = None) -> Verdict:
            return self._verdict(
                syn,
                False,
                reason,
                found.action,
                says,
                position=position,
                shadowed=shadowed,
                packet=packet,
                rests=by.rests,
            )

        if found.secured is not None:
            return verdict(
                Reason.NOT_AUTHENTICATED,
                words.not_authenticated(self._named(found.secured), self._policy.rules[found.secured], by.says),
            )._replace(secured=found.secured)
        if syn.called_back:
            return verdict(Reason.REVERSE_NOT_PERMITTED, words.reverse(syn, by.says))
        if gate.inbound is None and self._product.reads:
            known = self._pinholes.get(self._key(syn.client, syn.server, syn.port))
            if known is not None:
                multi = self._product.flag("pinhole_multi")
                return verdict(
                    Reason.PINHOLE_EXPIRED,
                    words.expired(known.told, known.until_ns, syn, multi=multi),
                    packet=known.told.packet,
                )
            untaught = self._untaught.get(syn.referral or "") or self._untaught_ports.get(
                (syn.client, syn.server, syn.port)
            )
            if untaught is not None:
                refused = verdict(untaught.reason, f"{untaught.says}; {by.says}", packet=untaught.told.packet)
                return refused._replace(sure=Sure.UNCERTAIN) if self._perhaps_read(untaught) else refused
            if syn.origin in _UNKNOWN_BEFORE and syn.rpc and syn.port not in _ports_of(self._product):
                return self._verdict(
                    syn, None, Reason.NOT_LEARNT_UNSEEN, found.action, words.unseen(syn, self._lifetime()), position=position,
                )  # fmt: skip
        if syn.outcome is TcpOutcome.REFUSED and self._product.flag("stealth") and position is None:
            return verdict(Reason.STEALTH_CLOSED_PORT, words.stealth(syn, by.says))
        if position is None:
            asked = self._untaught.get(syn.referral or "")
            besides = f"; besides, {asked.says}" if asked is not None and asked.lost else ""
            return verdict(Reason.DEFAULT, by.says + besides)
        return verdict(Reason.RULE if shadowed is None else Reason.SHADOWED, by.says)

    def _perhaps_read(self, untaught: _Untaught) -> bool:
        """Whether the product may read such answers after all: an option that is uncertain says so."""
        if untaught.reason is not Reason.NOT_LEARNT_MESSAGE_TYPE:
            return False
        learns = (option.changes.get("learn") for option in self._product.options.values())
        doubtful = (one.value for one in learns if one is not None and one.sure is Sure.UNCERTAIN)
        return any(isinstance(one, frozenset) and untaught.told.learns in one for one in doubtful)

    def _by(self, found: Decision) -> "_By":
        does = words.DOES[found.action]
        if found.position is None:
            return _By(f"no rule admits it, and the default {does} it", ("default",))
        says = f"{self._named(found.position)} {does} it"
        rests = ("block_over_allow",) if self._product.flag("block_over_allow") else ()
        if found.shadowed is not None:
            says += f" before {self._named(found.shadowed)}, which would let it through, gets a say"
        return _By(says, rests)

    # what is said on it

    def _bound(self, bind: Event, session: _Session) -> None:
        product = self._product
        rule = None if session.position is None else self._policy.rules[session.position]
        others = [uuid for uuid in bind.interfaces if uuid != EPMAPPER]
        if session.reads and others:
            denied = _denied(rule, others)
            if denied is not None:
                self._ends(bind, session, Reason.UUID_DENIED, words.denied(bind, denied, self._named(session.position)))
            elif session.strict:
                shadowed = self._less_strict(session)
                says = words.strict(
                    bind,
                    others[0],
                    self._named(session.position),
                    self._named(shadowed) if shadowed is not None else None,
                )
                self._ends(bind, session, Reason.STRICT_NON_EPM, says, shadowed=shadowed)
        elif session.pinhole is not None:
            check = product.value("uuid_check_on_dynamic")
            if check == "none" or (check == "before_data" and bind.alter):
                return
            wrong = _denied(rule, others)
            if wrong is None and session.pinhole.uuid is not None:
                wrong = next((uuid for uuid in others if uuid != session.pinhole.uuid), None)
            if wrong is not None:
                self._ends(bind, session, Reason.UUID_DENIED, words.other_uuid(bind, wrong, session.pinhole.uuid))

    def _less_strict(self, session: _Session) -> int | None:
        """A rule further down that fits as well, and would not have been strict."""
        if session.position is None:
            return None
        syn = session.syn
        key = session.position, syn.client, syn.server, syn.port, syn.protocol
        if key not in self._lenient or len(self._lenient) >= MAX_DECIDED:
            self._lenient[key] = self._below(session.position, syn)
        return self._lenient[key]

    def _below(self, above: int, syn: Event) -> int | None:
        packet = Packet(
            syn.client, syn.client_port, syn.server, syn.port, syn.protocol, syn.server, syn.port, syn.about, syn.rpc,
            program=syn.program,
        )  # fmt: skip
        for position in range(above + 1, len(self._policy.rules)):
            rule = self._policy.rules[position]
            if rule.action is Action.ALLOW and not self._reading(rule, syn)[1] and self._matcher.fit(rule, packet).fits:
                return position
        return None

    def _told(self, told: Event, session: _Session | None) -> None:
        """An answer goes by: a port is learnt from it, or it is noted why not."""
        if session is not None and session.syn.server in self._real:
            self._translate(told, session)
        if told.learns is None:
            return
        if session is None:
            self._note(told, None, Reason.DEFAULT, words.never_told(told))
            return
        if not self._product.reads:
            return
        if not session.reads:
            if (told.protocol, told.port) in self._product.value("control_ports"):
                self._note(told, session, Reason.DEFAULT, words.plain(told, self._named(session.position)))
            return
        why = self._why_not(told, session)
        if why is not None:
            self._note(told, session, *why)
            return
        rule = None if session.position is None else self._policy.rules[session.position]
        for end in told.named:
            if end.port is None:
                continue
            uuid = end.uuid if told.learns in _OF_MAPPER else None
            if uuid is not None and _denied(rule, [uuid]) is not None:
                self._note(told, session, Reason.UUID_DENIED, words.denied(told, uuid, self._named(session.position)))
            elif end.address not in (None, told.server, self._real.get(told.server)) and self._product.flag(
                "same_host_only"
            ):
                self._note(told, session, Reason.NAT_BINDING_UNREACHABLE, words.other_host(told, end.address))
            else:
                self._learn(told, session, end.address, end.port, uuid)

    def _why_not(self, told: Event, session: _Session) -> tuple[Reason, str] | None:
        """Why the product cannot read the answer, or None where it can."""
        product = self._product
        learns = product.value("learn")
        if not session.strict:
            learns = learns | product.value("learn_not_strict")
        if told.learns not in learns:
            return Reason.NOT_LEARNT_MESSAGE_TYPE, words.message_type(told)
        if told.sealed and product.flag("needs_clear"):
            return Reason.NOT_LEARNT_SEALED, words.sealed(told)
        if told.fragments > 1 and product.flag("needs_unfragmented"):
            return Reason.NOT_LEARNT_FRAGMENTED, words.fragmented(told)
        if told.segmented and product.flag("needs_single_segment"):
            return Reason.NOT_LEARNT_SEGMENTED, words.segmented(told)
        if told.wide and product.flag("needs_ndr32"):
            return Reason.NOT_LEARNT_NDR64, words.wide(told)
        if not told.readable:
            return Reason.NOT_LEARNT_UNSEEN, words.damaged(told)
        return None

    def _note(self, told: Event, session: _Session | None, reason: Reason, says: str) -> None:
        untaught = _Untaught(reason, told, session.position if session is not None else None, says, session is None)
        if told.referral is not None and len(self._untaught) < MAX_UNTAUGHT:
            self._untaught.setdefault(told.referral, untaught)
        for end in told.named:
            if end.port is not None and len(self._untaught_ports) < MAX_UNTAUGHT:
                for address in {end.address or told.server, told.server}:
                    self._untaught_ports[told.client, address, end.port] = untaught

    def _learn(self, told: Event, session: _Session, address: Address | None, port: int, uuid: str | None) -> None:
        lives = self._product.value("pinhole_ttl")
        until = None if lives is None or lives == CONNECTION else told.time_ns + int(lives * _SECOND)
        pinhole = _Pinhole(uuid, until, told, session.position)
        keys = {self._key(told.client, one, port) for one in {address or told.server, told.server}}
        for key in sorted(keys, key=str):
            if len(self._pinholes) >= MAX_PINHOLES:
                del self._pinholes[next(iter(self._pinholes))]
            self._pinholes.pop(key, None)
            self._pinholes[key] = pinhole
            if lives == CONNECTION:
                self._of_connection.setdefault(told.flow, []).append(key)

    def _translate(self, told: Event, session: _Session) -> None:
        """An answer through address translation: does the client read an address that it can reach?"""
        real = self._real[session.syn.server]
        if real == session.syn.server or all(end.address != real for end in told.named):
            return
        rewrites = self._product.value("nat_rewrite")
        rewritten = rewrites == "bindings" or (rewrites == "tower" and told.learns in _OF_MAPPER)
        if rewritten and session.reads and self._why_not(told, session) is None:
            return
        self._unreachable[told.client, real] = told

    def _key(self, client: Address, server: Address, port: int) -> tuple[Address | int | None, ...]:
        wanted = self._product.value("pinhole_key")
        return client if "client" in wanted else None, server if "server" in wanted else None, port

    def _lifetime(self) -> str:
        lives = self._product.value("pinhole_ttl")
        return (
            "" if lives is None else " while that connection lives" if lives == CONNECTION else f" within {lives:g} s"
        )

    def _after_silence(self, event: Event, session: _Session) -> None:
        idle = self._product.value("idle_tcp")
        if idle is not None and event.silence_ns > idle * _SECOND:
            self._ends(
                event,
                session,
                Reason.IDLE_FORGOTTEN,
                words.idle(event, idle),
                action=self._product.value("on_idle"),
                at="idle",
            )

    def _closed(self, event: Event) -> None:
        """Ports that live as long as the connection on which they were told are closed, after a while."""
        until = event.time_ns + int((self._product.value("pinhole_grace") or 0) * _SECOND)
        for key in self._of_connection.pop(event.flow, ()):
            known = self._pinholes.get(key)
            if known is not None and known.told.flow == event.flow:
                self._pinholes[key] = known._replace(until_ns=until)

    def _ends(
        self, event: Event, session: _Session, reason: Reason, says: str, *, action: Action | None = None,
        at: str = "bind", shadowed: int | None = None,
    ) -> None:  # fmt: skip
        """The connection was let in, and is ended now."""
        rule = None if session.position is None else self._policy.rules[session.position]
        more = ("strict",) if reason is Reason.STRICT_NON_EPM and (rule is None or rule.strict is None) else ()
        self.verdicts[event.flow] = self._verdict(
            session.syn, False, reason, action or self._product.value("non_epm_on_135"), says, position=session.position,
            shadowed=shadowed, packet=event.packet, at=at, more=more,
        )  # fmt: skip

    # words

    def _named(self, position: int | None) -> str:
        return words.rule(None if position is None else self._policy.rules[position])

    def _verdict(
        self, syn: Event, passes: bool | None, reason: Reason, action: Action, says: str, *,
        position: int | None = None, shadowed: int | None = None, packet: int | None = None, at: str = "syn",
        rests: tuple[str, ...] = (), more: tuple[str, ...] = (),
    ) -> Verdict:  # fmt: skip
        rule = None if position is None else self._policy.rules[position]
        logs = (
            self._product.value("violation_code" if at == "bind" else "denied_code")
            if passes is False and at != "idle"
            else None
        )
        used = (*RESTS_ON.get(reason, ()), *rests, *more)
        return Verdict(
            flow=syn.flow, passes=passes, action=action, reason=reason, at=at, says=says,
            sees=words.sees(syn, passes, reason, action, at), position=position, rule=rule.name if rule else None,
            place=rule.place if rule else None, setting=rule.setting if rule else None,
            packet=syn.packet if packet is None else packet,
            shadows=None if shadowed is None else self._policy.rules[shadowed].name, sure=self._product.sure(*used), log=logs or None,
        )  # fmt: skip


class _By(NamedTuple):
    """Who refuses, in words, and the parameters behind it."""

    says: str
    rests: tuple[str, ...]


def _ports_of(product: Product) -> frozenset[int]:
    return frozenset(port for _, port in product.value("control_ports"))


def _denied(rule: Rule | None, uuids: Sequence[str]) -> str | None:
    """The first of the interfaces that the rule does not let through; the mapper's own always is."""
    if rule is None:
        return None
    for uuid in uuids:
        if uuid in rule.denied_interfaces or (rule.interfaces and uuid not in rule.interfaces and uuid != EPMAPPER):
            return uuid
    return None


def decide(policy: Policy, product: Product, matcher: Matcher, packet: Packet, default: Action) -> Decision:
    """What the rules say of one packet."""
    if product.flag("block_over_allow"):
        return _blocks_first(policy, matcher, packet, default)
    return _first_match(policy, matcher, packet, default)


def _first_match(policy: Policy, matcher: Matcher, packet: Packet, default: Action) -> Decision:
    """The first rule that matches decides; one that may match leaves it open where it would decide otherwise."""
    maybe: list[tuple[int, str]] = []
    secured = None
    for position, rule in matcher.about(packet.port):
        fit = matcher.fit(rule, packet)
        if fit.secured and secured is None and rule.action is Action.ALLOW:
            secured = position
        if fit.fits is None:
            maybe.append((position, fit.missing))
        if fit.fits:
            found = Decision(rule.action is Action.ALLOW, rule.action, position, secured)
            break
    else:
        found = Decision(default is Action.ALLOW, default, None, secured)
    flags = _flags(policy, found.position)
    for position, missing in maybe:
        one = policy.rules[position]
        if (one.action is Action.ALLOW) != found.passes or (found.passes and _flags(policy, position) != flags):
            return Decision(None, found.action, missing=missing, open_rule=position)
    if found.passes is False and found.position is not None:
        found = found._replace(shadowed=_allowed_below(matcher, packet, found.position))
    return found


def _flags(policy: Policy, position: int | None) -> tuple[bool | None, ...]:
    return (None, None) if position is None else (policy.rules[position].alg, policy.rules[position].strict)


def _allowed_below(matcher: Matcher, packet: Packet, position: int) -> int | None:
    for below, rule in matcher.about(packet.port):
        if below > position and rule.action is Action.ALLOW and matcher.fit(rule, packet).fits:
            return below
    return None


def _blocks_first(policy: Policy, matcher: Matcher, packet: Packet, default: Action) -> Decision:
    """Block rules win over allow rules; what may match leaves it open where that would change the end."""
    blocks: list[int] = []
    allows: list[int] = []
    maybe_blocks: list[int] = []
    maybe_allows: list[int] = []
    secured, missing = None, {}
    for position, rule in matcher.about(packet.port):
        fit = matcher.fit(rule, packet)
        allow = rule.action is Action.ALLOW
        if fit.secured and allow and secured is None:
            secured = position
        if fit.fits is None:
            (maybe_allows if allow else maybe_blocks).append(position)
            missing[position] = fit.missing
        elif fit.fits:
            (allows if allow else blocks).append(position)
    if blocks:
        return Decision(False, policy.rules[blocks[0]].action, blocks[0], secured, allows[0] if allows else None)
    passes = bool(allows) or default is Action.ALLOW
    doubtful = maybe_blocks if passes else maybe_allows
    if doubtful:
        return Decision(None, default, missing=missing[doubtful[0]], open_rule=doubtful[0])
    if allows:
        return Decision(True, Action.ALLOW, allows[0])
    return Decision(passes, default, None, secured)
