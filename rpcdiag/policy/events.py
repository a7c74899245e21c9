"""What a firewall would have seen of the case, in time order: plain values, so that copies of them can be made."""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from rpcdiag.case import Case, CaseFlow, CaseReferral, Conversation
from rpcdiag.dissect.activation import REMOTE_GET_CLASS_OBJECT
from rpcdiag.dissect.interfaces import EPMAPPER, FEATURE_NEGOTIATION_PREFIX, IACTIVATION
from rpcdiag.flows.flow import FAILED_TO_OPEN, HTTP, PIPE, TCP, UDP, TcpOutcome
from rpcdiag.model.packets import Address
from rpcdiag.policy.product import Learns
from rpcdiag.track.facts import Bind, Readable, ReferralKind
from rpcdiag.track.origin import MAPPER_PORTS, OriginKind

MAX_ENDPOINTS = 256  # of one answer
SMALLEST_SILENCE_NS = 1_000_000_000
SEGMENT = 1460  # bytes of payload that a TCP segment holds on Ethernet
PDU_HEADER = 24  # of a response, before its stub


class Kind(StrEnum):
    SYN = "syn"
    BIND = "bind"  # or alter_context
    TOLD = "told"  # an answer that hands out ports or addresses
    DATA = "data"  # after a silence
    CLOSE = "close"


_ORDER = {Kind.SYN: 0, Kind.BIND: 1, Kind.TOLD: 2, Kind.DATA: 3, Kind.CLOSE: 4}


class Named(NamedTuple):
    """An endpoint in an answer; `address` is None where the asked server's own is meant."""

    address: Address | None
    port: int | None
    uuid: str | None


class Event(NamedTuple):
    """One thing that happens on flow `flow`; which fields say more depends on its kind.

    SYN: `outcome` is what came of it in the capture; `referral` is what had sent the client there, by `origin`;
    `about` is the interface or class behind the port; `program` is whose port it was by the server's own events, of
    which `program_by` tells. TOLD: `referral` is its id.
    """

    kind: Kind
    time_ns: int
    flow: str
    packet: int
    client: Address
    client_port: int
    server: Address
    port: int
    protocol: str = "tcp"
    outcome: TcpOutcome = TcpOutcome.ESTABLISHED
    origin: OriginKind = OriginKind.UNEXPLAINED
    referral: str | None = None
    about: str | None = None
    called_back: bool = False  # the client was given an object of the server
    rpc: bool | None = True  # whether the port is one of RPC; None where nobody can tell: it never opened
    alter: bool = False
    interfaces: tuple[str, ...] = ()
    learns: Learns | None = None
    named: tuple[Named, ...] = ()
    sealed: bool = False
    readable: bool = True  # what is damaged in the capture was whole on the wire, but says nothing here
    size: int = 0
    fragments: int = 1
    segmented: bool = False
    wide: bool = False
    by_client: bool = False
    silence_ns: int = 0
    program: str | None = None
    program_by: str = ""


def events_of(case: Case, pairs: Collection[frozenset[Address]] | None = None) -> tuple[Event, ...]:
    """Those of every conversation, or of those between these pairs, as the point nearest to the client saw it."""
    told: dict[str, list[CaseReferral]] = {}
    for referral in case.referrals:
        told.setdefault(referral.asked_on.id, []).append(referral)
    for referral in case.resolvers:
        told.setdefault(referral.asked_on.id, []).append(referral)
    found = chain.from_iterable(_of(case, one, told) for one in _between(case, pairs))
    return ordered(found)


def _between(case: Case, pairs: Collection[frozenset[Address]] | None) -> Iterable[Conversation]:
    if pairs is None:
        return case.conversations
    return (one for one in case.conversations if frozenset((one.client, one.server)) in pairs)


def ordered(events: Iterable[Event]) -> tuple[Event, ...]:
    """By time; what happens at the same time as one flow after another sees it."""
    return tuple(sorted(events, key=lambda one: (one.time_ns, one.packet, _ORDER[one.kind], one.flow)))


def copies(case: Case) -> dict[str, tuple[str, ...]]:
    """The ids of all copies of a conversation, by that of the flow that speaks for it."""
    return {conversation.near.id: conversation.ids for conversation in case.conversations}


def foreign(
    events: Iterable[Event], client: Address, as_address: Address, *, first_flow: str = ""
) -> tuple[Event, ...]:
    """What `client` did and was told, as if a host with another address had; flows are called `<id>!` there."""
    found = []
    for event in events:
        if event.client != client and event.server != client:
            continue
        one = event._replace(flow=f"{first_flow}{event.flow}!")
        if event.client == client:
            one = one._replace(client=as_address)
        if event.server == client:
            one = one._replace(server=as_address)
        if event.referral is not None:
            one = one._replace(referral=f"{event.referral}!")
        named = tuple(end._replace(address=as_address) if end.address == client else end for end in one.named)
        found.append(one._replace(named=named))
    return tuple(found)


def _of(case: Case, conversation: Conversation, told: dict[str, list[CaseReferral]]) -> Iterator[Event]:
    near = conversation.near
    flow = near.flow
    protocol = "udp" if flow.transport == UDP else "tcp"
    first = flow.syns[0].packet if flow.syns else flow.first_packet
    origin = case.referral_of(near)
    owner = case.listener(conversation)
    syn = Event(
        Kind.SYN, flow.start_ns, near.id, first, flow.client.address, flow.client.port, flow.server.address,
        flow.server.port, protocol, flow.outcome, near.origin.kind, origin.id if origin else None,
        _about(near, origin), _called_back(near, origin), _is_rpc(near, origin),
    )  # fmt: skip
    if owner is not None:
        by = f"{owner.says}, line {owner.line} of {case.logs[owner.log].file.path}"
        syn = syn._replace(program=owner.path or owner.program, program_by=by)
    yield syn
    if flow.transport == PIPE:
        return  # RPC inside SMB is SMB to a firewall
    plain = syn._replace(referral=None)
    for bind in near.rpc.binds if near.rpc else ():
        if not bind.contexts and bind.cut:
            continue  # of what it is, the capture does not hold
        yield plain._replace(
            kind=Kind.BIND, time_ns=bind.time_ns, packet=bind.packet, alter=bind.alter, interfaces=_interfaces(bind)
        )
    for referral in told.get(near.id, ()):
        event = _told(plain, referral)
        if event is not None:
            yield event
    if flow.silence is not None and flow.silence.lasted_ns >= SMALLEST_SILENCE_NS:
        yield plain._replace(
            kind=Kind.DATA, time_ns=flow.end_ns, packet=flow.silence.before_packet, silence_ns=flow.silence.lasted_ns
        )
    if flow.fin_from_client or flow.fin_from_server or flow.reset:
        yield plain._replace(kind=Kind.CLOSE, time_ns=flow.end_ns, packet=flow.last_packet)


def _interfaces(bind: Bind) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            context.interface.uuid
            for context in bind.contexts
            if not context.interface.uuid.startswith(FEATURE_NEGOTIATION_PREFIX)
        )
    )


def _about(flow: CaseFlow, origin: CaseReferral | None) -> str | None:
    """The interface or class that the client wants there."""
    if flow.flow.server.port in MAPPER_PORTS or flow.flow.transport == PIPE:
        return EPMAPPER if flow.flow.server.port in MAPPER_PORTS else None
    if origin is not None:
        told = origin.referral
        if told.clsid:
            return told.clsid
        of_port = next((one.interface for one in told.endpoints if one.port == flow.flow.server.port), None)
        known = told.interface or of_port
        if known is not None:
            return known.uuid
    return flow.rpc.interfaces[0].interface.uuid if flow.rpc and flow.rpc.interfaces else None


def _called_back(flow: CaseFlow, origin: CaseReferral | None) -> bool:
    if flow.origin.kind is OriginKind.OBJECT_REFERENCE:
        return True
    return origin is not None and (origin.referral.by_client or flow.origin.kind is OriginKind.MAPPER)


def _is_rpc(flow: CaseFlow, origin: CaseReferral | None) -> bool | None:
    if flow.flow.transport == PIPE:
        return False
    if origin is not None or (flow.rpc is not None and flow.rpc.pdus) or flow.flow.server.port in MAPPER_PORTS:
        return True
    return None if flow.flow.outcome in FAILED_TO_OPEN else False


_LEARNS = {
    ReferralKind.EPT_MAP: Learns.MAP,
    ReferralKind.EPT_LOOKUP: Learns.LOOKUP,
    ReferralKind.RESOLVE_OXID: Learns.RESOLVE_OXID,
    ReferralKind.SERVER_ALIVE2: Learns.SERVER_ALIVE2,
}


def _told(event: Event, referral: CaseReferral) -> Event | None:
    told = referral.referral
    if told.kind is ReferralKind.OBJECT_REFERENCE:
        return None  # inside of calls: nobody reads it in the path
    learns = _LEARNS.get(told.kind, Learns.CREATE_INSTANCE)
    if told.kind is ReferralKind.ACTIVATION and told.operation is not None:
        uuid, opnum = told.operation
        if uuid == IACTIVATION:
            learns = Learns.REMOTE_ACTIVATION
        elif opnum == REMOTE_GET_CLASS_OBJECT:
            learns = Learns.GET_CLASS_OBJECT
    of_mapper = told.kind in (ReferralKind.EPT_MAP, ReferralKind.EPT_LOOKUP)
    named = []
    for one in told.endpoints[:MAX_ENDPOINTS]:
        known = (one.interface or told.interface) if of_mapper else None  # of DCOM a port is for all that is there
        if one.port is None or one.protseq in (TCP, UDP, HTTP):
            named.append(Named(one.address, one.port, known.uuid if known else None))
    whole = told.size // max(1, told.fragments) + PDU_HEADER
    return event._replace(
        kind=Kind.TOLD, time_ns=told.response_ns, packet=told.response_packet, referral=referral.id or None,
        learns=learns, named=tuple(named), sealed=told.readable is Readable.SEALED or told.opened,
        readable=told.readable in (Readable.CLEAR, Readable.CARVED) or bool(named), size=told.size, fragments=told.fragments,
        segmented=whole > SEGMENT, wide=told.wide, by_client=told.by_client,
    )  # fmt: skip
