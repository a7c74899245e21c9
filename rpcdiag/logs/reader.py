"""placeholder"""
from typing import NamedTuple
from rpcdiag.logs.entry import BadLine, LogEntry
class LogFile(NamedTuple):
    path: str
    format: str
    entries: tuple[LogEntry, ...]
    bad: tuple[BadLine, ...]
    bad_count: int
    notes: tuple[str, ...]
def with_rotated(paths): return list(paths)
