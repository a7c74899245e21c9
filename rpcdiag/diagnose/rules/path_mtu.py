"""Large packets get lost, small ones pass.

Looks like: small segments are acknowledged, full-size ones are repeated and never are.
Because: a link with a smaller MTU (VPN, tunnel) and ICMP "fragmentation needed" that does not come back.
Not this: small segments that are lost as well (a filter); a connection that dies after segments of the same size had
passed; on port 135 a filter that takes away what does not begin with the mapper (strict-filter).
Needs: segments that are repeated in full. Where smaller ones were acknowledged it is likely, else possible; ICMP that the
packet is too big establishes it. On port 135: that the small end of the bind arrives, that a small bind of the same kind is
answered, or that large segments to other ports are lost as well.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe, size
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.once import once
from rpcdiag.diagnose.size import LARGE, Judged, Matter
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Fate


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.conversations:
        near = conversation.near
        flow = near.flow
        if flow.outcome is not TcpOutcome.STALLED or near.rpc is None or flow.stalled_size < LARGE:
            continue
        if flow.acknowledged_size >= flow.stalled_size:
            continue  # as large ones did pass: the connection died
        found = _judged(case, conversation)
        if found.matter is not Matter.KIND:
            yield _finding(case, conversation, found)


def _judged(case: Case, conversation: Conversation) -> Judged:
    flow = conversation.near.flow
    rpc = conversation.near.rpc
    if observe.is_mapper(conversation) and rpc is not None and rpc.binds and rpc.binds[0].answer is None:
        return size.judged(case, conversation)
    told = size.too_big(flow)
    if told is not None:
        return Judged(Matter.SIZE, (told,), told=True)
    passes = flow.acknowledged_size or _smaller_pass(case, conversation)
    return Judged(Matter.SIZE if passes else Matter.OPEN)


def _finding(case: Case, conversation: Conversation, found: Judged) -> Finding:
    flow = conversation.near.flow
    return Finding(
        rule=RULE.id,
        summary=f"segments of {flow.stalled_size} bytes between {conversation.client} and {conversation.server} get "
        "lost while smaller ones pass: a path MTU problem",
        severity=Severity.ERROR,
        confidence=Confidence.ESTABLISHED
        if found.told
        else Confidence.LIKELY
        if found.matter is Matter.SIZE
        else Confidence.POSSIBLE,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=(
            Seen(
                f"{flow.stalled_size} bytes are repeated"
                + (f"; up to {flow.acknowledged_size} bytes were acknowledged" if flow.acknowledged_size else ""),
                flow.capture, flow.repeated[:8],
            ),
            Missing("no acknowledgement", flow.capture, flow.repeated[0], max(0, flow.end_ns - flow.start_ns)),
            *found.evidence,
        ),
        errors=(0x800706BA, 0x800706BE),
        subject=Subject(port=flow.server.port),
        next_observation=f"'ping -f -l 1472 {conversation.server}' from {conversation.client}: if it fails and "
        "'-l 1372' works, the path is narrower than its ends believe.",
    )  # fmt: skip


def _smaller_pass(case: Case, conversation: Conversation) -> bool:
    """Whether the two talk on another connection, on which less is said at a time; on port 135 a filter may choose."""
    return not observe.is_mapper(conversation) and (conversation.client, conversation.server) in _talking(case)


@once
def _talking(case: Case) -> frozenset[tuple[Address, Address]]:
    flows = (
        one.near for one in case.conversations if one.near.rpc is not None and one.near.rpc.fates.get(Fate.RESPONSE)
    )
    return frozenset({(one.flow.client.address, one.flow.server.address) for one in flows})


RULE = Rule(id="path-mtu", cause="M1", title="Large packets get lost on the way", check=check)
