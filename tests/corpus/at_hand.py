"""Public captures and a lab's, which lie beside the checkout and are no part of it."""

from functools import cache
from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze

SHARED = Path(__file__).resolve().parents[3] / "shared"
CORPUS = SHARED / "corpus"
LAB = SHARED / "corpus-lab"


def captures() -> list[Path]:
    return sorted(path for folder in (CORPUS, LAB) for path in folder.rglob("*.*cap*") if path.is_file())


@cache
def diagnosed(path: Path, *logs: Path) -> Diagnosis:
    """The diagnosis of one capture; skips where the captures are not there."""
    if not path.exists():
        pytest.skip(f"{path.name} is not at hand: the public captures lie in ../shared, outside the repository")
    return analyze([str(path)], [str(log) for log in logs])
