"""What rules need that speak where the policy in force is known: its rules, and the flows that they are about."""

from rpcdiag.case import Case, Conversation
from rpcdiag.model.evidence import Configured
from rpcdiag.policy.model import Policy
from rpcdiag.policy.model import Rule as PolicyRule
from rpcdiag.policy.verdict import Applied

MAX_RULES = 20  # of a policy that one finding's rule speaks of


def named(rule: PolicyRule) -> str:
    """How a person finds the rule: `'RPC in' (rule 4)`."""
    return f"{rule.name!r}" + (f" (rule {rule.place})" if rule.place is not None else "")


def configured(policy: Policy, rule: PolicyRule, says: str) -> Configured:
    """The rule's line as evidence."""
    return Configured(says, policy.path, (rule.line,) if rule.line else ())


def decided_by(case: Case, applied: Applied, position: int) -> Conversation | None:
    """The first conversation whose verdict the rule at `position` of the policy gives."""
    for flow, verdict in applied.verdicts.items():
        if verdict.position == position:
            return case.conversations[case.flow(flow).conversation]
    return None


def any_seen(case: Case, applied: Applied) -> Conversation | None:
    """The first conversation that the policy's firewall sees."""
    flow = next(iter(applied.verdicts), None)
    return None if flow is None else case.conversations[case.flow(flow).conversation]
