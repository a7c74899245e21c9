"""ISA Server and Forefront TMG, firewall log in the products' own text form.

Without a header; values are separated by a comma and a blank, `-` where a field is off. Time is local to the server;
a row of TMG also holds it in UTC, and then that counts. Rule names may contain commas: in the 44 values of TMG the rule
is what lies between the result code and the fixed number of values behind it.
Cannot tell: the sequence number; UTC, where the row has no such value (ISA): the offset is measured then.
"""

import re
from collections.abc import Iterable, Iterator

from rpcdiag.logs import isa
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import when

_FIRST = (
    *("computer", "date", "time", "ip protocol", "source", "destination", "original client ip", "source network"),
    *("destination network", "action", "status"),
)
_RULE = len(_FIRST)
_TMG = 44  # values of a row of TMG
_BEHIND_RULE = 32  # of these, from the protocol definition on
_SHORTEST = 13
_ROW = re.compile(r"^[^,\n]{1,64}, \d{4}-\d\d-\d\d, \d\d:\d\d:\d\d, [A-Za-z0-9-]{1,16}, (?:[^,\n]{0,64}, ){8}", re.M)


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(_ROW.match(line) for line in head.splitlines()[:50] if not line.startswith("#")):
        return None
    return "not isa-tmg-native: no row of a computer, date, time, protocol and more, separated by a comma and a blank"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    for number, line in enumerate(lines, start=1):
        text = line.strip(" \r\n\x00")
        if text and not text.startswith("#"):
            yield _entry(number, text.split(", "))


def _entry(line: int, values: list[str]) -> LogEntry | BadLine:
    if len(values) < _SHORTEST:
        return BadLine(line, f"{len(values)} values where at least {_SHORTEST} belong")
    fields = dict(zip(_FIRST, values, strict=False)) | _behind(values)
    basis, date, time = "local", fields["date"], fields["time"]
    if fields.get("gmt"):
        basis, (date, _, time) = "utc", fields["gmt"].partition(" ")
    try:
        written, resolution = when(date, time)
    except ValueError as error:
        return BadLine(line, f"no time: {error}")
    return isa.row(line, written, fields, basis=basis, resolution_ns=resolution)


def _behind(values: list[str]) -> dict[str, str]:
    """What follows the result code, as far as it can be told where values themselves hold commas."""
    if len(values) < _TMG:
        return {"rule": values[_RULE], "application protocol": values[_RULE + 1]}
    tail = values[-_BEHIND_RULE:]
    if tail[1] not in ("Y", "N", "-"):  # commas behind the rule as well
        return {}
    gmt = tail[16]
    return {
        "rule": ", ".join(values[_RULE:-_BEHIND_RULE]),
        "application protocol": tail[0],
        "connection id": tail[12],
        "nat address": tail[19],
        "gmt": gmt if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", gmt) else "",
    }


FORMAT = LogFormat("isa-tmg-native", "ISA Server and Forefront TMG, native firewall log", why_not, parse)
