"""What happened between two hosts, step by step: who sent what to whom, and what never came. For diagrams."""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import Case, CaseReferral, Conversation, LogRow
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.flows.flow import UDP, TcpOutcome
from rpcdiag.model.evidence import Severity
from rpcdiag.model.packets import Address
from rpcdiag.report import names
from rpcdiag.track.facts import Fate, ReferralKind


class Arrow(StrEnum):
    """How a step ends."""

    SENT = "sent"
    ANSWER = "answer"
    REFUSAL = "refusal"  # a RST, an ICMP error, a fault
    LOST = "lost"  # nothing came back
    DROP = "drop"  # a firewall's log says that it ended there


class Pair(NamedTuple):
    """Who asks, and who answers."""

    client: Address
    server: Address


class Step(NamedTuple):
    """One arrow: from client to server, or back where it is `back`; `packet` is its number, None for rows of logs."""

    time_ns: int
    arrow: Arrow
    back: bool
    text: str
    packet: int | None
    capture: int = 0


def pairs(diagnosis: Diagnosis) -> list[Pair]:
    """The cases: pairs of hosts, those with errors and warnings first, in the order of their findings."""
    serious = [one for one in diagnosis.findings if one.severity is not Severity.NOTE]
    found = dict.fromkeys(Pair(one.client, one.server) for one in (*serious, *diagnosis.findings))
    if not found:
        found = dict.fromkeys(Pair(one.client, one.server) for one in diagnosis.case.conversations)
    return list(found)


def findings_of(diagnosis: Diagnosis, pair: Pair) -> list[Finding]:
    """The findings of one case."""
    return [one for one in diagnosis.findings if (one.client, one.server) == pair]


def steps(diagnosis: Diagnosis, pair: Pair) -> list[Step]:
    """The steps of one case by time; copies at other capture points are left out."""
    case = diagnosis.case
    found: list[Step] = []
    for referral in case.told.get((pair.client, pair.server), ()):
        found += _referral(referral)
    for conversation in case.between(*pair):
        found += _conversation(case, conversation, back=False)
    if any(one.direction is Direction.SERVER_TO_CLIENT for one in findings_of(diagnosis, pair)):
        for conversation in case.between(pair.server, pair.client):
            found += _conversation(case, conversation, back=True)
    return sorted(found, key=lambda step: step.time_ns)


def _referral(referral: CaseReferral) -> Iterator[Step]:
    told, capture = referral.referral, referral.asked_on.flow.capture
    back = told.by_client
    match told.kind:
        case ReferralKind.EPT_MAP:
            asks = f"mapper: where is {names.interface(told.interface)}?"
        case ReferralKind.EPT_LOOKUP:
            asks = "mapper: list your entries"
        case ReferralKind.ACTIVATION:
            asks = "activate an object (DCOM)"
        case ReferralKind.RESOLVE_OXID:
            asks = "where does the object live (OXID)?"
        case _:
            asks = ""
    if asks:
        yield Step(told.request_ns, Arrow.SENT, back, asks, told.request_packet, capture)
    ports = list(dict.fromkeys(str(one.port) for one in told.endpoints if one.port is not None))
    pipes = list(dict.fromkeys(one.pipe for one in told.endpoints if one.pipe))
    if told.readable == "sealed":
        says = "the answer is sealed"
    elif ports:
        says = f"port {', '.join(ports[:6])}"
    elif pipes:
        says = f"pipe {', '.join(pipes[:3])}"
    else:
        says = "no endpoint"
    if told.status:
        says += f", {names.error(told.status)}"
    arrow = Arrow.REFUSAL if told.status else Arrow.ANSWER
    yield Step(told.response_ns, arrow, not back, says, told.response_packet, capture)


def _conversation(case: Case, conversation: Conversation, *, back: bool) -> Iterator[Step]:
    near = conversation.near
    flow, rpc = near.flow, near.rpc
    drops = case.drops_of(conversation)
    end = f"{'UDP ' if flow.transport == UDP else ''}port {flow.server.port}"
    if flow.pipe:
        end = f"{flow.pipe} over SMB"
    tries = f", {flow.syn_count} SYNs" if flow.syn_count > 1 else ""
    wait = names.duration(flow.watched_ns)
    match flow.outcome:
        case TcpOutcome.UNANSWERED if flow.transport == UDP:
            yield Step(flow.start_ns, Arrow.LOST, back, f"{end}: no answer", flow.first_packet, flow.capture)
        case TcpOutcome.UNANSWERED if drops:
            yield Step(
                flow.start_ns, Arrow.DROP, back, f"{end}: {_drop(drops[0])}{tries}", flow.first_packet, flow.capture
            )
        case TcpOutcome.UNANSWERED:
            says = f"{end}: no answer for {wait}{tries}"
            yield Step(flow.start_ns, Arrow.LOST, back, says, flow.first_packet, flow.capture)
        case TcpOutcome.REFUSED | TcpOutcome.PROHIBITED:
            yield Step(flow.start_ns, Arrow.SENT, back, f"connect to {end}{tries}", flow.first_packet, flow.capture)
            what = "RST" if flow.outcome is TcpOutcome.REFUSED and flow.reset else "ICMP error"
            packet = flow.reset.packet if flow.reset else flow.icmp[0].packet if flow.icmp else flow.last_packet
            yield Step(flow.end_ns, Arrow.REFUSAL, not back, f"{end}: {what}", packet, flow.capture)
        case _:
            used = list(dict.fromkeys(names.interface(use.interface) for use in rpc.interfaces)) if rpc else []
            over = f" for {', '.join(used[:3])}" if used else ""
            count = rpc.requests if rpc else 0
            calls = f", {count} call{'' if count == 1 else 's'}" if count else ""
            yield Step(flow.start_ns, Arrow.SENT, back, f"{end}{over}{calls}", flow.first_packet, flow.capture)
            yield from _bad_end(conversation, end, drops, back=back)


def _bad_end(conversation: Conversation, end: str, drops: tuple[LogRow, ...], *, back: bool) -> Iterator[Step]:
    """How an open connection ended, where that was bad."""
    flow, rpc = conversation.near.flow, conversation.near.rpc
    unanswered = [bind for bind in rpc.binds if bind.answer is None] if rpc else []
    if unanswered:
        bind = unanswered[0]
        says = f"{end}: bind without answer"
        yield Step(bind.time_ns, Arrow.LOST, back, says, bind.packet, flow.capture)
    for fault in rpc.faults[:2] if rpc else ():
        yield Step(
            fault.time_ns,
            Arrow.REFUSAL,
            not back,
            f"{end}: fault {names.error(fault.status)}",
            fault.packet,
            flow.capture,
        )
    if drops and drops[0].entry.drops:
        yield Step(flow.end_ns, Arrow.DROP, back, f"{end}: {_drop(drops[0])}", flow.last_packet, flow.capture)
    elif flow.outcome is TcpOutcome.RESET and flow.reset is not None:
        way = back if flow.reset.from_client else not back
        yield Step(flow.reset.time_ns, Arrow.REFUSAL, way, f"{end}: RST", flow.reset.packet, flow.capture)
    elif flow.outcome in (TcpOutcome.IDLE_DROPPED, TcpOutcome.STALLED):
        says = "nothing gets through any more" if flow.outcome is TcpOutcome.STALLED else "lost after a silence"
        yield Step(flow.end_ns, Arrow.LOST, back, f"{end}: {says}", flow.last_packet, flow.capture)
    elif rpc is not None and rpc.fates[Fate.UNANSWERED] and not unanswered:
        says = f"{end}: {rpc.fates[Fate.UNANSWERED]} calls without answer"
        yield Step(flow.end_ns, Arrow.LOST, back, says, flow.last_packet, flow.capture)


def _drop(row: LogRow) -> str:
    rule = f" by {row.entry.rule}" if row.entry.rule else ""
    return f"{row.entry.action.upper()}{rule} (log line {row.entry.line})"


def firewall_of(diagnosis: Diagnosis, pair: Pair) -> str | None:
    """Name of the device whose log shows a drop in this case, where there is one."""
    case = diagnosis.case
    for conversation in (*case.between(*pair), *case.between(pair.server, pair.client)):
        for row in case.drops_of(conversation):
            return row.entry.device or "firewall"
    return None
