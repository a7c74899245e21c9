"""Copies of one conversation, recorded at several capture points, brought together."""

from collections.abc import Mapping, Sequence
from statistics import median_low

from rpcdiag.flows.flow import Flow
from rpcdiag.model.packets import Endpoint

MAX_USES = 16  # of the same ports: a copy that comes later than that many is not looked for
SLACK_NS = 5_000_000_000  # two captures' clocks may differ by this where no sequence number decides


def conversations(flows: Sequence[Flow]) -> tuple[tuple[int, ...], ...]:
    """Positions in `flows` of the copies of each conversation, the copy nearest to its client first.

    Copies have the same ends and the same initial sequence number, and never the same capture point; where no SYN
    was seen they overlap in time. Where addresses are translated between the points, see `_translated`.
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
    groups = _translated(flows, groups)
    ordered = [tuple(sorted(group, key=lambda position: _distance(flows[position]))) for group in groups]
    return tuple(sorted(ordered, key=lambda group: min(group)))


def clocks(flows: Sequence[Flow], groups: Sequence[Sequence[int]]) -> dict[int, int]:
    """By how much the clock of each capture is ahead of the first that it shares conversations with, whose SYNs tell."""
    apart: dict[int, dict[int, list[int]]] = {}
    for group in groups:
        for one in group:
            for other in group:
                here, there = flows[one], flows[other]
                if here.capture != there.capture and here.syns and there.syns:
                    ahead = there.syns[0].time_ns - here.syns[0].time_ns
                    apart.setdefault(here.capture, {}).setdefault(there.capture, []).append(ahead)
    found: dict[int, int] = {}
    for first in sorted(apart):
        if first in found:
            continue
        found[first], reached = 0, [first]
        for here_ in reached:
            for there_, differences in sorted(apart[here_].items()):
                if there_ not in found:
                    found[there_] = found[here_] + median_low(differences)
                    reached.append(there_)
    return found


def on_one_clock(flow: Flow, ahead: Mapping[int, int]) -> Flow:
    """The flow with its beginning and end as the clock of the first capture would have told them."""
    offset_ns = ahead.get(flow.capture, 0)
    return flow._replace(start_ns=flow.start_ns - offset_ns, end_ns=flow.end_ns - offset_ns) if offset_ns else flow


def _translated(flows: Sequence[Flow], groups: list[list[int]]) -> list[list[int]]:
    """Groups of which one is the other with its client or its server translated: the sequence number stays.

    Only where each point has that number once: where all connections begin with the same one, it tells nothing.
    """
    by_isn: dict[int, list[list[int]]] = {}
    for group in groups:
        isn = next((isn for place in group if (isn := flows[place].isn) is not None), None)
        if isn is not None:
            by_isn.setdefault(isn, []).append(group)
    gone: set[int] = set()  # by first position: no two groups share one
    for same in by_isn.values():
        places = [place for group in same for place in group]
        points = {(flows[place].capture, flows[place].point) for place in places}
        if 1 < len(same) == len(points) == len(places) and all(
            _is_translated(flows[same[0][0]], flows[group[0]]) for group in same[1:]
        ):
            gone.update(group[0] for group in same[1:])
            same[0] += places[1:]
    return [group for group in groups if group[0] not in gone]


def _is_translated(one: Flow, other: Flow) -> bool:
    ports = one.client.port == other.client.port and one.server.port == other.server.port
    ends = one.client == other.client or one.server == other.server
    same = one.transport == other.transport and one.pipe == other.pipe
    return same and (ports or ends) and _at_once(one, other)


def _copies(one: Flow, other: Flow) -> bool:
    if (one.capture, one.point) == (other.capture, other.point):
        return False
    if (one.transport, one.pipe) != (other.transport, other.pipe):
        return False
    if one.isn is not None and other.isn is not None:
        return one.isn == other.isn
    return _at_once(one, other)


def _at_once(one: Flow, other: Flow) -> bool:
    return one.start_ns <= other.end_ns + SLACK_NS and other.start_ns <= one.end_ns + SLACK_NS


def _distance(flow: Flow) -> tuple[int, int, int]:
    """How far the capture point is from the client: every router on the way takes one off the TTL."""
    return -(flow.client_ttl or 0), flow.start_ns, flow.number
