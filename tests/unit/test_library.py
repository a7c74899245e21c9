"""The program as a library, as docs/library.md tells it."""

import ast
import contextlib
import html.parser
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rpcdiag
from rpcdiag.model.version import __version__

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
OCS = ROOT / "pcaps" / "ocs-advfirewall"


@pytest.fixture(scope="module")
def diagnosis() -> rpcdiag.Diagnosis:
    return rpcdiag.analyze(OCS / "capture.pcapng", str(OCS / "pfirewall.log"))


def test_the_examples_of_the_page_run_and_say_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: pip install 'rpcdiag[data]'")
    (tmp_path / "pcaps").symlink_to(ROOT / "pcaps")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(python|text)\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 6
    names: dict[str, Any] = {}
    said = ""
    for language, text in blocks:
        if language == "text":
            assert said == text
            continue
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(ast.parse(text), "docs/library.md", "exec"), names)
        said = out.getvalue()
    assert said == "no-such-file.pcapng: no such file\n"
    assert names["count"] > 0
    assert (tmp_path / "annotated.pcapng").stat().st_size
    assert names["rows"] == 4


def test_the_import_loads_nothing_else() -> None:
    code = "import sys, rpcdiag; print(sorted(one for one in sys.modules if one.startswith('rpcdiag')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "['rpcdiag']\n"


def test_all_that_is_public_is_there_and_nothing_else() -> None:
    for name in rpcdiag.__all__:
        assert getattr(rpcdiag, name) is not None
        assert name in dir(rpcdiag)
    assert rpcdiag.__version__ == __version__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        rpcdiag.nonsense  # noqa: B018  that it raises is the point
    assert (ROOT / "rpcdiag" / "py.typed").exists()


def test_findings_remedies_and_facts(diagnosis: rpcdiag.Diagnosis) -> None:
    assert [one.rule for one in diagnosis.errors] == ["dynamic-port-blocked"]
    assert diagnosis.errors[0].severity is rpcdiag.Severity.ERROR
    assert diagnosis.remedies(diagnosis.errors[0])
    assert "tcp.port == 49154" in diagnosis.display_filter(diagnosis.errors[0])
    assert [flow["id"] for flow in diagnosis.document()["flows"]] == [flow.id for flow in diagnosis.case.flows]
    assert not diagnosis.troubles
    assert repr(diagnosis) == "<rpcdiag.Diagnosis of capture.pcapng: 1 error, 1 note>"


@pytest.mark.parametrize("output", ["text", "json", "ndjson", "md", "mermaid", "sarif", "csv", "zeek"])
def test_reports_are_those_of_the_command_line(
    diagnosis: rpcdiag.Diagnosis, output: str, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    from rpcdiag.ui.cli import main

    arguments = [str(OCS / "capture.pcapng"), "--log", str(OCS / "pfirewall.log"), "-T", output]
    main(["analyze", *arguments])
    assert capfdbinary.readouterr().out.decode() == diagnosis.report(output)
    diagnosis.save(output, tmp_path / "library")
    main(["analyze", *arguments, "-o", str(tmp_path / "command")])
    files = {path.relative_to(tmp_path / "library") for path in (tmp_path / "library").rglob("*")}
    for name in files or {Path()}:
        assert (tmp_path / "library" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()


def test_tables(diagnosis: rpcdiag.Diagnosis, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'rpcdiag[data]'")
    assert diagnosis.to_arrow("flows").column("id").to_pylist() == ["f1", "f2"]
    assert diagnosis.to_arrow().column("rule").to_pylist() == [one.rule for one in diagnosis.findings]
    with pytest.raises(ValueError, match="no table 'nonsense'; there are captures"):
        diagnosis.to_arrow("nonsense")
    diagnosis.save("parquet", tmp_path / "tables")
    assert (tmp_path / "tables" / "flows.parquet").exists()


def test_what_cannot_be(diagnosis: rpcdiag.Diagnosis, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no output 'nonsense'; there are csv"):
        diagnosis.report("nonsense")
    with pytest.raises(ValueError, match="no captures"):
        rpcdiag.analyze([])
    with pytest.raises(rpcdiag.InputError, match="no such file"):
        rpcdiag.analyze(tmp_path / "absent")
    some = rpcdiag.analyze([OCS / "capture.pcapng", tmp_path / "absent"])
    assert [type(one).__name__ for one in some.troubles] == ["InputError"]
    assert some.findings
    under = rpcdiag.analyze(OCS / "capture.pcapng", policy="tmg")
    assert "policy" in under.document()


class _Tags(html.parser.HTMLParser):
    """The tags and attributes of a text."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\x1b[31m\udcff", "&lt;b&gt;", "x" * 9999]
)
def test_the_display_of_a_notebook_runs_nothing(name: str) -> None:
    from rpcdiag import analysis
    from rpcdiag.library import Diagnosis

    found = analysis.analyze([str(OCS / "capture.pcapng")])
    findings = tuple(one._replace(summary=name, rule=one.rule) for one in found.findings) * 30
    captures = tuple(one._replace(path=name) for one in found.case.captures)
    shown = Diagnosis(found._replace(findings=findings, case=found.case._replace(captures=captures)))._repr_html_()
    tags = _Tags()
    tags.feed(shown)
    assert tags.seen == {"table", "caption", "thead", "tbody", "tr", "th", "td", "b", "br", "code"}
    assert tags.attributes <= {"style", "scope", "colspan"}
    assert "more</td>" in shown
    assert len(shown) < 100_000
