"""A device answers for the server and refuses port 135.

Looks like: a RST or an ICMP error to the SYN, with the TTL or the address of somebody else than the server.
Because: a firewall rule rejects instead of dropping.
Not this: a RST with the server's own TTL (nothing listens there).
Needs: the SYN and the answer to it; of a RST, something else of the server, whose TTL tells that it is another's.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe, refused
from rpcdiag.diagnose.finding import Finding, Rule


def check(case: Case) -> Iterator[Finding]:
    for conversation in refused.refusals(case, by_device=True):
        if observe.is_mapper(conversation):
            yield refused.finding(
                case, conversation, RULE.id,
                f"{refused.device(conversation)} refuses {conversation.client} the endpoint mapper of {conversation.server}",
            )  # fmt: skip


RULE = Rule(id="mapper-rejected", cause="E2", title="Port 135 is rejected", check=check, errors=(observe.UNAVAILABLE,))
