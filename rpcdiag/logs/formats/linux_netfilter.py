"""Linux netfilter: lines of the kernel or of ulogd with SRC=, DST= and PROTO=.

The action is only in the prefix that the administrator chose; a prefix without a word for it gives none. Syslog time is
local and has no year; bare kernel lines count seconds since the machine started; a line that was pasted somewhere may
have no time at all.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import SECOND, address, number, port, protocol

_NEEDED = ("IN=", " SRC=", " DST=", " PROTO=")
_FIELD = re.compile(r"\b([A-Z]+)=(\S*)")
_PRIORITY = r"^(?:<\d{1,3}>(?:1 )?)?"
_SYSLOG = re.compile(_PRIORITY + r"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d:\d\d:\d\d) (\S+) ")
_ISO = re.compile(_PRIORITY + r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)? (\S+) ")
_READABLE = re.compile(r"^\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})\] *")  # dmesg -T
_UPTIME = re.compile(r"\[ {0,8}(\d{1,9})\.(\d{6})\] {0,8}")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FLAGS = (("SYN", "S"), ("ACK", "A"), ("FIN", "F"), ("RST", "R"), ("PSH", "P"), ("URG", "U"))
_WORDS = (
    ("reset", {"RST", "RESET"}),
    ("reject", {"REJECT", "REJECTED"}),
    ("drop", {"DROP", "DROPPED", "BLOCK", "BLOCKED", "DENY", "DENIED"}),
    ("allow", {"ALLOW", "ALLOWED", "ACCEPT", "ACCEPTED", "PERMIT", "PASS"}),
)
_LEAP_YEAR = 2000  # a year that has every day; the real one comes from the capture


class _Written(NamedTuple):
    """When a line was written, by which host, and at which character what it says begins."""

    ns: int | None
    resolution_ns: int
    basis: str
    device: str | None
    end: int


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(all(word in line for word in _NEEDED) for line in head.splitlines()[:200]):
        return None
    return "not linux-netfilter: no line with IN=, SRC=, DST= and PROTO="


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    for line_number, line in enumerate(lines, start=1):
        text = line.strip(" \t\r\n\x00")
        if not text:
            continue
        if not all(word in text for word in _NEEDED):
            yield BadLine(line_number, "no IN=, SRC=, DST= and PROTO= in it")
            continue
        try:
            yield _entry(line_number, text)
        except (ValueError, OverflowError) as error:
            yield BadLine(line_number, f"no time: {error}")


def _entry(line: int, text: str) -> LogEntry:
    written = _when(text)
    before, _, after = text[written.end :].partition("IN=")
    prefix = _UPTIME.sub("", before, count=1).strip().removeprefix("kernel:").strip(" :")
    found: dict[str, str] = {}
    for name, value in _FIELD.findall("IN=" + after):
        found.setdefault(name, value)  # of a packet inside an ICMP error, or of UDP, the same names follow again
    name = protocol(found.get("PROTO"))
    with_ports = name in ("tcp", "udp")
    words = set(after.split())
    return LogEntry(
        line=line,
        written_ns=written.ns,
        resolution_ns=written.resolution_ns,
        basis=written.basis,
        action=_action(prefix),
        protocol=name,
        source=address(found.get("SRC")),
        source_port=port(found.get("SPT")) if with_ports else None,
        destination=address(found.get("DST")),
        destination_port=port(found.get("DPT")) if with_ports else None,
        path=_path(found.get("IN"), found.get("OUT")),
        device=written.device,
        flags="".join(letter for word, letter in _FLAGS if word in words) or None if name == "tcp" else None,
        sequence=number(found.get("SEQ")) if name == "tcp" else None,
        ip_id=number(found.get("ID")),
        ttl=number(found.get("TTL") or found.get("HOPLIMIT")),
        rule=prefix or None,
    )


def _path(inside: str | None, outside: str | None) -> str:
    if inside:
        return "fwd" if outside else "in"
    return "out" if outside else "unknown"


def _action(prefix: str) -> str:
    parts = set(re.split(r"[^A-Z]+", prefix.upper()))
    return next((action for action, words in _WORDS if parts & words), "unknown")


def _when(text: str) -> _Written:
    """The time in whichever way it was written.

    Raises:
        ValueError: it has the shape of a time and is none.
    """
    if syslog := _SYSLOG.match(text):
        month, day, year, clock, host = syslog.groups()
        ns = _moment(year or str(_LEAP_YEAR), month, day, clock)
        return _Written(ns, SECOND, "local" if year else "no_year", host, syslog.end())
    if iso := _ISO.match(text):
        date, clock, fraction, zone, host = iso.groups()
        digits = fraction or ""
        ns = int(datetime.fromisoformat(f"{date}T{clock}{zone or '+00:00'}").timestamp()) * SECOND
        resolution: int = 10 ** (9 - len(digits))
        return _Written(
            ns + int(digits or "0") * resolution, resolution, "offset" if zone else "local", host, iso.end()
        )
    if readable := _READABLE.match(text):
        month, day, clock, year = readable.groups()
        return _Written(_moment(year, month, day, clock), SECOND, "local", None, readable.end())
    if uptime := _UPTIME.match(text):
        seconds, fraction = uptime.groups()
        return _Written(int(seconds) * SECOND + int(fraction) * 1000, 1000, "uptime", None, uptime.end())
    return _Written(None, SECOND, "local", None, 0)


def _moment(year: str, month: str, day: str, clock: str) -> int:
    """ns as if it were UTC"""
    at = _MONTHS.index(month) + 1
    moment = datetime.fromisoformat(f"{year}-{at:02}-{int(day):02}T{clock}").replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND


FORMAT = LogFormat("linux-netfilter", "Linux netfilter (iptables, nftables, ulogd)", why_not, parse)
