"""One RPC connection while its PDUs go by. [MS-RPCE] 3.3.1.5

Requests and answers are told by their PDU type, not by direction, so it does not matter yet who is the client.
"""

from typing import NamedTuple

from rpcdiag.dissect import dcerpc
from rpcdiag.dissect.dcerpc import (
    FIRST_FRAGMENT,
    LAST_FRAGMENT,
    MAYBE,
    Auth,
    BindAck,
    BindNak,
    Fault,
    Other,
    Pdu,
    PduType,
    Request,
    Response,
    Syntax,
)
from rpcdiag.dissect.fragments import Assembler, Stub
from rpcdiag.dissect.framing import Frame, Framer, Skipped
from rpcdiag.dissect.interfaces import NDR64
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import DecodeError, Truncated
from rpcdiag.flows.flow import Flow, TcpOutcome
from rpcdiag.track import referrals
from rpcdiag.track.facts import (
    Bind,
    CarriedError,
    Connection,
    Damage,
    Fate,
    FaultFact,
    InterfaceUse,
    OpenCall,
    Referral,
)
from rpcdiag.track.referrals import Answered, Asked

MAX_BINDS = 128
MAX_FAULTS = 256
MAX_PENDING = 4096
MAX_OPEN_CALLS = 256
MAX_DAMAGE = 32
MAX_ORPHANS = 256
MAX_REFERRALS = 2048
PATIENCE_NS = 1_000_000_000  # a request this close to the end of the capture may still be answered

# results of ORPC calls that speak of other connections than this one; status_codes: hresult_win32, hresult
CARRIED = frozenset({0x800706BA, 0x800706BE, 0x800706BF, 0x80070005, 0x80040202, 0x80010108, 0x8004D02A, 0x8004D02B})


class _Call(NamedTuple):
    packet: int
    time_ns: int
    context_id: int
    opnum: int
    orpc: bool
    one_way: bool
    asked: Asked | None


class _Orphan(NamedTuple):
    packet: int
    time_ns: int
    fault: bool


class Association:
    """Remembers the contexts, the binds (MAX_BINDS) and the calls that wait for an answer (MAX_PENDING)."""

    def __init__(self, flow: int) -> None:
        self.flow = flow
        self.referrals: list[Referral] = []
        self._framers = (Framer(), Framer())
        self._stubs = (Assembler(), Assembler())
        self._pdus = 0
        self._first_pdu: int | None = None
        self._last_ns: int | None = None
        self._binds: list[Bind] = []
        self._waiting_binds: dict[int, int] = {}  # call id -> index in _binds
        self._offered: dict[int, Syntax] = {}  # context id -> interface
        self._transfer: dict[int, str] = {}  # context id -> accepted transfer syntax
        self._refused: set[int] = set()
        self._use: dict[Syntax, InterfaceUse] = {}
        self._pending: dict[int, _Call] = {}
        self._orphans: dict[int, _Orphan] = {}
        self._requests = 0
        self._orphan_answers = 0
        self._fates: dict[Fate, int] = dict.fromkeys(Fate, 0)
        self._faults: list[FaultFact] = []
        self._carried: list[CarriedError] = []
        self._damage: list[Damage] = []
        self._open: list[tuple[_Call, Fate]] = []
        self._address: str | None = None
        self._orpc_calls = 0
        self._auth3 = False
        self._gap_ns: list[int | None] = [None, None]

    def bytes(self, side: int, data: bytes, packet: int, time_ns: int) -> None:
        """The next bytes of the stream of `side`."""
        for event in self._framers[side].feed(data, packet, time_ns):
            self._event(side, event)

    def gap(self, side: int, length: int, packet: int, time_ns: int) -> None:
        """Bytes of the stream of `side` that the capture does not hold."""
        self._gap_ns[side] = time_ns
        for event in self._framers[side].gap(length, packet, time_ns):
            self._event(side, event)

    def close(self) -> None:
        """The end of the capture."""
        for side in (0, 1):
            for event in self._framers[side].close():
                self._event(side, event)

    def _event(self, side: int, event: Frame | Skipped) -> None:
        if isinstance(event, Skipped):
            return
        self._pdus += 1
        if self._first_pdu is None:
            self._first_pdu = event.first_packet
        self._last_ns = event.time_ns
        try:
            pdu = dcerpc.decode(event.data, event.length)
        except DecodeError as error:
            if len(self._damage) < MAX_DAMAGE:
                self._damage.append(Damage(event.packet, str(error), isinstance(error, Truncated)))
            self._headless(event)
            return
        self._pdu(side, event, pdu)

    def _headless(self, frame: Frame) -> None:
        """A PDU whose body is damaged still answers or asks."""
        try:
            header = dcerpc.decode_header(Reader(frame.data, frame.length))
        except DecodeError:
            return
        if header.type in (PduType.RESPONSE, PduType.FAULT) and header.flags & LAST_FRAGMENT:
            self._settle(header.call_id, frame, fault=header.type is PduType.FAULT)

    def _pdu(self, side: int, frame: Frame, pdu: Pdu) -> None:
        match pdu:
            case dcerpc.Bind():
                self._bind(frame, pdu)
            case BindAck():
                self._bind_ack(frame, pdu)
            case BindNak():
                self._answer_bind(pdu.header.call_id, frame, "nak", nak_reason=pdu.reason)
            case Request():
                self._request(side, frame, pdu)
            case Response():
                self._response(side, frame, pdu)
            case Fault():
                self._fault(frame, pdu)
            case Other() if pdu.header.type is PduType.AUTH3:
                self._auth3 = True
            case _:
                pass

    def _bind(self, frame: Frame, pdu: dcerpc.Bind) -> None:
        alter = pdu.header.type is PduType.ALTER_CONTEXT
        auth = pdu.auth
        for context in pdu.contexts:
            self._offered[context.id] = context.interface
            self._transfer.pop(context.id, None)
            self._refused.discard(context.id)
            if context.interface not in self._use and len(self._use) < MAX_BINDS:
                self._use[context.interface] = InterfaceUse(
                    context.interface, None, auth.type if auth else None, auth.level if auth else None, 0
                )
        if len(self._binds) < MAX_BINDS:
            self._waiting_binds[pdu.header.call_id] = len(self._binds)
            self._binds.append(
                Bind(
                    packet=frame.packet,
                    time_ns=frame.time_ns,
                    alter=alter,
                    contexts=pdu.contexts,
                    association_group=pdu.association_group,
                    auth_type=auth.type if auth else None,
                    auth_level=auth.level if auth else None,
                    size=frame.length,
                )
            )

    def _bind_ack(self, frame: Frame, pdu: BindAck) -> None:
        bind = self._answer_bind(pdu.header.call_id, frame, "ack", results=pdu.results)
        if pdu.secondary_address and self._address is None:
            self._address = pdu.secondary_address
        if bind is None:
            return
        for context, result in zip(bind.contexts, pdu.results, strict=False):
            if result.result == 0:
                self._transfer[context.id] = result.transfer.uuid
            elif result.result in (1, 2):
                self._refused.add(context.id)
            use = self._use.get(context.interface)
            if use is not None and result.result in (0, 1, 2):
                self._use[context.interface] = use._replace(accepted=bool(use.accepted) or result.result == 0)

    def _answer_bind(
        self, call_id: int, frame: Frame, answer: str, *, results: tuple[dcerpc.Result, ...] = (),
        nak_reason: int | None = None,
    ) -> Bind | None:  # fmt: skip
        index = self._waiting_binds.pop(call_id, None)
        if index is None:
            return None
        bind = self._binds[index]._replace(
            answer=answer, answer_packet=frame.packet, answer_ns=frame.time_ns, results=results, nak_reason=nak_reason
        )
        self._binds[index] = bind
        return bind

    def _request(self, side: int, frame: Frame, pdu: Request) -> None:
        header = pdu.header
        interface = self._offered.get(pdu.context_id)
        whole = None
        if referrals.refers(interface, pdu.opnum):
            whole = self._stubs[side].add(header.call_id, header.flags, pdu.stub, pdu.stub_length, frame.packet)
        if not header.flags & FIRST_FRAGMENT:
            before = self._pending.get(header.call_id)
            if before is not None:
                if whole is not None and interface is not None:
                    asked = self._asked(interface, pdu, frame, whole)
                    self._pending[header.call_id] = before._replace(packet=frame.packet, asked=asked)
                return
        self._requests += 1
        if pdu.object is not None:
            self._orpc_calls += 1
        if interface is not None and interface in self._use:
            self._count_use(interface, pdu.auth)
        asked_now = self._asked(interface, pdu, frame, whole) if whole is not None and interface is not None else None
        one_way = bool(header.flags & MAYBE)
        call = _Call(frame.packet, frame.time_ns, pdu.context_id, pdu.opnum, pdu.object is not None, one_way, asked_now)
        orphan = self._orphans.pop(header.call_id, None)
        if orphan is not None and orphan.time_ns >= frame.time_ns:
            self._orphan_answers -= 1
            self._fates[Fate.FAULT if orphan.fault else Fate.RESPONSE] += 1
            return
        replaced = self._pending.pop(header.call_id, None)
        if replaced is not None:
            self._leave_open(replaced)
        if len(self._pending) >= MAX_PENDING:
            self._leave_open(self._pending.pop(next(iter(self._pending))))
        self._pending[header.call_id] = call

    def _asked(self, interface: Syntax, pdu: Request, frame: Frame, whole: Stub) -> Asked:
        return Asked(
            interface, pdu.opnum, frame.packet, frame.time_ns, whole, referrals.sealed(pdu.auth), pdu.header.big,
            self._transfer.get(pdu.context_id) == NDR64,
        )  # fmt: skip

    def _count_use(self, interface: Syntax, auth: Auth | None) -> None:
        use = self._use[interface]
        kind, level = use.auth_type, use.auth_level
        if auth is not None and (level is None or auth.level > level):
            kind, level = auth.type, auth.level
        self._use[interface] = use._replace(calls=use.calls + 1, auth_type=kind, auth_level=level)

    def _response(self, side: int, frame: Frame, pdu: Response) -> None:
        header = pdu.header
        call = self._pending.get(header.call_id)
        if call is not None and call.asked is not None:
            whole = self._stubs[side].add(header.call_id, header.flags, pdu.stub, pdu.stub_length, frame.packet)
            if whole is not None:
                wide = self._transfer.get(call.context_id) == NDR64
                answered = Answered(frame.packet, frame.time_ns, whole, referrals.sealed(pdu.auth), header.big, wide)
                self._refer(referrals.make(self.flow, call.asked, answered))
        if not header.flags & LAST_FRAGMENT:
            return
        if call is not None and call.orpc and not referrals.sealed(pdu.auth) and len(pdu.stub) >= 4:
            result = int.from_bytes(pdu.stub[-4:], "big" if header.big else "little")
            if result in CARRIED and len(pdu.stub) == pdu.stub_length and len(self._carried) < MAX_FAULTS:
                self._carried.append(
                    CarriedError(
                        call.packet, frame.packet, frame.time_ns, self._offered.get(call.context_id), call.opnum, result
                    )
                )
        self._auth3 = False
        self._settle(header.call_id, frame, fault=False)

    def _refer(self, referral: Referral) -> None:
        for index in range(len(self.referrals) - 1, max(-1, len(self.referrals) - 5), -1):
            both = referrals.joined(self.referrals[index], referral)
            if both is not None:
                self.referrals[index] = both
                return
        if len(self.referrals) < MAX_REFERRALS:
            self.referrals.append(referral)

    def _fault(self, frame: Frame, pdu: Fault) -> None:
        call = self._pending.get(pdu.header.call_id)
        if call is None and pdu.header.call_id in self._waiting_binds:
            self._answer_bind(pdu.header.call_id, frame, "fault", nak_reason=pdu.status)
        if len(self._faults) < MAX_FAULTS:
            context = call.context_id if call else pdu.context_id
            self._faults.append(
                FaultFact(
                    request_packet=call.packet if call else None,
                    packet=frame.packet,
                    time_ns=frame.time_ns,
                    interface=self._offered.get(context),
                    opnum=call.opnum if call else None,
                    status=pdu.status,
                    flags=pdu.header.flags,
                    auth_level=self._level(context, pdu.auth),
                    after_auth3=self._auth3,
                )
            )
        self._auth3 = False
        self._settle(pdu.header.call_id, frame, fault=True)

    def _level(self, context_id: int, auth: Auth | None) -> int | None:
        if auth is not None:
            return auth.level
        interface = self._offered.get(context_id)
        use = self._use.get(interface) if interface is not None else None
        return use.auth_level if use else None

    def _settle(self, call_id: int, frame: Frame, *, fault: bool) -> None:
        """A call has its answer."""
        if self._pending.pop(call_id, None) is not None:
            self._fates[Fate.FAULT if fault else Fate.RESPONSE] += 1
            return
        self._orphan_answers += 1
        if len(self._orphans) >= MAX_ORPHANS:
            del self._orphans[next(iter(self._orphans))]
        self._orphans[call_id] = _Orphan(frame.packet, frame.time_ns, fault)

    def _leave_open(self, call: _Call) -> None:
        """A call that will never be told its answer from this capture."""
        self._open.append((call, Fate.ONE_WAY if call.one_way else Fate.UNANSWERED))
        if len(self._open) > MAX_OPEN_CALLS:
            _, fate = self._open.pop(0)
            self._fates[fate] += 1

    def connection(self, flow: Flow, sides: tuple[int, int], last_ns: int, stream_bytes: int) -> Connection:
        """The facts, once the capture has ended at `last_ns`; `sides` are those of client and server."""
        for call in self._pending.values():
            self._open.append((call, self._fate(call, flow, sides[1], last_ns)))
        self._pending = {}
        open_calls: list[OpenCall] = []
        for call, fate in self._open:
            self._fates[fate] += 1
            if len(open_calls) < MAX_OPEN_CALLS:
                interface = self._offered.get(call.context_id)
                open_calls.append(OpenCall(call.packet, call.time_ns, interface, call.opnum, fate))
        self._open = []
        return Connection(
            flow=self.flow,
            pdus=self._pdus,
            first_pdu=self._first_pdu,
            binds=tuple(self._binds),
            interfaces=tuple(self._use.values()),
            requests=self._requests,
            fates=self._fates,
            orphan_answers=self._orphan_answers,
            faults=tuple(self._faults),
            open_calls=tuple(open_calls),
            carried=tuple(self._carried),
            damage=tuple(self._damage),
            secondary_address=self._address,
            orpc_calls=self._orpc_calls,
            bytes_in_pdus=sum(framer.in_pdus for framer in self._framers),
            bytes_skipped=sum(framer.skipped for framer in self._framers),
            bytes_missing=sum(framer.missing for framer in self._framers),
            last_pdu_ns=self._last_ns,
            stream_bytes=stream_bytes,
        )

    def _fate(self, call: _Call, flow: Flow, server_side: int, last_ns: int) -> Fate:
        if call.one_way:
            return Fate.ONE_WAY
        if call.context_id in self._refused:
            return Fate.REJECTED
        if flow.server_ttl is None:
            return Fate.CUT  # the capture holds one direction only
        gap = self._gap_ns[server_side]
        if gap is not None and gap >= call.time_ns:
            return Fate.CUT
        closed = flow.fin_from_server is not None and flow.fin_from_server > call.packet
        if closed or flow.outcome is TcpOutcome.RESET:
            return Fate.REJECTED
        if last_ns - call.time_ns < PATIENCE_NS:
            return Fate.CUT
        return Fate.UNANSWERED
