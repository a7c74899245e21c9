"""What an output is, and what may be asked of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis


class Options(NamedTuple):
    """How a report is wanted."""

    color: bool = False
    width: int = 80
    all_flows: bool = False
    engine: str = "auto"  # which form of the pass reads a capture again, where the output has to
    bom: bool = False  # a byte-order mark before text, for spreadsheets


class Output(NamedTuple):
    """A plug-in of `report/outputs`: its name for -T, what it is for, and the text it makes, line by line.

    `files` is for an output of several files: their names and lines, for when a folder is named to hold them.
    `save` is for one that writes its files into the folder itself, because they are no text.
    `check` is called before captures are read, and raises MissingPiece where the output cannot be made.
    """

    name: str
    title: str
    render: Callable[[Diagnosis, Options], Iterator[str]]
    files: Callable[[Diagnosis, Options], Iterator[tuple[str, Iterator[str]]]] | None = None
    save: Callable[[Diagnosis, Options, Path], None] | None = None
    check: Callable[[], None] | None = None
