"""The last token of the logon never came to the server.

Looks like: the bind is answered with NTLM's challenge; the third token is nowhere in the capture; the first call is
refused (fault 5 or a protocol error) or the connection is reset on it.
Because: something in the path takes the auth3 PDU away, which asks for no answer and so is not missed; or the client's
own security package gave up.
Not this: a third token that is there and is refused (bad-credentials); a capture with gaps.
Needs: the whole logon, without gaps.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import logon
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity
from rpcdiag.track.logons import Logon

CALL_FAILED = 0x800706BE


def check(case: Case) -> Iterator[Finding]:
    by_flow: dict[str, list[Logon]] = {}
    for one in case.logons:
        if one.flow is not None:
            by_flow.setdefault(one.flow, []).append(one.logon)
    for conversation in case.conversations:
        logons = by_flow.get(conversation.near.id, [])
        if len(logons) == 1 and _half(logons[0]):
            yield from _finding(case, conversation, logons[0])


def _half(one: Logon) -> bool:
    """Whether it is one of NTLM that has its challenge and no answer to that."""
    return (
        one.mechanism == "ntlm" and bool(one.server_name) and not (one.user or one.anonymous) and len(one.packets) == 2
    )


def _finding(case: Case, conversation: Conversation, one: Logon) -> Iterator[Finding]:
    near = conversation.near
    rpc = near.rpc
    if rpc is None or rpc.bytes_missing or rpc.bytes_skipped or rpc.damage:
        return
    secured = [bind for bind in rpc.binds if bind.auth_type is not None]
    if len(secured) != 1 or secured[0].answer != "ack" or secured[0].answer_packet is None:
        return
    bind, challenged = secured[0], secured[0].answer_packet
    faults = [
        fault for fault in rpc.faults if fault.status in logon.FAULTS and not fault.after_auth3 and fault.auth_level
    ]
    reset = near.flow.reset if near.flow.outcome is TcpOutcome.RESET and rpc.open_calls else None
    if not faults and reset is None:
        return
    refusal = (
        Seen(f"the call is answered by fault {faults[0].status:#010x}", near.flow.capture,
             tuple(packet for packet in (faults[0].request_packet, faults[0].packet) if packet))
        if faults
        else Seen("the call is answered by RST", near.flow.capture, (reset.packet,) if reset else ())
    )  # fmt: skip
    end_ns = faults[0].time_ns if faults else reset.time_ns if reset else bind.time_ns
    yield Finding(
        rule=RULE.id,
        summary=f"the logon of {conversation.client} at {conversation.server} stops half-way: the answer to the challenge "
        "never came, and the first call is refused",
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=(
            Seen("the bind is answered with NTLM's challenge", near.flow.capture, (bind.packet, challenged)),
            Missing(
                "no third token, in auth3 or alter_context", near.flow.capture, challenged,
                max(0, end_ns - (bind.answer_ns or bind.time_ns)),
            ),
            refusal,
        ),
        errors=(0x80070005, CALL_FAILED),
        subject=Subject(port=near.flow.server.port, interface=bind.contexts[0].interface if bind.contexts else None),
        next_observation=f"Capture on {conversation.client} itself: an auth3 that leaves it and is not in this capture was "
        "taken away on the way; none there means that its own security package gave up (event 4001 of NTLM/Operational).",
    )  # fmt: skip


RULE = Rule(
    id="third-leg-lost",
    cause="P12",
    title="The last token of the logon is missing",
    check=check,
    explains=("server-reset", "reset-by-middlebox"),
    rivals=("access-denied", "bad-credentials"),
    errors=(0x80070005, CALL_FAILED),
)
