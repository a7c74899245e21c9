"""RPC over HTTP: two connections for one conversation, requests on one, answers on the other. [MS-RPCH] 3.2.1.5

Each begins with a request of HTTP; behind its head come PDUs.
"""

from typing import Any

from rpcdiag.sweep.columns import (
    BY_CONTENT,
    CHANNEL,
    CLIENT,
    CLIENT_HOW,
    EV_HTTP,
    EVENT_WIDTH,
    EVENTS,
    HELD,
    IN_CHANNEL,
    OUT_CHANNEL,
    SERIAL_NUMBER,
    STREAM,
    State,
)
from rpcdiag.sweep.followed import open_stream
from rpcdiag.sweep.primitives import copy, u32

MAX_HTTP = 2048  # bytes of a message that are told


def is_channel(b: Any, at: int) -> bool:
    """Whether 16 bytes begin a request of RPC over HTTP: RPC_IN_DATA or RPC_OUT_DATA."""
    first, second = u32(b, at)[0], u32(b, at + 4)[0]
    if first != 0x5250435F:  # "RPC_"
        return False
    return second == 0x494E5F44 or second == 0x4F55545F  # "IN_D", "OUT_"


def take_channel(s: State, o: int, number: int) -> None:
    """The conversation is a channel; whoever asks is the client."""
    flows = s.flows
    s.numbers[open_stream(s, o) + CHANNEL] = IN_CHANNEL
    if flows[o + CLIENT] < 0:
        flows[o + CLIENT] = number
        flows[o + CLIENT_HOW] = BY_CONTENT


def take_http(s: State, o: int, number: int, b: Any, at: int, captured: int, packet: int, ns: int) -> None:
    """A segment of a channel; told where a message of HTTP begins with it."""
    counters, flows, numbers = s.counters, s.flows, s.numbers
    if captured < 16:
        return
    g = flows[o + STREAM]
    if is_channel(b, at):
        numbers[g + CHANNEL] = IN_CHANNEL if b[at + 4] == 0x49 else OUT_CHANNEL
    elif u32(b, at)[0] != 0x48545450:  # "HTTP"
        return
    count = min(captured, MAX_HTTP)
    e, held = counters[EVENTS], counters[HELD]
    numbers[e] = EV_HTTP
    numbers[e + 1] = flows[o + SERIAL_NUMBER]
    numbers[e + 2] = number
    numbers[e + 3] = packet
    numbers[e + 4] = ns
    numbers[e + 5] = held
    numbers[e + 6] = count
    numbers[e + 13] = g
    copy(s.store, held, b, at, count)
    counters[HELD] = held + count
    counters[EVENTS] = e + EVENT_WIDTH
