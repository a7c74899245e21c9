"""Whose records are kept longest where there is no room for all: of whom RPC was heard, and what failed beside it."""

from typing import Any

from rpcdiag.sweep.columns import (
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
