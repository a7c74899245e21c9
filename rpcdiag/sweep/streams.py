"""One direction of a TCP connection, put back in order. [RFC9293] 3.4

Overlaps: the byte that was recorded first stays. A gap is a fact: it is handed on when waiting for its bytes makes
no more sense. Nothing is allocated for bytes that are not there.
"""

from typing import Any

from rpcdiag.sweep.carried import carried, carried_end, carried_hole
from rpcdiag.sweep.columns import (
    ARENA,
    ARENA_AT,
    BASE,
    EVENT_WIDTH,
    EVENTS,
    EVENTS_AT,
    EXPIRED_NS,
    HELD,
    ISN,
    MATTERS,
    MAX_BEFORE_FIRST,
    MAX_EVENTS,
    MAX_SEGMENT,
    MAX_WAITING,
    MAX_WAITING_BYTES,
    MODE,
    NO_ROOM,
    OWNER,
    PATIENCE_NS,
    PDU_MODE,
    POSITION,
    SIDE_WIDTH,
    STREAM_WIDTH,
    STREAMS_AT,
    STREAMS_TOP,
    UNDECIDED,
    W_CAPTURED,
    W_LENGTH,
    W_NEXT,
    W_NS,
    W_PACKET,
    W_SLOT,
    W_START,
    WAITING,
    WAITING_BYTES,
    WAITING_COUNT,
    State,
)
from rpcdiag.sweep.followed import drop_stream, open_stream, unqueue
from rpcdiag.sweep.framing import end_of_stream, feed, hole
from rpcdiag.sweep.pool import new_record
from rpcdiag.sweep.primitives import copy
from rpcdiag.sweep.slots import give_slot, take_slot


def signed(difference: int) -> int:
    """The difference of two sequence numbers, which count modulo 2^32."""
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def take_segment(
    s: State, o: int, number: int, b: Any, at: int, captured: int, length: int, sequence: int, isn: int, packet: int, ns: int
) -> None:  # fmt: skip
    """Take `captured` bytes of a segment of `length`, sent by side `number`; `isn` is that of the stream or -1."""
    g = open_stream(s, o)
    side = g + number * SIDE_WIDTH
    streams = s.numbers
    if streams[side + BASE] < 0:
        base = sequence if isn < 0 else (isn + 1) & 0xFFFFFFFF
        if signed(sequence - base) < 0:
            base = sequence
        streams[side + BASE] = base
    position = streams[side + POSITION]
    start = position + signed(sequence - (streams[side + BASE] + position))
    first = streams[side + WAITING]
    if first >= 0 and ns - s.numbers[first + W_NS] > PATIENCE_NS:
        give_up(s, g, side, ns)
        position = streams[side + POSITION]
    if start > position:
        queue(s, g, side, b, at, captured, length, start, packet, ns)
        while streams[side + WAITING_COUNT] > MAX_WAITING or streams[side + WAITING_BYTES] > MAX_WAITING_BYTES:
            give_up(s, g, side, ns)
        return
    hand_on(s, g, side, b, at, captured, length, start, packet, ns)
    if streams[side + WAITING] >= 0:
        ready(s, g, side)


def hand_on(
    s: State, g: int, side: int, b: Any, at: int, captured: int, length: int, start: int, packet: int, ns: int
) -> None:
    """What is new in a segment goes on; what the capture cut off it is a gap."""
    streams = s.numbers
    known = streams[side + POSITION] - start
    if known >= length:
        return
    if known < 0:
        known = 0
    if captured > known:
        if streams[g + MODE] == PDU_MODE:
            feed(s, g, side, b, at + known, captured - known, packet, ns)
        else:
            carried(s, g, side, b, at + known, captured - known, packet, ns)
    cut = start + length - streams[side + POSITION]
    if cut > 0:
        gap(s, g, side, cut, ns)


def gap(s: State, g: int, side: int, length: int, ns: int) -> None:
    """The next bytes of the stream are not in the capture."""
    if s.numbers[g + MODE] == PDU_MODE:
        hole(s, g, side, length, ns)
    else:
        carried_hole(s, g, side, length, ns)


def queue(
    s: State, g: int, side: int, b: Any, at: int, captured: int, length: int, start: int, packet: int, ns: int
) -> None:
    """The segment waits for the bytes before it."""
    if wait(s, side, b, at, captured, length, start, packet, ns):
        return
    # no room: what waits already is handed on behind its gap, and this segment behind another
    streams = s.numbers
    s.counters[NO_ROOM] += 1
    while streams[side + WAITING] >= 0:
        give_up(s, g, side, ns)
    missing = start - streams[side + POSITION]
    if missing > 0:
        gap(s, g, side, missing, ns)
    hand_on(s, g, side, b, at, captured, length, start, packet, ns)


def wait_for_first(
    s: State, o: int, number: int, b: Any, at: int, captured: int, length: int, sequence: int, packet: int, ns: int
) -> bool:
    """A segment of side `number` overtook the first one, which alone tells what is spoken: whether it waits for that."""
    isn = s.flows[o + ISN + number]
    if isn < 0:
        return False
    start = signed(sequence - isn - 1)
    if start <= 0 or start > MAX_SEGMENT:
        return False
    side = open_stream(s, o) + number * SIDE_WIDTH
    streams = s.numbers
    streams[side + BASE] = (isn + 1) & 0xFFFFFFFF
    if streams[side + WAITING_COUNT] >= MAX_BEFORE_FIRST:
        return False
    return wait(s, side, b, at, min(captured, MAX_SEGMENT), length, start, packet, ns)


def wait(
    s: State, side: int, b: Any, at: int, captured: int, length: int, start: int, packet: int, ns: int
) -> bool:  # fmt: skip
    """Put the segment among those that wait; false where there is no room for it."""
    counters, streams, waiting = s.counters, s.numbers, s.numbers
    slot = take_slot(s, captured)
    if slot < 0 and ns - counters[EXPIRED_NS] > PATIENCE_NS:
        expire(s, ns)
        slot = take_slot(s, captured)
    entry = new_record(s) if slot >= 0 else -1
    if entry < 0:
        if slot >= 0:
            give_slot(s, slot)
        return False
    waiting[entry + W_START] = start
    waiting[entry + W_SLOT] = slot
    waiting[entry + W_CAPTURED] = captured
    waiting[entry + W_LENGTH] = length
    waiting[entry + W_PACKET] = packet
    waiting[entry + W_NS] = ns
    copy(s.store, slot, b, at, captured)
    before = -1
    after = streams[side + WAITING]
    while after >= 0 and waiting[after + W_START] <= start:
        before = after
        after = waiting[after + W_NEXT]
    waiting[entry + W_NEXT] = after
    if before < 0:
        streams[side + WAITING] = entry
    else:
        waiting[before + W_NEXT] = entry
    streams[side + WAITING_COUNT] += 1
    streams[side + WAITING_BYTES] += captured
    return True


def expire(s: State, ns: int) -> None:
    """Give up waiting wherever it has lasted too long: connections that ended with a gap keep their slots until then."""
    counters, streams, waiting = s.counters, s.numbers, s.numbers
    counters[EXPIRED_NS] = ns
    for g in range(STREAMS_AT, counters[STREAMS_TOP], STREAM_WIDTH):
        for side in range(g, g + 2 * SIDE_WIDTH, SIDE_WIDTH):
            while streams[side + WAITING] >= 0 and ns - waiting[streams[side + WAITING] + W_NS] > PATIENCE_NS:
                if (
                    counters[EVENTS] > EVENTS_AT + EVENT_WIDTH * MAX_EVENTS // 2
                    or counters[HELD] > ARENA_AT + ARENA // 2
                ):
                    return
                if s.flows[streams[g + OWNER] + MATTERS] == UNDECIDED:
                    drop_stream(s, streams[g + OWNER])
                else:
                    give_up(s, g, side, ns)


def give_up(s: State, g: int, side: int, ns: int) -> None:
    """Hand on the gap before the first waiting segment, and what follows it."""
    missing = s.numbers[s.numbers[side + WAITING] + W_START] - s.numbers[side + POSITION]
    if missing > 0:
        gap(s, g, side, missing, ns)
    ready(s, g, side)


def ready(s: State, g: int, side: int) -> None:
    """Hand on the waiting segments that the stream has reached."""
    streams, waiting = s.numbers, s.numbers
    while True:
        entry = streams[side + WAITING]
        if entry < 0 or waiting[entry + W_START] > streams[side + POSITION]:
            return
        unqueue(s, side)
        slot = waiting[entry + W_SLOT]
        captured, length, start = waiting[entry + W_CAPTURED], waiting[entry + W_LENGTH], waiting[entry + W_START]
        packet, ns = waiting[entry + W_PACKET], waiting[entry + W_NS]
        hand_on(s, g, side, s.store, slot, captured, length, start, packet, ns)
        give_slot(s, slot)


def close_stream(s: State, g: int) -> None:
    """The end of the capture: what waits is handed on behind its gaps, and unfinished PDUs as far as they go."""
    streams, waiting = s.numbers, s.numbers
    if s.flows[streams[g + OWNER] + MATTERS] == UNDECIDED:
        drop_stream(s, streams[g + OWNER])  # the first segment, which tells what is spoken, never came
        return
    for side in range(g, g + 2 * SIDE_WIDTH, SIDE_WIDTH):
        while streams[side + WAITING] >= 0:
            first = streams[side + WAITING]
            give_up(s, g, side, waiting[first + W_NS])
    for side in range(g, g + 2 * SIDE_WIDTH, SIDE_WIDTH):
        if streams[g + MODE] == PDU_MODE:
            end_of_stream(s, g, side)
        else:
            carried_end(s, side)
