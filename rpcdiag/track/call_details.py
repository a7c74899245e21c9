"""What a call's bodies say beyond its number: objects that are asked for, counted and pinged; who caused it; how safe.

Only whole, readable bodies of one fragment are looked at.
"""

from typing import NamedTuple

from rpcdiag.dissect import dcerpc, objref, orpc, oxid, rem_unknown
from rpcdiag.dissect.dcerpc import FIRST_FRAGMENT, LAST_FRAGMENT
from rpcdiag.dissect.interfaces import IOBJECT_EXPORTER, IREM_UNKNOWN, IREM_UNKNOWN2, describe, interface_name
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.errors import DecodeError
from rpcdiag.track.spoken import Spoken

MAX_REFERENCES = 16  # object references that are looked for in one body
_WHOLE = FIRST_FRAGMENT | LAST_FRAGMENT
_SIMPLE_PING, _COMPLEX_PING = 1, 2
_QUERY, _ADD, _RELEASE, _QUERY2 = 3, 4, 5, 6


class Details(NamedTuple):
    """Of one PDU; `level` is that of its security trailer."""

    level: int | None = None
    object: str | None = None
    causality: str | None = None
    com_version: str | None = None
    says: tuple[str, ...] = ()


def details(spoken: Spoken) -> Details:
    """What a request or response says; nothing is raised for bodies that do not decode."""
    pdu = spoken.pdu
    if not isinstance(pdu, dcerpc.Request | dcerpc.Response):
        return Details()
    level = pdu.auth.level if pdu.auth else None
    found = Details(level, pdu.object if isinstance(pdu, dcerpc.Request) else None)
    whole = pdu.header.flags & _WHOLE == _WHOLE and len(pdu.stub) == pdu.stub_length
    if level == dcerpc.PRIVACY or not whole or spoken.interface is None or spoken.opnum is None:
        return found
    for wide in (False, True):
        try:
            return _read(found, pdu, spoken.interface.uuid, spoken.opnum, wide=wide)
        except DecodeError:
            continue
    return found


def _read(found: Details, pdu: dcerpc.Request | dcerpc.Response, uuid: str, opnum: int, *, wide: bool) -> Details:
    asks = isinstance(pdu, dcerpc.Request)

    def body() -> Ndr:
        """From its beginning: each decoder reads the header of ORPC by itself."""
        return Ndr(pdu.stub, pdu.stub_length, big=pdu.header.big, wide=wide)

    if uuid == IOBJECT_EXPORTER:
        return found._replace(says=_ping(body(), opnum) if asks else ())
    known = describe(uuid)
    if uuid not in (IREM_UNKNOWN, IREM_UNKNOWN2) and (known is None or known.kind != "com"):
        return found
    references = tuple(
        f"object reference to {interface_name(one.iid) or one.iid}"
        for _, one in objref.find_all(pdu.stub, MAX_REFERENCES)
    )
    if not asks:
        error = orpc.error_info(orpc.decode_that(body()).extensions)
        said = (f"error: {error.description}",) if error and error.description else ()
        return found._replace(says=(*said, *references, *(_found(body()) if _is_query(uuid, opnum) else ())))
    this = orpc.decode_this(body())
    counted = _counted(body(), opnum) if uuid in (IREM_UNKNOWN, IREM_UNKNOWN2) else ()
    return found._replace(
        causality=this.causality, com_version=f"{this.version[0]}.{this.version[1]}", says=(*counted, *references)
    )


def _is_query(uuid: str, opnum: int) -> bool:
    return uuid in (IREM_UNKNOWN, IREM_UNKNOWN2) and opnum == _QUERY


def _ping(ndr: Ndr, opnum: int) -> tuple[str, ...]:
    if opnum == _SIMPLE_PING:
        return (f"pings set {oxid.decode_simple_ping_request(ndr):#018x}",)
    if opnum == _COMPLEX_PING:
        ping = oxid.decode_complex_ping_request(ndr)
        return (f"pings set {ping.set_id:#018x}: {len(ping.added)} objects added, {len(ping.deleted)} removed",)
    return ()


def _counted(ndr: Ndr, opnum: int) -> tuple[str, ...]:
    if opnum in (_QUERY, _QUERY2):
        query = rem_unknown.decode_query_request(ndr, opnum)
        if not query.iids:
            return ()
        wanted = ", ".join(interface_name(iid) or iid for iid in query.iids)
        return (f"asks {_object(query.ipid)} for {wanted}",)
    if opnum in (_ADD, _RELEASE):
        word = "keeps" if opnum == _ADD else "lets go"
        counted = rem_unknown.decode_count_request(ndr).references
        return tuple(f"{word} {one.public + one.private} of {_object(one.ipid)}" for one in counted[:MAX_REFERENCES])
    return ()


def _found(ndr: Ndr) -> tuple[str, ...]:
    answer = rem_unknown.decode_query_response(ndr)
    return tuple(
        f"gets {_object(one.std.ipid)}" if one.std and not one.result else f"refused, {one.result:#010x}"
        for one in answer.found[:MAX_REFERENCES]
    )


def _object(ipid: str) -> str:
    """With the process that Windows writes into the number of an object: a hint, no fact."""
    return f"{ipid} (process {objref.ipid_hint(ipid).process}, if Windows made it)"
