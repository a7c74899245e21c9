"""The report in a browser: what a person sees, clicks and reaches with the keyboard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.ui.demo import diagnose, stories
from tests.browser.conftest import Opened
from tests.browser.reports import headline, hostile, many

Open = Callable[..., Opened]
HEADLINES = ("dpm-tmg", "ocs-advfirewall")


@pytest.mark.parametrize("story", stories(), ids=lambda path: path.name)
def test_every_story_opens_in_silence_and_fits(opened: Open, story: Path) -> None:
    window = opened(diagnose(story))
    assert window.nothing_went_wrong()
    window.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for width in (1280, 720, 400):
        window.page.set_viewport_size({"width": width, "height": 900})
        assert window.fits(), width
    for tab in window.page.get_by_role("tab").all():
        tab.click()
        assert window.fits()
    assert window.nothing_went_wrong()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", HEADLINES)
def test_how_it_looks(opened: Open, artifacts: Path, name: str, width: int, theme: str) -> None:
    """For people: the pictures are kept. For the test: no text of a drawing lies on another, or out of the drawing."""
    window = opened(headline(name), width=width, theme=theme)
    window.page.screenshot(path=artifacts / f"{name}-{width}-{theme}.png", full_page=True)
    assert window.page.evaluate(_OVERLAPS) == []
    assert window.page.evaluate(_CUT_OFF) == []
    assert window.nothing_went_wrong()


_TEXTS = """
const shown = [...document.querySelectorAll('svg.ladder, svg.map')].filter(one => one.getBoundingClientRect().width);
const boxes = one => [...one.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
"""
_OVERLAPS = f"""() => {{ {_TEXTS}
const found = [];
for (const drawing of shown) {{
  const all = boxes(drawing);
  for (let i = 0; i < all.length; i++) for (let j = i + 1; j < all.length; j++) {{
    const [a, b] = [all[i][1], all[j][1]];
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && high > 5) found.push([all[i][0], all[j][0]]);
  }}
}}
return found; }}"""
_CUT_OFF = f"""() => {{ {_TEXTS}
return shown.flatMap(drawing => {{
  const paper = drawing.getBoundingClientRect();
  return boxes(drawing).filter(([, box]) => box.left < paper.left - 1 || box.right > paper.right + 1).map(([text]) => text);
}}); }}"""


def test_both_themes_and_the_switch(opened: Open) -> None:
    def back(window: Opened) -> str:
        colour: str = window.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return colour

    light, dark = (opened(headline("dpm-tmg"), theme=theme) for theme in ("light", "dark"))
    assert back(light) != back(dark)
    switch = light.page.get_by_role("button", name="Colours")
    switch.click()
    assert back(light) != back(dark)
    switch.click()
    assert back(light) == back(dark)
    light.page.reload()
    assert back(light) == back(dark)  # it is remembered
    switch.click()
    assert back(light) != back(dark)
    assert light.said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened: Open, theme: str) -> None:
    """At least 4.5 to 1, as WCAG 2 asks of text (1.4.3)."""
    window = opened(headline("dpm-tmg"), theme=theme)
    window.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert window.page.evaluate(_FAINT) == []


_FAINT = """() => {
const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const ground = node => { for (; node; node = node.parentElement) {
  const [r, g, b, a = 1] = numbers(getComputedStyle(node).backgroundColor); if (a > .5) return [r, g, b]; } return [255, 255, 255]; };
const found = [];
for (const node of document.querySelectorAll('main *, header *')) {
  if (node.closest('svg, [hidden]') || !node.getClientRects().length) continue;
  if (node.matches(':disabled') || ![...node.childNodes].some(one => one.nodeType === 3 && one.data.trim())) continue;
  const [one, other] = [light(numbers(getComputedStyle(node).color)), light(ground(node))];
  if ((Math.max(one, other) + .05) / (Math.min(one, other) + .05) < 4.5) found.push(node.textContent.slice(0, 40));
}
return found; }"""


def test_search_filter_and_sort(opened: Open) -> None:
    window = opened(headline("dpm-tmg"))
    page = window.page
    assert window.column("Flow") == [f"f{number}" for number in range(1, 8)]
    page.get_by_label("Search").fill("lsarpc")
    assert window.column("Flow") == ["f4"]
    page.get_by_label("Search").fill("10.0.0.9 iremunknown2")  # all words, anywhere
    assert window.column("Flow") == ["f2"]
    page.get_by_role("button", name="clear").click()
    page.get_by_label("only with Policy").select_option("drop")
    assert window.column("Flow") == ["f5", "f6", "f7"]
    page.get_by_role("button", name="clear").click()
    head = page.locator("#panel-flows th").filter(has_text="Port").first
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert window.column("Port") == sorted(window.column("Port"), key=int)
    assert window.column("Flow")[-1] == "f2"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert window.column("Port") == sorted(window.column("Port"), key=int, reverse=True)
    page.get_by_label("Search").fill("no such thing")
    assert window.rows() == []
    assert "0 of 7 rows" in page.locator("#panel-flows .count").inner_text()
    assert window.nothing_went_wrong()


def test_the_brush_filters_the_tables(opened: Open) -> None:
    window = opened(headline("dpm-tmg"))
    page = window.page
    page.locator("#timeline").scroll_into_view_if_needed()
    box = page.locator("#timeline").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20, steps=4)
    page.mouse.up()
    assert window.column("Flow") == ["f5", "f6", "f7"]
    assert "07:06:4" in page.locator("#brush-says").inner_text()
    page.get_by_role("tab", name="Log lines").click()
    assert "in the chosen time" in page.locator("#panel-log .count").inner_text()
    page.get_by_role("button", name="whole capture").click()
    page.get_by_role("tab", name="Flows").click()
    assert len(window.rows()) == 7
    slider = page.get_by_role("slider", name="from")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("PageUp")  # a tenth of the capture each
    assert window.column("Flow") == ["f5", "f6", "f7"]
    assert window.nothing_went_wrong()


def test_every_packet_number_gives_its_filter(opened: Open) -> None:
    window = opened(headline("ocs-advfirewall"))
    page = window.page
    said = page.locator("#tip")  # once the clipboard has it, which takes its time
    page.locator(".proofs .pk").filter(has_text="#15").first.click()
    said.get_by_text("frame.number == 15", exact=True).wait_for()
    assert "frame.number == 15" in said.inner_text()
    assert window.clipboard() == "frame.number == 15"
    page.locator("svg.ladder.wide .pk").filter(has_text="#10").click()
    said.get_by_text("frame.number == 10", exact=True).wait_for()
    assert window.clipboard() == "frame.number == 10"
    page.locator("#panel-flows .pk").first.click()
    said.get_by_text("frame.number == 1", exact=True).wait_for()
    assert window.clipboard() == "frame.number == 1"
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    numbers = page.evaluate(
        "[...document.querySelectorAll('.pk')].every(one => one.textContent === '#' + one.dataset.f)"
    )
    assert numbers


def test_copy_buttons(opened: Open) -> None:
    diagnosis = headline("ocs-advfirewall")
    window = opened(diagnosis)
    page = window.page
    command = diagnosis.remedies[diagnosis.findings[0].id][0].commands[0]
    page.locator(".cure").first.get_by_role("button", name="copy").first.click()
    page.locator("#tip").get_by_text("Copied", exact=True).wait_for()
    assert window.clipboard() == command.text
    page.locator(".filter").first.get_by_role("button").click()
    page.locator(".filter").first.get_by_text("copied", exact=True).wait_for()
    assert window.clipboard().startswith("(ip.addr == 10.20.3.7 ")
    assert window.nothing_went_wrong()


def test_a_log_line_leads_to_its_row(opened: Open) -> None:
    window = opened(headline("ocs-advfirewall"))
    window.page.locator(".proofs .ln").filter(has_text="166").click()
    here = window.page.locator("#panel-log tr.here")
    assert here.locator("td").first.inner_text() == "166"
    assert here.is_visible()
    assert "drop" in here.inner_text()


def test_the_keyboard_reaches_everything(opened: Open) -> None:
    window = opened(headline("dpm-tmg"))
    page = window.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    seen = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        now = page.evaluate(
            "[document.activeElement.tagName.toLowerCase(), document.activeElement.className.baseVal ?? document.activeElement.className, document.activeElement.getAttribute('role')].join('|')"
        )
        if now.startswith("body"):
            break
        seen.add(now)
    kinds = " ".join(seen)
    for kind in ("button|control", "summary|", "g|pk|button", "button|pk mono", "button|ln mono", "button|small copy", "|tab",
                 "input|", "select|", "div|scroll|region", "a|"):  # fmt: skip
        assert kind in kinds, kind
    page.locator("svg.ladder.wide .pk").first.focus()
    page.keyboard.press("Enter")
    assert window.clipboard() == "frame.number == 34"
    page.get_by_role("tab", name="Flows").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-referrals"
    assert page.get_by_role("tab", name="Referrals").get_attribute("aria-selected") == "true"
    assert [row[0] for row in window.rows()] == ["r1", "r2"]
    assert window.nothing_went_wrong()


def test_on_paper_everything_is_open_and_nothing_is_to_be_clicked(opened: Open, artifacts: Path) -> None:
    window = opened(headline("dpm-tmg"), theme="dark")
    page = window.page
    page.emulate_media(media="print")
    for control in ("nav", "#theme", ".tools", ".brush", ".copy"):
        assert all(not one.is_visible() for one in page.locator(control).all()), control
    assert page.locator("#case-2 .proofs").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.emulate_media(media="screen")
    page.pdf(path=artifacts / "dpm-tmg.pdf", format="A4")
    assert (artifacts / "dpm-tmg.pdf").stat().st_size > 10_000
    assert not page.evaluate("document.querySelector('#case-2 details').open")  # as it was


@pytest.mark.parametrize("width", [1280, 400])
def test_hostile_names_run_nothing(opened: Open, artifacts: Path, tmp_path: Path, width: int) -> None:
    window = opened(hostile(tmp_path), width=width)
    page = window.page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    shown = ""
    for tab in page.get_by_role("tab").all():
        tab.click()
        page.get_by_label("Search").locator("visible=true").fill("<")
        shown += page.locator("[role=tabpanel]:not([hidden]) tbody").inner_text()
    page.locator(".pk").first.click()
    page.locator(".copy").first.click()
    assert page.evaluate("window.canary") is None
    assert window.nothing_went_wrong()
    assert window.fits()
    assert page.evaluate("[...document.scripts].length") == 2
    assert page.evaluate("document.querySelectorAll('img, iframe, object, embed, link, base, form').length") == 0
    assert page.evaluate(_ACTIVE) == []
    text = page.locator("body").inner_text()
    assert "<script>window.canary=1</script>" in text
    assert "{{7*7}}" in text
    assert "<script>window.canary=1" in shown
    everything: Any = page.evaluate("document.documentElement.textContent")
    assert not set(everything) & set("\x1b\u202e\u2066")
    assert "\\x1b[31m\\u202e" in text
    page.screenshot(path=artifacts / f"hostile-{width}.png", full_page=True)


_ACTIVE = """[...document.querySelectorAll('body *:not(#tip)')].filter(
  one => one.getAttributeNames().some(name => name.startsWith('on') || name === 'style' || name === 'href' && !one.hash)
).map(one => one.outerHTML.slice(0, 200))"""


def test_ten_thousand_rows_are_searched_and_turned_over(opened: Open) -> None:
    window = opened(many())
    page = window.page
    assert len(window.rows()) == 50
    assert "rows 1 to 50 of 10000 rows" in page.locator("#panel-flows .count").inner_text()
    page.get_by_label("Search").locator("visible=true").fill("10.9.9.9")
    assert window.rows() == []
    page.get_by_label("Search").locator("visible=true").fill("f9999")
    assert window.column("Flow") == ["f9999"]
    page.get_by_role("button", name="clear").locator("visible=true").click()
    page.locator("#panel-flows").get_by_role("button", name="next").click()
    assert window.column("Flow")[0] == "f51"
    assert window.nothing_went_wrong()
