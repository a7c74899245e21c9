"""There is no way to the server, or no server at the end of it.

Looks like: the SYN is answered by an ICMP error that says net or host unreachable, no route, or time exceeded.
Because: the host is down, its address is wrong, or the routing is.
Not this: ICMP that says prohibited or port unreachable, which is a rule of a firewall (mapper-rejected,
dynamic-port-rejected); a server that takes another connection of the client meanwhile; an address that only a DCOM binding names (binding-unreachable).
Needs: ICMP and ICMPv6 in the capture: do not filter for TCP alone.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Severity


def check(case: Case) -> Iterator[Finding]:
    for conversation in observe.failed(case, TcpOutcome.PROHIBITED):
        if not observe.no_way(case, conversation):
            continue
        _, evidence, _ = observe.refuser(case, conversation)
        sender = conversation.near.flow.icmp[0].sender
        yield Finding(
            rule=RULE.id,
            summary=f"{conversation.client} cannot reach {conversation.server} at all: {sender} knows no way to it",
            severity=Severity.ERROR,
            confidence=Confidence.ESTABLISHED,
            client=conversation.client,
            server=conversation.server,
            flows=conversation.ids,
            evidence=(observe.syns(case, conversation), *evidence),
            errors=(observe.UNAVAILABLE,),
            subject=Subject(port=conversation.near.flow.server.port),
        )


RULE = Rule(
    id="host-unreachable", cause="E3", title="There is no way to the server", check=check, errors=(observe.UNAVAILABLE,)
)
