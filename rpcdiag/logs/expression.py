"""Filter expressions over log rows: `port 49152-65535 and drop and not noise`.

`grammar.GRAMMAR` is the whole of it. Nothing is resolved: a host is its address.
"""

import re
from collections.abc import Callable
from fnmatch import translate
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from rpcdiag.errors import InputError
from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.words import transport
from rpcdiag.model.packets import Address

MOST_TERMS = 256
DEEPEST = 32
FIRST_DYNAMIC = 49152
_ACTIONS = ("drop", "reject", "reset", "allow", "open", "close", "fail", "progress", "lost", "info", "unknown")
_SYNONYMS = {
    "drops": "drop", "dropped": "drop", "rejected": "reject", "allowed": "allow", "closed": "close", "opened": "open",
    "forward": "fwd", "inbound": "in", "outbound": "out", "interface": "zone", "iface": "zone", "protocol": "proto",
    "!": "not", "&&": "and", "||": "or", "blocked": "denied", "host": "host", "net": "host",
}  # fmt: skip
_TOKEN = re.compile(r"""\s*(?:([()!]|&&|\|\|)|"([^"]*)"|'([^']*)'|([^\s()!"'&|]+))""")
_NETBIOS = frozenset({137, 138})
_CODE_DIGITS = re.compile(r"0x[0-9a-f]{1,8}|-?\d{1,10}", re.I)
_Network = IPv4Network | IPv6Network


class Subject(NamedTuple):
    """What an expression is about: a row, and whether its destination was handed out to somebody."""

    entry: LogEntry
    handed: bool = False


Test = Callable[[Subject], bool]


class Expression(NamedTuple):
    """`test` says whether a row fits; `networks` and `ports` are those that it asks for, not those it excludes."""

    text: str
    test: Test
    networks: tuple[_Network, ...]
    ports: tuple[range, ...]

    def names(self, address: Address | None, port: int | None) -> tuple[bool, bool]:
        """Whether the expression asks for this address, and for this port."""
        return (
            address is not None and any(address in one for one in self.networks),
            port is not None and any(port in one for one in self.ports),
        )


class _Token(NamedTuple):
    text: str
    at: int
    quoted: bool


def parse(text: str) -> Expression:
    """Raises:
    InputError: it is no expression; the place is a character, from 1.
    """
    return _Parser(text).whole()


def is_noise(entry: LogEntry) -> bool:
    """Broadcast, multicast, and names of NetBIOS: what fills a log and breaks nothing."""
    to = entry.destination
    if entry.protocol == "tcp":
        return False
    if to is not None and (to.is_multicast or (to.version == 4 and int(to) & 0xFF == 0xFF)):
        return True
    return entry.protocol == "udp" and (entry.destination_port in _NETBIOS or entry.source_port in _NETBIOS)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._cut()
        self._place = self._depth = self._terms = 0
        self._positive = True
        self._networks: list[_Network] = []
        self._ports: list[range] = []

    def whole(self) -> Expression:
        if not self._tokens:
            raise self._error("is empty", 0)
        test = self._or()
        if self._place < len(self._tokens):
            token = self._tokens[self._place]
            raise self._error(f"{token.text!r} where 'and', 'or' or the end belongs", token.at)
        return Expression(self._text, test, tuple(self._networks), tuple(self._ports))

    def _error(self, why: str, at: int) -> InputError:
        return InputError(f"filter {self._text!r}", why, f"character {at + 1}")

    def _cut(self) -> list[_Token]:
        tokens, at = [], 0
        end = len(self._text.rstrip())
        while at < end:
            found = _TOKEN.match(self._text, at)
            if found is None:
                rest = self._text[at:].lstrip()
                what = "a quotation mark that is not closed" if rest[0] in "\"'" else f"{rest[0]!r} means nothing"
                raise self._error(what, len(self._text) - len(rest))
            group = found.lastindex or 0
            tokens.append(_Token(found[group], found.start(group), group in (2, 3)))
            at = found.end()
        return tokens

    def _peek(self) -> str | None:
        """The next word, in the form the grammar knows; None where it is quoted, or nothing follows."""
        if self._place == len(self._tokens) or self._tokens[self._place].quoted:
            return None
        word = self._tokens[self._place].text.lower()
        return _SYNONYMS.get(word, word)

    def _next(self, what: str) -> _Token:
        if self._place == len(self._tokens):
            raise self._error(f"ends where {what} belongs", len(self._text))
        self._place += 1
        return self._tokens[self._place - 1]

    def _or(self) -> Test:
        tests = [self._and()]
        while self._peek() == "or":
            self._place += 1
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else lambda subject: any(test(subject) for test in tests)

    def _and(self) -> Test:
        tests = [self._not()]
        while self._peek() == "and":
            self._place += 1
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else lambda subject: all(test(subject) for test in tests)

    def _not(self) -> Test:
        if self._peek() == "not":
            self._place += 1
            self._deeper()
            self._positive = not self._positive
            test = self._not()
            self._positive = not self._positive
            self._depth -= 1
            return lambda subject: not test(subject)
        if self._peek() == "(":
            opened = self._next("(")
            self._deeper()
            test = self._or()
            if self._peek() != ")":
                at = self._tokens[self._place].at if self._place < len(self._tokens) else len(self._text)
                raise self._error(f"')' belongs here, for the '(' at character {opened.at + 1}", at)
            self._place += 1
            self._depth -= 1
            return test
        return self._term()

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"is nested deeper than {DEEPEST}", self._tokens[self._place - 1].at)

    def _term(self) -> Test:
        self._terms += 1
        word, token = self._peek(), self._next("a condition")
        if self._terms > MOST_TERMS:
            raise self._error(f"has more than {MOST_TERMS} conditions", token.at)
        if word is None:
            raise self._error("a text in quotation marks: say of what, as in rule 'Allow all'", token.at)
        if word in ("src", "dst"):
            return self._end(word)
        if word == "host":
            return self._address("either")
        if word in ("port", "sport", "dport"):
            return self._port({"port": "either", "sport": "src", "dport": "dst"}[word])
        if word == "action":
            return self._action()
        if word in _TEXTS:
            return self._text_of(word)
        if word in ("code", "pid", "proto"):
            return {"code": self._code, "pid": self._pid, "proto": self._protocol}[word]()
        plain = _plain(word)
        if plain is not None:
            return plain
        within = network(token.text)
        if within is not None:
            return self._at(within, "either")
        raise self._error(f"{token.text!r} is no condition, action or address{_near(token.text)}", token.at)

    def _end(self, end: str) -> Test:
        """What follows `src` or `dst`."""
        word = self._peek()
        if word in ("port", "zone", "host"):
            self._place += 1
            if word == "port":
                return self._port(end)
            if word == "zone":
                return self._text_of(f"{end} zone")
        return self._address(end)

    def _address(self, end: str) -> Test:
        token = self._next("an address")
        within = network(token.text)
        if within is None:
            raise self._error(f"{token.text!r} is no address or subnet (names are not looked up)", token.at)
        return self._at(within, end)

    def _at(self, within: _Network, end: str) -> Test:
        if self._positive:
            self._networks.append(within)

        def test(subject: Subject) -> bool:
            entry = subject.entry
            return (end != "dst" and entry.source is not None and entry.source in within) or (
                end != "src" and entry.destination is not None and entry.destination in within
            )

        return test

    def _port(self, end: str) -> Test:
        token = self._next("a port")
        wanted = tuple(self._range(part, token) for part in token.text.split(","))
        if self._positive:
            self._ports += wanted

        def test(subject: Subject) -> bool:
            entry = subject.entry
            return (end != "dst" and any(entry.source_port in one for one in wanted)) or (
                end != "src" and any(entry.destination_port in one for one in wanted)
            )

        return test

    def _range(self, text: str, token: _Token) -> range:
        wanted = ports(text)
        if wanted is None:
            raise self._error(f"{text!r} is no port or range of ports (0 to 65535, like 49152-65535)", token.at)
        return wanted

    def _action(self) -> Test:
        word, token = self._peek(), self._next("an action")
        plain = _plain(word) if word in (*_ACTIONS, "denied") else None
        if plain is None:
            raise self._error(f"{token.text!r} is none of {', '.join((*_ACTIONS, 'denied'))}", token.at)
        return plain

    def _text_of(self, field: str) -> Test:
        fits = _pattern(self._next("a text").text)
        values = _TEXTS[field]
        return lambda subject: any(value is not None and fits(value) for value in values(subject.entry))

    def _code(self) -> Test:
        token = self._next("a code")
        if _CODE_DIGITS.fullmatch(token.text):
            wanted = int(token.text, 16 if token.text[:2].lower() == "0x" else 10) & 0xFFFFFFFF
            return lambda subject: subject.entry.code == wanted
        fits = _pattern(token.text)
        return lambda subject: subject.entry.code_name is not None and fits(subject.entry.code_name)

    def _pid(self) -> Test:
        token = self._next("a process number")
        if not _is_number(token.text):
            raise self._error(f"{token.text!r} is no process number", token.at)
        wanted = int(token.text)
        return lambda subject: subject.entry.pid == wanted

    def _protocol(self) -> Test:
        wanted = transport(self._next("a protocol").text.lower())
        return lambda subject: subject.entry.protocol == wanted


def _zones(entry: LogEntry) -> tuple[str | None, ...]:
    return entry.source_zone, entry.destination_zone


_TEXTS: dict[str, Callable[[LogEntry], tuple[str | None, ...]]] = {
    "rule": lambda entry: (entry.rule,),
    "zone": _zones,
    "src zone": lambda entry: (entry.source_zone,),
    "dst zone": lambda entry: (entry.destination_zone,),
    "service": lambda entry: (entry.service, entry.program),
    "device": lambda entry: (entry.device,),
}


def _plain(word: str | None) -> Test | None:
    """A condition of one word."""
    if word in _ACTIONS:
        return lambda subject: subject.entry.action == word
    if word in ("in", "out", "fwd"):
        return lambda subject: subject.entry.path == word
    if word in ("tcp", "udp"):
        return lambda subject: subject.entry.protocol == word
    return _WORDS.get(word or "")


_WORDS: dict[str, Test] = {
    "icmp": lambda subject: "icmp" in subject.entry.protocol,
    "denied": lambda subject: subject.entry.drops,
    "syn": lambda subject: subject.entry.protocol == "tcp" and subject.entry.flags == "S",
    "dynamic": lambda subject: (subject.entry.destination_port or 0) >= FIRST_DYNAMIC,
    "noise": lambda subject: is_noise(subject.entry),
    "handed": lambda subject: subject.handed,
}


def network(text: str) -> _Network | None:
    """`10.1.0.0/16`; an address is a network of one."""
    try:
        return ip_network(text, strict=False) if "/" in text else ip_network(ip_address(text.strip("[]")))
    except ValueError:
        return None


def ports(text: str) -> range | None:
    """`135`, `49152-65535`, `49152-`"""
    first, dash, last = text.partition("-")
    if not _is_number(first) or (last and not _is_number(last)):
        return None
    low = int(first)
    high = int(last) if last else (65535 if dash else low)
    return range(low, high + 1) if low <= high <= 65535 else None


def _pattern(text: str) -> Callable[[str], bool]:
    """A part of the text, or all of it where the pattern has * or ?; in either case upper and lower are the same."""
    lowered = text.lower()
    if "*" not in text and "?" not in text:
        return lambda value: lowered in value.lower()
    whole = re.compile(translate(re.sub(r"\*+", "*", lowered).replace("[", "[[]")), re.S)
    return lambda value: whole.match(value.lower()[:1024]) is not None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _near(text: str) -> str:
    """What may have been meant."""
    if _is_number(text) or re.fullmatch(r"\d{1,5}-\d{0,5}", text):
        return f": 'port {text}'?"
    if re.fullmatch(r"[A-Za-z][\w-]*(\.[\w-]+)+", text):
        return " (names are not looked up)"
    return ""
