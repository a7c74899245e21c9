"""One primary cause: what it explains is gone where it is sure, and the runner-up where it is not; rivals measure up."""

from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Severity
from tests.build.conversation import Recording
from tests.build.story import START
from tests.causes.shown import dynamic_port, logons, mapping, port_135, transport
from tests.causes.shown_cause import Shown


def _found(folder: Path, name: str, shown: tuple[Shown, ...]) -> dict[str, Finding]:
    recording = Recording(START)
    (one,) = [one for one in shown if one.name == name]
    assert one.build(recording) is None
    path = folder / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    return {finding.rule: finding for finding in analyze([str(path)]).findings}


def test_of_two_rivals_the_surer_one_speaks(tmp_path: Path) -> None:
    found = _found(tmp_path, "only-135-forwarded", port_135.SHOWN)
    first, second = found["dynamic-port-closed"], found["port-forward-without-dynamic-ports"]
    assert (first.severity, first.confidence) == (Severity.ERROR, "established")
    assert (second.severity, second.confidence) == (Severity.NOTE, "possible")
    assert second.next_observation


def test_what_an_unsure_cause_explains_is_the_runner_up(tmp_path: Path) -> None:
    found = _found(tmp_path, "kdc-unreachable", logons.SHOWN)
    first, second = found["kdc-unreachable"], found["access-denied"]
    assert (first.severity, first.confidence) == (Severity.ERROR, "likely")
    assert (second.severity, second.confidence) == (Severity.NOTE, "possible")
    assert set(second.flows) <= set(first.flows)
    assert first.next_observation
    assert second.next_observation


@pytest.mark.parametrize(
    ("name", "narrower"),
    [("dcom-port-not-learnt", "port-not-learnt"), ("program-rule-missing", "program-rule-missing"),
     ("pinhole-expired", "pinhole-expired")],
)  # fmt: skip
def test_what_narrows_a_cause_stands_beside_it(tmp_path: Path, name: str, narrower: str) -> None:
    found = _found(tmp_path, name, dynamic_port.SHOWN)
    assert found["dynamic-port-blocked"].severity is Severity.ERROR
    assert found[narrower].severity is Severity.NOTE


def test_what_a_sure_cause_explains_is_gone(tmp_path: Path) -> None:
    found = _found(tmp_path, "on-pipe-only", mapping.SHOWN)
    assert "not-registered" not in found


def test_two_causes_that_are_as_likely_are_both_told_with_what_decides(tmp_path: Path) -> None:
    found = _found(tmp_path, "large-dcom-bind-lost", transport.SHOWN)
    first = found["strict-filter"]
    assert first.confidence == "possible"
    assert "lost for its size" in first.summary
    assert "large packets pass" in (first.next_observation or "")
    assert found["path-mtu"].confidence == "possible"
