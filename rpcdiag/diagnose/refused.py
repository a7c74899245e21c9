"""Attempts that were refused, for the rules that tell a closed port from a rejecting device."""

from collections.abc import Iterator, Sequence

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Subject
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Evidence


def refusals(case: Case, *, by_device: bool) -> Iterator[Conversation]:
    """Attempts that a RST or ICMP error ended: sent by a device, or by the server (or it is not known by whom)."""
    for conversation in observe.failed(case, TcpOutcome.REFUSED, TcpOutcome.PROHIBITED):
        if observe.no_way(case, conversation):
            continue
        who, _, _ = observe.refuser(case, conversation)
        if (who is observe.Refuser.DEVICE) is by_device:
            yield conversation


def device(conversation: Conversation) -> str:
    """What refuses, where it is not the port that is closed."""
    icmp = conversation.near.flow.icmp
    own = bool(icmp) and icmp[0].sender == conversation.server
    return f"the firewall of {conversation.server} itself" if own else "a device in the path"


def _refuser(case: Case, conversation: Conversation) -> tuple[observe.Refuser, Sequence[Evidence], Confidence]:
    """The same of one that the server left unanswered, as its own log says."""
    if conversation.near.flow.outcome is TcpOutcome.UNANSWERED:
        return observe.Refuser.SERVER, [observe.silence(conversation)], Confidence.ESTABLISHED
    return observe.refuser(case, conversation)


def finding(case: Case, conversation: Conversation, rule: str, summary: str) -> Finding:
    """The finding for one refused attempt."""
    who, evidence, confidence = _refuser(case, conversation)
    flow = conversation.near.flow
    referral = case.referral_of(conversation.near)
    told = referral is not None or observe.is_mapper(conversation)
    if not told:  # nothing says that the port is one of RPC
        confidence = max(confidence, Confidence.POSSIBLE, key=tuple(Confidence).index)
    return Finding(
        rule=rule,
        summary=summary,
        severity=observe.severity_of(case, conversation),
        confidence=observe.surer(case, conversation, confidence),
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        referrals=(referral.id,) if referral else (),
        evidence=(
            *observe.handed_out(case, conversation),
            observe.syns(case, conversation),
            *evidence,
            *observe.logged(case, case.drops_of(conversation)),
        ),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(
            port=flow.server.port,
            interface=referral.referral.interface if referral else None,
            clsid=referral.referral.clsid if referral else None,
            dynamic=not observe.is_mapper(conversation),
            dcom=bool(referral and referral.referral.clsid),
            log_rule=observe.rule_of(case, conversation),
        ),
        next_observation=None
        if told and who is not observe.Refuser.UNKNOWN
        else f"Is port {flow.server.port} one of RPC? Capture from before the program starts, with its question to port 135."
        if who is not observe.Refuser.UNKNOWN
        else f"Who sent the RST? Capture any other packet of {flow.server.address} at the same place and compare the "
        f"TTL with {flow.reset.ttl if flow.reset else '?'}, or run 'netstat -anob' on {flow.server.address}.",
    )
