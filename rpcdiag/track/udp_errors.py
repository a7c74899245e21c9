"""ICMP errors that quote datagrams: of connectionless RPC, of name services and of key distribution centres."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.flows.flow import IcmpError
from rpcdiag.model.packets import Address, Endpoint


class UdpError(NamedTuple):
    """An error, and the ends of the datagram that it quotes."""

    source: Endpoint
    destination: Endpoint
    error: IcmpError


def udp_error(row: Sequence[int], arena: memoryview) -> UdpError:
    """The error of an event, see `sweep.packets.UDP_ERROR`."""
    _, _, packet, ns, _, size, at, count, width = row
    ports = at + 2 * size
    said = bytes(arena[ports + 4 : ports + 4 + count])
    error = IcmpError(packet, ns, _address(said[:width]), 4 if width == 4 else 6, said[-2], said[-1], True)
    return UdpError(
        Endpoint(_address(arena[at : at + size]), int.from_bytes(arena[ports : ports + 2], "big")),
        Endpoint(_address(arena[at + size : ports]), int.from_bytes(arena[ports + 2 : ports + 4], "big")),
        error,
    )


def _address(packed: memoryview | bytes) -> Address:
    return IPv4Address(bytes(packed)) if len(packed) == 4 else IPv6Address(bytes(packed))
