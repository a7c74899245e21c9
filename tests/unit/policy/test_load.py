"""`--policy NAME|FILE`."""

from pathlib import Path

import pytest

from rpcdiag import plugins
from rpcdiag.errors import InputError
from rpcdiag.policy.engine import product_of
from rpcdiag.policy.load import fresh, from_text, load
from rpcdiag.policy.model import Action, Authentication, Keyword, Rule, RuleSet, RuleSetFormat
from tests.unit.policy.wire import SERVER, address, lookup, verdicts

FULL = r"""
name: everything
product: asa
options: [high]
overrides: {idle_tcp: 600}
zones:
  Inside: [10.0.1.0/24, 10.0.4.1]
local_host: 10.0.0.1
hosts: [10.0.2.7]
profile: domain
processes:
  - {host: 10.0.2.7, port: 49200, program: 'C:\x\y.exe', service: y}
nat:
  - {seen: 192.0.2.7, real: 10.0.2.7}
default: reject
default_out: drop
rules:
  - name: second
    action: allow
    from: [Inside, 10.0.7.0/24, 10.0.8.1-10.0.8.9, "fe80::/64"]
    to: {not: [10.0.9.0/24]}
    protocol: [TCP, udp]
    ports: [135, 49152-65535, RPC, RPCEPMap]
    source_ports: 1024-65535
    interfaces: [drsuapi, 12345778-1234-abcd-ef00-0123456789ab]
    profiles: [domain, private]
    authentication: computers
    direction: in
  - {name: first, place: 3, system: true, action: drop, from: any, ports: any, protocol: any, enabled: false}
"""


def test_a_file_as_people_write_it() -> None:
    found = from_text(FULL, "full.yaml")
    first, second = found.rules
    assert (first.name, first.place, first.enabled, first.system) == (
        "first",
        3,
        False,
        True,
    )  # the system's come first
    assert first.sources.any
    assert first.ports.any
    assert first.protocols == ()
    assert second.sources.names == ("Inside",)
    assert len(second.sources.networks) == 2
    assert second.sources.ranges == ((address("10.0.8.1"), address("10.0.8.9")),)
    assert second.destinations.negated
    assert second.ports.ranges == ((135, 135), (49152, 65535))
    assert second.ports.keywords == (Keyword.RPC, Keyword.RPC_EPMAP)
    assert second.interfaces[0] == "e3514235-4b06-11d1-ab04-00c04fc2dcd2"
    assert second.protocols == ("tcp", "udp")
    assert second.authentication is Authentication.COMPUTERS
    assert second.inbound is True
    assert (found.default, found.default_out) == (Action.REJECT, Action.DROP)
    assert found.hosts == (address(SERVER),)
    assert found.translations[0].real == address(SERVER)
    under = product_of(found)
    assert (under.value("strict"), under.value("idle_tcp"), under.value("learn")) == (True, 600, {"map"})


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("product: asas", "product", "asa-9.4"),
        ("product: asa\noptions: extreme", "options", "low, medium, high"),
        ("product: asa\nrule: []", "policy", "unknown key 'rule'"),
        ("product: asa\nrules: [{name: x}]", "rules[1] 'x'", "says no action"),
        ("product: asa\nrules: [{action: permit}]", "action", "allow, drop, reject, reset"),
        ("product: asa\nrules: [{action: allow, port: 1}]", "rules[1]", "unknown key 'port'"),
        ("product: asa\nrules: [{action: allow, ports: 1-70000}]", "ports", "0-65535"),
        ("product: asa\nrules: [{action: allow, ports: epmap}]", "ports", "RPCEPMap"),
        ("product: asa\nrules: [{action: allow, ports: 9-1}]", "ports", "0-65535"),
        ("product: asa\nrules: [{action: allow, strict: maybe}]", "strict", "true or false"),
        ("product: asa\nrules: [{action: allow, place: x}]", "place", "a number"),
        ("product: asa\nrules: [{action: allow, direction: up}]", "direction", "in, out"),
        ("product: asa\nrules: [{action: allow, authentication: yes}]", "authentication", "computers"),
        ("product: asa\nrules: [{action: allow, interfaces: nothing}]", "interfaces", "UUIDs"),
        ("product: asa\nrules: [{action: allow, from: {nor: 1}}]", "from", "unknown key"),
        ("product: asa\nrules: [allow]", "rules[1]", "mapping"),
        ("product: asa\nrules: {a: 1}", "rules", "a list"),
        ("product: asa\nzones: [a]", "zones", "mapping"),
        ("product: asa\nzones: {a: b}", "zones.a", "networks"),
        ("product: asa\nlocal_host: here", "local_host", "an address"),
        ("product: asa\nprofile: home", "profile", "domain, private, public"),
        ("product: asa\nprocesses: [{host: 10.0.0.1, port: x}]", "processes.port", "number"),
        ("product: asa\nnat: [{seen: 10.0.0.1}]", "nat.real", "an address"),
        ("product: {like: asa, parameters: {alg: 3}}", "parameters.alg", "true or false"),
        ("product: 3", "product", "mapping"),
        ("product: asa\nrules: there-is-none.xml", "", "No such file"),
        ("product: [", "line 1", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_is_allowed(text: str, place: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        load(str(path))
    assert place in raised.value.place
    assert why in raised.value.why


def test_who_is_not_known_is_told_what_there_is() -> None:
    with pytest.raises(InputError, match="windows-firewall"):
        load("zonealarm")


@pytest.mark.parametrize("data", [b"", b"  \n", b"hello", b"\xff\xfe\x00", b"\x00" * 200, bytes(range(256))])
def test_a_file_of_another_kind_is_an_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(InputError):
        load(str(path))
    with pytest.raises(InputError):
        load(str(tmp_path))


def test_a_product_of_ones_own_inside_the_policy_and_next_to_it(tmp_path: Path) -> None:
    inside = "product: {id: mine, like: asa, parameters: {pinhole_ttl: 2}}\n"
    (tmp_path / "one.yaml").write_text(inside, encoding="utf-8")
    (tmp_path / "other.yaml").write_text("product: mine.yaml\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text("like: asa\nid: mine\nparameters: {pinhole_ttl: 2}\n", encoding="utf-8")
    for name in ("one.yaml", "other.yaml"):
        policy = load(str(tmp_path / name))
        assert policy.product == "mine"
        assert verdicts(lookup(gap=1), policy)["f2"].passes
        assert verdicts(lookup(gap=3), policy)["f2"].passes is False


def test_a_product_alone_permits_the_mapper() -> None:
    policy = fresh("asa")
    assert [rule.ports.ranges for rule in policy.rules] == [((135, 135),)]
    assert policy.remarks
    assert policy.default is Action.DROP


RULES = RuleSet("made-up", (Rule("theirs", Action.ALLOW),), "linux", Action.REJECT, {"Inside": ()}, ("line 3: what?",))
FORMAT = RuleSetFormat(
    "made-up", "for this test", lambda head: None if head.startswith("*made-up") else "no *made-up", lambda text: RULES
)


def test_a_rule_set_of_a_product_is_told_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "discover", lambda folder, name: [FORMAT])
    path = tmp_path / "rules.txt"
    path.write_bytes("*made-up\n".encode("utf-16"))
    found = load(str(path))
    assert (found.product, found.default, found.remarks) == ("linux", Action.REJECT, ("line 3: what?",))
    assert [rule.name for rule in found.rules] == ["theirs"]
    ours = tmp_path / "ours.yaml"
    ours.write_text("product: linux\nrules: rules.txt\nhosts: 10.0.0.1\n", encoding="utf-8")
    beside = load(str(ours))
    assert (beside.rules, beside.default, beside.hosts) == (found.rules, Action.REJECT, (address("10.0.0.1"),))
    path.write_text("something else", encoding="utf-8")
    with pytest.raises(InputError, match="made-up: no"):
        load(str(path))


NETSH = """
Regelname:                            Endpunktzuordnung f\u00fcr RPC
----------------------------------------------------------------------
Aktiviert:                            Ja
Richtung:                             Eingehend
Profile:                              Dom\u00e4ne
Lokales IP:                           Beliebig
Remote-IP:                            Beliebig
Protokoll:                            TCP
Lokaler Port:                         RPC-EPMap
Remoteport:                           Beliebig
Programm:                             Beliebig
Dienst:                               Beliebig
Sicherheit:                           NotRequired
Aktion:                               Zulassen
"""


@pytest.mark.parametrize("page", ["cp850", "cp1252", "utf-8"])
def test_a_console_has_a_code_page_of_its_own(tmp_path: Path, page: str) -> None:
    path = tmp_path / "rules.txt"
    path.write_bytes(NETSH.encode(page))
    (rule,) = load(str(path)).rules
    assert (rule.name, rule.profiles) == ("Endpunktzuordnung f\u00fcr RPC", ("domain",))


IPTABLES = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p tcp --dport 135 -j ACCEPT\n"


def test_rules_that_break_off_are_said_to(tmp_path: Path) -> None:
    path = tmp_path / "rules.v4"
    path.write_text(IPTABLES + "COMMIT\n")
    assert load(str(path)).cut is None
    path.write_text(IPTABLES)
    found = load(str(path))
    assert len(found.rules) == 1
    assert "without COMMIT" in (found.cut or "")
    path.write_text(IPTABLES.rpartition("-A")[0])
    with pytest.raises(InputError, match="no rule that can be read"):
        load(str(path))
    path.write_text('{"nftables": [{"metainfo": {}}, {"table": ')
    with pytest.raises(InputError, match="no rule that can be read"):
        load(str(path))


def test_brackets_without_end_are_refused_before_they_cost_time(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text("product: linux\nrules: " + "[" * 100_000)
    with pytest.raises(InputError, match="too deeply nested"):
        load(str(path))
