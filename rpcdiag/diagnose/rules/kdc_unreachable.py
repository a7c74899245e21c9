"""The client reaches no key distribution centre, so it has no Kerberos.

Looks like: connections to port 88 stay unanswered or are refused, and no centre gives this client anything.
Because: port 88 is closed on the way, or DNS names a domain controller that is gone.
Not this: another centre that serves the client (a note); an answer over UDP that sends it to TCP (ticket-too-big).
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


def check(case: Case) -> Iterator[Finding]:
    clients = logon.Clients(case)
    tries: dict[tuple[Address, Address], list[Flow]] = {}
    for flow in case.unreached:
        patient = flow.syn_count >= 2 and flow.watched_ns >= observe.SYN_PATIENCE_NS
        if flow.outcome is not TcpOutcome.UNANSWERED or patient:
            tries.setdefault((flow.client.address, flow.server.address), []).append(flow)
    for (client, centre), flows in tries.items():
        told = [one.fact for one in case.tickets if one.fact.client == client]
        if any(fact.code == TOO_BIG and fact.server == centre for fact in told):
            continue
        first = flows[0]
        served = any(fact.kind != "error" for fact in told)
        spoiled = clients.spoiled(client, first.start_ns, None)
        harmless = served or (not spoiled and clients.get_on(client, first.start_ns))
        how = "nothing answers" if first.outcome is TcpOutcome.UNANSWERED else "the connection is refused"
        yield Finding(
            rule=RULE.id,
            summary=f"{client} does not reach the key distribution centre {centre} on port 88: {how}"
            + ("; it gets on without" if harmless else ", so it has no Kerberos"),
            severity=Severity.NOTE if harmless else Severity.ERROR if spoiled else Severity.WARNING,
            confidence=Confidence.LIKELY,
            client=client,
            server=centre,
            flows=tuple(id for hurt, _ in spoiled for id in hurt.ids),
            evidence=(
                *_evidence(first),
                *(
                    Seen(f"then {hurt.server} refuses the logon", hurt.near.flow.capture, (packet,))
                    for hurt, packet in spoiled[:4]
                ),
            ),
            errors=(NO_AUTHORITY, 0x8007051F),
            subject=Subject(port=KDC),
            next_observation=f"'nltest /dsgetdc:<domain> /kdc /force' and 'Test-NetConnection {centre} -Port 88' on {client}; "
            f"a capture on {centre} shows whether the SYNs arrive there.",
        )


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
    explains=("access-denied", "bad-credentials", "ntlm-refused"),
    errors=(NO_AUTHORITY, 0x8007051F),
)
