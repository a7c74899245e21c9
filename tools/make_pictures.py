"""The pictures of docs/report.md: the reports of two stories, as headless Chromium shows them.

python -m tools.make_pictures
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rpcdiag.analysis import Diagnosis

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images"
LARGEST = 300_000  # bytes
WIDTH = 1280


class Picture(NamedTuple):
    """From the top of `first` to `last`, which is its end, or the top of what follows it."""

    name: str
    story: str
    first: str
    last: str
    theme: str
    width: int = WIDTH
    height: int = 1900


PICTURES = (
    Picture("dpm-tmg", "dpm-tmg", "header", ".filter", "light"),
    Picture("dpm-tmg-ladder", "dpm-tmg", "svg.ladder.wide", "svg.ladder.wide", "light"),
    Picture("dpm-tmg-tables", "dpm-tmg", "#map", "footer", "dark"),
    Picture("ocs-advfirewall", "ocs-advfirewall", "header", ".alternative", "light"),
    Picture("ocs-advfirewall-cure", "ocs-advfirewall", ".cure", ".cure", "light"),
    Picture("ocs-advfirewall-narrow", "ocs-advfirewall", "header", ".alternative", "dark", width=400, height=2300),
)


def _diagnosed(story: str) -> "Diagnosis":
    """With its log, and its policy where it has a part in it; files are named as one names them in a checkout."""
    from rpcdiag.analysis import analyze
    from rpcdiag.policy.load import load

    here = Path("pcaps") / story
    policy = load(str(here / "policy.yaml")) if story == "dpm-tmg" else None
    return analyze([str(here / "capture.pcapng")], [str(path) for path in here.glob("*.log")], policy=policy)


def main() -> int:
    """Make them again; 1 where one has become too large."""
    from playwright.sync_api import sync_playwright

    from rpcdiag.report.output import Options
    from rpcdiag.report.outputs.html import render

    FOLDER.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
        for picture in PICTURES:
            report = Path(work) / f"{picture.story}.html"
            report.write_text("".join(render(_diagnosed(picture.story), Options())), encoding="utf-8")
            page = browser.new_page(viewport={"width": picture.width, "height": 900}, color_scheme=picture.theme)
            page.goto(report.as_uri())
            boxes = [page.locator(one).first.bounding_box() for one in (picture.first, picture.last)]
            top, bottom = boxes[0]["y"], boxes[1]["y"] + boxes[1]["height"]
            clip = {
                "x": 0,
                "y": max(0, top - 12),
                "width": picture.width,
                "height": min(picture.height, bottom - top + 24),
            }
            page.screenshot(path=FOLDER / f"{picture.name}.png", full_page=True, clip=clip)
            page.close()
        browser.close()
    large = [path.name for path in FOLDER.glob("*.png") if path.stat().st_size > LARGEST]
    for path in sorted(FOLDER.glob("*.png")):
        print(f"{path.name}: {path.stat().st_size} bytes")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main())
