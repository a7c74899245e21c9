"""The ticket is for another account than the one that the service runs as, or there is no account of that name.

Looks like: the server answers the ticket with KRB_AP_ERR_MODIFIED (41) or KRB_AP_ERR_NOT_US; or the key distribution
centre does not know the service (KDC_ERR_S_PRINCIPAL_UNKNOWN, 7) and the logon that follows with NTLM is refused.
Because: the service principal name is missing or registered twice, a DNS name leads to another host, or the server's
password in the directory is an old one.
Not this: error 7 after which NTLM works, which is how every alias and address behaves (a note); error 37 (clock-skew).
Needs: the logon, and for a name that is not known also port 88.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import logon
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.track.surroundings import TicketFact

MODIFIED, UNKNOWN = "KRB_AP_ERR_MODIFIED", 7
_OF_ANOTHER = frozenset({MODIFIED, "KRB_AP_ERR_NOT_US"})
SECURITY_PACKAGE = 0x80070721
WRONG_PRINCIPAL = 0x80090322


def _unknown(fact: TicketFact) -> bool:
    return fact.code == UNKNOWN and logon.host_of(fact.spn) is not None


def check(case: Case) -> Iterator[Finding]:
    for refusal in logon.refusals(case, _OF_ANOTHER, _unknown):
        unknown = refusal.by_centre
        if unknown and not refusal.flows and not refusal.harmless:
            continue  # a service of which nothing else is known: not a matter of RPC
        spn = refusal.spn or "the service"
        what = "no account has the name" if unknown else "the ticket is for another account than that behind"
        then = ", and what is tried instead is refused" if unknown else ""
        yield refusal.finding(
            RULE.id,
            summary=f"{refusal.client} cannot log on with Kerberos at {refusal.server}: {what} {spn}"
            + ("; it gets on without" if refusal.harmless else then),
            errors=(WRONG_PRINCIPAL, SECURITY_PACKAGE),
            next_observation=f"'setspn -Q {refusal.spn or '<service>/<host>'}' names the account that has it, if any; compare "
            f"it with the account that the service on {refusal.server} runs as, and the DNS record with that host.",
        )


RULE = Rule(
    id="wrong-spn",
    cause="P4",
    title="Kerberos: the service has another account",
    check=check,
    explains=("access-denied", "bad-credentials", "ntlm-refused", "third-leg-lost"),
    errors=(WRONG_PRINCIPAL, SECURITY_PACKAGE),
)
