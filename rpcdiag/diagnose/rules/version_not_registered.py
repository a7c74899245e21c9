"""The server has the interface in another version.

Looks like: ept_map finds nothing for the version asked for; the same mapper hands out the same UUID with another one.
Because: client and server are of different generations, or the client asks for a version that never existed.
Not this: a UUID that is not there at all (not-registered); a version that a bind refuses (bind-rejected).
Needs: the answer to ept_map, and another version of the interface named by the same mapper.
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
        if wanted is None:
            continue
        same = [
            one
            for one in entries[referral.teller]
            if one.endpoint.interface is not None and one.endpoint.interface.uuid == wanted.uuid
        ]
        others = [one for one in same if one.endpoint.interface != wanted]
        if not others or len(others) < len(same):
            continue
        name = interface_name(wanted.uuid, wanted.version) or wanted.uuid
        versions = ", ".join(sorted({one.endpoint.interface.version for one in others if one.endpoint.interface}))
        yield listed.registered_otherwise(
            RULE.id,
            summary=f"{referral.teller} has no version {wanted.version} of {name}, which {referral.told} asks for, but "
            f"version {versions}",
            referral=referral,
            found=others,
            what=f"the same mapper has version {versions}",
        )


RULE = Rule(
    id="version-not-registered",
    cause="A4",
    title="The interface is registered in another version",
    check=check,
    explains=("not-registered",),
    errors=(listed.NOT_REGISTERED,),
)
