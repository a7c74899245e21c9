"""Records of eight numbers, for whatever waits or is counted by connection."""

from rpcdiag.sweep.columns import (
    FREE_WAITING,
    MAX_WAITING_RECORDS,
    NO_ROOM,
    W_NEXT,
    WAITING_TOP,
    WAITING_WIDTH,
    State,
)


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
