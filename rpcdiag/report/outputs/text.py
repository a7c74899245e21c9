"""A report to read: for each pair of hosts the cause first, then the proof, then the cure, then what happened.

In colour on a terminal (`--color`, `NO_COLOR`), plain in a pipe, as wide as the terminal up to 100 columns. Of many cases the
worst thirty are told, of a long story the first forty events; the other outputs have them all.

    rpcdiag analyze capture.pcapng --log pfirewall.log
"""

from collections.abc import Iterator
from textwrap import wrap
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import Case, CaseFlow, CaseLogon, CaseReferral, Conversation
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.dissect.interfaces import class_name
from rpcdiag.dissect.status import status_name
from rpcdiag.flows.flow import FAILED_TO_OPEN, PIPE, UDP, TcpOutcome
from rpcdiag.model.evidence import Configured, Evidence, Logged, Missing, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.remedies.remedy import Remedy, Width
from rpcdiag.report import names
from rpcdiag.report.names import clean
from rpcdiag.report.output import Options, Output
from rpcdiag.report.overview import overview
from rpcdiag.report.style import Style
from rpcdiag.report.wireshark import decode_options
from rpcdiag.track.facts import Fate, ReferralKind
from rpcdiag.track.origin import OriginKind

MAX_STORIES = 30
MAX_BESIDE = 4  # logons, and refusals of tickets
# what every logon goes through: the client then asks again with a proof, or over TCP
_USUAL_ERRORS = {"KDC_ERR_PREAUTH_REQUIRED", "KRB_ERR_RESPONSE_TOO_BIG"}
MAX_EVENTS = 40  # of one story
MAX_REMEDIES = 3
MAX_OPTIONS = 2
ENOUGH = 2  # remedies, where only one is narrow
_LABEL = 8


class Pair(NamedTuple):
    client: Address
    server: Address


class Event(NamedTuple):
    """One line of what happened."""

    time_ns: int
    packets: str
    text: str
    bad: bool = False


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    style = Style(options.color)
    yield from inputs(diagnosis, style, options.width)
    case = diagnosis.case
    stories = _stories(diagnosis)
    if not stories:
        yield ""
        yield from wrap(_nothing(case), options.width)
        yield from _given_up(case, options.width)
        return
    told = overview(diagnosis.findings)
    if told:
        yield ""
    for number, line in enumerate(told):
        label = "" if number else "SUMMARY"
        yield from _labelled(style, label, f"{line.says} [{line.rule}]", options.width, line.severity)
    for pair in stories[:MAX_STORIES]:
        yield ""
        yield from _story(diagnosis, pair, style, options.width)
    if len(stories) > MAX_STORIES:
        yield ""
        yield from wrap(_left_out(diagnosis, stories[MAX_STORIES:]), options.width)
    yield from _under_policy(diagnosis, style, options.width)
    yield ""
    yield from _ending(diagnosis, style, options.width)


def _left_out(diagnosis: Diagnosis, pairs: list[Pair]) -> str:
    """What is said of those that are not told, the worst of which are as bad as the last that is."""
    worst: dict[Pair, Severity] = {}
    for finding in diagnosis.findings:
        worst.setdefault(_pair(finding), finding.severity)
    counts = {severity: sum(worst.get(pair) is severity for pair in pairs) for severity in Severity}
    said = ", ".join(f"{count} with {severity}s" for severity, count in counts.items() if count)
    return f"{len(pairs)} more pairs of hosts ({said or 'without findings'}): -T json and -T csv list them all."


def inputs(diagnosis: Diagnosis, style: Style, width: int) -> Iterator[str]:
    """What was read."""
    case = diagnosis.case
    for capture in case.captures:
        span = ""
        if capture.first_ns is not None and capture.last_ns is not None:
            span = f", {names.day_and_time(capture.first_ns)} UTC, {names.duration(capture.last_ns - capture.first_ns)}"
        yield from _wrapped(
            f"{clean(capture.path)}: {capture.format}, {names.several(capture.packets, 'packet')}{span}", width
        )
        if capture.cut_short:
            why = capture.cut_short.removeprefix(f"{capture.path}: ")
            yield from style.bad(_wrapped(f"  cut short: {clean(why)}", width))
        for note in capture.notes:
            yield from _wrapped(f"  {clean(note)}", width)
    for log in case.logs:
        bad = f", {log.file.bad_count} unreadable" if log.file.bad_count else ""
        matched = len({position for match in log.matches for position in match.entries})
        yield from _wrapped(
            f"{clean(log.file.path)}: {log.file.format}, {names.several(log.file.rows, 'row')}{bad}, "
            f"{names.several(log.file.drops, 'drop')}, {matched} belong{'s' if matched == 1 else ''} to flows of the capture; clock: {clean(log.clock.why)}",
            width,
        )
        for line in log.file.bad[:3]:
            yield from _wrapped(f"  line {line.line}: {clean(line.why)}", width)
        for note in log.file.notes:
            yield from _wrapped(f"  {clean(note)}", width)


def _under_policy(diagnosis: Diagnosis, style: Style, width: int) -> Iterator[str]:
    """What the policy does to the flows, where one was given."""
    if diagnosis.applied is None:
        return
    from rpcdiag.report import verdicts

    title = "UNDER THE POLICY "
    yield ""
    yield style.label(title + "=" * max(3, width - len(title)))
    yield from verdicts.as_text(diagnosis.case, diagnosis.applied, style, width)


def _wrapped(text: str, width: int) -> list[str]:
    """Paths stay whole, so that they can be copied."""
    return wrap(text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _nothing(case: Case) -> str:
    for session in case.sessions:
        if any(session.sealed):
            first, flow = min(packet for packet in session.sealed if packet), session.flow
            return (
                f"No RPC that can be read. The SMB session of {flow.client.address} with {flow.server.address} is "
                f"encrypted from packet {first} on: what goes through its pipes cannot be seen."
            )
    return (
        "No RPC in these packets: nothing on port 135 or 593, no RPC by content on any port. If the error was repeated "
        "while the capture ran, the call was local (the RPC services of the client itself), went over another "
        "interface, or inside a tunnel or an encrypted SMB session."
    )


def _stories(diagnosis: Diagnosis) -> list[Pair]:
    """The pairs, those with findings first and in their order."""
    pairs = dict.fromkeys(_pair(finding) for finding in diagnosis.findings if finding.severity is not Severity.NOTE)
    for conversation in diagnosis.case.conversations:
        pairs.setdefault(Pair(conversation.client, conversation.server))
    for finding in diagnosis.findings:
        pairs.setdefault(_pair(finding))
    return list(pairs)


def _pair(finding: Finding) -> Pair:
    return Pair(finding.client, finding.server)


def _story(diagnosis: Diagnosis, pair: Pair, style: Style, width: int) -> Iterator[str]:
    findings = [finding for finding in diagnosis.findings if _pair(finding) == pair]
    worst = findings[0].severity if findings else None
    title = f"{pair.client} -> {pair.server}"
    verdict = (
        worst.upper() if worst and worst is not Severity.NOTE else "OK" if _all_well(diagnosis.case, pair) else "--"
    )
    rule = "=" * max(3, width - len(title) - len(verdict) - 4)
    yield style.title(f"{title} {rule} ", worst) + style.verdict(verdict, worst)
    shown: set[Remedy] = set()  # a cure is printed once
    for number, finding in enumerate(finding for finding in findings if finding.severity is not Severity.NOTE):
        if number:
            yield ""
        yield from _finding(diagnosis, finding, shown, style, width)
    for finding in findings:
        if finding.severity is Severity.NOTE:
            yield ""
            yield from _note(finding, style, width)
    beside = list(_beside(diagnosis.case, pair))
    if beside:
        yield ""
        for label, line in beside:
            yield from _labelled(style, label, clean(line), width)
    events = list(_events(diagnosis.case, pair))
    if events:
        yield ""
        yield style.label("WHAT HAPPENED")
        yield from _timeline(events, style, width)


def _all_well(case: Case, pair: Pair) -> bool:
    return all(one.near.flow.outcome is TcpOutcome.ESTABLISHED for one in case.between(*pair))


def _finding(diagnosis: Diagnosis, finding: Finding, shown: set[Remedy], style: Style, width: int) -> Iterator[str]:
    rule = rule_of(finding.rule)
    times = f", {finding.times} times" if finding.times > 1 else ""
    summary = finding.summary[:1].upper() + finding.summary[1:]
    yield from _labelled(style, "CAUSE", f"{rule.title}. {clean(summary)}.", width, finding.severity)
    way = "the connection goes from client to server"
    if finding.direction is Direction.SERVER_TO_CLIENT:
        way = f"the failing connection is from the server {finding.server} to the client {finding.client}"
    yield from _labelled(style, "", f"[{finding.rule}, {finding.confidence}{times}] {way}", width)
    if finding.errors:
        yield from _labelled(style, "READS", "; ".join(names.error(error) for error in finding.errors), width)
    yield from _proof(diagnosis.case, finding.evidence, style, width)
    told, others = _worth_telling(diagnosis.remedies[finding.id])
    for number, remedy in enumerate(told, start=1):
        label = f"CURE {number}" if len(told) > 1 else "CURE"
        if remedy in shown:
            yield from _labelled(style, label, f"as above: {clean(remedy.where)}", width)
        else:
            yield from _cure(remedy, label, style, width)
        shown.add(remedy)
    if others:
        yield from _labelled(
            style, "OTHERS", f"{', '.join(remedy.id for remedy in others)} (-T json tells them)", width
        )
    if finding.next_observation:
        yield from _labelled(style, "NEXT", clean(finding.next_observation), width)


def _worth_telling(remedies: tuple[Remedy, ...]) -> tuple[list[Remedy], list[Remedy]]:
    """Those that are told in full, and those that are named: what is wide or roundabout, where there is something better."""
    some = remedies
    if any(remedy.replay is not None and remedy.replay.cures for remedy in remedies):
        some = tuple(remedy for remedy in remedies if remedy.replay is None or remedy.replay.cures)
    narrow = [remedy for remedy in some if remedy.width < Width.RANGE]
    told = narrow[:MAX_REMEDIES] if len(narrow) > 1 else list(some[:ENOUGH])
    return told, [remedy for remedy in remedies if remedy not in told]


def _note(finding: Finding, style: Style, width: int) -> Iterator[str]:
    summary = finding.summary[:1].upper() + finding.summary[1:]
    yield from _labelled(style, "NOTE", f"{clean(summary)}. [{finding.rule}, {finding.confidence}]", width)


def _proof(case: Case, evidence: tuple[Evidence, ...], style: Style, width: int) -> Iterator[str]:
    for number, one in enumerate(evidence):
        yield from _labelled(style, "" if number else "PROOF", f"{where(case, one)}: {clean(one.says)}", width)


def where(case: Case, evidence: Evidence) -> str:
    """The packets or lines that show it."""
    several = len(case.captures) > 1
    match evidence:
        case Seen():
            plural = "s" if len(evidence.packets) > 1 else ""
            of = f" of capture {evidence.capture + 1}" if several else ""
            return f"packet{plural} {names.numbers(evidence.packets)}{of}"
        case Missing():
            of = f" of capture {evidence.capture + 1}" if several else ""
            return f"after packet {evidence.after}{of}, for {names.duration(evidence.waited_ns)}"
        case Logged():
            plural = "s" if len(evidence.lines) > 1 else ""
            of = f" of {clean(case.logs[evidence.log].file.path)}" if len(case.logs) > 1 else ""
            return f"log {case.logs[evidence.log].file.counts}{plural} {names.numbers(evidence.lines)}{of}"
        case Configured():
            plural = "s" if len(evidence.lines) > 1 else ""
            lines = f", line{plural} {names.numbers(evidence.lines)}" if evidence.lines else ""
            return f"{clean(evidence.path) if evidence.path else 'the policy'}{lines}"


def _cure(remedy: Remedy, label: str, style: Style, width: int) -> Iterator[str]:
    yield from _labelled(style, label, clean(remedy.where), width)
    yield from _labelled(style, "", clean(remedy.why) + ".", width)
    for command in remedy.commands:
        if command.instead is not None:
            continue
        for line in command.text.splitlines():
            if command.shell == "steps":
                yield from wrap(
                    clean(line), width, initial_indent=" " * (_LABEL + 2), subsequent_indent=" " * (_LABEL + 5)
                )
            else:
                yield style.command(" " * (_LABEL + 2) + clean(line))
    instead = ", ".join(command.instead for command in remedy.commands if command.instead is not None)
    if instead:
        yield from _labelled(style, "", f"Instead (-T json): {clean(instead)}.", width)
    yield from _labelled(style, "", f"Opens: {clean(remedy.opens)}. Price: {clean(remedy.price.rstrip('.'))}.", width)
    if remedy.restart is not None:
        yield from _labelled(style, "", f"Restart: {clean(remedy.restart)}.", width)
    if remedy.replay is not None:
        yield from _labelled(style, "REPLAY", clean(remedy.replay.says) + ".", width)


def _labelled(style: Style, label: str, text: str, width: int, severity: Severity | None = None) -> Iterator[str]:
    lines = wrap(text, width - _LABEL, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        head = style.label(label.ljust(_LABEL)) if number == 0 else " " * _LABEL
        yield head + (style.cause(line, severity) if severity else line)


def _beside(case: Case, pair: Pair) -> Iterator[tuple[str, str]]:
    """How the server is called, who logged on, and what the key distribution centre said to the client."""
    called = dict.fromkeys(
        one.fact.name for one in case.names if one.fact.type != "SRV" and pair.server in one.fact.addresses
    )
    if called:
        yield "NAMES", f"{pair.server} is {', '.join(list(called)[:4])}"
    logons = dict.fromkeys(
        line for one in case.logons if (one.client, one.server) == pair and (line := _logon(one)) is not None
    )
    for number, line in enumerate(list(logons)[:MAX_BESIDE]):
        yield "" if number else "LOGON", line
    refusals = [one.fact for one in case.tickets if one.fact.client == pair.client and one.fact.error]
    refusals = [fact for fact in refusals if fact.error not in _USUAL_ERRORS]
    for number, fact in enumerate(refusals[:MAX_BESIDE]):
        times = f", {fact.times} times" if fact.times > 1 else ""
        what = fact.spn or fact.user or "a ticket"
        yield "" if number else "TICKETS", f"{fact.server} refuses {what}: {fact.error} (packet {fact.packet}{times})"
    for session in case.sessions:
        if (session.flow.client.address, session.flow.server.address) == pair and any(session.sealed):
            first = min(packet for packet in session.sealed if packet)
            yield "SEALED", f"the SMB session on port {session.flow.server.port} is encrypted from packet {first} on"
            break


def _logon(one: CaseLogon) -> str | None:
    logon = one.logon
    if logon.anonymous:
        who = "nobody (anonymous)"
    elif logon.user:
        who = f"{logon.domain}\\{logon.user}" if logon.domain else logon.user
    elif logon.spn:
        who = f"a ticket for {logon.spn} in {logon.realm}"
    elif logon.error:
        who = "a ticket"
    else:
        return None
    where = f" from {logon.workstation}" if logon.workstation else ""
    over = ", for SMB" if one.over == "smb" else ""
    bad = f": {logon.error}" if logon.error else ""
    if one.status:
        bad = f": {status_name(one.status, 'ntstatus') or f'{one.status:#010x}'}"
    return f"{who}{where}, by {logon.mechanism.upper() if logon.mechanism == 'ntlm' else logon.mechanism}{over}{bad}"


def _events(case: Case, pair: Pair) -> Iterator[Event]:
    """What was asked, answered, tried, and what came of it, by time; copies at other capture points left out."""
    found = [
        _asked(referral)
        for referral in case.referrals
        if (referral.told, referral.teller) == pair or _on(referral) == pair
    ]
    for conversation in case.between(*pair):
        found.extend(_tried(case, conversation))
    yield from sorted(found, key=lambda event: event.time_ns)


def _on(referral: CaseReferral) -> Pair:
    """The ends of the connection that carried it."""
    asked = referral.asked_on.flow
    return Pair(asked.client.address, asked.server.address)


def _asked(referral: CaseReferral) -> Event:
    told = referral.referral
    if told.kind is ReferralKind.OBJECT_REFERENCE:
        what = f"{referral.teller} hands over an object of its own ({names.interface(told.interface)})"
        return Event(told.request_ns, str(told.response_packet), what)
    status = "" if not told.status else f", {names.error(told.status)}"
    match told.kind:
        case ReferralKind.EPT_MAP:
            what = f"asks the mapper for {names.interface(told.interface)}"
        case ReferralKind.EPT_LOOKUP:
            what = "lists the mapper's entries"
        case ReferralKind.ACTIVATION:
            name = (class_name(told.clsid) or told.clsid) if told.clsid else "an object"
            what = f"activates {name} (DCOM)"
        case _:
            what = "asks where an object lives (OXID)"
    ports = list(dict.fromkeys(str(one.port) for one in told.endpoints if one.port is not None))
    if told.readable == "sealed":
        answer = "the answer is sealed"
    elif ports and told.readable == "carved":
        answer = f"told, as far as what is left says: port {', '.join(ports[:6])}"
    elif ports:
        answer = f"told: port {', '.join(ports[:6])}{' ...' if len(ports) > 6 else ''}"
    else:
        answer = "no endpoint"
    again = f" ({len(told.tries)} times)" if len(told.tries) > 1 else ""
    packets = f"{told.request_packet}-{told.response_packet}"
    return Event(told.request_ns, packets, f"{what}{again}, {answer}{status}", bool(told.status))


def _tried(case: Case, conversation: Conversation) -> Iterator[Event]:
    near = conversation.near
    flow, rpc = near.flow, near.rpc
    used = list(dict.fromkeys(names.interface(use.interface) for use in rpc.interfaces)) if rpc else []
    over = f" for {', '.join(used[:4])}{' ...' if len(used) > 4 else ''}" if used else ""
    bad = flow.outcome not in (TcpOutcome.ESTABLISHED, TcpOutcome.MIDSTREAM)
    outcome = _OUTCOMES[flow.outcome]
    if flow.outcome in FAILED_TO_OPEN and flow.syn_count > 1:
        outcome += f" ({flow.syn_count} SYNs)"
    packets = f"{flow.first_packet}-{flow.last_packet}"
    told = _told(case, near)
    end = f"port {flow.server.port}"
    if flow.transport == UDP:
        closed = "no answer" if flow.outcome is TcpOutcome.UNANSWERED else "refused (ICMP)"
        end, outcome = f"UDP {end}", "answers" if flow.outcome is TcpOutcome.ESTABLISHED else closed
    if flow.transport == PIPE:
        end = f"{flow.pipe or 'a pipe'} over SMB ({end})"
        refused = _refused(case, near)
        if refused:
            outcome, bad = refused, True
    yield Event(flow.start_ns, packets, f"{end}{over}: {outcome}{_calls(near)}{told}", bad)


def _refused(case: Case, flow: CaseFlow) -> str | None:
    """What the server said to the opening of a pipe, where it refused that."""
    for session in case.sessions:
        for pipe in session.said.pipes:
            if pipe.status and pipe.serial is not None and session.pipes.get(pipe.serial) == flow.id:
                return f"refused, {status_name(pipe.status, 'ntstatus') or f'{pipe.status:#010x}'}"
    return None


_OUTCOMES = {
    TcpOutcome.ESTABLISHED: "connects",
    TcpOutcome.REFUSED: "refused (RST)",
    TcpOutcome.UNANSWERED: "no answer",
    TcpOutcome.PROHIBITED: "refused (ICMP)",
    TcpOutcome.MIDSTREAM: "was open before the capture",
    TcpOutcome.RESET: "connects, then RST",
    TcpOutcome.IDLE_DROPPED: "connects, lost after a silence",
    TcpOutcome.STALLED: "connects, then nothing gets through",
}


def _calls(flow: CaseFlow) -> str:
    rpc = flow.rpc
    if rpc is None or not rpc.pdus:
        return ""
    parts = [f"{rpc.requests} call{'' if rpc.requests == 1 else 's'}"]
    for fate, word in ((Fate.FAULT, "faults"), (Fate.UNANSWERED, "unanswered"), (Fate.REJECTED, "rejected")):
        if rpc.fates[fate]:
            parts.append(f"{rpc.fates[fate]} {word}")
    if any(bind.answer is None for bind in rpc.binds):
        parts.append("a bind without answer")
    return ", " + ", ".join(parts)


def _told(case: Case, flow: CaseFlow) -> str:
    """Who referred the client here."""
    origin = flow.origin
    if origin.kind is OriginKind.MAPPER:
        return ""
    referral = case.referral_of(flow)
    if origin.kind is OriginKind.INFERRED and referral is not None:
        how = "sealed" if referral.referral.readable == "sealed" else "unread"
        return f" [inferred: follows the {how} answer in packet {referral.referral.response_packet}]"
    if origin.kind is OriginKind.OTHER_CLIENT:
        return " [another client was told of this port]"
    if referral is not None:
        return f" [told in packet {referral.referral.response_packet}]"
    if origin.kind is OriginKind.BEFORE_CAPTURE:
        return " [told before the capture, if at all]"
    return f" [{origin.kind}]"


def _timeline(events: list[Event], style: Style, width: int) -> Iterator[str]:
    shown = events[:MAX_EVENTS]
    room = max(len(event.packets) for event in shown)
    for event in shown:
        head = f"  {names.time_of_day(event.time_ns)}  #{event.packets.ljust(room)}  "
        lines = wrap(clean(event.text), max(24, width - len(head)), break_long_words=False) or [""]
        for number, line in enumerate(lines):
            text = style.bad_line(line) if event.bad else line
            yield (head if number == 0 else " " * len(head)) + text
    if len(events) > len(shown):
        yield f"  ... and {len(events) - len(shown)} more"


def _ending(diagnosis: Diagnosis, style: Style, width: int) -> Iterator[str]:
    counts = {severity: sum(finding.severity is severity for finding in diagnosis.findings) for severity in Severity}
    said = ", ".join(names.several(count, severity) for severity, count in counts.items() if count)
    sums = diagnosis.case.accounting
    skipped = sum(sums.packets_skipped.values())
    yield from wrap(
        f"{said or 'no findings'}. {names.several(sums.packets, 'packet')}: {sums.packets_in_flows} in flows, {skipped} counted "
        f"aside; {names.several(len(diagnosis.case.flows), 'RPC flow')}, "
        f"{names.several(len(diagnosis.case.referrals), 'referral')}, {names.several(sums.requests, 'call')}.",
        width,
    )
    options = decode_options(diagnosis.case)
    if options:
        more = f" ({len(options) - MAX_OPTIONS} more)" if len(options) > MAX_OPTIONS else ""
        yield f"For tshark: {' '.join(options[:MAX_OPTIONS])}{more}"
    yield from _given_up(diagnosis.case, width)


def _given_up(case: Case, width: int) -> Iterator[str]:
    """What the bound of the flow table cost."""
    if case.accounting.evicted_flows:
        yield from wrap(
            f"{case.accounting.evicted_flows} connections were given up because more were open than are remembered at a "
            "time: nothing above speaks of them. --max-flows remembers more.",
            width,
        )


OUTPUT = Output("text", "a report to read", render)
