"""Connectionless PDUs joined to calls, one by one as they go by. [C706] chapter 10.2

A call is known by who asked, its activity and its sequence number; the answer may come from any port. What is sent
again is no call of its own, and an answer that comes again ends nothing.
Memory: at most MAX_CALLS calls, with or without an answer; MAX_BODIES of them with a body that is in fragments.
"""

from collections.abc import Iterator

from rpcdiag.dissect import connectionless
from rpcdiag.dissect.connectionless import MAYBE, Fault, Header, Pdu, PduType, Request, Response
from rpcdiag.dissect.dcerpc import PRIVACY
from rpcdiag.dissect.fragments import Stub
from rpcdiag.errors import DecodeError
from rpcdiag.model.packets import Endpoint
from rpcdiag.track import referrals
from rpcdiag.track.datagram_calls import Parts
from rpcdiag.track.facts import Referral
from rpcdiag.track.spoken import Call, Outcome, Spoken
from rpcdiag.track.wire import DATAGRAM, Row

MAX_CALLS = 1 << 14
MAX_BODIES = 64

_ANSWERS = frozenset({PduType.RESPONSE, PduType.FAULT, PduType.REJECT})
_Key = tuple[int, Endpoint, str, int]  # capture point, who asks, activity, sequence number


class _Asked:
    """A request, and what of it is known."""

    __slots__ = ("asked", "call", "failed", "fragments", "over", "parts")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.fragments: set[int] = set()  # of the request
        self.over = False
        self.failed = False
        self.parts: Parts | None = None  # of the request, then of its answer
        self.asked: referrals.Asked | None = None


class DatagramTranscript:
    """Feed it rows of datagrams."""

    def __init__(self) -> None:
        self._calls: dict[_Key, _Asked] = {}
        self._bodies: dict[_Key, None] = {}  # the oldest first

    def take(self, row: Row) -> Spoken:
        """What this PDU says."""
        header = None
        try:
            header = connectionless.decode_header(row.data, row.length)
            pdu = connectionless.decode_body(header, row.data, row.length)
        except DecodeError as error:
            return Spoken(row, header, None, error)
        spoken = Spoken(row, header, pdu, None, header.interface, header.opnum)
        source, destination = (row.ends.client, row.ends.server)[:: 1 if row.from_client else -1]
        if header.type is PduType.REQUEST:
            return self._request(spoken, (row.ends.point, source, header.activity, header.sequence), header, pdu)
        if header.type in _ANSWERS:
            return self._answer(spoken, (row.ends.point, destination, header.activity, header.sequence), header, pdu)
        return spoken

    def open_calls(self) -> Iterator[Call]:
        """Those without an answer, once all rows were read."""
        for asked in self._calls.values():
            if not asked.over:
                yield asked.call

    def _request(self, spoken: Spoken, key: _Key, header: Header, pdu: Pdu) -> Spoken:
        known = self._calls.get(key)
        if known is not None and known.failed and header.fragment in known.fragments:
            known = None  # it was told that this failed, and asks anew
        if known is None:
            known = _Asked(_call(spoken.row, header))
            spoken = spoken._replace(calls=self._enter(key, known))
        known.fragments.add(header.fragment)
        if isinstance(pdu, Request) and known.asked is None and referrals.refers(header.interface, header.opnum):
            stub = self._whole(key, known, header, pdu.stub)
            if stub is not None:
                sealed = pdu.auth is not None and pdu.auth.level == PRIVACY
                packet, ns = spoken.row.packet, spoken.row.time_ns
                known.asked = referrals.Asked(
                    header.interface, header.opnum, packet, ns, stub, sealed, header.big, False
                )
        return spoken

    def _enter(self, key: _Key, asked: _Asked) -> tuple[Call, ...]:
        """Remember a call; those that leave the memory for it without an answer."""
        before = self._calls.pop(key, None)
        if before is None and len(self._calls) >= MAX_CALLS:
            oldest = next(iter(self._calls))
            self._bodies.pop(oldest, None)
            before = self._calls.pop(oldest)
        self._calls[key] = asked
        return () if before is None or before.over else (before.call,)

    def _answer(self, spoken: Spoken, key: _Key, header: Header, pdu: Pdu) -> Spoken:
        row, known = spoken.row, self._calls.get(key)
        status = pdu.status if isinstance(pdu, Fault) else None
        if known is None:
            if not header.last:
                return spoken
            return spoken._replace(calls=(_orphan(row, header, status),))
        if isinstance(pdu, Response) and known.asked is not None:
            spoken = spoken._replace(referral=self._referred(key, known, spoken, pdu))
        if known.over or not header.last:
            return spoken
        known.over, known.failed = True, status is not None
        outcome = Outcome.RESPONSE if status is None else Outcome.FAULT
        call = known.call._replace(answer_packet=row.packet, answer_ns=row.time_ns, outcome=outcome, status=status)
        return spoken._replace(calls=(call,))

    def _referred(self, key: _Key, known: _Asked, spoken: Spoken, pdu: Response) -> Referral | None:
        header, asked = pdu.header, known.asked
        stub = self._whole(key, known, header, pdu.stub)
        if stub is None or asked is None:
            return None
        known.asked = None
        sealed = pdu.auth is not None and pdu.auth.level == PRIVACY
        answered = referrals.Answered(spoken.row.packet, spoken.row.time_ns, stub, sealed, header.big, False)
        return referrals.make(asked, answered)

    def _whole(self, key: _Key, known: _Asked, header: Header, stub: bytes) -> Stub | None:
        """The whole body, once no fragment of it is missing."""
        if header.whole:
            return Stub(stub, header.length, len(stub) < header.length, 0)
        if known.parts is None:
            if len(self._bodies) >= MAX_BODIES:
                oldest = next(iter(self._bodies))
                del self._bodies[oldest]
                self._calls[oldest].parts = None
            known.parts = Parts(0)
            self._bodies[key] = None
        whole = known.parts.add(header, stub, header.length)
        if whole is not None:
            known.parts = None
            self._bodies.pop(key, None)
        return whole


def _call(row: Row, header: Header) -> Call:
    return Call(
        DATAGRAM, row.ends, not row.from_client, header.sequence, 0, header.interface, header.opnum, header.object,
        row.packet, row.time_ns, None, None, Outcome.ONE_WAY if header.flags & MAYBE else Outcome.UNANSWERED, None,
        None,
    )  # fmt: skip


def _orphan(row: Row, header: Header, status: int | None) -> Call:
    return Call(
        DATAGRAM, row.ends, row.from_client, header.sequence, 0, header.interface, header.opnum, header.object,
        None, None, row.packet, row.time_ns, Outcome.WITHOUT_REQUEST, status, None,
    )  # fmt: skip
