"""Docstrings as Markdown."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

PRINTED = "<!-- printed by tools/make_pages.py from what the modules say of themselves: change those -->"
LABELS = (
    "Looks like",
    "Because",
    "Not this",
    "Needs",
    "Not seen",
    "Severity",
    "Under a policy",
    "Told by",
    "Cannot tell",
)
_LABELLED = re.compile(rf"^({'|'.join(LABELS)}):")
_CODE = re.compile(r"(`[^`]*`)")

Line = Iterator[str]


class Page(NamedTuple):
    """A page to be: its place under docs/, and its lines."""

    place: str
    lines: Callable[[], Iterator[str]]


def prose(made: Callable[..., Any] | ModuleType) -> str:
    """The docstring of a module, or of the module of a function."""
    module = made if isinstance(made, ModuleType) else sys.modules[made.__module__]
    return (module.__doc__ or "").strip()


def heading(text: str) -> Iterator[str]:
    """How every printed page begins."""
    yield from (f"# {text}", "", PRINTED, "")


def told(text: str, named: Callable[[str], str] = str) -> Iterator[str]:
    """A docstring: its indented lines are code already, and labelled lines become a list. `named` makes links of names."""
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if all(line.startswith("    ") for line in lines):
            yield from block("sh", (line[4:] for line in lines))
        else:
            in_list = False
            for number, line in enumerate(lines):
                labelled = _LABELLED.match(line)
                if labelled is not None and not in_list:
                    in_list = True
                    if number:
                        yield ""  # else the list would be part of the paragraph
                rest = named(escaped(line if labelled is None else line[labelled.end() :]))
                yield rest if labelled is None else f"- **{labelled[1]}**:{rest}"
        yield ""


def escaped(text: str) -> str:
    """Outside of code, what Markdown would read as something else."""
    return "".join(
        part if part.startswith("`") else re.sub(r"([<>\[\]*|\\])", r"\\\1", part) for part in _CODE.split(text)
    )


def block(language: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines as they are; the fence is longer than any in them."""
    held = list(lines)
    fence = "`" * max(3, 1 + max((len(run) for line in held for run in re.findall(r"`+", line)), default=0))
    yield f"{fence}{language}"
    yield from held
    yield fence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Cells are Markdown already; one with a bar in it must have that escaped."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace(chr(10), ' ') for cell in row)} |"


def text_of(lines: Iterable[str]) -> str:
    """One empty line at most between two others, outside of code."""
    kept: list[str] = []
    fence = ""
    for line in "\n".join(lines).split("\n"):
        mark = re.match(r"`{3,}", line)
        if mark and not fence:
            fence = mark[0]
        elif fence and line == fence:
            fence = ""
        if line or fence or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip() + "\n"
