"""What every log format yields, whatever the product called it."""

from collections.abc import Callable, Iterable, Iterator
from typing import IO, NamedTuple

from rpcdiag.model.packets import Address

DROPPING = frozenset({"drop", "reject", "reset"})
UNHEARD = "Transport layer: nothing listens on the port, or stealth mode"  # what `says` of such an event


class LogEntry(NamedTuple):
    """One row of a firewall log, or one event of a host.

    `written_ns` is the time as written, read as if it were UTC; `basis` says what it really is:
    `utc`, `offset` (zone written), `local` (zone unknown), `no_year` (local and without a year), `uptime`.
    `action` is one of allow, drop, reject, reset, open, close, fail, progress, lost, info, unknown.
    `path` is in, out, fwd or unknown from the point of view of the device that wrote the row.
    A row that has a source and no destination port may be about a port of the host itself: `event` tells.
    """

    line: int
    written_ns: int | None
    resolution_ns: int
    basis: str
    action: str
    protocol: str
    source: Address | None
    source_port: int | None
    destination: Address | None
    destination_port: int | None
    path: str = "unknown"
    device: str | None = None
    flags: str | None = None  # TCP flags by letter, SYN is "S"
    sequence: int | None = None  # TCP sequence number of the packet
    ip_id: int | None = None
    ttl: int | None = None
    rule: str | None = None
    code: int | None = None  # result code, unsigned 32 bits
    code_name: str | None = None
    service: str | None = None  # name of the protocol definition, program or service
    pid: int | None = None
    source_zone: str | None = None
    destination_zone: str | None = None
    connection: str | None = None  # joins the rows of one connection
    lost: int = 0  # rows that the device says it lost before this one
    program: str | None = None  # path of the executable, as written
    event: int | None = None  # number of a Windows event
    provider: str | None = None  # who wrote that event
    says: str | None = None  # what the row states, where that is more than a packet or connection
    interface: str | None = None  # UUID of the RPC interface that the row is about
    translated_source: Address | None = None  # the other side of an address translation
    translated_source_port: int | None = None
    translated_destination: Address | None = None
    translated_destination_port: int | None = None
    user: str | None = None  # whose logon the row is about
    workstation: str | None = None  # from which it says to come

    @property
    def drops(self) -> bool:
        """Whether the device says that it refused the packet or connection."""
        return self.action in DROPPING


class BadLine(NamedTuple):
    """A line that could not be read, and why."""

    line: int
    why: str


class LogFormat(NamedTuple):
    """A plug-in of `logs/formats`.

    `why_not(head)` takes the first 64 KiB as text and says why the file is not of this format, or None when it is.
    `parse(lines)` yields entries and bad lines; it never raises on content and never holds the file.
    Where `whole_lines` is False it takes the text in pieces of at most 64 KiB, cut anywhere.
    `parse_file(stream)` takes its place where the file is binary; it may raise MissingPiece.
    `counts` is what the numbers of entries count: lines of the file, or records as the product numbers them.
    """

    name: str
    title: str
    why_not: Callable[[str], str | None]
    parse: Callable[[Iterable[str]], Iterator[LogEntry | BadLine]]
    whole_lines: bool = True
    parse_file: Callable[[IO[bytes]], Iterator[LogEntry | BadLine]] | None = None
    counts: str = "line"
