"""What the program says of the captures that show a cause."""

from contextlib import chdir
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.diagnose.finding import Finding
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import text
from tests.causes.shown_cause import Shown, all_shown, diagnose


class Found(NamedTuple):
    """A capture that shows a rule, that rule's finding in it, and the paragraph of the report that tells it."""

    shown: Shown
    finding: Finding
    remedies: tuple[Remedy, ...]
    told: tuple[str, ...]
    log: str | None  # its format, where there is one


@cache
def _diagnosed() -> list[tuple[Shown, Diagnosis]]:
    """Every capture with what is found in it, twins included."""
    everything = []
    for shown in all_shown():
        with TemporaryDirectory() as folder, chdir(folder):  # so that no path of this machine is printed
            everything.append((shown, diagnose(Path(), shown)))
    return everything


@cache
def found() -> dict[str, list[Found]]:
    """By the rule that is shown."""
    by_rule: dict[str, list[Found]] = {}
    for shown, diagnosis in _diagnosed():
        if shown.rule is not None:
            finding = next(one for one in diagnosis.findings if one.rule == shown.rule)
            told = _paragraph(diagnosis, finding)
            log = diagnosis.case.logs[0].file.format if diagnosis.case.logs else None
            by_rule.setdefault(shown.rule, []).append(Found(shown, finding, diagnosis.remedies[finding.id], told, log))
    return by_rule


@cache
def findings() -> dict[str, list[Finding]]:
    """By rule, what is found in any of the captures, also as a note beside another."""
    by_rule: dict[str, list[Finding]] = {}
    for _, diagnosis in _diagnosed():
        for finding in diagnosis.findings:
            by_rule.setdefault(finding.rule, []).append(finding)
    return by_rule


def _paragraph(diagnosis: Diagnosis, finding: Finding) -> tuple[str, ...]:
    """The lines of the text report that are about this finding."""
    paragraph: list[str] = []
    for line in (*text.render(diagnosis, Options()), ""):
        if line:
            paragraph.append(line)
            continue
        if f"[{finding.rule}," in " ".join(part.strip() for part in paragraph):
            first = next(place for place, one in enumerate(paragraph) if one.startswith(("CAUSE", "NOTE")))
            return tuple(paragraph[first:])
        paragraph = []
    raise LookupError(finding.rule)
