"""What a filter lets through, and what it says where it is none."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.errors import InputError
from rpcdiag.logs import expression
from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.expression import Subject, parse
from rpcdiag.logs.grammar import GRAMMAR

ROW = LogEntry(
    7, 0, 1, "utc", "drop", "tcp", ip_address("10.20.3.7"), 56626, ip_address("10.30.1.5"), 49154, "in",
    device="fw1", flags="S", rule="Block all (default)", code=0xC0040017, code_name="FWX_E_TCP_NOT_SYN_PACKET_DROPPED",
    service="RPC", pid=4, source_zone="Internal", destination_zone="Local Host",
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "10.20.3.7", "src 10.20.0.0/16", "dst host 10.30.1.5", "net 10.30.1.0/24", "10.30.1.9/24", "port 49154",
        "dport 49152-65535", "sport 1024-", "port 135,139,49154", "dst port 49154", "drop", "DROPPED", "denied",
        "action drop", "in", "tcp", "proto tcp", "proto 6", "rule block", "rule 'all (def'", 'rule "BLOCK*"', "rule '*(default)'",
        "zone local", "interface internal", "src zone internal", "dst zone 'local host'", "service rpc", "device fw?",
        "code 0xC0040017", "code 3221487639", "code -1073479657", "code FWX_E_*", "pid 4", "syn", "dynamic", "not noise",
        "not out and not (udp or allow)", "!out && ! ( udp || allow )", "udp and tcp or drop", "drop or tcp and udp",
    ],
)  # fmt: skip
def test_what_fits(text: str) -> None:
    assert parse(text).test(Subject(ROW))


@pytest.mark.parametrize(
    "text",
    [
        "10.20.3.8", "dst 10.20.3.7", "sport 49154", "dport 49155-", "allow", "reject", "out", "udp", "icmp",
        "rule other", "rule block?", "src zone local", "code 1", "pid 5", "noise", "handed", "not drop",
        "udp and (tcp or drop)", "2001:db8::/32", "device f?",
    ],
)  # fmt: skip
def test_what_does_not_fit(text: str) -> None:
    assert not parse(text).test(Subject(ROW))


def test_what_a_row_does_not_hold_does_not_fit() -> None:
    bare = LogEntry(1, None, 1, "local", "unknown", "-", None, None, None, None)
    for text in ("0.0.0.0/0", "::/0", "port 0-65535", "rule ''", "zone ''", "pid 0", "code 0", "dynamic", "noise"):
        assert not parse(text).test(Subject(bare))
        assert parse(f"not {text}").test(Subject(bare))


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", 1, "is empty"),
        ("drop and", 9, "ends where a condition belongs"),
        ("drop allow", 6, "'allow' where 'and', 'or' or the end belongs"),
        ("(drop or tcp", 13, "')' belongs here, for the '(' at character 1"),
        ("drop)", 5, "')' where"),
        ("port", 5, "ends where a port belongs"),
        ("port 70000", 6, "'70000' is no port"),
        ("port 200-100", 6, "'200-100' is no port"),
        ("drop and 135", 10, "'port 135'?"),
        ("src dc1.corp.example", 5, "names are not looked up"),
        ("dc1.corp.example", 1, "names are not looked up"),
        ("action stop", 8, "'stop' is none of drop, reject"),
        ("rule 'x", 6, "not closed"),
        ("'x'", 2, "say of what"),
        ("tcp & udp", 5, "'&' means nothing"),
        ("pid x", 5, "no process number"),
        ("10.0.0.0/33", 1, "no condition, action or address"),
        ("not " * 40 + "tcp", None, "deeper than 32"),
        ("(" * 5000, None, "deeper than 32"),
        (" or ".join(["tcp"] * 300), None, "more than 256 conditions"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, place: int | None, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert says in caught.value.why
    assert place is None or caught.value.place == f"character {place}"


@given(st.lists(st.sampled_from(["(", ")", "not", "and", "or", "tcp", "port", "1-2", "'", '"', "src", "rule", "x*?["])))
def test_whatever_it_is_given_it_is_an_expression_or_an_error_with_a_place(words: list[str]) -> None:
    found: bool | None = None
    try:
        found = parse(" ".join(words)).test(Subject(ROW))
    except InputError as error:
        found = error.place.startswith("character ")
    assert found in (True, False)


def test_only_what_is_asked_for_is_marked() -> None:
    found = parse("port 135 and not 10.0.0.1 and 10.0.0.0/24 and not (not port 139)")
    assert found.names(ip_address("10.0.0.9"), 135) == (True, True)
    assert found.names(ip_address("10.0.1.9"), 139) == (False, True)
    assert parse("not port 135").names(None, 135) == (False, False)


@pytest.mark.parametrize(
    ("to", "protocol", "port", "noise"),
    [
        ("10.0.0.255", "udp", 138, True), ("10.0.0.5", "udp", 137, True), ("224.0.0.252", "udp", 5355, True),
        ("ff02::1:3", "udp", 5355, True), ("ff02::16", "icmpv6", None, True), ("10.0.0.5", "tcp", 137, False),
        ("10.0.0.255", "tcp", 135, False), ("10.0.0.5", "udp", 53, False),
    ],
)  # fmt: skip
def test_noise(to: str, protocol: str, port: int | None, noise: bool) -> None:
    row = ROW._replace(destination=ip_address(to), protocol=protocol, destination_port=port)
    assert expression.is_noise(row) is noise


def test_every_word_that_the_help_names_is_one() -> None:
    words = "drop reject reset allow open close fail lost info denied in out fwd tcp udp icmp syn dynamic noise handed"
    for word in words.split():
        assert word in GRAMMAR
        parse(word)
