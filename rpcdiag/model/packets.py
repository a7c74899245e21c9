"""Where things are: a port on a host."""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Address = IPv4Address | IPv6Address


class _Known:
    """An address that is looked up and written often: its hash and its text are made once."""

    __slots__ = ()
    _hash: int
    _text: str | None

    def __init__(self, address: int) -> None:
        super().__init__(address)  # type: ignore[call-arg]  # the address that stands behind this class
        self._hash = super().__hash__()  # type: ignore[misc]  # which has the slots
        self._text = None  # type: ignore[misc]

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        if self._text is None:
            self._text = super().__str__()  # type: ignore[misc]
        return self._text


class KnownIPv4(_Known, IPv4Address):
    __slots__ = ("_hash", "_text")


class KnownIPv6(_Known, IPv6Address):
    __slots__ = ("_hash", "_text")


class Endpoint(NamedTuple):
    """One end of a TCP or UDP conversation."""

    address: Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"
