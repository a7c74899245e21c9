"""The server wants this call signed or sealed; the client sends it with less.

Looks like: a call below some level of authentication is refused with fault 5, and the same interface answers at a higher
level; or the fault says so itself (1821, nca_s_unsupported_authn_level).
Because: the service registered its interface for callers who sign or seal; the client's default is lower.
Not this: a refusal at the highest level (access-denied); activation (dcom-hardening), Netlogon, printing and
certificates, which have rules of their own.
Needs: the refused call, and an answer at a higher level or a fault that says so.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import levels
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.auth import level_name
from rpcdiag.dissect.interfaces import EPMAPPER, IACTIVATION, IREMOTE_SCM_ACTIVATOR, interface_name
from rpcdiag.model.evidence import Confidence, Seen, Severity

ACCESS_DENIED, UNSUPPORTED = 0x80070005, 0x8007071D
_ELSEWHERE = frozenset({EPMAPPER, IACTIVATION, IREMOTE_SCM_ACTIVATOR})


def check(case: Case) -> Iterator[Finding]:
    known = levels.Higher.of(case)
    for one in levels.refused(case):
        if one.interface.uuid in _ELSEWHERE:
            continue
        said = bool(one.statuses & levels.UNSUPPORTED_LEVEL)
        higher = known.than(one)
        if not said and higher is None:
            continue
        client, server = one.conversation.client, one.conversation.server
        name = interface_name(one.interface.uuid, one.interface.version) or one.interface.uuid
        by_itself = higher is not None and (higher[0].rpc.last_pdu_ns or 0 if higher[0].rpc else 0) > one.last_ns
        wanted = f"{level_name(higher[1])} is answered" if higher else "the server says that it is too low"
        yield Finding(
            rule=RULE.id,
            summary=f"{client} calls {name} of {server} at level {one.level_name}, which is refused; {wanted}"
            + (", and the client goes on so" if by_itself else ""),
            severity=Severity.NOTE if by_itself else Severity.ERROR,
            confidence=Confidence.ESTABLISHED if said or by_itself else Confidence.LIKELY,
            client=client,
            server=server,
            flows=one.conversation.ids,
            evidence=(
                *one.evidence,
                *(
                    [
                        Seen(
                            f"at level {level_name(higher[1])} the same interface answers",
                            higher[0].flow.capture, (higher[0].flow.first_packet,),
                        )
                    ]
                    if higher
                    else []
                ),
            ),
            errors=(UNSUPPORTED,) if said else (ACCESS_DENIED,),
            subject=Subject(
                port=one.conversation.near.flow.server.port, interface=one.interface, status=min(one.statuses),
                level=one.level, needed_level=higher[1] if higher else None,
            ),
            next_observation=f"Set the client's authentication level one step higher than {one.level_name} "
            "(RpcBindingSetAuthInfo, CoSetProxyBlanket) and repeat: an answer settles it.",
        )  # fmt: skip


RULE = Rule(
    id="level-too-low",
    cause="P3",
    title="The call is less protected than the interface demands",
    check=check,
    explains=("access-denied", "rpc-filter"),
    errors=(ACCESS_DENIED, UNSUPPORTED),
)
