"""Colour on a terminal, nothing in a pipe."""

from collections.abc import Iterable, Iterator

from rpcdiag.model.evidence import Severity

_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_COLORS = {Severity.ERROR: "\x1b[31m", Severity.WARNING: "\x1b[33m", Severity.NOTE: "\x1b[36m", None: "\x1b[32m"}


class Style:
    """Puts text into colours; returns it as it is when they are off."""

    def __init__(self, color: bool) -> None:
        self._on = color

    def _put(self, code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if self._on and text.strip() else text

    def title(self, text: str, worst: Severity | None) -> str:
        return self._put(_BOLD, text)

    def verdict(self, text: str, worst: Severity | None) -> str:
        return self._put(_BOLD + _COLORS[worst if worst is not Severity.NOTE else None], text)

    def cause(self, text: str, severity: Severity) -> str:
        return self._put(_BOLD + _COLORS[severity], text)

    def label(self, text: str) -> str:
        return self._put(_BOLD, text)

    def command(self, text: str) -> str:
        return self._put(_COLORS[Severity.NOTE], text)

    def bad_line(self, text: str) -> str:
        return self._put(_COLORS[Severity.ERROR], text)

    def bad(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            yield self.bad_line(line)
