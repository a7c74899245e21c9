"""IP fragments get lost: of a datagram too big for one packet only a part arrives.

Looks like: pieces of datagrams from or to port 88 (Kerberos) or an RPC port over UDP are never completed, several times,
and none between the two ever is.
Because: a firewall or router drops fragments, or those behind the first, which have no ports.
Not this: large TCP segments that get lost (path-mtu); a capture that leaves bytes out, or ends between two pieces.
Needs: two datagrams that were never completed and 3 s after the last; a capture of all fragments (`port 88` filters out
those behind the first).
"""

from collections.abc import Iterator

from rpcdiag.capture.fragments import Incomplete
from rpcdiag.case import Case, CasePiece
from rpcdiag.diagnose import logon, observe
from rpcdiag.diagnose.finding import Direction, Finding, Rule, Subject
from rpcdiag.flows.flow import UDP as OVER_UDP
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity
from rpcdiag.model.packets import Address

NO_AUTHORITY = 0x80090311
KDC, MAPPER, UDP = 88, 135, 17
AT_LEAST = 2  # a client that gets no answer asks again


def check(case: Case) -> Iterator[Finding]:
    clients = logon.Clients.of(case)
    ports = {flow.flow.server.port for flow in case.flows if flow.flow.transport == OVER_UDP} | {KDC, MAPPER}
    found: dict[tuple[Address, Address, int], list[CasePiece]] = {}
    for one in case.pieces:
        port = _service(one.fact, ports)
        last = case.captures[one.capture].last_ns or 0
        if port is not None and last - one.fact.time_ns >= observe.SYN_PATIENCE_NS:
            found.setdefault((one.fact.source, one.fact.destination, port), []).append(one)
    for (source, destination, port), pieces in found.items():
        if len(pieces) < AT_LEAST or _served(case, source, destination, pieces[-1].fact.time_ns):
            continue
        first = pieces[0]
        answers = first.fact.ports is not None and first.fact.ports[0] == port
        client, server = (destination, source) if answers else (source, destination)
        spoiled = clients.spoiled(client, first.fact.time_ns, None, logon.SOON_NS)
        last = case.captures[first.capture].last_ns or first.fact.time_ns
        yield Finding(
            rule=RULE.id,
            summary=f"of large datagrams from {source} to {destination} (port {port}) only a part arrives: something in the "
            "path drops IP fragments",
            severity=Severity.ERROR if spoiled else Severity.WARNING,
            confidence=Confidence.LIKELY,
            client=client,
            server=server,
            direction=Direction.SERVER_TO_CLIENT if answers else Direction.CLIENT_TO_SERVER,
            flows=tuple(id for hurt, _ in spoiled for id in hurt.ids),
            evidence=(
                Seen(
                    f"{len(pieces)} datagrams of which only some pieces are here", first.capture,
                    tuple(one.fact.packet for one in pieces if one.capture == first.capture)[: observe.MAX_SHOWN],
                ),
                Missing("the other pieces", first.capture, first.fact.packet, max(0, last - first.fact.time_ns)),
                *(
                    Seen(f"then {hurt.server} refuses the logon", hurt.near.flow.capture, (packet,))
                    for hurt, packet in spoiled[:4]
                ),
            ),
            errors=(NO_AUTHORITY, observe.UNAVAILABLE),
            subject=Subject(port=port),
            next_observation=f"Capture at {source} as well: pieces that leave it and are missing here are dropped on the way; "
            f"'ping -l 3000 {server}' from {client} fails for the same reason.",
        )  # fmt: skip


def _service(one: Incomplete, ports: set[int]) -> int | None:
    """The port of Kerberos or RPC at either end."""
    if one.protocol != UDP or one.ports is None:
        return None
    return next((port for port in one.ports if port in ports), None)


def _served(case: Case, source: Address, destination: Address, since_ns: int) -> bool:
    """Whether a ticket came between the two after all, or was not the matter."""
    pair = {source, destination}
    return any(
        {one.fact.client, one.fact.server} == pair
        and one.fact.kind != "error"
        and (one.fact.time_ns >= since_ns or one.fact.times > 1)
        for one in case.tickets
    )


RULE = Rule(
    id="fragments-lost",
    cause="M2",
    title="IP fragments get lost",
    check=check,
    rivals=("access-denied", "bad-credentials"),
    errors=(NO_AUTHORITY, observe.UNAVAILABLE),
)
