"""What the prefix of a netfilter rule says: the only place where such a log holds the action."""

import re
from functools import cache, lru_cache

_WORDS = (
    ("reset", {"RST", "RESET"}),
    ("reject", {"REJECT", "REJECTED"}),
    ("drop", {"DROP", "DROPPED", "BLOCK", "BLOCKED", "DENY", "DENIED"}),
    ("allow", {"ALLOW", "ALLOWED", "ACCEPT", "ACCEPTED", "PERMIT", "PASS"}),
)
_ENDINGS = {"D": "drop", "R": "reject", "A": "allow"}  # of rule sets that number their rules: [WAN_IN-default-D]


@cache
def _zones() -> re.Pattern[str]:
    return re.compile(
        r"\b(?:Shorewall6?:)?([A-Za-z]\w{0,14}?)(?:2|-)([A-Za-z]\w{0,14}):(?:ACCEPT|DROP|REJECT|LOG)"
        r"|^([A-Za-z]\w{0,14})-([A-Za-z]\w{0,14}) (?:ACCEPT|DROP|REJECT)"
    )


@cache
def _ending() -> re.Pattern[str]:
    return re.compile(r"\[[\w.-]{1,60}-([ADR])\]")


@lru_cache(maxsize=1024)
def action(prefix: str) -> str:
    """The action that a word of the prefix stands for; unknown where there is none."""
    parts = set(re.split(r"[^A-Z]+", prefix.upper()))
    found = next((action for action, words in _WORDS if parts & words), None)
    if found:
        return found
    ending = _ending().search(prefix)
    return _ENDINGS[ending.group(1)] if ending else "unknown"


@lru_cache(maxsize=1024)
def zones(prefix: str) -> tuple[str | None, str | None]:
    """From and to, where the prefix is one of Shorewall's: `Shorewall:net2fw:DROP`, `net-fw DROP`."""
    found = _zones().search(prefix)
    if not found:
        return None, None
    return found.group(1) or found.group(3), found.group(2) or found.group(4)


def path(inside: str | None, outside: str | None) -> str:
    """The way of a packet by its two interfaces."""
    if inside:
        return "fwd" if outside else "in"
    return "out" if outside else "unknown"
