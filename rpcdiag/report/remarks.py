"""What is to be said of single packets: referrals, connections and findings in plain words, by capture and packet."""

from collections.abc import Iterator
from pathlib import PurePath

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import CaseFlow, CaseReferral
from rpcdiag.diagnose.finding import Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Logged, Missing, Seen
from rpcdiag.report import names
from rpcdiag.report.names import clean
from rpcdiag.track.facts import ReferralKind

MAX_TEXT = 1000  # characters of one comment
MAX_REMARKS = 16  # of one packet
MAX_PACKETS = 1000  # that one piece of evidence speaks of
_ASKED = {
    ReferralKind.EPT_MAP: "asks the endpoint mapper where {} is",
    ReferralKind.EPT_LOOKUP: "lists the entries of the endpoint mapper",
    ReferralKind.ACTIVATION: "activates an object (DCOM), to talk {} to it",
    ReferralKind.RESOLVE_OXID: "asks where an object lives (OXID), to talk {} to it",
    ReferralKind.OBJECT_REFERENCE: "an object is handed over: {}",
}
_OUTCOMES = {
    TcpOutcome.ESTABLISHED: "opens",
    TcpOutcome.REFUSED: "is refused with a RST",
    TcpOutcome.UNANSWERED: "is never answered",
    TcpOutcome.PROHIBITED: "is refused with an ICMP error",
    TcpOutcome.MIDSTREAM: "was open before the capture",
    TcpOutcome.RESET: "opens, then ends with a RST",
    TcpOutcome.IDLE_DROPPED: "opens, and is lost after a silence",
    TcpOutcome.STALLED: "opens, then nothing gets through",
}

Remarks = dict[tuple[int, int], list[str]]  # by capture and packet


def remarks(diagnosis: Diagnosis) -> Remarks:
    """All of them, findings first; made harmless, of bounded length."""
    found: dict[tuple[int, int], dict[str, None]] = {}
    for place, text in _all(diagnosis):
        said = found.setdefault(place, {})
        if len(said) < MAX_REMARKS:
            said.setdefault(bounded(f"rpcdiag {text} ({_origin(diagnosis, place)})"))
    return {place: list(texts) for place, texts in found.items()}


def bounded(text: str) -> str:
    """Harmless, and not too long."""
    text = clean(text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def _origin(diagnosis: Diagnosis, place: tuple[int, int]) -> str:
    capture, packet = place
    return f"packet {packet} of {PurePath(diagnosis.case.captures[capture].path).name}"[:200]


def _all(diagnosis: Diagnosis) -> Iterator[tuple[tuple[int, int], str]]:
    for finding in diagnosis.findings:
        yield from _finding(diagnosis, finding)
    for referral in diagnosis.case.referrals:
        yield from _referral(referral)
    for flow in diagnosis.case.flows:
        yield (flow.flow.capture, flow.flow.first_packet), _flow(diagnosis, flow)


def _finding(diagnosis: Diagnosis, finding: Finding) -> Iterator[tuple[tuple[int, int], str]]:
    name = f"{finding.id} {finding.rule}"
    first = _first_place(diagnosis, finding)
    if first is not None:
        cures = diagnosis.remedies[finding.id]
        cure = f" What to change: {cures[0].where}: {cures[0].why}." if cures else ""
        yield (
            first,
            (
                f"{name} [{finding.severity}, {finding.confidence}] {finding.client} -> {finding.server}: "
                f"{rule_of(finding.rule).title}. {finding.summary}.{cure}"
            ),
        )
    for one in finding.evidence:
        match one:
            case Seen():
                for packet in one.packets[:MAX_PACKETS]:
                    yield (one.capture, packet), f"{name}: {one.says}"
            case Missing():
                waited = names.duration(one.waited_ns)
                yield (one.capture, one.after), f"{name}: after this packet, for {waited}: {one.says}"
            case Logged() if first is not None:
                path = PurePath(diagnosis.case.logs[one.log].file.path).name
                yield first, f"{name}: line {names.numbers(one.lines)} of {path}: {one.says}"
            case _:
                pass


def _first_place(diagnosis: Diagnosis, finding: Finding) -> tuple[int, int] | None:
    """Where a finding is told in full: at the first packet of its first flow, or at the first that it names."""
    if finding.flows:
        flow = diagnosis.case.flow(finding.flows[0]).flow
        return flow.capture, flow.first_packet
    for one in finding.evidence:
        if isinstance(one, Seen) and one.packets:
            return one.capture, one.packets[0]
        if isinstance(one, Missing):
            return one.capture, one.after
    return None


def _referral(referral: CaseReferral) -> Iterator[tuple[tuple[int, int], str]]:
    told, capture = referral.referral, referral.asked_on.flow.capture
    what = _ASKED.get(told.kind, "asks for {}").format(names.interface(told.interface))
    places = ", ".join(
        dict.fromkeys(
            f"port {one.port}" if one.port is not None else (one.pipe or one.text) for one in told.endpoints[:8]
        )
    )
    if told.readable == "sealed":
        answer = "the answer is sealed"
    elif places:
        answer = f"{referral.teller} answers: {places}"
    else:
        answer = f"{referral.teller} names no endpoint"
    status = f", {names.error(told.status)}" if told.status else ""
    used = f"; used by {', '.join(referral.flows[:4])}" if referral.flows else ""
    if told.request_packet != told.response_packet:
        yield (
            (capture, told.request_packet),
            f"{referral.id}: {referral.told} {what}; answer in packet {told.response_packet}",
        )
    yield (capture, told.response_packet), f"{referral.id}: {referral.told} {what}: {answer}{status}{used}"


def _flow(diagnosis: Diagnosis, flow: CaseFlow) -> str:
    told = diagnosis.case.referral_of(flow)
    why = f", told in packet {told.referral.response_packet} ({told.id})" if told is not None else ""
    end = flow.flow.server
    pipe = f"{flow.flow.pipe} over SMB, " if flow.flow.pipe else ""
    return f"{flow.id}: {flow.flow.client.address} to {pipe}port {end.port} of {end.address}{why}: {_OUTCOMES[flow.flow.outcome]}"
