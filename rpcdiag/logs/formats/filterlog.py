"""pfSense and OPNsense: filterlog, comma separated.

Told by rows whose seventh value is pass, block or reject, with in or out and the IP version behind it. The layout
depends on IP version and protocol. Only rules with logging write, and the default block. Time is in the envelope that
syslog gave. The sequence number is that of the packet: of a SYN it is an exact key into a capture.
Cannot tell: what rules without logging did; the year, in the older syslog form. A rule's number is looked up with
`pfctl -vvsr`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from rpcdiag.logs import syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import address, number, port
from rpcdiag.logs.record import rows

_ACTIONS = {"pass": "allow", "block": "drop", "reject": "reject", "rdr": "info", "nat": "info"}
_V4 = (20, 16, 11, 12)  # of either IP version: where the ends begin, then protocol, time to live, IP id
_V6 = (17, 12, 11, None)
_NO_ID = "0"


@cache
def _row() -> re.Pattern[str]:
    return re.compile(
        r"(?:^|[ \]:\ufeff])(\d{1,6},[^ ,]*,[^ ,]*,[^ ,]*,[^ ,]+,[^,]*,(?:pass|block|reject|rdr|nat),(?:in|out|in/out),[46],)"
    )


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(_row().search(line) for line in head.splitlines()[:200]):
        return None
    return "not filterlog: no row of rule numbers, interface, reason, pass or block, in or out"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _read, why="")


def _read(line: int, text: str) -> LogEntry | BadLine:
    row = _row().search(text)
    if not row:
        return BadLine(line, "no row of filterlog in it")
    envelope = syslog.opened(text) if row.start(1) else syslog.NOTHING
    return _entry(line, envelope, text[row.start(1) :].split(","))


def _entry(line: int, envelope: syslog.Envelope, values: Sequence[str]) -> LogEntry:
    """What the row says.

    Raises:
        ValueError: it is cut off before its ends.
    """
    ends, protocol_at, ttl_at, id_at = _V4 if values[8] == "4" else _V6
    if len(values) < ends:
        raise ValueError(f"{len(values)} values where at least {ends} belong")
    name = words.transport(values[protocol_at])
    source, destination = address(values[ends - 2]), address(values[ends - 1])
    rest = values[ends:]
    ported = words.has_ports(name) and len(rest) >= 2
    tcp = name == "tcp" and len(rest) > 4
    return LogEntry(
        line=line,
        written_ns=envelope.ns,
        resolution_ns=envelope.resolution_ns,
        basis=envelope.basis,
        action=_ACTIONS[values[6]],
        protocol=name,
        source=source,
        source_port=port(rest[0]) if ported else None,
        destination=destination,
        destination_port=port(rest[1]) if ported else None,
        path={"in": "in", "out": "out"}.get(values[7], "unknown"),
        device=envelope.device,
        flags=rest[3] or None if tcp else None,
        sequence=number(rest[4].partition(":")[0]) if tcp else None,
        ip_id=number(values[id_at]) if id_at is not None and values[id_at] != _NO_ID else None,
        ttl=number(values[ttl_at]),
        rule=_rule(values),
        code_name=None if values[5] == "match" else values[5] or None,
        source_zone=values[4] if values[7] == "in" else None,
        destination_zone=values[4] if values[7] == "out" else None,
    )


def _rule(values: Sequence[str]) -> str:
    """The number of the rule and what identifies it in the rule file."""
    return f"{values[0]}, tracker {values[3]}" if values[3] and values[3] != "0" else values[0]


FORMAT = LogFormat("filterlog", "pfSense and OPNsense, filterlog", why_not, parse)
