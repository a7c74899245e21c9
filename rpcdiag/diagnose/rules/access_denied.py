"""The server knows or refuses the caller: a network that works.

Looks like: a request is answered by a fault with status 5, an activation by HRESULT 0x80070005, or the opening of a pipe
by STATUS_ACCESS_DENIED.
Because: rights (DCOM limits, group membership, the service's own list), an RPC filter on the server, or a logon that
failed and shows only now.
Not this: an activation below packet integrity on a hardened server (dcom-hardening); the mapper itself refusing
(mapper-refuses-anonymous).
Needs: the refused call and, to tell a right from a logon, the bind before it. The server's Security log settles which.
DistributedCOM event 10016 of the server, with that client and class, proves a refused activation.
"""

from collections.abc import Collection, Iterator

from rpcdiag.case import Case, CaseReferral
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.host_events import CLOSE_NS, HostEvents, as_evidence
from rpcdiag.diagnose.writers import Writers
from rpcdiag.dissect.auth import level_name
from rpcdiag.dissect.interfaces import EPMAPPER, interface_name, operation_name
from rpcdiag.model.evidence import Confidence, Logged, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import FaultFact, ReferralKind
from rpcdiag.track.sessions import Tree

ACCESS_DENIED = 0x80070005
WBEM_DENIED = 0x80041003
WBEM_LOGIN = "f309ad18-d86a-11d0-a075-00c04fb68820"  # IWbemLevel1Login: the logon to a namespace
PIPE_DENIED = 0xC0000022
NOT_PERMITTED = 10016
_DENIED = frozenset({5, ACCESS_DENIED})


def check(case: Case) -> Iterator[Finding]:
    yield from _at_pipes(case)
    yield from _in_results(case)
    for conversation in case.unsettled:
        near = conversation.near
        for fault in near.rpc.faults if near.rpc else ():
            if fault.status not in _DENIED or (fault.interface and fault.interface.uuid == EPMAPPER):
                continue
            packets = tuple(packet for packet in (fault.request_packet, fault.packet) if packet)
            logon = fault.after_auth3
            unseen = (
                near.rpc is not None and not near.rpc.binds and fault.auth_level is None
            )  # at which level, is not known
            yield Finding(
                rule=RULE.id,
                summary=f"{conversation.server} refuses {conversation.client} the call {_call(fault)}: access denied"
                + ("; it is the first answer after the logon, which may be what failed" if logon else ""),
                severity=Severity.ERROR,
                confidence=Confidence.LIKELY if logon or unseen else Confidence.ESTABLISHED,
                client=conversation.client,
                server=conversation.server,
                flows=conversation.ids,
                evidence=(
                    Seen(f"{_call(fault)} is answered by fault 0x00000005", near.flow.capture, packets),
                    *observe.said_more(fault.extended, conversation.server, near.flow.capture, fault.packet),
                ),
                errors=(ACCESS_DENIED,),
                subject=Subject(
                    port=near.flow.server.port, interface=fault.interface, status=fault.status,
                    level=None if fault.auth_cut else fault.auth_level or 1,
                ),
                next_observation=f"Wrong password or missing right? Look at the Security log of {conversation.server} at "
                "that second: event 4625 is a failed logon, 4624 a good one."
                if logon
                else _next(conversation.server, fault),
            )  # fmt: skip
    for referral in case.referrals:
        if referral.referral.kind is ReferralKind.ACTIVATION and referral.referral.status == ACCESS_DENIED:
            asked = referral.asked_on
            logged = _logged(case, referral) if case.statements and referral.referral.clsid else ()
            yield Finding(
                rule=RULE.id,
                summary=f"{asked.flow.server.address} refuses {asked.flow.client.address} the activation: access denied",
                severity=Severity.ERROR,
                confidence=Confidence.PROVEN if logged else Confidence.ESTABLISHED,
                client=asked.flow.client.address,
                server=asked.flow.server.address,
                flows=(asked.id, *asked.same_as),
                referrals=(referral.id,),
                evidence=(
                    Seen(
                        "the activation is answered by HRESULT 0x80070005", asked.flow.capture,
                        (referral.referral.request_packet, referral.referral.response_packet),
                    ),
                    *logged,
                ),
                errors=(ACCESS_DENIED,),
                subject=Subject(clsid=referral.referral.clsid, dcom=True, status=ACCESS_DENIED),
                next_observation=None
                if logged
                else f"DistributedCOM events 10015 to 10019 and 10027 (limits of the machine) and 10016 (launch and "
                f"activation of the class) in the System log of {asked.flow.server.address} name the account and the right.",
            )  # fmt: skip


def _logged(case: Case, referral: CaseReferral) -> tuple[Logged, ...]:
    """The server's events that permissions refuse this client this class."""
    told, writers = referral.referral, Writers.of(case)
    clsid = (told.clsid or "").lower()
    found = HostEvents.of(case).between({NOT_PERMITTED}, told.request_ns - CLOSE_NS, told.response_ns + CLOSE_NS)
    return as_evidence([
        one
        for one in found
        if one.source == referral.told and clsid in one.says.lower() and writers.is_by(one, referral.teller) is not False
    ])  # fmt: skip


def _in_results(case: Case) -> Iterator[Finding]:
    """Methods of objects that come back with it: a logon to WMI that fails is the end, another call need not be."""
    for conversation in case.unsettled:
        near = conversation.near
        for carried in near.rpc.carried if near.rpc else ():
            if carried.result not in (ACCESS_DENIED, WBEM_DENIED):
                continue
            interface = carried.interface
            name = interface_name(interface.uuid, interface.version) or interface.uuid if interface else "an object"
            packets = tuple(packet for packet in (carried.request_packet, carried.packet) if packet)
            yield Finding(
                rule=RULE.id,
                summary=f"{conversation.server} refuses {conversation.client} a method of {name}: access denied",
                severity=Severity.ERROR if interface and interface.uuid == WBEM_LOGIN else Severity.WARNING,
                confidence=Confidence.ESTABLISHED,
                client=conversation.client,
                server=conversation.server,
                flows=conversation.ids,
                evidence=(Seen(f"the answer carries {carried.result:#010x}", near.flow.capture, packets),),
                errors=(carried.result,),
                subject=Subject(port=near.flow.server.port, interface=interface, dcom=True, status=carried.result),
                next_observation=f"Network, DCOM and logon work. For WMI: the rights on the namespace at {conversation.server} "
                "(wmimgmt.msc > Properties > Security: Remote Enable); for others those of the program itself.",
            )


def _at_pipes(case: Case) -> Iterator[Finding]:
    """Pipes of RPC that the server refuses to open, and did not open for that client before or later."""
    named = {(one.client, one.server) for one in case.logons if one.over == "smb" and one.logon.user}
    yield from _at_shares(case, named)
    for session, pipe, packets in observe.pipes_not_opened(case, PIPE_DENIED):
        client, server = session.ends
        yield Finding(
            rule=RULE.id,
            summary=f"{server} refuses {client} the pipe {pipe.short}: access denied",
            severity=Severity.ERROR if (client, server) in named else Severity.WARNING,
            confidence=Confidence.ESTABLISHED,
            client=client,
            server=server,
            flows=tuple(dict.fromkeys(session.pipes.values())),
            evidence=(
                Seen(
                    f"the opening of pipe {pipe.short} is answered by STATUS_ACCESS_DENIED (0xc0000022)",
                    session.flow.capture, packets,
                ),
            ),
            errors=(ACCESS_DENIED,),
            subject=Subject(port=session.flow.server.port, status=5),
            next_observation=f"The Security log of {server} (event 5145 names the account and the pipe), then the rights "
            "of that account.",
        )  # fmt: skip


def _at_shares(case: Case, named: Collection[tuple[Address, Address]]) -> Iterator[Finding]:
    """The share behind which all pipes are, refused, and not granted to that client before or later."""
    granted = {one.ends for one in case.sessions for tree in one.said.trees if _of_pipes(tree) and tree.status == 0}
    for session in case.sessions:
        client, server = session.ends
        tree = next((one for one in session.said.trees if _of_pipes(one) and one.status == PIPE_DENIED), None)
        if tree is None or (client, server) in granted:
            continue
        packets = tuple(packet for packet in (tree.request_packet, tree.response_packet) if packet)
        yield Finding(
            rule=RULE.id,
            summary=f"{server} refuses {client} the share IPC$, and with it all pipes: access denied",
            severity=Severity.ERROR if (client, server) in named else Severity.WARNING,
            confidence=Confidence.ESTABLISHED,
            client=client,
            server=server,
            evidence=(
                Seen(
                    "the connection to IPC$ is answered by STATUS_ACCESS_DENIED (0xc0000022)",
                    session.flow.capture, packets,
                ),
            ),
            errors=(ACCESS_DENIED,),
            subject=Subject(port=session.flow.server.port, status=5),
            next_observation=f"The Security log of {server} (event 5140 names the account and the share), then who may log on "
            "there over the network.",
        )  # fmt: skip


def _of_pipes(tree: Tree) -> bool:
    return tree.name.lower().endswith("\\ipc$")


def _next(server: Address, fault: FaultFact) -> str:
    if not fault.auth_cut and (not fault.auth_level or fault.auth_level == 1):
        return (
            "Nobody logged on for this call: repeat it with a logon. If that is refused too, look at the rights; 'netsh rpc "
            f"filter show filter' on {server} and event 5712 in its Security log show a filter."
        )
    return (
        f"The Security log of {server} (event 4624 names the account that logged on; 5712 a call that an RPC filter "
        "refused), then the rights of that account."
    )


def _call(fault: FaultFact) -> str:
    if fault.interface is None:
        return f"operation {fault.opnum}" if fault.opnum is not None else "(its request is not in the capture)"
    name = interface_name(fault.interface.uuid, fault.interface.version) or fault.interface.uuid
    operation = operation_name(fault.interface.uuid, fault.opnum) if fault.opnum is not None else None
    level = f" at level {level_name(fault.auth_level)}" if fault.auth_level else ""
    return f"{name}.{operation or f'operation {fault.opnum}'}{level}"


RULE = Rule(id="access-denied", cause="P1", title="Access is denied", check=check, errors=(ACCESS_DENIED,))
