"""NetScreen (ScreenOS): traffic log.

Told by `NetScreen device_id=`. Names of zones stand without quotes behind `src zone=` and `dst zone=`. Time is
`start_time`, the beginning of the session, local to the device.
Cannot tell: the sequence number; the zone of its local time.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from rpcdiag.logs import moments, syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.record import Ends, made, rows


@cache
def _zones() -> re.Pattern[str]:
    return re.compile(r" (src|dst) zone=(.{1,60}?)(?= (?:src |dst |action=|sent=)|$)")


@cache
def _translated() -> re.Pattern[str]:
    return re.compile(r"src-xlated ip=(\S{1,45}) port=(\d{1,5})")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if "NetScreen device_id=" in head:
        return None
    return "not netscreen: no 'NetScreen device_id='"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row)


def _row(line: int, text: str) -> LogEntry | BadLine:
    if "NetScreen device_id=" not in text:
        return BadLine(line, "no 'NetScreen device_id=' in it")
    return _entry(line, text)


def _entry(line: int, text: str) -> LogEntry:
    fields = words.pairs(text)
    zones = dict(_zones().findall(text))
    envelope = syslog.opened(text)
    translated = _translated().search(text)
    return made(
        line,
        moments.iso(fields["start_time"]) if fields.get("start_time") else envelope[:3],
        words.action(fields.get("action")) if "src" in fields else "info",
        fields.get("proto"),
        Ends(
            *(fields.get("src"), fields.get("src_port"), fields.get("dst"), fields.get("dst_port")),
            *(translated.groups() if translated else (None, None)),
        ),
        path="fwd",
        device=fields.get("device_id") or envelope.device,
        rule=words.value(fields, ("policy_id",)),
        why=words.value(fields, ("reason",)),
        service=words.value(fields, ("service",)),
        zones=(zones.get("src"), zones.get("dst")),
        connection=words.value(fields, ("session_id",)),
    )


FORMAT = LogFormat("netscreen", "NetScreen, ScreenOS traffic log", why_not, parse)
