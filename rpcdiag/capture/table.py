"""The rows that the scan yields, and where a packet was recorded.

A block holds the packets of one stretch of the file: `rows` is a flat array of int64 with `WIDTH` numbers a packet,
named below; offsets point into `buffer`, which is valid only until the next block is asked for.
"""

from array import array
from typing import NamedTuple

NUMBER = 0  # packet number in the file, from 1
TIME = 1  # ns since 1970 UTC
POINT = 2  # capture point, see Point
PROTOCOL = 3  # TCP, UDP, ICMP or ICMPV6 below
SOURCE = 4  # offset of the source address; the destination address follows it
ADDRESS_LENGTH = 5  # 4 or 16
SOURCE_PORT = 6  # for ICMP errors: the type
DESTINATION_PORT = 7  # for ICMP errors: the code
SEQUENCE = 8
ACKNOWLEDGED = 9
FLAGS = 10  # of TCP
PAYLOAD = 11  # offset of the payload; for ICMP errors: of the quoted IP header
CAPTURED = 12  # payload bytes that the capture kept
LENGTH = 13  # payload bytes that were on the wire
TTL = 14
IP_ID = 15  # 0 for IPv6
WIDTH = 16

TCP = 6
UDP = 17
ICMP = 1
ICMPV6 = 58

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Block(NamedTuple):
    """Some packets: see the module's text."""

    buffer: bytearray | bytes
    rows: "array[int]"


class Point(NamedTuple):
    """One place where packets were recorded: an interface of a pcapng file, or of a cooked-v2 capture on `any`."""

    name: str
    link_type: str


LINK_TYPES = {
    0: "null",
    1: "ethernet",
    12: "raw",
    14: "raw",
    101: "raw",
    108: "loop",
    113: "linux-sll",
    228: "ipv4",
    229: "ipv6",
    276: "linux-sll2",
}


def link_name(number: int) -> str:
    """`ethernet` and friends; `link-type-105` for those we do not read."""
    return LINK_TYPES.get(number, f"link-type-{number}")
