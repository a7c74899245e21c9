"""Connectionless RPC of a capture as conversations, fed with what the pass says. [C706] chapter 10.2

Who asks is the client, whatever the ports; a server that asks its client back ([C706] appendix P) stays the server.
Answers find their calls by activity and sequence number, wherever they come from: a server may answer from another
port than it was asked at, and the mapper hands requests on to others, which answer themselves.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.dissect import connectionless
from rpcdiag.dissect.connectionless import CONV, Fault, Header, Pdu, PduType, Request, Response
from rpcdiag.dissect.dcerpc import PRIVACY
from rpcdiag.errors import DecodeError, Truncated
from rpcdiag.model.packets import Address, Endpoint
from rpcdiag.sweep.columns import EV_DATAGRAM, EVENT_WIDTH
from rpcdiag.sweep.packets import CONNECTIONLESS, UDP_ERROR
from rpcdiag.track import referrals
from rpcdiag.track.datagram_calls import Call, Conversation, DatagramFlow
from rpcdiag.track.facts import Damage, Fate
from rpcdiag.track.udp_errors import udp_error

MAX_CONVERSATIONS = 4096
MAX_ACTIVITIES = 256  # of a conversation
MAX_ACTIVITIES_IN_ALL = 65_536
MAX_CALLS = 4  # of an activity: a client has one at a time, late answers are for those before
MAX_HELD = 1 << 25  # bytes of bodies that wait, in all
MAX_DAMAGE = 32

BY_CLIENT = frozenset({PduType.REQUEST, PduType.PING, PduType.ACK, PduType.CL_CANCEL})
_Key = tuple[int, Endpoint, str]  # capture point, who asks, activity


class _Datagram(NamedTuple):
    """As the pass tells it: what the capture has of its `length` bytes."""

    packet: int
    ns: int
    point: int
    source: Endpoint
    destination: Endpoint
    data: bytes
    length: int


class _Activity:
    """The last calls of one asker, by sequence number."""

    __slots__ = ("calls", "conversation", "forgot", "of_server")

    def __init__(self, conversation: Conversation, *, of_server: bool) -> None:
        self.conversation = conversation  # in which it was last used
        self.of_server = of_server  # it asks the client back
        self.calls: dict[int, Call] = {}
        self.forgot = False

    def conversation_of(self, header: Header) -> Conversation:
        """Where a PDU is counted: what is about a call goes where that was made."""
        call = None if header.type is PduType.REQUEST else self.calls.get(header.sequence)
        return call.conversation if call else self.conversation

    def is_late(self, sequence: int) -> bool:
        """Whether a call lies before those that are remembered."""
        return self.forgot and all((sequence - known) & 0x80000000 for known in self.calls)


class Datagrams:
    """Feed what the pass says of datagrams; ask for conversations at the end.

    Holds MAX_CONVERSATIONS, with MAX_ACTIVITIES each; beyond that those that were quiet longest go, and are counted.
    """

    def __init__(self, capture: int = 0) -> None:
        self._capture = capture
        self._conversations: dict[tuple[int, Endpoint, Endpoint], Conversation] = {}  # quiet longest first
        self._activities: dict[_Key, _Activity] = {}
        self._held = 0
        self._last_ns = 0
        self.evicted = 0  # conversations
        self.undecoded = 0  # datagrams whose header says nothing
        self.damage: list[Damage] = []  # the first of those

    def feed(self, rows: Sequence[int], arena: memoryview) -> None:
        """Take events, see `EV_DATAGRAM`; others are for others."""
        for e in range(0, len(rows), EVENT_WIDTH):
            if rows[e] == EV_DATAGRAM and rows[e + 1] == UDP_ERROR:
                error = udp_error(rows[e : e + 9], arena)
                key = rows[e + 4], error.source, error.destination
                conversation = self._conversations.get(key)
                if conversation is None:
                    conversation = self._conversations.get((key[0], key[2], key[1]))
                if conversation is not None:
                    conversation.take_error(error.source, error.error)
            elif rows[e] == EV_DATAGRAM and rows[e + 1] == CONNECTIONLESS:
                _, _, packet, ns, point, size, at, captured, length = rows[e : e + 9]
                ports = at + 2 * size
                source = _endpoint(arena[at : at + size], arena[ports : ports + 2])
                destination = _endpoint(arena[at + size : ports], arena[ports + 2 : ports + 4])
                data = bytes(arena[ports + 4 : ports + 4 + captured])
                self._take(_Datagram(packet, ns, point, source, destination, data, length))

    def conversations(self, last_ns: int | None = None) -> tuple[DatagramFlow, ...]:
        """All of them, in the order of their first packets; the capture ended at `last_ns`, or with the last datagram."""
        end = self._last_ns if last_ns is None else last_ns
        ordered = sorted(self._conversations.values(), key=lambda one: one.order)
        return tuple(one.facts(number, self._capture, end) for number, one in enumerate(ordered))

    def _take(self, one: _Datagram) -> None:
        self._last_ns = max(self._last_ns, one.ns)
        try:
            header = connectionless.decode_header(one.data, one.length)
        except DecodeError as error:
            self.undecoded += 1
            if len(self.damage) < MAX_DAMAGE:
                self.damage.append(_damage(one, error))
            return
        pdu: Pdu = connectionless.Other(header)
        damage = None
        try:
            pdu = connectionless.decode_body(header, one.data, one.length)
        except DecodeError as error:
            damage = _damage(one, error)
        asks = header.type is PduType.REQUEST
        activity = self._asking(one, pdu) if asks else self._known(one, header)
        if activity is None:
            conversation = self._between(one, header)
        else:
            conversation = activity.conversation_of(header)
            self._touch(conversation)
        end = connectionless.HEADER + header.length
        captured = len(one.data)
        conversation.count(one.source, one.packet, one.ns, captured, one.length, captured if header.auth_proto else end)
        if damage is not None:
            conversation.damaged(damage)
        if activity is not None and asks:
            self._request(activity, one, pdu)
        else:
            self._other(conversation, activity, one, pdu)

    # --- whose it is

    def _asking(self, one: _Datagram, pdu: Pdu) -> _Activity:
        """The activity of a request, in the conversation of those two ends."""
        key = one.point, one.source, pdu.header.activity
        activity = self._activities.get(key)
        if activity is not None and activity.of_server:
            return activity
        conversation = self._asked_back(one, pdu)
        of_server = conversation is not None
        if conversation is None:
            if activity is not None and _goes_on(activity.conversation, one.destination):
                return activity
            conversation = self._conversation(one, one.source, one.destination)
        if activity is None or of_server:
            self._forget(key)
            activity = _Activity(conversation, of_server=of_server)
        else:
            activity.conversation.activities.pop(key, None)
            self._activities.pop(key, None)
            activity.conversation = conversation
        self._remember(key, activity)
        return activity

    def _asked_back(self, one: _Datagram, pdu: Pdu) -> Conversation | None:
        """The conversation in which the server asks its client; None where the client asks."""
        about = connectionless.asked_of(pdu) if isinstance(pdu, Request) else None
        for name in (about, pdu.header.activity):
            original = self._activities.get((one.point, one.destination, name)) if name else None
            if original is not None and not original.of_server and original.conversation.client == one.destination:
                return original.conversation
        if pdu.header.interface.uuid == CONV:
            return self._conversation(one, one.destination, one.source)
        return None

    def _known(self, one: _Datagram, header: Header) -> _Activity | None:
        """The activity that a PDU other than a request belongs to."""
        askers = [one.source] if header.type in BY_CLIENT else [one.destination]
        if header.type is PduType.FACK:
            askers = [one.destination, one.source]
        known = [self._activities.get((one.point, asker, header.activity)) for asker in askers]
        found = [activity for activity in known if activity is not None]
        for activity in found:
            if header.sequence in activity.calls:
                return activity
        return found[0] if found else None

    def _between(self, one: _Datagram, header: Header) -> Conversation:
        """The conversation of two ends, where no request was seen that a PDU could belong to."""
        client, server = one.destination, one.source
        if (header.type in BY_CLIENT) is not (header.interface.uuid == CONV):
            client, server = server, client
        point = one.point
        if (point, client, server) not in self._conversations and (point, server, client) in self._conversations:
            client, server = server, client
        return self._conversation(one, client, server)

    def _conversation(self, one: _Datagram, client: Endpoint, server: Endpoint) -> Conversation:
        key = one.point, client, server
        conversation = self._conversations.pop(key, None)
        if conversation is None:
            if len(self._conversations) >= MAX_CONVERSATIONS:
                self._evict()
            conversation = Conversation(one.point, client, server, one.packet, one.ns)
        self._conversations[key] = conversation
        return conversation

    def _touch(self, conversation: Conversation) -> None:
        key = conversation.point, conversation.client, conversation.server
        if self._conversations.get(key) is conversation:
            self._conversations[key] = self._conversations.pop(key)

    def _evict(self) -> None:
        conversation = self._conversations.pop(next(iter(self._conversations)))
        for key in list(conversation.activities):
            self._forget(key)
        self.evicted += 1

    def _remember(self, key: _Key, activity: _Activity) -> None:
        conversation = activity.conversation
        if len(conversation.activities) >= MAX_ACTIVITIES:
            self._forget(next(iter(conversation.activities)))
            conversation.evicted_activities += 1
        if len(self._activities) >= MAX_ACTIVITIES_IN_ALL:
            oldest = next(iter(self._activities))
            self._activities[oldest].conversation.evicted_activities += 1
            self._forget(oldest)
        conversation.activities[key] = None
        self._activities[key] = activity

    def _forget(self, key: _Key) -> None:
        activity = self._activities.pop(key, None)
        if activity is not None:
            activity.conversation.activities.pop(key, None)
            for call in activity.calls.values():
                self._drop(call)

    # --- what it says

    def _request(self, activity: _Activity, one: _Datagram, pdu: Pdu) -> None:
        header, conversation = pdu.header, activity.conversation
        call = activity.calls.get(header.sequence)
        if call is None and activity.is_late(header.sequence):
            conversation.repeats += 1
            return
        if call is not None and call.conversation is not conversation:
            call = None  # another server is asked
        if call is not None and call.repeats(header.fragment):
            if call.fate is not Fate.FAULT:
                if not activity.of_server:
                    conversation.take_repeat(call, one.packet)
                return
            call = None  # it was told that this failed, and asks anew
        if call is None:
            call = self._new_call(activity, one, pdu)
        if isinstance(pdu, Request) and not activity.of_server and referrals.refers(call.interface, call.opnum):
            before = call.held
            if self._has_room(call):
                call.take_asked(header, pdu.stub, one.packet)
                self._held += call.held - before

    def _new_call(self, activity: _Activity, one: _Datagram, pdu: Pdu) -> Call:
        header, conversation = pdu.header, activity.conversation
        before = activity.calls.pop(header.sequence, None)
        if before is not None:
            self._drop(before)
        if len(activity.calls) >= MAX_CALLS:
            self._drop(activity.calls.pop(next(iter(activity.calls))))
            activity.forgot = True
        auth = pdu.auth if isinstance(pdu, Request) else None
        call = Call(conversation, header, auth.level if auth else None, one.packet, one.ns)
        activity.calls[header.sequence] = call
        if activity.of_server:
            conversation.callbacks += 1
        else:
            conversation.take_new(call, header)
        return call

    def _other(self, conversation: Conversation, activity: _Activity | None, one: _Datagram, pdu: Pdu) -> None:
        header = pdu.header
        match header.type:
            case PduType.RESPONSE | PduType.FAULT | PduType.REJECT:
                call = activity.calls.get(header.sequence) if activity else None
                if activity.of_server if activity else header.interface.uuid == CONV:
                    _called_back(conversation, call, header)
                else:
                    self._answer(conversation, call, one, pdu)
            case PduType.PING:
                conversation.pings += 1
            case PduType.WORKING:
                conversation.working += 1
            case PduType.NOCALL:
                conversation.nocalls += 1
            case PduType.FACK:
                conversation.facks += 1
            case PduType.CL_CANCEL:
                conversation.cancels += 1
            case _:
                pass

    def _answer(self, conversation: Conversation, call: Call | None, one: _Datagram, pdu: Pdu) -> None:
        header = pdu.header
        if header.type is not PduType.RESPONSE:
            status = pdu.status if isinstance(pdu, Fault) else None
            conversation.take_fault(call, header, status, one.packet, one.ns)
        elif call is None:
            conversation.orphans += 1
        else:
            again = call.repeats_answer(header.fragment)
            if again or call.fate is not Fate.RESPONSE:
                conversation.take_response(call)
            if isinstance(pdu, Response) and call.asked is not None:
                self._refer(conversation, call, one, pdu)

    def _refer(self, conversation: Conversation, call: Call, one: _Datagram, pdu: Response) -> None:
        before = call.held
        if not self._has_room(call):
            return
        sealed = pdu.auth is not None and pdu.auth.level == PRIVACY
        referral = call.take_answered(pdu.header, pdu.stub, sealed, one.packet, one.ns)
        self._held += call.held - before
        if referral is not None:
            conversation.refer(referral)

    def _has_room(self, call: Call) -> bool:
        """Whether more bodies may wait; what waits of this call is given up where not."""
        if self._held < MAX_HELD:
            return True
        self._drop(call)
        return False

    def _drop(self, call: Call) -> None:
        self._held -= call.held
        call.drop()


def _called_back(conversation: Conversation, call: Call | None, header: Header) -> None:
    """The client answers its server."""
    if call is not None and call.fate is None:
        call.fate = Fate.RESPONSE if header.type is PduType.RESPONSE else Fate.FAULT
        conversation.callbacks_answered += 1


def _damage(one: _Datagram, error: DecodeError) -> Damage:
    return Damage(one.packet, str(error), isinstance(error, Truncated))


def _goes_on(conversation: Conversation, destination: Endpoint) -> bool:
    """Whether what is sent there is sent to the server of the conversation."""
    return destination == conversation.server or destination in conversation.answered_from


def _endpoint(address: memoryview, port: memoryview) -> Endpoint:
    packed = bytes(address)
    known: Address = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    return Endpoint(known, int.from_bytes(port, "big"))
