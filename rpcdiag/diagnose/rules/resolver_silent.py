"""The client's name server does not answer, or cannot.

Looks like: questions to DNS are repeated without an answer, or answered SERVFAIL or REFUSED; then the client asks
by LLMNR or NBNS, in vain too.
Because: the client uses a name server that is down, filtered, or does not know the domain (a public one, a router).
Not this: an answer that there is no such name (name-not-found); a single question near the end of the capture; a
client that reaches RPC servers all the same.
Needs: the client's name lookups, asked twice or more, and 5 s after them.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseName
from rpcdiag.diagnose import named, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Severity
from rpcdiag.model.packets import Address

HOST_NOT_FOUND = 0x80072AF9
TRY_AGAIN = 0x80072AFA
_CANNOT = frozenset({"SERVFAIL", "REFUSED"})


def check(case: Case) -> Iterator[Finding]:
    for one in named.unresolved(case):
        silent = [fact for fact in one.silent if fact.fact.kind == "dns" and _long_enough(case, fact)]
        cannot = [fact for fact in one.refused if fact.fact.result in _CANNOT]
        if not silent and not cannot:
            continue
        if any(fact.fact.result in named.NO_SUCH_NAME for fact in one.refused):
            continue  # somebody knew
        if any(_answers(case, one.client, fact.fact.server) for fact in silent):
            continue
        if not named.speaks_rpc(case, one.client):
            yield _finding(case, one, (*silent, *cannot))


def _long_enough(case: Case, one: CaseName) -> bool:
    """Whether the client asked again, and the capture ran on."""
    waited = (case.captures[one.capture].last_ns or 0) - one.fact.time_ns
    return one.fact.times > 1 and waited >= observe.ANSWER_PATIENCE_NS


def _answers(case: Case, client: Address, server: Address) -> bool:
    """Whether the name server answers the client at other times."""
    return any(one.fact.client == client and one.fact.server == server for one in case.names)


def _finding(case: Case, one: named.Asked, failing: tuple[CaseName, ...]) -> Finding:
    servers = ", ".join(dict.fromkeys(str(fact.fact.server) for fact in failing))
    others = named.resolves(case, one.client)  # then it may be that one name only, which need not matter
    fell_back = any(fact.fact.kind in ("llmnr", "nbns") for fact in one.all)
    return Finding(
        rule=RULE.id,
        summary=f"{one.client} asks {servers} for {one.name} and gets no usable answer"
        + (", nor from its neighbours (LLMNR, NBNS)" if fell_back else ""),
        severity=Severity.NOTE if others else Severity.ERROR if fell_back else Severity.WARNING,
        confidence=Confidence.ESTABLISHED if fell_back and not others else Confidence.LIKELY,
        client=one.client,
        server=failing[0].fact.server,
        evidence=named.says(one.all, case),
        errors=(observe.UNAVAILABLE, TRY_AGAIN, HOST_NOT_FOUND),
        subject=Subject(port=53),
        next_observation=f"Which name server does {one.client} use? 'Get-DnsClientServerAddress' there, and "
        f"'Resolve-DnsName {one.name} -Server ADDRESS' with each of them and with a domain controller.",
    )


RULE = Rule(
    id="resolver-silent",
    cause="N2",
    title="The name server does not answer",
    check=check,
    errors=(observe.UNAVAILABLE, TRY_AGAIN, HOST_NOT_FOUND),
)
