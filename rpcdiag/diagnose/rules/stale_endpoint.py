"""The client used a port it remembered; the service had moved.

Looks like: an attempt on a dynamic port fails, then the client asks the mapper again, is told another port, and that works.
Because: the service restarted; the client's binding handle remembered the old port.
Not this: no second lookup follows (dynamic-port-closed, dynamic-port-blocked).
Needs: the attempt that fails, and the new lookup within a minute after it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.track.facts import ReferralKind

WITHIN_NS = 60_000_000_000


def check(case: Case) -> Iterator[Finding]:
    for conversation in observe.failed(case, *FAILED_TO_OPEN):
        port = conversation.near.flow.server.port
        told = case.referral_of(conversation.near) is not None  # ranges can be configured
        if observe.is_mapper(conversation) or not (told or observe.is_dynamic(port)):
            continue
        answer = _asked_again(case, conversation)
        if answer is None:
            continue
        referral, success = answer
        flow, new = conversation.near.flow, success.near.flow
        yield Finding(
            rule=RULE.id,
            summary=f"{conversation.client} tried port {port} of {conversation.server} from memory; the service had "
            f"moved to {new.server.port}, where it works",
            severity=Severity.WARNING,
            confidence=Confidence.ESTABLISHED,
            client=conversation.client,
            server=conversation.server,
            flows=conversation.ids,
            referrals=(referral.id,),
            evidence=(
                observe.syns(case, conversation),
                *observe.refuser(case, conversation)[1],
                Seen(
                    f"asked again, the mapper names port {new.server.port}",
                    referral.asked_on.flow.capture, (referral.referral.request_packet, referral.referral.response_packet),
                ),
                Seen(f"port {new.server.port} answers", new.capture, (new.syn_ack or new.first_packet,)),
            ),
            errors=(0x800706BE,),
            subject=Subject(port=flow.server.port, interface=referral.referral.interface, dynamic=True),
        )  # fmt: skip


def _asked_again(case: Case, conversation: Conversation) -> tuple[CaseReferral, Conversation] | None:
    """A lookup by the same client after the failure that leads to another port, and the connection there."""
    flow = conversation.near.flow
    told = case.referral_of(conversation.near)
    for referral in case.told.get((conversation.client, conversation.server), ()):
        waited = referral.referral.response_ns - flow.start_ns
        if not 0 < waited <= WITHIN_NS or referral is told or referral.referral.kind is ReferralKind.OBJECT_REFERENCE:
            continue
        if told is not None and told.referral.interface != referral.referral.interface:
            continue
        for attempt in case.attempts_of(referral):
            near = attempt.near.flow
            if near.server.port != flow.server.port and near.outcome not in FAILED_TO_OPEN:
                return referral, attempt
    return None


RULE = Rule(
    id="stale-endpoint",
    cause="A5",
    title="The client used a port that the service had left",
    check=check,
    explains=("dynamic-port-closed", "dynamic-port-blocked", "dynamic-port-rejected"),
    errors=(0x800706BE,),
)
