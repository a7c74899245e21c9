"""Whether a TCP port answers, in PortQry's words."""

import errno
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import NamedTuple

TIMEOUT_S = 3.0
AT_A_TIME = 8
MOST_PORTS = 200
_PROHIBITED = {
    errno.EHOSTUNREACH: "ICMP: host unreachable or prohibited",
    errno.ENETUNREACH: "ICMP: network unreachable",
    errno.EACCES: "forbidden by this machine",
    errno.EPERM: "forbidden by this machine",
}


class State(StrEnum):
    """PortQry's: FILTERED is one that nothing answers for, or that somebody in between says no for."""

    LISTENING = "LISTENING"
    NOT_LISTENING = "NOT LISTENING"
    FILTERED = "FILTERED"


class Knock(NamedTuple):
    """What came of one connection."""

    port: int
    state: State
    took_ms: int
    why: str | None


def knock(address: str, port: int) -> Knock:
    """Connect, and close again."""
    began = time.monotonic()
    state, why = State.LISTENING, None
    try:
        socket.create_connection((address, port), TIMEOUT_S).close()
    except ConnectionRefusedError:
        state = State.NOT_LISTENING
    except TimeoutError:
        state, why = State.FILTERED, f"no answer within {TIMEOUT_S:g} s"
    except OSError as error:
        state, why = State.FILTERED, _PROHIBITED.get(error.errno or 0, error.strerror or str(error))
    return Knock(port, state, round((time.monotonic() - began) * 1000), why)


def knock_all(address: str, ports: Iterable[int]) -> list[Knock]:
    """A few at a time, `MOST_PORTS` at most, by number."""
    wanted = sorted(set(ports))[:MOST_PORTS]
    with ThreadPoolExecutor(AT_A_TIME) as executor:
        return list(executor.map(lambda port: knock(address, port), wanted))
