"""What a comparison says."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from rpcdiag.diagnose.finding import Finding
from rpcdiag.errors import RpcdiagError
from rpcdiag.model.evidence import Severity


class Mode(StrEnum):
    """`works`: the same thing, once working and once not. `sides`: the same packets, recorded at two places."""

    WORKS = "works"
    SIDES = "sides"


def rules_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Each once; those whose findings are only notes where there are no others."""
    found = list(findings)
    worse = [one for one in found if one.severity is not Severity.NOTE]
    return tuple(dict.fromkeys(one.rule for one in worse or found))


class Side(NamedTuple):
    """One of the two captures; `point` is the interface, where one was chosen."""

    label: str  # GOOD, BAD; A, B
    path: str
    point: str | None
    packets: int
    first_ns: int | None
    last_ns: int | None


class Difference(NamedTuple):
    """One way in which they differ; packets are numbers in the first and the second capture.

    `matters` is False where it explains no failure: another dynamic port, a packet that was sent again and then arrived.
    `rules` are those whose findings speak of these flows: in the second capture, for `sides` in either. `means` explains
    it, and `remedies` are what would likely help, where that can be said.
    """

    kind: str
    says: str
    matters: bool
    packets: tuple[tuple[int, ...], tuple[int, ...]]
    flows: tuple[str | None, str | None] = (None, None)
    client: str | None = None  # as the second capture names it, for `sides` the first that saw it
    server: str | None = None
    rules: tuple[str, ...] = ()
    times: int = 1  # packets of which it is told
    means: str | None = None
    remedies: tuple[str, ...] = ()


class Rung(NamedTuple):
    """A row of the ladder: what stands on either side; None where there is nothing."""

    left: str | None
    mark: str  # =, !, ~ (differs, but that does not matter); for sides -->, <--, --x, x--
    right: str | None


class Offset(NamedTuple):
    """What the clock of the second capture is ahead of the first; it lies between `low_ns` and `high_ns`.

    All are None where nothing that both recorded tells, the bounds also where all went one way. `drift_ppm`: how fast that grows.
    """

    ns: int | None
    low_ns: int | None
    high_ns: int | None
    matches: int
    drift_ppm: float
    at_ns: int  # time in the first capture at which the offset is `ns`

    def there(self, here_ns: int) -> int:
        """What the second clock shows when the first shows `here_ns`."""
        return here_ns + (self.ns or 0) + round((here_ns - self.at_ns) * self.drift_ppm / 1e6)

    def back(self, there_ns: int) -> int:
        """What the first clock shows when the second shows `there_ns`."""
        here = there_ns - (self.ns or 0)
        return here - round((here - self.at_ns) * self.drift_ppm / 1e6)


class Translation(NamedTuple):
    """An address, and often its port, that reads differently at the two places."""

    whose: str  # client, server
    first: str
    second: str
    ports: tuple[tuple[int, int], ...]  # the first few that changed
    conversations: int
    packets: tuple[tuple[int, ...], tuple[int, ...]]  # that show it


class Comparison(NamedTuple):
    """All of it. `common`: whether the captures have anything in common; `troubles` are inputs that could not be read."""

    mode: Mode
    why: str  # this mode
    sides: tuple[Side, Side]
    common: bool
    verdict: str
    differences: tuple[Difference, ...]
    more: int  # differences that are not listed
    rungs: tuple[Rung, ...]
    remarks: tuple[str, ...]
    same: int  # steps that agree; for sides packets that both recorded
    clock: Offset | None = None
    translations: tuple[Translation, ...] = ()
    troubles: tuple[RpcdiagError, ...] = ()
    cuts: tuple[RpcdiagError, ...] = ()
