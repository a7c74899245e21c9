"""The clocks of client and server are too far apart for Kerberos.

Looks like: KRB_AP_ERR_SKEW (37) from the server or from the key distribution centre, and no ticket or logon after it.
Because: more than five minutes lie between the clocks (the usual limit), mostly of a virtual machine or after a restore.
Not this: a client that takes the centre's time from the error, asks again and is served (a note).
Needs: the traffic to the key distribution centre (port 88), or the bind whose answer carries the error.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import logon
from rpcdiag.diagnose.finding import Finding, Rule

SKEW, CODE = "KRB_AP_ERR_SKEW", 37
TIME_DIFFERENCE = 0x80090324


def check(case: Case) -> Iterator[Finding]:
    for refusal in logon.refusals(case, frozenset({SKEW}), lambda fact: fact.code == CODE):
        yield refusal.finding(
            RULE.id,
            summary=f"the clocks of {refusal.client} and {refusal.teller} are too far apart for Kerberos"
            + ("; it gets on all the same" if refusal.harmless else ""),
            errors=(TIME_DIFFERENCE, 0x80070576),
            next_observation=f"'w32tm /stripchart /computer:{refusal.server} /samples:3' on {refusal.client} shows the "
            "difference; 'w32tm /query /status' on both shows where each takes its time from.",
        )


RULE = Rule(
    id="clock-skew",
    cause="P5",
    title="Kerberos: the clocks differ",
    check=check,
    explains=("access-denied", "bad-credentials", "ntlm-refused", "third-leg-lost"),
    errors=(TIME_DIFFERENCE, 0x80070576),
)
