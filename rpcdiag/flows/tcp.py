"""How a TCP connection went, from what the pass noted of it."""

from collections.abc import Sequence

from rpcdiag.flows.flow import IcmpError, TcpOutcome
from rpcdiag.sweep.columns import (
    ACKNOWLEDGED,
    COMPLETED,
    FIN_PACKET,
    FIRST_REPEATED,
    LARGEST,
    LAST_DATA_PACKET,
    LAST_DATA_SIDE,
    PACKETS,
    PROBE_QUIET,
    PROBES,
    QUIET,
    REPEATED,
    REPEATS,
    RESET_PACKET,
    RESET_SIDE,
    SYN_ACK_PACKET,
    SYN_COUNT,
    UNACKNOWLEDGED,
)

LEAST_PROBES = 4  # keep-alives in a row: the answer to the last may come behind the capture, one may be lost
IDLE_NS = 60_000_000_000  # the shortest idle limit that stateful devices are set to


def outcome(
    row: Sequence[int], client: int, icmp: Sequence[tuple[int, IcmpError]], *, unheard: bool = False
) -> TcpOutcome:
    """How it went, seen from the side `client`; `row` is the flow's record, `icmp` the errors with the side they quote.

    `unheard`: its keep-alives are known to reach nobody.
    """
    server = 1 - client
    opened = row[COMPLETED] or row[SYN_ACK_PACKET] or row[LAST_DATA_PACKET + server]
    if not opened and row[SYN_COUNT]:
        if row[RESET_PACKET] and row[RESET_SIDE] != client:
            return TcpOutcome.REFUSED
        if any(forbids(error) for side, error in icmp if side == client):
            return TcpOutcome.PROHIBITED
        if not row[PACKETS + server] and not row[LAST_DATA_PACKET + client]:
            return TcpOutcome.UNANSWERED
    for side in (client, server):
        if row[UNACKNOWLEDGED + side] and row[REPEATS + side] >= 2 and not _ended_before(row, side):
            return TcpOutcome.IDLE_DROPPED if row[QUIET + side] >= IDLE_NS else TcpOutcome.STALLED
    if unheard:
        return TcpOutcome.IDLE_DROPPED if row[PROBE_QUIET] >= IDLE_NS else TcpOutcome.STALLED
    # the other way round it is a client that has read its answer and closes without ceremony
    kills = row[RESET_PACKET] and row[RESET_SIDE] != client and not row[FIN_PACKET] and not row[FIN_PACKET + 1]
    if kills and row[LAST_DATA_SIDE] == client:
        return TcpOutcome.IDLE_DROPPED if row[QUIET + client] >= IDLE_NS else TcpOutcome.RESET
    if not row[SYN_COUNT] and not row[SYN_ACK_PACKET]:
        return TcpOutcome.MIDSTREAM
    return TcpOutcome.ESTABLISHED


def probing(row: Sequence[int]) -> int | None:
    """The side whose last keep-alives nobody answered, while neither had said goodbye; None where there are few."""
    if row[PROBES] >> 1 < LEAST_PROBES or row[FIN_PACKET] or row[FIN_PACKET + 1]:
        return None
    return row[PROBES] & 1


def stalled_size(row: Sequence[int]) -> int:
    """Size of the largest segment that was repeated and never acknowledged, 0 if none was."""
    if not (row[REPEATS] or row[REPEATS + 1]):
        return 0
    return max(row[LARGEST + side] if row[UNACKNOWLEDGED + side] and row[REPEATS + side] else 0 for side in (0, 1))


def acknowledged_size(row: Sequence[int]) -> int:
    """Size of the largest segment that was acknowledged: of the side that repeats in vain, or of either."""
    stalled = [side for side in (0, 1) if row[UNACKNOWLEDGED + side] and row[REPEATS + side]]
    return max(row[ACKNOWLEDGED + side] for side in stalled or (0, 1))


def _ended_before(row: Sequence[int], side: int) -> bool:
    """Whether the other end had said goodbye before the repeats: then nobody owes it an acknowledgement."""
    gone = row[FIN_PACKET + 1 - side]
    return bool(gone and row[REPEATED] and gone < row[FIRST_REPEATED])


def forbids(error: IcmpError) -> bool:
    """Whether the error ends an attempt: not "fragmentation needed", redirects and source quench."""
    if error.version == 4:
        return (error.kind == 3 and error.code != 4) or error.kind == 11
    return error.kind in (1, 3)


def refuses(error: IcmpError) -> bool:
    """Whether it says that nothing listens on the port. [RFC792] code 3, [RFC4443] 3.1 code 4"""
    return (error.kind, error.code) == ((3, 3) if error.version == 4 else (1, 4))
