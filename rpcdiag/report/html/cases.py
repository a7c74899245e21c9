"""The cases, as the templates read them: for each pair of hosts the answer, the proof, the cure and the ladder."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.flows.flow import Flow, TcpOutcome
from rpcdiag.model.evidence import Confidence, Configured, Evidence, Logged, Missing, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.policy.verdict import Verdict
from rpcdiag.remedies.remedy import Command, Flip, Remedy
from rpcdiag.report import names
from rpcdiag.report.html import filters
from rpcdiag.report.html.ladder import Ladder, ladder
from rpcdiag.report.html.messages import Kind, Message, messages
from rpcdiag.report.html.scene import Firewall, Pair, firewall, pair_of, time_of_day

MAX_CASES = 50  # that are shown in full
MAX_PLAIN = 10  # of them, without a finding
MAX_PACKETS = 12  # of one piece of evidence
MAX_FLIPS = 12  # of one replay, before and after
MAX_VERDICTS = 12  # of one case
SURE = {
    Confidence.PROVEN: "packets and log agree",
    Confidence.ESTABLISHED: "the packets alone show it",
    Confidence.LIKELY: "it fits best",
    Confidence.POSSIBLE: "it fits, and so may others",
    Confidence.OPEN: "there is not enough to tell",
}
STRENGTH = {level: 5 - place for place, level in enumerate(Confidence)}


class Proof(NamedTuple):
    """A piece of evidence: `packets` of `capture`, or `lines` of `log`."""

    kind: str  # seen, missing, logged, configured
    says: str
    place: str
    packets: tuple[int, ...] = ()
    more: int = 0
    capture: int = 0
    log: int | None = None
    lines: tuple[int, ...] = ()
    filter: str = ""


class Before(NamedTuple):
    """One line of a replay."""

    flow: str
    ends: str
    before: str
    after: str
    why_before: str
    why_after: str
    foreign: bool


class Cure(NamedTuple):
    """A remedy; `first` is False where another finding's remedy is the same."""

    remedy: Remedy
    number: int
    commands: tuple[Command, ...]
    instead: tuple[Command, ...]
    flips: tuple[Before, ...]
    flips_left: int


class Told(NamedTuple):
    """A finding."""

    finding: Finding
    title: str
    cause: str
    sentence: str
    direction: str
    strength: int
    sure: str
    errors: tuple[str, ...]
    proofs: tuple[Proof, ...]
    filter: str


class Ruled(NamedTuple):
    """What the policy does to connections that are alike."""

    flows: str
    ends: str
    word: str
    rule: str
    says: str


class Step(NamedTuple):
    """A row of the ladder, in words."""

    time: str
    message: Message
    says: str


class Shown(NamedTuple):
    """A case."""

    number: int
    pair: Pair
    names: tuple[str, ...]
    worst: str  # error, warning, note, ok, open
    told: tuple[Told, ...]
    cures: tuple[Cure, ...]
    verdicts: tuple[Ruled, ...]
    verdicts_left: int
    device: Firewall | None
    ladder: Ladder | None
    steps: tuple[Step, ...]
    brief: bool  # some of its connections are

    @property
    def id(self) -> str:
        return f"case-{self.number}"


def cases(diagnosis: Diagnosis, called: dict[Address, str]) -> tuple[list[Shown], int]:
    """Those that are shown, the worst first, and how many are not."""
    found: dict[Pair, list[Finding]] = {}
    for finding in diagnosis.findings:
        if finding.severity is not Severity.NOTE:
            found.setdefault(pair_of(finding), []).append(finding)
    for finding in diagnosis.findings:
        if finding.severity is Severity.NOTE:
            found.setdefault(pair_of(finding), []).append(finding)
    plain = [pair for one in diagnosis.case.conversations if (pair := Pair(one.client, one.server)) not in found]
    plain = list(dict.fromkeys(plain))
    wanted = [*list(found)[:MAX_CASES], *plain[: max(0, min(MAX_PLAIN, MAX_CASES - len(found)))]]
    shown = [_shown(diagnosis, number, pair, found.get(pair, []), called) for number, pair in enumerate(wanted, 1)]
    return shown, len(found) + len(plain) - len(wanted)


def _shown(diagnosis: Diagnosis, number: int, pair: Pair, findings: list[Finding], called: dict[Address, str]) -> Shown:
    case = diagnosis.case
    conversations = list(_conversations(case, pair, findings))
    device = firewall(diagnosis, pair, findings, conversations)
    said = messages(diagnosis, pair, findings, conversations)
    ruled = list(_ruled(diagnosis, conversations))
    named = {flow for finding in findings for flow in finding.flows}
    return Shown(
        number=number,
        pair=pair,
        names=tuple(called.get(host, "") for host in pair),
        worst=_worst(case, pair, findings),
        told=tuple(_told(case, finding) for finding in findings),
        cures=tuple(_cures(diagnosis, findings)),
        verdicts=tuple(ruled[:MAX_VERDICTS]),
        verdicts_left=max(0, len(ruled) - MAX_VERDICTS),
        device=device,
        ladder=ladder(number, pair, device, said, called) if said else None,
        brief=bool(named) and any(not named & set(one.ids) for one in conversations),
        steps=tuple(Step(time_of_day(one.time_ns), one, _in_words(one)) for one in said),
    )


def _conversations(case: Case, pair: Pair, findings: Sequence[Finding]) -> Iterator[Conversation]:
    """Those of the pair, and those that its findings speak of: a callback goes the other way."""
    wanted = {one.near.conversation: one for one in case.between(*pair)}
    for finding in findings:
        for id in finding.flows:
            number = case.flow(id).conversation
            wanted[number] = case.conversations[number]
    named = {flow for finding in findings for flow in finding.flows}
    yield from sorted(wanted.values(), key=lambda one: (not named & set(one.ids), one.near.conversation))


def _worst(case: Case, pair: Pair, findings: Sequence[Finding]) -> str:
    if findings:
        return min(findings, key=lambda one: list(Severity).index(one.severity)).severity.value
    well = all(one.near.flow.outcome is TcpOutcome.ESTABLISHED for one in case.between(*pair))
    return "ok" if well else "open"


def _told(case: Case, finding: Finding) -> Told:
    rule = rule_of(finding.rule)
    return Told(
        finding=finding,
        title=rule.title,
        cause=rule.cause,
        sentence=_sentence(finding.summary),
        direction=_direction(finding),
        strength=STRENGTH[finding.confidence],
        sure=SURE[finding.confidence],
        errors=tuple(names.error(error) for error in finding.errors),
        proofs=tuple(_proof(case, one) for one in finding.evidence),
        filter=filters.of_flows(case, finding.flows),
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _direction(finding: Finding) -> str:
    if finding.direction is Direction.SERVER_TO_CLIENT:
        return f"{finding.server} → {finding.client} (the server connects to the client)"
    return f"{finding.client} → {finding.server} (the client connects to the server)"


def _proof(case: Case, evidence: Evidence) -> Proof:
    match evidence:
        case Seen():
            of = _of(case, evidence.capture)
            packets = evidence.packets[:MAX_PACKETS]
            return Proof(
                "seen", evidence.says, of, packets, len(evidence.packets) - len(packets), evidence.capture,
                filter=filters.of_packets(evidence.packets[: 10 * MAX_PACKETS]) if len(evidence.packets) > 1 else "",
            )  # fmt: skip
        case Missing():
            wait = f"nothing followed for {names.duration(evidence.waited_ns)}"
            return Proof(
                "missing",
                evidence.says,
                wait + _of(case, evidence.capture, ", "),
                (evidence.after,),
                0,
                evidence.capture,
            )
        case Logged():
            path = case.logs[evidence.log].file.path if len(case.logs) > 1 else ""
            return Proof("logged", evidence.says, path, log=evidence.log, lines=evidence.lines[:MAX_PACKETS],
                         more=max(0, len(evidence.lines) - MAX_PACKETS))  # fmt: skip
        case Configured():
            lines = f", line{'s' if len(evidence.lines) > 1 else ''} {names.numbers(evidence.lines)}"
            where = (evidence.path or "the policy") + (lines if evidence.lines else "")
            return Proof("configured", evidence.says, where)


def _of(case: Case, capture: int, before: str = "") -> str:
    return f"{before}of {case.captures[capture].path}" if len(case.captures) > 1 else ""


def _cures(diagnosis: Diagnosis, findings: Sequence[Finding]) -> Iterator[Cure]:
    """Each remedy once; those of what is severe come first."""
    known: dict[tuple[str, str, tuple[Command, ...]], None] = {}
    for finding in findings:
        for remedy in diagnosis.remedies[finding.id]:
            key = remedy.id, remedy.where, remedy.commands
            if key in known:
                continue
            known[key] = None
            replay = remedy.replay
            flips = [] if replay is None else [
                *(_before(flip, foreign=False) for flip in replay.flips), *(_before(flip, foreign=True) for flip in replay.foreign),
            ]  # fmt: skip
            yield Cure(
                remedy=remedy,
                number=len(known),
                commands=tuple(one for one in remedy.commands if one.instead is None),
                instead=tuple(one for one in remedy.commands if one.instead is not None),
                flips=tuple(flips[:MAX_FLIPS]),
                flips_left=max(0, len(flips) - MAX_FLIPS),
            )


def _before(flip: Flip, *, foreign: bool) -> Before:
    ends = f"{flip.client} → {flip.server}"
    flow = "another host" if foreign else flip.flow
    return Before(flow, ends, flip.before, flip.after, flip.why_before, flip.why_after, foreign)


def _ruled(diagnosis: Diagnosis, conversations: Sequence[Conversation]) -> Iterator[Ruled]:
    """The policy's verdicts, alike ones together."""
    if diagnosis.applied is None:
        return
    groups: dict[tuple[object, ...], list[str]] = {}
    first: dict[tuple[object, ...], tuple[Flow, Verdict]] = {}
    for one in conversations:
        verdict = diagnosis.applied.verdicts.get(one.near.id)
        if verdict is None:
            continue
        key: tuple[object, ...] = (one.near.flow.server, verdict.passes, verdict.reason, verdict.rule)
        groups.setdefault(key, []).append(one.near.id)
        first.setdefault(key, (one.near.flow, verdict))
    for key, ids in groups.items():
        flow, verdict = first[key]
        word = "open" if verdict.passes is None else "pass" if verdict.passes else verdict.action.value
        place = f"{verdict.place} " if verdict.place is not None and verdict.rule is not None else ""
        more = f" and {len(ids) - 6} more" if len(ids) > 6 else ""
        ends = f"{flow.client.address} → {flow.server}"
        rule = f"{place}{verdict.rule}" if verdict.rule is not None else "the default"
        yield Ruled(", ".join(ids[:6]) + more, ends, word, rule, _sentence(verdict.says))


def _in_words(message: Message) -> str:
    """A row of the ladder."""
    if message.kind is Kind.MISSING:
        return f"missing: {message.says}"
    if message.stopped:
        return f"{message.says}: stopped on its way" + (f": {message.note}" if message.note else "")
    return f"the firewall's log: {message.says}" if message.kind is Kind.LOGGED else message.says
