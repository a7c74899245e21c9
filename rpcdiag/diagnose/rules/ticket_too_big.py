"""Kerberos over UDP is too small for the ticket, and over TCP it is blocked.

Looks like: the key distribution centre answers over UDP with KRB_ERR_RESPONSE_TOO_BIG (52); the client tries port 88
over TCP and gets no connection.
Because: a firewall admits 88/udp only; tickets of users in many groups need TCP.
Not this: error 52 followed by a connection that opens, which is what every client does.
Needs: port 88 over UDP and TCP.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import logon, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity

CODE, KDC = 52, 88
NO_AUTHORITY = 0x80090311


def check(case: Case) -> Iterator[Finding]:
    clients = logon.Clients.of(case)
    for one in case.tickets:
        fact = one.fact
        if fact.code != CODE:
            continue
        tries = [
            flow
            for flow in case.unreached
            if flow.client.address == fact.client and flow.server.address == fact.server
            and (flow.start_ns >= fact.time_ns or fact.times > 1)
        ]  # fmt: skip
        served = any(
            other.fact.kind != "error" and other.fact.client == fact.client and other.fact.server == fact.server
            for other in case.tickets
            if other.fact.time_ns >= fact.time_ns
        )
        if not tries or served:
            continue
        flow = tries[0]
        silent = flow.outcome is TcpOutcome.UNANSWERED
        if silent and (flow.syn_count < 2 or flow.watched_ns < observe.SYN_PATIENCE_NS):
            continue
        spoiled = clients.spoiled(fact.client, fact.time_ns, None, logon.SOON_NS)
        yield Finding(
            rule=RULE.id,
            summary=f"the ticket of {fact.client} is too big for UDP, and {fact.server} is not reached over TCP port 88",
            severity=Severity.ERROR,
            confidence=Confidence.ESTABLISHED,
            client=fact.client,
            server=fact.server,
            flows=tuple(id for hurt, _ in spoiled for id in hurt.ids),
            evidence=(
                Seen(f"{fact.server} answers {fact.error} over UDP", one.capture, (fact.packet,)),
                Seen(
                    f"{fact.client} asks {flow.server} to connect (SYN)", flow.capture,
                    tuple(syn.packet for syn in flow.syns[: observe.MAX_SHOWN]),
                ),
                *([Missing("no SYN-ACK, no RST", flow.capture, flow.first_packet, flow.watched_ns)] if silent else []),
            ),
            errors=(NO_AUTHORITY,),
            subject=Subject(port=KDC, spn=fact.spn),
            next_observation=f"'Test-NetConnection {fact.server} -Port 88' on {fact.client}: it fails until TCP is admitted.",
        )  # fmt: skip


RULE = Rule(
    id="ticket-too-big",
    cause="P8",
    title="The ticket is too big for UDP, and TCP port 88 is blocked",
    check=check,
    rivals=("access-denied", "bad-credentials", "ntlm-refused"),
    errors=(NO_AUTHORITY,),
)
