"""Markdown for a ticket: each finding with its proof, the narrowest remedy and the display filter, short enough to be read.

Works where GitHub's dialect does, and in Jira's editor. Text out of packets and logs is escaped: it makes no link, no
heading, no mention of a person. The first ten findings are told in full; notes take a line each.

    rpcdiag analyze capture.pcapng --log pfirewall.log -T md | gh issue create --title "RPC fails" --body-file -
"""

import re
from collections.abc import Iterator
from pathlib import PurePath

from rpcdiag.analysis import Diagnosis
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.model.evidence import Configured, Evidence, Logged, Missing, Seen, Severity
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.report import names
from rpcdiag.report.document import display_filter
from rpcdiag.report.names import clean
from rpcdiag.report.output import Options, Output

MAX_FINDINGS = 10
MAX_NOTES = 10
MAX_PROOF = 8
_JOINER = "\u2060"  # invisible; what it parts is no mention, no reference and no address any more
_MARKS = re.compile(r"([\\`*_{}\[\]<>#!|~&$])")
_LINKS = re.compile(r"(://|@|www\.|\bGH-)", re.IGNORECASE)
_STARTS = re.compile(r"^\s*(\d+[.)](\s|$)|[-+=:])")


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """The lines."""
    case = diagnosis.case
    serious = [one for one in diagnosis.findings if one.severity is not Severity.NOTE]
    notes = [one for one in diagnosis.findings if one.severity is Severity.NOTE]
    yield f"### rpcdiag: {_counted(diagnosis)}"
    yield ""
    for capture in case.captures:
        span = ""
        if capture.first_ns is not None and capture.last_ns is not None:
            length = names.duration(capture.last_ns - capture.first_ns)
            span = f", {names.day_and_time(capture.first_ns)} UTC, {length}"
        cut = " (cut short)" if capture.cut_short else ""
        yield f"- Capture {code(PurePath(capture.path).name)}: {capture.packets} packets{span}{cut}"
    for log in case.logs:
        rows, drops = names.several(log.file.rows, "row"), names.several(log.file.drops, "drop")
        said = escaped(f"clock: {log.clock.why}")
        yield f"- Log {code(PurePath(log.file.path).name)}: {rows}, {drops}; {said}"
    for finding in serious[:MAX_FINDINGS]:
        yield ""
        yield from _finding(diagnosis, finding)
    if len(serious) > MAX_FINDINGS:
        yield ""
        yield f"{len(serious) - MAX_FINDINGS} more findings are in the full report."
    if notes:
        yield ""
        yield "**Notes**"
        yield ""
        for note in notes[:MAX_NOTES]:
            yield f"- {escaped(note.summary)} ({code(note.rule)}, {note.confidence})"
        if len(notes) > MAX_NOTES:
            yield f"- and {len(notes) - MAX_NOTES} more"


def _counted(diagnosis: Diagnosis) -> str:
    counts = {severity: sum(one.severity is severity for one in diagnosis.findings) for severity in Severity}
    return (
        ", ".join(f"{count} {severity}{'' if count == 1 else 's'}" for severity, count in counts.items() if count)
        or "no findings"
    )


def _finding(diagnosis: Diagnosis, finding: Finding) -> Iterator[str]:
    times = f", {finding.times} times" if finding.times > 1 else ""
    yield f"#### {finding.client} → {finding.server}: {escaped(rule_of(finding.rule).title)}"
    yield ""
    yield f"{escaped(_sentence(finding.summary))} **{finding.severity}**, {finding.confidence}{times} ({code(finding.rule)})"
    yield ""
    if finding.direction is Direction.SERVER_TO_CLIENT:
        yield f"- The failing connection goes from the server {finding.server} to the client {finding.client}"
    if finding.errors:
        yield f"- Reads: {', '.join(code(names.error(error)) for error in finding.errors)}"
    for one in finding.evidence[:MAX_PROOF]:
        yield f"- {_where(diagnosis, one)}: {escaped(one.says)}"
    if len(finding.evidence) > MAX_PROOF:
        yield f"- and {len(finding.evidence) - MAX_PROOF} more pieces of evidence"
    if finding.next_observation:
        yield f"- What would decide: {escaped(finding.next_observation)}"
    yield f"- In Wireshark: {code(display_filter(diagnosis.case, finding))}"
    for remedy in diagnosis.remedies[finding.id][:1]:
        yield ""
        yield from _remedy(remedy)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _remedy(remedy: Remedy) -> Iterator[str]:
    yield f"**What to change**: {escaped(remedy.where)}. {escaped(_sentence(remedy.why))}"
    yield ""
    yield f"Opens: {escaped(remedy.opens)}. Price: {escaped(remedy.price.rstrip('.'))}."
    if remedy.restart:
        yield ""
        yield f"Restart: {escaped(remedy.restart)}."
    if remedy.replay is not None:
        yield ""
        yield f"Replay: {escaped(remedy.replay.says)}."
    for command in remedy.commands:
        if command.instead is None:
            yield ""
            yield from fenced(command.text, "" if command.shell == "steps" else command.shell)


def _where(diagnosis: Diagnosis, evidence: Evidence) -> str:
    several = len(diagnosis.case.captures) > 1
    match evidence:
        case Seen() | Missing():
            of = f" of {code(PurePath(diagnosis.case.captures[evidence.capture].path).name)}" if several else ""
            if isinstance(evidence, Missing):
                return f"After packet {evidence.after}{of}, for {names.duration(evidence.waited_ns)}"
            return f"Packet{'s' if len(evidence.packets) > 1 else ''} {names.numbers(evidence.packets)}{of}"
        case Logged():
            path = PurePath(diagnosis.case.logs[evidence.log].file.path).name
            return f"{code(path)}, line{'s' if len(evidence.lines) > 1 else ''} {names.numbers(evidence.lines)}"
        case Configured():
            return f"{code(PurePath(evidence.path).name)}" if evidence.path else "The policy"


def escaped(text: str) -> str:
    """Text as text: nothing in it is read as Markdown, HTML, a mention, a reference or an address."""
    text = _MARKS.sub(r"\\\1", clean(text))
    text = _LINKS.sub(lambda found: found[0][0] + _JOINER + found[0][1:], text)
    text = text.replace("@" + _JOINER, _JOINER + "@" + _JOINER).replace("\\#", f"\\#{_JOINER}")
    return _STARTS.sub(lambda found: f"{_JOINER}{found[0]}", text)


def code(text: str) -> str:
    """Text in a span of code, whatever backticks it holds."""
    text = clean(text)
    ticks = "`" * (_longest(text) + 1)
    room = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{ticks}{room}{text}{room}{ticks}"


def fenced(text: str, language: str) -> Iterator[str]:
    """Lines in a block of code."""
    lines = [clean(line) for line in text.splitlines()]
    fence = "`" * max(3, max(map(_longest, lines), default=0) + 1)
    yield f"{fence}{language if language.isalnum() else ''}"
    yield from lines
    yield fence


def _longest(text: str) -> int:
    """The longest run of backticks."""
    return max((len(run) for run in re.findall("`+", text)), default=0)


OUTPUT = Output("md", "Markdown for a ticket", render)
