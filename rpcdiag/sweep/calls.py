"""Requests and their answers, matched and counted as PDUs go by. [MS-RPCE] 2.2.2, 3.3.1.5

Told are binds and their answers, faults, what may hand out an endpoint, and calls that stay open; the many plain
requests and responses are numbers. They are told by their PDU type, not by direction: it does not matter yet who is
the client.
"""

from typing import Any

from rpcdiag.sweep.bodies import body_number, take_step
from rpcdiag.sweep.columns import (
    AFTER_AUTH3,
    ALL_PDUS,
    BIG_ENDIAN,
    C_AUTH_LEVEL,
    C_AUTH_TYPE,
    C_CALLS,
    C_CLASS,
    C_ID,
    CALL_COUNT,
    CALLS,
    CHANNEL,
    CONTEXTS,
    DIRECT,
    EV_ANSWERED,
    EV_ASKED,
    EV_CARRIED,
    EV_FAULT,
    EV_OPEN,
    EV_PDU,
    EVENT_WIDTH,
    EVENTS,
    FAULTS,
    FIRST_PDU,
    FREE_WAITING,
    HELD,
    IN_PDUS,
    KEY,
    LAST_PDU_NS,
    MARSHALS,
    MAX_ORPHANS,
    MAX_PENDING,
    O_BITS,
    O_CONTEXT,
    O_GIVEN_UP,
    O_ID,
    O_NS,
    O_OPNUM,
    O_PACKET,
    ORPC_CALLS,
    ORPHAN_ANSWERS,
    ORPHAN_COUNT,
    ORPHANS,
    OUT_CHANNEL,
    OWNER,
    PDUS,
    PEER,
    REQUESTS,
    RESPONSES,
    SEALED_STUB,
    SERIAL_NUMBER,
    STEPS,
    TELL_ALL,
    UNBOUND,
    W_NEXT,
    State,
)
from rpcdiag.sweep.fields import half, word
from rpcdiag.sweep.pool import give_records, new_record
from rpcdiag.sweep.primitives import copy, holds, i64
from rpcdiag.sweep.rts import take_rts
from rpcdiag.sweep.tokens import take_token

HEADER = 16
FIRST, LAST, MAYBE_CALL, OBJECT = 0x01, 0x02, 0x40, 0x80
ORPC, ONE_WAY, ASKED, PASSED, RETURNED = 1, 2, 4, 8, 16  # the last two: told, for the references that are in them
SEALED = 6
HANDLE = 20
EXTENDED = 0x01  # of a fault: more follows than its status
MEOW = 0x4D454F57  # an object reference begins with it. [MS-DCOM] 2.2.18
TOWER = 0x0013000D  # in a tower of less than 256 floors, before its first UUID. [C706] appendix L
BINDING = 0x5D000000  # a string binding with a port ends with it. [MS-DCOM] 2.2.19.3
LOST_REQUEST = 0xFFFF  # operation of a request that nobody saw
MAPPER_TCP, MAPPER_HTTP = 135, 593
MAX_CONTEXTS = 64
MAX_TRANSFERS = 16
UNTOLD = -2  # type and level of security that a trailer has which the capture lacks

# classes of interfaces whose answers hand out endpoints
MAPPER, SCM_ACTIVATOR, ACTIVATION, OBJECT_EXPORTER = 1, 2, 3, 4


def interface_class(b: Any, at: int, big: bool) -> int:
    """0 for an interface that hands out nothing."""
    first = word(b, at, big)
    if first == 0xE1AF8308:  # e1af8308-5d1f-11c9-91a4-08002b14a0fa
        rest, kind = -7952222245213658886, MAPPER
        middle = 0x5D1F11C9
    elif first == 0x000001A0:  # 000001a0-0000-0000-c000-000000000046
        rest, kind = -4611686018427387834, SCM_ACTIVATOR
        middle = 0
    elif first == 0x4D9F4AB8:  # 4d9f4ab8-7d1c-11cf-861e-0020af6e7c57
        rest, kind = -8782582082943681449, ACTIVATION
        middle = 0x7D1C11CF
    elif first == 0x99FCFEC4:  # 99fcfec4-5260-101b-bbcb-00aa0021347a
        rest, kind = -4914833838198147974, OBJECT_EXPORTER
        middle = 0x5260101B
    else:
        return 0
    if half(b, at + 4, big) * 65536 + half(b, at + 6, big) != middle or i64(b, at + 8)[0] != rest:
        return 0
    return kind


def refers(kind: int, opnum: int) -> bool:
    """Whether the answer to this operation may hand out endpoints."""
    if kind == MAPPER:
        return opnum == 2 or opnum == 3
    if kind == SCM_ACTIVATOR:
        return opnum == 3 or opnum == 4
    if kind == ACTIVATION:
        return opnum == 0
    if kind == OBJECT_EXPORTER:
        return opnum == 0 or opnum == 4 or opnum == 5
    return False


def may_refer(opnum: int) -> bool:
    """The same where the interface is not known."""
    return opnum == 0 or (2 <= opnum <= 5)


def on_mapper(s: State, g: int) -> bool:
    """Whether one end of the connection is a port of the mapper."""
    ports = s.flows[s.numbers[g + OWNER] + KEY + 4]
    one, other = ports >> 16 & 0xFFFF, ports & 0xFFFF
    return one == MAPPER_TCP or other == MAPPER_TCP or one == MAPPER_HTTP or other == MAPPER_HTTP


def marked(b: Any, at: int, have: int, length: int, mark: int) -> bool:
    """Whether a readable request or response holds the mark."""
    big = b[at + 4] == 0
    secured = trailer(b, at, have, length, big)
    if secured > 0 and b[secured + 1] == SEALED:
        return False
    return holds(b, at + 24, min(stub_end(b, at, have, length, big), have) - 24, mark)


def worth_telling(
    s: State, g: int, b: Any, at: int, have: int, length: int, context: int, opnum: int, before: int
) -> int:
    """ASKED where the answer may hand out endpoints, PASSED where the request may hold an object reference, or 0.

    `before` is the record of the call where this is not its first fragment, or -1. On a context that nobody saw
    being agreed, the stub decides; on a port of the mapper, the operation.
    """
    numbers = s.numbers
    if context >= 0 and refers(numbers[context + C_CLASS], opnum):
        return ASKED
    if before >= 0 and numbers[before + O_BITS] & (ASKED | PASSED) != 0:
        return numbers[before + O_BITS] & (ASKED | PASSED)
    if b[at + 3] & OBJECT != 0 or (before >= 0 and numbers[before + O_BITS] & ORPC != 0):
        return PASSED if marked(b, at, have, length, MEOW) else 0
    if context >= 0 or not may_refer(opnum):
        return 0
    if on_mapper(s, g) or marked(b, at, have, length, MEOW) or marked(b, at, have, length, TOWER):
        return ASKED
    return 0


def take_pdu(
    s: State, g: int, side: int, b: Any, at: int, have: int, length: int, first: int, packet: int, ns: int
) -> None:  # fmt: skip
    """One PDU, of which `have` of `length` bytes are in the capture; it was complete with `packet`."""
    numbers = s.numbers
    numbers[side + IN_PDUS] += have
    if numbers[g + CHANNEL] == OUT_CHANNEL and numbers[g + PEER] != 0:
        side += numbers[g + PEER] - 1 - g
        g = numbers[g + PEER] - 1
    numbers[g + PDUS] += 1
    s.counters[ALL_PDUS] += 1
    if numbers[g + FIRST_PDU] == 0:
        numbers[g + FIRST_PDU] = first
    numbers[g + LAST_PDU_NS] = ns
    kind = b[at + 2]
    told = s.counters[TELL_ALL] != 0
    if kind == 0:
        told = take_request(s, g, side, b, at, have, length, packet, ns) or told
    elif kind == 2:
        told = take_response(s, g, side, b, at, have, length, packet, ns) or told
    elif kind == 3:
        told = take_fault(s, g, side, b, at, have, length, packet, ns) or told
    elif kind == 11 or kind == 14:
        take_contexts(s, g, b, at, have, length)
        told = True
    elif kind == 12 or kind == 13 or kind == 15:
        told = True
    elif kind == 16:
        numbers[g + AFTER_AUTH3] = 1
    elif kind == 18 or kind == 19:
        call = find_call(s, g, word(b, at + 12, b[at + 4] == 0)) if have >= 16 else -1
        if call >= 0 and numbers[call + O_GIVEN_UP] == 0:
            numbers[call + O_GIVEN_UP] = ns
    elif kind == 20:
        take_rts(s, g, b, at, have)
    if kind >= 11 and kind <= 16:
        secured = trailer(b, at, have, length, b[at + 4] == 0)
        if secured > 0 and secured + 8 < at + have:
            take_token(s, g, 0 if side == g else 1, b, at, secured, at + have - secured - 8, packet, ns)
    if told:
        tell(s, g, side, b, at, have, length, first, packet, ns)


def tell(
    s: State, g: int, side: int, b: Any, at: int, have: int, length: int, first: int, packet: int, ns: int
) -> None:
    """Hand the PDU itself on: as a step where such a one was seen before."""
    counters, numbers = s.counters, s.numbers
    number = 0 if side == g else 1
    if numbers[g + DIRECT] == 0 and counters[TELL_ALL] == 0:
        big = b[at + 4] == 0
        # its call id, association group and token are left out: they differ where all else is the same
        end = have
        token = half(b, at + 10, big)
        if have == length and token > 0:
            end = length - token
        meta = EV_PDU | number << 8
        wire = length | have << 32
        body = body_number(
            s, b, at, 12, at + 16, max(0, min(4, end - 16)), at + 24, max(0, end - 24), meta, wire, at, have
        )
        group = word(b, at + 20, big) if have >= 24 else 0
        if take_step(s, g, body, packet, ns, word(b, at + 12, big), group):
            return
    numbers[g + DIRECT] = 1
    e, held = counters[EVENTS], counters[HELD]
    numbers[e] = EV_PDU
    numbers[e + 1] = s.flows[numbers[g + OWNER] + SERIAL_NUMBER]
    numbers[e + 2] = number
    numbers[e + 3] = first
    numbers[e + 4] = packet
    numbers[e + 5] = ns
    numbers[e + 6] = held
    numbers[e + 7] = have
    numbers[e + 8] = length
    numbers[e + 13] = g
    copy(s.store, held, b, at, have)
    counters[HELD] = held + have
    counters[EVENTS] = e + EVENT_WIDTH


def trailer(b: Any, at: int, have: int, length: int, big: bool) -> int:
    """Where the security trailer stands, 0 where there is none or the capture does not hold it. [MS-RPCE] 2.2.2.11"""
    token = half(b, at + 10, big)
    place = length - token - 8
    return at + place if token > 0 and place + 8 <= have else 0


def stub_end(b: Any, at: int, have: int, length: int, big: bool) -> int:
    """Where the stub ends, counted from the beginning of the PDU: before the trailer and its padding."""
    token = half(b, at + 10, big)
    if token == 0:
        return length
    secured = trailer(b, at, have, length, big)
    if secured == 0:
        return length - token - 8
    return max(HEADER, secured - at - b[secured + 2])


def tell_stub(
    s: State, g: int, side: int, kind: int, b: Any, at: int, have: int, length: int, opnum: int, mapper: bool, why: int,
    packet: int, ns: int,
) -> None:  # fmt: skip
    """Hand on the body of a request or response that may hand out an endpoint; `why` is 0, MARSHALS or UNBOUND.

    Bodies of calls on objects are told at once: each has an id of its own in it.
    """
    counters, numbers = s.counters, s.numbers
    big = b[at + 4] == 0
    start = 40 if kind == EV_ASKED and b[at + 3] & OBJECT != 0 else 24
    end = max(start, stub_end(b, at, have, length, big))
    secured = trailer(b, at, have, length, big)
    count = min(end, have) - start
    number = 0 if side == g else 1
    bits = (BIG_ENDIAN if big else 0) | (SEALED_STUB if secured > 0 and b[secured + 1] == SEALED else 0) | why
    call_id, context_id = word(b, at + 12, big), half(b, at + 20, big)
    place = at + start
    if numbers[g + DIRECT] == 0 and counters[TELL_ALL] == 0 and why != MARSHALS:
        # the context handle that a mapper's answer begins with differs where all else is the same
        handle = HANDLE if kind == EV_ANSWERED and mapper and count >= HANDLE else 0
        meta = kind | number << 8 | b[at + 3] * 65536 | bits << 24 | opnum << 32
        wire = (end - start) | context_id << 32
        body = body_number(s, b, place, 0, place, 0, place + handle, count - handle, meta, wire, place, count)
        if take_step(s, g, body, packet, ns, call_id, 0):
            return
    numbers[g + DIRECT] = 1
    e, held = counters[EVENTS], counters[HELD]
    numbers[e] = kind
    numbers[e + 1] = s.flows[numbers[g + OWNER] + SERIAL_NUMBER]
    numbers[e + 2] = number
    numbers[e + 3] = packet
    numbers[e + 4] = ns
    numbers[e + 5] = call_id
    numbers[e + 6] = b[at + 3]
    numbers[e + 7] = bits
    numbers[e + 8] = context_id
    numbers[e + 9] = opnum
    numbers[e + 10] = held
    numbers[e + 11] = count
    numbers[e + 12] = end - start
    numbers[e + 13] = g
    copy(s.store, held, b, place, count)
    counters[HELD] = held + count
    counters[EVENTS] = e + EVENT_WIDTH


def take_request(s: State, g: int, side: int, b: Any, at: int, have: int, length: int, packet: int, ns: int) -> bool:
    """True where the PDU must be told because it is damaged."""
    big = b[at + 4] == 0
    flags = b[at + 3] + 0
    if have < 24 or (flags & OBJECT != 0 and (length < 40 or have < 40)):
        return True
    numbers = s.numbers
    call_id = word(b, at + 12, big)
    context_id, opnum = half(b, at + 20, big), half(b, at + 22, big)
    context = find_context(s, g, context_id)
    before = find_call(s, g, call_id)
    goes_on = flags & FIRST == 0 and before >= 0
    told = 0
    if goes_on or context < 0 or flags & OBJECT != 0 or numbers[context + C_CLASS] != 0:  # most are none of these
        told = worth_telling(s, g, b, at, have, length, context, opnum, before if goes_on else -1)
    if told != 0:
        why = MARSHALS if told == PASSED else (UNBOUND if context < 0 else 0)
        tell_stub(s, g, side, EV_ASKED, b, at, have, length, opnum, False, why, packet, ns)
    if goes_on:
        numbers[before + O_BITS] = numbers[before + O_BITS] | told
        if told == ASKED and flags & LAST != 0:
            numbers[before + O_PACKET] = packet
        return False
    numbers[g + REQUESTS] += 1
    if flags & OBJECT != 0:
        numbers[g + ORPC_CALLS] += 1
    if context >= 0:
        numbers[context + C_CALLS] += 1
        secured = trailer(b, at, have, length, big)
        if secured > 0 and b[secured + 1] > numbers[context + C_AUTH_LEVEL]:
            numbers[context + C_AUTH_TYPE] = b[secured]
            numbers[context + C_AUTH_LEVEL] = b[secured + 1]
        elif secured == 0 and numbers[context + C_AUTH_LEVEL] == -1 and half(b, at + 10, big) > 0:
            numbers[context + C_AUTH_TYPE] = numbers[context + C_AUTH_LEVEL] = UNTOLD
    orphan = take_orphan(s, g, call_id)
    if orphan >= 0 and numbers[orphan + O_NS] >= ns:
        numbers[g + ORPHAN_ANSWERS] -= 1
        numbers[g + (FAULTS if numbers[orphan + O_BITS] != 0 else RESPONSES)] += 1
        return False
    if before >= 0:
        leave_open(s, g, take_call(s, g, call_id))
    if numbers[g + CALL_COUNT] >= MAX_PENDING:
        leave_open(s, g, take_call(s, g, numbers[numbers[g + CALLS] + O_ID]))
    entry = new_record(s)
    if entry < 0:
        return False
    numbers[entry + O_ID] = call_id
    numbers[entry + O_PACKET] = packet
    numbers[entry + O_NS] = ns
    numbers[entry + O_CONTEXT] = context_id
    numbers[entry + O_OPNUM] = opnum
    numbers[entry + O_GIVEN_UP] = 0
    numbers[entry + O_BITS] = (ORPC if flags & OBJECT != 0 else 0) | (ONE_WAY if flags & MAYBE_CALL != 0 else 0) | told
    append(s, g + CALLS, entry)
    numbers[g + CALL_COUNT] += 1
    return False


def take_response(s: State, g: int, side: int, b: Any, at: int, have: int, length: int, packet: int, ns: int) -> bool:
    """True where the PDU must be told because it is damaged."""
    big = b[at + 4] == 0
    flags = b[at + 3] + 0
    call_id = word(b, at + 12, big)
    numbers = s.numbers
    if have < 24:
        if flags & LAST != 0:
            settle(s, g, call_id, packet, ns, False)
        return True
    call = find_call(s, g, call_id)
    if call >= 0 and numbers[call + O_BITS] & ASKED != 0:
        context = find_context(s, g, numbers[call + O_CONTEXT])
        mapper = context >= 0 and numbers[context + C_CLASS] == MAPPER
        why = 0 if context >= 0 else UNBOUND
        tell_stub(s, g, side, EV_ANSWERED, b, at, have, length, numbers[call + O_OPNUM], mapper, why, packet, ns)
    elif call >= 0 and numbers[call + O_BITS] & ORPC != 0:
        if numbers[call + O_BITS] & RETURNED != 0 or marked(b, at, have, length, MEOW):
            numbers[call + O_BITS] = numbers[call + O_BITS] | RETURNED
            tell_stub(
                s, g, side, EV_ANSWERED, b, at, have, length, numbers[call + O_OPNUM], False, MARSHALS, packet, ns
            )
    elif call < 0 and on_mapper(s, g):
        if marked(b, at, have, length, TOWER) or marked(b, at, have, length, BINDING):
            tell_stub(s, g, side, EV_ANSWERED, b, at, have, length, LOST_REQUEST, False, UNBOUND, packet, ns)
    if flags & LAST == 0:
        return False
    if call >= 0 and numbers[call + O_BITS] & ORPC != 0:
        take_result(s, g, call, b, at, have, length, packet, ns)
    numbers[g + AFTER_AUTH3] = 0
    settle(s, g, call_id, packet, ns, False)
    return False


def take_result(s: State, g: int, call: int, b: Any, at: int, have: int, length: int, packet: int, ns: int) -> None:
    """The HRESULT at the end of an ORPC answer, where it speaks of other connections than this one."""
    big = b[at + 4] == 0
    secured = trailer(b, at, have, length, big)
    if secured > 0 and b[secured + 1] == SEALED:
        return
    end = stub_end(b, at, have, length, big)
    if end > have or end < 28:
        return
    result = word(b, at + end - 4, big)
    # status_codes: hresult_win32, hresult
    if not (
        result == 0x800706BA
        or result == 0x800706BE
        or result == 0x800706BF
        or result == 0x80070005
        or result == 0x80041003
        or result == 0x80040202
        or result == 0x80010108
        or result == 0x8004D02A
        or result == 0x8004D02B
    ):
        return
    counters, numbers = s.counters, s.numbers
    e = counters[EVENTS]
    numbers[g + DIRECT] = 1
    numbers[e] = EV_CARRIED
    numbers[e + 13] = g
    numbers[e + 1] = s.flows[numbers[g + OWNER] + SERIAL_NUMBER]
    numbers[e + 2] = numbers[call + O_PACKET]
    numbers[e + 3] = packet
    numbers[e + 4] = ns
    numbers[e + 5] = numbers[call + O_CONTEXT]
    numbers[e + 6] = numbers[call + O_OPNUM]
    numbers[e + 7] = result
    counters[EVENTS] = e + EVENT_WIDTH


def take_fault(
    s: State, g: int, side: int, b: Any, at: int, have: int, length: int, packet: int, ns: int
) -> bool:  # fmt: skip
    """True where the PDU must be told because it is damaged or says more than its status.

    A fault that can be read is an event of its own, before that.
    """
    big = b[at + 4] == 0
    flags = b[at + 3] + 0
    call_id = word(b, at + 12, big)
    counters, numbers = s.counters, s.numbers
    if have < 28 or length < 28:
        if flags & LAST != 0:
            settle(s, g, call_id, packet, ns, True)
        return True
    call = find_call(s, g, call_id)
    context_id = numbers[call + O_CONTEXT] if call >= 0 else half(b, at + 20, big)
    level = -1
    secured = trailer(b, at, have, length, big)
    if secured > 0:
        level = b[secured + 1] + 0
    else:
        context = find_context(s, g, context_id)
        if context >= 0:
            level = numbers[context + C_AUTH_LEVEL]
        if level == -1 and half(b, at + 10, big) > 0:
            level = UNTOLD
    e = counters[EVENTS]
    numbers[g + DIRECT] = 1
    numbers[e] = EV_FAULT
    numbers[e + 13] = g
    numbers[e + 1] = s.flows[numbers[g + OWNER] + SERIAL_NUMBER]
    numbers[e + 2] = numbers[call + O_PACKET] if call >= 0 else 0
    numbers[e + 3] = packet
    numbers[e + 4] = ns
    numbers[e + 5] = context_id
    numbers[e + 6] = numbers[call + O_OPNUM] if call >= 0 else -1
    numbers[e + 7] = word(b, at + 24, big)
    numbers[e + 8] = flags
    numbers[e + 9] = level
    numbers[e + 10] = numbers[g + AFTER_AUTH3]
    numbers[e + 11] = call_id
    counters[EVENTS] = e + EVENT_WIDTH
    numbers[g + AFTER_AUTH3] = 0
    settle(s, g, call_id, packet, ns, True)
    return b[at + 23] & EXTENDED != 0 and length > 32


def take_contexts(s: State, g: int, b: Any, at: int, have: int, length: int) -> None:
    """The contexts that a bind or alter_context offers, as far as the capture holds their interfaces.

    None where its body does not hold together; the same are those of `dissect.dcerpc`.
    """
    if have < 28:
        return
    big = b[at + 4] == 0
    count = b[at + 24] + 0
    if count > MAX_CONTEXTS:
        return
    place = at + 28
    held = 0
    while held < count and place <= at + have:
        if place + 4 > at + length:
            return
        if place + 4 > at + have:
            break
        behind = place + 24 + 20 * b[place + 2]
        if b[place + 2] > MAX_TRANSFERS or behind > at + length:
            return
        if place + 24 > at + have:
            break
        held += 1
        place = behind
    secured = trailer(b, at, have, length, big)
    without = UNTOLD if secured == 0 and half(b, at + 10, big) > 0 else -1
    numbers = s.numbers
    place = at + 28
    for _ in range(held):
        entry = new_record(s)
        if entry < 0:
            return
        numbers[entry + C_ID] = half(b, place, big)
        numbers[entry + C_CALLS] = 0
        numbers[entry + C_AUTH_TYPE] = b[secured] + 0 if secured > 0 else without
        numbers[entry + C_AUTH_LEVEL] = b[secured + 1] + 0 if secured > 0 else without
        numbers[entry + C_CLASS] = interface_class(b, place + 4, big)
        numbers[entry + W_NEXT] = numbers[g + CONTEXTS]
        numbers[g + CONTEXTS] = entry
        place += 24 + 20 * b[place + 2]


def find_context(s: State, g: int, context_id: int) -> int:
    """The latest offer of that number, or -1."""
    numbers = s.numbers
    entry = numbers[g + CONTEXTS]
    while entry >= 0 and numbers[entry + C_ID] != context_id:
        entry = numbers[entry + W_NEXT]
    return entry


def find_call(s: State, g: int, call_id: int) -> int:
    """The call that waits for its answer, or -1."""
    numbers = s.numbers
    entry = numbers[g + CALLS]
    while entry >= 0 and numbers[entry + O_ID] != call_id:
        entry = numbers[entry + W_NEXT]
    return entry


def take_call(s: State, g: int, call_id: int) -> int:
    """The same, taken out of the list; its record stays readable until the next is made."""
    entry = take_out(s, g + CALLS, call_id)
    if entry >= 0:
        s.numbers[g + CALL_COUNT] -= 1
    return entry


def take_orphan(s: State, g: int, call_id: int) -> int:
    """An answer that was seen before its request, taken out, or -1."""
    entry = take_out(s, g + ORPHANS, call_id)
    if entry >= 0:
        s.numbers[g + ORPHAN_COUNT] -= 1
    return entry


def take_out(s: State, head: int, call_id: int) -> int:
    numbers = s.numbers
    before = -1
    entry = numbers[head]
    while entry >= 0 and numbers[entry + O_ID] != call_id:
        before = entry
        entry = numbers[entry + W_NEXT]
    if entry < 0:
        return -1
    after = numbers[entry + W_NEXT]
    if before < 0:
        numbers[head] = after
    else:
        numbers[before + W_NEXT] = after
    numbers[entry + W_NEXT] = s.counters[FREE_WAITING]
    s.counters[FREE_WAITING] = entry
    return entry


def append(s: State, head: int, entry: int) -> None:
    numbers = s.numbers
    numbers[entry + W_NEXT] = -1
    last = numbers[head]
    if last < 0:
        numbers[head] = entry
        return
    while numbers[last + W_NEXT] >= 0:
        last = numbers[last + W_NEXT]
    numbers[last + W_NEXT] = entry


def settle(s: State, g: int, call_id: int, packet: int, ns: int, fault: bool) -> None:
    """A call has its answer."""
    numbers = s.numbers
    if take_call(s, g, call_id) >= 0:
        numbers[g + (FAULTS if fault else RESPONSES)] += 1
        return
    numbers[g + ORPHAN_ANSWERS] += 1
    if numbers[g + ORPHAN_COUNT] >= MAX_ORPHANS:
        take_orphan(s, g, numbers[numbers[g + ORPHANS] + O_ID])
    entry = new_record(s)
    if entry < 0:
        return
    numbers[entry + O_ID] = call_id
    numbers[entry + O_PACKET] = packet
    numbers[entry + O_NS] = ns
    numbers[entry + O_BITS] = 1 if fault else 0
    append(s, g + ORPHANS, entry)
    numbers[g + ORPHAN_COUNT] += 1


def leave_open(s: State, g: int, call: int) -> None:
    """A call that will never be told its answer from this capture."""
    counters, numbers = s.counters, s.numbers
    e = counters[EVENTS]
    numbers[g + DIRECT] = 1
    numbers[e] = EV_OPEN
    numbers[e + 13] = g
    numbers[e + 1] = s.flows[numbers[g + OWNER] + SERIAL_NUMBER]
    numbers[e + 2] = numbers[call + O_PACKET]
    numbers[e + 3] = numbers[call + O_NS]
    numbers[e + 4] = numbers[call + O_CONTEXT]
    numbers[e + 5] = numbers[call + O_OPNUM]
    numbers[e + 6] = numbers[call + O_BITS]
    counters[EVENTS] = e + EVENT_WIDTH


def forget_calls(s: State, g: int) -> None:
    """Give the records of a connection back."""
    give_records(s, g + CALLS)
    give_records(s, g + ORPHANS)
    give_records(s, g + CONTEXTS)
    give_records(s, g + STEPS)
