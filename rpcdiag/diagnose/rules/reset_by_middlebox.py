"""A device in the path broke the connection off right after a PDU that it did not like.

Looks like: RST instead of an answer, with a TTL that is not the server's; nearer to the server it is not seen, or comes
there from the client's side.
Because: an intrusion prevention system, a proxy that inspects, or a firewall with a signature for RPC.
Not this: a RST with the server's TTL (server-reset); a RST after a long silence (idle-dropped).
Needs: the RST, and other packets of the server, whose TTL differs; or captures on both sides.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe, resets
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.observe import Refuser
from rpcdiag.model.evidence import Confidence, Severity

CALL_FAILED, NOT_EXECUTED = 0x800706BE, 0x800706BF


def check(case: Case) -> Iterator[Finding]:
    for one in resets.cuts(case):
        if one.who is not Refuser.DEVICE or one.idle:
            continue
        conversation = one.conversation
        port = conversation.near.flow.server.port
        yield Finding(
            rule=RULE.id,
            summary=f"a device in the path breaks the connection of {conversation.client} to {conversation.server} port "
            f"{port} off, right after a {'bind' if hasattr(one.cut, 'contexts') else 'call'}",
            severity=Severity.ERROR,
            confidence=observe.surer(case, conversation, Confidence.ESTABLISHED),
            client=conversation.client,
            server=conversation.server,
            flows=conversation.ids,
            evidence=(*one.evidence, *observe.logged(case, case.drops_of(conversation))),
            errors=(CALL_FAILED, NOT_EXECUTED),
            subject=Subject(port=port, interface=one.interface, log_rule=observe.rule_of(case, conversation)),
            next_observation="The log of the firewalls and intrusion prevention systems in the path for these two addresses "
            "at that second: it names the signature or the rule.",
        )


RULE = Rule(
    id="reset-by-middlebox",
    cause="H7",
    title="A device in the path resets the connection",
    check=check,
    errors=(CALL_FAILED, NOT_EXECUTED),
)
