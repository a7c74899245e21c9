"""The server broke the connection off in the middle of a call.

Looks like: RST instead of an answer, with the TTL of the server's other packets.
Because: the service crashed or was restarted, or closed a session that it no longer knew.
Not this: a RST with another TTL (reset-by-middlebox, or idle-dropped after a long silence); calls after the third leg of
a logon that was lost (third-leg-lost).
Needs: the RST, and other packets of the server, whose TTL tells that it is its own; the next attempt says whether the
service is gone.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import resets
from rpcdiag.diagnose.attempts import Attempts
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.observe import Refuser
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Seen, Severity

CALL_FAILED, NOT_EXECUTED = 0x800706BE, 0x800706BF


def check(case: Case) -> Iterator[Finding]:
    attempts = Attempts.of(case)
    for one in resets.cuts(case):
        if one.who is Refuser.DEVICE or (one.who is Refuser.UNKNOWN and one.idle):
            continue
        conversation = one.conversation
        port = conversation.near.flow.server.port
        again = resets.next_try(attempts, conversation)
        gone = again is not None and again.near.flow.outcome is TcpOutcome.REFUSED
        yield Finding(
            rule=RULE.id,
            summary=f"{conversation.server} breaks the connection of {conversation.client} to port {port} off in the middle "
            "of a call" + (", and nothing listens there afterwards: the service stopped" if gone else ""),
            severity=Severity.ERROR,
            confidence=Confidence.ESTABLISHED             if gone and one.who is Refuser.SERVER
            else
            Confidence.LIKELY if one.who is Refuser.SERVER else Confidence.POSSIBLE,
            client=conversation.client,
            server=conversation.server,
            flows=(*conversation.ids, *(again.ids if again is not None and gone else ())),
            evidence=(*one.evidence, *([_after(again, gone=gone)] if again is not None else [])),
            errors=(CALL_FAILED, NOT_EXECUTED),
            subject=Subject(port=port, interface=one.interface),
            next_observation=f"Events 7031 and 7034 in the System log and 1000 in the Application log of {conversation.server} "
            "at that second: a service that ended. None there: capture on the server, whether the RST leaves it.",
        )  # fmt: skip


def _after(again: Conversation, *, gone: bool) -> Seen:
    flow = again.near.flow
    packet = flow.reset.packet if gone and flow.reset else flow.syn_ack or flow.first_packet
    says = "the next connection to that port is refused" if gone else "the next connection to that port opens"
    return Seen(says, flow.capture, (flow.first_packet, packet))


RULE = Rule(
    id="server-reset",
    cause="H3",
    title="The server resets the connection in the middle of a call",
    check=check,
    rivals=("idle-dropped", "dynamic-port-closed"),
    errors=(CALL_FAILED, NOT_EXECUTED),
)
