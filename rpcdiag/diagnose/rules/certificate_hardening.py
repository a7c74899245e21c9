"""The request for a certificate is not sealed, and the certification authority demands that it is.

Looks like: calls of ICertPassage or ICertRequestD below packet privacy are refused: fault 5, or 0x80070005 in the answer.
Because: the authority has IF_ENFORCEENCRYPTICERTREQUEST set, as it is by default since Server 2012.
Not this: sealed requests that are refused, which is a matter of the group Certificate Service DCOM Access
(access-denied).
Needs: the refused call and the level of its bind; an answer to the same call at a higher level makes it known.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import levels
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.dissect.interfaces import interface_name

ACCESS_DENIED = 0x80070005
_PASSAGE = "91ae6020-9e3c-11cf-8d7c-00aa00c091be"
_REQUEST = frozenset({"d99e6e70-fc88-11d0-b498-00a0c90312f3", "5422fd3a-d4b8-4cef-a12e-e87d4ca22e90"})


def check(case: Case) -> Iterator[Finding]:
    known = levels.Higher.of(case)
    for one in levels.refused_or_denied(case):
        if one.interface.uuid not in _REQUEST | {_PASSAGE} or one.level >= levels.PRIVACY:
            continue
        client, server = one.conversation.client, one.conversation.server
        higher = known.than(one)
        yield one.finding(
            RULE.id,
            summary=f"{client} asks {server} for a certificate at level {one.level_name} "
            f"({interface_name(one.interface.uuid)}); the authority demands packet privacy",
            errors=(ACCESS_DENIED,),
            next_observation=rf"'certutil -getreg CA\InterfaceFlags' on {server}: IF_ENFORCEENCRYPTICERTREQUEST (0x200) among "
            "them says that it is the level, not the rights.",
            higher=bool(higher),
            dcom=one.interface.uuid in _REQUEST,
        )


RULE = Rule(
    id="certificate-hardening",
    cause="P3",
    title="The certification authority demands sealed requests",
    check=check,
    explains=("access-denied", "level-too-low", "rpc-filter"),
    errors=(ACCESS_DENIED,),
)
