"""placeholder"""
from typing import NamedTuple
class Clock(NamedTuple):
    offset_ns: int | None
    basis: str
    matches: int
    spread_ns: int
    why: str
class LogMatch(NamedTuple):
    attempt: int
    entries: tuple[int, ...]
    grade: str
    basis: str
