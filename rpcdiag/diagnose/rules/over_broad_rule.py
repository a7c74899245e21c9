"""A firewall rule opens all dynamic ports, or all ports, to everybody.

Looks like: under a policy, an allow rule for 1025-65535, 49152-65535 or any port, from any address, for any program.
Because: somebody wanted RPC to work. Every other listener of the host is open with it.
Not this: a rule for a program or service, for known connections, for named clients, or for those that IPsec authenticates.
Needs: a policy (`--policy`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.model.evidence import Confidence, Severity

if TYPE_CHECKING:  # loaded only where the policy in force is given
    from rpcdiag.policy.verdict import Applied


def check(case: Case) -> Iterator[Finding]:
    """Nothing: packets do not show a rule."""
    yield from ()


def under(case: Case, applied: "Applied") -> Iterator[Finding]:
    from rpcdiag.diagnose import under_policy
    from rpcdiag.policy.review import over_broad

    wide = [(place, rule, says) for place, rule in enumerate(applied.policy.rules) if (says := over_broad(rule))]
    for position, rule, opens in wide[: under_policy.MAX_RULES]:
        about = under_policy.decided_by(case, applied, position) or under_policy.any_seen(case, applied)
        if about is None:
            return
        opened = opens if opens == "any port" else f"ports {opens}"
        yield Finding(
            rule=RULE.id,
            summary=f"rule {under_policy.named(rule)} opens {opened} to everybody: allow port 135 and the dynamic ports of "
            "the service only (by program and service, or a fixed port), and only from the clients that need them",
            severity=Severity.WARNING,
            confidence=Confidence.ESTABLISHED,
            client=about.client,
            server=about.server,
            flows=about.ids,
            evidence=(
                under_policy.configured(applied.policy, rule, f"rule {rule.name!r} allows {opened} from anywhere"),
            ),
        )


RULE = Rule(
    id="over-broad-rule", cause="F6", title="A rule opens far more ports than RPC needs", check=check, under=under
)
