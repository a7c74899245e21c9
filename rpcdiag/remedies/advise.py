"""All remedies for a finding."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING

from rpcdiag import plugins
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Severity
from rpcdiag.policy.verdict import Applied
from rpcdiag.remedies.remedy import Advice, Remedy
from rpcdiag.remedies.situation import Background, Situation, background

if TYPE_CHECKING:  # loaded only where a finding has something to try
    from rpcdiag.remedies.replay import Flows

MAX_KEPT = 256  # findings whose remedies are remembered
MAX_REPLAYED = 32  # findings whose remedies are simulated; what is beyond is as good, but not tried


@cache
def advisers() -> tuple[Advice, ...]:
    """All of them, by file name."""
    return tuple(plugins.discover("rpcdiag.remedies.advice", "ADVICE"))


class Remedies(Mapping[str, tuple[Remedy, ...]]):
    """What to change, by the findings' ids, the narrowest first; made when somebody asks, who seldom asks for all."""

    def __init__(self, case: Case, findings: Sequence[Finding], applied: Applied | None = None) -> None:
        self._case, self._applied = case, applied
        self._findings = {finding.id: finding for finding in findings}
        self._made: dict[str, tuple[Remedy, ...]] = {}
        self._untried: dict[str, tuple[Remedy, ...]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._findings)

    def __len__(self) -> int:
        return len(self._findings)

    def __contains__(self, id: object) -> bool:
        return id in self._findings

    def __getitem__(self, id: str) -> tuple[Remedy, ...]:
        known = self._made.get(id)
        if known is not None:
            return known
        finding = self._findings[id]
        tried = id in self._tried  # looked at first: that makes some of them
        made = self._untried.pop(id, None) or self._make(finding)
        if tried:
            made = self._try(finding, made)
        if len(self._made) < MAX_KEPT:
            self._made[id] = made
        return made

    def _make(self, finding: Finding) -> tuple[Remedy, ...]:
        situation, rule = self._situation(finding), finding.rule
        found = [remedy for adviser in advisers() if rule in adviser.rules for remedy in adviser.make(situation)]
        return tuple(sorted(found, key=lambda remedy: remedy.width))

    def _try(self, finding: Finding, made: Sequence[Remedy]) -> tuple[Remedy, ...]:
        """Those that cure first."""
        from rpcdiag.remedies import replay  # loads the simulator

        return tuple(sorted(replay.replayed(self._situation(finding), made, self._flows), key=replay.failed))

    def _situation(self, finding: Finding) -> Situation:
        return Situation(self._case, finding, self._background, self._applied)

    @cached_property
    def _background(self) -> Background:
        return background(self._case)

    @cached_property
    def _flows(self) -> "Flows":
        from rpcdiag.remedies import replay

        return replay.flows_of(self._case, [self._findings[id] for id in self._tried])

    @cached_property
    def _tried(self) -> frozenset[str]:
        """The first findings that have something to try."""
        found: list[str] = []
        for finding in self._findings.values():
            if len(found) == MAX_REPLAYED:
                break
            if not _matters(finding, self._applied):
                continue
            made = self._untried[finding.id] = self._make(finding)
            if any(remedy.change for remedy in made):
                found.append(finding.id)
        return frozenset(found)


def _matters(finding: Finding, applied: Applied | None) -> bool:
    """A note changes nothing that fails: its remedies are tried only where the policy is known."""
    return applied is not None or finding.severity is not Severity.NOTE
