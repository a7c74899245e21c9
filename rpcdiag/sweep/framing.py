"""A stream of bytes to PDUs. [MS-RPCE] 2.2.2.1

Yields the same PDUs however the bytes are cut. A gap inside a PDU costs that PDU its end, not the stream its
framing: the header had told where the next one begins. Framing that is lost is found again at the next header that
is followed by another, or that ends with a segment.
"""

from typing import Any

from rpcdiag.sweep.calls import take_pdu
from rpcdiag.sweep.columns import (
    BY_CONTENT,
    BYTES_SKIPPED,
    CLIENT,
    CLIENT_HOW,
    GAP_NS,
    IN_PDUS,
    LOST,
    MATTERS,
    MAYBE,
    MISSING,
    NO,
    NO_ROOM,
    OWED,
    OWNER,
    POSITION,
    TAIL,
    TAIL_LAST,
    TAIL_LENGTH,
    TAIL_NS,
    TAIL_PACKET,
    YES,
    State,
)
from rpcdiag.sweep.primitives import copy
from rpcdiag.sweep.slots import add_tail, drop_tail, keep_tail

HEADER = 16


def pdu_length(b: Any, at: int) -> int:
    """The length that the header at `at` claims; 0 where the 16 bytes cannot be a header.

    Random bytes pass once in 10^10.
    """
    if b[at] != 5 or b[at + 1] > 1 or b[at + 6] != 0 or b[at + 7] != 0 or b[at + 5] > 3:
        return 0
    kind = b[at + 2]
    drep = b[at + 4]
    if drep == 0x10:  # integers little endian, characters ASCII
        length = b[at + 9] * 256 + b[at + 8]
        token = b[at + 11] * 256 + b[at + 10]
    elif drep == 0:
        length = b[at + 8] * 256 + b[at + 9]
        token = b[at + 10] * 256 + b[at + 11]
    else:
        return 0
    if token > 0 and HEADER + 8 + token > length:
        return 0
    if kind == 0 or kind == 2 or kind == 3:
        least = 24
    elif kind == 11 or kind == 14:
        least = 28
    elif kind == 12 or kind == 15:
        least = 26
    elif kind == 13:
        least = 18
    elif kind >= 16 and kind <= 19:
        least = 16
    elif kind == 20:  # [MS-RPCH] 2.2.3.6
        least = 20
    else:
        return 0
    return length if length >= least else 0


def asks(kind: int) -> bool:
    """Whether clients send PDUs of this type."""
    return kind == 0 or kind == 11 or kind == 14 or kind == 16 or kind == 18 or kind == 19


def feed(s: State, g: int, side: int, b: Any, at: int, count: int, packet: int, ns: int) -> None:
    """Take the next bytes of the stream of `side` (`side` is the offset of its columns)."""
    streams = s.numbers
    streams[side + POSITION] += count
    owed = streams[side + OWED]
    if owed > 0:  # of a PDU that was handed on without them
        paid = min(owed, count)
        streams[side + OWED] = owed - paid
        streams[side + IN_PDUS] += paid
        at += paid
        count -= paid
        if count == 0:
            return
    end = at + count
    held = streams[side + TAIL_LENGTH]
    if held > 0:
        if streams[side + LOST] != 0:
            used = search_tail(s, g, side, b, at, count, packet, ns)
        else:
            used = finish_tail(s, g, side, b, at, count, packet, ns)
        if used < 0:
            return
        at += used
    if at < end:
        at = frames(s, g, side, b, at, end, at, packet, packet, ns)
        if 0 <= at < end:
            keep(s, side, b, at, end - at, packet, packet, ns)


def frames(
    s: State, g: int, side: int, b: Any, at: int, end: int, middle: int, before: int, packet: int, ns: int
) -> int:
    """Hand on the PDUs in `b[at:end]`; returns where the unfinished rest begins, -1 where the flow is not RPC.

    Bytes below `middle` came with packet `before`.
    """
    streams = s.numbers
    while True:
        if streams[side + LOST] != 0:
            if end - at >= HEADER:
                at = search(s, side, b, at, end, middle)
            if streams[side + LOST] != 0:
                return at
        if end - at < HEADER:
            return at
        length = pdu_length(b, at)
        if length == 0:
            if judge(s, g, side, 0, b, at):
                return -1
            streams[side + LOST] = 1
            continue
        judge(s, g, side, length, b, at)
        if end - at < length:
            return at
        first = before if at < middle else packet
        take_pdu(s, g, side, b, at, length, length, first, packet, ns)
        at += length


def judge(s: State, g: int, side: int, length: int, b: Any, at: int) -> bool:
    """The first header decides a flow whose beginning was too short; true where it turns out not to be RPC."""
    flows = s.flows
    o = s.numbers[g + OWNER]
    if flows[o + MATTERS] == MAYBE:
        if length == 0:
            flows[o + MATTERS] = NO
            return True
        flows[o + MATTERS] = YES
    if length > 0 and flows[o + CLIENT] < 0:
        number = 0 if side == g else 1
        flows[o + CLIENT] = number if asks(b[at + 2]) else 1 - number
        flows[o + CLIENT_HOW] = BY_CONTENT
    return False


def search(s: State, side: int, b: Any, at: int, end: int, middle: int) -> int:
    """Find the next header in `b[at:end]`; one is believed when another, or the end of a segment, follows it.

    Returns its place, and the framing is found; or the place from which bytes must be kept, and it stays lost.
    """
    streams = s.numbers
    place = at
    while place + HEADER <= end:
        if b[place] == 5:
            length = pdu_length(b, place)
            if length > 0:
                after = place + length
                if after > end:
                    believed = place == middle or place == at
                else:
                    believed = after == end or after == middle or after + HEADER > end or pdu_length(b, after) > 0
                if believed:
                    streams[side + BYTES_SKIPPED] += place - at
                    streams[side + LOST] = 0
                    return place
        place += 1
    place = max(at, end - HEADER + 1)
    streams[side + BYTES_SKIPPED] += place - at
    return place


def search_tail(s: State, g: int, side: int, b: Any, at: int, count: int, packet: int, ns: int) -> int:
    """Framing is lost and a few bytes were kept: look on in them and the new ones. All of those are used."""
    streams = s.numbers
    held = streams[side + TAIL_LENGTH]
    before = streams[side + TAIL_PACKET]
    scratch = s.store
    copy(scratch, 0, scratch, streams[side + TAIL], held)
    drop_tail(s, side)
    copy(scratch, held, b, at, count)
    end = held + count
    rest = frames(s, g, side, scratch, 0, end, held, before, packet, ns)
    if 0 <= rest < end:
        keep(s, side, scratch, rest, end - rest, before if rest < held else packet, packet, ns)
    return -1 if rest < 0 else count


def finish_tail(s: State, g: int, side: int, b: Any, at: int, count: int, packet: int, ns: int) -> int:
    """Add to the unfinished PDU what it lacks; returns the bytes used, -1 where the flow is not RPC."""
    streams = s.numbers
    held = streams[side + TAIL_LENGTH]
    used = 0
    if held < HEADER:
        used = min(HEADER - held, count)
        if not add(s, side, b, at, used, packet, ns):
            return used
        held += used
        if held < HEADER:
            return used
    slot = streams[side + TAIL]
    length = pdu_length(s.store, slot)
    if length == 0:
        if judge(s, g, side, 0, s.store, slot):
            return -1
        streams[side + LOST] = 1
        streams[side + TAIL_LENGTH] = held - used  # the kept beginning and the whole segment are looked at together
        return search_tail(s, g, side, b, at, count, packet, ns)
    judge(s, g, side, length, s.store, slot)
    more = min(length - held, count - used)
    if more > 0:
        if not add(s, side, b, at + used, more, packet, ns):
            return used + more
        used += more
        held += more
    if held < length:
        return used
    slot = streams[side + TAIL]
    take_pdu(s, g, side, s.store, slot, length, length, streams[side + TAIL_PACKET], packet, ns)
    drop_tail(s, side)
    return used


def lose(s: State, side: int, count: int) -> None:
    """There is no room for an unfinished PDU: its bytes count as skipped, and the framing as lost."""
    s.counters[NO_ROOM] += 1
    s.numbers[side + BYTES_SKIPPED] += count
    s.numbers[side + LOST] = 1
    drop_tail(s, side)


def keep(s: State, side: int, b: Any, at: int, count: int, first: int, packet: int, ns: int) -> None:
    """The unfinished rest of a segment becomes the tail."""
    if not keep_tail(s, side, b, at, count, first, packet, ns):
        lose(s, side, count)


def add(s: State, side: int, b: Any, at: int, count: int, packet: int, ns: int) -> bool:
    """Put bytes behind the tail; false where there is no room for them."""
    if add_tail(s, side, b, at, count, packet, ns):
        return True
    lose(s, side, s.numbers[side + TAIL_LENGTH] + count)
    return False


def hole(s: State, g: int, side: int, length: int, ns: int) -> None:
    """The next `length` bytes of the stream are not in the capture."""
    streams = s.numbers
    streams[side + GAP_NS] = ns
    streams[side + POSITION] += length
    streams[side + MISSING] += length
    owed = streams[side + OWED]
    if owed > 0:
        streams[side + OWED] = max(0, owed - length)
        streams[side + LOST] = 1 if length > owed else 0
        return
    held = streams[side + TAIL_LENGTH]
    whole = cut_off(s, g, side)
    if whole > 0:
        over = held + length - whole
        streams[side + OWED] = max(0, -over)
        streams[side + LOST] = 1 if over > 0 else 0
        return
    streams[side + BYTES_SKIPPED] += held
    drop_tail(s, side)
    streams[side + LOST] = 1


def break_off(s: State, g: int, side: int, ns: int) -> None:
    """Nobody knows how many of the next bytes of the stream are not in the capture."""
    streams = s.numbers
    streams[side + GAP_NS] = ns
    if streams[side + TAIL_LENGTH] == 0 and streams[side + OWED] == 0:
        return
    if cut_off(s, g, side) == 0:
        streams[side + BYTES_SKIPPED] += streams[side + TAIL_LENGTH]
        drop_tail(s, side)
    streams[side + OWED] = 0
    streams[side + LOST] = 1


def cut_off(s: State, g: int, side: int) -> int:
    """Hand on an unfinished PDU as far as it goes; returns the length that it should have had, 0 where there is none."""
    streams = s.numbers
    held = streams[side + TAIL_LENGTH]
    if held < HEADER or streams[side + LOST] != 0:
        return 0
    slot = streams[side + TAIL]
    whole = pdu_length(s.store, slot)
    first, last, ns = streams[side + TAIL_PACKET], streams[side + TAIL_LAST], streams[side + TAIL_NS]
    take_pdu(s, g, side, s.store, slot, held, whole, first, last, ns)
    drop_tail(s, side)
    return whole


def end_of_stream(s: State, g: int, side: int) -> None:
    """A PDU that is not complete is handed on as far as it goes."""
    if cut_off(s, g, side) == 0:
        s.numbers[side + BYTES_SKIPPED] += s.numbers[side + TAIL_LENGTH]
        drop_tail(s, side)
