"""Every folder of pcaps/ against what its script knows of it, and against the report that was agreed on."""

import json
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rpcdiag.analysis import Diagnosis
from rpcdiag.report.outputs.json import document
from rpcdiag.report.schema import SCHEMA
from rpcdiag.ui.cli import _exit_code
from rpcdiag.ui.demo import diagnose

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
STORIES = sorted(path.parent for path in PCAPS.glob("*/must.json"))


@pytest.fixture(params=STORIES, ids=lambda path: path.name)
def story(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def diagnosis(story: Path) -> Diagnosis:
    return diagnose(story)


@pytest.fixture
def report(diagnosis: Diagnosis) -> dict[str, Any]:
    return document(diagnosis)


@pytest.fixture
def must(story: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((story / "must.json").read_text(encoding="utf-8"))
    return loaded


def test_there_are_the_two_seed_stories_and_more() -> None:
    names = {story.name for story in STORIES}
    assert {"dpm-tmg", "ocs-advfirewall"} <= names
    assert len(names) >= 10


def test_the_script_makes_the_same_files_again(story: Path) -> None:
    built = runpy.run_path(str(story / "make.py"))["build"]()
    for name, data in built.files.items():
        assert (story / name).read_bytes() == data, name
    assert json.loads((story / "must.json").read_text(encoding="utf-8")) == json.loads(json.dumps(built.must))


def test_the_rules_that_must_speak_do(report: dict[str, Any], must: dict[str, Any]) -> None:
    for rule, wanted in must["rules"].items():
        finding = next(
            one
            for one in report["findings"]
            if one["rule"] == rule and wanted.get("client", one["client"]) == one["client"]
        )
        for field in ("severity", "confidence", "client", "server", "direction", "count"):
            if field in wanted:
                assert finding[field] == wanted[field], (rule, field)
        packets = {packet for one in finding["evidence"] for packet in one.get("packets", [])}
        lines = {line for one in finding["evidence"] for line in one.get("lines", [])}
        assert set(wanted.get("packets", [])) <= packets, rule
        assert set(wanted.get("lines", [])) <= lines, rule
        assert wanted.get("says", "") in finding["summary"]


def test_no_other_rule_cries_error(report: dict[str, Any], must: dict[str, Any]) -> None:
    errors = {finding["rule"] for finding in report["findings"] if finding["severity"] == "error"}
    assert errors == set(must["only_errors"])


def test_referrals_are_as_they_were_made(report: dict[str, Any], must: dict[str, Any]) -> None:
    for wanted in must.get("referrals", []):
        found = [one for one in report["referrals"] if one["request_packet"] == wanted["request_packet"]]
        assert len(found) == 1
        assert found[0]["kind"] == wanted["kind"]
        assert found[0]["response_packet"] == wanted["response_packet"]
        assert found[0]["status"] == wanted["status"]
        ports = {endpoint["port"] for endpoint in found[0]["endpoints"]}
        assert ports == set(wanted["ports"])


def test_flows_are_as_they_were_made(report: dict[str, Any], must: dict[str, Any]) -> None:
    for wanted in must.get("flows", []):
        flow = next(one for one in report["flows"] if one["first_packet"] == wanted["first_packet"])
        said = {
            "outcome": flow["outcome"],
            "origin": flow["origin"]["kind"],
            "strict": flow["strict_rpc"]["verdict"],
            "kind": flow["strict_rpc"]["kind"],
        }
        for field, value in wanted.items():
            if field != "first_packet":
                assert said[field] == value, (wanted["first_packet"], field)


def test_remedies_say_what_they_must_and_nothing_wrong(report: dict[str, Any], must: dict[str, Any]) -> None:
    for finding in report["findings"]:
        assert finding["remedies"], finding["rule"]
        text = json.dumps(finding["remedies"])
        for wanted in must.get("remedies", {}).get(finding["rule"], []):
            assert wanted in text, finding["rule"]
        for wrong in must.get("not_in_remedies", []):
            assert wrong not in text, finding["rule"]


def test_the_exit_code(diagnosis: Diagnosis, must: dict[str, Any]) -> None:
    assert _exit_code(diagnosis, "error") == must["exit"]


def test_the_clock_of_a_local_log_is_measured() -> None:
    story = PCAPS / "ocs-advfirewall"
    wanted = json.loads((story / "must.json").read_text(encoding="utf-8"))["clock"]
    clock = document(diagnose(story))["logs"][0]["clock"]
    assert {name: clock[name] for name in wanted} == wanted


def test_the_document_is_valid(report: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(json.dumps(report)), SCHEMA)


def test_the_sums_hold(diagnosis: Diagnosis) -> None:
    assert diagnosis.case.accounting.sums_hold


def test_the_report_that_was_agreed_on(story: Path, report: dict[str, Any], update: bool) -> None:
    for capture in (*report["captures"], *report["logs"]):
        capture["path"] = Path(capture["path"]).name
    report["program"]["version"] = "any"
    text = json.dumps(report, indent=1) + "\n"
    golden = story / "expected.json"
    if update:
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text
