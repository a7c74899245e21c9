"""SPNEGO and what it carries: which mechanisms are offered, which is chosen. RFC 4178 4.2, [MS-SPNG] 2.2"""

from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.dissect import der
from rpcdiag.dissect.der import Der, application, context, oid_text
from rpcdiag.errors import Malformed, Truncated

if TYPE_CHECKING:  # each is loaded where its first token comes
    from rpcdiag.dissect import kerberos, netlogon_auth, ntlm

    Inner = ntlm.Message | kerberos.Message | netlogon_auth.NetlogonAuth
else:
    Inner = object

MAX_MECHS = 32

SPNEGO = bytes.fromhex("2b0601050502")
_MECHS = {
    SPNEGO: "spnego",
    bytes.fromhex("2a864886f712010202"): "kerberos",
    bytes.fromhex("2a864882f712010202"): "ms-kerberos",  # 1.2.840.48018.1.2.2: 113554 cut to 16 bits by Windows 2000
    bytes.fromhex("2a864886f71201020203"): "kerberos-user-to-user",
    bytes.fromhex("2b06010401823702020a"): "ntlm",
    bytes.fromhex("2b06010401823702021e"): "negoex",
    bytes.fromhex("2b0601050205"): "iakerb",
    bytes.fromhex("2b0601050207"): "pku2u",
}
_MESSAGE_IDS = (b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x04\x00", b"\x04\x01")  # RFC 4121 4.1, and user-to-user
_NTLM = b"NTLMSSP\x00"
_KERBEROS = (application(14), application(15), application(30))  # AP-REQ, AP-REP, KRB-ERROR
_STATES = {0: "accept-completed", 1: "accept-incomplete", 2: "reject", 3: "request-mic"}

_GSS, _INIT, _RESP = application(0), context(0), context(1)
_TYPE_SPNEGO, _TYPE_NTLM, _TYPE_KERBEROS, _TYPE_NETLOGON = 9, 10, 16, 68  # [MS-RPCE] 2.2.1.1.7


class Spnego(NamedTuple):
    """NegTokenInit, NegTokenInit2 or NegTokenResp.

    `mechs` are those that an initiator offers, the best first, by name or as dotted numbers; `mech` is the first of
    them, or the one that an acceptor names. `state` is the acceptor's: accept-completed, accept-incomplete, reject or
    request-mic. `token` is the mechanism's own.
    """

    mechs: tuple[str, ...]
    state: str | None
    token: bytes | None
    mech: str | None
    mic: bool
    response: bool
    token_length: int = 0  # on the wire; more than `token` where the capture is cut


class Token(NamedTuple):
    """A security token, unwrapped: `kind` is ntlm, kerberos, netlogon, spnego (nothing known in it) or unknown."""

    kind: str
    inner: Inner | None = None
    spnego: Spnego | None = None


def decode(token: bytes, length: int | None = None) -> Spnego:
    """Decode one SPNEGO token of which the sender sent `length` bytes, with or without the header of GSS-API.

    Raises:
        DecodeError: as everywhere.
    """
    whole = Der(token, length)
    if whole.tag == _GSS:
        whole = whole.enter(_GSS, "gss")
        mech = whole.oid("this_mech")
        if mech != SPNEGO:
            raise Malformed("this_mech", whole.at, f"{_name(mech)} is not SPNEGO")
    return _negotiation(whole)


def unwrap(auth_type: int, token: bytes, length: int | None = None) -> Token:
    """What stands in a token of this authentication type of RPC.

    Of the types 9, 10 and 16 the token itself says what it is: SPNEGO may be left out, and Kerberos in the style of
    DCE goes on without the header of GSS-API. [MS-RPCE] 2.2.1.1.7, [MS-KILE] 3.4.5.1

    Raises:
        DecodeError: as everywhere.
    """
    if auth_type == _TYPE_NETLOGON:
        from rpcdiag.dissect import netlogon_auth

        return Token("netlogon", netlogon_auth.decode(token, length))
    if auth_type not in (_TYPE_SPNEGO, _TYPE_NTLM, _TYPE_KERBEROS):
        return Token("unknown")
    whole = Der(token, length)
    if whole.tag == _GSS:
        inside = whole.enter(_GSS, "gss")
        mech = inside.oid("this_mech")
        return _unwrap_negotiation(inside) if mech == SPNEGO else _mechanism(inside, _MECHS.get(mech))
    if whole.tag in (_INIT, _RESP):
        return _unwrap_negotiation(whole)
    return _mechanism(whole, None)


def _unwrap_negotiation(whole: Der) -> Token:
    outer = _negotiation(whole)
    if outer.token is None:
        return Token("spnego", None, outer)
    inner = Der(outer.token, outer.token_length)
    found = None
    if inner.tag == _GSS:
        inner = inner.enter(_GSS, "gss")
        found = _MECHS.get(inner.oid("this_mech"))
    token = _mechanism(inner, found)
    return Token("spnego" if token.kind == "unknown" else token.kind, token.inner, outer)


def _mechanism(inside: Der, mech: str | None) -> Token:
    """What stands behind the header of GSS-API that names `mech`, or without such a header."""
    data, length = inside.content()
    if len(data) < min(length, len(_NTLM)):
        raise Truncated("token", inside.at, f"{length} bytes, the capture ends after {len(data)}")
    if data.startswith(_NTLM):
        from rpcdiag.dissect import ntlm

        try:
            return Token("ntlm", ntlm.decode(data, length))
        except Truncated:
            rest = ntlm.remains(data, length)
            if rest is None:
                raise
            return Token("ntlm", rest)
    if inside.tag not in _KERBEROS:
        if mech is None or "kerberos" not in mech:
            return Token("unknown")
        if data[:2] not in _MESSAGE_IDS:
            return Token("kerberos")
        data, length = data[2:], length - 2
    from rpcdiag.dissect import kerberos

    return Token("kerberos", kerberos.decode(data, length))


def _negotiation(whole: Der) -> Spnego:
    """RFC 4178 4.2.1, 4.2.2; [MS-SPNG] 2.2.1 for the hints, which take the place of the MIC"""
    if whole.tag == _RESP:
        return _response(whole.enter(_RESP, "neg_token_resp").enter(der.SEQUENCE, "neg_token_resp"))
    fields = whole.enter(_INIT, "neg_token_init").enter(der.SEQUENCE, "neg_token_init")
    offered = fields.find(0, "mech_types")
    mechs = _mechs(offered) if offered else ()
    token = fields.find(2, "mech_token")
    data, length = token.octets("mech_token").content() if token else (None, 0)
    if data is not None and len(data) < length:
        return Spnego(mechs, None, data, mechs[0] if mechs else None, False, False, length)
    third, fourth = fields.find(3, "mech_list_mic"), fields.find(4, "mech_list_mic")
    mic = fourth is not None or (third is not None and third.tag == der.OCTET_STRING)
    return Spnego(mechs, None, data, mechs[0] if mechs else None, mic, False, length)


def _response(fields: Der) -> Spnego:
    state = fields.find(0, "neg_state")
    number = state.integer("neg_state", der.ENUMERATED) if state else None
    chosen = fields.find(1, "supported_mech")
    mech = _name(chosen.oid("supported_mech")) if chosen else None
    token = fields.find(2, "response_token")
    data, length = token.octets("response_token").content() if token else (None, 0)
    mic = (data is None or len(data) == length) and fields.find(3, "mech_list_mic") is not None
    says = None if number is None else _STATES.get(number, f"state-{number}")
    return Spnego((), says, data, mech, mic, True, length)


def _mechs(field: Der) -> tuple[str, ...]:
    items = field.enter(der.SEQUENCE, "mech_types")
    mechs: list[str] = []
    while items.tag >= 0:
        if len(mechs) == MAX_MECHS:
            raise Malformed("mech_types", items.at, f"more than {MAX_MECHS} mechanisms")
        mechs.append(_name(items.oid("mech_type")))
    return tuple(mechs)


def _name(raw: bytes) -> str:
    return _MECHS.get(raw) or oid_text(raw)
