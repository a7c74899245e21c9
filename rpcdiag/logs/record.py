"""Lines to entries: what formats of one row a line share, and an entry out of texts, for those that name their values."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rpcdiag.logs import words
from rpcdiag.logs.entry import BadLine, LogEntry
from rpcdiag.logs.fields import address, number, port

Read = Callable[[int, str], LogEntry | BadLine | None]


def rows(
    lines: Iterable[str], read: Read, *, why: str = "no time: ", around: str = " \t\r\n\x00"
) -> Iterator[LogEntry | BadLine]:
    """What `read` makes of the number and text of each line that is not blank, without what stands `around` it.

    Where that is no number or time, the line is a bad one: `why`, and the error's own words.
    """
    for at, line in enumerate(lines, start=1):
        text = line.strip(around)
        if not text:
            continue
        try:
            row = read(at, text)
        except (ValueError, OverflowError) as error:
            row = BadLine(at, f"{why}{error}")
        if row is not None:
            yield row


class Ends(NamedTuple):
    """Both ends as written, and where they have been translated to; None where the row does not say."""

    source: str | None
    source_port: str | None
    destination: str | None
    destination_port: str | None
    translated_source: str | None = None
    translated_source_port: str | None = None
    translated_destination: str | None = None
    translated_destination_port: str | None = None


def made(
    line: int, moment: tuple[int | None, int, str], action: str, protocol: str | None, ends: Ends, *,
    path: str = "unknown", device: str | None = None, flags: str | None = None, sequence: str | None = None,
    ip_id: str | None = None, ttl: str | None = None, rule: str | None = None, why: str | None = None,
    service: str | None = None, zones: tuple[str | None, str | None] = (None, None), connection: str | None = None,
    lost: int = 0,
) -> LogEntry:  # fmt: skip
    """The entry; ports only where the protocol has some, translated ends only where they differ."""
    name = words.transport(protocol)
    ported = words.has_ports(name)
    source, destination = address(ends.source), address(ends.destination)
    source_port = port(ends.source_port) if ported else None
    destination_port = port(ends.destination_port) if ported else None
    tcp = name == "tcp"
    return LogEntry(
        line, *moment, action, name, source, source_port, destination, destination_port,
        path=path,
        device=device,
        flags=flags if tcp else None,
        sequence=number(sequence) if tcp else None,
        ip_id=number(ip_id) or None,
        ttl=number(ttl),
        rule=rule,
        code_name=why,
        service=service,
        source_zone=zones[0],
        destination_zone=zones[1],
        connection=connection,
        lost=lost,
        translated_source=words.translated(source, address(ends.translated_source)) if ends.translated_source else None,
        translated_source_port=words.translated_port(source_port, ends.translated_source_port) if ported else None,
        translated_destination=words.translated(destination, address(ends.translated_destination)) if ends.translated_destination else None,
        translated_destination_port=words.translated_port(destination_port, ends.translated_destination_port) if ported else None,
    )  # fmt: skip
