"""The main job on the captures that ship with the program."""

from collections.abc import Callable
from pathlib import Path

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.ui.show import show, write

HEADLINES = ("dpm-tmg", "ocs-advfirewall")  # told in full; of the others the findings


def folder() -> Path:
    """Where the stories are: beside the package in a checkout, inside it where it was installed."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "pcaps"
    return inside if inside.is_dir() else package.parent / "pcaps"


def stories() -> list[Path]:
    return sorted(path.parent for path in folder().glob("*/story.md"))


def diagnose(story: Path) -> Diagnosis:
    captures = sorted(str(path) for path in story.glob("capture*.pcap*"))
    return analyze(captures, sorted(str(path) for path in story.glob("*.log")))


def demo(wanted: str | None, color: str, complain: Callable[[object], None]) -> int:
    """Print one story, or all of them; 2 where there is none of that name."""
    known = stories()
    if wanted is not None:
        chosen = [story for story in known if story.name == wanted]
        if not chosen:
            complain(f"no story is called {wanted}; there are {', '.join(story.name for story in known)}")
            return 2
        _in_full(chosen[0], color)
        return 0
    if not known:
        complain(f"there are no stories in {folder()}")
        return 4
    for story in sorted(known, key=lambda story: (story.name not in HEADLINES, story.name)):
        if story.name in HEADLINES:
            _in_full(story, color)
        else:
            _in_brief(story)
    return 0


def _in_full(story: Path, color: str) -> None:
    text = (story / "story.md").read_text(encoding="utf-8").strip()
    write(["", *text.split("\n\n")[0].splitlines(), ""], None)
    show(diagnose(story), "text", None, color)


def _in_brief(story: Path) -> None:
    diagnosis = diagnose(story)
    lines = [f"{finding.severity:7} {finding.rule}: {finding.summary}" for finding in diagnosis.findings]
    title = (story / "story.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    from textwrap import wrap

    write(["", f"{story.name}: {title}"], None)
    for line in lines or ["nothing is wrong"]:
        write(wrap(line, 80, initial_indent="  ", subsequent_indent="      "), None)
