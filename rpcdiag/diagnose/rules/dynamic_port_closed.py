"""The host is there; the service is not, at the port that was handed out.

Looks like: the SYN is answered by a RST of the server itself; or nothing answers, and event 5152 of the server says that
its packets met no socket, for while Windows Firewall is on no RST is sent (stealth mode).
Because: the service has stopped or restarted on another port since it registered this one with the mapper, or the
client uses a port that it was told long ago.
Not this: a RST with a foreign TTL (a device rejects); a new lookup right after it that leads elsewhere (stale-endpoint).
Needs: the SYN and its RST, and something else of the same server, whose TTL tells who sent the RST; or the Security log.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe, refused
from rpcdiag.diagnose.finding import Finding, Rule


def check(case: Case) -> Iterator[Finding]:
    unheard = [one for one in observe.silent_dynamic(case) if case.logs and observe.nobody_listens(case, one)]
    for conversation in (*refused.refusals(case, by_device=False), *unheard):
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
