"""Buffers in the store, for whatever is unfinished: the tail of a stream, and segments that wait.

A tail is the beginning of a message whose rest has not come yet. Each side of a stream has at most one.
"""

from typing import Any

from rpcdiag.sweep.columns import (
    CONTENT_AT,
    FREE_LARGE,
    FREE_SMALL,
    LARGE,
    LARGE_AT,
    LARGE_TOP,
    SMALL,
    SMALL_TOP,
    TAIL,
    TAIL_LAST,
    TAIL_LENGTH,
    TAIL_NS,
    TAIL_PACKET,
    State,
)
from rpcdiag.sweep.primitives import copy


def take_slot(s: State, size: int) -> int:
    """Place of a buffer for `size` bytes in the store, or -1 where all are taken."""
    counters = s.counters
    if size <= SMALL:
        head, top, end, width = FREE_SMALL, SMALL_TOP, LARGE_AT, SMALL
    else:
        head, top, end, width = FREE_LARGE, LARGE_TOP, CONTENT_AT, LARGE
    slot = counters[head]
    if slot >= 0:
        counters[head] = next_slot(s.store, slot)
        return slot
    slot = counters[top]
    if slot == end:
        return -1
    counters[top] = slot + width
    return slot


def next_slot(b: Any, at: int) -> int:
    """The free slot after this one, whose place is kept in the slot itself."""
    return b[at + 3] * 16777216 + b[at + 2] * 65536 + b[at + 1] * 256 + b[at] - 1


def give_slot(s: State, slot: int) -> None:
    """The buffer is free again."""
    head = FREE_SMALL if slot < LARGE_AT else FREE_LARGE
    value = s.counters[head] + 1
    store = s.store
    store[slot] = value & 255
    store[slot + 1] = value >> 8 & 255
    store[slot + 2] = value >> 16 & 255
    store[slot + 3] = value >> 24 & 255
    s.counters[head] = slot


def keep_tail(s: State, side: int, b: Any, at: int, count: int, first: int, packet: int, ns: int) -> bool:
    """The unfinished rest of a segment becomes the tail; false where there is no room for it."""
    slot = take_slot(s, count)
    if slot < 0:
        return False
    streams = s.numbers
    streams[side + TAIL] = slot
    streams[side + TAIL_LENGTH] = count
    streams[side + TAIL_PACKET] = first
    streams[side + TAIL_LAST] = packet
    streams[side + TAIL_NS] = ns
    copy(s.store, slot, b, at, count)
    return True


def add_tail(s: State, side: int, b: Any, at: int, count: int, packet: int, ns: int) -> bool:
    """Put bytes behind the tail, which moves to a larger slot where it must; false where there is none."""
    streams = s.numbers
    slot = streams[side + TAIL]
    held = streams[side + TAIL_LENGTH]
    if slot < LARGE_AT and held + count > SMALL:
        larger = take_slot(s, LARGE)
        if larger < 0:
            return False
        copy(s.store, larger, s.store, slot, held)
        give_slot(s, slot)
        slot = larger
        streams[side + TAIL] = slot
    copy(s.store, slot + held, b, at, count)
    streams[side + TAIL_LENGTH] = held + count
    streams[side + TAIL_LAST] = packet
    streams[side + TAIL_NS] = ns
    return True


def drop_tail(s: State, side: int) -> None:
    """Nothing is kept any more."""
    if s.numbers[side + TAIL] >= 0:
        give_slot(s, s.numbers[side + TAIL])
        s.numbers[side + TAIL] = -1
    s.numbers[side + TAIL_LENGTH] = 0
