"""Kerberos messages, as far as they are not encrypted. RFC 4120 5, [MS-KILE] 2.2"""

from collections.abc import Callable
from typing import NamedTuple

from rpcdiag.dissect import der
from rpcdiag.dissect.der import Der, application
from rpcdiag.errors import DecodeError, Malformed

MAX_NAMES = 16  # components of a principal
MAX_LIST = 64  # etypes, padata
_PA_ETYPE_INFO2 = 19
_KERB_ERR_TYPE_EXTENDED = 3
_SECOND = 1_000_000_000

ERRORS = {
    0: "KDC_ERR_NONE",
    1: "KDC_ERR_NAME_EXP",
    2: "KDC_ERR_SERVICE_EXP",
    3: "KDC_ERR_BAD_PVNO",
    4: "KDC_ERR_C_OLD_MAST_KVNO",
    5: "KDC_ERR_S_OLD_MAST_KVNO",
    6: "KDC_ERR_C_PRINCIPAL_UNKNOWN",
    7: "KDC_ERR_S_PRINCIPAL_UNKNOWN",
    8: "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
    9: "KDC_ERR_NULL_KEY",
    10: "KDC_ERR_CANNOT_POSTDATE",
    11: "KDC_ERR_NEVER_VALID",
    12: "KDC_ERR_POLICY",
    13: "KDC_ERR_BADOPTION",
    14: "KDC_ERR_ETYPE_NOSUPP",
    15: "KDC_ERR_SUMTYPE_NOSUPP",
    16: "KDC_ERR_PADATA_TYPE_NOSUPP",
    17: "KDC_ERR_TRTYPE_NOSUPP",
    18: "KDC_ERR_CLIENT_REVOKED",
    19: "KDC_ERR_SERVICE_REVOKED",
    20: "KDC_ERR_TGT_REVOKED",
    21: "KDC_ERR_CLIENT_NOTYET",
    22: "KDC_ERR_SERVICE_NOTYET",
    23: "KDC_ERR_KEY_EXPIRED",
    24: "KDC_ERR_PREAUTH_FAILED",
    25: "KDC_ERR_PREAUTH_REQUIRED",
    26: "KDC_ERR_SERVER_NOMATCH",
    27: "KDC_ERR_MUST_USE_USER2USER",
    28: "KDC_ERR_PATH_NOT_ACCEPTED",
    29: "KDC_ERR_SVC_UNAVAILABLE",
    31: "KRB_AP_ERR_BAD_INTEGRITY",
    32: "KRB_AP_ERR_TKT_EXPIRED",
    33: "KRB_AP_ERR_TKT_NYV",
    34: "KRB_AP_ERR_REPEAT",
    35: "KRB_AP_ERR_NOT_US",
    36: "KRB_AP_ERR_BADMATCH",
    37: "KRB_AP_ERR_SKEW",
    38: "KRB_AP_ERR_BADADDR",
    39: "KRB_AP_ERR_BADVERSION",
    40: "KRB_AP_ERR_MSG_TYPE",
    41: "KRB_AP_ERR_MODIFIED",
    42: "KRB_AP_ERR_BADORDER",
    44: "KRB_AP_ERR_BADKEYVER",
    45: "KRB_AP_ERR_NOKEY",
    46: "KRB_AP_ERR_MUT_FAIL",
    47: "KRB_AP_ERR_BADDIRECTION",
    48: "KRB_AP_ERR_METHOD",
    49: "KRB_AP_ERR_BADSEQ",
    50: "KRB_AP_ERR_INAPP_CKSUM",
    51: "KRB_AP_PATH_NOT_ACCEPTED",
    52: "KRB_ERR_RESPONSE_TOO_BIG",
    60: "KRB_ERR_GENERIC",
    61: "KRB_ERR_FIELD_TOOLONG",
    62: "KDC_ERR_CLIENT_NOT_TRUSTED",
    63: "KDC_ERR_KDC_NOT_TRUSTED",
    64: "KDC_ERR_INVALID_SIG",
    65: "KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED",
    66: "KDC_ERR_CERTIFICATE_MISMATCH",
    67: "KRB_AP_ERR_NO_TGT",
    68: "KDC_ERR_WRONG_REALM",
    69: "KRB_AP_ERR_USER_TO_USER_REQUIRED",
    70: "KDC_ERR_CANT_VERIFY_CERTIFICATE",
    71: "KDC_ERR_INVALID_CERTIFICATE",
    72: "KDC_ERR_REVOKED_CERTIFICATE",
    73: "KDC_ERR_REVOCATION_STATUS_UNKNOWN",
    74: "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE",
    75: "KDC_ERR_CLIENT_NAME_MISMATCH",
    76: "KDC_ERR_KDC_NAME_MISMATCH",
    77: "KDC_ERR_INCONSISTENT_KEY_PURPOSE",
    78: "KDC_ERR_DIGEST_IN_CERT_NOT_ACCEPTED",
    79: "KDC_ERR_PA_CHECKSUM_MUST_BE_INCLUDED",
    80: "KDC_ERR_DIGEST_IN_SIGNED_DATA_NOT_ACCEPTED",
    81: "KDC_ERR_PUBLIC_KEY_ENCRYPTION_NOT_SUPPORTED",
    85: "KRB_AP_ERR_IAKERB_KDC_NOT_FOUND",
    86: "KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE",
    90: "KDC_ERR_PREAUTH_EXPIRED",
    91: "KDC_ERR_MORE_PREAUTH_DATA_REQUIRED",
    92: "KDC_ERR_PREAUTH_BAD_AUTHENTICATION_SET",
    93: "KDC_ERR_UNKNOWN_CRITICAL_FAST_OPTIONS",
    100: "KDC_ERR_NO_ACCEPTABLE_KDF",
    0x80000001: "KDC_ERR_MORE_DATA",
    0x80000002: "KDC_ERR_NOT_RUNNING",
}
"""RFC 4120 7.5.9, RFC 4556 3.1.3, RFC 6113 5.1; 30, 43 and 53 to 59 are nobody's."""

ETYPES = {
    1: "des-cbc-crc",
    2: "des-cbc-md4",
    3: "des-cbc-md5",
    16: "des3-cbc-sha1",
    17: "aes128-cts-hmac-sha1-96",
    18: "aes256-cts-hmac-sha1-96",
    19: "aes128-cts-hmac-sha256-128",
    20: "aes256-cts-hmac-sha384-192",
    23: "rc4-hmac",
    24: "rc4-hmac-exp",
    -128: "rc4-md4",
    -133: "rc4-hmac-old",
    -135: "rc4-hmac-old-exp",
}


class Encrypted(NamedTuple):
    """With which key something is encrypted; Windows leaves the key's version out for what only its session knows."""

    etype: int
    kvno: int | None


class Ticket(NamedTuple):
    """Whose ticket it is stands in the encrypted part; for whom it is, here."""

    realm: str
    server: str
    key: Encrypted


class KdcRequest(NamedTuple):
    """What stands in AS-REQ and TGS-REQ alike; the client of a TGS-REQ is named in its ticket only."""

    realm: str
    client: str | None
    server: str | None
    etypes: tuple[int, ...]
    padata: tuple[int, ...]


class AsReq(KdcRequest):
    __slots__ = ()


class TgsReq(KdcRequest):
    __slots__ = ()


class KdcReply(NamedTuple):
    """What stands in AS-REP and TGS-REP alike; `key` is that of the part for the client."""

    realm: str
    client: str
    ticket: Ticket
    key: Encrypted


class AsRep(KdcReply):
    __slots__ = ()


class TgsRep(KdcReply):
    __slots__ = ()


class ApReq(NamedTuple):
    ticket: Ticket
    mutual: bool
    use_session_key: bool
    authenticator: Encrypted


class ApRep(NamedTuple):
    key: Encrypted


class UserToUser(NamedTuple):
    """The initiator asks for the acceptor's ticket-granting ticket, or gets it (then `ticket` is there)."""

    realm: str | None
    server: str | None
    ticket: Ticket | None


class KrbError(NamedTuple):
    """`ntstatus` is what a Windows KDC adds in e-data; `etypes` are those that a KDC offers for pre-authentication.

    `server_time_ns` less the packet's time is how far the server's clock is off.
    """

    code: int
    symbol: str
    realm: str
    server: str
    client: str | None
    server_time_ns: int
    client_time_ns: int | None
    text: str | None
    ntstatus: int | None
    etypes: tuple[int, ...]


Message = AsReq | AsRep | TgsReq | TgsRep | ApReq | ApRep | UserToUser | KrbError


def error_name(code: int) -> str:
    """`KRB_AP_ERR_SKEW`"""
    return ERRORS.get(code, f"error-{code}")


def etype_name(number: int) -> str:
    """`aes256-cts-hmac-sha1-96`"""
    return ETYPES.get(number, f"etype-{number}")


def decode(message: bytes, length: int | None = None) -> Message:
    """Decode one message of which the sender sent `length` bytes.

    Raises:
        DecodeError: none of the messages of above, or one whose fields do not hold together, or cut.
    """
    whole = Der(message, length)
    tag = whole.tag
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise Malformed("message", 0, f"tag {tag:#04x} is no message of Kerberos" if tag >= 0 else "is empty")
    inside = whole.enter(tag, "message")
    return decoder(inside if tag == der.SEQUENCE else inside.enter(der.SEQUENCE, "message"))


def _as_req(fields: Der) -> AsReq:
    return AsReq(*_kdc_request(fields))


def _tgs_req(fields: Der) -> TgsReq:
    return TgsReq(*_kdc_request(fields))


def _as_rep(fields: Der) -> AsRep:
    return AsRep(*_kdc_reply(fields))


def _tgs_rep(fields: Der) -> TgsRep:
    return TgsRep(*_kdc_reply(fields))


def _kdc_request(fields: Der) -> KdcRequest:
    """RFC 4120 5.4.1"""
    padata = fields.find(3, "padata")
    kinds = _padata_kinds(padata) if padata else ()
    body = fields.need(4, "req-body").enter(der.SEQUENCE, "req-body")
    client = body.find(1, "cname")
    client_name = _principal(client, "cname") if client else None
    realm = body.need(2, "realm").text("realm")
    server = body.find(3, "sname")
    server_name = _principal(server, "sname") if server else None
    etypes = _integers(body.need(8, "etype"), "etype")
    return KdcRequest(realm, client_name, server_name, etypes, kinds)


def _kdc_reply(fields: Der) -> KdcReply:
    """RFC 4120 5.4.2"""
    realm = fields.need(3, "crealm").text("crealm")
    client = _principal(fields.need(4, "cname"), "cname")
    ticket = _ticket(fields.need(5, "ticket"))
    return KdcReply(realm, client, ticket, _encrypted(fields.need(6, "enc-part")))


def _ap_req(fields: Der) -> ApReq:
    """RFC 4120 5.5.1"""
    options = fields.need(2, "ap-options").bits("ap-options")
    ticket = _ticket(fields.need(3, "ticket"))
    authenticator = _encrypted(fields.need(4, "authenticator"))
    return ApReq(ticket, bool(options & 0x20000000), bool(options & 0x40000000), authenticator)


def _ap_rep(fields: Der) -> ApRep:
    """RFC 4120 5.5.2"""
    return ApRep(_encrypted(fields.need(2, "enc-part")))


def grants(message: bytes) -> str | None:
    """The kind of an answer that holds a ticket, by its first byte alone: as-rep, tgs-rep."""
    return {application(11): "as-rep", application(13): "tgs-rep"}.get(message[0]) if message else None


def remains(message: bytes, length: int) -> KrbError | None:
    """The code of an error that the capture cuts behind it, without realm and server; None for other messages."""
    tag = application(30)
    try:
        inside = Der(message, length).enter(tag, "message").enter(der.SEQUENCE, "message")
        client_ns, server_ns, code = _error_head(inside)
    except DecodeError:
        return None
    return KrbError(code, error_name(code), "", "", None, server_ns, client_ns, None, None, ())


def _error_head(fields: Der) -> tuple[int | None, int, int]:
    """Both clocks and the code."""
    client_time = fields.find(2, "ctime")
    client_ns = _time(client_time, "ctime") if client_time else None
    client_micro = fields.find(3, "cusec")
    if client_ns is not None and client_micro:
        client_ns += _microseconds(client_micro, "cusec")
    server_ns = _time(fields.need(4, "stime"), "stime") + _microseconds(fields.need(5, "susec"), "susec")
    return client_ns, server_ns, fields.need(6, "error-code").integer("error-code") & 0xFFFFFFFF


def _krb_error(fields: Der) -> KrbError:
    """RFC 4120 5.9.1"""
    client_ns, server_ns, code = _error_head(fields)
    client_realm = fields.find(7, "crealm")
    own_realm = client_realm.text("crealm") if client_realm else None
    client = fields.find(8, "cname")
    client_name = _principal(client, "cname") if client else None
    realm = fields.need(9, "realm").text("realm")
    server = _principal(fields.need(10, "sname"), "sname")
    text = fields.find(11, "e-text")
    said = text.text("e-text") if text else None
    data = fields.find(12, "e-data")
    ntstatus, etypes = _error_data(data) if data else (None, ())
    if client_name and own_realm:
        client_name += "@" + own_realm
    return KrbError(code, error_name(code), realm, server, client_name, server_ns, client_ns, said, ntstatus, etypes)


def _user_to_user(fields: Der) -> UserToUser:
    """What an acceptor without a key of its own is asked for first. draft-swift-win2k-krb-user2user-03 3"""
    kind = fields.need(1, "msg-type").integer("msg-type")
    if kind == 17:
        ticket = _ticket(fields.need(2, "ticket"))
        return UserToUser(ticket.realm, ticket.server, ticket)
    if kind != 16:
        raise Malformed("msg-type", fields.at, f"{kind} in a sequence without a tag of its own")
    server = fields.find(2, "server-name")
    name = _principal(server, "server-name") if server else None
    realm = fields.find(3, "realm")
    return UserToUser(realm.text("realm") if realm else None, name, None)


_DECODERS: dict[int, Callable[[Der], Message]] = {
    application(10): _as_req,
    application(11): _as_rep,
    application(12): _tgs_req,
    application(13): _tgs_rep,
    application(14): _ap_req,
    application(15): _ap_rep,
    application(30): _krb_error,
    der.SEQUENCE: _user_to_user,
}


def _ticket(field: Der) -> Ticket:
    """RFC 4120 5.3"""
    inside = field.enter(application(1), "ticket").enter(der.SEQUENCE, "ticket")
    realm = inside.need(1, "ticket_realm").text("ticket_realm")
    server = _principal(inside.need(2, "ticket_sname"), "ticket_sname")
    return Ticket(realm, server, _encrypted(inside.need(3, "ticket_enc-part")))


def _encrypted(field: Der) -> Encrypted:
    """RFC 4120 5.2.9"""
    inside = field.enter(der.SEQUENCE, "encrypted")
    etype = inside.need(0, "etype").integer("etype")
    kvno = inside.find(1, "kvno")
    return Encrypted(etype, kvno.integer("kvno") & 0xFFFFFFFF if kvno else None)


def _principal(field: Der, name: str) -> str:
    """The components, joined by slashes. RFC 4120 5.2.2, RFC 1964 2.1.1"""
    names = field.enter(der.SEQUENCE, name).need(1, name).enter(der.SEQUENCE, name)
    parts: list[str] = []
    while names.tag >= 0:
        if len(parts) == MAX_NAMES:
            raise Malformed(name, names.at, f"more than {MAX_NAMES} components")
        parts.append(names.text(name))
    return "/".join(parts)


def _integers(field: Der, name: str) -> tuple[int, ...]:
    items = field.enter(der.SEQUENCE, name)
    numbers: list[int] = []
    while items.tag >= 0:
        if len(numbers) == MAX_LIST:
            raise Malformed(name, items.at, f"more than {MAX_LIST}")
        numbers.append(items.integer(name))
    return tuple(numbers)


def _padata(field: Der) -> list[tuple[int, Der]]:
    """Types and values. RFC 4120 5.2.7"""
    items = field.enter(der.SEQUENCE, "padata")
    found: list[tuple[int, Der]] = []
    while items.tag >= 0:
        if len(found) == MAX_LIST:
            raise Malformed("padata", items.at, f"more than {MAX_LIST}")
        found.append(_typed(items.enter(der.SEQUENCE, "padata"), "padata"))
    return found


def _typed(item: Der, name: str) -> tuple[int, Der]:
    """Type [1] and value [2]."""
    kind = item.need(1, name + "-type").integer(name + "-type")
    return kind, item.need(2, name + "-value").octets(name + "-value")


def _padata_kinds(field: Der) -> tuple[int, ...]:
    return tuple(kind for kind, _ in _padata(field))


def _error_data(field: Der) -> tuple[int | None, tuple[int, ...]]:
    """NTSTATUS and etypes of e-data, which every server fills as it likes: what cannot be read says nothing."""
    try:
        data = Der(*field.octets("e-data").content())
        start = data.at
        first = data.enter(der.SEQUENCE, "e-data")
        if first.tag != der.SEQUENCE:
            return _extended_status(*_typed(first, "data")), ()
        data.at = start
        items = _padata(data)
    except DecodeError:
        return None, ()
    offered = [value for kind, value in items if kind == _PA_ETYPE_INFO2]
    status = next((found for kind, value in items if (found := _extended_status(kind, value))), None)
    return status, _etypes(offered[0]) if offered else ()


def _extended_status(kind: int, value: Der) -> int | None:
    """KERB_EXT_ERROR, type 3. Salts have that type too, but none has its four zeros. [MS-KILE] 2.2.1, 2.2.2"""
    raw, length = value.content()
    if kind != _KERB_ERR_TYPE_EXTENDED or not len(raw) == length == 12 or any(raw[4:8]):
        return None
    return int.from_bytes(raw[:4], "little") or None


def _etypes(value: Der) -> tuple[int, ...]:
    """ETYPE-INFO2, none where it cannot be read. RFC 4120 5.2.7.5"""
    found: list[int] = []
    try:
        items = value.enter(der.SEQUENCE, "etype-info2")
        while items.tag >= 0 and len(found) < MAX_LIST:
            found.append(items.enter(der.SEQUENCE, "etype-info2").need(0, "etype").integer("etype"))
    except DecodeError:
        return ()
    return tuple(found)


def _time(field: Der, name: str) -> int:
    """KerberosTime, `20260301120000Z`, as nanoseconds since 1970. RFC 4120 5.2.3"""
    from datetime import UTC, datetime

    text = field.text(name, der.GENERALIZED_TIME)
    digits = text[:14]
    if len(text) != 15 or text[14] != "Z" or not (digits.isascii() and digits.isdigit()):
        raise Malformed(name, field.at, f"{text!r} is no time")
    month, day, hour, minute, second = (int(digits[n : n + 2]) for n in range(4, 14, 2))
    try:
        when = datetime(int(digits[:4]), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise Malformed(name, field.at, f"{text!r}: {error}") from None
    return int(when.timestamp()) * _SECOND


def _microseconds(field: Der, name: str) -> int:
    """RFC 4120 5.2.4, as nanoseconds."""
    value = field.integer(name)
    if not 0 <= value < 1_000_000:
        raise Malformed(name, field.at, f"{value} microseconds")
    return value * 1000
