"""Pages that are printed from docstrings are those that would be printed now."""

from tools import make_pages


def test_the_pages_are_up_to_date() -> None:
    assert make_pages.stale() == [], "run python tools/make_pages.py"


def test_every_output_rule_and_format_has_its_section_and_says_something() -> None:
    for name, least in (("outputs.md", 10), ("rules.md", 50), ("formats.md", 6)):
        _, *sections = make_pages.page(name).split("\n## ")
        assert len(sections) >= least
        for section in sections:
            assert len(section.split("\n\n", 1)[1]) > 60, section


def test_what_markdown_would_read_is_escaped_outside_of_code() -> None:
    assert make_pages.escaped("<b> `<code>` [x] *y*") == "\\<b\\> `<code>` \\[x\\] \\*y\\*"
    assert list(make_pages.told("One.\n\n    code <b>")) == ["One.", "", "```sh", "code <b>", "```", ""]
