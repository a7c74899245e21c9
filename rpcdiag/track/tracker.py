"""All RPC connections of a capture, fed with segments."""

from collections.abc import Iterable

from rpcdiag.flows.flow import Flow
from rpcdiag.flows.table import Segment
from rpcdiag.streams.reassemble import Chunk, Gap, Reassembler
from rpcdiag.track.association import Association
from rpcdiag.track.facts import Connection, Referral


class Tracker:
    """Feed the segments of flows that matter; ask for connections and referrals at the end."""

    def __init__(self) -> None:
        self._associations: dict[int, tuple[Association, tuple[Reassembler, Reassembler]]] = {}

    def feed(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            known = self._associations.get(segment.flow)
            if known is None:
                known = Association(segment.flow), (Reassembler(), Reassembler())
                self._associations[segment.flow] = known
            association, streams = known
            pieces = streams[segment.side].feed(
                segment.start, segment.sequence, segment.data, segment.length, segment.packet, segment.time_ns
            )
            for piece in pieces:
                _pass_on(association, segment.side, piece)

    def close(self) -> None:
        """The capture has ended: what waited for missing bytes is decoded behind them."""
        for association, streams in self._associations.values():
            for side in (0, 1):
                for piece in streams[side].close():
                    _pass_on(association, side, piece)
            association.close()

    def connection(self, flow: Flow, sides: tuple[int, int], last_ns: int) -> Connection | None:
        """What RPC did on the flow; None where nothing of it was seen."""
        known = self._associations.get(flow.number)
        if known is None:
            return None
        association, streams = known
        return association.connection(flow, sides, last_ns, sum(stream.position for stream in streams))

    def referrals(self, flow: int) -> tuple[Referral, ...]:
        known = self._associations.get(flow)
        return tuple(known[0].referrals) if known else ()


def _pass_on(association: Association, side: int, piece: Chunk | Gap) -> None:
    if isinstance(piece, Chunk):
        association.bytes(side, piece.data, piece.packet, piece.time_ns)
    else:
        association.gap(side, piece.length, piece.packet, piece.time_ns)
