"""A sequence diagram of each case, as Mermaid draws it: client, server, and the firewall whose log shows a drop.

Without `-o`, the diagram of the first case; with `-o FOLDER` one file `case-1.mmd`, `case-2.mmd` ... for each pair of hosts, those with errors
first. GitHub, GitLab and many wikis draw a code block of the language `mermaid`. Arrows that end in a cross never arrived, or
were refused; every arrow names its packet. Names out of packets are written as character codes where Mermaid would read them.

    rpcdiag analyze capture.pcapng -T mermaid > case.mmd
"""

from collections.abc import Iterator

from rpcdiag.analysis import Diagnosis
from rpcdiag.report.names import clean, time_of_day
from rpcdiag.report.output import Options, Output
from rpcdiag.report.steps import Arrow, Pair, Step, findings_of, firewall_of, pairs, steps

MAX_CASES = 50
MAX_STEPS = 60  # of one diagram
MAX_TEXT = 160
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:()/_?'+=*!-")
_ARROWS = {Arrow.SENT: "->>", Arrow.ANSWER: "-->>", Arrow.REFUSAL: "--x", Arrow.LOST: "-x", Arrow.DROP: "-x"}


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """The diagram of the first case."""
    cases = pairs(diagnosis)
    if not cases:
        yield from ("sequenceDiagram", "    participant C as no RPC in these packets")
        return
    yield from _diagram(diagnosis, cases[0])
    if len(cases) > 1:
        yield f"    %% {len(cases) - 1} more: name a folder for all of them with -o"


def files(diagnosis: Diagnosis, options: Options) -> Iterator[tuple[str, Iterator[str]]]:
    """Every case."""
    for number, pair in enumerate(pairs(diagnosis)[:MAX_CASES], start=1):
        yield f"case-{number}.mmd", _diagram(diagnosis, pair)


def _diagram(diagnosis: Diagnosis, pair: Pair) -> Iterator[str]:
    firewall = firewall_of(diagnosis, pair)
    yield "sequenceDiagram"
    yield f"    participant C as {escaped(str(pair.client))}"
    if firewall is not None:
        yield f"    participant F as {escaped(firewall)}"
    yield f"    participant S as {escaped(str(pair.server))}"
    all_steps = steps(diagnosis, pair)
    several = len(diagnosis.case.captures) > 1
    for step in all_steps[:MAX_STEPS]:
        yield f"    {_arrow(step)}: {escaped(_said(step, several=several))}"
    if len(all_steps) > MAX_STEPS:
        yield f"    Note over C,S: and {len(all_steps) - MAX_STEPS} more steps"
    for finding in findings_of(diagnosis, pair)[:10]:
        yield f"    Note over C,S: {escaped(f'{finding.rule} ({finding.severity}, {finding.confidence}): {finding.summary}', 400)}"


def _arrow(step: Step) -> str:
    sender, receiver = ("S", "C") if step.back else ("C", "S")
    return f"{sender}{_ARROWS[step.arrow]}{'F' if step.arrow is Arrow.DROP else receiver}"


def _said(step: Step, *, several: bool) -> str:
    of = f" of capture {step.capture + 1}" if several else ""
    packet = f" (packet {step.packet}{of})" if step.packet is not None else ""
    return f"{time_of_day(step.time_ns)} {step.text}{packet}"


def escaped(text: str, most: int = MAX_TEXT) -> str:
    """Text that Mermaid shows and never reads: all but plain characters by their codes."""
    text = clean(text)
    if len(text) > most:
        text = text[: most - 3] + "..."
    return "".join(one if one in _PLAIN else f"#{ord(one)};" for one in text)


OUTPUT = Output("mermaid", "sequence diagrams as text, for wikis and tickets", render, files)
