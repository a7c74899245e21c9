"""DCOM connects back, and the way from the server to the client is shut.

Looks like: the client uses an object on the server (DCOM); then the server tries to reach the client, port 135 or the
port of the client's own object, and gets no answer or a refusal. The call that gave it the callback fails or hangs. Or
the call comes back with 0x80040202 (cannot connect), and the server's attempt is not in the capture (a warning).
Because: the client's firewall admits nothing from the server.
Not this: a server that connects for reasons of its own, with no DCOM call of the client before.
Needs: what goes from the server to the client too: no filter for one direction, and 3 s of silence or more.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseFlow, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Direction, Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN, TcpOutcome
from rpcdiag.model.evidence import Confidence, Evidence, Missing, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Fate

SINK_FAILED = 0x80040202
_UNAVAILABLE_FAULT = 0x6BA  # RPC_S_SERVER_UNAVAILABLE
_ABOUT_CALLBACKS = frozenset({observe.UNAVAILABLE, SINK_FAILED})


def check(case: Case) -> Iterator[Finding]:
    seen: set[tuple[Address, Address]] = set()  # client and server of the forward direction
    for conversation in observe.failed(case, *FAILED_TO_OPEN):
        if conversation.near.flow.outcome is TcpOutcome.UNANSWERED and not observe.silent_long_enough(
            case, conversation
        ):
            continue
        port = conversation.near.flow.server.port
        if not (observe.is_mapper(conversation) or observe.is_dynamic(port) or case.referral_of(conversation.near)):
            continue
        forward = observe.dcom_forward(case, conversation)
        if forward:
            seen.add((conversation.server, conversation.client))
            yield _finding(case, conversation, forward)
    for conversation in case.unsettled:
        if (conversation.client, conversation.server) not in seen:
            yield from _unseen(conversation)


def _unseen(conversation: Conversation) -> Iterator[Finding]:
    """The server says that it could not connect to the client's object; the capture does not show how it tried."""
    near, client, server = conversation.near, conversation.client, conversation.server
    said = [one for one in near.rpc.carried if one.result == SINK_FAILED] if near.rpc is not None else []
    if not said:
        return
    packets = tuple(packet for packet in (said[0].request_packet, said[0].packet) if packet)
    yield Finding(
        rule=RULE.id,
        summary=f"{server} says that it cannot connect to an object of {client}; its attempt is not in the capture",
        severity=Severity.WARNING,
        confidence=Confidence.POSSIBLE,
        client=client,
        server=server,
        direction=Direction.SERVER_TO_CLIENT,
        flows=conversation.ids,
        evidence=(
            Seen(f"the client's call comes back with {SINK_FAILED:#010x}", near.flow.capture, packets),
            Missing(
                f"no connection of {server} to {client}", near.flow.capture, packets[-1],
                max(0, near.flow.start_ns + near.flow.watched_ns - said[0].time_ns),
            ),
        ),
        errors=(SINK_FAILED, observe.UNAVAILABLE),
        subject=Subject(dcom=True),
        next_observation=f"Capture on {server}, all interfaces, while the client subscribes: does it go to {client}, port 135 "
        "and then the port of the client's object?",
    )  # fmt: skip


def _finding(case: Case, conversation: Conversation, forward: list[CaseFlow]) -> Finding:
    flow = conversation.near.flow
    waiting = list(_waiting(forward, flow.start_ns))
    given = observe.given_before(case, conversation)
    what = "answers" if flow.outcome is TcpOutcome.UNANSWERED else "refuses"
    who = "nothing" if flow.outcome is TcpOutcome.UNANSWERED else "something"
    return Finding(
        rule=RULE.id,
        summary=f"{flow.client.address} cannot call {flow.server.address} back: {who} {what} on port {flow.server.port} "
        f"of the client {flow.server.address}",
        severity=Severity.ERROR,
        confidence=observe.surer(case, conversation, Confidence.ESTABLISHED if waiting or given else Confidence.LIKELY),
        client=flow.server.address,
        server=flow.client.address,
        direction=Direction.SERVER_TO_CLIENT,
        flows=(*conversation.ids, *(copy for used in forward for copy in (used.id, *used.same_as))),
        referrals=(given.id,) if given else (),
        evidence=(
            Seen(
                f"{flow.server.address} uses an object on {flow.client.address}",
                forward[0].flow.capture, (forward[0].flow.first_packet,),
            ),
            *([observe.handed_over(given)] if given else []),
            *observe.listener(case, conversation),
            observe.syns(case, conversation),
            *([observe.silence(conversation)] if flow.outcome is TcpOutcome.UNANSWERED else
              observe.refuser(case, conversation)[1]),
            *observe.not_seen_beyond(case, conversation),
            *waiting,
            *observe.logged(case, case.drops_of(conversation)),
        ),
        errors=(observe.UNAVAILABLE, SINK_FAILED),
        subject=Subject(port=flow.server.port, dynamic=not observe.is_mapper(conversation), dcom=True,
                        log_rule=observe.rule_of(case, conversation)),
        next_observation=None if waiting or given else
        f"Capture on {flow.server.address}: do the SYNs of {flow.client.address} arrive there?",
    )  # fmt: skip


def _waiting(forward: list[CaseFlow], start_ns: int) -> Iterator[Evidence]:
    """Forward calls that were open when the callback was tried, or that came back with an error of it."""
    for flow in forward:
        if flow.rpc is None:
            continue
        for carried in flow.rpc.carried:
            if carried.result in _ABOUT_CALLBACKS and carried.time_ns >= start_ns:
                packets = tuple(packet for packet in (carried.request_packet, carried.packet) if packet)
                yield Seen(f"the client's call comes back with {carried.result:#010x}", flow.flow.capture, packets)
        for fault in flow.rpc.faults:
            if fault.status in _ABOUT_CALLBACKS | {_UNAVAILABLE_FAULT} and fault.time_ns >= start_ns:
                packets = tuple(packet for packet in (fault.request_packet, fault.packet) if packet)
                says = f"the client's call is answered by fault {fault.status:#010x}"
                yield Seen(says, flow.flow.capture, packets)
                yield from observe.said_more(fault.extended, flow.flow.server.address, flow.flow.capture, fault.packet)
        for call in flow.rpc.open_calls:
            if call.fate is Fate.UNANSWERED and call.time_ns <= start_ns:
                yield Seen("the client's call is never answered", flow.flow.capture, (call.packet,))


RULE = Rule(
    id="callback-blocked",
    cause="D3",
    title="The server cannot call its client back",
    check=check,
    explains=(
        "mapper-blocked",
        "mapper-rejected",
        "mapper-closed",
        "dynamic-port-blocked",
        "dynamic-port-rejected",
        "dynamic-port-closed",
        "unavailable-in-reply",
    ),
    errors=(observe.UNAVAILABLE, SINK_FAILED),
)
