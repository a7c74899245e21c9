"""Size or kind: whether a large bind on port 135 is lost because it is large, or because of the interface that it names.

Both look alike where it is repeated and never acknowledged: a narrow path takes large packets away, a filter everything
that does not begin with the mapper. What else the two hosts say to one another tells.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.flows.flow import Flow, TcpOutcome
from rpcdiag.model.evidence import Evidence, Seen
from rpcdiag.track.facts import Bind

LARGE = 1200  # bytes of a segment; what is smaller passes wherever IP does
SMALL_PIECE = 1000  # what a sender that suspects the path cuts its repeats to: 536 bytes, or a little more
ENOUGH_PIECES = 2
MAX_AROUND = 128  # connections before and after it that are looked at
GIVES_UP_NS = 60_000_000_000  # a server that waits for the rest of a bind waits longer
_NEEDS_FRAGMENTS = {4: (3, 4), 6: (2, 0)}  # ICMP: too big. [RFC1191] 4, [RFC4443] 3.2


class Matter(Enum):
    SIZE = "size"
    KIND = "kind"
    OPEN = "open"


class Judged(NamedTuple):
    """What it is, and what says so. `told`: a router says so itself."""

    matter: Matter
    evidence: tuple[Evidence, ...] = ()
    told: bool = False


def too_big(flow: Flow) -> Seen | None:
    """ICMP errors that say that a packet of the connection is too big for the path."""
    errors = [
        one
        for one in flow.icmp
        if (one.kind, one.code) == _NEEDS_FRAGMENTS[one.version] and one.quotes_client == bool(flow.repeats_from_client)
    ]
    if not errors:
        return None
    says = f"{errors[0].sender} says that the packet is too big for the way (ICMP), and it is repeated as large"
    return Seen(says, flow.capture, tuple(one.packet for one in errors[: observe.MAX_SHOWN]))


def lost_large(flow: Flow) -> bool:
    """Whether large segments of the client are repeated and never acknowledged."""
    return bool(flow.repeats_from_client and flow.stalled_size >= LARGE)


def judged(case: Case, conversation: Conversation) -> Judged:
    """Of a connection to port 135 whose first bind is lost in large segments."""
    flow = conversation.near.flow
    told = too_big(flow)
    kind, size = list(_kind(case, conversation)), list(_size(case, conversation))
    if told is not None and len(flow.client_pieces) < ENOUGH_PIECES:
        return Judged(Matter.SIZE, (told, *size), told=True)
    if bool(kind) is bool(size):
        return Judged(Matter.OPEN, (*kind, *size))
    return Judged(Matter.KIND, tuple(kind)) if kind else Judged(Matter.SIZE, tuple(size))


def _size(case: Case, conversation: Conversation) -> Iterator[Seen]:
    """That smaller ones of its kind pass, or larger ones of other kinds do not."""
    flow = conversation.near.flow
    bind = _first(conversation)
    if bind is not None and _acknowledges_again(flow, bind):
        says = "the server acknowledges once more what it had: the small end of the bind arrives, its large beginning does not"
        yield Seen(says, flow.capture, (flow.first_packet, flow.last_packet))
    for other in _around(case, conversation):
        theirs = other.near.flow
        small = next((one for one in _alike(bind, other) if one.answer == "ack" and one.size < LARGE), None)
        if small is not None:
            says = f"a bind of {small.size} bytes for the same, between the same two, is answered"
            yield Seen(says, theirs.capture, tuple(one for one in (small.packet, small.answer_packet) if one))
        elif not observe.is_mapper(other) and theirs.outcome is TcpOutcome.STALLED and _only_large_lost(theirs):
            says = (
                f"{theirs.stalled_size} bytes to port {theirs.server.port} are lost as well, where smaller ones passed"
            )
            yield Seen(says, theirs.capture, theirs.repeated[: observe.MAX_SHOWN])


def _kind(case: Case, conversation: Conversation) -> Iterator[Seen]:
    """That as large ones of other kinds pass, or smaller ones of its kind do not, or that somebody ends it who read it."""
    flow = conversation.near.flow
    bind = _first(conversation)
    pieces = [size for size in flow.client_pieces if size <= SMALL_PIECE]
    if len(pieces) >= ENOUGH_PIECES:
        says = f"it is repeated in pieces of {min(pieces)} bytes as well, and these are not acknowledged either"
        yield Seen(says, flow.capture, flow.repeated[: observe.MAX_SHOWN])
    ended = _ended_by_server(flow, bind)
    if ended is not None:
        yield ended
    for other in _around(case, conversation):
        theirs = other.near.flow
        here = (theirs.capture, theirs.point) == (flow.capture, flow.point)
        if theirs.client_acknowledged >= flow.stalled_size and here:
            says = f"{theirs.client_acknowledged} bytes in one segment to port {theirs.server.port} are acknowledged"
            yield Seen(says, theirs.capture, (theirs.first_packet, theirs.last_packet))
        elif _small_one_lost(case, bind, other):
            says = "a small bind for the same, between the same two, gets no answer either"
            first = _first(other)
            yield Seen(says, theirs.capture, (first.packet,) if first is not None else ())


def _around(case: Case, conversation: Conversation) -> Iterator[Conversation]:
    """Other connections of the same two at about that time."""
    others = case.between(conversation.client, conversation.server)
    at = conversation.near.flow.start_ns
    begin = bisect_left(others, at - observe.SHORTLY_NS, key=_start)
    end = bisect_right(others, at + observe.SHORTLY_NS, key=_start)
    here = bisect_left(others, at, key=_start)
    for other in others[max(begin, here - MAX_AROUND) : min(end, here + MAX_AROUND)]:
        if other is not conversation:
            yield other


def _start(one: Conversation) -> int:
    return one.near.flow.start_ns


def _ended_by_server(flow: Flow, bind: Bind | None) -> Seen | None:
    """A server that has not got the bind waits for it: who ends the connection soon after has seen more of it."""
    if bind is None:
        return None
    reset = flow.reset
    if reset is not None and not reset.from_client and 0 <= reset.time_ns - bind.time_ns <= GIVES_UP_NS:
        return Seen(f"RST from the server's side {(reset.time_ns - bind.time_ns) / 1e9:.1f} s after the bind",
                    flow.capture, (reset.packet,))  # fmt: skip
    if flow.fin_from_server is not None and flow.end_ns - bind.time_ns <= GIVES_UP_NS:
        return Seen("FIN from the server's side soon after the bind", flow.capture, (flow.fin_from_server,))
    return None


def _acknowledges_again(flow: Flow, bind: Bind) -> bool:
    """Whether the server sends more than its SYN-ACK and an end, and has no data: ACKs of what had come before.

    The bind must have a small end that can arrive. Where packets were recorded twice, their number tells nothing.
    """
    if not flow.syn_ack or flow.server_bytes or bind.size <= flow.stalled_size:
        return False
    ends = 1 if flow.reset is not None and not flow.reset.from_client else 0
    segments = -(-bind.size // flow.stalled_size)
    most = flow.syn_count + 1 + segments + flow.repeats_from_client + 2  # ACK of the SYN-ACK; FIN and RST
    recorded_twice = flow.packets - flow.server_packets > most
    return not recorded_twice and flow.server_packets > 1 + bool(flow.fin_from_server) + ends


def _only_large_lost(flow: Flow) -> bool:
    return lost_large(flow) and 0 < flow.acknowledged_size < flow.stalled_size


def _small_one_lost(case: Case, like: Bind | None, other: Conversation) -> bool:
    """Whether a bind like it that fits into a small segment stayed without an answer, and one could have been seen."""
    bind, flow = _first(other), other.near.flow
    if bind is None or bind.answer is not None or bind.size >= LARGE or flow.server_ttl is None:
        return False
    if not any(one is bind for one in _alike(like, other)):
        return False
    last = case.captures[flow.capture].last_ns or 0
    end = flow.reset.time_ns if flow.reset is not None else last
    ended = flow.fin_from_server is not None or (flow.reset is not None and not flow.reset.from_client)
    return ended or end - bind.time_ns >= observe.ANSWER_PATIENCE_NS


def _first(conversation: Conversation) -> Bind | None:
    rpc = conversation.near.rpc
    return rpc.binds[0] if rpc is not None and rpc.binds else None


def _alike(like: Bind | None, other: Conversation) -> list[Bind]:
    """The binds to the mapper's port that a filter cannot tell from this one: all of DCOM, or all of the mapper."""
    rpc = other.near.rpc
    if rpc is None or like is None or not observe.is_mapper(other):
        return []
    wanted = _names(like)
    kinds = observe.DCOM if wanted & observe.DCOM else wanted
    return [one for one in rpc.binds if _names(one) & kinds]


def _names(bind: Bind) -> frozenset[str]:
    return frozenset({context.interface.uuid for context in bind.contexts})
