"""Outputs for machines and tickets: valid by their schemas, and nothing in them is run or read as markup."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.model.evidence import Severity
from rpcdiag.report import sheet
from rpcdiag.report.document import document
from rpcdiag.report.names import clean
from rpcdiag.report.output import Options, Output
from rpcdiag.report.outputs import csv as csv_output
from rpcdiag.report.outputs import md, mermaid, ndjson, sarif
from rpcdiag.report.schema import RECORDS, SCHEMA, line_schema
from rpcdiag.report.tables import TABLES, Kind, described
from rpcdiag.ui import cli
from rpcdiag.ui.cli import main
from rpcdiag.ui.demo import diagnose, stories
from tests.build.conversation import Recording
from tests.build.story import START
from tests.causes.test_causes import SHOWN

STORIES = {path.name: path for path in stories()}
SARIF = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
FORMULAS = ['=HYPERLINK("http://x")', "+1+1", "-1+1", "@SUM(A1)", "\tx", "\r=1", " =1", "＝1+1", 'a"b', "a,b", "a\r\nb"]
HOSTILE = [
    *FORMULAS,
    "<script>alert(1)</script>",
    "`code` ``` **bold** [link](http://evil) ![x](y) # head | cell",
    "@somebody #123 https://evil.example www.evil.example",
    "\x1b[31mred\x1b]0;title\x07",
    "participant X\n    C->>S: y; %% end",
    "lone \udcff \u202e",
]


@pytest.fixture(params=list(STORIES.values()), ids=list(STORIES))
def diagnosis(request: pytest.FixtureRequest) -> Diagnosis:
    return diagnose(request.param)


def _with(name: str) -> Diagnosis:
    """A diagnosis with `name` where packets, logs and files give one."""
    told = diagnose(STORIES["dpm-tmg"])
    findings = tuple(
        one._replace(
            summary=name, next_observation=name, evidence=tuple(each._replace(says=name) for each in one.evidence)
        )
        for one in told.findings
    )
    case = told.case
    captures = tuple(one._replace(path=name) for one in case.captures)
    logs = tuple(one._replace(file=one.file._replace(path=name)) for one in case.logs)
    flows = tuple(one._replace(strict=one.strict._replace(reason=name)) for one in case.flows)
    rows = {
        number: tuple(row._replace(entry=row.entry._replace(rule=name, device=name, service=name)) for row in found)
        for number, found in case.rows.items()
    }
    return told._replace(findings=findings, case=case._replace(captures=captures, logs=logs, flows=flows, rows=rows))


def test_every_output_is_a_choice_and_every_choice_an_output() -> None:
    from rpcdiag import plugins

    known: list[Output] = plugins.discover("rpcdiag.report.outputs", "OUTPUT")
    assert {one.name for one in known} == set(cli.REPORTS)
    assert {one.name for one in known if one.check is not None} == cli.NEED_PACKAGES
    assert {one.name for one in known if one.save is not None} == cli.NEED_FOLDER


# NDJSON


def test_lines_of_ndjson_are_valid_and_hold_what_the_document_holds(diagnosis: Diagnosis) -> None:
    lines = [json.loads(line) for line in ndjson.render(diagnosis, Options())]
    validator = jsonschema.Draft202012Validator(line_schema())
    for line in lines:
        validator.validate(line)
    whole = document(diagnosis)
    assert lines[0] == {"record": "document", **{name: whole[name] for name in ("schema_version", "program")}}
    assert lines[-1]["record"] == "accounting"
    for field, record in RECORDS.items():
        wanted = whole.get(field, [])
        found = [
            {name: value for name, value in line.items() if name != "record"}
            for line in lines
            if line["record"] == record
        ]
        assert found == (wanted if isinstance(wanted, list) else [wanted]), field


def test_the_schema_of_lines_refuses_what_is_none() -> None:
    validator = jsonschema.Draft202012Validator(line_schema())
    for bad in ({}, {"record": "flow"}, {"record": "nonsense"}, {"record": "accounting", "packets": -1}):
        assert not validator.is_valid(bad)


def test_every_field_of_the_document_is_a_record_or_stands_at_the_head() -> None:
    assert set(SCHEMA["properties"]) == set(RECORDS) | {"schema_version", "program"}


def test_schemas_are_printed(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for what, wanted in (("ndjson", line_schema()), ("tables", described()), ("json", SCHEMA)):
        main(["schema", what])
        assert json.loads(capfdbinary.readouterr().out) == wanted


# CSV


def _cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def _formula(cell: str) -> bool:
    return cell.lstrip(" ").startswith(sheet.FORMULA) and not re.fullmatch(r"-[0-9]+", cell)


def test_sheets_hold_the_rows_of_the_document(diagnosis: Diagnosis) -> None:
    whole = document(diagnosis, all_flows=True)
    files = {name: "".join(f"{line}\n" for line in lines) for name, lines in csv_output.files(diagnosis, Options())}
    assert set(files) == {f"{table.name}.csv" for table in TABLES}
    for table in TABLES:
        head, *rows = _cells(files[f"{table.name}.csv"])
        assert head == [column.name for column in table.columns]
        assert all(len(row) == len(head) for row in rows)
        records = whole[table.field]
        assert len(rows) == sum(len(list(table.rows(record))) for record in records)
        if table.split is None and "id" in head:
            assert [row[head.index("id")] for row in rows] == [record["id"] for record in records]
        assert not any(_formula(cell) for row in rows for cell in row)
    assert "".join(f"{line}\n" for line in csv_output.render(diagnosis, Options())) == files["findings.csv"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_cell_is_a_formula(name: str) -> None:
    said = 0
    for _, lines in csv_output.files(_with(name), Options()):
        for line in lines:
            assert line.endswith("\r")
            assert line[:-1].isprintable()
            (row,) = _cells(f"{line}\n")
            assert not any(_formula(cell) for cell in row)
            said += any(cell.removeprefix("'") == clean(name) for cell in row)
    assert said >= 10


@given(st.text(max_size=40))
@example(";=")
@example("';'=")
def test_any_text_is_one_harmless_cell(text: str) -> None:
    ((one, other),) = _cells(f"{sheet.cell(text)},{sheet.cell(1)}\r\n")
    plain, said = (each.removeprefix("'").replace(";'", ";") for each in (clean(text), one))
    assert (said, other) == (plain, "1")
    assert not one.lstrip().startswith(sheet.FORMULA)


def test_a_byte_order_mark_where_it_is_wanted(tmp_path: Path) -> None:
    story = STORIES["ocs-advfirewall"] / "capture.pcapng"
    for options, wanted in (([], b'"id"'), (["--bom"], b'\xef\xbb\xbf"id"')):
        main(["analyze", str(story), "-T", "csv", "-o", str(tmp_path / "out"), *options])
        data = (tmp_path / "out" / "flows.csv").read_bytes()
        assert data.startswith(wanted)
        assert data.count(b"\r\n") == data.count(b"\n") == 3


def test_documents_of_others_make_no_rows_that_break_a_table() -> None:
    hostile: dict[str, Any] = {
        "id": 7,
        "capture": "x",
        "client": [],
        "calls": {"requests": 1 << 70},
        "interfaces": [1, {"name": 3}],
    }
    for table in TABLES:
        for row in table.rows({**hostile, "endpoints": 3, "evidence": [4, {"says": ["x"]}]}):
            for value, column in zip(row, table.columns, strict=True):
                kinds = {Kind.TEXT: str, Kind.INTEGER: int, Kind.BOOLEAN: bool, Kind.TEXTS: list, Kind.INTEGERS: list}
                assert value is None or isinstance(value, kinds[column.kind])


# SARIF


def _sarif(diagnosis: Diagnosis) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads("\n".join(sarif.render(diagnosis, Options())))
    jsonschema.Draft4Validator(SARIF).validate(loaded)
    return loaded


def test_sarif_is_valid_and_has_a_result_for_every_finding(diagnosis: Diagnosis) -> None:
    (run,) = _sarif(diagnosis)["runs"]
    assert [one["ruleId"] for one in run["results"]] == [one.rule for one in diagnosis.findings]
    for result, finding in zip(run["results"], diagnosis.findings, strict=True):
        assert result["level"] == finding.severity
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == finding.rule
        assert len(result["relatedLocations"]) == len(finding.evidence)
        for location in [*result["locations"], *result["relatedLocations"]]:
            place = location["physicalLocation"]["artifactLocation"]
            assert run["artifacts"][place["index"]]["location"]["uri"] == place["uri"]
    assert len({one["partialFingerprints"]["rpcdiagFinding/v1"] for one in run["results"]}) == len(run["results"])


def test_sarif_of_every_cause_is_valid(tmp_path: Path) -> None:
    levels = set()
    for shown in SHOWN[::4]:
        recording = Recording(START)
        shown.build(recording)
        path = tmp_path / "a capture, 100%.pcapng"
        path.write_bytes(recording.pcapng())
        for result in _sarif(analyze([str(path)]))["runs"][0]["results"]:
            levels.add(result["level"])
            for location in result["locations"]:
                assert location["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")
                assert "a%20capture%2C%20100%25.pcapng" in location["physicalLocation"]["artifactLocation"]["uri"]
    assert levels == {one.value for one in Severity}


def test_sarif_says_which_inputs_were_cut(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcapng"
    path.write_bytes((STORIES["ocs-advfirewall"] / "capture.pcapng").read_bytes()[:-10])
    (invocation,) = _sarif(analyze([str(path)]))["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"]
    assert "cut.pcapng" in invocation["toolExecutionNotifications"][0]["message"]["text"]


@pytest.mark.parametrize("name", HOSTILE)
def test_sarif_with_hostile_names(name: str) -> None:
    _sarif(_with(name))


# Markdown


def test_a_ticket_holds_cause_proof_cure_and_filter(diagnosis: Diagnosis) -> None:
    text = "\n".join(md.render(diagnosis, Options()))
    for finding in diagnosis.findings[:5]:
        assert f"`{finding.rule}`" in text
        if finding.severity is not Severity.NOTE:
            assert "**What to change**" in text
            assert "In Wireshark: `" in text
    assert text.count("```") % 2 == 0
    assert len(text.splitlines()) < 400


def _outside_code(text: str) -> str:
    """What is left of Markdown without its code, and without what is escaped."""
    text = re.sub(r"(?ms)^(`{3,})[^\n]*\n.*?^\1$", "", text)
    text = re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    return re.sub(r"\\.", "", text)


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_in_a_ticket_is_markup_of_others(name: str) -> None:
    lines = list(md.render(_with(name), Options()))
    assert all(line.replace("\u2060", "").isprintable() for line in lines)
    left = _outside_code("\n".join(lines))
    assert not re.search(r"[<\[\]|]|\*\*bold|@\w|#\d|://|www\.\w", left)
    assert all(line.startswith(("### rpcdiag", "#### 10.")) for line in left.splitlines() if line.startswith("#"))


@given(st.text(max_size=60))
def test_code_spans_and_fences_hold_any_text(text: str) -> None:
    span = md.code(text)
    ticks = re.match("`+", span)
    assert ticks is not None
    assert re.findall("`+", span).count(ticks[0]) == 2
    first, *inside, last = md.fenced(text, "powershell")
    assert first.startswith(last)
    assert all(not line.strip().startswith(last) for line in inside)


# Mermaid


def _diagrams(diagnosis: Diagnosis) -> Iterator[list[str]]:
    yield list(mermaid.render(diagnosis, Options()))
    for _, lines in mermaid.files(diagnosis, Options()):
        yield list(lines)


def _is_a_diagram(lines: list[str]) -> None:
    text = r"([A-Za-z0-9 .,:()/_?'+=*!-]|#\d+;)+"
    pattern = re.compile(
        rf"sequenceDiagram|    participant [CFS] as {text}|    [CS](->>|-->>|--x|-x)[CFS]: {text}"
        rf"|    Note over C,S: {text}|    %% \d+ more: name a folder for all of them with -o"
    )
    assert lines[0] == "sequenceDiagram"
    for line in lines:
        assert pattern.fullmatch(line), line
    there = {line.split()[1] for line in lines if line.startswith("    participant")}
    for line in lines:
        arrow = re.match(r"    ([CS])-+>?>?x?([CFS]):", line)
        assert arrow is None or {arrow[1], arrow[2]} <= there


def test_diagrams_hold_nothing_but_their_statements(diagnosis: Diagnosis) -> None:
    for lines in _diagrams(diagnosis):
        _is_a_diagram(lines)


@pytest.mark.parametrize("name", HOSTILE)
def test_diagrams_with_hostile_names(name: str) -> None:
    for lines in _diagrams(_with(name)):
        _is_a_diagram(lines)


def test_the_missing_answer_and_the_drop_are_drawn() -> None:
    with_log = "\n".join(mermaid.render(diagnose(STORIES["ocs-advfirewall"]), Options()))
    assert re.search(r"C-xF: .* port 49154: DROP \(log line 145\), 3 SYNs \(packet 15\)", with_log)
    assert "S-->>C: 07:06:40.301 port 49154 (packet 10)" in with_log
    rejected = "\n".join(mermaid.render(diagnose(STORIES["mapper-rejected"]), Options()))
    assert "S--xC: 07:06:40.001 port 135: RST (packet 8)" in rejected
    called_back = "\n".join(mermaid.render(diagnose(STORIES["callback-blocked"]), Options()))
    assert re.search(r"S-xC: .* port 135: no answer for 20.0 s", called_back)
