"""The page as text: what it holds, what it may do, and how large it gets. How it behaves is for tests/browser."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.report.html import cases, messages
from rpcdiag.report.html.tables import as_json
from rpcdiag.report.names import clean
from rpcdiag.report.output import Options
from rpcdiag.report.outputs.html import render
from rpcdiag.ui.cli import MISSING, main
from rpcdiag.ui.demo import diagnose, stories
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START

SMALL = 500_000  # bytes: what a report of a small capture may have at most
VOID = {"meta", "br", "input", "hr"}
pytest.importorskip("jinja2")


class _Read(HTMLParser):
    """Elements with their attributes and their place in the tree, and the text of each kind."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]

    @property
    def text(self) -> str:
        return " ".join(" ".join(parts) for tag, parts in self.texts.items() if tag not in ("script", "style"))


def _page(diagnosis: Diagnosis) -> str:
    return "\n".join(render(diagnosis, Options()))


def _story(name: str) -> Diagnosis:
    return diagnose(next(story for story in stories() if story.name == name))


@pytest.mark.parametrize("story", stories(), ids=lambda path: path.name)
def test_every_story(story: Path) -> None:
    """Well formed, small, the same every time; each finding is told with its evidence; ids are unique."""
    diagnosis = diagnose(story)
    page = _page(diagnosis)
    assert page == _page(diagnosis)
    assert len(page.encode()) < SMALL
    read = _Read(page)
    assert read.open == []
    told = " ".join(read.text.split())
    for finding in diagnosis.findings:
        assert " ".join(clean(finding.summary[1:]).split()) in told
        assert finding.rule in told
        for one in finding.evidence:
            assert " ".join(clean(one.says).split()) in told
    ids = [found["id"] for _, found in read.elements if "id" in found]
    assert len(ids) == len(set(ids))


def test_the_policy_allows_its_own_style_and_script_and_nothing_else() -> None:
    read = _Read(_page(_story("dpm-tmg")))
    policy = read.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"] or ""
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        code = read.texts[tag][-1]
        assert rules[rule] == f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'"
    for tag, found in read.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form", "use", "image")
        assert not any(name.startswith("on") or name in ("style", "src", "srcset") for name in found)
        assert (found.get("href") or "#").startswith("#")
    assert len(read.all("script")) == 2


def test_nothing_in_the_files_points_elsewhere() -> None:
    page = _page(_story("ocs-advfirewall"))
    assert not re.search(r"(?i)https?:|@import|url\(|//[a-z]", page.replace("// ", ""))


def test_the_data_holds_the_tables() -> None:
    diagnosis = _story("ocs-advfirewall")
    data = json.loads(_Read(_page(diagnosis)).texts["script"][0])
    tables = {table["id"]: table for table in data["tables"]}
    assert list(tables) == ["flows", "referrals", "findings", "log"]
    assert [row[2] for row in tables["flows"]["rows"]] == [flow.id for flow in diagnosis.case.flows]
    assert len(tables["log"]["rows"]) == len(diagnosis.case.logs[0].file.entries)
    for table in tables.values():
        assert all(len(row) == len(table["columns"]) + 2 for row in table["rows"])
    flow = dict(zip((name for name, _ in tables["flows"]["columns"]), tables["flows"]["rows"][1][2:], strict=True))
    assert flow["Outcome"] == "unanswered"
    assert flow["Told in"] == [0, 10]
    assert flow["Findings"] == "n1 n2"


def test_text_in_the_data_cannot_end_its_element_or_steer_a_terminal() -> None:
    said = as_json({"a": ["</script><!--", "\u2028\x1b[2J\u202e\ud800&"]})
    assert not set(said) & set("<>&\u2028\x1b\u202e\ud800")
    assert json.loads(said)["a"] == ["</script><!--", "\\u2028\\x1b[2J\\u202e\\ud800&"]


def _ladder(read: _Read) -> list[str]:
    """The kinds of the rows of the first drawing."""
    started = [
        place
        for place, (tag, found) in enumerate(read.elements)
        if tag == "svg" and "ladder" in (found.get("class") or "")
    ]
    rows = read.elements[started[0] : started[1]]
    return [found["class"] or "" for tag, found in rows if tag == "g" and (found.get("class") or "").startswith("row ")]


def test_the_ladder_of_a_blocked_port() -> None:
    """The mapper hands out a port; three SYNs end at the firewall; the answer to them is missing."""
    read = _Read(_page(_story("ocs-advfirewall")))
    rows = _ladder(read)
    assert rows.count("row sent stopped") == 3
    assert rows[-1] == "row missing"
    assert rows.index("row told") < rows.index("row sent stopped")
    assert "hands out port 49154" in read.text
    assert "DROP (log line 145)" in read.text
    assert "no SYN-ACK, no RST, no ICMP error for 21.0 s" in read.text


def test_drawings_say_what_they_show() -> None:
    page = _page(_story("dpm-tmg"))
    drawings = re.findall(r'<svg[^>]*role="(?:group|img)".*?</svg>', page, re.DOTALL)
    assert len(drawings) >= 7
    for drawing in drawings:
        title, told = re.search(r'aria-labelledby="(\S+) (\S+)"', drawing).groups()  # type: ignore[union-attr]
        assert re.search(rf'<title id="{title}">[^<]+</title><desc id="{told}">[^<]+</desc>', drawing)
    assert page.count("The same as a table") >= 3


def test_two_points_are_told_apart() -> None:
    page = _page(_story("two-points"))
    data = json.loads(_Read(page).texts["script"][0])
    assert "Seen at" in [name for name, _ in data["tables"][0]["columns"]]


def test_many_cases_and_long_ones_are_bounded(tmp_path: Path) -> None:
    recording = Recording(START)
    for host in range(cases.MAX_CASES + 5):
        Tcp(recording, f"10.1.{host}.1", 40000, f"10.2.{host}.1", 135).refused(times=3)
    for port in range(messages.MAX_MESSAGES * 2):
        tcp = Tcp(recording, "10.1.0.1", 41000 + port, "10.2.0.1", 135)
        tcp.open()
        tcp.close()
    recording.wait(30 * SECOND)
    path = tmp_path / "many.pcapng"
    path.write_bytes(recording.pcapng())
    diagnosis = analyze([str(path)])
    assert len({(one.client, one.server) for one in diagnosis.findings}) > cases.MAX_CASES
    read = _Read(_page(diagnosis))
    assert len(read.all("section", **{"class": "case error"})) == cases.MAX_CASES
    assert "5 more pairs of hosts are in the tables only" in read.text
    first = _ladder(read)
    assert len([row for row in first if row != "row more"]) == messages.MAX_MESSAGES
    assert "row more" in first


def test_a_capture_without_packets(tmp_path: Path) -> None:
    path = tmp_path / "none.pcapng"
    path.write_bytes(Recording(START).pcapng())
    assert "No RPC in these packets" in _Read(_page(analyze([str(path)]))).text


def test_without_jinja2_it_says_what_is_missing_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rpcdiag.report.outputs.html.find_spec", lambda name: None)
    out = tmp_path / "report.html"
    capture = str(stories()[0] / "capture.pcapng")
    assert main(["analyze", capture, "-T", "html", "-o", str(out)]) == MISSING
    assert "pip install jinja2" in capsys.readouterr().err
    assert not out.exists()


def test_on_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    capture = str(next(story for story in stories() if story.name == "dpm-tmg") / "capture.pcapng")
    assert main(["analyze", capture, "-T", "html", "-o", str(out), "--fail-on", "never"]) == 0
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
