"""What was said on every connection: PDUs decoded, and answers joined with their requests to calls.

    transcript = Transcript(wire.rows())
    for spoken in transcript:     each PDU, with what is known of its call
        spoken.calls              the calls that are over with it
    transcript.open_calls()       those that are open at the end

A capture point may record an answer before its request: answers wait for theirs, and are without one at the end.
Memory: at most MAX_CONNECTIONS connections of MAX_PENDING open calls, MAX_ORPHANS such answers and MAX_CONTEXTS contexts
each. Datagrams: see `datagram_transcript`.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rpcdiag.dissect import dcerpc
from rpcdiag.dissect.dcerpc import FIRST_FRAGMENT, LAST_FRAGMENT, MAYBE, Syntax
from rpcdiag.dissect.fragments import Assembler, Stub
from rpcdiag.dissect.interfaces import NDR64
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import DecodeError, Truncated
from rpcdiag.track import referrals
from rpcdiag.track.datagram_transcript import DatagramTranscript
from rpcdiag.track.spoken import Call, Outcome, Spoken
from rpcdiag.track.wire import DATAGRAM, Ends, Row

MAX_CONNECTIONS = 1 << 14
MAX_PENDING = 256
MAX_ORPHANS = 64
MAX_CONTEXTS = 1024
_WHOLE = FIRST_FRAGMENT | LAST_FRAGMENT


class _Open(NamedTuple):
    """A request that waits."""

    context_id: int
    opnum: int
    object: str | None
    interface: Syntax | None
    packet: int
    time_ns: int
    one_way: bool
    asked: referrals.Asked | None


class Transcript:
    """Feed it rows of one capture; it is an iterator over what they say. `open_calls` comes after the last."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self._connections: dict[int, _Connection] = {}
        self._datagrams = DatagramTranscript()
        self._left: list[Call] = []  # that leave the memory with the current PDU

    def __iter__(self) -> Iterator[Spoken]:
        for row in self._rows:
            spoken = self._datagrams.take(row) if row.serial == DATAGRAM else self._connection(row).take(row)
            if self._left:
                spoken = spoken._replace(calls=(*self._left, *spoken.calls))
                self._left.clear()
            yield spoken

    def open_calls(self) -> Iterator[Call]:
        """Calls without an answer, and answers without a call, once all rows were read."""
        for connection in self._connections.values():
            yield from connection.open_calls()
        yield from self._datagrams.open_calls()

    def _connection(self, row: Row) -> "_Connection":
        connection = self._connections.get(row.serial)
        if connection is None:
            if len(self._connections) >= MAX_CONNECTIONS:
                oldest = next(iter(self._connections))
                self._left += self._connections.pop(oldest).open_calls()
            connection = self._connections[row.serial] = _Connection(row.serial, row.ends, self._left)
        return connection


class _Connection:
    """The contexts and open calls of one connection; calls are known by the side that asked and their number."""

    def __init__(self, serial: int, ends: Ends, left: list[Call]) -> None:
        self._serial = serial
        self._ends = ends
        self._left = left
        self._offered: dict[int, Syntax] = {}
        self._transfer: dict[int, str] = {}
        self._waiting_binds: dict[int, tuple[dcerpc.Context, ...]] = {}
        self._open: dict[tuple[int, int], _Open] = {}
        self._orphans: dict[tuple[int, int], Call] = {}  # answers whose requests may still come
        self._stubs = (Assembler(), Assembler())
        self._address: str | None = None
        self._client = 0

    def take(self, row: Row) -> Spoken:
        """What this PDU says."""
        self._client = row.side if row.from_client else 1 - row.side
        header = None
        try:
            header = dcerpc.decode_header(Reader(row.data, row.length))
            pdu = dcerpc.decode(row.data, row.length)
        except DecodeError as error:
            rest = dcerpc.remains(row.data, row.length) if isinstance(error, Truncated) else None
            if isinstance(rest, dcerpc.Bind):
                self._bind(rest)
            elif isinstance(rest, dcerpc.BindAck):
                self._bind_ack(rest)
            return Spoken(row, header, None, error)
        spoken = Spoken(row, header, pdu, None)
        match pdu:
            case dcerpc.Bind():
                self._bind(pdu)
            case dcerpc.BindAck():
                self._bind_ack(pdu)
            case dcerpc.Request():
                return self._request(spoken._replace(wide=self._is_wide(pdu)), pdu)
            case dcerpc.Response() | dcerpc.Fault():
                return self._answer(spoken._replace(wide=self._is_wide(pdu)), pdu)
            case _:
                pass
        return spoken

    def _bind(self, pdu: dcerpc.Bind) -> None:
        for context in pdu.contexts:
            if context.id in self._offered or len(self._offered) < MAX_CONTEXTS:
                self._offered[context.id] = context.interface
                self._transfer.pop(context.id, None)
        if len(self._waiting_binds) < MAX_PENDING:
            self._waiting_binds[pdu.header.call_id] = pdu.contexts

    def _bind_ack(self, pdu: dcerpc.BindAck) -> None:
        if pdu.secondary_address:
            self._address = pdu.secondary_address
        for context, result in zip(self._waiting_binds.pop(pdu.header.call_id, ()), pdu.results, strict=False):
            if result.result == 0 and context.id in self._offered:
                self._transfer[context.id] = result.transfer.uuid

    def _request(self, spoken: Spoken, pdu: dcerpc.Request) -> Spoken:
        row, header = spoken.row, pdu.header
        interface = self._offered.get(pdu.context_id)
        key = row.side, header.call_id
        before = self._open.get(key)
        if before is None or header.flags & FIRST_FRAGMENT:
            if before is not None:
                self._left.append(self._call(key, self._open.pop(key), Outcome.UNANSWERED))
            before = _Open(
                pdu.context_id, pdu.opnum, pdu.object, interface, row.packet, row.time_ns,
                bool(header.flags & MAYBE), None,
            )  # fmt: skip
            orphan = self._orphans.pop(key, None)
            if orphan is not None and (orphan.answer_ns or 0) >= row.time_ns:
                return spoken._replace(interface=interface, opnum=pdu.opnum, calls=(self._joined(key, before, orphan),))
            if orphan is not None:
                self._left.append(orphan)
            if len(self._open) >= MAX_PENDING:
                oldest = next(iter(self._open))
                self._left.append(self._call(oldest, self._open.pop(oldest), Outcome.UNANSWERED))
            self._open[key] = before
        if referrals.refers(interface, pdu.opnum):
            self._open[key] = before._replace(asked=self._asked(row, pdu, interface))
        return spoken._replace(interface=interface, opnum=pdu.opnum)

    def _asked(self, row: Row, pdu: dcerpc.Request, interface: Syntax | None) -> referrals.Asked | None:
        stub = self._stub(row, pdu)
        if stub is None or interface is None:
            return None
        wide = self._is_wide(pdu)
        return referrals.Asked(
            interface, pdu.opnum, row.packet, row.time_ns, stub, referrals.sealed(pdu.auth), pdu.header.big, wide
        )

    def _is_wide(self, pdu: dcerpc.Request | dcerpc.Response | dcerpc.Fault) -> bool:
        return self._transfer.get(pdu.context_id) == NDR64

    def _answer(self, spoken: Spoken, pdu: dcerpc.Response | dcerpc.Fault) -> Spoken:
        row, header = spoken.row, pdu.header
        key = 1 - row.side, header.call_id
        waiting = self._open.get(key)
        known = waiting.interface if waiting else self._offered.get(pdu.context_id)
        spoken = spoken._replace(interface=known, opnum=waiting.opnum if waiting else None)
        if isinstance(pdu, dcerpc.Response) and waiting is not None and waiting.asked is not None:
            stub = self._stub(row, pdu)
            if stub is not None:
                sealed, wide = referrals.sealed(pdu.auth), waiting.asked.wide
                answered = referrals.Answered(row.packet, row.time_ns, stub, sealed, header.big, wide)
                spoken = spoken._replace(referral=referrals.make(waiting.asked, answered))
        if not header.flags & LAST_FRAGMENT:
            return spoken
        if waiting is None:
            self._wait(key, self._orphan(row, pdu, known))
            return spoken
        del self._open[key]
        outcome = Outcome.FAULT if isinstance(pdu, dcerpc.Fault) else Outcome.RESPONSE
        call = self._call(key, waiting, outcome)._replace(answer_packet=row.packet, answer_ns=row.time_ns)
        return spoken._replace(calls=(call._replace(status=pdu.status if isinstance(pdu, dcerpc.Fault) else None),))

    def _wait(self, key: tuple[int, int], orphan: Call) -> None:
        """For its request."""
        before = self._orphans.pop(key, None)
        if before is None and len(self._orphans) >= MAX_ORPHANS:
            before = self._orphans.pop(next(iter(self._orphans)))
        if before is not None:
            self._left.append(before)
        self._orphans[key] = orphan

    def _joined(self, key: tuple[int, int], waiting: _Open, answer: Call) -> Call:
        outcome = Outcome.RESPONSE if answer.status is None else Outcome.FAULT
        return self._call(key, waiting, outcome)._replace(
            answer_packet=answer.answer_packet, answer_ns=answer.answer_ns, status=answer.status
        )

    def _stub(self, row: Row, pdu: dcerpc.Request | dcerpc.Response) -> Stub | None:
        """The whole body, once its last fragment is here."""
        if pdu.header.flags & _WHOLE == _WHOLE:
            return Stub(pdu.stub, pdu.stub_length, len(pdu.stub) < pdu.stub_length, row.packet)
        return self._stubs[row.side].add(pdu.header.call_id, pdu.header.flags, pdu.stub, pdu.stub_length, row.packet)

    def _call(self, key: tuple[int, int], waiting: _Open, outcome: Outcome) -> Call:
        if waiting.one_way and outcome is Outcome.UNANSWERED:
            outcome = Outcome.ONE_WAY
        return Call(
            self._serial, self._ends, key[0] != self._client, key[1], waiting.context_id, waiting.interface,
            waiting.opnum, waiting.object, waiting.packet, waiting.time_ns, None, None, outcome, None, self._address,
        )  # fmt: skip

    def _orphan(self, row: Row, pdu: dcerpc.Response | dcerpc.Fault, interface: Syntax | None) -> Call:
        return Call(
            self._serial, self._ends, 1 - row.side != self._client, pdu.header.call_id, pdu.context_id, interface,
            None, None, None, None, row.packet, row.time_ns, Outcome.WITHOUT_REQUEST,
            pdu.status if isinstance(pdu, dcerpc.Fault) else None, self._address,
        )  # fmt: skip

    def open_calls(self) -> Iterator[Call]:
        """What waits still: answers for their requests, requests for their answers."""
        yield from self._orphans.values()
        for key, waiting in self._open.items():
            yield self._call(key, waiting, Outcome.UNANSWERED)
