"""One operation of an interface is refused, others of the same caller are served: a filter for RPC calls on the server.

Looks like: transport and logon are fine; fault 5 for every call of one opnum, answers to the other calls of the same
interface on the same connection. Or fault 5, and event 5712 of the server with that address, port and interface.
Because: an RPC filter of the Windows Filtering Platform with a condition on the operation, or a product that does the
same, guards that call.
Not this: an interface of which every call is refused (access-denied); a right that one method checks, which mostly
comes back as a result in the answer and not as a fault.
Needs: answered and refused calls of one interface on one connection. Filters that audit write event 5712 into the server's
Security log: it proves one, also where every call is refused.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import levels
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.host_events import CLOSE_NS, HostEvents, as_evidence
from rpcdiag.diagnose.writers import Writers
from rpcdiag.dissect.interfaces import EPMAPPER, IACTIVATION, IREMOTE_SCM_ACTIVATOR, interface_name, operation_name
from rpcdiag.model.evidence import Confidence, Logged, Seen, Severity

ACCESS_DENIED = 0x80070005
MET_A_FILTER = 5712
FAR_NS = 600_000_000_000  # beyond what any clock may be off by here
_ELSEWHERE = frozenset({EPMAPPER, IACTIVATION, IREMOTE_SCM_ACTIVATOR})


def check(case: Case) -> Iterator[Finding]:
    logged = {id(one): _logged(case, one) for one in levels.refused(case)} if case.statements else {}
    for one in levels.refused(case):
        events, sure = logged.get(id(one), ((), False))
        if events:
            yield _told(one, events, Confidence.PROVEN if sure else Confidence.LIKELY)
            continue
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


def _logged(case: Case, one: levels.Refused) -> tuple[tuple[Logged, ...], bool]:
    """Events of a call that a filter blocked: of that client, port and interface, at that time.

    And whether it is known that the server wrote one of them.
    """
    from rpcdiag.logs.host import room

    flow = one.conversation.near.flow
    if one.interface.uuid in _ELSEWHERE:
        return (), False
    writers, found, sure = Writers.of(case), [], False
    for event in HostEvents.of(case).between({MET_A_FILTER}, flow.start_ns - FAR_NS, flow.end_ns + FAR_NS):
        off = room(case.logs[event.log].clock)
        at = (event.written_ns or 0) - (case.logs[event.log].clock.offset_ns or 0)
        if not event.code or event.source != flow.client.address or event.interface != one.interface.uuid:
            continue
        by = writers.is_by(event, flow.server.address)
        if event.source_port:
            mine = event.source_port == flow.client.port and by is not False
            mine = mine and flow.start_ns - off <= at <= flow.end_ns + off
        else:
            mine = by is True and abs(at - one.last_ns) <= CLOSE_NS
        if mine:
            found.append(event)
            sure = sure or by is True
    return as_evidence(found), sure


def _told(one: levels.Refused, logged: tuple[Logged, ...], confidence: Confidence) -> Finding:
    client, server = one.conversation.client, one.conversation.server
    name = interface_name(one.interface.uuid, one.interface.version) or one.interface.uuid
    return Finding(
        rule=RULE.id,
        summary=f"an RPC filter of {server} refuses {client} calls of {name}: {'its' if confidence is Confidence.PROVEN else 'a'} Security log says so",
        severity=Severity.ERROR,
        confidence=confidence,
        client=client,
        server=server,
        flows=one.conversation.ids,
        evidence=(*one.evidence, *logged),
        errors=(ACCESS_DENIED,),
        subject=Subject(
            port=one.conversation.near.flow.server.port, interface=one.interface, status=5, level=one.level
        ),
    )


RULE = Rule(
    id="rpc-filter",
    cause="P13",
    title="An RPC filter on the server refuses one operation",
    check=check,
    rivals=("access-denied",),
    errors=(ACCESS_DENIED,),
)
