"""Observations that several rules make: evidence for a failed connection, and who it was that refused it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from rpcdiag.case import Case, CaseFlow, CaseReferral, CaseSession, Conversation, LogRow
from rpcdiag.diagnose.once import once
from rpcdiag.dissect.exterror import ErrorRecord
from rpcdiag.dissect.interfaces import IACTIVATION, IOBJECT_EXPORTER, IREMOTE_SCM_ACTIVATOR, rpc_pipes
from rpcdiag.dissect.status import status_name
from rpcdiag.flows.flow import FAILED_TO_OPEN, UDP, IcmpError, TcpOutcome
from rpcdiag.logs.entry import UNHEARD, LogEntry
from rpcdiag.model.evidence import Confidence, Evidence, Logged, Missing, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Bind, Connection, Fate, Readable, ReferralKind
from rpcdiag.track.origin import MAPPER_PORTS, OriginKind
from rpcdiag.track.sessions import PipeOpen

if TYPE_CHECKING:  # loaded only where there is a log
    from rpcdiag.logs.host import Statement

SYN_PATIENCE_NS = 3_000_000_000  # a client sends its first SYN retry by then
ANSWER_PATIENCE_NS = 5_000_000_000  # a server that is going to answer has answered by then
ADMITTED = frozenset({"allow", "open"})
ENDED = frozenset({"close", "fail"})
DYNAMIC_FROM = 49152
SMB_PORT = 445
DCOM = frozenset({IREMOTE_SCM_ACTIVATOR, IOBJECT_EXPORTER, IACTIVATION})  # on the mapper's port
SHORTLY_NS = 300_000_000_000
JUST_BEFORE_NS = 10_000_000_000  # a host may have gone since
FALL_BACK_NS = 60_000_000_000  # Windows gives up a connection after 21 s; programs may wait a little
STATED_NS = 300_000_000_000  # Windows reports a failed connection some 21 s after its first SYN; clocks differ by less
CLOCKS_NS = STATED_NS // 2
UNREACHED = frozenset({10006, 10009, 10028})  # DistributedCOM: could not reach a computer, or only to be refused
OLD_DYNAMIC = range(1025, 5001)  # before Vista and Server 2008
UNAVAILABLE = 0x800706BA
MAX_SHOWN = 8
MANY_SERVERS = 16
MAX_NEXT = 64  # connections that are looked through for what a client does next


def failed(case: Case, *outcomes: TcpOutcome) -> Iterator[Conversation]:
    """TCP conversations that never opened, in one of these ways; those of a scan are no attempts."""
    return (
        conversation
        for conversation in case.failed
        if conversation.near.flow.outcome in outcomes and not of_scan(case, conversation)
    )


def of_scan(case: Case, conversation: Conversation) -> bool:
    """Whether the client tries port after port of the server, or one port of host after host and no SYN twice."""
    if case.referral_of(conversation.near) is not None or case.drops_of(conversation):
        return False
    client = conversation.client
    return (client, conversation.server) in case.scans or (
        conversation.near.flow.syn_count == 1 and client in _sweepers(case)
    )


@once
def _sweepers(case: Case) -> frozenset[Address]:
    """Clients that failed with a single SYN at the mappers of many servers."""
    servers: dict[Address, set[Address]] = {}
    for conversation in case.failed:
        if is_mapper(conversation) and conversation.near.flow.syn_count == 1:
            servers.setdefault(conversation.client, set()).add(conversation.server)
    return frozenset({client for client, tried in servers.items() if len(tried) >= MANY_SERVERS})


def silent_long_enough(case: Case, conversation: Conversation) -> bool:
    """Whether silence means something: the client tried again and the capture ran on, or a log says drop.

    A single SYN is a client that gave up or a scanner; it counts only where a referral had sent the client there.
    """
    flow = conversation.near.flow
    if case.drops_of(conversation):
        return True
    return flow.watched_ns >= SYN_PATIENCE_NS and (
        flow.syn_count >= 2 or case.referral_of(conversation.near) is not None
    )


@once
def silent_dynamic(case: Case) -> tuple[Conversation, ...]:
    """Attempts on dynamic ports that nobody answered, where that means something."""
    return tuple(
        conversation
        for conversation in failed(case, TcpOutcome.UNANSWERED)
        if not is_mapper(conversation)
        and conversation.near.origin.kind is not OriginKind.WELL_KNOWN
        and is_dynamic(conversation.near.flow.server.port)
        and silent_long_enough(case, conversation)
    )


def syns(case: Case, conversation: Conversation) -> Seen:
    """The SYNs at the point nearest to the client."""
    near = conversation.near
    flow = near.flow
    where = case.point_name(near)
    if flow.transport == UDP:
        return Seen(f"{flow.client.address} calls {flow.server} (UDP)", flow.capture, (flow.first_packet,))
    says = f"{flow.client.address} asks {flow.server} to connect (SYN)" + (f", seen at {where}" if where else "")
    return Seen(says, flow.capture, tuple(syn.packet for syn in flow.syns[:MAX_SHOWN]))


def silence(conversation: Conversation) -> Missing:
    """That nothing answered them."""
    flow = conversation.near.flow
    if flow.transport == UDP:
        return Missing("no answer", flow.capture, flow.first_packet, flow.watched_ns)
    return Missing("no SYN-ACK, no RST, no ICMP error", flow.capture, flow.first_packet, flow.watched_ns)


def not_seen_beyond(case: Case, conversation: Conversation) -> list[Evidence]:
    """Capture points that see other traffic of the pair, and nothing of this conversation."""
    if not case.several_points:
        return []
    here = {flow.point for flow in conversation.flows}
    elsewhere: dict[tuple[int, int], CaseFlow] = {}
    for other in case.between(conversation.client, conversation.server):
        for flow in other.flows:
            if flow.point not in here:
                elsewhere.setdefault(flow.point, flow)
    found: list[Evidence] = []
    for (capture, _), flow in sorted(elsewhere.items(), key=lambda item: item[0]):
        name = case.point_name(flow) or case.captures[capture].path
        says = f"never seen at {name}, where other packets of the pair pass: lost between the two points"
        found.append(Missing(says, capture, flow.flow.last_packet, conversation.near.flow.watched_ns))
    return found


def logged(case: Case, rows: Sequence[LogRow], conversation: Conversation | None = None) -> list[Evidence]:
    """Log rows as evidence, one piece for each log and kind of row; of a conversation, which rows are of its answers."""
    grouped: dict[tuple[int, str], list[int]] = {}
    for row in rows:
        entry = row.entry
        by = f" by rule {entry.rule}" if entry.rule else ""
        named = entry.code_name if entry.code is None or entry.code_name else hex(entry.code)
        code = f", {named}" if named and entry.code != 0 else ""
        at = f" to port {entry.destination_port}" if entry.destination_port is not None else ""
        at += f" of {_base_name(entry.program)}" if entry.program and entry.path == "in" else ""
        at = " of the answer" if conversation is not None and is_answer(entry, conversation) else at
        why = f" ({entry.says})" if entry.says and entry.drops else ""
        grouped.setdefault((row.log, f"{entry.action.upper()}{at}{by}{code}{why}"), []).append(entry.line)
    return [
        Logged(says, log, tuple(sorted(set(lines))[:MAX_SHOWN]))
        for (log, says), lines in sorted(grouped.items(), key=lambda item: (item[0][0], min(item[1])))
    ]


def is_answer(entry: LogEntry, conversation: Conversation) -> bool:
    """Whether a row is about what the server sends back."""
    flow = conversation.near.flow
    if flow.client.port == flow.server.port:
        return entry.source == flow.server.address
    return entry.source_port == flow.server.port and entry.destination_port != flow.server.port


def answers_dropped(case: Case, conversation: Conversation) -> tuple[LogRow, ...]:
    """The drops of a connection, where a device drops what the server answers, and nothing of what the client sends."""
    drops = case.drops_of(conversation)
    return drops if all(is_answer(row.entry, conversation) for row in drops) else ()


def nobody_listens(case: Case, conversation: Conversation) -> bool:
    """Whether the server's own events say that its packets met no socket: dropped in silence (stealth), by no rule."""
    drops = case.drops_of(conversation)
    return bool(drops) and all(
        sure(row) and row.entry.says == UNHEARD and not row.entry.program and row.entry.path == "in" for row in drops
    )


def let_in(case: Case, conversation: Conversation) -> bool:
    """Whether the server's own firewall admitted the connection, and no log drops any of it: its SYN did arrive."""
    return not case.drops_of(conversation) and any(
        sure(row)
        and row.entry.action in ADMITTED
        and (row.entry.path, row.entry.destination) == ("in", conversation.server)
        and (row.entry.event is not None or case.logs[row.log].file.format == "windows-firewall")
        for row in case.rows_of(conversation)
    )


_LET = {"in": "let in", "out": "let out"}


def let_through(case: Case, conversation: Conversation) -> list[Evidence]:
    """Rows in which a firewall admits a connection that nobody answers: it is not the one that is silent."""
    rows = [row for row in case.rows_of(conversation) if sure(row) and row.entry.action in ADMITTED]
    ends = [row for row in case.rows_of(conversation) if sure(row) and row.entry.action in ENDED]
    return [
        *(
            one._replace(says=f"{one.says}: {_LET.get(path, 'let through')} here, and not answered")
            for path in sorted({row.entry.path for row in rows})
            for one in logged(case, [row for row in rows if row.entry.path == path])
            if isinstance(one, Logged)
        ),
        *logged(case, [row for row in ends if rows and (row.entry.code or row.entry.code_name)]),
    ]


def _base_name(program: str) -> str:
    return program.replace("/", "\\").rpartition("\\")[2]


def not_dropped_by(case: Case, conversation: Conversation) -> list[Evidence]:
    """Logs of the server that hold drops of that time, and nothing of this conversation: it was not dropped there.

    Where a log has no drop of what comes in within ten minutes, whether drops are logged is not known, and it says nothing.
    """
    if not case.logs or case.rows_of(conversation):
        return []
    found: list[Evidence] = []
    for log in case.logs:
        lines = log.own_drops.near(conversation.server, conversation.near.flow.start_ns, log.clock)
        if lines:
            says = f"{log.file.path} of {conversation.server} holds packets that it dropped at that time, none of this connection"
            found.append(Logged(says, log.number, lines[:MAX_SHOWN]))
    return found


def way_back(conversation: Conversation) -> str:
    """What to look at next where the server's own firewall let a connection in that nobody answers."""
    return (
        f"Does {conversation.server} answer? Capture on it: a SYN-ACK that leaves there is lost on the way back; where none "
        "leaves, another filter on it (an agent, IPsec, an RPC filter) or a full backlog of the program swallows the SYN."
    )


def stated(case: Case, events: frozenset[int], host: Address, conversation: Conversation) -> list[Evidence]:
    """Events that name the host by its address, of the time of the conversation; one piece for each log and statement.

    Where it is not known how far the clock of the log is off, its events may be of another day.
    """
    flow = conversation.near.flow
    grouped: dict[tuple[int, int, str], list[int]] = {}
    for one in case.stated_of.get(host, ()):
        offset_ns = case.logs[one.log].clock.offset_ns
        if one.event not in events or one.written_ns is None:
            continue
        if offset_ns is not None and 0 <= one.written_ns - offset_ns - flow.start_ns + CLOCKS_NS <= STATED_NS:
            grouped.setdefault((one.log, one.event, one.says), []).append(one.line)
    return [
        Logged(f"event {event}: {says}", log, tuple(lines[:MAX_SHOWN])) for (log, event, says), lines in grouped.items()
    ]


def meanwhile(case: Case, one: "Statement") -> bool:
    """Whether an event was written while a capture ran, or five minutes before or after that."""
    offset_ns = case.logs[one.log].clock.offset_ns
    if offset_ns is None or one.written_ns is None:
        return False
    at = one.written_ns - offset_ns
    return any(
        capture.first_ns is not None and capture.last_ns is not None
        and capture.first_ns - STATED_NS <= at <= capture.last_ns + STATED_NS
        for capture in case.captures
    )  # fmt: skip


def from_cache(case: Case, conversation: Conversation) -> list[Evidence]:
    """That the client goes again where it was told to go before, without asking again."""
    near = conversation.near
    referral = case.referral_of(near)
    if referral is None or not near.flow.syns:
        return []
    first = case.conversations[case.flow(referral.flows[0]).conversation].near.flow if referral.flows else near.flow
    if first.start_ns >= near.flow.start_ns or first.server != near.flow.server:
        return []
    after_s = (near.flow.start_ns - referral.referral.response_ns) / 1e9
    says = f"the client goes there again without asking again: it keeps the port it was told {after_s:.1f} s before"
    return [Seen(says, near.flow.capture, (near.flow.first_packet,))]


def falls_back(case: Case, conversation: Conversation) -> list[Evidence]:
    """What the client does next: it opens SMB on the same server once it has given up."""
    near = conversation.near
    if not near.flow.syns:
        return []
    gave_up = near.flow.syns[-1].time_ns
    others = case.between(conversation.client, conversation.server)
    begin = bisect_right(others, gave_up, key=lambda other: other.near.flow.start_ns)
    for other in others[begin : begin + MAX_NEXT]:
        flow = other.near.flow
        if flow.server.port == SMB_PORT and gave_up < flow.start_ns <= near.flow.start_ns + FALL_BACK_NS:
            after_s = (flow.start_ns - near.flow.start_ns) / 1e9
            says = (
                f"the client gives up and opens port {SMB_PORT} (SMB) of the server {after_s:.1f} s after its first SYN"
            )
            return [Seen(says, flow.capture, (flow.first_packet,))]
    return []


# ICMP codes that say "I do not know the way", not "I do not allow it": network, host, source host, by type of service
_NO_WAY = {4: frozenset({0, 1, 5, 6, 7, 8, 11, 12}), 6: frozenset({0, 3})}


def no_way(case: Case, conversation: Conversation) -> bool:
    """Whether ICMP said that there is no route or no such host; of one that answers meanwhile, firewalls say it too."""
    flow = conversation.near.flow
    if flow.outcome is not TcpOutcome.PROHIBITED:
        return False
    error = flow.icmp[0]
    said = error.kind == (11 if error.version == 4 else 3) or error.code in _NO_WAY[error.version]
    return said and not _answers_meanwhile(case, conversation)


def _answers_meanwhile(case: Case, conversation: Conversation) -> bool:
    """Whether the server took a connection of the same client just before, or within minutes after."""
    start = conversation.near.flow.start_ns
    others = case.between(conversation.client, conversation.server)
    begin = bisect_left(others, start - JUST_BEFORE_NS, key=lambda other: other.near.flow.start_ns)
    return any(
        other.near.flow.syn_ack is not None and other.near.flow.start_ns <= start + SHORTLY_NS
        for other in others[begin : begin + MAX_NEXT]
    )


class Refuser(Enum):
    """Who sent the RST or ICMP error that ended an attempt."""

    SERVER = "the server itself"
    DEVICE = "a device in the path"
    UNKNOWN = "not known"


def icmp_text(error: IcmpError) -> str:
    """What an ICMP error says."""
    from rpcdiag.dissect.status import icmp_name

    return icmp_name(error.kind, error.code, error.version) or f"type {error.kind} code {error.code}"


def refuser(case: Case, conversation: Conversation) -> tuple[Refuser, list[Evidence], Confidence]:
    """Who refused the attempt, how we know, and how sure that is."""
    near = conversation.near
    flow = near.flow
    if flow.icmp and flow.outcome is TcpOutcome.PROHIBITED:
        error = flow.icmp[0]
        seen = Seen(f"{error.sender} answers with ICMP: {icmp_text(error)}", flow.capture, (error.packet,))
        return Refuser.DEVICE, [seen], Confidence.ESTABLISHED
    if flow.reset is None:
        return Refuser.UNKNOWN, [], Confidence.OPEN
    seen = Seen(f"RST with TTL {flow.reset.ttl}", flow.capture, (flow.reset.packet,))
    beyond = not_seen_beyond(case, conversation)
    if beyond or case.drops_of(conversation):
        return Refuser.DEVICE, [seen, *beyond], Confidence.ESTABLISHED
    far = conversation.flows[-1]
    if far is not near and far.flow.reset is not None:
        behind = Seen(
            f"the same RST is seen at {case.point_name(far) or 'the other capture'}, nearer to the server",
            far.flow.capture, (far.flow.reset.packet,),
        )  # fmt: skip
        there = case.host(far.flow.capture, far.flow.point, flow.server.address)
        if there is not None and there.ttls and far.flow.reset.ttl not in there.ttls:
            usual = ", ".join(str(ttl) for ttl in there.ttls[:3])
            says = f"{behind.says}, with TTL {far.flow.reset.ttl}; the server's other packets have {usual} there"
            return Refuser.DEVICE, [seen, behind._replace(says=says)], Confidence.ESTABLISHED
        return Refuser.SERVER, [seen, behind], Confidence.ESTABLISHED
    host = case.host(flow.capture, flow.point, flow.server.address)
    if host is None or not host.ttls:
        return Refuser.UNKNOWN, [seen], Confidence.POSSIBLE
    usual = ", ".join(str(ttl) for ttl in host.ttls[:3])
    if flow.reset.ttl in host.ttls:
        says = f"RST with TTL {flow.reset.ttl}, like the server's other packets"
        return Refuser.SERVER, [seen._replace(says=says)], Confidence.ESTABLISHED
    says = f"RST with TTL {flow.reset.ttl}; the server's other packets have {usual}"
    return Refuser.DEVICE, [seen._replace(says=says)], Confidence.ESTABLISHED


def alive(case: Case, conversation: Conversation) -> Seen | None:
    """A packet that shows the server answering on another port at the same capture point."""
    flow = conversation.near.flow
    host = case.host(flow.capture, flow.point, flow.server.address)
    for port, packet in host.answered if host else ():
        if port != flow.server.port:
            return Seen(f"{flow.server.address} answers on port {port}", flow.capture, (packet,))
    return None


def severity_of(case: Case, conversation: Conversation) -> Severity:
    """An error where something says that a failed attempt was one of RPC; else it may be any program's: a warning.

    That is a referral, a log that refused it, or RPC between the two whose lookups cannot all be read in the captures; or
    that nothing else was recorded.
    Where the client goes on to another port that the same answer names, and gets there, nothing failed for it.
    """
    client, server = conversation.client, conversation.server
    referral = case.referral_of(conversation.near)
    if referral is not None and _went_elsewhere(case, conversation, referral):
        return Severity.WARNING
    if referral is not None or is_mapper(conversation) or case.drops_of(conversation):
        return Severity.ERROR
    rpc = (client, server) in _speak_rpc(case)
    unread = (client, server) not in _read_whole(case)
    return Severity.ERROR if (unread if rpc else _nothing_else(case)) else Severity.WARNING


@once
def _speak_rpc(case: Case) -> frozenset[tuple[Address, Address]]:
    return frozenset(
        {
            (one.client, one.server)
            for one in case.conversations
            if is_mapper(one) or (one.near.rpc is not None and one.near.rpc.pdus)
        }
    )


@once
def _read_whole(case: Case) -> frozenset[tuple[Address, Address]]:
    """Pairs all of whose answers can be read."""
    unread = {(one.told, one.teller) for one in case.referrals if one.referral.readable is not Readable.CLEAR}
    return frozenset(case.told.keys() - unread)


@once
def _nothing_else(case: Case) -> bool:
    """Whether the captures hold no other conversation: somebody recorded just this."""
    return case.accounting.packets_in_flows == sum(flow.flow.packets for flow in case.flows)


def _went_elsewhere(case: Case, conversation: Conversation, referral: CaseReferral) -> bool:
    here = conversation.near.flow
    opened = _opened_by(case).get(referral.id, {})
    return any(port != here.server.port and latest > here.start_ns for port, latest in opened.items())


@once
def _opened_by(case: Case) -> dict[str, dict[int, int]]:
    """Of every referral the ports that opened, and when they did last."""
    found: dict[str, dict[int, int]] = {}
    for one in case.referrals:
        if len(one.referral.endpoints) > 1:
            for flow in map(case.flow, one.flows):
                if flow.flow.outcome not in FAILED_TO_OPEN:
                    ports = found.setdefault(one.id, {})
                    ports[flow.flow.server.port] = max(ports.get(flow.flow.server.port, 0), flow.flow.start_ns)
    return found


def surer(case: Case, conversation: Conversation, without_log: Confidence) -> Confidence:
    """Packets and a log row that agree prove; packets alone do not, nor does a row whose time could not be checked."""
    return Confidence.PROVEN if any(sure(row) for row in case.drops_of(conversation)) else without_log


def sure(row: LogRow) -> bool:
    """Whether the row belongs to its flow beyond doubt: the same sequence number, or the same ends in time."""
    return row.grade in ("A", "B")


def handed_out(case: Case, conversation: Conversation) -> list[Evidence]:
    """The referral that sent the client to this port, and whose port it is, where these are known."""
    return [*_sent_by(case, conversation), *listener(case, conversation)]


def listener(case: Case, conversation: Conversation) -> list[Evidence]:
    """Whose port it is, as an event of the server says."""
    owner = case.listener(conversation)
    return [] if owner is None else [Logged(owner.says, owner.log, (owner.line,))]


def _sent_by(case: Case, conversation: Conversation) -> list[Evidence]:
    flow = conversation.near
    referral = case.referral_of(flow)
    if referral is None:
        return []
    told, port = referral.referral, flow.flow.server.port
    if told.kind is ReferralKind.OBJECT_REFERENCE:
        return [handed_over(referral)]
    packet = next((one.packet for one in referral.referral.endpoints if one.port == port), None)
    if packet is None:
        how = "a sealed" if told.readable is Readable.SEALED else "an unread"
        says = f"{how} {referral.referral.kind.replace('_', ' ')} answer; port {port} is inferred from what follows"
        return [Seen(says, referral.asked_on.flow.capture, (referral.referral.response_packet,))]
    says = f"{referral.asked_on.flow.server.address} names port {port} ({referral.referral.kind})"
    return [Seen(says, referral.asked_on.flow.capture, (referral.referral.request_packet, packet))]


def handed_over(referral: CaseReferral) -> Seen:
    """An object reference in a call or its answer."""
    says = f"{referral.teller} hands {referral.told} an object of its own"
    return Seen(says, referral.asked_on.flow.capture, (referral.referral.response_packet,))


def given_before(case: Case, callback: Conversation) -> CaseReferral | None:
    """The reference that made the callback's sender go there: the one that explains it, or the one it resolved."""
    near = callback.near
    known = case.referral_of(near)
    if known is not None and known.referral.kind is ReferralKind.OBJECT_REFERENCE:
        return known
    oxid = known.referral.oxid if known is not None else None
    given = [
        one
        for one in case.told.get((callback.client, callback.server), ())
        if one.referral.by_client and one.referral.response_ns <= _begun(case, callback, one)
    ]
    return next((one for one in given if oxid is not None and one.referral.oxid == oxid), None)


def _begun(case: Case, conversation: Conversation, referral: CaseReferral) -> int:
    """When a conversation began by the clock of the capture in which the referral was read, where that has it."""
    asked = case.conversations[referral.asked_on.conversation]
    return _seen_beside(conversation, asked).flow.start_ns


def said_more(records: Sequence[ErrorRecord], server: Address, capture: int, packet: int | None) -> list[Seen]:
    """What a fault or bind_nak says beyond its status; a record without a computer is of the server itself."""
    found = []
    for record in records[:MAX_SHOWN] if packet else ():
        status = f"{record.status:#010x}"
        name = status_name(record.status)
        where = f" ({record.location_name or f'location {record.location}'})"
        says = (
            f"extended error: {record.computer or server}: {record.component_name or f'component {record.component}'}: "
            f"{status}{f' {name}' if name else ''}{where}"
        )
        found.append(Seen(says, capture, (packet,) if packet else ()))
    return found


def is_dynamic(port: int) -> bool:
    """Whether the port lies in a range that Windows hands out from."""
    return port >= DYNAMIC_FROM or port in OLD_DYNAMIC


def pipes_not_opened(case: Case, status: int) -> Iterator[tuple[CaseSession, PipeOpen, tuple[int, ...]]]:
    """Pipes of RPC whose opening is answered by that status, and which that client did not open there before or later.

    With the packets of request and answer.
    """
    opened = {(*one.ends, pipe.short) for one in case.sessions for pipe in one.said.pipes if pipe.status == 0}
    for session in case.sessions:
        for pipe in session.said.pipes:
            if pipe.status == status and pipe.short in rpc_pipes() and (*session.ends, pipe.short) not in opened:
                yield session, pipe, tuple([one for one in (pipe.request_packet, pipe.response_packet) if one])


def is_mapper(conversation: Conversation) -> bool:
    return conversation.near.flow.server.port in MAPPER_PORTS


def unread_lookup(case: Case, client: Address, server: Address, since_ns: int, until_ns: int) -> bool:
    """Whether the two spoke on a port of the mapper meanwhile, and the capture lacks part of it."""
    return any(
        is_mapper(one)
        and one.near.rpc is not None
        and one.near.rpc.bytes_missing > 0
        and one.near.flow.start_ns <= until_ns
        and one.near.flow.end_ns >= since_ns
        for one in case.between(client, server)
    )


def went_on(rpc: Connection, bind: Bind) -> bool:
    """Whether the client says more than the bind: it was answered, and the capture lacks the answer."""
    if rpc.orphan_answers or rpc.fates[Fate.RESPONSE] or rpc.fates[Fate.FAULT]:
        return True
    together = sum(call.packet == bind.packet for call in rpc.open_calls)  # some send a call with the bind
    return rpc.pdus > 1 + together


def dcom_passed(case: Case, conversation: Conversation, bind: Bind) -> bool:
    """Whether a DCOM bind of the same client on the same mapper was answered shortly before: then no filter minds them."""
    times = _dcom_answered(case).get((conversation.client, conversation.server), [])
    before = bisect_left(times, bind.time_ns)
    return before > 0 and bind.time_ns - times[before - 1] <= SHORTLY_NS


@once
def _dcom_answered(case: Case) -> dict[tuple[Address, Address], list[int]]:
    """When, by client and server."""
    found: dict[tuple[Address, Address], list[int]] = {}
    for conversation in case.conversations:
        if is_mapper(conversation) and conversation.near.rpc is not None:
            for bind in conversation.near.rpc.binds:
                if bind.answer == "ack" and any(context.interface.uuid in DCOM for context in bind.contexts):
                    found.setdefault((conversation.client, conversation.server), []).append(bind.time_ns)
    for times in found.values():
        times.sort()
    return found


def dcom_forward(case: Case, callback: Conversation) -> list[CaseFlow]:
    """Flows on which the callback's target used DCOM on its sender before: what makes it a callback."""
    start = callback.near.flow.start_ns
    used = (_seen_beside(other, callback) for other in case.between(callback.server, callback.client))
    return [flow for flow in used if flow.flow.start_ns < start and _uses_objects(flow)]


def _seen_beside(conversation: Conversation, other: Conversation) -> CaseFlow:
    """The copy of a conversation that has the clock of the other: two captures' may differ."""
    capture = other.near.flow.capture
    return next((flow for flow in conversation.flows if flow.flow.capture == capture), conversation.near)


def _uses_objects(flow: CaseFlow) -> bool:
    if flow.rpc is None or flow.flow.outcome in FAILED_TO_OPEN:
        return False
    return bool(flow.rpc.orpc_calls) or flow.origin.kind in (OriginKind.ACTIVATION, OriginKind.RESOLVE_OXID)


def rule_of(case: Case, conversation: Conversation) -> str | None:
    """The first rule that a log names for the refusal."""
    return next((row.entry.rule for row in case.drops_of(conversation) if row.entry.rule), None)
