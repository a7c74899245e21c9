"""One whole process measured: wall time, CPU time and peak memory, its output thrown away.

The process is started by a small launcher, because the peak that the system reports for a child is at least the size of
whoever forked it. Of a pipe the CPU times are those of all its processes, the peak that of the largest.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_LAUNCHER = """
import os, sys, time
out = os.dup(1)
null = os.open(os.devnull, os.O_RDWR)
start = time.perf_counter()
pid = os.fork()
if not pid:
    try:
        os.dup2(null, 0); os.dup2(null, 1)
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError:
        os._exit(127)
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - start
code = os.waitstatus_to_exitcode(status)
line = '{"wall": %f, "cpu": %f, "peak": %d, "code": %d}' % (wall, used.ru_utime + used.ru_stime, used.ru_maxrss, code)
os.write(out, line.encode())
"""
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


class Cost(NamedTuple):
    """Seconds, seconds, bytes; `complaint` is the last line on standard error of a process that failed."""

    wall: float
    cpu: float
    peak: int
    code: int
    complaint: str = ""


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command], capture_output=True, check=True,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    said = json.loads(done.stdout)
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    complaint = lines[-1] if said["code"] and lines else ""
    return Cost(said["wall"], said["cpu"], said["peak"] * _PEAK_UNIT, said["code"], complaint)


def instructions(command: Sequence[str], scratch: Path, environment: Mapping[str, str] | None = None) -> int | None:
    """Instructions in user mode, where `perf` is there and allowed to count."""
    counted = scratch / "perf.csv"
    try:
        done = subprocess.run(
            ["perf", "stat", "-x", ",", "-e", "instructions:u", "-o", str(counted), *command],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env={**os.environ, **(environment or {})},
        )  # fmt: skip
    except FileNotFoundError:
        return None
    if done.returncode or not counted.exists():
        return None
    for line in counted.read_text().splitlines():
        number, _, rest = line.partition(",")
        if "instructions" in rest and number.isdecimal():
            return int(number)
    return None
