"""The report of the benchmarks, in Markdown; it names no host and no path."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.programs import CAPINFOS, OURS, OURS_PYTHON, PIPE, TSHARK
from bench.results import MB, Results
from bench.truth import Figures

_ABOUT = {
    "needle": "Ordinary traffic, one percent of it RPC",
    "needle2": "Twice the needle, another seed",
    "dense": "Nearly all RPC: short connections by the thousand, long ones with fragmented answers, some loss",
    "ring": "Ordinary traffic as a ring buffer leaves it",
    "medium": "A short recording of a few hosts",
    "small": "One activation and some noise",
}


def markdown(results: Results, rounds: int, versions: Mapping[str, str], skipped: Sequence[str]) -> str:
    """The whole report."""
    lines = [*_head(results, rounds, versions, skipped), *_goals(results)]
    for capture in results.contents:
        lines += _times(results, capture)
    lines += [*_found(results), *_instructions(results)]
    return "\n".join(lines).rstrip() + "\n"


def _head(results: Results, rounds: int, versions: Mapping[str, str], skipped: Sequence[str]) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield (
        "Written by `make bench`. Every figure is the median of whole processes"
        f" ({rounds} {'round' if rounds == 1 else 'rounds'}, programs in turn, output thrown away, capture in the page cache)."
    )
    yield "CPU is user and system time of all processes of a command; of a pipe, the peak is that of its largest process."
    yield "The launcher takes 8 MB: a smaller peak is not seen."
    yield f"`{PIPE}` keeps ports 135, 139, 445 and 593 only, so it is faster and does not see the sessions on dynamic ports."
    if results.scale != 1:
        yield f"The captures were made at scale {results.scale:g}: the goals are meant for scale 1."
    yield ""
    yield f"- machine: {_machine()}"
    yield "- versions: " + ", ".join(f"{name} {number}" for name, number in versions.items())
    for line in skipped:
        yield f"- {line}"
    yield ""


def _goals(results: Results) -> Iterator[str]:
    yield "## Goals"
    yield ""
    yield from _table(
        ("goal", "measured", "reached"),
        [(g.text, g.shown, {True: "yes", False: "**no**", None: "-"}[g.reached]) for g in results.goals()],
    )
    yield ""


def _times(results: Results, capture: str) -> Iterator[str]:
    contents = results.contents[capture]
    truth = contents.truth
    files = f", {contents.files} files" if contents.files > 1 else ""
    yield f"## {capture}"
    yield ""
    yield (
        f"{_ABOUT[capture]}: {truth['packets']:,} packets, {contents.size / MB:,.1f} MB{files},"
        f" {truth['tcp_flows']:,} TCP connections, {_pdus(truth):,} RPC PDUs."
    )
    yield ""
    rows, notes = [], []
    for at, program in results.runs:
        if at != capture:
            continue
        row, note = _row(results, capture, program)
        rows.append(row)
        notes += note
    yield from _table(("program", "wall s", "CPU s", "peak MB", f"to {TSHARK}", f"to {CAPINFOS}"), rows)
    yield ""
    if notes:
        yield from notes
        yield ""


def _row(results: Results, capture: str, program: str) -> tuple[tuple[str, ...], list[str]]:
    runs, middle = results.runs[(capture, program)], results.median(capture, program)
    if middle is None:
        failed = runs.failed
        why = f"- `{program}` ended with exit code {failed.code}: {failed.complaint}" if failed else ""
        return (f"`{program}`", "failed", "", "", "", ""), [why] if why else []
    mark = "≈ " if middle.extrapolated else ""
    notes = []
    if middle.extrapolated:
        notes = [
            f"- `{program}`: run on the first {runs.slice:,} packets, times extrapolated by packet to all of them."
        ]
    ratios = (_ratio(results.ratio(capture, program, to)) for to in (TSHARK, CAPINFOS))
    name = f"**`{program}`**" if program.startswith(OURS) else f"`{program}`"
    cells = f"{mark}{middle.wall:.3f}", f"{mark}{middle.cpu:.3f}", f"{middle.peak / MB:.0f}"
    return (name, *cells, *ratios), notes


def _ratio(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _found(results: Results) -> Iterator[str]:
    yield "## What was found"
    yield ""
    yield "The generator counts what it puts into a capture; the program's JSON document must say the same."
    yield ""
    rows = []
    for capture, contents in results.contents.items():
        truth, pdus = contents.truth, contents.tshark_pdus
        verdict = "-" if contents.differences is None else "the same" if not contents.differences else "differs"
        rows.append((
            capture, f"{_sum(truth, 'referrals'):,}", f"{_sum(truth, 'flows'):,}", f"{truth['calls']['requests']:,}",
            f"{truth['calls']['faults']:,}", f"{truth['calls']['unanswered']:,}", verdict,
            f"{_pdus(truth):,}", "-" if pdus is None else f"{pdus:,}",
        ))  # fmt: skip
    yield from _table(
        ("capture", "referrals", "RPC flows", "requests", "faults", "unanswered", "found by rpcdiag", "PDUs built",
         "PDUs that tshark finds"),
        rows,
    )  # fmt: skip
    yield ""
    for capture, contents in results.contents.items():
        for line in contents.differences or ():
            yield f"- {capture}: {line}"
    yield ""


def _pdus(truth: Figures) -> int:
    """In connections of their own and in pipes."""
    return _sum(truth, "pdus") + _sum(truth["pipes"], "pdus")


def _sum(truth: Figures, name: str) -> int:
    total: int = sum(truth[name].values())
    return total


def _instructions(results: Results) -> Iterator[str]:
    counted = {key: runs.instructions for key, runs in results.runs.items() if runs.instructions}
    if not counted:
        return
    yield "## Instructions in user mode"
    yield ""
    rows = []
    for (capture, program), count in counted.items():
        packets = results.contents[capture].truth["packets"]
        rows.append((capture, f"`{program}`", f"{count / 1e9:,.2f}", f"{count / packets:,.0f}"))
    yield from _table(("capture", "program", "billions", "by packet"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _machine() -> str:
    """Processor, cores, memory."""
    model = _first("/proc/cpuinfo", "model name") or "processor not known"
    memory = _first("/proc/meminfo", "MemTotal")
    size = f", {round(int(memory.split()[0]) / 1024 / 1024)} GiB of memory" if memory else ""
    return f"{model}, {os.cpu_count()} cores{size}"


def _first(path: str, name: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


COUNTED = (OURS, OURS_PYTHON, TSHARK)  # whose instructions are worth counting
