"""The words "The RPC server is unavailable" came inside an answer: this hop works, one behind it does not.

Looks like: an activation or a method call is answered, and the answer carries 0x800706BA.
Because: the server in turn could not reach something: the process of the object, a third machine, a callback.
Not this: no answer at all (dynamic-port-blocked, mapper-blocked).
Needs: the answer, in clear.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.track.facts import CarriedError, FaultFact, ReferralKind

_SAID = frozenset({observe.UNAVAILABLE, 0x6BA})  # a fault carries the code of Windows as it is


def check(case: Case) -> Iterator[Finding]:
    for referral in case.referrals:
        told = referral.referral
        if told.kind is ReferralKind.ACTIVATION and told.status == observe.UNAVAILABLE:
            asked = referral.asked_on
            yield Finding(
                rule=RULE.id,
                summary=f"{asked.flow.server.address} answers the activation with 0x800706BA: "
                "the network to it works, what it calls itself does not answer",
                severity=Severity.ERROR,
                confidence=Confidence.ESTABLISHED,
                client=asked.flow.client.address,
                server=asked.flow.server.address,
                flows=(asked.id, *asked.same_as),
                referrals=(referral.id,),
                evidence=(
                    Seen(
                        "the answer to the activation carries 0x800706ba", asked.flow.capture,
                        (told.request_packet, told.response_packet),
                    ),
                ),
                errors=(observe.UNAVAILABLE,),
                subject=Subject(clsid=told.clsid, dcom=True, status=told.status),
                next_observation=_next(str(asked.flow.server.address)),
            )  # fmt: skip
    for conversation in case.unsettled:
        near = conversation.near
        answers: list[tuple[int, FaultFact | CarriedError]] = []
        if near.rpc is not None:
            answers += [(one.result, one) for one in near.rpc.carried]
            answers += [(one.status, one) for one in near.rpc.faults]
        for code, carried in answers:
            if code not in _SAID:
                continue
            packets = tuple(packet for packet in (carried.request_packet, carried.packet) if packet)
            yield Finding(
                rule=RULE.id,
                summary=f"{conversation.server} answers a call with 0x800706BA: the network to it works, "
                "what it calls itself does not answer",
                severity=Severity.ERROR,
                confidence=Confidence.ESTABLISHED,
                client=conversation.client,
                server=conversation.server,
                flows=conversation.ids,
                evidence=(Seen(f"the answer carries {code:#010x}", near.flow.capture, packets),),
                errors=(observe.UNAVAILABLE,),
                subject=Subject(interface=carried.interface, dcom=True, status=code),
                next_observation=_next(str(conversation.server)),
            )


def _next(server: str) -> str:
    return (
        f"Which hop behind it? Capture on {server}, all interfaces, while the error is repeated: "
        "its own attempts to connect show where it fails."
    )


RULE = Rule(
    id="unavailable-in-reply",
    cause="D2",
    title="The error came inside an answer",
    check=check,
    errors=(observe.UNAVAILABLE,),
)
