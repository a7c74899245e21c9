"""What is known of one TCP conversation at one capture point."""

from enum import StrEnum
from typing import NamedTuple

from rpcdiag.model.packets import Address, Endpoint


class TcpOutcome(StrEnum):
    """How a connection went, as far as TCP tells."""

    ESTABLISHED = "established"
    REFUSED = "refused"  # RST to the SYN
    UNANSWERED = "unanswered"
    PROHIBITED = "prohibited"  # ICMP error to the SYN
    MIDSTREAM = "midstream"  # the capture starts inside
    RESET = "reset"  # RST while the other side waited for an answer
    IDLE_DROPPED = "idle-dropped"  # after a long silence nothing got through any more
    STALLED = "stalled"  # data, or keep-alives, repeated and never acknowledged


ENDED_BADLY = frozenset({TcpOutcome.RESET, TcpOutcome.IDLE_DROPPED, TcpOutcome.STALLED})
FAILED_TO_OPEN = frozenset({TcpOutcome.REFUSED, TcpOutcome.UNANSWERED, TcpOutcome.PROHIBITED})


TCP, PIPE, HTTP, UDP = "ncacn_ip_tcp", "ncacn_np", "ncacn_http", "ncadg_ip_udp"  # transports of RPC


class Syn(NamedTuple):
    packet: int
    time_ns: int
    ip_id: int
    ttl: int


class Reset(NamedTuple):
    """The first RST of the conversation; `ttl` is to be compared with other packets of the same sender."""

    packet: int
    time_ns: int
    from_client: bool
    ttl: int


class IcmpError(NamedTuple):
    """An ICMP error that quotes a packet of the conversation."""

    packet: int
    time_ns: int
    sender: Address
    version: int
    kind: int
    code: int
    quotes_client: bool


class Silence(NamedTuple):
    """The longest time between two packets of the conversation."""

    after_packet: int
    before_packet: int
    lasted_ns: int


class Flow(NamedTuple):
    """One five-tuple in both directions at one capture point, from its client's side; or one pipe in an SMB session on
    it, which has packets and times of its own, and shares what TCP says.

    `roles` says how client and server were told apart: `syn`, `content` (who asks) or `port` (who seems to listen).
    `watched_ns`: how long the capture point recorded anything after the first SYN.
    """

    number: int
    capture: int
    point: int
    client: Endpoint
    server: Endpoint
    roles: str
    first_packet: int
    last_packet: int
    start_ns: int
    end_ns: int
    packets: int
    outcome: TcpOutcome
    syns: tuple[Syn, ...]  # the first 16
    syn_count: int
    isn: int | None
    syn_ack: int | None
    syn_ack_ns: int | None
    reset: Reset | None
    fin_from_client: int | None
    fin_from_server: int | None
    icmp: tuple[IcmpError, ...]
    client_ttl: int | None
    server_ttl: int | None
    client_bytes: int
    server_bytes: int
    repeats_from_client: int  # of the last data segment, never acknowledged
    repeats_from_server: int
    repeated: tuple[int, ...]  # packets of those repeats
    stalled_size: int  # bytes of the segment that was repeated and never acknowledged, 0 if none was
    acknowledged_size: int  # bytes of the largest segment of the same side that was acknowledged
    silence: Silence | None
    watched_ns: int
    last_data_packet: int | None = None  # of the client, the last packet with payload
    last_data_ns: int | None = None
    transport: str = TCP
    pipe: str | None = None  # `\\pipe\\svcctl`; where it is not known, the transport says that it is one
    carrier: int | None = None  # of a pipe: number of the flow that carries its SMB session
    server_packets: int = 0
    client_acknowledged: int = 0  # bytes of the largest segment of the client that was acknowledged
    client_pieces: tuple[int, ...] = ()  # bytes of its repeats behind which more had been sent
    probes: tuple[int, ...] = ()  # keep-alives that nobody answers any more, from the second on
    heard: bool = False  # whether who should answer them talks to others meanwhile


class Waiting(NamedTuple):
    """A call that waits for its answer."""

    packet: int
    time_ns: int
    context_id: int
    opnum: int
    orpc: bool
    one_way: bool
    given_up_ns: int = 0  # when its client cancelled it, or left it behind


class ContextUse(NamedTuple):
    """A presentation context that was offered; the highest level of security that was seen on it, None for none.

    `auth_cut`: it is secured, and the capture lacks what says how.
    """

    calls: int
    auth_type: int | None
    auth_level: int | None
    auth_cut: bool = False


class Stream(NamedTuple):
    """What the pass counted on a flow that it followed; contexts are in the order in which they were offered.

    `gap_ns` is when the last gap of client and server was noticed.
    """

    place: int  # of its record
    pdus: int
    first_pdu: int | None
    last_pdu_ns: int | None
    total: int  # bytes; the three that follow add up to it
    in_pdus: int
    skipped: int
    missing: int
    gap_ns: tuple[int | None, int | None]
    requests: int
    responses: int
    faults: int
    orphan_answers: int
    orpc_calls: int
    waiting: tuple[Waiting, ...]
    contexts: tuple[ContextUse, ...]


class Host(NamedTuple):
    """What the TCP packets of one address look like at one capture point: the yardstick for a RST."""

    capture: int
    point: int
    address: Address
    ttls: tuple[int, ...]  # of its packets other than RSTs, the most frequent first
    answered: tuple[tuple[int, int], ...]  # (port, packet of a SYN-ACK)
