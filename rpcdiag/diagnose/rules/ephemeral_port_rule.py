"""The port is dynamic: a firewall rule for its number would break at the next restart.

Looks like: a blocked port was handed out by the mapper or by DCOM, out of the dynamic range.
Because: Windows gives the service another one when it starts again, so the rule that cures today's drop is tomorrow's
mystery. Opening 1025-65535 instead opens everything.
Not this: a fixed endpoint, which may be opened by its number.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address

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
            Seen(f"port {port} was handed out on request", capture, (referral.referral.response_packet,)),
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


RULE = Rule(id="ephemeral-port-rule", cause="F6", title="A rule for this port number would not last", check=check)
