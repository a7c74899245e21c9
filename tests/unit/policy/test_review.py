"""What is wrong with a rule by itself."""

from ipaddress import ip_address, ip_network

import pytest

from rpcdiag.policy.model import Action, Authentication, Keyword, Ports, Rule, Scope
from rpcdiag.policy.review import needs_authentication, over_broad, pins_ephemeral_port
from rpcdiag.policy.written import opened

ALLOW = Rule("r", Action.ALLOW, inbound=True, protocols=("tcp",))


def _ports(*ranges: tuple[int, int]) -> Rule:
    return ALLOW._replace(ports=Ports(ranges))


@pytest.mark.parametrize(
    ("rule", "handed_out", "port"),
    [
        (_ports((49154, 49154)), (), 49154),
        (_ports((135, 135), (49154, 49154), (50001, 50001)), (50001,), 50001),
        (_ports((1027, 1027)), (1027,), 1027),
        (_ports((1027, 1027)), (), None),  # a registered port, for all we know
        (_ports((3389, 3389)), (1027,), None),
        (_ports((2103, 2103)), (2103,), None),  # Message Queuing: fixed
        (_ports((24158, 24158)), (24158,), None),
        (_ports((49152, 65535)), (), None),
        (_ports((135, 135)), (135,), None),
        (_ports((49154, 49154))._replace(enabled=False), (), None),
        (_ports((49154, 49154))._replace(action=Action.DROP), (), None),
        (_ports((49154, 49154))._replace(protocols=("udp",)), (), None),
        (_ports((49154, 49154))._replace(established=True), (), None),
        (ALLOW._replace(ports=Ports(keywords=(Keyword.RPC,))), (49154,), None),
    ],
)
def test_a_dynamic_port_by_its_number(rule: Rule, handed_out: tuple[int, ...], port: int | None) -> None:
    assert pins_ephemeral_port(rule, handed_out) == port


EVERYBODY = (
    Scope(),
    Scope((ip_network("0.0.0.0/0"),)),
    Scope(ranges=((ip_address("0.0.0.0"), ip_address("255.255.255.255")),)),
)
SOME = (
    Scope((ip_network("10.0.0.0/8"),)),
    Scope(names=("LocalSubnet",)),
    Scope((ip_network("10.0.0.0/8"),), negated=True),
)


def test_what_is_open_to_everybody() -> None:
    for sources in EVERYBODY:
        assert over_broad(_ports((1025, 65535))._replace(sources=sources)) == "1025-65535"
        assert over_broad(_ports((135, 135), (49152, 65535))._replace(sources=sources)) == "49152-65535"
        assert over_broad(ALLOW._replace(sources=sources)) == "any port"
        assert over_broad(ALLOW._replace(sources=sources, protocols=())) == "any port"
    for sources in SOME:
        assert over_broad(_ports((1025, 65535))._replace(sources=sources)) is None


@pytest.mark.parametrize(
    "rule",
    [
        _ports((135, 135)),
        _ports((5000, 5100)),
        ALLOW._replace(program="lsass.exe"),
        ALLOW._replace(service="winmgmt"),
        ALLOW._replace(package="S-1-15-2-1"),
        ALLOW._replace(inbound=False),
        ALLOW._replace(enabled=False),
        ALLOW._replace(action=Action.DROP),
        ALLOW._replace(established=True),
        ALLOW._replace(protocols=("icmp",)),
        ALLOW._replace(ports=Ports(keywords=(Keyword.RPC,))),
        ALLOW._replace(authentication=Authentication.COMPUTERS),
        ALLOW._replace(sources=Scope((ip_network("127.0.0.0/8"),))),
        ALLOW._replace(destinations=Scope((ip_network("127.0.0.0/8"),))),
        opened(ALLOW, "interface types 'Wireless'"),
    ],
)
def test_what_is_narrow_enough(rule: Rule) -> None:
    assert over_broad(rule) is None


def test_who_has_to_authenticate() -> None:
    assert not needs_authentication(ALLOW)
    for one in (Authentication.ANYBODY, Authentication.COMPUTERS, Authentication.USERS, Authentication.BOTH):
        assert needs_authentication(ALLOW._replace(authentication=one))
