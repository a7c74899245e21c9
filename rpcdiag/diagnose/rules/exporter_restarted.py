"""The process that held the object is gone, or has started anew: the client's references are stale.

Looks like: calls on objects that worked come back with RPC_E_DISCONNECTED, RPC_E_INVALID_IPID or an unknown OXID, at
once, while the network and port 135 work.
Because: the server's program crashed, was restarted, or let go of the object.
Not this: pings that were lost for minutes before (pings-blocked).
Needs: the call that fails; a new activation that leads to another port makes it known.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import gone
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.track.facts import ReferralKind


def check(case: Case) -> Iterator[Finding]:
    for one in gone.calls(case):
        moved = _moved(case, one)
        flow = one.flow.flow
        yield Finding(
            rule=RULE.id,
            summary=f"{flow.server.address} does not know the object any more that {flow.client.address} calls: its "
            "process has gone or started anew",
            severity=Severity.ERROR,
            confidence=Confidence.ESTABLISHED if moved else Confidence.LIKELY,
            client=flow.client.address,
            server=flow.server.address,
            flows=(one.flow.id, *one.flow.same_as),
            referrals=(one.referral,) if one.referral else (),
            evidence=(one.seen, *([moved] if moved else [])),
            errors=(one.code,),
            subject=Subject(port=flow.server.port, dcom=True, status=one.code),
            next_observation=None
            if moved
            else f"When did the process start? On {flow.server.address} compare its start time with that of the error, "
            "and look for event 1000 (Application) and 7031 (System) at that second.",
        )


def _moved(case: Case, one: gone.Gone) -> Evidence | None:
    """A later activation that leads to another port than the calls went to."""
    flow = one.flow.flow
    origin = case.referral_of(one.flow)
    for other in case.told.get((flow.client.address, flow.server.address), ()):
        told = other.referral
        ports = {end.port for end in told.endpoints if end.port}
        if told.kind is not ReferralKind.ACTIVATION or told.response_ns < one.time_ns or not ports:
            continue
        if origin is not None and origin.referral.clsid == told.clsid and flow.server.port not in ports:
            says = f"activated anew, the class is at port {min(ports)}"
            return Seen(says, other.asked_on.flow.capture, (told.request_packet, told.response_packet))
    return None


RULE = Rule(
    id="exporter-restarted",
    cause="D5",
    title="The object is gone from the server",
    check=check,
    errors=(gone.DISCONNECTED,),
)
