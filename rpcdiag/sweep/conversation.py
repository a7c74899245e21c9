"""The state of one TCP conversation while its packets go by.

Sides are 0 for whoever sent the first packet seen and 1 for the other; who is the client is decided last.
"""

from typing import Any

from rpcdiag.sweep.columns import (
    ACK,
    BY_SYN,
    CLIENT,
    CLIENT_HOW,
    END_NS,
    EV_REPEAT,
    EV_SYN,
    EVENT_WIDTH,
    EVENTS,
    FIRST_PACKET,
    FIRST_REPEATED,
    ISN,
    KEY,
    LAST_DATA_NS,
    LAST_SYN_ID,
    LAST_SYN_NS,
    MATTERS,
    MAX_PROBES,
    MAX_REPEATS,
    MAX_SYNS,
    NEXT,
    PACKETS,
    POINT_ID,
    POINT_WIDTH,
    POINTS,
    POINTS_AT,
    PROBE_QUIET,
    PROBES,
    REPEATED,
    REPEATS,
    RESERVE,
    RESET_NS,
    RESET_PACKET,
    RESET_SIDE,
    RESET_TTL,
    SERIAL_NUMBER,
    START_NS,
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
from rpcdiag.sweep.followed import new_flow
from rpcdiag.sweep.pool import pause
from rpcdiag.sweep.primitives import alias, enter, find_turned, i64, u16_pair, u32

COPY_NS = 5_000_000  # a packet recorded twice comes twice within this
NEW_CONNECTION_NS = 1_000_000_000


def at_syn(
    s: State, b: Any, known: int, key: Any, source: int, size: int, transport: int, point: int, flags: int, sequence: int,
    acknowledged: int, number: int, ns: int,
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
    return open_flow(s, b, key, source, size, transport, point, number, ns)


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


def open_flow(
    s: State, b: Any, key: Any, source: int, size: int, transport: int, point: int, number: int, ns: int
) -> int:
    """A new record; its side 0 is the sender of this packet."""
    flows = s.flows
    o = new_flow(s, RESERVE)
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
    flows[o + FIRST_PACKET] = number
    flows[o + START_NS] = flows[o + END_NS] = ns
    if sport == 135 or dport == 135 or sport == 593 or dport == 593:
        flows[o + MATTERS] = YES
    enter(s.table, flows, b, key, size, point, o)
    return 2 * o


def take_reset(s: State, o: int, side: int, number: int, ns: int, ttl: int) -> None:
    """The first RST of the conversation is kept."""
    flows = s.flows
    if flows[o + RESET_PACKET] == 0:
        flows[o + RESET_PACKET] = number
        flows[o + RESET_NS] = ns
        flows[o + RESET_SIDE] = side
        flows[o + RESET_TTL] = ttl


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
    if flows[o + TTL + side] < 0:
        flows[o + TTL + side] = ttl
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
    pause(s)


def take_repeat(s: State, o: int, side: int, number: int, ns: int, end: int, length: int) -> None:
    """Data that was sent before; `end` is the sequence number behind it."""
    flows = s.flows
    # whatever part of the data in flight is sent again
    if flows[o + UNACKNOWLEDGED + side] == 0 or ns - flows[o + LAST_DATA_NS + side] <= COPY_NS:
        return
    flows[o + REPEATS + side] += 1
    repeated = flows[o + REPEATED]
    if repeated >= MAX_REPEATS:
        return
    flows[o + REPEATED] = repeated + 1
    if repeated == 0:
        flows[o + FIRST_REPEATED] = number
    tell_repeat(s, o, side, number, ns, 0, length, (flows[o + NEXT + side] - end) & 0xFFFFFFFF)


def take_probe(s: State, o: int, side: int, number: int, ns: int, quiet: int) -> None:
    """A keep-alive: it stands before the next byte, and has no data or the last byte again. [RFC9293] 3.8.4

    One of a side whose data is not acknowledged says nothing more than its repeats.
    """
    flows = s.flows
    if flows[o + UNACKNOWLEDGED + side] != 0 or quiet <= COPY_NS:
        return
    probes = flows[o + PROBES]
    count = probes >> 1 if probes & 1 == side else 0
    if count == 0:
        flows[o + PROBE_QUIET] = quiet
    flows[o + PROBES] = 2 * (count + 1) + side
    if count >= 1 and count < MAX_PROBES:
        tell_repeat(s, o, side, number, ns, count + 1, 0, 0)


def tell_repeat(
    s: State, o: int, side: int, number: int, ns: int, probe: int, length: int, behind: int
) -> None:  # fmt: skip
    """EV_REPEAT."""
    e = s.counters[EVENTS]
    events = s.numbers
    events[e] = EV_REPEAT
    events[e + 1] = s.flows[o + SERIAL_NUMBER]
    events[e + 2] = side
    events[e + 3] = number
    events[e + 4] = ns
    events[e + 5] = probe
    events[e + 6] = length
    events[e + 7] = behind
    s.counters[EVENTS] = e + EVENT_WIDTH
    pause(s)
