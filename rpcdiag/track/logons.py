"""Who logged on, with what, and what the server said to that: the security tokens of one connection. [MS-RPCE] 3.3.1.5.2"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from rpcdiag.errors import DecodeError
from rpcdiag.sweep.columns import EV_TOKEN, EVENT_WIDTH

MAX_KEPT = 16 << 20  # bytes of tokens of one capture
MAX_OF_ONE = 32  # tokens of one connection
WORTH_REMEMBERING = 512  # bytes of a token that is read once, however often it is sent


class RawToken(NamedTuple):
    """A token as it stands in its PDU, or in a message of SMB (there `side` says who sent it all the same)."""

    side: int
    packet: int
    auth_type: int
    data: bytes
    length: int | None = None  # as it was sent, where the capture may hold less


class Logon(NamedTuple):
    """What the tokens say; None is what they do not. `error` is what Kerberos answered instead of a token."""

    mechanism: str  # ntlm, kerberos, netlogon, spnego
    packets: tuple[int, ...]
    user: str | None = None
    domain: str | None = None
    workstation: str | None = None
    anonymous: bool = False
    spn: str | None = None  # of the ticket, or as the client names its target in NTLM
    realm: str | None = None
    etype: str | None = None  # of the ticket
    server_name: str | None = None  # as the server calls itself
    server_dns_name: str | None = None
    server_domain: str | None = None
    error: str | None = None  # KRB_AP_ERR_SKEW
    error_packet: int | None = None


class Tokens:
    """Feed what the pass says; ask by the serial number of a flow."""

    takes = frozenset({EV_TOKEN})

    def __init__(self) -> None:
        self._by_serial: dict[int, list[RawToken]] = {}
        self._bytes = 0

    def feed(self, rows: Sequence[int], arena: memoryview) -> None:
        """Take events."""
        for e in range(0, len(rows), EVENT_WIDTH):
            if rows[e] != EV_TOKEN:
                continue
            kept = self._by_serial.setdefault(rows[e + 1], [])
            at, count = rows[e + 8], rows[e + 9]
            if len(kept) < MAX_OF_ONE and self._bytes + count <= MAX_KEPT:
                self._bytes += count
                kept.append(
                    RawToken(rows[e + 2], rows[e + 3], rows[e + 6], bytes(arena[at : at + count]), rows[e + 10])
                )

    def forget(self, gone: set[int]) -> None:
        """Flows that were given up, by serial number."""
        for serial in gone & self._by_serial.keys():
            self._bytes -= sum(len(token.data) for token in self._by_serial.pop(serial))

    def __bool__(self) -> bool:
        return bool(self._by_serial)

    def logons(self, serial: int) -> tuple[Logon, ...]:
        """The logons on a flow, in order: a further one begins where a client begins anew."""
        return logons(self._by_serial.get(serial, ()))


def logons(tokens: Iterable[RawToken]) -> tuple[Logon, ...]:
    """What a sequence of tokens says; those that cannot be read are left out."""
    found: list[dict[str, Any]] = []
    for raw in tokens:
        kind, told = (_read_again if len(raw.data) <= WORTH_REMEMBERING else _read)(
            raw.auth_type, raw.data, raw.length
        )  # fmt: skip
        if kind == "unknown":
            continue
        begins = told.get("begins", False)
        last = found[-1] if found else None
        if last is None or (begins and (last["mechanism"] != kind or last.get("user") or last.get("realm"))):
            last = {"mechanism": kind, "packets": []}
            found.append(last)
        elif kind != "spnego":
            last["mechanism"] = kind
        last["packets"].append(raw.packet)
        if told.get("error"):
            last["error_packet"] = raw.packet
        for name, value in told.items():
            if value and name != "begins":
                last[name] = value
    return tuple(
        Logon(**{**one, "packets": tuple(one["packets"])})
        for one in found
        if one["mechanism"] != "spnego" or len(one["packets"]) > 1
    )


def _read(auth_type: int, data: bytes, length: int | None) -> tuple[str, dict[str, Any]]:
    """What a token is, and what it says; `unknown` where it cannot be read."""
    from rpcdiag.dissect import spnego  # loaded only where somebody logs on

    try:
        token = spnego.unwrap(auth_type, data, length)
    except DecodeError:
        return "unknown", {}
    return token.kind, _told(token.inner)


_read_again = lru_cache(maxsize=512)(_read)  # the first token of a logon is the same every time


def _told(inner: object) -> dict[str, Any]:
    """Fields of a logon; `begins` where the message can only be the first."""
    if inner is None:
        return {}
    from rpcdiag.dissect import ntlm  # the others where there is something of theirs

    match inner:
        case ntlm.Negotiate():
            return {"begins": True, "workstation": inner.workstation}
        case ntlm.Challenge():
            info = inner.target_info
            return {
                "server_name": info.computer if info else inner.target_name,
                "server_dns_name": info.dns_computer if info else None,
                "server_domain": (info.dns_domain or info.domain) if info else None,
            }
        case ntlm.Authenticate():
            return {
                "user": inner.user, "domain": inner.domain, "workstation": inner.workstation,
                "anonymous": inner.anonymous, "spn": inner.client_info.target_name,
            }  # fmt: skip
    from rpcdiag.dissect import kerberos, netlogon_auth

    match inner:
        case kerberos.ApReq():
            ticket = inner.ticket
            return {
                "begins": True, "realm": ticket.realm, "spn": ticket.server,
                "etype": kerberos.etype_name(ticket.key.etype),
            }  # fmt: skip
        case kerberos.KrbError():
            return {"error": kerberos.error_name(inner.code)}
        case netlogon_auth.NetlogonAuth():
            return {"begins": not inner.response, "domain": inner.domain, "workstation": inner.computer}
    return {}
