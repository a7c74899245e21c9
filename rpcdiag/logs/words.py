"""The words with which firewalls say what they did, and pairs of a name and a value."""

import re
from collections.abc import Iterable
from functools import cache

from rpcdiag.logs.fields import number
from rpcdiag.model.packets import Address

_ACTIONS = {
    "allow": "accept accepted allow allowed permit permitted pass passed trust trusted monitor bypass forward forwarded",
    "drop": "drop dropped deny denied block blocked discard discarded prevent prevented refuse refused",
    "reject": "reject rejected drop-icmp",
    "reset": "reset reset-both reset-client reset-server block-with-reset block-reset reset-source reset-destination",
    "open": "open opened establish established start started built create created begin",
    "close": "close closed end ended terminate terminated teardown finished timeout client-rst server-rst aged-out",
    "fail": "fail failed error ip-conn",
    "progress": "progress update updated continue intermediate",
    "lost": "lost",
    "info": "info information notice log",
    "unknown": "unknown",
}
_BY_WORD = {word: action for action, words in _ACTIONS.items() for word in words.split()}
KNOWN = frozenset(_ACTIONS)
_PORTED = frozenset({"tcp", "udp", "6", "17"})
_NUMBERS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmp"}
_BITS = "FSRPAU"


def action(text: str | None) -> str:
    """The action that a word stands for, as `LogEntry` names it; unknown where it has no meaning that is sure."""
    return _BY_WORD.get(text.strip().lower().replace(" ", "-").replace("_", "-"), "unknown") if text else "unknown"


def transport(text: str | None) -> str:
    """The protocol in lower case; of TCP, UDP and ICMP also where the log has the number."""
    name = (text or "-").strip().lower()
    if name == "icmp6" or name.startswith(("icmpv6", "ipv6-icmp")):
        return "icmp"
    return _NUMBERS.get(name, name or "-")


def has_ports(name: str) -> bool:
    """Whether what stands in the place of ports is ports, and not type and code."""
    return name in _PORTED


def letters(bits: int) -> str | None:
    """TCP flags by their bits, SYN is 2, as letters."""
    return "".join(letter for place, letter in enumerate(_BITS) if bits >> place & 1) or None


@cache
def _pair() -> re.Pattern[str]:
    return re.compile(r"""([A-Za-z_][\w.-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]\S*))?""")


@cache
def _pair_behind_a_comma() -> re.Pattern[str]:
    return re.compile(r"""([A-Za-z_][\w.-]*)=(?:"((?:[^"\\]|\\.)*)"|([^",]*))""")


def pairs(text: str, *, commas: bool = False) -> dict[str, str]:
    """`name=value name="a value"` as a dictionary; the first of equal names counts. `commas` stand between them."""
    found = (_pair_behind_a_comma() if commas else _pair()).findall(text)
    return {name: quoted or plain for name, quoted, plain in reversed(found)}


def value(fields: dict[str, str], names: Iterable[str]) -> str | None:
    """The first of these fields that has a value, and not just a word for none."""
    for name in names:
        text = fields.get(name)
        if text and text not in ("-", "N/A", "n/a", "NA", "None", "none", "null"):
            return text
    return None


def translated(end: Address | None, other: Address | None) -> Address | None:
    """The address behind a translation, or None where there was none: the same again, or zero."""
    return None if other is None or other == end or other.is_unspecified else other


def translated_port(end: int | None, text: str | None) -> int | None:
    """The port behind a translation; zero is none."""
    found = number(text)
    return None if not found or found > 65535 or found == end else found
