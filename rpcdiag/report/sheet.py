"""Comma-separated values as RFC 4180 has them, without anything that a spreadsheet would run.

A cell that begins with =, +, -, @, a tab or a line break, or with one of their wide forms, is a formula to a spreadsheet,
quoted or not: an apostrophe is put before it. Where the semicolon is the separator (a spreadsheet of a country with
decimal commas), a new cell begins behind each, our quotes or not: the same is done there. Text has been made harmless
before, so that no cell holds a line break.
"""

import re
from collections.abc import Iterable, Iterator

from rpcdiag.report.names import clean

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
BOM = "\ufeff"
_INNER = re.compile(rf';(?=[\s"]*[{"".join(map(re.escape, FORMULA))}])')


def lines(heads: Iterable[str], rows: Iterable[Iterable[object]], *, bom: bool = False) -> Iterator[str]:
    """One line a row, with the CR that belongs before the line feed."""
    yield (BOM if bom else "") + _line(heads)
    for row in rows:
        yield _line(row)


def _line(cells: Iterable[object]) -> str:
    return ",".join(cell(one) for one in cells) + "\r"


def cell(value: object) -> str:
    """A number as it is, text in quotes, lists with semicolons between their elements, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        value = "; ".join(str(one) for one in value)
    text = _INNER.sub(";'", clean(str(value)))
    if text.lstrip().startswith(FORMULA):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"'
