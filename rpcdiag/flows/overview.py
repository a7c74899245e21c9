"""All flows of a capture at once: for questions about very many of them.

Whole columns are cut out of the records and gone through together. For each flow that costs a tenth of what looking
its numbers up one by one does.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from operator import add
from typing import NamedTuple

from rpcdiag.flows.tcp import LEAST_PROBES
from rpcdiag.sweep.columns import (
    BY_SYN,
    BYTES_SKIPPED,
    CALL_COUNT,
    CARRIER,
    CLIENT,
    CLIENT_HOW,
    DIRECT,
    END_NS,
    FAULTS,
    FLOW_WIDTH,
    ICMP_ERRORS,
    KEY,
    MATTERS,
    MISSING,
    NODE,
    ORPC_CALLS,
    ORPHAN_ANSWERS,
    POSITION,
    PROBES,
    REPEATS,
    REQUESTS,
    RESET_PACKET,
    RESET_SIDE,
    S_NS,
    SERIAL_NUMBER,
    SIDE_WIDTH,
    SILENCE_NS,
    START_NS,
    STEPS,
    STREAM,
    STREAM_WIDTH,
    STREAMS_AT,
    STREAMS_TOP,
    SYN_ACK_PACKET,
    SYN_COUNT,
    W_NEXT,
    YES,
)
from rpcdiag.sweep.engine import Sweep

QUIET_NS = 30_000_000_000  # a silence that no rule looks at
_CONDITIONS = (
    CARRIER, MATTERS, CLIENT, CLIENT_HOW, SYN_COUNT, SYN_ACK_PACKET, ICMP_ERRORS, RESET_PACKET, RESET_SIDE,
    REPEATS, REPEATS + 1, PROBES, SILENCE_NS,
)  # fmt: skip
_ODD = (  # columns of a stream record that are zero where nothing was said of it that was said of no other
    DIRECT, CALL_COUNT, ORPHAN_ANSWERS, FAULTS, ORPC_CALLS, MISSING, MISSING + SIDE_WIDTH, BYTES_SKIPPED,
    BYTES_SKIPPED + SIDE_WIDTH,
)  # fmt: skip


class Ends(NamedTuple):
    """The ends of a flow without its client's port; addresses as records hold them."""

    pair: tuple[int, ...]  # client, server, point and family
    port: int

    @property
    def server(self) -> tuple[int, int]:
        return self.pair[2], self.pair[3]


class Outline(NamedTuple):
    """Flows that are told apart by their clients' ports only: whether TCP went well, and the node of their steps.

    The node is -1 where something was said of a flow that was said of no other.
    """

    ends: Ends
    well: bool
    node: int
    members: list[int]  # places, ascending


class Sums(NamedTuple):
    """What is left of flows that are only counted."""

    first_ns: int
    last_ns: int
    requests: int
    stream_bytes: int


class Overview:
    """The flows of a capture by place: the number of a flow in the order of first packets.

    `records` has their offsets in that order, as a range where they stand in it.
    """

    def __init__(self, sweep: Sweep, records: Sequence[int]) -> None:
        self.records = records
        self._sweep = sweep
        self._in_order = isinstance(records, range)

    def column(self, field: int) -> Sequence[int]:
        """One number of every flow."""
        column: Sequence[int] = self._sweep.state.flows[field : self._sweep.end : FLOW_WIDTH]
        return column if self._in_order else array("q", map(column.__getitem__, self._places))

    @cached_property
    def _places(self) -> "array[int]":
        """Where the records stand in a column; lists of so many numbers would take four times the room."""
        return array("q", [o // FLOW_WIDTH for o in self.records])

    def streams(self, field: int) -> list[int]:
        """One number of every flow's stream record; -1 where it has none."""
        return self._of_streams(self._stream_column(field))

    def serial(self, place: int) -> int:
        """The flow's number in the capture."""
        serial: int = self._sweep.state.flows[self.records[place] + SERIAL_NUMBER]
        return serial

    def _stream_column(self, field: int) -> Sequence[int]:
        """One number of every stream record."""
        streams, shift = self._sweep.streams
        end = self._sweep.state.counters[STREAMS_TOP] - shift
        column: Sequence[int] = streams[STREAMS_AT - shift + field : end : STREAM_WIDTH]
        return column

    def _of_streams(self, column: Sequence[int]) -> list[int]:
        """What the flows' stream records have in `column`; -1 where a flow has none."""
        return [column[(g - STREAMS_AT) // STREAM_WIDTH] if g >= 0 else -1 for g in self.column(STREAM)]

    def outlines(self) -> list[Outline]:
        """Flows that matter or failed to open, those that are alike together, in the order of their first members.

        Pipes are none of them: they are looked at one by one.
        """
        columns = map(self.column, (*range(KEY, KEY + 6), *_CONDITIONS))
        alike: dict[tuple[int, ...], list[int]] = {}
        for place, (
            high, low, far_high, far_low, ports, point, carrier, matters, client, how, asked, answered, icmp, reset,
            resetter, repeats, others, probes, silence, node,
        ) in enumerate(zip(*columns, self._nodes(), strict=True)):  # fmt: skip
            if carrier or client < 0 or (matters != YES and (answered or not asked)):
                continue
            well = (
                matters == YES
                and how == BY_SYN
                and answered > 0
                and (not reset or (resetter == client and reset > answered))  # that closes without ceremony
                and not icmp
                and repeats + others < 2
                and probes < LEAST_PROBES << 1
                and silence < QUIET_NS
            )
            last = node if well else -1
            if client:
                key = far_high, far_low, high, low, point, ports >> 16, well, last
            else:
                key = high, low, far_high, far_low, point, ports & 0xFFFF, well, last
            try:
                alike[key].append(place)
            except KeyError:
                alike[key] = [place]
        return [Outline(Ends(key[:5], key[5]), bool(key[6]), key[7], members) for key, members in alike.items()]

    def _nodes(self) -> list[int]:
        """Where the steps of each flow ended; -1 where it has none, or something was said of it besides."""
        odd = map(any, zip(*map(self._stream_column, _ODD), strict=True))
        nodes = [-1 if said else node for said, node in zip(odd, self._stream_column(NODE), strict=True)]
        return self._of_streams(nodes)

    def times(self, step: int, places: Iterable[int]) -> Iterator[int]:
        """When each of the flows took that step, from 0; all of them went so far."""
        records, firsts = self._sweep.state.numbers, self._steps
        for place in places:
            at = firsts[place]
            for _ in range(step):
                at = records[at + W_NEXT]
            yield records[at + S_NS]

    @cached_property
    def _steps(self) -> list[int]:
        """The record of the first step of every flow."""
        return self.streams(STEPS)

    @cached_property
    def _summed(self) -> tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]]:
        """When every flow began and ended, its requests, and the bytes that both sides of its stream handed on."""
        sides = self._stream_column(POSITION), self._stream_column(POSITION + SIDE_WIDTH)
        carried = self._of_streams(list(map(add, *sides)))
        return self.column(START_NS), self.column(END_NS), self.streams(REQUESTS), carried

    def sums(self, places: Sequence[int]) -> Sums:
        """What is kept of flows that were followed; there is at least one."""
        starts, ends, requests, carried = self._summed
        return Sums(
            min(map(starts.__getitem__, places)),
            max(map(ends.__getitem__, places)),
            sum(map(requests.__getitem__, places)),
            sum(map(carried.__getitem__, places)),
        )
