"""Every rule has a capture that shows it; where two causes look alike, the right one wins."""

from pathlib import Path

import pytest

from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Severity
from tests.causes.shown_cause import Shown, all_shown, diagnose

SHOWN = all_shown()


def _found(folder: Path, shown: Shown) -> tuple[Finding, ...]:
    diagnosis = diagnose(folder, shown)
    assert not diagnosis.troubles
    assert diagnosis.case.accounting.sums_hold
    return diagnosis.findings


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.name)
def test_the_cause_is_named_and_its_twin_is_not(tmp_path: Path, shown: Shown) -> None:
    findings = _found(tmp_path, shown)
    serious = [one for one in findings if one.severity is not Severity.NOTE]
    named = [(one.rule, one.confidence.value) for one in serious]
    if shown.rule is None:
        assert not named
    else:
        first = next((one for one in findings if one.rule == shown.rule), None)
        assert first is not None, named
        assert [one.rule for one in serious[:1]] in ([shown.beside or shown.rule], []), named
        if shown.confidence is not None:
            assert first.confidence.value == shown.confidence
        if first.confidence.value in ("likely", "possible"):
            assert first.next_observation, "says what would decide"
    said = {one.rule: one.confidence.value for one in findings}
    for rule in shown.never:
        assert rule not in [one.rule for one in serious]
        assert said.get(rule, "possible") == "possible"
    if shown.runner_up is not None:
        assert said.get(shown.runner_up, "possible") == "possible"


def test_names_are_used_once() -> None:
    names = [one.name for one in SHOWN]
    assert len(names) == len(set(names))
