"""Calls that were refused, and the level of authentication at which they were made."""

from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.case import Case, CaseFlow, Conversation
from rpcdiag.diagnose.finding import Finding, Subject
from rpcdiag.diagnose.once import once
from rpcdiag.dissect.auth import level_name
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import InterfaceUse

NONE, CONNECT, PACKET, INTEGRITY, PRIVACY = 1, 2, 4, 5, 6
DENIED = frozenset({5, 0x80070005})
UNSUPPORTED_LEVEL = frozenset({0x71D, 0x1C00001D})  # RPC_S_UNSUPPORTED_AUTHN_LEVEL, nca_s_unsupported_authn_level


class Refused(NamedTuple):
    """The refusals of one interface on one conversation; `level` is 1 where nobody logged on."""

    conversation: Conversation
    interface: Syntax
    level: int
    auth_type: int | None
    opnums: tuple[int | None, ...]
    evidence: tuple[Seen, ...]
    last_ns: int
    statuses: frozenset[int]

    @property
    def level_name(self) -> str:
        return level_name(self.level)

    def finding(
        self,
        rule: str,
        *,
        summary: str,
        errors: tuple[int, ...],
        next_observation: str,
        higher: bool,
        dcom: bool = False,
    ) -> Finding:
        """The server wants it sealed; `higher`: where it was, it was answered."""
        return Finding(
            rule=rule,
            summary=summary,
            severity=Severity.NOTE if higher else Severity.ERROR,
            confidence=Confidence.ESTABLISHED if higher else Confidence.LIKELY,
            client=self.conversation.client,
            server=self.conversation.server,
            flows=self.conversation.ids,
            evidence=self.evidence,
            errors=errors,
            subject=Subject(
                port=self.conversation.near.flow.server.port, interface=self.interface, status=5, level=self.level,
                needed_level=PRIVACY, dcom=dcom,
            ),
            next_observation=next_observation,
        )  # fmt: skip


@once
def refused(case: Case) -> tuple[Refused, ...]:
    """Interfaces whose calls were refused by a fault."""
    return tuple(_refused(case, carried=False))


@once
def refused_or_denied(case: Case) -> tuple[Refused, ...]:
    """Those, and such as were refused by a result in the answer."""
    return tuple(_refused(case, carried=True))


def _refused(case: Case, *, carried: bool) -> Iterator[Refused]:
    for conversation in case.unsettled:
        near = conversation.near
        for use in near.rpc.interfaces if near.rpc else ():
            one = _of(conversation, near, use, carried=carried)
            if one is not None:
                yield one


def _of(conversation: Conversation, near: CaseFlow, use: InterfaceUse, *, carried: bool) -> Refused | None:
    if near.rpc is None:
        return None
    faults = [
        fault
        for fault in near.rpc.faults
        if fault.interface == use.interface and fault.status in DENIED | UNSUPPORTED_LEVEL
    ]
    results = [one for one in near.rpc.carried if carried and one.interface == use.interface and one.result in DENIED]
    if not faults and not results:
        return None
    if any(fault.auth_cut for fault in faults) or (not faults and use.auth_cut):
        return None  # at which level they were made, the capture does not hold
    level = max([fault.auth_level or NONE for fault in faults], default=use.auth_level or NONE)
    bind = next(
        (one for one in near.rpc.binds if any(offer.interface == use.interface for offer in one.contexts)), None
    )
    evidence = []
    if bind is not None:
        says = f"the interface is bound at level {level_name(level)}" if level > NONE else "it is bound without a logon"
        evidence.append(Seen(says, near.flow.capture, (bind.packet,)))
    for fault in faults[:4]:
        packets = tuple(packet for packet in (fault.request_packet, fault.packet) if packet)
        evidence.append(Seen(f"the call is answered by fault {fault.status:#010x}", near.flow.capture, packets))
    for one in results[:4]:
        packets = tuple(packet for packet in (one.request_packet, one.packet) if packet)
        evidence.append(Seen(f"the call comes back with {one.result:#010x}", near.flow.capture, packets))
    return Refused(
        conversation=conversation,
        interface=use.interface,
        level=level,
        auth_type=bind.auth_type if bind else use.auth_type,
        opnums=tuple(dict.fromkeys([fault.opnum for fault in faults] + [one.opnum for one in results])),
        evidence=tuple(evidence),
        last_ns=max([fault.time_ns for fault in faults] + [one.time_ns for one in results]),
        statuses=frozenset([fault.status for fault in faults] + [one.result for one in results]),
    )


class Higher:
    """Where an interface answers at a higher level: looked up once for each pair of hosts."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._of: dict[tuple[Address, Address], dict[Syntax, list[tuple[int, CaseFlow]]]] = {}

    @staticmethod
    @once
    def of(case: Case) -> "Higher":
        """The one that all rules ask."""
        return Higher(case)

    def than(self, one: Refused) -> tuple[CaseFlow, int] | None:
        """A flow of the same two on which it is used at a higher level without a refusal, and that level."""
        pair = one.conversation.client, one.conversation.server
        if pair not in self._of:
            self._of[pair] = self._answered(pair)
        known = self._of[pair].get(one.interface, [])
        return next(((flow, level) for level, flow in known if level > one.level), None)

    def _answered(self, pair: tuple[Address, Address]) -> dict[Syntax, list[tuple[int, CaseFlow]]]:
        """By interface the flow that answers last at each level."""
        found: dict[Syntax, dict[int, CaseFlow]] = {}
        for other in self._case.between(*pair):
            rpc = other.near.rpc
            for use in rpc.interfaces if rpc else ():
                if use.auth_cut:
                    continue
                level = use.auth_level or NONE
                refusals = [fault for fault in rpc.faults if fault.interface == use.interface] if rpc else []
                if use.calls > len(refusals) and not any((fault.auth_level or NONE) >= level for fault in refusals):
                    found.setdefault(use.interface, {})[level] = other.near
        return {interface: sorted(of.items(), key=lambda item: item[0]) for interface, of in found.items()}
