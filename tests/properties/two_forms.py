"""One capture through one form of the pass, with all that it said and left in its arrays."""

from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.capture.choice import AUTO, Engine
from rpcdiag.capture.reader import CaptureReader
from rpcdiag.report.outputs.json import document
from rpcdiag.sweep import engine as passes
from rpcdiag.sweep.columns import (
    ARENA_AT,
    BODIES,
    CONTENT_TOP,
    EV_ANSWERED,
    EV_ASKED,
    EV_BODY,
    EV_CARRIED,
    EV_DATAGRAM,
    EV_FAULT,
    EV_FRAGMENT,
    EV_HTTP,
    EV_ICMP,
    EV_NODE,
    EV_OPEN,
    EV_PDU,
    EV_REPEAT,
    EV_SMB,
    EV_SYN,
    EV_TICKET,
    EV_TOKEN,
    EVENT_WIDTH,
    FLOWS_TOP,
    HELD,
    NODE,
    NODES,
    STREAM_WIDTH,
    STREAMS_AT,
    STREAMS_TOP,
)
from rpcdiag.sweep.engine import MAX_FLOWS, Sweep
from rpcdiag.sweep.machine import Machine

# numbers that an event of each kind has, and which of them say where its bytes are and how many; what stands behind
# them in the row was left by another event
USED = {
    EV_SYN: 7, EV_REPEAT: 8, EV_ICMP: 9, EV_FRAGMENT: 6, EV_PDU: 9, EV_FAULT: 12, EV_CARRIED: 8, EV_OPEN: 7,
    EV_ASKED: 13, EV_ANSWERED: 13, EV_BODY: 6, EV_NODE: 4, EV_SMB: 12, EV_DATAGRAM: 9, EV_TICKET: 8, EV_HTTP: 7, EV_TOKEN: 11,
}  # fmt: skip
BYTES = {
    EV_ICMP: (8, 7), EV_FRAGMENT: (4, 5), EV_PDU: (6, 7), EV_ASKED: (10, 11), EV_ANSWERED: (10, 11), EV_SMB: (6, 7),
    EV_DATAGRAM: (6, 7), EV_TICKET: (5, 6), EV_HTTP: (5, 6), EV_TOKEN: (8, 9),
}  # fmt: skip
# numbers that are given to bodies as they come: one form gives new ones to those that it took over from the other
NUMBERED = (BODIES, NODES, CONTENT_TOP)


class Said(NamedTuple):
    """The events of one pause, and the bytes that they point into."""

    rows: list[list[int]]
    arena: bytes


class Left(NamedTuple):
    """The arrays at the end, as far as they were used."""

    counters: list[int]
    interfaces: list[int]
    flows: list[int]
    streams: list[int]
    table: dict[int, int]
    totals: tuple[int, int]


class Heard(Sweep):
    """A pass that remembers what it said."""

    def __init__(self, max_flows: int = MAX_FLOWS, machine: Machine | None = None) -> None:
        super().__init__(max_flows, machine)
        self.said: list[Said] = []
        self.ended: Left | None = None

    def compact(self, *, more: bool) -> None:
        self.ended = self.left()
        super().compact(more=more)

    def drained(self) -> tuple[list[int], Any]:
        arena = bytes(self.state.store[ARENA_AT : self.state.counters[HELD]])
        rows, store = super().drained()
        if rows:
            events = [rows[e : e + USED[rows[e]]] for e in range(0, len(rows), EVENT_WIDTH)]
            self.said.append(Said(events, arena))
        return rows, store

    def left(self) -> Left:
        counters, interfaces, flows, numbers, _, table = self.state
        return Left(
            counters=list(counters),
            interfaces=interfaces.tolist(),
            flows=list(flows[: counters[FLOWS_TOP]]),
            streams=numbers[STREAMS_AT : counters[STREAMS_TOP]].tolist(),
            table=_keys(table),
            totals=(self.evicted, self.folded),
        )


class Chosen(Engine):
    """One form of the pass; `adopt_at` changes over to the compiled one when so many bytes were read."""

    def __init__(
        self, form: Machine | None, *, adopt_at: int = -1, max_flows: int = MAX_FLOWS, kind: type[Heard] = Heard
    ) -> None:
        super().__init__(AUTO, jobs=1)
        self.form = form
        self.adopt_at = adopt_at
        self.most = max_flows
        self.kind = kind
        self.sweeps: list[Heard] = []
        self.adopted = 0

    def sweep(self, path: str) -> Sweep:
        self.sweeps.append(self.kind(self.most, self.form if self.adopt_at < 0 else None))
        return self.sweeps[-1]

    def watch(self, reader: CaptureReader) -> Callable[[int], None] | None:
        if self.adopt_at < 0:
            return None

        def look(read: int) -> None:
            if read >= self.adopt_at and not reader.sweep.compiled:
                assert self.form is not None
                reader.sweep.adopt(self.form)
                self.adopted += 1

        return look


class Outcome(NamedTuple):
    diagnosis: Diagnosis
    said: list[list[Said]]
    left: list[Left]


def outcome(path: str, engine: Chosen, *, fresh: bool = False) -> Outcome:
    """`fresh`: in arrays of zeros, not in those that the pass before has left."""
    if fresh:
        passes._rooms.clear()
    diagnosis = analyze([path], engine=engine)
    left = [sweep.ended for sweep in engine.sweeps if sweep.ended is not None]
    return Outcome(diagnosis, [sweep.said for sweep in engine.sweeps], left)


def said_by(diagnosis: Diagnosis) -> dict[str, Any]:
    """The document, and the inputs that could not be read as text."""
    troubles = [str(one) for one in (*diagnosis.troubles, *diagnosis.cuts)]
    return {"document": document(diagnosis), "troubles": troubles}


def compare(one: Outcome, other: Outcome) -> None:
    """Two that read all of a capture in one form each, and paused at the same places."""
    for mine, theirs in zip(one.said, other.said, strict=True):
        assert [said.rows for said in mine] == [said.rows for said in theirs]
        assert [said.arena for said in mine] == [said.arena for said in theirs]
    for left, theirs_left in zip(one.left, other.left, strict=True):
        for name in Left._fields:
            assert getattr(left, name) == getattr(theirs_left, name), name
    assert said_by(one.diagnosis) == said_by(other.diagnosis)


def compare_ends(one: Outcome, other: Outcome) -> None:
    """Two that paused at different places, or of which one changed its form: what comes out is the same."""
    for mine, theirs in zip(one.said, other.said, strict=True):
        assert [_flat(event) for said in mine for event in _rows(said)] == [
            _flat(event) for said in theirs for event in _rows(said)
        ]
    for left, theirs_left in zip(one.left, other.left, strict=True):
        assert _unnumbered(left) == _unnumbered(theirs_left)
    assert said_by(one.diagnosis) == said_by(other.diagnosis)


def _rows(said: Said) -> list[tuple[list[int], bytes]]:
    return [(row, said.arena) for row in said.rows if row[0] not in (EV_BODY, EV_NODE)]


def _flat(event: tuple[list[int], bytes]) -> tuple[list[int], bytes]:
    """An event with its bytes, wherever in the arena they were."""
    row, arena = event
    if row[0] not in BYTES:
        return row, b""
    place, size = BYTES[row[0]]
    at = row[place] - ARENA_AT
    return [*row[:place], 0, *row[place + 1 :]], arena[at : at + row[size]]


def _unnumbered(left: Left) -> Left:
    counters = [0 if at in NUMBERED else value for at, value in enumerate(left.counters)]
    streams = [0 if at % STREAM_WIDTH == NODE else value for at, value in enumerate(left.streams)]
    return left._replace(counters=counters, streams=streams)


def _keys(table: Any) -> dict[int, int]:
    """How many keys of the table stand for each side of a flow."""
    if isinstance(table, dict):
        return dict(Counter(table.values()))
    return dict(Counter((held & 0xFFFFFFFF) - 1 for held in array("q", bytes(table))[:-1] if held))
