"""Large packets get lost, small ones pass.

Looks like: small segments are acknowledged, full-size ones are repeated and never are.
Because: a link with a smaller MTU (VPN, tunnel) and ICMP "fragmentation needed" that does not come back.
Not this: small segments that are lost as well (a filter).
Needs: segments that are repeated in full; where smaller ones of the same connection were acknowledged it is likely,
else possible.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.once import once
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Fate

LARGE = 1200


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.conversations:
        near = conversation.near
        flow = near.flow
        if flow.outcome is not TcpOutcome.STALLED or near.rpc is None or flow.stalled_size < LARGE:
            continue
        yield Finding(
            rule=RULE.id,
            summary=f"segments of {flow.stalled_size} bytes between {conversation.client} and {conversation.server} get "
            "lost while smaller ones pass: a path MTU problem",
            severity=Severity.ERROR,
            confidence=Confidence.LIKELY if flow.acknowledged_size or _smaller_pass(case, conversation) else Confidence.POSSIBLE,
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
