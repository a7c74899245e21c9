"""Mutated captures: both forms say the same, nothing is raised, the sums hold. `tests.fuzz.fuzz_forms` runs longer."""

from pathlib import Path

import pytest

from rpcdiag.sweep.machine import Machine
from tests.fuzz.mutants import check, fence, mutant

STEP = 25
RUNS = range(0, 400, STEP)


@pytest.mark.parametrize("first", RUNS)
def test_both_forms_say_the_same_of_captures_that_no_host_sends(first: int, machine: Machine, tmp_path: Path) -> None:
    for seed in range(first, first + STEP):
        check(seed, machine, tmp_path)


def test_mutants_are_the_same_every_time_and_not_all_alike() -> None:
    assert mutant(7) == mutant(7)
    assert len({mutant(seed).data for seed in range(50)}) > 45


def test_what_is_held_ends_at_the_fence() -> None:
    assert bytes(fence().hold(bytearray(b"abcdef"), 4)) == b"abcd"
