"""One primary cause: what it explains is gone where it is sure, and the runner-up where it is not."""

from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Severity
from tests.build.conversation import Recording
from tests.build.story import START
from tests.causes.shown import dynamic_port, port_135
from tests.causes.shown_cause import Shown


def _found(folder: Path, name: str, shown: tuple[Shown, ...]) -> dict[str, Finding]:
    recording = Recording(START)
    (one,) = [one for one in shown if one.name == name]
    assert one.build(recording) is None
    path = folder / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    return {finding.rule: finding for finding in analyze([str(path)]).findings}


@pytest.mark.parametrize(
    ("name", "shown", "primary", "other"),
    [
        ("dcom-port-not-learnt", dynamic_port.SHOWN, "port-not-learnt", "dynamic-port-blocked"),
        ("program-rule-missing", dynamic_port.SHOWN, "program-rule-missing", "dynamic-port-blocked"),
        ("only-135-forwarded", port_135.SHOWN, "port-forward-without-dynamic-ports", "dynamic-port-closed"),
    ],
)
def test_what_an_unsure_cause_explains_is_the_runner_up(
    tmp_path: Path, name: str, shown: tuple[Shown, ...], primary: str, other: str
) -> None:
    found = _found(tmp_path, name, shown)
    first, second = found[primary], found[other]
    assert (first.severity, first.confidence) == (Severity.ERROR, "likely")
    assert (second.severity, second.confidence) == (Severity.NOTE, "possible")
    assert set(second.flows) <= set(first.flows)
    assert first.next_observation
    assert second.next_observation


def test_what_a_sure_cause_explains_is_gone(tmp_path: Path) -> None:
    found = _found(tmp_path, "pinhole-expired", dynamic_port.SHOWN)
    assert found["pinhole-expired"].confidence == "established"
    assert "dynamic-port-blocked" not in found
