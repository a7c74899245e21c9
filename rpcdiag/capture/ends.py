"""Between whom one packet goes, for whoever looks at packets one by one; the pass has a way of its own."""

from struct import unpack_from
from typing import NamedTuple

TCP, UDP = 6, 17
_ICMP, _ICMPV6 = 1, 58
_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_PPP = {0x0021: 0x0800, 0x0057: 0x86DD}
_IPV6_FAMILIES = frozenset({10, 24, 28, 30})
_EXTENSIONS = {0: 8, 43: 8, 60: 8, 135: 8, 139: 8, 140: 8, 51: 4}
MAX_TAGS = 8
MAX_EXTENSIONS = 12

Place = tuple[bytes, int]  # packed address and port


class Ends(NamedTuple):
    """Two ends in the order of their bytes. Of a fragment that is not the first, `datagram` is all that is known."""

    protocol: int
    low: Place
    high: Place
    datagram: bytes | None  # source, destination and identification, of fragments only
    first: bool  # it holds the ports


def ends_of(data: bytes, link: int) -> Ends | None:
    """The ends of a TCP segment or UDP datagram, or of that which an ICMP error quotes; None for all else."""
    found = _network(data, link)
    if found is None:
        return None
    kind, at = found
    return _ip(data, at, kind, quoted=False)


def _network(data: bytes, link: int) -> tuple[int, int] | None:
    """EtherType and where the network layer begins."""
    size = len(data)
    if link == 1:
        if size < 14:
            return None
        kind, at = int.from_bytes(data[12:14], "big"), 14
        for _ in range(MAX_TAGS):
            if kind not in _TAGS or at + 4 > size:
                break
            kind, at = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        if kind == 0x8864 and at + 8 <= size:
            kind, at = _PPP.get(int.from_bytes(data[at + 6 : at + 8], "big"), 0), at + 8
        return kind, at
    if link in (113, 276):
        place, header = (14, 16) if link == 113 else (0, 20)
        return (int.from_bytes(data[place : place + 2], "big"), header) if size >= header else None
    if link in (0, 108):
        if size < 4:
            return None
        family = data[0] + data[3]
        return (0x0800 if family == 2 else 0x86DD if family in _IPV6_FAMILIES else 0), 4
    if link in (12, 14, 101, 228, 229) and data:
        return {4: 0x0800, 6: 0x86DD}.get(data[0] >> 4, 0), 0
    return None


def _ip(data: bytes, at: int, kind: int, *, quoted: bool) -> Ends | None:
    if kind == 0x0800 and at + 20 <= len(data) and data[at] >> 4 == 4:
        fragment = int.from_bytes(data[at + 6 : at + 8], "big")
        datagram = data[at + 12 : at + 20] + data[at + 4 : at + 6] if fragment & 0x3FFF else None
        after, protocol = at + ((data[at] & 15) << 2), data[at + 9]
        source, destination = data[at + 12 : at + 16], data[at + 16 : at + 20]
        later = bool(fragment & 0x1FFF)
    elif kind == 0x86DD and at + 40 <= len(data) and data[at] >> 4 == 6:
        source, destination = data[at + 8 : at + 24], data[at + 24 : at + 40]
        protocol, after, datagram, later = _behind_extensions(data, at)
    else:
        return None
    if later:
        return Ends(protocol, (source, 0), (destination, 0), datagram, first=False)
    if protocol in (TCP, UDP):
        if after + 4 > len(data):
            return None
        sport, dport = unpack_from(">HH", data, after)
        low, high = sorted(((source, sport), (destination, dport)))
        return Ends(protocol, low, high, datagram, first=True)
    if protocol in (_ICMP, _ICMPV6) and not quoted and after + 8 < len(data):
        version = data[after + 8] >> 4
        return _ip(data, after + 8, 0x0800 if version == 4 else 0x86DD if version == 6 else 0, quoted=True)
    return None


def _behind_extensions(data: bytes, at: int) -> tuple[int, int, bytes | None, bool]:
    """Protocol, where it begins, the identification of a fragment, and whether it is a later one. [RFC8200] 4"""
    protocol, after, datagram, later = data[at + 6], at + 40, None, False
    for _ in range(MAX_EXTENSIONS):
        if after + 8 > len(data):
            break
        if protocol == 44:
            offset = int.from_bytes(data[after + 2 : after + 4], "big")
            if offset & 0xFFF9:
                datagram = data[at + 8 : at + 40] + data[after + 4 : after + 8]
                later = bool(offset & 0xFFF8)
            protocol, after = data[after], after + 8
        elif protocol in _EXTENSIONS:
            unit = _EXTENSIONS[protocol]
            protocol, after = data[after], after + (data[after + 1] + (2 if unit == 4 else 1)) * unit
        else:
            break
        if later:
            break
    return protocol, after, datagram, later
