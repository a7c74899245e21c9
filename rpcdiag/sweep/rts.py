"""PDUs of RPC over HTTP that speak of the channels themselves. [MS-RPCH] 2.2.3.6

The channels say by a cookie which belong together; from then on, the PDUs of the OUT channel are those of the IN
channel's other side.
"""

from typing import Any

from rpcdiag.sweep.columns import (
    CHANNEL,
    FREE_WAITING,
    H_CHANNEL,
    H_HIGH,
    H_LOW,
    H_STREAM,
    HTTP_COUNT,
    HTTP_WAITING,
    PEER,
    W_NEXT,
    State,
)
from rpcdiag.sweep.fields import half, word
from rpcdiag.sweep.pool import new_record
from rpcdiag.sweep.primitives import i64

MAX_CHANNELS = 64  # whose other half was not seen yet
RTS_COOKIE, RTS_VERSION = 3, 6
COOKIE_END = 48  # behind the header, the version, and the type and bytes of the cookie


def take_rts(s: State, g: int, b: Any, at: int, have: int) -> None:
    """CONN/A1 and CONN/B1 begin with the version and the cookie of the virtual connection. [MS-RPCH] 2.2.4.2, 2.2.4.5"""
    counters, numbers = s.counters, s.numbers
    channel = numbers[g + CHANNEL]
    if channel == 0 or numbers[g + PEER] != 0 or have < COOKIE_END:
        return
    big = b[at + 4] == 0
    if half(b, at + 18, big) < 4 or word(b, at + 20, big) != RTS_VERSION or word(b, at + 28, big) != RTS_COOKIE:
        return
    high, low = i64(b, at + 32)[0], i64(b, at + 40)[0]
    before = -1
    entry = counters[HTTP_WAITING] - 1
    while entry >= 0:
        if numbers[entry + H_HIGH] == high and numbers[entry + H_LOW] == low and numbers[entry + H_CHANNEL] != channel:
            other = numbers[entry + H_STREAM]
            numbers[g + PEER], numbers[other + PEER] = other + 1, g + 1
            stop_waiting(s, before, entry)
            return
        if numbers[entry + H_STREAM] == g:
            return  # it said so before
        before = entry
        entry = numbers[entry + W_NEXT]
    if counters[HTTP_COUNT] >= MAX_CHANNELS:
        return
    entry = new_record(s)
    if entry < 0:
        return
    numbers[entry + H_HIGH] = high
    numbers[entry + H_LOW] = low
    numbers[entry + H_STREAM] = g
    numbers[entry + H_CHANNEL] = channel
    numbers[entry + W_NEXT] = counters[HTTP_WAITING] - 1
    counters[HTTP_WAITING] = entry + 1
    counters[HTTP_COUNT] += 1


def forget_channel(s: State, g: int) -> None:
    """No stream refers to this one any more."""
    numbers = s.numbers
    if numbers[g + PEER] != 0:
        numbers[numbers[g + PEER] - 1 + PEER] = 0
        numbers[g + PEER] = 0
    before = -1
    entry = s.counters[HTTP_WAITING] - 1
    while entry >= 0:
        after = numbers[entry + W_NEXT]
        if numbers[entry + H_STREAM] == g:
            stop_waiting(s, before, entry)
        else:
            before = entry
        entry = after


def stop_waiting(s: State, before: int, entry: int) -> None:
    """Take a channel's record, which follows `before`, out of those that wait for their other half, and give it back."""
    counters, numbers = s.counters, s.numbers
    if before < 0:
        counters[HTTP_WAITING] = numbers[entry + W_NEXT] + 1
    else:
        numbers[before + W_NEXT] = numbers[entry + W_NEXT]
    numbers[entry + W_NEXT] = counters[FREE_WAITING]
    counters[FREE_WAITING] = entry
    counters[HTTP_COUNT] -= 1
