"""These connections do not begin at the endpoint mapper.

Looks like: an interface other than the mapper bound on port 135, or a dynamic port that DCOM handed out.
Because: that is how DCOM works. A firewall that enforces strict RPC compliance (ISA/TMG, and others under other names)
drops it; where none is in the path, nothing is wrong.
Not this: a port that the mapper may have granted before the capture began, which is indeterminate.
Needs: the connection from its start. A policy (`--policy`), or a log with the rule, tells whether it matters.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rpcdiag.case import Case, CaseFlow, LogRow
from rpcdiag.diagnose import governed, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.logs.isa_names import is_local_host, is_system
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.strict import Verdict

if TYPE_CHECKING:  # loaded only where the policy in force is given
    from rpcdiag.policy.verdict import Applied

MAX_SHOWN = 6
MAX_PACKETS = 12
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
        cause = next((row for flow in flows if (row := _cause(case, flow)) is not None), None)
        several = f"{len(flows)} connection{'s' if len(flows) > 1 else ''} of {client} to {server} ({', '.join(kinds)})"
        yield Finding(
            rule=RULE.id,
            summary=f"{several} {_fate(cause, len(flows)) if cause else 'would be dropped where strict RPC compliance is enforced'}",
            severity=Severity.ERROR if cause else Severity.NOTE,
            confidence=confidence,
            client=client,
            server=server,
            flows=tuple(flow.id for flow in flows),
            referrals=tuple(
                dict.fromkeys(referral.id for flow in flows if (referral := case.referral_of(flow)) is not None)
            ),
            evidence=tuple(_evidence(case, flows)[:MAX_SHOWN]),
            subject=_subject(case, cause) if cause else Subject(dcom=True),
            next_observation=None
            if confidence in _SURENESS[:2]
            else "Which lookup led there? Capture from before the program starts, with the question to port 135 in it.",
        )


def _fate(row: LogRow, count: int) -> str:
    it = "them" if count > 1 else "it"
    rule = f"the rule '{row.entry.rule}'" if row.entry.rule else "the firewall, as its log shows,"
    if row.entry.rule and is_system(row.entry.rule):
        return f"did not begin at the endpoint mapper, and {rule}, which enforces strict RPC compliance, ended {it}"
    return f"did not begin at the endpoint mapper, and {rule} refused {it}"


def _subject(case: Case, row: LogRow) -> Subject:
    zones = (row.entry.source_zone or "", row.entry.destination_zone or "") if row.entry.source_zone else None
    return Subject(
        dcom=True, log_rule=row.entry.rule, log_format=case.logs[row.log].file.format, device_zones=zones,
        local_host=bool(zones and is_local_host(zones[0])),
    )  # fmt: skip


def _cause(case: Case, flow: CaseFlow) -> LogRow | None:
    """The log line that says that the violation was what killed the flow: a denial, or a rule of the system policy."""
    if flow.rpc is None or not flow.rpc.binds or flow.rpc.binds[0].answer is not None:
        return None
    if observe.went_on(flow.rpc, flow.rpc.binds[0]):
        return None
    rows = case.rows_of(case.conversations[flow.conversation])
    return next(
        (row for row in rows if observe.sure(row) and (row.entry.drops or is_system(row.entry.rule or ""))),
        None,
    )


def _evidence(case: Case, flows: Sequence[CaseFlow]) -> list[Evidence]:
    """What makes each a violation; what is the same of several is said once."""
    said: dict[tuple[str, int], tuple[int, ...]] = {}
    for flow in flows:
        bind = flow.rpc.binds[0].packet if flow.rpc and flow.rpc.binds else flow.flow.first_packet
        referral = case.referral_of(flow)
        packets: tuple[int, ...] = (bind,)
        if referral is not None and referral.asked_on.flow.capture == flow.flow.capture:
            packets = (referral.referral.response_packet, bind)
        key = (f"port {flow.flow.server.port}: {flow.strict.reason.removeprefix(f'packet {bind} ')}", flow.flow.capture)
        said[key] = tuple(dict.fromkeys((*said.get(key, ()), *packets)))[:MAX_PACKETS]
    return [Seen(says, capture, packets) for (says, capture), packets in said.items()]


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
