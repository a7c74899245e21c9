"""The client has no source port left to connect from.

Looks like: Tcpip event 4231 (no free port) or 4227 (a port could not be used again so soon) in the client's System log; the
port that a server named is never asked for: no SYN leaves. On the wire at most that ports come round too soon: SYNs from
ports whose connection to the same endpoint has just been closed are answered by an ACK of that connection instead of a
SYN-ACK, and the client resets.
Because: a program opens connections faster than closed ones leave TIME_WAIT, or never closes them; or the range is small.
Not this: one port that a program always connects from; a connection that the client forgot and the server did not (an ACK
as well, but nothing was closed); the client's own firewall (outbound-blocked); a server without ports (port-range-exhausted).
Needs: the client's System log (`--log`), and something in log or captures that says whose it is. Without it at least two
ports that came round within four minutes: possible, from three on likely.
"""

from collections.abc import Iterator, Sequence

from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.writers import Writers
from rpcdiag.flows.flow import TCP, Flow
from rpcdiag.model.evidence import Confidence, Evidence, Logged, Missing, Seen, Severity
from rpcdiag.model.packets import Address, Endpoint
from rpcdiag.track.facts import ReferralKind

NO_RESOURCES = 0x800706B9
NO_PORT_LEFT = frozenset({4227, 4231})
TIME_WAIT_NS = 240_000_000_000  # the longest that closed connections wait by default, on any Windows
SOME, ENOUGH = 2, 3  # source ports that came round too soon
_ASKED = frozenset({ReferralKind.EPT_MAP, ReferralKind.ACTIVATION, ReferralKind.RESOLVE_OXID})


def check(case: Case) -> Iterator[Finding]:
    again = _come_round(case)
    said: dict[Address, tuple[Confidence, list[Evidence]]] = _said(case) if case.statements else {}
    for client, (confidence, logged) in said.items():
        pairs = [pair for pair in again if pair[0] == client]
        hurt = _never_tried(case, client)
        servers = list(dict.fromkeys([one.teller for one in hurt] + [server for _, server in pairs]))
        for server in servers:
            mine = [one for one in hurt if one.teller == server]
            yield _finding(case, client, server, confidence, logged, mine, again.get((client, server), []))
        if not servers:
            last = [one.server for one in case.conversations if one.client == client]
            yield _finding(case, client, last[-1], confidence, logged, [], [])
    for (client, server), reused in again.items():
        ports = {one.near.flow.client.port for one in reused}
        if client not in said and len(ports) >= SOME:
            sure = Confidence.LIKELY if len(ports) >= ENOUGH else Confidence.POSSIBLE
            yield _finding(case, client, server, sure, [], [], reused)


def _said(case: Case) -> dict[Address, tuple[Confidence, list[Evidence]]]:
    """Clients of which a log says it while the captures ran: proven where it is known that the log is theirs."""
    clients = list(dict.fromkeys(one.client for one in case.conversations))
    writers = Writers.of(case)
    lines: dict[tuple[Address, Confidence, int, str], list[int]] = {}
    for one in case.statements:
        if one.event not in NO_PORT_LEFT or not observe.meanwhile(case, one):
            continue
        by = {client: writers.is_by(one, client) for client in clients}
        mine = [client for client in clients if by[client]]
        if not mine and not writers.addresses(one) and len(clients) == 1 and by[clients[0]] is None:
            known, mine = Confidence.LIKELY, clients
        else:
            known = Confidence.PROVEN
        for client in mine:
            says = f"event {one.event}{f' of {one.host}' if one.host else ''}: {one.says}"
            lines.setdefault((client, known, one.log, says), []).append(one.line)
    found: dict[Address, tuple[Confidence, list[Evidence]]] = {}
    for (client, confidence, log, says), those in lines.items():
        before = found.setdefault(client, (confidence, []))
        before[1].append(Logged(says, log, tuple(those[: observe.MAX_SHOWN])))
    return found


def _never_tried(case: Case, client: Address) -> list[CaseReferral]:
    """Ports that a server named to the client, which never asks for them and has no connection to them."""
    found = []
    for one in case.referrals:
        told = one.referral
        if one.told != client or one.flows or told.by_client or told.status or told.kind not in _ASKED:
            continue
        ports = {end.port for end in told.endpoints if end.protseq == TCP and end.port}
        watched = (case.captures[one.asked_on.flow.capture].last_ns or 0) - told.response_ns
        has = {other.near.flow.server.port for other in case.between(client, one.teller)}
        if ports and not ports & has and watched >= observe.SYN_PATIENCE_NS:
            found.append(one)
    return found


def _come_round(case: Case) -> dict[tuple[Address, Address], list[Conversation]]:
    """Attempts that met the rest of the connection before: the same ends, closed less than four minutes ago."""
    odd = [one for one in case.conversations if _met_another(one.near.flow)]
    if not odd:
        return {}
    closed: dict[tuple[Endpoint, Endpoint], list[int]] = {}
    for one in case.conversations:
        flow = one.near.flow
        if flow.syn_ack and flow.fin_from_client and flow.fin_from_server:
            closed.setdefault((flow.client, flow.server), []).append(flow.end_ns)
    found: dict[tuple[Address, Address], list[Conversation]] = {}
    for one in odd:
        flow = one.near.flow
        ends = closed.get((flow.client, flow.server), ())
        if any(0 <= flow.start_ns - end <= TIME_WAIT_NS for end in ends):
            found.setdefault((one.client, one.server), []).append(one)
    return found


def _met_another(flow: Flow) -> bool:
    """Whether something else than a SYN-ACK answered the SYN, and the client reset that. [RFC5961] 4.2"""
    reset = flow.reset
    if flow.transport != TCP or not flow.syns or flow.server_ttl is None or reset is None or not reset.from_client:
        return False
    if flow.syn_ack is not None:
        return reset.packet < flow.syn_ack
    return not (flow.client_bytes or flow.server_bytes or flow.fin_from_client or flow.fin_from_server)


def _finding(
    case: Case, client: Address, server: Address, confidence: Confidence, logged: Sequence[Evidence],
    hurt: Sequence[CaseReferral], reused: Sequence[Conversation],
) -> Finding:  # fmt: skip
    ports = len({one.near.flow.client.port for one in reused})
    summary = f"{client} has no source port left to connect from" if logged else (
        f"{client} uses {ports} source ports again for {server} before their last connections are over: they run out"
    )  # fmt: skip
    if hurt:
        summary += f": the port that {server} named is never asked for"
    return Finding(
        rule=RULE.id,
        summary=summary,
        severity=Severity.ERROR if hurt or (logged and reused) else Severity.WARNING,
        confidence=confidence,
        client=client,
        server=server,
        flows=tuple(dict.fromkeys([one.asked_on.id for one in hurt] + [id for one in reused for id in one.ids])),
        referrals=tuple(one.id for one in hurt),
        evidence=(*logged, *_unused(case, hurt), *_again(reused)),
        errors=(NO_RESOURCES, observe.UNAVAILABLE),
        subject=Subject(local_host=True),
        next_observation=None if confidence is Confidence.PROVEN else _next(client, logged),
    )


def _next(client: Address, logged: Sequence[Evidence]) -> str:
    if logged:
        return f"Is that computer {client}? 'hostname' there, or a capture that holds its logon, tells."
    return (
        f"The System log of {client}: Tcpip events 4227 and 4231; 'Get-NetTCPConnection | Group-Object State' there. A device "
        "that translates addresses and has few ports for many clients looks the same: then look at its pool."
    )


def _unused(case: Case, hurt: Sequence[CaseReferral]) -> Iterator[Evidence]:
    for one in hurt[: observe.MAX_SHOWN]:
        capture, told = one.asked_on.flow.capture, one.referral
        port = next(end.port for end in told.endpoints if end.port)
        waited = max(0, (case.captures[capture].last_ns or 0) - told.response_ns)
        yield Seen(f"{one.teller} names port {port}", capture, (told.request_packet, told.response_packet))
        yield Missing(f"no SYN to port {port} follows", capture, told.response_packet, waited)


def _again(reused: Sequence[Conversation]) -> Iterator[Evidence]:
    for one in reused[: observe.MAX_SHOWN]:
        flow = one.near.flow
        packets = (flow.first_packet, *((flow.reset.packet,) if flow.reset else ()))
        says = "a SYN from a port whose connection to the same endpoint was just closed is not answered by SYN-ACK; RST"
        yield Seen(says, flow.capture, packets)


RULE = Rule(
    id="source-ports-exhausted",
    cause="F9",
    title="The client runs out of source ports",
    check=check,
    errors=(NO_RESOURCES, observe.UNAVAILABLE),
)
