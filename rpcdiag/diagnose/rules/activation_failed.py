"""The network did its work; the server could not start or give out the object.

Looks like: the activation is answered, with a negative HRESULT and no bindings.
Because: the class is not registered, its process does not start, memory or quota.
Not this: 0x80070005 (access-denied); 0x800706BA (unavailable-in-reply).
Needs: the activation's answer, in clear. DistributedCOM events 10005 and 10010 of the server that name the class prove it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.host_events import CLOSE_NS, HostEvents, as_evidence
from rpcdiag.diagnose.writers import Writers
from rpcdiag.dissect.interfaces import class_name
from rpcdiag.dissect.status import status_name
from rpcdiag.model.evidence import Confidence, Logged, Seen, Severity
from rpcdiag.track.facts import ReferralKind

DID_NOT_START = frozenset({10005, 10010})
_OTHERS = frozenset({0x80070005, 0x800706BA})


def check(case: Case) -> Iterator[Finding]:
    for referral in case.referrals:
        told = referral.referral
        if told.kind is not ReferralKind.ACTIVATION or not told.status or told.status in _OTHERS:
            continue
        if not told.status & 0x80000000:
            continue
        asked = referral.asked_on
        what = class_name(told.clsid) or told.clsid if told.clsid else "the class"
        code = status_name(told.status) or "an HRESULT of its own"
        logged = _logged(case, referral) if case.statements and told.clsid else ()
        yield Finding(
            rule=RULE.id,
            summary=f"{asked.flow.server.address} was reached and could not activate {what}: "
            f"{told.status:#010x} {code}",
            severity=Severity.ERROR,
            confidence=Confidence.PROVEN if logged else Confidence.ESTABLISHED,
            client=asked.flow.client.address,
            server=asked.flow.server.address,
            flows=(asked.id, *asked.same_as),
            referrals=(referral.id,),
            evidence=(
                Seen(
                    f"the activation is answered by HRESULT {told.status:#010x} after "
                    f"{(told.response_ns - told.request_ns) / 1e9:.3f} s",
                    asked.flow.capture, (told.request_packet, told.response_packet),
                ),
                *logged,
            ),
            errors=(told.status,),
            subject=Subject(clsid=told.clsid, dcom=True, status=told.status),
        )  # fmt: skip


def _logged(case: Case, referral: CaseReferral) -> tuple[Logged, ...]:
    """That the server could not start what it was asked for, or that it did not register, as its own log says."""
    told, writers = referral.referral, Writers.of(case)
    found = HostEvents.of(case).between(DID_NOT_START, told.request_ns - CLOSE_NS, told.response_ns + CLOSE_NS)
    clsid = (told.clsid or "").lower()
    return as_evidence([one for one in found if clsid in one.says.lower() and writers.is_by(one, referral.teller)])


RULE = Rule(id="activation-failed", cause="D1", title="The activation fails on the server", check=check)
