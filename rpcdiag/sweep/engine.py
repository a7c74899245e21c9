"""Owns the arrays of one pass over one capture, makes room in them, and hands on the events."""

import mmap
import os
import sys
from array import array
from collections.abc import Callable
from itertools import chain
from typing import Any

from rpcdiag.sweep import records
from rpcdiag.sweep.columns import (
    ALL_PDUS,
    ARENA_AT,
    BODIES_AT,
    CARRIER,
    CLAIMED,
    CONTENT_AT,
    CONTENT_TOP,
    COUNTERS,
    EVENTS,
    EVENTS_AT,
    FLOW_WIDTH,
    FLOWS_END,
    FLOWS_TOP,
    FORMAT,
    FREE,
    FREE_LARGE,
    FREE_SMALL,
    FREE_STREAM,
    FREE_WAITING,
    HELD,
    INTERFACE_WIDTH,
    KEY,
    LARGE_AT,
    LARGE_TOP,
    RESERVE,
    SEED,
    SERIAL,
    SERIAL_NUMBER,
    SINGLE,
    SINGLE_LINK,
    SINGLE_NS,
    SINGLE_NUMBER,
    SINGLE_POINT,
    SMALL_AT,
    SMALL_TOP,
    STOP,
    STORE,
    STREAM_WIDTH,
    STREAMS_AT,
    STREAMS_TOP,
    WAITING_TOP,
    WAITING_WIDTH,
    WHY,
    State,
)
from rpcdiag.sweep.followed import done_with, free_flows
from rpcdiag.sweep.machine import CLOSE, COPY_TABLE, DONE_WITH, FILL_TABLE, GIVE_UP, WALK, Machine
from rpcdiag.sweep.worth import outdated, worth

FOLLOWED_SHARE = 12  # of a capture without an end, RPC is known of one conversation in so many of the bound
MAX_FLOWS = 200_000  # half a KB each; more than that, and the oldest that do not matter are given up
MOST_FLOWS = (1 << 30) // FLOW_WIDTH  # the hash table holds twice a place in 32 bits
WORTH_FOLDING = 4  # the array grows where fewer than one in so many can go
_FIRST_FLOWS = 1024
_SEED = int.from_bytes(os.urandom(7), "little")  # no result depends on it
_WORTH_KEEPING = 1 << 20  # numbers; fewer are copied, for what stays beside them takes hundreds of MB of addresses
_PIECE = 1 << 16  # numbers of a table that are copied at once: whole slots, and whole pages


def numbers(count: int) -> Any:
    """An array of int64 whose memory is taken only as it is used."""
    return memoryview(_memory(count * 8)).cast("B").cast("q")


def _memory(size: int) -> mmap.mmap:
    """Ours alone also after a fork, which anonymous mappings are not by themselves."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _release(table: memoryview, at: int) -> None:
    """Give the memory of a piece back, where the system can; nothing in it is read again."""
    if hasattr(mmap, "MADV_DONTNEED") and isinstance(table.obj, mmap.mmap) and len(table) >= at + _PIECE:
        table.obj.madvise(mmap.MADV_DONTNEED, 8 * at, 8 * _PIECE)


def _released(wide: Any) -> bool:
    """Give the memory back between records and streams, where the system can."""
    if not (hasattr(mmap, "MADV_DONTNEED") and isinstance(wide.obj, mmap.mmap)):
        return False
    begin = -(-8 * EVENTS_AT // mmap.PAGESIZE) * mmap.PAGESIZE
    wide.obj.madvise(mmap.MADV_DONTNEED, begin, 8 * STREAMS_AT // mmap.PAGESIZE * mmap.PAGESIZE - begin)
    return True


_rooms: dict[int, list[tuple[Any, Any]]] = {}  # of passes that ended, by the number of flows that they had room for


def _room(max_flows: int) -> tuple[Any, Any]:
    """The arrays `numbers` and `store` of a pass; but for the hash slots nothing in them is read before it is written."""
    try:
        wide, store = _rooms[max_flows].pop()
        wide[BODIES_AT:STREAMS_AT] = array("q", bytes(8 * (STREAMS_AT - BODIES_AT)))
        return wide, store
    except (KeyError, IndexError):
        return numbers(STREAMS_AT + STREAM_WIDTH * (max_flows + RESERVE)), memoryview(_memory(STORE))


class Sweep:
    """The state of one pass. `evicted` and `folded` count flows of which only totals are left."""

    def __init__(self, max_flows: int = MAX_FLOWS, machine: Machine | None = None) -> None:
        self.on_gone: Callable[[set[int]], None] | None = None  # told the serial numbers of flows that are given up
        self.evicted = 0
        self.folded = 0
        self._looked_at = 0  # serial number at which was last asked whom to let go
        self._max = max_flows = min(max_flows, MOST_FLOWS)
        self._machine = machine
        self._streams: Any = None
        first = min(_FIRST_FLOWS, max_flows)
        wide, store = _room(max_flows)
        self.state = State(
            counters=array("q", bytes(8 * COUNTERS)) if machine else [0] * COUNTERS,
            interfaces=array("q", bytes(8 * INTERFACE_WIDTH)),
            flows=numbers(FLOW_WIDTH * (max_flows + RESERVE)) if machine else [0] * (FLOW_WIDTH * (first + RESERVE)),
            numbers=wide,
            store=store,
            table=_table(first) if machine else {},
        )
        counters = self.state.counters
        counters[FLOWS_END] = FLOW_WIDTH * first
        counters[EVENTS], counters[HELD], counters[CONTENT_TOP] = EVENTS_AT, ARENA_AT, CONTENT_AT
        counters[SEED] = _SEED
        counters[SMALL_TOP], counters[LARGE_TOP], counters[STREAMS_TOP] = SMALL_AT, LARGE_AT, STREAMS_AT
        for head in (FREE, FREE_STREAM, FREE_WAITING, FREE_SMALL, FREE_LARGE):
            counters[head] = -1

    @property
    def room(self) -> int:
        """Flows that are remembered at most."""
        return self._max

    @property
    def flows_seen(self) -> int:
        return self.state.counters[SERIAL]

    @property
    def followed(self) -> int:
        """Stream records in use."""
        return (self.state.counters[STREAMS_TOP] - STREAMS_AT) // STREAM_WIDTH

    @property
    def pdus_seen(self) -> int:
        return self.state.counters[ALL_PDUS]

    def compact(self, *, more: bool) -> None:
        """The capture has been read: keep what its flows need; the rest is for the next pass where there is `more`."""
        counters, wide, flows = self.state.counters, self.state.numbers, self.state.flows
        self._machine, self.state = None, self.state._replace(table={})
        used = counters[WAITING_TOP] + counters[STREAMS_TOP] - STREAMS_AT
        if more or used < _WORTH_KEEPING or not _released(wide):
            records, streams = array("q"), array("q")
            records.frombytes(wide[: counters[WAITING_TOP]].cast("B"))
            streams.frombytes(wide[STREAMS_AT : counters[STREAMS_TOP]].cast("B"))
            self._streams = streams
            if more:
                _rooms.setdefault(self._max, []).append((wide, self.state.store))
            del wide
            self.state = self.state._replace(numbers=records)  # gone before the flows are copied
        self.state = self.state._replace(store=b"")
        if not isinstance(flows, list):
            self.state = self.state._replace(flows=self._in_order(flows, more=more))

    def _in_order(self, flows: Any, *, more: bool) -> Any:
        """The flows by their first packets, without the records that are free; in an array where there is `more`."""
        counters = self.state.counters
        serials = flows[SERIAL_NUMBER : counters[FLOWS_TOP] : FLOW_WIDTH].tolist()
        order = sorted([place for place, serial in enumerate(serials) if serial >= 0], key=serials.__getitem__)
        keeps = not more and counters[FLOWS_TOP] >= _WORTH_KEEPING
        if keeps and len(order) == len(serials) and order == sorted(order):
            return flows[: counters[FLOWS_TOP]]
        used = array("q")
        whole = memoryview(flows).cast("B")
        width = FLOW_WIDTH * 8
        begin = 0
        for number, (place, following) in enumerate(zip(order, chain(order[1:], (-1,)), strict=False), 1):
            if following != place + 1:  # what stands together goes together
                used.frombytes(whole[order[begin] * width : (place + 1) * width])
                begin = number
        counters[FLOWS_TOP] = len(used)
        carriers = used[CARRIER::FLOW_WIDTH]
        if any(carriers):
            now = {place: number for number, place in enumerate(order)}
            for number, carrier in enumerate(carriers):
                if carrier:
                    used[number * FLOW_WIDTH + CARRIER] = now[(carrier - 1) // FLOW_WIDTH] * FLOW_WIDTH + 1
        return used

    @property
    def streams(self) -> tuple[Any, int]:
        """The stream records, and what to take off their places: for those who look at very many."""
        return (self.state.numbers, 0) if self._streams is None else (self._streams, STREAMS_AT)

    def stream(self, at: int) -> list[int]:
        """The stream record at `at`."""
        if self._streams is None:
            return self.state.numbers[at : at + STREAM_WIDTH].tolist()
        at -= STREAMS_AT
        return self._streams[at : at + STREAM_WIDTH].tolist()

    def record(self, at: int) -> list[int]:
        """The call or context record at `at`."""
        return self.state.numbers[at : at + WAITING_WIDTH].tolist()

    @property
    def compiled(self) -> bool:
        return self._machine is not None

    def adopt(self, machine: Machine) -> None:
        """Go on with the compiled pass where the interpreted one has come to."""
        values = array("q")
        for key, value in self.state.table.items():
            point = int.from_bytes(key[12 if len(key) in (12, 20) else 36 :], "little")
            home = self.state.flows[(value >> 1) + KEY + 5] >> 1 == point
            values.append(value if home else -2 - value)
        self._machine = machine
        flows = numbers(FLOW_WIDTH * (self._max + RESERVE))
        flows[: len(self.state.flows)] = array("q", self.state.flows)
        self.state = self.state._replace(counters=array("q", self.state.counters), flows=flows)
        new = _table(self.state.counters[FLOWS_END] // FLOW_WIDTH)
        machine.call(FILL_TABLE, 0, 0, None, self.state._replace(table=values), new)
        self.state = self.state._replace(table=new)

    def walk(self, b: bytearray | bytes, at: int, count: int) -> int:
        """Take the records of `b[at:count]` up to where more bytes, the caller or a pause is needed: see WHY."""
        counters = self.state.counters
        while counters[FREE] < 0 and counters[FLOWS_TOP] >= counters[FLOWS_END]:
            self._make_room()
        if self._machine:
            return self._machine.call(WALK, at, count, b, self.state)
        return records.walk(self.state, b, at, count)

    def close(self, at: int) -> int:
        """The end of the capture, for the flows from offset `at` on; returns where to go on after a pause."""
        end = self.state.counters[FLOWS_TOP]
        if self._machine:
            return self._machine.call(CLOSE, at, end, None, self.state)
        return records.close_streams(self.state, at, end)

    @property
    def end(self) -> int:
        """Offset behind the last flow."""
        return self.state.counters[FLOWS_TOP]

    def single(
        self, b: bytearray | bytes, at: int, end: int, *, wire: int, link: int, number: int, ns: int, point: int
    ) -> None:
        """Take the packet `b[at:end]` that stands in no record that the pass reads itself."""
        counters = self.state.counters
        form = counters[FORMAT]
        counters[FORMAT], counters[CLAIMED], counters[SINGLE_LINK] = SINGLE, wire, link
        counters[SINGLE_NUMBER], counters[SINGLE_NS], counters[SINGLE_POINT] = number, ns, point
        self.walk(b, at, end)
        counters[FORMAT] = form

    @property
    def full(self) -> bool:
        """Whether the events have to be taken away before anything else."""
        return self.state.counters[STOP] != 0

    @property
    def why(self) -> int:
        return self.state.counters[WHY]

    def drained(self) -> tuple[list[int], Any]:
        """The events so far, flat, and the arena that they point into; both are valid until the next walk."""
        counters = self.state.counters
        events = self.state.numbers[EVENTS_AT : counters[EVENTS]].tolist()
        counters[EVENTS], counters[HELD] = EVENTS_AT, ARENA_AT
        counters[STOP] = 0
        return events, self.state.store

    def _make_room(self) -> None:
        """For new flows: those that ended and do not matter are folded, then the array grows, then the oldest go."""
        flows = self.state.flows
        size = self.state.counters[FLOWS_END]
        gone = self._done_with()
        if len(gone) * FLOW_WIDTH * WORTH_FOLDING >= size:
            self.folded += len(gone)
        elif size < self._max * FLOW_WIDTH:
            more = min(size, self._max * FLOW_WIDTH - size)
            if isinstance(flows, list):
                flows.extend([0] * more)
            self.state.counters[FLOWS_END] = size + more
            self._renew_table()
            return
        else:
            self.folded += len(gone)
            wanted = max(1, self._max // 4) - len(gone)
            if wanted > 0:
                gone += self._oldest(wanted, set(gone))
        self._free(gone)

    def _done_with(self) -> list[int]:
        """Flows that ended and do not matter."""
        found = array("q", bytes(8 * (self.end // FLOW_WIDTH)))
        if self._machine:
            count = self._machine.call(DONE_WITH, 0, 0, None, self.state, found)
        else:
            count = done_with(self.state, found)
        return found[:count].tolist()

    def _oldest(self, count: int, spared: set[int]) -> list[int]:
        flows = self.state.flows
        known = worth(flows, self.end)
        order = sorted(known.keys() - spared, key=lambda o: (known[o], flows[o + SERIAL_NUMBER]))[:count]
        return self._given_up(order)

    def let_go(self) -> None:
        """For a capture without an end: of what a diagnosis looks at, a share of all that there is room for is kept."""
        serial, most = self.state.counters[SERIAL], max(1, self._max // FOLLOWED_SHARE)
        if serial - self._looked_at < most // 8:
            return
        self._looked_at = serial
        gone = outdated(self.state.flows, self.end, most)
        if gone:
            self._free(self._given_up(gone))

    def _given_up(self, order: list[int]) -> list[int]:
        """These, and the pipes of those that are SMB sessions."""
        flows, gone = self.state.flows, set(order)
        order += [
            o
            for o in range(0, self.end, FLOW_WIDTH)
            if flows[o + SERIAL_NUMBER] >= 0 and flows[o + CARRIER] and o not in gone and flows[o + CARRIER] - 1 in gone
        ]
        self.evicted += len(order)
        return order

    def _free(self, gone: list[int]) -> None:
        """Give the records back; packets that still come for them open new ones."""
        flows = self.state.flows
        if self.on_gone is not None:
            self.on_gone({flows[o + SERIAL_NUMBER] for o in gone})
        order = array("q", sorted(gone, reverse=True))
        if self._machine:
            self._machine.call(GIVE_UP, len(order), 0, None, self.state, order)
        else:
            free_flows(self.state, order, len(order))
        self._renew_table()

    def _renew_table(self) -> None:
        """A table without the flows that went, and with room for those to come."""
        flows, table = self.state.flows, self.state.table
        if self._machine:
            new = _table(self.state.counters[FLOWS_END] // FLOW_WIDTH)
            for at in range(0, len(table) - 1, _PIECE):  # piece by piece, so that both together take no more than one
                self._machine.call(
                    COPY_TABLE, 0, 0, None, self.state._replace(table=table[at : min(at + _PIECE, len(table) - 1)]), new
                )
                _release(table, at)
            self.state = self.state._replace(table=new)
        else:
            for key in [key for key, value in table.items() if flows[(value >> 1) + SERIAL_NUMBER] < 0]:
                del table[key]


def _table(flows: int) -> Any:
    """A hash table for so many flows, and those beyond: two slots each, three at most; and the seed behind them."""
    slots = 1 << (4 * (flows + RESERVE) - 1).bit_length()
    table = numbers(slots + 1)
    table[slots] = _SEED
    return table
