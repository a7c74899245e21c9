"""Whom a rule lets in."""

from ipaddress import ip_address, ip_network

from rpcdiag.remedies.situation import MAX_NETWORKS, product_of, reach


def _reach(*texts: str) -> tuple[str, ...]:
    return reach([ip_address(text) for text in texts]).chosen


def test_a_client_inside_stands_for_its_subnet_and_is_offered_alone() -> None:
    found = reach([ip_address("10.20.3.7")])
    assert found.chosen == ("10.20.3.0/24",)
    assert found.narrower == ("10.20.3.7",)
    assert "DHCP" in found.why


def test_clients_of_one_subnet_need_one_network() -> None:
    assert _reach("10.20.3.7", "10.20.3.200") == ("10.20.3.0/24",)


def test_neighbouring_subnets_become_one_and_far_ones_a_list() -> None:
    assert _reach("10.20.2.7", "10.20.3.7") == ("10.20.2.0/23",)
    assert _reach("10.20.3.7", "172.16.9.1") == ("10.20.3.0/24", "172.16.9.0/24")


def test_in_a_perimeter_addresses_are_named() -> None:
    found = reach([ip_address("198.51.100.9"), ip_address("198.51.100.20")])
    assert found.chosen == ("198.51.100.9", "198.51.100.20")
    assert "perimeter" in found.why


def test_ipv6() -> None:
    assert _reach("fd00:1::7") == ("fd00:1::/64",)
    assert _reach("2001:db8::7") == ("2001:db8::7",)


def test_many_subnets_are_widened_until_they_are_few_but_never_beyond_a_sixteen() -> None:
    few = reach([ip_address(f"10.1.{number * 2}.5") for number in range(40)]).chosen
    assert len(few) <= MAX_NETWORKS
    many = reach([ip_address(f"10.{number * 2}.1.5") for number in range(40)]).chosen
    assert all(ip_network(one).prefixlen >= 16 for one in many)


def test_products_by_log_format_and_by_policy() -> None:
    assert product_of("isa-tmg-w3c") == product_of("tmg-strict") == "tmg"
    assert product_of("linux-netfilter") == product_of("linux") == "linux"
    assert product_of("asa-9.7") == product_of("ftd") == "asa"
    assert product_of("security-group") == product_of("azure-nsg") == product_of("network-acl") == "cloud"
    assert product_of("pan-os") == "palo-alto"
    assert product_of("w3c-filter") is None
