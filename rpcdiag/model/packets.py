"""Where things are: a port on a host."""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Address = IPv4Address | IPv6Address


class _Known:
    """An address that is looked up often: its hash is made once, elsewhere it takes longer than the looking up."""

    __slots__ = ()
    _hash: int

    def __init__(self, address: int) -> None:
        super().__init__(address)  # type: ignore[call-arg]  # the address that stands behind this class
        self._hash = super().__hash__()  # type: ignore[misc]  # which has the slot

    def __hash__(self) -> int:
        return self._hash


class KnownIPv4(_Known, IPv4Address):
    __slots__ = ("_hash",)


class KnownIPv6(_Known, IPv6Address):
    __slots__ = ("_hash",)


class Endpoint(NamedTuple):
    """One end of a TCP or UDP conversation."""

    address: Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"
