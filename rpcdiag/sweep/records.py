"""The records of a capture file, one after the other: the loop of the whole program.

[draft-ietf-opsawg-pcap], [draft-ietf-opsawg-pcapng]
"""

from typing import Any

from rpcdiag.sweep.columns import (
    BIG,
    BLOCK_LENGTH,
    CARRIER,
    CLAIMED,
    DRAIN,
    FIRST_NS,
    FLOW_WIDTH,
    FORMAT,
    IF_DIVIDE,
    IF_LINK,
    IF_LONGEST,
    IF_MULTIPLY,
    IF_OFFSET,
    IF_POINT,
    IF_SKIPPED,
    IN_FLOWS,
    INTERFACE_WIDTH,
    INTERFACES,
    LAST_NS,
    MAX_POINTS,
    MORE,
    NO_INTERFACE,
    NUMBER,
    OTHER_BLOCK,
    OVERRUN,
    PCAP,
    PCAPNG,
    POINT_FIRST,
    POINT_ID,
    POINT_LAST,
    POINT_WIDTH,
    POINTS,
    POINTS_AT,
    RECORD_HEADER,
    SCALE,
    SINGLE_LINK,
    SINGLE_NS,
    SINGLE_NUMBER,
    SINGLE_POINT,
    SKIPPED,
    STOP,
    STREAM,
    TOO_LONG,
    TOO_SHORT,
    UNKNOWN_LINK,
    WHY,
    State,
)
from rpcdiag.sweep.packets import take_frame, take_tcp
from rpcdiag.sweep.pool import pause
from rpcdiag.sweep.primitives import (
    block_big,
    block_little,
    enhanced_big,
    enhanced_little,
    record_big,
    record_little,
    u32,
    usual,
)
from rpcdiag.sweep.streams import close_stream

MAX_RECORD = 1 << 24  # no link layer has longer frames; a longer record means that the file is damaged
MAX_TIME = (1 << 63) - 1  # ns: the year 2262


def walk(s: State, b: Any, at: int, count: int) -> int:
    """Take the whole records in `b[at:count]`; returns where it stopped, and says why in the counters."""
    form = s.counters[FORMAT]
    if form == PCAP:
        return walk_pcap(s, b, at, count)
    if form == PCAPNG:
        return walk_pcapng(s, b, at, count)
    return take_single(s, b, at, count)


def walk_pcap(s: State, b: Any, at: int, count: int) -> int:
    counters = s.counters
    header, scale, big = counters[RECORD_HEADER], counters[SCALE], counters[BIG]
    link = s.interfaces[IF_LINK]
    cooked = link == 276
    number, in_flows = counters[NUMBER], 0
    point, low, high = -1, 0, 0
    second, second_ns = -1, 0
    why = MORE
    while at + header <= count:
        if big:
            seconds, fraction, captured, wire = record_big(b, at)
        else:
            seconds, fraction, captured, wire = record_little(b, at)
        place = at + header
        end = place + captured
        if end > count:
            if captured > MAX_RECORD:
                why = TOO_LONG
                counters[CLAIMED] = captured
            break
        if seconds != second:
            second, second_ns = seconds, seconds * 1000000000
        ns = second_ns + fraction * scale
        number += 1
        here = u32(b, place + 4)[0] << 20 if cooked and captured >= 20 else 0
        if here != point:
            if point >= 0:
                see(s, point, low, high)
            see(s, here, ns, ns)
            point, low, high = here, ns, ns
        elif ns > high:
            high = ns
        elif ns < low:
            low = ns
        at = end
        if link == 1 and captured >= 54:
            # nine packets of ten: Ethernet, IPv4 without options, TCP; the same as the long way, in one step
            kind, total, ip_id, fragment, ttl, protocol, key, sequence, acknowledged, offset, flags = usual(b, place)
            if kind >> 8 == 0x080045 and protocol == 6 and fragment & 0x3FFF == 0:
                stop = place + 14 + total
                payload = place + 34 + ((offset & 0xF0) >> 2)
                if total >= 40 and offset >= 0x50 and payload <= stop:
                    in_flows += 1
                    if end > stop:
                        end = stop
                    take_tcp(
                        s, b, key, place + 26, 4, place + 34, payload, end - payload if payload < end else 0,
                        stop - payload, flags, sequence, acknowledged, ttl, ip_id, number, ns, here,
                    )  # fmt: skip
                    if counters[STOP]:
                        why = DRAIN
                        break
                    continue
        if captured > MAX_RECORD:
            at = place - header
            number -= 1
            why = TOO_LONG
            counters[CLAIMED] = captured
            break
        reason = take_frame(s, b, place, captured, wire if wire > captured else captured, link, number, ns, here)
        if reason >= 0:
            counters[SKIPPED + reason] += 1
            if reason == UNKNOWN_LINK:
                s.interfaces[IF_SKIPPED] += 1
        if counters[STOP]:
            why = DRAIN
            break
    if point >= 0:
        see(s, point, low, high)
    counters[NUMBER] = number
    counters[IN_FLOWS] += in_flows
    counters[WHY] = why
    return at


def walk_pcapng(s: State, b: Any, at: int, count: int) -> int:
    """Packet blocks; on any other block the caller is asked to see to it."""
    counters, interfaces = s.counters, s.interfaces
    big = counters[BIG]
    known = counters[INTERFACES] * INTERFACE_WIDTH
    number, in_flows = counters[NUMBER], 0
    point, low, high = -1, 0, 0
    why = MORE
    while at + 12 <= count:
        if big:
            kind, length = block_big(b, at)
        else:
            kind, length = block_little(b, at)
        if kind != 6:
            why = OTHER_BLOCK
            break
        if length < 12 or length & 3 != 0 or length > MAX_RECORD:
            why = BLOCK_LENGTH
            counters[CLAIMED] = length
            break
        stop = at + length
        if stop > count:
            break
        if length < 32:
            why = TOO_SHORT
            break
        if big:
            interface, upper, lower, captured, wire = enhanced_big(b, at + 8)
        else:
            interface, upper, lower, captured, wire = enhanced_little(b, at + 8)
        place = at + 28
        end = place + captured
        if end > stop - 4:
            why = OVERRUN
            counters[CLAIMED] = captured
            break
        number += 1
        at = stop
        row = interface * INTERFACE_WIDTH
        if row >= known:
            counters[SKIPPED + NO_INTERFACE] += 1
            continue
        link = interfaces[row + IF_LINK]
        ns = stamp_to_ns(interfaces, row, upper, lower)
        if ns < 0:  # no clock says so: the packet counts, its time does not
            ns = max(counters[LAST_NS], high)
        here = interfaces[row + IF_POINT]
        if link == 276 and captured >= 20:
            here += u32(b, place + 4)[0] << 20
        if here != point:
            if point >= 0:
                see(s, point, low, high)
            see(s, here, ns, ns)
            point, low, high = here, ns, ns
        elif ns > high:
            high = ns
        elif ns < low:
            low = ns
        if link == 1 and captured >= 54:
            kind, total, ip_id, fragment, ttl, protocol, key, sequence, acknowledged, offset, flags = usual(b, place)
            if kind >> 8 == 0x080045 and protocol == 6 and fragment & 0x3FFF == 0:
                stop = place + 14 + total
                payload = place + 34 + ((offset & 0xF0) >> 2)
                if total >= 40 and offset >= 0x50 and payload <= stop:
                    in_flows += 1
                    if end > stop:
                        end = stop
                    take_tcp(
                        s, b, key, place + 26, 4, place + 34, payload, end - payload if payload < end else 0,
                        stop - payload, flags, sequence, acknowledged, ttl, ip_id, number, ns, here,
                    )  # fmt: skip
                    if counters[STOP]:
                        why = DRAIN
                        break
                    continue
        reason = take_frame(s, b, place, captured, wire if wire > captured else captured, link, number, ns, here)
        if reason >= 0:
            counters[SKIPPED + reason] += 1
            if reason == UNKNOWN_LINK:
                interfaces[row + IF_SKIPPED] += 1
        if counters[STOP]:
            why = DRAIN
            break
    if point >= 0:
        see(s, point, low, high)
    counters[NUMBER] = number
    counters[IN_FLOWS] += in_flows
    counters[WHY] = why
    return at


def stamp_to_ns(interfaces: Any, row: int, upper: int, lower: int) -> int:
    """A time stamp of the interface in ns since 1970, -1 where it is none."""
    if upper >= 0x80000000:
        return -1
    stamp = upper << 32 | lower
    if stamp > interfaces[row + IF_LONGEST]:
        return -1
    divide = interfaces[row + IF_DIVIDE]
    if divide == 1:
        ns = stamp * interfaces[row + IF_MULTIPLY]
    elif divide > 0:
        ns = stamp * interfaces[row + IF_MULTIPLY] // divide
    else:  # binary fractions of a second
        bits = interfaces[row + IF_MULTIPLY]
        rest = stamp & ((1 << bits) - 1)
        if bits > 30:
            rest = rest >> (bits - 30)
            ns = (stamp >> bits) * 1000000000 + (rest * 1000000000 >> 30)
        else:
            ns = (stamp >> bits) * 1000000000 + (rest * 1000000000 >> bits)
    ns += interfaces[row + IF_OFFSET]
    return ns if 0 <= ns <= MAX_TIME else -1


def take_single(s: State, b: Any, at: int, count: int) -> int:
    """One packet that stands in no record: `b[at:count]`, described in the counters."""
    counters = s.counters
    number, ns, point, link = (
        counters[SINGLE_NUMBER],
        counters[SINGLE_NS],
        counters[SINGLE_POINT],
        counters[SINGLE_LINK],
    )
    captured = count - at
    see(s, point, ns, ns)
    reason = take_frame(s, b, at, captured, max(captured, counters[CLAIMED]), link, number, ns, point)
    if reason >= 0:
        counters[SKIPPED + reason] += 1
    counters[WHY] = MORE
    return count


def see(s: State, point: int, low: int, high: int) -> None:
    """Widen the span of times of a capture point, and of the capture."""
    counters = s.counters
    if counters[POINTS] == 0 or low < counters[FIRST_NS]:
        counters[FIRST_NS] = low
    if counters[POINTS] == 0 or high > counters[LAST_NS]:
        counters[LAST_NS] = high
    row = POINTS_AT
    end = POINTS_AT + counters[POINTS] * POINT_WIDTH
    while row < end and counters[row + POINT_ID] != point:
        row += POINT_WIDTH
    if row == end:
        if counters[POINTS] == MAX_POINTS:
            return
        counters[POINTS] += 1
        counters[row + POINT_ID] = point
        counters[row + POINT_FIRST] = low
        counters[row + POINT_LAST] = high
        return
    if low < counters[row + POINT_FIRST]:
        counters[row + POINT_FIRST] = low
    if high > counters[row + POINT_LAST]:
        counters[row + POINT_LAST] = high


def close_streams(s: State, at: int, count: int) -> int:
    """The end of the capture for the flows from offset `at` on; returns where it stopped because the arrays are full."""
    counters, flows = s.counters, s.flows
    while at < count:
        if flows[at + CARRIER] != 0 and flows[flows[at + CARRIER] - 1 + STREAM] >= 0:
            close_stream(s, flows[flows[at + CARRIER] - 1 + STREAM])  # what waits there may be the pipe's
        if flows[at + STREAM] >= 0:
            close_stream(s, flows[at + STREAM])
        at += FLOW_WIDTH
        pause(s)
        if counters[STOP]:
            break
    return at
