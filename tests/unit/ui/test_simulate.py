"""`simulate`, `policies` and `analyze --policy` as their users and other programs see them."""

import json
from pathlib import Path

import jsonschema
import pytest

from rpcdiag.policy.product import names
from rpcdiag.report.schema import SCHEMA
from rpcdiag.ui.cli import main

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
DPM = str(PCAPS / "dpm-tmg" / "capture.pcapng")
POLICY = str(PCAPS / "dpm-tmg" / "policy.yaml")


def _said(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capfdbinary.readouterr()
    return code, captured.out.decode(), captured.err.decode()


def test_the_summary_comes_first_then_the_table_then_the_reasons(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, out, err = _said(capfdbinary, "simulate", DPM, "--policy", POLICY)
    assert (code, err) == (0, "")
    places = [out.index(part) for part in ("Of 7 connections", "One change makes all 3 pass", "  f1 ", "WHY", "CHANGE")]
    assert places == sorted(places)
    assert "f5-f7" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_has_a_verdict_for_every_flow(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, out, _ = _said(capfdbinary, "simulate", DPM, "--policy", POLICY, "-T", "json")
    assert code == 0
    document = json.loads(out)
    jsonschema.validate(document["policy"], SCHEMA["properties"]["policy"])
    assert [one["flow"] for one in document["policy"]["verdicts"]] == [f"f{number}" for number in range(1, 8)]
    dropped = document["policy"]["verdicts"][4]
    assert (dropped["passes"], dropped["reason"], dropped["place"], dropped["packet"]) == (
        False,
        "strict_non_epm",
        22,
        74,
    )
    assert dropped["flips"]["strict"] is False


@pytest.mark.parametrize("command", ["simulate", "analyze"])
def test_a_policy_that_is_none_is_a_usage_error(command: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, out, err = _said(capfdbinary, command, DPM, "--policy", "zonealarm")
    assert (code, out) == (2, "")
    assert "zonealarm" in err
    assert "windows-firewall" in err


def test_a_capture_that_cannot_be_read_is_an_error(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, out, err = _said(capfdbinary, "simulate", POLICY, "--policy", "asa")
    assert (code, out) == (2, "")
    assert POLICY in err


def test_simulate_wants_a_policy() -> None:
    with pytest.raises(SystemExit) as raised:
        main(["simulate", DPM])
    assert raised.value.code == 2


def test_the_document_under_a_policy(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, out, _ = _said(capfdbinary, "analyze", DPM, "--policy", POLICY, "-T", "json")
    assert code == 1
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert document["policy"]["title"].startswith("Forefront TMG 2010")
    assert document["policy"]["path"] == POLICY


def test_products_are_listed_with_how_sure_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, out, _ = _said(capfdbinary, "policies")
    assert code == 0
    for name in names():
        assert f"\n{name}  " in out
    assert "[uncertain: " in out
    code, out, _ = _said(capfdbinary, "policies", "asa")
    assert code == 0
    assert "lookup-operation" in out
    assert "fortigate" not in out
    assert _said(capfdbinary, "policies", "zonealarm")[0] == 2


def test_text_of_a_policy_file_is_made_harmless(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(
        'product: linux\nname: "a\\e[31mb"\nrules: [{name: "x\\e[2Jy", action: drop, from: "zo\\e]ne"}]\n',
        encoding="utf-8",
    )
    for arguments in (["simulate", DPM], ["analyze", DPM]):
        _, out, err = _said(capfdbinary, *arguments, "--policy", str(policy))
        assert "\x1b" not in out + err
        assert "\\x1b" in out


def test_a_rule_file_that_breaks_off_is_judged_and_told(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    rules = tmp_path / "rules.v4"
    rules.write_text("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p tcp --dport 135 -j ACCEPT\n")
    code, out, err = _said(capfdbinary, "simulate", DPM, "--policy", str(rules), "-T", "json")
    assert code == 3
    assert json.loads(out)["policy"]["verdicts"]
    assert "line 4" in err
    assert "COMMIT" in err
