"""The object resolver on port 135. [MS-DCOM] 3.1.2.5.1"""

from typing import NamedTuple

from rpcdiag.dissect.dcom import DualStrings, decode_pointed_dual_strings
from rpcdiag.dissect.ndr import Ndr

RESOLVE_OXID = 0
RESOLVE_OXID2 = 4
SERVER_ALIVE2 = 5


class Resolution(NamedTuple):
    """Where an object exporter listens: bindings with ports; for ServerAlive2 the resolver's, without ports."""

    bindings: DualStrings | None
    ipid: str | None
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
