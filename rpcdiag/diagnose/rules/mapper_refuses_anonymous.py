"""The mapper refuses a caller who does not say who he is.

Looks like: ept_map, asked without authentication, is answered by a fault with status 5.
Because: a policy restricts unauthenticated RPC clients (RestrictRemoteClients), or an RPC filter guards the mapper.
Not this: a fault 5 on another interface (access-denied).
Needs: the lookup and its fault.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.interfaces import EPMAPPER
from rpcdiag.model.evidence import Confidence, Seen, Severity

ACCESS_DENIED = 0x80070005
POLICY = r"'HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\Rpc'"


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.unsettled:
        near = conversation.near
        for fault in near.rpc.faults if near.rpc else ():
            if fault.interface is None or fault.interface.uuid != EPMAPPER or fault.status != 5:
                continue
            packets = tuple(packet for packet in (fault.request_packet, fault.packet) if packet)
            yield Finding(
                rule=RULE.id,
                summary=f"the endpoint mapper of {conversation.server} refuses to answer {conversation.client} (fault 5)",
                severity=Severity.ERROR,
                confidence=Confidence.LIKELY if fault.auth_level or fault.auth_cut else Confidence.ESTABLISHED,
                client=conversation.client,
                server=conversation.server,
                flows=conversation.ids,
                evidence=(
                    Seen("the lookup is answered by a fault, access denied", near.flow.capture, packets),
                    *observe.said_more(fault.extended, conversation.server, near.flow.capture, fault.packet),
                ),
                errors=(ACCESS_DENIED, 0x800706BA),
                subject=Subject(
                    port=near.flow.server.port,
                    interface=fault.interface,
                    status=5,
                    level=None if fault.auth_cut else fault.auth_level or 1,
                ),
                next_observation=f"Get-ItemProperty {POLICY} on {conversation.server} "
                "(RestrictRemoteClients: 1 or 2 refuses who does not log on) and 'netsh rpc filter show filter' there; "
                f"EnableAuthEpResolution lets {conversation.client} log on at the mapper.",
            )


RULE = Rule(
    id="mapper-refuses-anonymous",
    cause="E7",
    title="The endpoint mapper refuses the caller",
    check=check,
    errors=(ACCESS_DENIED,),
)
