"""Connections that took the same steps: their story is told once, and filled in with the numbers of each.

Of ten thousand connections a few hundred differ in more than packet numbers, times and association groups. An
`Association` is led through their steps once, with marks in the place of those numbers; in the facts that it finds
the numbers of any connection are then put where the marks are. What the pass told of one connection alone is
followed by the tracker as ever.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from rpcdiag.flows.flow import ContextUse, Flow, Stream
from rpcdiag.sweep.columns import NODE, S_GROUP, STEPS, STREAM_WIDTH, STREAMS_AT, STREAMS_TOP
from rpcdiag.sweep.engine import Sweep
from rpcdiag.track.association import Association
from rpcdiag.track.facts import Connection, Fate, InterfaceUse, Referral
from rpcdiag.track.tracker import Tracker

WORTH_TELLING = 3  # connections with the same steps
MAX_STORIES = 4096
MAX_USES = 256  # of the contexts of one story
LONGEST = 64  # steps; longer stories are hardly shared


class _Mark(int):
    """Stands for a number of a connection: the place of that number among all of them."""


class _Form(NamedTuple):
    """A fact with marks: its fields, where marks stand and for which number, and fields that hold forms."""

    kind: type[Any]
    fields: tuple[object, ...]
    marks: tuple[tuple[int, int], ...]
    inner: tuple[tuple[int, tuple["_Form", ...]], ...]


class _Story:
    """A connection with marks, the facts in which they stand, and the use of its interfaces by that of its contexts."""

    __slots__ = ("association", "binds", "damage", "interfaces", "referrals", "secondary_address")

    def __init__(self, association: Association) -> None:
        self.association = association
        self.referrals = _forms(association.referrals)
        self.binds: tuple[_Form, ...] = ()
        self.damage: tuple[_Form, ...] = ()
        self.secondary_address: str | None = None
        self.interfaces: dict[tuple[ContextUse, ...], tuple[InterfaceUse, ...]] = {}


class Retold:
    """Connections and referrals as the tracker tells them, in less time and memory."""

    def __init__(self, tracker: Tracker, sweep: Sweep) -> None:
        self._tracker = tracker
        self._sweep = sweep
        self._stories: dict[tuple[int, ...], _Story] = {}  # by node, and which steps are of the same call
        streams, shift = sweep.streams
        end = sweep.state.counters[STREAMS_TOP] - shift
        self._taken = Counter(streams[STREAMS_AT - shift + NODE : end : STREAM_WIDTH])  # how often the steps to a node
        self._fates: dict[tuple[int, int], dict[Fate, int]] = {}  # by the number of responses and of faults

    def referrals(self, serial: int, place: int) -> tuple[Referral, ...]:
        """Those that were made on the flow whose stream record is at `place`, -1 for none."""
        if place < 0:
            return ()
        if not self._tracker.apart(serial):
            streams, shift = self._sweep.streams
            node, first = streams[place - shift + NODE], streams[place - shift + STEPS]
            if not self._tracker.answers(node):
                return ()
            story, numbers = self._story(node, first)
            if story is not None:
                return _filled(story.referrals, numbers)
        return self._tracker.referrals(serial, place)

    def connection(self, serial: int, flow: Flow, stream: Stream | None, last_ns: int) -> Connection | None:
        """What RPC did on the flow, once its referrals are known; None where nothing of it was seen."""
        if stream is None:
            return None
        if not stream.waiting and not self._tracker.apart(serial):
            streams, shift = self._sweep.streams
            at = stream.place - shift
            story, numbers = self._story(streams[at + NODE], streams[at + STEPS])
            if story is not None:
                return self._connection(story, flow, stream, last_ns, numbers)
        return self._tracker.connection(serial, flow, stream, last_ns)

    def _story(self, node: int, first: int) -> tuple[_Story | None, list[int]]:
        """The story of a connection that took the steps to a node, and its numbers; None where nothing is gained by it."""
        numbers: list[int] = []
        if self._taken[node] < WORTH_TELLING:
            return None, numbers
        records, at = self._sweep.state.numbers, first
        calls: list[int] = []
        while at >= 0:
            at, packet, ns, call, group = records[at : at + S_GROUP + 1]  # from W_NEXT on
            numbers += packet, ns, group
            calls.append(call)
            if len(calls) > LONGEST:
                return None, numbers
        alike = [*map(calls.index, calls)]  # ids of calls differ between connections, which are the same does not
        key = (node, *alike)
        story = self._stories.get(key)
        if story is None and len(self._stories) < MAX_STORIES:
            story = self._stories[key] = self._told(node, alike)
        return story, numbers

    def _told(self, node: int, calls: list[int]) -> _Story:
        """The story with marks."""
        marks = map(_Mark, range(3 * len(calls)))
        steps = [
            (0, packet, ns, call, group) for call, packet, ns, group in zip(calls, marks, marks, marks, strict=True)
        ]
        return _Story(self._tracker.follow(node, steps))

    def _connection(
        self, story: _Story, flow: Flow, stream: Stream, last_ns: int, numbers: Sequence[int]
    ) -> Connection:  # fmt: skip
        """A connection on which nothing waits: what was counted, and the story with its numbers."""
        interfaces = story.interfaces.get(stream.contexts)
        fates = self._fates.get((stream.responses, stream.faults))
        if interfaces is None or fates is None:
            told = story.association.connection(flow, stream, last_ns)
            story.binds, story.damage = _forms(told.binds), _forms(told.damage)
            story.secondary_address = told.secondary_address
            interfaces = told.interfaces
            fates = self._fates.setdefault((stream.responses, stream.faults), told.fates)
            if len(story.interfaces) < MAX_USES:
                story.interfaces[stream.contexts] = interfaces
        return Connection(  # in the order of its fields; faults, open calls and carried errors are told of one alone
            stream.pdus, stream.first_pdu, _filled(story.binds, numbers), interfaces, stream.requests, fates,
            stream.orphan_answers, (), (), (), _filled(story.damage, numbers) if story.damage else (),
            story.secondary_address, stream.orpc_calls, stream.in_pdus, stream.skipped, stream.missing,
            stream.last_pdu_ns, stream.total,
        )  # fmt: skip


def _forms(facts: Iterable[Any]) -> tuple[_Form, ...]:
    return tuple(map(_form, facts))


def _form(fact: tuple[object, ...]) -> _Form:
    """The form of a fact whose fields are numbers, texts, and tuples of facts."""
    marks = tuple((at, int(field)) for at, field in enumerate(fact) if type(field) is _Mark)
    inner = tuple(
        (at, _forms(field)) for at, field in enumerate(fact) if isinstance(field, tuple) and _holds_marks(field)
    )
    return _Form(type(fact), tuple(fact), marks, inner)


def _holds_marks(field: tuple[object, ...]) -> bool:
    return any(type(value) is _Mark for fact in field if isinstance(fact, tuple) for value in fact)


def _filled(forms: tuple[_Form, ...], numbers: Sequence[int]) -> tuple[Any, ...]:
    """The facts of one connection."""
    return tuple([_fill(form, numbers) for form in forms])


def _fill(form: _Form, numbers: Sequence[int]) -> Any:  # noqa: ANN401  whatever fact it is the form of
    fields = list(form.fields)
    for at, number in form.marks:
        fields[at] = numbers[number]
    for at, forms in form.inner:
        fields[at] = _filled(forms, numbers)
    return form.kind._make(fields)
