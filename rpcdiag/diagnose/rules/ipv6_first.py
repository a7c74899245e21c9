"""The client tries IPv6 first, in vain, and then IPv4, which works: slow, not broken.

Looks like: SYNs to an IPv6 address of the server stay unanswered; seconds later the same client reaches the same port
of an IPv4 address that belongs to the same name.
Because: the name has an AAAA record, and IPv6 is filtered or not routed.
Not this: a server that answers at neither address (mapper-blocked).
Needs: the name lookup with both addresses, and the attempts over both within a minute.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseName, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address

WITHIN_NS = 60_000_000_000


def check(case: Case) -> Iterator[Finding]:
    names = _names(case)
    for conversation in observe.failed(case, *FAILED_TO_OPEN) if names else ():
        if conversation.server.version != 6:
            continue
        found = _over_ipv4(case, conversation, names)
        if found is not None:
            yield _finding(case, conversation, *found)


def _names(case: Case) -> dict[Address, list[CaseName]]:
    """Answers about names, by the addresses that they give."""
    found: dict[Address, list[CaseName]] = {}
    for one in case.names:
        for address in one.fact.addresses:
            found.setdefault(address, []).append(one)
    return found if any(address.version == 6 for address in found) else {}


def _over_ipv4(
    case: Case, conversation: Conversation, names: dict[Address, list[CaseName]]
) -> tuple[Conversation, CaseName, CaseName] | None:
    """The connection over IPv4 that works instead, and the names that say that both addresses are of one host."""
    flow = conversation.near.flow
    known = {one.fact.name.lower(): one for one in names.get(conversation.server, ())}
    for other in case.conversations:
        near = other.near.flow
        waited = near.start_ns - flow.start_ns
        if near.server.port != flow.server.port or near.outcome in FAILED_TO_OPEN or not 0 < waited <= WITHIN_NS:
            continue
        same = next((one for one in names.get(other.server, ()) if one.fact.name.lower() in known), None)
        if same is not None and other.server.version == 4:
            return other, known[same.fact.name.lower()], same
    return None


def _finding(case: Case, conversation: Conversation, other: Conversation, six: CaseName, four: CaseName) -> Finding:
    flow, near = conversation.near.flow, other.near.flow
    seconds = (near.start_ns - flow.start_ns) / 1e9
    evidence: list[Evidence] = [
        Seen(f"{six.fact.name} is {conversation.server}", six.capture, (six.fact.packet,)),
        Seen(f"and {other.server}", four.capture, (four.fact.packet,)),
        observe.syns(case, conversation),
        *(observe.refuser(case, conversation)[1] or [observe.silence(conversation)]),
        Seen(f"{seconds:.1f} s later {other.server} answers", near.capture, (near.syn_ack or near.first_packet,)),
    ]
    return Finding(
        rule=RULE.id,
        summary=f"{conversation.client} tries {six.fact.name} over IPv6 ({conversation.server}) in vain; over IPv4 it "
        f"works, {seconds:.1f} s later",
        severity=Severity.WARNING,
        confidence=Confidence.ESTABLISHED,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=tuple(evidence),
        subject=Subject(port=flow.server.port),
    )


RULE = Rule(
    id="ipv6-first",
    cause="N6",
    title="IPv6 is tried first and does not get through",
    check=check,
    explains=("mapper-blocked", "mapper-rejected", "mapper-closed", "dynamic-port-blocked", "dynamic-port-rejected",
              "dynamic-port-closed", "host-unreachable"),
)  # fmt: skip
