"""The benchmarks: captures made, our program and its peers run in turn, a report written.

python -m bench.run [--quick] [--scale S] [--rounds N] [--dir FOLDER] [--report FILE] [--only NAME...]
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench import captures, measure
from bench.captures import RECIPES, Built
from bench.measure import Cost
from bench.programs import LARGE, OURS, Program, ours, programs, start, tshark_pdus, versions
from bench.report import COUNTED, markdown
from bench.results import Contents, Results, Runs, order
from bench.truth import differences, found

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path("~/.cache/rpcdiag-bench")
ORDER = ("small", "medium", "needle", "needle2", "dense", "ring")
GENERATOR = ("bulk", "captures", "conversation", "files", "frames", "pdus", "rpc", "smb", "stories", "tokens", "truth")
QUICK_SCALE, QUICK_ROUNDS = 0.05, 2


WORTH_COMPILING = 0.1  # scale of captures that are large enough


class Plan(NamedTuple):
    """What is to be run, and how often."""

    captures: tuple[str, ...]
    programs: tuple[Program, ...]
    scale: float
    rounds: int
    folder: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks and write the report."""
    chosen = _parser().parse_args(arguments)
    scale = chosen.scale or (QUICK_SCALE if chosen.quick else 1.0)
    rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else 5)
    folder = chosen.dir.expanduser() / f"{scale:g}-{_digest()}"
    folder.mkdir(parents=True, exist_ok=True)
    at_hand, skipped = _at_hand(programs(folder))
    unknown = set(chosen.only) - set(ORDER) - {program.name for program in programs(folder)}
    if unknown:
        _say(f"no capture or program is called {', '.join(sorted(unknown))}")
        return 2
    kept = order([program.name for program in at_hand], chosen.only)
    plan = Plan(
        captures=tuple(order(ORDER, chosen.only)),
        programs=tuple(program for program in at_hand if program.name in kept),
        scale=scale,
        rounds=rounds,
        folder=folder,
    )
    _prepare(scale)
    results = _run(plan)
    report = markdown(results, rounds, versions(), skipped)
    chosen.report.parent.mkdir(parents=True, exist_ok=True)
    chosen.report.write_text(report)
    sys.stdout.write(report)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description="Measure rpcdiag and its peers.")
    parser.add_argument("--scale", type=float, help="size of the captures; 1 is full size")
    parser.add_argument("--rounds", type=int, help="how often each command is run; 5 without")
    parser.add_argument("--dir", type=Path, default=CACHE, help="where captures are kept between runs")
    parser.add_argument("--report", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these captures, or these programs")
    parser.add_argument("--quick", action="store_true", help=f"scale {QUICK_SCALE:g} and {QUICK_ROUNDS} rounds")
    return parser


def _prepare(scale: float) -> None:
    """As on a machine where the program has run before: its byte code is kept, and the pass is compiled."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if scale < WORTH_COMPILING:
        return
    done = subprocess.run([*start(), "warm"], capture_output=True, text=True, check=False)
    _say((done.stdout or done.stderr).split(":")[0].strip())


def _say(line: str) -> None:
    sys.stderr.write(f"bench: {line}\n")


def _digest() -> str:
    """Changes with what the captures are made of, so that old ones are not taken for new ones."""
    sources = [ROOT / "bench" / f"{name}.py" for name in GENERATOR]
    sources += sorted((ROOT / "pcaps").glob("*/capture.pcapng")) + sorted((ROOT / "pcaps").glob("*/expected.json"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:10]


def _at_hand(known: Sequence[Program]) -> tuple[list[Program], list[str]]:
    """The programs that can be run, and a line for each that cannot."""
    lines = [f"{program.name}: skipped, {program.missing} is not installed" for program in known if program.missing]
    for line in lines:
        _say(line)
    return [program for program in known if not program.missing], lines


def _run(plan: Plan) -> Results:
    contents: dict[str, Contents] = {}
    runs: dict[tuple[str, str], Runs] = {}
    for name in plan.captures:
        built = _built(name, plan)
        size = sum(path.stat().st_size for path in built.pcap)
        contents[name] = Contents(size, len(built.pcap), built.truth, _checked(built, plan), _pdus(name, built, plan))
        for program, measured in _measured(name, built, plan).items():
            runs[(name, program)] = measured
    return Results(contents, runs, plan.scale)


def _built(name: str, plan: Plan) -> Built:
    before = captures.at_hand(name, plan.folder)
    if before is not None:
        return before
    start = time.perf_counter()
    built = captures.build(name, plan.folder, scale=plan.scale)
    _say(f"{name}: {built.truth['packets']:,} packets made in {time.perf_counter() - start:.0f} s")
    return built


def _checked(built: Built, plan: Plan) -> tuple[str, ...] | None:
    """Where our document does not say what was put in."""
    if OURS not in {program.name for program in plan.programs}:
        return None
    done = subprocess.run([*ours(), *map(str, built.pcap)], capture_output=True, check=False)
    if done.returncode:
        _say(f"rpcdiag: exit code {done.returncode}")
        return None
    return tuple(differences(built.truth, found(json.loads(done.stdout))))


def _pdus(name: str, built: Built, plan: Plan) -> int | None:
    if name not in {"small", "medium", *LARGE} or not any("tshark" in program.needs for program in plan.programs):
        return None
    return tshark_pdus(built.pcap[0])


def _measured(name: str, built: Built, plan: Plan) -> dict[str, Runs]:
    """All programs on one capture, in turn; one that fails is not tried again."""
    commands: dict[str, list[str]] = {}
    slices: dict[str, int | None] = {}
    chosen = [program for program in plan.programs if name in program.captures]
    for program in chosen:
        files, slices[program.name] = _files(name, built, program, plan)
        commands[program.name] = program.command([str(path) for path in files])
    costs: dict[str, list[Cost]] = {program.name: [] for program in chosen}
    _warm([*built.pcap, *([built.pcapng] if built.pcapng else [])])
    for number in range(plan.rounds):
        for program in chosen:
            done = costs[program.name]
            if done and done[-1].code:
                continue
            cost = measure.run(commands[program.name], program.environment)
            done.append(cost._replace(complaint=_clean(cost.complaint, plan)))
            _say(f"{name}: round {number + 1}: {program.name}: {_shown(cost)}")
    return {
        program.name: Runs(
            tuple(costs[program.name]), slices[program.name], _counted(name, program, commands[program.name], plan)
        )
        for program in chosen
    }


def _shown(cost: Cost) -> str:
    return f"exit code {cost.code}" if cost.code else f"{cost.wall:.3f} s"


def _clean(complaint: str, plan: Plan) -> str:
    """Without the paths of this machine."""
    for path in (plan.folder, ROOT, Path.home()):
        complaint = complaint.replace(f"{path}/", "").replace(str(path), "")
    return complaint


def _files(name: str, built: Built, program: Program, plan: Plan) -> tuple[tuple[Path, ...], int | None]:
    """What the program reads, and of how many packets it consists if that is a slice."""
    if program.pcapng and built.pcapng is not None:
        return (built.pcapng,), None
    if program.slice is None or program.slice >= built.truth["packets"]:
        return built.pcap, None
    part = plan.folder / f"{name}.first-{program.slice}.pcap"
    if not part.exists():
        captures.head(built.pcap[0], part, program.slice)
    return (part,), program.slice


def _counted(name: str, program: Program, command: Sequence[str], plan: Plan) -> int | None:
    if program.name not in COUNTED or name not in LARGE:
        return None
    return measure.instructions(command, plan.folder, program.environment)


def _warm(paths: Sequence[Path]) -> None:
    """Read the files once, so that all programs find them in the page cache."""
    for path in paths:
        with path.open("rb") as file:
            while file.read(1 << 22):
                pass


if __name__ == "__main__":
    if set(ORDER) != set(RECIPES):
        raise AssertionError("every recipe has its place")
    sys.exit(main())
