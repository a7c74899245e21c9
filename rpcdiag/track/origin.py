"""Who sent a client to this port: referrals joined to the flows that used them, or tried to."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS, IREM_UNKNOWN, IREM_UNKNOWN2, pipe_endpoint
from rpcdiag.flows.flow import PIPE, TCP, UDP, Flow, TcpOutcome
from rpcdiag.model.evidence import Confidence
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Connection, Readable, Referral, ReferralKind

MAPPER_PORTS = frozenset({135, 593})
MAPPER_PIPE = "\\pipe\\epmapper"
EARLY_NS = 15 * 60 * 1_000_000_000  # a client may use what it was told before the capture began
SEALED_WINDOW_NS = 5_000_000_000  # from a sealed answer to the connection that follows it
SMALLEST_ACTIVATION = 300  # bytes of an answer that can hold bindings; shorter ones carry an error
MAX_TOLD = 256  # of the same port, to one client: those before are not looked at
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


class _Told(NamedTuple):
    """What one client was told of one endpoint, by time."""

    times: list[int]
    places: list[int]


class Origins:
    """Looks origins up; built once for a case."""

    def __init__(self, askings: Sequence[Asking], first_ns: Mapping[int, int]) -> None:
        self._askings = askings
        self._first_ns = first_ns  # of each capture
        self._by_end: dict[tuple[Address, int], int] = {}  # the first referral that names it; UDP ports are negative
        self._by_asker: dict[tuple[Address, int, Address], _Told] = {}
        self._by_pipe: dict[tuple[Address, Address, str], list[int]] = {}
        self._sealed_by_pair: dict[tuple[Address, Address], list[int]] = {}
        order = sorted(range(len(askings)), key=lambda position: (askings[position].referral.response_ns, -position))
        for position in order:
            asking = askings[position]
            client, server = asking.flow.client.address, asking.flow.server.address
            if asking.referral.readable is Readable.SEALED and asking.referral.size >= SMALLEST_ACTIVATION:
                self._sealed_by_pair.setdefault((client, server), []).append(position)
            seen: set[tuple[Address, int]] = set()
            for endpoint in asking.referral.endpoints:
                if endpoint.pipe is not None:
                    pipe = pipe_endpoint(endpoint.pipe).lower()
                    self._by_pipe.setdefault((server, client, pipe), []).append(position)
                if endpoint.port is None or endpoint.protseq not in (TCP, UDP):
                    continue
                port = endpoint.port if endpoint.protseq == TCP else -endpoint.port
                for address in (endpoint.address, server):
                    if address is None or (address, port) in seen:
                        continue
                    end = address, port
                    seen.add(end)
                    self._by_end[end] = min(position, self._by_end.get(end, position))
                    told = self._by_asker.setdefault((*end, client), _Told([], []))
                    told.times.append(asking.referral.response_ns)
                    told.places.append(position)

    def of(self, flow: Flow, rpc: Connection | None) -> Origin:
        """The origin of one flow."""
        if flow.transport == PIPE:
            return self._of_pipe(flow)
        if flow.server.port in MAPPER_PORTS:
            return Origin(OriginKind.MAPPER, None, Confidence.PROVEN, f"port {flow.server.port} is the mapper's own")
        best = self._told(flow, rpc)
        if best is not None:
            return best
        sealed = self._sealed(flow, rpc)
        if sealed is not None:
            return sealed
        if flow.server.port in FIXED_TCP_PORTS and flow.transport != UDP:
            what = FIXED_TCP_PORTS[flow.server.port]
            return Origin(OriginKind.WELL_KNOWN, None, Confidence.LIKELY, f"{flow.server.port} is a fixed port: {what}")
        first = self._by_end.get((flow.server.address, _port(flow)))
        if first is not None:
            other = self._askings[first]
            return Origin(
                OriginKind.OTHER_CLIENT, first, Confidence.LIKELY,
                f"{other.flow.client.address} was told of this port, {flow.client.address} was not while the capture ran",
            )  # fmt: skip
        return self._unexplained(flow, rpc)

    def _of_pipe(self, flow: Flow) -> Origin:
        """A pipe is reached by its name, which clients mostly know; a mapper may have told it."""
        if flow.pipe is None:
            return Origin(
                OriginKind.BEFORE_CAPTURE,
                None,
                Confidence.POSSIBLE,
                "the pipe was opened where the capture does not show it",
            )
        name = flow.pipe.lower()
        if name == MAPPER_PIPE:
            return Origin(OriginKind.MAPPER, None, Confidence.PROVEN, f"{flow.pipe} is the mapper's own")
        told = self._by_pipe.get((flow.server.address, flow.client.address, name), ())
        before = [place for place in told if self._askings[place].referral.response_ns <= flow.start_ns]
        if before:
            referral = self._askings[before[-1]].referral
            return Origin(
                OriginKind(referral.kind.value), before[-1], Confidence.PROVEN,
                f"packet {referral.response_packet} names {flow.pipe}",
            )  # fmt: skip
        return Origin(OriginKind.WELL_KNOWN, None, Confidence.LIKELY, f"{flow.pipe} is a name that clients know")

    def _asked_before(self, flow: Flow) -> Iterator[int]:
        """Positions of what the client was told of this port before it went there, the latest first."""
        told = self._by_asker.get((flow.server.address, _port(flow), flow.client.address))
        if told is None:
            return
        until = bisect_right(told.times, flow.start_ns + TOLERANCE_NS)
        for place in range(until - 1, max(-1, until - 1 - MAX_TOLD), -1):
            asking = self._askings[told.places[place]]
            slack = TOLERANCE_NS if asking.flow.capture != flow.capture else 0
            if asking.referral.response_ns <= flow.start_ns + slack:
                yield told.places[place]

    def _told(self, flow: Flow, rpc: Connection | None) -> Origin | None:
        """The latest referral before the flow; one for the interface that was bound, or ORPC, goes first."""
        best, fit = -1, -1
        bound = {use.interface.uuid for use in rpc.interfaces} if rpc else set()
        for place in self._asked_before(flow):
            fits = self._fits(place, rpc, bound)
            if fits > fit:
                best, fit = place, fits
                if fits == 2:
                    break
        if best < 0:
            return None
        referral = self._askings[best].referral
        packet = next(
            (one.packet for one in referral.endpoints if one.port == flow.server.port), referral.response_packet
        )
        return Origin(
            OriginKind(referral.kind.value), best, Confidence.PROVEN,
            f"packet {packet} names port {flow.server.port}",
        )  # fmt: skip

    def _fits(self, place: int, rpc: Connection | None, bound: set[str]) -> int:
        """2 where the referral is for what was bound, 1 where nothing was bound, 0 where something else was."""
        referral = self._askings[place].referral
        if rpc is None or not rpc.interfaces:
            return 1
        if referral.kind in (ReferralKind.ACTIVATION, ReferralKind.RESOLVE_OXID):
            return 2 if rpc.orpc_calls or bound & {IREM_UNKNOWN, IREM_UNKNOWN2} else 0
        if referral.interface:
            return 2 if referral.interface.uuid in bound else 0
        return 2 if any(one.interface and one.interface.uuid in bound for one in referral.endpoints) else 0

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


def _port(flow: Flow) -> int:
    """The server's port; those of UDP, which are others, stand negative."""
    return -flow.server.port if flow.transport == UDP else flow.server.port


def tcp_endpoints(askings: Sequence[Asking]) -> set[tuple[Address, int]]:
    """Every TCP endpoint that a referral names, the asked server's own address standing for names and 0.0.0.0."""
    return {
        (address, endpoint.port)
        for asking in askings
        for endpoint in asking.referral.endpoints
        if endpoint.port is not None and endpoint.protseq == "ncacn_ip_tcp"
        for address in (endpoint.address or asking.flow.server.address, asking.flow.server.address)
    }
