"""A finding to read: cause, proof, remedies, what to look at next."""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.report import names
from rpcdiag.report.names import clean
from rpcdiag.report.outputs.text import where

MAX_REMEDIES = 5
Paragraph = tuple[str, str, str]  # label, text, how it is coloured; `command` keeps its line whole


def paragraphs(case: Case, finding: Finding, remedies: tuple[Remedy, ...]) -> Iterator[Paragraph]:
    """Everything that is known of it; the text is harmless."""
    severity = finding.severity.value
    colour = {"error": "bad", "warning": "warn"}.get(severity, "note")
    yield severity.upper(), f"{rule_of(finding.rule).title}. {_sentence(finding.summary)}", colour
    times = f", {finding.times} times" if finding.times > 1 else ""
    way = "the connection goes from client to server"
    if finding.direction is Direction.SERVER_TO_CLIENT:
        way = f"the failing connection is from the server {finding.server} to the client {finding.client}"
    yield "", f"[{finding.rule}, {finding.confidence.value}{times}] {way}", ""
    if finding.errors:
        yield "READS", "; ".join(names.error(error) for error in finding.errors), ""
    for number, one in enumerate(finding.evidence):
        yield "" if number else "PROOF", f"{where(case, one)}: {clean(one.says)}", ""
    for number, remedy in enumerate(remedies[:MAX_REMEDIES], start=1):
        yield f"CURE {number}" if len(remedies) > 1 else "CURE", clean(remedy.where), "good"
        yield "", _sentence(remedy.why), ""
        for command in remedy.commands:
            for text in command.text.splitlines():
                yield "", clean(text), "" if command.shell == "steps" else "command"
        yield "", f"Price: {_sentence(remedy.price)}", ""
    if finding.next_observation:
        yield "NEXT", clean(finding.next_observation), "strong"


def _sentence(text: str) -> str:
    text = clean(text)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
