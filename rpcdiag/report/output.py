"""What an output is, and what may be asked of it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis


class Options(NamedTuple):
    """How a report is wanted."""

    color: bool = False
    width: int = 80
    all_flows: bool = False


class Output(NamedTuple):
    """A plug-in of `report/outputs`: its name for -T, what it is for, and the text it makes, line by line."""

    name: str
    title: str
    render: Callable[[Diagnosis, Options], Iterator[str]]
