"""A third reading of every security token of the captures at hand: impacket's."""

from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.dissect import kerberos, ntlm, spnego
from tests.corpus.at_hand import captures
from tests.corpus.test_security_tokens import logons

pytestmark = [pytest.mark.corpus, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

theirs_ntlm = pytest.importorskip("impacket.ntlm")
asn1 = pytest.importorskip("impacket.krb5.asn1")
decoder = pytest.importorskip("pyasn1.codec.der.decoder")


def _tokens(path: Path) -> list[tuple[bytes, Any]]:
    """The innermost bytes and what we read in them."""
    found = []
    for logon in logons(path):
        token = spnego.unwrap(*logon[1:])
        raw = token.spnego.token if token.spnego and token.spnego.token else logon.token
        found.append((raw, token.inner))
    return found


@cache
def _all() -> list[tuple[bytes, Any]]:
    return list(chain.from_iterable(_tokens(path) for path in captures()))


def _some(*types: type) -> list[tuple[bytes, Any]]:
    return [(raw, inner) for raw, inner in _all() if isinstance(inner, types)]


def test_there_is_something_of_each_kind() -> None:
    assert len(_some(ntlm.Challenge)) > 50
    assert len(_some(ntlm.Authenticate)) > 50
    assert len(_some(kerberos.ApReq)) > 20


def test_challenges() -> None:
    for raw, ours in _some(ntlm.Challenge):
        if ours.target_info is None:
            continue
        other = theirs_ntlm.NTLMAuthChallenge(raw)
        pairs = theirs_ntlm.AV_PAIRS(other["TargetInfoFields"])
        for number, name in ((1, "computer"), (2, "domain"), (3, "dns_computer"), (4, "dns_domain"), (5, "dns_tree")):
            value = pairs[number]
            assert getattr(ours.target_info, name) == (value[1].decode("utf-16-le") if value else None)
        assert (ours.server_challenge, ours.flags) == (other["challenge"], other["flags"])
        assert ours.target_name == other["domain_name"].decode("utf-16-le")


def test_logons() -> None:
    for raw, ours in _some(ntlm.Authenticate):
        other = theirs_ntlm.NTLMAuthChallengeResponse()
        other.fromString(raw)
        names = [other[name].decode("utf-16-le") for name in ("user_name", "domain_name", "host_name")]
        assert [ours.user, ours.domain, ours.workstation] == names
        assert ours.session_key == bool(other["session_key"])
        assert (ours.response == "ntlmv2") == (len(other["ntlm"]) > 24)
        assert ours.anonymous == (not names[0] and not other["ntlm"])
        assert ours.flags == other["flags"]


def test_tickets() -> None:
    for raw, ours in _some(kerberos.ApReq):
        other = decoder.decode(raw if raw[0] == 0x6E else raw[raw.index(b"\x01\x00\x6e") + 2 :], asn1.AP_REQ())[0]
        whose = other["ticket"]
        assert ours.ticket.realm == str(whose["realm"])
        assert ours.ticket.server == "/".join(str(part) for part in whose["sname"]["name-string"])
        for mine, key in ((ours.ticket.key, whose["enc-part"]), (ours.authenticator, other["authenticator"])):
            assert mine.etype == int(key["etype"])
            assert mine.kvno == (int(key["kvno"]) if key["kvno"].hasValue() else None)
        options = str(other["ap-options"].asBinary()).zfill(32)
        assert (ours.use_session_key, ours.mutual) == (options[1] == "1", options[2] == "1")
