"""Each mechanism of the machine, on a handful of events."""

from typing import Any

import pytest

from rpcdiag.dissect.interfaces import EPMAPPER, IREMOTE_SCM_ACTIVATOR
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.policy.engine import judge_flows, product_of
from rpcdiag.policy.events import Kind, foreign, ordered
from rpcdiag.policy.flips import changed
from rpcdiag.policy.match import Matcher, Packet
from rpcdiag.policy.model import (
    Action,
    Authentication,
    Keyword,
    Policy,
    Ports,
    Process,
    Rule,
    Scope,
    Sure,
    Translation,
)
from rpcdiag.policy.product import Learns
from rpcdiag.policy.verdict import Reason
from rpcdiag.track.origin import OriginKind
from tests.unit.policy.wire import (
    CLIENT,
    DRSUAPI,
    MAPPER,
    OTHER,
    SECOND,
    SERVER,
    WINREG,
    activation,
    address,
    bind,
    closed,
    lookup,
    named,
    parameter,
    policy,
    ports,
    scope,
    syn,
    told,
    verdicts,
)

SVCHOST = r"%SystemRoot%\System32\svchost.exe"


# ports that are read out of answers


def test_a_port_that_the_mapper_told_is_open() -> None:
    found = verdicts(lookup(), policy("asa", MAPPER))
    assert found["f1"].passes
    assert (found["f2"].passes, found["f2"].reason) == (True, Reason.PINHOLE)
    assert found["f2"].rule == "mapper"


def test_not_for_another_client() -> None:
    events = [*lookup(), syn("f3", 49200, 3, client=OTHER)]
    found = verdicts(events, policy("asa", MAPPER))["f3"]
    assert (found.passes, found.reason) == (None, Reason.NOT_LEARNT_UNSEEN)
    rule_of_it = syn("f3", 49200, 3, client=OTHER, origin=OriginKind.EPT_MAP, rpc=False)
    assert verdicts([*lookup(), rule_of_it], policy("asa", MAPPER))["f3"].passes is False


def test_for_every_client_where_the_client_is_not_part_of_the_key() -> None:
    events = [*lookup(), syn("f3", 49200, 3, client=OTHER)]
    assert verdicts(events, policy("srx", MAPPER))["f3"].reason is Reason.PINHOLE


@pytest.mark.parametrize(("gap", "reason"), [(59, Reason.PINHOLE), (61, Reason.PINHOLE_EXPIRED)])
def test_it_closes_again(gap: float, reason: Reason) -> None:
    assert verdicts(lookup(gap=gap), policy("asa", MAPPER))["f2"].reason is reason


def test_a_new_answer_opens_it_for_longer() -> None:
    first = syn("f0", 135, 40)
    events = [*lookup(gap=70), first, told(first, 41, 49200, referral="r2")]
    assert verdicts(events, policy("asa", MAPPER))["f2"].passes


def test_it_closes_a_while_after_the_connection_it_was_told_on() -> None:
    events = lookup(gap=100)
    assert verdicts(events, policy("barracuda", MAPPER))["f2"].passes
    ended = verdicts([*events, closed(events[0], 3)], policy("barracuda", MAPPER))["f2"]
    assert ended.reason is Reason.PINHOLE_EXPIRED


def test_it_may_be_for_one_connection() -> None:
    events = [*lookup(), syn("f3", 49200, 4, referral="r1", origin=OriginKind.EPT_MAP)]
    once = policy("asa", MAPPER, overrides={"pinhole_multi": parameter(False)})
    found = verdicts(events, once)
    assert (found["f2"].passes, found["f3"].reason) == (True, Reason.PINHOLE_EXPIRED)


def test_a_sealed_answer_teaches_nobody_and_no_flag_helps() -> None:
    found = verdicts(activation(sealed=True), policy("asa-9.4", MAPPER))
    assert found["f1"].passes
    assert found["f2"].reason is Reason.NOT_LEARNT_SEALED
    assert found["f2"].packet == 15
    assert found["f2"].sure is Sure.KNOWLEDGE
    change = found["f2"].flips
    assert change is not None
    assert change.becomes is not None
    assert change.becomes.ports == ports(49152, 65535)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"segmented": True}, Reason.NOT_LEARNT_SEGMENTED),
        ({"fragments": 2}, Reason.NOT_LEARNT_FRAGMENTED),
        ({"segmented": True, "fragments": 2}, Reason.NOT_LEARNT_FRAGMENTED),
    ],
)
def test_a_fortigate_wants_one_segment_and_one_fragment(how: dict[str, Any], reason: Reason) -> None:
    assert verdicts(lookup(**how), policy("fortigate", MAPPER))["f2"].reason is reason
    assert verdicts(lookup(**how), policy("asa", MAPPER))["f2"].passes


def test_ndr64_may_be_beyond_a_product() -> None:
    old = policy("asa", MAPPER, overrides={"needs_ndr32": parameter(True)})
    assert verdicts(lookup(wide=True), old)["f2"].reason is Reason.NOT_LEARNT_NDR64
    assert verdicts(lookup(wide=False), old)["f2"].passes


def test_an_old_asa_does_not_read_activations_and_a_newer_one_does() -> None:
    old = verdicts(activation(), policy("asa", MAPPER))["f2"]
    assert old.reason is Reason.NOT_LEARNT_MESSAGE_TYPE
    assert verdicts(activation(), policy("asa-9.4", MAPPER))["f2"].passes


def test_a_list_is_read_once_that_is_set() -> None:
    found = verdicts(lookup(learns=Learns.LOOKUP), policy("asa", MAPPER))["f2"]
    assert found.reason is Reason.NOT_LEARNT_MESSAGE_TYPE
    assert found.flips is not None
    assert "lookup-operation" in found.flips.says or "low" in found.flips.says


def test_a_plain_rule_above_the_one_that_reads_along_is_found() -> None:
    plain = MAPPER._replace(name="plain", alg=False)
    found = verdicts(lookup(), policy("check-point", plain, MAPPER))["f2"]
    assert not found.passes
    assert "rule 'plain'" in found.says
    assert found.flips is not None
    assert (found.flips.rule, found.flips.alg) == (0, True)


def test_a_product_that_reads_nothing_needs_the_range() -> None:
    found = verdicts(lookup(), policy("linux", MAPPER))["f2"]
    assert found.reason is Reason.DEFAULT
    assert found.flips is not None
    assert "49152-65535" in found.flips.says


# interfaces


def test_a_rule_for_one_interface_learns_no_other() -> None:
    assert verdicts(lookup(), policy("srx", MAPPER._replace(interfaces=(DRSUAPI,))))["f2"].passes
    found = verdicts(lookup(), policy("srx", MAPPER._replace(interfaces=(WINREG,))))["f2"]
    assert found.reason is Reason.UUID_DENIED


def test_a_denied_interface_ends_the_connection() -> None:
    found = verdicts(activation(), policy("asa-9.4", MAPPER._replace(denied_interfaces=(IREMOTE_SCM_ACTIVATOR,))))
    assert (found["f1"].reason, found["f1"].at) == (Reason.UUID_DENIED, "bind")
    assert "would not come" in found["f2"].says or not found["f2"].passes


@pytest.mark.parametrize(("product", "alter", "passes"), [
    ("srx", False, False), ("srx", True, True), ("barracuda", True, False), ("asa", False, True),
])  # fmt: skip
def test_what_is_bound_on_a_learnt_port_is_checked(product: str, alter: bool, passes: bool) -> None:
    events = lookup()
    later = bind(events[-1], 9, WINREG, alter=alter)
    assert verdicts([*events, later], policy(product, MAPPER))["f2"].passes is passes


# strict


@pytest.mark.parametrize("alter", [False, True])
def test_strict_ends_what_is_not_the_mapper(alter: bool) -> None:
    first = syn("f1", 135, 1)
    events = [first, bind(first, 1.1, EPMAPPER), bind(first, 2, IREMOTE_SCM_ACTIVATOR, alter=alter)]
    found = verdicts(events, policy("tmg-strict", MAPPER))["f1"]
    assert (found.passes, found.reason, found.at, found.packet) == (False, Reason.STRICT_NON_EPM, "bind", 22)
    assert found.flips is not None
    assert (found.flips.rule, found.flips.strict) == (0, False)
    assert verdicts(events, policy("tmg", MAPPER))["f1"].passes


def test_the_system_rule_decides_and_what_it_shadows_is_named() -> None:
    system = MAPPER._replace(name="[System]", place=22, system=True, strict=True, setting="the editor")
    mine = Rule("all", Action.ALLOW, strict=False)
    before = policy("tmg", system, mine)
    found = verdicts(activation(), before)
    assert (found["f1"].rule, found["f1"].place, found["f1"].setting) == ("[System]", 22, "the editor")
    assert found["f1"].shadows == "all"
    change = found["f1"].flips
    assert change is not None
    assert "the editor" in change.says
    after = verdicts(activation(), changed(before, change))
    assert all(one.passes for one in after.values())


def test_a_strict_rule_learns_from_the_mapper_only_and_a_lenient_one_from_dcom() -> None:
    assert verdicts(lookup(), policy("tmg-strict", MAPPER))["f2"].passes
    lenient = verdicts(activation(), policy("tmg", MAPPER))["f2"]
    assert (lenient.passes, lenient.sure) == (True, Sure.UNCERTAIN)


def test_the_flag_of_a_service_policy_is_a_parameter_too() -> None:
    strict = policy("asa-9.4", MAPPER, overrides={"strict": parameter(True)})
    assert verdicts(activation(), strict)["f1"].reason is Reason.STRICT_NON_EPM


# rules


def test_the_first_rule_that_matches_decides_and_a_later_one_is_shadowed() -> None:
    no = Rule("no", Action.REJECT, sources=scope("10.0.1.0/24"), ports=ports(135))
    found = verdicts([syn("f1", 135)], policy("linux", no, MAPPER))["f1"]
    assert (found.reason, found.rule, found.shadows, found.action) == (Reason.SHADOWED, "no", "mapper", Action.REJECT)
    assert "at once" in found.sees
    assert verdicts([syn("f1", 135)], policy("linux", MAPPER, no))["f1"].passes


def test_scopes_may_be_ranges_names_and_everything_else() -> None:
    within = Scope(ranges=((address("10.0.1.1"), address("10.0.1.9")),))
    assert verdicts([syn("f1", 135)], policy("linux", MAPPER._replace(sources=within)))["f1"].passes
    without = scope("10.0.1.0/24")._replace(negated=True)
    assert not verdicts([syn("f1", 135)], policy("linux", MAPPER._replace(sources=without)))["f1"].passes
    zones = {"Inside": scope("10.0.1.0/24").networks}
    assert verdicts([syn("f1", 135)], policy("linux", MAPPER._replace(sources=named("inside")), zones=zones))[
        "f1"
    ].passes
    elsewhere = MAPPER._replace(destinations=named("External"))
    assert verdicts([syn("f1", 135)], policy("tmg", elsewhere, zones=zones))["f1"].passes


def test_what_nobody_defined_leaves_it_open() -> None:
    rule = MAPPER._replace(sources=named("Branch offices"))
    found = verdicts([syn("f1", 135)], policy("linux", rule))["f1"]
    assert (found.passes, found.reason) == (None, Reason.UNDECIDED)
    assert "Branch offices" in found.says
    assert found.flips is None


def test_where_it_makes_no_difference_it_is_not_asked() -> None:
    rule = MAPPER._replace(name="maybe", sources=named("Branch offices"))
    assert verdicts([syn("f1", 135)], policy("linux", rule, MAPPER))["f1"].passes
    no = Rule("no", Action.DROP, sources=named("Branch offices"))
    assert verdicts([syn("f1", 136)], policy("linux", no))["f1"].passes is False


def test_a_rule_that_is_off_can_be_switched_on() -> None:
    found = verdicts([syn("f1", 135)], policy("linux", MAPPER._replace(enabled=False)))["f1"]
    assert found.flips is not None
    assert found.flips.says == "switch rule 'mapper' on"


def test_a_new_rule_goes_before_the_one_that_decides_and_behind_those_of_the_system() -> None:
    system = Rule("[System] no", Action.DROP, system=True, destinations=scope("10.9.0.0/16"))
    last = Rule("clean up", Action.DROP)
    under = policy("linux", system, last)
    change = verdicts([syn("f1", 135)], under)["f1"].flips
    assert change is not None
    assert change.before == 1
    assert [rule.name for rule in changed(under, change).rules][1].startswith("RPC from")


def test_chains_are_of_the_host_that_has_the_rules() -> None:
    rules = (MAPPER._replace(inbound=True), Rule("all out", Action.ALLOW, inbound=False))
    of_server = policy("linux", *rules, hosts=(address(SERVER),))
    assert verdicts([syn("f1", 135)], of_server)["f1"].rule == "mapper"
    beside = verdicts([syn("f1", 135)], policy("linux", *rules, hosts=(address(OTHER),)))["f1"]
    assert beside.passes is False  # forwarded, and no rule is for that


# without state


def test_a_stateless_filter_needs_a_rule_for_the_answers() -> None:
    way_in = MAPPER._replace(inbound=True)
    under = policy("network-acl", way_in, default_out=Action.DROP, hosts=(address(SERVER),))
    found = verdicts([syn("f1", 135)], under)["f1"]
    assert (found.passes, found.reason) == (False, Reason.RETURN_PATH)
    assert "SYN-ACK" in found.sees
    change = found.flips
    assert change is not None
    assert change.becomes is not None
    assert change.becomes.inbound is False
    assert verdicts([syn("f1", 135)], changed(under, change))["f1"].passes


# a silence, the other way, and translated addresses


@pytest.mark.parametrize(("silence", "passes"), [(3000, True), (4000, False)])
def test_a_connection_is_forgotten_after_a_silence(silence: int, passes: bool) -> None:
    first = syn("f1", 135)
    later = first._replace(kind=Kind.DATA, time_ns=5000 * SECOND, packet=99, silence_ns=silence * SECOND)
    found = verdicts([first, later], policy("asa", MAPPER))["f1"]
    assert found.passes is passes
    if not passes:
        assert (found.reason, found.at, found.packet) == (Reason.IDLE_FORGOTTEN, "idle", 99)


def test_a_callback_needs_rules_of_its_own() -> None:
    back = syn("f3", 50001, 4, client=SERVER, server=CLIENT, called_back=True, origin=OriginKind.OBJECT_REFERENCE)
    one_way = MAPPER._replace(sources=scope("10.0.1.0/24"))
    found = verdicts([*activation(), back], policy("tmg", one_way))
    assert found["f2"].passes
    assert found["f3"].reason is Reason.REVERSE_NOT_PERMITTED


def test_a_binding_behind_a_translation_cannot_be_reached_unless_it_is_rewritten() -> None:
    seen, real = address("192.0.2.7"), address("10.9.9.9")
    first = syn("f1", 135, 1, server="192.0.2.7")
    events = [
        first,
        bind(first, 1.1, IREMOTE_SCM_ACTIVATOR),
        told(first, 1.2, 49300, Learns.CREATE_INSTANCE, referral="r1", address=real),
        syn("f2", 49300, 2, server="10.9.9.9", referral="r1", origin=OriginKind.ACTIVATION),
    ]
    behind = {"translations": (Translation(seen, real),)}
    tower = policy("asa-9.4", MAPPER, overrides={"nat_rewrite": parameter("tower")}, **behind)
    assert verdicts(events, tower)["f2"].reason is Reason.NAT_BINDING_UNREACHABLE
    assert verdicts(events, policy("asa-9.4", MAPPER, **behind))["f2"].passes


def test_another_host_than_the_mappers_may_be_refused() -> None:
    events = lookup(address=address(OTHER))
    events[-1] = events[-1]._replace(server=address(OTHER))
    assert verdicts(events, policy("stormshield", MAPPER))["f2"].reason is Reason.NAT_BINDING_UNREACHABLE
    assert verdicts(events, policy("asa", MAPPER))["f2"].passes


# Windows Firewall


def _windows(*rules: Rule, **more: object) -> Policy:
    return policy("windows-firewall", *(rule._replace(inbound=True) for rule in rules), **more)


def test_a_block_rule_wins_wherever_it_stands() -> None:
    block = Rule("block", Action.DROP, ports=ports(135))
    for rules in ((MAPPER, block), (block, MAPPER)):
        found = verdicts([syn("f1", 135)], _windows(*rules))["f1"]
        assert (found.passes, found.rule, found.shadows) == (False, "block", "mapper")


def test_the_keyword_rpc_means_what_the_program_registered() -> None:
    rpc = Rule("rpc", Action.ALLOW, protocols=("tcp",), ports=Ports(keywords=(Keyword.RPC,)))
    events = lookup()
    who = Process(address(SERVER), 49200, r"C:\Windows\System32\lsass.exe", None)
    mine = rpc._replace(program=r"%SystemRoot%\System32\lsass.exe")
    assert verdicts(events, _windows(mine, processes=(who,)))["f2"].passes
    assert verdicts(events, _windows(rpc._replace(program=SVCHOST), processes=(who,)))["f2"].passes is False
    assert verdicts(events, _windows(rpc))["f2"].passes
    assert verdicts([syn("f2", 49200, rpc=False)], _windows(rpc))["f2"].passes is False
    assert verdicts(events, _windows(rpc))["f1"].passes is False  # 135 is the other keyword's


def test_who_listens_is_inferred_from_the_interface() -> None:
    rpc = Rule("rpc", Action.ALLOW, ports=Ports(keywords=(Keyword.RPC,)), program=r"%systemroot%\system32\lsass.exe")
    assert verdicts(lookup(), _windows(rpc))["f2"].passes
    unknown = lookup()
    unknown[-1] = unknown[-1]._replace(about="5b1c8d3e-7a42-4f0b-9c6d-2e1f3a4b5c6d")
    found = verdicts(unknown, _windows(rpc))["f2"]
    assert (found.passes, found.reason) == (None, Reason.UNDECIDED)
    assert "processes" in found.says


def test_the_keyword_for_the_mapper() -> None:
    epmap = Rule("epmap", Action.ALLOW, ports=Ports(keywords=(Keyword.RPC_EPMAP,)), program=SVCHOST, service="RpcSs")
    found = verdicts(lookup(), _windows(epmap))
    assert found["f1"].passes
    assert found["f2"].passes is False
    change = found["f2"].flips
    assert change is not None
    assert change.becomes is not None
    assert change.becomes.ports.keywords == (Keyword.RPC,)
    assert not change.becomes.ports.ranges


def test_a_rule_that_wants_authentication_does_not_match_a_plain_connection() -> None:
    rule = MAPPER._replace(authentication=Authentication.COMPUTERS)
    found = verdicts([syn("f1", 135)], _windows(rule))["f1"]
    assert (found.passes, found.reason) == (False, Reason.NOT_AUTHENTICATED)
    assert "IPsec" in found.says
    bypass = rule._replace(name="bypass", overrides_block=True)
    block = Rule("block", Action.DROP, ports=ports(135))
    assert verdicts([syn("f1", 135)], _windows(bypass, block))["f1"].reason is Reason.NOT_AUTHENTICATED


def test_a_rule_for_a_profile_leaves_it_open_until_that_is_known() -> None:
    rule = MAPPER._replace(profiles=("domain",))
    assert verdicts([syn("f1", 135)], _windows(rule))["f1"].passes is None
    assert verdicts([syn("f1", 135)], _windows(rule, profile="domain"))["f1"].passes
    assert verdicts([syn("f1", 135)], _windows(rule, profile="public"))["f1"].passes is False


def test_a_closed_port_is_silent() -> None:
    refused = syn("f1", 49200, outcome=TcpOutcome.REFUSED)
    found = verdicts([refused], _windows(MAPPER))["f1"]
    assert found.reason is Reason.STEALTH_CLOSED_PORT
    assert "silence" in found.sees.lower()


def test_a_sealed_answer_does_not_matter_to_a_host() -> None:
    rpc = Rule("rpc", Action.ALLOW, ports=Ports(keywords=(Keyword.RPC,)))
    assert verdicts(activation(sealed=True), _windows(MAPPER, rpc))["f2"].passes


def test_hosts_without_that_firewall_are_not_judged() -> None:
    found = verdicts([syn("f1", 135)], _windows(MAPPER, hosts=(address(OTHER),)))["f1"]
    assert (found.passes, found.reason) == (True, Reason.NOT_IN_PATH)


# copies


def test_a_foreign_client_is_judged_by_its_own_address() -> None:
    under = policy("asa", MAPPER._replace(sources=scope("10.0.1.0/24")))
    events = lookup()
    strange = foreign(events, address(CLIENT), address("203.0.113.5"))
    assert {event.flow for event in strange} == {"f1!", "f2!"}
    found = verdicts([*events, *strange], under)
    assert [found[flow].passes for flow in ("f1", "f2", "f1!", "f2!")] == [True, True, False, False]


def test_the_order_in_which_simultaneous_events_are_given_does_not_matter() -> None:
    events = lookup()
    under = policy("asa", MAPPER)
    assert judge_flows(ordered(events), under, product_of(under)) == judge_flows(
        ordered(events[::-1]), under, product_of(under)
    )


def test_of_a_port_that_never_opened_nobody_knows_whether_rpc_listens() -> None:
    rpc = Rule("rpc", Action.ALLOW, ports=Ports(keywords=(Keyword.RPC,)))
    never = [syn("f1", 49777, rpc=None)]
    found = verdicts(never, _windows(rpc))["f1"]
    assert (found.passes, found.reason) == (None, Reason.UNDECIDED)
    who = Process(address(SERVER), 49777, SVCHOST, "x")
    assert verdicts(never, _windows(rpc, processes=(who,)))["f1"].passes


def test_the_local_host_has_to_be_said() -> None:
    found = verdicts([syn("f1", 135)], policy("tmg", MAPPER._replace(sources=named("Local Host"))))["f1"]
    assert found.passes is None
    assert "local_host" in found.says


def test_where_a_product_may_read_an_answer_after_all_the_verdict_is_uncertain() -> None:
    assert verdicts(activation(), policy("fortigate", MAPPER))["f2"].sure is Sure.UNCERTAIN
    assert verdicts(activation(), policy("asa", MAPPER))["f2"].sure is Sure.DOCUMENTED


@pytest.mark.parametrize("inbound", [None, True])
def test_rules_that_are_passed_over_for_their_ports_could_not_match(inbound: bool | None) -> None:
    every = (
        Rule("any", Action.ALLOW),
        Rule("one", Action.ALLOW, ports=Ports(((135, 135),))),
        Rule("range", Action.ALLOW, ports=Ports(((49152, 65535),))),
        Rule("mapper", Action.ALLOW, inbound=True, ports=Ports((), (Keyword.RPC_EPMAP,))),
        Rule("rpc", Action.ALLOW, inbound=True, ports=Ports((), (Keyword.RPC,))),
        Rule("off", Action.ALLOW, enabled=False),
    )
    policy = Policy("x", "windows-firewall", every, profile="domain")
    matcher = Matcher(policy, product_of(policy))
    for port in (1, 135, 445, 49152, 65535):
        packet = Packet(
            address(CLIENT), 50000, address(SERVER), port, "tcp", address(SERVER), port, rpc=True, inbound=inbound
        )
        fitting = [number for number, rule in enumerate(every) if matcher.fit(rule, packet).fits is not False]
        assert set(fitting) <= {number for number, _ in matcher.about(port)}
        assert 0 in fitting
    assert [number for number, _ in matcher.about(445)] == [0, 3, 4]
