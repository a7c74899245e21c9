"""What the filter box understands: words that must all fit.

An address or subnet (`10.1.0.0/24`), a port (`135`, `:135`, `port:49152-65535`), `state:refused`, `case:c1`; anything else
is text that must occur. `!` before a word: it must not fit.
"""

from collections.abc import Callable, Collection
from ipaddress import ip_network
from typing import NamedTuple

from rpcdiag.model.packets import Address

MOST_WORDS = 8


class Shown(NamedTuple):
    """What of a row can be asked for; `texts` are what the user sees."""

    addresses: Collection[Address]
    ports: Collection[int]
    state: str
    case: str
    texts: Collection[str]


Word = Callable[[Shown], bool]


def sieve(text: str) -> Word:
    """Whether a row fits; all fit an empty text."""
    words = [_word(word) for word in text.lower().split()[:MOST_WORDS] if word != "!"]
    return lambda row: all(word(row) for word in words)


def _word(text: str) -> Word:
    if text.startswith("!") and len(text) > 1:
        fits = _word(text[1:])
        return lambda row: not fits(row)
    name, colon, value = text.partition(":")
    if colon and name == "state":
        return lambda row: value in row.state.lower()
    if colon and name == "case":
        return lambda row: value in ("", row.case)  # nothing is hidden while it is typed
    if (ports := _ports(value if colon and name in ("", "port") else text)) is not None:
        return lambda row: any(port in ports for port in row.ports)
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return lambda row: any(text in one.lower() for one in (*row.texts, row.state, *map(str, row.addresses)))
    return lambda row: any(one in network for one in row.addresses)


def _ports(text: str) -> range | None:
    first, dash, last = text.partition("-")
    if first.isdecimal() and first.isascii() and len(first) < 6 and (not dash or (last.isdecimal() and last.isascii())):
        return range(int(first), (int(last) if dash else int(first)) + 1)
    return None
