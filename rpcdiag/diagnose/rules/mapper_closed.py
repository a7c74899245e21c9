"""The host is there, and nobody answers for RPC on it.

Looks like: the server itself answers the SYN with a RST.
Because: the RPC services do not run, or this is no Windows host (a wrong address, a container, a NAT device).
Not this: a RST with a foreign TTL (a device rejects); silence (a filter).
Needs: the SYN and its RST, and something else of the same server, whose TTL tells who sent the RST.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe, refused
from rpcdiag.diagnose.finding import Finding, Rule


def check(case: Case) -> Iterator[Finding]:
    for conversation in refused.refusals(case, by_device=False):
        if observe.is_mapper(conversation):
            port = conversation.near.flow.server.port
            yield refused.finding(
                case, conversation, RULE.id, f"nothing listens on port {port} of {conversation.server}"
            )  # fmt: skip


RULE = Rule(
    id="mapper-closed", cause="E4", title="Nothing listens on port 135", check=check, errors=(observe.UNAVAILABLE,)
)
