"""What Enter shows, to read: of a finding the cause, proof, remedies and what to look at next."""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Direction, Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.report import names
from rpcdiag.report.names import clean
from rpcdiag.report.outputs.text import where
from rpcdiag.ui.tui.ladder import Step
from rpcdiag.ui.tui.snapshot import Line, kind

MAX_REMEDIES = 5
Paragraph = tuple[str, str, str]  # label, text, how it is coloured; `command` keeps its line whole


def of_finding(case: Case, finding: Finding, remedies: tuple[Remedy, ...], shown: set[Remedy]) -> Iterator[Paragraph]:
    """Everything that is known of it; the text is harmless. A remedy that was `shown` before is only named."""
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
    if finding.next_observation:
        yield "NEXT", clean(finding.next_observation), "strong"
    for number, remedy in enumerate(remedies[:MAX_REMEDIES], start=1):
        label = f"CURE {number}" if len(remedies) > 1 else "CURE"
        if remedy in shown:
            yield label, f"as above: {clean(remedy.where)}", "good"
            continue
        shown.add(remedy)
        yield label, clean(remedy.where), "good"
        yield "", _sentence(remedy.why), ""
        for command in remedy.commands:
            if command.instead:
                continue
            for text in command.text.splitlines():
                yield "", clean(text), "" if command.shell == "steps" else "command"
        opens = f"Opens: {_sentence(remedy.opens)} " if remedy.opens else ""
        yield "", f"{opens}Price: {_sentence(remedy.price)}", ""


def of_step(step: Step, path: str) -> Iterator[Paragraph]:
    """A rung of the ladder that had not enough room."""
    yield "STEP", step.text, step.kind
    yield from _place(step.time_ns, step.packet, path)


def of_line(line: Line, path: str) -> Iterator[Paragraph]:
    """The same for a line of the timeline."""
    yield line.state.upper(), line.text, kind(line.state)
    yield "HOSTS", f"{line.client} > {line.server}{f', port {line.port}' if line.port else ''}", ""
    yield from _place(line.time_ns, line.packet, path)


def _place(time_ns: int, packet: int | None, path: str) -> Iterator[Paragraph]:
    yield "TIME", f"{names.day_and_time(time_ns)} UTC", ""
    if packet:
        yield "PACKET", f"{packet} of {clean(path)}; to see it in Wireshark:", ""
        yield "", f"frame.number == {packet}", "command"


def _sentence(text: str) -> str:
    text = clean(text)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
