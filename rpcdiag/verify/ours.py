"""Our own reading of every PDU."""

from collections.abc import Iterator

from rpcdiag.dissect import connectionless, dcerpc
from rpcdiag.flows import flow
from rpcdiag.track.facts import Readable, Referral, ReferralKind
from rpcdiag.track.spoken import Spoken
from rpcdiag.track.transcript import Transcript
from rpcdiag.track.wire import Row, Wire
from rpcdiag.verify.reading import HTTP, PIPE, TCP, UDP, Fields, Reading, kind, listed, plain

_TRANSPORTS = {flow.TCP: TCP, flow.HTTP: HTTP, flow.PIPE: PIPE, flow.UDP: UDP}
_HTTP_PORT = 593  # of the version that is no HTTP: a greeting, then PDUs. [MS-RPCH] 2.1.1


def readings(wire: Wire) -> Iterator[Reading]:
    """Every PDU of the capture, as it is completed."""
    for spoken in Transcript(wire.rows()):
        yield _reading(spoken)


def _reading(spoken: Spoken) -> Reading:
    row = spoken.row
    source, destination = (row.ends.client, row.ends.server)[:: 1 if row.from_client else -1]
    number, call_id, length = _said(spoken)
    return Reading(
        row.packet, _transport(row), str(source), str(destination), kind(number), call_id, length, _fields(spoken),
        row.serial, row.ends.point, len(row.data) < row.length,
    )  # fmt: skip


def _said(spoken: Spoken) -> tuple[int, int, int]:
    """Type, number and length of a PDU."""
    match spoken.header:
        case connectionless.Header() as header:
            return header.type, header.sequence, header.length
        case dcerpc.Header() as header:
            return header.type, header.call_id, header.length
        case _:
            data = spoken.row.data
            return data[2] if len(data) > 2 else 255, -1, spoken.row.length


def _transport(row: Row) -> str:
    if row.ends.transport == flow.HTTP and row.ends.server.port == _HTTP_PORT:
        return TCP
    return _TRANSPORTS[row.ends.transport]


def _fields(spoken: Spoken) -> Fields:
    if spoken.pdu is None:
        found = {"damage": str(spoken.error)}
    elif isinstance(spoken.header, connectionless.Header):
        found = _of_datagram(spoken.header, spoken.pdu)
    else:
        found = _of_connection(spoken)
    if spoken.row.ends.pipe is not None:
        found["pipe"] = plain(spoken.row.ends.pipe)
    if spoken.referral is not None and spoken.referral.readable is not Readable.SEALED:
        found |= _referred(spoken.referral)
    return found


def _of_datagram(header: connectionless.Header, pdu: object) -> Fields:
    found = {
        "interface": f"{header.interface.uuid}v{header.interface.version}",
        "activity": header.activity,
        "opnum": str(header.opnum),
        "fragment": str(header.fragment),
    }
    if header.object:
        found["object"] = header.object
    if header.auth_proto:
        found["auth"] = str(header.auth_proto)
    if isinstance(pdu, connectionless.Fault):
        found["status"] = f"{pdu.status:#010x}"
    return found


def _of_connection(spoken: Spoken) -> Fields:
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
        case _:
            pass
    auth = getattr(pdu, "auth", None)
    if auth is not None:
        found["auth"] = f"{auth.type}/{auth.level}"
    if spoken.opnum is not None and not isinstance(pdu, dcerpc.Request):
        found["opnum"] = str(spoken.opnum)
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
