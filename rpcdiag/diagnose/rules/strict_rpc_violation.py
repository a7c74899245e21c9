"""These connections do not begin at the endpoint mapper.

Looks like: an interface other than the mapper bound on port 135, or a dynamic port that DCOM handed out.
Because: that is how DCOM works. A firewall that enforces strict RPC compliance (ISA/TMG, and others under other names)
drops it; where none is in the path, nothing is wrong.
Not this: a port that the mapper may have granted before the capture began, which is indeterminate.
Needs: the connection from its start. A policy (`--policy`), or a log with the rule, tells whether it matters.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rpcdiag.case import Case, CaseFlow
from rpcdiag.diagnose import governed, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.strict import Verdict

if TYPE_CHECKING:  # loaded only where the policy in force is given
    from rpcdiag.policy.verdict import Applied

MAX_SHOWN = 6
_SURENESS = tuple(Confidence)


def check(case: Case) -> Iterator[Finding]:
    pairs: dict[tuple[Address, Address], list[CaseFlow]] = {}
    for conversation in case.conversations:
        for flow in conversation.flows:
            if flow.strict.verdict is Verdict.VIOLATION:
                pairs.setdefault((conversation.client, conversation.server), []).append(flow)
    for (client, server), flows in pairs.items():
        kinds = sorted({flow.strict.kind for flow in flows})
        confidence = min((flow.strict.confidence for flow in flows), key=_SURENESS.index)
        yield Finding(
            rule=RULE.id,
            summary=f"{len(flows)} connection{'s' if len(flows) > 1 else ''} of {client} to {server} "
            f"({', '.join(kinds)}) would be dropped where strict RPC compliance is enforced",
            severity=Severity.ERROR if any(_is_the_cause(case, flow) for flow in flows) else Severity.NOTE,
            confidence=confidence,
            client=client,
            server=server,
            flows=tuple(flow.id for flow in flows),
            referrals=tuple(
                dict.fromkeys(referral.id for flow in flows if (referral := case.referral_of(flow)) is not None)
            ),
            evidence=tuple(_evidence(case, flow) for flow in flows[:MAX_SHOWN]),
            subject=Subject(dcom=True),
            next_observation=None
            if confidence in _SURENESS[:2]
            else "Which lookup led there? Capture from before the program starts, with the question to port 135 in it.",
        )


def _is_the_cause(case: Case, flow: CaseFlow) -> bool:
    """Whether a log line says that the violation was what killed the flow: a denial, or a rule of the system policy."""
    if flow.rpc is None or not flow.rpc.binds or flow.rpc.binds[0].answer is not None:
        return False
    if observe.went_on(flow.rpc, flow.rpc.binds[0]):
        return False
    rows = case.rows_of(case.conversations[flow.conversation])
    return any(observe.sure(row) and (row.entry.drops or observe.is_system(row.entry.rule or "")) for row in rows)


def _evidence(case: Case, flow: CaseFlow) -> Evidence:
    bind = flow.rpc.binds[0].packet if flow.rpc and flow.rpc.binds else flow.flow.first_packet
    referral = case.referral_of(flow)
    packets: tuple[int, ...] = (bind,)
    if referral is not None and referral.asked_on.flow.capture == flow.flow.capture:
        packets = (referral.referral.response_packet, bind)
    return Seen(f"port {flow.flow.server.port}: {flow.strict.reason}", flow.flow.capture, packets)


def under(case: Case, applied: "Applied") -> Iterator[Finding]:
    """Where the policy in force ends a connection because it does not begin at the mapper, that is an error."""
    for ended in governed.strictly(case, applied):
        count = len(ended.conversations)
        verdict = ended.verdict
        yield Finding(
            rule=RULE.id,
            summary=f"the policy '{applied.policy.name}' ends {count} connection{'s' if count > 1 else ''} of "
            f"{ended.client} to {ended.server}: {verdict.says}",
            severity=Severity.ERROR,
            confidence=ended.confidence,
            client=ended.client,
            server=ended.server,
            flows=ended.flows,
            evidence=tuple(governed.evidence(ended)),
            next_observation=governed.next_observation(ended),
            times=0,
            subject=Subject(dcom=True, log_rule=verdict.rule),
        )


RULE = Rule(
    id="strict-rpc-violation", cause="E6", title="DCOM that skips the endpoint mapper", check=check, under=under
)
