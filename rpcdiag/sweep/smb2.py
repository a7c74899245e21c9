"""Messages of SMB 2 and 3, as far as pipes need them: who opened which, and what went through. [MS-SMB2] 2.2

The bulk of file traffic is left out by its headers: reads and writes of files that are no pipes are never put
together, only counted off.
"""

from typing import Any

from rpcdiag.sweep.columns import (
    LAST_PIPE,
    MAYBE,
    P_NUMBER,
    P_SERIAL,
    PIPES,
    R_HIGH,
    R_LOW,
    R_PIPE,
    State,
)
from rpcdiag.sweep.fields import half
from rpcdiag.sweep.framing import pdu_length
from rpcdiag.sweep.pipes import (
    EARLY,
    MESSAGE,
    PIPE_TREE,
    adopt_pipe,
    answer_came,
    await_answer,
    awaited,
    enter_tree,
    feed_pipe,
    forget_pipe,
    name_pipe,
    open_pipe,
    pipe_called,
    pipe_numbered,
    take_client,
    tell_smb,
    tree_kind,
)
from rpcdiag.sweep.primitives import i64, u32_little

SMB2_HEADER = 64
SMB2_RESPONSE = 1
SMB2_ASYNC = 2
NEGOTIATE2, SETUP2, TREE_CONNECT2, CREATE2, CLOSE2, READ2, WRITE2, IOCTL2 = 0, 1, 3, 5, 6, 8, 9, 11
TRANSCEIVE = 0x0011C017  # FSCTL_PIPE_TRANSCEIVE
PENDING_STATUS = 0x00000103
OVERFLOW_STATUS = 0x80000005  # STATUS_BUFFER_OVERFLOW: more is to be read
PIPE_READ = 65536  # nobody reads more from a pipe at once


def carries2(s: State, g: int, b: Any, at: int, have: int) -> bool:
    """Whether the message that begins with these bytes is to be put together."""
    command = half(b, at + 12, False)
    if b[at + 16] & SMB2_RESPONSE == 0:
        if command == WRITE2:
            if have < 112:
                return False
            if pipe_called(s, g, i64(b, at + 80)[0], i64(b, at + 88)[0]) >= 0:
                return True
            return holds_pdu(s, g, b, at, half(b, at + 66, False), have)
        if command == IOCTL2:
            return have >= 112 and u32_little(b, at + 68)[0] == TRANSCEIVE
        return command <= READ2 and command != 2 and command != 4 and command != 7
    if command == READ2:
        if have < 80 or u32_little(b, at + 8)[0] >= 0xC0000000:
            return True
        entry = awaited(s, g, i64(b, at + 24)[0], READ2)
        if entry >= 0:
            numbers = s.numbers
            if numbers[entry + R_PIPE] != 0 or pipe_called(s, g, numbers[entry + R_HIGH], numbers[entry + R_LOW]) >= 0:
                return True
        if holds_pdu(s, g, b, at, b[at + 66] + 0, have):
            return True
        if entry >= 0:
            answer_came(s, g, entry)
        return False
    return command != 2 and command != 4 and command != 7 and command != 10 and command <= IOCTL2


def holds_pdu(s: State, g: int, b: Any, at: int, offset: int, have: int) -> bool:
    """Whether the data of a message begin like a PDU, and are not known to be a file's."""
    if offset < SMB2_HEADER or offset + 16 > have or pdu_length(b, at + offset) == 0:
        return False
    kind = tree_kind(s, g, u32_little(b, at + 36)[0])
    return kind == PIPE_TREE or kind == 0


def take_smb2(s: State, g: int, number: int, b: Any, at: int, have: int, length: int, packet: int, ns: int) -> None:
    """One message, of which `have` of `length` bytes are here; side `number` sent it."""
    if have < 66:
        return
    command = half(b, at + 12, False)
    if b[at + 16] & SMB2_RESPONSE == 0:
        take_client(s, g, number)
        request2(s, g, number, command, b, at, have, length, packet, ns)
    else:
        take_client(s, g, 1 - number)
        answer2(s, g, number, command, b, at, have, length, packet, ns)


def request2(
    s: State, g: int, number: int, command: int, b: Any, at: int, have: int, length: int, packet: int, ns: int
) -> None:
    numbers = s.numbers
    message = i64(b, at + 24)[0]
    if command == CREATE2:
        kind = tree_kind(s, g, u32_little(b, at + 36)[0])
        numbers[g + LAST_PIPE] = 0
        if kind != PIPE_TREE and kind != 0:
            return
        pipe = open_pipe(s, g, MAYBE, -2, message, packet, ns) if kind == PIPE_TREE else -1
        if pipe >= 0:
            numbers[g + LAST_PIPE] = numbers[pipe + P_NUMBER]
        early = awaited(s, g, message, command + EARLY)
        if early >= 0:
            answer_came(s, g, early)
            if pipe >= 0:
                pipe = name_pipe(s, g, pipe, numbers[early + R_HIGH], numbers[early + R_LOW])
                numbers[g + LAST_PIPE] = numbers[pipe + P_NUMBER]
        else:
            await_answer(s, g, message, command, pipe, 0, 0)
        serial = numbers[pipe + P_SERIAL] if pipe >= 0 else -1
        tell_smb(s, g, number, MESSAGE, serial, b, at, have, length, 0, 0, packet, ns)
    elif command == READ2 or command == WRITE2 or command == CLOSE2 or command == IOCTL2:
        place = at + (80 if command == READ2 or command == WRITE2 else 72)
        if place + 16 > at + have:
            return
        high, low = i64(b, place)[0], i64(b, place + 8)[0]
        pipe = pipe_called(s, g, high, low)
        if command == WRITE2:
            offset, count = half(b, at + 66, False), u32_little(b, at + 68)[0]
            pipe = send2(s, g, pipe, number, b, at, have, offset, count, high, low, packet, ns)
        elif command == IOCTL2:
            if have < 112:
                return
            offset, count = u32_little(b, at + 88)[0], u32_little(b, at + 92)[0]
            pipe = send2(s, g, pipe, number, b, at, have, offset, count, high, low, packet, ns)
        numbers[g + LAST_PIPE] = numbers[pipe + P_NUMBER] if pipe >= 0 else 0
        if command == READ2 and pipe < 0 and (u32_little(b, at + 68)[0] > PIPE_READ or (high == -1 and low == -1)):
            return
        if pipe >= 0 or command == READ2:
            await_answer(s, g, message, command, pipe, high, low)
    elif command == NEGOTIATE2 or command == SETUP2 or command == TREE_CONNECT2:
        tell_smb(s, g, number, MESSAGE, -1, b, at, have, length, 0, 0, packet, ns)


def send2(
    s: State, g: int, pipe: int, number: int, b: Any, at: int, have: int, offset: int, count: int, high: int, low: int,
    packet: int, ns: int,
) -> int:  # fmt: skip
    """Data of a message go into their pipe, which is returned; -1 where they belong to none."""
    if offset < SMB2_HEADER or offset > have:
        return pipe
    count = min(count, have - offset)
    if pipe < 0 and count >= 16 and pdu_length(b, at + offset) > 0:
        pipe = adopt_pipe(s, g, number, high, low, packet, ns)
    if pipe >= 0:
        feed_pipe(s, g, pipe, number, b, at + offset, count, packet, ns)
    return pipe


def answer2(
    s: State, g: int, number: int, command: int, b: Any, at: int, have: int, length: int, packet: int, ns: int
) -> None:
    numbers = s.numbers
    status = u32_little(b, at + 8)[0]
    if status == PENDING_STATUS and b[at + 16] & SMB2_ASYNC != 0:
        return
    if command == NEGOTIATE2 or command == SETUP2 or command == TREE_CONNECT2:
        if command == TREE_CONNECT2 and status == 0 and have >= 80:
            enter_tree(s, g, u32_little(b, at + 36)[0], b[at + 66] + 0)
        tell_smb(s, g, number, MESSAGE, -1, b, at, have, length, 0, 0, packet, ns)
        return
    entry = awaited(s, g, i64(b, at + 24)[0], command)
    known, high, low = 0, 0, 0
    if entry >= 0:
        known, high, low = numbers[entry + R_PIPE], numbers[entry + R_HIGH], numbers[entry + R_LOW]
        answer_came(s, g, entry)
    pipe = pipe_numbered(s, g, known) if known != 0 else -1
    if entry >= 0 and known == 0 and command == READ2:
        pipe = pipe_called(s, g, high, low)
    serial = numbers[pipe + P_SERIAL] if pipe >= 0 else -1
    if command == CREATE2:
        if entry < 0 and status == 0 and have >= 144 and tree_kind(s, g, u32_little(b, at + 36)[0]) == PIPE_TREE:
            message = i64(b, at + 24)[0]
            await_answer(s, g, message, command + EARLY, -1, i64(b, at + 128)[0], i64(b, at + 136)[0])
        if entry < 0 or (pipe < 0 and known != 0):
            return
        if pipe >= 0 and status == 0 and have >= 144:
            pipe = name_pipe(s, g, pipe, i64(b, at + 128)[0], i64(b, at + 136)[0])
            serial = numbers[pipe + P_SERIAL]
        tell_smb(s, g, number, MESSAGE, serial, b, at, have, length, 0, 0, packet, ns)
        if pipe >= 0 and status != 0:
            forget_pipe(s, g, pipe)
        return
    if status != 0 and status != OVERFLOW_STATUS:
        if pipe >= 0:
            tell_smb(s, g, number, MESSAGE, serial, b, at, have, length, 0, 0, packet, ns)
        return
    if command == READ2 and have >= 80:
        if pipe < 0 and known == 0 and entry < 0:
            pipe = numbers[g + PIPES]  # the request was not seen: it is for whatever is open
        offset, count = b[at + 66] + 0, u32_little(b, at + 68)[0]
        send2(s, g, pipe, number, b, at, have, offset, count, high, low, packet, ns)
    elif command == IOCTL2 and have >= 112 and u32_little(b, at + 68)[0] == TRANSCEIVE:
        high, low = i64(b, at + 72)[0], i64(b, at + 80)[0]
        if pipe < 0:
            pipe = pipe_called(s, g, high, low)
        offset, count = u32_little(b, at + 96)[0], u32_little(b, at + 100)[0]
        send2(s, g, pipe, number, b, at, have, offset, count, high, low, packet, ns)
    elif command == CLOSE2 and pipe >= 0:
        forget_pipe(s, g, pipe)
