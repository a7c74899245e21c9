"""Rows copied out of the log viewer of ISA Server or Forefront TMG: a block of lines each.

The first line is the action and a time in the console's own regional form, local to it; where the order of day and
month cannot be told the row has no time. Labels are translated on other consoles: ends are told by `NETWORK (ip:port)`,
the first the source, codes by `0x`; the action is unknown then. Without a word for the transport it is TCP.
Cannot tell: fractions of a second; the action on a console in another language; UTC.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from rpcdiag.logs import isa
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat

_TITLES = {
    "initiated connection": "establish",
    "closed connection": "terminate",
    "denied connection": "denied",
    "allowed connection": "allowed",
    "failed connection attempt": "failed",
    "connection status": "intermediate",
}
_LABELS = {"rule": "rule", "protocol": "application protocol"}
_END = re.compile(r"^[^:]{1,40}: *([^()]{0,80}?) *\(([^()\s]{1,60}:\d{1,5})\)$")
_CODE = re.compile(r"\b0x[0-9a-fA-F]{1,8}\b")
_TRANSPORT = re.compile(r"\((TCP|UDP|ICMP)\)")
_NO_SYN = "non-syn packet"
MAX_BLOCK = 40  # lines; the longest block of the viewer has about half of that


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    lines = [line.strip() for line in head.splitlines()]
    for first, second in pairwise(lines):
        if (_action(first) and second.lower().startswith("log type:")) or (_END.match(first) and _END.match(second)):
            return None
    return "not isa-tmg-viewer: no block of an action, 'Log type:' and ends like 'Internal (10.0.0.1:135)'"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    block: list[str] = []
    begins = 0
    for number, line in enumerate(lines, start=1):
        text = line.strip(" \t\r\n\x00")
        if block and (not text or _action(text)):
            yield _entry(begins, block)
            block = []
        if text:
            begins = begins if block else number
            if len(block) < MAX_BLOCK:
                block.append(text)
    if block:
        yield _entry(begins, block)


def _action(text: str) -> str | None:
    """The action of a block's first line, as the W3C form calls it."""
    lowered = text.lower()
    return next((action for title, action in _TITLES.items() if lowered.startswith(title)), None)


def _entry(line: int, block: list[str]) -> LogEntry | BadLine:
    ends = [found.groups() for text in block if (found := _END.match(text))]
    if len(ends) < 2:
        return BadLine(line, f"a block of {len(block)} lines without source and destination")
    whole = "\n".join(block)
    transport = _TRANSPORT.search(whole)
    code = _CODE.search(whole)
    fields = {
        "action": _action(block[0]) or "",
        "source network": ends[0][0],
        "source": ends[0][1],
        "destination network": ends[1][0],
        "destination": ends[1][1],
        "ip protocol": transport[1] if transport else "tcp",
        "status": code[0] if code else "0xc0040017" if _NO_SYN in whole.lower() else "",
    }
    for text in block[1:]:
        label, colon, value = text.partition(":")
        if colon and label.lower() in _LABELS:
            fields.setdefault(_LABELS[label.lower()], value.strip())
    if "rule" not in fields and (named := _before_the_ends(block)):
        fields["rule"] = named
    if fields.get("rule", "").startswith("None - "):
        fields["rule"] = "-"
    entry = isa.row(line, isa.regional(block[0]), fields, basis="local")
    return entry if fields["action"] else entry._replace(action="unknown")


def _before_the_ends(block: list[str]) -> str | None:
    """The rule of a console in another language: it stands before the source, in all of them.

    Where no rule was responsible there are words that say so, behind a code of the firewall's own.
    """
    at = next(number for number, text in enumerate(block) if _END.match(text))
    value = block[at - 1].partition(":")[2].strip() if at > 1 else ""
    code = _CODE.search("\n".join(block))
    refused = code is None or code[0].lower().startswith("0xc004")
    return value if value.startswith("[") or (value and not refused) else None


FORMAT = LogFormat("isa-tmg-viewer", "ISA Server and Forefront TMG, copied from the log viewer", why_not, parse)
