"""What the captures say beside RPC that belongs to it: SMB sessions, logons, names, tickets."""

from collections.abc import Iterable, Iterator, Sequence

from rpcdiag.case import (
    CaseAsked,
    CaseFlow,
    CaseLogon,
    CaseName,
    CasePiece,
    CaseSession,
    CaseTicket,
    CaseTunnel,
)
from rpcdiag.dissect.interfaces import pipe_endpoint, rpc_pipes
from rpcdiag.flows.flow import PIPE, Flow
from rpcdiag.flows.table import Attempt, FlowTable
from rpcdiag.intake import Taken
from rpcdiag.model.packets import Address
from rpcdiag.sweep.columns import TUNNELS
from rpcdiag.track.logons import RawToken, logons
from rpcdiag.track.origin import Asking
from rpcdiag.track.sessions import Setup
from rpcdiag.track.surroundings import same_host

MAX_LOGONS = 4  # between two hosts, of one type of security: ten thousand connections log on alike
MAX_FACTS = 2048  # names, and tickets
MAX_REFUSED = 64  # further logons, on connections on which something was refused
KDC = 88
_SPNEGO = 9  # what stands in a session setup of SMB says itself what it is


def named(table: FlowTable, captures: Sequence[Taken]) -> Iterator[Flow]:
    """The flows that matter, pipes with their names; those through which no RPC went, where an RPC server is known."""
    for flow in table.flows():
        if flow.transport != PIPE:
            yield flow
            continue
        opened = captures[flow.capture].sessions.pipe(table.serial(flow))
        name = pipe_endpoint(opened.name) if opened and opened.name else None
        if table.carries_rpc(flow) or (name and name.lower().removeprefix("\\pipe\\") in rpc_pipes()):
            yield flow._replace(pipe=name)


def sessions(captures: Sequence[Taken], id_of: dict[int, str]) -> tuple[CaseSession, ...]:
    """The SMB sessions of all captures, by the time of their connections; `id_of` has the listed flows' ids."""
    found = []
    for taken in captures:
        for said in taken.sessions.sessions():
            flow = taken.flows.carrier(said.serial)
            if flow is None:
                continue
            first = taken.flows.first
            pipes = {pipe.serial: id_of.get(first + pipe.serial) for pipe in said.pipes if pipe.serial is not None}
            client, server = taken.flows.sides(taken.flows.place[said.serial], flow)
            sealed = said.sealed[client], said.sealed[server]
            found.append(CaseSession(flow, said, sealed, {serial: id for serial, id in pipes.items() if id}))
    return tuple(sorted(found, key=lambda one: (one.flow.start_ns, one.flow.capture, one.flow.number)))


def logons_of(
    flows: Iterable[CaseFlow], table: FlowTable, captures: Sequence[Taken], smb: Iterable[CaseSession]
) -> tuple[CaseLogon, ...]:
    """Who logged on where, on the connections themselves and in SMB sessions: the first ones between two hosts."""
    return (*_on_flows(flows, table, captures), *_in_sessions(smb))


def _on_flows(flows: Iterable[CaseFlow], table: FlowTable, captures: Sequence[Taken]) -> Iterator[CaseLogon]:
    if not any(taken.tokens for taken in captures):
        return
    seen: dict[tuple[Address, Address, int | None], int] = {}
    refused = 0
    for one in flows:
        flow = one.flow
        kind = one.rpc.binds[0].auth_type if one.rpc and one.rpc.binds else None
        pair = flow.client.address, flow.server.address, kind
        if seen.get(pair, 0) >= MAX_LOGONS:
            if refused >= MAX_REFUSED or one.rpc is None or one.rpc.settled:
                continue
            refused += 1
        for logon in captures[flow.capture].tokens.logons(table.serial(flow)):
            seen[pair] = seen.get(pair, 0) + 1
            yield CaseLogon(one.id, flow.capture, pair[0], pair[1], "rpc", logon, None)


def _in_sessions(smb: Iterable[CaseSession]) -> Iterator[CaseLogon]:
    seen: dict[tuple[Address, Address], int] = {}
    for session in smb:
        flow = session.flow
        pair = flow.client.address, flow.server.address
        for setup in session.said.setups:
            if seen.get(pair, 0) >= MAX_LOGONS:
                break
            for logon in logons(_tokens(setup)):
                seen[pair] = seen.get(pair, 0) + 1
                yield CaseLogon(None, flow.capture, *pair, "smb", logon, setup.status)


def _tokens(setup: Setup) -> Iterator[RawToken]:
    """In the order in which they were sent, so far as that matters: the challenge comes after the first."""
    for place, token in enumerate(setup.tokens):
        yield RawToken(0, setup.request_packet, _SPNEGO, token)
        if place == 0 and setup.challenge:
            yield RawToken(1, setup.request_packet, _SPNEGO, setup.challenge)


def aliases(captures: Sequence[Taken], told: Iterable[Asking]) -> dict[tuple[Address, str], tuple[Address, ...]]:
    """Which addresses name services gave to clients for the names that stand in what they were told."""
    wanted: dict[Address, set[str]] = {}
    for asking in told:
        for endpoint in asking.referral.endpoints:
            if endpoint.address is None and endpoint.host:
                wanted.setdefault(asking.told, set()).add(endpoint.host)
    found: dict[tuple[Address, str], tuple[Address, ...]] = {}
    for taken in captures if wanted else ():
        for fact in taken.surroundings.names(wanted, about=False):
            for host in wanted.get(fact.client, ()):
                if same_host(host, fact.name):
                    known = found.get((fact.client, host), ())
                    found[(fact.client, host)] = tuple(dict.fromkeys((*known, *fact.addresses)))
    return found


def names(captures: Sequence[Taken], hosts: set[Address]) -> tuple[CaseName, ...]:
    """Answers about names, to hosts that speak RPC or about them; all where nobody speaks it."""
    found = (
        CaseName(capture, fact)
        for capture, taken in enumerate(captures)
        for fact in taken.surroundings.names(hosts or None)
        if not hosts or fact.client in hosts or not hosts.isdisjoint(fact.addresses)
    )
    return tuple(one for one, _ in zip(found, range(MAX_FACTS), strict=False))


def unanswered(captures: Sequence[Taken], hosts: set[Address]) -> tuple[CaseName, ...]:
    """Questions about names that nobody answered, of hosts that speak RPC; of all where nobody does."""
    found = (
        CaseName(capture, fact)
        for capture, taken in enumerate(captures)
        for fact in taken.surroundings.unanswered(hosts or None)
    )
    return tuple(one for one, _ in zip(found, range(MAX_FACTS), strict=False))


def tunnels(captures: Sequence[Taken]) -> tuple[CaseTunnel, ...]:
    """IPsec, of each capture that holds some."""
    return tuple(
        CaseTunnel(capture, taken.surroundings.tunnel, taken.flows.sweep.state.counters[TUNNELS])
        for capture, taken in enumerate(captures)
        if taken.surroundings.tunnel is not None
    )


def tickets(captures: Sequence[Taken], hosts: set[Address]) -> tuple[CaseTicket, ...]:
    """What key distribution centres answered to hosts that speak RPC; the same error again is only counted."""
    found: dict[tuple[object, ...], CaseTicket] = {}
    for capture, taken in enumerate(captures):

        def ends(serial: int, taken: Taken = taken) -> tuple[Address, Address] | None:
            flow = taken.flows.carrier(serial)
            return None if flow is None else (flow.client.address, flow.server.address)

        for fact in taken.surroundings.tickets(ends):
            if fact.client not in hosts and fact.server not in hosts:
                continue
            key = (capture, *fact[2:12])
            known = found.get(key)
            if known is not None:
                found[key] = CaseTicket(capture, known.fact._replace(times=known.fact.times + 1))
            elif len(found) < MAX_FACTS:
                found[key] = CaseTicket(capture, fact)
    return tuple(sorted(found.values(), key=lambda one: (one.fact.time_ns, one.capture, one.fact.packet)))


def unreached(table: FlowTable, attempts: Iterable[Attempt], hosts: set[Address]) -> tuple[Flow, ...]:
    """Connections to a key distribution centre that never opened, of hosts that speak RPC."""
    found = (table.attempted(one) for one in attempts if one.port == KDC)
    return tuple(
        one for one, _ in zip((flow for flow in found if flow.client.address in hosts), range(MAX_FACTS), strict=False)
    )


def pieces(captures: Sequence[Taken], hosts: set[Address]) -> tuple[CasePiece, ...]:
    """Datagrams of which fragments are missing, of hosts that speak RPC."""
    found = (
        CasePiece(capture, one)
        for capture, taken in enumerate(captures)
        for one in taken.incomplete
        if one.source in hosts or one.destination in hosts
    )
    return tuple(sorted(found, key=lambda one: (one.fact.time_ns, one.capture, one.fact.packet)))


def asked(captures: Sequence[Taken], hosts: set[Address]) -> tuple[CaseAsked, ...]:
    """Questions of hosts that speak RPC to centres that never answered them, in no capture."""
    found = [
        CaseAsked(capture, one)
        for capture, taken in enumerate(captures)
        for one in taken.surroundings.silent_centres()
        if one.client in hosts
    ]
    if len(captures) < 2:
        return tuple(found)
    everywhere = [
        {(one.client, one.server) for one in taken.surroundings.silent_centres()}
        for taken in captures
        if taken.surroundings
    ]
    return tuple(one for one in found if all((one.fact.client, one.fact.server) in pairs for pairs in everywhere))
