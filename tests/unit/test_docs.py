"""Pages link to what is there, and the site lists all of them, or a page of lists does."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
PRINTED = ("rules", "formats", "policies", "outputs")  # a page each, listed on a page of that name
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"(?m)^( {4}|\t).*$|`[^`]*`", "", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_site_has_every_page() -> None:
    def listed(nav: object) -> set[str]:
        if isinstance(nav, str):
            return {nav}
        values = nav.values() if isinstance(nav, dict) else nav
        assert not isinstance(values, (int, float))
        return {page for one in values for page in listed(one)}  # type: ignore[attr-defined]  # lists and mappings

    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    in_nav = listed(site["nav"])
    assert in_nav >= {page for page in pages if page.partition("/")[0] not in ("decisions", *PRINTED)}
    assert in_nav <= pages
    assert {f"/{folder}/" for folder in ("decisions", *PRINTED)} == {*site["not_in_nav"].split()}


def test_every_page_of_a_plug_in_is_linked_to_from_a_list() -> None:
    lists = "".join((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in (*PRINTED, "rule-sets"))
    for folder in PRINTED:
        for path in (ROOT / "docs" / folder).glob("*.md"):
            assert f"]({folder}/{path.name})" in lists, path.name
