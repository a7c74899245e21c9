"""What an output is, and what may be asked of it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis


class Options(NamedTuple):
    """How a report is wanted."""

    color: bool = False
    width: int = 80
    all_flows: bool = False
    engine: str = "auto"  # which form of the pass reads a capture again, where the output has to


class Output(NamedTuple):
    """A plug-in of `report/outputs`: its name for -T, what it is for, and the text it makes, line by line.

    `files` is for an output of several files: their names and lines, for when a folder is named to hold them.
    """

    name: str
    title: str
    render: Callable[[Diagnosis, Options], Iterator[str]]
    files: Callable[[Diagnosis, Options], Iterator[tuple[str, Iterator[str]]]] | None = None
