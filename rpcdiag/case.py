"""Everything known, frozen: all that rules, policies and reports may look at."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.capture.fragments import Incomplete
from rpcdiag.flows.flow import TCP, Flow, Host
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Connection, Fate, Referral
from rpcdiag.track.logons import Logon
from rpcdiag.track.origin import Origin
from rpcdiag.track.sessions import SmbSession
from rpcdiag.track.strict import StrictRpc
from rpcdiag.track.surroundings import CentreAsked, NameFact, TicketFact, TunnelFact

if TYPE_CHECKING:  # loaded only where there is a log
    from rpcdiag.logs.entry import LogEntry
    from rpcdiag.logs.host import Held, ListeningProcess, Statement
    from rpcdiag.logs.match import Clock, LogMatch, OwnDrops
    from rpcdiag.logs.reader import LogFile


class CaptureFacts(NamedTuple):
    """One capture file; `cut_short` says at which place it ended too early, or None."""

    number: int
    path: str
    format: str
    link_types: tuple[str, ...]
    packets: int
    first_ns: int | None
    last_ns: int | None
    cut_short: str | None
    notes: tuple[str, ...]
    skipped: dict[str, int]
    points: dict[int, str]  # name of each capture point


class CaseFlow(NamedTuple):
    """A flow with everything that other stages know of it; `id` is `f1`, `f2` ... by time."""

    id: str
    flow: Flow
    rpc: Connection | None
    origin: Origin
    strict: StrictRpc
    same_as: tuple[str, ...]
    conversation: int  # position in Case.conversations

    @property
    def point(self) -> tuple[int, int]:
        return self.flow.capture, self.flow.point


class CaseReferral(NamedTuple):
    """A referral; the same one seen at several capture points is one."""

    id: str
    referral: Referral
    asked_on: CaseFlow
    flows: tuple[str, ...]  # that used it, or tried to
    copies: tuple[tuple[str, int, int], ...]  # (flow id, request packet, response packet) at the other points

    @property
    def told(self) -> Address:
        """Who was told: the client, or a server that a client hands an object of its own."""
        flow = self.asked_on.flow
        return (flow.server if self.referral.by_client else flow.client).address

    @property
    def teller(self) -> Address:
        """Who told."""
        flow = self.asked_on.flow
        return (flow.client if self.referral.by_client else flow.server).address


class Conversation(NamedTuple):
    """The copies of one flow at all capture points, the one nearest to the client first."""

    near: CaseFlow
    flows: tuple[CaseFlow, ...]  # all of them

    @property
    def client(self) -> Address:
        return self.near.flow.client.address

    @property
    def server(self) -> Address:
        return self.near.flow.server.address

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(flow.id for flow in self.flows)


class LogRow(NamedTuple):
    """A row that belongs to a flow: entry number `position` of log number `log`."""

    log: int
    position: int
    entry: "LogEntry"
    grade: str
    basis: str


class CaseLog(NamedTuple):
    """A log file, its clock against the captures, and what matched; the key of a match is a conversation.

    `own_drops` are those of incoming packets, where the log is of one host and whole.
    """

    number: int
    file: "LogFile"
    clock: "Clock"
    matches: "tuple[LogMatch, ...]"
    own_drops: "OwnDrops"


class CaseSession(NamedTuple):
    """An SMB session: the connection that carries it, what was said on it, and the flows of its pipes by serial.

    `sealed` has the packets since which client and server encrypt, or None.
    """

    flow: Flow
    said: SmbSession
    sealed: tuple[int | None, int | None]
    pipes: dict[int, str]  # serial number among the capture's flows -> id

    @property
    def ends(self) -> tuple[Address, Address]:
        """Client and server."""
        return self.flow.client.address, self.flow.server.address


class CaseLogon(NamedTuple):
    """A logon on a listed flow, or in an SMB session, whose last answer had that status."""

    flow: str | None
    capture: int
    client: Address
    server: Address
    over: str  # rpc, smb
    logon: Logon
    status: int | None


class CaseName(NamedTuple):
    """An answer about a name."""

    capture: int
    fact: NameFact


class CaseTicket(NamedTuple):
    """An answer of a key distribution centre."""

    capture: int
    fact: TicketFact


class CasePiece(NamedTuple):
    """A datagram of which fragments are missing, from or to a host that speaks RPC."""

    capture: int
    fact: Incomplete


class CaseAsked(NamedTuple):
    """Questions to a key distribution centre that never said anything to that client."""

    capture: int
    fact: CentreAsked


class CaseTunnel(NamedTuple):
    """That a capture holds packets which IPsec encrypts: the first of them, and how many."""

    capture: int
    fact: TunnelFact
    packets: int


class FoldedFlows(NamedTuple):
    """Connections that are only counted: all are like flow `like`, and all their calls were answered."""

    like: str
    flows: int
    first_ns: int
    last_ns: int
    calls: int
    referrals: int


class Accounting(NamedTuple):
    """Sums that must hold: see `Case.sums_hold`."""

    packets: int
    packets_in_flows: int
    packets_skipped: dict[str, int]
    stream_bytes: int
    bytes_in_pdus: int
    bytes_skipped: int
    bytes_missing: int
    requests: int
    fates: dict[Fate, int]
    evicted_flows: int

    @property
    def sums_hold(self) -> bool:
        """Every packet is in a flow or counted under a reason, and so on for bytes and requests."""
        return (
            self.packets == self.packets_in_flows + sum(self.packets_skipped.values())
            and self.stream_bytes == self.bytes_in_pdus + self.bytes_skipped + self.bytes_missing
            and self.requests == sum(self.fates.values())
        )


class Case(NamedTuple):
    """All facts of one run."""

    captures: tuple[CaptureFacts, ...]
    logs: tuple[CaseLog, ...]
    flows: tuple[CaseFlow, ...]
    conversations: tuple[Conversation, ...]
    failed: tuple[
        Conversation, ...
    ]  # over TCP, that no point saw open; where one did, the others hold one direction only
    unsettled: tuple[Conversation, ...]  # with a bind that was not acknowledged or refused an interface, or with errors
    between_hosts: dict[tuple[Address, Address], tuple[Conversation, ...]]  # by client and server
    referrals: tuple[CaseReferral, ...]
    told: dict[tuple[Address, Address], tuple[CaseReferral, ...]]  # referrals by who was told and who told
    resolvers: tuple[CaseReferral, ...]  # ServerAlive2 answers: addresses without ports
    hosts: Callable[[int, int, Address], Host | None]  # by capture, point and address
    rows: dict[int, tuple[LogRow, ...]]  # of each conversation
    processes: "tuple[ListeningProcess, ...]"  # who owns a port, as the hosts' own events say
    statements: "tuple[Statement, ...]"  # what they say beyond packets and connections
    stated_of: "dict[Address, tuple[Statement, ...]]"  # by the addresses that they name
    folded: tuple[FoldedFlows, ...]
    sessions: tuple[CaseSession, ...]
    logons: tuple[CaseLogon, ...]
    names: tuple[CaseName, ...]
    tickets: tuple[CaseTicket, ...]
    accounting: Accounting
    unreached: tuple[Flow, ...] = ()  # connections to key distribution centres that never opened
    pieces: tuple[CasePiece, ...] = ()
    asked: tuple[CaseAsked, ...] = ()
    unanswered: tuple[CaseName, ...] = ()  # questions about names
    tunnels: tuple[CaseTunnel, ...] = ()
    scans: frozenset[tuple[Address, Address]] = frozenset()  # client and server: it tries port after port
    loudest: Flow | None = None  # where no flow is listed, that with the most packets
    held: "dict[tuple[Address, int], tuple[Held, ...]]" = {}  # noqa: RUF012  whose a TCP port was, and from when on

    def rows_of(self, conversation: Conversation) -> tuple[LogRow, ...]:
        """The log rows that belong to the conversation."""
        return self.rows.get(conversation.near.conversation, ())

    def drops_of(self, conversation: Conversation) -> tuple[LogRow, ...]:
        """Those of them in which a device says that it refused it."""
        return tuple(row for row in self.rows_of(conversation) if row.entry.drops)

    def listener(self, conversation: Conversation) -> "ListeningProcess | None":
        """Whose program the port is that the client wants to reach, where the server's own events say that of this time."""
        flow = conversation.near.flow
        held = self.held.get((conversation.server, flow.server.port)) if self.held and flow.transport == TCP else None
        if not held:
            return None
        from rpcdiag.logs.host import owner_at

        for row in self.drops_of(conversation):
            entry = row.entry
            if row.grade in ("A", "B") and entry.path == "in" and entry.program and entry.event:
                for one in held:
                    if (one.process.log, one.process.program, one.process.pid) == (row.log, entry.program, entry.pid):
                        return one.process._replace(line=entry.line, event=entry.event, role="accept")
        referral = self.referral_of(conversation.near)
        named = referral is not None and any(one.port == flow.server.port for one in referral.referral.endpoints)
        return owner_at(held, flow.start_ns, handed_out=named)

    def referral_of(self, flow: CaseFlow) -> CaseReferral | None:
        """The referral that explains the flow."""
        return None if flow.origin.referral is None else self.referrals[flow.origin.referral]

    def attempts_of(self, referral: CaseReferral) -> tuple[Conversation, ...]:
        """The conversations that went where the referral points."""
        wanted = {self.flow(id).conversation for id in referral.flows}
        return tuple(self.conversations[position] for position in sorted(wanted))

    def flow(self, id: str) -> CaseFlow:
        """The flow called `id`."""
        return self.flows[int(id[1:]) - 1]

    def referral(self, id: str) -> CaseReferral:
        """The referral called `id`."""
        return self.referrals[int(id[1:]) - 1]

    def between(self, client: Address, server: Address) -> tuple[Conversation, ...]:
        """The conversations of one direction between two hosts."""
        return self.between_hosts.get((client, server), ())

    @property
    def several_points(self) -> bool:
        """Whether the same packet can have been recorded more than once."""
        return sum(len(capture.points) for capture in self.captures) > 1

    def host(self, capture: int, point: int, address: Address) -> Host | None:
        """What the address looks like at a capture point."""
        return self.hosts(capture, point, address)

    def point_name(self, flow: CaseFlow) -> str | None:
        """Name of the flow's capture point, where its file has several."""
        points = self.captures[flow.flow.capture].points
        return points.get(flow.flow.point) if len(points) > 1 else None
