"""An answer names an address that the client cannot reach.

Looks like: the lookup, activation or resolution succeeds; its towers or bindings name another address than the one
the client asked, or a host name that name services turn into one, and the client's attempts there fail. No address that it names works. The same for a server that a
client hands an object of its own: its attempts to go where the reference points fail.
Because: address translation, a second network card, a VPN or container address of the server.
Not this: a server with several addresses one of which was used with success; 0.0.0.0, which means "the same host".
Needs: the answer with its addresses in clear, and the client's attempts within two minutes of it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseName, CaseReferral, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Direction, Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import ReferralKind
from rpcdiag.track.surroundings import same_host

WITHIN_NS = 120_000_000_000
_MAPPER = frozenset({ReferralKind.EPT_MAP, ReferralKind.EPT_LOOKUP})


def check(case: Case) -> Iterator[Finding]:
    for referral in (*case.referrals, *case.resolvers):
        foreign = _foreign(case, referral)
        if not foreign:
            continue
        attempts = _attempts(case, referral, foreign)
        tries = [one for one in attempts if one.server in foreign and _aims(referral, one)]
        if tries and not any(_worked(referral, one, foreign) for one in attempts) and all(map(_failed, tries)):
            yield _finding(case, referral, tries)


def _resolved(case: Case, referral: CaseReferral) -> list[CaseName]:
    """Answers of name services to who was told, about the host names that it was told."""
    hosts = {endpoint.host for endpoint in referral.referral.endpoints if endpoint.address is None and endpoint.host}
    if not hosts:
        return []
    return [
        one
        for one in case.names
        if one.fact.client == referral.told and any(same_host(host, one.fact.name) for host in hosts)
    ]


def _foreign(case: Case, referral: CaseReferral) -> set[Address]:
    """Addresses that it names, also by host name, other than that of who told."""
    addresses: set[Address | None] = {endpoint.address for endpoint in referral.referral.endpoints}
    resolved = {address for one in _resolved(case, referral) for address in one.fact.addresses}
    if referral.teller not in resolved:  # a host with several addresses, of which one was used
        addresses |= resolved
    return {
        address
        for address in addresses
        if address is not None and not address.is_unspecified and address != referral.teller
    }


def _attempts(case: Case, referral: CaseReferral, foreign: set[Address]) -> list[Conversation]:
    """What was opened after the answer, by who was told."""
    return [
        one
        for address in sorted({*foreign, referral.teller}, key=lambda one: (one.version, int(one)))
        for one in case.between(referral.told, address)
        if 0 <= one.near.flow.start_ns - referral.referral.response_ns <= WITHIN_NS
    ]


def _failed(one: Conversation) -> bool:
    return one.near.flow.outcome in FAILED_TO_OPEN


def _aims(referral: CaseReferral, one: Conversation) -> bool:
    """Whether a connection goes where it points; who was given an object may go to port 135 first."""
    return one.near.flow.server.port in _ports(referral) or referral.referral.kind not in _MAPPER


def _ports(referral: CaseReferral) -> set[int]:
    return {one.port for one in referral.referral.endpoints if one.port is not None and one.protseq == "ncacn_ip_tcp"}


def _worked(referral: CaseReferral, one: Conversation, foreign: set[Address]) -> bool:
    """Whether it is one of the addresses that was used with success."""
    if _failed(one):
        return False
    port = one.near.flow.server.port
    return one.server in foreign or port in _ports(referral) or (not _ports(referral) and observe.is_dynamic(port))


def _translated(case: Case, referral: CaseReferral) -> list[Evidence]:
    """Floor 5 of the tower that the client asked with: the address that it knows the server by."""
    for one in case.told.get((referral.told, referral.teller), ()):
        known = one.referral.asked_address
        if known is not None and known != one.teller:
            says = f"the client knows {one.teller} as {known}: something between them translates addresses"
            return [Seen(says, one.asked_on.flow.capture, (one.referral.request_packet,))]
    return []


def _finding(case: Case, referral: CaseReferral, tries: list[Conversation]) -> Finding:
    told, asked = referral.referral, referral.asked_on.flow
    first = tries[0]
    texts = ", ".join(endpoint.text for endpoint in told.endpoints[:4])
    what = "the interface" if told.kind in _MAPPER else "its object"
    names = "reference" if told.kind is ReferralKind.OBJECT_REFERENCE else "answer"
    return Finding(
        rule=RULE.id,
        summary=f"{referral.teller} says that {what} is at {first.server}, which {referral.told} cannot reach",
        severity=Severity.ERROR,
        confidence=observe.surer(case, first, Confidence.ESTABLISHED),
        client=asked.client.address,
        server=asked.server.address,
        direction=Direction.SERVER_TO_CLIENT if told.by_client else Direction.CLIENT_TO_SERVER,
        flows=tuple(dict.fromkeys(id for one in tries for id in one.ids)),
        referrals=(referral.id,) if referral.id else (),
        evidence=(
            Seen(
                f"the {names} names {texts}", asked.capture,
                tuple(dict.fromkeys((told.request_packet, told.response_packet))),
            ),
            *_translated(case, referral),
            *(
                Seen(f"the name {one.fact.name} becomes {first.server}", one.capture, (one.fact.packet,))
                for one in _resolved(case, referral)
                if first.server in one.fact.addresses
            ),
            observe.syns(case, first),
            *(observe.refuser(case, first)[1] if first.near.flow.outcome != "unanswered" else [observe.silence(first)]),
        ),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(port=first.near.flow.server.port, dcom=told.kind not in _MAPPER, clsid=told.clsid),
    )  # fmt: skip


RULE = Rule(
    id="binding-unreachable",
    cause="N4",
    title="DCOM names an address that the client cannot reach",
    check=check,
    explains=("mapper-blocked", "mapper-rejected", "mapper-closed", "dynamic-port-blocked", "dynamic-port-rejected",
              "dynamic-port-closed", "host-unreachable"),
    errors=(observe.UNAVAILABLE,),
)  # fmt: skip
