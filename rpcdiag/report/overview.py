"""Of many pairs of hosts, what is wrong with how many: the answer has to fit on the first screen."""

from collections.abc import Sequence
from typing import NamedTuple

from rpcdiag.diagnose.finding import Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.model.evidence import Severity
from rpcdiag.model.packets import Address
from rpcdiag.report import names

MANY = 4  # pairs with errors or warnings; fewer are seen at a glance
MAX_LINES = 12
Pair = tuple[Address, Address]


class Line(NamedTuple):
    """What one rule found: `A dynamic RPC port is blocked: 57 pairs of hosts, from 57 clients to 10.30.1.5`."""

    severity: Severity
    rule: str
    says: str


def overview(findings: Sequence[Finding]) -> list[Line]:
    """A line for each rule, the gravest and most frequent first; none where there are few pairs."""
    ruled: dict[tuple[Severity, str], dict[Pair, None]] = {}
    for finding in findings:
        if finding.severity is not Severity.NOTE:
            ruled.setdefault((finding.severity, finding.rule), {})[finding.client, finding.server] = None
    if len({pair for pairs in ruled.values() for pair in pairs}) < MANY:
        return []
    gravest = tuple(Severity)
    order = sorted(ruled, key=lambda one: (gravest.index(one[0]), -len(ruled[one]), one[1]))
    return [Line(severity, rule, _said(rule, list(ruled[severity, rule]))) for severity, rule in order[:MAX_LINES]]


def _said(rule: str, pairs: list[Pair]) -> str:
    clients, servers = {client for client, _ in pairs}, {server for _, server in pairs}
    start = str(pairs[0][0]) if len(clients) == 1 else f"{len(clients)} clients"
    end = str(pairs[0][1]) if len(servers) == 1 else f"{len(servers)} servers"
    return f"{rule_of(rule).title}: {names.several(len(pairs), 'pair')} of hosts, from {start} to {end}"
