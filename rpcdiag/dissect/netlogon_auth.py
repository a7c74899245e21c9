"""The token of the Netlogon security provider: who wants a secure channel to which domain. [MS-NRPC] 2.2.1.3.1"""

from typing import NamedTuple

from rpcdiag.dissect.domain_name import decode_name
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import Malformed, Truncated

_DOMAIN, _COMPUTER, _DNS_DOMAIN, _DNS_HOST, _COMPUTER_UTF8 = 1, 2, 4, 8, 16
MAX_OEM_NAME = 256


class NetlogonAuth(NamedTuple):
    """NL_AUTH_MESSAGE; a name is None where the client leaves it out, a response has none."""

    response: bool
    domain: str | None = None
    computer: str | None = None
    dns_domain: str | None = None
    dns_host: str | None = None


def decode(token: bytes, length: int | None = None) -> NetlogonAuth:
    """Decode one message of which the sender sent `length` bytes.

    Raises:
        DecodeError: as everywhere.
    """
    reader = Reader(token, length)
    kind = reader.u32("message_type")
    if kind > 1:
        raise Malformed("message_type", 0, f"no message type {kind}")
    flags = reader.u32("flags") if reader.left else 0
    if kind == 1:
        return NetlogonAuth(response=True)
    domain = _oem(reader, token, "netbios_domain") if flags & _DOMAIN else None
    computer = _oem(reader, token, "netbios_computer") if flags & _COMPUTER else None
    dns_domain = decode_name(reader, "dns_domain") if flags & _DNS_DOMAIN else None
    dns_host = decode_name(reader, "dns_host") if flags & _DNS_HOST else None
    other = decode_name(reader, "netbios_computer_utf8") if flags & _COMPUTER_UTF8 else None
    return NetlogonAuth(False, domain, computer if other is None else other, dns_domain, dns_host)


def _oem(reader: Reader, token: bytes, field: str) -> str:
    """A name up to its zero byte."""
    at = reader.offset
    end = token.find(b"\x00", at, min(at + MAX_OEM_NAME, reader.wire_length))
    if end < 0:
        cut = len(token) < min(at + MAX_OEM_NAME, reader.wire_length)
        raise (Truncated if cut else Malformed)(field, at, "does not end")
    reader.skip(end + 1 - at, field)
    return token[at:end].decode("latin-1")
