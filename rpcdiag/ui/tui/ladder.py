"""What two hosts said to each other, step by step, and what should have been said and was not."""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.dissect.interfaces import class_name
from rpcdiag.flows.flow import FAILED_TO_OPEN, PIPE, UDP, Flow, TcpOutcome
from rpcdiag.model.packets import Address
from rpcdiag.report import names
from rpcdiag.report.names import clean
from rpcdiag.track.facts import Bind, Connection, Fate, ReferralKind

MAX_STEPS = 400  # the latest
MAX_CONVERSATIONS = 100
MAX_OF_ONE = 8  # binds, faults and so on of one connection
MAX_SYNS = 4


class Way(Enum):
    """`LOST`: it was sent and nothing came of it; `BARRED`: a device says that it refused it."""

    THERE = 1  # from the first host to the second
    BACK = 2
    LOST_THERE = 3
    LOST_BACK = 4
    BARRED_THERE = 5
    BARRED_BACK = 6
    REMARK = 7


class Step(NamedTuple):
    """One arrow; `kind` is how it is coloured: bad, good, or nothing."""

    time_ns: int
    way: Way
    packet: int | None
    text: str
    kind: str = ""
    order: int = 0  # of steps with the same time


def steps(case: Case, left: Address, right: Address) -> tuple[list[Step], int]:
    """The latest steps by time, and how many conversations were left out."""
    back = case.between(right, left) if left != right else ()
    both = sorted([*case.between(left, right), *back], key=lambda one: one.near.flow.start_ns)
    shown = both[-MAX_CONVERSATIONS:]
    found = [step for one in shown for step in _conversation(case, one, one.client == left)]
    ids = {id for one in shown for id in one.ids}
    for teller, told in {(right, left): 0, (left, right): 0}:
        for referral in case.told.get((told, teller), ()):
            if referral.asked_on.id in ids:
                found += _referral(referral, referral.asked_on.flow.client.address == left)
    found.sort(key=lambda step: (step.time_ns, step.order, step.packet or 0))
    return found[-MAX_STEPS:], len(both) - len(shown)


def _conversation(case: Case, one: Conversation, there: bool) -> Iterator[Step]:
    flow, rpc = one.near.flow, one.near.rpc
    if flow.transport == UDP:
        yield from _datagrams(flow, there)
    elif flow.transport == PIPE:
        text = f"opens {clean(flow.pipe or 'a pipe')} over SMB :{flow.server.port}"
        yield Step(flow.start_ns, _to(there), flow.first_packet, text)
    elif flow.outcome in FAILED_TO_OPEN:
        yield from _failed(flow, there, _told(case, one))
    elif flow.outcome is TcpOutcome.MIDSTREAM:
        text = f":{flow.server.port} was open before the capture"
        yield Step(flow.start_ns, Way.REMARK, flow.first_packet, text)
    else:
        packet = flow.syns[0].packet if flow.syns else flow.first_packet
        told = _told(case, one)
        yield Step(flow.start_ns, _to(there), packet, f"connects :{flow.server.port}{told}", "good")
    yield from _logged(case, one, there)
    if rpc is not None:
        yield from _spoken(flow, rpc, there)
    yield from _ended(flow, there)


def _to(there: bool) -> Way:
    return Way.THERE if there else Way.BACK


def _from(there: bool) -> Way:
    return Way.BACK if there else Way.THERE


def _lost(there: bool) -> Way:
    """What the server should have sent."""
    return Way.LOST_BACK if there else Way.LOST_THERE


def _told(case: Case, one: Conversation) -> str:
    referral = case.referral_of(one.near)
    return "" if referral is None else f", told in #{referral.referral.response_packet}"


def _datagrams(flow: Flow, there: bool) -> Iterator[Step]:
    yield Step(flow.start_ns, _to(there), flow.first_packet, f"UDP :{flow.server.port}")
    if flow.outcome is not TcpOutcome.ESTABLISHED:
        yield Step(flow.end_ns, _lost(there), None, f"no answer in {names.duration(flow.watched_ns)}", "bad", 1)


def _failed(flow: Flow, there: bool, told: str) -> Iterator[Step]:
    silent = flow.outcome is TcpOutcome.UNANSWERED
    shown = flow.syns[:MAX_SYNS]
    for number, syn in enumerate(shown):
        what = f"SYN :{flow.server.port}" + (told if number == 0 else " again")
        yield Step(syn.time_ns, _to(there), syn.packet, what, "bad" if silent else "")
    if flow.syn_count > len(shown) or not shown:
        more = f"{flow.syn_count - len(shown)} more SYNs" if shown else f"SYN :{flow.server.port}"
        yield Step(flow.end_ns, _to(there), flow.last_packet, more, "bad")
    last = shown[-1].time_ns if shown else flow.end_ns
    if silent:
        text = f"no SYN-ACK, no RST in {names.duration(flow.watched_ns)}"
        yield Step(last, _lost(there), None, text, "bad", 2)
    elif flow.reset is not None:
        yield Step(flow.reset.time_ns, _from(there), flow.reset.packet, f"RST :{flow.server.port} refused", "bad")
    for error in flow.icmp[:1]:
        text = f"ICMP from {error.sender}: type {error.kind} code {error.code}"
        yield Step(error.time_ns, _from(there), error.packet, text, "bad")


def _logged(case: Case, one: Conversation, there: bool) -> Iterator[Step]:
    """Where a device says that it dropped it."""
    flow, drops = one.near.flow, case.drops_of(one)[:MAX_OF_ONE]
    refused = agreeing(case, one) if drops else {}
    for row in drops:
        time_ns = refused.get((row.log, row.position), log_time(case, row.log, row.entry.written_ns))
        rule = f" by {clean(row.entry.rule)}" if row.entry.rule else ""
        way = Way.BARRED_THERE if there == (row.entry.source in (None, flow.client.address)) else Way.BARRED_BACK
        text = f"{row.entry.action.upper()} :{flow.server.port}{rule} (log line {row.entry.line})"
        yield Step(flow.start_ns if time_ns is None else time_ns, way, None, text, "bad", 1)


def agreeing(case: Case, one: Conversation) -> dict[tuple[int, int], int]:
    """When the packet was seen that a row speaks of, by log and position; logs often know seconds only."""
    times = {syn.packet: syn.time_ns for syn in one.near.flow.syns}
    return {
        (log.number, position): times[packet]
        for log in case.logs
        for match in log.matches
        if match.attempt == one.near.conversation
        for position, packet in match.agrees
        if packet in times
    }


def log_time(case: Case, log: int, written_ns: int | None) -> int | None:
    """When a row was written, by the clock of the capture."""
    clock = case.logs[log].clock
    return None if written_ns is None or clock.offset_ns is None else written_ns - clock.offset_ns


def _spoken(flow: Flow, rpc: Connection, there: bool) -> Iterator[Step]:
    for bind in rpc.binds[:MAX_OF_ONE]:
        yield from _bind(flow, bind, there)
    for fault in rpc.faults[-MAX_OF_ONE:]:
        what = f"fault {names.error(fault.status)}, {names.interface(fault.interface)} op {fault.opnum}"
        yield Step(fault.time_ns, _from(there), fault.packet, clean(what), "bad")
    for carried in rpc.carried[-MAX_OF_ONE:]:
        what = f"answers {names.error(carried.result)}, {names.interface(carried.interface)} op {carried.opnum}"
        yield Step(carried.time_ns, _from(there), carried.packet, clean(what), "bad")
    for call in rpc.open_calls[-MAX_OF_ONE:]:
        if call.fate is Fate.UNANSWERED:
            what = clean(f"call {names.interface(call.interface)} op {call.opnum}")
            yield Step(call.time_ns, _to(there), call.packet, what, "bad")
            yield Step(call.time_ns, _lost(there), None, "no answer to the call", "bad", 1)
    answered = rpc.fates[Fate.RESPONSE]
    if answered and rpc.last_pdu_ns is not None:
        text = f":{flow.server.port} {answered} call{'' if answered == 1 else 's'} answered"
        yield Step(rpc.last_pdu_ns, Way.REMARK, None, text, "", 2)


def _bind(flow: Flow, bind: Bind, there: bool) -> Iterator[Step]:
    wanted = list(dict.fromkeys(names.interface(context.interface) for context in bind.contexts))
    what = clean(f"{'alter' if bind.alter else 'bind'} {', '.join(wanted[:2])}{' ...' if len(wanted) > 2 else ''}")
    yield Step(bind.time_ns, _to(there), bind.packet, what)
    answer_ns = bind.answer_ns or bind.time_ns
    if bind.answer is None:
        yield Step(bind.time_ns, _lost(there), None, "no answer to the bind", "bad", 1)
        if flow.fin_from_server is not None:
            yield Step(flow.end_ns, _from(there), flow.fin_from_server, "closes the connection (FIN)", "bad")
    elif bind.answer == "nak":
        yield Step(answer_ns, _from(there), bind.answer_packet, f"bind_nak, reason {bind.nak_reason}", "bad")
    elif refused := _refused(bind):
        text = clean(f"refuses {', '.join(refused[:2])}{' ...' if len(refused) > 2 else ''}")
        yield Step(answer_ns, _from(there), bind.answer_packet, text, "bad")
    else:
        yield Step(answer_ns, _from(there), bind.answer_packet, f"{'alter' if bind.alter else 'bind'}_ack")


def _refused(bind: Bind) -> list[str]:
    """Interfaces that were accepted with no transfer syntax."""
    return [names.interface(one) for one in bind.refused]


def _ended(flow: Flow, there: bool) -> Iterator[Step]:
    port = f":{flow.server.port}"
    if flow.outcome is TcpOutcome.RESET and flow.reset is not None:
        way = _to(there) if flow.reset.from_client else _from(there)
        yield Step(flow.reset.time_ns, way, flow.reset.packet, f"RST {port} in mid-conversation", "bad")
    elif flow.outcome is TcpOutcome.STALLED:
        way = _lost(not there) if flow.repeats_from_client else _lost(there)
        yield Step(flow.end_ns, way, flow.last_packet, f"{port} repeated, nothing gets through", "bad", 1)
    elif flow.outcome is TcpOutcome.IDLE_DROPPED:
        yield Step(flow.end_ns, _lost(there), flow.last_packet, f"{port} lost after a silence", "bad", 1)


def _referral(one: CaseReferral, there: bool) -> Iterator[Step]:
    told = one.referral
    if told.kind is ReferralKind.OBJECT_REFERENCE:
        way = _to(there) if told.by_client else _from(there)
        yield Step(told.response_ns, way, told.response_packet, f"hands over an object{_ports(one)}")
        return
    again = f" ({len(told.tries)} times)" if len(told.tries) > 1 else ""
    yield Step(told.request_ns, _to(there), told.request_packet, clean(_question(one)) + again)
    if told.status:
        yield Step(told.response_ns, _from(there), told.response_packet, names.error(told.status), "bad")
    else:
        yield Step(told.response_ns, _from(there), told.response_packet, _answer(one), "good")


def _question(one: CaseReferral) -> str:
    told = one.referral
    match told.kind:
        case ReferralKind.EPT_MAP:
            return f"ept_map {names.interface(told.interface)}"
        case ReferralKind.EPT_LOOKUP:
            return "ept_lookup"
        case ReferralKind.ACTIVATION:
            return f"activate {(class_name(told.clsid) or told.clsid) if told.clsid else 'an object'}"
        case _:
            return "resolve OXID"


def _answer(one: CaseReferral) -> str:
    if one.referral.readable == "sealed":
        return "told something sealed"
    return f"told{_ports(one)}" if _ports(one) else "told no TCP port"


def _ports(one: CaseReferral) -> str:
    ports = list(dict.fromkeys(str(end.port) for end in one.referral.endpoints if end.port is not None))
    return f" :{', :'.join(ports[:4])}{' ...' if len(ports) > 4 else ''}" if ports else ""
