"""Linux netfilter: lines of the kernel or of ulogd with SRC=, DST= and PROTO=.

Written by iptables and nftables and what stands on them: ufw, firewalld, Shorewall, VyOS. The action is only in the
prefix that the administrator chose; a prefix without a word for it gives none. Syslog time is local and has no year;
bare kernel lines count seconds since the machine started; a line that was pasted somewhere may have no time at all. Of
`journalctl -o json` the time is that of the row, in UTC.
Rates are limited in most rule sets: a missing row proves nothing.
Cannot tell: the action where the prefix has no word for it; how many rows a rate limit has swallowed. With
`--log-tcp-sequence` (`log flags tcp sequence` in nftables) a row has the sequence number, and then no clock is needed.
"""

import re
from collections.abc import Iterable, Iterator

from rpcdiag.logs import moments, netfilter, syslog
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import SECOND, address, number, port, protocol
from rpcdiag.logs.record import rows
from rpcdiag.logs.syslog import Envelope

_NEEDED = ("IN=", " SRC=", " DST=", " PROTO=")
_FIELD = re.compile(r"\b([A-Z]+)=(\S*)")
_READABLE = re.compile(r"\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})\] *")  # dmesg -T
_UPTIME = re.compile(r"\[ {0,8}(\d{1,9})\.(\d{6})\] {0,8}")
_TAG = re.compile(r"(?:kernel|ulogd2?|nflogd?)(?:(?:\[\d{1,10}\])?: *| \S{1,20} \S{1,20} - )")  # RFC 3164, RFC 5424
_FLAGS = (("SYN", "S"), ("ACK", "A"), ("FIN", "F"), ("RST", "R"), ("PSH", "P"), ("URG", "U"))


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(all(word in line for word in _NEEDED) for line in head.splitlines()[:200]):
        return None
    return "not linux-netfilter: no line with IN=, SRC=, DST= and PROTO="


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row)


def _row(line: int, text: str) -> LogEntry | BadLine:
    if not all(word in text for word in _NEEDED):
        return BadLine(line, "no IN=, SRC=, DST= and PROTO= in it")
    if text.startswith("{"):
        return _of_journal(line, text)
    return _entry(line, text)


def _of_journal(line: int, text: str) -> LogEntry | BadLine:
    """A row of `journalctl -o json`: the message, and when the journal took it."""
    import json

    try:
        row = json.loads(text)
    except RecursionError:
        row = None
    message, taken = (row.get("MESSAGE"), row.get("__REALTIME_TIMESTAMP")) if isinstance(row, dict) else (None, None)
    if not isinstance(message, str) or not all(word in f" {message}" for word in _NEEDED):
        return BadLine(line, "no row of a journal, or its message is no text")
    entry, device = _entry(line, message), row.get("_HOSTNAME")
    if not isinstance(taken, str) or not (taken.isdecimal() and taken.isascii() and len(taken) == 16):
        return entry
    return entry._replace(
        written_ns=int(taken) * 1000, resolution_ns=1000, basis="utc",
        device=device if isinstance(device, str) else entry.device,
    )  # fmt: skip


def _entry(line: int, text: str) -> LogEntry:
    written = _when(text)
    before, _, after = text[written.end :].partition("IN=")
    prefix = _UPTIME.sub("", before, count=1).strip() if "[" in before else before.strip()
    if tag := _TAG.match(prefix):
        prefix = prefix[tag.end() :]
    prefix = prefix.strip(" :")
    zones = netfilter.zones(prefix)
    # the first of equal names counts: they follow again of a packet inside an ICMP error, and of UDP
    found: dict[str, str] = dict(reversed(_FIELD.findall("IN=" + after)))
    name = protocol(found.get("PROTO"))
    with_ports = name in ("tcp", "udp")
    words = set(after.split())
    return LogEntry(
        line=line,
        written_ns=written.ns,
        resolution_ns=written.resolution_ns,
        basis=written.basis,
        action=netfilter.action(prefix),
        protocol=name,
        source=address(found.get("SRC")),
        source_port=port(found.get("SPT")) if with_ports else None,
        destination=address(found.get("DST")),
        destination_port=port(found.get("DPT")) if with_ports else None,
        path=netfilter.path(found.get("IN"), found.get("OUT")),
        device=written.device,
        flags="".join(letter for word, letter in _FLAGS if word in words) or None if name == "tcp" else None,
        sequence=number(found.get("SEQ")) if name == "tcp" else None,
        ip_id=number(found.get("ID")),
        ttl=number(found.get("TTL") or found.get("HOPLIMIT")),
        rule=prefix or None,
        source_zone=zones[0],
        destination_zone=zones[1],
    )


def _when(text: str) -> Envelope:
    """The time in whichever way it was written.

    Raises:
        ValueError: it has the shape of a time and is none.
    """
    envelope = syslog.opened(text)
    if envelope.ns is not None:
        return envelope
    start = envelope.end
    if readable := _READABLE.match(text, start):
        month, day, clock, year = readable.groups()
        return Envelope(*moments.named(month, day, year, clock), None, readable.end())
    if uptime := _UPTIME.match(text, start):
        seconds, fraction = uptime.groups()
        return Envelope(int(seconds) * SECOND + int(fraction) * 1000, 1000, "uptime", None, uptime.end())
    return Envelope(None, SECOND, "local", None, start)


FORMAT = LogFormat("linux-netfilter", "Linux netfilter (iptables, nftables, ulogd)", why_not, parse)
