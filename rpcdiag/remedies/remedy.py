"""What a remedy is, and what an adviser is."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding


class Command(NamedTuple):
    """Text to be run in `shell`: powershell, cmd, sh, or `steps` for things to click."""

    shell: str
    text: str


class Remedy(NamedTuple):
    """One change: `where` it is made, `why` it helps, what it opens or costs (`price`)."""

    id: str
    where: str
    why: str
    commands: tuple[Command, ...]
    price: str


class Advice(NamedTuple):
    """A plug-in of `remedies/advice`: which rules it is for, and the remedies for one finding, the narrowest first."""

    id: str
    rules: tuple[str, ...]
    make: Callable[[Case, Finding], Iterator[Remedy]]
