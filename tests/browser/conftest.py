"""A headless Chromium, the one that the system has; without it, or without its driver, these tests skip and say so."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.analysis import Diagnosis
from rpcdiag.report.output import Options
from rpcdiag.report.outputs.html import render

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARTIFACTS = "RPCDIAG_ARTIFACTS"  # the folder for screenshots; .artifacts of the checkout without
# what the browser says of a page, from its first moment on
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")  # while it lives, an event loop runs: other modules' tests start their own
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
    with driver.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=sandbox)
        yield started
        started.close()


class Opened:
    """A report in a window, and all that went wrong or out since it was opened."""

    def __init__(self, browser: Any, path: Path, width: int, theme: str) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.context.add_init_script(WATCH)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self._asked_something)
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def _asked_something(self, dialog: Any) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def nothing_went_wrong(self) -> bool:
        """Nothing on the console, nothing loaded but the file itself, nothing that its policy had to stop."""
        assert self.said == []
        assert self.asked == [self.page.url.partition("#")[0]]
        assert self.page.evaluate("violations") == []
        return True

    def fits(self) -> bool:
        """Nothing sticks out to the right."""
        wide: bool = self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        return wide

    def rows(self) -> list[list[str]]:
        """The texts of the table that is shown."""
        read: list[list[str]] = self.page.evaluate(
            "[...document.querySelectorAll('[role=tabpanel]:not([hidden]) tbody tr')]"
            ".map(row => [...row.cells].map(cell => cell.textContent))"
        )
        return read

    def column(self, title: str) -> list[str]:
        heads = self.page.locator("[role=tabpanel]:not([hidden]) thead th").all_inner_texts()
        place = [head.split("\n")[0].strip(" ↕▲▼") for head in heads].index(title)
        return [row[place] for row in self.rows()]

    def clipboard(self) -> str:
        text: str = self.page.evaluate("navigator.clipboard.readText()")
        return text


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Writes the report of a diagnosis and opens it from disk."""
    windows: list[Opened] = []

    def open_(diagnosis: Diagnosis, *, width: int = 1280, theme: str = "light") -> Opened:
        path = tmp_path / "report.html"
        path.write_bytes("\n".join(render(diagnosis, Options())).encode())
        windows.append(Opened(browser, path, width, theme))
        return windows[-1]

    yield open_
    for window in windows:
        window.context.close()


@pytest.fixture
def artifacts() -> Path:
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get(ARTIFACTS) or root / ".artifacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
