"""What the mapper of a server lists, for the rules that tell why one interface is missing."""

from typing import NamedTuple

from rpcdiag.case import Case, CaseReferral
from rpcdiag.diagnose.finding import Finding, Subject
from rpcdiag.diagnose.once import once
from rpcdiag.flows.flow import TCP
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import ReferralKind, Referred

MAX_SHOWN = 4
NOT_REGISTERED = 0x800706D9


class Entry(NamedTuple):
    """An endpoint that the server told somebody of."""

    told: CaseReferral
    endpoint: Referred


@once
def missing(case: Case) -> list[CaseReferral]:
    """Lookups over TCP that ended without a tower."""
    return [one for one in case.referrals if one.referral.kind is ReferralKind.EPT_MAP and one.referral.status]


@once
def entries(case: Case) -> dict[Address, list[Entry]]:
    """Everything that the mappers of those servers said, to whomever."""
    found: dict[Address, list[Entry]] = {one.teller: [] for one in missing(case)}
    for one in case.referrals:
        if one.referral.kind in (ReferralKind.EPT_MAP, ReferralKind.EPT_LOOKUP) and one.teller in found:
            found[one.teller] += [Entry(one, endpoint) for endpoint in one.referral.endpoints]
    return found


def over_tcp(entry: Entry) -> bool:
    return entry.endpoint.protseq == TCP


def shown(found: list[Entry], what: str) -> Seen:
    """The entries as evidence."""
    first = found[0].told
    texts = ", ".join(dict.fromkeys(f"{one.endpoint.protseq}:{one.endpoint.text}" for one in found[:MAX_SHOWN]))
    packets = dict.fromkeys(one.endpoint.packet for one in found if one.told is first)
    return Seen(f"{what}: {texts}", first.asked_on.flow.capture, tuple(packets)[:8])


def registered_otherwise(rule: str, *, summary: str, referral: CaseReferral, found: list[Entry], what: str) -> Finding:
    """The interface was asked for in vain, and is there in another way: `found`, of which `what` is said."""
    on = referral.asked_on
    return Finding(
        rule=rule,
        summary=summary,
        severity=Severity.ERROR,
        confidence=Confidence.ESTABLISHED,
        client=on.flow.client.address,
        server=on.flow.server.address,
        flows=(on.id, *on.same_as),
        referrals=tuple(dict.fromkeys((referral.id, found[0].told.id))),
        evidence=(asked(referral), shown(found, what)),
        errors=(NOT_REGISTERED,),
        subject=Subject(interface=referral.referral.interface, status=referral.referral.status),
    )


def asked(referral: CaseReferral) -> Seen:
    """The lookup that failed."""
    told = referral.referral
    status = f"{told.status:#010x}" if told.status is not None else "no status"
    packets = tuple(dict.fromkeys(packet for one in told.tries for packet in one[:2]))
    return Seen(f"asked for it over TCP: no tower, status {status}", referral.asked_on.flow.capture, packets)
