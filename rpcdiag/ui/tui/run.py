"""The capture in a thread of its own, the screen in the main one, and the terminal as it was when both have ended."""

import argparse
import os
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec

from rpcdiag.analysis import Diagnosis
from rpcdiag.errors import InputError, MissingPiece
from rpcdiag.ui.tui.view import View

Work = Callable[[], tuple[Diagnosis, bool]]


def view(chosen: argparse.Namespace) -> View:
    """What `--tui` asks for; where standard input is the capture, keys come from the terminal itself.

    Raises:
        InputError: there is no terminal, or an output that has no use for it.
        MissingPiece: Textual is not installed.
    """
    if find_spec("textual") is None:
        raise MissingPiece("--tui needs the package textual", "pip install 'rpcdiag[tui]'")
    if chosen.output == "ndjson":
        raise InputError("--tui", "is a screen, -T ndjson is for programs: choose one")
    what = chosen.pipe or ", ".join(chosen.interface)
    if chosen.pipe == "-":
        what, chosen.pipe = "standard input", _moved_aside()
    if not os.isatty(0) or sys.__stderr__ is None or not sys.__stderr__.isatty():
        raise InputError("--tui", "needs a terminal to draw on and to read keys from")
    return View(what)


def _moved_aside() -> str:
    """Give the capture on standard input another number, and its place to the terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        raise InputError("--tui", "needs a terminal, and there is none beside standard input") from None
    aside = os.dup(0)
    os.dup2(terminal, 0)
    os.close(terminal)
    return f"/dev/fd/{aside}"


def on_screen(shown: View, work: Work) -> tuple[Diagnosis, bool]:
    """Do the work while the screen shows it; both are over when somebody leaves the screen.

    Raises whatever the work raised.
    """
    from rpcdiag.ui.tui.app import LiveApp

    results: list[tuple[Diagnosis, bool]] = []
    failures: list[BaseException] = []

    def watch() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  raised again below, where somebody can see it
            failures.append(error)
            shown.latest = None
        finally:
            shown.finished.set()

    no_color = os.environ.get("NO_COLOR")
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        how = LiveApp(shown).run(mouse=False, size=_size())
    finally:
        shown.stop()
        if no_color is not None:
            os.environ["NO_COLOR"] = no_color  # Textual takes it away
        thread.join()
    if failures:
        raise failures[0]
    diagnosis, interrupted = results[0]
    interrupted = interrupted or how == "interrupted"
    return diagnosis._replace(interrupted=interrupted), interrupted


def _size() -> tuple[int, int] | None:
    """Of the terminal, where standard output is not the one that says so."""
    if sys.stdout.isatty():
        return None
    columns, lines = os.get_terminal_size(2)
    return columns, lines
