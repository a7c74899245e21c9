"""What holds for every remedy of every cause that is shown, and of every story."""

import re
from pathlib import Path

import pytest

from rpcdiag import plugins
from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.diagnose.finding import Direction, Finding, Subject
from rpcdiag.diagnose.judge import rules
from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS
from rpcdiag.model.evidence import Confidence, Seen, Severity
from rpcdiag.remedies.advise import Remedies, advisers
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.ui.demo import diagnose
from tests.build.conversation import Recording
from tests.build.story import START
from tests.causes.shown_cause import Shown
from tests.unit.remedies.build import silent

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
STORIES = sorted(path.parent for path in PCAPS.glob("*/must.json"))
SHOWN: list[Shown] = [one for several in plugins.discover("tests.causes.shown", "SHOWN") for one in several]
AGREED = (
    "no-packets",
    "name-not-found",
    "resolver-silent",
    "wrong-host",
    "binding-name-unresolved",
    "ipv6-first",
    "alias-without-spn",
    "port-forward-without-dynamic-ports",
    "other-protocol-only",
    "port-range-exhausted",
    "version-not-registered",
    "port-not-learnt",
    "pinhole-expired",
    "program-rule-missing",
    "not-rpc-on-port",
    "source-ports-exhausted",
    "outbound-blocked",
    "pings-blocked",
    "exporter-restarted",
    "level-below-hint",
    "remote-dcom-off",
    "level-too-low",
    "wrong-spn",
    "clock-skew",
    "encryption-type",
    "kdc-unreachable",
    "ticket-too-big",
    "ntlm-refused",
    "provider-unknown",
    "third-leg-lost",
    "rpc-filter",
    "fragments-lost",
    "asymmetric-path",
    "server-reset",
    "server-busy",
    "call-timed-out",
    "association-mismatch",
    "reset-by-middlebox",
    "netlogon-hardening",
    "printing-hardening",
    "certificate-hardening",
    "over-broad-rule",
    "rule-needs-authentication",
    "ephemeral-port-rule",
)
NEVER = (
    "1025-65535", "1024-65535", "49152-65535", "-LocalPort Any", "localport=any", "-Enabled False", "state off",
    "RequireIntegrityActivationAuthenticationLevel", "RequireSeal /t", "MpsSvc",
)  # fmt: skip


def _dynamic(diagnosis: Diagnosis) -> set[int]:
    """Ports that a server of the case handed out, or that a finding calls dynamic, and that are not fixed ones."""
    told = {end.port for one in diagnosis.case.referrals for end in one.referral.endpoints if end.port is not None}
    called = {one.subject.port for one in diagnosis.findings if one.subject.dynamic and one.subject.port is not None}
    fixed = {flow.flow.server.port for flow in diagnosis.case.flows if flow.origin.kind == "well_known"}
    return {port for port in told | called if port >= 1025} - set(FIXED_TCP_PORTS) - fixed


def _check(diagnosis: Diagnosis) -> None:
    dynamic = _dynamic(diagnosis)
    for finding in diagnosis.findings:
        remedies = diagnosis.remedies[finding.id]
        assert remedies, finding.rule
        assert len({one.id for one in remedies}) == len(remedies), finding.rule
        for remedy in remedies:
            _check_one(remedy, dynamic)


def _check_one(remedy: Remedy, dynamic: set[int]) -> None:
    assert all((remedy.where, remedy.why, remedy.price, remedy.opens)), remedy.id
    for command in remedy.commands:
        numbers = {int(found) for found in re.findall(r"\b\d{4,5}\b", command.text)}
        assert not numbers & dynamic, remedy.id
        for never in NEVER:
            assert never not in command.text, remedy.id


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.name)
def test_no_story_pins_a_dynamic_port(story: Path) -> None:
    _check(diagnose(story))


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.name)
def test_no_cause_that_is_shown_pins_a_dynamic_port(tmp_path: Path, shown: Shown) -> None:
    capture, logs = shown.write(tmp_path)
    _check(analyze([capture], logs))


def test_every_rule_has_advice() -> None:
    known = {rule for adviser in advisers() for rule in adviser.rules}
    assert {rule.id for rule in rules()} | set(AGREED) <= known


@pytest.mark.parametrize("rule", AGREED)
@pytest.mark.parametrize("direction", list(Direction))
def test_advice_does_with_the_least_that_a_finding_says(tmp_path: Path, rule: str, direction: Direction) -> None:
    recording = Recording(START)
    silent()(recording)
    (tmp_path / "capture.pcapng").write_bytes(recording.pcapng())
    case = analyze([str(tmp_path / "capture.pcapng")]).case
    near = case.conversations[0]
    finding = Finding(
        rule, "something", Severity.ERROR, Confidence.LIKELY, near.client, near.server, (Seen("it", 0, (1,)),),
        direction=direction, subject=Subject(), id="n1",
    )  # fmt: skip
    remedies = Remedies(case, [finding])["n1"]
    assert remedies
    for remedy in remedies:
        _check_one(remedy, set())
