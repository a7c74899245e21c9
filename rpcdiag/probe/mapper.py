"""Asks a host's endpoint mapper and object resolver, without logging on: impacket carries the requests, we read the answers.

impacket's own lookup gives up where a mapper ends its list with "no more entries" instead of an empty handle: everything
that was listed before is lost. Here the list ends there.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from struct import pack
from typing import Any, NamedTuple
from uuid import UUID

from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.epm import (
    EPT_LOOKUP,
    EPT_MAP,
    NOT_REGISTERED,
    LookupResponse,
    Tower,
    decode_lookup_response,
    decode_map_response,
    status_of,
)
from rpcdiag.dissect.interfaces import EPMAPPER, IOBJECT_EXPORTER, NDR32
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.oxid import SERVER_ALIVE2, decode_alive_response
from rpcdiag.dissect.status import status_name
from rpcdiag.errors import DecodeError, MissingPiece

MAX_ENTRIES, MAX_ROUNDS, A_ROUND = 4096, 64, 128
MAX_BYTES = 8 << 20  # of all answers on one connection
TIMEOUT_S, LONGEST_S = 3.0, 20.0
_ALL_VERSIONS = 1
_NO_HANDLE = bytes(20)

# what administrators look for when nothing works
WELL_KNOWN = (
    Syntax("e3514235-4b06-11d1-ab04-00c04fc2dcd2", "4.0"),  # drsuapi
    Syntax("12345678-1234-abcd-ef00-01234567cffb", "1.0"),  # netlogon
    Syntax("12345778-1234-abcd-ef00-0123456789ab", "0.0"),  # lsarpc
    Syntax("12345778-1234-abcd-ef00-0123456789ac", "1.0"),  # samr
    Syntax("367abb81-9844-35f1-ad32-98f038001003", "2.0"),  # svcctl
    Syntax("86d35949-83c9-4044-b424-db363231fd0c", "1.0"),  # task scheduler
    Syntax("f6beaff7-1e19-4fbb-9f8f-b89e2018337c", "1.0"),  # event log
    Syntax("12345678-1234-abcd-ef00-0123456789ab", "1.0"),  # spoolss
    Syntax("50abc2a4-574d-40b3-9d66-ee4fd5fba076", "5.0"),  # DNS server
    Syntax("91ae6020-9e3c-11cf-8d7c-00aa00c091be", "0.0"),  # certificate services
    Syntax("897e2e5f-93f3-4376-9c9c-fd2277495c27", "1.0"),  # DFS replication
    Syntax("906b0ce0-c70b-1067-b317-00dd010662da", "1.0"),  # MSDTC
)


class Named(NamedTuple):
    """An endpoint that the mapper named: in its list, or for a question after one interface."""

    tower: Tower
    annotation: str
    how: str  # "ept_lookup" or "ept_map"


class Told(NamedTuple):
    """What the mapper and the resolver said; a trouble is a sentence, None where all went well."""

    named: tuple[Named, ...]
    listing: str | None  # why the list is not there or not whole
    unregistered: tuple[Syntax, ...]  # well-known interfaces that are not registered
    resolver: tuple[str, ...]  # addresses and names by which the resolver says that it can be reached
    resolver_trouble: str | None


class Refused(Exception):
    """The question was not answered as it should; says why in a sentence."""


def ask(address: str, port: int = 135) -> Told:
    """Everything that is asked of port 135.

    Raises:
        MissingPiece: impacket is not installed.
    """
    _impacket()
    named: list[Named] = []
    listing = _tried(lambda: _list_all(address, port, named))
    unregistered: list[Syntax] = []
    mapping = _tried(lambda: _map_all(address, port, named, unregistered))
    resolver: list[str] = []
    trouble = _tried(lambda: resolver.extend(_alive(address, port)))
    return Told(tuple(named), listing or mapping, tuple(unregistered), tuple(resolver), trouble)


def _tried(doing: Callable[[], None]) -> str | None:
    try:
        doing()
    except (Refused, DecodeError, OSError) as error:
        return str(error) or type(error).__name__
    return None


def _impacket() -> Any:
    try:
        from impacket.dcerpc.v5 import rpcrt, transport
    except ImportError:
        raise MissingPiece("probe needs impacket, which is not installed", "pip install 'rpcdiag[probe]'") from None
    return transport, rpcrt


@contextmanager
def _bound(address: str, port: int, interface: str, version: str) -> Iterator[Callable[[int, bytes], bytes]]:
    """A connection with the interface bound; calls it: opnum and stub in, stub out.

    Raises:
        Refused: no connection, no bind, or a fault.
    """
    transport, rpcrt = _impacket()
    carrier = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:{address}[{port}]")
    carrier.set_connect_timeout(TIMEOUT_S)
    _bounded(carrier)
    dce = carrier.get_dce_rpc()
    major, _, minor = version.partition(".")

    def call(opnum: int, stub: bytes) -> bytes:
        dce.call(opnum, stub)
        answer: bytes = dce.recv()
        return answer

    try:
        dce.connect()
        dce.bind(UUID(interface).bytes_le + pack("<HH", int(major), int(minor)))
        yield call
    except (Refused, DecodeError, OSError):
        raise
    except rpcrt.DCERPCException as error:
        raise Refused(_words(error)) from None
    except Exception as error:  # noqa: BLE001  impacket lets what it stumbles over in an answer out as it is
        raise Refused(f"the answer is not understood: {type(error).__name__}: {error}") from None
    finally:
        _closed(dce)


def _words(error: Any) -> str:
    code = error.get_error_code() if error.error_code is not None else None
    name = status_name(code) if isinstance(code, int) else None
    if name:
        return f"{code:#010x} {name}"
    said = str(error).strip()
    return "the interface is not offered there" if "abstract_syntax_not_supported" in said else said


def _closed(dce: Any) -> None:
    try:
        dce.disconnect()
    except Exception:  # noqa: BLE001  it may never have been connected
        return


def _bounded(carrier: Any) -> None:
    """So many bytes and seconds a connection, whatever the other side sends."""
    receive, left, end = carrier.recv, MAX_BYTES, time.monotonic() + LONGEST_S

    def recv(forceRecv: int = 0, count: int = 0) -> bytes:
        nonlocal left
        data: bytes = receive(forceRecv, count)
        left -= len(data)
        if left < 0 or time.monotonic() > end or not data:
            raise Refused("the connection was closed" if not data else "the answer does not end")
        return data

    carrier.recv = recv


def _list_all(address: str, port: int, named: list[Named]) -> None:
    """ept_lookup of everything, piece by piece. [C706] appendix O"""
    with _bound(address, port, EPMAPPER, "3.0") as call:
        handle = _NO_HANDLE
        for _ in range(MAX_ROUNDS):
            answer = call(EPT_LOOKUP, pack("<IIII", 0, 0, 0, _ALL_VERSIONS) + handle + pack("<I", A_ROUND))
            status = status_of(answer)
            if status == NOT_REGISTERED:  # no more entries
                return
            if status:
                raise Refused(f"ept_lookup: {status:#010x} {status_name(status) or ''}".rstrip())
            said: LookupResponse = decode_lookup_response(Ndr(answer))
            named += [Named(one.tower, one.annotation, "ept_lookup") for one in said.entries if one.tower is not None]
            handle = answer[:20]
            if handle == _NO_HANDLE or not said.entries:
                return
            if len(named) >= MAX_ENTRIES:
                break
        raise Refused(f"the list goes on after {len(named)} entries")


def _map_all(address: str, port: int, named: list[Named], unregistered: list[Syntax]) -> None:
    """ept_map for each well-known interface. [C706] appendix O"""
    with _bound(address, port, EPMAPPER, "3.0") as call:
        for interface in WELL_KNOWN:
            answer = call(EPT_MAP, _map_request(interface))
            status = status_of(answer)
            if status == NOT_REGISTERED:
                unregistered.append(interface)
            elif status:
                raise Refused(f"ept_map: {status:#010x} {status_name(status) or ''}".rstrip())
            else:
                named.extend(Named(tower, "", "ept_map") for tower in decode_map_response(Ndr(answer)).towers)


def _map_request(interface: Syntax) -> bytes:
    """ept_map for an interface over TCP. [MS-RPCE] 2.2.1.2.5"""
    floors = [
        _uuid_floor(interface.uuid, interface.version),
        _uuid_floor(NDR32, "2.0"),
        (b"\x0b", bytes(2)),
        (b"\x07", bytes(2)),
        (b"\x09", bytes(4)),
    ]
    tower = pack("<H", len(floors)) + b"".join(
        pack("<H", len(left)) + left + pack("<H", len(right)) + right for left, right in floors
    )
    body = pack("<I", 1) + bytes(16) + pack("<III", 2, len(tower), len(tower)) + tower + bytes(-len(tower) % 4)
    return body + _NO_HANDLE + pack("<I", 4)


def _uuid_floor(uuid: str, version: str) -> tuple[bytes, bytes]:
    major, _, minor = version.partition(".")
    return b"\x0d" + UUID(uuid).bytes_le + pack("<H", int(major)), pack("<H", int(minor))


def _alive(address: str, port: int) -> Sequence[str]:
    """ServerAlive2: the names and addresses that a DCOM client of this host is told. [MS-DCOM] 3.1.2.5.1.7"""
    with _bound(address, port, IOBJECT_EXPORTER, "0.0") as call:
        said = decode_alive_response(Ndr(call(SERVER_ALIVE2, b"")))
        if said.bindings is None:
            return ()
        return tuple(dict.fromkeys(binding.host for binding in said.bindings.strings))
