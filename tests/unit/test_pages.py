"""Pages that are printed from the plug-ins are those that would be printed now, and say something."""

from functools import cache

import pytest

from rpcdiag import plugins
from rpcdiag.diagnose.judge import rules
from rpcdiag.logs.entry import LogFormat
from rpcdiag.model.evidence import Confidence, Severity
from rpcdiag.policy import product
from tests.causes.shown_cause import all_shown

pytest.importorskip("duckdb", reason="the page about Parquet shows a query: pip install 'rpcdiag[data]'")
pytest.importorskip("pyarrow", reason="the page about Parquet shows a query: pip install 'rpcdiag[data]'")

from tools import make_pages
from tools.pages import formats, log_samples, markdown

FORMATS: list[LogFormat] = plugins.discover("rpcdiag.logs.formats", "FORMAT")


@cache
def _pages() -> dict[str, str]:
    return make_pages.written()


def test_the_pages_are_up_to_date() -> None:
    assert make_pages.stale(_pages()) == [], "run python tools/make_pages.py"


def test_everything_has_a_page_that_its_list_links_to() -> None:
    for folder, ids in (
        ("rules", [rule.id for rule in rules()]),
        ("formats", [one.name for one in FORMATS]),
        ("policies", product.names()),
        ("outputs", [one.name for one in plugins.discover("rpcdiag.report.outputs", "OUTPUT")]),
    ):
        for id in ids:
            assert len(_pages()[f"{folder}/{id}.md"]) > 500
            assert f"]({folder}/{id}.md)" in _pages()[f"{folder}.md"]


def test_a_rule_says_what_it_looks_like_what_it_is_not_and_what_it_needs() -> None:
    for rule in rules():
        page = _pages()[f"rules/{rule.id}.md"]
        for label in ("Looks like", "Because", "Not this", "Needs"):
            assert f"- **{label}**:" in page, rule.id
        (how,) = [line for line in page.splitlines() if line.startswith("- **How bad, how sure**")]
        assert any(one in how for one in Severity)
        assert any(one in how for one in Confidence)
        assert f"[{rule.id}, " in " ".join(page.split()), "the paragraph of the report"


def test_every_capture_that_shows_something_is_named() -> None:
    for shown in all_shown():
        for rule in {shown.rule, shown.twin_of} - {None}:
            assert f"*{shown.name}*" in _pages()[f"rules/{rule}.md"]


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_the_rows_on_the_page_are_read_by_that_format_and_by_no_other(one: LogFormat) -> None:
    if one.name in ("windows-events", "csv-by-map"):
        assert one.name == "csv-by-map" or one.name not in log_samples.SAMPLES, "binary"
        return
    text = log_samples.SAMPLES[one.name]
    assert [other.name for other in FORMATS if other.why_not(text) is None][:1] == [one.name]
    entry = formats.read(one)[-1]
    assert entry.source is not None
    assert entry.destination_port is not None
    assert entry.action not in ("unknown", "info")


def test_what_markdown_would_read_is_escaped_outside_of_code() -> None:
    assert markdown.escaped("<b> `<code>` [x] *y*") == "\\<b\\> `<code>` \\[x\\] \\*y\\*"
    assert list(markdown.told("One.\n\n    code <b>")) == ["One.", "", "```sh", "code <b>", "```", ""]


def test_a_list_behind_prose_is_a_list() -> None:
    assert list(markdown.told("Prose.\nNeeds: this\nand that.")) == ["Prose.", "", "- **Needs**: this", "and that.", ""]


def test_a_fence_is_longer_than_those_inside_it() -> None:
    assert list(markdown.block("text", ["```"])) == ["````text", "```", "````"]
    assert markdown.text_of(["a", "", "", "```", "", "", "```", ""]) == "a\n\n```\n\n\n```\n"
