"""The server handed out a dynamic port and nothing answers there.

Looks like: ept_map, an activation or an OXID resolution succeeds; SYNs to the port it named stay unanswered.
Because: something in between, or the server's own firewall, passes port 135 but not the dynamic range.
Not this: a RST (closed or rejected, not dropped); an event of the server that its packets met no socket; a capture that ends before the client's retries do.
Needs: the answer that named the port (else it is only possible), and a SYN that was repeated, or 3 s of silence after
it. A log that shows the drop proves it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral, Conversation, LogRow
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import UDP, TcpOutcome
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Fate
from rpcdiag.track.origin import OriginKind

_SURE = {
    OriginKind.EPT_MAP: Confidence.ESTABLISHED,
    OriginKind.EPT_LOOKUP: Confidence.ESTABLISHED,
    OriginKind.ACTIVATION: Confidence.ESTABLISHED,
    OriginKind.RESOLVE_OXID: Confidence.ESTABLISHED,
    OriginKind.INFERRED: Confidence.LIKELY,
    OriginKind.OTHER_CLIENT: Confidence.LIKELY,
}

_Refused = dict[tuple[Address, Address, int | None], list[LogRow]]


def check(case: Case) -> Iterator[Finding]:
    for conversation in observe.failed(case, TcpOutcome.UNANSWERED):
        if observe.is_mapper(conversation) or not observe.silent_long_enough(case, conversation):
            continue
        if observe.nobody_listens(case, conversation):
            continue  # dynamic-port-closed
        if conversation.near.origin.kind is OriginKind.WELL_KNOWN or _address_is_wrong(case, conversation):
            continue
        yield _silent(case, conversation)
    for conversation in case.conversations:
        if conversation.near.flow.transport == UDP and _calls_in_vain(case, conversation):
            yield _silent(case, conversation)
    refused = _refused_on_the_way_out(case)
    for referral in case.referrals if refused else ():
        rows = [] if referral.flows else _never_sent(refused, referral)
        if rows:
            yield _held_back(case, referral, rows)


def _calls_in_vain(case: Case, conversation: Conversation) -> bool:
    """Whether calls over UDP to a port that the mapper named get nothing at all; a client asks again after a second."""
    flow, rpc = conversation.near.flow, conversation.near.rpc
    return (
        flow.outcome is TcpOutcome.UNANSWERED
        and rpc is not None
        and rpc.fates[Fate.UNANSWERED] > 0  # others want no answer
        and not observe.is_mapper(conversation)
        and case.referral_of(conversation.near) is not None
        and flow.watched_ns >= observe.ANSWER_PATIENCE_NS
        and not _address_is_wrong(case, conversation)
    )


def _address_is_wrong(case: Case, conversation: Conversation) -> bool:
    """An address other than the server's that asked it there is another cause (binding-unreachable)."""
    referral = case.referral_of(conversation.near)
    return referral is not None and referral.teller != conversation.server


def _silent(case: Case, conversation: Conversation) -> Finding:
    near = conversation.near
    port = near.flow.server.port
    referral = case.referral_of(near)
    beyond = observe.not_seen_beyond(case, conversation)
    drops = case.drops_of(conversation)
    known = _SURE.get(near.origin.kind, Confidence.LIKELY if beyond else Confidence.POSSIBLE)
    confidence = observe.surer(case, conversation, known)
    let_in = observe.let_in(case, conversation)
    if let_in:
        confidence = confidence.at_most_likely
    told = referral is not None and near.origin.kind is not OriginKind.INFERRED
    sent = f"was sent to port {port} of" if told else f"asks for port {port} of"
    where = " (dropped between the two capture points)" if beyond and not drops else ""
    by = observe.rule_of(case, conversation)
    return Finding(
        rule=RULE.id,
        summary=f"{conversation.client} {sent} {conversation.server} and never got an answer{where}"
        + (": the firewall log shows the drop" if drops else "")
        + (f" by {by}" if drops and by else "")
        + (": its own firewall lets the connection in" if let_in else ""),
        severity=observe.severity_of(case, conversation),
        confidence=confidence,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        referrals=(referral.id,) if referral else (),
        evidence=(
            *observe.handed_out(case, conversation),
            *observe.from_cache(case, conversation),
            observe.syns(case, conversation),
            observe.silence(conversation),
            *beyond,
            *observe.logged(case, drops, conversation),
            *observe.let_through(case, conversation),
            *observe.not_dropped_by(case, conversation),
            *observe.stated(case, observe.UNREACHED, conversation.server, conversation),
            *observe.falls_back(case, conversation),
        ),
        errors=(observe.UNAVAILABLE,),
        subject=_subject(case, conversation, referral),
        next_observation=None
        if confidence in (Confidence.PROVEN, Confidence.ESTABLISHED) and (drops or beyond)
        else observe.way_back(conversation)
        if let_in
        else f"Which firewall? Look for port {port} in the drop log of {conversation.server} "
        "(pfirewall.log; dropped packets are logged only where that is switched on), and capture on "
        f"{conversation.server}: SYNs that arrive there are dropped by its own firewall, the others before it.",
    )


def _subject(case: Case, conversation: Conversation, referral: CaseReferral | None) -> Subject:
    return Subject(
        port=conversation.near.flow.server.port,
        interface=referral.referral.interface if referral else None,
        clsid=referral.referral.clsid if referral else None,
        dynamic=True,
        dcom=bool(referral and referral.referral.kind in ("activation", "resolve_oxid", "object_reference")),
        log_rule=observe.rule_of(case, conversation),
        log_format=next((case.logs[row.log].file.format for row in case.drops_of(conversation)), None),
    )


def _refused_on_the_way_out(case: Case) -> _Refused:
    """Drops of outgoing packets, by their ends: those packets never reached the wire."""
    found: _Refused = {}
    for log in case.logs:
        for position, entry in enumerate(log.file.entries):
            if entry.drops and entry.path == "out" and entry.source and entry.destination:
                row = LogRow(log.number, position, entry, "D", "no packet to match")
                found.setdefault((entry.source, entry.destination, entry.destination_port), []).append(row)
    return found


def _never_sent(refused: _Refused, referral: CaseReferral) -> list[LogRow]:
    """Those of them that wanted to go where the referral points."""
    ports = {endpoint.port for endpoint in referral.referral.endpoints if endpoint.protseq == "ncacn_ip_tcp"}
    return [
        row
        for port in sorted(port for port in ports if port is not None)
        for row in refused.get((referral.told, referral.teller, port), ())
    ]


def _held_back(case: Case, referral: CaseReferral, rows: list[LogRow]) -> Finding:
    asked = referral.asked_on.flow
    port = rows[0].entry.destination_port
    capture = case.captures[asked.capture]
    waited = max(0, (capture.last_ns or 0) - referral.referral.response_ns)
    response = referral.referral.response_packet
    return Finding(
        rule=RULE.id,
        summary=f"{asked.client.address} was sent to port {port} of {asked.server.address}; its own firewall "
        "refuses the outgoing connection",
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        client=asked.client.address,
        server=asked.server.address,
        flows=(referral.asked_on.id,),
        referrals=(referral.id,),
        evidence=(
            Seen(f"{asked.server.address} names port {port}", asked.capture, (response,)),
            Missing(f"no SYN to port {port} follows", asked.capture, response, waited),
            *observe.logged(case, rows),
        ),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(port=port, interface=referral.referral.interface, dynamic=True, local_host=True),
        next_observation=f"Event 5157 in the Security log of {asked.client.address} at that second names the program and the "
        "filter; capture on that host inside the stack (pktmon) to see the SYN that the wire does not.",
    )


RULE = Rule(
    id="dynamic-port-blocked",
    cause="F1",
    title="A dynamic RPC port is blocked",
    check=check,
    errors=(observe.UNAVAILABLE,),
)
