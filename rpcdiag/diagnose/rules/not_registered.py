"""The mapper does not know the interface.

Looks like: ept_map is answered with no tower and status 0x16c9a0d6, also after the client repeats it authenticated. Or the
opening of a pipe of RPC is answered by STATUS_OBJECT_NAME_NOT_FOUND (a warning).
Because: the service does not run there, does not listen on TCP, or the name led to the wrong host.
Not this: the end of a listing, which carries the same number; a blocked port, which gives no answer.
Needs: the lookup and its answer.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseReferral
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.interfaces import interface_name
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.track.facts import Readable, Referral, ReferralKind

NOT_REGISTERED = 0x800706D9
NO_SUCH_PIPE = 0xC0000034


def check(case: Case) -> Iterator[Finding]:
    yield from _pipes(case)
    for referral in case.referrals:
        told = referral.referral
        if told.kind is not ReferralKind.EPT_MAP or not (told.status or _empty(told)):
            continue
        asked = referral.asked_on.flow
        what = _name(referral)
        used = _used_soon(case, referral)
        if used and not _told_soon(case, referral):
            continue  # it asked again, and the capture lacks the answer
        yield Finding(
            rule=RULE.id,
            summary=f"{asked.server.address} answers, but has no endpoint for {what}: "
            "the service does not run there, or this is the wrong host",
            severity=Severity.WARNING if used else Severity.ERROR,
            confidence=Confidence.ESTABLISHED if told.status else Confidence.LIKELY,
            client=asked.client.address,
            server=asked.server.address,
            flows=(referral.asked_on.id, *referral.asked_on.same_as),
            referrals=(referral.id,),
            evidence=tuple(_evidence(referral, what)),
            errors=(NOT_REGISTERED,),
            subject=Subject(interface=told.interface, status=told.status),
            next_observation=f"Which endpoints does it have? 'portqry -n {asked.server.address} -e 135' lists them: "
            "if other services of the expected role are missing too, the name leads to the wrong host.",
        )


def _pipes(case: Case) -> Iterator[Finding]:
    """Pipes of RPC that the server does not have, and did not open for that client before or later."""
    for session, pipe, packets in observe.pipes_not_opened(case, NO_SUCH_PIPE):
        client, server = session.ends
        yield Finding(
            rule=RULE.id,
            summary=f"{server} has no pipe {pipe.short}: the service behind it does not run there, or listens elsewhere",
            severity=Severity.WARNING,
            confidence=Confidence.LIKELY,
            client=client,
            server=server,
            flows=tuple(dict.fromkeys(session.pipes.values())),
            evidence=(
                Seen(
                    f"the opening of pipe {pipe.short} is answered by STATUS_OBJECT_NAME_NOT_FOUND (0xc0000034)",
                    session.flow.capture, packets,
                ),
            ),
            errors=(observe.UNAVAILABLE,),
            subject=Subject(port=session.flow.server.port, status=NO_SUCH_PIPE),
            next_observation=f"Does the service run on {server}? Some listen on TCP only, as printing does since Windows "
            "11 22H2: then the client asks the mapper.",
        )  # fmt: skip


def _used_soon(case: Case, referral: CaseReferral) -> bool:
    """Whether the client calls that interface of the server shortly afterwards."""
    told = referral.referral
    return any(
        use.interface == told.interface and use.accepted is not False and use.calls > 0
        for one in case.between(referral.told, referral.teller)
        if one.near.rpc is not None and 0 <= one.near.flow.start_ns - told.response_ns <= observe.SHORTLY_NS
        for use in one.near.rpc.interfaces
    )


def _told_soon(case: Case, referral: CaseReferral) -> bool:
    """Whether another answer names it shortly afterwards."""
    told = referral.referral
    return any(
        one.referral.interface == told.interface
        and bool(one.referral.endpoints)
        and 0 <= one.referral.response_ns - told.response_ns <= observe.SHORTLY_NS
        for one in case.told.get((referral.told, referral.teller), ())
    )


def _empty(told: Referral) -> bool:
    """Whether the answer is that all is well, and names nothing."""
    return told.status == 0 and told.readable is Readable.CLEAR and not told.endpoints and not told.continues


def _name(referral: CaseReferral) -> str:
    wanted = referral.referral.interface
    if wanted is None:
        return "the interface asked for"
    name = interface_name(wanted.uuid, wanted.version)
    return f"{name} ({wanted.uuid} v{wanted.version})" if name else f"{wanted.uuid} v{wanted.version}"


def _evidence(referral: CaseReferral, what: str) -> Iterator[Evidence]:
    capture = referral.asked_on.flow.capture
    for number, one in enumerate(referral.referral.tries):
        again = " again, on the same connection," if number else ""
        status = f"{one.status:#010x}" if one.status is not None else "an unreadable status"
        yield Seen(
            f"asked{again} for {what}: no tower, status {status}", capture, (one.request_packet, one.response_packet)
        )


RULE = Rule(
    id="not-registered",
    cause="A1",
    title="The interface is not registered with the mapper",
    check=check,
    errors=(NOT_REGISTERED,),
)
