"""All remedies for a finding."""

from functools import cache

from rpcdiag import plugins
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.remedies.remedy import Advice, Remedy


@cache
def advisers() -> tuple[Advice, ...]:
    """All of them, by file name."""
    return tuple(plugins.discover("rpcdiag.remedies.advice", "ADVICE"))


def advise(case: Case, finding: Finding) -> tuple[Remedy, ...]:
    """What to change, the narrowest first."""
    return tuple(
        remedy for adviser in advisers() if finding.rule in adviser.rules for remedy in adviser.make(case, finding)
    )
