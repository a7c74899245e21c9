"""Security tokens and names that no host sends: a value or a DecodeError, and nothing else."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpcdiag.dissect import dns, kerberos, netlogon_auth, ntlm, spnego
from rpcdiag.errors import DecodeError, Truncated
from tests.build import tokens
from tests.build.tokens import av_pairs, wide
from tests.unit.dissect import test_dns
from tests.unit.dissect.test_netlogon_auth import DOCUMENTED

PAIRS = av_pairs((1, wide("DC1")), (2, wide("LAB")), (7, bytes(8)), (9, wide("RPCSS/dc1")))
TOKENS = (
    tokens.negotiate(b"LAB", b"WS1"),
    tokens.challenge(info=PAIRS),
    tokens.authenticate(nt=tokens.ntlmv2(PAIRS)),
    tokens.gss(tokens.KERBEROS, b"\x01\x00", tokens.ap_req()),
    tokens.ap_rep(),
    tokens.krb_error(25, cname="anna", data=b"\x30\x00"),
    tokens.kdc_req(),
    tokens.kdc_rep(13),
    tokens.neg_token_init([tokens.MS_KERBEROS, tokens.NTLM], tokens.ap_req(), hints=True, mic=True),
    tokens.neg_token_resp(1, tokens.NTLM, tokens.challenge(info=PAIRS), mic=True),
    DOCUMENTED,
    test_dns.message(0x8180, answers=(test_dns.record(5, b"\x03www\xc0\x10"), test_dns.record(1, bytes(4)))),
    test_dns.message(0x8500, questions=0, answers=(test_dns.record(32, bytes(6), test_dns.PC),)),
)
DECODERS: tuple[Callable[..., object], ...] = (
    ntlm.decode,
    kerberos.decode,
    spnego.decode,
    netlogon_auth.decode,
    dns.decode,
    dns.decode_nbns,
    *(lambda data, length=None, number=number: spnego.unwrap(number, data, length) for number in (9, 10, 16, 68)),
)
NUMBERS = (0, 1, 0x7F, 0x80, 0x81, 0x84, 0xA0, 0xC0, 0xFF)


def _decodes(data: bytes, length: int | None = None) -> int:
    """How many decoders take it."""
    taken = 0
    for decode in DECODERS:
        with suppress(DecodeError):
            decode(data, length)
            taken += 1
    return taken


@given(st.binary(max_size=512), st.integers(0, 600))
def test_any_bytes_decode_or_raise_decode_error(data: bytes, more: int) -> None:
    _decodes(data)
    _decodes(data, len(data) + more)


@pytest.mark.parametrize("token", TOKENS)
def test_each_of_them_is_taken_by_a_decoder(token: bytes) -> None:
    assert _decodes(token)


@settings(max_examples=400)
@given(
    st.sampled_from(TOKENS),
    st.lists(st.tuples(st.integers(0, 2000), st.sampled_from(NUMBERS) | st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 2000),
)
def test_spoilt_tokens_decode_or_raise_decode_error(token: bytes, changes: list[tuple[int, int]], kept: int) -> None:
    spoilt = bytearray(token)
    for at, number in changes:
        spoilt[at % min(len(spoilt), 200)] = number
    _decodes(bytes(spoilt))
    _decodes(bytes(spoilt[:kept]), len(spoilt))


@given(st.sampled_from(TOKENS), st.data())
def test_a_cut_capture_is_never_malformed(token: bytes, data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(token) - 1))
    for decode in DECODERS:
        with suppress(DecodeError):
            whole = decode(token)
            with suppress(Truncated):
                cut = decode(token[:kept], len(token))
                assert type(cut) is type(whole)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_names_come_back(user: str, domain: str, workstation: str) -> None:
    message = ntlm.decode(tokens.authenticate(user, domain, workstation))
    assert isinstance(message, ntlm.Authenticate)
    assert (message.user, message.domain, message.workstation) == (user, domain, workstation)


@given(st.lists(st.text("abcdefghijklm$.-äß", min_size=1, max_size=20), min_size=1, max_size=4), st.integers(-140, 140))
def test_tickets_come_back(parts: list[str], etype: int) -> None:
    message = kerberos.decode(tokens.ap_req(server="/".join(parts), etype=etype))
    assert isinstance(message, kerberos.ApReq)
    assert (message.ticket.server, message.ticket.key.etype) == ("/".join(parts), etype)
