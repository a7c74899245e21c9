"""Which name became which address: DNS, LLMNR and the name service of NetBIOS. RFC 1035, RFC 4795, RFC 1002 4.2"""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.dissect.domain_name import Known, decode_name
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import Malformed

MAX_RECORDS = 256  # kept of one message; `NameAnswer.answer_count` tells how many there are
MAX_ADDRESSES = 64

A, CNAME, PTR, AAAA, SRV = 1, 5, 12, 28, 33
NB, NBSTAT = 32, 33

_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 64: "SVCB",
          65: "HTTPS", 255: "ANY"}  # fmt: skip
_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN",
           7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE"}  # fmt: skip
_NBNS_RCODES = {0: "NOERROR", 1: "FMT_ERR", 2: "SRV_ERR", 3: "NAM_ERR", 4: "IMP_ERR", 5: "RFS_ERR", 6: "ACT_ERR",
                7: "CFT_ERR"}  # fmt: skip

_RESPONSE, _TRUNCATED = 0x8000, 0x0200


class Record(NamedTuple):
    """An answer of type A, AAAA (`address`), CNAME, PTR (`target`) or SRV (`target`, `port`)."""

    name: str
    type: int
    ttl: int
    address: IPv4Address | IPv6Address | None
    target: str | None
    port: int | None


class NameAnswer(NamedTuple):
    """A query, or the answer to one; names have no dot at their end.

    `name` is None where the message repeats no question, as an answer FORMERR may do. `answers` are those of the
    types above, `answer_count` is how many the sender says there are, of any type. `additional` are addresses that nobody
    asked for, such as those of the hosts of SRV records.
    """

    kind: str  # query or answer
    id: int
    name: str | None
    type: int | None
    rcode: int
    truncated: bool
    answer_count: int
    answers: tuple[Record, ...]
    additional: tuple[Record, ...]


class NetbiosAnswer(NamedTuple):
    """A query of the NetBIOS name service, or the answer to one; `suffix` is the sixteenth byte of the name."""

    kind: str  # query or answer
    id: int
    name: str
    suffix: int
    scope: str
    type: int
    rcode: int
    addresses: tuple[IPv4Address, ...]


def type_name(number: int) -> str:
    return _TYPES.get(number, f"type-{number}")


def rcode_name(number: int) -> str:
    """`NXDOMAIN`"""
    return _RCODES.get(number, f"rcode-{number}")


def nbns_rcode_name(number: int) -> str:
    """`NAM_ERR`: nobody has the name. RFC 1002 4.2.6, 4.2.14"""
    return _NBNS_RCODES.get(number, f"rcode-{number}")


def decode(datagram: bytes, length: int | None = None) -> NameAnswer | None:
    """Decode a datagram of port 53 or 5355; None where it neither asks for a name nor answers.

    Over TCP the message stands behind two bytes of length, which are the caller's.

    Raises:
        DecodeError: as everywhere.
    """
    reader = Reader(datagram, length, big=True)
    number, flags, questions, answers, authority, additional = (reader.u16("header") for _ in range(6))
    if _opcode(flags):
        return None
    if questions > 1:
        raise Malformed("qdcount", 4, f"{questions} questions")
    name = kind = None
    known: Known = {}
    if questions:
        name, kind = decode_name(reader, "qname", known), reader.u16("qtype")
        reader.skip(2, "qclass")
    found: tuple[Record, ...] = ()
    more: tuple[Record, ...] = ()
    truncated = bool(flags & _TRUNCATED)
    if flags & _RESPONSE:
        found = _records(reader, answers, known)
        if not truncated and answers + authority + additional <= MAX_RECORDS:
            _records(reader, authority, known)
            more = tuple(one for one in _records(reader, additional, known) if one.address)
    asks = "answer" if flags & _RESPONSE else "query"
    return NameAnswer(asks, number, name, kind, flags & 0xF, truncated, answers, found, more)


def _opcode(flags: int) -> int:
    return flags >> 11 & 0xF


def _records(reader: Reader, count: int, known: Known) -> tuple[Record, ...]:
    records = (_record(reader, known) for _ in range(min(count, MAX_RECORDS)))
    return tuple(record for record in records if record)


def _record(reader: Reader, known: Known) -> Record | None:
    """The next record, None for a type or class that tells no address or name. RFC 1035 4.1.3, RFC 2782"""
    name = decode_name(reader, "name", known)
    kind, family, ttl, length = reader.u16("type"), reader.u16("class"), reader.u32("ttl"), reader.u16("rdlength")
    start = reader.offset
    address: IPv4Address | IPv6Address | None = None
    target = port = None
    reader.skip(length, "rdata")
    end, reader.offset = reader.offset, start
    if family != 1 or kind not in (A, AAAA, CNAME, PTR, SRV):
        reader.offset = end
        return None
    if kind == A:
        address = IPv4Address(reader.take(4, "address"))
    elif kind == AAAA:
        address = IPv6Address(reader.take(16, "address"))
    else:
        if kind == SRV:
            reader.skip(4, "priority")
            port = reader.u16("port")
        target = decode_name(reader, "target", known)
    if reader.offset != end:
        raise Malformed("rdlength", start - 2, f"{length} bytes, the record ends at {reader.offset}")
    return Record(name, kind, ttl, address, target, port)


def decode_nbns(datagram: bytes, length: int | None = None) -> NetbiosAnswer | None:
    """Decode a datagram of port 137; None where it neither asks for a name nor answers (registrations, releases).

    Raises:
        DecodeError: as everywhere.
    """
    reader = Reader(datagram, length, big=True)
    number, flags, questions, answers = (reader.u16("header") for _ in range(4))
    reader.skip(4, "header")
    if _opcode(flags):
        return None
    response = bool(flags & _RESPONSE)
    if (answers if response else questions) != 1:
        raise Malformed("header", 4, f"{questions} questions, {answers} answers")
    name, suffix, scope = _netbios_name(decode_name(reader, "name"))
    kind = reader.u16("type")
    reader.skip(2, "class")
    addresses: tuple[IPv4Address, ...] = ()
    if response:
        reader.skip(4, "ttl")
        size = reader.u16("rdlength")
        if kind == NB:
            addresses = _addresses(reader, size)
    return NetbiosAnswer("answer" if response else "query", number, name, suffix, scope, kind, flags & 0xF, addresses)


def _addresses(reader: Reader, size: int) -> tuple[IPv4Address, ...]:
    """Flags and address, again and again. RFC 1002 4.2.13"""
    if size % 6 or size > 6 * MAX_ADDRESSES:
        raise Malformed("rdlength", reader.offset - 2, f"{size} bytes")
    found = []
    for _ in range(size // 6):
        reader.skip(2, "nb_flags")
        found.append(IPv4Address(reader.take(4, "nb_address")))
    return tuple(found)


def _netbios_name(encoded: str) -> tuple[str, int, str]:
    """Name, suffix and scope: every half byte is a letter from A to P. RFC 1001 14.1"""
    first, _, scope = encoded.partition(".")
    halves = [ord(letter) - ord("A") for letter in first]
    if len(halves) != 32 or not all(0 <= half < 16 for half in halves):
        raise Malformed("name", 12, f"{first!r} is no name of NetBIOS")
    raw = bytes(high << 4 | low for high, low in zip(halves[::2], halves[1::2], strict=True))
    return raw[:15].rstrip(b" \x00").decode("latin-1"), raw[15], scope
