"""Every conversation of the captures, and the segments of those that can carry RPC.

What matters is known by port (135, 593) or by content: the first bytes of a stream, or of any later segment, are
the header of an RPC PDU. The rest is counted here and never looked at again.
"""

from collections import Counter
from collections.abc import Container, Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.capture.table import ACK, ICMP, ICMPV6, SYN, TCP, WIDTH, Block
from rpcdiag.flows.content import HEADER, looks_like_rpc, sent_by_client
from rpcdiag.flows.flow import FAILED_TO_OPEN, Flow, Host, IcmpError
from rpcdiag.flows.icmp import quoted_tcp
from rpcdiag.flows.tcp import Conversation
from rpcdiag.model.packets import Address, Endpoint

RPC_PORTS = frozenset({135, 593})
LISTENING = frozenset({53, 80, 88, 135, 139, 389, 443, 445, 464, 593, 636, 3268, 3269, 3389, 5985, 5986, 9389})
MAX_FLOWS = 200_000  # one to two KB each; more than that and the oldest that do not matter are folded away
MAX_HELD = 4
_SHORT_SEGMENT = HEADER

_Key = tuple[int, bytes, int]


class Segment(NamedTuple):
    """Payload of a flow that matters. `start` is the sequence number of the stream's first byte where a SYN told it."""

    flow: int
    side: int  # 0: from whoever sent the first packet of the flow
    start: int | None
    sequence: int
    data: bytes
    length: int  # on the wire; more than `data` where the capture is cut
    packet: int
    time_ns: int


class FlowTable:
    """Feed blocks, get the segments that matter; ask for the flows at the end."""

    def __init__(self, max_flows: int = MAX_FLOWS) -> None:
        self.packets_in_flows = 0
        self.evicted = 0
        self._max = max_flows
        self._all: dict[int, Conversation] = {}
        self._by_key: dict[_Key, tuple[Conversation, int]] = {}
        self._count = 0
        self._capture = 0
        self._others: dict[tuple[bytes, int], list[Conversation]] = {}  # the same five-tuple at other points
        self._points: set[int] = set()
        self._span: dict[tuple[int, int], tuple[int, int]] = {}  # (capture, point) -> first and last time

    def begin(self, capture: int) -> None:
        """The blocks that follow are of capture number `capture`; its capture points are its own."""
        self._capture = capture
        self._by_key = {}
        self._others = {}
        self._points = set()

    def feed(self, block: Block) -> list[Segment]:
        """Take the packets of a block; the segments of flows that matter, as far as that is known by now."""
        found: list[Segment] = []
        b, rows = block
        by_key = self._by_key
        flow_packets = 0
        at_point, low, high = -1, 0, 0
        for at in range(0, len(rows), WIDTH):
            (number, time, point, protocol, source, size, sport, dport, sequence, acknowledged, flags, payload, captured,
             length, ttl, ip_id) = rows[at : at + WIDTH]  # fmt: skip
            if point != at_point:
                if at_point >= 0:
                    self._see(at_point, low, high)
                self._see(point, time, time)
                at_point, low, high = point, time, time
            elif time > high:
                high = time
            elif time < low:
                low = time
            if protocol == TCP:
                flow_packets += 1
                key = (point, bytes(b[source : source + 2 * size]), sport << 16 | dport)
                known = by_key.get(key)
                if known is None or flags & SYN:
                    known = self._at_syn(known, key, flags, sequence, acknowledged, time)
                conversation, side = known
                conversation.packet(side, number, time, flags, sequence, acknowledged, length, ttl, ip_id)
                if length and conversation.matters is not False:
                    data = bytes(b[payload : payload + captured])
                    segment = Segment(
                        conversation.index, side, conversation.isn[side], sequence, data, length, number, time
                    )
                    self._sort(conversation, segment, found)
                elif captured >= HEADER and b[payload] == 5 and looks_like_rpc(bytes(b[payload : payload + HEADER])):
                    conversation.matters = True
                    self._role(conversation, side, b[payload : payload + HEADER])
                    data = bytes(b[payload : payload + captured])
                    found.append(Segment(conversation.index, side, None, sequence, data, length, number, time))
            elif protocol in (ICMP, ICMPV6):
                sender = _address(bytes(b[source : source + size]))
                error = IcmpError(number, time, sender, 4 if size == 4 else 6, sport, dport, True)
                self._icmp(point, error, bytes(b[payload : payload + captured]))
            else:
                flow_packets += 1
        if at_point >= 0:
            self._see(at_point, low, high)
        self.packets_in_flows += flow_packets
        return found

    def _see(self, point: int, low: int, high: int) -> None:
        """Widen the span of times of a capture point."""
        key = (self._capture, point)
        span = self._span.get(key)
        if span is None:
            span = (low, high)
            self._points.add(point)
            if len(self._points) == 2:
                for conversation in self._all.values():
                    if conversation.capture == self._capture:
                        self._note_for_others(conversation)
        self._span[key] = (min(span[0], low), max(span[1], high))

    def _at_syn(
        self, known: tuple[Conversation, int] | None, key: _Key, flags: int, sequence: int, acknowledged: int, time: int
    ) -> tuple[Conversation, int]:
        """The conversation that a packet without one, or with a SYN, belongs to: a new SYN reuses the ports."""
        if known is not None:
            conversation, side = known
            isn = conversation.isn[side]
            if isn == sequence or isn is None or flags & ACK:
                started = isn is None and not flags & ACK and conversation.next[side] not in (None, sequence + 1)
                if not (started and time - conversation.last_ns > 1_000_000_000):
                    return known
        elif flags & SYN and flags & ACK and len(self._points) > 1:
            other = self._answered_elsewhere(key, acknowledged)
            if other is not None:
                self._by_key[key] = (other, 1)
                return other, 1
        return self._open(key)

    def _answered_elsewhere(self, key: _Key, acknowledged: int) -> Conversation | None:
        """The half of this conversation that another capture point recorded: a tap per direction."""
        _, addresses, ports = key
        half = len(addresses) // 2
        turned = (addresses[half:] + addresses[:half], (ports & 0xFFFF) << 16 | ports >> 16)
        for conversation in self._others.get(turned, ()):
            isn = conversation.isn[0]
            if conversation.syns and not conversation.packets[1] and isn is not None and isn + 1 == acknowledged:
                return conversation
        return None

    def _open(self, key: _Key) -> tuple[Conversation, int]:
        point, addresses, ports = key
        half = len(addresses) // 2
        source, destination, sport, dport = addresses[:half], addresses[half:], ports >> 16, ports & 0xFFFF
        if len(self._all) >= self._max:
            self._evict()
        conversation = Conversation(self._count, self._capture, point, (source, destination), (sport, dport))
        self._count += 1
        self._all[conversation.index] = conversation
        self._by_key[(point, destination + source, dport << 16 | sport)] = (conversation, 1)
        self._by_key[key] = known = (conversation, 0)
        if len(self._points) > 1:
            self._note_for_others(conversation)
        if sport in RPC_PORTS or dport in RPC_PORTS:
            conversation.matters = True
        return known

    def _note_for_others(self, conversation: Conversation) -> None:
        """Other capture points may hold the other half of it."""
        addresses, ports = conversation.addresses, conversation.ports
        key = (addresses[0] + addresses[1], ports[0] << 16 | ports[1])
        self._others.setdefault(key, []).append(conversation)

    def _evict(self) -> None:
        """Fold away the oldest quarter of the conversations that do not matter."""
        room = max(1, self._max // 4)
        gone = [index for index, conversation in self._all.items() if not conversation.matters][:room]
        if not gone:
            gone = list(self._all)[:room]
        for index in gone:
            del self._all[index]
        self.evicted += len(gone)
        doomed = set(gone)
        self._by_key = {key: known for key, known in self._by_key.items() if known[0].index not in doomed}
        self._others = {}

    def _sort(self, conversation: Conversation, segment: Segment, found: list[Segment]) -> None:
        """Decide by content whether the flow matters; what was held back meanwhile goes first."""
        if conversation.matters is None:
            if not looks_like_rpc(segment.data):
                conversation.tries += 1
                short = len(segment.data) < _SHORT_SEGMENT and not conversation.held
                if short and segment.data[:1] == b"\x05":
                    conversation.held.append(segment)
                elif conversation.held and looks_like_rpc(_held(conversation) + segment.data):
                    conversation.matters = True
                    self._role(conversation, segment.side, _held(conversation) + segment.data)
                    found.extend(conversation.held)  # type: ignore[arg-type]  # it holds segments only
                    found.append(segment)
                    conversation.held = []
                    return
                if conversation.tries >= MAX_HELD:
                    conversation.matters = False
                    conversation.held = []
                return
            conversation.matters = True
            conversation.held = []
        if conversation.client is None and looks_like_rpc(segment.data):
            self._role(conversation, segment.side, segment.data)
        found.append(segment)

    @staticmethod
    def _role(conversation: Conversation, side: int, data: bytes | bytearray) -> None:
        if conversation.client is None:
            conversation.client = (side if sent_by_client(bytes(data)) else 1 - side, "content")

    def _icmp(self, point: int, error: IcmpError, quoted: bytes) -> None:
        quote = quoted_tcp(quoted)
        if quote is None:
            return
        known = self._by_key.get((point, quote.addresses, quote.source_port << 16 | quote.destination_port))
        if known is not None:
            known[0].icmp_error(known[1], error)

    def flows(self, wanted: Container[tuple[Address, int]]) -> tuple[Flow, ...]:
        """The flows that matter, and those whose server end is in `wanted`, in the order of their first packets."""
        listening = self._listening()
        kept = []
        for conversation in self._all.values():
            client, how = conversation.client or self._guess(conversation, listening)
            server = _end(conversation, 1 - client)
            if conversation.matters or (server.address, server.port) in wanted:
                kept.append(self._flow(conversation, client, how, server))
        return tuple(kept)

    def failed(self) -> Iterable[Flow]:
        """All flows that never opened, whatever their port."""
        for conversation in self._all.values():
            if conversation.client and conversation.syns and conversation.syn_ack is None:
                client, how = conversation.client
                flow = self._flow(conversation, client, how, _end(conversation, 1 - client))
                if flow.outcome in FAILED_TO_OPEN:
                    yield flow

    def points(self, capture: int) -> list[int]:
        """The capture points of one capture at which packets of flows were seen."""
        return [point for at, point in self._span if at == capture]

    def _listening(self) -> set[tuple[bytes, int]]:
        return {
            (conversation.addresses[1 - conversation.client[0]], conversation.ports[1 - conversation.client[0]])
            for conversation in self._all.values()
            if conversation.client is not None
        }

    @staticmethod
    def _guess(conversation: Conversation, listening: set[tuple[bytes, int]]) -> tuple[int, str]:
        """The client's side by who listens: known servers, then service ports, then the lower port."""
        ends = [(conversation.addresses[side], conversation.ports[side]) for side in (0, 1)]
        for side in (0, 1):
            if ends[side] in listening and ends[1 - side] not in listening:
                return 1 - side, "port"
        ports = conversation.ports
        for side in (0, 1):
            if ports[side] in LISTENING and ports[1 - side] not in LISTENING:
                return 1 - side, "port"
        return (0 if ports[1] <= ports[0] else 1), "port"

    def _flow(self, conversation: Conversation, client: int, how: str, server: Endpoint) -> Flow:
        last = self._span[(conversation.capture, conversation.point)][1]
        start = conversation.syns[0].time_ns if conversation.syns else conversation.first_ns
        data = conversation.last_data[client]
        return Flow(
            number=conversation.index,
            capture=conversation.capture,
            point=conversation.point,
            client=_end(conversation, client),
            server=server,
            roles=how,
            first_packet=conversation.first_packet,
            last_packet=conversation.last_packet,
            start_ns=conversation.first_ns,
            end_ns=conversation.last_ns,
            packets=sum(conversation.packets),
            outcome=conversation.outcome(client),
            syns=tuple(conversation.syns),
            syn_count=conversation.syn_count,
            isn=conversation.isn[client],
            syn_ack=conversation.syn_ack[0] if conversation.syn_ack else None,
            syn_ack_ns=conversation.syn_ack[1] if conversation.syn_ack else None,
            reset=conversation.first_reset(client),
            fin_from_client=conversation.fins[client],
            fin_from_server=conversation.fins[1 - client],
            icmp=tuple(error._replace(quotes_client=side == client) for side, error in conversation.icmp),
            client_ttl=conversation.ttl[client],
            server_ttl=conversation.ttl[1 - client],
            client_bytes=conversation.bytes[client],
            server_bytes=conversation.bytes[1 - client],
            repeats_from_client=conversation.repeats[client],
            repeats_from_server=conversation.repeats[1 - client],
            repeated=tuple(conversation.repeated),
            stalled_size=max(stuck) if (stuck := conversation.stalled_sizes()) else 0,
            acknowledged_size=max(conversation.acknowledged_size),
            silence=conversation.silence,
            watched_ns=max(0, last - start),
            last_data_packet=data[0] if data else None,
            last_data_ns=data[1] if data else None,
        )

    def sides(self, flow: Flow) -> tuple[int, int]:
        """The segment sides of the flow's client and server."""
        conversation = self._all[flow.number]
        client = (
            0
            if conversation.ports[0] == flow.client.port and _address(conversation.addresses[0]) == flow.client.address
            else 1
        )
        return client, 1 - client

    def hosts(self) -> tuple[Host, ...]:
        """What every address that took part looks like at every capture point."""
        ttls: dict[tuple[int, int, bytes], Counter[int]] = {}
        answered: dict[tuple[int, int, bytes], dict[int, int]] = {}
        for conversation in self._all.values():
            for side in (0, 1):
                key = (conversation.capture, conversation.point, conversation.addresses[side])
                ttl = conversation.ttl[side]
                if ttl is not None:
                    ttls.setdefault(key, Counter())[ttl] += 1
            if conversation.syn_ack is not None and conversation.client is not None:
                side = 1 - conversation.client[0]
                key = (conversation.capture, conversation.point, conversation.addresses[side])
                ports = answered.setdefault(key, {})
                if len(ports) < 64:
                    ports.setdefault(conversation.ports[side], conversation.syn_ack[0])
        return tuple(
            Host(
                *key[:2],
                _address(key[2]),
                tuple(ttl for ttl, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))),
                tuple(sorted(answered.get(key, {}).items())),
            )
            for key, seen in ttls.items()
        )


def _held(conversation: Conversation) -> bytes:
    return b"".join(segment.data for segment in conversation.held)  # type: ignore[attr-defined]  # it holds segments only


def _end(conversation: Conversation, side: int) -> Endpoint:
    return Endpoint(_address(conversation.addresses[side]), conversation.ports[side])


def _address(packed: bytes) -> Address:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
