"""NTLM: what was built is what is decoded, and what servers and clients leave out is no error."""

from struct import pack, pack_into

import pytest

from rpcdiag.dissect import ntlm
from rpcdiag.errors import Malformed, Truncated
from tests.build import tokens
from tests.build.tokens import av_pairs, wide

SERVER = av_pairs(
    (2, wide("LAB")), (1, wide("DC1")), (4, wide("lab.example")), (3, wide("dc1.lab.example")), (5, wide("example")),
    (7, pack("<Q", 133_000_000_000_000_000)),
)  # fmt: skip
CLIENT = av_pairs((1, wide("DC1")), (6, pack("<I", 2)), (10, b"b" * 16), (9, wide("RPCSS/dc1.lab.example")))


def _authenticate(**of_message: bytes | str | int) -> ntlm.Authenticate:
    message = ntlm.decode(tokens.authenticate(**of_message))  # type: ignore[arg-type]  # the names of its parameters
    assert isinstance(message, ntlm.Authenticate)
    return message


def test_a_negotiate_tells_only_the_names_that_it_says_it_has() -> None:
    both = ntlm.decode(tokens.negotiate(b"LAB", b"WS1"))
    assert both == ntlm.Negotiate(tokens.UNICODE | tokens.VERSION | 0x3000, "LAB", "WS1", "10.0.17763")
    silent = bytearray(tokens.negotiate(b"LAB", b"WS1"))
    pack_into("<I", silent, 12, tokens.UNICODE)
    assert ntlm.decode(bytes(silent)) == ntlm.Negotiate(tokens.UNICODE, "", "", None)


def test_a_negotiate_may_end_after_its_flags() -> None:
    assert ntlm.decode(tokens.negotiate()[:16]) == ntlm.Negotiate(tokens.UNICODE | tokens.VERSION, "", "", None)


def test_a_challenge_tells_who_the_server_is() -> None:
    message = ntlm.decode(tokens.challenge("LAB", SERVER))
    assert isinstance(message, ntlm.Challenge)
    assert (message.target_name, message.server_challenge, message.version) == ("LAB", b"8 bytes!", "10.0.17763")
    assert message.target_info == ntlm.AvPairs(
        "DC1", "LAB", "dc1.lab.example", "lab.example", "example", time_ns=1_655_526_400_000_000_000
    )


@pytest.mark.parametrize(
    ("info", "pairs"),
    [(b"", ntlm.AvPairs()), (av_pairs(), ntlm.AvPairs()), (av_pairs((1, wide("DC1")), end=False), ntlm.AvPairs("DC1"))],
)
def test_av_pairs_may_be_none_or_end_without_their_last(info: bytes, pairs: ntlm.AvPairs) -> None:
    message = ntlm.decode(tokens.challenge("LAB", info))
    assert isinstance(message, ntlm.Challenge)
    assert message.target_info == pairs


def test_a_server_may_announce_pairs_and_send_none() -> None:
    whole = tokens.challenge("LAB", SERVER)
    message = ntlm.decode(whole[: -len(SERVER)])
    assert isinstance(message, ntlm.Challenge)
    assert (message.target_name, message.target_info) == ("LAB", None)


def test_an_old_challenge_has_no_target_info() -> None:
    old = b"NTLMSSP\x00" + pack("<IHHII", 2, 6, 6, 32, 0x2) + b"8 bytes!" + b"SERVER"
    assert ntlm.decode(old) == ntlm.Challenge(0x2, "SERVER", b"8 bytes!", None, None)


def test_an_authenticate_tells_who_logs_on_from_where_for_which_service() -> None:
    message = _authenticate(user="änna", nt=tokens.ntlmv2(CLIENT))
    assert (message.user, message.domain, message.workstation) == ("änna", "LAB", "WS1")
    assert (message.response, message.client_info.target_name) == ("ntlmv2", "RPCSS/dc1.lab.example")
    assert (message.client_info.channel_bindings, message.client_info.flags) == (True, 2)
    assert (message.mic, message.session_key, message.anonymous, message.version) == (True, True, False, "10.0.17763")


@pytest.mark.parametrize(
    ("lm", "nt", "flags", "response"),
    [
        (bytes(24), bytes(24), tokens.UNICODE, "ntlm"),
        (bytes(24), bytes(24), tokens.UNICODE | tokens.EXTENDED, "ntlm2-session"),
        (bytes(24), b"", tokens.UNICODE, "lm"),
        (bytes(24), tokens.ntlmv2(b""), tokens.UNICODE, "ntlmv2"),
        (b"\x00", b"", tokens.UNICODE, "none"),
    ],
)
def test_the_responses_are_told_apart(lm: bytes, nt: bytes, flags: int, response: str) -> None:
    assert _authenticate(lm=lm, nt=nt, flags=flags).response == response


@pytest.mark.parametrize(
    ("user", "lm", "nt", "anonymous"),
    [
        ("", b"", b"", True),
        ("", b"\x00", b"", True),
        ("", b"\x01", b"", False),
        ("anna", b"\x00", b"", False),
        ("", b"\x00", bytes(24), False),
    ],
)
def test_nobody_is_who_gives_neither_name_nor_proof(user: str, lm: bytes, nt: bytes, anonymous: bool) -> None:
    assert _authenticate(user=user, lm=lm, nt=nt).anonymous is anonymous


@pytest.mark.parametrize("mic", [b"", bytes(16)])
def test_a_mic_is_not_in_a_short_header_and_not_made_of_zeros(mic: bytes) -> None:
    message = _authenticate(mic=mic)
    assert (message.mic, message.user, message.version) == (False, "anna", "10.0.17763")


def test_names_of_old_clients_are_single_bytes() -> None:
    assert ntlm.decode(tokens.authenticate(flags=0)).flags == 0
    assert _authenticate(user="", flags=0).domain == "L\x00A\x00B\x00"


def test_bytes_that_are_no_text_are_shown() -> None:
    token = tokens.authenticate(user="\ue000").replace(b"\x00\xe0", b"\x00\xd8")
    message = ntlm.decode(token)
    assert isinstance(message, ntlm.Authenticate)
    assert message.user == "\\x00\\xd8"


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (8, 4, "message_type"),
        (36 + 4, 0xFFFFFFF0, "user_name"),
        (36 + 4, 8, "user_name"),
        (36, 0xFFFF, "user_name"),
        (20, 25, "nt_challenge_response"),
    ],
)
def test_numbers_of_a_hostile_header_are_malformed(at: int, value: int, why: str) -> None:
    token = bytearray(tokens.authenticate())
    pack_into("<I", token, at, value)
    with pytest.raises(Malformed, match=why):
        ntlm.decode(bytes(token))


@pytest.mark.parametrize(
    "info",
    [av_pairs((1, wide("DC1")), *[(3, b"")] * 40), av_pairs((1, wide("DC1")), end=False) + pack("<HH", 3, 90) + b"x"],
)
def test_pairs_that_do_not_hold_together_leave_those_before_them(info: bytes) -> None:
    message = ntlm.decode(tokens.challenge(info=info))
    assert isinstance(message, ntlm.Challenge)
    assert message.target_info is not None
    assert (message.target_info.computer, message.target_info.broken) == ("DC1", True)


def test_who_logs_on_does_not_hang_on_the_pairs_that_the_client_repeats() -> None:
    message = ntlm.decode(tokens.authenticate(nt=tokens.ntlmv2(pack("<HH", 9, 900) + b"short")))
    assert isinstance(message, ntlm.Authenticate)
    whole = ntlm.decode(tokens.authenticate())
    assert isinstance(whole, ntlm.Authenticate)
    assert (message.user, message.domain) == (whole.user, whole.domain) != ("", "")
    assert message.client_info == ntlm.AvPairs(broken=True)


def test_who_logs_on_stands_before_the_responses_that_a_snap_length_cuts() -> None:
    token = tokens.authenticate(nt=tokens.ntlmv2(CLIENT), names_first=True)
    whole = ntlm.decode(token)
    assert isinstance(whole, ntlm.Authenticate)
    told = {kept: ntlm.remains(token[:kept], len(token)) for kept in range(len(token))}
    names = {(one.user, one.domain, one.workstation, one.response) for one in told.values() if one is not None}
    said = whole.user, whole.domain, whole.workstation
    assert names == {(*said, "cut"), (*said, "ntlmv2")}
    end = token.index(wide("WS1")) + 6
    assert [told[kept] is not None for kept in (64, end - 1, end)] == [False, False, True]
    assert ntlm.remains(tokens.negotiate(b"LAB", b"WS1")[:30], 60) is None


@pytest.mark.parametrize(
    "token", [tokens.negotiate(b"LAB", b"WS1"), tokens.challenge(info=SERVER), tokens.authenticate()]
)
def test_a_cut_capture_is_truncated_never_malformed(token: bytes) -> None:
    for kept in range(len(token)):
        with pytest.raises(Truncated):
            ntlm.decode(token[:kept], len(token))
