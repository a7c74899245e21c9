"""All remedies for a finding."""

from collections.abc import Sequence
from functools import cache

from rpcdiag import plugins
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Severity
from rpcdiag.policy.verdict import Applied
from rpcdiag.remedies.remedy import Advice, Remedy
from rpcdiag.remedies.situation import Situation, background

MAX_REPLAYED = 32  # findings whose remedies are simulated; what is beyond is as good, but not tried


@cache
def advisers() -> tuple[Advice, ...]:
    """All of them, by file name."""
    return tuple(plugins.discover("rpcdiag.remedies.advice", "ADVICE"))


def advise(case: Case, findings: Sequence[Finding], applied: Applied | None = None) -> dict[str, tuple[Remedy, ...]]:
    """What to change, the narrowest first, by the findings' ids; tried on the case's own flows where that can be."""
    if not findings:
        return {}
    known = background(case)
    found = {finding.id: _for(Situation(case, finding, known, applied)) for finding in findings}
    tried = [one for one in findings if any(remedy.change for remedy in found[one.id]) and _matters(one, applied)]
    tried = tried[:MAX_REPLAYED]
    if tried:
        from rpcdiag.remedies import replay  # loads the simulator

        flows = replay.flows_of(case, tried)
        for finding in tried:
            remedies = replay.replayed(Situation(case, finding, known, applied), found[finding.id], flows)
            found[finding.id] = tuple(sorted(remedies, key=replay.failed))
    return found


def _matters(finding: Finding, applied: Applied | None) -> bool:
    """A note changes nothing that fails: its remedies are tried only where the policy is known."""
    return applied is not None or finding.severity is not Severity.NOTE


def _for(situation: Situation) -> tuple[Remedy, ...]:
    rule = situation.finding.rule
    found = [remedy for adviser in advisers() if rule in adviser.rules for remedy in adviser.make(situation)]
    return tuple(sorted(found, key=lambda remedy: remedy.width))
