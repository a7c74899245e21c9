"""The logon fails.

Looks like: bind_nak for the security token, or the first request after the third leg of NTLM is answered by a protocol
error fault instead of a result.
Because: a wrong user or password, or a provider that the server does not have.
Not this: fault 5 (access-denied), which a wrong password can look like as well.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.model.evidence import Confidence, Seen, Severity

LOGON_FAILURE = 0x8007052E
_PROTOCOL_ERROR = 0x1C01000B
_NAKS = {8: "authentication type not recognized", 9: "invalid checksum"}


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.unsettled:
        near = conversation.near
        if near.rpc is None:
            continue
        seen = [
            Seen(f"bind_nak: {_NAKS[bind.nak_reason]}", near.flow.capture, (bind.packet, bind.answer_packet))
            for bind in near.rpc.binds
            if bind.answer == "nak" and bind.nak_reason in _NAKS and bind.answer_packet
        ]
        seen += [
            Seen(
                "the first request after the logon is answered by fault 0x1c01000b (nca_proto_error)",
                near.flow.capture,
                tuple(packet for packet in (fault.request_packet, fault.packet) if packet),
            )
            for fault in near.rpc.faults
            if fault.after_auth3 and fault.status == _PROTOCOL_ERROR
        ]
        for bind in near.rpc.binds if seen else ():
            seen += observe.said_more(bind.extended, conversation.server, near.flow.capture, bind.answer_packet)
        if seen:
            yield Finding(
                rule=RULE.id,
                summary=f"the logon of {conversation.client} at {conversation.server} fails: the network works",
                severity=Severity.ERROR,
                confidence=Confidence.LIKELY,
                client=conversation.client,
                server=conversation.server,
                flows=conversation.ids,
                evidence=tuple(seen),
                errors=(LOGON_FAILURE, 0x80070005),
                next_observation=f"Event 4625 in the Security log of {conversation.server} gives user and reason.",
            )


RULE = Rule(id="bad-credentials", cause="P10", title="The logon fails", check=check, errors=(LOGON_FAILURE,))
