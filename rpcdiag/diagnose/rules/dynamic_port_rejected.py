"""A device answers for the server and refuses the dynamic port.

Looks like: the port was handed out; the SYN to it is answered by a RST or an ICMP error of somebody else.
Because: a firewall rule rejects the dynamic range.
Not this: a RST with the server's own TTL (nothing listens there any more).
Needs: the SYN and the answer to it; of a RST, something else of the server, whose TTL tells that it is another's.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe, refused
from rpcdiag.diagnose.finding import Finding, Rule


def check(case: Case) -> Iterator[Finding]:
    for conversation in refused.refusals(case, by_device=True):
        referral = case.referral_of(conversation.near)
        if observe.is_mapper(conversation) or (
            referral is not None and referral.asked_on.flow.server.address != conversation.server
        ):
            continue
        port = conversation.near.flow.server.port
        yield refused.finding(
            case, conversation, RULE.id,
            f"{refused.device(conversation)} refuses {conversation.client} the dynamic port {port} of {conversation.server}",
        )  # fmt: skip


RULE = Rule(
    id="dynamic-port-rejected",
    cause="F2",
    title="A dynamic RPC port is rejected",
    check=check,
    errors=(observe.UNAVAILABLE,),
)
