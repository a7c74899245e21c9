"""Run the rules over a case: one finding per cause and pair, the cause before its consequences."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from rpcdiag import plugins
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.diagnose.once import forget
from rpcdiag.model.evidence import Confidence, Configured, Evidence, Logged, Seen, Severity

if TYPE_CHECKING:  # loaded only where the policy in force is given
    from rpcdiag.policy.verdict import Applied

MAX_EVIDENCE = 12  # of one finding; what is alike is counted, not listed
MAX_NUMBERS = 32  # packets or lines of one piece of evidence
_SEVERITIES = tuple(Severity)
_CONFIDENCES = tuple(Confidence)
_READ_AGAIN = (
    "Capture again from before the client binds, without loss: the answer that this rests on was read from what is left "
    "of it."
)


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, by file name."""
    return tuple(plugins.discover("rpcdiag.diagnose.rules", "RULE"))


def rule_of(id: str) -> Rule:
    """The rule called `id`."""
    return next(rule for rule in rules() if rule.id == id)


def judge(case: Case, applied: "Applied | None" = None) -> tuple[Finding, ...]:
    """What the rules find, the most severe and surest first; `applied` is the policy in force, where it is known."""
    known = rules()
    found: list[Finding] = []
    if applied is not None:  # what names a rule of the policy speaks for those of its kind that only warn of one
        found += [finding for rule in known if rule.under is not None for finding in rule.under(case, applied)]
    found += [finding for rule in known for finding in rule.check(case)]
    folded = _folded(case, [_as_sure_as_read(case, finding) for finding in found])
    kept = _without_consequences(folded, known)
    kept.sort(key=lambda finding: _rank(case, finding))
    forget()
    return tuple(
        finding._replace(id=f"n{place}", times=max(1, finding.times)) for place, finding in enumerate(kept, start=1)
    )


def _as_sure_as_read(case: Case, finding: Finding) -> Finding:
    """At most likely where it rests on an answer of which only remains were read, or whose bind nobody saw."""
    if all(case.referral(one).referral.sure for one in finding.referrals):
        return finding
    if not _sure(finding):
        return finding
    return finding._replace(
        confidence=finding.confidence.at_most_likely, next_observation=finding.next_observation or _READ_AGAIN
    )


def _folded(case: Case, findings: Sequence[Finding]) -> list[Finding]:
    """One for each rule, pair and direction: the first speaks, the others are counted and their evidence joined."""
    by_cause: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        by_cause.setdefault((finding.rule, finding.client, finding.server, finding.direction), []).append(finding)
    return [group[0] if len(group) == 1 else _one_for(case, group) for group in by_cause.values()]


def _one_for(case: Case, group: Sequence[Finding]) -> Finding:
    """As sure as the surest; answers of which only remains were read are named where it is no surer than they are."""
    evidence = group[0].evidence
    for finding in group[1:MAX_NUMBERS]:
        evidence = _joined(evidence, finding.evidence)
    confidence = min((one.confidence for one in group), key=_CONFIDENCES.index)
    unsure = confidence is confidence.at_most_likely
    referrals = dict.fromkeys(referral for one in group for referral in one.referrals)
    return group[0]._replace(
        severity=min((one.severity for one in group), key=_SEVERITIES.index),
        confidence=confidence,
        evidence=evidence,
        flows=tuple(dict.fromkeys(flow for one in group for flow in one.flows)),
        referrals=tuple(one for one in referrals if unsure or case.referral(one).referral.sure),
        errors=tuple(dict.fromkeys(error for one in group for error in one.errors)),
        times=sum(one.times for one in group),
    )


def _joined(first: tuple[Evidence, ...], more: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Evidence that says the same becomes one piece with the packets and lines of both; one wait speaks for all."""
    joined = list(first)
    for evidence in more:
        for place, known in enumerate(joined):
            if type(known) is type(evidence) and known.says == evidence.says and _where(known) == _where(evidence):
                joined[place] = _merged(known, evidence)
                break
        else:
            if len(joined) < MAX_EVIDENCE:
                joined.append(evidence)
    return tuple(joined)


def _where(evidence: Evidence) -> int | str | None:
    """The file that its numbers are of."""
    match evidence:
        case Seen():
            return evidence.capture
        case Logged():
            return evidence.log
        case Configured():
            return evidence.path
        case _:
            return None


def _merged(one: Evidence, other: Evidence) -> Evidence:
    match one, other:
        case Seen(), Seen():
            return one._replace(packets=_both(one.packets, other.packets))
        case Logged(), Logged():
            return one._replace(lines=_both(one.lines, other.lines))
        case Configured(), Configured():
            return one._replace(lines=_both(one.lines, other.lines))
        case _:
            return one


def _both(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(one + other))[:MAX_NUMBERS]


def _without_consequences(findings: Sequence[Finding], known: Sequence[Rule]) -> list[Finding]:
    """Findings without those that others say better: rules that explain theirs, on all of their flows.

    Where the better one is not sure itself, the other remains as the runner-up: a note, and no more than possible. Of
    rivals the surer one speaks.
    """
    by_id = {rule.id: rule for rule in known}
    spoken: dict[str, list[Finding]] = {}
    for finding in findings:
        spoken.setdefault(finding.rule, []).append(finding)
    beaten = [_surer_rival(finding, by_id[finding.rule].rivals, spoken) for finding in findings]
    covered: dict[str, set[str]] = {}  # rule -> flows on which a better one has spoken
    surely: dict[str, set[str]] = {}
    for finding, lost in zip(findings, beaten, strict=True):
        rule = by_id[finding.rule]
        for explained in rule.explains + (() if lost else rule.rivals):
            covered.setdefault(explained, set()).update(finding.flows)
            if _sure(finding):
                surely.setdefault(explained, set()).update(finding.flows)
    kept = []
    for finding, lost in zip(findings, beaten, strict=True):
        flows = set(finding.flows)
        if flows and flows <= surely.get(finding.rule, set()):
            continue
        if lost or (flows and flows <= covered.get(finding.rule, set())):
            kept.append(_runner_up(finding))
        elif any(_meet(finding, other) for rule in by_id[finding.rule].narrows for other in spoken.get(rule, ())):
            kept.append(finding._replace(severity=Severity.NOTE))
        else:
            kept.append(finding)
    return kept


def _surer_rival(finding: Finding, rivals: Sequence[str], spoken: dict[str, list[Finding]]) -> bool:
    """Whether a rule that it would explain is surer of what it says on the same flows, and it is not sure itself."""
    if _sure(finding):
        return False
    place = _CONFIDENCES.index(finding.confidence)
    return any(
        _CONFIDENCES.index(other.confidence) < place and _meet(finding, other)
        for rule in rivals
        for other in spoken.get(rule, ())
    )


def _sure(finding: Finding) -> bool:
    return finding.confidence is not finding.confidence.at_most_likely


def _meet(one: Finding, other: Finding) -> bool:
    """Whether both speak of one of their flows."""
    return not set(one.flows).isdisjoint(other.flows)


def _runner_up(finding: Finding) -> Finding:
    return finding._replace(
        severity=Severity.NOTE,
        confidence=max(finding.confidence, Confidence.POSSIBLE, key=_CONFIDENCES.index),
        next_observation=finding.next_observation or "See what would decide the other finding on the same connection.",
    )


def _rank(case: Case, finding: Finding) -> tuple[int, int, int, str]:
    first = min((case.flow(flow).flow.start_ns for flow in finding.flows), default=0)
    return _SEVERITIES.index(finding.severity), _CONFIDENCES.index(finding.confidence), first, finding.rule
