"""Logon tokens of the right shape with random secrets: NTLM messages, and Kerberos inside SPNEGO, as Windows sends them."""

from random import Random
from struct import pack

_NTLM_FLAGS = 0xE2888235  # unicode, extended session security, signing, sealing, 128 bit, version
_VERSION = bytes.fromhex("0a00634500000f00")  # 10.0.17763
_DOMAIN, _HOST, _USER = (text.encode("utf-16-le") for text in ("CORP", "CLIENT", "operator"))
_SPNEGO, _KERBEROS, _MS_KERBEROS = (
    bytes.fromhex(one) for one in ("06062b0601050502", "06092a864886f712010202", "06092a864882f712010202")
)
_AES256 = b"\x02\x01\x12"
_REALM, _SERVER = b"CORP.EXAMPLE", b"server.corp.example"


def ntlm(random: Random) -> tuple[bytes, bytes, bytes]:
    """All three messages."""
    return ntlm_negotiate(), ntlm_challenge(random), ntlm_authenticate(random)


def ntlm_negotiate() -> bytes:
    """The first message."""
    return b"NTLMSSP\0" + pack("<II", 1, _NTLM_FLAGS) + bytes(16) + _VERSION


def ntlm_challenge(random: Random) -> bytes:
    """The second, with names of domain and host."""
    pairs = pack("<HH", 2, len(_DOMAIN)) + _DOMAIN + pack("<HH", 1, len(_HOST)) + _HOST
    pairs += pack("<HHQ", 7, 8, 133_000_000_000_000_000) + bytes(4)
    name = _field(len(_DOMAIN), 56)
    target = _field(len(pairs), 56 + len(_DOMAIN))
    head = b"NTLMSSP\0" + pack("<I", 2) + name + pack("<I", _NTLM_FLAGS) + random.randbytes(8) + bytes(8) + target
    return head + _VERSION + _DOMAIN + pairs


def ntlm_authenticate(random: Random) -> bytes:
    """The third, with an NTLMv2 response."""
    proof = random.randbytes(16) + pack("<BBHIQ", 1, 1, 0, 0, 133_000_000_000_000_000) + random.randbytes(8) + bytes(4)
    proof += pack("<HH", 2, len(_DOMAIN)) + _DOMAIN + bytes(8)
    at, fields = 88, b""
    parts = (bytes(24), proof, _DOMAIN, _USER, _HOST, random.randbytes(16))
    for part in parts:
        fields += _field(len(part), at)
        at += len(part)
    head = b"NTLMSSP\0" + pack("<I", 3) + fields + pack("<I", _NTLM_FLAGS) + _VERSION + bytes(16)
    return head + b"".join(parts)


def _field(length: int, at: int) -> bytes:
    return pack("<HHI", length, length, at)


def kerberos_request(random: Random, size: int) -> bytes:
    """NegTokenInit with an AP-REQ whose ticket has `size` bytes."""
    name = _sequence(_tagged(0, b"\x02\x01\x02"), _tagged(1, _sequence(_string(b"host"), _string(_SERVER))))
    ticket = _der(0x61, _sequence(
        _tagged(0, b"\x02\x01\x05"), _tagged(1, _string(_REALM)), _tagged(2, name), _tagged(3, _secret(random, size))
    ))  # fmt: skip
    asked = _der(0x6E, _sequence(
        _tagged(0, b"\x02\x01\x05"), _tagged(1, b"\x02\x01\x0e"), _tagged(2, b"\x03\x05\x00\x20\x00\x00\x00"),
        _tagged(3, ticket), _tagged(4, _secret(random, 230)),
    ))  # fmt: skip
    mechanism = _der(0x60, _KERBEROS + b"\x01\x00" + asked)
    offer = _sequence(_tagged(0, _sequence(_MS_KERBEROS, _KERBEROS)), _tagged(2, _der(0x04, mechanism)))
    return _der(0x60, _SPNEGO + _tagged(0, offer))


def kerberos_reply(random: Random) -> bytes:
    """NegTokenResp with an AP-REP."""
    reply = _der(0x6F, _sequence(
        _tagged(0, b"\x02\x01\x05"), _tagged(1, b"\x02\x01\x0f"), _tagged(2, _secret(random, 84))
    ))  # fmt: skip
    state, mechanism = _tagged(0, b"\x0a\x01\x01"), _tagged(1, _MS_KERBEROS)
    return _tagged(1, _sequence(state, mechanism, _tagged(2, _der(0x04, reply))))


def _secret(random: Random, size: int) -> bytes:
    return _sequence(_tagged(0, _AES256), _tagged(2, _der(0x04, random.randbytes(size))))


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, b"".join(parts))


def _tagged(number: int, content: bytes) -> bytes:
    return _der(0xA0 | number, content)


def _string(text: bytes) -> bytes:
    return _der(0x1B, text)


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content
