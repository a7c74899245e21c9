"""All RPC connections of a capture, by the serial numbers of their flows, fed with what the pass says."""

from collections.abc import Sequence

from rpcdiag.flows.flow import Flow, Stream
from rpcdiag.sweep.columns import EV_ANSWERED, EV_ASKED, EV_CARRIED, EV_FAULT, EV_OPEN, EV_PDU, EVENT_WIDTH
from rpcdiag.track.association import Association
from rpcdiag.track.facts import Connection, Referral


class Tracker:
    """Feed what the pass says of PDUs; ask for connections and referrals at the end."""

    def __init__(self) -> None:
        self._associations: dict[int, Association] = {}

    def feed(self, rows: Sequence[int], arena: memoryview) -> None:
        """Take events."""
        associations = self._associations
        for e in range(0, len(rows), EVENT_WIDTH):
            kind = rows[e]
            if kind < EV_PDU:
                continue
            flow = rows[e + 1]
            association = associations.get(flow)
            if association is None:
                association = associations[flow] = Association()
            if kind == EV_PDU:
                at, have = rows[e + 6], rows[e + 7]
                association.take(bytes(arena[at : at + have]), rows[e + 8], rows[e + 4], rows[e + 5])
            elif kind == EV_ASKED:
                at, have = rows[e + 10], rows[e + 11]
                association.take_asked(rows[e + 2 : e + 10], bytes(arena[at : at + have]), rows[e + 12])
            elif kind == EV_ANSWERED:
                at, have = rows[e + 10], rows[e + 11]
                association.take_answered(rows[e + 2 : e + 10], bytes(arena[at : at + have]), rows[e + 12])
            elif kind == EV_FAULT:
                association.take_fault(rows[e + 2 : e + 12])
            elif kind == EV_CARRIED:
                association.take_carried(rows[e + 2 : e + 8])
            elif kind == EV_OPEN:
                association.take_open(rows[e + 2 : e + 7])

    def connection(self, serial: int, flow: Flow, stream: Stream | None, last_ns: int) -> Connection | None:
        """What RPC did on the flow; None where nothing of it was seen."""
        if stream is None:
            return None
        association = self._associations.get(serial) or Association()
        return association.connection(flow, stream, last_ns)

    def referrals(self, serial: int) -> tuple[Referral, ...]:
        """Those that were made on the flow."""
        association = self._associations.get(serial)
        return tuple(association.referrals) if association else ()
