"""DCOM names an address that the client cannot reach.

Looks like: the activation or resolution succeeds; its bindings name another address than the one the client asked, and
the client's attempts there fail. No binding works.
Because: address translation, a second network card, a VPN or container address of the server.
Not this: a server with several addresses one of which was used with success; 0.0.0.0, which means "the same host".
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.track.facts import ReferralKind

WITHIN_NS = 120_000_000_000
_DCOM = frozenset({ReferralKind.ACTIVATION, ReferralKind.RESOLVE_OXID, ReferralKind.SERVER_ALIVE2})


def check(case: Case) -> Iterator[Finding]:
    for referral in (*case.referrals, *case.resolvers):
        told, asked = referral.referral, referral.asked_on.flow
        if told.kind not in _DCOM:
            continue
        foreign = {
            endpoint.address
            for endpoint in told.endpoints
            if endpoint.address is not None and endpoint.address != asked.server.address
        }
        tries = [one for one in _attempts(case, referral) if one.server in foreign]
        worked = any(
            one.near.flow.outcome not in FAILED_TO_OPEN and (not observe.is_mapper(one) or one.server in foreign)
            for one in _attempts(case, referral)
        )
        if tries and not worked and all(one.near.flow.outcome in FAILED_TO_OPEN for one in tries):
            yield _finding(case, referral, tries)


def _attempts(case: Case, referral: CaseReferral) -> list[Conversation]:
    """What the client opened after the answer."""
    told, asked = referral.referral, referral.asked_on.flow
    addresses = {endpoint.address for endpoint in told.endpoints} | {asked.server.address}
    return [
        one
        for address in sorted((one for one in addresses if one is not None), key=lambda one: (one.version, int(one)))
        for one in case.between(asked.client.address, address)
        if 0 <= one.near.flow.start_ns - told.response_ns <= WITHIN_NS
    ]


def _finding(case: Case, referral: CaseReferral, tries: list[Conversation]) -> Finding:
    told, asked = referral.referral, referral.asked_on.flow
    first = tries[0]
    texts = ", ".join(endpoint.text for endpoint in told.endpoints[:4])
    return Finding(
        rule=RULE.id,
        summary=f"{asked.server.address} says that its object is at {first.server}, which {asked.client.address} "
        "cannot reach",
        severity=Severity.ERROR,
        confidence=observe.surer(case, first, Confidence.ESTABLISHED),
        client=asked.client.address,
        server=asked.server.address,
        flows=tuple(dict.fromkeys(id for one in tries for id in one.ids)),
        referrals=(referral.id,) if referral.id else (),
        evidence=(
            Seen(f"the answer names {texts}", asked.capture, (told.request_packet, told.response_packet)),
            observe.syns(case, first),
            *(observe.refuser(case, first)[1] if first.near.flow.outcome != "unanswered" else [observe.silence(first)]),
        ),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(port=first.near.flow.server.port, dcom=True, clsid=told.clsid),
    )


RULE = Rule(
    id="binding-unreachable",
    cause="N4",
    title="DCOM names an address that the client cannot reach",
    check=check,
    explains=("mapper-blocked", "mapper-rejected", "mapper-closed", "dynamic-port-blocked", "dynamic-port-rejected",
              "dynamic-port-closed", "host-unreachable"),
    errors=(observe.UNAVAILABLE,),
)  # fmt: skip
