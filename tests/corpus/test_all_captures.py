"""What holds for every capture at hand: sums do not lie, the document is valid, every claim shows its evidence."""

import json
from pathlib import Path

import jsonschema
import pytest

from rpcdiag.analysis import analyze
from rpcdiag.capture.choice import Engine
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import text
from rpcdiag.report.outputs.json import document
from rpcdiag.report.schema import SCHEMA
from tests.corpus.at_hand import LAB, captures, diagnosed

pytestmark = pytest.mark.corpus
CAPTURES = captures()

if not CAPTURES:
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)


@pytest.fixture(params=CAPTURES, ids=lambda path: path.name)
def capture(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_the_sums_hold(capture: Path) -> None:
    sums = diagnosed(capture).case.accounting
    assert sums.packets == sums.packets_in_flows + sum(sums.packets_skipped.values())
    assert sums.stream_bytes == sums.bytes_in_pdus + sums.bytes_skipped + sums.bytes_missing
    assert sums.requests == sum(sums.fates.values())


def test_the_document_is_valid(capture: Path) -> None:
    jsonschema.validate(json.loads(json.dumps(document(diagnosed(capture)))), SCHEMA)


def test_every_finding_has_evidence_that_can_be_opened_and_a_remedy(capture: Path) -> None:
    diagnosis = diagnosed(capture)
    for finding in diagnosis.findings:
        assert finding.evidence
        assert diagnosis.remedies[finding.id], finding.rule
        for packet in [packet for one in finding.evidence for packet in getattr(one, "packets", ())]:
            assert 1 <= packet <= diagnosis.case.captures[0].packets


def test_every_rpc_flow_has_an_origin_that_refers_to_something(capture: Path) -> None:
    case = diagnosed(capture).case
    for flow in case.flows:
        if flow.origin.kind in ("ept_map", "ept_lookup", "activation", "resolve_oxid", "inferred", "other_client"):
            assert flow.origin.referral is not None
            told = case.referrals[flow.origin.referral].referral.response_ns
            assert told <= flow.flow.end_ns or flow.origin.kind == "other_client"


def test_prose_and_commands_apart_the_text_is_readable_at_80_columns(capture: Path) -> None:
    lines = list(text.render(diagnosed(capture), Options()))
    assert lines
    assert all(len(line) <= 80 or line.startswith(" " * 10) or "/" in line for line in lines)
    assert all(line.isprintable() for line in lines)


def test_the_same_capture_gives_the_same_bytes(capture: Path) -> None:
    again = analyze([str(capture)])
    assert json.dumps(document(again)) == json.dumps(document(diagnosed(capture)))


def test_a_small_flow_table_loses_flows_and_never_packets() -> None:
    path = next(path for path in CAPTURES if path.name == "synscan.pcapng")
    sums = analyze([str(path)], engine=Engine(max_flows=100)).case.accounting
    assert sums.evicted_flows > 0
    assert sums.packets == sums.packets_in_flows + sum(sums.packets_skipped.values())


def test_the_order_of_the_files_does_not_matter() -> None:
    two = [str(LAB / "04-dyn-drop.pcapng"), str(LAB / "22-dcom-oxid-port-drop.pcapng")]
    assert json.dumps(document(analyze(two))) == json.dumps(document(analyze(two[::-1])))
