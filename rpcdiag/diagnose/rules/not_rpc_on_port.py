"""Something else than RPC listens on the port.

Looks like: the connection opens, the client binds, and what comes back is no PDU of RPC: TLS, HTTP or anything else.
Because: another program has taken the port, or a proxy answers in place of the server.
Not this: an RPC server that refuses the interface (bind-rejected); an answer that the capture lacks.
Needs: the first bytes of the answer: no short snaplen.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import TCP
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity

PROTOCOL_ERROR = 0x800706C0
HTTP_PORT = 593  # where RPC greets with words of its own
LEAST = 4  # bytes: a fragment of nothing is no answer


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.unsettled:
        near = conversation.near
        rpc, flow = near.rpc, near.flow
        if (
            rpc is None
            or flow.transport != TCP
            or flow.server.port == HTTP_PORT
            or len(rpc.binds) != 1
            or rpc.pdus != 1
            or rpc.binds[0].answer
        ):
            continue
        if rpc.bytes_missing or rpc.damage or flow.server_bytes < LEAST or rpc.bytes_skipped < flow.server_bytes:
            continue
        yield _finding(case, conversation)


def _finding(case: Case, conversation: Conversation) -> Finding:
    flow, rpc = conversation.near.flow, conversation.near.rpc
    bind = rpc.binds[0] if rpc else None
    referral = case.referral_of(conversation.near)
    packet = bind.packet if bind else flow.first_packet
    return Finding(
        rule=RULE.id,
        summary=f"what listens on port {flow.server.port} of {conversation.server} does not speak RPC: it answers the bind "
        f"with {flow.server_bytes} bytes of something else",
        severity=Severity.ERROR,
        confidence=Confidence.ESTABLISHED,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        referrals=(referral.id,) if referral else (),
        evidence=(
            *observe.handed_out(case, conversation),
            Seen("bind", flow.capture, (packet,)),
            Missing(
                f"no PDU of RPC among the {flow.server_bytes} bytes that come back", flow.capture, packet,
                max(0, flow.end_ns - (bind.time_ns if bind else flow.start_ns)),
            ),
        ),
        errors=(PROTOCOL_ERROR,),
        subject=Subject(port=flow.server.port, interface=bind.contexts[0].interface if bind and bind.contexts else None,
                        dynamic=observe.is_dynamic(flow.server.port)),
    )  # fmt: skip


RULE = Rule(
    id="not-rpc-on-port",
    cause="F8",
    title="What listens on the port is not RPC",
    check=check,
    explains=("mapper-bind-unanswered", "strict-filter"),
    errors=(PROTOCOL_ERROR,),
)
