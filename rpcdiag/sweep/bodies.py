"""Bodies that were seen before, and connections that go through the same steps.

Of a hundred thousand binds some hundreds are distinct. A body is told once and has a number from then on. What is
told of a connection is a step; the sequence of steps so far is a node of a tree that all connections share, so that
a connection which says what another said costs nothing but its place in that tree and its packet numbers.
"""

from typing import Any

from rpcdiag.sweep.columns import (
    B_CONTENT,
    B_HASH,
    B_LENGTH,
    B_META,
    B_NUMBER,
    B_WIRE,
    BODIES,
    BODIES_AT,
    BODY_WIDTH,
    CONTENT_END,
    CONTENT_TOP,
    DIRECT,
    EV_BODY,
    EV_NODE,
    EVENT_WIDTH,
    EVENTS,
    HELD,
    MAX_BODIES,
    MAX_NODES,
    MAX_STEPS,
    N_BODY,
    N_CHILD,
    N_PARENT,
    NODE,
    NODE_WIDTH,
    NODES,
    NODES_AT,
    S_CALL,
    S_GROUP,
    S_NS,
    S_PACKET,
    SEED,
    STEP_COUNT,
    STEPS,
    STEPS_END,
    W_NEXT,
    State,
)
from rpcdiag.sweep.pool import new_record
from rpcdiag.sweep.primitives import copy, digest, same

BODY_SLOTS = 2 * MAX_BODIES
NODE_SLOTS = 2 * MAX_NODES


def body_number(
    s: State, b: Any, one: int, none: int, two: int, ntwo: int, three: int, nthree: int, meta: int, wire: int, whole: int,
    have: int,
) -> int:  # fmt: skip
    """The number of a body that is made of three stretches of bytes; -1 where there is no room for a new one.

    A new body is told, with all of its `have` bytes at `whole`.
    """
    counters, numbers, store = s.counters, s.numbers, s.store
    length = none + ntwo + nthree
    h = digest(b, three, nthree, digest(b, two, ntwo, digest(b, one, none, meta ^ wire ^ counters[SEED])))
    place = BODIES_AT + (h & (BODY_SLOTS - 1)) * BODY_WIDTH
    while numbers[place + B_NUMBER] != 0:
        if (
            numbers[place + B_HASH] == h
            and numbers[place + B_LENGTH] == length
            and numbers[place + B_META] == meta
            and numbers[place + B_WIRE] == wire
        ):
            at = numbers[place + B_CONTENT]
            if (
                same(b, one, store, at, none)
                and same(b, two, store, at + none, ntwo)
                and same(b, three, store, at + none + ntwo, nthree)
            ):
                return numbers[place + B_NUMBER] - 1
        place += BODY_WIDTH
        if place == BODIES_AT + BODY_SLOTS * BODY_WIDTH:
            place = BODIES_AT
    number = counters[BODIES]
    at = counters[CONTENT_TOP]
    if number == MAX_BODIES or at + length > CONTENT_END:
        return -1
    counters[BODIES] = number + 1
    counters[CONTENT_TOP] = at + length
    numbers[place + B_HASH] = h
    numbers[place + B_CONTENT] = at
    numbers[place + B_LENGTH] = length
    numbers[place + B_META] = meta
    numbers[place + B_WIRE] = wire
    numbers[place + B_NUMBER] = number + 1
    copy(store, at, b, one, none)
    copy(store, at + none, b, two, ntwo)
    copy(store, at + none + ntwo, b, three, nthree)
    e, held = counters[EVENTS], counters[HELD]
    numbers[e] = EV_BODY
    numbers[e + 1] = number
    numbers[e + 2] = meta
    numbers[e + 3] = wire
    numbers[e + 4] = held
    numbers[e + 5] = have
    copy(store, held, b, whole, have)
    counters[HELD] = held + have
    counters[EVENTS] = e + EVENT_WIDTH
    return number


def take_step(s: State, g: int, body: int, packet: int, ns: int, call_id: int, group: int) -> bool:
    """The connection goes one step on; false where it has to be told instead, from then on."""
    numbers = s.numbers
    if numbers[g + DIRECT] != 0:
        return False
    child = -1
    if body >= 0 and numbers[g + STEP_COUNT] < MAX_STEPS:
        child = child_of(s, numbers[g + NODE], body)
    record = new_record(s) if child >= 0 else -1
    if record < 0:
        numbers[g + DIRECT] = 1
        return False
    numbers[record + W_NEXT] = -1
    numbers[record + S_PACKET] = packet
    numbers[record + S_NS] = ns
    numbers[record + S_CALL] = call_id
    numbers[record + S_GROUP] = group
    if numbers[g + STEP_COUNT] == 0:
        numbers[g + STEPS] = record
    else:
        numbers[numbers[g + STEPS_END] + W_NEXT] = record
    numbers[g + STEPS_END] = record
    numbers[g + STEP_COUNT] += 1
    numbers[g + NODE] = child
    return True


def child_of(s: State, parent: int, body: int) -> int:
    """The node after `parent` by `body`; told when it is new, -1 where there is no room for it."""
    counters, numbers = s.counters, s.numbers
    h = parent * 40503 + body * 2654435761
    h = h ^ h >> 15
    place = NODES_AT + (h & (NODE_SLOTS - 1)) * NODE_WIDTH
    while numbers[place + N_CHILD] != 0:
        if numbers[place + N_PARENT] == parent and numbers[place + N_BODY] == body:
            return numbers[place + N_CHILD]
        place += NODE_WIDTH
        if place == NODES_AT + NODE_SLOTS * NODE_WIDTH:
            place = NODES_AT
    if counters[NODES] == MAX_NODES:
        return -1
    counters[NODES] += 1
    child = counters[NODES]
    numbers[place + N_PARENT] = parent
    numbers[place + N_BODY] = body
    numbers[place + N_CHILD] = child
    e = counters[EVENTS]
    numbers[e] = EV_NODE
    numbers[e + 1] = child
    numbers[e + 2] = parent
    numbers[e + 3] = body
    counters[EVENTS] = e + EVENT_WIDTH
    return child
