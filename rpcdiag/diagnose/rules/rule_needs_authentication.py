"""A firewall rule would let the client in, if IPsec authenticated it.

Looks like: under a policy, a rule for this port that names computers or users, or says "allow if secure", and a flow in
clear that was refused.
Because: Windows Firewall knows the other computer and user from IPsec only; without a connection security rule on both
sides there is none, and the rule never matches.
Not this: a flow that opened; a rule without authentication that lets it in as well.
Needs: a policy with the rules of the server's firewall (`--policy`), and a connection that did not open.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Severity

if TYPE_CHECKING:  # loaded only where the policy in force is given
    from rpcdiag.policy.model import Rule as PolicyRule
    from rpcdiag.policy.verdict import Applied

_DECIDES = "Get-NetIPsecMainModeSA on the server: whether there is a security association with this client"


def check(case: Case) -> Iterator[Finding]:
    """Nothing: packets do not show a rule."""
    yield from ()


def under(case: Case, applied: "Applied") -> Iterator[Finding]:
    from rpcdiag.policy.review import needs_authentication
    from rpcdiag.policy.verdict import Reason

    rules = applied.policy.rules
    for conversation in observe.failed(case, *FAILED_TO_OPEN):
        verdict = next((applied.verdicts[flow] for flow in conversation.ids if flow in applied.verdicts), None)
        if verdict is None or verdict.passes or verdict.reason is not Reason.NOT_AUTHENTICATED:
            continue
        if verdict.secured is not None and needs_authentication(rules[verdict.secured]):
            yield _finding(case, applied, conversation, rules[verdict.secured])


def _finding(case: Case, applied: "Applied", conversation: Conversation, rule: "PolicyRule") -> Finding:
    from rpcdiag.diagnose import under_policy
    from rpcdiag.policy.model import Authentication

    flow = conversation.near.flow
    who = "anybody" if rule.authentication is Authentication.ANYBODY else f"certain {rule.authentication}"
    return Finding(
        rule=RULE.id,
        summary=f"rule {under_policy.named(rule)} would let {conversation.client} connect to {flow.server}, if IPsec "
        "authenticated the connection, and it goes in clear: set up a connection security rule on both sides, or let a "
        "rule name the client's address instead",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=(
            under_policy.configured(applied.policy, rule, f"rule {rule.name!r} is for {who} that IPsec authenticates"),
            observe.syns(case, conversation),
        ),
        next_observation=_DECIDES,
        subject=Subject(port=flow.server.port),
    )


RULE = Rule(
    id="rule-needs-authentication",
    cause="F6",
    title="A rule lets in only whom IPsec authenticates",
    check=check,
    under=under,
)
