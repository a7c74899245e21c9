"""The pages about plug-ins, printed from what these say of themselves, and from what the program says of small captures.

    python tools/make_pages.py            write them
    python tools/make_pages.py --check    say which of them are not as they would be written; exit 1 where there is one

docs/rules, formats, policies and outputs hold a page for each plug-in; rules.md, formats.md and outputs.md list them, and
so does docs/policies.md between its two marks. It takes a few seconds: every capture of tests/causes is analysed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.pages import formats, outputs, policies, rules
from tools.pages.markdown import Page, text_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDERS = ("rules", "formats", "policies", "outputs")
GUIDE = "policies.md"
BEGIN, END = "<!-- printed: tools/make_pages.py -->", "<!-- end -->"


def all_pages() -> Iterator[Page]:
    for kind in (rules, formats, policies, outputs):
        yield from kind.pages()


def written() -> dict[str, str]:
    """Every page by its place under docs/, as it would be written now."""
    found = {page.place: text_of(page.lines()) for page in all_pages()}
    before, _, rest = (DOCS / GUIDE).read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return found | {GUIDE: f"{before}{BEGIN}\n{text_of(policies.products())}{END}{after}"}


def stale(pages: dict[str, str]) -> list[str]:
    """Places of pages that are not as they would be written, and of those that nothing is written to any more."""
    there = {str(path.relative_to(DOCS)) for folder in FOLDERS for path in (DOCS / folder).glob("*.md")}
    return [
        place
        for place in sorted({*pages, *there})
        if place not in pages
        or not (DOCS / place).exists()
        or (DOCS / place).read_text(encoding="utf-8") != pages[place]
    ]


def main() -> int:
    pages = written()
    old = stale(pages)
    if "--check" in sys.argv[1:]:
        for place in old:
            print(f"docs/{place} is not what tools/make_pages.py writes")
        return 1 if old else 0
    for place in old:
        path = DOCS / place
        if place not in pages:
            path.unlink()
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(pages[place], encoding="utf-8")
    print(f"{len(old)} of {len(pages)} pages written anew")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
