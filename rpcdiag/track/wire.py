"""Every PDU of one capture as it goes by, in the order in which the pass completes them; nothing is kept.

The diagnosis looks at PDUs that matter. This is for those who look at all of them: transcripts, a second opinion.
Connectionless PDUs come with those of connections; who asks is their client, as far as one datagram says.
"""

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.capture.choice import Engine
from rpcdiag.capture.reader import CaptureReader, Events
from rpcdiag.dissect import connectionless
from rpcdiag.dissect.interfaces import pipe_endpoint
from rpcdiag.errors import CorruptInput, DecodeError, InputError
from rpcdiag.flows.flow import UDP
from rpcdiag.flows.table import CaptureFlows
from rpcdiag.model.packets import Endpoint
from rpcdiag.sweep.columns import (
    CARRIER,
    CLIENT,
    EV_DATAGRAM,
    EV_PDU,
    EV_SMB,
    EVENT_WIDTH,
    OWNER,
    SERIAL_NUMBER,
    TELL_ALL,
)
from rpcdiag.sweep.machine import MachineError
from rpcdiag.sweep.packets import CONNECTIONLESS
from rpcdiag.track.datagrams import BY_CLIENT
from rpcdiag.track.sessions import Sessions

MAX_ENDS = 1 << 17  # connections whose ends are remembered; beyond that the oldest are looked up again
DATAGRAM = -1  # in the place of a connection's number


class Ends(NamedTuple):
    """Between whom a connection is, and over what: `transport` is a protocol sequence.

    `pipe` is `\\pipe\\svcctl`, None where the pipe was opened before the capture; its ends are those of its SMB session.
    """

    client: Endpoint
    server: Endpoint
    transport: str
    pipe: str | None
    point: int  # capture point
    first_packet: int  # of the connection that carries it


class Row(NamedTuple):
    """One PDU: `data` is what the capture holds of the `length` bytes that its header claims."""

    serial: int  # of its connection; DATAGRAM where it has none
    side: int
    from_client: bool
    first_packet: int  # that brought its first byte
    packet: int  # that brought its last
    time_ns: int
    data: bytes
    length: int
    ends: Ends


class Wire:
    """One pass over one capture that tells every PDU; after `rows` has ended, `trouble` says if the file is cut.

    Raises:
        InputError: missing, empty, not a capture.
        MissingPiece: the package for its compression is not installed.
    """

    def __init__(self, path: str, engine: Engine | None = None) -> None:
        engine = engine or Engine()
        engine.prepare([path])
        self.path = path
        self._reader = CaptureReader(path, engine.sweep(path))
        self._look = engine.watch(self._reader)
        self._flows = CaptureFlows(self._reader.sweep)
        self._reader.sweep.state.counters[TELL_ALL] = 1
        self._sessions = Sessions()
        self._ends: dict[int, Ends] = {}
        self._pairs: dict[tuple[int, Endpoint, Endpoint], Ends] = {}  # of datagrams, by the lower end first

    @property
    def trouble(self) -> CorruptInput | None:
        return self._reader.trouble

    @property
    def packets(self) -> int:
        return self._reader.packets

    def rows(self, on_block: Callable[[int], None] | None = None) -> Iterator[Row]:
        """Every PDU.

        Raises:
            InputError: the compiled pass failed; what was told until then is right.
        """

        def block(count: int) -> None:
            if self._look is not None:
                self._look(count)
            if on_block is not None:
                on_block(count)

        try:
            for events in self._reader.events(block):
                yield from self._told(events)
            for events in self._reader.finish():
                yield from self._told(events)
        except MachineError as error:
            raise InputError(self.path, "the compiled pass failed on this input: use --engine python") from error
        finally:
            self._reader.close()

    def _told(self, events: Events) -> Iterator[Row]:
        rows, arena = events
        kinds = rows[::EVENT_WIDTH]
        if EV_SMB in kinds:
            self._sessions.feed(rows, arena)
        for place, kind in enumerate(kinds):
            e = place * EVENT_WIDTH
            if kind == EV_PDU:
                yield self._connected(rows[e : e + EVENT_WIDTH], arena)
            elif kind == EV_DATAGRAM and rows[e + 1] == CONNECTIONLESS:
                yield self._datagram(rows[e : e + EVENT_WIDTH], arena)

    def _connected(self, row: Sequence[int], arena: memoryview) -> Row:
        state = self._reader.sweep.state
        _, serial, side, first, packet, ns, at, have, length = row[:9]
        o = state.numbers[row[13] + OWNER]
        ends = self._ends.get(serial) or self._look_up(serial, o)
        from_client = state.flows[o + CLIENT] == side
        return Row(serial, side, from_client, first, packet, ns, bytes(arena[at : at + have]), length, ends)

    def _look_up(self, serial: int, o: int) -> Ends:
        """The ends of the connection whose record stands at `o`."""
        flows = self._reader.sweep.state.flows
        if flows[o + SERIAL_NUMBER] != serial:  # every PDU is taken away before its record can be given to another
            raise ValueError(f"record {o} is not that of connection {serial}")
        flow = self._flows.flow(o, max(0, flows[o + CLIENT]), "content")
        first, pipe = flow.first_packet, None
        if flows[o + CARRIER]:
            carrier = flows[o + CARRIER] - 1
            first = self._flows.flow(carrier, max(0, flows[carrier + CLIENT]), "content").first_packet
            opened = self._sessions.pipe_of(flows[carrier + SERIAL_NUMBER], serial)
            pipe = pipe_endpoint(opened.name) if opened is not None and opened.name is not None else None
        if len(self._ends) >= MAX_ENDS:
            del self._ends[next(iter(self._ends))]
        ends = self._ends[serial] = Ends(flow.client, flow.server, flow.transport, pipe, flow.point, first)
        return ends

    def _datagram(self, row: Sequence[int], arena: memoryview) -> Row:
        _, _, packet, ns, point, size, at, have, length = row[:9]
        ports = at + 2 * size
        source = _endpoint(arena[at : at + size], arena[ports : ports + 2])
        destination = _endpoint(arena[at + size : ports], arena[ports + 2 : ports + 4])
        data = bytes(arena[ports + 4 : ports + 4 + have])
        low, high = sorted((source, destination), key=lambda one: (one.address.packed, one.port))
        ends = self._pairs.get((point, low, high))
        if ends is None:
            if len(self._pairs) >= MAX_ENDS:
                del self._pairs[next(iter(self._pairs))]
            client, server = (source, destination) if _asks(data) else (destination, source)
            ends = self._pairs[point, low, high] = Ends(client, server, UDP, None, point, packet)
        side = 0 if source == ends.client else 1
        return Row(DATAGRAM, side, side == 0, packet, packet, ns, data, length, ends)


def _asks(data: bytes) -> bool:
    """Whether a datagram is of a client: what clients say, but of the interface by which servers ask back."""
    try:
        header = connectionless.decode_header(data[: connectionless.HEADER], 1 << 16)
    except DecodeError:
        return True
    return (header.type in BY_CLIENT) is not (header.interface.uuid == connectionless.CONV)


def _endpoint(address: memoryview, port: memoryview) -> Endpoint:
    packed = bytes(address)
    known = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    return Endpoint(known, int.from_bytes(port, "big"))
