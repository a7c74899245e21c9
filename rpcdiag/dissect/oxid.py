"""The object resolver on port 135. [MS-DCOM] 3.1.2.5.1"""

from typing import NamedTuple

from rpcdiag.dissect.dcom import DualStrings, decode_pointed_dual_strings
from rpcdiag.dissect.ndr import Ndr

RESOLVE_OXID = 0
SIMPLE_PING = 1
COMPLEX_PING = 2
SERVER_ALIVE = 3
RESOLVE_OXID2 = 4
SERVER_ALIVE2 = 5
MAX_OIDS = 1 << 16


class Resolution(NamedTuple):
    """Where an object exporter listens: bindings with ports; for ServerAlive2 the resolver's, without ports."""

    bindings: DualStrings | None
    ipid: str | None
    status: int


class Ping(NamedTuple):
    """ComplexPing: which objects a client goes on using. The set is 0 where the client asks for a new one."""

    set_id: int
    sequence: int
    added: tuple[int, ...]
    deleted: tuple[int, ...]


class Pong(NamedTuple):
    """The answer to ComplexPing; the back-off factor says by how much the client may ping less often."""

    set_id: int
    backoff: int
    status: int


def decode_resolve_request(ndr: Ndr) -> int:
    """The OXID asked for; the same in ResolveOxid and ResolveOxid2.

    Raises:
        DecodeError: as everywhere.
    """
    return ndr.u64("oxid")


def decode_resolve_response(ndr: Ndr, opnum: int) -> Resolution:
    """ResolveOxid (0) and ResolveOxid2 (4).

    Raises:
        DecodeError: as everywhere.
    """
    bindings = decode_pointed_dual_strings(ndr) if ndr.pointer("oxid_bindings_ptr") else None
    ipid = ndr.guid("ipid_rem_unknown")
    ndr.long("authn_hint")
    if opnum == RESOLVE_OXID2:
        ndr.long("com_version")
    return Resolution(bindings, ipid, ndr.long("status"))


def decode_alive_response(ndr: Ndr) -> Resolution:
    """ServerAlive2 (5).

    Raises:
        DecodeError: as everywhere.
    """
    ndr.long("com_version")
    bindings = decode_pointed_dual_strings(ndr) if ndr.pointer("resolver_bindings_ptr") else None
    ndr.long("reserved")
    return Resolution(bindings, None, ndr.long("status"))


def decode_simple_ping_request(ndr: Ndr) -> int:
    """The ping set of SimplePing (1); its answer is only a status.

    Raises:
        DecodeError: as everywhere.
    """
    return ndr.u64("set_id")


def decode_complex_ping_request(ndr: Ndr) -> Ping:
    """ComplexPing (2).

    Raises:
        DecodeError: as everywhere.
    """
    set_id, sequence = ndr.u64("set_id"), ndr.u16("sequence")
    ndr.skip(4, "counts")  # said again in the arrays
    return Ping(set_id, sequence, _oids(ndr, "added"), _oids(ndr, "deleted"))


def _oids(ndr: Ndr, field: str) -> tuple[int, ...]:
    if not ndr.pointer(field + "_ptr"):
        return ()
    count = ndr.count(field + "_max", MAX_OIDS)
    ndr.align(8)
    return tuple([ndr.u64(field) for _ in range(count)])


def decode_complex_ping_response(ndr: Ndr) -> Pong:
    """ComplexPing (2).

    Raises:
        DecodeError: as everywhere.
    """
    return Pong(ndr.u64("set_id"), ndr.u16("backoff"), ndr.long("status"))


def decode_status(ndr: Ndr) -> int:
    """The whole answer to SimplePing (1) and ServerAlive (3).

    Raises:
        DecodeError: as everywhere.
    """
    return ndr.long("status")
