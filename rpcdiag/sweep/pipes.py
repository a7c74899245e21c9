"""Named pipes inside an SMB session: each is a conversation of its own, with a flow record and a stream record.

The session's stream record keeps what is open: trees, pipes, requests that wait for their answer.
"""

from typing import Any

from rpcdiag.sweep.columns import (
    BY_CONTENT,
    CARRIER,
    CLIENT,
    CLIENT_HOW,
    END_NS,
    EV_SMB,
    EVENT_WIDTH,
    EVENTS,
    FIRST_PACKET,
    FREE,
    FREE_WAITING,
    HELD,
    KEY,
    LARGE,
    LAST_PACKET,
    LAST_PIPE,
    MATTERS,
    NEXT_FREE,
    NO,
    NO_ROOM,
    OWNER,
    P_FLOW,
    P_HIGH,
    P_LOW,
    P_NUMBER,
    P_SERIAL,
    PENDING,
    PENDING_COUNT,
    PIPE_CLOSED,
    PIPE_COUNT,
    PIPES,
    PIPES_OPEN,
    R_COMMAND,
    R_HIGH,
    R_ID,
    R_LOW,
    R_PIPE,
    RESERVE,
    SERIAL_NUMBER,
    SIDE_WIDTH,
    SMB_TOLD,
    START_NS,
    STREAM,
    T_ID,
    T_KIND,
    TREE_COUNT,
    TREES,
    W_NEXT,
    YES,
    State,
)
from rpcdiag.sweep.followed import drop_stream, new_flow, open_stream
from rpcdiag.sweep.framing import break_off, feed
from rpcdiag.sweep.pool import new_record
from rpcdiag.sweep.primitives import copy

MAX_PENDING_SMB = 256
EARLY = 0x10000  # added to the command of an answer that waits for its request
MAX_PIPES = 64  # open at once
MAX_TREES = 64
MAX_SMB_TOLD = 1024
DISK_TREE, PIPE_TREE = 1, 2
MESSAGE, ADOPTED = 0, 1  # what EV_SMB tells: a message; or a pipe that was found by what it carries, and its file id


def open_pipe(s: State, g: int, matters: int, high: int, low: int, packet: int, ns: int) -> int:
    """A pipe in the session of stream `g`; its record, or -1 where there is no room for one."""
    counters, flows, numbers = s.counters, s.flows, s.numbers
    if numbers[g + PIPES_OPEN] >= MAX_PIPES:
        forget_pipe(s, g, last_of(s, g + PIPES))
    entry = new_record(s)
    if entry < 0:
        return -1
    o = new_flow(s, RESERVE)
    if o < 0:
        counters[NO_ROOM] += 1
        numbers[entry + W_NEXT] = counters[FREE_WAITING]
        counters[FREE_WAITING] = entry
        return -1
    owner = numbers[g + OWNER]
    for place in range(KEY, KEY + 6):
        flows[o + place] = flows[owner + place]
    flows[o + CLIENT] = flows[owner + CLIENT]
    flows[o + CLIENT_HOW] = flows[owner + CLIENT_HOW]
    flows[o + CARRIER] = owner + 1
    flows[o + FIRST_PACKET] = flows[o + LAST_PACKET] = packet
    flows[o + START_NS] = flows[o + END_NS] = ns
    flows[o + MATTERS] = matters
    open_stream(s, o)
    numbers[g + PIPE_COUNT] += 1
    numbers[g + PIPES_OPEN] += 1
    numbers[entry + P_NUMBER] = numbers[g + PIPE_COUNT]
    numbers[entry + P_FLOW] = o
    numbers[entry + P_SERIAL] = flows[o + SERIAL_NUMBER]
    numbers[entry + P_HIGH] = high
    numbers[entry + P_LOW] = low
    numbers[entry + W_NEXT] = numbers[g + PIPES]
    numbers[g + PIPES] = entry
    return entry


def adopt_pipe(s: State, g: int, number: int, high: int, low: int, packet: int, ns: int) -> int:
    """A pipe that was opened where nobody saw it, found by the PDUs that it carries."""
    entry = open_pipe(s, g, YES, high, low, packet, ns)
    if entry >= 0:
        tell_smb(s, g, number, ADOPTED, s.numbers[entry + P_SERIAL], s.store, 0, 0, 0, high, low, packet, ns)
    return entry


def name_pipe(s: State, g: int, entry: int, high: int, low: int) -> int:
    """The server says which file id the pipe has; returns the pipe that has it.

    Where the answer comes late, behind a gap, what the client sent meanwhile has made a pipe of its own: it is that one.
    """
    counters, flows, numbers = s.counters, s.flows, s.numbers
    found = pipe_called(s, g, high, low)
    o = numbers[entry + P_FLOW]
    if found < 0 or found == entry or flows[o + SERIAL_NUMBER] != numbers[entry + P_SERIAL]:
        numbers[entry + P_HIGH], numbers[entry + P_LOW] = high, low
        return entry
    first = numbers[found + P_FLOW]
    if flows[first + SERIAL_NUMBER] == numbers[found + P_SERIAL]:
        flows[first + FIRST_PACKET], flows[first + START_NS] = flows[o + FIRST_PACKET], flows[o + START_NS]
    drop_stream(s, o)
    flows[o + SERIAL_NUMBER] = -1
    flows[o + NEXT_FREE] = counters[FREE]
    counters[FREE] = o
    numbers[g + PIPES_OPEN] -= 1
    unlink(s, g + PIPES, entry)
    return found


def last_of(s: State, head: int) -> int:
    """The last record of a list that is not empty."""
    entry = s.numbers[head]
    while s.numbers[entry + W_NEXT] >= 0:
        entry = s.numbers[entry + W_NEXT]
    return entry


def forget_pipe(s: State, g: int, entry: int) -> None:
    """The pipe is closed; its flow stays."""
    numbers = s.numbers
    o = numbers[entry + P_FLOW]
    if s.flows[o + SERIAL_NUMBER] == numbers[entry + P_SERIAL]:
        s.flows[o + PIPE_CLOSED] = 1
    numbers[g + PIPES_OPEN] -= 1
    unlink(s, g + PIPES, entry)


def unlink(s: State, head: int, entry: int) -> None:
    """Take a record out of the list that begins at `head`; it stays readable until the next is made."""
    counters, numbers = s.counters, s.numbers
    if numbers[head] == entry:
        numbers[head] = numbers[entry + W_NEXT]
    else:
        before = numbers[head]
        while numbers[before + W_NEXT] != entry:
            before = numbers[before + W_NEXT]
        numbers[before + W_NEXT] = numbers[entry + W_NEXT]
    numbers[entry + W_NEXT] = counters[FREE_WAITING]
    counters[FREE_WAITING] = entry


def pipe_numbered(s: State, g: int, number: int) -> int:
    """The open pipe with this number, or -1."""
    numbers = s.numbers
    entry = numbers[g + PIPES]
    while entry >= 0 and numbers[entry + P_NUMBER] != number:
        entry = numbers[entry + W_NEXT]
    return entry


def pipe_called(s: State, g: int, high: int, low: int) -> int:
    """The open pipe with this file id, or -1; all ones mean the file of the request before."""
    numbers = s.numbers
    if high == -1 and low == -1:
        return pipe_numbered(s, g, numbers[g + LAST_PIPE])
    entry = numbers[g + PIPES]
    while entry >= 0 and (numbers[entry + P_LOW] != low or numbers[entry + P_HIGH] != high):
        entry = numbers[entry + W_NEXT]
    return entry


def feed_pipe(s: State, g: int, entry: int, number: int, b: Any, at: int, count: int, packet: int, ns: int) -> None:
    """Bytes that side `number` sent through the pipe."""
    flows, numbers = s.flows, s.numbers
    o = numbers[entry + P_FLOW]
    if flows[o + SERIAL_NUMBER] != numbers[entry + P_SERIAL]:
        return  # given up for want of room
    flows[o + LAST_PACKET] = packet
    if ns > flows[o + END_NS]:
        flows[o + END_NS] = ns
    v = flows[o + STREAM]
    if v < 0 or count <= 0:
        return
    feed(s, v, v + number * SIDE_WIDTH, b, at, count, packet, ns)
    if flows[o + MATTERS] == NO:
        drop_stream(s, o)


def break_pipes(s: State, g: int, number: int, ns: int) -> None:
    """Bytes of the session are missing: some may have been in any of its pipes."""
    flows, numbers = s.flows, s.numbers
    entry = numbers[g + PIPES]
    while entry >= 0:
        o = numbers[entry + P_FLOW]
        if flows[o + SERIAL_NUMBER] == numbers[entry + P_SERIAL] and flows[o + STREAM] >= 0:
            v = flows[o + STREAM]
            break_off(s, v, v + number * SIDE_WIDTH, ns)
        entry = numbers[entry + W_NEXT]


def await_answer(s: State, g: int, message: int, command: int, pipe: int, high: int, low: int) -> None:
    """A request waits for its answer; the oldest of too many is forgotten."""
    numbers = s.numbers
    if numbers[g + PENDING_COUNT] >= MAX_PENDING_SMB:
        unlink(s, g + PENDING, last_of(s, g + PENDING))
        numbers[g + PENDING_COUNT] -= 1
    entry = new_record(s)
    if entry < 0:
        return
    numbers[entry + R_ID] = message
    numbers[entry + R_COMMAND] = command
    numbers[entry + R_PIPE] = numbers[pipe + P_NUMBER] if pipe >= 0 else 0
    numbers[entry + R_HIGH] = high
    numbers[entry + R_LOW] = low
    numbers[entry + W_NEXT] = numbers[g + PENDING]
    numbers[g + PENDING] = entry
    numbers[g + PENDING_COUNT] += 1


def awaited(s: State, g: int, message: int, command: int) -> int:
    """The request that this answers, or -1."""
    numbers = s.numbers
    entry = numbers[g + PENDING]
    while entry >= 0 and (numbers[entry + R_ID] != message or numbers[entry + R_COMMAND] != command):
        entry = numbers[entry + W_NEXT]
    return entry


def answer_came(s: State, g: int, entry: int) -> None:
    """The request waits no more; its record stays readable until the next is made."""
    unlink(s, g + PENDING, entry)
    s.numbers[g + PENDING_COUNT] -= 1


def tree_kind(s: State, g: int, tree: int) -> int:
    """DISK_TREE, PIPE_TREE, another kind, or 0 for not known."""
    numbers = s.numbers
    entry = numbers[g + TREES]
    while entry >= 0 and numbers[entry + T_ID] != tree:
        entry = numbers[entry + W_NEXT]
    return numbers[entry + T_KIND] if entry >= 0 else 0


def enter_tree(s: State, g: int, tree: int, kind: int) -> None:
    """What kind of share a tree is."""
    numbers = s.numbers
    entry = numbers[g + TREES]
    while entry >= 0 and numbers[entry + T_ID] != tree:
        entry = numbers[entry + W_NEXT]
    if entry < 0:
        if numbers[g + TREE_COUNT] >= MAX_TREES:
            unlink(s, g + TREES, last_of(s, g + TREES))
            numbers[g + TREE_COUNT] -= 1
        entry = new_record(s)
        if entry < 0:
            return
        numbers[entry + T_ID] = tree
        numbers[entry + W_NEXT] = numbers[g + TREES]
        numbers[g + TREES] = entry
        numbers[g + TREE_COUNT] += 1
    numbers[entry + T_KIND] = kind


def take_client(s: State, g: int, number: int) -> None:
    """Who sends requests is the client, where no SYN told."""
    flows = s.flows
    o = s.numbers[g + OWNER]
    if flows[o + CLIENT] < 0:
        flows[o + CLIENT] = number
        flows[o + CLIENT_HOW] = BY_CONTENT


def tell_smb(
    s: State, g: int, number: int, what: int, pipe: int, b: Any, at: int, have: int, length: int, high: int, low: int,
    packet: int, ns: int,
) -> None:  # fmt: skip
    """A message that says more than its data: names, logons, refusals; `pipe` is a serial number or -1."""
    counters, numbers = s.counters, s.numbers
    if what == MESSAGE and pipe < 0:  # those of pipes are as many as their flows
        if numbers[g + SMB_TOLD] >= MAX_SMB_TOLD:
            return
        numbers[g + SMB_TOLD] += 1
    have = min(have, LARGE)
    e, held = counters[EVENTS], counters[HELD]
    numbers[e] = EV_SMB
    numbers[e + 1] = s.flows[numbers[g + OWNER] + SERIAL_NUMBER]
    numbers[e + 2] = number
    numbers[e + 3] = packet
    numbers[e + 4] = ns
    numbers[e + 5] = what
    numbers[e + 6] = held
    numbers[e + 7] = have
    numbers[e + 8] = length
    numbers[e + 9] = pipe
    numbers[e + 10] = high
    numbers[e + 11] = low
    numbers[e + 13] = g
    copy(s.store, held, b, at, have)
    counters[HELD] = held + have
    counters[EVENTS] = e + EVENT_WIDTH
