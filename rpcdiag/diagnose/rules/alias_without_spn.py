"""The client uses another name of the server, for which there is no principal: no Kerberos.

Looks like: the key distribution centre does not know the service under that name (KDC_ERR_S_PRINCIPAL_UNKNOWN); the
client logs on with NTLM instead; the server calls itself otherwise.
Because: an alias, a cluster's or a load balancer's name, without a service principal name of its own.
Not this: a name that leads to a computer which lacks the service (wrong-host); a principal that is missing under the
computer's own name.
Needs: the client's traffic to the key distribution centre (port 88), the name lookup, and the logon that follows.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseLogon, CaseTicket
from rpcdiag.diagnose import named
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.surroundings import same_host

UNKNOWN_PRINCIPAL = 7
TARGET_UNKNOWN = 0x80090303  # SEC_E_TARGET_UNKNOWN


def check(case: Case) -> Iterator[Finding]:
    seen: set[tuple[Address, Address, str]] = set()
    for ticket in case.tickets:
        host = named.host_of(ticket.fact.spn) if ticket.fact.code == UNKNOWN_PRINCIPAL else None
        logon = _instead(case, ticket, host) if host else None
        if host is None or logon is None:
            continue
        own = logon.logon.server_dns_name or logon.logon.server_name or ""
        key = logon.client, logon.server, host.lower()
        if not own or same_host(own, host) or key in seen:
            continue
        seen.add(key)
        yield _finding(ticket, host, own, logon)


def _instead(case: Case, ticket: CaseTicket, host: str) -> CaseLogon | None:
    """The logon with NTLM at the host that the client was told for this name, or that it names in the logon."""
    told = {
        address
        for one in case.names
        if one.fact.client == ticket.fact.client and same_host(one.fact.name, host)
        for address in one.fact.addresses
    }
    return next(
        (
            one
            for one in case.logons
            if one.client == ticket.fact.client
            and one.logon.mechanism == "ntlm"
            and (one.server in told or same_host(named.host_of(one.logon.spn) or "", host))
        ),
        None,
    )


def _finding(ticket: CaseTicket, host: str, own: str, logon: CaseLogon) -> Finding:
    return Finding(
        rule=RULE.id,
        summary=f"{logon.client} calls {logon.server} {host}, for which there is no service principal; it is {own}. NTLM "
        "takes the place of Kerberos",
        severity=Severity.WARNING,
        confidence=Confidence.ESTABLISHED,
        client=logon.client,
        server=logon.server,
        flows=(logon.flow,) if logon.flow else (),
        evidence=(
            Seen(f"{ticket.fact.server} knows no {ticket.fact.spn}", ticket.capture, (ticket.fact.packet,)),
            Seen(f"the server calls itself {own}, and the logon is NTLM", logon.capture, logon.logon.packets),
        ),
        errors=(TARGET_UNKNOWN,),
        subject=Subject(status=UNKNOWN_PRINCIPAL),
    )


RULE = Rule(
    id="alias-without-spn",
    cause="N7",
    title="The name used has no service principal",
    check=check,
    errors=(TARGET_UNKNOWN,),
)
