"""What a snap length cuts away leads to no wrong cause: less is said, never something else."""

from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.model.evidence import Confidence, Severity
from tests.build.containers import snapped
from tests.build.conversation import Recording
from tests.build.story import START
from tests.causes.shown_cause import Shown, all_shown

LENGTHS = (54, 68, 96, 128, 192, 256)
# what is left of a cause where the bytes that tell it are cut away: as true, and less of it
LESS = {
    "callback-blocked": {"mapper-blocked"},
    "dcom-hardening": {"access-denied"},
    "ipv6-first": {"mapper-blocked"},
    "level-too-low": {"access-denied"},
    "bad-credentials": {"access-denied"},
    "mapper-refuses-anonymous": {"access-denied"},
    "netlogon-hardening": {"access-denied"},
    "ntlm-refused": {"access-denied"},
    "other-protocol-only": {"not-registered"},
    "pings-blocked": {"mapper-blocked"},
    "port-range-exhausted": {"not-registered"},
    "rpc-filter": {"access-denied"},
    "server-reset": {"dynamic-port-closed"},
    "stale-endpoint": {"dynamic-port-closed"},
    "strict-filter": {"path-mtu"},
    "ticket-too-big": {"access-denied"},
    "version-not-registered": {"not-registered"},
    "wrong-host": {"not-registered"},
}
# logs of another host than the client's or the server's: where the names of these are cut away nobody can tell, and it is
# likely at most
ANOTHERS = {
    "failed-logon-at-another-server": "bad-credentials",
    "no-port-left-on-the-server": "source-ports-exhausted",
    "rpc-filter-of-another-server": "rpc-filter",
}


def _diagnosed(folder: Path, shown: Shown, length: int | None) -> Diagnosis:
    recording = Recording(START)
    log = shown.build(recording)
    if length is not None:
        recording.frames = snapped(recording.frames, length)
    capture, logs = folder / f"{length}.pcapng", []
    capture.write_bytes(recording.pcapng())
    if log is not None:
        (folder / shown.log).write_text(log, encoding="utf-8")
        logs = [str(folder / shown.log)]
    return analyze([str(capture)], logs)


def _causes(diagnosis: Diagnosis, least: tuple[Severity, ...] = (Severity.ERROR, Severity.WARNING)) -> set[str]:
    return {one.rule for one in diagnosis.findings if one.severity in least}


@pytest.mark.parametrize("shown", all_shown(), ids=lambda shown: shown.name)
def test_a_snap_length_hides_a_cause_and_makes_none(tmp_path: Path, shown: Shown) -> None:
    whole = _causes(_diagnosed(tmp_path, shown, None), tuple(Severity))
    allowed = whole.union(*(LESS.get(rule, ()) for rule in whole))
    for length in LENGTHS:
        found = _diagnosed(tmp_path, shown, length)
        assert _causes(found) <= allowed | {ANOTHERS.get(shown.name, "")}, length
        others = [one.confidence for one in found.findings if one.rule == ANOTHERS.get(shown.name)]
        assert Confidence.PROVEN not in others, length
        assert "strict-rpc-violation" not in {one.rule for one in found.findings} - whole, length
        assert found.case.accounting.sums_hold, length
