"""Progress: on standard error only, and only where it takes time."""

import pytest

from rpcdiag.intake import Reading
from rpcdiag.ui import progress


def test_nothing_is_shown_where_standard_error_is_no_terminal() -> None:
    with progress.shown(["a"]) as watch:
        assert watch is None


def test_a_quick_reading_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown(["a"], wanted=True) as watch:
        assert watch is not None
        watch(Reading("a", 10, 1, 1, 0))
    assert capsys.readouterr() == ("", "")


def test_bytes_packets_flows_and_pdus_of_all_captures_are_added_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", -1.0)
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.shown(["a", "b"], wanted=True) as watch:
        assert watch is not None
        watch(Reading("a", 1_000_000, 7000, 30, 5))
        watch(Reading("b", 2_000_000, 8000, 12, 4, findings=3))
    out, error = capsys.readouterr()
    assert out == ""
    assert "15,000 packets" in error
    assert "42 flows, 9 RPC PDUs, 3 findings so far" in error
