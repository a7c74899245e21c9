"""Port 135 is forwarded to another host; the ports that it hands out are not.

Looks like: the mapper answers, and every address in its answer is another than the one that was asked; the client asks
the address it knows for the dynamic port, and is refused or gets no answer.
Because: a port forward, a proxy or a load balancer for port 135 only; `netsh interface portproxy` cannot follow.
Not this: an answer that names the address that was asked, or none; a log that drops the port (dynamic-port-blocked); a
client that goes to the foreign address (binding-unreachable).
Needs: the lookup and its answer in clear, and the attempt on the dynamic port.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN, TcpOutcome
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import ReferralKind

_DCOM = frozenset({ReferralKind.ACTIVATION, ReferralKind.RESOLVE_OXID})


def check(case: Case) -> Iterator[Finding]:
    for conversation in observe.failed(case, *FAILED_TO_OPEN):
        if observe.is_mapper(conversation) or observe.no_way(case, conversation):
            continue
        if conversation.near.flow.outcome is TcpOutcome.UNANSWERED and not observe.silent_long_enough(
            case, conversation
        ):
            continue
        referral = case.referral_of(conversation.near)
        if referral is None or referral.referral.by_client or referral.teller != conversation.server:
            continue
        behind = _behind(referral, conversation)
        if behind is not None and not _works(case, conversation):
            yield _finding(case, conversation, referral, behind)


def _behind(referral: CaseReferral, conversation: Conversation) -> Address | None:
    """The only host that the answer names for the port, where that is not the one that was asked."""
    port = conversation.near.flow.server.port
    told = [
        one.address
        for one in referral.referral.endpoints
        if one.port == port and (one.address is None or one.address.version == conversation.server.version)
    ]  # the mapper names IPv4 addresses only: asked over IPv6 it names another one of the same host
    named = {address for address in told if address is not None and not address.is_unspecified}
    if not named or referral.teller in named or any(address.is_unspecified for address in told if address):
        return None
    return min(named, key=int)


def _works(case: Case, conversation: Conversation) -> bool:
    """Whether another dynamic port is reached at this address: then some are forwarded, or it is the host itself."""
    return any(
        one.near.flow.outcome not in FAILED_TO_OPEN and observe.is_dynamic(one.near.flow.server.port)
        for one in case.between(conversation.client, conversation.server)
    )


def _finding(case: Case, conversation: Conversation, referral: CaseReferral, behind: Address) -> Finding:
    flow, told = conversation.near.flow, referral.referral
    silent = flow.outcome is TcpOutcome.UNANSWERED
    return Finding(
        rule=RULE.id,
        summary=f"port 135 of {conversation.server} leads to {behind}, which hands out port {flow.server.port}; at "
        f"{conversation.server} that port is {'not answered' if silent else 'refused'}: only 135 is forwarded",
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,  # a log that drops it speaks for dynamic-port-blocked
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        referrals=(referral.id,),
        evidence=(
            Seen(
                f"asked at {conversation.server}, the answer names {', '.join(one.text for one in told.endpoints[:4])}",
                referral.asked_on.flow.capture, (told.request_packet, told.response_packet),
            ),
            observe.syns(case, conversation),
            *([observe.silence(conversation)] if silent else observe.refuser(case, conversation)[1]),
            *observe.logged(case, case.drops_of(conversation)),
        ),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(port=flow.server.port, interface=told.interface, clsid=told.clsid, dynamic=True,
                        dcom=told.kind in _DCOM, log_rule=observe.rule_of(case, conversation)),
        next_observation=f"Does {conversation.server} forward? 'netsh interface portproxy show all' there, or the address "
        f"translation of the device that has it; 'ipconfig' on {behind} tells whether it has both addresses "
        "(then its firewall drops the port: dynamic-port-blocked).",
    )  # fmt: skip


RULE = Rule(
    id="port-forward-without-dynamic-ports",
    cause="E8",
    title="Port 135 is forwarded, the dynamic ports are not",
    check=check,
    rivals=("dynamic-port-blocked", "dynamic-port-rejected", "dynamic-port-closed"),
    errors=(observe.UNAVAILABLE,),
)
