"""Copies of one conversation, recorded at several capture points, brought together."""

from collections.abc import Sequence

from rpcdiag.flows.flow import Flow
from rpcdiag.model.packets import Endpoint

MAX_USES = 16  # of the same ports: a copy that comes later than that many is not looked for
SLACK_NS = 5_000_000_000  # two captures' clocks may differ by this where no sequence number decides


def conversations(flows: Sequence[Flow]) -> tuple[tuple[int, ...], ...]:
    """Positions in `flows` of the copies of each conversation, the copy nearest to its client first.

    Copies have the same ends and the same initial sequence number, and never the same capture point; where no SYN
    was seen they overlap in time.
    """
    if len({(flow.capture, flow.point) for flow in flows}) < 2:
        return tuple((position,) for position in range(len(flows)))  # nothing can have been seen twice
    groups: list[list[int]] = []
    by_isn: dict[tuple[Endpoint, Endpoint, int], list[list[int]]] = {}
    by_ends: dict[tuple[Endpoint, Endpoint], list[list[int]]] = {}
    for position, flow in enumerate(flows):
        recent = by_ends.setdefault((flow.client, flow.server), [])
        same = recent if flow.isn is None else by_isn.setdefault((flow.client, flow.server, flow.isn), [])
        candidates = same if flow.isn is None or same else recent
        for group in candidates[-MAX_USES:]:
            if all(_copies(flow, flows[other]) for other in group):
                group.append(position)
                break
        else:
            group = [position]
            groups.append(group)
            recent.append(group)
            if flow.isn is not None:
                same.append(group)
    ordered = [tuple(sorted(group, key=lambda position: _distance(flows[position]))) for group in groups]
    return tuple(sorted(ordered, key=lambda group: min(group)))


def _copies(one: Flow, other: Flow) -> bool:
    if (one.capture, one.point) == (other.capture, other.point):
        return False
    if (one.transport, one.pipe) != (other.transport, other.pipe):
        return False
    if one.isn is not None and other.isn is not None:
        return one.isn == other.isn
    return one.start_ns <= other.end_ns + SLACK_NS and other.start_ns <= one.end_ns + SLACK_NS


def _distance(flow: Flow) -> tuple[int, int, int]:
    """How far the capture point is from the client: every router on the way takes one off the TTL."""
    return -(flow.client_ttl or 0), flow.start_ns, flow.number
