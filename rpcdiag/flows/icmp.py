"""What an ICMP error quotes: the IP header and at least 8 bytes behind it. [RFC792], [RFC4443] 2.4"""

from struct import unpack_from
from typing import NamedTuple


class Quote(NamedTuple):
    """The head of the packet that the error is about; 8 bytes of TCP hold ports and sequence number."""

    addresses: bytes  # source, then destination
    source_port: int
    destination_port: int
    sequence: int


def quoted_tcp(b: bytes) -> Quote | None:
    """The quoted TCP segment, or None where something else is quoted or the quote is too short."""
    if len(b) < 28:
        return None
    if b[0] >> 4 == 4:
        at, protocol, addresses = (b[0] & 15) << 2, b[9], b[12:20]
        if unpack_from(">H", b, 6)[0] & 0x1FFF:
            return None  # a later fragment has no ports
    elif b[0] >> 4 == 6 and len(b) >= 48:
        at, protocol, addresses = 40, b[6], b[8:40]
    else:
        return None
    if protocol != 6 or at < 20 or at + 8 > len(b):
        return None
    source, destination, sequence = unpack_from(">HHI", b, at)
    return Quote(addresses, source, destination, sequence)
