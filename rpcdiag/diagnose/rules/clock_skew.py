"""The clocks of client and server are too far apart for Kerberos.

Looks like: KRB_AP_ERR_SKEW (37) from the server or from the key distribution centre, and no ticket or logon after it.
Because: more than five minutes lie between the clocks (the usual limit), mostly of a virtual machine or after a restore.
Not this: a client that takes the centre's time from the error, asks again and is served (a note).
Needs: the traffic to the key distribution centre (port 88), or the bind whose answer carries the error; or the server's event
4625 with status 0xC0000133 for that connection, which proves it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import failed_logons, logon
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Severity

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
    for one in failed_logons.refused(case):
        if one.told.code == failed_logons.TIME_DIFFERENCE:
            yield _said_by_log(one)


def _said_by_log(one: failed_logons.RefusedLogon) -> Finding:
    client, server = one.conversation.client, one.conversation.server
    return Finding(
        rule=RULE.id,
        summary=f"the clocks of {client} and {server} are too far apart for Kerberos: the server's log says so",
        severity=Severity.ERROR,
        confidence=one.told.confidence,
        client=client,
        server=server,
        flows=one.conversation.ids,
        evidence=(*one.seen, *one.told.evidence),
        errors=(TIME_DIFFERENCE, 0x80070576),
        subject=Subject(status=one.told.code),
    )


RULE = Rule(
    id="clock-skew",
    cause="P5",
    title="Kerberos: the clocks differ",
    check=check,
    explains=("access-denied", "bad-credentials", "ntlm-refused", "third-leg-lost"),
    errors=(TIME_DIFFERENCE, 0x80070576),
)
