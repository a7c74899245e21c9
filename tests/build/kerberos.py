"""Kerberos messages, as far as anybody without the keys can read them. [RFC4120] 5"""

from struct import pack

AS_REQ, AS_REP, TGS_REQ, TGS_REP, AP_REQ, KRB_ERROR = 10, 11, 12, 13, 14, 30
PA_TGS_REQ = 1
PREAUTH_FAILED, PREAUTH_REQUIRED, SKEW, C_UNKNOWN, S_UNKNOWN, TOO_BIG = 24, 25, 37, 6, 7, 52
REALM = "CORP.EXAMPLE"
TIME = b"20110313070640Z"
AES256 = 18


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def sequence(*parts: bytes) -> bytes:
    return der(0x30, *parts)


def tagged(number: int, content: bytes) -> bytes:
    return der(0xA0 | number, content)


def application(number: int, content: bytes) -> bytes:
    return der(0x60 | number, content)


def text(value: str) -> bytes:
    return der(0x1B, value.encode())


def principal(kind: int, *parts: str) -> bytes:
    """1: a user, 2: a service and its host."""
    return sequence(tagged(0, integer(kind)), tagged(1, sequence(*(text(part) for part in parts))))


def encrypted(size: int = 64) -> bytes:
    """What nobody can read."""
    secret = bytes((at * 197 + 31) & 0xFF for at in range(size))
    return sequence(tagged(0, integer(AES256)), tagged(1, integer(2)), tagged(2, der(0x04, secret)))


def ticket(*service: str) -> bytes:
    content = (
        tagged(0, integer(5)),
        tagged(1, text(REALM)),
        tagged(2, principal(2, *service)),
        tagged(3, encrypted(900)),
    )
    return application(1, sequence(*content))


def _body(client: tuple[str, ...], service: tuple[str, ...]) -> bytes:
    return sequence(
        tagged(0, der(0x03, b"\x00\x40\x81\x00\x10")),
        *((tagged(1, principal(1, *client)),) if client else ()),
        tagged(2, text(REALM)),
        tagged(3, principal(2, *service)),
        tagged(5, der(0x18, b"20370913024805Z")),
        tagged(7, integer(0x1F2E3D4C)),
        tagged(8, sequence(integer(AES256), integer(17), integer(23))),
    )


def as_req(client: str = "operator", *, preauth: bool = False) -> bytes:
    """A logon's first question; with `preauth` an encrypted time. 5.4.1"""
    padata = sequence(sequence(tagged(1, integer(2)), tagged(2, der(0x04, encrypted()))))
    body = _body((client,), ("krbtgt", REALM))
    first = (tagged(1, integer(5)), tagged(2, integer(AS_REQ)))
    return application(AS_REQ, sequence(*first, *((tagged(3, padata),) if preauth else ()), tagged(4, body)))


def ap_req(*service: str) -> bytes:
    """A ticket and who shows it. 5.5.1"""
    parts = (tagged(0, integer(5)), tagged(1, integer(AP_REQ)), tagged(2, der(0x03, b"\x00\x00\x00\x00\x00")))
    return application(AP_REQ, sequence(*parts, tagged(3, ticket(*service)), tagged(4, encrypted(120))))


def tgs_req(*service: str) -> bytes:
    """The question for a ticket to `service`, such as `RPCSS`, `server`."""
    padata = sequence(sequence(tagged(1, integer(PA_TGS_REQ)), tagged(2, der(0x04, ap_req("krbtgt", REALM)))))
    first = (tagged(1, integer(5)), tagged(2, integer(TGS_REQ)), tagged(3, padata))
    return application(TGS_REQ, sequence(*first, tagged(4, _body((), service))))


def kdc_rep(kind: int, *service: str, client: str = "operator") -> bytes:
    """AS-REP or TGS-REP. 5.4.2"""
    parts = (tagged(0, integer(5)), tagged(1, integer(kind)), tagged(3, text(REALM)), tagged(4, principal(1, client)))
    return application(kind, sequence(*parts, tagged(5, ticket(*service)), tagged(6, encrypted(200))))


def krb_error(code: int, *service: str, data: bytes = b"") -> bytes:
    """5.9.1"""
    parts = (tagged(0, integer(5)), tagged(1, integer(KRB_ERROR)), tagged(4, der(0x18, TIME)), tagged(5, integer(7)),
             tagged(6, integer(code)), tagged(9, text(REALM)),
             tagged(10, principal(2, *(service or ("krbtgt", REALM)))))  # fmt: skip
    return application(KRB_ERROR, sequence(*parts, *((tagged(12, der(0x04, data)),) if data else ())))


def over_tcp(message: bytes) -> bytes:
    """Behind its length. [RFC4120] 7.2.2"""
    return pack(">I", len(message)) + message
