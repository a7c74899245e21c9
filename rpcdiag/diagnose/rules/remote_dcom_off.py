"""The server takes no calls of DCOM from other computers.

Looks like: an activation is answered by RPC_E_REMOTE_DISABLED (0x8001011c), in its result or as a fault.
Because: `EnableDCOM` is N under HKLM\\SOFTWARE\\Microsoft\\Ole on the server.
Not this: a caller who lacks a right (access-denied); a class that is not there (activation-failed).
Needs: the activation's answer.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseFlow
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.track.facts import ReferralKind

REMOTE_DISABLED = 0x8001011C


def check(case: Case) -> Iterator[Finding]:
    for referral in case.referrals:
        told = referral.referral
        if told.kind is ReferralKind.ACTIVATION and told.status == REMOTE_DISABLED:
            both = told.request_packet, told.response_packet
            seen = Seen("the activation is answered by 0x8001011c", referral.asked_on.flow.capture, both)
            yield _finding(referral.asked_on, seen, told.clsid, referral.id)
    for conversation in case.unsettled:
        near = conversation.near
        for fault in near.rpc.faults if near.rpc else ():
            if fault.status == REMOTE_DISABLED:
                packets = tuple(packet for packet in (fault.request_packet, fault.packet) if packet)
                seen = Seen("a call is answered by fault 0x8001011c", near.flow.capture, packets)
                yield _finding(near, seen, None, None)


def _finding(flow: CaseFlow, seen: Seen, clsid: str | None, referral: str | None) -> Finding:
    return Finding(
        rule=RULE.id,
        summary=f"{flow.flow.server.address} was reached and says that remote DCOM is switched off there",
        severity=Severity.ERROR,
        confidence=Confidence.ESTABLISHED,
        client=flow.flow.client.address,
        server=flow.flow.server.address,
        flows=(flow.id, *flow.same_as),
        referrals=(referral,) if referral else (),
        evidence=(seen,),
        errors=(REMOTE_DISABLED,),
        subject=Subject(clsid=clsid, dcom=True, status=REMOTE_DISABLED),
    )


RULE = Rule(
    id="remote-dcom-off",
    cause="D7",
    title="Remote DCOM is switched off on the server",
    check=check,
    explains=("activation-failed",),
    errors=(REMOTE_DISABLED,),
)
