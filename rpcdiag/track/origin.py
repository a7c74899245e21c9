"""Who sent a client to this port: referrals joined to the flows that used them, or tried to."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS, IREM_UNKNOWN, IREM_UNKNOWN2
from rpcdiag.flows.flow import Flow, TcpOutcome
from rpcdiag.model.evidence import Confidence
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Connection, Readable, Referral, ReferralKind

MAPPER_PORTS = frozenset({135, 593})
EARLY_NS = 15 * 60 * 1_000_000_000  # a client may use what it was told before the capture began
SEALED_WINDOW_NS = 5_000_000_000  # from a sealed answer to the connection that follows it
SMALLEST_ACTIVATION = 300  # bytes of an answer that can hold bindings; shorter ones carry an error
TOLERANCE_NS = 5_000_000  # the clocks of two captures differ


class OriginKind(StrEnum):
    MAPPER = "mapper"
    EPT_MAP = "ept_map"
    EPT_LOOKUP = "ept_lookup"
    ACTIVATION = "activation"
    RESOLVE_OXID = "resolve_oxid"
    OBJECT_REFERENCE = "object_reference"
    WELL_KNOWN = "well_known"
    INFERRED = "inferred"
    OTHER_CLIENT = "other_client"
    BEFORE_CAPTURE = "before_capture"
    UNEXPLAINED = "unexplained"


class Origin(NamedTuple):
    """`referral` is the position of the referral that explains the flow."""

    kind: OriginKind
    referral: int | None
    confidence: Confidence
    why: str


class Asking(NamedTuple):
    """A referral and the flow that carried it."""

    referral: Referral
    flow: Flow


class Origins:
    """Looks origins up; built once for a case."""

    def __init__(self, askings: Sequence[Asking], first_ns: Mapping[int, int]) -> None:
        self._askings = askings
        self._first_ns = first_ns  # of each capture
        self._by_end: dict[tuple[Address, int], list[int]] = {}
        self._sealed_by_pair: dict[tuple[Address, Address], list[int]] = {}
        for position, asking in enumerate(askings):
            if asking.referral.readable is Readable.SEALED and asking.referral.size >= SMALLEST_ACTIVATION:
                pair = asking.flow.client.address, asking.flow.server.address
                self._sealed_by_pair.setdefault(pair, []).append(position)
            for endpoint in asking.referral.endpoints:
                if endpoint.port is not None and endpoint.protseq == "ncacn_ip_tcp":
                    for address in {endpoint.address or asking.flow.server.address, asking.flow.server.address}:
                        places = self._by_end.setdefault((address, endpoint.port), [])
                        if not places or places[-1] != position:
                            places.append(position)

    def of(self, flow: Flow, rpc: Connection | None) -> Origin:
        """The origin of one flow."""
        if flow.server.port in MAPPER_PORTS:
            return Origin(OriginKind.MAPPER, None, Confidence.PROVEN, f"port {flow.server.port} is the mapper's own")
        places = self._by_end.get((flow.server.address, flow.server.port), [])
        told = [place for place in places if self._asked_by(place, flow) and self._before(place, flow)]
        if told:
            return self._told(told, flow, rpc)
        sealed = self._sealed(flow, rpc)
        if sealed is not None:
            return sealed
        if flow.server.port in FIXED_TCP_PORTS:
            what = FIXED_TCP_PORTS[flow.server.port]
            return Origin(OriginKind.WELL_KNOWN, None, Confidence.LIKELY, f"{flow.server.port} is a fixed port: {what}")
        if places:
            other = self._askings[places[0]]
            return Origin(
                OriginKind.OTHER_CLIENT, places[0], Confidence.LIKELY,
                f"{other.flow.client.address} was told of this port, {flow.client.address} was not while the capture ran",
            )  # fmt: skip
        return self._unexplained(flow, rpc)

    def _asked_by(self, place: int, flow: Flow) -> bool:
        return self._askings[place].flow.client.address == flow.client.address

    def _before(self, place: int, flow: Flow) -> bool:
        asking = self._askings[place]
        slack = TOLERANCE_NS if asking.flow.capture != flow.capture else 0
        return asking.referral.response_ns <= flow.start_ns + slack

    def _told(self, told: list[int], flow: Flow, rpc: Connection | None) -> Origin:
        """The latest referral before the flow; one for the interface that was bound, or ORPC, goes first."""
        best = max(told, key=lambda place: (self._fits(place, rpc), self._askings[place].referral.response_ns))
        referral = self._askings[best].referral
        packet = next(
            (one.packet for one in referral.endpoints if one.port == flow.server.port), referral.response_packet
        )
        return Origin(
            OriginKind(referral.kind.value), best, Confidence.PROVEN,
            f"packet {packet} names port {flow.server.port}",
        )  # fmt: skip

    def _fits(self, place: int, rpc: Connection | None) -> int:
        """2 where the referral is for what was bound, 1 where nothing was bound, 0 where something else was."""
        referral = self._askings[place].referral
        if rpc is None or not rpc.interfaces:
            return 1
        bound = {use.interface.uuid for use in rpc.interfaces}
        if referral.kind in (ReferralKind.ACTIVATION, ReferralKind.RESOLVE_OXID):
            return 2 if rpc.orpc_calls or bound & {IREM_UNKNOWN, IREM_UNKNOWN2} else 0
        wanted = (
            {referral.interface.uuid}
            if referral.interface
            else {one.interface.uuid for one in referral.endpoints if one.interface}
        )
        return 2 if bound & wanted else 0

    def _sealed(self, flow: Flow, rpc: Connection | None) -> Origin | None:
        """A sealed answer to the same pair shortly before, and something that speaks for this being its port."""
        best: int | None = None
        for place in self._sealed_by_pair.get((flow.client.address, flow.server.address), ()):
            waited = flow.start_ns - self._askings[place].referral.response_ns
            if 0 <= waited <= SEALED_WINDOW_NS:
                best = place
        if best is None:
            return None
        referral = self._askings[best].referral
        bound = {use.interface.uuid for use in rpc.interfaces} if rpc else set()
        if bound & {IREM_UNKNOWN, IREM_UNKNOWN2}:
            confidence, why = Confidence.ESTABLISHED, "the first interface bound is that of an object exporter"
        elif rpc and rpc.orpc_calls:
            confidence, why = Confidence.LIKELY, "its calls name objects"
        elif rpc and rpc.binds:
            confidence, why = Confidence.LIKELY, "it is the connection that follows the answer"
        else:
            confidence, why = Confidence.POSSIBLE, "only the time speaks for it"
        return Origin(
            OriginKind.INFERRED, best, confidence,
            f"the answer in packet {referral.response_packet} is sealed; {why}",
        )  # fmt: skip

    def _unexplained(self, flow: Flow, rpc: Connection | None) -> Origin:
        early = flow.start_ns - self._first_ns.get(flow.capture, flow.start_ns)
        if flow.outcome is TcpOutcome.MIDSTREAM or not flow.syns:
            why = "the connection is older than the capture"
        elif rpc is not None and any(bind.association_group for bind in rpc.binds[:1]):
            why = "it joins an association that is older than the capture"
        elif early < EARLY_NS:
            why = f"nothing in the capture names port {flow.server.port}, which began {early / 1e9:.0f} s before"
        else:
            return Origin(
                OriginKind.UNEXPLAINED, None, Confidence.LIKELY,
                f"nothing names port {flow.server.port} in the {early / 1e9 / 60:.0f} minutes before",
            )  # fmt: skip
        return Origin(OriginKind.BEFORE_CAPTURE, None, Confidence.POSSIBLE, why)


def tcp_endpoints(askings: Sequence[Asking]) -> set[tuple[Address, int]]:
    """Every TCP endpoint that a referral names, the asked server's own address standing for names and 0.0.0.0."""
    return {
        (address, endpoint.port)
        for asking in askings
        for endpoint in asking.referral.endpoints
        if endpoint.port is not None and endpoint.protseq == "ncacn_ip_tcp"
        for address in (endpoint.address or asking.flow.server.address, asking.flow.server.address)
    }
