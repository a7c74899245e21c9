"""Messages of SMB 1, as far as pipes need them. [MS-CIFS] 2.2.4, [MS-SMB] 2.2.4

A request and its answer share process id and multiplex id; a file is two bytes. Chained commands (AndX) are gone
through one by one.
"""

from typing import Any

from rpcdiag.sweep.columns import LAST_PIPE, MAYBE, P_NUMBER, P_SERIAL, PIPES, R_LOW, R_PIPE, State
from rpcdiag.sweep.fields import half
from rpcdiag.sweep.framing import pdu_length
from rpcdiag.sweep.pipes import (
    DISK_TREE,
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
from rpcdiag.sweep.primitives import u32_little

SMB1_HEADER = 32
REPLY1 = 0x80
CLOSE1, READ1, WRITE1, TRANS1, OPEN_X, READ_X, WRITE_X = 0x04, 0x0A, 0x0B, 0x25, 0x2D, 0x2E, 0x2F
TRANS1_MORE = 0x26  # the rest of a transaction that is longer than a message may be
NEGOTIATE1, SETUP_X, TREE_X, CREATE_X = 0x72, 0x73, 0x75, 0xA2
NO_ANDX = 0xFF
MAX_CHAIN = 4
MORE_STATUS = 0x80000005
DOS_MORE = 0x00EA0001  # ERRDOS, ERROR_MORE_DATA
RAW_MODE = 0x000C  # of WRITE_ANDX: message start, and the data begin with their length
PIPE_FILE = 2  # kind of a file: a pipe of messages
SMB1_FILES = -3  # in the place of a file id's upper half


def carries1(s: State, g: int, b: Any, at: int, have: int) -> bool:
    """Whether the message that begins with these bytes is to be put together."""
    command = b[at + 4]
    reply = b[at + 9] & REPLY1 != 0
    if command == WRITE_X and not reply:
        if have < 59:
            return False
        if pipe_called(s, g, SMB1_FILES, half(b, at + 37, False)) >= 0:
            return True
        skipped = 2 if half(b, at + 47, False) & RAW_MODE == RAW_MODE else 0
        return pdu_within(s, g, b, at, half(b, at + 55, False) + skipped, have)
    if command == READ_X and reply:
        if have < 59 or u32_little(b, at + 5)[0] >= 0xC0000000:
            return True
        entry = awaited(s, g, message_of(b, at), READ_X)
        if entry >= 0:
            numbers = s.numbers
            if numbers[entry + R_PIPE] != 0 or pipe_called(s, g, SMB1_FILES, numbers[entry + R_LOW]) >= 0:
                return True
        if pdu_within(s, g, b, at, half(b, at + 45, False), have):
            return True
        if entry >= 0:
            answer_came(s, g, entry)
        return False
    return (
        command == CREATE_X
        or command == READ_X
        or command == WRITE_X
        or command == TRANS1
        or (command == TRANS1_MORE and not reply)
        or command == TREE_X
        or command == SETUP_X
        or command == NEGOTIATE1
        or command == OPEN_X
        or command == CLOSE1
        or command == READ1
        or command == WRITE1
    )


def pdu_within(s: State, g: int, b: Any, at: int, offset: int, have: int) -> bool:
    """Whether the data of a message begin like a PDU, and are not known to be a file's."""
    if offset < SMB1_HEADER or offset + 16 > have or pdu_length(b, at + offset) == 0:
        return False
    return tree_kind(s, g, half(b, at + 24, False)) != DISK_TREE


def message_of(b: Any, at: int) -> int:
    """Process id and multiplex id."""
    return half(b, at + 26, False) << 16 | half(b, at + 30, False)


def take_smb1(s: State, g: int, number: int, b: Any, at: int, have: int, length: int, packet: int, ns: int) -> None:
    """One message, of which `have` of `length` bytes are here; side `number` sent it."""
    if have < 35:
        return
    reply = b[at + 9] & REPLY1 != 0
    take_client(s, g, 1 - number if reply else number)
    command = b[at + 4] + 0
    place = SMB1_HEADER
    if command == NEGOTIATE1 or command == SETUP_X or command == TREE_X:
        tell_smb(s, g, number, MESSAGE, -1, b, at, have, length, 0, 0, packet, ns)
    for _ in range(MAX_CHAIN):
        words = 2 * b[at + place]
        if place + 3 + words > have:
            return
        if reply:
            answer1(s, g, number, command, b, at, place, words, have, length, packet, ns)
        else:
            request1(s, g, number, command, b, at, place, words, have, length, packet, ns)
        if words < 4 or not (
            command == OPEN_X
            or command == READ_X
            or command == WRITE_X
            or command == SETUP_X
            or command == TREE_X
            or command == CREATE_X
        ):
            return
        following = half(b, at + place + 3, False)
        command = b[at + place + 1] + 0
        if command == NO_ANDX or following <= place or following + 3 > have:
            return
        place = following


def request1(
    s: State, g: int, number: int, command: int, b: Any, at: int, place: int, words: int, have: int, length: int,
    packet: int, ns: int,
) -> None:  # fmt: skip
    """A command whose words begin after `place`."""
    numbers = s.numbers
    message = message_of(b, at)
    w = at + place + 1
    if command == CREATE_X or command == OPEN_X:
        kind = tree_kind(s, g, half(b, at + 24, False))
        numbers[g + LAST_PIPE] = 0
        if kind == DISK_TREE:
            return
        pipe = open_pipe(s, g, MAYBE, -2, message, packet, ns) if kind == PIPE_TREE else -1
        if pipe >= 0:
            numbers[g + LAST_PIPE] = numbers[pipe + P_NUMBER]
        early = awaited(s, g, message, command + EARLY)
        if early >= 0:
            answer_came(s, g, early)
            if pipe >= 0:
                pipe = name_pipe(s, g, pipe, SMB1_FILES, numbers[early + R_LOW])
                numbers[g + LAST_PIPE] = numbers[pipe + P_NUMBER]
        else:
            await_answer(s, g, message, command, pipe, 0, 0)
        serial = numbers[pipe + P_SERIAL] if pipe >= 0 else -1
        tell_smb(s, g, number, MESSAGE, serial, b, at, have, length, 0, 0, packet, ns)
    elif command == WRITE_X and words >= 24:
        file = half(b, w + 4, False)
        offset, count = half(b, w + 22, False), half(b, w + 20, False)
        if half(b, w + 14, False) & RAW_MODE == RAW_MODE and count > 2:
            offset, count = offset + 2, count - 2
        pipe = pipe_called(s, g, SMB1_FILES, file)
        pipe = send1(s, g, pipe, number, b, at, have, offset, count, file, packet, ns)
        if pipe >= 0:
            await_answer(s, g, message, command, pipe, SMB1_FILES, file)
    elif command == READ_X and words >= 20:
        file = half(b, w + 4, False)
        await_answer(s, g, message, command, pipe_called(s, g, SMB1_FILES, file), SMB1_FILES, file)
    elif command == TRANS1 and words >= 32 and b[w + 26] >= 2 and half(b, w + 28, False) == 0x26:
        file = half(b, w + 30, False)
        pipe = pipe_called(s, g, SMB1_FILES, file)
        pipe = send1(s, g, pipe, number, b, at, have, half(b, w + 24, False), half(b, w + 22, False), file, packet, ns)
        await_answer(s, g, message, command, pipe, SMB1_FILES, file)
    elif command == TRANS1_MORE and words >= 16:
        entry = awaited(s, g, message, TRANS1)
        if entry >= 0:
            file = numbers[entry + R_LOW]
            known = numbers[entry + R_PIPE]
            pipe = pipe_numbered(s, g, known) if known != 0 else pipe_called(s, g, SMB1_FILES, file)
            send1(s, g, pipe, number, b, at, have, half(b, w + 12, False), half(b, w + 10, False), file, packet, ns)
    elif command == WRITE1 and words >= 10:
        file = half(b, w, False)
        data = place + 1 + words + 5  # behind the byte count, the format of the buffer, and its length
        pipe = pipe_called(s, g, SMB1_FILES, file)
        pipe = send1(s, g, pipe, number, b, at, have, data, half(b, w + 2, False), file, packet, ns)
        if pipe >= 0:
            await_answer(s, g, message, command, pipe, SMB1_FILES, file)
    elif command == READ1 and words >= 10:
        file = half(b, w, False)
        await_answer(s, g, message, command, pipe_called(s, g, SMB1_FILES, file), SMB1_FILES, file)
    elif command == CLOSE1 and words >= 2:
        pipe = pipe_called(s, g, SMB1_FILES, half(b, w, False))
        if pipe >= 0:
            await_answer(s, g, message, command, pipe, 0, 0)


def send1(
    s: State, g: int, pipe: int, number: int, b: Any, at: int, have: int, offset: int, count: int, file: int,
    packet: int, ns: int,
) -> int:  # fmt: skip
    """Data of a message go into their pipe, which is returned; -1 where they belong to none."""
    if offset < SMB1_HEADER or offset > have:
        return pipe
    count = min(count, have - offset)
    if pipe < 0 and count >= 16 and pdu_length(b, at + offset) > 0:
        pipe = adopt_pipe(s, g, number, SMB1_FILES, file, packet, ns)
    if pipe >= 0:
        feed_pipe(s, g, pipe, number, b, at + offset, count, packet, ns)
    return pipe


def answer1(
    s: State, g: int, number: int, command: int, b: Any, at: int, place: int, words: int, have: int, length: int,
    packet: int, ns: int,
) -> None:  # fmt: skip
    """The answer to a command, whose words begin after `place`."""
    numbers = s.numbers
    status = u32_little(b, at + 5)[0]
    w = at + place + 1
    if command == TREE_X:
        service = place + 1 + words + 2
        if status == 0 and service + 3 <= have:
            pipes = b[at + service] == 0x49 and b[at + service + 1] == 0x50 and b[at + service + 2] == 0x43  # "IPC"
            enter_tree(s, g, half(b, at + 24, False), PIPE_TREE if pipes else DISK_TREE)
        return
    entry = awaited(s, g, message_of(b, at), command)
    if entry < 0 and command != READ_X:
        if command == CREATE_X and status == 0 and words >= 66 and half(b, w + 63, False) == PIPE_FILE:
            await_answer(s, g, message_of(b, at), command + EARLY, -1, SMB1_FILES, half(b, w + 5, False))
        return
    known, file = 0, 0
    if entry >= 0:
        known, file = numbers[entry + R_PIPE], numbers[entry + R_LOW]
    if command == TRANS1 and status == 0 and words == 0:
        return  # the server asks for the rest. [MS-CIFS] 2.2.4.33.2
    fine = status == 0 or status == MORE_STATUS or status == DOS_MORE
    if command == TRANS1 and fine and words >= 20:  # it may come in parts, each of which says how much there is
        more = half(b, w + 16, False) + half(b, w + 12, False) < half(b, w + 2, False)
    else:
        more = False
    if entry >= 0 and not more:
        answer_came(s, g, entry)
    pipe = pipe_numbered(s, g, known) if known != 0 else -1
    if known == 0 and file != 0:
        pipe = pipe_called(s, g, SMB1_FILES, file)
    serial = numbers[pipe + P_SERIAL] if pipe >= 0 else -1
    if command == CREATE_X or command == OPEN_X:
        kind = 0
        file = -1
        if status == 0 and command == CREATE_X and words >= 66:
            file, kind = half(b, w + 5, False), half(b, w + 63, False)
        elif status == 0 and command == OPEN_X and words >= 20:
            file, kind = half(b, w + 4, False), half(b, w + 18, False)
        if file >= 0 and pipe < 0 and known == 0 and (kind == 1 or kind == PIPE_FILE):
            pipe = open_pipe(s, g, MAYBE, -2, -1, packet, ns)
            serial = numbers[pipe + P_SERIAL] if pipe >= 0 else -1
        if pipe >= 0 and file >= 0:
            pipe = name_pipe(s, g, pipe, SMB1_FILES, file)
            serial = numbers[pipe + P_SERIAL]
        tell_smb(s, g, number, MESSAGE, serial, b, at, have, length, 0, 0, packet, ns)
        if pipe >= 0 and file < 0 and known != 0:
            forget_pipe(s, g, pipe)
    elif not fine:
        if pipe >= 0:
            tell_smb(s, g, number, MESSAGE, serial, b, at, have, length, 0, 0, packet, ns)
    elif command == READ_X and words >= 24:
        if entry < 0:
            pipe = numbers[g + PIPES]
        send1(s, g, pipe, number, b, at, have, half(b, w + 12, False), half(b, w + 10, False), file, packet, ns)
    elif command == TRANS1 and words >= 20:
        send1(s, g, pipe, number, b, at, have, half(b, w + 14, False), half(b, w + 12, False), file, packet, ns)
    elif command == READ1 and words >= 10:
        send1(s, g, pipe, number, b, at, have, place + 1 + words + 5, half(b, w, False), file, packet, ns)
    elif command == CLOSE1 and pipe >= 0:
        forget_pipe(s, g, pipe)
