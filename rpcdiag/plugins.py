"""One file to add: every module of a plug-in folder defines one object of an agreed name."""

import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


@cache
def discover(folder: str, name: str) -> list[Any]:
    """The object `name` of every module of the package `folder`, in the order of their file names.

    Packages installed beside us join through an entry-point group called like the folder
    (`[rpcdiag.diagnose.rules]`); their objects come last.
    """
    package = import_module(folder)
    modules = sorted({path.stem for place in package.__path__ for path in Path(place).glob("[!_]*.py")})
    found = [getattr(import_module(f"{folder}.{module}"), name) for module in modules]
    if _somebody_joins(folder):
        from importlib.metadata import entry_points  # 15 ms: only where somebody joins

        found += [entry.load() for entry in sorted(entry_points(group=folder), key=lambda entry: entry.name)]
    return found


def _somebody_joins(folder: str) -> bool:
    """Whether an installed distribution names the group; reads the small text files, which is 20 times cheaper."""
    section = f"[{folder}]"
    for place in sys.path:
        try:
            for path in Path(place).glob("*.dist-info/entry_points.txt"):
                if section in path.read_text(encoding="utf-8", errors="replace"):
                    return True
        except OSError:
            continue
    return False
