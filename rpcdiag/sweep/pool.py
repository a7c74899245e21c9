"""Records of eight numbers, for whatever waits or is counted by connection."""

from rpcdiag.sweep.columns import (
    ARENA_AT,
    EVENT_WIDTH,
    EVENTS,
    EVENTS_AT,
    FREE_WAITING,
    HELD,
    MAX_WAITING_RECORDS,
    NO_ROOM,
    STOP,
    W_NEXT,
    WAITING_TOP,
    WAITING_WIDTH,
    State,
)

EVENTS_ENOUGH = EVENTS_AT + EVENT_WIDTH * 8192
ARENA_ENOUGH = ARENA_AT + (1 << 20)


def new_record(s: State) -> int:
    """A record of eight numbers, or -1 where all are taken."""
    counters = s.counters
    entry = counters[FREE_WAITING]
    if entry >= 0:
        counters[FREE_WAITING] = s.numbers[entry + W_NEXT]
        return entry
    entry = counters[WAITING_TOP]
    if entry == MAX_WAITING_RECORDS * WAITING_WIDTH:
        counters[NO_ROOM] += 1
        return -1
    counters[WAITING_TOP] = entry + WAITING_WIDTH
    return entry


def give_records(s: State, head: int) -> None:
    """Give a list of records back; `head` is the column that holds its first."""
    numbers = s.numbers
    while numbers[head] >= 0:
        entry = numbers[head]
        numbers[head] = numbers[entry + W_NEXT]
        numbers[entry + W_NEXT] = s.counters[FREE_WAITING]
        s.counters[FREE_WAITING] = entry


def pause(s: State) -> None:
    """Ask for the events to be taken away, where there are many."""
    counters = s.counters
    if counters[EVENTS] > EVENTS_ENOUGH or counters[HELD] > ARENA_ENOUGH:
        counters[STOP] = 1
