"""Streams whose bytes are messages that say how long they are: SMB over TCP or NetBIOS, Kerberos over TCP.

A message is handed on whole, or left out by its header, and then never put together. [MS-SMB2] 2.1, [RFC1002] 4.3,
[RFC4120] 7.2.2
"""

from typing import Any

from rpcdiag.sweep.columns import (
    EV_TICKET,
    EVENT_WIDTH,
    EVENTS,
    FRAME_LEFT,
    GAP_NS,
    HELD,
    LARGE,
    LOST,
    MODE,
    OWED,
    OWNER,
    POSITION,
    SEALED_SEEN,
    SERIAL_NUMBER,
    SMB_MODE,
    SMB_TOLD,
    TAIL,
    TAIL_LENGTH,
    State,
)
from rpcdiag.sweep.pipes import MESSAGE, break_pipes, tell_smb
from rpcdiag.sweep.primitives import copy, u32, u32_little
from rpcdiag.sweep.slots import add_tail, drop_tail, keep_tail
from rpcdiag.sweep.smb1 import carries1, take_smb1
from rpcdiag.sweep.smb2 import carries2, take_smb2

NETBIOS_HEADER = 4
ENOUGH = 128  # bytes of a message that tell whether it can carry a PDU
LONGEST = LARGE - 16  # of a message that is put together; of a longer one, as much
SHORTEST = 35  # message: of SMB 1, without words and bytes
SMB1, SMB2, ENCRYPTED, COMPRESSED = 0xFF, 0xFE, 0xFD, 0xFC
NO_FRAME = 0
MAX_TICKETS = 64  # told of one connection


def is_smb(b: Any, at: int) -> bool:
    """Whether 8 bytes are a frame's header and the beginning of a message of SMB."""
    return b[at] == 0 and b[at + 4] >= COMPRESSED and b[at + 5] == 0x53 and b[at + 6] == 0x4D and b[at + 7] == 0x42


def is_ticket(b: Any, at: int, length: int) -> bool:
    """Whether 8 bytes are a length and the beginning of a message of Kerberos. [RFC4120] 5.4, 5.9.1"""
    kind = b[at + 4]
    size = u32(b, at)[0]
    known = kind == 0x6A or kind == 0x6B or kind == 0x6C or kind == 0x6D or kind == 0x7E
    return known and length - 4 <= size and size < 1 << 20


def carried(s: State, g: int, side: int, b: Any, at: int, count: int, packet: int, ns: int) -> None:
    """Take the next bytes of the stream of `side`."""
    numbers = s.numbers
    numbers[side + POSITION] += count
    end = at + count
    if numbers[side + LOST] != 0:
        if count < 8 or not (numbers[g + MODE] == SMB_MODE and is_smb(b, at)):
            return
        numbers[side + LOST] = 0
    while at < end:
        owed = numbers[side + OWED]
        if owed > 0:
            paid = min(owed, end - at)
            numbers[side + OWED] = owed - paid
            at += paid
            continue
        if numbers[side + TAIL_LENGTH] == 0:
            used = take_unit(s, g, side, b, at, end - at, packet, ns)
            if used < 0:
                if keep_tail(s, side, b, at, end - at, packet, packet, ns):
                    return
                used = NO_FRAME
            if used == NO_FRAME:
                carried_lost(s, g, side, ns)
                return
        else:
            used = fill_unit(s, g, side, b, at, end - at, packet, ns)
            if used < 0:
                carried_lost(s, g, side, ns)
                return
        at += used


def fill_unit(s: State, g: int, side: int, b: Any, at: int, count: int, packet: int, ns: int) -> int:
    """Add to the unfinished message what it lacks; returns the bytes used, -1 where they make no sense."""
    numbers = s.numbers
    used = 0
    while True:
        held = numbers[side + TAIL_LENGTH]
        slot = numbers[side + TAIL]
        taken = take_unit(s, g, side, s.store, slot, held, packet, ns)
        if taken == NO_FRAME:
            return -1
        if taken > 0:
            rest = held - taken
            if rest == 0:
                drop_tail(s, side)
            else:  # the message was shorter than what was needed to tell
                copy(s.store, 0, s.store, slot + taken, rest)
                copy(s.store, slot, s.store, 0, rest)
                numbers[side + TAIL_LENGTH] = rest
            return used
        more = min(-taken - held, count - used)
        if more <= 0:
            return used
        if not add_tail(s, side, b, at + used, more, packet, ns):
            return -1
        used += more


def take_unit(s: State, g: int, side: int, b: Any, at: int, have: int, packet: int, ns: int) -> int:
    """A header or a message at the beginning of `have` bytes.

    Returns how many it took, NO_FRAME where they cannot be one, and -n where n bytes are needed to go on.
    """
    if s.numbers[g + MODE] == SMB_MODE:
        return smb_unit(s, g, side, b, at, have, packet, ns)
    return ticket_unit(s, g, side, b, at, have, packet, ns)


def smb_unit(s: State, g: int, side: int, b: Any, at: int, have: int, packet: int, ns: int) -> int:
    numbers = s.numbers
    number = 0 if side == g else 1
    left = numbers[g + FRAME_LEFT + number]
    if left == 0:
        if have < NETBIOS_HEADER:
            return -NETBIOS_HEADER
        length = b[at + 1] * 65536 + b[at + 2] * 256 + b[at + 3]
        if b[at] == 0:
            numbers[g + FRAME_LEFT + number] = length
        elif b[at] >= 0x81 and b[at] <= 0x85 and length <= 512:  # the session service of NetBIOS
            numbers[side + OWED] = length
        else:
            return NO_FRAME
        return NETBIOS_HEADER
    need = min(left, ENOUGH)
    if have < need:
        return -need
    length = left
    if need < SHORTEST or b[at + 1] != 0x53 or b[at + 2] != 0x4D or b[at + 3] != 0x42:
        return NO_FRAME
    kind = b[at]
    keep = False
    if kind == SMB2:
        if need < 66:
            return NO_FRAME
        following = u32_little(b, at + 20)[0]
        if following > 0 and following < left:
            length = following
        keep = carries2(s, g, b, at, min(have, length))
    elif kind == SMB1:
        keep = carries1(s, g, b, at, have)
    elif kind == ENCRYPTED or kind == COMPRESSED:
        break_pipes(s, g, number, ns)  # it may hold a part of what goes through one
        bit = (1 if kind == ENCRYPTED else 4) << number
        if numbers[g + SEALED_SEEN] & bit == 0:
            numbers[g + SEALED_SEEN] |= bit
            tell_smb(s, g, number, MESSAGE, -1, b, at, min(need, 64), length, 0, 0, packet, ns)
    else:
        return NO_FRAME
    whole = min(length, LONGEST)
    if keep and have < whole:
        return -whole
    used = min(have, length)
    numbers[g + FRAME_LEFT + number] = left - length
    numbers[side + OWED] = length - used
    if keep:
        if kind == SMB2:
            take_smb2(s, g, number, b, at, used, length, packet, ns)
        else:
            take_smb1(s, g, number, b, at, used, length, packet, ns)
    return used


def ticket_unit(s: State, g: int, side: int, b: Any, at: int, have: int, packet: int, ns: int) -> int:
    counters, numbers = s.counters, s.numbers
    if have < 8:
        return -8
    length = u32(b, at)[0] + 4
    if length < 8 or length > 1 << 20:
        return NO_FRAME
    whole = min(length, LONGEST)
    if have < whole:
        return -whole
    used = min(have, length)
    numbers[side + OWED] = length - used
    if numbers[g + SMB_TOLD] < MAX_TICKETS:
        numbers[g + SMB_TOLD] += 1
        count = min(used, LONGEST)
        e, held = counters[EVENTS], counters[HELD]
        numbers[e] = EV_TICKET
        numbers[e + 1] = s.flows[numbers[g + OWNER] + SERIAL_NUMBER]
        numbers[e + 2] = 0 if side == g else 1
        numbers[e + 3] = packet
        numbers[e + 4] = ns
        numbers[e + 5] = held
        numbers[e + 6] = count
        numbers[e + 7] = length
        numbers[e + 13] = g
        copy(s.store, held, b, at, count)
        counters[HELD] = held + count
        counters[EVENTS] = e + EVENT_WIDTH
    return used


def carried_lost(s: State, g: int, side: int, ns: int) -> None:
    """Where messages begin is not known any more: the next segment that begins with one tells."""
    numbers = s.numbers
    number = 0 if side == g else 1
    drop_tail(s, side)
    numbers[side + LOST] = 1
    numbers[side + OWED] = 0
    numbers[side + GAP_NS] = ns
    if numbers[g + MODE] == SMB_MODE:
        numbers[g + FRAME_LEFT + number] = 0
        break_pipes(s, g, number, ns)


def carried_hole(s: State, g: int, side: int, length: int, ns: int) -> None:
    """The next `length` bytes of the stream are not in the capture."""
    numbers = s.numbers
    numbers[side + POSITION] += length
    owed = numbers[side + OWED]
    if owed >= length:  # nobody wanted them
        numbers[side + OWED] = owed - length
        return
    carried_lost(s, g, side, ns)


def carried_end(s: State, side: int) -> None:
    """The capture has ended: a message that is not complete is none."""
    drop_tail(s, side)
