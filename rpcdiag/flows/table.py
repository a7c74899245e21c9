"""Every conversation of the captures, as the pass noted it; and its PDUs as they go by."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.flows.flow import (
    ENDED_BADLY,
    FAILED_TO_OPEN,
    HTTP,
    PIPE,
    TCP,
    ContextUse,
    Flow,
    Host,
    IcmpError,
    Reset,
    Silence,
    Stream,
    Syn,
    TcpOutcome,
    Waiting,
)
from rpcdiag.flows.hosts import Hosts
from rpcdiag.flows.overview import Overview
from rpcdiag.flows.tcp import acknowledged_size, outcome, probing, stalled_size
from rpcdiag.model.packets import Address, Endpoint, KnownIPv4, KnownIPv6
from rpcdiag.sweep.calls import ONE_WAY, ORPC, UNTOLD
from rpcdiag.sweep.columns import (
    ACKNOWLEDGED,
    BY_SYN,
    BYTES,
    BYTES_SKIPPED,
    C_AUTH_LEVEL,
    C_AUTH_TYPE,
    C_CALLS,
    CALLS,
    CARRIER,
    CHANNEL,
    CLIENT,
    CLIENT_HOW,
    CONTEXTS,
    END_NS,
    EV_ICMP,
    EV_REPEAT,
    EV_SYN,
    EVENT_WIDTH,
    FAULTS,
    FIN_PACKET,
    FIRST_PACKET,
    FIRST_PDU,
    FLOW_WIDTH,
    GAP_NS,
    IN_FLOWS,
    IN_PDUS,
    ISN,
    KEY,
    LAST_DATA_NS,
    LAST_DATA_PACKET,
    LAST_PACKET,
    LAST_PDU_NS,
    MATTERS,
    MAYBE,
    MISSING,
    MODE,
    O_BITS,
    O_CONTEXT,
    O_GIVEN_UP,
    O_NS,
    O_OPNUM,
    O_PACKET,
    ORPC_CALLS,
    ORPHAN_ANSWERS,
    PACKETS,
    PDU_MODE,
    PDUS,
    PIPE_CLOSED,
    POINT_ID,
    POINT_LAST,
    POINT_WIDTH,
    POINTS,
    POINTS_AT,
    POSITION,
    REPEATS,
    REQUESTS,
    RESET_NS,
    RESET_PACKET,
    RESET_SIDE,
    RESET_TTL,
    RESPONSES,
    SERIAL_NUMBER,
    SIDE_WIDTH,
    SILENCE_AFTER,
    SILENCE_BEFORE,
    SILENCE_NS,
    START_NS,
    STREAM,
    SYN_ACK_NS,
    SYN_ACK_PACKET,
    SYN_COUNT,
    SYN_ID,
    SYN_NS,
    SYN_PACKET,
    SYN_TTL,
    TTL,
    W_NEXT,
    YES,
)
from rpcdiag.sweep.engine import Sweep

HTTP_PORT = 593
SECOND = 2  # the first of a run of keep-alives that is told
LISTENING = frozenset({53, 80, 88, 135, 139, 389, 443, 445, 464, 593, 636, 3268, 3269, 3389, 5985, 5986, 9389})
MAX_USES = 4096  # ways to use contexts that are remembered
_NO_GAPS = (None, None)
_HOW = ("content", "syn")
_MASK = (1 << 64) - 1


class Attempt(NamedTuple):
    """A connection that never opened; `pair` is what `pair_of` makes of its client and server."""

    number: int
    pair: tuple[int, ...]
    port: int
    capture: int
    record: int
    client: int
    how: str


class FlowTable:
    """The flows of all captures; each is numbered through."""

    def __init__(self, captures: Sequence["CaptureFlows"]) -> None:
        self._seen = captures
        first = 0
        for capture, seen in enumerate(captures):
            seen.capture, seen.first = capture, first
            first += seen.sweep.flows_seen

    @property
    def flows_seen(self) -> int:
        """The number behind the last."""
        return sum(seen.sweep.flows_seen for seen in self._seen)

    @property
    def packets_in_flows(self) -> int:
        return sum(seen.sweep.state.counters[IN_FLOWS] for seen in self._seen)

    @property
    def evicted(self) -> int:
        return sum(seen.sweep.evicted for seen in self._seen)

    @property
    def folded(self) -> int:
        return sum(seen.sweep.folded for seen in self._seen)

    def flows(self) -> tuple[Flow, ...]:
        """The flows that matter, in the order of their first packets."""
        return tuple(flow for seen in self._seen for flow in seen.flows())

    def others(self, wanted: Collection[tuple[Address, int]]) -> tuple[Flow, ...]:
        """Of the other flows, those whose server end is in `wanted`."""
        ends = {(*columns(address), port) for address, port in wanted}
        return tuple(flow for seen in self._seen for flow in seen.others(ends)) if ends else ()

    def points(self) -> set[tuple[int, int]]:
        """The capture points that flows were seen at, by capture."""
        return {(seen.capture, point) for seen in self._seen for point in seen.points()}

    def failed(self) -> Iterable["Attempt"]:
        """All attempts that never opened, whatever their port: few of very many are looked at."""
        return (attempt for seen in self._seen for attempt in seen.failed())

    def begun(self) -> Iterator[Flow]:
        """TCP connections that began in the captures with a SYN and were not looked at."""
        return (flow for seen in self._seen for flow in seen.begun())

    def attempted(self, attempt: "Attempt") -> Flow:
        """The attempt as a flow."""
        return self._seen[attempt.capture].flow(attempt.record, attempt.client, attempt.how)

    def loudest(self) -> Flow | None:
        """Of all connections, whatever they carry, the one with the most packets; the first of several."""
        found = [flow for seen in self._seen if (flow := seen.loudest()) is not None]
        return max(found, key=lambda flow: flow.packets, default=None)

    def serial(self, flow: Flow) -> int:
        """The flow's number within its capture."""
        return flow.number - self._seen[flow.capture].first

    def sides(self, flow: Flow) -> tuple[int, int]:
        """The numbers that PDUs give to the sides of the flow's client and server."""
        seen = self._seen[flow.capture]
        return seen.sides(seen.place[flow.number - seen.first], flow)

    def carries_rpc(self, flow: Flow) -> bool:
        """Whether PDUs were found on it; it may also be listed for where it goes."""
        seen = self._seen[flow.capture]
        return seen.sweep.state.flows[seen.place[flow.number - seen.first] + MATTERS] == YES

    def stream_place(self, flow: Flow) -> int:
        """Where the stream record of the flow stands, -1 where it has none."""
        seen = self._seen[flow.capture]
        return seen.sweep.state.flows[seen.place[flow.number - seen.first] + STREAM]

    def lossy(self, flow: Flow) -> bool:
        """Whether the capture lacks bytes of a flow that was followed."""
        seen = self._seen[flow.capture]
        return seen.lossy(seen.place[flow.number - seen.first])

    def stream(self, flow: Flow) -> Stream | None:
        """Where the bytes of the flow went, if it was followed."""
        seen = self._seen[flow.capture]
        return seen.stream(seen.place[flow.number - seen.first], flow)

    def host(self, capture: int, point: int, address: Address) -> Host | None:
        """What an address looks like at a capture point."""
        return self._seen[capture].host(point, address)


class CaptureFlows:
    """The flows of one capture, fed with what the pass says; `first` is added to their serial numbers."""

    takes = frozenset({EV_SYN, EV_REPEAT, EV_ICMP})

    def __init__(self, sweep: Sweep) -> None:
        self.capture = self.first = 0
        self.sweep = sweep
        self.syns: dict[int, list[Syn]] = {}  # after the first, by serial number
        self.repeated: dict[int, list[int]] = {}
        self.pieces: dict[int, list[tuple[int, int]]] = {}  # side and bytes of repeats behind which more had been sent
        self.probes: dict[int, list[tuple[int, int]]] = {}  # packet and time of keep-alives without an answer
        self.icmp: dict[int, list[tuple[int, IcmpError]]] = {}
        self.folded: set[int] = set()  # offsets of records that are only counted
        self.place: dict[int, int] = {}  # offset of the records of flows that were asked for
        self._last: dict[int, int] = {}
        self._listeners: set[tuple[int, int, int]] | None = None
        self._addresses: tuple[dict[tuple[int, int], Address], ...] = ({}, {})  # of version 4, and 6
        self._uses: dict[tuple[tuple[int, int, int], ...], tuple[ContextUse, ...]] = {}
        self._hosts: Hosts | None = None
        self._heard_ns: dict[tuple[int, int, int], int] | None = None
        self._order: Sequence[int] | None = None
        self._serials: Sequence[int] | None = None

    def so_far(self) -> "CaptureFlows":
        """The same flows, to be looked at while the capture is still read: what is remembered of them will be stale."""
        view = CaptureFlows(self.sweep)
        view.syns, view.repeated, view.icmp, view.folded = self.syns, self.repeated, self.icmp, set(self.folded)
        view.pieces = self.pieces
        view.probes = self.probes
        return view

    def forget(self, gone: set[int]) -> None:
        """Flows that were given up, by serial number."""
        for known in (self.syns, self.repeated, self.pieces, self.probes, self.icmp):
            for serial in gone & known.keys():
                del known[serial]

    def feed(self, rows: Sequence[int], arena: memoryview) -> None:
        """Take events."""
        for e in range(0, len(rows), EVENT_WIDTH):
            kind = rows[e]
            if kind > EV_ICMP:
                continue
            if kind == EV_SYN:
                self.syns.setdefault(rows[e + 1], []).append(Syn(rows[e + 3], rows[e + 4], rows[e + 5], rows[e + 6]))
            elif kind == EV_REPEAT and rows[e + 5]:
                run = self.probes.setdefault(rows[e + 1], [])
                if rows[e + 5] == SECOND:
                    run.clear()
                run.append((rows[e + 3], rows[e + 4]))
            elif kind == EV_REPEAT:
                self.repeated.setdefault(rows[e + 1], []).append(rows[e + 3])
                if rows[e + 7]:
                    self.pieces.setdefault(rows[e + 1], []).append((rows[e + 2], rows[e + 6]))
            elif kind == EV_ICMP:
                size, at = rows[e + 7], rows[e + 8]
                sender = _packed(bytes(arena[at : at + size]))
                version = 4 if size == 4 else 6
                error = IcmpError(rows[e + 3], rows[e + 4], sender, version, rows[e + 5], rows[e + 6], True)
                self.icmp.setdefault(rows[e + 1], []).append((rows[e + 2], error))

    def _records(self) -> Sequence[int]:
        """Offsets of the records, by first packet: a range where they stand in that order, which is usual."""
        if self._order is None:
            serials = list(self.sweep.state.flows[SERIAL_NUMBER : self.sweep.end : FLOW_WIDTH])
            if serials == sorted(serials) and (not serials or serials[0] >= 0):
                self._order = range(0, self.sweep.end, FLOW_WIDTH)
            else:
                order = sorted(range(len(serials)), key=serials.__getitem__)
                self._order = array("q", [place * FLOW_WIDTH for place in order if serials[place] >= 0])
        return self._order

    def flows(self) -> Iterator[Flow]:
        """Those that matter, and the pipes that nothing went through."""
        records, column = self._records(), self.overview().column
        for o, matters, carrier in zip(records, column(MATTERS), column(CARRIER), strict=True):
            if (matters == YES or (carrier and matters == MAYBE)) and o not in self.folded:
                yield self.flow(o, *self._client(o))

    def overview(self) -> Overview:
        """All of them at once."""
        return Overview(self.sweep, self._records())

    @property
    def followed(self) -> int:
        """How many flows were followed for what they carried."""
        return self.sweep.followed

    def others(self, wanted: set[tuple[int, int, int]]) -> Iterator[Flow]:
        flows = self.sweep.state.flows
        near = {port for _, _, port in wanted}
        for o, ports in zip(self._records(), self.overview().column(KEY + 4), strict=True):
            if ports >> 16 not in near and ports & 0xFFFF not in near:
                continue
            if flows[o + MATTERS] != YES and not flows[o + CARRIER]:
                client, how = self._client(o)
                if self._end(o, 1 - client) in wanted:
                    yield self.flow(o, client, how)

    def loudest(self) -> Flow | None:
        """The connection with the most packets, of several the first: a pipe has no more than what carries it."""
        packets = self.overview().column(PACKETS)
        if not len(packets):
            return None
        o = self._records()[list(packets).index(max(packets))]
        return self.flow(o, *self._client(o))

    def _client(self, o: int) -> tuple[int, str]:
        """The client's side, and how it was told."""
        flows = self.sweep.state.flows
        client = flows[o + CLIENT]
        if client >= 0:
            return client, _HOW[flows[o + CLIENT_HOW] == BY_SYN]
        if self._listeners is None:
            self._listeners = self._listening()
        return self._guess(o, self._listeners), "port"

    def failed(self) -> Iterator[Attempt]:
        column = self.overview().column
        columns = column(SYN_COUNT), column(SYN_ACK_PACKET), column(CLIENT), column(CLIENT_HOW)
        for o, asked, answered, client, how in zip(self._records(), *columns, strict=True):
            if not asked or answered or client < 0:
                continue
            row = self._row(o)
            serial = row[SERIAL_NUMBER]
            if outcome(row, client, self.icmp.get(serial, ())) in FAILED_TO_OPEN:
                near, far = KEY + 2 * client, KEY + 2 - 2 * client
                pair = row[near], row[near + 1], row[far], row[far + 1], row[KEY + 5] & 1
                port = self._end(o, 1 - client)[2]
                yield Attempt(self.first + serial, pair, port, self.capture, o, client, _HOW[how == BY_SYN])

    def begun(self) -> Iterator[Flow]:
        column = self.overview().column
        columns = column(SYN_COUNT), column(CLIENT), column(CLIENT_HOW), column(MATTERS), column(CARRIER)
        for o, asked, client, how, matters, carrier in zip(self._records(), *columns, strict=True):
            if asked and client >= 0 and how == BY_SYN and matters != YES and not carrier:
                yield self.flow(o, client, _HOW[True])

    def points(self) -> list[int]:
        return sorted({point >> 1 for point in set(self.overview().column(KEY + 5))})

    def _end(self, o: int, side: int) -> tuple[int, int, int]:
        """Address and port of one side, as the record holds them."""
        flows = self.sweep.state.flows
        at = o + KEY + 2 * side
        ports = flows[o + KEY + 4]
        return flows[at], flows[at + 1], ports & 0xFFFF if side else ports >> 16

    def _row(self, o: int) -> list[int]:
        row = self.sweep.state.flows[o : o + FLOW_WIDTH]
        return row if isinstance(row, list) else row.tolist()

    def _endpoint(self, row: Sequence[int], side: int) -> Endpoint:
        at, ports = KEY + 2 * side, row[KEY + 4]
        high, low = key = row[at], row[at + 1]
        known = self._addresses[row[KEY + 5] & 1]
        address = known.get(key)
        if address is None:
            wide = row[KEY + 5] & 1
            address = known[key] = KnownIPv6((high & _MASK) << 64 | low & _MASK) if wide else KnownIPv4(low)
        return Endpoint(address, ports & 0xFFFF if side else ports >> 16)

    def _listening(self) -> set[tuple[int, int, int]]:
        column = self.overview().column
        sides = column(CLIENT), column(KEY + 4)
        listening = set()
        for server, at in ((1, KEY + 2), (0, KEY)):
            ends = zip(column(at), column(at + 1), *sides, strict=True)
            listening |= {
                (high, low, ports & 0xFFFF if server else ports >> 16)
                for high, low, client, ports in ends
                if client == 1 - server
            }
        return listening

    def _guess(self, o: int, listening: set[tuple[int, int, int]]) -> int:
        """The client's side by who listens: known servers, then service ports, then the lower port."""
        ends = self._end(o, 0), self._end(o, 1)
        for side in (0, 1):
            if ends[side] in listening and ends[1 - side] not in listening:
                return 1 - side
        for side in (0, 1):
            if ends[side][2] in LISTENING and ends[1 - side][2] not in LISTENING:
                return 1 - side
        return 0 if ends[1][2] <= ends[0][2] else 1

    def flow(self, o: int, client: int, how: str) -> Flow:
        if self.sweep.state.flows[o + CARRIER]:
            return self._pipe(o)
        row = self._row(o)
        serial, server = row[SERIAL_NUMBER], 1 - client
        self.place[serial] = o
        icmp = self.icmp.get(serial, ())
        start = row[SYN_NS] if row[SYN_COUNT] else row[START_NS]
        point = row[KEY + 5] >> 1
        quiet = row[SILENCE_NS]
        data = row[LAST_DATA_PACKET + client]
        answered = row[SYN_ACK_PACKET]
        probes, heard = self._unheard(row, self.probes[serial]) if serial in self.probes else ((), False)
        return Flow(  # in the order of its fields: names would cost as much again
            self.first + serial,
            self.capture,
            point,
            self._endpoint(row, client),
            self._endpoint(row, server),
            how,
            row[FIRST_PACKET],
            row[LAST_PACKET],
            row[START_NS],
            row[END_NS],
            row[PACKETS] + row[PACKETS + 1],
            outcome(row, client, icmp, unheard=bool(probes)),
            self._syns(row, serial),
            row[SYN_COUNT],
            _known(row[ISN + client]),
            answered or None,
            row[SYN_ACK_NS] if answered else None,
            _reset(row, client),
            row[FIN_PACKET + client] or None,
            row[FIN_PACKET + server] or None,
            tuple([error._replace(quotes_client=side == client) for side, error in icmp]) if icmp else (),
            _known(row[TTL + client]),
            _known(row[TTL + server]),
            row[BYTES + client],
            row[BYTES + server],
            row[REPEATS + client],
            row[REPEATS + server],
            tuple(self.repeated[serial]) if serial in self.repeated else (),
            stalled_size(row),
            acknowledged_size(row),
            None if not quiet else Silence(row[SILENCE_AFTER], row[SILENCE_BEFORE], quiet),
            max(0, self._last_ns(point) - start),
            data or None,
            row[LAST_DATA_NS + client] if data else None,
            HTTP if HTTP_PORT in (row[KEY + 4] >> 16, row[KEY + 4] & 0xFFFF) or self._channel(row[STREAM]) else TCP,
            None,
            None,
            row[PACKETS + server],
            row[ACKNOWLEDGED + client],
            tuple([size for side, size in self.pieces[serial] if side == client]) if serial in self.pieces else (),
            probes,
            heard,
        )

    def _unheard(self, row: Sequence[int], run: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], bool]:
        """The keep-alives of a flow that reach nobody: a RST follows, or their target talks to others meanwhile."""
        side = probing(row)
        if side is None:
            return (), False
        at = KEY + 2 - 2 * side
        heard = self._heard().get((row[at], row[at + 1], row[KEY + 5]), -1) > run[0][1]
        if not heard and row[RESET_PACKET] <= run[-1][0]:
            return (), False
        return tuple([packet for packet, _ in run]), heard

    def _heard(self) -> dict[tuple[int, int, int], int]:
        """When each address last sent data, or took a connection, at each capture point."""
        if self._heard_ns is None:
            found: dict[tuple[int, int, int], int] = {}
            column = self.overview().column
            for at, when in ((KEY, LAST_DATA_NS), (KEY + 2, LAST_DATA_NS + 1), (KEY + 2, SYN_ACK_NS)):
                ends = zip(column(at), column(at + 1), column(KEY + 5), column(when), column(CLIENT), strict=True)
                for high, low, point, ns, client in ends:
                    if ns > found.get((high, low, point), 0) and (when != SYN_ACK_NS or client == 0):
                        found[high, low, point] = ns
            self._heard_ns = found
        return self._heard_ns

    def _channel(self, g: int) -> bool:
        """Whether the stream record at `g` is that of a channel of RPC over HTTP."""
        streams, shift = self.sweep.streams
        return g >= 0 and bool(streams[g - shift + CHANNEL])

    def _pipe(self, o: int) -> Flow:
        """A pipe: packets and times are its own, all else is that of the connection that carries it."""
        row = self.sweep.state.flows[o : o + FLOW_WIDTH]
        carrier = self.flow(row[CARRIER] - 1, *self._client(row[CARRIER] - 1))
        self.place[row[SERIAL_NUMBER]] = o
        fine = row[PIPE_CLOSED] and carrier.outcome in ENDED_BADLY
        return carrier._replace(
            number=self.first + row[SERIAL_NUMBER],
            first_packet=row[FIRST_PACKET],
            last_packet=row[LAST_PACKET],
            start_ns=row[START_NS],
            end_ns=row[END_NS],
            outcome=TcpOutcome.ESTABLISHED if fine else carrier.outcome,
            transport=PIPE,
            carrier=carrier.number,
        )

    def carrier(self, serial: int) -> Flow | None:
        """The flow with this serial number, listed or not; None where it was given up."""
        if self._serials is None:
            self._serials = self.overview().column(SERIAL_NUMBER)
        place = bisect_left(self._serials, serial)  # records are in that order
        if place == len(self._serials) or self._serials[place] != serial:
            return None
        o = self._records()[place]
        return self.flow(o, *self._client(o))

    def _syns(self, row: Sequence[int], serial: int) -> tuple[Syn, ...]:
        if not row[SYN_COUNT]:
            return ()
        return (Syn(row[SYN_PACKET], row[SYN_NS], row[SYN_ID], row[SYN_TTL]), *self.syns.get(serial, ()))

    def _last_ns(self, point: int) -> int:
        """When the capture point recorded its last packet."""
        if not self._last:
            counters = self.sweep.state.counters
            for at in range(POINTS_AT, POINTS_AT + counters[POINTS] * POINT_WIDTH, POINT_WIDTH):
                self._last[counters[at + POINT_ID]] = counters[at + POINT_LAST]
        return self._last.get(point, 0)

    def sides(self, o: int, flow: Flow) -> tuple[int, int]:
        client = 0 if self._endpoint(self._row(o), 0) == flow.client else 1
        return client, 1 - client

    def lossy(self, o: int) -> bool:
        g = self.sweep.state.flows[o + STREAM]
        streams, shift = self.sweep.streams
        return g >= 0 and bool(streams[g - shift + MISSING] or streams[g - shift + SIDE_WIDTH + MISSING])

    def stream(self, o: int, flow: Flow) -> Stream | None:
        g = self.sweep.state.flows[o + STREAM]
        if g < 0:
            return None
        row = self.sweep.stream(g)
        if row[MODE] != PDU_MODE:
            return None  # it carries others, which have streams of their own; its columns mean something else
        other = SIDE_WIDTH
        gaps = _known(row[GAP_NS]), _known(row[GAP_NS + other])
        if gaps != _NO_GAPS and self.sides(o, flow)[0]:
            gaps = gaps[::-1]
        return Stream(  # in the order of its fields: names would cost as much again
            g,
            row[PDUS],
            row[FIRST_PDU] or None,
            row[LAST_PDU_NS] if row[PDUS] else None,
            row[POSITION] + row[POSITION + other],
            row[IN_PDUS] + row[IN_PDUS + other],
            row[BYTES_SKIPPED] + row[BYTES_SKIPPED + other],
            row[MISSING] + row[MISSING + other],
            gaps,
            row[REQUESTS],
            row[RESPONSES],
            row[FAULTS],
            row[ORPHAN_ANSWERS],
            row[ORPC_CALLS],
            tuple([
                Waiting(
                    record[O_PACKET], record[O_NS], record[O_CONTEXT], record[O_OPNUM], bool(record[O_BITS] & ORPC),
                    bool(record[O_BITS] & ONE_WAY), record[O_GIVEN_UP],
                )
                for record in self._list(row[CALLS])
            ]),
            self._contexts(row[CONTEXTS]),
        )  # fmt: skip

    def _contexts(self, at: int) -> tuple[ContextUse, ...]:
        """The contexts of a list that begins with the last; most connections use theirs alike."""
        records = self.sweep.state.numbers
        uses = []
        while at >= 0:
            uses.append((records[at + C_CALLS], records[at + C_AUTH_TYPE], records[at + C_AUTH_LEVEL]))
            at = records[at + W_NEXT]
        key = tuple(uses)
        known = self._uses.get(key)
        if known is None:
            known = tuple(
                [
                    ContextUse(calls, _known(kind), _known(level), level == UNTOLD)
                    for calls, kind, level in reversed(uses)
                ]
            )
            if len(self._uses) < MAX_USES:
                self._uses[key] = known
        return known

    def _list(self, at: int) -> list[list[int]]:
        """The records of a list that begins at `at`."""
        found = []
        while at >= 0:
            record = self.sweep.record(at)
            found.append(record)
            at = record[W_NEXT]
        return found

    def host(self, point: int, address: Address) -> Host | None:
        if self._hosts is None:
            self._hosts = Hosts(self.capture, self.overview())
        return self._hosts.host(point, address, columns(address))


def _known(value: int) -> int | None:
    return None if value < 0 else value


def _reset(row: Sequence[int], client: int) -> Reset | None:
    if not row[RESET_PACKET]:
        return None
    return Reset(row[RESET_PACKET], row[RESET_NS], row[RESET_SIDE] == client, row[RESET_TTL])


def _packed(packed: bytes) -> Address:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def columns(address: Address) -> tuple[int, int]:
    """The address as records hold it."""
    number = int(address)
    if address.version == 4:
        return 0, number
    return _signed(number >> 64), _signed(number & _MASK)


def pair_of(client: Address, server: Address) -> tuple[int, ...]:
    """Two hosts as records hold them, and whether by version 6."""
    return *columns(client), *columns(server), int(client.version == 6)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
