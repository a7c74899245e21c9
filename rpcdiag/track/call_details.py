"""What a call's bodies say beyond its number: objects that are asked for, counted and pinged; who caused it; how safe.

Only whole, readable bodies of one fragment are looked at.
"""

from collections.abc import Iterable
from itertools import islice, zip_longest
from typing import NamedTuple

from rpcdiag.dissect import dcerpc, objref, orpc, oxid, rem_unknown
from rpcdiag.dissect.dcerpc import FIRST_FRAGMENT, LAST_FRAGMENT
from rpcdiag.dissect.interfaces import IOBJECT_EXPORTER, IREM_UNKNOWN, IREM_UNKNOWN2, describe, interface_name
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.objref import StdObjref
from rpcdiag.dissect.oxid import COMPLEX_PING, SERVER_ALIVE, SIMPLE_PING
from rpcdiag.dissect.rem_unknown import REM_ADD_REF, REM_QUERY_INTERFACE, REM_QUERY_INTERFACE2, REM_RELEASE
from rpcdiag.dissect.status import status_name
from rpcdiag.errors import DecodeError
from rpcdiag.track.spoken import Spoken

MAX_REFERENCES = 16  # object references that are looked for in one body
_WHOLE = FIRST_FRAGMENT | LAST_FRAGMENT


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
    for wide in (spoken.wide, not spoken.wide):
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
        return found._replace(says=(_ping if asks else _pong)(body(), opnum))
    known, of_exporter = describe(uuid), uuid in (IREM_UNKNOWN, IREM_UNKNOWN2)
    if not of_exporter and (known is None or known.kind != "com"):
        return found
    references = tuple(
        f"object reference to {interface_name(one.iid) or one.iid}"
        for _, one in objref.find_all(pdu.stub, MAX_REFERENCES)
    )
    if not asks:
        error = orpc.error_info(orpc.decode_that(body()).extensions)
        said = (f"error: {error.description}",) if error and error.description else ()
        return found._replace(says=(*said, *references, *(_granted(body(), opnum) if of_exporter else ())))
    this = orpc.decode_this(body())
    counted = _counted(body(), opnum) if of_exporter else ()
    return found._replace(
        causality=this.causality, com_version=f"{this.version[0]}.{this.version[1]}", says=(*counted, *references)
    )


def _ping(ndr: Ndr, opnum: int) -> tuple[str, ...]:
    if opnum == SIMPLE_PING:
        return (f"pings set {oxid.decode_simple_ping_request(ndr):#018x}",)
    if opnum == COMPLEX_PING:
        ping = oxid.decode_complex_ping_request(ndr)
        return (f"pings set {ping.set_id:#018x}: {len(ping.added)} objects added, {len(ping.deleted)} removed",)
    return ()


def _pong(ndr: Ndr, opnum: int) -> tuple[str, ...]:
    if opnum in (SIMPLE_PING, SERVER_ALIVE):
        return _refused(oxid.decode_status(ndr))
    if opnum == COMPLEX_PING:
        pong = oxid.decode_complex_ping_response(ndr)
        return _refused(pong.status) or (f"as set {pong.set_id:#018x}",)
    return ()


def _counted(ndr: Ndr, opnum: int) -> tuple[str, ...]:
    if opnum in (REM_QUERY_INTERFACE, REM_QUERY_INTERFACE2):
        query = rem_unknown.decode_query_request(ndr, opnum)
        if not query.iids:
            return ()
        wanted = ", ".join(interface_name(iid) or iid for iid in query.iids)
        return (f"asks {_object(query.ipid)} for {wanted}",)
    if opnum in (REM_ADD_REF, REM_RELEASE):
        word = "keeps" if opnum == REM_ADD_REF else "lets go"
        counted = rem_unknown.decode_count_request(ndr).references
        return tuple(f"{word} {one.public + one.private} of {_object(one.ipid)}" for one in counted[:MAX_REFERENCES])
    return ()


def _granted(ndr: Ndr, opnum: int) -> tuple[str, ...]:
    """What came of it for each interface, or else of all."""
    says: tuple[str, ...] = ()
    if opnum == REM_QUERY_INTERFACE:
        answer = rem_unknown.decode_query_response(ndr)
        status, says = answer.status, _got((one.result, one.std) for one in answer.found)
    elif opnum == REM_QUERY_INTERFACE2:
        second = rem_unknown.decode_query2_response(ndr)
        stds = [one.std if one else None for one in second.references]
        status, says = second.status, _got(zip_longest(second.results, stds[: len(second.results)]))
    elif opnum in (REM_ADD_REF, REM_RELEASE):
        counted = rem_unknown.decode_count_response(ndr, opnum)
        status, says = counted.status, _got((result, None) for result in counted.results)
    else:
        return ()
    return says or _refused(status)


def _got(found: Iterable[tuple[int, StdObjref | None]]) -> tuple[str, ...]:
    says: list[str] = []
    for result, std in islice(found, MAX_REFERENCES):
        says += _refused(result) or ((f"gets {_object(std.ipid)}",) if std else ())
    return tuple(says)


def _refused(status: int) -> tuple[str, ...]:
    if not status:
        return ()
    name = status_name(status)
    return (f"refused, {status:#010x}{f' {name}' if name else ''}",)


def _object(ipid: str) -> str:
    """With the process that Windows writes into the number of an object: a hint, no fact."""
    return f"{ipid} (process {objref.ipid_hint(ipid).process}, if Windows made it)"
