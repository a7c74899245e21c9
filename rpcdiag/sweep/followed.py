"""Stream records: made when a conversation matters, given back when it turns out not to."""

from typing import Any

from rpcdiag.sweep.calls import forget_calls
from rpcdiag.sweep.columns import (
    BASE,
    CALLS,
    CARRIER,
    CLIENT,
    CONTEXTS,
    FIN_PACKET,
    FLOW_WIDTH,
    FLOWS_END,
    FLOWS_TOP,
    FREE,
    FREE_STREAM,
    FREE_WAITING,
    GAP_NS,
    ISN,
    LAST_DATA_SIDE,
    MATTERS,
    NEXT,
    NEXT_FREE,
    NEXT_STREAM,
    NO,
    ORPHANS,
    OWNER,
    PIPE_COUNT,
    RESET_PACKET,
    SERIAL,
    SERIAL_NUMBER,
    SIDE_WIDTH,
    SMB,
    STEPS,
    STOP,
    STREAM,
    STREAM_WIDTH,
    STREAMS_TOP,
    TAIL,
    TICKETS,
    TTL,
    W_CAPTURED,
    W_NEXT,
    W_SLOT,
    WAITING,
    WAITING_BYTES,
    WAITING_COUNT,
    State,
)
from rpcdiag.sweep.rts import forget_channel
from rpcdiag.sweep.slots import drop_tail, give_slot


def new_flow(s: State, spare: int) -> int:
    """A record for a conversation, empty but for its serial number; -1 where there is none."""
    counters, flows = s.counters, s.flows
    o = counters[FREE]
    if o >= 0:
        counters[FREE] = flows[o + NEXT_FREE]
        for place in range(o, o + FLOW_WIDTH):
            flows[place] = 0
    else:
        o = counters[FLOWS_TOP]
        if o >= counters[FLOWS_END] + spare * FLOW_WIDTH:
            return -1
        counters[FLOWS_TOP] = o + FLOW_WIDTH
    if counters[FREE] < 0 and counters[FLOWS_TOP] >= counters[FLOWS_END]:
        counters[STOP] = 1  # room is made before the next packet
    flows[o + SERIAL_NUMBER] = counters[SERIAL]
    counters[SERIAL] += 1
    flows[o + CLIENT] = -1
    flows[o + ISN] = flows[o + ISN + 1] = -1
    flows[o + NEXT] = flows[o + NEXT + 1] = -1
    flows[o + TTL] = flows[o + TTL + 1] = -1
    flows[o + LAST_DATA_SIDE] = -1
    flows[o + STREAM] = -1
    return o


def open_stream(s: State, o: int) -> int:
    """The stream record of the flow at `o`, made when there is none."""
    g = s.flows[o + STREAM]
    if g >= 0:
        return g
    streams = s.numbers
    g = s.counters[FREE_STREAM]
    if g >= 0:
        s.counters[FREE_STREAM] = streams[g + NEXT_STREAM]
    else:
        g = s.counters[STREAMS_TOP]
        s.counters[STREAMS_TOP] = g + STREAM_WIDTH
    for place in range(STREAM_WIDTH):
        streams[g + place] = 0
    for side in range(g, g + 2 * SIDE_WIDTH, SIDE_WIDTH):
        streams[side + BASE] = -1
        streams[side + WAITING] = -1
        streams[side + TAIL] = -1
        streams[side + GAP_NS] = -1
    streams[g + OWNER] = o
    streams[g + CALLS] = streams[g + ORPHANS] = streams[g + CONTEXTS] = streams[g + STEPS] = -1
    s.flows[o + STREAM] = g
    return g


def drop_stream(s: State, o: int) -> None:
    """The flow at `o` turned out not to matter."""
    g = s.flows[o + STREAM]
    if g < 0:
        return
    streams = s.numbers
    for side in range(g, g + 2 * SIDE_WIDTH, SIDE_WIDTH):
        drop_tail(s, side)
        while streams[side + WAITING] >= 0:
            give_slot(s, s.numbers[unqueue(s, side) + W_SLOT])
    forget_calls(s, g)
    forget_channel(s, g)
    streams[g + NEXT_STREAM] = s.counters[FREE_STREAM]
    s.counters[FREE_STREAM] = g
    s.flows[o + STREAM] = -1


def free_flows(s: State, gone: Any, count: int) -> None:
    """The records of the flows at these offsets are free from now on; the last of them is taken first."""
    flows, counters = s.flows, s.counters
    for place in range(count):
        o = gone[place]
        drop_stream(s, o)
        flows[o + SERIAL_NUMBER] = -1
        flows[o + NEXT_FREE] = counters[FREE]
        counters[FREE] = o


def done_with(s: State, found: Any) -> int:
    """How many flows ended and do not matter; their offsets are put into `found`."""
    flows, count = s.flows, 0
    for o in range(0, s.counters[FLOWS_TOP], FLOW_WIDTH):
        matters = flows[o + MATTERS]
        if matters != NO and matters != SMB and matters != TICKETS:
            continue
        if flows[o + SERIAL_NUMBER] < 0 or flows[o + CARRIER] != 0:
            continue
        if flows[o + RESET_PACKET] == 0 and (flows[o + FIN_PACKET] == 0 or flows[o + FIN_PACKET + 1] == 0):
            continue
        if matters != NO and flows[o + STREAM] >= 0 and s.numbers[flows[o + STREAM] + PIPE_COUNT] != 0:
            continue
        found[count] = o
        count += 1
    return count


def unqueue(s: State, side: int) -> int:
    """Take the first waiting segment out; its record stays readable until the next is queued."""
    streams, waiting = s.numbers, s.numbers
    entry = streams[side + WAITING]
    streams[side + WAITING] = waiting[entry + W_NEXT]
    streams[side + WAITING_COUNT] -= 1
    streams[side + WAITING_BYTES] -= waiting[entry + W_CAPTURED]
    waiting[entry + W_NEXT] = s.counters[FREE_WAITING]
    s.counters[FREE_WAITING] = entry
    return entry
