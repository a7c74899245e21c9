"""The port is dynamic: a firewall rule for its number would break at the next restart.

Looks like: a blocked port was handed out by the mapper or by DCOM, out of the dynamic range. Under a policy: a rule of it
allows such a port by its number, whether or not that is today's.
Because: Windows gives the service another one when it starts again, so the rule that cures today's drop is tomorrow's
mystery. Opening 1025-65535 instead opens everything.
Not this: a fixed endpoint, which may be opened by its number.
Needs: a port that was handed out; or a policy (`--policy`), whose rules are then read too.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.origin import OriginKind

if TYPE_CHECKING:  # loaded only where the policy in force is given
    from rpcdiag.policy.model import Rule as PolicyRule
    from rpcdiag.policy.verdict import Applied

_FIXED = (
    "whether the port is fixed on the server, by a value in its registry or in dcomcnfg, or is another one after the "
    "service's next start"
)
_Places = dict[tuple[Address, Syntax], dict[int, tuple[int, int]]]


def check(case: Case) -> Iterator[Finding]:
    places = _places(case)
    for conversation in observe.failed(case, *FAILED_TO_OPEN):
        port = conversation.near.flow.server.port
        referral = case.referral_of(conversation.near)
        if referral is None or not observe.is_dynamic(port) or port in FIXED_TCP_PORTS:
            continue
        yield _finding(conversation, referral, port, places)


def _finding(conversation: Conversation, referral: CaseReferral, port: int, places: _Places) -> Finding:
    moved = _other_port(places, referral, port)
    inferred = conversation.near.origin.kind is OriginKind.INFERRED
    capture = referral.asked_on.flow.capture
    return Finding(
        rule=RULE.id,
        summary=f"port {port} of {conversation.server} is dynamic: do not write a firewall rule for this number, "
        "it changes when the service restarts",
        severity=Severity.NOTE,
        confidence=Confidence.ESTABLISHED if moved else Confidence.LIKELY,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        referrals=(referral.id,),
        evidence=(
            Seen(
                f"port {port} is inferred from an answer that cannot be read"
                if inferred
                else f"port {port} was handed out on request",
                capture,
                (referral.referral.response_packet,),
            ),
            *([moved] if moved else []),
        ),
        subject=Subject(port=port, interface=referral.referral.interface, dynamic=True),
        next_observation=None
        if moved
        else f"Has the service a fixed port? Restart it and ask again ('portqry -n {conversation.server} -e 135'): another "
        "number shows that the port is dynamic.",
    )


def _places(case: Case) -> _Places:
    """For every interface of every server, the ports it was handed out at, with a capture and packet for each."""
    places: _Places = {}
    for one in case.referrals:
        wanted = one.referral.interface
        if wanted is None:
            continue
        asked = one.asked_on.flow
        known = places.setdefault((one.teller, wanted), {})
        for endpoint in one.referral.endpoints:
            if endpoint.port is not None:
                known.setdefault(endpoint.port, (asked.capture, one.referral.response_packet))
    return places


def _other_port(places: _Places, referral: CaseReferral, port: int) -> Seen | None:
    """The same interface handed out at another port of the same server, and not beside this one."""
    wanted = referral.referral.interface
    together = {endpoint.port for endpoint in referral.referral.endpoints}
    if wanted is None:
        return None
    for other, (capture, packet) in places.get((referral.teller, wanted), {}).items():
        if other != port and other not in together:
            return Seen(f"the same interface at another time: port {other}", capture, (packet,))
    return None


def under(case: Case, applied: "Applied") -> Iterator[Finding]:
    """Rules of the policy that allow a dynamic port by its number."""
    from rpcdiag.diagnose.under_policy import MAX_RULES
    from rpcdiag.policy.review import pins_ephemeral_port

    places = _places(case)
    handed_out = {port for known in places.values() for port in known}
    pinned = [
        (rule, port, position)
        for position, rule in enumerate(applied.policy.rules)
        if (port := pins_ephemeral_port(rule, handed_out)) is not None
    ]
    for rule, port, position in pinned[:MAX_RULES]:
        found = _pinned(case, applied, rule, port, position, places)
        if found is not None:
            yield found


def _pinned(
    case: Case, applied: "Applied", rule: "PolicyRule", port: int, position: int, places: _Places
) -> Finding | None:
    """That the rule will not last; established where the capture has the interface at another port as well."""
    from rpcdiag.diagnose import under_policy

    about = _concerned(case, applied, port, position)
    if about is None:
        return None
    there = about.near.flow.server.port
    moved = _at(places, about.server, there) if there != port and observe.is_dynamic(there) else None
    given = _at(places, about.server, port)
    elsewhere = _moved_from(places, about.server, port)
    seen = [one for one in (given, moved, elsewhere) if one is not None]
    return Finding(
        rule=RULE.id,
        summary=f"rule {under_policy.named(rule)} allows port {port} by its number, but the port is dynamic and changes "
        "when the service restarts: let the rule name the program and service with the port keyword RPC, or fix the port "
        "on the server",
        severity=Severity.WARNING,
        confidence=Confidence.ESTABLISHED if elsewhere else Confidence.LIKELY,
        client=about.client,
        server=about.server,
        flows=about.ids,
        evidence=(under_policy.configured(applied.policy, rule, f"rule {rule.name!r} allows port {port}"), *seen),
        next_observation=None if elsewhere else _FIXED,
        subject=Subject(port=port, dynamic=True),
    )


def _concerned(case: Case, applied: "Applied", port: int, position: int) -> Conversation | None:
    """The conversation with that port, else one that the policy drops at another dynamic port, else any."""
    from rpcdiag.diagnose import under_policy

    dropped = None
    for flow, verdict in applied.verdicts.items():
        one = case.flow(flow)
        if one.flow.server.port == port:
            return case.conversations[one.conversation]
        if dropped is None and verdict.passes is False and observe.is_dynamic(one.flow.server.port):
            dropped = case.conversations[one.conversation]
    return dropped or under_policy.decided_by(case, applied, position) or under_policy.any_seen(case, applied)


def _at(places: _Places, server: Address, port: int) -> Seen | None:
    """An answer that hands the port out."""
    for (teller, _), known in places.items():
        if teller == server and port in known:
            capture, packet = known[port]
            return Seen(f"port {port} was handed out on request", capture, (packet,))
    return None


def _moved_from(places: _Places, server: Address, port: int) -> Seen | None:
    """An answer that names another port for an interface that was at this one."""
    for (teller, _), known in places.items():
        if teller == server and port in known:
            for other, (capture, packet) in known.items():
                if packet != known[port][1]:
                    return Seen(f"the same interface at another time: port {other}", capture, (packet,))
    return None


RULE = Rule(
    id="ephemeral-port-rule", cause="F6", title="A rule for this port number would not last", check=check, under=under
)
