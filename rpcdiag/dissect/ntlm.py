"""NTLM's three messages. [MS-NLMP] 2.2.1"""

from struct import Struct
from typing import NamedTuple

from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import DecodeError, Malformed, Truncated

SIGNATURE = b"NTLMSSP\x00"

# NegotiateFlags, [MS-NLMP] 2.2.2.5
UNICODE = 0x00000001
ANONYMOUS = 0x00000800
OEM_DOMAIN_SUPPLIED = 0x00001000
OEM_WORKSTATION_SUPPLIED = 0x00002000
EXTENDED_SESSION_SECURITY = 0x00080000
TARGET_INFO = 0x00800000
VERSION = 0x02000000

MAX_TEXT = 2048  # bytes of one name
MAX_AV_PAIRS = 32

_EPOCH = 116_444_736_000_000_000  # 1970 as FILETIME
_FIELDS = Struct("<HHI").unpack
_AV_NAMES = {1: "computer", 2: "domain", 3: "dns_computer", 4: "dns_domain", 5: "dns_tree", 9: "target_name"}
_AV_END, _AV_FLAGS, _AV_TIME, _AV_BINDINGS = 0, 6, 7, 10
_MIC_END = 88  # only where the payload begins no earlier; some senders leave it zero
_CLIENT_PAIRS = 44  # where an NTLMv2 response holds them, [MS-NLMP] 2.2.2.8


class AvPairs(NamedTuple):
    """What the server says of itself, and the client repeats. [MS-NLMP] 2.2.2.1

    `target_name` is the SPN that the client meant, from the client only; `time_ns` is None where no time is given.
    `broken`: the list does not hold together; the pairs before that are told.
    """

    computer: str | None = None
    domain: str | None = None
    dns_computer: str | None = None
    dns_domain: str | None = None
    dns_tree: str | None = None
    target_name: str | None = None
    flags: int = 0
    time_ns: int | None = None
    channel_bindings: bool = False  # other than zero
    broken: bool = False


class Negotiate(NamedTuple):
    """[MS-NLMP] 2.2.1.1; the names are empty where the client does not supply them, as is usual."""

    flags: int
    domain: str
    workstation: str
    version: str | None


class Challenge(NamedTuple):
    """[MS-NLMP] 2.2.1.2; `target_info` is None where the server gives none, or where all of it lies behind the end."""

    flags: int
    target_name: str
    server_challenge: bytes
    target_info: AvPairs | None
    version: str | None


class Authenticate(NamedTuple):
    """[MS-NLMP] 2.2.1.3; `response` is one of none, lm, ntlm, ntlm2-session, ntlmv2, cut."""

    flags: int
    user: str
    domain: str
    workstation: str
    response: str
    anonymous: bool
    session_key: bool
    mic: bool
    client_info: AvPairs  # of an NTLMv2 response
    version: str | None


Message = Negotiate | Challenge | Authenticate


_Payload = tuple[int, bytes]  # what a length and an offset in the header point at, and where it stands


def decode(token: bytes, length: int | None = None) -> Message:
    """Decode one message of which the sender sent `length` bytes.

    Raises:
        DecodeError: not a message of NTLM, or one whose fields do not hold together, or cut.
    """
    reader = Reader(token, length)
    if reader.take(8, "signature") != SIGNATURE:
        raise Malformed("signature", 0, "is not NTLMSSP")
    match reader.u32("message_type"):
        case 1:
            return _negotiate(reader)
        case 2:
            return _challenge(reader)
        case 3:
            return _authenticate(reader, token)
        case other:
            raise Malformed("message_type", 8, f"no message type {other}")


def remains(token: bytes, length: int) -> Authenticate | None:
    """Who logs on, of a third message whose responses the capture cuts; None for others, and where it is cut before."""
    reader = Reader(token, length)
    try:
        if reader.take(8, "signature") != SIGNATURE or reader.u32("message_type") != 3:
            return None
        lm, nt = _held(reader, "lm_challenge_response"), _held(reader, "nt_challenge_response")
        names = [_payload(reader, field, 64) for field in ("domain_name", "user_name", "workstation")]
        key = _held(reader, "encrypted_random_session_key")
        flags = reader.u32("negotiate_flags")
        domain, user, workstation = (_text(name, unicode=bool(flags & UNICODE)) for name in names)
        response = "cut" if lm is None or nt is None else _response(lm[1], nt, flags)
    except DecodeError:
        return None
    anonymous = not user and nt is not None and not nt[1]
    key_sent = key is None or bool(key[1])
    return Authenticate(flags, user, domain, workstation, response, anonymous, key_sent, False, AvPairs(), None)


def _held(reader: Reader, field: str) -> _Payload | None:
    """A payload; None where the capture does not hold it."""
    after = reader.offset + 8
    try:
        return _payload(reader, field, 64)
    except Truncated:
        reader.offset = after
        return None


def _negotiate(reader: Reader) -> Negotiate:
    """Old clients send nothing after the flags."""
    flags = reader.u32("negotiate_flags")
    if not reader.left:
        return Negotiate(flags, "", "", None)
    domain = _payload(reader, "domain_name", 32)
    workstation = _payload(reader, "workstation", 32)
    return Negotiate(
        flags,
        _text(domain, unicode=False) if flags & OEM_DOMAIN_SUPPLIED else "",
        _text(workstation, unicode=False) if flags & OEM_WORKSTATION_SUPPLIED else "",
        _version(reader, flags, _first(reader, domain, workstation)),
    )


def _challenge(reader: Reader) -> Challenge:
    """Old servers send nothing between the challenge and the target's name."""
    target = _payload(reader, "target_name", 32)
    flags = reader.u32("negotiate_flags")
    challenge = reader.take(8, "server_challenge")
    name = _text(target, unicode=bool(flags & UNICODE))
    if not flags & TARGET_INFO:
        return Challenge(flags, name, challenge, None, None)
    reader.skip(8, "reserved")
    if _lies_behind(reader):
        return Challenge(flags, name, challenge, None, None)
    info = _payload(reader, "target_info", 48)
    version = _version(reader, flags, _first(reader, target, info))
    return Challenge(flags, name, challenge, _av_pairs(*info), version)


def _authenticate(reader: Reader, token: bytes) -> Authenticate:
    lm = _payload(reader, "lm_challenge_response", 64)
    nt = _payload(reader, "nt_challenge_response", 64)
    domain = _payload(reader, "domain_name", 64)
    user = _payload(reader, "user_name", 64)
    workstation = _payload(reader, "workstation", 64)
    key = _payload(reader, "encrypted_random_session_key", 64)
    flags = reader.u32("negotiate_flags")
    first = _first(reader, lm, nt, domain, user, workstation, key)
    response = _response(lm[1], nt, flags)
    info = _av_pairs(nt[0] + _CLIENT_PAIRS, nt[1][_CLIENT_PAIRS:]) if response == "ntlmv2" else AvPairs()
    version = _version(reader, flags, first)
    mic = first >= _MIC_END and any(token[_MIC_END - 16 : _MIC_END])
    unicode = bool(flags & UNICODE)
    return Authenticate(
        flags=flags,
        user=_text(user, unicode=unicode),
        domain=_text(domain, unicode=unicode),
        workstation=_text(workstation, unicode=unicode),
        response=response,
        anonymous=not user[1] and not nt[1] and lm[1] in (b"", b"\x00"),
        session_key=bool(key[1]),
        mic=mic,
        client_info=info,
        version=version,
    )


def _response(lm: bytes, nt: _Payload, flags: int) -> str:
    """How the client proved that it knows the password. [MS-NLMP] 2.2.2.3 to 2.2.2.8"""
    at, length = nt[0], len(nt[1])
    if length == 24:
        return "ntlm2-session" if flags & EXTENDED_SESSION_SECURITY else "ntlm"
    if length >= _CLIENT_PAIRS:
        return "ntlmv2"
    if length:
        raise Malformed("nt_challenge_response", at, f"{length} bytes")
    return "lm" if len(lm) >= 24 else "none"


def _payload(reader: Reader, field: str, least: int) -> _Payload:
    """The next length, room and offset of the header, and what they point at: nothing before byte `least`."""
    length, _, at = _FIELDS(reader.take(8, field))
    if not length:
        return at, b""
    if at < least:
        raise Malformed(field, reader.offset - 4, f"its offset {at} lies in the header")
    after, reader.offset = reader.offset, at
    data = reader.take(length, field)
    reader.offset = after
    return at, data


def _lies_behind(reader: Reader) -> bool:
    """Whether the next field of the header points at nothing: seen of servers that announce pairs and send none."""
    length, _, at = _FIELDS(reader.take(8, "target_info"))
    reader.offset -= 8
    return bool(length) and at >= reader.wire_length


def _first(reader: Reader, *payloads: _Payload) -> int:
    """Where the header ends at the latest."""
    return min((at for at, data in payloads if data), default=reader.wire_length)


def _version(reader: Reader, flags: int, first: int) -> str | None:
    """Major, minor and build of the sender's Windows, `10.0.17763`. [MS-NLMP] 2.2.2.10"""
    if not flags & VERSION or reader.offset + 8 > first:
        return None
    raw = reader.take(8, "version")
    return f"{raw[0]}.{raw[1]}.{raw[2] | raw[3] << 8}"


def _av_pairs(at: int, data: bytes) -> AvPairs:
    """The list may be empty, or end without its last pair. [MS-NLMP] 2.2.2.1

    Some senders write lists that do not hold together; who logs on does not hang on them.
    """
    names: dict[str, str] = {}
    flags, time_ns, bindings, broken = 0, None, False, False
    reader = Reader(data)
    for _ in range(MAX_AV_PAIRS):
        if reader.left < 4:
            break
        kind, length = reader.u16("av_id"), reader.u16("av_len")
        if kind == _AV_END:
            break
        if length > min(reader.left, MAX_TEXT):
            broken = True
            break
        value = reader.take(length, "av_value")
        if kind in _AV_NAMES:
            names.setdefault(_AV_NAMES[kind], _text((at + reader.offset - length, value), unicode=True))
        elif kind == _AV_FLAGS:
            flags = int.from_bytes(value[:4], "little")
        elif kind == _AV_TIME and length == 8:
            time_ns = _time(value)
        elif kind == _AV_BINDINGS:
            bindings = any(value)
    else:
        broken = True
    return AvPairs(**names, flags=flags, time_ns=time_ns, channel_bindings=bindings, broken=broken)


def _time(filetime: bytes) -> int | None:
    """Nanoseconds since 1970; a zero is no time."""
    value = int.from_bytes(filetime, "little")
    return (value - _EPOCH) * 100 if value else None


def _text(name: _Payload, *, unicode: bool) -> str:
    """Bytes that are no text in their character set are shown as what they are."""
    at, raw = name
    if len(raw) > MAX_TEXT:
        raise Malformed("name", at, f"{len(raw)} bytes, {MAX_TEXT} are the most")
    return raw.decode("utf-16-le" if unicode else "latin-1", "backslashreplace")
