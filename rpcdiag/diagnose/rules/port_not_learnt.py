"""A firewall that reads the mapper's answers did not learn this port.

Looks like: ports that a plain ept_map named open at once between the two; the port that an activation, an OXID
resolution or a sealed answer named stays silent.
Because: the device opens what it can read (an application layer gateway); it does not read DCOM's answers, or sealed,
fragmented ones.
Not this: all dynamic ports are silent (dynamic-port-blocked); the server's own log shows the drop (program-rule-missing).
Needs: a plain lookup whose port opens beside the one that does not, between the same two hosts.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.track.facts import Readable, ReferralKind

_MAPPER = frozenset({ReferralKind.EPT_MAP, ReferralKind.EPT_LOOKUP})


def check(case: Case) -> Iterator[Finding]:
    for conversation in observe.silent_dynamic(case):
        referral = case.referral_of(conversation.near)
        if referral is None or not _opaque(referral) or referral.teller != conversation.server:
            continue
        if case.drops_of(conversation):
            continue  # a log says more
        learnt = _learnt(case, conversation)
        if learnt is not None:
            yield _finding(case, conversation, referral, *learnt)


def _opaque(referral: CaseReferral) -> bool:
    told = referral.referral
    return not told.by_client and (told.kind not in _MAPPER or told.readable is Readable.SEALED)


def _learnt(case: Case, conversation: Conversation) -> tuple[Conversation, CaseReferral] | None:
    """A port that a plain answer named and that opened; none where such a port failed as well, or this one opened."""
    found = None
    for one in case.between(conversation.client, conversation.server):
        port = one.near.flow.server.port
        failed = one.near.flow.outcome in FAILED_TO_OPEN
        if port == conversation.near.flow.server.port and not failed:
            return None
        referral = case.referral_of(one.near)
        if referral is None or _opaque(referral) or not observe.is_dynamic(port):
            continue
        if failed:
            return None
        if one.near.flow.syn_ack and referral.referral.readable is Readable.CLEAR and found is None:
            found = one, referral
    return found


def _finding(
    case: Case, conversation: Conversation, referral: CaseReferral, other: Conversation, plain: CaseReferral
) -> Finding:
    flow, told, near = conversation.near.flow, referral.referral, other.near.flow
    how = "a sealed answer" if told.readable is Readable.SEALED else f"an answer of DCOM ({told.kind})"
    beyond = observe.not_seen_beyond(case, conversation)
    return Finding(
        rule=RULE.id,
        summary=f"{conversation.client} reaches port {near.server.port} of {conversation.server}, which a plain ept_map "
        f"named, and not port {flow.server.port}, which {how} named: a device in the path did not learn it",
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        referrals=(referral.id, plain.id),
        evidence=(
            *observe.handed_out(case, conversation),
            observe.syns(case, conversation),
            observe.silence(conversation),
            *beyond,
            Seen(
                f"a plain ept_map named port {near.server.port}, and it answers", near.capture,
                (*((plain.referral.response_packet,) if plain.asked_on.flow.capture == near.capture else ()),
                 near.syn_ack or near.first_packet),
            ),
        ),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(port=flow.server.port, interface=told.interface, clsid=told.clsid, dynamic=True,
                        dcom=told.kind not in _MAPPER),
        next_observation=f"Do the SYNs to port {flow.server.port} arrive? Capture on {conversation.server}: if they do not, "
        "a device in the path did not learn the port; if they do, its own firewall lacks a rule for that program "
        "(program-rule-missing).",
    )  # fmt: skip


RULE = Rule(
    id="port-not-learnt",
    cause="F4",
    title="A firewall did not learn the dynamic port",
    check=check,
    narrows=("dynamic-port-blocked",),
    errors=(observe.UNAVAILABLE,),
)
