"""The pages that list plug-ins, printed from their own docstrings: docs/outputs.md, docs/rules.md, docs/formats.md.

python tools/make_pages.py            write them
python tools/make_pages.py --check    say which of them are not as they would be written; exit 1 where there is one
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rpcdiag import plugins
from rpcdiag.diagnose.judge import rules as all_rules
from rpcdiag.report import annotated
from rpcdiag.report.tables import TABLES
from rpcdiag.ui.listings import CAPTURES

DOCS = Path(__file__).resolve().parents[1] / "docs"
PRINTED = "<!-- printed by tools/make_pages.py from the docstrings of the modules: change those -->"
_LINE = re.compile(r"^(Looks like|Because|Not this|Not seen|Severity|Under a policy):")
_CODE = re.compile(r"(`[^`]*`)")


def prose(module: ModuleType | None) -> str:
    """The docstring of a module."""
    return ((module.__doc__ if module is not None else None) or "").strip()


def told(text: str) -> Iterator[str]:
    """A docstring as Markdown: its indented lines are code already, and labelled lines become a list."""
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if all(line.startswith("    ") for line in lines):
            yield "```sh"
            yield from (line[4:] for line in lines)
            yield "```"
        else:
            for line in lines:
                labelled = _LINE.match(line)
                yield escaped(line) if labelled is None else f"- **{labelled[1]}**:{escaped(line[labelled.end() :])}"
        yield ""


def escaped(text: str) -> str:
    """Outside of code, what Markdown would read as something else."""
    return "".join(
        part if part.startswith("`") else re.sub(r"([<>\[\]*|\\])", r"\\\1", part) for part in _CODE.split(text)
    )


def outputs() -> Iterator[str]:
    yield "# Outputs"
    yield ""
    yield PRINTED
    yield ""
    yield "`rpcdiag analyze CAPTURE... -T NAME` writes one of these, to standard output or where `-o` says."
    yield ""
    for one in plugins.discover("rpcdiag.report.outputs", "OUTPUT"):
        yield f"## {one.name}"
        yield ""
        yield from told(prose(sys.modules[one.render.__module__]))
    yield from _packet_tools()
    yield from _tables()


def _packet_tools() -> Iterator[str]:
    yield "## For packet viewers"
    yield ""
    yield from told(prose(annotated))
    yield "```sh"
    yield "rpcdiag analyze capture.pcapng -w annotated.pcapng                # the packets of all findings"
    yield "rpcdiag analyze capture.pcapng -w annotated.pcapng --case n1      # of one finding, flow (f3) or referral (r1)"
    yield "rpcdiag analyze capture.pcapng -w annotated.pcapng --all-packets"
    yield "rpcdiag analyze capture.pcapng --decode-as decode_as_entries      # for a profile of Wireshark"
    yield "rpcdiag endpoints capture.pcapng                                  # ends with the -d options for tshark"
    yield "```"
    yield ""
    yield "Every comment begins with `rpcdiag` and names the packet's number in its own capture; the display filter"
    yield '`frame.comment contains "rpcdiag n1 "` finds those of one finding. Several captures become several interfaces, their'
    yield "packets in the order of time. A finding's `filter` in the JSON document is a display filter for the original capture."
    yield ""


def _tables() -> Iterator[str]:
    yield "## The tables"
    yield ""
    yield "What `csv` and `parquet` write and `rpcdiag query` reads. Times are nanoseconds since 1970 UTC; what is not known is"
    yield "null; `texts` and `integers` are lists. `query` adds the column `file`."
    for table in TABLES:
        yield ""
        yield f"### {table.name}"
        yield ""
        yield f"{table.says[:1].upper()}{table.says[1:]}."
        yield ""
        yield "| column | type | what it is |"
        yield "| --- | --- | --- |"
        for column in table.columns:
            yield f"| `{column.name}` | {column.kind} | {escaped(column.says)} |"


def rules() -> Iterator[str]:
    yield "# Rules"
    yield ""
    yield PRINTED
    yield ""
    yield "The ways to fail that are known, by the id of their cause. [causes.md](causes.md) says which capture shows each."
    yield ""
    for rule in sorted(all_rules(), key=lambda rule: (rule.cause, rule.id)):
        yield f"## {rule.id}"
        yield ""
        yield f"*{rule.title}* ({rule.cause})"
        yield ""
        yield from told(prose(sys.modules[rule.check.__module__]))


def formats() -> Iterator[str]:
    yield "# Formats"
    yield ""
    yield PRINTED
    yield ""
    yield "Everything is told by content, not by name."
    yield ""
    yield "## Captures"
    yield ""
    yield "```text"
    yield from CAPTURES
    yield "```"
    yield ""
    for one in plugins.discover("rpcdiag.logs.formats", "FORMAT"):
        yield f"## {one.name}"
        yield ""
        yield f"*{one.title}*"
        yield ""
        yield from told(prose(sys.modules[one.parse.__module__]))


PAGES: dict[str, Callable[[], Iterator[str]]] = {"outputs.md": outputs, "rules.md": rules, "formats.md": formats}


def page(name: str) -> str:
    """The text of a page, with one empty line at most between two others."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(PAGES[name]())).strip() + "\n"


def stale() -> list[str]:
    """Pages that are not as they would be written."""
    return [
        name for name in PAGES if not (DOCS / name).exists() or (DOCS / name).read_text(encoding="utf-8") != page(name)
    ]


def main() -> int:
    if "--check" in sys.argv[1:]:
        for name in stale():
            print(f"docs/{name} is not what tools/make_pages.py writes")
        return 1 if stale() else 0
    for name in PAGES:
        (DOCS / name).write_text(page(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
