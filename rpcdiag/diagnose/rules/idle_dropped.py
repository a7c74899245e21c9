"""A device forgot the connection while it was idle.

Looks like: a long silence, then data or keep-alives that are repeated and never acknowledged, or a RST.
Because: stateful firewalls and load balancers forget idle sessions (240, 350, 900, 1800, 3600 s are usual limits).
Not this: a server that crashed, which answers a new SYN with RST or not at all. Where only keep-alives tell, it is
possible, and likely where the other end is seen to live.
Needs: the connection from before its silence until it fails; one that is near a usual limit is likely, else possible.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity

CALL_FAILED = 0x800706BE
LIMITS_S = (240, 300, 350, 600, 900, 1800, 3600, 7200)


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.conversations:
        flow = conversation.near.flow
        if flow.outcome is not TcpOutcome.IDLE_DROPPED or flow.silence is None or conversation.near.rpc is None:
            continue
        seconds = flow.silence.lasted_ns / 1e9
        limit = next((limit for limit in LIMITS_S if limit <= seconds <= limit * 1.05 + 60), None)
        evidence: list[Evidence] = [
            Seen(f"nothing for {seconds:.0f} s", flow.capture, (flow.silence.after_packet, flow.silence.before_packet))
        ]
        if flow.repeated:
            evidence.append(Seen("then data is repeated, never acknowledged", flow.capture, flow.repeated[:8]))
        if flow.probes:
            meanwhile = "; the other end talks to others meanwhile" if flow.heard else ""
            says = f"then keep-alives, which nobody answers any more{meanwhile}"
            evidence.append(Seen(says, flow.capture, flow.probes[:8]))
        if flow.reset is not None and flow.reset.from_client:
            evidence.append(Seen("the client gives it up (RST)", flow.capture, (flow.reset.packet,)))
        elif flow.reset is not None:
            _, seen, _ = observe.refuser(case, conversation)
            evidence += seen
        yield Finding(
            rule=RULE.id,
            summary=f"the connection of {conversation.client} to {conversation.server} port {flow.server.port} died while "
            f"it was idle for {seconds:.0f} s: a device in the path forgot it",
            severity=Severity.ERROR,
            confidence=Confidence.LIKELY if (flow.heard if flow.probes else limit) else Confidence.POSSIBLE,
            client=conversation.client,
            server=conversation.server,
            flows=conversation.ids,
            evidence=tuple(evidence),
            errors=(CALL_FAILED,),
            subject=Subject(port=flow.server.port),
            next_observation=f"Does a new connection to {conversation.server} work at once? Then the old one was forgotten; "
            "look for its idle time-out on the firewall between them.",
        )


RULE = Rule(
    id="idle-dropped", cause="H1", title="The connection was forgotten while idle", check=check, errors=(CALL_FAILED,)
)
