"""The server's own firewall has no rule for the program behind this port.

Looks like: one dynamic port is silent for every client, or the server's firewall logs the drop, while the same clients
reach other dynamic ports of the same server.
Because: the rules of the Windows Firewall are for programs and services; the one for this service is missing or off.
Not this: every dynamic port is silent (dynamic-port-blocked); only ports that a device could not read (port-not-learnt).
Needs: another dynamic port of the server that opens, and two clients that fail alike, or the server's own pfirewall.log
with the drop, which proves it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import ReferralKind

ENOUGH = 2  # clients
_OF_HOSTS = ("windows-firewall", "windows-events", "windows-wfp")  # logs of a host about itself
_MAPPER = frozenset({ReferralKind.EPT_MAP, ReferralKind.EPT_LOOKUP})


def check(case: Case) -> Iterator[Finding]:
    ends: dict[tuple[Address, int], list[Conversation]] = {}
    for conversation in observe.silent_dynamic(case):
        ends.setdefault((conversation.server, conversation.near.flow.server.port), []).append(conversation)
    for (server, port), silent in ends.items():
        clients = dict.fromkeys(one.client for one in silent)
        logged = any(_own_log(case, one) for one in silent)
        reached = {client: _others(case, client, server, port) for client in clients}
        if (len(clients) < ENOUGH and not logged) or any(other is None for other in reached.values()):
            continue
        if any(_opened(one, port) for client in clients for one in case.between(client, server)):
            continue  # it is not for want of a rule
        for conversation in silent:
            other = reached[conversation.client]
            if other is not None:
                yield _finding(case, conversation, other, len(clients))


def _own_log(case: Case, conversation: Conversation) -> bool:
    """Whether a host firewall says that it dropped what came in."""
    return any(
        observe.sure(row) and row.entry.path == "in" and case.logs[row.log].file.format.startswith(_OF_HOSTS)
        for row in case.drops_of(conversation)
    )


def _opened(one: Conversation, port: int) -> bool:
    return one.near.flow.server.port == port and one.near.flow.outcome not in FAILED_TO_OPEN


def _others(case: Case, client: Address, server: Address, port: int) -> Conversation | None:
    """Another dynamic port of the server that this client reaches; None where it fails at another one too."""
    found = None
    for one in case.between(client, server):
        other = one.near.flow.server.port
        if other == port or not observe.is_dynamic(other):
            continue
        if one.near.flow.outcome in FAILED_TO_OPEN:
            return None
        if one.near.flow.syn_ack and found is None:
            found = one
    return found


def _finding(case: Case, conversation: Conversation, other: Conversation, clients: int) -> Finding:
    flow, near = conversation.near.flow, other.near.flow
    referral = case.referral_of(conversation.near)
    drops = case.drops_of(conversation)
    sure = _own_log(case, conversation)
    who = f"; {clients} clients fail at it alike" if clients > 1 else ""
    owner = case.listener(conversation)
    program = f"{owner.name}, the program behind it" if owner is not None else "the program behind it"
    return Finding(
        rule=RULE.id,
        summary=f"{conversation.client} reaches port {near.server.port} of {conversation.server} and not port "
        f"{flow.server.port}{who}: the firewall of {conversation.server} lacks a rule for {program}"
        + (", and logs the drop" if sure else ""),
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN if sure else Confidence.LIKELY,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        referrals=(referral.id,) if referral else (),
        evidence=(
            *observe.handed_out(case, conversation),
            observe.syns(case, conversation),
            observe.silence(conversation),
            *observe.logged(case, drops),
            Seen(
                f"port {near.server.port} of the same server answers", near.capture, (near.syn_ack or near.first_packet,)
            ),
        ),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(
            port=flow.server.port,
            interface=referral.referral.interface if referral else None,
            clsid=referral.referral.clsid if referral else None,
            dynamic=True,
            dcom=bool(referral and referral.referral.kind not in _MAPPER),
            log_rule=observe.rule_of(case, conversation),
            log_format=next((case.logs[row.log].file.format for row in drops), None),
        ),
        next_observation=None
        if sure
        else f"Look for port {flow.server.port} in pfirewall.log of {conversation.server}, or for event 5157 in its Security "
        "log: either says that its own firewall drops it; if neither does, the drop is before it (dynamic-port-blocked).",
    )  # fmt: skip


RULE = Rule(
    id="program-rule-missing",
    cause="F6",
    title="The server's firewall has no rule for this program",
    check=check,
    narrows=("dynamic-port-blocked",),
    errors=(observe.UNAVAILABLE,),
)
