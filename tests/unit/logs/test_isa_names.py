"""ISA and TMG in other languages than English."""

from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.logs.isa_names import is_local_host, is_system

STORY = Path(__file__).resolve().parents[3] / "pcaps" / "dpm-tmg"
ENGLISH = "[System] Allow RPC from Forefront TMG to trusted servers"


@pytest.mark.parametrize(
    ("rule", "known"),
    [
        (ENGLISH, True), ("[Système] Autoriser RPC", True), ("[Sistema] Permitir RPC", True), ("[システム] RPC", True),
        ("[Система] RPC", True), ("Allow RPC from ISA Server to trusted servers", True), ("DPM All <=> SS-TMG1", False),
        ("System rule of ours", False), ("[Sister companies] all", False), ("", False),
    ],
)  # fmt: skip
def test_rules_of_the_system_policy(rule: str, known: bool) -> None:
    assert is_system(rule) is known


def test_the_firewall_itself() -> None:
    assert is_local_host("Hôte local")
    assert is_local_host("Local Host ")
    assert not is_local_host("Internal")
    assert not is_local_host(None)


def test_the_story_in_french_has_the_same_answer(tmp_path: Path) -> None:
    rows = (STORY / "tmg.log").read_text(encoding="utf-8").replace(ENGLISH, "[Système] Autoriser RPC, de TMG")
    log = tmp_path / "tmg.log"
    log.write_text(rows.replace("Local Host", "Hôte local").replace("Internal", "Interne"), encoding="utf-8")
    diagnosis = analyze([str(STORY / "capture.pcapng")], [str(log)])
    first = diagnosis.findings[0]
    assert (first.rule, first.confidence) == ("shadowed-by-system-rule", "proven")
    assert diagnosis.remedies[first.id][0].id == "tmg-system-policy-strict-rpc-off"
    assert not any(
        one.id == "rule-strict-rpc-off" for found in diagnosis.findings for one in diagnosis.remedies[found.id]
        if found.client == first.client
    )  # fmt: skip
