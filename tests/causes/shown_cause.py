"""A small capture that shows one cause, or one that only looks like it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rpcdiag import plugins
from rpcdiag.analysis import Diagnosis, analyze
from tests.build.conversation import Recording
from tests.build.story import START

Build = Callable[[Recording], str | None]


class Shown(NamedTuple):
    """`build` fills a recording, and may return the text of a log whose file is called `log`.

    `rule` is the finding that must come first among errors and warnings; None: there must be none of these.
    `beside`: the finding that comes first instead, where `rule` says more of it or is its runner-up.
    `never` must not be found at all, or only as a runner-up: named in `runner_up`, and no surer than `possible`.
    `twin_of`: the rule that it looks like, where it is a twin. `policy`: the text of the policy in force, if there is one.
    """

    name: str
    says: str  # what happened, in a sentence: it stands in docs/rules
    build: Build
    rule: str | None
    confidence: str | None = None
    cause: str | None = None
    twin_of: str | None = None
    runner_up: str | None = None
    never: tuple[str, ...] = ()
    log: str = "x.log"
    beside: str | None = None
    policy: str | None = None

    def write(self, folder: Path) -> tuple[str, list[str]]:
        """Make the capture and its log in there; their paths."""
        recording = Recording(START)
        log = self.build(recording)
        capture = folder / "capture.pcapng"
        capture.write_bytes(recording.pcapng())
        if log is None:
            return str(capture), []
        (folder / self.log).write_text(log, encoding="utf-8")
        return str(capture), [str(folder / self.log)]


def all_shown() -> list[Shown]:
    """Every capture of `tests/causes/shown`."""
    return [one for several in plugins.discover("tests.causes.shown", "SHOWN") for one in several]


def diagnose(folder: Path, shown: Shown) -> Diagnosis:
    """What is found in it; `folder` then holds `capture.pcapng`, and its log and policy."""
    capture, given = shown.write(folder)
    policy = None
    if shown.policy is not None:
        from rpcdiag.policy.load import load

        (folder / "policy.yaml").write_text(shown.policy, encoding="utf-8")
        policy = load(str(folder / "policy.yaml"))
    return analyze([capture], given, policy=policy)
