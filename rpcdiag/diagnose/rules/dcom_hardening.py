"""The activation is not signed, and the server demands that it is.

Looks like: an activation bound below packet integrity by a caller who logs on is refused at once: fault 5 or
HRESULT 0x80070005. The logon itself succeeds.
Because: servers have required packet integrity for activation since March 2023 (CVE-2021-26414, KB5004442).
Not this: a refusal at packet integrity or privacy (access-denied).
Needs: the refused activation and the level of its bind. Event 10036 of the server, as a log, proves it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.auth import level_name
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import IACTIVATION, IREMOTE_SCM_ACTIVATOR
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address

ACCESS_DENIED = 0x80070005
INTEGRITY = 5
_ACTIVATORS = frozenset({IREMOTE_SCM_ACTIVATOR, IACTIVATION})


def check(case: Case) -> Iterator[Finding]:
    raised: dict[tuple[Address, Address, Syntax], bool] = {}
    for conversation in case.conversations:
        near = conversation.near
        if near.rpc is None:
            continue
        weak = next(
            (
                use
                for use in near.rpc.interfaces
                if use.interface.uuid in _ACTIVATORS and use.auth_level is not None and 1 < use.auth_level < INTEGRITY
            ),
            None,
        )
        if weak is None or weak.auth_level is None:
            continue
        refusals = [
            fault.packet for fault in near.rpc.faults if fault.status == 5 and fault.interface == weak.interface
        ]
        refusals += [
            referral.referral.response_packet
            for referral in case.told.get((conversation.client, conversation.server), ())
            if referral.asked_on.id in conversation.ids and referral.referral.status == ACCESS_DENIED
        ]
        if refusals:
            told = observe.stated(case, frozenset({10036}), conversation.client, conversation)
            level = level_name(weak.auth_level)
            pair = conversation.client, conversation.server
            if (*pair, weak.interface) not in raised:
                raised[(*pair, weak.interface)] = _raised(case, conversation, weak.interface)
            higher = raised[(*pair, weak.interface)]
            yield Finding(
                rule=RULE.id,
                summary=f"{conversation.client} activates at level {level}; {conversation.server} wants packet integrity"
                + (", with which it then works" if higher else ""),
                severity=Severity.NOTE if higher else Severity.ERROR,
                confidence=Confidence.PROVEN if told else Confidence.ESTABLISHED if higher else Confidence.LIKELY,
                client=conversation.client,
                server=conversation.server,
                flows=conversation.ids,
                evidence=(
                    Seen(f"the activator is bound at level {level}", near.flow.capture, (near.rpc.binds[0].packet,)),
                    Seen("the activation is refused at once", near.flow.capture, tuple(refusals[:8])),
                    *told,
                ),
                errors=(ACCESS_DENIED,),
                subject=Subject(
                    dcom=True, interface=weak.interface, status=ACCESS_DENIED, level=weak.auth_level,
                    needed_level=INTEGRITY,
                ),
                next_observation=None
                if told
                else f"DistributedCOM event 10036 in the System log of {conversation.server} names this client "
                "and its level (10037 and 10038 on the client name the program); without it, the refusal is a matter of rights.",
            )  # fmt: skip


def _raised(case: Case, conversation: Conversation, interface: Syntax) -> bool:
    """Whether an activation of the same two, at packet integrity or above, is answered and not refused."""
    strong_flows: set[str] = set()
    for other in case.between(conversation.client, conversation.server):
        rpc = other.near.rpc
        for use in rpc.interfaces if rpc else ():
            strong = use.interface == interface and use.auth_level is not None and use.auth_level >= INTEGRITY
            if strong and use.calls and rpc and not any(fault.interface == interface for fault in rpc.faults):
                strong_flows.update(other.ids)
    told = case.told.get((conversation.client, conversation.server), ())
    return any(one.asked_on.id in strong_flows and not one.referral.status for one in told)


RULE = Rule(
    id="dcom-hardening",
    cause="P2",
    title="The activation is weaker than the server demands",
    check=check,
    explains=("access-denied",),
    errors=(ACCESS_DENIED,),
)
