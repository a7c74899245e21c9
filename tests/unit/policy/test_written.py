"""Ports, addresses, and conditions that nobody evaluates."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.policy import written
from rpcdiag.policy.chains import Match, both
from rpcdiag.policy.model import Action, Ports, Rule, Scope

_range = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda ends: (min(ends), max(ends)))
_ranges = st.lists(_range, min_size=1, max_size=6)


def test_ports() -> None:
    assert written.port_range("135") == (135, 135)
    assert written.port_range(" 5000 - 5100 ") == (5000, 5100)
    assert written.port_range("5000:5100") == (5000, 5100)


@pytest.mark.parametrize("text", ["", "x", "70000", "10-5", "-1", "1-2-3", "99999999999999999999", "٣", "1.5"])
def test_no_ports(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        written.port_range(text)


def test_addresses() -> None:
    assert written.addresses("10.0.0.1") == ip_network("10.0.0.1/32")
    assert written.addresses("10.0.0.1/255.0.0.0") == ip_network("10.0.0.0/8")
    assert written.addresses("10.0.0.1-10.0.0.9") == (ip_address("10.0.0.1"), ip_address("10.0.0.9"))
    assert written.addresses("2001:db8::1") == ip_network("2001:db8::1/128")
    for text in ("", "x", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.1/33", "1" * 200, "0-1"):
        with pytest.raises(ValueError, match=r".*"):
            written.addresses(text)


@given(_ranges)
def test_all_other_ports_are_what_is_left(ranges: list[tuple[int, int]]) -> None:
    left = written.without(ranges)
    for port in {0, 65535, *(port for first, last in ranges for port in (first, last, first - 1, last + 1))}:
        if 0 <= port <= 65535:
            inside = any(first <= port <= last for first, last in ranges)
            assert inside != any(first <= port <= last for first, last in left)


@given(_ranges, _ranges, st.integers(0, 65535))
def test_ports_of_two_rules_are_those_of_both(
    one: list[tuple[int, int]], other: list[tuple[int, int]], port: int
) -> None:
    match = both(Match(ports=Ports(tuple(one))), Match(ports=Ports(tuple(other))))
    wanted = all(any(first <= port <= last for first, last in ranges) for ranges in (one, other))
    got = not match.never and any(first <= port <= last for first, last in match.ports.ranges)
    assert got == wanted


def test_addresses_of_two_rules() -> None:
    ten, five, other = (Scope((ip_network(text),)) for text in ("10.0.0.0/8", "10.5.0.0/16", "192.168.0.0/16"))
    assert both(Match(sources=ten), Match(sources=five)) == Match(sources=five)
    assert both(Match(sources=ten), Match(sources=other)).never
    negated = both(Match(sources=ten), Match(sources=five._replace(negated=True)))
    assert negated.sources == ten
    assert negated.unclear


def test_what_the_rest_of_the_rule_excludes_stays_excluded() -> None:
    ten = Scope((ip_network("10.0.0.0/8"),))
    rule = Rule("r", Action.ALLOW, sources=ten)
    once = written.opened(rule, "a")
    assert once.sources == ten
    assert written.is_unclear(once.destinations)
    twice = written.opened(once, "b")
    assert twice.sources == ten
    assert len(twice.destinations.names) == 2
    full = written.opened(rule._replace(destinations=ten), "a")
    assert full.sources == ten
    assert written.is_unclear(full.destinations)
    outbound = written.opened(Rule("r", Action.ALLOW, destinations=ten), "a")
    assert outbound.destinations == ten
    assert written.is_unclear(outbound.sources)


def test_remarks_are_bounded_and_said_once() -> None:
    remarks = written.Remarks()
    for number in range(written.MAX_REMARKS + 10):
        remarks.add("x", number)
        remarks.add("x", number)
    assert len(remarks.all()) == written.MAX_REMARKS + 1
    assert "more" in remarks.all()[-1]
