"""Where packets were recorded."""

from typing import NamedTuple


class Point(NamedTuple):
    """One place where packets were recorded: an interface of a pcapng file, or of a cooked-v2 capture on `any`.

    In the file it is interface `interface`, from 0, of section `section`, from 1; or that of the machine `ifindex`.
    """

    name: str
    link_type: str
    section: int | None = None
    interface: int | None = None
    ifindex: int | None = None


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
