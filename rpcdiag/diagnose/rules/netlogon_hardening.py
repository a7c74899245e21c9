"""A hardened domain controller refuses a secure channel that is only signed, or nobody's.

Looks like: calls of Netlogon that are signed and not sealed (provider 0x44, level 5), or made by nobody in particular,
are refused with fault 5.
Because: since 2023 controllers demand sealing (CVE-2022-38023, and CVE-2020-1472 before it); since July 2025 they answer
anonymous questions for a controller's location no more (CVE-2025-49716, KB5066014).
Not this: sealed calls that are refused (access-denied).
Needs: the refused call and the level of its bind; an answer at a higher level makes it known. Netlogon's event 5827 of the
controller, with the client's name, proves it.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import levels
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.diagnose.host_events import CLOSE_NS, HostEvents, as_evidence
from rpcdiag.diagnose.writers import Writers
from rpcdiag.dissect.interfaces import operation_name
from rpcdiag.model.evidence import Confidence, Logged

ACCESS_DENIED = 0x80070005
DENIED_CHANNEL = 5827
NETLOGON = "12345678-1234-abcd-ef00-01234567cffb"
_MAKES_CHANNEL = frozenset({4, 5, 15, 26})  # NetrServerReqChallenge, NetrServerAuthenticate, 2 and 3. [MS-NRPC] 3.5.4.4


def check(case: Case) -> Iterator[Finding]:
    known = levels.Higher.of(case)
    for one in levels.refused(case):
        if one.interface.uuid != NETLOGON or one.level >= levels.PRIVACY:
            continue
        client, server = one.conversation.client, one.conversation.server
        higher = known.than(one)
        anonymous = one.level <= levels.NONE
        call = next((operation_name(NETLOGON, opnum) for opnum in one.opnums if opnum is not None), None) or "a call"
        if anonymous and not _MAKES_CHANNEL.isdisjoint(one.opnums):
            what, since = f"asks for a secure channel ({call})", "CVE-2020-1472"
            look = "events 5827 and 5828 (refused), 5829 (let through) of Netlogon name the account"
        elif anonymous:
            what, since = f"asks {call} without a logon", "CVE-2025-49716"
            look = (
                "the mode that KB5066014 lets an administrator set, and what Netlogon logs of refused anonymous calls"
            )
        else:
            what, since = f"calls {call} signed ({one.level_name}), not sealed", "CVE-2022-38023"
            look = "events 5838 and 5839 of Netlogon (signing instead of sealing) name the account; 5840 and 5841 are of RC4"
        found = one.finding(
            RULE.id,
            summary=f"{client} {what}; the domain controller {server} refuses that ({since})",
            errors=(ACCESS_DENIED,),
            next_observation=f"System log of {server}: {look}.",
            higher=bool(higher),
        )
        logged = _logged(case, one) if case.statements else ()
        if logged:
            found = found._replace(
                confidence=Confidence.PROVEN, evidence=(*found.evidence, *logged), next_observation=None
            )
        yield found


def _logged(case: Case, one: levels.Refused) -> tuple[Logged, ...]:
    """The controller's events that it denied this computer a secure channel."""
    client, server, writers = one.conversation.client, one.conversation.server, Writers.of(case)
    return as_evidence([
        event
        for event in HostEvents.of(case).between({DENIED_CHANNEL}, one.last_ns - CLOSE_NS, one.last_ns + CLOSE_NS)
        if event.workstation and writers.is_called(client, event.workstation.rstrip("$"))
        and writers.is_by(event, server) is not False
    ])  # fmt: skip


RULE = Rule(
    id="netlogon-hardening",
    cause="P3",
    title="The Netlogon channel is weaker than the domain controller accepts",
    check=check,
    explains=("access-denied", "level-too-low", "rpc-filter"),
    errors=(ACCESS_DENIED,),
)
