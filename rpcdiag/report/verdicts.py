"""What a policy does to the flows of a case: as JSON, and as something to read."""

from collections.abc import Iterator
from textwrap import wrap
from typing import Any, NamedTuple

from rpcdiag.case import Case, CaseFlow
from rpcdiag.dissect.interfaces import EPMAPPER, class_name
from rpcdiag.flows.flow import PIPE, UDP, TcpOutcome
from rpcdiag.model.evidence import Severity
from rpcdiag.policy import words
from rpcdiag.policy.engine import product_of
from rpcdiag.policy.model import Sure
from rpcdiag.policy.verdict import Applied, Change, Reason, Verdict
from rpcdiag.report import names
from rpcdiag.report.names import clean
from rpcdiag.report.style import Style

MAX_ROWS = 200
MAX_TOLD = 40  # groups of flows that are told in full
MAX_IDS = 6
_LABEL = 8
_SURE = {
    Sure.DOCUMENTED: "documented",
    Sure.KNOWLEDGE: "general knowledge of the product, not read again in its documentation",
    Sure.UNCERTAIN: "uncertain: try it",
}

_BRIEFLY = {
    Reason.SHADOWED: "before one that would allow it",
    Reason.PINHOLE: "read out of an answer",
    Reason.PINHOLE_EXPIRED: "read out of an answer, and closed again",
    Reason.NOT_LEARNT_SEALED: "the answer with the port is sealed",
    Reason.NOT_LEARNT_FRAGMENTED: "the answer with the port is in fragments",
    Reason.NOT_LEARNT_SEGMENTED: "the answer with the port is in segments",
    Reason.NOT_LEARNT_NDR64: "the answer with the port is in NDR64",
    Reason.NOT_LEARNT_MESSAGE_TYPE: "such answers are not read",
    Reason.NOT_LEARNT_UNSEEN: "who told the port is not known",
    Reason.UUID_DENIED: "not this interface",
    Reason.STRICT_NON_EPM: "strict, and not the mapper",
    Reason.NAT_BINDING_UNREACHABLE: "address behind a translation",
    Reason.IDLE_FORGOTTEN: "silent for too long",
    Reason.REVERSE_NOT_PERMITTED: "connects back to the client",
    Reason.STEALTH_CLOSED_PORT: "nobody listens, stealth mode",
    Reason.NOT_AUTHENTICATED: "wants authentication",
    Reason.RETURN_PATH: "the answers do not come back",
    Reason.NOT_IN_PATH: "not on these hosts",
    Reason.UNDECIDED: "something has to be defined",
}


def as_json(case: Case, applied: Applied) -> dict[str, Any]:
    """The object `policy` of the JSON document."""
    policy, product = applied.policy, product_of(applied.policy)
    return {
        "name": policy.name,
        "product": policy.product,
        "title": product.title,
        "path": policy.path,
        "remarks": list(policy.remarks),
        "verdicts": [_verdict(case.flow(id), verdict) for id, verdict in applied.verdicts.items()],
    }


def _verdict(flow: CaseFlow, verdict: Verdict) -> dict[str, Any]:
    ends = flow.flow
    return {
        "flow": verdict.flow,
        "client": {"address": str(ends.client.address), "port": ends.client.port},
        "server": {"address": str(ends.server.address), "port": ends.server.port},
        "passes": verdict.passes,
        "action": verdict.action,
        "reason": verdict.reason,
        "at": verdict.at,
        "rule": verdict.rule,
        "place": verdict.place,
        "position": verdict.position,
        "setting": verdict.setting,
        "packet": verdict.packet,
        "shadows": verdict.shadows,
        "says": verdict.says,
        "sees": verdict.sees,
        "flips": None if verdict.flips is None else _change(verdict.flips),
        "sure": verdict.sure,
        "log": verdict.log,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "says": change.says,
        "position": change.rule,
        "strict": change.strict,
        "alg": change.alg,
        "new_rule": change.becomes.name if change.becomes is not None and change.rule is None else None,
        "parameter": change.parameter[0] if change.parameter is not None else None,
    }


class _Group(NamedTuple):
    """Flows about which the same is to be said."""

    first: CaseFlow
    verdict: Verdict
    flows: list[CaseFlow]


def as_text(case: Case, applied: Applied, style: Style, width: int) -> Iterator[str]:
    """The policy, a summary, a row for each flow, and each drop in full."""
    yield from _policy(applied, width)
    groups = _groups(case, applied)
    yield ""
    yield from _summary(case, applied, groups, style, width)
    yield ""
    yield from _table(groups, style, width)
    told = [group for group in groups if not group.verdict.passes]
    for group in told[:MAX_TOLD]:
        yield ""
        yield from _in_full(group, style, width)
    if len(told) > MAX_TOLD:
        yield ""
        yield f"{len(told) - MAX_TOLD} more kinds of drops: -T json lists every flow."


def _policy(applied: Applied, width: int) -> Iterator[str]:
    policy, product = applied.policy, product_of(applied.policy)
    where = f", {clean(policy.path)}" if policy.path else ""
    what = f" ({clean(product.title)})" if policy.name != product.title else ""
    rest = words.DOES[policy.default].removesuffix("s")
    rest = {"drop": "dropped", "reject": "rejected", "reset": "reset", "allow": "allowed"}[rest]
    rules = f"{len(policy.rules)} rule{'' if len(policy.rules) == 1 else 's'}"
    yield from _wrapped(f"Policy: {clean(policy.name)}{what}{where}: {rules}, what none admits is {rest}", width)
    if product.value("stands") == "host" and policy.hosts is None:
        yield "  Which hosts have it is not said (hosts: ...): every host is taken to."
    for remark in policy.remarks[:MAX_IDS]:
        yield from _wrapped(f"  {clean(remark)}", width)
    if len(policy.remarks) > MAX_IDS:
        yield f"  and {len(policy.remarks) - MAX_IDS} more remarks (-T json)"


def _groups(case: Case, applied: Applied) -> list[_Group]:
    """By what is to be said, in the order of their first flows; copies of a conversation are one."""
    found: dict[tuple[object, ...], _Group] = {}
    for conversation in case.conversations:
        flow = conversation.near
        verdict = applied.verdicts.get(flow.id)
        if verdict is None:
            continue
        key = (
            flow.flow.client.address, flow.flow.server, flow.flow.transport, verdict.passes, verdict.reason,
            verdict.position, verdict.at, verdict.flips and verdict.flips.says,
        )  # fmt: skip
        found.setdefault(key, _Group(flow, verdict, [])).flows.append(flow)
    return list(found.values())


def _wants(flow: CaseFlow) -> str:
    """What the client wants there: the interfaces that it binds, or where it goes."""
    if flow.flow.transport == PIPE:
        return f"{flow.flow.pipe or 'a pipe'} over SMB"
    used = [use.interface for use in flow.rpc.interfaces] if flow.rpc else []
    shown = ["mapper" if one.uuid == EPMAPPER else class_name(one.uuid) or names.interface(one) for one in used[:3]]
    return ", ".join(dict.fromkeys(shown)) + (" ..." if len(used) > 3 else "")


def _summary(case: Case, applied: Applied, groups: list[_Group], style: Style, width: int) -> Iterator[str]:
    counts = {True: 0, False: 0, None: 0}
    for group in groups:
        counts[group.verdict.passes] += len(group.flows)
    total = sum(counts.values())
    if not total:
        yield "No flow that the policy could be asked about."
        return
    said = [f"{counts[True] or 'none'} pass{'es' if counts[True] < 2 else ''}"]
    if counts[False]:
        said.append(f"{counts[False]} {'is' if counts[False] == 1 else 'are'} stopped")
    if counts[None]:
        said.append(f"of {counts[None]} the policy does not say enough")
    worst = Severity.ERROR if counts[False] else Severity.WARNING if counts[None] else None
    flows = f"{total} connection{'' if total == 1 else 's'}"
    for line in wrap(f"Of {flows} {', '.join(said)}.", width):
        yield style.verdict(line, worst)
    changes = dict.fromkeys(group.verdict.flips.says for group in groups if group.verdict.flips is not None)
    stopped = [group for group in groups if group.verdict.passes is False]
    if len(changes) == 1 and stopped and all(group.verdict.flips is not None for group in stopped):
        what = "it pass" if counts[False] == 1 else "them pass" if counts[False] == 2 else f"all {counts[False]} pass"
        yield from _wrapped(f"One change makes {what}: {clean(next(iter(changes)))}.", width)
    elif len(stopped) > 1:
        yield from _wrapped("No one change makes them all pass: what helps stands with each below.", width)
    silent = [flow for group in groups if group.verdict.passes for flow in group.flows if _was_stopped(flow)]
    if silent:
        were = "was" if len(silent) == 1 else "were"
        yield from _wrapped(
            f"{_ids(silent)} {were} not answered in the capture: another policy was in force then, or something else stops it.",
            width,
        )


def _was_stopped(flow: CaseFlow) -> bool:
    return flow.flow.outcome in (TcpOutcome.UNANSWERED, TcpOutcome.PROHIBITED)


def _table(groups: list[_Group], style: Style, width: int) -> Iterator[str]:
    rows = [
        (_ids(group.flows), _ends(group.first), _word(group.verdict), _decided(group.verdict), group.verdict)
        for group in groups[:MAX_ROWS]
    ]
    if not rows:
        return
    first, second = (max(len(row[place]) for row in rows) for place in (0, 1))
    first, second = min(first, 14), min(second, 48)
    for ids, ends, word, decided, verdict in rows:
        head = f"  {ids.ljust(first)}  {ends.ljust(second)}  "
        room = max(20, width - len(head) - 7)
        mark = style.verdict(word.ljust(5), _severity(verdict))
        lines = wrap(decided, room, break_on_hyphens=False) or [""]
        yield f"{head}{mark}  {lines[0]}"
        yield from (f"{' ' * (len(head) + 7)}{line}" for line in lines[1:])
    if len(groups) > MAX_ROWS:
        yield f"  ... and {len(groups) - MAX_ROWS} more: -T json lists every flow"


def _severity(verdict: Verdict) -> Severity | None:
    return None if verdict.passes else Severity.ERROR if verdict.passes is False else Severity.WARNING


def _word(verdict: Verdict) -> str:
    if verdict.passes is None:
        return "OPEN"
    return "PASS" if verdict.passes else verdict.action.upper()


def _ids(flows: list[CaseFlow]) -> str:
    """`f5-f7`, `f5 f9`, `f5 and 11`"""
    if len(flows) == 1:
        return flows[0].id
    numbers = [int(flow.id[1:]) for flow in flows]
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"f{numbers[0]}-f{numbers[-1]}"
    return f"{flows[0].id} {flows[1].id}" if len(flows) == 2 else f"{flows[0].id} +{len(flows) - 1}"


def _ends(flow: CaseFlow) -> str:
    ends = flow.flow
    udp = "/udp" if ends.transport == UDP else ""
    return f"{ends.client.address} -> {ends.server}{udp}"


def _decided(verdict: Verdict) -> str:
    by = clean(verdict.rule) if verdict.rule is not None else "default"
    if verdict.rule is not None and verdict.place is not None:
        by = f"{verdict.place} {by}"
    why = f": {_BRIEFLY[verdict.reason]}" if verdict.reason in _BRIEFLY else ""
    sure = "" if verdict.sure is Sure.DOCUMENTED else f" ({verdict.sure})"
    return f"{by}{why}{sure}"


def _in_full(group: _Group, style: Style, width: int) -> Iterator[str]:
    flow, verdict = group.first, group.verdict
    wants = ", ".join(list(dict.fromkeys(want for one in group.flows[:MAX_ROWS] if (want := _wants(one))))[:3])
    title = f"{_word(verdict)} {_ends(flow)}" + (f" ({clean(wants)})" if wants else "")
    several = f"flows {_ids(group.flows)}" if len(group.flows) > 1 else f"flow {flow.id}"
    at = {"syn": "where it opens", "bind": f"at packet {verdict.packet}", "idle": f"at packet {verdict.packet}"}
    for line in wrap(f"{title}: {several}, {at[verdict.at]}", width, break_on_hyphens=False):
        yield style.verdict(line, _severity(verdict))
    yield from _labelled(style, "WHY", f"{_sentence(verdict.says)} [{verdict.reason}]", width)
    if verdict.setting and verdict.flips is None:
        yield from _labelled(style, "", f"Where: {clean(verdict.setting)}", width)
    if verdict.passes is False:
        yield from _labelled(style, "SEES", _sentence(verdict.sees), width)
        if verdict.log is not None:
            yield from _labelled(style, "LOG", _sentence(verdict.log), width)
        change = "no single change of the policy was found" if verdict.flips is None else verdict.flips.says
        yield from _labelled(style, "CHANGE", _sentence(change), width)
    yield from _labelled(style, "SURE", f"{_SURE[verdict.sure][:1].upper()}{_SURE[verdict.sure][1:]}.", width)


def _sentence(text: str) -> str:
    text = clean(text)
    return f"{text[:1].upper()}{text[1:]}."


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def bullet(text: str, width: int) -> list[str]:
    """A remark below a title."""
    return wrap(clean(text), width, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)


def _labelled(style: Style, label: str, text: str, width: int) -> Iterator[str]:
    lines = wrap(text, width - _LABEL - 2, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        yield "  " + (style.label(label.ljust(_LABEL)) if number == 0 else " " * _LABEL) + line
