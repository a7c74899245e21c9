"""The capture holds no RPC that could be read: the failure is elsewhere, or inside a tunnel.

Looks like: other packets, none of the mapper, of DCOM or of a pipe; or only packets that IPsec encrypts, or an SMB
session that is encrypted.
Because: the call was local (the same error numbers are made by the local RPC service); the client's own policy held it
back; the capture was taken on another interface (VPN, loopback, VLAN) or at another time; or a tunnel carries it.
Not this: a name that could not be resolved (name-not-found, resolver-silent).
Needs: nothing: it is a note that says what is missing.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address

NOT_REGISTERED = 0x800706D9
_ENCRYPTED_NEXT = (
    "Look here next: the events of SMBClient/Operational on the client at that second; or give the keys of the session "
    "(--keytab, --nt-password)."
)
_TUNNEL_NEXT = (
    "Look here next: capture behind the end of the tunnel, or on the client at the interface of the tunnel "
    "(pktmon shows packets before they are encrypted)."
)


def check(case: Case) -> Iterator[Finding]:
    if case.flows or not any(capture.packets for capture in case.captures):
        return
    found = _tunnelled(case)
    if found is not None:
        yield _finding(*found)
        return
    other = _other(case)
    if other is None:
        return
    client, server, seen = other
    yield _finding(
        client,
        server,
        "the capture holds no RPC: no connection to port 135, none to a port that a mapper named, no RPC pipe",
        "Look here next: does the error come up while the capture runs, and on the interface that the client uses (VPN, "
        "loopback)? Is the call local ('sc query rpcss' and the service itself on the client)? Does the client's own "
        "firewall or policy hold it back (event 5157 there)?",
        [seen],
    )


def _other(case: Case) -> tuple[Address, Address, Seen] | None:
    """What there is instead: the connection with the most packets, or a question for a name."""
    flow = case.loudest
    if flow is not None:
        seen = Seen(
            f"most packets go between {flow.client} and {flow.server}",
            flow.capture,
            (flow.first_packet, flow.last_packet),
        )
        return flow.client.address, flow.server.address, seen
    first = next(iter((*case.names, *case.unanswered)), None)
    if first is None:
        return None
    fact = first.fact
    return fact.client, fact.server, Seen(f"{fact.client} asks for {fact.name}", first.capture, (fact.packet,))


def _tunnelled(case: Case) -> tuple[Address, Address, str, str, list[Evidence]] | None:
    for session in case.sessions:
        packet = next((packet for packet in session.sealed if packet), None)
        if packet is None:
            continue
        client, server = session.ends
        seen = Seen("encrypted from here on (SMB 3)", session.flow.capture, (packet,))
        return (
            client, server,
            f"the capture holds no RPC that can be read; the SMB session of {client} at {server} is encrypted and may carry it",
            _ENCRYPTED_NEXT,
            [seen],
        )  # fmt: skip
    for tunnel in case.tunnels:
        fact = tunnel.fact
        seen = Seen(
            f"{tunnel.packets} packets that IPsec encrypts, of which this is the first", tunnel.capture, (fact.packet,)
        )
        return (
            fact.client, fact.server,
            f"the capture holds no RPC that can be read; an IPsec tunnel between {fact.client} and {fact.server} may carry it",
            _TUNNEL_NEXT,
            [seen],
        )  # fmt: skip
    return None


def _finding(client: Address, server: Address, summary: str, following: str, evidence: list[Evidence]) -> Finding:
    return Finding(
        rule=RULE.id,
        summary=summary,
        severity=Severity.NOTE,
        confidence=Confidence.OPEN,
        client=client,
        server=server,
        evidence=tuple(evidence),
        errors=(observe.UNAVAILABLE, NOT_REGISTERED),
        next_observation=following,
    )


RULE = Rule(
    id="no-packets",
    cause="L1",
    title="No RPC in the capture",
    check=check,
    errors=(observe.UNAVAILABLE, NOT_REGISTERED),
)
