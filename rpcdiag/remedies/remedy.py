"""What a remedy is, and what an adviser is."""

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

from rpcdiag.model.packets import Address
from rpcdiag.policy.model import Rule
from rpcdiag.policy.verdict import Change
from rpcdiag.remedies.situation import Situation


class Command(NamedTuple):
    """Text to be run in `shell`: powershell, cmd, sh, a device's own (asa, fortios, junos), or `steps` for things to do.

    `instead`: the same change by other means, and how these are called; None where it is to be run.
    """

    shell: str
    text: str
    instead: str | None = None


class Width(IntEnum):
    """How much a remedy opens or disturbs; the narrowest is told first."""

    NOTHING = 0  # opens nothing and cures
    PROGRAM = 1  # the ports of one program, whatever they are
    INSPECTION = 2  # what a device reads out of the conversation
    PORT = 3  # one port, perhaps after a setting of the server
    RANGE = 4
    GROUP = 5  # a group of rules, or of computers: more to set up, more to know
    LOOK = 6  # cures nothing, shows more


class Moved(NamedTuple):
    """A service of `host` that has its ports in this range after the change; of `interfaces`, or any where empty."""

    host: Address
    first: int
    last: int


class Simulated(NamedTuple):
    """What a remedy amounts to where policies are concerned.

    `rules` are new, and come before the administrator's others; `switch` changes a rule or the product; `moved` are
    services that have other ports afterwards. `product` is what it is for.
    """

    product: str
    rules: tuple[Rule, ...] = ()
    switch: Change | None = None
    moved: Moved | None = None


class Flip(NamedTuple):
    """A flow whose verdict the change turns; `foreign` is one that the capture does not hold, made to try the scope."""

    flow: str
    client: Address
    server: Address
    before: str  # pass, drop, reject, reset, unknown
    after: str
    why_before: str
    why_after: str
    foreign: bool = False


class Replay(NamedTuple):
    """A remedy simulated over the capture's own flows. `cures`: every failing flow of the finding passes afterwards.

    `opens`: flows beyond those, or a stranger's, that pass afterwards and did not before. `unchanged` counts the rest.
    """

    policy: str
    product: str
    says: str
    flips: tuple[Flip, ...]
    foreign: tuple[Flip, ...]
    unchanged: int
    cures: bool
    opens: bool
    sure: str


class Remedy(NamedTuple):
    """One change: `where` it is made, `why` it helps, what it costs (`price`).

    `opens` is what becomes reachable for whom; `restart` what has to be restarted, None where nothing has.
    `change` is what can be simulated, None where nothing can; `replay` is what came of it.
    """

    id: str
    where: str
    why: str
    commands: tuple[Command, ...]
    price: str
    opens: str = "nothing"
    restart: str | None = None
    width: Width = Width.NOTHING
    change: Simulated | None = None
    replay: Replay | None = None


class Advice(NamedTuple):
    """A plug-in of `remedies/advice`: which rules it is for, and the remedies for one finding, the narrowest first."""

    id: str
    rules: tuple[str, ...]
    make: Callable[[Situation], Iterator[Remedy]]
