"""What is read from each format, and that nothing raises."""

import itertools
import json
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpcdiag import plugins
from rpcdiag.policy.model import Action, Authentication, Keyword, Ports, Rule, RuleSet, RuleSetFormat, Scope
from rpcdiag.policy.written import UNCLEAR, is_unclear
from tests.unit.policy.rulesets import samples

FORMATS: dict[str, RuleSetFormat] = {one.name: one for one in plugins.discover("rpcdiag.policy.rulesets", "RULE_SET")}
PARTS = sorted({part for several in samples.SAMPLES.values() for one in several for part in one.splitlines()})


def _read(name: str, text: str) -> RuleSet:
    return FORMATS[name].parse(text)


def _rule(found: RuleSet, name: str) -> Rule:
    return next(rule for rule in found.rules if rule.name == name)


def _open(rule: Rule) -> bool:
    return is_unclear(rule.sources) or is_unclear(rule.destinations)


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, several in samples.SAMPLES.items() for text in several]
)
def test_a_format_knows_its_own_and_no_other(name: str, text: str) -> None:
    assert [one for one, form in FORMATS.items() if form.why_not(text[:65536]) is None] == [name]
    found = FORMATS[name].parse(text)
    assert found.rules
    assert found.format == name
    lines = text.count("\n") + 1
    assert all(rule.line is not None and 1 <= rule.line <= lines for rule in found.rules)


def test_every_format_has_a_sample_and_says_why_not() -> None:
    assert set(samples.SAMPLES) == set(FORMATS)
    for name, form in FORMATS.items():
        why = form.why_not("hello\nworld\n")
        assert why is not None
        assert why.startswith(name)


def test_netsh() -> None:
    found = _read("netsh-advfirewall", samples.NETSH)
    wmi, dpm, echo, bypass = found.rules
    assert (wmi.name, wmi.line, wmi.inbound, wmi.action) == (
        "Windows Management Instrumentation (WMI-In)", 2, True, Action.ALLOW,
    )  # fmt: skip
    assert wmi.ports == Ports(keywords=(Keyword.RPC,))
    assert wmi.sources == Scope(names=("LocalSubnet",))
    assert (wmi.profiles, wmi.service) == (("domain", "private"), "winmgmt")
    assert wmi.program == r"C:\Windows\system32\svchost.exe"
    assert dpm.sources == Scope(
        (ip_network("10.0.0.0/16"), ip_network("2001:db8::/64")),
        ((ip_address("192.168.7.9"), ip_address("192.168.7.20")),),
    )
    assert dpm.destinations == Scope((ip_network("10.9.0.5/32"),))
    assert dpm.ports.ranges == ((135, 135), (49154, 49154), (5718, 5719))
    assert dpm.source_ports.ranges == ((1024, 65535),)
    assert (dpm.profiles, dpm.authentication) == ((), Authentication.ANYBODY)
    assert (echo.enabled, echo.inbound, echo.action, echo.protocols) == (False, False, Action.DROP, ("icmp",))
    assert echo.destinations == Scope((ip_network("10.1.1.1/32"),)), "outbound: the remote side is where it goes"
    assert (bypass.name, bypass.overrides_block, bypass.protocols) == ("Backup: override", True, ())
    assert _open(bypass), "interface types are not evaluated"
    assert [remark.split(":")[0] for remark in found.remarks] == ["line 58"]


def test_netsh_in_other_languages() -> None:
    (german,) = _read("netsh-advfirewall", samples.NETSH_DE).rules
    assert (german.inbound, german.action, german.profiles) == (True, Action.ALLOW, ("domain", "private"))
    assert german.ports == Ports(keywords=(Keyword.RPC_EPMAP,))
    assert german.sources == Scope((ip_network("10.0.0.0/8"),))
    (french,) = _read("netsh-advfirewall", samples.NETSH_FR).rules
    assert (french.inbound, french.action, french.ports.ranges) == (True, Action.ALLOW, ((135, 135),))
    (spanish,) = _read("netsh-advfirewall", samples.NETSH_ES).rules
    assert (spanish.inbound, spanish.action, spanish.ports.ranges) == (False, Action.DROP, ((135, 135),))


def test_netsh_without_verbose_leaves_open_whose_rule_it_is() -> None:
    text = "\n".join(
        line
        for line in samples.NETSH.splitlines()
        if not line.startswith(("Program", "Service", "InterfaceTypes", "Security", "Rule source"))
    )
    found = _read("netsh-advfirewall", text)
    assert all(_open(rule) for rule in found.rules)
    assert "verbose" in found.remarks[0]


def test_netsh_words_that_nobody_knows_never_become_a_match() -> None:
    text = samples.NETSH.replace("Direction:                            In\n", "Direction:      Sisään\n").replace(
        "Protocol:                             TCP", "Protokolla:    TCP"
    )
    found = _read("netsh-advfirewall", text)
    assert found.rules[0].inbound is None
    assert _open(found.rules[0])
    assert any("'Protokolla' is not known" in remark for remark in found.remarks)


def test_a_description_cannot_begin_a_rule() -> None:
    text = samples.NETSH.replace(
        "Description:  ", "Description: x\nRule Name:    forged\nEnabled: Yes\nDescription:", 1
    )
    assert "forged" not in {rule.name for rule in _read("netsh-advfirewall", text).rules}


def test_json_of_the_cmdlet_alone_has_no_ports() -> None:
    found = _read("netfirewallrule-json", samples.PLAIN_JSON)
    allow, block = found.rules
    assert (allow.inbound, allow.action, allow.enabled, allow.profiles) == (
        True, Action.ALLOW, True, ("domain", "private"),
    )  # fmt: skip
    assert (block.inbound, block.action, block.enabled, block.profiles) == (False, Action.DROP, False, ())
    assert _open(allow)
    assert _open(block)
    assert "docs/rule-sets.md" in found.remarks[0]
    assert (allow.line, block.line) == (2, 15)


def test_json_of_joined_objects() -> None:
    wmi, pinned = _read("netfirewallrule-json", samples.JOINED_JSON).rules
    assert wmi.sources == Scope((ip_network("10.0.0.0/8"), ip_network("192.168.1.5/32")))
    assert (wmi.ports.keywords, wmi.service, wmi.authentication) == ((Keyword.RPC,), "winmgmt", Authentication.NONE)
    assert pinned.ports.ranges == ((135, 135), (49154, 49154))
    assert (pinned.program, pinned.protocols) == (None, ("tcp",))
    assert (pinned.authentication, pinned.overrides_block) == (Authentication.COMPUTERS, True)
    assert not _open(pinned)


@pytest.mark.parametrize("text", ["", "[", "{", '{"a": [', "[1, 2", "[[[[[[[[1]]]]]]]]", "[" * 100_000, '{"value": 1}'])
def test_broken_json_is_a_remark(text: str) -> None:
    for name in ("netfirewallrule-json", "nft-json"):
        assert _read(name, text).remarks


def test_one_object_is_no_array() -> None:
    one = json.dumps(json.loads(samples.JOINED_JSON)[0])
    assert len(_read("netfirewallrule-json", one).rules) == 1


def test_csv() -> None:
    found = _read("netfirewallrule-csv", samples.JOINED_CSV)
    rpc, wide, array = found.rules
    assert rpc.ports == Ports(keywords=(Keyword.RPC_EPMAP,))
    assert rpc.sources == Scope(ranges=((ip_address("10.0.0.1"), ip_address("10.0.0.9")),), names=("LocalSubnet",))
    assert (wide.line, wide.ports.ranges, array.line) == (3, ((1025, 65535),), 5)
    assert wide.name == "Wide, and\nin two lines"
    assert _open(array), "a list that Export-Csv did not write"
    assert "Export-Csv does not write arrays" in found.remarks[0]
    (alone,) = _read("netfirewallrule-csv", samples.PLAIN_CSV).rules
    assert (alone.line, alone.profiles) == (3, ("domain", "private"))
    assert _open(alone)


def test_registry_strings() -> None:
    found = _read("registry-rules", samples.REGISTRY)
    mapper, hexadecimal, old = found.rules
    assert mapper.ports == Ports(keywords=(Keyword.RPC_EPMAP,))
    assert mapper.sources == Scope((ip_network("10.0.0.0/8"),), names=("LocalSubnet",))
    assert (mapper.program, mapper.service, mapper.profiles) == (
        r"%SystemRoot%\system32\svchost.exe", "RPCSS", ("domain",),
    )  # fmt: skip
    assert hexadecimal.ports.ranges == ((135, 135), (49152, 65535))
    assert (hexadecimal.authentication, hexadecimal.overrides_block) == (Authentication.BOTH, True)
    assert (old.name, old.enabled, old.inbound, old.action) == ('Old "quoted"', False, False, Action.DROP)
    assert (mapper.line, hexadecimal.line) == (4, 5)
    assert _open(old)
    (by_policy,) = _read("registry-rules", samples.REG_QUERY).rules
    assert (by_policy.name, by_policy.program, by_policy.ports.keywords) == ("By policy", "System", (Keyword.RPC,))


def test_a_token_that_is_not_known_leaves_the_rule_open() -> None:
    (rule,) = _read("registry-rules", samples.BARE.replace("|Name", "|Moon=Full|Name")).rules
    assert _open(rule)
    (rule,) = _read("registry-rules", samples.BARE.replace("LPort=135", "LPort=Moon")).rules
    assert rule.ports.any
    assert _open(rule)


def test_tmg() -> None:
    found = _read("tmg-xml", samples.TMG)
    system, everything, branch = found.rules
    assert (system.system, system.alg, system.strict, system.place) == (True, True, None, 22)
    assert (system.protocols, system.ports.ranges) == (("tcp",), ((135, 135),))
    assert system.sources == Scope((ip_network("10.1.1.5/32"),))
    assert "Active Directory" in (system.setting or "")
    assert (everything.sources.names, everything.destinations.names) == (("Local Host",), ("Internal",))
    assert everything.protocols == ()
    assert (branch.enabled, branch.action) == (False, Action.DROP)
    assert _open(branch), "its protocol is not in the export"
    assert samples.TMG.splitlines()[(system.line or 0) - 1].strip().startswith('<fpc4:PolicyRule StorageName="{R3}"')
    assert any("strict RPC compliance" in remark for remark in found.remarks)
    assert found.product == "tmg-strict", "the flag is set by default"


def test_xml_that_wants_too_much_is_a_remark() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><fpc4:Root xmlns:fpc4="x">&c;</fpc4:Root>'
    deep = "<a>" * 5_000
    for text in (bomb, deep, "<a><b></a>", "no xml", ""):
        found = _read("tmg-xml", text)
        assert not found.rules
        assert any("breaks off" in remark for remark in found.remarks)


def test_iptables() -> None:
    found = _read("iptables-save", samples.IPTABLES)
    assert found.default is Action.DROP
    told = [(rule.place, rule.name, rule.action, rule.line) for rule in found.rules]
    assert told == [
        (1, "INPUT 1", Action.ALLOW, 10),
        (2, "INPUT 2", Action.ALLOW, 11),
        (3, "RPC 1", Action.DROP, 19),
        (4, "RPC 3", Action.ALLOW, 21),
        (5, "INPUT 4", Action.ALLOW, 14),
        (6, "INPUT 5", Action.ALLOW, 15),
        (7, "INPUT 6", Action.RESET, 16),
        (8, "INPUT 7", Action.REJECT, 18),
    ]
    local, known, dropped, jumped, wide, recent, _, _ = found.rules
    assert ip_network("127.0.0.0/8") in local.sources.networks
    assert known.established
    assert dropped.sources == Scope((ip_network("10.5.0.0/16"),))
    assert (dropped.protocols, dropped.ports.ranges) == (("tcp",), ((135, 135),))
    assert jumped.sources == Scope((ip_network("10.0.0.0/8"),))
    assert _open(jumped), "a RETURN before it may have taken the packet away"
    assert wide.sources == Scope((ip_network("10.9.0.0/16"),), negated=True)
    assert wide.ports.ranges == ((445, 445), (49152, 65535))
    assert _open(recent)
    assert all(rule.inbound for rule in found.rules)
    assert "line 2: table 'mangle' is not looked at" in found.remarks


def test_iptables_of_a_router_are_its_forward_chain() -> None:
    text = samples.IPTABLES.replace("-A RPC -j ACCEPT", "-A RPC -j ACCEPT\n-A FORWARD ! -d 10.0.0.1 -o eth0 -j DROP")
    found = _read("iptables-save", text)
    (rule,) = found.rules
    assert (rule.inbound, rule.action) == (None, Action.DROP)
    assert rule.destinations == Scope((ip_network("10.0.0.1/32"),), negated=True)
    assert rule.sources.names[0].startswith(UNCLEAR)
    assert found.default is Action.ALLOW
    assert any("read as a router" in remark for remark in found.remarks)


def test_chains_that_jump_in_circles_or_without_end() -> None:
    circle = "*filter\n:INPUT DROP\n:A -\n:B -\n-A INPUT -j A\n-A A -j B\n-A B -j A\n-A B -p tcp -j ACCEPT\nCOMMIT\n"
    found = _read("iptables-save", circle)
    assert [_open(rule) for rule in found.rules] == [True, False]
    assert any("circle" in remark for remark in found.remarks)
    names = [f"C{number}" for number in range(12)]
    jumps = [f"-A {one} -j {other}\n" * 9 for one, other in itertools.pairwise(names)]
    text = "*filter\n:INPUT DROP\n" + "".join(f":{name} -\n" for name in names) + "-A INPUT -j C0\n" + "".join(jumps)
    found = _read("iptables-save", text)
    assert not found.rules
    assert any("too often" in remark for remark in found.remarks)


def test_a_chain_that_is_missing_decides_something_unknown() -> None:
    found = _read("iptables-save", "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 10.0.0.1 -j GONE\n-A INPUT -j ACCEPT\n")
    gone, rest = found.rules
    assert _open(gone)
    assert gone.sources == Scope((ip_network("10.0.0.1/32"),))
    assert rest.action is Action.ALLOW
    assert not _open(rest)


def test_nft() -> None:
    found = _read("nft-json", samples.NFT)
    assert found.default is Action.DROP
    known, mapped, local, jumped, wide, echo, reset = found.rules
    assert known.established
    assert mapped.established
    assert ip_network("127.0.0.0/8") in local.sources.networks
    assert (jumped.protocols, jumped.ports.ranges) == (("tcp",), ((135, 135),))
    assert jumped.sources == Scope((ip_network("10.0.0.0/8"), ip_network("192.168.1.5/32")))
    assert _open(jumped), "a negation beside it"
    assert (wide.name, wide.ports.ranges) == ("wide", ((445, 445), (49152, 65535)))
    assert wide.destinations == Scope(ranges=((ip_address("10.0.0.1"), ip_address("10.0.0.9")),))
    assert echo.protocols == ("icmp",)
    assert reset.action is Action.RESET


def test_nft_of_one_family_and_of_two_chains() -> None:
    document = json.loads(samples.NFT)
    text = json.dumps(document).replace('"inet"', '"ip6"')
    last = _read("nft-json", text).rules[-1]
    assert last.destinations == Scope((ip_network("::/0"),))
    second = {"family": "inet", "table": "late", "name": "in", "type": "filter", "hook": "input", "prio": 10}
    drop = {"family": "inet", "table": "late", "chain": "in", "expr": [{"drop": None}]}
    document["nftables"] += [{"chain": {**second, "policy": "accept"}}, {"rule": drop}]
    found = _read("nft-json", json.dumps(document))
    assert _open(next(rule for rule in found.rules if rule.name == "wide")), "the second chain drops what it accepts"
    assert found.default is Action.ALLOW
    assert any("2 chains at input" in remark for remark in found.remarks)


_pieces = st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=40)), max_size=30).map("\n".join)
_texts = st.one_of(st.text(max_size=400), _pieces)


@pytest.mark.parametrize("name", sorted(samples.SAMPLES))
@settings(max_examples=60)
@given(text=_texts)
def test_no_text_raises(name: str, text: str) -> None:
    form = FORMATS[name]
    form.why_not(text)
    for rule in form.parse(text).rules:
        assert isinstance(rule, Rule)
        assert all(0 <= first <= last <= 65535 for first, last in rule.ports.ranges + rule.source_ports.ranges)


@pytest.mark.parametrize("name", sorted(samples.SAMPLES))
@settings(max_examples=60)
@given(data=st.data())
def test_no_damage_to_a_sample_raises(name: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(samples.SAMPLES[name]))
    at = data.draw(st.integers(0, len(text)))
    gone = data.draw(st.integers(0, 30))
    put = data.draw(
        st.sampled_from(["", "\0", '"', "{", "]", "-", "|", "99999999999", "\ud800", "null", "\n", "'", "<"])
    )
    FORMATS[name].parse(text[:at] + put + text[at + gone :])
    # a value of another kind where JSON or a list has one
    for old, new in (("10.0.0", "999.0"), ("135", "70000"), ('"set"', '"range"'), ("[", "{"), ("null", "[]")):
        FORMATS[name].parse(text.replace(old, new))


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.floats(allow_nan=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [
                    "match",
                    "op",
                    "left",
                    "right",
                    "payload",
                    "protocol",
                    "field",
                    "meta",
                    "key",
                    "ct",
                    "set",
                    "range",
                    "prefix",
                    "addr",
                    "len",
                    "vmap",
                    "data",
                    "jump",
                    "goto",
                    "target",
                    "accept",
                    "drop",
                    "reject",
                    "type",
                    "return",
                    "limit",
                    "counter",
                    "elem",
                    "val",
                    "saddr",
                    "dport",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(expressions=st.lists(_json, max_size=5), more=st.lists(_json, max_size=3))
def test_no_expression_of_nft_raises(expressions: list[object], more: list[object]) -> None:
    document = json.loads(samples.NFT)
    rule = {"family": "inet", "table": "filter", "chain": "input", "expr": expressions}
    document["nftables"] += [{"rule": rule}, *more, {"set": more}, {"chain": {"family": "inet", "name": more}}]
    document["nftables"].append({"rule": {"family": "inet", "table": more, "chain": more, "expr": more}})
    FORMATS["nft-json"].parse(json.dumps(document))
