"""Security tokens of binds and of what follows them: who logs on. [MS-RPCE] 2.2.2.11

Every connection has its own, so they are told apart from the PDUs that carry them, which thousands may share; and no
more than MAX_TOKENS of a capture.
"""

from typing import Any

from rpcdiag.sweep.columns import (
    ARENA,
    ARENA_AT,
    EV_TOKEN,
    EVENT_WIDTH,
    EVENTS,
    HELD,
    OWNER,
    SERIAL_NUMBER,
    TOKENS_TOLD,
    TOKENS_UNTOLD,
    State,
)
from rpcdiag.sweep.fields import half
from rpcdiag.sweep.primitives import copy

MAX_TOKENS = 8192
ROOM_FOR_TOKENS = ARENA_AT + ARENA // 2


def take_token(s: State, g: int, number: int, b: Any, at: int, secured: int, count: int, packet: int, ns: int) -> None:
    """The token behind the trailer at `secured`, of which `count` bytes are here; the PDU begins at `at`."""
    counters, numbers = s.counters, s.numbers
    if counters[TOKENS_TOLD] >= MAX_TOKENS or counters[HELD] > ROOM_FOR_TOKENS:
        counters[TOKENS_UNTOLD] += 1
        return
    counters[TOKENS_TOLD] += 1
    e, held = counters[EVENTS], counters[HELD]
    numbers[e] = EV_TOKEN
    numbers[e + 1] = s.flows[numbers[g + OWNER] + SERIAL_NUMBER]
    numbers[e + 2] = number
    numbers[e + 3] = packet
    numbers[e + 4] = ns
    numbers[e + 5] = b[at + 2]
    numbers[e + 6] = b[secured]
    numbers[e + 7] = b[secured + 1]
    numbers[e + 8] = held
    numbers[e + 9] = count
    numbers[e + 10] = half(b, at + 10, b[at + 4] == 0)
    numbers[e + 13] = g
    copy(s.store, held, b, secured + 8, count)
    counters[HELD] = held + count
    counters[EVENTS] = e + EVENT_WIDTH
