"""Security tokens, as our own encoders make them: DER, NTLM, Kerberos, SPNEGO."""

from collections.abc import Sequence
from struct import pack

KERBEROS = bytes.fromhex("2a864886f712010202")
MS_KERBEROS = bytes.fromhex("2a864882f712010202")
NTLM = bytes.fromhex("2b06010401823702020a")
SPNEGO = bytes.fromhex("2b0601050502")
UNICODE, EXTENDED, TARGET_INFO, VERSION = 0x1, 0x80000, 0x800000, 0x2000000
WINDOWS = pack("<BBH4x", 10, 0, 17763)[:7] + b"\x0f"


def der(tag: int, *contents: bytes) -> bytes:
    """An element, its length as short as it can be."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def field(number: int, *contents: bytes) -> bytes:
    return der(0xA0 | number, *contents)


def sequence(*contents: bytes) -> bytes:
    return der(0x30, *contents)


def integer(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def text(value: str) -> bytes:
    return der(0x1B, value.encode())


def principal(name: str, kind: int = 2) -> bytes:
    return sequence(field(0, integer(kind)), field(1, sequence(*(text(part) for part in name.split("/")))))


def encrypted(etype: int, kvno: int | None = None, size: int = 300) -> bytes:
    version = b"" if kvno is None else field(1, integer(kvno))
    return sequence(field(0, integer(etype)), version, field(2, der(0x04, bytes(size))))


def ticket(realm: str = "LAB.EXAMPLE", server: str = "RPCSS/dc1", etype: int = 18, kvno: int | None = 3) -> bytes:
    names = field(1, text(realm)), field(2, principal(server))
    return der(0x61, sequence(field(0, integer(5)), *names, field(3, encrypted(etype, kvno))))


def message(kind: int, *fields: bytes, first: int = 0) -> bytes:
    """[APPLICATION kind], whose fields `first` and the next are version and type."""
    return der(0x60 | kind, sequence(field(first, integer(5)), field(first + 1, integer(kind)), *fields))


def ap_req(options: int = 0x20000000, **of_ticket: str | int) -> bytes:
    flags = der(0x03, b"\x00", pack(">I", options))
    whose = ticket(**of_ticket)  # type: ignore[arg-type]  # the names of its parameters
    return message(14, field(2, flags), field(3, whose), field(4, encrypted(18)))


def ap_rep() -> bytes:
    return message(15, field(2, encrypted(18, size=80)))


def kdc_req(
    kind: int = 10, client: str | None = "anna", server: str | None = "krbtgt/LAB.EXAMPLE",
    etypes: Sequence[int] = (18, 17, -135), padata: Sequence[int] = (2, 128),
) -> bytes:  # fmt: skip
    data = [sequence(field(1, integer(one)), field(2, der(0x04, b"\x30\x00"))) for one in padata]
    body = sequence(
        field(0, der(0x03, b"\x00", pack(">I", 0x40810010))),
        field(1, principal(client, 1)) if client else b"",
        field(2, text("LAB.EXAMPLE")),
        field(3, principal(server)) if server else b"",
        field(5, der(0x18, b"20370913024805Z")),
        field(7, integer(12345)),
        field(8, sequence(*(integer(one) for one in etypes))),
    )
    return message(kind, field(3, sequence(*data)), field(4, body), first=1)


def kdc_rep(kind: int = 11, etype: int = 18) -> bytes:
    names = field(3, text("LAB.EXAMPLE")), field(4, principal("anna", 1))
    return message(kind, *names, field(5, ticket(server="krbtgt/LAB.EXAMPLE")), field(6, encrypted(etype, 2)))


def krb_error(
    code: int, *, stime: bytes = b"20260301120000Z", susec: int = 5, cname: str | None = None, data: bytes | None = None
) -> bytes:
    return message(
        30,
        field(4, der(0x18, stime)),
        field(5, integer(susec)),
        field(6, integer(code)),
        field(7, text("LAB.EXAMPLE")) + field(8, principal(cname, 1)) if cname else b"",
        field(9, text("LAB.EXAMPLE")),
        field(10, principal("RPCSS/dc1")),
        b"" if data is None else field(12, der(0x04, data)),
    )


def gss(mech: bytes, *token: bytes) -> bytes:
    return der(0x60, der(0x06, mech), *token)


def neg_token_init(
    mechs: Sequence[bytes], token: bytes | None = None, *, hints: bool = False, mic: bool = False
) -> bytes:
    hint = field(3, sequence(field(0, text("not_defined_in_RFC4178@please_ignore")))) if hints else b""
    inside = sequence(
        field(0, sequence(*(der(0x06, mech) for mech in mechs))),
        b"" if token is None else field(2, der(0x04, token)),
        hint,
        field(4 if hints else 3, der(0x04, bytes(16))) if mic else b"",
    )
    return gss(SPNEGO, field(0, inside))


def neg_token_resp(
    state: int | None = None, mech: bytes | None = None, token: bytes | None = None, *, mic: bool = False
) -> bytes:
    return field(
        1,
        sequence(
            b"" if state is None else field(0, der(0x0A, bytes([state]))),
            b"" if mech is None else field(1, der(0x06, mech)),
            b"" if token is None else field(2, der(0x04, token)),
            field(3, der(0x04, bytes(16))) if mic else b"",
        ),
    )


def av_pairs(*pairs: tuple[int, bytes], end: bool = True) -> bytes:
    return b"".join(pack("<HH", kind, len(value)) + value for kind, value in pairs) + bytes(4 if end else 0)


def wide(value: str) -> bytes:
    return value.encode("utf-16-le")


def negotiate(domain: bytes = b"", workstation: bytes = b"", flags: int = UNICODE | VERSION) -> bytes:
    flags |= (0x1000 if domain else 0) | (0x2000 if workstation else 0)
    head = b"NTLMSSP\x00" + pack("<II", 1, flags)
    places = _places(40, domain, workstation)
    return head + b"".join(places) + WINDOWS + domain + workstation


def challenge(target: str = "LAB", info: bytes = b"", flags: int = UNICODE | TARGET_INFO | VERSION) -> bytes:
    name = wide(target)
    first, second = _places(56, name, info)
    return (
        b"NTLMSSP\x00"
        + pack("<I", 2)
        + first
        + pack("<I", flags)
        + b"8 bytes!"
        + bytes(8)
        + second
        + WINDOWS
        + name
        + info
    )


def authenticate(
    user: str = "anna", domain: str = "LAB", workstation: str = "WS1", *, lm: bytes = bytes(24), nt: bytes = bytes(24),
    key: bytes = bytes(16), flags: int = UNICODE | VERSION, mic: bytes = b"m" * 16, names_first: bool = False,
) -> bytes:  # fmt: skip
    """Windows writes the names first, others in the order of the header."""
    parts = lm, nt, wide(domain), wide(user), wide(workstation), key
    order = (2, 3, 4, 0, 1, 5) if names_first else range(6)
    written = [parts[place] for place in order]
    places = dict(zip(order, _places(72 + len(mic), *written), strict=True))
    head = b"NTLMSSP\x00" + pack("<I", 3) + b"".join(places[place] for place in range(6))
    return head + pack("<I", flags) + WINDOWS + mic + b"".join(written)


def ntlmv2(pairs: bytes) -> bytes:
    """An NTLMv2 response that carries these AV pairs."""
    return bytes(16) + b"\x01\x01" + bytes(26) + pairs + bytes(4)


def _places(at: int, *parts: bytes) -> list[bytes]:
    places = []
    for part in parts:
        places.append(pack("<HHI", len(part), len(part), at))
        at += len(part)
    return places
