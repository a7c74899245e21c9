"""Where packets were recorded."""

from typing import NamedTuple


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
