"""The times that logs write: with a month's name, as ISO 8601 does, or counted from 1970.

Devices write many rows in one second, so what was read once is remembered.
"""

import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import NamedTuple

from rpcdiag.logs.fields import SECOND

LEAP_YEAR = 2000  # has every day; stands where none is written
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LAST_YEAR = 9999
_UNITS = ((11, SECOND), (14, 1_000_000), (17, 1000), (20, 1))  # by the number of digits
_UTC_NAMES = frozenset({"Z", "UTC", "GMT", "UCT"})


class Moment(NamedTuple):
    """A time as `LogEntry` holds it: ns as written (UTC where the zone is known), resolution in ns, basis."""

    ns: int
    resolution_ns: int
    basis: str


@cache
def _iso() -> re.Pattern[str]:
    return re.compile(
        r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ]{1,2}(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d{0,20})?)?"
        r" ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?"
    )


@lru_cache(maxsize=8192)
def iso(text: str) -> Moment:
    """`2024-05-02T10:00:01.123456+02:00` and its relatives: a blank or slashes, no seconds, no zone.

    Raises:
        ValueError: no such time.
    """
    found = _iso().fullmatch(text.strip())
    if not found:
        raise ValueError(f"time {text[:40]!r}")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    ns = seconds(int(year), int(month), int(day), f"{hour:>02}:{minute}:{second or '00'}") * SECOND
    resolution: int = 60 * SECOND if second is None else 10 ** (9 - len(fraction or ""))
    if fraction:
        ns += int(fraction) * resolution
    if zone is None:
        return Moment(ns, resolution, "local")
    if zone in _UTC_NAMES:
        return Moment(ns, resolution, "utc")
    return Moment(ns - ahead(zone) * SECOND, resolution, "offset")


@lru_cache(maxsize=8192)
def named(month: str, day: str, year: str | None, clock: str, zone: str | None = None) -> Moment:
    """`Nov`, `8`, `2026` or nothing, `12:37:34.123`; a zone counts only where it says UTC, for names are ambiguous.

    Raises:
        ValueError: no such time.
    """
    whole, _, fraction = clock.replace(",", ".").partition(".")
    number = _MONTHS.index(month[:3].capitalize()) + 1
    resolution: int = 10 ** (9 - len(fraction))
    ns = seconds(int(year or LEAP_YEAR), number, int(day), whole) * SECOND + int(fraction or "0") * resolution
    if not year:
        return Moment(ns, resolution, "no_year")
    return Moment(ns, resolution, "utc" if zone in _UTC_NAMES else "local")


@lru_cache(maxsize=8192)
def epoch(text: str) -> Moment:
    """Seconds since 1970, with a fraction or not, or milli-, micro- or nanoseconds: the number of digits tells.

    Raises:
        ValueError: no such number.
    """
    whole, _, fraction = text.strip(' "').partition(".")
    if not (whole.isascii() and whole.isdigit() and (not fraction or (fraction.isascii() and fraction.isdigit()))):
        raise ValueError(f"time {text[:40]!r}")
    unit = next((unit for digits, unit in _UNITS if len(whole) < digits), None)
    if unit is None:
        raise ValueError(f"time {text[:40]!r}")
    if fraction and unit == SECOND:
        resolution: int = 10 ** (9 - min(len(fraction), 9))
        return Moment(int(whole) * SECOND + int(fraction[:9]) * resolution, resolution, "utc")
    return Moment(int(whole) * unit, unit, "utc")


def ahead(zone: str) -> int:
    """Seconds that a zone like `+0100` or `-03:30` is ahead of UTC.

    Raises:
        ValueError: it is none.
    """
    digits = zone[1:].replace(":", "")
    if zone[:1] not in ("+", "-") or len(digits) != 4 or not digits.isdigit() or not digits.isascii():
        raise ValueError(f"zone {zone[:10]!r}")
    away = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -away if zone[0] == "-" else away


@lru_cache(maxsize=256)
def _midnight(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def seconds(year: int, month: int, day: int, clock: str) -> int:
    """Seconds since 1970 of a date and `hh:mm:ss`, read as UTC.

    Raises:
        ValueError: no such time.
    """
    if not clock.isascii() or year > _LAST_YEAR:
        raise ValueError(f"time {clock[:20]!r}")
    hour, minute, second = (int(part) for part in clock.split(":"))
    if not (hour <= 23 and minute <= 59 and second <= 60):
        raise ValueError(f"time {clock[:20]!r}")
    return _midnight(year, month, day) + hour * 3600 + minute * 60 + second


@cache
def _written_out() -> re.Pattern[str]:
    clock = r"[ T:](\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?)(?: ?([A-Z]{1,4}|[+-]\d\d:?\d\d))?"
    return re.compile(
        rf"(?:[A-Z][a-z]{{2}},? )?([A-Z][a-z]{{2}})[ /-]{{1,2}}(\d{{1,2}}),?[ /-](\d{{4}}){clock}"
        rf"|(\d{{1,2}})[ /-]([A-Z][a-z]{{2}})[ /-](\d{{4}}){clock}"
    )


@lru_cache(maxsize=8192)
def any_of(text: str) -> Moment:
    """A time in whichever of these forms it is written: counted from 1970, ISO 8601, or with the month's name.

    Raises:
        ValueError: in none of them.
    """
    text = text.strip(' "')
    if text.replace(".", "", 1).isdigit():
        return epoch(text)
    if not (found := _written_out().fullmatch(text)):
        return iso(text)
    month, day, year, clock, zone = found.groups()[:5]
    if month is None:
        day, month, year, clock, zone = found.groups()[5:]
    moment = named(month, day, year, clock, zone)
    if zone and zone[0] in "+-":
        return Moment(moment.ns - ahead(zone) * SECOND, moment.resolution_ns, "offset")
    return moment
