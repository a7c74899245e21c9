"""SPNEGO and GSS-API: what is offered, what is chosen, and what stands inside."""

import pytest

from rpcdiag.dissect import kerberos, netlogon_auth, ntlm, spnego
from rpcdiag.errors import Malformed, Truncated
from tests.build import tokens

OFFER = [tokens.MS_KERBEROS, tokens.KERBEROS, bytes.fromhex("2b06010401823702021e"), tokens.NTLM]


@pytest.mark.parametrize("hints", [False, True])
@pytest.mark.parametrize("mic", [False, True])
def test_an_offer_in_both_forms(hints: bool, mic: bool) -> None:
    mechs = ("ms-kerberos", "kerberos", "negoex", "ntlm")
    found = spnego.decode(tokens.neg_token_init(OFFER, b"first", hints=hints, mic=mic))
    assert found == spnego.Spnego(mechs, None, b"first", "ms-kerberos", mic, False, 5)


def test_a_mechanism_without_a_name_is_its_numbers() -> None:
    assert spnego.decode(tokens.neg_token_init([bytes.fromhex("883703")])).mechs == ("2.999.3",)


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (0, "accept-completed"),
        (1, "accept-incomplete"),
        (2, "reject"),
        (3, "request-mic"),
        (9, "state-9"),
        (None, None),
    ],
)
def test_an_answer(number: int | None, state: str | None) -> None:
    found = spnego.decode(tokens.neg_token_resp(number, tokens.NTLM, b"next", mic=True))
    assert found == spnego.Spnego((), state, b"next", "ntlm", True, True, 4)


def test_an_answer_may_say_nothing_but_its_state() -> None:
    token = spnego.unwrap(9, tokens.neg_token_resp(0))
    assert token == ("spnego", None, spnego.Spnego((), "accept-completed", None, None, False, True))


@pytest.mark.parametrize("mech", [tokens.KERBEROS, tokens.MS_KERBEROS])
@pytest.mark.parametrize(
    ("number", "inner", "type_"),
    [
        (b"\x01\x00", tokens.ap_req(), kerberos.ApReq),
        (b"\x02\x00", tokens.ap_rep(), kerberos.ApRep),
        (b"\x03\x00", tokens.krb_error(37), kerberos.KrbError),
    ],
)
def test_kerberos_bare_behind_gss_api_and_in_spnego(
    mech: bytes, number: bytes, inner: bytes, type_: type[kerberos.Message]
) -> None:
    wrapped = tokens.gss(mech, number, inner)
    for auth_type, token in (
        (16, inner),
        (16, wrapped),
        (9, inner),
        (9, tokens.neg_token_init(OFFER, wrapped)),
        (9, tokens.neg_token_init(OFFER, inner)),
        (9, tokens.neg_token_resp(1, mech, wrapped)),
        (9, tokens.neg_token_resp(1, None, inner)),
    ):
        found = spnego.unwrap(auth_type, token)
        assert (found.kind, type(found.inner)) == ("kerberos", type_)
        assert found.inner == kerberos.decode(inner)


@pytest.mark.parametrize(
    ("auth_type", "token"),
    [
        (10, tokens.challenge()),
        (9, tokens.challenge()),
        (9, tokens.neg_token_resp(1, tokens.NTLM, tokens.challenge())),
        (9, tokens.gss(tokens.NTLM, tokens.challenge())),
    ],
)
def test_ntlm_bare_and_in_spnego(auth_type: int, token: bytes) -> None:
    found = spnego.unwrap(auth_type, token)
    assert (found.kind, found.inner) == ("ntlm", ntlm.decode(tokens.challenge()))


def test_the_secure_channel_of_netlogon() -> None:
    found = spnego.unwrap(68, bytes.fromhex("0000000003000000") + b"LAB\x00WS1\x00")
    assert found == ("netlogon", netlogon_auth.NetlogonAuth(False, "LAB", "WS1"), None)


@pytest.mark.parametrize(
    ("auth_type", "token", "kind"),
    [
        (14, tokens.challenge(), "unknown"),
        (10, b"", "unknown"),
        (16, b"?", "unknown"),
        (9, tokens.neg_token_resp(1, None, b"NEGOEXTS"), "spnego"),
        (9, tokens.neg_token_resp(1, None, b""), "spnego"),
        (16, tokens.gss(tokens.KERBEROS, b"\x04\x04\x00"), "kerberos"),
        (16, tokens.gss(bytes.fromhex("883703"), b"\x01\x00"), "unknown"),
    ],
)
def test_what_is_not_known_is_said_to_be_so(auth_type: int, token: bytes, kind: str) -> None:
    found = spnego.unwrap(auth_type, token)
    assert (found.kind, found.inner) == (kind, None)


def test_what_breaks_is_malformed() -> None:
    with pytest.raises(Malformed, match="this_mech"):
        spnego.decode(tokens.gss(tokens.KERBEROS, b"\x01\x00"))
    with pytest.raises(Malformed, match="mech_types"):
        spnego.decode(tokens.neg_token_init([tokens.NTLM] * 33))
    with pytest.raises(Malformed, match="neg_token_init"):
        spnego.decode(b"")


def test_a_cut_capture_is_truncated_or_shows_enough() -> None:
    token = tokens.neg_token_init(OFFER, tokens.gss(tokens.KERBEROS, b"\x01\x00", tokens.ap_req()))
    whole = spnego.unwrap(9, token)
    shown = 0
    for kept in range(len(token)):
        try:
            assert spnego.unwrap(9, token[:kept], len(token)).inner == whole.inner
            shown += 1
        except Truncated:
            assert kept < len(token) - 290
    assert shown > 290
