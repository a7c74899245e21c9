"""What went between the hosts of a case, message by message, and what should have and did not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import Case, CaseReferral, Conversation, LogRow
from rpcdiag.diagnose.finding import Finding
from rpcdiag.dissect.auth import level_name
from rpcdiag.dissect.interfaces import class_name
from rpcdiag.flows.flow import FAILED_TO_OPEN, PIPE, UDP, Flow, TcpOutcome
from rpcdiag.model.evidence import Missing, Seen
from rpcdiag.model.packets import Address
from rpcdiag.policy.verdict import Verdict
from rpcdiag.report import names
from rpcdiag.report.html.scene import Pair
from rpcdiag.track.facts import Bind, Connection, Fate, ReferralKind

MAX_MESSAGES = 40  # of one case
MAX_FLOWS = 200  # of one case that are looked at
MAX_OF_FLOW = 60
MAX_LOGGED = 6  # rows of one connection
MAX_LINES = 12  # of a log, named with one message
BRIEF = 4  # what weighs as much is left out where findings speak of other connections
REFUSES = frozenset({"drop", "reject", "reset"})
_UNTOLD_NS = 60_000_000_000  # a silence that is worth a row


class Kind(StrEnum):
    """How it is drawn."""

    SENT = "sent"
    TOLD = "told"  # an answer that hands out a port
    BAD = "bad"  # an answer that refuses
    MISSING = "missing"
    CALLS = "calls"  # several, both ways
    LOGGED = "logged"  # a row of the firewall's log
    PAUSE = "pause"
    MORE = "more"  # messages that are left out


class Message(NamedTuple):
    """`number` and `step` say where it comes in the capture; `weight` 0 is what must be shown.

    `stopped`: the firewall says, or the policy, that it went no further, or a router sent it back; `note` is what it says.
    """

    kind: Kind
    source: Address
    target: Address
    says: str
    number: int
    step: int = 0
    time_ns: int | None = None
    packet: int | None = None
    capture: int = 0
    flow: str = ""
    weight: int = 1
    stopped: bool = False
    note: str = ""
    log: int | None = None
    lines: tuple[int, ...] = ()


def messages(
    diagnosis: Diagnosis, pair: Pair, findings: Sequence[Finding], conversations: Sequence[Conversation]
) -> list[Message]:
    """In their order; where there are too many those that the findings speak of, and gaps that say how many are not shown."""
    case = diagnosis.case
    teller = _Teller(diagnosis, findings)
    found = [message for one in conversations[:MAX_FLOWS] for message in teller.conversation(one)]
    asked = {one.id: one for one in (*case.told.get(pair, ()), *_on(case, findings))}
    for referral in list(asked.values())[:MAX_FLOWS]:
        found += teller.referral(referral)
    several = len({one.capture for one in found}) > 1
    found.sort(key=lambda one: (one.time_ns or 0, one.number, one.step) if several else (one.number, one.step))
    return _shortened(found)


def _on(case: Case, findings: Sequence[Finding]) -> Iterator[CaseReferral]:
    for finding in findings:
        for id in finding.referrals[:MAX_FLOWS]:
            yield case.referral(id)


def _shortened(found: list[Message]) -> list[Message]:
    if len(found) <= MAX_MESSAGES:
        return found
    kept = sorted(range(len(found)), key=lambda place: (found[place].weight, place))[:MAX_MESSAGES]
    shown: list[Message] = []
    before = -1
    for place in [*sorted(kept), len(found)]:
        left_out = place - before - 1
        if left_out:
            near = found[min(place, len(found) - 1)]
            shown.append(
                near._replace(
                    kind=Kind.MORE, says=f"{left_out} more message{'s' if left_out > 1 else ''}", packet=None,
                    time_ns=None, note="", stopped=False, lines=(),
                )
            )  # fmt: skip
        if place < len(found):
            shown.append(found[place])
        before = place
    return shown


class _Teller:
    """Tells messages of connections and referrals; what the findings name weighs most."""

    def __init__(self, diagnosis: Diagnosis, findings: Sequence[Finding]) -> None:
        self._case = diagnosis.case
        self._verdicts = diagnosis.applied.verdicts if diagnosis.applied is not None else {}
        self._flows = {flow for finding in findings for flow in finding.flows}
        self._packets = {
            (one.capture, packet)
            for finding in findings
            for one in finding.evidence
            if isinstance(one, Seen)
            for packet in one.packets
        }
        self._waits = {
            (one.capture, one.after): one
            for finding in findings
            for one in finding.evidence
            if isinstance(one, Missing)
        }
        self._dropped = _dropped_packets(self._case)
        self._shown = Counter(one.asked_on.id for one in self._case.referrals if one.referral.status is not None)

    def conversation(self, one: Conversation) -> list[Message]:
        """What one connection did, as its point nearest to the client saw it; in brief, where findings name others."""
        near = one.near
        rows = self._case.rows_of(one)
        dropped = self._dropped.get(near.conversation, {})
        found = [*self._opening(one), *self._spoken(near.id, near.flow, near.rpc), *self._ending(near.flow)]
        verdict = self._verdicts.get(near.id)
        named = bool(self._flows & set(one.ids))
        turned = _turned_back(near.flow)
        said = []
        for message in found[:MAX_OF_FLOW]:
            row = dropped.get(message.packet or 0)
            if row is not None and message.source == near.flow.client.address:
                message = message._replace(stopped=True, note=_row(row), log=row.log, lines=(row.entry.line,))
            elif message.packet in turned:
                message = message._replace(stopped=True)
            elif _ends_here(verdict, message, near.flow):
                message = message._replace(stopped=True, note=f"policy: {_decided(verdict)}")
            said.append(self._weighed(message, near.id, near.flow.capture, named))
        told = {row.entry.line for row in dropped.values()}
        rest = [row for row in rows if row.entry.line not in told]
        said += [self._weighed(message, near.id, near.flow.capture, named) for message in _logged(near.flow, rest)]
        return [message for message in said if message.weight < BRIEF] if self._flows else said

    def _weighed(self, message: Message, flow: str, capture: int, named: bool) -> Message:
        weight = message.weight if named else message.weight + 2
        if (capture, message.packet) in self._packets or message.stopped:
            weight = 0
        return message._replace(flow=flow, capture=capture, weight=weight)

    def _opening(self, one: Conversation) -> Iterator[Message]:
        flow = one.near.flow
        client, server = flow.client.address, flow.server.address
        if flow.transport == PIPE:
            says = f"opens {flow.pipe or 'a pipe'} over SMB (port {flow.server.port})"
            yield Message(Kind.SENT, client, server, says, flow.first_packet, 0, flow.start_ns, flow.first_packet)
            return
        if flow.transport == UDP and not flow.syns:
            says = f"UDP to port {flow.server.port}"
            yield Message(Kind.SENT, client, server, says, flow.first_packet, 0, flow.start_ns, flow.first_packet)
            if flow.outcome is TcpOutcome.UNANSWERED:
                yield self._missing(flow, flow.last_packet, "no answer", flow.watched_ns)
            return
        if not flow.syns:
            says = f"to port {flow.server.port}: open before the capture began"
            yield Message(Kind.SENT, client, server, says, flow.first_packet, 0, flow.start_ns, flow.first_packet)
            return
        for number, syn in enumerate(flow.syns):
            says = f"SYN to {self._port(one)}" if number == 0 else f"SYN again, number {number + 1}"
            from_port = f", from port {flow.client.port}" if number == 0 else ""
            yield Message(Kind.SENT, client, server, says + from_port, syn.packet, 0, syn.time_ns, syn.packet)
        if flow.syn_ack is not None:
            yield Message(
                Kind.SENT, server, client, "SYN-ACK", flow.syn_ack, 0, flow.syn_ack_ns, flow.syn_ack, weight=2
            )
        elif flow.outcome is TcpOutcome.UNANSWERED:
            yield self._missing(flow, flow.syns[-1].packet, "no SYN-ACK, no RST", flow.watched_ns)
        for error in flow.icmp:
            yield Message(
                Kind.BAD, error.sender, client if error.quotes_client else server,
                f"ICMP error from {error.sender} (type {error.kind}, code {error.code})", error.packet, 0,
                error.time_ns, error.packet, weight=0,
            )  # fmt: skip

    def _port(self, one: Conversation) -> str:
        """The port, and whose it is where an event of the server says that."""
        owner = self._case.listener(one)
        if owner is None:
            return f"port {one.near.flow.server.port}"
        pid = "" if owner.pid is None else f", pid {owner.pid}"
        return f"port {one.near.flow.server.port} ({owner.name}{pid})"

    def _missing(self, flow: Flow, after: int, says: str, waited_ns: int | None, backwards: bool = False) -> Message:
        known = self._waits.get((flow.capture, after)) or self._waits.get((flow.capture, flow.first_packet))
        if known is not None:
            says, waited_ns = known.says, known.waited_ns
        wait = f" for {names.duration(waited_ns)}" if waited_ns else ""
        ends = (flow.client.address, flow.server.address)
        target, source = ends if not backwards else ends[::-1]
        return Message(Kind.MISSING, source, target, says + wait, after, 1, weight=0)

    def _spoken(self, id: str, flow: Flow, rpc: Connection | None) -> Iterator[Message]:
        """Binds and their answers, calls that failed, and the sum of the others."""
        if rpc is None:
            return
        for bind in rpc.binds:
            yield from self._bound(flow, bind)
        client, server = flow.client.address, flow.server.address
        answered = rpc.fates[Fate.RESPONSE] - self._shown.get(id, 0)
        if answered > 0:
            other = "other " if self._shown.get(id) else ""
            says = f"{answered} {other}call{'s' if answered > 1 else ''} answered"
            ends = [one for one in (flow.fin_from_client, flow.fin_from_server) if one is not None]
            yield Message(Kind.CALLS, client, server, says, min([flow.last_packet, *ends]), -1)
        for fault in rpc.faults:
            says = f"fault {names.error(fault.status)}"
            yield Message(Kind.BAD, server, client, says, fault.packet, 0, fault.time_ns, fault.packet, weight=1)
        for carried in rpc.carried:
            says = f"answer with the error {names.error(carried.result)}"
            yield Message(Kind.BAD, server, client, says, carried.packet, 0, carried.time_ns, carried.packet)
        for call in rpc.open_calls:
            what = f"{names.interface(call.interface)}, operation {call.opnum}"
            yield Message(Kind.SENT, client, server, f"calls {what}", call.packet, 0, call.time_ns, call.packet)
            if call.fate is Fate.UNANSWERED:
                yield self._missing(flow, call.packet, "no response", None)

    def _bound(self, flow: Flow, bind: Bind) -> Iterator[Message]:
        client, server = flow.client.address, flow.server.address
        wanted = list(dict.fromkeys(names.interface(one.interface) for one in bind.contexts))
        level = f", {level_name(bind.auth_level)}" if bind.auth_level is not None else ""
        verb = "changes to" if bind.alter else "binds"
        says = f"{verb} {', '.join(wanted[:3])}{' …' if len(wanted) > 3 else ''}{level}"
        yield Message(Kind.SENT, client, server, says, bind.packet, 0, bind.time_ns, bind.packet)
        if bind.answer_packet is None:
            if bind.answer is None:
                yield self._missing(flow, bind.packet, "no bind_ack", None)
            return
        refused = bind.answer != "ack" or bool(_refused(bind))
        says = f"refused: {', '.join(_refused(bind)[:3])} (bind_ack)" if refused else "accepted (bind_ack)"
        if bind.answer != "ack":
            says = f"refused (bind_nak, reason {bind.nak_reason})"
        yield Message(
            Kind.BAD if refused else Kind.SENT, server, client, says, bind.answer_packet, 0, bind.answer_ns,
            bind.answer_packet, weight=1 if refused else 2,
        )  # fmt: skip

    def _ending(self, flow: Flow) -> Iterator[Message]:
        client, server = flow.client.address, flow.server.address
        silence = flow.silence
        if silence is not None and (flow.outcome is TcpOutcome.IDLE_DROPPED or silence.lasted_ns > _UNTOLD_NS):
            says = f"{names.duration(silence.lasted_ns)} of silence"
            yield Message(Kind.PAUSE, client, server, says, silence.after_packet, 5, weight=1)
        for packets, backwards in ((flow.repeats_from_client, False), (flow.repeats_from_server, True)):
            if packets and flow.outcome in (TcpOutcome.STALLED, TcpOutcome.IDLE_DROPPED):
                first = flow.repeated[0] if flow.repeated else flow.last_packet
                ends = (server, client) if backwards else (client, server)
                says = f"repeats {flow.stalled_size} bytes, {packets} time{'s' if packets > 1 else ''}"
                yield Message(Kind.SENT, *ends, says, first, 0, None, first if flow.repeated else None)
                yield self._missing(flow, first, "never acknowledged", None, backwards)
        if flow.reset is not None:
            source, target = (client, server) if flow.reset.from_client else (server, client)
            bad = flow.outcome in (TcpOutcome.RESET, TcpOutcome.REFUSED)  # else it only ends what is over
            yield Message(
                Kind.BAD if bad else Kind.SENT, source, target, f"RST, TTL {flow.reset.ttl}", flow.reset.packet, 0,
                flow.reset.time_ns, flow.reset.packet,
            )  # fmt: skip
        for packet, source, target in ((flow.fin_from_client, client, server), (flow.fin_from_server, server, client)):
            if packet is not None:
                yield Message(Kind.SENT, source, target, "closes (FIN)", packet, 0, None, packet, weight=2)

    def referral(self, one: CaseReferral) -> list[Message]:
        """The question and its answer."""
        told, flow = one.referral, one.asked_on.flow
        weight = 0 if self._flows & set(one.flows) else 1
        ports = list(dict.fromkeys(str(end.port or end.pipe) for end in told.endpoints if end.port or end.pipe))
        given = f"port {', '.join(ports[:6])}{' …' if len(ports) > 6 else ''}"
        base = Message(
            Kind.TOLD, one.teller, one.told, "", told.response_packet, 2, told.response_ns, told.response_packet,
            flow.capture, one.asked_on.id, weight,
        )  # fmt: skip
        if told.kind is ReferralKind.OBJECT_REFERENCE:
            return [base._replace(says=f"hands over an object of its own: {given if ports else 'no endpoint named'}")]
        again = f" ({len(told.tries)} times)" if len(told.tries) > 1 else ""
        asked = base._replace(
            kind=Kind.SENT, source=one.told, target=one.teller, says=_question(one) + again, number=told.request_packet,
            time_ns=told.request_ns, packet=told.request_packet,
        )  # fmt: skip
        if told.status:
            answer = base._replace(kind=Kind.BAD, says=f"answer: {names.error(told.status)}", weight=0)
        elif told.readable == "sealed" and not ports:
            answer = base._replace(kind=Kind.SENT, says="answer, sealed: what it hands out cannot be read")
        elif not ports:
            answer = base._replace(kind=Kind.BAD, says="answer: no endpoint")
        else:
            doubt = ", as far as what is left says" if told.readable == "carved" else ""
            answer = base._replace(says=f"hands out {given}{doubt}")
        return [asked, answer]


def _refused(bind: Bind) -> list[str]:
    """The interfaces of which no context was accepted: of several encodings one is enough."""
    return [names.interface(one) for one in bind.refused]


def _question(one: CaseReferral) -> str:
    told = one.referral
    match told.kind:
        case ReferralKind.EPT_MAP:
            return f"asks the mapper for {names.interface(told.interface)}"
        case ReferralKind.EPT_LOOKUP:
            return "lists the mapper's entries"
        case ReferralKind.ACTIVATION:
            return f"activates {(class_name(told.clsid) or told.clsid) if told.clsid else 'an object'} (DCOM)"
        case _:
            return "asks where an object lives (OXID)"


def _dropped_packets(case: Case) -> dict[int, dict[int, LogRow]]:
    """By conversation and packet: the row that says that the firewall refused that very packet."""
    found: dict[int, dict[int, LogRow]] = {}
    for log in case.logs:
        for match in log.matches:
            for position, packet in match.agrees:
                entry = log.file.entries[position]
                if entry.drops:
                    row = LogRow(log.number, position, entry, match.grade, match.basis)
                    found.setdefault(match.attempt, {})[packet] = row
    return found


def _turned_back(flow: Flow) -> set[int]:
    """SYNs that somebody on the way answered with an ICMP error."""
    ends = (flow.client.address, flow.server.address)
    if flow.outcome is not TcpOutcome.PROHIBITED or all(error.sender in ends for error in flow.icmp):
        return set()
    return {syn.packet for syn in flow.syns}


def _logged(flow: Flow, rows: Sequence[LogRow]) -> Iterator[Message]:
    """Rows that are about no one packet: how the device opened and closed the connection, alike ones together."""
    groups: dict[tuple[str, str | None, str | None, bool], list[LogRow]] = {}
    for row in rows:
        entry = row.entry
        opens = entry.action in ("open", "allow")
        groups.setdefault((entry.action, entry.rule, entry.code_name, opens), []).append(row)
    for (action, _, _, opens), alike in list(groups.items())[:MAX_LOGGED]:
        at = (flow.syns[0].packet if flow.syns else flow.first_packet) if opens else flow.last_packet
        if action in REFUSES and flow.syns:
            at = flow.syns[-1].packet
        yield Message(
            Kind.LOGGED, flow.client.address, flow.server.address, _row(alike[0]), at, 4 if not opens else 1,
            weight=1 if action in REFUSES else 2, log=alike[0].log,
            lines=tuple(row.entry.line for row in alike[:MAX_LINES]),
        )  # fmt: skip


def _row(row: LogRow) -> str:
    """`DROP, rule 'x', FWX_E_CONNECTION_KILLED (log line 12)`"""
    entry = row.entry
    said = [entry.action.upper()]
    if entry.rule:
        said.append(f"rule '{entry.rule}'")
    if entry.code_name:
        said.append(entry.code_name)
    return f"{', '.join(said)} (log line {entry.line})"


def _ends_here(verdict: Verdict | None, message: Message, flow: Flow) -> bool:
    if verdict is None or verdict.passes is not False or message.source != flow.client.address:
        return False
    if verdict.at == "syn":
        return bool(flow.syns) and message.packet in {syn.packet for syn in flow.syns}
    return message.packet is not None and message.packet == verdict.packet


def _decided(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    rule = "the default" if verdict.rule is None else f"rule '{verdict.rule}'"
    if verdict.rule is not None and verdict.place is not None:
        rule = f"rule {verdict.place} '{verdict.rule}'"
    return f"{rule} {verdict.action}s it"


def silent(one: Conversation) -> bool:
    """Whether a bind got no answer at all."""
    return one.near.rpc is not None and any(bind.answer is None for bind in one.near.rpc.binds)


def failed(flow: Flow) -> bool:
    """Whether the connection went wrong, as TCP tells."""
    return flow.outcome in FAILED_TO_OPEN or flow.outcome in (
        TcpOutcome.RESET, TcpOutcome.IDLE_DROPPED, TcpOutcome.STALLED,
    )  # fmt: skip
