"""A capture file, whatever its container and compression, through the pass."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.capture import pcap, pcapng
from rpcdiag.capture.blocks import Ahead, InTurn
from rpcdiag.capture.damage import Damaged
from rpcdiag.capture.fragments import FragmentTable, Incomplete, Whole
from rpcdiag.capture.points import Point, link_name
from rpcdiag.capture.source import Source
from rpcdiag.errors import CorruptInput, UnknownFormat
from rpcdiag.sweep.columns import (
    BLOCK_LENGTH,
    CLAIMED,
    DRAIN,
    EV_FRAGMENT,
    EVENT_WIDTH,
    FIRST_NS,
    FRAGMENT,
    IF_LINK,
    IF_SKIPPED,
    INTERFACE_WIDTH,
    LAST_NS,
    MORE,
    NAMES_TOLD,
    NUMBER,
    OTHER_BLOCK,
    OVERRUN,
    POINT_LAST,
    POINT_WIDTH,
    POINTS,
    POINTS_AT,
    REASONS,
    SKIPPED,
    TOKENS_TOLD,
    TOO_LONG,
)
from rpcdiag.sweep.engine import Sweep

if TYPE_CHECKING:  # loaded only where a capture is still being recorded
    from rpcdiag.capture.live import LiveSource

_RAW = 101
_HINTS = (
    (b"ElfFile\x00", "a Windows event log (.evtx)"),
    (b"#Version:", "a firewall log: name it after --log"),
    (b"#Software:", "a firewall log: name it after --log"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"MSCF", "a cabinet: unpack it first (expand FILE -F:* .)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"BZh", "a file packed with bzip2: unpack it first"),
    (b"GMBU", "a capture of Network Monitor: convert it with editcap"),
    (b"XCP\x00", "a capture of NetXRay: convert it with editcap"),
    (b"\x00\x02\x00\x00", "a Windows trace (.etl)? convert it with etl2pcapng"),
    (b"trans", "no capture"),
    (b"snoop\x00", "a snoop file: convert it with editcap"),
    (b"{", "JSON text"),
    (b"<", "XML or HTML text"),
)


class Events(NamedTuple):
    """What the pass has to say, see `sweep.columns`: a flat list, and the bytes that it points into."""

    rows: list[int]
    arena: memoryview


class CaptureReader:
    """One pass over one capture; `sweep` holds its flows. `ahead`: a thread reads the next blocks meanwhile.

    `live`: where the bytes come from, if they come as they are recorded; `path` is then only what it is called.

    After `events` has ended, `trouble` says why the file could not be read to its end, if so; everything before that
    place has been yielded.

    Raises:
        InputError: missing, empty, a directory, not a capture.
        MissingPiece: the package for its compression is not installed.
    """

    def __init__(
        self, path: str, sweep: Sweep | None = None, *, ahead: bool = False, live: "LiveSource | None" = None
    ) -> None:
        self.path = path
        self._ahead = ahead
        self.trouble: CorruptInput | None = None
        self.sweep = sweep or Sweep()
        self._source: Source | LiveSource = live or Source(path)
        self._fragments = FragmentTable()
        try:
            self._file = self._recognise(self._source.head)
        except UnknownFormat:
            self._source.close()
            raise

    def _recognise(self, head: bytes) -> pcap.PcapFile | pcapng.PcapngFile:
        reasons = (pcap.why_not(head), pcapng.why_not(head))
        if reasons[0] is None:
            return pcap.PcapFile(self.sweep)
        if reasons[1] is None:
            return pcapng.PcapngFile(self.sweep)
        hints = tuple(f"looks like {what}" for start, what in _HINTS if head.startswith(start))
        if not hints and self.path.lower().endswith(".etl"):  # its first bytes are the size of its buffers
            hints = ("looks like a Windows trace (.etl): convert it with etl2pcapng, pktmon etl2pcap",)
        raise UnknownFormat(self.path, (*hints, *(why for why in reasons if why)))

    def close(self) -> None:
        """Give the file back before it has been read to its end."""
        self._source.close()

    @property
    def format(self) -> str:
        """`pcap` or `pcapng`, with the compression after a plus sign."""
        return self._file.name + (f"+{self._source.compression}" if self._source.compression else "")

    @property
    def packets(self) -> int:
        return self.sweep.state.counters[NUMBER]

    @property
    def first_ns(self) -> int | None:
        counters = self.sweep.state.counters
        return counters[FIRST_NS] if counters[POINTS] else None

    @property
    def last_ns(self) -> int | None:
        counters = self.sweep.state.counters
        return counters[LAST_NS] if counters[POINTS] else None

    def goes_on(self) -> None:
        """It is a capture without an end: of what is told so often only, as much is told again."""
        counters = self.sweep.state.counters
        counters[NAMES_TOLD] = counters[TOKENS_TOLD] = 0
        if not isinstance(self._source, Source) and self._source.clocked:  # not of a capture that somebody replays
            self.sweep.let_go()

    def watched_until(self, ns: int) -> None:
        """Nothing came until then, and whoever records would know."""
        counters = self.sweep.state.counters
        if not counters[POINTS]:
            return
        counters[LAST_NS] = max(counters[LAST_NS], ns)
        for row in range(POINTS_AT, POINTS_AT + counters[POINTS] * POINT_WIDTH, POINT_WIDTH):
            counters[row + POINT_LAST] = max(counters[row + POINT_LAST], ns)

    @property
    def link_types(self) -> tuple[str, ...]:
        return tuple(link_name(link) for link in self._file.links)

    @property
    def skipped(self) -> dict[str, int]:
        """Packets without a flow, by reason."""
        counters, interfaces = self.sweep.state.counters, self.sweep.state.interfaces
        skipped = {
            reason: counters[SKIPPED + place] for place, reason in enumerate(REASONS) if counters[SKIPPED + place]
        }
        for link, count in self._file.unread.items():
            skipped[f"link-type-{link}"] = count
        for row in range(0, len(interfaces), INTERFACE_WIDTH):
            if interfaces[row + IF_SKIPPED]:
                name = f"link-type-{interfaces[row + IF_LINK]}"
                skipped[name] = skipped.get(name, 0) + interfaces[row + IF_SKIPPED]
        return skipped

    @property
    def incomplete(self) -> tuple[Incomplete, ...]:
        """Datagrams of which fragments are missing."""
        return self._fragments.incomplete()

    def point(self, number: int) -> Point:
        """The capture point that flows call `number`."""
        below = self._file.points.get(number & 0xFFFFF, Point(f"interface {number}", "unknown"))
        index = number >> 20
        return Point(f"{below.name + ' ' if below.name else ''}ifindex {index}", below.link_type) if index else below

    def events(self, on_block: Callable[[int], None] | None = None) -> Iterator[Events]:
        """Everything that the pass has to say, in the order of the file.

        `on_block` is told of every block, and now and then where none comes: how many bytes were read so far.
        """
        source = self._source
        blocks = Ahead(source) if self._ahead and isinstance(source, Source) else InTurn(source)
        left, done = b"", 0
        self._started = isinstance(self._file, pcapng.PcapngFile)
        try:
            while True:
                block = blocks.next(left)
                if block is None:
                    if on_block is not None:
                        on_block(done + len(left))
                    continue
                room, at, end = block
                new = end - at - len(left)
                if on_block is not None:
                    on_block(done + end - at)
                for place in self._walked(room, at, end):
                    yield from self._drained()
                    done += place - at
                    at = place
                left = bytes(room[at:end])
                if not new:
                    break
            if left:
                needs = self._file.needs
                self._trouble(done, f"the file ends in the middle of {needs}: {len(left)} bytes of it are there")
        except Damaged as damage:
            yield from self._drained()
            self._trouble(done + damage.offset - at, damage.why)
        except CorruptInput as error:
            self._trouble(done + len(left), error.why)
        finally:
            blocks.close()

    def finish(self) -> Iterator[Events]:
        """What was left unfinished at the end of the capture."""
        for _ in range(2):  # what waited in an SMB session may open a pipe
            at = 0
            while (at := self.sweep.close(at)) < self.sweep.end:
                yield from self._drained()
            yield from self._drained()

    def _walked(self, room: bytearray, at: int, count: int) -> Iterator[int]:
        """Walk what is whole in `room[at:count]`; yields the place that was reached at each pause, and at last.

        Raises:
            Damaged: a record or block that cannot be.
        """
        sweep = self.sweep
        while True:
            if not self._started:
                used = self._file.other(room, at, count)
                self._started = used > 0
                at += used
                if not used:
                    break
            at = sweep.walk(room, at, count)
            why = sweep.why
            if why == MORE:
                break
            if why == DRAIN:
                yield at
            elif why == OTHER_BLOCK:
                used = self._file.other(room, at, count)
                if not used:
                    break
                at += used
                if self.sweep.full:
                    yield at
            else:
                self._damaged(at, why)
        yield at

    def _damaged(self, at: int, why: int) -> None:
        claimed = self.sweep.state.counters[CLAIMED]
        if why == TOO_LONG:
            raise Damaged(at, f"packet {self.packets + 1} claims {claimed} bytes")
        if why == OVERRUN:
            raise Damaged(at, f"packet {self.packets + 1} claims {claimed} bytes, its block holds fewer")
        if why == BLOCK_LENGTH:
            raise Damaged(at, f"a block after packet {self.packets} claims {claimed} bytes")
        raise Damaged(at, f"packet block after packet {self.packets} is too short")

    def _trouble(self, offset: int, why: str) -> None:
        self.trouble = CorruptInput(self.path, f"{why}; packets 1 to {self.packets} were read", f"byte {offset}")

    def _drained(self) -> Iterator[Events]:
        rows, arena = self.sweep.drained()
        if rows:
            yield Events(rows, arena)
        if EV_FRAGMENT not in rows[::EVENT_WIDTH]:
            return
        wholes = [
            whole
            for at in range(0, len(rows), EVENT_WIDTH)
            if rows[at] == EV_FRAGMENT and (whole := self._joined(rows[at + 1 : at + 6], arena))
        ]
        for whole in wholes:
            yield from self._unfragmented(whole)

    def _joined(self, row: list[int], arena: memoryview) -> Whole | None:
        number, ns, point, start, count = row
        return self._fragments.add(bytes(arena[start : start + count]), number, ns, point)

    def _unfragmented(self, whole: Whole) -> Iterator[Events]:
        """A datagram put together counts as the packet that completed it."""
        counters = self.sweep.state.counters
        counters[SKIPPED + FRAGMENT] -= 1
        self.sweep.single(
            bytearray(whole.data),
            0,
            len(whole.data),
            wire=0,
            link=_RAW,
            number=whole.number,
            ns=whole.time,
            point=whole.point,
        )
        again = self.sweep.drained()
        if again[0]:
            yield Events(*again)
