"""The name leads to another computer than the one that was meant.

Looks like: the mapper that is asked does not know the interface, or the service cannot read the client's ticket
(KRB_AP_ERR_MODIFIED); and the computer that answers calls itself otherwise than the client calls it.
Because: a stale A record, hosts entry or cache after an address was given to another machine.
Not this: the right computer without the service (not-registered), which calls itself by the name asked for; an alias
that has no principal name (alias-without-spn).
Needs: the name lookup or the name in the logon, and how the computer calls itself (in a logon by NTLM, or SMB).
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseFlow
from rpcdiag.diagnose import named
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import ReferralKind

NOT_REGISTERED = 0x800706D9
WRONG_PRINCIPAL = 0x80090322  # SEC_E_WRONG_PRINCIPAL
_MODIFIED = "KRB_AP_ERR_MODIFIED"


def check(case: Case) -> Iterator[Finding]:
    failures: dict[tuple[Address, Address], list[tuple[CaseFlow, str | None, int, Seen]]] = {}
    for flow, referral, error, seen in _failures(case):
        failures.setdefault((flow.flow.client.address, flow.flow.server.address), []).append(
            (flow, referral, error, seen)
        )
    for (client, server), failed in failures.items():
        asked, own = named.asked_as(case, client, server), named.calls_itself(case, server)
        if not named.is_another(asked, own):
            continue
        yield Finding(
            rule=RULE.id,
            summary=f"{client} means {' or '.join(list(asked)[:2])}, but {server} is {' or '.join(list(own)[:2])}: "
            "the name leads to another computer",
            severity=Severity.ERROR,
            confidence=Confidence.ESTABLISHED if named.resolved_as(case, client, server) else Confidence.LIKELY,
            client=client,
            server=server,
            flows=tuple(dict.fromkeys(id for flow, *_ in failed for id in (flow.id, *flow.same_as))),
            referrals=tuple(dict.fromkeys(referral for _, referral, _, _ in failed if referral)),
            evidence=(*list(asked.values())[:2], *list(own.values())[:2], *(seen for *_, seen in failed[:3])),
            errors=tuple(dict.fromkeys(error for _, _, error, _ in failed)),
            next_observation=f"Where does the name come from? 'Resolve-DnsName {next(iter(asked))}' and the hosts file on "
            f"{client}, against the address that the computer has ('ipconfig' on it).",
        )


def _failures(case: Case) -> Iterator[tuple[CaseFlow, str | None, int, Seen]]:
    """What fails when one talks to the wrong computer: its flow, its referral, the error, and what shows it."""
    for one in case.referrals:
        told = one.referral
        if told.kind is ReferralKind.EPT_MAP and told.status:
            both = told.request_packet, told.response_packet
            seen = Seen("its mapper does not know the interface", one.asked_on.flow.capture, both)
            yield one.asked_on, one.id, NOT_REGISTERED, seen
    for logon in case.logons:
        if logon.logon.error == _MODIFIED and logon.flow is not None:
            packets = (logon.logon.error_packet,) if logon.logon.error_packet else ()
            seen = Seen(f"it cannot read the ticket for {logon.logon.spn}: {_MODIFIED}", logon.capture, packets)
            yield case.flow(logon.flow), None, WRONG_PRINCIPAL, seen


RULE = Rule(
    id="wrong-host",
    cause="N3",
    title="The name leads to another computer",
    check=check,
    rivals=("not-registered", "other-protocol-only", "version-not-registered"),
    errors=(NOT_REGISTERED, WRONG_PRINCIPAL),
)
