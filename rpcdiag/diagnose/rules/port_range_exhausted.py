"""The server has no TCP endpoint left to give: services register on pipes and local RPC only.

Looks like: ept_map for TCP finds nothing, and the mapper's list holds many interfaces, none of them on TCP.
Because: the range under `Rpc\\Internet` is too small or invalid, or all ports of the dynamic range are taken; services
that started since then could not make an endpoint (error 87; NETLOGON event 5820).
Not this: one interface without TCP among others that have it (other-protocol-only); a host that lists few things at
all, such as one that is no Windows.
Needs: the answer to ept_map, and a list of the same mapper with three interfaces or more. NETLOGON event 5820 in the server's
System log, of before, or Tcpip 4231 of that time, proves it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral
from rpcdiag.diagnose import listed, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.host_events import CLOSE_NS, HostEvents, as_evidence
from rpcdiag.diagnose.writers import Writers
from rpcdiag.model.evidence import Confidence, Logged, Severity
from rpcdiag.track.facts import ReferralKind

NOT_REGISTERED = 0x800706D9
NO_ENDPOINT, NO_PORT_LEFT = 5820, 4231
BEFORE_NS = 7 * 86_400_000_000_000  # services begin with the host, which may be a while ago
ENOUGH = 3  # interfaces of a list: every Windows has more of them on TCP


def check(case: Case) -> Iterator[Finding]:
    missing = listed.missing(case)
    entries = listed.entries(case)
    for referral in missing:
        found = entries[referral.teller]
        whole = [one for one in found if one.told.referral.kind is ReferralKind.EPT_LOOKUP]
        interfaces = {one.endpoint.interface for one in whole}
        if len(interfaces) < ENOUGH or any(listed.over_tcp(one) for one in found):
            continue
        asked = referral.asked_on
        logged = _logged(case, referral) if case.statements else ()
        yield Finding(
            rule=RULE.id,
            summary=f"{referral.teller} lists {len(interfaces)} interfaces, not one of them over TCP: its services got no "
            "port",
            severity=Severity.ERROR,
            confidence=Confidence.PROVEN if logged else Confidence.LIKELY,
            client=asked.flow.client.address,
            server=asked.flow.server.address,
            flows=(asked.id, *asked.same_as),
            referrals=tuple(dict.fromkeys((referral.id, whole[0].told.id))),
            evidence=(listed.asked(referral), listed.shown(whole, "its mapper lists only"), *logged),
            errors=(NOT_REGISTERED,),
            subject=Subject(interface=referral.referral.interface, status=referral.referral.status),
            next_observation=None
            if logged
            else f"On {referral.teller}: 'reg query HKLM\\SOFTWARE\\Microsoft\\Rpc\\Internet', 'netsh int ipv4 "
            "show dynamicport tcp' and 'netsh int ipv4 show excludedportrange tcp'; the System log for NETLOGON 5820 and "
            "Tcpip 4227 or 4231.",
        )


def _logged(case: Case, referral: CaseReferral) -> tuple[Logged, ...]:
    """What the server's own log says: its services found no port when they began, or nobody does now."""
    at, writers = referral.referral.response_ns, Writers.of(case)
    events = HostEvents.of(case)
    found = events.between({NO_ENDPOINT}, at - BEFORE_NS, at + CLOSE_NS)
    found += events.between({NO_PORT_LEFT}, at - observe.STATED_NS, at + observe.STATED_NS)
    return as_evidence([one for one in found if writers.is_by(one, referral.teller)])


RULE = Rule(
    id="port-range-exhausted",
    cause="A3",
    title="The server's services got no TCP port",
    check=check,
    explains=("other-protocol-only", "not-registered"),
    errors=(NOT_REGISTERED,),
)
