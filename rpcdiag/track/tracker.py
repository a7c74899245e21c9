"""All RPC connections of a capture, by the serial numbers of their flows, fed with what the pass says.

Most connections say what others said before them: of those the pass keeps only which steps they took, and their
story is told again here when somebody asks for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from rpcdiag.dissect.dcerpc import LAST_FRAGMENT
from rpcdiag.flows.flow import Flow, Stream
from rpcdiag.sweep.columns import (
    EV_ANSWERED,
    EV_ASKED,
    EV_BODY,
    EV_CARRIED,
    EV_FAULT,
    EV_NODE,
    EV_OPEN,
    EV_PDU,
    EVENT_WIDTH,
    NODE,
    S_CALL,
    S_GROUP,
    S_NS,
    S_PACKET,
    STEPS,
    W_NEXT,
)
from rpcdiag.sweep.engine import Sweep
from rpcdiag.track.association import Association
from rpcdiag.track.facts import Connection, Referral


class _Body(NamedTuple):
    """A PDU or stub as the pass told it once."""

    kind: int
    side: int
    flags: int
    bits: int
    context_id: int
    opnum: int
    data: bytes
    length: int


class Tracker:
    """Feed what the pass says of PDUs; ask for connections and referrals at the end."""

    takes = frozenset({EV_PDU, EV_FAULT, EV_CARRIED, EV_OPEN, EV_ASKED, EV_ANSWERED, EV_BODY, EV_NODE})

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._looked_at: set[int] | None = None  # connections whose story was told in the middle of the capture
        self._associations: dict[int, Association] = {}
        self._bodies: list[_Body] = []
        self._answers: dict[int, int] = {}  # by node
        self._nodes: list[tuple[int, int]] = [(0, 0)]  # the node before, and the body that leads here

    def feed(self, rows: Sequence[int], arena: memoryview) -> None:
        """Take events."""
        for e in range(0, len(rows), EVENT_WIDTH):
            kind = rows[e]
            if kind < EV_PDU or kind > EV_NODE:
                continue
            if kind == EV_NODE:
                self._nodes.append((rows[e + 2], rows[e + 3]))
            elif kind == EV_BODY:
                start, count = rows[e + 4], rows[e + 5]
                self._bodies.append(_body(rows[e + 2], rows[e + 3], bytes(arena[start : start + count])))
            else:
                self._told(self.association(rows[e + 1], rows[e + 13]), kind, rows, e, arena)

    def forget(self, gone: set[int]) -> None:
        """Flows that were given up, by serial number."""
        for serial in gone & self._associations.keys():
            del self._associations[serial]

    @staticmethod
    def _told(association: Association, kind: int, rows: Sequence[int], e: int, arena: memoryview) -> None:
        if kind == EV_PDU:
            data = bytes(arena[rows[e + 6] : rows[e + 6] + rows[e + 7]])
            order: Literal["little", "big"] = "little" if data[4] else "big"
            call_id = int.from_bytes(data[12:16], order)
            group = int.from_bytes(data[20:24], order) if len(data) >= 24 else 0
            association.take(data, rows[e + 8], rows[e + 4], rows[e + 5], call_id, group)
        elif kind in (EV_ASKED, EV_ANSWERED):
            data = bytes(arena[rows[e + 10] : rows[e + 10] + rows[e + 11]])
            take = association.take_asked if kind == EV_ASKED else association.take_answered
            take(rows[e + 2 : e + 10], data, rows[e + 12])
        elif kind == EV_FAULT:
            association.take_fault(rows[e + 2 : e + 12])
        elif kind == EV_CARRIED:
            association.take_carried(rows[e + 2 : e + 8])
        elif kind == EV_OPEN:
            association.take_open(rows[e + 2 : e + 7])

    def association(self, serial: int, place: int) -> Association:
        """The connection whose stream record is at `place`."""
        association = self._associations.get(serial)
        if association is None:
            association = self._associations[serial] = Association()
            if self._looked_at is not None:
                self._looked_at.add(serial)
            stream = self._sweep.stream(place)
            at = stream[STEPS]
            for body in self.story(stream[NODE]):
                step = self._sweep.record(at)
                _step(association, step, body)
                at = step[W_NEXT]
        return association

    @contextmanager
    def looking(self) -> Iterator[None]:
        """While the capture is still read: what is told in between leaves no trace, so that the rest can follow."""
        self._looked_at = set()
        try:
            yield
        finally:
            for serial in self._looked_at:
                self._associations.pop(serial, None)
            self._looked_at = None

    def replay(self, association: Association, node: int) -> Iterator[int]:
        """Lead a connection through the steps to a node, whoever took them; yields the number of each step.

        All calls have one id, as if each were answered before the next.
        """
        for number, body in enumerate(self.story(node)):
            _step(association, (0, number + 1, number, 0, 0), body)
            yield number

    def follow(self, node: int, steps: Iterable[Sequence[int]]) -> Association:
        """A connection that took these steps, see `W_NEXT`, to a node."""
        association = Association()
        for step, body in zip(steps, self.story(node), strict=True):
            _step(association, step, body)
        return association

    def apart(self, serial: int) -> bool:
        """Whether something was told of this connection alone."""
        return serial in self._associations

    def answers(self, node: int) -> int:
        """How many of the steps to a node answer what may hand out an endpoint."""
        known = self._answers.get(node)
        if known is None:
            known = sum(body.kind == EV_ANSWERED and bool(body.flags & LAST_FRAGMENT) for body in self.story(node))
            self._answers[node] = known
        return known

    def story(self, node: int) -> list[_Body]:
        """The bodies that lead to a node."""
        story = []
        while node:
            node, body = self._nodes[node]
            story.append(self._bodies[body])
        return story[::-1]

    def connection(self, serial: int, flow: Flow, stream: Stream | None, last_ns: int) -> Connection | None:
        """What RPC did on the flow, once its referrals are known; None where nothing of it was seen."""
        if stream is None:
            return None
        association = self.association(serial, stream.place)
        if self._looked_at is None:
            del self._associations[serial]
        return association.connection(flow, stream, last_ns)

    def referrals(self, serial: int, place: int) -> tuple[Referral, ...]:
        """Those that were made on the flow whose stream record is at `place`, -1 for none."""
        if place < 0:
            return ()
        if serial not in self._associations and not self.answers(self._sweep.stream(place)[NODE]):
            return ()
        return tuple(self.association(serial, place).referrals)


def _body(meta: int, wire: int, data: bytes) -> _Body:
    kind, side = meta & 0xFF, meta >> 8 & 0xFF
    if kind == EV_PDU:
        return _Body(kind, side, 0, 0, 0, 0, data, wire & 0xFFFFFFFF)
    return _Body(kind, side, meta >> 16 & 0xFF, meta >> 24 & 0xFF, wire >> 32, meta >> 32, data, wire & 0xFFFFFFFF)


def _step(association: Association, step: Sequence[int], body: _Body) -> None:
    packet, ns, call_id = step[S_PACKET], step[S_NS], step[S_CALL]
    if body.kind == EV_PDU:
        association.take(body.data, body.length, packet, ns, call_id, step[S_GROUP])
        return
    row = (body.side, packet, ns, call_id, body.flags, body.bits, body.context_id, body.opnum)
    take = association.take_asked if body.kind == EV_ASKED else association.take_answered
    take(row, body.data, body.length)
