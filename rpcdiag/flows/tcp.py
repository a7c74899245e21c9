"""The state of one TCP conversation while its packets go by, and the outcome at the end.

Sides are 0 for whoever sent the first packet seen and 1 for the other; who is the client is decided last.
"""

from rpcdiag.capture.table import ACK, FIN, RST, SYN
from rpcdiag.flows.flow import IcmpError, Reset, Silence, Syn, TcpOutcome

MAX_SYNS = 16
MAX_REPEATS = 16
MAX_ICMP = 8
IDLE_NS = 60_000_000_000  # the shortest idle limit that stateful devices are set to
COPY_NS = 5_000_000  # a packet recorded twice comes twice within this
_HALF = 1 << 31
_MASK = 0xFFFFFFFF


class Conversation:
    """One five-tuple since its SYN. Holds no payload; a few hundred bytes whatever its length."""

    __slots__ = (
        "acknowledged_size",
        "addresses",
        "bytes",
        "capture",
        "client",
        "completed",
        "fins",
        "first_ns",
        "first_packet",
        "held",
        "icmp",
        "index",
        "isn",
        "last_data",
        "last_data_side",
        "last_ns",
        "last_packet",
        "matters",
        "next",
        "packets",
        "point",
        "ports",
        "quiet_before",
        "repeated",
        "repeats",
        "reset",
        "silence",
        "sizes",
        "syn_ack",
        "syn_count",
        "syns",
        "tries",
        "ttl",
        "unacknowledged",
    )  # fmt: skip

    def __init__(
        self, index: int, capture: int, point: int, addresses: tuple[bytes, bytes], ports: tuple[int, int]
    ) -> None:
        self.index = index
        self.capture = capture
        self.point = point
        self.addresses = addresses
        self.ports = ports
        self.first_packet = self.last_packet = 0
        self.first_ns = self.last_ns = 0
        self.packets = [0, 0]
        self.bytes = [0, 0]
        self.client: tuple[int, str] | None = None  # side, and how we know
        self.isn: list[int | None] = [None, None]
        self.next: list[int | None] = [None, None]  # sequence number after the last data
        self.ttl: list[int | None] = [None, None]
        self.syns: list[Syn] = []
        self.syn_count = 0
        self.completed = False  # the client acknowledged a SYN-ACK, which the capture may not hold
        self.syn_ack: tuple[int, int] | None = None
        self.fins: list[int | None] = [None, None]
        self.reset: tuple[int, int, int, int] | None = None  # packet, time, side, ttl
        self.icmp: list[tuple[int, IcmpError]] = []
        self.silence: Silence | None = None
        self.last_data: list[tuple[int, int] | None] = [None, None]
        self.last_data_side: int | None = None
        self.quiet_before = [0, 0]  # the silence before the data that is not acknowledged
        self.unacknowledged = [False, False]
        self.repeats = [0, 0]
        self.repeated: list[int] = []
        self.sizes = [0, 0]  # of the largest segment that waits for its acknowledgement
        self.acknowledged_size = [0, 0]
        self.matters: bool | None = None
        self.held: list[object] = []
        self.tries = 0

    def packet(
        self, side: int, number: int, time: int, flags: int, sequence: int, acknowledged: int, length: int, ttl: int,
        ip_id: int,
    ) -> None:  # fmt: skip
        """Take one packet of `side` with `length` bytes of payload on the wire."""
        if not self.first_packet:
            self.first_packet, self.first_ns = number, time
            quiet = 0
        else:
            quiet = max(0, time - self.last_ns)
            if self.silence is None or quiet > self.silence.lasted_ns:
                self.silence = Silence(self.last_packet, number, quiet)
        self.last_packet, self.last_ns = number, max(time, self.last_ns)
        self.packets[side] += 1
        if flags & RST:
            if self.reset is None:
                self.reset = (number, time, side, ttl)
            return
        if self.ttl[side] is None:
            self.ttl[side] = ttl
        if flags & SYN:
            self._syn(side, number, time, flags, sequence, acknowledged, ttl, ip_id)
            return
        if flags & ACK:
            if self.syns and self.client == (side, "syn"):
                self.completed = True
            expected = self.next[1 - side]
            if self.unacknowledged[1 - side] and expected is not None and _after(acknowledged, expected) >= 0:
                self.unacknowledged[1 - side] = False
                self.repeats[1 - side] = 0
                self.acknowledged_size[1 - side] = max(self.acknowledged_size[1 - side], self.sizes[1 - side])
                self.sizes[1 - side] = 0
        if length:
            self._data(side, number, time, sequence, length, quiet)
        if flags & FIN and self.fins[side] is None:
            self.fins[side] = number

    def _syn(
        self, side: int, number: int, time: int, flags: int, sequence: int, acknowledged: int, ttl: int, ip_id: int
    ) -> None:
        self.isn[side] = sequence
        if flags & ACK:
            if self.syn_ack is None:
                self.syn_ack = (number, time)
            self.client = (1 - side, "syn")
            if self.isn[1 - side] is None:
                self.isn[1 - side] = acknowledged - 1 & _MASK
            return
        if self.syns:
            before = self.syns[-1]
            if time - before.time_ns < COPY_NS and (ip_id == before.ip_id):
                return  # recorded twice, not sent twice
        self.client = (side, "syn")
        self.syn_count += 1
        if len(self.syns) < MAX_SYNS:
            self.syns.append(Syn(number, time, ip_id, ttl))

    def _data(self, side: int, number: int, time: int, sequence: int, length: int, quiet: int) -> None:
        end = sequence + length & _MASK
        expected = self.next[side]
        self.bytes[side] += length
        if expected is not None and _after(end, expected) <= 0:
            if length == 1 and end == expected:
                return  # a keep-alive probe repeats one byte
            # whatever part of the data in flight is sent again
            if self.unacknowledged[side] and time - (self.last_data[side] or (0, 0))[1] > COPY_NS:
                self.repeats[side] += 1
                if len(self.repeated) < MAX_REPEATS:
                    self.repeated.append(number)
            return
        self.next[side] = end
        self.sizes[side] = max(self.sizes[side], length)
        if not self.unacknowledged[side]:
            self.quiet_before[side] = quiet
        self.unacknowledged[side] = True
        self.repeats[side] = 0
        self.last_data[side] = (number, time)
        self.last_data_side = side

    def icmp_error(self, side: int, error: IcmpError) -> None:
        if len(self.icmp) < MAX_ICMP:
            self.icmp.append((side, error))

    def outcome(self, client: int) -> TcpOutcome:
        """How it went, seen from the side `client`."""
        opened = self.completed or self.syn_ack is not None or self.last_data[1 - client] is not None
        if not opened and self.syns:
            if self.reset is not None and self.reset[2] != client:
                return TcpOutcome.REFUSED
            if any(_forbids(error) for side, error in self.icmp if side == client):
                return TcpOutcome.PROHIBITED
            if not self.packets[1 - client] and self.last_data[client] is None:
                return TcpOutcome.UNANSWERED
        for side in (client, 1 - client):
            if self.unacknowledged[side] and self.repeats[side] >= 2 and not self._ended_before(side):
                return TcpOutcome.IDLE_DROPPED if self.quiet_before[side] >= IDLE_NS else TcpOutcome.STALLED
        # the other way round it is a client that has read its answer and closes without ceremony
        kills = self.reset is not None and self.reset[2] != client and self.fins == [None, None]
        if kills and self.last_data_side == client:
            return TcpOutcome.IDLE_DROPPED if self.quiet_before[client] >= IDLE_NS else TcpOutcome.RESET
        if not self.syns and self.syn_ack is None:
            return TcpOutcome.MIDSTREAM
        return TcpOutcome.ESTABLISHED

    def _ended_before(self, side: int) -> bool:
        """Whether the other end had said goodbye before the repeats: then nobody owes it an acknowledgement."""
        gone = self.fins[1 - side]
        return gone is not None and bool(self.repeated) and gone < self.repeated[0]

    def stalled_sizes(self) -> list[int]:
        """Sizes of the segments that were repeated and never acknowledged."""
        return [self.sizes[side] for side in (0, 1) if self.unacknowledged[side] and self.repeats[side]]

    def first_reset(self, client: int) -> Reset | None:
        if self.reset is None:
            return None
        packet, time, side, ttl = self.reset
        return Reset(packet, time, side == client, ttl)


def _after(one: int, other: int) -> int:
    """How far sequence number `one` is after `other`, modulo 2^32."""
    return ((one - other + _HALF) & _MASK) - _HALF


def _forbids(error: IcmpError) -> bool:
    """Whether the error ends an attempt: not "fragmentation needed", redirects and source quench."""
    if error.version == 4:
        return (error.kind == 3 and error.code != 4) or error.kind == 11
    return error.kind in (1, 3)
