"""The opening that a firewall made for a port has closed again.

Looks like: the client reached the port before; later, without a new lookup, its SYNs to the same port stay silent. A
new lookup that names the same port opens it again.
Because: the device that reads the mapper's answers opens the port for a time (60 or 120 s are usual), and the client
remembers it for longer.
Not this: a session that was idle and died (idle-dropped), which is no new SYN; a service that moved (stale-endpoint).
Needs: the connection that worked before, and those that failed; a later lookup after which it works makes it known.
"""

from bisect import bisect_left
from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address

_Ends = tuple[Address, Address, int]


def check(case: Case) -> Iterator[Finding]:
    opened = _opened(case) if case.failed else {}
    for conversation in observe.silent_dynamic(case):
        before = _before(opened, conversation)
        if before is None:
            continue
        start = conversation.near.flow.start_ns
        since = before.near.flow.start_ns + 1
        if observe.unread_lookup(case, conversation.client, conversation.server, since, start):
            continue  # it may have been named anew
        lookups = [
            one
            for one in case.told.get((conversation.client, conversation.server), ())
            if one.referral.response_ns > before.near.flow.start_ns and not one.referral.by_client
        ]
        if any(one.referral.response_ns <= start and _names(one, conversation) for one in lookups):
            continue
        later = [one for one in lookups if one.referral.response_ns > start]
        if later and not any(_names(one, conversation) for one in later):
            continue  # the service may have moved
        yield _finding(case, conversation, before, later)


def _opened(case: Case) -> dict[_Ends, list[Conversation]]:
    """The connections that opened, by their hosts and port, in time."""
    found: dict[_Ends, list[Conversation]] = {}
    for one in case.conversations:
        if one.near.flow.syn_ack:
            found.setdefault((one.client, one.server, one.near.flow.server.port), []).append(one)
    return found


def _start(one: Conversation) -> int:
    return one.near.flow.start_ns


def _before(opened: dict[_Ends, list[Conversation]], conversation: Conversation) -> Conversation | None:
    """The last connection to the same port that opened before."""
    flow = conversation.near.flow
    found = opened.get((conversation.client, conversation.server, flow.server.port), [])
    place = bisect_left(found, flow.start_ns, key=_start)
    return found[place - 1] if place else None


def _names(referral: CaseReferral, conversation: Conversation) -> bool:
    port = conversation.near.flow.server.port
    return any(one.port == port for one in referral.referral.endpoints)


def _again(case: Case, conversation: Conversation, later: list[CaseReferral]) -> Conversation | None:
    """The connection to the same port that opened after a new lookup."""
    if not later:
        return None
    flow = conversation.near.flow
    return next(
        (
            one
            for one in case.between(conversation.client, conversation.server)
            if one.near.flow.server.port == flow.server.port
            and one.near.flow.outcome not in FAILED_TO_OPEN
            and one.near.flow.start_ns > later[0].referral.response_ns
        ),
        None,
    )


def _finding(case: Case, conversation: Conversation, before: Conversation, later: list[CaseReferral]) -> Finding:
    flow, near = conversation.near.flow, before.near.flow
    origin = case.referral_of(before.near)
    since = origin.referral.response_ns if origin is not None else near.start_ns
    seconds = (flow.start_ns - since) / 1e9
    again = _again(case, conversation, later)
    evidence: list[Evidence] = [
        *observe.handed_out(case, before),
        Seen(f"port {near.server.port} answers", near.capture, (near.syn_ack or near.first_packet,)),
        observe.syns(case, conversation),
        observe.silence(conversation),
        *observe.not_seen_beyond(case, conversation),
        *observe.logged(case, case.drops_of(conversation)),
    ]
    if again is not None:
        packets = (again.near.flow.syn_ack or again.near.flow.first_packet,)
        evidence.append(Seen("after a new lookup the same port answers again", again.near.flow.capture, packets))
    return Finding(
        rule=RULE.id,
        summary=f"{conversation.client} reached port {flow.server.port} of {conversation.server}; {seconds:.0f} s after it "
        "was told of the port, a new connection to it gets no answer: the opening for it has closed",
        severity=Severity.ERROR,
        confidence=observe.surer(case, conversation, Confidence.ESTABLISHED if again else Confidence.LIKELY),
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        referrals=(origin.id,) if origin is not None else (),
        evidence=tuple(evidence),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(port=flow.server.port, interface=origin.referral.interface if origin else None, dynamic=True,
                        log_rule=observe.rule_of(case, conversation)),
        next_observation=None if again else f"Does the service still listen? 'netstat -ano' on {conversation.server} for port "
        f"{flow.server.port}; if it does, look at the firewall between them for how long it keeps what it learns from "
        "the mapper's answers.",
    )  # fmt: skip


RULE = Rule(
    id="pinhole-expired",
    cause="F5",
    title="The opening for the dynamic port has closed",
    check=check,
    narrows=("dynamic-port-blocked",),
    errors=(observe.UNAVAILABLE,),
)
