"""Run the rules over a case: one finding per cause and pair, the cause before its consequences."""

from collections.abc import Sequence
from functools import cache

from rpcdiag import plugins
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.model.evidence import Confidence, Evidence, Logged, Seen, Severity

MAX_EVIDENCE = 12  # of one finding; what is alike is counted, not listed
MAX_NUMBERS = 32  # packets or lines of one piece of evidence
_SEVERITIES = tuple(Severity)
_CONFIDENCES = tuple(Confidence)


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, by file name."""
    return tuple(plugins.discover("rpcdiag.diagnose.rules", "RULE"))


def rule_of(id: str) -> Rule:
    """The rule called `id`."""
    return next(rule for rule in rules() if rule.id == id)


def judge(case: Case) -> tuple[Finding, ...]:
    """What the rules find, the most severe and surest first."""
    known = rules()
    folded = _folded([finding for rule in known for finding in rule.check(case)])
    kept = [finding for finding in folded if not _explained(finding, folded, known)]
    kept.sort(key=lambda finding: _rank(case, finding))
    return tuple(finding._replace(id=f"n{place}") for place, finding in enumerate(kept, start=1))


def _folded(findings: Sequence[Finding]) -> list[Finding]:
    """One for each rule, pair and direction: the first speaks, the others are counted and their evidence joined."""
    by_cause: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        key = (finding.rule, finding.client, finding.server, finding.direction)
        first = by_cause.get(key)
        if first is None:
            by_cause[key] = finding
            continue
        by_cause[key] = first._replace(
            severity=min(first.severity, finding.severity, key=_SEVERITIES.index),
            confidence=min(first.confidence, finding.confidence, key=_CONFIDENCES.index),
            evidence=_joined(first.evidence, finding.evidence),
            flows=tuple(dict.fromkeys(first.flows + finding.flows)),
            referrals=tuple(dict.fromkeys(first.referrals + finding.referrals)),
            errors=tuple(dict.fromkeys(first.errors + finding.errors)),
            times=first.times + 1,
        )
    return list(by_cause.values())


def _joined(first: tuple[Evidence, ...], more: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Evidence that says the same becomes one piece with the packets and lines of both; one wait speaks for all."""
    joined = list(first)
    for evidence in more:
        for place, known in enumerate(joined):
            if type(known) is type(evidence) and known.says == evidence.says:
                joined[place] = _merged(known, evidence)
                break
        else:
            if len(joined) < MAX_EVIDENCE:
                joined.append(evidence)
    return tuple(joined)


def _merged(one: Evidence, other: Evidence) -> Evidence:
    match one, other:
        case Seen(), Seen() if one.capture == other.capture:
            return one._replace(packets=_both(one.packets, other.packets))
        case Logged(), Logged() if one.log == other.log:
            return one._replace(lines=_both(one.lines, other.lines))
        case _:
            return one


def _both(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(one + other))[:MAX_NUMBERS]


def _explained(finding: Finding, findings: Sequence[Finding], known: Sequence[Rule]) -> bool:
    """Whether another finding says it better: a rule that explains this one's, on all of its flows."""
    better = {rule.id for rule in known if finding.rule in rule.explains}
    if not better or not finding.flows:
        return False
    covered = {flow for other in findings if other.rule in better for flow in other.flows}
    return set(finding.flows) <= covered


def _rank(case: Case, finding: Finding) -> tuple[int, int, int, str]:
    first = min((case.flow(flow).flow.start_ns for flow in finding.flows), default=0)
    return _SEVERITIES.index(finding.severity), _CONFIDENCES.index(finding.confidence), first, finding.rule
