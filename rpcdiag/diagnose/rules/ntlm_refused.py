"""NTLM is refused by policy, whoever it is that logs on.

Looks like: STATUS_NTLM_BLOCKED in a session setup of SMB or in the extended error of a fault; or bind_nak 9 to the very
first token of NTLM, which holds no password yet.
Because: NTLM is restricted (Restrict NTLM, incoming or in this domain; Server 2025 and Windows 11 24H2 without NTLMv1),
and the client had no Kerberos: it called an address instead of a name, or the name has no account.
Not this: a refusal after the third token (bad-credentials).
Needs: the logon from its first token on, of SMB as well (port 445). Event 4625 with 0xC0000418 for that connection proves it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import failed_logons, logon, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.track.logons import Logon

BLOCKED = logon.NTLM_BLOCKED


def check(case: Case) -> Iterator[Finding]:
    by_flow: dict[str, Logon] = {one.flow: one.logon for one in case.logons if one.flow is not None}
    told = {one.conversation.near.id: one for one in failed_logons.refused(case) if one.told.code == BLOCKED}
    for conversation in case.unsettled:
        seen, sure = _on(conversation, by_flow.get(conversation.near.id))
        known = told.get(conversation.near.id)
        if known is not None:
            evidence = (*(seen or known.seen), *known.told.evidence)
            yield _finding(conversation, evidence, Confidence.PROVEN if seen else known.told.confidence)
        elif seen:
            yield _finding(conversation, tuple(seen), Confidence.ESTABLISHED if sure else Confidence.LIKELY)
    good = {session.ends for session in case.sessions if any(setup.status == 0 for setup in session.said.setups)}
    for session in case.sessions:
        if session.ends in good:
            continue
        for setup in session.said.setups:
            if setup.status != BLOCKED or setup.response_packet is None:
                continue
            client, server = session.ends
            evidence = Seen(
                "the session setup of SMB is answered by STATUS_NTLM_BLOCKED", session.flow.capture,
                (setup.request_packet, setup.response_packet),
            )  # fmt: skip
            yield Finding(
                rule=RULE.id,
                summary=f"{server} takes no NTLM, and {client} has nothing else",
                severity=Severity.ERROR,
                confidence=Confidence.ESTABLISHED,
                client=client,
                server=server,
                flows=tuple(dict.fromkeys(session.pipes.values())),
                evidence=(evidence,),
                errors=(BLOCKED, 0x80070005),
                subject=Subject(port=session.flow.server.port, status=BLOCKED),
                next_observation=_next(str(server)),
            )


def _on(conversation: Conversation, told: Logon | None) -> tuple[list[Seen], bool]:
    near = conversation.near
    rpc = near.rpc
    if rpc is None:
        return [], False
    answers = [(fault.packet, fault.extended) for fault in rpc.faults]
    answers += [(bind.answer_packet, bind.extended) for bind in rpc.binds if bind.answer_packet is not None]
    said = [
        seen
        for packet, records in answers
        if any(record.status == BLOCKED for record in records)
        for seen in observe.said_more(records, conversation.server, near.flow.capture, packet)
    ]
    if said:
        return said, True
    first_only = told is not None and told.mechanism == "ntlm" and not (told.user or told.server_name or told.anonymous)
    naks = [bind for bind in rpc.binds if bind.answer == "nak" and bind.nak_reason == logon.REJECTED_TOKEN]
    if not naks or not first_only:
        return [], False
    packets = tuple(packet for bind in naks for packet in (bind.packet, bind.answer_packet) if packet)
    says = "bind_nak 9 answers the first token of NTLM: no password was sent yet that could be wrong"
    return [Seen(says, near.flow.capture, packets[:8])], False


def _finding(conversation: Conversation, evidence: tuple[Evidence, ...], confidence: Confidence) -> Finding:
    return Finding(
        rule=RULE.id,
        summary=f"{conversation.server} takes no NTLM, and {conversation.client} has nothing else",
        severity=Severity.ERROR,
        confidence=confidence,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=evidence,
        errors=(BLOCKED, 0x80070005),
        subject=Subject(
            port=conversation.near.flow.server.port, status=BLOCKED if confidence is not Confidence.LIKELY else None
        ),
        next_observation=None if confidence is Confidence.PROVEN else _next(str(conversation.server)),
    )


def _next(server: str) -> str:
    return (
        f"Log Microsoft-Windows-NTLM/Operational of {server}: event 4002 (blocked there) or 4003 (blocked in the domain), "
        "4001 on the client (blocked on the way out); none of them says that it was the token."
    )


RULE = Rule(
    id="ntlm-refused",
    cause="P9",
    title="NTLM is refused by policy",
    check=check,
    rivals=("bad-credentials", "access-denied"),
    errors=(BLOCKED, 0x80070005),
)
