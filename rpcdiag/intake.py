"""Captures in; of each, its flows and what RPC did on them. One after the other, or on all cores at once.

Captures know nothing of one another until all are read, so the order in which they are read changes nothing.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.capture.choice import Engine
from rpcdiag.capture.fragments import Incomplete
from rpcdiag.capture.points import Point
from rpcdiag.capture.reader import CaptureReader, Events
from rpcdiag.errors import CorruptInput, InputError, RpcdiagError
from rpcdiag.flows.table import CaptureFlows
from rpcdiag.meanwhile import meanwhile
from rpcdiag.sweep.columns import EV_DATAGRAM, EVENT_WIDTH
from rpcdiag.sweep.machine import MachineError
from rpcdiag.sweep.packets import CONNECTIONLESS
from rpcdiag.track.logons import Tokens
from rpcdiag.track.sessions import Sessions
from rpcdiag.track.surroundings import MAX_NAMES, Surroundings
from rpcdiag.track.tracker import Tracker

if TYPE_CHECKING:  # loaded only where there are several captures, live ones, or connectionless RPC
    from concurrent.futures import Executor, Future

    from rpcdiag.capture.live import LiveSource
    from rpcdiag.track.datagram_calls import DatagramFlow
    from rpcdiag.track.datagrams import Datagrams

FLOWS_A_NAME = 4  # where few flows are remembered, few names are: a capture without an end has ever more of both
WORTH_PROCESSES = 16 << 20  # bytes in all: starting a process takes a tenth of a second


class Reading(NamedTuple):
    """How far the reading of one capture has come."""

    path: str
    bytes: int
    packets: int
    flows: int
    pdus: int
    so_far: "Callable[[], Taken] | None" = None  # what is known by now, where the capture is read by itself
    watched_until: Callable[[int], None] | None = None  # tell that nothing came until then
    findings: int | None = None


Watch = Callable[[Reading], None]


class Taken(NamedTuple):
    """One capture, read as far as that was possible; `trouble` says where it ended too early."""

    path: str
    format: str
    link_types: tuple[str, ...]
    packets: int
    first_ns: int | None
    last_ns: int | None
    trouble: CorruptInput | None
    skipped: dict[str, int]
    points: dict[int, Point]  # of its flows
    flows: CaptureFlows
    tracker: Tracker
    sessions: Sessions
    tokens: Tokens
    surroundings: Surroundings
    datagrams: "tuple[DatagramFlow, ...]"  # numbered by nobody yet
    interrupted: bool
    incomplete: tuple[Incomplete, ...] = ()  # datagrams of which fragments are missing


class Intake(NamedTuple):
    """All captures, by their first packets; `troubles` are those that could not be read at all."""

    captures: tuple[Taken, ...]
    troubles: tuple[RpcdiagError, ...]
    interrupted: bool


def take_in(
    paths: Sequence[str], engine: Engine, watch: Watch | None = None, beside: Callable[[], object] | None = None
) -> Intake:
    """Read captures; the user may interrupt it, and gets what is known by then.

    `beside` is done meanwhile where the compiled pass leaves a second core alone, else not at all.
    """
    troubles: list[RpcdiagError] = []
    if "-" in paths and len(paths) > 1:
        troubles.append(InputError("-", "standard input cannot be read together with other captures"))
        paths = [path for path in paths if path != "-"]
    paths = list(dict.fromkeys(paths))
    engine.prepare(paths)
    with meanwhile(beside) if beside is not None and engine.compiled and engine.jobs > 1 else nullcontext():
        results = _together(paths, engine, watch) if len(paths) > 1 and engine.jobs > 1 else None
        if results is None:
            results = _in_turn(paths, engine, watch)
    taken = [result for result in results if isinstance(result, Taken)]
    troubles += [result for result in results if isinstance(result, RpcdiagError)]
    taken.sort(key=lambda one: (one.first_ns or 0, one.path))
    return Intake(tuple(taken), tuple(troubles), any(one.interrupted for one in taken) or len(results) < len(paths))


def _in_turn(paths: Sequence[str], engine: Engine, watch: Watch | None) -> list[Taken | RpcdiagError]:
    results: list[Taken | RpcdiagError] = []
    for path in paths:
        result = take(path, engine, watch)
        results.append(result)
        if isinstance(result, Taken) and result.interrupted:
            break
    return results


def _together(paths: Sequence[str], engine: Engine, watch: Watch | None) -> list[Taken | RpcdiagError] | None:
    """On all cores: threads where the compiled pass leaves the interpreter alone, processes where it is interpreted.

    None where that would take longer than one after the other.
    """
    executor: Executor
    if engine.compiled:
        from concurrent.futures import ThreadPoolExecutor

        executor = ThreadPoolExecutor(min(engine.jobs, len(paths)))
    elif engine.total >= WORTH_PROCESSES and hasattr(os, "fork"):
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        executor = ProcessPoolExecutor(min(engine.jobs, len(paths)), mp_context=get_context("fork"))
        watch = None  # what a process of its own has read is not told
    else:
        return None
    stop = threading.Event()
    with executor:
        futures = [
            executor.submit(_take_until, stop if engine.compiled else None, path, engine, watch) for path in paths
        ]
        return _gathered(futures, stop)


def _gathered(
    futures: Sequence["Future[Taken | RpcdiagError]"], stop: threading.Event
) -> list[Taken | RpcdiagError]:  # fmt: skip
    """The results, in the order of the paths; those that were not begun when the user interrupted are missing."""
    results = []
    for future in futures:
        try:
            results.append(future.result())
        except KeyboardInterrupt:
            stop.set()
            for other in futures:
                other.cancel()
            results += [other.result() for other in futures[len(results) :] if not other.cancelled()]
            break
    return results


def _take_until(stop: threading.Event | None, path: str, engine: Engine, watch: Watch | None) -> Taken | RpcdiagError:
    if stop is None:
        return take(path, engine, watch)

    def watched(reading: Reading) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        if watch is not None:
            watch(reading)

    return take(path, engine, watched)


def take(path: str, engine: Engine, watch: Watch | None = None) -> Taken | RpcdiagError:
    """One capture, or why it cannot be read."""
    try:
        return _take(path, engine, watch)
    except MachineError:  # a fault of ours: the interpreter reads the capture again
        if path == "-":
            return InputError(path, "the compiled pass failed on this input: use --engine python")
        return _take(path, engine.interpreted(), watch)


def take_live(name: str, source: "LiveSource", engine: Engine, watch: Watch) -> Taken:
    """One capture that is still being recorded, until its source ends; `watch` is told of it several times a second.

    Raises:
        InputError: it is no capture.
    """
    engine.endless = True
    return _taken(CaptureReader(name, engine.sweep(name), live=source), engine, watch)


def _take(path: str, engine: Engine, watch: Watch | None) -> Taken | RpcdiagError:
    try:
        reader = CaptureReader(path, engine.sweep(path), ahead=engine.reads_ahead(path))
    except RpcdiagError as error:
        return error
    return _taken(reader, engine, watch)


def _taken(reader: CaptureReader, engine: Engine, watch: Watch | None) -> Taken:
    path = reader.path
    taking, interrupted = _Taking(path, reader), False
    look = engine.watch(reader)

    def on_block(count: int) -> None:
        if look is not None:
            look(count)
        if engine.endless:
            reader.goes_on()
        if watch is not None:
            so_far = None if engine.several else taking.so_far
            sweep = reader.sweep
            watch(Reading(path, count, reader.packets, sweep.flows_seen, sweep.pdus_seen, so_far, reader.watched_until))

    try:
        for events in reader.events(on_block):
            taking.feed(events)
    except KeyboardInterrupt:
        interrupted = True
    for events in reader.finish():
        taking.feed(events)
    reader.sweep.on_gone = None
    reader.sweep.compact(more=engine.several)
    return taking.taken(taking.flows, interrupted=interrupted)


class _Taking:
    """One capture while it is read."""

    def __init__(self, path: str, reader: CaptureReader) -> None:
        self._path, self._reader = path, reader
        self.flows, self._tracker = CaptureFlows(reader.sweep), Tracker(reader.sweep)
        self._sessions, self._tokens = Sessions(), Tokens()
        self._surroundings = Surroundings(min(MAX_NAMES, max(1, reader.sweep.room // FLOWS_A_NAME)))
        self._datagrams = _Datagrams()
        reader.sweep.on_gone = self._forget

    def _forget(self, gone: set[int]) -> None:
        for taker in (self.flows, self._tracker, self._sessions, self._tokens):
            taker.forget(gone)

    def feed(self, events: Events) -> None:
        """Everybody takes the kinds of events that are for them."""
        rows, arena = events
        kinds = set(rows[::EVENT_WIDTH])
        for taker in (
            self.flows, self._tracker, self._sessions, self._tokens, self._surroundings, self._datagrams,
        ):  # fmt: skip
            if not kinds.isdisjoint(taker.takes):
                taker.feed(rows, arena)

    def so_far(self) -> Taken:
        """What is known by now; to be used within `tracker.looking()`, and before the reading goes on."""
        return self.taken(self.flows.so_far(), interrupted=True)

    def taken(self, flows: CaptureFlows, *, interrupted: bool) -> Taken:
        reader = self._reader
        return Taken(
            path=self._path,
            format=reader.format,
            link_types=reader.link_types,
            packets=reader.packets,
            first_ns=reader.first_ns,
            last_ns=reader.last_ns,
            trouble=reader.trouble,
            skipped=reader.skipped,
            points={point: reader.point(point) for point in flows.points()},
            flows=flows,
            tracker=self._tracker,
            sessions=self._sessions,
            tokens=self._tokens,
            surroundings=self._surroundings,
            datagrams=self._datagrams.conversations(reader.last_ns),
            interrupted=interrupted,
            incomplete=reader.incomplete,
        )


class _Datagrams:
    """Connectionless RPC, which few captures hold: what reads it is loaded with the first datagram."""

    takes = frozenset({EV_DATAGRAM})

    def __init__(self) -> None:
        self._found: Datagrams | None = None

    def feed(self, rows: Sequence[int], arena: memoryview) -> None:
        if self._found is None:
            kinds = rows[0::EVENT_WIDTH]
            if EV_DATAGRAM not in kinds or not any(
                kind == EV_DATAGRAM and rows[place * EVENT_WIDTH + 1] == CONNECTIONLESS
                for place, kind in enumerate(kinds)
            ):
                return
            from rpcdiag.track.datagrams import Datagrams

            self._found = Datagrams()
        self._found.feed(rows, arena)

    def conversations(self, last_ns: int | None) -> "tuple[DatagramFlow, ...]":
        return self._found.conversations(last_ns) if self._found else ()
