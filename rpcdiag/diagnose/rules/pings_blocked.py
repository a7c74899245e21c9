"""The client's pings do not get through any more, and the server gives its objects up.

Looks like: DCOM works; later connections of the client to port 135 stay unanswered or are refused, and after some
minutes calls come back with RPC_E_DISCONNECTED or an unknown OXID.
Because: port 135 was open while all was set up, and was closed since; a server that is not pinged for six minutes lets
go of the client's references.
Not this: a server whose process restarted (exporter-restarted): its references die at once while 135 answers.
Needs: the program from its start to the error: ten minutes and more.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import gone, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import FAILED_TO_OPEN, TcpOutcome
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.model.packets import Address


def check(case: Case) -> Iterator[Finding]:
    pairs: dict[tuple[Address, Address], list[gone.Gone]] = {}
    for one in gone.calls(case):
        flow = one.flow.flow
        pairs.setdefault((flow.client.address, flow.server.address), []).append(one)
    for (client, server), dead in pairs.items():
        last = max(one.time_ns for one in dead)
        pings = [one for one in case.between(client, server) if observe.is_mapper(one)]
        failed = [one for one in pings if _in_vain(case, one) and one.near.flow.start_ns <= last]
        if not failed:
            continue
        latest = failed[-1].near.flow.start_ns
        opened = [one for one in pings if one.near.flow.outcome not in FAILED_TO_OPEN]
        if any(latest < one.near.flow.start_ns <= last for one in opened):
            continue
        yield _finding(case, failed, [one for one in opened if one.near.flow.start_ns < latest], dead)


def _in_vain(case: Case, one: Conversation) -> bool:
    outcome = one.near.flow.outcome
    return outcome in FAILED_TO_OPEN and (outcome is not TcpOutcome.UNANSWERED or observe.silent_long_enough(case, one))


def _finding(case: Case, failed: list[Conversation], opened: list[Conversation], dead: list[gone.Gone]) -> Finding:
    first = failed[0]
    silent = first.near.flow.outcome is TcpOutcome.UNANSWERED
    before = [
        Seen("port 135 answered before", one.near.flow.capture, (one.near.flow.syn_ack or one.near.flow.first_packet,))
        for one in opened[:1]
    ]
    return Finding(
        rule=RULE.id,
        summary=f"{first.client} cannot reach port 135 of {first.server} any more to ping its objects, and "
        f"{first.server} has given them up",
        severity=Severity.ERROR,
        confidence=observe.surer(case, first, Confidence.ESTABLISHED if before else Confidence.LIKELY),
        client=first.client,
        server=first.server,
        flows=tuple(dict.fromkeys((*(id for one in failed for id in one.ids), *(one.flow.id for one in dead)))),
        referrals=tuple(dict.fromkeys(one.referral for one in dead if one.referral)),
        evidence=(
            *before,
            observe.syns(case, first),
            *([observe.silence(first)] if silent else observe.refuser(case, first)[1]),
            *observe.logged(case, case.drops_of(first)),
            *(one.seen for one in dead[:3]),
        ),
        errors=tuple(dict.fromkeys((gone.DISCONNECTED, *(one.code for one in dead)))),
        subject=Subject(port=first.near.flow.server.port, dcom=True, status=dead[0].code,
                        log_rule=observe.rule_of(case, first)),
        next_observation=None if before else f"Was port 135 of {first.server} ever open for {first.client}? Capture from "
        "the start of the program until the error, or look for the drops in the firewall's log.",
    )  # fmt: skip


RULE = Rule(
    id="pings-blocked",
    cause="D4",
    title="The client's pings are blocked",
    check=check,
    explains=("exporter-restarted",),
    rivals=("mapper-blocked", "mapper-rejected", "mapper-closed"),
    errors=(gone.DISCONNECTED,),
)
