"""The service runs, and listens on another protocol than the client asks for.

Looks like: ept_map for TCP finds nothing; the same mapper lists the interface on named pipes, HTTP or local RPC.
Because: the service registers no TCP endpoint: by design, by its configuration, or because none could be made.
Not this: an interface that is listed nowhere (not-registered); a server that lists nothing at all on TCP
(port-range-exhausted).
Needs: the answer to ept_map, and a list of the same mapper (`rpcdiag probe` makes one, and portqry).
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import listed
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.interfaces import interface_name
from rpcdiag.model.evidence import Confidence, Severity

NOT_REGISTERED = 0x800706D9


def check(case: Case) -> Iterator[Finding]:
    missing = listed.missing(case)
    entries = listed.entries(case, {referral.teller for referral in missing})
    for referral in missing:
        wanted = referral.referral.interface
        found = [one for one in entries[referral.teller] if wanted and one.endpoint.interface == wanted]
        if wanted is None or not found or any(listed.over_tcp(one) for one in found):
            continue
        asked = referral.asked_on
        name = interface_name(wanted.uuid, wanted.version) or wanted.uuid
        protocols = ", ".join(sorted({one.endpoint.protseq for one in found}))
        yield Finding(
            rule=RULE.id,
            summary=f"{referral.teller} has {name}, but not over TCP, which {referral.told} asks for: only over {protocols}",
            severity=Severity.ERROR,
            confidence=Confidence.ESTABLISHED,
            client=asked.flow.client.address,
            server=asked.flow.server.address,
            flows=(asked.id, *asked.same_as),
            referrals=tuple(dict.fromkeys((referral.id, found[0].told.id))),
            evidence=(listed.asked(referral), listed.shown(found, "the same mapper lists it")),
            errors=(NOT_REGISTERED,),
            subject=Subject(interface=wanted, status=referral.referral.status),
        )


RULE = Rule(
    id="other-protocol-only",
    cause="A2",
    title="The interface is registered, but not over TCP",
    check=check,
    explains=("not-registered",),
    errors=(NOT_REGISTERED,),
)
