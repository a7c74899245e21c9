"""The state of one TCP conversation while its packets go by.

Sides are 0 for whoever sent the first packet seen and 1 for the other; who is the client is decided last.
"""

from typing import Any

from rpcdiag.sweep.columns import (
    ACK,
    ACKNOWLEDGED,
    BY_SYN,
    BYTES,
    CLIENT,
    CLIENT_HOW,
    COMPLETED,
    END_NS,
    EV_REPEAT,
    EV_SYN,
    EVENT_WIDTH,
    EVENTS,
    FIN,
    FIN_PACKET,
    FIRST_PACKET,
    FIRST_REPEATED,
    FLOW_WIDTH,
    FLOWS_END,
    FLOWS_TOP,
    FREE,
    ISN,
    KEY,
    LARGEST,
    LAST_DATA_NS,
    LAST_DATA_PACKET,
    LAST_DATA_SIDE,
    LAST_PACKET,
    LAST_SYN_ID,
    LAST_SYN_NS,
    MATTERS,
    MAX_REPEATS,
    MAX_SYNS,
    NEXT,
    NEXT_FREE,
    PACKETS,
    POINT_ID,
    POINT_WIDTH,
    POINTS,
    POINTS_AT,
    QUIET,
    REPEATED,
    REPEATS,
    RESET_NS,
    RESET_PACKET,
    RESET_SIDE,
    RESET_TTL,
    RST,
    SERIAL,
    SERIAL_NUMBER,
    SILENCE_AFTER,
    SILENCE_BEFORE,
    SILENCE_NS,
    START_NS,
    STOP,
    STREAM,
    SYN,
    SYN_ACK_NS,
    SYN_ACK_PACKET,
    SYN_COUNT,
    SYN_ID,
    SYN_KEPT,
    SYN_NS,
    SYN_PACKET,
    SYN_TTL,
    TTL,
    UNACKNOWLEDGED,
    YES,
    State,
)
from rpcdiag.sweep.primitives import alias, enter, find_turned, i64, u16_pair, u32
from rpcdiag.sweep.streams import signed

COPY_NS = 5_000_000  # a packet recorded twice comes twice within this
NEW_CONNECTION_NS = 1_000_000_000


def at_syn(
    s: State, b: Any, known: int, key: Any, source: int, size: int, transport: int, point: int, flags: int, sequence: int,
    acknowledged: int, ns: int,
) -> int:  # fmt: skip
    """Where a packet without a conversation, or with a SYN, belongs: a new SYN reuses the ports."""
    flows = s.flows
    if known >= 0:
        o, side = known >> 1, known & 1
        isn = flows[o + ISN + side]
        if isn == sequence or isn < 0 or flags & ACK != 0:
            following = flows[o + NEXT + side]
            started = isn < 0 and flags & ACK == 0 and following >= 0 and following != sequence + 1
            if not (started and ns - flows[o + END_NS] > NEW_CONNECTION_NS):
                return known
    elif flags & SYN != 0 and flags & ACK != 0 and s.counters[POINTS] > 1:
        other = answered_elsewhere(s, b, key, size, acknowledged)
        if other >= 0:
            alias(s.table, flows, b, key, size, point, other)
            return other
    return open_flow(s, b, key, source, size, transport, point)


def answered_elsewhere(s: State, b: Any, key: Any, size: int, acknowledged: int) -> int:
    """The half of this conversation that another capture point recorded: a tap per direction."""
    flows = s.flows
    counters = s.counters
    for place in range(POINTS_AT, POINTS_AT + counters[POINTS] * POINT_WIDTH, POINT_WIDTH):
        found = find_turned(s.table, flows, b, key, size, counters[place + POINT_ID])
        if found >= 0 and found & 1 == 0:
            o = found >> 1
            isn = flows[o + ISN]
            if flows[o + SYN_COUNT] > 0 and flows[o + PACKETS + 1] == 0 and isn >= 0 and isn + 1 == acknowledged:
                return found + 1
    return -1


def open_flow(s: State, b: Any, key: Any, source: int, size: int, transport: int, point: int) -> int:
    """A new record; its side 0 is the sender of this packet."""
    counters, flows = s.counters, s.flows
    o = counters[FREE]
    if o >= 0:
        counters[FREE] = flows[o + NEXT_FREE]
        for place in range(o, o + FLOW_WIDTH):
            flows[place] = 0
    else:
        o = counters[FLOWS_TOP]
        counters[FLOWS_TOP] = o + FLOW_WIDTH
    if counters[FREE] < 0 and counters[FLOWS_TOP] == counters[FLOWS_END]:
        counters[STOP] = 1
    sport, dport = u16_pair(b, transport)
    if size == 4:
        flows[o + KEY + 1] = u32(b, source)[0]
        flows[o + KEY + 3] = u32(b, source + 4)[0]
    else:
        flows[o + KEY] = i64(b, source)[0]
        flows[o + KEY + 1] = i64(b, source + 8)[0]
        flows[o + KEY + 2] = i64(b, source + 16)[0]
        flows[o + KEY + 3] = i64(b, source + 24)[0]
    flows[o + KEY + 4] = sport << 16 | dport
    flows[o + KEY + 5] = point << 1 | (1 if size == 16 else 0)
    flows[o + SERIAL_NUMBER] = counters[SERIAL]
    counters[SERIAL] += 1
    flows[o + CLIENT] = -1
    flows[o + ISN] = flows[o + ISN + 1] = -1
    flows[o + NEXT] = flows[o + NEXT + 1] = -1
    flows[o + TTL] = flows[o + TTL + 1] = -1
    flows[o + SILENCE_NS] = -1
    flows[o + LAST_DATA_SIDE] = -1
    flows[o + STREAM] = -1
    if sport == 135 or dport == 135 or sport == 593 or dport == 593:
        flows[o + MATTERS] = YES
    enter(s.table, flows, b, key, size, point, o)
    return 2 * o


def take_packet(
    s: State, o: int, side: int, number: int, ns: int, flags: int, sequence: int, acknowledged: int, length: int, ttl: int,
    ip_id: int,
) -> None:  # fmt: skip
    """Take one packet of `side` with `length` bytes of payload on the wire."""
    flows = s.flows
    quiet = 0
    if flows[o + FIRST_PACKET] == 0:
        flows[o + FIRST_PACKET] = number
        flows[o + START_NS] = flows[o + END_NS] = ns
    else:
        before = flows[o + END_NS]
        if ns > before:
            quiet = ns - before
            flows[o + END_NS] = ns
        if quiet > flows[o + SILENCE_NS]:
            flows[o + SILENCE_NS] = quiet
            flows[o + SILENCE_AFTER] = flows[o + LAST_PACKET]
            flows[o + SILENCE_BEFORE] = number
    flows[o + LAST_PACKET] = number
    flows[o + PACKETS + side] += 1
    if flags & 6 != 0:
        if flags & RST != 0:
            if flows[o + RESET_PACKET] == 0:
                flows[o + RESET_PACKET] = number
                flows[o + RESET_NS] = ns
                flows[o + RESET_SIDE] = side
                flows[o + RESET_TTL] = ttl
            return
        if flows[o + TTL + side] < 0:
            flows[o + TTL + side] = ttl
        take_syn(s, o, side, number, ns, flags, sequence, acknowledged, ttl, ip_id)
        return
    if flows[o + TTL + side] < 0:
        flows[o + TTL + side] = ttl
    other = 1 - side
    if flags & ACK != 0:
        if flows[o + COMPLETED] == 0 and flows[o + CLIENT_HOW] == BY_SYN and flows[o + CLIENT] == side:
            if flows[o + SYN_KEPT] > 0:
                flows[o + COMPLETED] = 1
        if flows[o + UNACKNOWLEDGED + other] != 0 and signed(acknowledged - flows[o + NEXT + other]) >= 0:
            flows[o + UNACKNOWLEDGED + other] = 0
            flows[o + REPEATS + other] = 0
            if flows[o + LARGEST + other] > flows[o + ACKNOWLEDGED + other]:
                flows[o + ACKNOWLEDGED + other] = flows[o + LARGEST + other]
            flows[o + LARGEST + other] = 0
    if length > 0:
        take_data(s, o, side, number, ns, sequence, length, quiet)
    if flags & FIN != 0 and flows[o + FIN_PACKET + side] == 0:
        flows[o + FIN_PACKET + side] = number


def take_syn(
    s: State,
    o: int,
    side: int,
    number: int,
    ns: int,
    flags: int,
    sequence: int,
    acknowledged: int,
    ttl: int,
    ip_id: int,
) -> None:
    flows = s.flows
    flows[o + ISN + side] = sequence
    if flags & ACK != 0:
        if flows[o + SYN_ACK_PACKET] == 0:
            flows[o + SYN_ACK_PACKET] = number
            flows[o + SYN_ACK_NS] = ns
        flows[o + CLIENT] = 1 - side
        flows[o + CLIENT_HOW] = BY_SYN
        if flows[o + ISN + 1 - side] < 0:
            flows[o + ISN + 1 - side] = (acknowledged - 1) & 0xFFFFFFFF
        return
    kept = flows[o + SYN_KEPT]
    if kept > 0 and ns - flows[o + LAST_SYN_NS] < COPY_NS and ip_id == flows[o + LAST_SYN_ID]:
        return  # recorded twice, not sent twice
    flows[o + CLIENT] = side
    flows[o + CLIENT_HOW] = BY_SYN
    flows[o + SYN_COUNT] += 1
    if kept >= MAX_SYNS:
        return
    flows[o + SYN_KEPT] = kept + 1
    flows[o + LAST_SYN_NS] = ns
    flows[o + LAST_SYN_ID] = ip_id
    if kept == 0:
        flows[o + SYN_PACKET] = number
        flows[o + SYN_NS] = ns
        flows[o + SYN_ID] = ip_id
        flows[o + SYN_TTL] = ttl
        return
    e = s.counters[EVENTS]
    events = s.numbers
    events[e] = EV_SYN
    events[e + 1] = flows[o + SERIAL_NUMBER]
    events[e + 2] = side
    events[e + 3] = number
    events[e + 4] = ns
    events[e + 5] = ip_id
    events[e + 6] = ttl
    s.counters[EVENTS] = e + EVENT_WIDTH


def take_data(s: State, o: int, side: int, number: int, ns: int, sequence: int, length: int, quiet: int) -> None:
    flows = s.flows
    end = (sequence + length) & 0xFFFFFFFF
    expected = flows[o + NEXT + side]
    flows[o + BYTES + side] += length
    if expected >= 0 and signed(end - expected) <= 0:
        if length == 1 and end == expected:
            return  # a keep-alive probe repeats one byte
        # whatever part of the data in flight is sent again
        if flows[o + UNACKNOWLEDGED + side] != 0 and ns - flows[o + LAST_DATA_NS + side] > COPY_NS:
            flows[o + REPEATS + side] += 1
            repeated = flows[o + REPEATED]
            if repeated < MAX_REPEATS:
                flows[o + REPEATED] = repeated + 1
                if repeated == 0:
                    flows[o + FIRST_REPEATED] = number
                e = s.counters[EVENTS]
                events = s.numbers
                events[e] = EV_REPEAT
                events[e + 1] = flows[o + SERIAL_NUMBER]
                events[e + 2] = side
                events[e + 3] = number
                s.counters[EVENTS] = e + EVENT_WIDTH
        return
    flows[o + NEXT + side] = end
    if length > flows[o + LARGEST + side]:
        flows[o + LARGEST + side] = length
    if flows[o + UNACKNOWLEDGED + side] == 0:
        flows[o + QUIET + side] = quiet
        flows[o + UNACKNOWLEDGED + side] = 1
    flows[o + REPEATS + side] = 0
    flows[o + LAST_DATA_PACKET + side] = number
    flows[o + LAST_DATA_NS + side] = ns
    flows[o + LAST_DATA_SIDE] = side
