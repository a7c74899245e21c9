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
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.dissect.interfaces import interface_name


def check(case: Case) -> Iterator[Finding]:
    missing = listed.missing(case)
    entries = listed.entries(case)
    for referral in missing:
        wanted = referral.referral.interface
        found = [one for one in entries[referral.teller] if wanted and one.endpoint.interface == wanted]
        if wanted is None or not found or any(listed.over_tcp(one) for one in found):
            continue
        name = interface_name(wanted.uuid, wanted.version) or wanted.uuid
        protocols = ", ".join(sorted({one.endpoint.protseq for one in found}))
        yield listed.registered_otherwise(
            RULE.id,
            summary=f"{referral.teller} has {name}, but not over TCP, which {referral.told} asks for: only over {protocols}",
            referral=referral,
            found=found,
            what="the same mapper lists it",
        )


RULE = Rule(
    id="other-protocol-only",
    cause="A2",
    title="The interface is registered, but not over TCP",
    check=check,
    explains=("not-registered",),
    errors=(listed.NOT_REGISTERED,),
)
