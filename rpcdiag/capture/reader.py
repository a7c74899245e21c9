"""A capture file, whatever its container and compression, as blocks of rows."""

from array import array
from collections.abc import Iterator

from rpcdiag.capture import pcap, pcapng
from rpcdiag.capture.fragments import FragmentTable, Whole
from rpcdiag.capture.scan import FRAGMENT, Scanner
from rpcdiag.capture.source import Source
from rpcdiag.capture.table import NUMBER, POINT, WIDTH, Block, Point, link_name
from rpcdiag.capture.walk import Damaged, Walker
from rpcdiag.errors import CorruptInput, UnknownFormat

BLOCK = 512 * 1024  # larger is no faster, smaller costs 10 %
_RAW = 101
_HINTS = (
    (b"ElfFile\x00", "a Windows event log (.evtx)"),
    (b"#Version:", "a firewall log: name it after --log"),
    (b"#Software:", "a firewall log: name it after --log"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"\x00\x02\x00\x00", "a Windows trace (.etl)? convert it with etl2pcapng"),
    (b"trans", "no capture"),
    (b"snoop\x00", "a snoop file: convert it with editcap"),
    (b"{", "JSON text"),
    (b"<", "XML or HTML text"),
)


class CaptureReader:
    """One pass over one capture.

    After `blocks` has ended, `trouble` says why the file could not be read to its end, if so; everything before that
    place has been yielded. `points` names the capture points by number.

    Raises:
        InputError: missing, empty, a directory, not a capture.
        MissingPiece: the package for its compression is not installed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.trouble: CorruptInput | None = None
        self._source = Source(path)
        self._scanner = Scanner()
        self._fragments = FragmentTable()
        try:
            self._walker = self._recognise(self._source.head)
        except UnknownFormat:
            self._source.close()
            raise

    def _recognise(self, head: bytes) -> Walker:
        reasons = (pcap.why_not(head), pcapng.why_not(head))
        if reasons[0] is None:
            return pcap.PcapWalker(self._scanner)
        if reasons[1] is None:
            return pcapng.PcapngWalker(self._scanner)
        hints = tuple(f"looks like {what}" for start, what in _HINTS if head.startswith(start))
        raise UnknownFormat(self.path, (*hints, *(why for why in reasons if why)))

    def close(self) -> None:
        """Give the file back before it has been read to its end."""
        self._source.close()

    @property
    def format(self) -> str:
        """`pcap` or `pcapng`, with the compression after a plus sign."""
        return self._walker.name + (f"+{self._source.compression}" if self._source.compression else "")

    @property
    def packets(self) -> int:
        return self._walker.packets

    @property
    def first_ns(self) -> int | None:
        return self._walker.first_ns

    @property
    def last_ns(self) -> int | None:
        return self._walker.last_ns

    @property
    def link_types(self) -> tuple[str, ...]:
        return tuple(link_name(link) for link in self._walker.links)

    @property
    def skipped(self) -> dict[str, int]:
        """Packets without a row, by reason."""
        return self._walker.skipped

    def point(self, number: int) -> Point:
        """The capture point that rows call `number`."""
        below = self._walker.points.get(number & 0xFFFFF, Point(f"interface {number}", "unknown"))
        index = number >> 20
        return Point(f"{below.name + ' ' if below.name else ''}ifindex {index}", below.link_type) if index else below

    def blocks(self) -> Iterator[Block]:
        """The packets, in the order of the file; a block's buffer is reused by the next."""
        room = bytearray(BLOCK)
        held = done = 0
        walker, scanner = self._walker, self._scanner
        try:
            while True:
                if held == len(room):
                    room.extend(bytes(len(room)))
                count = self._source.readinto(memoryview(room)[held:])
                held += count
                used = walker.walk(room, held)
                yield from self._scanned(room)
                held -= used
                done += used
                if used:
                    room[:held] = room[used : used + held]
                if not count:
                    break
            if held:
                self._trouble(done, f"the file ends in the middle of {walker.needs}: {held} bytes of it are there")
        except Damaged as damage:
            yield from self._scanned(room)
            self._trouble(done + damage.offset, damage.why)
        except CorruptInput as error:
            self._trouble(done + held, error.why)
        finally:
            scanner.rows = array("q")
            self._source.close()

    def _trouble(self, offset: int, why: str) -> None:
        self.trouble = CorruptInput(self.path, f"{why}; packets 1 to {self.packets} were read", f"byte {offset}")

    def _scanned(self, room: bytearray) -> Iterator[Block]:
        scanner = self._scanner
        if scanner.rows:
            yield Block(room, scanner.rows)
        wholes = [
            whole
            for number, time, point, start, end in scanner.fragments
            if (whole := self._fragments.add(bytes(room[start:end]), number, time, point))
        ]
        scanner.rows = array("q")
        scanner.fragments = []
        for whole in wholes:
            yield from self._unfragmented(whole)

    def _unfragmented(self, whole: Whole) -> Iterator[Block]:
        """A datagram put together counts as the packet that completed it."""
        why = self._scanner.packet(
            whole.data, 0, len(whole.data), len(whole.data), _RAW, whole.number, whole.time, whole.point & 0xFFFFF
        )
        self.skipped[FRAGMENT] -= 1
        if why:
            self.skipped[why] = self.skipped.get(why, 0) + 1
        if not self.skipped[FRAGMENT]:
            del self.skipped[FRAGMENT]
        rows = self._scanner.rows
        self._scanner.rows = array("q")
        for at in range(0, len(rows), WIDTH):
            rows[at + POINT] = whole.point
            rows[at + NUMBER] = whole.number
        if rows:
            yield Block(whole.data, rows)
