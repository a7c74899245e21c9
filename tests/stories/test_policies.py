"""The two seed stories under their firewalls' policies."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.model.evidence import Severity
from rpcdiag.policy.engine import apply
from rpcdiag.policy.flips import changed
from rpcdiag.policy.load import load
from rpcdiag.policy.model import Action, Keyword
from rpcdiag.policy.verdict import Reason
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import text
from rpcdiag.report.outputs.json import document
from rpcdiag.report.schema import SCHEMA

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
TMG, TOOLS = "10.0.0.1", "10.0.0.9"


def _under_its_policy(story: str, *, log: str | None = None) -> Diagnosis:
    folder = PCAPS / story
    return analyze(
        [str(folder / "capture.pcapng")], [str(folder / log)] if log else [], policy=load(str(folder / "policy.yaml"))
    )


@pytest.fixture(scope="module")
def dpm() -> Diagnosis:
    return _under_its_policy("dpm-tmg", log="tmg.log")


def test_outbound_dcom_meets_the_system_rule_although_an_allow_all_rule_follows(dpm: Diagnosis) -> None:
    assert dpm.applied is not None
    dropped = [verdict for verdict in dpm.applied.verdicts.values() if not verdict.passes]
    assert len(dropped) == 3
    for verdict in dropped:
        ends = dpm.case.flow(verdict.flow).flow
        assert (str(ends.client.address), str(ends.server.address)) == (TMG, TOOLS)
        assert verdict.reason is Reason.STRICT_NON_EPM
        assert (verdict.rule, verdict.place) == ("[System] Allow RPC from Forefront TMG to trusted servers", 22)
        assert verdict.setting is not None
        assert "Enforce strict RPC compliance" in verdict.setting
        assert verdict.shadows == "DPM All <=> SS-TMG1"
        assert "22" in verdict.says


def test_inbound_passes(dpm: Diagnosis) -> None:
    assert dpm.applied is not None
    inbound = [flow for flow in dpm.case.flows if str(flow.flow.client.address) == TOOLS]
    assert inbound
    assert all(dpm.applied.verdicts[flow.id].passes for flow in inbound)


def test_after_the_one_change_everything_passes(dpm: Diagnosis) -> None:
    assert dpm.applied is not None
    changes = {verdict.flips for verdict in dpm.applied.verdicts.values() if not verdict.passes}
    (change,) = changes
    assert change is not None
    assert (change.rule, change.strict) == (0, False)
    again = apply(dpm.case, changed(dpm.applied.policy, change))
    assert all(verdict.passes for verdict in again.verdicts.values())


def test_the_flag_of_a_system_rule_is_in_its_editor_also_where_nobody_says_so(dpm: Diagnosis) -> None:
    assert dpm.applied is not None
    first, *others = dpm.applied.policy.rules
    policy = dpm.applied.policy._replace(rules=(first._replace(setting=None), *others))
    changes = {one.flips for one in apply(dpm.case, policy).verdicts.values() if not one.passes}
    (change,) = changes
    assert change is not None
    assert change.strict is False
    assert "System Policy Editor" in change.says
    assert "Configure RPC protocol" not in change.says


def test_the_findings_name_rule_place_setting_and_change(dpm: Diagnosis) -> None:
    findings = {finding.rule: finding for finding in dpm.findings}
    shadowed = findings["shadowed-by-system-rule"]
    for part in ("22", "[System] Allow RPC", "System Policy Editor", "DPM All <=> SS-TMG1", "not strict"):
        assert part in shadowed.summary
    strict = [finding for finding in dpm.findings if finding.rule == "strict-rpc-violation"]
    errors = [finding for finding in strict if finding.severity is Severity.ERROR]
    assert [(str(one.client), str(one.server)) for one in errors] == [(TMG, TOOLS)]
    assert all(dpm.remedies[finding.id] for finding in dpm.findings)


def test_without_a_log_the_policy_alone_makes_it_an_error() -> None:
    def strict(diagnosis: Diagnosis) -> set[Severity]:
        found = (one for one in diagnosis.findings if one.rule == "strict-rpc-violation" and str(one.client) == TMG)
        return {one.severity for one in found}

    assert strict(analyze([str(PCAPS / "dpm-tmg" / "capture.pcapng")])) == {Severity.NOTE}
    assert strict(_under_its_policy("dpm-tmg")) == {Severity.ERROR}


def test_a_policy_that_the_capture_contradicts_proves_nothing() -> None:
    working = analyze([str(PCAPS / "wmi-activation" / "capture.pcapng")], policy=load("tmg-strict"))
    found = [one for one in working.findings if one.rule == "strict-rpc-violation"]
    assert found
    assert all(one.next_observation for one in found)


def test_the_document_holds_the_policy(dpm: Diagnosis) -> None:
    said: dict[str, Any] = document(dpm)
    jsonschema.validate(json.loads(json.dumps(said)), SCHEMA)
    policy = said["policy"]
    assert (policy["name"], policy["product"]) == ("SS-TMG1", "tmg")
    assert [one["flow"] for one in policy["verdicts"]] == [one["id"] for one in said["flows"]]
    assert "policy" not in document(analyze([str(PCAPS / "allowed-lookup" / "capture.pcapng")]))


def test_the_report_has_a_section(dpm: Diagnosis) -> None:
    said = "\n".join(text.render(dpm, Options()))
    assert "UNDER THE POLICY" in said
    assert "Of 7 connections 4 pass, 3 are stopped." in said
    assert max(map(len, said.splitlines())) <= 82


def test_the_director_lets_the_mapper_in_and_drops_what_it_told() -> None:
    found = _under_its_policy("ocs-advfirewall").applied
    assert found is not None
    mapper, dynamic = (found.verdicts[id] for id in ("f1", "f2"))
    assert mapper.passes
    assert (dynamic.passes, dynamic.action, dynamic.reason) == (False, Action.DROP, Reason.DEFAULT)
    change = dynamic.flips
    assert change is not None
    assert change.becomes is not None
    assert change.becomes.ports.keywords == (Keyword.RPC,)
    assert "49154" not in change.says
