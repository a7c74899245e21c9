"""docs/expert-information.md has every capture with a cause: `python tools/make_expert_information.py` prints it anew."""

from pathlib import Path

from rpcdiag.diagnose.judge import rules
from tests.causes.shown_cause import all_shown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "expert-information.md"


def test_the_page_has_every_capture_and_no_others() -> None:
    rows = [
        line.split(" | ")
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and "](rules/" in line
    ]
    assert [(row[0].removeprefix("| "), row[1].partition("]")[0][1:]) for row in rows] == [
        (one.name, one.rule) for one in all_shown() if one.rule is not None
    ]


def test_every_rule_is_shown() -> None:
    assert {rule.id for rule in rules()} == {one.rule for one in all_shown()} - {None}
