"""One operation of an interface is refused, others of the same caller are served: a filter for RPC calls on the server.

Looks like: transport and logon are fine; fault 5 for every call of one opnum, answers to the other calls of the same
interface on the same connection.
Because: an RPC filter of the Windows Filtering Platform with a condition on the operation, or a product that does the
same, guards that call.
Not this: an interface of which every call is refused (access-denied); a right that one method checks, which mostly
comes back as a result in the answer and not as a fault.
Needs: answered and refused calls of one interface on one connection.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import levels
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.interfaces import EPMAPPER, IACTIVATION, IREMOTE_SCM_ACTIVATOR, interface_name, operation_name
from rpcdiag.model.evidence import Confidence, Seen, Severity

ACCESS_DENIED = 0x80070005
_ELSEWHERE = frozenset({EPMAPPER, IACTIVATION, IREMOTE_SCM_ACTIVATOR})


def check(case: Case) -> Iterator[Finding]:
    for one in levels.refused(case):
        near = one.conversation.near
        if near.rpc is None or one.interface.uuid in _ELSEWHERE or len(one.opnums) != 1 or one.opnums[0] is None:
            continue
        if one.statuses & levels.UNSUPPORTED_LEVEL:
            continue
        mine = [fault for fault in near.rpc.faults if fault.interface == one.interface]
        waiting = sum(call.interface == one.interface for call in near.rpc.open_calls)
        use = next((use for use in near.rpc.interfaces if use.interface == one.interface), None)
        if use is None or use.calls <= len(mine) + waiting or any(fault.after_auth3 for fault in mine):
            continue
        client, server = one.conversation.client, one.conversation.server
        name = interface_name(one.interface.uuid, one.interface.version) or one.interface.uuid
        opnum = one.opnums[0]
        call = operation_name(one.interface.uuid, opnum) or f"operation {opnum}"
        answered = use.calls - len(mine) - waiting
        yield Finding(
            rule=RULE.id,
            summary=f"{server} refuses {client} the one call {name}.{call}, other calls of that interface are answered: "
            "a filter on the operation",
            severity=Severity.ERROR,
            confidence=Confidence.LIKELY,
            client=client,
            server=server,
            flows=one.conversation.ids,
            evidence=(
                *one.evidence,
                Seen(
                    f"{answered} other call{'s' if answered > 1 else ''} of {name} on that connection answered",
                    near.flow.capture, (near.flow.first_packet, near.flow.last_packet),
                ),
            ),
            errors=(ACCESS_DENIED,),
            subject=Subject(port=near.flow.server.port, interface=one.interface, status=5, level=one.level),
            next_observation=f"'netsh rpc filter show filter' on {server}, and event 5712 in its Security log "
            "(audit RPC Events), or event 3 of RPCFW where that product is installed: none of them leaves a right that the "
            "method itself checks.",
        )  # fmt: skip


RULE = Rule(
    id="rpc-filter",
    cause="P13",
    title="An RPC filter on the server refuses one operation",
    check=check,
    rivals=("access-denied",),
    errors=(ACCESS_DENIED,),
)
