"""One RPC connection: its binds, its failures, and the referrals made on it. [MS-RPCE] 3.3.1.5

Calls are matched and counted by the pass; what comes here is what speaks of more than a number.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from rpcdiag.dissect import dcerpc, exterror, orpc
from rpcdiag.dissect.activation import REMOTE_CREATE_INSTANCE, REMOTE_GET_CLASS_OBJECT
from rpcdiag.dissect.dcerpc import FIRST_FRAGMENT, LAST_FRAGMENT, BindAck, BindNak, Pdu, Syntax
from rpcdiag.dissect.exterror import ErrorRecord
from rpcdiag.dissect.fragments import Assembler, Stub
from rpcdiag.dissect.interfaces import IREMOTE_SCM_ACTIVATOR, NDR64
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.errors import DecodeError, Truncated
from rpcdiag.flows.flow import Flow, Stream, TcpOutcome, Waiting
from rpcdiag.sweep.calls import LOST_REQUEST, ONE_WAY, ORPC, UNTOLD
from rpcdiag.sweep.columns import BIG_ENDIAN, MARSHALS, SEALED_STUB, UNBOUND
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
from rpcdiag.track.referrals import Answered, Asked, Sign

WHOLE = FIRST_FRAGMENT | LAST_FRAGMENT
MAX_BINDS = 128
MAX_FAULTS = 256
MAX_OPEN_CALLS = 256
MAX_DAMAGE = 32
MAX_ASKED = 256
MAX_OFFERS = 4096
MAX_REFERRALS = 2048
MAX_OBJECTS = 256
PATIENCE_NS = 1_000_000_000  # a request this close to the end of the capture may still be answered


# Ten thousand binds have a few hundred distinct bodies: what was decoded once is looked up.
_KNOWN: dict[tuple[int, bytes], "Pdu | _Undecoded"] = {}
MAX_KNOWN = 4096
LONGEST_KNOWN = 2048


class _Undecoded(NamedTuple):
    """A PDU that does not decode, and what is left of it where the capture cuts it."""

    error: DecodeError
    rest: dcerpc.Bind | BindAck | BindNak | None


def _decoded(data: bytes, length: int) -> Pdu | _Undecoded:
    """The PDU; of call id, association group and token, those of the first that was like it."""
    token = int.from_bytes(data[10:12], "little" if data[4] & 0x10 else "big") if len(data) == length else 0
    end = length - token if token else len(data)
    if end > LONGEST_KNOWN:
        return _decode(data, length)
    key = length, data[:12] + data[16:20] + data[24:end]
    known = _KNOWN.get(key)
    if known is None:
        known = _decode(data, length)
        if len(_KNOWN) >= MAX_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = known
    return known


_UNKNOWN = Syntax("", "")


def _extended(
    decode: Callable[[bytes, int | None], tuple[ErrorRecord, ...]], data: bytes, length: int
) -> tuple[ErrorRecord, ...]:
    """What a fault or bind_nak says more; nothing where that cannot be read."""
    try:
        return decode(data, length)
    except DecodeError:
        return ()


def _decode(data: bytes, length: int) -> Pdu | _Undecoded:
    try:
        return dcerpc.decode(data, length)
    except DecodeError as error:
        error.__context__ = None
        rest = dcerpc.remains(data, length) if isinstance(error, Truncated) else None
        return _Undecoded(error.with_traceback(None), rest)  # kept, it would keep the stack with the arrays of the pass


class Association:
    """Remembers the contexts, MAX_BINDS binds and MAX_ASKED requests that may lead to a referral."""

    def __init__(self) -> None:
        self.referrals: list[Referral] = []
        self._stubs = (Assembler(), Assembler())
        self._binds: list[Bind] = []
        self._waiting_binds: dict[int, int] = {}  # call id -> index in _binds
        self._offers: list[Syntax] = []  # as the pass counts the use of contexts
        self._offered: dict[int, Syntax] = {}  # context id -> interface
        self._transfer: dict[int, str] = {}  # context id -> accepted transfer syntax
        self._refused: set[int] = set()
        self._accepted: dict[Syntax, bool] = {}
        self._asked: dict[int, Asked] = {}
        self._faults: list[FaultFact] = []
        self._carried: list[CarriedError] = []
        self._damage: list[Damage] = []
        self._open: list[Waiting] = []
        self._open_before: dict[Fate, int] = {}  # those of which only the number is kept
        self._address: str | None = None
        self._handed: set[tuple[bool, int | None]] = set()  # who handed out which exporter's objects
        self._recognised: dict[Sign, int] = {}  # calls whose interface their bodies say
        self._com_version: tuple[int, int] | None = None

    def take(self, data: bytes, length: int, packet: int, time_ns: int, call_id: int, group: int) -> None:
        """The next PDU that speaks of more than a number: what the capture kept of `length` bytes."""
        known: Pdu | _Undecoded | None = _decoded(data, length)
        if isinstance(known, _Undecoded):
            if len(self._damage) < MAX_DAMAGE:
                self._damage.append(Damage(packet, str(known.error), isinstance(known.error, Truncated)))
            known = known.rest
        if isinstance(known, dcerpc.Bind):
            self._bind(known, call_id, group, length, packet, time_ns)
        elif isinstance(known, BindAck):
            self._bind_ack(known, call_id, packet, time_ns)
        elif isinstance(known, BindNak):
            records = _extended(exterror.of_bind_nak, data, length)
            self._answer_bind(call_id, packet, time_ns, "nak", nak_reason=known.reason, extended=records)
        elif isinstance(known, dcerpc.Fault) and self._faults and self._faults[-1].packet == packet:
            self._faults[-1] = self._faults[-1]._replace(extended=_extended(exterror.of_fault, data, length))

    def _bind(self, pdu: dcerpc.Bind, call_id: int, group: int, length: int, packet: int, time_ns: int) -> None:
        for context in pdu.contexts:
            if len(self._offers) < MAX_OFFERS:
                self._offers.append(context.interface)
            self._offered[context.id] = context.interface
            self._transfer.pop(context.id, None)
            self._refused.discard(context.id)
        if len(self._binds) < MAX_BINDS:
            auth = pdu.auth
            self._waiting_binds[call_id] = len(self._binds)
            self._binds.append(
                Bind(
                    packet, time_ns, pdu.header.type is dcerpc.PduType.ALTER_CONTEXT, pdu.contexts, group,
                    auth.type if auth else None, auth.level if auth else None, length, cut=pdu.cut,
                    auth_cut=auth is None and pdu.header.auth_length > 0,
                    token_cut=len(auth.token if auth else b"") < pdu.header.auth_length,
                )
            )  # fmt: skip

    def _bind_ack(self, pdu: BindAck, call_id: int, packet: int, time_ns: int) -> None:
        bind = self._answer_bind(call_id, packet, time_ns, "ack", results=pdu.results, cut=pdu.cut)
        if pdu.secondary_address and self._address is None:
            self._address = pdu.secondary_address
        if bind is None:
            return
        for context, result in zip(bind.contexts, pdu.results, strict=False):
            if result.result == 0:
                self._transfer[context.id] = result.transfer.uuid
                self._accepted[context.interface] = True
            elif result.result in (1, 2):
                self._refused.add(context.id)
        for interface in bind.refused:
            self._accepted.setdefault(interface, False)

    def _answer_bind(
        self, call_id: int, packet: int, time_ns: int, answer: str, *, results: tuple[dcerpc.Result, ...] = (),
        nak_reason: int | None = None, extended: tuple[ErrorRecord, ...] = (), cut: bool = False,
    ) -> Bind | None:  # fmt: skip
        index = self._waiting_binds.pop(call_id, None)
        if index is None:
            return None
        bind = self._binds[index]._replace(
            answer=answer,
            answer_packet=packet,
            answer_ns=time_ns,
            results=results,
            results_cut=cut,
            nak_reason=nak_reason,
            extended=extended,
        )
        self._binds[index] = bind
        return bind

    def take_asked(self, row: Sequence[int], data: bytes, length: int) -> None:
        """The stub of a request that may lead to a referral, or a fragment of it; see `EV_ASKED`."""
        side, packet, time_ns, call_id, flags, bits, context_id, opnum = row
        if bits & MARSHALS:
            self._marshalled(row, data, length, asks=True)
            return
        interface = self._beyond(context_id) if bits & UNBOUND else self._offered.get(context_id)
        if interface is None or not (bits & UNBOUND or referrals.refers(interface, opnum)):
            return
        stub = self._stub(side, call_id, flags, data, length, packet)
        if stub is None:
            return
        if len(self._asked) >= MAX_ASKED:
            del self._asked[next(iter(self._asked))]
        wide = self._transfer.get(context_id) == NDR64
        self._asked[call_id] = Asked(
            interface, opnum, packet, time_ns, stub, bool(bits & SEALED_STUB), bool(bits & BIG_ENDIAN), wide,
            bool(bits & UNBOUND),
        )  # fmt: skip
        if not bits & SEALED_STUB and stub.data.count(b"MEOW") > 1:  # an activation is one reference itself
            self._hand_over(stub.data, length, packet, time_ns, by_client=True)

    def take_answered(self, row: Sequence[int], data: bytes, length: int) -> None:
        """The stub of its answer, or a fragment of it; see `EV_ANSWERED`."""
        side, packet, time_ns, call_id, flags, bits, _, opnum = row
        if bits & MARSHALS:
            self._marshalled(row, data, length, asks=False)
            return
        if bits & UNBOUND and opnum == LOST_REQUEST:
            rest = Stub(data, length, len(data) < length, packet)
            found = referrals.remains(Answered(packet, time_ns, rest, False, bool(bits & BIG_ENDIAN), False))
            if found is not None:
                self._refer(found)
            return
        asked = self._asked.get(call_id)
        if asked is None:
            return
        stub = self._stub(side, call_id, flags, data, length, packet)
        if stub is not None:
            del self._asked[call_id]
            answered = Answered(packet, time_ns, stub, bool(bits & SEALED_STUB), bool(bits & BIG_ENDIAN), asked.wide)
            recognised = asked.unbound and self._recognise(asked, answered)
            if not recognised and referrals.refers(asked.interface, asked.opnum):
                self._refer(referrals.make(asked, answered))

    def _beyond(self, context_id: int) -> Syntax:
        """The interface of a context that the capture cut off its bind: clients offer one in several syntaxes."""
        bind = self._binds[-1] if self._binds else None
        if bind is None or not bind.cut or not bind.contexts or context_id <= bind.contexts[-1].id:
            return _UNKNOWN
        offered = {context.interface for context in bind.contexts}
        return offered.pop() if len(offered) == 1 else _UNKNOWN

    def _recognise(self, asked: Asked, answered: Answered) -> bool:
        """A call on a context that nobody saw being agreed: whether its bodies say what it is."""
        found = referrals.recognised(asked, answered)
        if found is not None:
            sign, wide = found
            self._recognised[sign] = self._recognised.get(sign, 0) + 1
            known = asked._replace(interface=Syntax(sign.uuid, sign.version), wide=wide)
            self._refer(referrals.make(known, answered._replace(wide=wide)))
            return True
        if asked.sealed and answered.sealed and asked.opnum in (REMOTE_GET_CLASS_OBJECT, REMOTE_CREATE_INSTANCE):
            # on a port of the mapper; its own calls are hardly ever sealed
            self._refer(referrals.make(asked._replace(interface=Syntax(IREMOTE_SCM_ACTIVATOR, "0.0")), answered))
            return True
        return False

    def _marshalled(self, row: Sequence[int], data: bytes, length: int, *, asks: bool) -> None:
        """The stub of a call on an object in which object references may be, or what of it is told."""
        side, packet, time_ns, call_id, flags, bits, _, _ = row
        parts = self._stubs[side]  # no call has stubs of both kinds in it
        whole = bool(flags & FIRST_FRAGMENT)
        stub = parts.add(call_id, flags if call_id in parts else flags | FIRST_FRAGMENT, data, length, packet)
        if asks and whole:
            self._note_version(Ndr(data, length, big=bool(bits & BIG_ENDIAN)))
        if stub is not None and not bits & SEALED_STUB:
            self._hand_over(stub.data + stub.loose, stub.length, packet, time_ns, by_client=asks)

    def _note_version(self, ndr: Ndr) -> None:
        with suppress(DecodeError):
            self._com_version = orpc.decode_this(ndr).version

    def _hand_over(self, data: bytes, length: int, packet: int, time_ns: int, *, by_client: bool) -> None:
        """The references in a stub; of each exporter the first."""
        for found in referrals.handed_over(data, length, packet, time_ns, by_client=by_client):
            key = by_client, found.oxid
            if key not in self._handed and len(self._handed) < MAX_OBJECTS:
                self._handed.add(key)
                self._refer(found)

    def _stub(self, side: int, call_id: int, flags: int, data: bytes, length: int, packet: int) -> Stub | None:
        """The whole body, once its last fragment is here."""
        if flags & WHOLE == WHOLE:
            return Stub(data, length, len(data) < length, packet)
        return self._stubs[side].add(call_id, flags, data, length, packet)

    def _refer(self, referral: Referral) -> None:
        if not referrals.note(self.referrals, referral) and len(self.referrals) < MAX_REFERRALS:
            self.referrals.append(referral)

    def take_fault(self, row: Sequence[int]) -> None:
        """A fault, see `EV_FAULT`."""
        asked, packet, time_ns, context_id, opnum, status, flags, level, after_auth3, call_id = row
        if not asked and call_id in self._waiting_binds:
            self._answer_bind(call_id, packet, time_ns, "fault", nak_reason=status)
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(
                FaultFact(
                    request_packet=asked or None,
                    packet=packet,
                    time_ns=time_ns,
                    interface=self._offered.get(context_id),
                    opnum=opnum if opnum >= 0 else None,
                    status=status,
                    flags=flags,
                    auth_level=level if level >= 0 else None,
                    after_auth3=bool(after_auth3),
                    auth_cut=level == UNTOLD,
                )
            )

    def take_carried(self, row: Sequence[int]) -> None:
        """An answer that carries an error code, see `EV_CARRIED`."""
        asked, packet, time_ns, context_id, opnum, result = row
        if len(self._carried) < MAX_FAULTS:
            self._carried.append(CarriedError(asked, packet, time_ns, self._offered.get(context_id), opnum, result))

    def take_open(self, row: Sequence[int]) -> None:
        """A call that will never be told its answer from this capture, see `EV_OPEN`."""
        packet, time_ns, context_id, opnum, bits = row
        self._open.append(Waiting(packet, time_ns, context_id, opnum, bool(bits & ORPC), bool(bits & ONE_WAY)))
        if len(self._open) > MAX_OPEN_CALLS:
            fate = Fate.ONE_WAY if self._open.pop(0).one_way else Fate.UNANSWERED
            self._open_before[fate] = self._open_before.get(fate, 0) + 1

    @property
    def plain(self) -> bool:
        """Whether all went as the client wanted it: binds accepted, every interface, nothing odd."""
        return (
            bool(self._binds)
            and not (self._damage or self._faults or self._carried or self._open or self._asked)
            and all(bind.answer == "ack" for bind in self._binds)
            and all(self._accepted.get(interface) for interface in self._offers)
        )

    @property
    def refused(self) -> bool:
        """Whether the server turned an interface down."""
        return any(bind.answer in ("nak", "fault") for bind in self._binds) or not all(self._accepted.values())

    @property
    def offered(self) -> tuple[Syntax, ...]:
        """Every interface that was asked for, once."""
        return tuple(dict.fromkeys(self._offers))

    def connection(self, flow: Flow, stream: Stream, last_ns: int) -> Connection:
        """The facts, once the capture has ended at `last_ns`."""
        fates = dict.fromkeys(Fate, 0)
        fates[Fate.RESPONSE], fates[Fate.FAULT] = stream.responses, stream.faults
        for fate, count in self._open_before.items():
            fates[fate] += count
        left = [(call, Fate.ONE_WAY if call.one_way else Fate.UNANSWERED) for call in self._open]
        left += [(call, self._fate(call, flow, stream.gap_ns[1], last_ns)) for call in stream.waiting]
        open_calls: list[OpenCall] = []
        for call, fate in left:
            fates[fate] += 1
            if len(open_calls) < MAX_OPEN_CALLS:
                interface = self._offered.get(call.context_id)
                open_calls.append(OpenCall(call.packet, call.time_ns, interface, call.opnum, fate, call.given_up_ns))
        return Connection(
            pdus=stream.pdus,
            first_pdu=stream.first_pdu,
            binds=tuple(self._binds),
            interfaces=self._interfaces(stream),
            requests=stream.requests,
            fates=fates,
            orphan_answers=stream.orphan_answers,
            faults=tuple(self._faults),
            open_calls=tuple(open_calls),
            carried=tuple(self._carried),
            damage=tuple(self._damage),
            secondary_address=self._address,
            orpc_calls=stream.orpc_calls,
            bytes_in_pdus=stream.in_pdus,
            bytes_skipped=stream.skipped,
            bytes_missing=stream.missing,
            last_pdu_ns=stream.last_pdu_ns,
            stream_bytes=stream.total,
            com_version=self._com_version,
        )

    def _interfaces(self, stream: Stream) -> tuple[InterfaceUse, ...]:
        """One for each interface offered, whatever the number of contexts for it."""
        uses: dict[Syntax, InterfaceUse] = {}
        for interface, context in zip(self._offers, stream.contexts, strict=False):
            use = uses.get(interface)
            if use is None:
                if len(uses) < MAX_BINDS:
                    accepted = self._accepted.get(interface)
                    uses[interface] = InterfaceUse(
                        interface, accepted, context.auth_type, context.auth_level, context.calls,
                        auth_cut=context.auth_cut,
                    )  # fmt: skip
                continue
            kind, level = use.auth_type, use.auth_level
            if context.calls and context.auth_level is not None and (level is None or context.auth_level > level):
                kind, level = context.auth_type, context.auth_level
            cut = level is None and (use.auth_cut or context.auth_cut)
            uses[interface] = use._replace(
                calls=use.calls + context.calls, auth_type=kind, auth_level=level, auth_cut=cut
            )
        for sign, calls in self._all_recognised().items():
            interface = Syntax(sign.uuid, sign.version)
            use = uses.get(interface)
            if use is None:
                uses[interface] = InterfaceUse(interface, None, None, None, calls, sign.by)
            elif use.by is not None:
                uses[interface] = use._replace(calls=use.calls + calls)
        return tuple(uses.values())

    def _all_recognised(self) -> dict[Sign, int]:
        """With those calls that had no answer."""
        found = dict(self._recognised)
        for asked in self._asked.values():
            sign = referrals.recognised(asked, None) if asked.unbound else None
            if sign is not None:
                found[sign[0]] = found.get(sign[0], 0) + 1
        return found

    def _fate(self, call: Waiting, flow: Flow, gap: int | None, last_ns: int) -> Fate:
        if call.one_way:
            return Fate.ONE_WAY
        if call.context_id in self._refused:
            return Fate.REJECTED
        if flow.server_ttl is None:
            return Fate.CUT  # the capture holds one direction only
        if gap is not None and gap >= call.time_ns:
            return Fate.CUT
        closed = flow.fin_from_server is not None and flow.fin_from_server > call.packet
        closed = closed and (flow.fin_from_client is None or flow.fin_from_client > (flow.fin_from_server or 0))
        if closed or flow.outcome is TcpOutcome.RESET:
            return Fate.REJECTED
        if last_ns - call.time_ns < PATIENCE_NS:
            return Fate.CUT
        return Fate.UNANSWERED
