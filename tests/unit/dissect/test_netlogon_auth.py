"""The token of the Netlogon security provider."""

import pytest

from rpcdiag.dissect import netlogon_auth
from rpcdiag.errors import Malformed, Truncated

DOCUMENTED = bytes.fromhex(  # the example of [MS-NRPC] 3.3.4.1.1
    "0000000017000000 4e54444556004e41534b4f00 056e7464657604636f7270096d6963726f736f667403636f6d00 054e41534b4f00"
)


def test_the_example_of_the_specification() -> None:
    assert netlogon_auth.decode(DOCUMENTED) == netlogon_auth.NetlogonAuth(
        False, "NTDEV", "NASKO", "ntdev.corp.microsoft.com", None
    )


def test_an_answer_names_nobody() -> None:
    answer = netlogon_auth.NetlogonAuth(True)
    assert netlogon_auth.decode(bytes.fromhex("010000000000000000000000")) == answer
    assert netlogon_auth.decode(bytes.fromhex("01000000")) == answer


def test_names_may_point_back() -> None:
    token = bytes.fromhex("000000000c000000") + b"\x03lab\x07example\x00" + b"\x03dc1\xc0\x08"
    assert netlogon_auth.decode(token) == netlogon_auth.NetlogonAuth(
        False, None, None, "lab.example", "dc1.lab.example"
    )


@pytest.mark.parametrize(
    ("token", "field"),
    [
        (b"\x02\x00\x00\x00", "message_type"),
        (bytes.fromhex("0000000001000000") + b"LAB", "netbios_domain"),
        (bytes.fromhex("0000000001000000") + b"L" * 256 + b"\x00", "netbios_domain"),
        (bytes.fromhex("0000000004000000") + b"\xc0\x08", "dns_domain"),
    ],
)
def test_what_breaks_is_malformed(token: bytes, field: str) -> None:
    with pytest.raises(Malformed, match=field):
        netlogon_auth.decode(token)


def test_a_cut_capture_is_truncated_never_malformed() -> None:
    for kept in range(len(DOCUMENTED)):
        with pytest.raises(Truncated):
            netlogon_auth.decode(DOCUMENTED[:kept], len(DOCUMENTED))
