"""Linux netfilter: lines of the kernel or of ulogd with SRC=, DST= and PROTO=.

The action is only in the prefix that the administrator chose; a prefix without a word for it gives none. Syslog time is
local and has no year; bare kernel lines count seconds since the machine started.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import SECOND, address, number, port

_ROW = re.compile(r"\bIN=\S* .*\bSRC=\S+ DST=\S+ .*\bPROTO=\S+")
_FIELD = re.compile(r"\b([A-Z]+)=(\S*)")
_SYSLOG = re.compile(r"^(?:<\d+>)?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\S+) (.*)$")
_ISO = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:?\d\d)? (\S+) (.*)$")
_UPTIME = re.compile(r"\[ *(\d+)\.(\d{6})\] *")
_MONTHS = {
    name: at
    for at, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], start=1
    )
}
_FLAGS = (("SYN", "S"), ("ACK", "A"), ("FIN", "F"), ("RST", "R"), ("PSH", "P"), ("URG", "U"))
_WORDS = (
    ("reset", ("RST", "RESET")),
    ("reject", ("REJECT",)),
    ("drop", ("DROP", "BLOCK", "DENY", "DENIED")),
    ("allow", ("ALLOW", "ACCEPT", "PERMIT", "PASS")),
)
_LEAP_YEAR = 2000  # a year that has every day; the real one comes from the capture


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(_ROW.search(line) for line in head.splitlines()[:200]):
        return None
    return "not linux-netfilter: no line with IN=, SRC=, DST= and PROTO="


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    for line_number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        if not _ROW.search(text):
            yield BadLine(line_number, "no IN=, SRC=, DST= and PROTO= in it")
            continue
        try:
            yield _entry(line_number, text)
        except (ValueError, KeyError) as error:
            yield BadLine(line_number, f"no time: {error}")


def _entry(line: int, text: str) -> LogEntry:
    written, resolution, basis, device, rest = _when(text)
    before, _, after = rest.partition("IN=")
    prefix = _UPTIME.sub("", before).removeprefix("kernel:").strip(" :")
    found: dict[str, str] = {}
    for name, value in _FIELD.findall("IN=" + after):
        found.setdefault(name, value)
    words = set(after.split())
    protocol = found["PROTO"].lower()
    inside, outside = found.get("IN"), found.get("OUT")
    return LogEntry(
        line=line,
        written_ns=written,
        resolution_ns=resolution,
        basis=basis,
        action=_action(prefix),
        protocol=protocol,
        source=address(found.get("SRC")),
        source_port=port(found.get("SPT")) if protocol in ("tcp", "udp") else None,
        destination=address(found.get("DST")),
        destination_port=port(found.get("DPT")) if protocol in ("tcp", "udp") else None,
        path="fwd" if inside and outside else "in" if inside else "out" if outside else "unknown",
        device=device,
        flags="".join(letter for word, letter in _FLAGS if word in words) or None if protocol == "tcp" else None,
        sequence=number(found.get("SEQ")),
        ip_id=number(found.get("ID")),
        ttl=number(found.get("TTL")),
        rule=prefix or None,
    )


def _action(prefix: str) -> str:
    parts = set(re.split(r"[^A-Z]+", prefix.upper()))
    for action, words in _WORDS:
        if parts & set(words):
            return action
    return "unknown"


def _when(text: str) -> tuple[int, int, str, str | None, str]:
    """Time, resolution, what kind of time it is, the host, and the rest of the line."""
    syslog = _SYSLOG.match(text)
    if syslog:
        month, day, hour, minute, second, host, rest = syslog.groups()
        moment = datetime(_LEAP_YEAR, _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        return int(moment.timestamp()) * SECOND, SECOND, "no_year", host, rest
    iso = _ISO.match(text)
    if iso:
        stamp, zone, host, rest = iso.groups()
        moment = datetime.fromisoformat(stamp + (zone or "+00:00"))
        ns = int(moment.timestamp()) * SECOND + moment.microsecond * 1000
        return ns, 1000 if "." in stamp else SECOND, "offset" if zone else "local", host, rest
    uptime = _UPTIME.match(text)
    if uptime:
        seconds, fraction = uptime.groups()
        return int(seconds) * SECOND + int(fraction) * 1000, 1000, "uptime", None, text[uptime.end() :]
    raise ValueError("neither syslog nor kernel time")


FORMAT = LogFormat("linux-netfilter", "Linux netfilter (iptables, nftables, ulogd)", why_not, parse)
