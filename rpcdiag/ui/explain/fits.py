"""Which of the causes of a code a capture shows, and which it rules out."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import Case, CaseFlow
from rpcdiag.diagnose.finding import Finding
from rpcdiag.dissect import status
from rpcdiag.flows.flow import FAILED_TO_OPEN
from rpcdiag.model.evidence import Severity
from rpcdiag.track.facts import Bind, ReferralKind
from rpcdiag.track.origin import MAPPER_PORTS
from rpcdiag.ui.explain.answer import Answer

INTEGRITY = 5
IDLE_NS = 60_000_000_000  # no device forgets a connection sooner


class RuledOut(NamedTuple):
    """A cause that the capture excludes, and why."""

    title: str
    rules: tuple[str, ...]
    why: str


class Fits(NamedTuple):
    """`of_code`: findings that name the code; `others`: all further ones; `open`: causes of which it says nothing."""

    of_code: tuple[Finding, ...]
    others: tuple[Finding, ...]
    ruled_out: tuple[RuledOut, ...]
    open: tuple[str, ...]
    remark: str | None


def compare(answer: Answer, diagnosis: Diagnosis) -> Fits:
    """The answer's causes beside what the captures show."""
    wanted = {other for one in answer.codes if one.code.family is None for other in status.relatives(one.code.number)}
    wanted |= {other for one in answer.codes if one.client for other in status.relatives(one.client)}
    listed = {rule for cause in answer.causes for rule in cause.rules}
    of_code: list[Finding] = []
    others: list[Finding] = []
    for finding in diagnosis.findings:
        told = not finding.errors and finding.severity is not Severity.NOTE and finding.rule in listed
        near = bool(wanted.intersection(finding.errors)) or told
        (of_code if near else others).append(finding)
    found = {finding.rule for finding in diagnosis.findings}
    ruled_out, open_ = [], []
    for cause in answer.causes:
        if found.intersection(cause.rules):
            continue
        reasons = [_OUT[rule](diagnosis.case) if rule in _OUT else None for rule in cause.rules]
        if reasons and all(reasons):
            why = "; ".join(_once([reason for reason in reasons if reason]))
            ruled_out.append(RuledOut(cause.title, cause.rules, why))
        else:
            open_.append(cause.title)
    return Fits(tuple(of_code), tuple(others), tuple(ruled_out), tuple(open_), _remark(diagnosis, of_code))


def _once(reasons: Sequence[str]) -> list[str]:
    """Reasons that rest on different packets."""
    by_packet: dict[str, str] = {}
    for reason in reasons:
        by_packet.setdefault(reason.rpartition(" packet ")[2], reason)
    return list(by_packet.values())


def _remark(diagnosis: Diagnosis, of_code: Sequence[Finding]) -> str | None:
    if of_code:
        return None
    if not diagnosis.case.flows:
        return (
            "There are no RPC packets between hosts in the capture. This code is also produced locally (a local RPC "
            "service that is stopped, a program that has ended); or the capture was made at the wrong interface, at "
            "another time, or inside a tunnel."
        )
    return (
        "RPC was recorded, and nothing in it leads to this code. Was the error repeated while the capture ran, and is it "
        "the right pair of hosts? The failure may also lie behind the server, or be local."
    )


# why a rule's cause is not the one: a reason with the packet that shows it, or None where the capture does not tell
_Reason = Callable[[Case], str | None]


def _opened(flow: CaseFlow) -> int | None:
    """The packet that shows that the connection was made."""
    return None if flow.flow.outcome in FAILED_TO_OPEN else flow.flow.syn_ack


def _all_open(flows: Sequence[CaseFlow]) -> tuple[CaseFlow, int] | None:
    """The first of these connections and the packet that opened it, where every one of them was opened."""
    if not flows or any(one.flow.outcome in FAILED_TO_OPEN for one in flows):
        return None
    return next(((one, packet) for one in flows if (packet := _opened(one)) is not None), None)


def _mapper(case: Case) -> str | None:
    opened = _all_open([one for one in case.flows if one.flow.server.port in MAPPER_PORTS])
    return None if opened is None else f"port {opened[0].flow.server.port} is answered in packet {opened[1]}"


def _host(case: Case) -> str | None:
    """Each server that somebody could not connect to answers at another port."""
    opened = {one.flow.server.address: packet for one in case.flows if (packet := _opened(one)) is not None}
    failed = {one.flow.server.address for one in case.flows if one.flow.outcome in FAILED_TO_OPEN}
    if not opened or not failed <= set(opened):
        return None
    host = next(iter(failed or opened))
    return f"{host} answers in packet {opened[host]}"


def _dynamic(case: Case) -> str | None:
    used = {flow for referral in case.referrals for flow in referral.flows}
    opened = _all_open([one for one in case.flows if one.id in used])
    return (
        None
        if opened is None
        else f"the port that was handed out, {opened[0].flow.server.port}, answers in packet {opened[1]}"
    )


def _name(case: Case) -> str | None:
    if any(one.fact.result not in ("NOERROR", "") for one in case.names):
        return None
    first = next((one for one in case.flows if one.flow.syns), None)
    return None if first is None else f"a SYN goes to {first.flow.server.address} in packet {first.flow.syns[0].packet}"


def _lookup(case: Case) -> str | None:
    lookups = [one for one in case.referrals if one.referral.kind is ReferralKind.EPT_MAP]
    if not lookups or not all(one.referral.endpoints for one in lookups):
        return None
    return f"the mapper names a port in packet {lookups[0].referral.response_packet}"


def _dcom_binds(case: Case) -> list[Bind]:
    """Binds of activations, whichever their answer."""
    asked = {one.asked_on.id for one in case.referrals if one.referral.kind is ReferralKind.ACTIVATION}
    return [bind for flow in case.flows if flow.id in asked and flow.rpc for bind in flow.rpc.binds]


def _filter(case: Case) -> str | None:
    acked = [bind for bind in _dcom_binds(case) if bind.answer == "ack" and bind.answer_packet is not None]
    return f"a DCOM bind is acknowledged on port 135 in packet {acked[0].answer_packet}" if acked else None


def _bind_answered(case: Case) -> str | None:
    binds = [
        bind for flow in case.flows if flow.rpc and flow.flow.server.port in MAPPER_PORTS for bind in flow.rpc.binds
    ]
    if not binds or any(bind.answer is None for bind in binds):
        return None
    return f"the bind on port 135 is answered in packet {binds[0].answer_packet}"


def _level(case: Case) -> str | None:
    binds = [bind for bind in _dcom_binds(case) if bind.auth_level is not None]
    if not binds or any((bind.auth_level or 0) < INTEGRITY for bind in binds):
        return None
    return f"the activation is bound at level {binds[0].auth_level} in packet {binds[0].packet}"


def _activation(case: Case) -> str | None:
    made = [one.referral for one in case.referrals if one.referral.kind is ReferralKind.ACTIVATION]
    carried = [error for flow in case.flows if flow.rpc for error in flow.rpc.carried]
    if not made or carried or any(one.status for one in made) or any(code for one in made for code in one.results):
        return None
    return f"the activation succeeds in packet {made[0].response_packet}, and no answer carries an error"


def _silence(case: Case) -> str | None:
    waits = [one.flow.silence.lasted_ns for one in case.flows if one.flow.silence]
    if not case.flows or any(wait >= IDLE_NS for wait in waits):
        return None
    return f"no connection is silent for longer than {max(waits, default=0) / 1e9:.1f} s"


def _size(case: Case) -> str | None:
    opened = [one for one in case.flows if _opened(one) is not None]
    if not opened or any(one.flow.stalled_size for one in opened):
        return None
    return f"segments of up to {max(one.flow.acknowledged_size for one in opened)} bytes are acknowledged" if any(
        one.flow.acknowledged_size for one in opened) else "no segment stays without acknowledgement"  # fmt: skip


def _faults(case: Case) -> str | None:
    rpcs = [one.rpc for one in case.flows if one.rpc and one.rpc.requests]
    if (
        not rpcs
        or any(rpc.faults or rpc.carried for rpc in rpcs)
        or any(bind.answer in ("nak", "fault") for rpc in rpcs for bind in rpc.binds)
    ):
        return None
    return "no call is answered with a fault, no bind with a refusal"


def _interface(case: Case) -> str | None:
    uses = [use for one in case.flows if one.rpc for use in one.rpc.interfaces]
    if not uses or any(use.accepted is not True for use in uses):
        return None
    return "every bind accepts its interface"


_OUT: dict[str, _Reason] = {
    **dict.fromkeys(("mapper-blocked", "mapper-rejected", "mapper-closed"), _mapper),
    "host-unreachable": _host,
    **dict.fromkeys(("dynamic-port-blocked", "dynamic-port-rejected", "dynamic-port-closed", "program-rule-missing",
                     "stale-endpoint", "port-not-learnt", "pinhole-expired", "binding-unreachable"), _dynamic),
    **dict.fromkeys(("name-not-found", "resolver-silent"), _name),
    **dict.fromkeys(("not-registered", "mapper-refuses-anonymous", "version-not-registered"), _lookup),
    **dict.fromkeys(("strict-filter", "strict-rpc-violation", "shadowed-by-system-rule"), _filter),
    "mapper-bind-unanswered": _bind_answered,
    **dict.fromkeys(("dcom-hardening", "level-too-low"), _level),
    **dict.fromkeys(("unavailable-in-reply", "activation-failed"), _activation),
    "idle-dropped": _silence,
    "path-mtu": _size,
    **dict.fromkeys(("access-denied", "rpc-filter"), _faults),
    "bind-rejected": _interface,
}  # fmt: skip


def document(fits: Fits) -> dict[str, Any]:
    """The comparison as data."""
    return {
        "findings": [_finding(one) for one in fits.of_code],
        "others": [_finding(one) for one in fits.others],
        "ruled_out": [one._asdict() for one in fits.ruled_out],
        "open": list(fits.open),
        "remark": fits.remark,
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "id": one.id, "rule": one.rule, "severity": str(one.severity), "confidence": str(one.confidence),
        "client": str(one.client), "server": str(one.server), "direction": str(one.direction), "summary": one.summary,
        "next_observation": one.next_observation,
    }  # fmt: skip
