"""The server names its object by a host name that the client cannot resolve.

Looks like: an activation or an OXID resolution succeeds and its bindings hold a name; the client asks name services
for it, gets nothing, and never connects to the port that the bindings name.
Because: the bare computer name needs a DNS suffix, a hosts entry or NetBIOS that the client does not have.
Not this: an address in the bindings that nobody reaches (binding-unreachable); a name that is resolved later.
Needs: the answer with the bindings in clear, and the client's name lookups (DNS, LLMNR, NBNS) after it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral
from rpcdiag.diagnose import named, observe
from rpcdiag.diagnose.finding import Direction, Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity
from rpcdiag.track.facts import ReferralKind
from rpcdiag.track.surroundings import same_host

HOST_NOT_FOUND = 0x80072AF9
_MAPPER = frozenset({ReferralKind.EPT_MAP, ReferralKind.EPT_LOOKUP})


def check(case: Case) -> Iterator[Finding]:
    unresolved = list(named.unresolved(case)) if case.referrals else []
    for referral in case.referrals if unresolved else ():
        told = referral.referral
        if told.kind in _MAPPER:
            continue
        hosts = {one.host for one in told.endpoints if one.address is None and one.host}
        for one in unresolved:
            asked = tuple(fact for fact in one.all if fact.fact.time_ns >= told.response_ns)
            if one.client != referral.told or not asked or not any(same_host(host, one.name) for host in hosts):
                continue
            if not _went_there(case, referral):
                yield _finding(case, referral, one._replace(refused=asked, silent=()))
                break


def _went_there(case: Case, referral: CaseReferral) -> bool:
    """Whether the client connected to one of the ports, or tried to and an address was known."""
    ports = {one.port for one in referral.referral.endpoints if one.port is not None}
    if any(one.near.flow.outcome not in FAILED_TO_OPEN for one in case.attempts_of(referral)):
        return True
    later = (one for one in case.between(referral.told, referral.teller) if one.near.flow.server.port in ports)
    return bool(referral.flows) or any(one.near.flow.outcome not in FAILED_TO_OPEN for one in later)


def _finding(case: Case, referral: CaseReferral, one: named.Asked) -> Finding:
    told, flow = referral.referral, referral.asked_on.flow
    names = ", ".join(endpoint.text for endpoint in told.endpoints[:4])
    waited = max(0, (case.captures[flow.capture].last_ns or 0) - told.response_ns)
    return Finding(
        rule=RULE.id,
        summary=f"{referral.teller} says that its object is at {names}; {referral.told} cannot resolve {one.name} and "
        "never connects",
        severity=Severity.ERROR,
        confidence=Confidence.ESTABLISHED,
        client=flow.client.address,
        server=flow.server.address,
        direction=Direction.SERVER_TO_CLIENT if told.by_client else Direction.CLIENT_TO_SERVER,
        flows=(referral.asked_on.id, *referral.asked_on.same_as),
        referrals=(referral.id,),
        evidence=(
            Seen(f"the answer names {names}", flow.capture, (told.request_packet, told.response_packet)),
            *named.says(one.refused, case),
            Missing("no SYN to a port that it names", flow.capture, told.response_packet, waited),
        ),
        errors=(observe.UNAVAILABLE, HOST_NOT_FOUND),
        subject=Subject(
            port=next((end.port for end in told.endpoints if end.port), None), dcom=True, clsid=told.clsid, dynamic=True
        ),
    )


RULE = Rule(
    id="binding-name-unresolved",
    cause="N5",
    title="DCOM names a host that the client cannot resolve",
    check=check,
    errors=(observe.UNAVAILABLE, HOST_NOT_FOUND),
)
