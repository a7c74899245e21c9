"""The name service answers, and the answer is that there is no such name.

Looks like: the answer to the client's question is that there is no such name, or no address for it; no other name
service knows it either; no SYN follows.
Because: a record is missing or misspelt, the wrong search list, or a domain controller that is gone from `_msdcs`.
Not this: a question that nobody answers, or SERVFAIL (resolver-silent); a name inside a DCOM binding
(binding-name-unresolved); a name that leads to another host (wrong-host).
Needs: the client's name lookups (DNS, LLMNR, NBNS), and no RPC connection in the capture, unless the name is that of a
replication partner.
"""

import re
from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import named, observe
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.model.evidence import Confidence, Severity

HOST_NOT_FOUND = 0x80072AF9
MAX_NAMES = 3  # a client that asks for more in vain is not one that fails at one server
_OF_A_PARTNER = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\._msdcs\.", re.IGNORECASE)


def check(case: Case) -> Iterator[Finding]:
    found = [
        one
        for one in named.unresolved(case)
        if any(fact.fact.result in named.NO_SUCH_NAME or fact.fact.result == named.EMPTY for fact in one.refused)
        and not any(fact.fact.kind == "dns" for fact in one.silent)
    ]
    partners = [one for one in found if _OF_A_PARTNER.match(one.name)]
    others = [one for one in found if one not in partners and not case.flows]
    for one in (*partners, *(others if len(others) <= MAX_NAMES else ())):
        yield _finding(case, one, partner=one in partners)


def _finding(case: Case, one: named.Asked, *, partner: bool) -> Finding:
    everywhere = len({fact.fact.kind for fact in one.all}) > 1
    return Finding(
        rule=RULE.id,
        summary=f"{one.client} asks for {one.name} and is told that it does not exist"
        + ("; its directory server's name of a replication partner" if partner else "")
        + ("; no other name service knows it" if everywhere else ""),
        severity=Severity.ERROR if partner else Severity.WARNING if everywhere else Severity.NOTE,
        confidence=Confidence.ESTABLISHED if partner else Confidence.LIKELY if everywhere else Confidence.POSSIBLE,
        client=one.client,
        server=one.all[0].fact.server,
        evidence=named.says(one.all, case),
        errors=(observe.UNAVAILABLE, HOST_NOT_FOUND),
        next_observation=f"Is {one.name} the server that failed? Run 'Resolve-DnsName {one.name}' on {one.client}"
        + (
            " and 'dcdiag /test:dns' on the partner." if partner else ", and capture there until the error has come up."
        ),
    )


RULE = Rule(
    id="name-not-found",
    cause="N1",
    title="The server's name does not exist",
    check=check,
    errors=(observe.UNAVAILABLE, HOST_NOT_FOUND),
)
