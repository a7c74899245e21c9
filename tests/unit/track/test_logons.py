"""Security tokens to logons: who, with what, and what the server said."""

from rpcdiag.track.logons import Logon, RawToken, logons
from tests.build import tokens

NTLM, KERBEROS, SPNEGO = 10, 16, 9
CHALLENGE = tokens.challenge(info=tokens.av_pairs((1, tokens.wide("DC1")), (3, tokens.wide("dc1.lab.example"))))
USER = tokens.authenticate("operator", "LAB", "WS7", nt=tokens.ntlmv2(tokens.av_pairs()))


def _said(kind: int, *messages: bytes) -> tuple[Logon, ...]:
    return logons(RawToken(number % 2, 10 + number, kind, one) for number, one in enumerate(messages))


def test_three_legs_of_ntlm_are_one_logon() -> None:
    (one,) = _said(NTLM, tokens.negotiate(), CHALLENGE, USER)
    assert (one.mechanism, one.domain, one.user, one.workstation) == ("ntlm", "LAB", "operator", "WS7")
    assert (one.server_name, one.server_dns_name, one.packets) == ("DC1", "dc1.lab.example", (10, 11, 12))
    assert not one.anonymous


def test_a_further_logon_begins_anew() -> None:
    legs = (tokens.negotiate(), CHALLENGE, USER)
    assert [one.packets for one in _said(NTLM, *legs, *legs)] == [(10, 11, 12), (13, 14, 15)]


def test_a_ticket_says_for_what_it_is() -> None:
    (one,) = _said(KERBEROS, tokens.ap_req(server="RPCSS/dc1.lab.example"), tokens.ap_rep())
    assert (one.mechanism, one.spn, one.realm) == ("kerberos", "RPCSS/dc1.lab.example", "LAB.EXAMPLE")
    assert one.etype == "aes256-cts-hmac-sha1-96"


def test_an_error_in_the_place_of_a_token_is_named_with_its_packet() -> None:
    (one,) = _said(KERBEROS, tokens.ap_req(), tokens.krb_error(37))
    assert (one.error, one.error_packet) == ("KRB_AP_ERR_SKEW", 11)


def test_what_cannot_be_read_is_left_out() -> None:
    assert _said(NTLM, b"NTLMSSP\0\x07", b"") == ()
    assert _said(99, tokens.negotiate()) == ()


def test_a_user_is_known_from_what_a_snap_length_leaves_of_the_token() -> None:
    user = tokens.authenticate("operator", "LAB", "WS7", nt=tokens.ntlmv2(bytes(300)), names_first=True)
    for kind, token in ((NTLM, user), (SPNEGO, tokens.neg_token_resp(token=user))):
        kept = token[: token.index(tokens.wide("WS7")) + 20]
        (one,) = logons([RawToken(0, 9, NTLM, tokens.negotiate()), RawToken(0, 10, kind, kept, len(token))])
        assert (one.user, one.domain, one.workstation, one.spn) == ("operator", "LAB", "WS7", None)
