"""The client gave the call up: the server had it and was not done.

Looks like: a call without an answer, acknowledged by TCP; the client cancels it (co_cancel, then orphaned), or closes the
connection, after a round time.
Because: the method takes longer than the client's time limit: a slow query, a server that waits for something else.
Not this: a call that TCP never acknowledged (idle-dropped, path-mtu); calls that wait by design, such as notifications; a
call whose operation has no published name may be one of those (a note).
Needs: both directions without gaps, and at least 10 s of waiting before the client gives up.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseFlow
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.interfaces import interface_name, operation_name
from rpcdiag.flows.flow import TCP, TcpOutcome
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity
from rpcdiag.track.facts import Fate, OpenCall

CANCELLED, TIMED_OUT = 0x8007071A, 0x8001011F
SHORTEST_S = 10
LIMITS_S = (10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 600, 900, 1800)
_WAIT_BY_DESIGN = ("notif", "wait", "async", "subscri", "event", "next", "watch")


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.conversations:
        near = conversation.near
        given_up = _given_up(near)
        if given_up is None:
            continue
        call, seconds = given_up
        limit = next((limit for limit in LIMITS_S if limit - 0.5 <= seconds <= limit * 1.03 + 0.5), None)
        name = _name(call)
        known = call.interface is not None and operation_name(call.interface.uuid, call.opnum) is not None
        yield Finding(
            rule=RULE.id,
            summary=f"{conversation.client} gives up the call {name} to {conversation.server} after {seconds:.0f} s: the "
            "server has it and does not answer in time",
            severity=Severity.WARNING if limit and known else Severity.NOTE,
            confidence=Confidence.LIKELY if limit else Confidence.POSSIBLE,
            client=conversation.client,
            server=conversation.server,
            flows=conversation.ids,
            evidence=(
                Seen(f"the call {name}, acknowledged by TCP", near.flow.capture, (call.packet,)),
                Missing("no answer", near.flow.capture, call.packet, int(seconds * 1e9)),
                _gives_up(near, call),
            ),
            errors=(CANCELLED, TIMED_OUT),
            subject=Subject(port=near.flow.server.port, interface=call.interface),
            next_observation=f"Raise the client's time limit once: does an answer come, and when? Meanwhile, what the process "
            f"behind port {near.flow.server.port} of {conversation.server} waits for (Task Manager, analyze wait chain).",
        )  # fmt: skip


def _given_up(near: CaseFlow) -> tuple[OpenCall, float] | None:
    """The last call of a connection that its client closed while it waited, and the seconds that it did."""
    flow, rpc = near.flow, near.rpc
    if rpc is None or flow.transport != TCP or flow.outcome not in (TcpOutcome.ESTABLISHED, TcpOutcome.MIDSTREAM):
        return None
    if flow.server_ttl is None or rpc.bytes_missing or rpc.bytes_skipped:
        return None  # the answer may be what the capture lacks
    calls = [one for one in rpc.open_calls if one.fate in (Fate.UNANSWERED, Fate.REJECTED)]
    if not calls:
        return None
    cancelled = next((one for one in calls if one.given_up_ns), None)
    if cancelled is not None:
        return _worth(cancelled, (cancelled.given_up_ns - cancelled.time_ns) / 1e9)
    call = calls[-1]
    reset, fin = flow.reset, flow.fin_from_client
    if fin is not None and fin > call.packet:
        if flow.fin_from_server is not None and flow.fin_from_server < fin:
            return None
    elif reset is None or not reset.from_client:
        return None
    if (flow.last_data_packet or 0) > call.packet and flow.last_data_ns is not None:
        return None  # it went on with something else
    waited = flow.silence.lasted_ns if flow.silence and flow.silence.after_packet >= call.packet else 0
    return _worth(call, waited / 1e9)


def _worth(call: OpenCall, seconds: float) -> tuple[OpenCall, float] | None:
    """The two, unless the client was quick or the call waits by design."""
    said = _name(call).lower()
    if seconds < SHORTEST_S or any(word in said for word in _WAIT_BY_DESIGN):
        return None
    return call, seconds


def _gives_up(near: CaseFlow, call: OpenCall) -> Seen:
    flow = near.flow
    if call.given_up_ns:
        after_s = (call.given_up_ns - call.time_ns) / 1e9
        return Seen(f"the client cancels the call after {after_s:.0f} s", flow.capture, (call.packet,))
    closed = flow.fin_from_client or (flow.reset.packet if flow.reset else flow.last_packet)
    return Seen("the client closes the connection", flow.capture, (closed,))


def _name(call: OpenCall) -> str:
    if call.interface is None:
        return f"operation {call.opnum}"
    name = interface_name(call.interface.uuid, call.interface.version) or call.interface.uuid
    return f"{name}.{operation_name(call.interface.uuid, call.opnum) or f'operation {call.opnum}'}"


RULE = Rule(
    id="call-timed-out",
    cause="H5",
    title="The client gives a slow call up",
    check=check,
    errors=(CANCELLED, TIMED_OUT),
)
