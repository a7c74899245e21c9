"""The report to look at, measured: a capture with 5,000 RPC flows, its report opened and searched in headless Chromium.

    python -m bench.html [--flows N] [--rounds N] [--dir FOLDER]

Opening is from the navigation to the load event, when the first table is drawn; a search is from the key to the next
frame that is painted.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import captures
from rpcdiag.analysis import analyze
from rpcdiag.report.output import Options
from rpcdiag.report.outputs.html import render

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CACHE = Path("~/.cache/rpcdiag-bench")
FLOWS = 56_850  # of the capture "dense" at scale 1
SEARCHES = ("10.", "135 established", "no such thing", "f49")
_OPENED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
_TIMED = """([what, value]) => new Promise(done => {
  const began = performance.now();
  const after = () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  const panel = document.querySelector('#panel-flows');
  if (what === 'search') {
    const input = panel.querySelector('input[type=search]');
    input.value = value;
    input.dispatchEvent(new Event('input', { bubbles: true }));
  } else if (what === 'sort') panel.querySelectorAll('th button')[value].click();
  else {
    const select = panel.querySelector('select');
    select.selectedIndex = value;
    select.dispatchEvent(new Event('change', { bubbles: true }));
  }
  after();
})"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; print what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.html", description="Measure the report to look at.")
    parser.add_argument("--flows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=CACHE)
    chosen = parser.parse_args(arguments)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.stderr.write("playwright is not installed: pip install playwright\n")
        return 4
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.stderr.write("there is no Chromium: apt-get install chromium\n")
        return 4
    report, flows, cases = _report(chosen.dir.expanduser() / "html", chosen.flows)
    print(f"{flows} RPC flows, {cases} cases; {report.stat().st_size / 1e6:.2f} MB")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        for name, times in _measured(browser, report, chosen.rounds):
            print(f"{name:<32} median {median(times):7.1f} ms   worst {max(times):7.1f} ms")
        browser.close()
    return 0


def _report(folder: Path, flows: int) -> tuple[Path, int, int]:
    capture = folder / f"dense-{flows}.pcap"
    if not capture.exists():
        built = captures.build("dense", folder / str(flows), scale=flows / FLOWS)
        shutil.move(built.pcap[0], capture)
    diagnosis, took = _timed(lambda: analyze([str(capture)]))
    text, rendered = _timed(lambda: "".join(render(diagnosis, Options())))
    print(f"analysed in {took:.2f} s, rendered in {rendered:.2f} s")
    path = folder / f"report-{flows}.html"
    path.write_text(text, encoding="utf-8")
    return path, len(diagnosis.case.flows), len({(one.client, one.server) for one in diagnosis.findings})


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def _measured(browser: "Browser", report: Path, rounds: int) -> list[tuple[str, list[float]]]:
    opened: list[float] = []
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        page = browser.new_page()
        page.goto(report.as_uri())
        opened.append(page.evaluate(_OPENED))
        for search in SEARCHES:
            found.setdefault(f"search {search!r}", []).append(page.evaluate(_TIMED, ["search", search]))
        page.evaluate(_TIMED, ["search", ""])
        found.setdefault("filter by a word", []).append(page.evaluate(_TIMED, ["select", 1]))
        page.evaluate(_TIMED, ["select", 0])
        found.setdefault("sort by client", []).append(page.evaluate(_TIMED, ["sort", 2]))
        page.close()
    return [("open", opened), *found.items()]


if __name__ == "__main__":
    sys.exit(main())
