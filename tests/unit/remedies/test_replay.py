"""Before and after: what the change turns, for whom, and what it leaves as it is."""

from ipaddress import ip_address, ip_network
from pathlib import Path

from rpcdiag.analysis import analyze
from rpcdiag.model.packets import Address
from rpcdiag.policy.events import Event, Kind
from rpcdiag.policy.load import fresh, load
from rpcdiag.policy.model import Action, Policy, Ports, Rule, Scope
from rpcdiag.policy.verdict import Change
from rpcdiag.remedies import replay
from rpcdiag.remedies.remedy import Remedy, Replay, Simulated, Width
from rpcdiag.remedies.situation import Situation, background
from tests.build.conversation import Recording, Tcp
from tests.build.exchanges import DRSUAPI
from tests.unit.remedies.build import CLIENT, SERVER, Told, silent, told

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"


def _replay(found: Told, id: str) -> Replay:
    known = found.remedy(id).replay
    assert known is not None
    return known


def _tried(found: Told, change: Simulated) -> Replay | None:
    case = found.diagnosis.case
    situation = Situation(case, found.finding, background(case), found.diagnosis.applied)
    remedy = Remedy("any", "there", "so", (), "none", change=change, width=Width.PORT)
    return replay.replayed(situation, [remedy], replay.flows_of(case, [situation.finding]))[0].replay


def test_the_rule_turns_the_failing_flow_and_nothing_else(tmp_path: Path) -> None:
    found = told(tmp_path, silent())
    known = _replay(found, "windows-firewall-rpc-rule")
    assert known.cures
    assert not known.opens
    assert [(flip.flow, flip.before, flip.after) for flip in known.flips] == [("f2", "drop", "pass")]
    assert known.unchanged == 1


def test_a_stranger_is_refused_and_a_neighbour_of_the_subnet_passes(tmp_path: Path) -> None:
    known = _replay(told(tmp_path, silent()), "windows-firewall-rpc-rule")
    after = {(flip.client, flip.flow.rpartition(":")[2]): flip.after for flip in known.foreign}
    stranger, neighbour = ip_address("203.0.113.7"), ip_address("10.20.3.1")
    assert after[stranger, "f1!"] == after[stranger, "f2!"] == "drop"
    assert after[neighbour, "f1!"] == after[neighbour, "f2!"] == "pass"
    assert "a stranger, 203.0.113.7, is still refused" in known.says


def test_the_sentence_names_no_port(tmp_path: Path) -> None:
    for remedy in told(tmp_path, silent(DRSUAPI, 49152)).remedies:
        assert remedy.replay is None or "49152" not in remedy.replay.says


def test_a_static_port_is_tried_at_its_new_number(tmp_path: Path) -> None:
    known = _replay(told(tmp_path, silent(DRSUAPI)), "static-service-port")
    assert known.product == "linux"
    assert known.cures
    assert not known.opens


def test_a_wrong_change_is_told_to_be_none(tmp_path: Path) -> None:
    rule = Rule("too narrow", Action.ALLOW, sources=Scope((ip_network("10.99.0.0/16"),)), ports=Ports(((135, 135),)))
    known = _tried(told(tmp_path, silent()), Simulated("none", (rule,)))
    assert known is not None
    assert not known.cures
    assert "NOT A CURE" in known.says


def test_a_change_that_lets_strangers_in_is_told_to(tmp_path: Path) -> None:
    found = told(tmp_path, silent())
    known = _tried(found, Simulated("none", (Rule("everybody", Action.ALLOW),)))
    assert known is not None
    assert known.cures
    assert known.opens
    assert "OPENS MORE" in known.says
    assert replay.failed(found.remedies[0]._replace(replay=known))


def test_what_fails_in_the_replay_comes_last(tmp_path: Path) -> None:
    block = Rule(
        "no RPC from there", Action.DROP, inbound=True, protocols=("tcp",), sources=Scope((ip_network("10.20.0.0/16"),))
    )
    policy = fresh("windows-firewall")._replace(rules=(block,))
    found = told(tmp_path, silent(), policy=policy)
    known = _replay(found, "windows-firewall-rpc-rule")
    assert not known.cures, "block beats allow"
    assert found.remedies[-1].id == "windows-firewall-rpc-rule"


def test_a_policy_that_lets_the_flow_pass_is_not_the_one_to_change(tmp_path: Path) -> None:
    found = told(tmp_path, silent(DRSUAPI), policy=fresh("none"))
    assert found.ids[0] == "windows-firewall-rpc-rule"
    assert "the policy that was given" not in _replay(found, "windows-firewall-rpc-rule").says


def test_the_policy_that_was_given_is_the_one_before(tmp_path: Path) -> None:
    rules = (Rule("mapper", Action.ALLOW, protocols=("tcp",), ports=Ports(((135, 135),))),)
    found = told(tmp_path, silent(DRSUAPI), policy=Policy("edge", "linux", rules))
    assert "windows-firewall-rpc-rule" not in found.ids
    known = _replay(found, "static-service-port")
    assert known.policy == "edge"
    assert "edge (the policy that was given)" in known.says
    assert known.cures


def test_inspection_cures_where_the_product_learns_and_not_where_it_does_not(tmp_path: Path) -> None:
    closed = fresh("asa")._replace(
        rules=(Rule("mapper", Action.ALLOW, protocols=("tcp",), ports=Ports(((135, 135),)), alg=False),)
    )
    known = _replay(told(tmp_path, silent(DRSUAPI), policy=closed), "rpc-inspection")
    assert known.cures
    assert not known.opens


def test_others_of_the_capture_keep_their_verdicts(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        web = Tcp(recording, CLIENT, 50001, SERVER, 593)
        web.open()
        web.close()
        Tcp(recording, "10.99.1.1", 50002, SERVER, 135).syns()
        silent()(recording)

    known = _replay(told(tmp_path, build), "windows-firewall-rpc-rule")
    assert known.cures
    assert not known.opens
    assert [flip.flow for flip in known.flips] == ["f4"]


def test_the_story_of_the_director() -> None:
    story = PCAPS / "ocs-advfirewall"
    diagnosis = analyze([str(story / "capture.pcapng")], [str(story / "pfirewall.log")])
    finding = next(one for one in diagnosis.findings if one.rule == "dynamic-port-blocked")
    first = diagnosis.remedies[finding.id][0]
    assert first.replay is not None
    assert first.replay.cures
    assert not first.replay.opens
    assert {flip.after for flip in first.replay.foreign if flip.client == ip_address("203.0.113.7")} == {"drop"}
    assert {flip.after for flip in first.replay.foreign if flip.client in ip_network("10.20.3.0/24")} == {"pass"}
    assert all("49154" not in command.text for remedy in diagnosis.remedies[finding.id] for command in remedy.commands)


def test_the_story_of_the_firewall_under_its_rule_list() -> None:
    story = PCAPS / "dpm-tmg"
    policy = load(str(story / "policy.yaml"))
    diagnosis = analyze([str(story / "capture.pcapng")], policy=policy)
    finding = next(one for one in diagnosis.findings if one.rule == "shadowed-by-system-rule")
    first = diagnosis.remedies[finding.id][0]
    assert first.id == "tmg-system-policy-strict-rpc-off"
    assert first.change == Simulated(
        "tmg", switch=Change("strict RPC compliance off in the system rule that decides", strict=False)
    )
    assert first.replay is not None
    assert first.replay.policy == str(story / "policy.yaml")
    assert {(flip.before, flip.after) for flip in first.replay.flips} == {("drop", "pass")}
    assert first.replay.cures
    assert not first.replay.opens


def test_what_a_change_cannot_concern_is_not_tried() -> None:
    mine, theirs = (ip_address("10.0.0.1"), ip_address("10.0.0.2")), (ip_address("10.0.0.3"), ip_address("10.0.0.4"))

    def event(pair: tuple[Address, Address], flow: str, at: int) -> Event:
        return Event(Kind.SYN, at, flow, 1, pair[0], 50000, pair[1], 135)

    flows = replay.Flows(
        True, {frozenset(theirs): [event(theirs, "f1", 1)], frozenset(mine): [event(mine, "f2", 2)]}, {}
    )
    assert [one.flow for one in flows.of(*mine, all_hosts=False)] == ["f2"]
    assert [one.flow for one in flows.of(*mine, all_hosts=True)] == ["f1", "f2"]
    with_others = flows.of(mine[0], theirs[0], all_hosts=False)
    assert [one.flow for one in with_others] == ["f1", "f2"]
