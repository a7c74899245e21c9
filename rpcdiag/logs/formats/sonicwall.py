"""SonicWall: syslog, pairs of a name and a value.

Told by `sn=`, `fw=`, `m=` and `src=`. Ends are `address:port:interface`. Newer firmware says in `fw_action` what it
did; else the words of the message do. Time is local, unless UTC stands beside it.
Cannot tell: the sequence number; the zone of a local time.
"""

from collections.abc import Iterable, Iterator

from rpcdiag.logs import moments, syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.record import Ends, made, rows

_NEEDED = (" sn=", " fw=", " m=")
_OPENED, _CLOSED = "98", "537"  # numbers of messages


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(_is_row(line) for line in head.splitlines()[:200]):
        return None
    return "not sonicwall: no line with sn=, fw=, m= and src="


def _is_row(line: str) -> bool:
    return all(word in f" {line}" for word in _NEEDED) and " src=" in line


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row)


def _row(line: int, text: str) -> LogEntry | BadLine:
    if not all(word in f" {text}" for word in _NEEDED):
        return BadLine(line, "no sn=, fw= and m= in it")
    return _entry(line, text)


def _entry(line: int, text: str) -> LogEntry:
    fields = words.pairs(text)
    source, source_port, inside = _end(fields.get("src", ""))
    destination, destination_port, outside = _end(fields.get("dst", ""))
    translated_source, translated_source_port = _translated(fields.get("natSrc", ""))
    translated_destination, translated_destination_port = _translated(fields.get("natDst", ""))
    return made(
        line,
        moments.any_of(fields["time"]) if fields.get("time") else syslog.opened(text)[:3],
        _action(fields) if source else "info",
        fields.get("proto", "").partition("/")[0],
        Ends(
            *(source, source_port, destination, destination_port),
            *(translated_source, translated_source_port, translated_destination, translated_destination_port),
        ),
        path="fwd",
        device=fields.get("fw"),
        rule=words.value(fields, ("rule", "af_polid")),
        why=words.value(fields, ("note", "msg")),
        zones=(words.value(fields, ("srcZone",)) or inside, words.value(fields, ("dstZone",)) or outside),
    )


def _end(text: str) -> tuple[str, str, str | None]:
    """Address, port, interface; an address of version 6 has more colons than separate these."""
    parts = text.split(":")
    if len(parts) > 4:
        digits = [at for at, part in enumerate(parts) if part.startswith(("X", "W", "V", "M"))]
        behind = digits[0] if digits else len(parts)
        return ":".join(parts[: behind - 1]), parts[behind - 1], parts[behind] if digits else None
    return parts[0], parts[1] if len(parts) > 1 else "", parts[2] if len(parts) > 2 else None


def _translated(text: str) -> tuple[str, str]:
    host, _, digits = text.partition(":")
    return host, digits


def _action(fields: dict[str, str]) -> str:
    said = words.action(fields.get("fw_action"))
    if said != "unknown":
        return said
    number = fields.get("m")
    if number in (_OPENED, _CLOSED):
        return "open" if number == _OPENED else "close"
    found = (words.action(word) for word in fields.get("msg", "").split()[:12])
    return next(
        (action for action in found if action in ("drop", "reject", "reset", "open", "close", "allow")), "unknown"
    )


FORMAT = LogFormat("sonicwall", "SonicWall, syslog", why_not, parse)
