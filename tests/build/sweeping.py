"""Captures, segments and bytes through the pass, and what it says of them."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from rpcdiag.capture.reader import CaptureReader
from rpcdiag.flows.flow import Flow
from rpcdiag.flows.table import CaptureFlows, FlowTable
from rpcdiag.sweep import followed, framing, packets, records, streams
from rpcdiag.sweep.columns import (
    BYTES_SKIPPED,
    EV_PDU,
    EVENT_WIDTH,
    FLOW_WIDTH,
    FLOWS_TOP,
    IN_PDUS,
    MATTERS,
    MISSING,
    POSITION,
    SIDE_WIDTH,
    STREAM,
    TELL_ALL,
    YES,
)
from rpcdiag.sweep.engine import Sweep
from rpcdiag.sweep.machine import Machine
from rpcdiag.track.facts import Connection, Referral
from rpcdiag.track.tracker import Tracker


class Frame(NamedTuple):
    """A PDU as the pass tells it."""

    flow: int
    side: int
    data: bytes
    length: int
    first_packet: int
    packet: int
    time_ns: int


class Packet(NamedTuple):
    """What the pass read in the headers of one TCP segment."""

    number: int
    ns: int
    point: int
    source_port: int
    destination_port: int
    length: int
    ttl: int
    ip_id: int
    sequence: int
    captured: int


class Read(NamedTuple):
    reader: CaptureReader
    packets: list[Packet]


def read(path: str) -> Read:
    """All TCP segments of a capture."""
    seen: list[Packet] = []
    with _told(seen):
        reader = CaptureReader(path)
        for _ in reader.events():
            pass
    return Read(reader, seen)


@contextmanager
def _told(seen: list[Packet]) -> Iterator[None]:
    whole = packets.take_tcp

    def tell(s: Any, b: Any, key: Any, source: int, size: int, transport: int, *rest: int) -> None:
        _, captured, length, _, sequence, _, ttl, ip_id, number, ns, point = rest
        sport, dport = b[transport] << 8 | b[transport + 1], b[transport + 2] << 8 | b[transport + 3]
        seen.append(Packet(number, ns, point, sport, dport, length, ttl, ip_id, sequence, captured))
        whole(s, b, key, source, size, transport, *rest)

    with patch.object(packets, "take_tcp", tell), patch.object(records, "take_tcp", tell):
        yield


def table_of(data: bytes, machine: Machine | None = None) -> tuple[FlowTable, list[Frame]]:
    """A capture's flows and PDUs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture"
        path.write_bytes(data)
        reader = CaptureReader(str(path), Sweep(machine=machine))
        flows = CaptureFlows(reader.sweep)
        reader.sweep.state.counters[TELL_ALL] = 1
        frames: list[Frame] = []
        for events in chain(reader.events(), reader.finish()):
            flows.feed(*events)
            frames += told(*events)
    return FlowTable([flows]), frames


def told(rows: list[int], arena: memoryview) -> list[Frame]:
    """The PDUs among the events."""
    frames = []
    for e in range(0, len(rows), EVENT_WIDTH):
        if rows[e] == EV_PDU:
            _, flow, side, first, packet, ns, at, have, length = rows[e : e + 9]
            frames.append(Frame(flow, side, bytes(arena[at : at + have]), length, first, packet, ns))
    return frames


class Side:
    """One direction of one flow that matters, fed by hand."""

    def __init__(self) -> None:
        self.sweep = Sweep(4)
        self.state = self.sweep.state
        self.state.flows[MATTERS] = YES
        self.state.counters[TELL_ALL] = 1
        self.state.flows[STREAM] = -1
        self.state.counters[FLOWS_TOP] = FLOW_WIDTH
        self.g = followed.open_stream(self.state, 0)
        self.pdus: list[Frame] = []

    def feed(self, data: bytes, packet: int, ns: int) -> None:
        framing.feed(self.state, self.g, self.g, data, 0, len(data), packet, ns)
        self._drain()

    def gap(self, length: int, packet: int, ns: int) -> None:
        framing.hole(self.state, self.g, self.g, length, ns)
        self._drain()

    def segment(self, sequence: int, data: bytes, length: int, packet: int, ns: int, isn: int = -1) -> None:
        streams.take_segment(self.state, 0, 0, data, 0, len(data), length, sequence, isn, packet, ns)
        self._drain()

    def close(self) -> None:
        streams.close_stream(self.state, self.g)
        self._drain()

    def _drain(self) -> None:
        self.pdus += told(*self.sweep.drained())

    def __getattr__(self, name: str) -> int:
        columns = {"position": POSITION, "missing": MISSING, "skipped": BYTES_SKIPPED, "in_pdus": IN_PDUS}
        return int(self.state.numbers[self.g + columns[name]])


def pdus_of(pieces: Iterable[bytes | int]) -> Side:
    """Bytes and gaps, a packet each."""
    side = Side()
    for number, piece in enumerate(pieces, start=1):
        if isinstance(piece, int):
            side.gap(piece, number, number)
        else:
            side.feed(piece, number, number)
    side.close()
    return side


class Talk:
    """PDUs of both sides of one connection through the pass and into an association, a packet each."""

    def __init__(self) -> None:
        self.side = Side()
        self.state = self.side.state
        self.state.counters[TELL_ALL] = 0
        self.tracker = Tracker(self.side.sweep)
        self.flows = CaptureFlows(self.side.sweep)

    def say(self, side: int, data: bytes, packet: int, ns: int) -> None:
        framing.feed(self.state, self.side.g, self._of(side), data, 0, len(data), packet, ns)
        self._take()

    def lose(self, side: int, length: int, packet: int, ns: int) -> None:
        framing.hole(self.state, self.side.g, self._of(side), length, ns)
        self._take()

    def connection(self, flow: Flow, last_ns: int) -> Connection:
        streams.close_stream(self.state, self.side.g)
        self._take()
        table = FlowTable([self.flows])
        table.flows()
        rpc = self.tracker.connection(0, flow, table.stream(flow), last_ns)
        assert rpc is not None
        return rpc

    @property
    def referrals(self) -> tuple[Referral, ...]:
        return self.tracker.referrals(0, self.side.g)

    def _of(self, side: int) -> int:
        return self.side.g + side * SIDE_WIDTH

    def _take(self) -> None:
        rows, arena = self.side.sweep.drained()
        self.flows.feed(rows, arena)
        self.tracker.feed(rows, arena)
