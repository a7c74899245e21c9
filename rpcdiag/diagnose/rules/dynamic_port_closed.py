"""Nothing listens on the dynamic port.

Looks like: the SYN is answered by a RST of the server itself.
Because: the service has stopped or restarted on another port since it registered this one with the mapper, or the
client uses a port that it was told long ago.
Not this: a RST with a foreign TTL (a device rejects); a new lookup right after it that leads elsewhere (stale-endpoint).
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe, refused
from rpcdiag.diagnose.finding import Finding, Rule


def check(case: Case) -> Iterator[Finding]:
    for conversation in refused.refusals(case, by_device=False):
        referral = case.referral_of(conversation.near)
        if observe.is_mapper(conversation) or (referral is not None and referral.teller != conversation.server):
            continue
        port = conversation.near.flow.server.port
        yield refused.finding(
            case, conversation, RULE.id,
            f"nothing listens on port {port} of {conversation.server}" + (" any more" if referral is not None else ""),
        )  # fmt: skip


RULE = Rule(
    id="dynamic-port-closed",
    cause="F3",
    title="Nothing listens on the dynamic port",
    check=check,
    errors=(observe.UNAVAILABLE,),
)
