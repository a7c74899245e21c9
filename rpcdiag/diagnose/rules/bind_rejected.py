"""The server does not speak the interface at this port.

Looks like: bind_ack rejects every context of the interface (provider_rejection, abstract syntax not supported), or
bind_nak comes instead; or the bind is taken, and every call is answered by fault 0x1c010003 (unknown interface).
Because: another process has the port now, the port was wrong to begin with, or the server is of another version.
Not this: a rejected NDR32 beside an accepted NDR64, which is how modern Windows answers every bind.
Needs: the bind and its answer.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import interface_name
from rpcdiag.dissect.status import status_name
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.track.facts import Bind, Connection, Fate, ReferralKind

UNKNOWN_INTERFACE = 0x800706B5
NO_SUCH_INTERFACE = 0x1C010003  # nca_s_unk_if
_OTHER_NAKS = frozenset({1, 2, 8, 9})  # server-busy, provider-unknown, bad-credentials


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.unsettled:
        near = conversation.near
        if near.rpc is None:
            continue
        for bind in near.rpc.binds:
            for interface in _rejected(bind):
                if any(use.interface == interface and use.accepted for use in near.rpc.interfaces):
                    continue
                packets = tuple(packet for packet in (bind.packet, bind.answer_packet) if packet)
                others = bind.alter or any(use.accepted for use in near.rpc.interfaces)
                yield _finding(
                    case, conversation, interface, others,
                    Seen(f"bind of {_name(interface)} is answered: {_answer(bind)}", near.flow.capture, packets),
                    *observe.said_more(bind.extended, conversation.server, near.flow.capture, bind.answer_packet),
                )  # fmt: skip
        if not observe.is_mapper(conversation):
            yield from _withdrawn(case, conversation, near.rpc)


def _withdrawn(case: Case, conversation: Conversation, rpc: Connection) -> Iterator[Finding]:
    """Interfaces that were agreed, and whose calls are all refused as unknown: the server has given them up."""
    fault = next((one for one in rpc.faults if one.status == NO_SUCH_INTERFACE and one.interface is not None), None)
    if fault is None or fault.interface is None or rpc.fates[Fate.RESPONSE]:
        return
    packets = tuple(packet for packet in (fault.request_packet, fault.packet) if packet)
    says = f"a call of {_name(fault.interface)} is answered by fault {fault.status:#010x} (unknown interface)"
    yield _finding(
        case, conversation, fault.interface, False, Seen(says, conversation.near.flow.capture, packets),
        *observe.said_more(fault.extended, conversation.server, conversation.near.flow.capture, fault.packet),
    )  # fmt: skip


def _name(interface: Syntax) -> str:
    return interface_name(interface.uuid, interface.version) or interface.uuid


def _rejected(bind: Bind) -> list[Syntax]:
    """Interfaces of which no context was accepted."""
    if bind.answer == "nak" and bind.nak_reason is not None and bind.nak_reason not in _OTHER_NAKS:
        return list(dict.fromkeys(context.interface for context in bind.contexts))[:1]
    return list(bind.refused) if bind.answer == "ack" else []


def _finding(
    case: Case, conversation: Conversation, interface: Syntax, others: bool, *refusal: Evidence
) -> Finding:  # fmt: skip
    """`others`: the connection serves other interfaces."""
    near = conversation.near
    name = _name(interface)
    referral = case.referral_of(near)
    evidence: list[Evidence] = []
    if referral is not None:
        object_only = referral.referral.kind is ReferralKind.OBJECT_REFERENCE
        evidence.append(
            Seen(
                "an object was handed over" if object_only else f"the port was handed out ({referral.referral.kind})",
                referral.asked_on.flow.capture, (referral.referral.response_packet,),
            )
        )  # fmt: skip
    evidence += refusal
    return Finding(
        rule=RULE.id,
        summary=f"port {near.flow.server.port} of {conversation.server} does not serve {name}",
        severity=Severity.WARNING if others else Severity.ERROR,
        confidence=Confidence.ESTABLISHED,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        referrals=(referral.id,) if referral else (),
        evidence=tuple(evidence),
        errors=(UNKNOWN_INTERFACE,),
        subject=Subject(port=near.flow.server.port, interface=interface, dynamic=True),
        next_observation=f"'portqry -n {conversation.server} -e 135' lists what serves {name} and where; 'netstat -anob' on "
        f"{conversation.server} names the process behind port {near.flow.server.port}.",
    )


def _answer(bind: Bind) -> str:
    if bind.answer == "nak":
        name = status_name(bind.nak_reason or 0, "bind_nak_reason")
        return f"bind_nak, {name or f'reason {bind.nak_reason}'}"
    reasons = {result.reason for result in bind.results if result.result in (1, 2)}
    names = [status_name(reason, "bind_ack_reason") or f"reason {reason}" for reason in sorted(reasons)]
    return "rejected, " + ", ".join(names)


RULE = Rule(
    id="bind-rejected",
    cause="F7",
    title="The interface is not served at this port",
    check=check,
    errors=(UNKNOWN_INTERFACE,),
)
