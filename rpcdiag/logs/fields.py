"""Values that several log formats write alike."""

import re
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from rpcdiag.model.packets import Address

SECOND = 1_000_000_000
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp"}
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))? ?(?:(Z|UTC)|([+-])(\d\d):?(\d\d))?", re.A)


@lru_cache(maxsize=8192)  # a log names the same few hosts again and again
def address(text: str | None) -> Address | None:
    """The address, or None where there is a dash, a mask or a name."""
    if not text or text == "-":
        return None
    try:
        return IPv6Address(text.partition("%")[0]) if ":" in text else IPv4Address(text)
    except ValueError:
        return None


def number(text: str | None) -> int | None:
    """A decimal number of at most ten digits; None for everything else."""
    return int(text) if text and len(text) <= 10 and text.isascii() and text.isdigit() else None


def port(text: str | None) -> int | None:
    value = number(text)
    return value if value is not None and value <= 65535 else None


def protocol(text: str | None) -> str:
    """The name in lower case; of the protocols with ports also where the log has the number."""
    name = (text or "-").strip().lower()
    return _PROTOCOLS.get(name, name)


def endpoint(text: str) -> tuple[Address | None, int | None]:
    """`10.0.0.1:135` or `[2001:db8::1]:135`; an address alone has no port."""
    if text.endswith("]"):
        return address(text.strip("[]")), None
    host, colon, digits = text.rpartition(":")
    if not colon:
        return address(text), None
    return address(host.strip("[]")), port(digits)


def when(date: str, time: str) -> tuple[int, int]:
    """`2011-03-02`, `10:15:41.123` as (ns as if it were UTC, resolution in ns).

    Raises:
        ValueError: no such time.
    """
    whole, _, fraction = time.partition(".")
    if len(date) != 10 or len(whole) != 8:
        raise ValueError(f"time {date} {time}"[:40])
    ns = int(datetime.fromisoformat(f"{date}T{whole}+00:00").timestamp()) * SECOND
    if not fraction:
        return ns, SECOND
    if not (fraction.isascii() and fraction.isdigit()) or len(fraction) > 9:
        raise ValueError(f"fraction of a second {fraction[:20]!r}")
    return ns + int(fraction) * 10 ** (9 - len(fraction)), 10 ** (9 - len(fraction))


def iso(text: str) -> tuple[int, int, str]:
    """`2020-08-05T07:48:29.123Z` as (ns as if it were UTC, resolution in ns, basis); without a zone it is local.

    Raises:
        ValueError: no such time.
    """
    found = _ISO.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"time {text[:40]}")
    date, clock, fraction, utc, sign, hours, minutes = found.groups()
    ns, resolution = when(date, f"{clock}.{fraction}" if fraction else clock)
    if sign is None:
        return ns, resolution, "utc" if utc else "local"
    ahead = (int(hours) * 60 + int(minutes)) * 60 * SECOND
    return ns - ahead if sign == "+" else ns + ahead, resolution, "offset"


def unsigned(text: str | None) -> int | None:
    """A result code in hexadecimal or decimal, signed or not, as 32 unsigned bits."""
    if not text or text == "-" or len(text) > 12:
        return None
    try:
        return int(text, 16 if text[:2].lower() == "0x" else 10) & 0xFFFFFFFF
    except ValueError:
        return None
