"""The logon fails.

Looks like: bind_nak for the security token, or the first request after the third leg of NTLM is answered by a protocol
error fault instead of a result; the session setup of SMB is refused; the key distribution centre says that the
pre-authentication failed (24) and gives nothing afterwards.
Because: a wrong user or password, or an account that is locked, disabled or expired.
Not this: fault 5 (access-denied), which a wrong password can look like as well; NTLM that is refused whoever it is
(ntlm-refused); a typing error that the user corrects (no finding).
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import logon, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Fate

LOGON_FAILURE = 0x8007052E
_CENTRE = frozenset({18, 23, 24})  # revoked, key expired, pre-authentication failed. [RFC4120] 7.5.9


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.unsettled:
        seen = list(_on(conversation))
        if seen:
            yield _finding(conversation.client, conversation.server, seen, conversation.ids, Confidence.LIKELY)
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
        if fault.after_auth3 and fault.status == logon.PROTOCOL_ERROR:
            found = True
            yield Seen(
                "the first request after the logon is answered by fault 0x1c01000b (nca_proto_error)",
                near.flow.capture,
                tuple(packet for packet in (fault.request_packet, fault.packet) if packet),
            )
    for bind in rpc.binds if found else ():
        yield from observe.said_more(bind.extended, conversation.server, near.flow.capture, bind.answer_packet)


def _in_sessions(case: Case) -> Iterator[Finding]:
    """Session setups of SMB that were refused, where no other between the two was accepted."""
    good: set[tuple[Address, Address]] = set()
    bad = []
    for session in case.sessions:
        pair = session.flow.client.address, session.flow.server.address
        for setup in session.said.setups:
            if setup.status == 0:
                good.add(pair)
            elif setup.status in logon.WRONG and setup.response_packet is not None:
                packets = (setup.request_packet, setup.response_packet)
                says = f"the session setup of SMB is refused: {logon.WRONG[setup.status]} ({setup.status:#010x})"
                bad.append((pair, Seen(says, session.flow.capture, packets), tuple(session.pipes.values())))
    for pair, seen, flows in bad:
        if pair not in good:
            served = any(one.near.rpc and one.near.rpc.fates.get(Fate.RESPONSE) for one in case.between(*pair))
            severity = Severity.NOTE if served else Severity.WARNING
            yield _finding(*pair, (seen,), tuple(dict.fromkeys(flows)), Confidence.ESTABLISHED, severity)


def _finding(
    client: Address, server: Address, seen: list[Seen] | tuple[Evidence, ...], flows: tuple[str, ...],
    confidence: Confidence, severity: Severity = Severity.ERROR,
) -> Finding:  # fmt: skip
    return Finding(
        rule=RULE.id,
        summary=f"the logon of {client} at {server} fails: the network works",
        severity=severity,
        confidence=confidence,
        client=client,
        server=server,
        flows=flows,
        evidence=tuple(seen),
        errors=(LOGON_FAILURE, 0x80070005),
        subject=Subject(status=LOGON_FAILURE),
        next_observation=f"Event 4625 in the Security log of {server} gives user and reason: sub status 0xC000006A is the "
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
