"""The client reaches no key distribution centre, so it has no Kerberos.

Looks like: connections to port 88 stay unanswered or are refused, or questions over UDP get no answer, and no centre
gives this client anything.
Because: port 88 is closed on the way, or DNS names a domain controller that is gone.
Not this: another centre that serves the client (a note); an answer over UDP that sends it to TCP (ticket-too-big).
Needs: port 88, and the RPC logon that follows: without it, it may not matter.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import logon, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import Flow, TcpOutcome
from rpcdiag.model.evidence import Confidence, Evidence, Missing, Seen, Severity
from rpcdiag.model.packets import Address

NO_AUTHORITY = 0x80090311
TOO_BIG = 52
KDC = 88
AT_LEAST = 2  # a question that gets no answer is asked again


def check(case: Case) -> Iterator[Finding]:
    clients = logon.Clients.of(case)
    tries: dict[tuple[Address, Address], tuple[int, str, list[Evidence]]] = {}
    for flow in case.unreached:
        patient = flow.syn_count >= 2 and flow.watched_ns >= observe.SYN_PATIENCE_NS
        if flow.outcome is not TcpOutcome.UNANSWERED or patient:
            how = "nothing answers" if flow.outcome is TcpOutcome.UNANSWERED else "the connection is refused"
            ends = flow.client.address, flow.server.address
            tries.setdefault(ends, (flow.start_ns, f"{how} on port 88", list(_evidence(flow))))
    for one in case.asked:
        waited = (case.captures[one.capture].last_ns or 0) - one.fact.first_ns
        error = one.fact.error
        if error is not None:
            says = f"{one.fact.client} asks {one.fact.server} over UDP port 88"
            ends = one.fact.client, one.fact.server
            answered = f"{error.sender} answers with ICMP: {observe.icmp_text(error)}"
            found: list[Evidence] = [
                Seen(says, one.capture, one.fact.packets),
                Seen(answered, one.capture, (error.packet,)),
            ]
            tries.setdefault(ends, (one.fact.first_ns, "an ICMP error answers for port 88", found))
        elif one.fact.times >= AT_LEAST and waited >= observe.ANSWER_PATIENCE_NS and _both_ways(case, one.fact.client):
            says = f"{one.fact.client} asks {one.fact.server} over UDP port 88 {one.fact.times} times"
            seen: list[Evidence] = [Seen(says, one.capture, one.fact.packets)]
            seen.append(Missing("no answer of any kind", one.capture, one.fact.packets[0], waited))
            ends = one.fact.client, one.fact.server
            tries.setdefault(ends, (one.fact.first_ns, "nothing answers on port 88", seen))
    for (client, centre), (start_ns, how, seen) in tries.items():
        told = [one.fact for one in case.tickets if one.fact.client == client]
        if any(fact.code == TOO_BIG and fact.server == centre for fact in told):
            continue
        served = any(fact.kind != "error" for fact in told)
        spoiled = clients.spoiled(client, start_ns, None, logon.SOON_NS)
        harmless = served or (not spoiled and clients.get_on(client, start_ns))
        then = [
            Seen(f"then {hurt.server} refuses the logon", hurt.near.flow.capture, (packet,))
            for hurt, packet in spoiled[:4]
        ]
        yield Finding(
            rule=RULE.id,
            summary=f"{client} does not reach the key distribution centre {centre}: {how}"
            + ("; it gets on without" if harmless else ", so it has no Kerberos"),
            severity=Severity.NOTE if harmless else Severity.ERROR if spoiled else Severity.WARNING,
            confidence=Confidence.LIKELY,
            client=client,
            server=centre,
            flows=() if harmless else tuple(id for hurt, _ in spoiled for id in hurt.ids),
            evidence=(*seen, *then),
            errors=(NO_AUTHORITY, 0x8007051F),
            subject=Subject(port=KDC),
            next_observation=f"'nltest /dsgetdc:<domain> /kdc /force' and 'Test-NetConnection {centre} -Port 88' on {client}; "
            f"a capture on {centre} shows whether the packets arrive there.",
        )


def _both_ways(case: Case, client: Address) -> bool:
    """Whether the capture holds what comes back to that client."""
    return any(one.flow.client.address == client and one.flow.server_ttl is not None for one in case.flows)


def _evidence(flow: Flow) -> Iterator[Evidence]:
    packets = tuple(syn.packet for syn in flow.syns[: observe.MAX_SHOWN])
    yield Seen(f"{flow.client.address} asks {flow.server} to connect (SYN)", flow.capture, packets)
    if flow.outcome is TcpOutcome.UNANSWERED:
        yield Missing("no SYN-ACK, no RST, no ICMP error", flow.capture, flow.first_packet, flow.watched_ns)
    elif flow.reset is not None:
        yield Seen(f"RST with TTL {flow.reset.ttl}", flow.capture, (flow.reset.packet,))
    elif flow.icmp:
        yield Seen(f"{flow.icmp[0].sender} answers with an ICMP error", flow.capture, (flow.icmp[0].packet,))


RULE = Rule(
    id="kdc-unreachable",
    cause="P7",
    title="No key distribution centre is reached",
    check=check,
    rivals=("access-denied", "bad-credentials", "ntlm-refused"),
    errors=(NO_AUTHORITY, 0x8007051F),
)
