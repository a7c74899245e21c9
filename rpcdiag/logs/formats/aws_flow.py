"""Amazon VPC flow logs, as text: version 2, or any columns that a header line names.

Told by a header line with srcaddr and dstaddr, or by rows of at least 14 values with ACCEPT or REJECT and OK behind it;
longer rows without a header are read in the order of the documentation. A row counts the packets of an interval of up
to ten minutes from `start` on, in UTC, one direction each. A REJECT is silent to the client; whether a security group
or a network list refused is not told. `tcp-flags` are those of the whole interval: 2 alone is a SYN that was repeated
or not followed by anything. NODATA means no traffic, SKIPDATA that rows are lost. Where a row has the addresses of the
packet itself these are the ends, and those of the interface the translated ones.
Cannot tell: when in the interval a packet came; whether a security group or a network list refused; sequence numbers.
An ACCEPT with `tcp-flags` 2 in one direction and no row of the other is a SYN that nobody answered.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from rpcdiag.logs import words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import SECOND, number
from rpcdiag.logs.record import Ends, made

_COLUMNS = (
    *(
        "version",
        "account-id",
        "interface-id",
        "srcaddr",
        "dstaddr",
        "srcport",
        "dstport",
        "protocol",
        "packets",
        "bytes",
    ),
    *("start", "end", "action", "log-status", "vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr"),
    *("pkt-dstaddr", "region", "az-id", "sublocation-type", "sublocation-id", "pkt-src-aws-service"),
    *("pkt-dst-aws-service", "flow-direction", "traffic-path"),
)
_PLAIN = 14
_PATHS = {"ingress": "in", "egress": "out"}
_SYN, _ACK = 2, 16


@cache
def _row() -> re.Pattern[str]:
    return re.compile(
        r"^(?:\d{4}-\d\d-\d\dT\S{8,16} )?[2-9] (?:\d{6,14}|unknown) eni-\S+ \S+ \S+ \S+ \S+ \S+ \S+ \S+ \d{10} \d{10} "
        r"(?:ACCEPT|REJECT|-) (?:OK|NODATA|SKIPDATA)(?: |$)"
    )


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(_named(line) or _row().match(line.strip()) for line in head.splitlines()[:200]):
        return None
    return "not aws-flow: no header line with srcaddr and dstaddr, no row with ACCEPT or REJECT and OK"


def _named(line: str) -> list[str] | None:
    """The columns, where the line is a header."""
    names = line.replace("${", "").replace("}", "").replace("_", "-").lower().split()
    both = {"srcaddr", "dstaddr"} <= set(names) or {"pkt-srcaddr", "pkt-dstaddr"} <= set(names)
    return names if both and "action" in names else None


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    columns: Sequence[str] = ()
    for line_number, line in enumerate(lines, start=1):
        text = line.strip("\x00").strip()
        if not text:
            continue
        if "addr" in text and (names := _named(text)):
            columns = names
            continue
        values = text.split()
        if len(values[0]) > len("2020-09-09T15:29:34") and values[0][10] == "T":
            del values[0]  # put before the row by an export
        if len(values) != len(columns) and columns:
            yield BadLine(line_number, f"{len(values)} values where {len(columns)} are announced")
        elif not columns and (len(values) < _PLAIN or values[12] not in ("ACCEPT", "REJECT", "-")):
            yield BadLine(line_number, "no row in the order of the documentation, and no header line names another")
        else:
            yield _entry(line_number, dict(zip(columns or _COLUMNS, values, strict=False)))


def _entry(line: int, fields: dict[str, str]) -> LogEntry | BadLine:
    start, end = number(fields.get("start")), number(fields.get("end"))
    resolution = SECOND
    if start is not None and end is not None and 0 <= end - start <= 3600:
        resolution = (end - start + 1) * SECOND
    moment = (None if start is None else start * SECOND), resolution, "utc"
    status = fields.get("log-status", "OK")
    if status == "NODATA" or fields.get("action") not in ("ACCEPT", "REJECT", "-"):
        return made(line, moment, "info", None, Ends(None, None, None, None), why=status)
    if status == "SKIPDATA":
        return made(line, moment, "lost", None, Ends(None, None, None, None), why=status, lost=1)
    bits = number(fields.get("tcp-flags"))
    inner, outer = fields.get("pkt-srcaddr", "-"), fields.get("pkt-dstaddr", "-")
    source, destination = fields.get("srcaddr"), fields.get("dstaddr")
    return made(
        line,
        moment,
        _action(fields, bits),
        fields.get("protocol"),
        Ends(
            *(source if inner == "-" else inner, fields.get("srcport")),
            *(destination if outer == "-" else outer, fields.get("dstport")),
            translated_source=source,
            translated_destination=destination,
        ),
        path=_PATHS.get(fields.get("flow-direction", ""), "unknown"),
        device=fields.get("interface-id"),
        flags=_flags(bits),
        service=words.value(fields, ("pkt-dst-aws-service",)),
    )


def _action(fields: dict[str, str], bits: int | None) -> str:
    """A row of TCP without a SYN speaks of a connection that had begun before its interval."""
    if fields["action"] == "REJECT":
        return "drop"
    going_on = bits is not None and fields.get("protocol") == "6" and not bits & _SYN
    return "progress" if going_on else "allow"


def _flags(bits: int | None) -> str | None:
    """Of a client's whole interval the flags say nothing of its first packet."""
    if not bits or (bits & _SYN and not bits & _ACK and bits != _SYN):
        return None
    return words.letters(bits)


FORMAT = LogFormat("aws-flow", "Amazon VPC flow logs", why_not, parse)
