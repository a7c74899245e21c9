"""The client calls an object at a lower level of security than its server asks for.

Looks like: the activation's answer carries a hint of the level that the exporter wants; on the exporter's port the
client binds below it, and the bind or the call is refused.
Because: the client's program sets its own level, or its library ignores the hint.
Not this: a refusal at that level or above (access-denied); an activation below packet integrity (dcom-hardening).
Needs: the activation's answer in clear, and the refused call.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseFlow, CaseReferral
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.auth import level_name
from rpcdiag.model.evidence import Confidence, Seen, Severity

ACCESS_DENIED = 0x80070005
NONE = 1  # RPC_C_AUTHN_LEVEL_NONE. [MS-RPCE] 2.2.1.1.8
_HIGHEST = 6
_REFUSALS = {5: "access denied", ACCESS_DENIED: "access denied", 0x71D: "unsupported authentication level",
             0x1C00001D: "the level is refused"}  # fmt: skip


def check(case: Case) -> Iterator[Finding]:
    for referral in case.referrals:
        hint = referral.referral.authn_hint
        if hint is None or not NONE < hint <= _HIGHEST:
            continue
        for flow in (case.flow(id) for id in referral.flows):
            refused = _refused(flow, hint)
            if refused is not None:
                yield _finding(referral, flow, hint, *refused)


def _refused(flow: CaseFlow, hint: int) -> tuple[int, Seen] | None:
    """The level of a bind or call below the hint that was refused, and what shows it."""
    for bind in flow.rpc.binds if flow.rpc else ():
        if bind.answer == "nak" and not bind.auth_cut and (bind.auth_level or NONE) < hint and bind.answer_packet:
            seen = Seen("the bind is refused (bind_nak)", flow.flow.capture, (bind.packet, bind.answer_packet))
            return bind.auth_level or NONE, seen
    for fault in flow.rpc.faults if flow.rpc else ():
        if fault.status in _REFUSALS and not fault.auth_cut and (fault.auth_level or NONE) < hint:
            packets = tuple(packet for packet in (fault.request_packet, fault.packet) if packet)
            says = f"the call is answered by fault {fault.status:#010x}, {_REFUSALS[fault.status]}"
            return fault.auth_level or NONE, Seen(says, flow.flow.capture, packets)
    return None


def _finding(referral: CaseReferral, flow: CaseFlow, hint: int, level: int, refused: Seen) -> Finding:
    told, asked = referral.referral, referral.asked_on.flow
    return Finding(
        rule=RULE.id,
        summary=f"{flow.flow.client.address} calls the object on {flow.flow.server.address} at level {level_name(level)}; "
        f"its server asks for {level_name(hint)}, and refuses",
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        client=flow.flow.client.address,
        server=flow.flow.server.address,
        flows=(flow.id, *flow.same_as),
        referrals=(referral.id,),
        evidence=(
            Seen(
                f"the answer hints at level {level_name(hint)}",
                asked.capture,
                (told.request_packet, told.response_packet),
            ),
            refused,
        ),
        errors=(ACCESS_DENIED,),
        subject=Subject(port=flow.flow.server.port, clsid=told.clsid, dcom=True, dynamic=True, status=ACCESS_DENIED),
        next_observation=f"Does it work with level {level_name(hint)} set in the client (CoInitializeSecurity, "
        "CoSetProxyBlanket, or the library's option)? If it is still refused, it is a right that is missing (access-denied).",
    )


RULE = Rule(
    id="level-below-hint",
    cause="D6",
    title="The client calls below the level that the server asks for",
    check=check,
    rivals=("access-denied",),
    errors=(ACCESS_DENIED,),
)
