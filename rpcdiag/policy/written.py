"""Ports, addresses and protocols as people and tools write them; what all readers of rule sets share."""

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from rpcdiag.model.packets import Address
from rpcdiag.policy.model import Network, Rule, Scope

MAX_TEXT = 16 << 20  # characters of a file that are read
MAX_RULES = 50_000
MAX_ITEMS = 4_096  # of one list in a rule
MAX_REMARKS = 500
MAX_WORDS = 400  # characters of a name
UNCLEAR = "not known: "  # begins a name in a scope that nobody can define: a condition that is not evaluated

_PORTS = re.compile(r"([0-9]{1,5})(?:\s*[-:]\s*([0-9]{1,5}))?")
_PROTOCOLS = {
    "": None, "any": None, "all": None, "*": None, "256": None, "6": "tcp", "17": "udp", "1": "icmp",
    "tcp": "tcp", "udp": "udp", "icmp": "icmp", "icmpv4": "icmp", "icmpv6": "58", "icmp6": "58", "ipv6-icmp": "58",
    "igmp": "2", "gre": "47", "esp": "50", "ah": "51", "ipv6": "41", "sctp": "132", "udplite": "136", "dccp": "33",
    "hopopt": "0", "pgm": "113", "l2tp": "115", "vrrp": "112", "ipv6-frag": "44", "ipv6-route": "43",
    "ipv6-nonxt": "59", "ipv6-opts": "60", "ospf": "89",
}  # fmt: skip


class Remarks:
    """What could not be read, each with its line; the same thing is said once, and not more often than anybody reads."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}
        self._more = 0
        self.cut: str | None = None

    def breaks_off(self, says: str, line: int | None = None) -> None:
        """The file ends before its time, or cannot be read from here on."""
        self.add(says, line)
        self.cut = self.cut or (f"line {line}: {says}" if line is not None else says)

    def add(self, says: str, line: int | None = None) -> None:
        text = f"line {line}: {says}" if line is not None else says
        if text in self._said:
            return
        if len(self._said) < MAX_REMARKS:
            self._said[text] = None
        else:
            self._more += 1

    def all(self) -> tuple[str, ...]:
        return (*self._said, *([f"and {self._more} more"] if self._more else []))


def bounded(text: str, remarks: Remarks) -> str:
    """As much of a file as is read."""
    if len(text) > MAX_TEXT:
        remarks.add(f"only the first {MAX_TEXT >> 20} Mi characters were read")
    return text[:MAX_TEXT]


def lines(text: str) -> list[str]:
    """Lines as an editor counts them, without their ends; a byte order mark is none of the text."""
    return [line.rstrip("\r") for line in text.lstrip("\ufeff").split("\n")]


def short(text: str, most: int = 60) -> str:
    """The beginning of a text, for a sentence about it."""
    return text if len(text) <= most else text[:most] + "..."


def port_range(text: str) -> tuple[int, int]:
    """`135`, `5000-5100`, `5000:5100`.

    Raises:
        ValueError: it is neither.
    """
    found = _PORTS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{short(text)!r} is no port")
    first = int(found[1])
    last = int(found[2]) if found[2] else first
    if not first <= last <= 65535:
        raise ValueError(f"{short(text)!r} is no range of ports")
    return first, last


def without(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """All ports but these; empty where nothing is left."""
    left, start = [], 0
    for first, last in sorted(ranges):
        if first > start:
            left.append((start, first - 1))
        start = max(start, last + 1)
    return (*left, (start, 65535)) if start <= 65535 else tuple(left)


def protocol(text: str) -> str | None:
    """As a rule has it: tcp, udp, icmp, a number as text; None for any.

    Raises:
        ValueError: nobody knows it.
    """
    word = text.strip().lower()
    if word in _PROTOCOLS:
        return _PROTOCOLS[word]
    if re.fullmatch("[0-9]{1,3}", word) and int(word) < 256:
        return str(int(word))
    raise ValueError(f"{short(text)!r} is no protocol")


def addresses(text: str) -> Network | tuple[Address, Address]:
    """`10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1-10.0.0.9`, and the same of IPv6.

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip()
    if len(text) > 100:
        raise ValueError(f"{short(text)!r} is no address")
    first, dash, last = text.partition("-")
    if not dash:
        return ip_network(text, strict=False)
    low, high = ip_address(first.strip()), ip_address(last.strip())
    if low.version != high.version or int(low) > int(high):
        raise ValueError(f"{short(text)!r} is no range of addresses")
    return low, high


def scope(items: Iterable[Network | tuple[Address, Address]], names: Iterable[str] = ()) -> Scope:
    """A scope of addresses as `addresses` gives them, and names."""
    networks: list[Network] = []
    ranges: list[tuple[Address, Address]] = []
    for one in items:
        if isinstance(one, tuple):
            ranges.append(one)
        else:
            networks.append(one)
    return Scope(tuple(networks), tuple(ranges), tuple(names))


def opened(rule: Rule, why: str) -> Rule:
    """The rule with a condition that is not evaluated here: whether it matches is left open, and never guessed.

    The condition stands as a name that nobody defines, in a scope that says nothing else, so that what the rest of the
    rule excludes stays excluded; where both scopes say something, the words of the destinations are given up.
    """
    name = UNCLEAR + short(why, 200)
    if _says_nothing(rule.sources) and not _says_nothing(rule.destinations):
        return rule._replace(sources=_with(rule.sources, name))
    return rule._replace(destinations=_with(rule.destinations, name))


def _says_nothing(scope: Scope) -> bool:
    return scope.any or is_unclear(scope)


def _with(scope: Scope, name: str) -> Scope:
    there = scope.names if is_unclear(scope) else ()
    return Scope(names=tuple(dict.fromkeys((*there, name)))[:MAX_ITEMS])


def is_unclear(scope: Scope) -> bool:
    """Whether it stands for conditions that are not evaluated, and nothing else."""
    return bool(scope.names) and not scope.networks and not scope.ranges and all(map(_unclear, scope.names))


def _unclear(name: str) -> bool:
    return name.startswith(UNCLEAR)
