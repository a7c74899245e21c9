"""Packets go out one way and come back by another, on which somebody drops them.

Looks like: the server answers the SYN; the answer is seen near the server and never near the client, who asks again. Or,
in one capture, SYN and SYN-ACK are repeated in turn and the client never goes on. Or a log drops the answers, and no SYN.
Because: the way back leads past a stateful firewall that did not see the SYN, or over a route of its own that is cut.
Not this: a SYN that nobody answers (dynamic-port-blocked); packets without a session in a log (non-syn-dropped).
Needs: captures on both sides of the path, or the log of the firewall that drops the answer; from one capture alone it
is no more than likely.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseFlow, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import TCP, TcpOutcome
from rpcdiag.model.evidence import Confidence, Missing, Seen, Severity


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.conversations:
        near, far = conversation.near, conversation.flows[-1]
        if near.flow.transport != TCP or near.flow.carrier is not None:
            continue
        silent = near.flow.outcome is TcpOutcome.UNANSWERED
        if silent and not observe.silent_long_enough(case, conversation):
            continue
        if silent and far is not near and far.flow.syn_ack is not None:
            yield _finding(case, conversation, far, Confidence.ESTABLISHED)
        elif (silent and observe.answers_dropped(case, conversation)) or _never_goes_on(near):
            yield _finding(case, conversation, near, Confidence.LIKELY)


def _never_goes_on(one: CaseFlow) -> bool:
    """Whether the client asks again after it was answered, and never says anything."""
    flow = one.flow
    if flow.syn_ack is None or flow.last_data_packet is not None or flow.client_bytes or flow.server_bytes:
        return False
    if flow.reset is not None and flow.reset.from_client:
        return False  # it does get the answers, and does not want them
    if flow.fin_from_client is not None or flow.fin_from_server is not None:
        return False
    again = [syn for syn in flow.syns if syn.packet > (flow.syn_ack or 0)]
    return len(again) >= 2 and flow.watched_ns >= observe.SYN_PATIENCE_NS


def _finding(case: Case, conversation: Conversation, answered: CaseFlow, confidence: Confidence) -> Finding:
    near, flow = conversation.near.flow, answered.flow
    where = case.point_name(answered) or ("this point" if answered is conversation.near else "the server's side")
    gone = "the SYN-ACK never comes to the client's side"
    if flow.syn_ack is not None and answered is conversation.near:
        gone = "the client never goes on: it does not get the SYN-ACK"
    return Finding(
        rule=RULE.id,
        summary=f"{conversation.server} answers {conversation.client} on port {near.server.port}, and the answer is lost on "
        "the way back",
        severity=Severity.ERROR,
        confidence=observe.surer(case, conversation, confidence),
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=(
            observe.syns(case, conversation),
            *([] if flow.syn_ack is None else [
                Seen(f"the server answers (SYN-ACK), seen at {where}", flow.capture, (flow.syn_ack,)),
            ]),
            Missing(gone, near.capture, near.first_packet, near.watched_ns),
            *observe.logged(case, case.drops_of(conversation), conversation),
        ),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(
            port=near.server.port, dynamic=observe.is_dynamic(near.server.port),
            log_rule=observe.rule_of(case, conversation),
        ),
        next_observation=f"'tracert {conversation.client}' on {conversation.server} and 'tracert {conversation.server}' on "
        f"{conversation.client}: a firewall that is on one of the two ways only drops what it knows nothing of; its log says "
        "so.",
    )  # fmt: skip


RULE = Rule(
    id="asymmetric-path",
    cause="H2",
    title="The answer is lost on the way back",
    check=check,
    rivals=("non-syn-dropped", "dynamic-port-blocked", "mapper-blocked"),
    errors=(observe.UNAVAILABLE,),
)
