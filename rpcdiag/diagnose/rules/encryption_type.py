"""Client, service and key distribution centre have no Kerberos encryption type in common.

Looks like: KDC_ERR_ETYPE_NOSUPP (14) for the service or for the client, and no ticket after it.
Because: one of them is limited to RC4 or DES and the centre no longer issues those (CVE-2022-37966; RC4 goes away
altogether), or the account has no AES keys because its password is older than they are.
Not this: an error 14 after which another type, or NTLM, serves (a note).
Needs: the client's traffic to the key distribution centre (port 88).
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import logon
from rpcdiag.diagnose.finding import Finding, Rule

CODE = 14
NO_TYPE = 0x80090342


def check(case: Case) -> Iterator[Finding]:
    for refusal in logon.refusals(case, frozenset({"KDC_ERR_ETYPE_NOSUPP"}), lambda fact: fact.code == CODE):
        yield refusal.finding(
            RULE.id,
            summary=f"{refusal.client} gets no ticket for {refusal.spn or 'the service'}: no encryption type in common"
            + ("; it gets on without" if refusal.harmless else ""),
            errors=(NO_TYPE,),
            next_observation=f"System log of {refusal.teller}, source Kerberos-Key-Distribution-Center: events 16 and 27 (no common "
            "type), 42 (no strong key) and 201 to 209 (RC4) name the account; then 'Get-ADObject -Properties "
            "msDS-SupportedEncryptionTypes' for it, and the age of its password.",
        )


RULE = Rule(
    id="encryption-type",
    cause="P6",
    title="Kerberos: no encryption type in common",
    check=check,
    explains=("access-denied", "bad-credentials", "ntlm-refused", "third-leg-lost"),
    errors=(NO_TYPE,),
)
