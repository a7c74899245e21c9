"""A rule of Windows Firewall that blocks: no other rule helps, that one has to change."""

from ipaddress import ip_network
from pathlib import Path

from rpcdiag.policy.model import Action, Keyword, Policy, Ports, Rule, Scope
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import text
from tests.unit.remedies.build import CLIENT, silent, told

LETS_IN = Rule("RPC in", Action.ALLOW, inbound=True, ports=Ports(keywords=(Keyword.RPC, Keyword.RPC_EPMAP)))
BLOCKS = Rule("No RPC", Action.DROP, inbound=True, ports=Ports(((49152, 65535),)))


def _policy(*rules: Rule) -> Policy:
    return Policy("the server's", "windows-firewall", rules, profile="domain")


def test_the_rule_that_blocks_is_to_leave_the_client_out(tmp_path: Path) -> None:
    found = told(tmp_path, silent(), policy=_policy(LETS_IN, BLOCKS))
    first = found.remedies[0]
    assert first.id == "windows-firewall-block-rule"
    assert first.replay is not None
    assert (first.replay.cures, first.replay.opens) == (True, False)
    assert "'No RPC'" in found.text(first.id)
    assert CLIENT in found.text(first.id)
    assert "-OverrideBlockRules True" in found.text("windows-firewall-computers-rule")
    said = " ".join(" ".join(text.render(found.diagnosis, Options())).split())
    assert "NOT A CURE" not in said
    assert "windows-firewall-rpc-rule" in said.partition("OTHERS")[2]


def test_of_a_subnet_the_client_is_taken_out(tmp_path: Path) -> None:
    some = BLOCKS._replace(sources=Scope(networks=(ip_network("10.20.3.0/29"), ip_network("2001:db8::/32"))))
    found = told(tmp_path, silent(), policy=_policy(LETS_IN, some))
    change = found.remedy("windows-firewall-block-rule").change
    assert change is not None
    assert change.switch is not None
    assert change.switch.becomes is not None
    left = change.switch.becomes.sources
    assert [str(one) for one in left.networks] == ["10.20.3.0/30", "10.20.3.4/31", "10.20.3.6/32", "2001:db8::/32"]


def test_without_a_rule_that_blocks_nothing_is_said_of_one(tmp_path: Path) -> None:
    found = told(tmp_path, silent(), policy=_policy(LETS_IN._replace(ports=Ports(((135, 135),)))))
    assert "windows-firewall-block-rule" not in found.ids
    assert "OverrideBlockRules" not in found.text("windows-firewall-computers-rule")


def test_what_passes_under_the_policy_and_was_not_answered_is_said(tmp_path: Path) -> None:
    found = told(tmp_path, silent(), policy=_policy(LETS_IN))
    said = " ".join(" ".join(text.render(found.diagnosis, Options())).split())
    assert "f2 was not answered in the capture: another policy was in force then, or something else stops it." in said
