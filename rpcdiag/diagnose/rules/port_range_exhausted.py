"""The server has no TCP endpoint left to give: services register on pipes and local RPC only.

Looks like: ept_map for TCP finds nothing, and the mapper's list holds many interfaces, none of them on TCP.
Because: the range under `Rpc\\Internet` is too small or invalid, or all ports of the dynamic range are taken; services
that started since then could not make an endpoint (error 87; NETLOGON event 5820).
Not this: one interface without TCP among others that have it (other-protocol-only); a host that lists few things at
all, such as one that is no Windows.
Needs: the answer to ept_map, and a list of the same mapper with three interfaces or more.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import listed
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Severity
from rpcdiag.track.facts import ReferralKind

NOT_REGISTERED = 0x800706D9
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
        yield Finding(
            rule=RULE.id,
            summary=f"{referral.teller} lists {len(interfaces)} interfaces, not one of them over TCP: its services got no "
            "port",
            severity=Severity.ERROR,
            confidence=Confidence.LIKELY,
            client=asked.flow.client.address,
            server=asked.flow.server.address,
            flows=(asked.id, *asked.same_as),
            referrals=tuple(dict.fromkeys((referral.id, whole[0].told.id))),
            evidence=(listed.asked(referral), listed.shown(whole, "its mapper lists only")),
            errors=(NOT_REGISTERED,),
            subject=Subject(interface=referral.referral.interface, status=referral.referral.status),
            next_observation=f"On {referral.teller}: 'reg query HKLM\\SOFTWARE\\Microsoft\\Rpc\\Internet', 'netsh int ipv4 "
            "show dynamicport tcp' and 'netsh int ipv4 show excludedportrange tcp'; the System log for NETLOGON 5820 and "
            "Tcpip 4227 or 4231.",
        )


RULE = Rule(
    id="port-range-exhausted",
    cause="A3",
    title="The server's services got no TCP port",
    check=check,
    explains=("other-protocol-only", "not-registered"),
    errors=(NOT_REGISTERED,),
)
