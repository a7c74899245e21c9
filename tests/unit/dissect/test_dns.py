"""DNS, LLMNR and the name service of NetBIOS: which name became which address."""

from ipaddress import IPv4Address, IPv6Address
from struct import pack

import pytest

from rpcdiag.dissect import dns
from rpcdiag.dissect.dns import NameAnswer, NetbiosAnswer, Record
from rpcdiag.errors import Malformed, Truncated

QUESTION = b"\x03dc1\x03lab\x00"
PC = b"\x20" + b"FAEDCACACACACACACACACACACACACACA" + b"\x00"  # PC<20>


def message(
    flags: int, question: bytes = QUESTION, kind: int = 1, *, answers: tuple[bytes, ...] = (),
    authority: tuple[bytes, ...] = (), additional: tuple[bytes, ...] = (), questions: int = 1,
) -> bytes:  # fmt: skip
    head = pack(">6H", 0x1234, flags, questions, len(answers), len(authority), len(additional))
    asked = (question + pack(">HH", kind, 1)) * questions
    return head + asked + b"".join(answers + authority + additional)


def record(kind: int, data: bytes, name: bytes = b"\xc0\x0c", family: int = 1) -> bytes:
    return name + pack(">HHIH", kind, family, 600, len(data)) + data


def test_a_query() -> None:
    assert dns.decode(message(0x0100)) == NameAnswer("query", 0x1234, "dc1.lab", 1, 0, False, 0, (), ())


def test_a_name_becomes_addresses() -> None:
    six = IPv6Address("2001:db8::1")
    data = message(
        0x8180,
        answers=(
            record(5, b"\x03www\xc0\x10"),
            record(1, bytes([192, 0, 2, 1]), b"\x03www\xc0\x10"),
            record(28, six.packed),
        ),
    )
    answer = dns.decode(data)
    assert answer
    assert (answer.kind, answer.rcode, answer.answer_count) == ("answer", 0, 3)
    assert answer.answers == (
        Record("dc1.lab", 5, 600, None, "www.lab", None),
        Record("www.lab", 1, 600, IPv4Address("192.0.2.1"), None, None),
        Record("dc1.lab", 28, 600, six, None, None),
    )


def test_a_service_becomes_a_host_and_its_address() -> None:
    found = dns.decode(
        message(
            0x8580,
            kind=33,
            answers=(record(33, pack(">HHH", 0, 100, 389) + b"\x03dc1\xc0\x10"),),
            authority=(record(2, b"\xc0\x0c"),),
            additional=(record(1, bytes([192, 0, 2, 1])), record(41, b"", b"\x00", 4096)),
        )
    )
    assert found
    assert found.answers == (Record("dc1.lab", 33, 600, None, "dc1.lab", 389),)
    assert found.additional == (Record("dc1.lab", 1, 600, IPv4Address("192.0.2.1"), None, None),)


@pytest.mark.parametrize(("rcode", "name"), [(3, "NXDOMAIN"), (2, "SERVFAIL"), (5, "REFUSED"), (14, "rcode-14")])
def test_a_name_that_becomes_nothing(rcode: int, name: str) -> None:
    answer = dns.decode(message(0x8180 | rcode, authority=(record(6, bytes(22)),)))
    assert answer
    assert (answer.rcode, answer.answers, dns.rcode_name(answer.rcode)) == (rcode, (), name)


def test_a_truncated_answer_says_so() -> None:
    answer = dns.decode(message(0x8380, answers=(record(1, bytes(4)),), authority=(b"cut",)))
    assert answer
    assert (answer.truncated, len(answer.answers), answer.additional) == (True, 1, ())


def test_what_is_no_lookup_is_none() -> None:
    assert dns.decode(message(0x2800)) is None  # dynamic update
    assert dns.decode_nbns(message(0x2900, PC, 32)) is None  # registration


def test_an_error_may_repeat_no_question() -> None:
    assert dns.decode(message(0x8181, questions=0)) == NameAnswer("answer", 0x1234, None, None, 1, False, 0, (), ())


def test_records_beyond_the_bound_are_counted() -> None:
    answer = dns.decode(message(0x8180, answers=(record(1, bytes(4)),) * 300))
    assert answer
    assert (answer.answer_count, len(answer.answers)) == (300, dns.MAX_RECORDS)


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",  # to itself
        b"\xc0\x20",  # forward
        b"\x01a\xc0\x0c",  # round and round
        b"\x40a",
        b"\x80a",
        (b"\x3f" + b"a" * 63) * 4 + b"\x00",
        b"\x01a" * 128 + b"\x00",
    ],
)
def test_names_that_go_nowhere_are_malformed(name: bytes) -> None:
    with pytest.raises(Malformed, match="qname"):
        dns.decode(message(0x0100, name))


def test_a_long_chain_of_pointers_is_malformed() -> None:
    text = b"\x01a\x00" + b"".join(pack(">H", 0xC000 | at) for at in (23, *range(26, 26 + 2 * 40, 2)))
    head = pack(">6H", 1, 0x8180, 0, 2, 0, 0) + record(16, text, b"\x00")
    near = dns.decode(head + record(1, bytes(4), pack(">H", 0xC000 | 26 + 2 * 20)))
    assert near
    assert near.answers[0].name == "a"
    with pytest.raises(Malformed, match="pointer"):
        dns.decode(head + record(1, bytes(4), pack(">H", 0xC000 | 26 + 2 * 40)))


def test_a_dot_inside_a_label_is_no_dot_between_two() -> None:
    answer = dns.decode(message(0x0100, b"\x03a.b\x02\xc3\xa4\x01\xff\x00"))
    assert answer
    assert answer.name == "a\\.b.ä.\\xff"


@pytest.mark.parametrize(
    "wrong",
    [
        message(0x0100, questions=2),
        message(0x8180, answers=(record(1, bytes(5)),)),
        message(0x8180, answers=(record(33, b"\x00\x00\x00\x00\x01\xc0\x0c"),)),
        message(0x8180, answers=(record(1, bytes(4))[:-1],)),
        message(0x8180, answers=(record(1, bytes(4)),))[:12],
    ],
)
def test_what_breaks_is_malformed(wrong: bytes) -> None:
    with pytest.raises(Malformed):
        dns.decode(wrong)


def test_a_name_of_netbios_is_asked_for_and_becomes_addresses() -> None:
    assert dns.decode_nbns(message(0x0110, PC, 32)) == NetbiosAnswer("query", 0x1234, "PC", 0x20, "", 32, 0, ())
    data = bytes.fromhex("0000c0000201 0000c0000202")
    found = dns.decode_nbns(message(0x8500, questions=0, answers=(record(32, data, PC),)))
    addresses = (IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"))
    assert found == NetbiosAnswer("answer", 0x1234, "PC", 0x20, "", 32, 0, addresses)


def test_a_name_of_netbios_that_nobody_has() -> None:
    found = dns.decode_nbns(message(0x8583, questions=0, answers=(record(10, b"", PC),)))
    assert found
    assert (found.rcode, found.addresses, dns.nbns_rcode_name(found.rcode)) == (3, (), "NAM_ERR")


def test_a_scope_is_kept_apart() -> None:
    found = dns.decode_nbns(message(0x0110, PC[:-1] + b"\x03lab\x00", 32))
    assert found
    assert (found.name, found.suffix, found.scope) == ("PC", 0x20, "lab")


@pytest.mark.parametrize(
    "wrong",
    [
        message(0x0110, QUESTION, 32),
        message(0x0110, PC.replace(b"F", b"Q"), 32),
        message(0x0110, PC, 32, questions=2),
        message(0x8500, PC, 32),
        message(0x8500, questions=0, answers=(record(32, bytes(7), PC),)),
        message(0x8500, questions=0, answers=(record(32, bytes(6 * 65), PC),)),
    ],
)
def test_what_breaks_in_netbios_is_malformed(wrong: bytes) -> None:
    with pytest.raises(Malformed):
        dns.decode_nbns(wrong)


def test_a_cut_capture_is_truncated_never_malformed() -> None:
    whole = message(0x8180, answers=(record(5, b"\x03www\xc0\x10"), record(1, bytes(4))))
    other = message(0x8500, questions=0, answers=(record(32, bytes(6), PC),))
    for kept in range(len(whole)):
        with pytest.raises(Truncated):
            dns.decode(whole[:kept], len(whole))
    for kept in range(len(other)):
        with pytest.raises(Truncated):
            dns.decode_nbns(other[:kept], len(other))
