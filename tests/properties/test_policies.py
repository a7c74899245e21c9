"""Any rules, any events: the machine ends, says something of every flow, and says the same again."""

from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from rpcdiag.dissect.interfaces import EPMAPPER, IREMOTE_SCM_ACTIVATOR
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.policy.engine import judge_flows, product_of
from rpcdiag.policy.events import Event, Kind, Named, ordered
from rpcdiag.policy.flips import changed, with_flips
from rpcdiag.policy.model import (
    Action,
    Authentication,
    Keyword,
    Policy,
    Ports,
    Process,
    Rule,
    Scope,
    Translation,
)
from rpcdiag.policy.product import Learns, names
from rpcdiag.track.origin import OriginKind

HOSTS = [ip_address(text) for text in ("10.0.0.1", "10.0.0.2", "10.0.1.3", "fe80::1")]
UUIDS = [EPMAPPER, IREMOTE_SCM_ACTIVATOR, "e3514235-4b06-11d1-ab04-00c04fc2dcd2"]
PORTS = st.sampled_from([135, 445, 593, 49152, 49200, 65535])
SCOPES = st.builds(
    Scope,
    st.lists(st.sampled_from([ip_network("10.0.0.0/24"), ip_network("10.0.1.3"), ip_network("::/0")])).map(tuple),
    st.just(()) | st.just(((HOSTS[0], HOSTS[1]),)) | st.just(((HOSTS[0], HOSTS[3]),)),
    st.lists(st.sampled_from(["Inside", "Local Host", "External", "LocalSubnet", "any", "?"])).map(tuple),
    st.booleans(),
)
RANGES = st.tuples(PORTS, PORTS).map(lambda two: (min(two), max(two)))
OF_PORTS = st.builds(
    Ports, st.lists(RANGES, max_size=2).map(tuple), st.lists(st.sampled_from(list(Keyword)), max_size=2).map(tuple)
)
MAYBE = st.none() | st.booleans()
RULES = st.builds(
    Rule, st.text(max_size=4), st.sampled_from(list(Action)), place=st.none() | st.integers(), system=st.booleans(),
    enabled=st.booleans(), inbound=MAYBE, protocols=st.sampled_from([(), ("tcp",), ("6", "udp"), ("icmp",), ("",)]),
    sources=SCOPES, destinations=SCOPES, ports=OF_PORTS, profiles=st.sampled_from([(), ("domain",), ("Public", "any")]),
    program=st.sampled_from([None, "*", "System", r"C:\Windows\System32\lsass.exe", ""]),
    service=st.sampled_from([None, "*", "RpcSs", "x"]), interfaces=st.lists(st.sampled_from(UUIDS)).map(tuple),
    denied_interfaces=st.lists(st.sampled_from(UUIDS), max_size=1).map(tuple), alg=MAYBE, strict=MAYBE,
    authentication=st.sampled_from(list(Authentication)), overrides_block=st.booleans(), established=st.booleans(),
)  # fmt: skip
NAMED = st.builds(
    Named, st.none() | st.sampled_from(HOSTS), st.none() | PORTS, st.none() | st.sampled_from(UUIDS)
)  # fmt: skip
EVENTS = st.builds(
    Event, st.sampled_from(list(Kind)), st.integers(0, 10**13), st.sampled_from(["f1", "f2", "f3"]), st.integers(1, 99),
    st.sampled_from(HOSTS), st.just(50000), st.sampled_from(HOSTS), PORTS, st.sampled_from(["tcp", "udp"]),
    st.sampled_from(list(TcpOutcome)), st.sampled_from(list(OriginKind)), st.sampled_from([None, "r1", "r2"]),
    st.none() | st.sampled_from(UUIDS), st.booleans(), st.booleans(), st.booleans(),
    st.lists(st.sampled_from(UUIDS), max_size=2).map(tuple), st.none() | st.sampled_from(list(Learns)),
    st.lists(NAMED, max_size=2).map(tuple), st.booleans(), st.booleans(), st.integers(0, 9999), st.integers(1, 3),
    st.booleans(), st.booleans(), st.booleans(), st.integers(0, 10**15),
)  # fmt: skip
POLICIES = st.builds(
    Policy, st.just("any"), st.sampled_from([*names(), "unheard-of"]), st.lists(RULES, max_size=5).map(tuple),
    st.sampled_from(list(Action)), st.sampled_from(list(Action)),
    st.sampled_from([{}, {"Inside": (ip_network("10.0.0.0/30"),)}]), st.sampled_from([(), (HOSTS[0],)]),
    st.sampled_from([None, (), (HOSTS[1],)]), st.sampled_from([None, "domain"]),
    st.sampled_from([(), (Process(HOSTS[1], 49200, None, "x"),)]),
    translations=st.sampled_from([(), (Translation(HOSTS[1], HOSTS[2]),)]),
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(EVENTS, max_size=12), POLICIES)
def test_it_never_raises_and_says_the_same_again(events: list[Event], policy: Policy) -> None:
    product = product_of(policy)
    in_order = ordered(events)
    found = with_flips(judge_flows(in_order, policy, product), in_order, policy, product)
    assert set(found) == {event.flow for event in events if event.kind is Kind.SYN}
    again = ordered(events)
    assert found == with_flips(judge_flows(again, policy, product), again, policy, product)
    for verdict in found.values():
        assert verdict.says
        assert verdict.sees
        assert (verdict.passes is False) or verdict.flips is None
        assert verdict.position is None or policy.rules[verdict.position].name == verdict.rule


@settings(max_examples=100)
@given(st.lists(EVENTS, max_size=8), POLICIES)
def test_a_change_turns_what_it_is_said_to_turn(events: list[Event], policy: Policy) -> None:
    in_order = ordered(events)
    product = product_of(policy)
    for flow, verdict in with_flips(judge_flows(in_order, policy, product), in_order, policy, product).items():
        if verdict.flips is not None and len({(one.client, one.server) for one in events if one.flow == flow}) == 1:
            after = changed(policy, verdict.flips)
            pair = [one for one in in_order if {one.client, one.server} == _pair(in_order, flow)]
            assert judge_flows(pair if not after.translations else in_order, after, product_of(after))[flow].passes


def _pair(events: tuple[Event, ...], flow: str) -> set[object]:
    syn = next(event for event in events if event.flow == flow and event.kind is Kind.SYN)
    return {syn.client, syn.server}
