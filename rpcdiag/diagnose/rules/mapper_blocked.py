"""Nothing answers on port 135, the endpoint mapper's.

Looks like: SYNs to port 135 (or 593) stay unanswered though the client repeats them.
Because: a firewall between the two, or the server's own, drops them.
Not this: a host that is down, which answers on no port at all; a RST, which is an answer; a capture that ends early.
Needs: a SYN to port 135 that was repeated, or 3 s of silence after it. It is sure where the server answers at another
port; a log that shows the drop proves it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Severity


def check(case: Case) -> Iterator[Finding]:
    for conversation in observe.failed(case, TcpOutcome.UNANSWERED):
        if not observe.is_mapper(conversation) or not observe.silent_long_enough(case, conversation):
            continue
        flow = conversation.near.flow
        alive = observe.alive(case, conversation)
        beyond = observe.not_seen_beyond(case, conversation)
        known = Confidence.ESTABLISHED if alive or beyond else Confidence.LIKELY
        confidence = observe.surer(case, conversation, known)
        let_in = observe.let_in(case, conversation)
        if let_in:
            confidence = confidence.at_most_likely
        yield Finding(
            rule=RULE.id,
            summary=f"{conversation.client} cannot reach the endpoint mapper of {conversation.server}: "
            f"nothing answers on port {flow.server.port}"
            + (", though its own firewall lets the connection in" if let_in else ""),
            severity=Severity.ERROR,
            confidence=confidence,
            client=conversation.client,
            server=conversation.server,
            flows=conversation.ids,
            evidence=(
                observe.syns(case, conversation),
                observe.silence(conversation),
                *beyond,
                *observe.logged(case, case.drops_of(conversation), conversation),
                *observe.let_through(case, conversation),
                *observe.not_dropped_by(case, conversation),
                *observe.stated(case, observe.UNREACHED, conversation.server, conversation),
                *([alive] if alive else []),
            ),
            errors=(observe.UNAVAILABLE,),
            subject=Subject(port=flow.server.port, log_rule=observe.rule_of(case, conversation)),
            next_observation=None
            if confidence in (Confidence.PROVEN, Confidence.ESTABLISHED)
            else observe.way_back(conversation)
            if let_in
            else f"Is {conversation.server} up at all? Capture on {conversation.server} itself: "
            "if the SYNs arrive there, its own firewall drops them; if not, something before it does.",
        )


RULE = Rule(id="mapper-blocked", cause="E1", title="Port 135 is blocked", check=check, errors=(observe.UNAVAILABLE,))
