"""What several rules look up in the same case: once for all of them.

Only for lookups that depend on nothing but the case, whose results nobody changes.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from rpcdiag.case import Case

_T = TypeVar("_T")


class _Kept(threading.local):
    """Of the case that this thread judges."""

    case: Case | None = None
    found: dict[Callable[[Case], Any], Any]


_kept = _Kept()


def once(look: Callable[[Case], _T]) -> Callable[[Case], _T]:
    """The same lookup, made once for each case until another case is asked about, or `forget` is called."""

    @wraps(look)
    def looked_up(case: Case) -> _T:
        if _kept.case is not case:
            _kept.case, _kept.found = case, {}
        found = _kept.found
        if look not in found:
            found[look] = look(case)
        result: _T = found[look]
        return result

    return looked_up


def forget() -> None:
    """Give back what is known of the last case."""
    _kept.case, _kept.found = None, {}
