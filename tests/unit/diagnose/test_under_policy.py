"""Rules that judge a policy in force: what they say of which of its rules, and when they are silent."""

import json
from pathlib import Path

import jsonschema

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.diagnose.finding import Finding
from rpcdiag.diagnose.judge import judge
from rpcdiag.model.evidence import Configured, Severity
from rpcdiag.policy.model import Action, Authentication, Keyword, Policy, Ports, Rule
from rpcdiag.policy.verdict import Applied, Reason, Verdict
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import json as json_output
from rpcdiag.report.outputs import text as text_output
from rpcdiag.report.schema import SCHEMA
from tests.build import exchanges
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START

C, S = "10.0.0.1", "10.0.0.2"
ALLOW = Rule("r", Action.ALLOW, inbound=True, protocols=("tcp",), place=4, line=7)


def _diagnosed(folder: Path, port: int = 49667, blocked: bool = True, again: int | None = None) -> Diagnosis:
    """A client asks where a service is, and finds its port closed by silence or open."""
    recording = Recording(START)
    if again is not None:
        exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, again)
        recording.wait(SECOND)
    exchanges.lookup(recording, C, 50001, S, exchanges.DRSUAPI, port)
    if blocked:
        Tcp(recording, C, 50002, S, port).syns()
    else:
        Tcp(recording, C, 50002, S, port).open()
    recording.wait(20 * SECOND)
    Tcp(recording, C, 9, S, 445).open()
    capture = folder / "c.pcapng"
    capture.write_bytes(recording.pcapng())
    return analyze([str(capture)])


def _applied(
    diagnosis: Diagnosis, *rules: Rule, reason: Reason = Reason.DEFAULT, position: int | None = None
) -> Applied:
    """The policy, which says the same of all flows."""
    secured = reason is Reason.NOT_AUTHENTICATED
    verdicts = {
        flow.id: Verdict(
            flow.id, flow.flow.server.port == 135, Action.DROP, reason, "syn", "", "",
            position=None if secured else position, secured=position if secured else None,
        )
        for flow in diagnosis.case.flows
    }  # fmt: skip
    return Applied(Policy("p", "windows-firewall", rules, path="rules.txt"), verdicts)


def _said(diagnosis: Diagnosis, applied: Applied, rule: str) -> Finding | None:
    return next((one for one in judge(diagnosis.case, applied) if one.rule == rule), None)


def test_a_rule_that_pins_the_port_that_was_handed_out(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path)
    rule = ALLOW._replace(name="WMI 49667", ports=Ports(((49667, 49667),)))
    found = _said(diagnosis, _applied(diagnosis, rule), "ephemeral-port-rule")
    assert found is not None
    assert (found.severity, found.confidence.value, found.subject.port) == (Severity.WARNING, "likely", 49667)
    assert "'WMI 49667' (rule 4)" in found.summary
    assert "keyword RPC" in found.summary
    assert Configured("rule 'WMI 49667' allows port 49667", "rules.txt", (7,)) in found.evidence
    assert found.next_observation


def test_yesterdays_port_is_established_where_the_capture_has_both(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path, again=49154)
    rule = ALLOW._replace(ports=Ports(((49154, 49154),)))
    found = _said(diagnosis, _applied(diagnosis, rule), "ephemeral-port-rule")
    assert found is not None
    assert found.confidence.value == "established"
    assert any("another time: port 49667" in one.says for one in found.evidence)


def test_a_rule_for_another_dynamic_port_is_flagged_as_well(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path)
    rule = ALLOW._replace(ports=Ports(((49154, 49154),)))
    found = _said(diagnosis, _applied(diagnosis, rule), "ephemeral-port-rule")
    assert found is not None
    assert found.severity is Severity.WARNING
    assert diagnosis.case.flow(found.flows[0]).flow.server.port == 49667, "the flow that is dropped instead"


def test_good_rules_are_not_flagged(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path, blocked=False)
    rules = (
        ALLOW._replace(ports=Ports(keywords=(Keyword.RPC,)), service="winmgmt"),
        ALLOW._replace(ports=Ports(((135, 135), (24158, 24158), (3389, 3389)))),
        ALLOW._replace(ports=Ports(((49152, 65535),)), program="lsass.exe"),
        ALLOW._replace(authentication=Authentication.COMPUTERS),
    )
    applied = _applied(diagnosis, *rules, reason=Reason.NOT_AUTHENTICATED, position=3)
    named = {one.rule for one in judge(diagnosis.case, applied)}
    assert not named & {"ephemeral-port-rule", "over-broad-rule", "rule-needs-authentication"}


def test_a_rule_that_opens_too_much(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path)
    rule = ALLOW._replace(name="open it", ports=Ports(((1025, 65535),)))
    found = _said(diagnosis, _applied(diagnosis, rule, reason=Reason.RULE, position=0), "over-broad-rule")
    assert found is not None
    assert (found.severity, found.confidence.value) == (Severity.WARNING, "established")
    assert "ports 1025-65535 to everybody" in found.summary
    assert found.evidence == (Configured("rule 'open it' allows ports 1025-65535 from anywhere", "rules.txt", (7,)),)


def test_a_rule_that_asks_for_ipsec(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path)
    rule = ALLOW._replace(name="admins", authentication=Authentication.BOTH)
    applied = _applied(diagnosis, ALLOW, rule, reason=Reason.NOT_AUTHENTICATED, position=1)
    found = _said(diagnosis, applied, "rule-needs-authentication")
    assert found is not None
    assert (found.severity, found.confidence.value) == (Severity.WARNING, "likely")
    assert "'admins'" in found.summary
    assert "certain computers and users" in found.evidence[0].says
    assert found.next_observation
    for other in (
        _applied(diagnosis, ALLOW, rule, reason=Reason.DEFAULT, position=1),
        _applied(diagnosis, ALLOW, rule, reason=Reason.NOT_AUTHENTICATED, position=0),
        _applied(diagnosis, ALLOW, rule, reason=Reason.NOT_AUTHENTICATED),
    ):
        assert _said(diagnosis, other, "rule-needs-authentication") is None


def test_the_line_of_a_policy_is_evidence_in_both_outputs(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path)
    hostile = ALLOW._replace(name="\x1b[31mred", ports=Ports(((49154, 49154),)), line=12)
    applied = _applied(diagnosis, hostile, ALLOW._replace(line=None))
    findings = judge(diagnosis.case, applied)
    diagnosis = diagnosis._replace(findings=findings, remedies={one.id: () for one in findings})
    document = json.loads("".join(json_output.render(diagnosis, Options())))
    jsonschema.validate(document, SCHEMA)
    told = [one for finding in document["findings"] for one in finding["evidence"] if one["kind"] == "configured"]
    assert {(one["path"], tuple(one["lines"])) for one in told} == {("rules.txt", (12,)), ("rules.txt", ())}
    report = "\n".join(text_output.render(diagnosis, Options()))
    assert "rules.txt, line 12" in report
    assert "\x1b" not in report
