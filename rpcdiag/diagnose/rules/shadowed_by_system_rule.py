"""A hidden system policy rule governs the traffic; the administrator's own rule never gets a say.

Looks like: the log names a rule of the system policy for RPC from the firewall itself, connections open and close
without a denial, and DCOM on them dies.
Because: ISA and TMG evaluate system policy before the administrator's rules and the first match decides; the rule for
RPC to trusted servers enforces strict RPC compliance.
Not this: RPC in the other direction, which is governed by other rules and may be clean.
Needs: the log of ISA or TMG (`--log`), or its policy (`--policy`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rpcdiag.case import Case, Conversation, LogRow
from rpcdiag.diagnose import governed, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.logs.isa_names import is_local_host, is_system
from rpcdiag.model.evidence import Confidence, Evidence, Logged, Missing, Seen, Severity

if TYPE_CHECKING:  # loaded only where the policy in force is given
    from rpcdiag.policy.verdict import Applied


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.unsettled:
        if not observe.is_mapper(conversation):
            continue
        governed = [row for row in case.rows_of(conversation) if row.entry.rule and is_system(row.entry.rule)]
        rpc = conversation.near.rpc
        if not governed or rpc is None or not rpc.binds or rpc.binds[0].answer is not None:
            continue
        if observe.went_on(rpc, rpc.binds[0]):
            continue
        if conversation.near.strict.verdict != "violation":
            continue
        yield _finding(case, conversation, governed)


def _finding(case: Case, conversation: Conversation, governed: list[LogRow]) -> Finding:
    rule = governed[0].entry.rule or ""
    flow = conversation.near.flow
    others = _own_rules(case, conversation)
    zones = next(
        ((row.entry.source_zone, row.entry.destination_zone) for row in governed if row.entry.source_zone), None
    )
    rpc = conversation.near.rpc
    bind = rpc.binds[0].packet if rpc and rpc.binds else flow.first_packet
    evidence: list[Evidence] = [
        Logged(f"governed by {rule}", governed[0].log, tuple(sorted({row.entry.line for row in governed}))[:8]),
        Seen("the bind names a DCOM interface, not the mapper", flow.capture, (bind,)),
        Missing("no bind_ack", flow.capture, bind, max(0, flow.end_ns - flow.start_ns)),
        *others,
    ]
    return Finding(
        rule=RULE.id,
        summary=f"RPC from {conversation.client} to {conversation.server} is governed by the system policy rule "
        f"'{rule}', which is evaluated before the administrator's rules: an allow-all rule further down never counts",
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=tuple(evidence),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(
            port=135,
            dcom=True,
            log_rule=rule,
            log_format=case.logs[governed[0].log].file.format,
            device_zones=(zones[0] or "", zones[1] or "") if zones else None,
            local_host=bool(zones and is_local_host(zones[0])),
        ),
    )


def _own_rules(case: Case, conversation: Conversation) -> list[Evidence]:
    """Rules that govern the opposite direction: what makes people look at the wrong ones."""
    found: dict[tuple[int, str], list[int]] = {}
    for other in case.between(conversation.server, conversation.client):
        for row in case.rows_of(other):
            if row.entry.rule and not is_system(row.entry.rule):
                found.setdefault((row.log, row.entry.rule), []).append(row.entry.line)
    return [
        Logged(
            f"the other direction is governed by another rule, {rule}, and is clean", log, tuple(sorted(set(lines)))[:8]
        )
        for (log, rule), lines in sorted(found.items())
    ]


def under(case: Case, applied: "Applied") -> Iterator[Finding]:
    """A system rule of the policy in force ends what a rule further down would let through."""
    for ended in governed.shadowed_by_system(case, applied):
        verdict = ended.verdict
        rule = f"rule {verdict.place} '{verdict.rule}'" if verdict.place is not None else f"rule '{verdict.rule}'"
        change = f"; what changes it: {verdict.flips.says}" if verdict.flips is not None else ""
        where = f" (flag: {verdict.setting})" if verdict.setting else ""
        yield Finding(
            rule=RULE.id,
            summary=f"RPC from {ended.client} to {ended.server} is governed by {rule} of the system policy{where}, which "
            f"is evaluated before the administrator's rules: '{verdict.shadows}', which would let it through, never "
            f"counts{change}",
            severity=Severity.ERROR,
            confidence=ended.confidence,
            client=ended.client,
            server=ended.server,
            flows=ended.flows,
            evidence=tuple(governed.evidence(ended)),
            errors=(observe.UNAVAILABLE,),
            next_observation=governed.next_observation(ended),
            times=0,
            subject=Subject(
                port=135, dcom=True, log_rule=verdict.rule, local_host=ended.client in applied.policy.local_host
            ),
        )


RULE = Rule(
    id="shadowed-by-system-rule",
    cause="E6",
    title="A system policy rule decides before the administrator's rules",
    check=check,
    under=under,
    errors=(observe.UNAVAILABLE,),
)
