"""Names and meanings of status codes. The same number can mean different things in different families."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.dissect.tables.status import ICMP, SYMBOLS

# a status, fault or HRESULT without a family is most likely one of these, in this order
_GENERAL = ("win32_rpc", "win32", "hresult_win32", "hresult", "nca", "dce", "ntstatus", "wbem", "sspi", "winsock")
# numbers of a field of their own, which mean nothing elsewhere
_SPECIAL = ("fault_win32", "tmg", "kerberos", "bind_nak_reason", "bind_ack_reason", "bind_ack_result",
            "eeinfo_location", "eeinfo_component")  # fmt: skip

# rpcnterr.h calls these Win32 codes by a second name
_ALIASES = {"RPC_S_ACCESS_DENIED": 5, "RPC_S_OUT_OF_MEMORY": 14, "RPC_S_INVALID_ARG": 87, "RPC_S_TIMEOUT": 1460}
_PREFIX = re.compile(r"^(RPC_S|RPC_X|RPC_E|RPC_NT|EPT_S|EPT_NT|ERROR|E|NCA_S|NCA_S_FAULT|STATUS|FWX_E)_")

_NOT_CODES = re.compile(
    r"\{?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\}?"  # UUID
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"  # address
    r"|\b\d{4}-\d\d-\d\d\b|\b\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?\b"  # day, time
)
_NUMBER = re.compile(
    r"(?<![\w.])(?:(?P<sign>-)?(?:0[xX]|&[hH])(?P<hex>[0-9a-fA-F]{1,16})|(?P<bare>[0-9a-fA-F]{8})|(?P<decimal>-?\d{1,10}))"
    r"(?!\w|[.,:]\d)"
)


class Status(NamedTuple):
    """A row of the table."""

    code: int
    symbol: str
    family: str
    meaning: str
    seen_in: str
    client_error: str  # what the client's program then reads, decimal, or a remark about it

    def client_code(self) -> int | None:
        """`client_error` as a number, where it is one."""
        return int(self.client_error) if self.client_error.isdigit() else None


class Number(NamedTuple):
    """A number as it stands in a text, and the 32 bits it means."""

    start: int
    written: str
    code: int


def status_name(code: int, family: str | None = None) -> str | None:
    """The symbol, `RPC_S_SERVER_UNAVAILABLE`; an HRESULT made of a Win32 code has that code's symbol."""
    code &= 0xFFFFFFFF
    if family is not None:
        return SYMBOLS.get(family, {}).get(code)
    for general in _GENERAL:
        if code in SYMBOLS[general]:
            return SYMBOLS[general][code]
    short = status_name(code & 0xFFFF) if code >> 16 == 0x8007 and code & 0xFFFF else None
    return short or SYMBOLS["tmg"].get(code)


def icmp_name(kind: int, code: int, version: int = 4) -> str | None:
    """`communication administratively prohibited`"""
    return ICMP.get((version, kind, code))


def rows(code: int) -> list[Status]:
    """Everything that this very number means, the likeliest first."""
    from rpcdiag.dissect.tables.meanings import MEANINGS

    code &= 0xFFFFFFFF
    return [
        Status(code, SYMBOLS[family][code], family, *MEANINGS[family][code])
        for family in _GENERAL + _SPECIAL
        if code in SYMBOLS[family]
    ]


def of(code: int, family: str | None = None) -> Status | None:
    """The row of a code: of that family, or the one that a status, fault or HRESULT most likely means."""
    found = rows(code)
    if code >> 16 == 0x8007:
        found += rows(code & 0xFFFF)
        found.sort(key=lambda row: row.family == "tmg")
    if family is not None:
        return next((row for row in found if row.family == family), None)
    return next((row for row in found if row.family in _GENERAL or row.family == "tmg"), None)


def status_meaning(code: int, family: str | None = None) -> str | None:
    """What a code says, in a few words."""
    row = of(code, family)
    return row.meaning if row else None


def relatives(code: int) -> list[int]:
    """The same error in its other dress: 1722 and 0x800706BA."""
    code &= 0xFFFFFFFF
    if code >> 16 == 0x8007:
        return [code, code & 0xFFFF]
    if 0 < code < 0x10000:
        return [code, 0x80070000 | code]
    return [code]


def numbers(text: str) -> Iterator[Number]:
    """Every number of a text that could be a code: hexadecimal, decimal or negative, not in addresses and the like.

    Eight digits without a mark are hexadecimal: no known code has eight decimal ones.
    """
    text = _NOT_CODES.sub(lambda found: " " * len(found[0]), text.replace("\N{MINUS SIGN}", "-"))
    whole = text.strip()
    if 3 <= len(whole) < 8 and re.fullmatch(r"[0-9a-fA-F]*[a-fA-F][0-9a-fA-F]*", whole):
        yield Number(text.index(whole), whole, int(whole, 16))
    for found in _NUMBER.finditer(text):
        value = int(found["hex"] or found["bare"] or found["decimal"], 10 if found["decimal"] else 16)
        if found["sign"]:
            value = -value
        if value >> 32 == 0xFFFFFFFF:  # sign-extended to 64 bits
            value -= 1 << 64
        if -0x10000 < value < 0:  # a dash, not a sign
            value = -value
        if -(1 << 31) <= value < 1 << 32:
            yield Number(found.start(), found[0], value & 0xFFFFFFFF)


def numbers_in(text: str) -> list[int]:
    """Every number that a text writes, in any of the usual forms, as 32 unsigned bits."""
    return list(dict.fromkeys(number.code for number in numbers(text)))


def by_symbol(text: str) -> list[Status]:
    """Rows whose symbol is this one, in any case; prefixes like RPC_S_, EPT_S_ and ERROR_ may be left out."""
    wanted = text.strip().upper()
    if wanted in _ALIASES:
        return rows(_ALIASES[wanted])[:1]
    exact: list[int] = []
    shortened: list[int] = []
    for family in _GENERAL + _SPECIAL:
        for code, symbol in SYMBOLS[family].items():
            name = symbol.upper()
            if name == wanted:
                exact.append(code)
            elif _PREFIX.sub("", name) == wanted:
                shortened.append(code)
    return [row for code in dict.fromkeys(exact or shortened) for row in rows(code)
            if wanted in (row.symbol.upper(), _PREFIX.sub("", row.symbol.upper()))]  # fmt: skip


def lookup(text: str) -> list[Status]:
    """All rows for the numbers of a text, each with its relatives, or else for the symbol that it is."""
    codes = dict.fromkeys(other for number in numbers_in(text) for other in relatives(number))
    return [row for code in codes for row in rows(code)] or by_symbol(text)
