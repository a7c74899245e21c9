"""What proves a claim, and how sure a claim is."""

from enum import StrEnum
from typing import NamedTuple


class Confidence(StrEnum):
    """From packets and log agreeing down to not enough packets; the first is the strongest."""

    PROVEN = "proven"
    ESTABLISHED = "established"
    LIKELY = "likely"
    POSSIBLE = "possible"
    OPEN = "open"

    @property
    def at_most_likely(self) -> "Confidence":
        """This one, or likely where it is surer."""
        return Confidence.LIKELY if self in (Confidence.PROVEN, Confidence.ESTABLISHED) else self


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Seen(NamedTuple):
    """Packets that show it: numbers in `capture`."""

    says: str
    capture: int
    packets: tuple[int, ...]


class Missing(NamedTuple):
    """What should have followed packet `after` and did not, while the capture ran on for `waited_ns`."""

    says: str
    capture: int
    after: int
    waited_ns: int


class Logged(NamedTuple):
    """Lines (from 1) of log number `log` that say it."""

    says: str
    log: int
    lines: tuple[int, ...]


class Configured(NamedTuple):
    """Lines (from 1) of a policy's file that say it; none, and no path, where the policy came from no file."""

    says: str
    path: str | None
    lines: tuple[int, ...]


Evidence = Seen | Missing | Logged | Configured
