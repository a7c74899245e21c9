"""What the filter box understands: words that must all fit.

An address or subnet (`10.1.0.0/24`), a port (`135`, `:135`, `port:49152-65535`), `state:refused`, `case:c1`; anything else
is text that must occur. `!` before a word: it must not fit.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from rpcdiag.logs.expression import network, ports
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
    if (wanted := ports(value if colon and name in ("", "port") else text)) is not None:
        return lambda row: any(port in wanted for port in row.ports)
    if (within := network(text)) is not None:
        return lambda row: any(one in within for one in row.addresses)
    return lambda row: any(text in one.lower() for one in (*row.texts, row.state, *map(str, row.addresses)))
