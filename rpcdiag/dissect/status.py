"""Names and meanings of status codes. The same number can mean different things in different families."""

import re
from functools import cache
from typing import NamedTuple

# where a bare number of 16 bits can be many things, these are asked first
_FIRST = ("win32_rpc", "win32", "hresult_win32", "hresult", "nca", "dce", "fault_win32", "ntstatus", "wbem", "sspi",
          "tmg", "winsock", "kerberos")  # fmt: skip
_REASONS = frozenset({"bind_ack_reason", "bind_ack_result", "bind_nak_reason", "eeinfo_component", "eeinfo_location"})
_FROM_WIN32 = re.compile(r"HRESULT_FROM_WIN32\((\w+)\)")
_ICMP_WORDS = {
    "net_unreachable": "network unreachable",
    "host_unreachable": "host unreachable",
    "protocol_unreachable": "protocol unreachable",
    "port_unreachable": "port unreachable",
    "frag_needed": "fragmentation needed",
    "net_prohibited": "network administratively prohibited",
    "host_prohibited": "host administratively prohibited",
    "comm_prohibited": "communication administratively prohibited",
    "ttl_exceeded": "time to live exceeded",
    "no_route": "no route",
    "admin_prohibited": "administratively prohibited",
    "addr_unreachable": "address unreachable",
    "packet_too_big": "packet too big",
}


class Status(NamedTuple):
    """A row of the table."""

    code: int
    symbol: str
    family: str
    meaning: str
    seen_in: str
    client_error: str


@cache
def _by_code() -> dict[int, tuple[Status, ...]]:
    from rpcdiag.dissect.tables.status import CODES

    found: dict[int, list[Status]] = {}
    for code, *rest in CODES:
        if isinstance(code, int):
            found.setdefault(code, []).append(Status(code, *rest))
    rank = {family: place for place, family in enumerate(_FIRST)}
    return {code: tuple(sorted(rows, key=lambda row: rank.get(row.family, 99))) for code, rows in found.items()}


def of(code: int, family: str | None = None) -> Status | None:
    """The row of a code: of that family, or the one that a status, fault or HRESULT most likely means."""
    rows = _by_code().get(code & 0xFFFFFFFF, ())
    if family is not None:
        return next((row for row in rows if row.family == family), None)
    return next((row for row in rows if row.family not in _REASONS), None)


def status_name(code: int, family: str | None = None) -> str | None:
    """The symbol, `RPC_S_SERVER_UNAVAILABLE`; an HRESULT made of a Win32 code has that code's symbol."""
    row = of(code, family)
    if row is None and code >> 16 == 0x8007 and family is None:
        row = of(code & 0xFFFF)
    if row is None:
        return None
    wrapped = _FROM_WIN32.fullmatch(row.symbol)
    return wrapped.group(1) if wrapped else row.symbol


def icmp_name(kind: int, code: int, version: int = 4) -> str | None:
    """`communication administratively prohibited`"""
    from rpcdiag.dissect.tables.status import CODES

    key = f"{'v6 ' if version == 6 else ''}{kind}/{code}"
    symbol = next((row[1] for row in CODES if row[0] == key), None)
    return _ICMP_WORDS.get(symbol, symbol) if symbol else None


def numbers_in(text: str) -> list[int]:
    """Every number that a text writes, in any of the usual forms, as 32 unsigned bits."""
    found = []
    for token in re.findall(r"(?<![\w.])(?:0[xX][0-9a-fA-F]{1,8}|-?\d{1,10}|[0-9a-fA-F]{8})(?![\w.])", text):
        if token[:2].lower() == "0x":
            number = int(token, 16)
        elif re.fullmatch(r"-?\d{1,10}", token):
            number = int(token)
        else:
            number = int(token, 16)
        if -(1 << 31) <= number < 1 << 32:
            found.append(number & 0xFFFFFFFF)
    return list(dict.fromkeys(found))


def by_symbol(text: str) -> list[Status]:
    """Rows whose symbol is this one; the prefixes RPC_S_, EPT_S_, ERROR_ and E_ may be left out."""
    wanted = text.strip().upper()
    found = []
    for rows in _by_code().values():
        for row in rows:
            names = {row.symbol.upper(), *(name.upper() for name in _FROM_WIN32.findall(row.symbol))}
            short = {re.sub(r"^(RPC_S|RPC_X|RPC_E|EPT_S|ERROR|E|NCA_S|STATUS)_", "", name) for name in names}
            if wanted in names or wanted in short:
                found.append(row)
    return sorted(found, key=lambda row: (row.family in _REASONS, row.code))


def relatives(code: int) -> list[int]:
    """The same error in its other dress: 1722 and 0x800706BA."""
    code &= 0xFFFFFFFF
    if code >> 16 == 0x8007:
        return [code, code & 0xFFFF]
    if 0 < code < 0x10000:
        return [code, 0x80070000 | code]
    return [code]
