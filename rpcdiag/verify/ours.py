"""Our own reading of every PDU."""

from collections.abc import Iterator

from rpcdiag.dissect import dcerpc
from rpcdiag.track.facts import Readable, Referral, ReferralKind
from rpcdiag.track.transcript import Spoken, Transcript
from rpcdiag.track.wire import Row, Wire
from rpcdiag.verify.reading import HTTP, PIPE, TCP, UDP, Fields, Reading, kind, listed, plain

_TRANSPORTS = {"ncacn_ip_tcp": TCP, "ncacn_http": TCP, "ncacn_np": PIPE, "ncadg_ip_udp": UDP}
_HTTP_PORTS = frozenset({80, 443, 591, 8080})


def readings(wire: Wire) -> Iterator[Reading]:
    """Every PDU of the capture, as it is completed."""
    for spoken in Transcript(wire.rows()):
        yield _reading(spoken)


def _reading(spoken: Spoken) -> Reading:
    row = spoken.row
    source, destination = (row.ends.client, row.ends.server)[:: 1 if row.from_client else -1]
    header = spoken.header
    return Reading(
        row.packet, _transport(row), str(source), str(destination),
        kind(header.type if header else row.data[2] if len(row.data) > 2 else 255),
        header.call_id if header else -1, header.length if header else row.length, _fields(spoken), row.serial, row.ends.point, len(row.data) < row.length,
    )  # fmt: skip


def _transport(row: Row) -> str:
    if row.ends.transport == "ncacn_http" and row.ends.server.port in _HTTP_PORTS:
        return HTTP
    return _TRANSPORTS.get(row.ends.transport, TCP)


def _fields(spoken: Spoken) -> Fields:
    pdu = spoken.pdu
    found: Fields = {}
    match pdu:
        case dcerpc.Request():
            found = {"context": str(pdu.context_id), "opnum": str(pdu.opnum)}
            if pdu.object:
                found["object"] = pdu.object
        case dcerpc.Response():
            found = {"context": str(pdu.context_id)}
        case dcerpc.Fault():
            found = {"context": str(pdu.context_id), "status": f"{pdu.status:#010x}"}
        case dcerpc.Bind():
            found["contexts"] = listed([_offer(context) for context in pdu.contexts])
        case dcerpc.BindAck():
            found["results"] = listed([str(result.result) for result in pdu.results])
            if pdu.secondary_address:
                found["secondary_address"] = plain(pdu.secondary_address)
        case dcerpc.BindNak():
            found["reason"] = str(pdu.reason)
        case None:
            return {"damage": str(spoken.error)}
        case _:
            pass
    auth = getattr(pdu, "auth", None)
    if auth is not None:
        found["auth"] = f"{auth.type}/{auth.level}"
    if spoken.opnum is not None and not isinstance(pdu, dcerpc.Request):
        found["opnum"] = str(spoken.opnum)
    if spoken.referral is not None and spoken.referral.readable is not Readable.SEALED:
        found |= _referred(spoken.referral)
    return found


def _offer(context: dcerpc.Context) -> str:
    return f"{context.id}={context.interface.uuid}v{context.interface.version}"


def _referred(referral: Referral) -> Fields:
    """What an answer hands out: towers of the mapper, or string bindings that name a port."""
    if referral.readable is Readable.CUT:
        return {}
    if referral.kind in (ReferralKind.EPT_MAP, ReferralKind.EPT_LOOKUP):
        towers = [str(one.port) if one.port is not None else plain(one.pipe or "") for one in referral.endpoints]
        found = {"towers": listed(sorted(tower for tower in towers if tower))}
        if referral.status is not None:
            found["mapper_status"] = f"{referral.status:#010x}"
        return found
    bound = {plain(one.text) for one in referral.endpoints if one.port is not None}
    return {"bindings": listed(sorted(bound))} if bound else {}
