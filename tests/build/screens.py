"""The screen of the full-screen view as lines of text, driven by keys."""

import asyncio
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.live.turns import Turns
from rpcdiag.model.packets import Address
from rpcdiag.ui.tui.app import LiveApp
from rpcdiag.ui.tui.lookup import Names
from rpcdiag.ui.tui.view import View

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
SMALL, LARGE = (80, 24), (160, 50)
# a key, another size, or something to be done in between
Act = Callable[[LiveApp, View], None] | str | tuple[int, int]


def nobody(address: Address) -> str | None:
    """Knows no names."""
    return None


def tell(view: View, diagnosis: Diagnosis, turns: Turns | None = None) -> None:
    """As `live` does at its last look."""
    turns = turns or Turns()
    now_ns = max((one.last_ns or 0 for one in diagnosis.case.captures), default=0)
    view.turns(turns.look(diagnosis.case, diagnosis.findings, now_ns))
    view.known(diagnosis.case, diagnosis.findings, now_ns, turns.name)


def story(name: str) -> View:
    """What is known of a story at its end, with its log."""
    folder = PCAPS / name
    capture = folder / "capture.pcapng"
    view = View(f"{name}/capture.pcapng")
    view.recent(capture.read_bytes())
    tell(view, analyze([str(capture)], [str(one) for one in folder.glob("*.log")]))
    return view


def screens(
    view: View, size: tuple[int, int], acts: Sequence[Act] = (), lookup: Names | None = None, folder: str = "."
) -> list[list[str]]:
    """The screen at first, and after each act."""

    async def drive() -> list[list[str]]:
        app = LiveApp(view, lookup or Names(nobody), folder)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            found = [drawn(app)]
            for act in acts:
                if callable(act):
                    act(app, view)
                    app.tick()
                elif isinstance(act, tuple):
                    await pilot.resize_terminal(*act)
                    await pilot.pause()
                else:
                    await pilot.press(act)
                await app.workers.wait_for_complete()
                await pilot.pause()
                found.append(drawn(app))
            return found

    return asyncio.run(drive())


def drawn(app: LiveApp) -> list[str]:
    """What a terminal would show, without colours."""
    width, height = app.size
    console = Console(
        file=io.StringIO(), width=width, height=height, record=True, legacy_windows=False, color_system=None
    )
    console.print(app.screen._compositor)
    lines = console.export_text().splitlines()
    return [line.rstrip() for line in lines]
