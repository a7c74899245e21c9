"""Where things are: a packet in a capture, a port on a host."""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Address = IPv4Address | IPv6Address


class PacketRef(NamedTuple):
    """A packet as every viewer numbers it: from 1 in its capture; `capture` is the position of the file."""

    capture: int
    number: int


class Endpoint(NamedTuple):
    """One end of a TCP or UDP conversation."""

    address: Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"
