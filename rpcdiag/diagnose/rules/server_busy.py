"""The server has no room at the moment.

Looks like: bind_nak with reason 1 or 2, a fault nca_s_server_too_busy (or 1723); or every so many connections to a port
that otherwise opens find no answer.
Because: a limit of calls or connections, or a backlog of connections that overflows.
Not this: a port to which no connection opens (dynamic-port-blocked, mapper-blocked).
Needs: the answer that says so; else connections of the same client to the same port that open within two minutes before
and after.
"""

from bisect import bisect_left
from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.attempts import Attempts
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.status import status_name
from rpcdiag.flows.flow import Flow, TcpOutcome
from rpcdiag.model.evidence import Confidence, Seen, Severity

TOO_BUSY = 0x800706BB
_FAULTS = frozenset({0x1C010014, 0x6BB})
_NAKS = frozenset({1, 2})
AROUND_NS = 120_000_000_000  # so near to the attempt that failed others opened


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.unsettled:
        seen = list(_said(conversation))
        if seen:
            yield _finding(conversation, f"{conversation.server} says that it is too busy for {conversation.client}",
                           seen, Confidence.ESTABLISHED, Severity.ERROR)  # fmt: skip
    attempts = Attempts.of(case)
    for conversation in observe.failed(case, TcpOutcome.UNANSWERED):
        around = _around(case, attempts, conversation)
        if not around or case.drops_of(conversation) or not observe.silent_long_enough(case, conversation):
            continue
        port = conversation.near.flow.server.port
        yield _finding(
            conversation,
            f"some connections of {conversation.client} to port {port} of {conversation.server} open, others get no answer: "
            "its backlog overflows",
            [observe.syns(case, conversation), *around],
            Confidence.LIKELY,
            Severity.WARNING,
        )


def _said(conversation: Conversation) -> Iterator[Seen]:
    near = conversation.near
    rpc = near.rpc
    for bind in rpc.binds if rpc else ():
        if bind.answer == "nak" and bind.nak_reason in _NAKS and bind.answer_packet:
            says = f"bind_nak: {status_name(bind.nak_reason, 'bind_nak_reason')}"
            yield Seen(says, near.flow.capture, (bind.packet, bind.answer_packet))
            yield from observe.said_more(bind.extended, conversation.server, near.flow.capture, bind.answer_packet)
    for fault in rpc.faults if rpc else ():
        if fault.status in _FAULTS:
            packets = tuple(packet for packet in (fault.request_packet, fault.packet) if packet)
            yield Seen(f"the call is answered by fault {fault.status:#010x}", near.flow.capture, packets)
            yield from observe.said_more(fault.extended, conversation.server, near.flow.capture, fault.packet)


def _around(case: Case, attempts: Attempts, conversation: Conversation) -> list[Seen]:
    """Connections to the same port that opened shortly before and shortly after: one of each."""
    flow = conversation.near.flow
    before, after = attempts.opened_before(conversation), attempts.opened_after(conversation)
    if before is None or after is None or _asked_again(case, flow, after.near.flow):
        return []
    pairs = (("before", before.near.flow), ("after", after.near.flow))
    if any(abs(one.start_ns - flow.start_ns) > AROUND_NS for _, one in pairs):
        return []
    return [
        Seen(f"a connection to that port {when} it opens", one.capture, (one.syn_ack or one.first_packet,))
        for when, one in pairs
    ]


def _asked_again(case: Case, failed: Flow, opened: Flow) -> bool:
    """Whether the client had the port named anew between the two: then a device may have learnt it by that.

    So too where the capture does not hold whole what was asked meanwhile.
    """
    if observe.unread_lookup(case, failed.client.address, failed.server.address, failed.start_ns, opened.start_ns):
        return True
    told = case.told.get((failed.client.address, failed.server.address), ())
    place = bisect_left(told, failed.start_ns, key=lambda one: one.referral.response_ns)
    return place < len(told) and told[place].referral.response_ns <= opened.start_ns


def _finding(
    conversation: Conversation, summary: str, seen: list[Seen], confidence: Confidence, severity: Severity
) -> Finding:
    port = conversation.near.flow.server.port
    return Finding(
        rule=RULE.id,
        summary=summary,
        severity=severity,
        confidence=confidence,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=tuple(seen[: observe.MAX_SHOWN]),
        errors=(TOO_BUSY,),
        subject=Subject(port=port, dynamic=observe.is_dynamic(port)),
        next_observation=f"On {conversation.server}: the load of the process behind port {port}, and 'netstat -s' (failed "
        "connection attempts); a capture there shows whether the SYNs arrive.",
    )


RULE = Rule(
    id="server-busy",
    cause="H4",
    title="The server is too busy",
    check=check,
    explains=("bind-rejected",),
    rivals=("dynamic-port-blocked", "mapper-blocked", "host-unreachable"),
    errors=(TOO_BUSY,),
)
