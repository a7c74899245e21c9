"""The server, or its domain, does not take the user and password.

Looks like: bind_nak for the security token, or the first request after the third leg of NTLM is answered by a fault that
says protocol error or security package error (0x721, as Samba does) instead of a result; the session setup of SMB is refused; the key distribution centre says that the
pre-authentication failed (24) and gives nothing afterwards.
Because: a wrong user or password, or an account that is locked, disabled or expired.
Not this: fault 5 (access-denied), which a wrong password can look like as well; NTLM that is refused whoever it is
(ntlm-refused); a typing error that the user corrects (no finding).
Needs: the logon from its first token on; for Kerberos also port 88. The server's Security log (event 4625) with that address,
port and time, or the domain controller's (4776, 4771), proves it and says which of these it is; behind fault 5 as well.
"""

from collections.abc import Iterator, Sequence

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import failed_logons, logon, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.logon_events import FailedLogons, Told
from rpcdiag.dissect.status import status_name
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.logons import Logon

LOGON_FAILURE = 0x8007052E
_ELSEWHERE = frozenset({logon.NTLM_BLOCKED, failed_logons.TIME_DIFFERENCE})  # ntlm-refused, clock-skew
_FAULTS = {logon.PROTOCOL_ERROR: "nca_proto_error", logon.PACKAGE_ERROR: "RPC_S_SEC_PKG_ERROR"}
_CENTRE = frozenset({18, 23, 24})  # revoked, key expired, pre-authentication failed. [RFC4120] 7.5.9


def check(case: Case) -> Iterator[Finding]:
    told = {one.conversation.near.id: one for one in failed_logons.refused(case)}
    for conversation in case.unsettled:
        seen: list[Evidence] = list(_on(conversation))
        known = told.get(conversation.near.id)
        ends = conversation.client, conversation.server
        if known is not None and known.told.code not in _ELSEWHERE:
            yield _finding(*ends, seen or known.seen, conversation.ids, Confidence.LIKELY, told=known.told)
        elif seen and known is None:
            yield _finding(*ends, seen, conversation.ids, Confidence.LIKELY)
    yield from _in_sessions(case)
    for refusal in logon.refusals(case, frozenset(), lambda fact: fact.code in _CENTRE):
        if not refusal.harmless:
            yield _finding(
                refusal.client, refusal.server, refusal.evidence, refusal.flows, refusal.confidence, refusal.severity
            )


def _on(conversation: Conversation) -> Iterator[Seen]:
    near = conversation.near
    rpc = near.rpc
    if rpc is None:
        return
    found = False
    for bind in rpc.binds:
        if bind.answer == "nak" and bind.nak_reason == logon.REJECTED_TOKEN and bind.answer_packet:
            found = True
            yield Seen("bind_nak: invalid checksum", near.flow.capture, (bind.packet, bind.answer_packet))
    for fault in rpc.faults:
        if fault.after_auth3 and fault.status in _FAULTS:
            found = True
            yield Seen(
                f"the first request after the logon is answered by fault {fault.status:#x} ({_FAULTS[fault.status]})",
                near.flow.capture,
                tuple(packet for packet in (fault.request_packet, fault.packet) if packet),
            )
    for bind in rpc.binds if found else ():
        yield from observe.said_more(bind.extended, conversation.server, near.flow.capture, bind.answer_packet)


def _in_sessions(case: Case) -> Iterator[Finding]:
    """Session setups of SMB that were refused, where no other between the two was accepted."""
    clients, events = logon.Clients.of(case), FailedLogons.of(case)
    logons: dict[tuple[Address, Address], list[Logon]] = {}
    for one in case.logons if events else ():
        if one.over == "smb":
            logons.setdefault((one.client, one.server), []).append(one.logon)
    good = {session.ends for session in case.sessions if any(setup.status == 0 for setup in session.said.setups)}
    named = {(one.client, one.server) for one in case.logons if one.over == "smb" and not _guest(one.logon.user)}
    for session in case.sessions:
        pair = session.ends
        for setup in session.said.setups if pair not in good else ():
            if setup.status not in logon.WRONG or setup.response_packet is None:
                continue
            seen = Seen(
                f"the session setup of SMB is refused: {logon.WRONG[setup.status]} ({setup.status:#010x})",
                session.flow.capture, (setup.request_packet, setup.response_packet),
            )  # fmt: skip
            served = clients.get_on_at(*pair, 0)
            severity = Severity.NOTE if served or pair not in named else Severity.WARNING
            flows = tuple(dict.fromkeys(session.pipes.values()))
            told = events.at((session.flow,), (session.flow.start_ns,), logons.get(pair, ())) if events else None
            if told is not None and told.code in _ELSEWHERE:
                told = None
            yield _finding(*pair, (seen,), flows, Confidence.ESTABLISHED, severity, told)


def _guest(user: str | None) -> bool:
    """Whether it is nobody in particular: clients try that on their own."""
    return not user or user.lower() == "guest"


def _reason(code: int) -> str:
    return logon.REASONS.get(code) or status_name(code) or f"status {code:#010x}"


def _finding(
    client: Address, server: Address, seen: Sequence[Evidence], flows: tuple[str, ...],
    confidence: Confidence, severity: Severity = Severity.ERROR, told: Told | None = None,
) -> Finding:  # fmt: skip
    reason = _reason(told.code) if told is not None else None
    who = f" of {told.user}" if told is not None and told.user else ""
    return Finding(
        rule=RULE.id,
        summary=f"the logon{who} from {client} at {server} fails: {reason}; the network works"
        if reason is not None
        else f"the logon of {client} at {server} fails: the network works",
        severity=severity,
        confidence=confidence if told is None else told.confidence,
        client=client,
        server=server,
        flows=flows,
        evidence=(*seen, *told.evidence) if told is not None else tuple(seen),
        errors=(LOGON_FAILURE, 0x80070005),
        subject=Subject(status=told.code if told is not None else LOGON_FAILURE),
        next_observation=None
        if told is not None
        else f"Event 4625 in the Security log of {server} gives user and reason: sub status 0xC000006A is the "
        "password, 0xC0000064 the user, 0xC0000418 NTLM that is not wanted; 4771 on a domain controller is Kerberos.",
    )


RULE = Rule(
    id="bad-credentials",
    cause="P10",
    title="The logon fails",
    check=check,
    explains=("access-denied",),
    errors=(LOGON_FAILURE,),
)
