"""What the walkers of all containers remember of a file."""

from rpcdiag.capture.scan import Scanner
from rpcdiag.capture.table import Point

MAX_RECORD = 1 << 24  # no link layer has longer frames; a longer record means that the file is damaged


class Damaged(Exception):
    """The file contradicts itself at byte `offset` of the block."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(offset, why)
        self.offset = offset
        self.why = why


class Walker:
    """Counts, capture points and the span of times of one file; `needs` says what the next bytes have to be."""

    name = ""

    def __init__(self, scanner: Scanner, needs: str) -> None:
        self.scanner = scanner
        self.needs = needs
        self.packets = 0
        self.points: dict[int, Point] = {}
        self.skipped: dict[str, int] = {}
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.links: list[int] = []

    def walk(self, b: bytearray, count: int) -> int:
        """Scan what is whole in `b[:count]`; returns the bytes used.

        Raises:
            Damaged: a record or block that cannot be.
        """
        raise NotImplementedError
