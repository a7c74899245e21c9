"""Questions for names and their answers: DNS, LLMNR and NBNS. [RFC1035] 4, [RFC4795] 2.1, [RFC1002] 4.2"""

from collections.abc import Sequence
from ipaddress import ip_address
from struct import pack

from tests.build.smb import netbios_name

A, PTR, AAAA, SRV, NB, NBSTAT = 1, 12, 28, 33, 32, 33
NO_ERROR, SERVER_FAILURE, NAME_ERROR, REFUSED = 0, 2, 3, 5
DNS_PORT, LLMNR_PORT, NBNS_PORT = 53, 5355, 137


def name(text: str) -> bytes:
    """Labels, each behind its length."""
    labels = [label.encode() for label in text.rstrip(".").split(".") if label]
    return b"".join(pack("B", len(label)) + label for label in labels) + b"\0"


def srv(target: str, port: int) -> bytes:
    """What an SRV record holds. [RFC2782]"""
    return pack(">HHH", 0, 100, port) + name(target)


def dns_query(text: str, kind: int = A, *, number: int = 0x1234, flags: int = 0x0100) -> bytes:
    """A question; one of LLMNR has no flags."""
    return pack(">HHHHHH", number, flags, 1, 0, 0, 0) + name(text) + pack(">HH", kind, 1)


def dns_answer(
    text: str, records: Sequence[bytes | str], kind: int = A, *, number: int = 0x1234, code: int = NO_ERROR,
    flags: int = 0x8180, aliases: Sequence[str] = (),
) -> bytes:  # fmt: skip
    """The answer: addresses as text, anything else as bytes; aliases lead from the name to that of the records."""
    out = (
        pack(">HHHHHH", number, flags | code, 1, len(aliases) + len(records), 0, 0) + name(text) + pack(">HH", kind, 1)
    )
    owner = b"\xc0\x0c"  # the question's
    for alias in aliases:
        out += owner + pack(">HHIH", 5, 1, 60, len(name(alias)))
        owner = pack(">H", 0xC000 | len(out))
        out += name(alias)
    for record in records:
        data = ip_address(record).packed if isinstance(record, str) else record
        out += owner + pack(">HHIH", kind, 1, 60, len(data)) + data
    return out


def nbns_query(text: str, suffix: int = 0x20, *, kind: int = NB, number: int = 0x4321, flags: int = 0x0110) -> bytes:
    """A question to all (flags 0x0110) or to a server (0x0100)."""
    return pack(">HHHHHH", number, flags, 1, 0, 0, 0) + netbios_name(text, suffix) + pack(">HH", kind, 1)


def nbns_answer(
    text: str, addresses: Sequence[str], suffix: int = 0x20, *, number: int = 0x4321, code: int = NO_ERROR
) -> bytes:
    """The addresses, or that there are none."""
    data = b"".join(bytes(2) + ip_address(one).packed for one in addresses)
    out = pack(">HHHHHH", number, 0x8580 | code, 0, 1 if not code else 0, 0, 0) + netbios_name(text, suffix)
    return out + (pack(">HHIH", NB, 1, 300, len(data)) + data if not code else pack(">HHIH", 10, 1, 0, 0))
