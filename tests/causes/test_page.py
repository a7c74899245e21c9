"""docs/causes.md has every rule and every capture, and no others: `python tools/make_causes.py` prints it anew."""

import re
from pathlib import Path

from rpcdiag.diagnose.judge import rules
from tests.causes.test_causes import SHOWN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "causes.md"


def test_the_page_has_every_rule_and_every_capture() -> None:
    text = PAGE.read_text(encoding="utf-8")
    causes = text.partition("## The causes")[2].partition("## Twins")[0]
    assert {*re.findall(r"^\| \S+ \| `([a-z0-9-]+)` \|", causes, re.MULTILINE)} == {rule.id for rule in rules()}
    for shown in SHOWN:
        assert shown.rule is None or f"*{shown.name}*: {shown.says}" in causes, shown.name


def test_every_rule_is_shown() -> None:
    shown = {one.rule for one in SHOWN}
    elsewhere = {
        "ephemeral-port-rule", "log-not-enabled", "non-syn-dropped", "over-broad-rule", "rule-needs-authentication",
    }  # fmt: skip
    assert {rule.id for rule in rules()} <= shown | elsewhere
