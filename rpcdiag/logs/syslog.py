"""The envelopes that syslog puts around what a device says. [RFC 3164] 4.1, [RFC 5424] 6, [RFC 6587] 3.4.1

`<PRI>`, a count of octets before it, a time in either style, the host; then, where a relay has put its own envelope
around, the same again. The innermost time counts, for it is the device's own. What the year or zone leaves open the
`basis` says. Program, process and message identifiers are left to the format.
"""

import re
from functools import cache
from typing import NamedTuple

from rpcdiag.logs import moments
from rpcdiag.logs.fields import SECOND

MAX_ENVELOPES = 5
_MONTHS = frozenset({"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"})
_MONTH = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_HOST = (
    r"(?:(-|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[\w.:/-]{0,253}[\w.-])?)(?= ))?"  # a tag ends in a colon, a host does not
)


class Envelope(NamedTuple):
    """When a line was written and by whom, and at which character what it says begins; `ns` is None without a time."""

    ns: int | None
    resolution_ns: int
    basis: str
    device: str | None
    end: int


NOTHING = Envelope(None, SECOND, "local", None, 0)


@cache
def _priority() -> re.Pattern[str]:
    # the count of octets, the priority, the version of RFC 5424, the colon of Cisco's EMBLEM format
    return re.compile(r" {0,4}(?:\d{1,7} )?(?:<\d{1,3}>)(?:1 )?:? ?(?:\d{1,10}: )?")


@cache
def _dated() -> re.Pattern[str]:
    return re.compile(
        rf"[*.]?{_MONTH} {{1,2}}(\d{{1,2}}) (?:(\d{{4}}) )?(\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?)(?: (\d{{4}})\b)?"
        rf"(?: (UTC|GMT|[A-Z]{{3,4}})(?=:))?(?::? {{1,2}}{_HOST}|:|$) ?:? ?"
    )


@cache
def _iso() -> re.Pattern[str]:
    return re.compile(
        r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
        rf"(?::? {{1,2}}{_HOST}|:|$) ?:? ?"
    )


@cache
def _tabbed() -> re.Pattern[str]:
    """Kiwi Syslog and its like: time, facility and level, host, each with a tab behind it."""
    return re.compile(
        r"(\d{4}-\d\d-\d\d)[ \t](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)\t[A-Za-z]\w{1,15}\.[A-Za-z]{1,15}\t(\S{1,253})\t"
    )


@cache
def _header_before_another() -> re.Pattern[str]:
    """What RFC 5424 has behind the host, where a whole envelope follows."""
    return re.compile(
        rf"\S{{1,48}} \S{{1,128}} \S{{1,32}} (?:-|\[[^\]]{{0,500}}\]) (?=<\d|{_MONTH} [ \d]\d |\d{{4}}-\d\d-\d\dT)"
    )


def opened(text: str) -> Envelope:
    """The envelopes of a line.

    Raises:
        ValueError: something has the shape of a time and is none.
    """
    found, start = NOTHING, 0
    for _ in range(MAX_ENVELOPES):
        one = _opened_once(text, start, found)
        if one is found or (start := _another(text, one)) < 0:
            return one
        found = one
    return found


def _opened_once(text: str, start: int, outer: Envelope) -> Envelope:
    if priority := _priority().match(text, start):
        start = priority.end()
    if dated := _dated().match(text, start):
        month, day, year, clock, late_year, zone, host = dated.groups()
        moment = moments.named(month, day, year or late_year, clock, zone)
        return Envelope(*moment, _host(host) or outer.device, dated.end())
    if text[start : start + 4].isdigit() and (iso := _iso().match(text, start)):
        moment = moments.iso(iso.group(1).replace("T", " "))
        return Envelope(*moment, _host(iso.group(2)) or outer.device, iso.end())
    if text[start : start + 4].isdigit() and (tabbed := _tabbed().match(text, start)):
        date, clock, host = tabbed.groups()
        return Envelope(*moments.iso(f"{date} {clock}"), _host(host), tabbed.end())
    return outer._replace(end=start) if priority else outer


def _another(text: str, found: Envelope) -> int:
    """Where another envelope can begin behind this one, -1 where none does."""
    begins = text[found.end : found.end + 3]
    if begins[:1] in ("<", "*", ".") or begins in _MONTHS or (begins[:1].isdigit() and begins.isdigit()):
        return found.end
    near = text[found.end : found.end + 300]
    header = _header_before_another().match(text, found.end) if " - " in near or "] " in near else None
    return header.end() if header else -1


def _host(text: str | None) -> str | None:
    return None if text in (None, "-") else text
