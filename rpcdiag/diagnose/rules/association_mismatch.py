"""The client joins an association group that this server does not know.

Looks like: a bind that names an association group is refused by bind_nak, or by an extended error from
AssociationRequested; binds of the same client that begin a group are accepted.
Because: a load balancer or a cluster sends the second connection to another node, or the server was restarted.
Not this: bind_nak 1 and 2 (server-busy), 8 (provider-unknown), 9 (bad-credentials), 4 (another protocol version).
Needs: the refused bind; an accepted one of the same client, or the server's extended error, makes it known.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.status import status_name
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Bind

CALL_FAILED = 0x800706BF
LOCATION = 80  # AssociationRequested10
_OTHERS = frozenset({1, 2, 4, 8, 9})


def check(case: Case) -> Iterator[Finding]:
    known: dict[tuple[Address, Address], Evidence | None] = {}
    for conversation in case.unsettled:
        near = conversation.near
        for bind in near.rpc.binds if near.rpc else ():
            said = any(record.location == LOCATION for record in bind.extended)
            if (
                bind.answer not in ("nak", "fault")
                or bind.answer_packet is None
                or not (bind.association_group or said)
            ):
                continue
            pair = conversation.client, conversation.server
            if pair not in known:
                known[pair] = _began(case, conversation)
            began = known[pair]
            if not said and (bind.answer == "fault" or bind.nak_reason in {*_OTHERS, None} or began is None):
                continue
            yield _finding(conversation, bind, began, said)


def _began(case: Case, conversation: Conversation) -> Evidence | None:
    """A bind of the same two that began a group and was accepted."""
    for other in case.between(conversation.client, conversation.server):
        for bind in other.near.rpc.binds if other.near.rpc else ():
            if bind.answer == "ack" and not bind.alter and not bind.association_group and bind.answer_packet:
                says = "a bind without a group between the same two is accepted"
                return Seen(says, other.near.flow.capture, (bind.packet, bind.answer_packet))
    return None


def _finding(conversation: Conversation, bind: Bind, began: Evidence | None, said: bool) -> Finding:
    near = conversation.near
    packets = tuple(packet for packet in (bind.packet, bind.answer_packet) if packet)
    reason = status_name(bind.nak_reason or 0, "bind_nak_reason") if bind.answer == "nak" else "fault"
    return Finding(
        rule=RULE.id,
        summary=f"{conversation.server} does not know the association that {conversation.client} joins: another node "
        "answers, or the service was restarted",
        severity=Severity.ERROR,
        confidence=Confidence.ESTABLISHED if said else Confidence.LIKELY,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=(
            Seen(
                f"bind into association group {bind.association_group:#x} is refused: {reason}",
                near.flow.capture,
                packets,
            ),
            *observe.said_more(bind.extended, conversation.server, near.flow.capture, bind.answer_packet),
            *([began] if began else []),
        ),
        errors=(CALL_FAILED,),
        subject=Subject(
            port=near.flow.server.port, interface=bind.contexts[0].interface if bind.contexts else None, dynamic=True
        ),
        next_observation=f"Is {conversation.server} one host, or the address of a load balancer or cluster? Name one node "
        "directly in the client: if that works, the balancer splits what belongs together.",
    )


RULE = Rule(
    id="association-mismatch",
    cause="H6",
    title="The association is unknown to the node that answers",
    check=check,
    rivals=("bind-rejected",),
    errors=(CALL_FAILED,),
)
