"""Whose records are kept longest where there is no room for all: of whom RPC was heard, and what failed beside it."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from rpcdiag.sweep.columns import (
    END_NS,
    FLOW_WIDTH,
    KEY,
    MATTERS,
    SERIAL_NUMBER,
    SMB,
    STREAM,
    SYN_ACK_PACKET,
    SYN_COUNT,
    UNDECIDED,
    YES,
)

# BESIDE: an attempt that failed, of two hosts between which RPC was heard; IN_TROUBLE: that RPC
NOTHING, MAYBE_RPC, BESIDE, SPOKE, IN_TROUBLE = range(5)
_Pair = tuple[tuple[int, int], tuple[int, int]]
TOGETHER = 16  # the latest of a pair, which are given up together: what was asked, and what was tried for the answer
SHARES = (((MAYBE_RPC,), 1), ((SPOKE,), 2), ((BESIDE, IN_TROUBLE), 3))  # eighths that each keeps; the first goes first


def worth(flows: Any, end: int) -> dict[int, int]:
    """Of each record in use, by its offset, how much it is worth.

    An attempt that never opened looks like one of a flood; beside RPC of the same two hosts it is likely the case that
    somebody looks for, and so is that RPC.
    """
    used = [o for o in range(0, end, FLOW_WIDTH) if flows[o + SERIAL_NUMBER] >= 0]
    spoke = {o for o in used if flows[o + MATTERS] in (YES, SMB) and flows[o + STREAM] >= 0}
    pairs = {_pair(flows, o) for o in spoke}
    hosts = {low for pair in pairs for _, low in pair}  # most attempts of a flood are told apart by this alone
    failed = [
        o
        for o in used
        if flows[o + KEY + 1] in hosts
        and flows[o + KEY + 3] in hosts
        and flows[o + SYN_COUNT]
        and not flows[o + SYN_ACK_PACKET]
        and flows[o + MATTERS] in (UNDECIDED, YES)
    ]
    troubled = {o: pair for o in failed if (pair := _pair(flows, o)) in pairs}
    in_trouble = set(troubled.values())
    worth = {o: MAYBE_RPC if flows[o + MATTERS] in (YES, SMB) else NOTHING for o in used}
    for o in spoke:
        worth[o] = IN_TROUBLE if _pair(flows, o) in in_trouble else SPOKE
    for o in troubled:
        worth[o] = max(worth[o], BESIDE)
    return worth


def _pair(flows: Any, o: int) -> _Pair:
    one = flows[o + KEY], flows[o + KEY + 1]
    other = flows[o + KEY + 2], flows[o + KEY + 3]
    return (one, other) if one <= other else (other, one)


def outdated(flows: Any, end: int, most: int) -> list[int]:
    """Which records that a diagnosis looks at are one too many: none up to `most`, of more so many that three quarters
    of that are left.

    Pairs that have been silent for longest go first, whole. Attempts at a mapper that never opened go before RPC that
    went well, and that before RPC in trouble; but each of the three keeps its share, or what troubled somebody an hour
    ago would leave no room for what begins now.
    """
    known = {o: value for o, value in worth(flows, end).items() if value >= MAYBE_RPC}
    if len(known) <= most:
        return []
    excess = len(known) - most * 3 // 4
    latest = _latest_of_pairs(flows, known)
    gone: list[int] = []
    for kinds, share in SHARES:
        order = [o for o, value in known.items() if value in kinds]
        order.sort(key=lambda o: (latest[o], flows[o + END_NS]))
        count = max(0, min(len(order) - most * share // 8, excess - len(gone)))
        while 0 < count < len(order) and latest[order[count]] == latest[order[count - 1]]:
            count += 1
        gone += order[:count]
    return gone


def _latest_of_pairs(flows: Any, places: Iterable[int]) -> dict[int, int]:
    """When the pair of each was heard last; where a pair has many, that counts for the latest of them only."""
    by_pair: dict[_Pair, list[int]] = {}
    for o in places:
        by_pair.setdefault(_pair(flows, o), []).append(o)
    latest: dict[int, int] = {}
    for members in by_pair.values():
        members.sort(key=lambda o: -flows[o + END_NS])
        last = flows[members[0] + END_NS]
        latest.update((o, last) for o in islice(members, TOGETHER))
        latest.update((o, flows[o + END_NS]) for o in islice(members, TOGETHER, None))
    return latest
