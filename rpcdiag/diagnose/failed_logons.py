"""Connections of RPC that were refused at their logon, and of which a Security log tells why."""

from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import logon
from rpcdiag.diagnose.logon_events import FailedLogons, Told
from rpcdiag.diagnose.once import once
from rpcdiag.model.evidence import Evidence, Seen
from rpcdiag.track.facts import Fate
from rpcdiag.track.logons import Logon

TIME_DIFFERENCE = 0xC0000133


class RefusedLogon(NamedTuple):
    """A connection that was refused at its logon, with the answers that say so and what the logs add."""

    conversation: Conversation
    seen: tuple[Evidence, ...]
    told: Told


@once
def refused(case: Case) -> tuple[RefusedLogon, ...]:
    """Connections of RPC whose logon was refused, and of which a log tells so. One that served its user is none."""
    return tuple(_refused(case)) if case.statements else ()


def _refused(case: Case) -> Iterator[RefusedLogon]:
    events = FailedLogons.of(case)
    if not events:
        return
    logons: dict[str, list[Logon]] = {}
    for one in case.logons:
        if one.flow is not None:
            logons.setdefault(one.flow, []).append(one.logon)
    for conversation in case.unsettled:
        near = conversation.near
        refusals = list(logon.refused_at(near))
        if not refusals or _served(conversation):
            continue
        flows = [flow.flow for flow in conversation.flows]
        told = events.at(flows, [answer.time_ns for answer in refusals], logons.get(near.id, ()))
        if told is not None:
            by_says: dict[str, list[int]] = {}
            for answer in refusals:
                by_says.setdefault(answer.says, []).append(answer.packet)
            seen = tuple(Seen(says, near.flow.capture, tuple(those[:8])) for says, those in by_says.items())
            yield RefusedLogon(conversation, seen[:4], told)


def _served(conversation: Conversation) -> bool:
    """Whether calls of somebody who logged on, or may have, were answered on it: then that logon did not fail."""
    rpc = conversation.near.rpc
    if rpc is None or not rpc.fates.get(Fate.RESPONSE):
        return False
    if any(bind.cut and not bind.contexts for bind in rpc.binds) or not rpc.binds:
        return True  # nobody sees for which interface, and how secured, that answer was
    return any(
        (use.auth_cut or (use.auth_level is not None and use.auth_level > 1))
        and use.calls > sum(fault.interface == use.interface for fault in rpc.faults)
        + sum(call.interface == use.interface for call in rpc.open_calls)
        for use in rpc.interfaces
    )  # fmt: skip
