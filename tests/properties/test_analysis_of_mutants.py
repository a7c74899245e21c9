"""Mutated captures through the whole analysis. `tests.fuzz.fuzz_analysis` runs longer."""

from pathlib import Path

from rpcdiag.track import association
from tests.fuzz.fuzz_analysis import check, run

KNOWN = (16, 5251)  # were too sure of what was carved; counted the bytes of an SMB session as those of a call


def test_what_must_hold_of_them_holds(tmp_path: Path) -> None:
    assert run(1, 60, tmp_path).captures == 60


def test_what_went_wrong_once(tmp_path: Path) -> None:
    for seed in KNOWN:
        check(seed, tmp_path)


def test_what_did_not_decode_keeps_no_stack() -> None:
    broken = association._decoded(b"\x05\x00\x0b\x03\x10\x00\x00\x00" + bytes(10), 18)
    assert isinstance(broken, association._Undecoded)
    assert broken.error.__traceback__ is None
