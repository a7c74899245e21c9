"""Who sent a client to this port: referrals joined to the flows that used them, or tried to."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS, IREM_UNKNOWN, IREM_UNKNOWN2, describe, pipe_endpoint
from rpcdiag.flows.flow import HTTP, PIPE, TCP, UDP, Flow, TcpOutcome
from rpcdiag.model.evidence import Confidence
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Connection, Readable, Referral, ReferralKind, Referred

MAPPER_PORTS = frozenset({135, 593})
MAPPER_PIPE = "\\pipe\\epmapper"
EARLY_NS = 15 * 60 * 1_000_000_000  # a client may use what it was told before the capture began
SEALED_WINDOW_NS = 5_000_000_000  # from a sealed answer to the connection that follows it
# bytes of an answer that can hold an endpoint; shorter ones carry an error
SMALLEST = {
    ReferralKind.EPT_MAP: 120, ReferralKind.EPT_LOOKUP: 120, ReferralKind.ACTIVATION: 300, ReferralKind.RESOLVE_OXID: 80,
}  # fmt: skip
CALLBACK_WINDOW_NS = 120_000_000_000  # from an object of the client in a call to the server's connection back
SMALLEST_DYNAMIC = 1025  # before Vista and Server 2008; later 49152
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


# addresses that a client was told for a host's name, by name services
Aliases = Mapping[tuple[Address, str], tuple[Address, ...]]


class Asking(NamedTuple):
    """A referral and the flow that carried it."""

    referral: Referral
    flow: Flow

    @property
    def told(self) -> Address:
        """Who was told."""
        return (self.flow.server if self.referral.by_client else self.flow.client).address

    @property
    def teller(self) -> Address:
        """Who told."""
        return (self.flow.client if self.referral.by_client else self.flow.server).address

    def bears(self, confidence: Confidence) -> Confidence:
        """That confidence, or likely where it is surer than the referral."""
        return confidence if self.referral.sure else confidence.at_most_likely


class _Told(NamedTuple):
    """What one client was told of one endpoint or by one host, by time."""

    times: list[int]
    places: list[int]

    def add(self, referral: Referral, position: int) -> None:
        self.times.append(referral.response_ns)
        self.places.append(position)

    def within(self, since_ns: int, until_ns: int) -> list[int]:
        """Positions of what was said between, the latest first; of very many the latest MAX_TOLD."""
        first, last = bisect_left(self.times, since_ns), bisect_right(self.times, until_ns)
        return self.places[max(first, last - MAX_TOLD) : last][::-1]


class Origins:
    """Looks origins up; built once for a case."""

    def __init__(
        self, askings: Sequence[Asking], first_ns: Mapping[int, int], flows: Sequence[Flow] = (),
        aliases: Aliases | None = None, lossy: Callable[[Flow], bool] | None = None,
    ) -> None:  # fmt: skip
        self._askings = askings
        self._flows = flows
        self._lossy = lossy  # whether the capture lacks bytes of a flow
        self._lost: dict[tuple[Address, Address], int] | None = None
        self._first_ns = first_ns  # of each capture
        self._by_end: dict[tuple[Address, int], int] = {}  # the first referral that names it; UDP ports are negative
        self._by_asker: dict[tuple[Address, int, Address], _Told] = {}
        self._by_pipe: dict[tuple[Address, Address, str], list[int]] = {}
        self._sealed_by_pair: dict[tuple[Address, Address], _Told] = {}
        self._objects_by_pair: dict[tuple[Address, Address], _Told] = {}  # of clients: who was told, whose it is
        self._object_of: dict[int, int] = {}  # by OXID, the first reference
        order = sorted(range(len(askings)), key=lambda position: (askings[position].referral.response_ns, -position))
        for position in order:
            asking = askings[position]
            client, server = asking.told, asking.teller
            if _may_hold_endpoint(asking.referral):
                self._sealed_by_pair.setdefault((client, server), _Told([], [])).add(asking.referral, position)
            if asking.referral.kind is ReferralKind.OBJECT_REFERENCE:
                self._note_object(position, asking)
            seen: set[tuple[Address, int]] = set()
            for endpoint in asking.referral.endpoints:
                if endpoint.pipe is not None:
                    pipe = pipe_endpoint(endpoint.pipe).lower()
                    self._by_pipe.setdefault((server, client, pipe), []).append(position)
                if endpoint.port is None or endpoint.protseq not in (TCP, UDP, HTTP):
                    continue
                port = -endpoint.port if endpoint.protseq == UDP else endpoint.port
                for address in (endpoint.address, server, *called(endpoint, client, aliases)):
                    if address is None or (address, port) in seen:
                        continue
                    end = address, port
                    seen.add(end)
                    self._by_end[end] = min(position, self._by_end.get(end, position))
                    self._by_asker.setdefault((*end, client), _Told([], [])).add(asking.referral, position)
        self._opened = _opened(flows) if self._sealed_by_pair else {}

    def _note_object(self, position: int, asking: Asking) -> None:
        referral = asking.referral
        if referral.oxid is not None:
            self._object_of.setdefault(referral.oxid, position)
        if referral.by_client:
            named = (endpoint.address for endpoint in referral.endpoints)
            for owner in dict.fromkeys((asking.teller, *(address for address in named if address is not None))):
                self._objects_by_pair.setdefault((asking.told, owner), _Told([], [])).add(referral, position)

    def of(self, flow: Flow, rpc: Connection | None) -> Origin:
        """The origin of one flow."""
        if flow.transport == PIPE:
            return self._of_pipe(flow)
        if flow.server.port in MAPPER_PORTS:
            return self._of_mapper(flow)
        best = self._told(flow, rpc)
        if best is not None:
            return best
        sealed = self._sealed(flow, rpc)
        if sealed is not None:
            return sealed
        called = self._called_back(flow, rpc)
        if called is not None:
            return called
        if flow.server.port in FIXED_TCP_PORTS and flow.transport != UDP:
            what = FIXED_TCP_PORTS[flow.server.port]
            return Origin(OriginKind.WELL_KNOWN, None, Confidence.LIKELY, f"{flow.server.port} is a fixed port: {what}")
        first = self._by_end.get((flow.server.address, _port(flow)))
        if first is not None:
            other = self._askings[first]
            if other.told == flow.client.address:
                packet = other.referral.response_packet
                why = f"the client was told of this port only later, in packet {packet}"
                return Origin(OriginKind.BEFORE_CAPTURE, None, Confidence.POSSIBLE, why)
            return Origin(
                OriginKind.OTHER_CLIENT, first, Confidence.LIKELY,
                f"{other.told} was told of this port, {flow.client.address} was not while the capture ran",
            )  # fmt: skip
        return self._unexplained(flow, rpc)

    def told_by(self, origin: Origin) -> ReferralKind | None:
        """The kind of the referral that an origin rests on."""
        return None if origin.referral is None else self._askings[origin.referral].referral.kind

    def _of_mapper(self, flow: Flow) -> Origin:
        """Clients know the mapper's port; a server that goes there was given an object of the client."""
        why = f"port {flow.server.port} is the mapper's own"
        place = self._object_before(flow)
        if place is None:
            return Origin(OriginKind.MAPPER, None, Confidence.PROVEN, why)
        packet = self._askings[place].referral.response_packet
        why += f"; packet {packet} hands over an object of {flow.server.address}"
        return Origin(OriginKind.MAPPER, place, self._askings[place].bears(Confidence.PROVEN), why)

    def _object_before(self, flow: Flow) -> int | None:
        """The latest reference to an object of the flow's server that its client was given shortly before."""
        given = self._objects_by_pair.get((flow.client.address, flow.server.address))
        if given is None:
            return None
        return next(iter(given.within(flow.start_ns - CALLBACK_WINDOW_NS, flow.start_ns + TOLERANCE_NS)), None)

    def _called_back(self, flow: Flow, rpc: Connection | None) -> Origin | None:
        """A server that goes to a port of a client whose object it was given, and was told the port by nobody."""
        place = self._object_before(flow)
        if place is None or flow.server.port < SMALLEST_DYNAMIC:
            return None
        referral = self._askings[place].referral
        bound = {use.interface.uuid for use in rpc.interfaces} if rpc else set()
        if bound & set(referral.iids):
            confidence, why = Confidence.ESTABLISHED, "the interface bound is that of the reference"
        elif rpc and (rpc.orpc_calls or bound & {IREM_UNKNOWN, IREM_UNKNOWN2}):
            confidence, why = Confidence.LIKELY, "its calls name objects"
        elif rpc and rpc.pdus:
            return None
        else:
            confidence, why = Confidence.POSSIBLE, "only the time speaks for it"
        return Origin(
            OriginKind.OBJECT_REFERENCE, place, self._askings[place].bears(confidence),
            f"packet {referral.response_packet} hands over an object of {flow.server.address}; {why}",
        )  # fmt: skip

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
                OriginKind(referral.kind.value), before[-1], self._askings[before[-1]].bears(Confidence.PROVEN),
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
        why = f"packet {packet} names port {flow.server.port}"
        handed = self._object_of.get(referral.oxid) if referral.oxid is not None else None
        if referral.kind is ReferralKind.RESOLVE_OXID and handed is not None:
            why += f"; the object was handed over in packet {self._askings[handed].referral.response_packet}"
        if referral.unbound:
            lost = "request" if referral.request_packet == referral.response_packet else "bind"
            why += f"; its {lost} is not in the capture"
        elif not referral.sure:
            why += ", in what is left of a damaged answer"
        return Origin(OriginKind(referral.kind.value), best, self._askings[best].bears(Confidence.PROVEN), why)

    def _fits(self, place: int, rpc: Connection | None, bound: set[str]) -> int:
        """2 where the referral is for what was bound, 1 where nothing was bound, 0 where something else was."""
        referral = self._askings[place].referral
        if rpc is None or not rpc.interfaces:
            return 1
        if referral.kind in _OF_OBJECTS:
            return 2 if rpc.orpc_calls or bound & {IREM_UNKNOWN, IREM_UNKNOWN2} else 0
        if referral.interface:
            return 2 if referral.interface.uuid in bound else 0
        return 2 if any(one.interface and one.interface.uuid in bound for one in referral.endpoints) else 0

    def _sealed(self, flow: Flow, rpc: Connection | None) -> Origin | None:
        """A sealed answer to the same pair shortly before, and something that speaks for this being its port."""
        answers = self._sealed_by_pair.get((flow.client.address, flow.server.address))
        if answers is None or flow.server.port < SMALLEST_DYNAMIC:
            return None
        fits = (
            (place, _follows(self._askings[place].referral, rpc))
            for place in answers.within(flow.start_ns - SEALED_WINDOW_NS, flow.start_ns)
        )
        best, found = next((fit for fit in fits if fit[1] is not None), (-1, None))
        if found is None:
            return None
        referral = self._askings[best].referral
        confidence, why = found
        ports = self._ports_after(flow, referral.response_ns)
        if confidence is not Confidence.ESTABLISHED and len(ports) > 1:
            confidence, why = Confidence.POSSIBLE, f"{why}, and so do those to {len(ports) - 1} other ports"
        return Origin(
            OriginKind.INFERRED, best, self._askings[best].bears(confidence),
            f"the answer in packet {referral.response_packet} is {_UNREAD[referral.readable]}; {why}",
        )  # fmt: skip

    def _ports_after(self, flow: Flow, since_ns: int) -> set[int]:
        """Ports of the flow's server to which its client went in the window after a sealed answer, told by nobody."""
        times, ports = self._opened.get((flow.client.address, flow.server.address), ([], []))
        first, last = bisect_left(times, since_ns), bisect_right(times, since_ns + SEALED_WINDOW_NS)
        return {
            port
            for port in ports[first : min(last, first + MAX_TOLD)]
            if (flow.server.address, port, flow.client.address) not in self._by_asker
        } | {flow.server.port}

    def _unexplained(self, flow: Flow, rpc: Connection | None) -> Origin:
        early = flow.start_ns - self._first_ns.get(flow.capture, flow.start_ns)
        if flow.outcome is TcpOutcome.MIDSTREAM or not flow.syns:
            why = "the connection is older than the capture"
        elif rpc is not None and any(bind.association_group for bind in rpc.binds[:1]):
            why = "it joins an association that is older than the capture"
        elif self._lost_before(flow):
            why = (
                f"nothing names port {flow.server.port}, but the capture lacks part of what {flow.server.address} told "
                "on its mapper's port before"
            )
        elif early < EARLY_NS:
            why = f"nothing in the capture names port {flow.server.port}, which began {early / 1e9:.0f} s before"
        else:
            return Origin(
                OriginKind.UNEXPLAINED, None, Confidence.LIKELY,
                f"nothing names port {flow.server.port} in the {early / 1e9 / 60:.0f} minutes before",
            )  # fmt: skip
        return Origin(OriginKind.BEFORE_CAPTURE, None, Confidence.POSSIBLE, why)

    def _lost_before(self, flow: Flow) -> bool:
        """Whether, on a port of the mapper, the same two said something before that the capture does not hold whole."""
        if self._lossy is None:
            return False
        if self._lost is None:
            self._lost = {}
            for one in self._flows:
                if one.server.port in MAPPER_PORTS and one.transport != UDP and self._lossy(one):
                    pair = one.client.address, one.server.address
                    self._lost[pair] = min(one.start_ns, self._lost.get(pair, one.start_ns))
        first = self._lost.get((flow.client.address, flow.server.address))
        return first is not None and first <= flow.start_ns


def _port(flow: Flow) -> int:
    """The server's port; those of UDP, which are others, stand negative."""
    return -flow.server.port if flow.transport == UDP else flow.server.port


_OF_OBJECTS = frozenset({ReferralKind.ACTIVATION, ReferralKind.RESOLVE_OXID, ReferralKind.OBJECT_REFERENCE})


def _may_hold_endpoint(referral: Referral) -> bool:
    """Whether an answer that is sealed, or of which the capture kept too little, is long enough."""
    if referral.kind is ReferralKind.EPT_MAP and referral.endpoints:
        return False  # it is cut behind what it says
    return referral.readable in _UNREAD and referral.size >= SMALLEST.get(referral.kind, 0)


_UNREAD = {Readable.SEALED: "sealed", Readable.CUT: "cut off in the capture"}


def _opened(flows: Sequence[Flow]) -> dict[tuple[Address, Address], tuple[list[int], list[int]]]:
    """When clients went to which ports of which servers that are not known by heart, by time."""
    found: dict[tuple[Address, Address], tuple[list[int], list[int]]] = {}
    for flow in sorted(flows, key=lambda one: one.start_ns):
        port = flow.server.port
        if flow.transport != PIPE and port >= SMALLEST_DYNAMIC and port not in FIXED_TCP_PORTS:
            times, ports = found.setdefault((flow.client.address, flow.server.address), ([], []))
            times.append(flow.start_ns)
            ports.append(port)
    return found


def _follows(referral: Referral, rpc: Connection | None) -> tuple[Confidence, str] | None:
    """What speaks for a connection being the one that a sealed answer led to; None where something speaks against."""
    if rpc is None or not (rpc.binds or rpc.interfaces):
        return Confidence.POSSIBLE, "only the time speaks for it"
    first = {context.interface.uuid for context in rpc.binds[0].contexts} if rpc.binds else set()
    bound = {use.interface.uuid for use in rpc.interfaces}
    on_objects = bool(rpc.orpc_calls) or bool(bound & _EXPORTERS)
    if referral.kind not in _OF_OBJECTS:
        if on_objects or (referral.interface and bound and referral.interface.uuid not in bound):
            return None
        return Confidence.LIKELY, "it is the connection that follows the answer"
    if first & _EXPORTERS:
        return Confidence.ESTABLISHED, "the first interface bound is that of an object exporter"
    if bound & _EXPORTERS:
        return Confidence.LIKELY, "an interface bound is that of an object exporter"
    if rpc.orpc_calls:
        return Confidence.LIKELY, "its calls name objects"
    if rpc.requests and all(known is not None and known.kind == "rpc" for known in map(describe, bound)):
        return None  # no object is called there
    return Confidence.LIKELY, "it is the connection that follows the answer"


_EXPORTERS = frozenset({IREM_UNKNOWN, IREM_UNKNOWN2})


def called(endpoint: Referred, client: Address, aliases: Aliases | None) -> tuple[Address, ...]:
    """The addresses that the client was told for the name that stands in the place of one."""
    if not aliases or endpoint.host is None:
        return ()
    return aliases.get((client, endpoint.host), ())


def tcp_endpoints(
    askings: Sequence[Asking], aliases: Aliases | None = None, *, protseqs: Collection[str] = (TCP, HTTP)
) -> set[tuple[Address, int]]:
    """Every TCP endpoint that a referral names, the asked server's own address standing for names and 0.0.0.0.

    One of ncacn_http is one too, with a greeting before the PDUs. [MS-RPCH] 2.1.1
    """
    return {
        (address, endpoint.port)
        for asking in askings
        for endpoint in asking.referral.endpoints
        if endpoint.port is not None and endpoint.protseq in protseqs
        for address in (
            endpoint.address or asking.teller, asking.teller, *called(endpoint, asking.told, aliases),
        )
    }  # fmt: skip
