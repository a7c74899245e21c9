"""Port 135 accepts connections and does not answer binds.

Looks like: the TCP connection opens, the bind is acknowledged by TCP, no bind_ack comes.
Because: the RPC service hangs, or something in the path swallows the bind or its answer.
Not this: only DCOM binds fail while mapper binds are answered (strict-filter); a large bind that is lost for its size, for a
small one like it is answered or its small end arrives (path-mtu).
Needs: both directions, and 5 s after the bind, or its end.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe, size
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.diagnose.size import Matter
from rpcdiag.dissect.interfaces import EPMAPPER
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity
from rpcdiag.track.facts import Bind


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.unsettled:
        near = conversation.near
        if not observe.is_mapper(conversation) or near.rpc is None or not near.rpc.binds:
            continue
        if near.flow.server_ttl is None:
            continue  # of a capture that holds one direction only, silence means nothing
        bind = near.rpc.binds[0]
        last = case.captures[near.flow.capture].last_ns or 0
        end = near.flow.reset.time_ns if near.flow.reset else near.flow.end_ns if near.flow.fin_from_server else last
        waited = end - bind.time_ns
        closed_on_it = near.flow.fin_from_server is not None or (
            near.flow.reset is not None and not near.flow.reset.from_client
        )
        if bind.answer is not None or (waited < observe.ANSWER_PATIENCE_NS and not closed_on_it):
            continue
        if observe.went_on(near.rpc, bind):
            continue
        passed = observe.dcom_passed(case, conversation, bind)
        if not passed and not _names_mapper(bind) and _mapper_answers(case, conversation):
            continue  # the mapper answers: what this one got lost on is another matter
        if size.lost_large(near.flow) and size.judged(case, conversation).matter is Matter.SIZE:
            continue
        sure = near.flow.syn_ack and (bind.contexts or not bind.cut)
        yield Finding(
            rule=RULE.id,
            summary=f"port 135 of {conversation.server} accepts the connection of {conversation.client} and never "
            "answers its bind",
            severity=Severity.ERROR,
            confidence=Confidence.ESTABLISHED if sure else Confidence.LIKELY,
            client=conversation.client,
            server=conversation.server,
            flows=conversation.ids,
            evidence=(
                *([Seen("the connection opens (SYN-ACK)", near.flow.capture, (near.flow.syn_ack,))] if near.flow.syn_ack else []),
                Seen("bind", near.flow.capture, (bind.packet,)),
                Missing("no bind_ack, no bind_nak", near.flow.capture, bind.packet, max(0, waited)),
            ),
            errors=(observe.UNAVAILABLE,),
            next_observation=f"Capture on {conversation.server} itself: a bind that arrives there and is not answered "
            "means that its RpcSs hangs; one that does not arrive is lost on the way.",
        )  # fmt: skip


def _names_mapper(bind: Bind) -> bool:
    return any(context.interface.uuid == EPMAPPER for context in bind.contexts)


def _mapper_answers(case: Case, conversation: Conversation) -> bool:
    """Whether a bind of the mapper between the same two is answered, or one that the capture cuts so that it may be."""
    return any(
        bind.answer == "ack" and (_names_mapper(bind) or (bind.cut and not bind.contexts))
        for other in case.between(conversation.client, conversation.server)
        if observe.is_mapper(other) and other.near.rpc is not None
        for bind in other.near.rpc.binds
    )


RULE = Rule(
    id="mapper-bind-unanswered",
    cause="E5",
    title="The endpoint mapper does not answer the bind",
    check=check,
    errors=(observe.UNAVAILABLE,),
)
