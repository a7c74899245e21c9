"""Every PDU of one capture as it goes by, in the order in which the pass completes them; nothing is kept.

The diagnosis looks at PDUs that matter. This is for those who look at all of them: transcripts, a second opinion.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rpcdiag.capture.choice import Engine
from rpcdiag.capture.reader import CaptureReader, Events
from rpcdiag.errors import CorruptInput, InputError
from rpcdiag.flows.table import CaptureFlows
from rpcdiag.model.packets import Endpoint
from rpcdiag.sweep.columns import CLIENT, EV_PDU, EVENT_WIDTH, OWNER, SERIAL_NUMBER, TELL_ALL
from rpcdiag.sweep.machine import MachineError

MAX_ENDS = 1 << 17  # connections whose ends are remembered; beyond that the oldest are looked up again
HTTP_PORT = 593


class Ends(NamedTuple):
    """Between whom a connection is, and over what: `transport` is a protocol sequence, `pipe` the name of its pipe."""

    client: Endpoint
    server: Endpoint
    transport: str
    pipe: str | None
    point: int  # capture point
    first_packet: int  # of the connection that carries it


class Row(NamedTuple):
    """One PDU: `data` is what the capture holds of the `length` bytes that its header claims."""

    serial: int  # of its connection
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
        self._ends: dict[int, Ends] = {}

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
        state = self._reader.sweep.state
        for e in range(0, len(rows), EVENT_WIDTH):
            if rows[e] != EV_PDU:
                continue
            _, serial, side, first, packet, ns, at, have, length = rows[e : e + 9]
            o = state.numbers[rows[e + 13] + OWNER]
            ends = self._ends.get(serial) or self._look_up(serial, o)
            from_client = state.flows[o + CLIENT] == side
            yield Row(serial, side, from_client, first, packet, ns, bytes(arena[at : at + have]), length, ends)

    def _look_up(self, serial: int, o: int) -> Ends:
        """The ends of the connection whose record stands at `o`."""
        flows = self._reader.sweep.state.flows
        if flows[o + SERIAL_NUMBER] != serial:  # every PDU is taken away before its record can be given to another
            raise ValueError(f"record {o} is not that of connection {serial}")
        flow = self._flows.flow(o, max(0, flows[o + CLIENT]), "content")
        transport = "ncacn_http" if flow.server.port == HTTP_PORT else "ncacn_ip_tcp"
        if len(self._ends) >= MAX_ENDS:
            del self._ends[next(iter(self._ends))]
        ends = self._ends[serial] = Ends(flow.client, flow.server, transport, None, flow.point, flow.first_packet)
        return ends
