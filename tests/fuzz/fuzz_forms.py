"""A long run of mutated captures through both forms of the pass: `python -m tests.fuzz.fuzz_forms SEED COUNT`.

Ends at the first one that goes wrong, and leaves it in the folder that it names.
"""

import faulthandler
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rpcdiag.sweep.machine import machine
from tests.fuzz.mutants import check


def main(first: int, count: int) -> int:
    faulthandler.enable()
    code = machine()
    if code is None:
        print("the compiled pass is not in the cache: rpcdiag warm", file=sys.stderr)  # noqa: T201
        return 4
    folder = Path(tempfile.mkdtemp(prefix="rpcdiag-fuzz-"))
    began = time.monotonic()
    for seed in range(first, first + count):
        (folder / "seed").write_text(str(seed))  # a segmentation fault leaves no other trace
        try:
            check(seed, code, folder)
        except BaseException:
            print(f"seed {seed}: see {folder}", file=sys.stderr)  # noqa: T201
            raise
    shutil.rmtree(folder)
    print(f"{count} captures in {time.monotonic() - began:.0f} s, all alike")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), int(sys.argv[2])))
