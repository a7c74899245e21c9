"""One conversation of connectionless RPC: its calls and what became of them. [C706] chapter 10.2"""

from collections.abc import Iterable
from typing import NamedTuple

from rpcdiag.dissect.connectionless import MAYBE, Header
from rpcdiag.dissect.dcerpc import PRIVACY, Syntax
from rpcdiag.dissect.fragments import Stub
from rpcdiag.flows.flow import UDP, Flow, IcmpError, Silence, TcpOutcome
from rpcdiag.flows.tcp import forbids, refuses
from rpcdiag.model.packets import Endpoint
from rpcdiag.track import referrals
from rpcdiag.track.facts import Connection, Damage, Fate, FaultFact, InterfaceUse, OpenCall, Referral
from rpcdiag.track.referrals import Answered, Asked

MAX_INTERFACES = 128
MAX_FAULTS = 256
MAX_ERRORS = 8
MAX_OPEN_CALLS = 256
MAX_DAMAGE = 32
MAX_REFERRALS = 2048
MAX_REPEATED = 16
MAX_PORTS = 16  # that a server answered from
MAX_FRAGMENTS = 1024  # of one body
MAX_STUB = 1 << 22
PATIENCE_NS = 1_000_000_000  # a request this close to the end of the capture may still be answered
UNKNOWN_INTERFACE = 0x1C010003  # nca_s_unk_if


class DatagramFlow(NamedTuple):
    """One conversation. A server is asked at one port and may answer from others; nothing is counted twice.

    `repeats`: fragments of requests that were sent again; `asked_again`: those of them that nothing had answered, which
    is how silence looks here. Neither is a request of its own. Calls of the server to its client are in `callbacks`
    and nowhere else.
    """

    flow: Flow
    rpc: Connection
    referrals: tuple[Referral, ...]
    answered_from: tuple[Endpoint, ...]  # other than the port that was asked
    first_answer: int | None  # packet of the first word of the server, whatever it says
    repeats: int
    asked_again: int
    repeated_answers: int
    pings: int
    working: int
    nocalls: int
    facks: int
    cancels: int
    callbacks: int
    callbacks_answered: int
    evicted_activities: int


class Parts:
    """Fragments of one body, in any order. Bounded: MAX_FRAGMENTS of them, MAX_STUB bytes."""

    __slots__ = ("_pieces", "_room", "first_packet", "held", "last")

    def __init__(self, packet: int) -> None:
        self._pieces: dict[int, tuple[bytes, int]] = {}
        self.held = 0
        self.last: int | None = None
        self.first_packet = packet

    def add(self, header: Header, stub: bytes, length: int) -> Stub | None:
        """Take one fragment; the whole once none is missing. What there is no room for counts as not captured."""
        if header.fragment not in self._pieces and len(self._pieces) < MAX_FRAGMENTS:
            stub = stub if self.held + len(stub) <= MAX_STUB else b""
            self._pieces[header.fragment] = stub, length
            self.held += len(stub)
        if header.last:
            self.last = header.fragment
        if self.last is None or len(self._pieces) <= self.last:
            return None
        return self._joined(self.last)

    def _joined(self, last: int) -> Stub | None:
        data, length, cut = bytearray(), 0, False
        for number in range(last + 1):
            piece = self._pieces.get(number)
            if piece is None:
                return None
            length += piece[1]
            if not cut:  # what follows a hole would be read at the wrong place
                data += piece[0]
                cut = len(piece[0]) < piece[1]
        return Stub(bytes(data), length, cut, self.first_packet)


class Call:
    """A request, in as many fragments as it needs, and its fate; None as long as nothing decided it."""

    __slots__ = ("_answers", "_requests", "asked", "conversation", "fate", "flags", "interface", "level", "ns", "opnum",
                 "packet", "parts")  # fmt: skip

    def __init__(
        self, conversation: "Conversation", header: Header, level: int | None, packet: int, ns: int
    ) -> None:  # fmt: skip
        self.conversation = conversation
        self.interface = header.interface
        self.opnum = header.opnum
        self.flags = header.flags
        self.packet = packet
        self.ns = ns
        self.level = level
        self.fate: Fate | None = None
        self._requests = {header.fragment}  # fragments that were seen
        self._answers: set[int] = set()
        self.asked: Asked | None = None
        self.parts: Parts | None = None  # of the request, then of its answer

    @property
    def one_way(self) -> bool:
        return bool(self.flags & MAYBE)

    @property
    def held(self) -> int:
        """Bytes of bodies that wait."""
        return (self.parts.held if self.parts else 0) + (len(self.asked.stub.data) if self.asked else 0)

    def repeats(self, fragment: int) -> bool:
        """Whether this fragment of the request was here already; notes it."""
        return _noted(self._requests, fragment)

    def repeats_answer(self, fragment: int) -> bool:
        """The same for the answer."""
        return _noted(self._answers, fragment)

    def take_asked(self, header: Header, stub: bytes, packet: int) -> None:
        """A fragment of a request whose answer may be a referral."""
        whole = self._whole(header, stub, packet) if self.asked is None else None
        if whole is not None:
            self.parts = None
            sealed = self.level == PRIVACY
            self.asked = Asked(self.interface, self.opnum, self.packet, self.ns, whole, sealed, header.big, False)

    def take_answered(self, header: Header, stub: bytes, sealed: bool, packet: int, ns: int) -> Referral | None:
        """A fragment of the answer; the referral once it is whole."""
        asked = self.asked
        whole = self._whole(header, stub, packet) if asked else None
        if asked is None or whole is None:
            return None
        self.parts = self.asked = None
        return referrals.make(asked, Answered(packet, ns, whole, sealed, header.big, False))

    def drop(self) -> None:
        """Give back what waits."""
        self.parts = self.asked = None

    def _whole(self, header: Header, stub: bytes, packet: int) -> Stub | None:
        if header.whole:
            return Stub(stub, header.length, len(stub) < header.length, packet)
        if self.parts is None:
            self.parts = Parts(packet)
        return self.parts.add(header, stub, header.length)


class Conversation:
    """Remembers MAX_OPEN_CALLS calls without answer, MAX_FAULTS faults, MAX_INTERFACES interfaces; counts all."""

    def __init__(self, point: int, client: Endpoint, server: Endpoint, packet: int, ns: int) -> None:
        self.point = point
        self.client = client
        self.server = server
        self.activities: dict[tuple[int, Endpoint, str], None] = {}  # the oldest first
        self.evicted_activities = 0
        self.requests = self.responses = self.one_way = self.orphans = self.on_objects = self.fault_count = 0
        self.repeats = self.asked_again = self.repeated_answers = 0
        self.pings = self.working = self.nocalls = self.facks = self.cancels = 0
        self.callbacks = self.callbacks_answered = 0
        self.answered_from: dict[Endpoint, None] = {}
        self.first_answer: int | None = None
        self.waiting: dict[int, Call] = {}  # by the packet of the request
        self.damage: list[Damage] = []
        self.referrals: list[Referral] = []
        self._interfaces: dict[Syntax, InterfaceUse] = {}
        self._faults: list[FaultFact] = []
        self._again: tuple[int, list[int]] = (0, [])  # request, packets that repeat it
        self.packets = self.pdus = self.in_pdus = self.skipped = self.missing = 0
        self._bytes = [0, 0]
        self._first_packet = self._last_packet = packet
        self._first_pdu: int | None = None
        self._start_ns = self._end_ns = ns
        self._last_pdu_ns: int | None = None
        self._silence: Silence | None = None
        self._last_of_client: tuple[int | None, int | None] = None, None
        self._errors: list[IcmpError] = []

    def take_error(self, source: Endpoint, error: IcmpError) -> None:
        """An ICMP error that quotes a datagram of `source`."""
        if len(self._errors) < MAX_ERRORS:
            self._errors.append(error._replace(quotes_client=source == self.client))

    def _outcome(self) -> TcpOutcome:
        """Whether somebody answered; else what is said of the client's datagrams by ICMP."""
        if self.first_answer is not None:
            return TcpOutcome.ESTABLISHED
        ends = [error for error in self._errors if error.quotes_client and forbids(error)]
        if not ends:
            return TcpOutcome.UNANSWERED
        closed = any(refuses(error) and error.sender == self.server.address for error in ends)
        return TcpOutcome.REFUSED if closed else TcpOutcome.PROHIBITED

    def count(self, source: Endpoint, packet: int, ns: int, captured: int, length: int, pdu: int) -> None:
        """One datagram of `length` bytes, of which `pdu` belong to a PDU."""
        quiet = ns - self._end_ns
        if quiet > (self._silence.lasted_ns if self._silence else 0):
            self._silence = Silence(self._last_packet, packet, quiet)
        self._end_ns = max(self._end_ns, ns)
        self._start_ns = min(self._start_ns, ns)
        self._last_packet = packet
        self.packets += 1
        self.pdus += 1
        if self._first_pdu is None:
            self._first_pdu = packet
        self._last_pdu_ns = self._end_ns
        self.in_pdus += min(pdu, captured)
        self.skipped += max(0, captured - pdu)
        self.missing += max(0, length - captured)
        if self._is_client(source):
            self._bytes[0] += length
            self._last_of_client = packet, ns
            return
        self._bytes[1] += length
        if self.first_answer is None:
            self.first_answer = packet
        if source != self.server and len(self.answered_from) < MAX_PORTS:
            self.answered_from[source] = None

    def _is_client(self, source: Endpoint) -> bool:
        """Whether the client sent it; one that answers its server may do that from another port."""
        if self.client.address == self.server.address:
            return source == self.client
        return source.address == self.client.address

    # --- calls of the client

    def take_new(self, call: Call, header: Header) -> None:
        """The first fragment seen of a call."""
        self.requests += 1
        self.on_objects += header.object is not None
        if call.one_way:
            self.one_way += 1
            call.fate = Fate.ONE_WAY
        else:
            self.waiting[call.packet] = call
            if len(self.waiting) > MAX_OPEN_CALLS:
                del self.waiting[next(iter(self.waiting))]
        use = self._interfaces.get(call.interface)
        if use is None:
            if len(self._interfaces) >= MAX_INTERFACES:
                return
            use = InterfaceUse(call.interface, None, None, None, 0)
        if header.auth_proto and (use.auth_type is None or (call.level or 0) > (use.auth_level or 0)):
            use = use._replace(auth_type=header.auth_proto, auth_level=call.level)
        self._interfaces[call.interface] = use._replace(calls=use.calls + 1)

    def take_repeat(self, call: Call, packet: int) -> None:
        """A fragment of a request once more."""
        self.repeats += 1
        if call.fate is not None:
            return
        self.asked_again += 1
        if self._again[0] != call.packet:
            self._again = call.packet, []
        if len(self._again[1]) < MAX_REPEATED:
            self._again[1].append(packet)

    def take_response(self, call: Call) -> None:
        if self._decided(call, Fate.RESPONSE):
            self.responses += 1
            self._accept(call.interface, True)

    def take_fault(self, call: Call | None, header: Header, status: int | None, packet: int, ns: int) -> None:
        """A fault or reject, whose status may not be in the capture; one without a call is none of the sum's."""
        if call is None:
            self.orphans += 1
        elif not self._decided(call, Fate.FAULT):
            return
        else:
            self.fault_count += 1
            if status == UNKNOWN_INTERFACE:
                self._accept(call.interface, False)
        if status is None or len(self._faults) >= MAX_FAULTS:
            return
        interface, opnum = (call.interface, call.opnum) if call else (header.interface, header.opnum)
        asked, level = (call.packet, call.level) if call else (None, None)
        self._faults.append(FaultFact(asked, packet, ns, interface, opnum, status, header.flags, level, False))

    def _decided(self, call: Call, fate: Fate) -> bool:
        """The call has its answer; False where it had one before."""
        if call.fate is Fate.ONE_WAY:
            self.one_way -= 1
        elif call.fate is not None:
            self.repeated_answers += 1
            return False
        call.fate = fate
        self.waiting.pop(call.packet, None)
        return True

    def _accept(self, interface: Syntax, accepted: bool) -> None:
        use = self._interfaces.get(interface)
        if use is not None and not use.accepted:
            self._interfaces[interface] = use._replace(accepted=accepted)

    def refer(self, referral: Referral) -> None:
        """Keep a referral, joined with the one that it goes on with."""
        if not referrals.note(self.referrals, referral) and len(self.referrals) < MAX_REFERRALS:
            self.referrals.append(referral)

    def damaged(self, damage: Damage) -> None:
        if len(self.damage) < MAX_DAMAGE:
            self.damage.append(damage)

    # --- facts

    @property
    def order(self) -> tuple[int, Endpoint, Endpoint]:
        return self._first_packet, self.client, self.server

    def facts(self, number: int, capture: int, last_ns: int) -> DatagramFlow:
        """Everything that is known, the capture having ended at `last_ns`."""
        return DatagramFlow(
            self._flow(number, capture, last_ns), self._connection(last_ns), tuple(self.referrals),
            tuple(self.answered_from), self.first_answer, self.repeats, self.asked_again, self.repeated_answers,
            self.pings, self.working, self.nocalls, self.facks, self.cancels, self.callbacks, self.callbacks_answered,
            self.evicted_activities,
        )  # fmt: skip

    def _flow(self, number: int, capture: int, last_ns: int) -> Flow:
        """Of TCP's facts those that a datagram can have; nobody opens a conversation, so nothing tells of that."""
        request, again = self._again
        open_still = request in self.waiting
        return Flow(
            number=number, capture=capture, point=self.point, client=self.client, server=self.server, roles="content",
            first_packet=self._first_packet, last_packet=self._last_packet, start_ns=self._start_ns,
            end_ns=self._end_ns, packets=self.packets,
            outcome=self._outcome(),
            syns=(), syn_count=0, isn=None, syn_ack=None, syn_ack_ns=None, reset=None, fin_from_client=None,
            fin_from_server=None, icmp=tuple(self._errors), client_ttl=None, server_ttl=None, client_bytes=self._bytes[0],
            server_bytes=self._bytes[1], repeats_from_client=len(again) if open_still else 0, repeats_from_server=0,
            repeated=tuple(again) if open_still else (), stalled_size=0, acknowledged_size=0, silence=self._silence,
            watched_ns=max(0, last_ns - self._start_ns), last_data_packet=self._last_of_client[0],
            last_data_ns=self._last_of_client[1], transport=UDP,
        )  # fmt: skip

    def _connection(self, last_ns: int) -> Connection:
        fates = dict.fromkeys(Fate, 0)
        fates[Fate.RESPONSE], fates[Fate.FAULT], fates[Fate.ONE_WAY] = self.responses, self.fault_count, self.one_way
        left = self.requests - self.responses - self.fault_count - self.one_way
        open_calls = tuple(_open(self.waiting.values(), last_ns))
        fates[Fate.CUT] = sum(call.fate is Fate.CUT for call in open_calls)
        fates[Fate.UNANSWERED] = left - fates[Fate.CUT]
        return Connection(
            pdus=self.pdus, first_pdu=self._first_pdu, binds=(), interfaces=tuple(self._interfaces.values()),
            requests=self.requests, fates=fates, orphan_answers=self.orphans, faults=tuple(self._faults),
            open_calls=open_calls, carried=(), damage=tuple(self.damage), secondary_address=None,
            orpc_calls=self.on_objects, bytes_in_pdus=self.in_pdus, bytes_skipped=self.skipped,
            bytes_missing=self.missing, last_pdu_ns=self._last_pdu_ns,
            stream_bytes=self.in_pdus + self.skipped + self.missing,
        )  # fmt: skip


def _noted(seen: set[int], fragment: int) -> bool:
    """Whether the fragment was seen; it is from now on."""
    if fragment in seen:
        return True
    if len(seen) < MAX_FRAGMENTS:
        seen.add(fragment)
    return False


def _open(calls: Iterable[Call], last_ns: int) -> Iterable[OpenCall]:
    for call in calls:
        fate = Fate.CUT if last_ns - call.ns < PATIENCE_NS else Fate.UNANSWERED
        yield OpenCall(call.packet, call.ns, call.interface, call.opnum, fate)
