"""Connection-oriented RPC PDUs and the bodies that hand out endpoints: mapper, activation, OXID resolution.

[C706] 12.6 and appendix L, [MS-RPCE] 2.2, [MS-DCOM] 2.2; little endian, as Windows writes them.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address
from struct import pack
from typing import NamedTuple
from uuid import UUID

REQUEST, RESPONSE, FAULT, BIND, BIND_ACK, ALTER, ALTER_ACK, AUTH3 = 0, 2, 3, 11, 12, 14, 15, 16
FIRST, LAST, OBJECT = 1, 2, 0x80
MAX_FRAGMENT = 5840
RESPONSE_HEADER = 24
NTLM, SPNEGO = 10, 9
INTEGRITY, PRIVACY = 5, 6
NOT_REGISTERED = 0x16C9A0D6
CLASS_NOT_REGISTERED = 0x80040154


class Syntax(NamedTuple):
    """An interface or a transfer syntax."""

    uuid: UUID
    major: int
    minor: int = 0

    @property
    def packed(self) -> bytes:
        return self.uuid.bytes_le + pack("<HH", self.major, self.minor)


def _syntax(uuid: str, major: int, minor: int = 0) -> Syntax:
    return Syntax(UUID(uuid), major, minor)


NDR32 = _syntax("8a885d04-1ceb-11c9-9fe8-08002b104860", 2)
NDR64 = _syntax("71710533-beba-4937-8319-b5dbef9ccc36", 1)
FEATURES = _syntax("6cb71c2c-9812-4540-0300-000000000000", 1)
_NULL = _syntax("00000000-0000-0000-0000-000000000000", 0)

MAPPER = _syntax("e1af8308-5d1f-11c9-91a4-08002b14a0fa", 3)
ACTIVATOR = _syntax("000001a0-0000-0000-c000-000000000046", 0)
OXID_RESOLVER = _syntax("99fcfec4-5260-101b-bbcb-00aa0021347a", 0)
REM_UNKNOWN2 = _syntax("00000143-0000-0000-c000-000000000046", 0)

EPT_LOOKUP, EPT_MAP = 2, 3
CREATE_INSTANCE = 4
RESOLVE_OXID2, SERVER_ALIVE2 = 4, 5

_IUNKNOWN = UUID("00000000-0000-0000-c000-000000000046")
_CAUSALITY = UUID("2b0f6cf4-6d5e-4a5f-9f35-0d2c6c1f7a10")
_IPID = UUID("00004c00-0a74-0000-5b3e-9d1c22f0a7e1")


class Auth(NamedTuple):
    """The trailer of a PDU."""

    kind: int
    level: int
    token: bytes


def pdu(kind: int, body: bytes, call: int, *, flags: int = FIRST | LAST, auth: Auth | None = None) -> bytes:
    """Header, body, and the trailer where there is one."""
    trailer = b""
    if auth is not None:
        padding = -len(body) % 4
        trailer = bytes(padding) + pack("<BBBBI", auth.kind, auth.level, padding, 0, 0) + auth.token
    length = 16 + len(body) + len(trailer)
    token = len(auth.token) if auth else 0
    return pack("<BBBBIHHI", 5, 0, kind, flags, 0x10, length, token, call) + body + trailer


def bind(
    interface: Syntax, transfers: Sequence[Syntax], *, call: int = 1, context: int = 0, alter: bool = False,
    auth: Auth | None = None,
) -> bytes:  # fmt: skip
    """One context for each transfer syntax, as Windows offers them."""
    body = pack("<HHIB3x", MAX_FRAGMENT, MAX_FRAGMENT, 0, len(transfers))
    for number, transfer in enumerate(transfers, start=context):
        body += pack("<HBB", number, 1, 0) + interface.packed + transfer.packed
    return pdu(ALTER if alter else BIND, body, call, auth=auth)


def bind_ack(
    transfers: Sequence[Syntax], accepted: Syntax, port: int | str, *, call: int = 1, alter: bool = False, group: int = 1,
    auth: Auth | None = None,
) -> bytes:  # fmt: skip
    """The answer to `bind`: one transfer syntax accepted, features acknowledged, the others turned down.

    `port` may be a pipe.
    """
    address = b"" if alter else f"{port}\0".encode()
    body = pack("<HHIH", MAX_FRAGMENT, MAX_FRAGMENT, group, len(address)) + address
    body += bytes(-len(body) % 4) + pack("<B3x", len(transfers))
    for transfer in transfers:
        if transfer == accepted:
            body += pack("<HH", 0, 0) + accepted.packed
        elif transfer == FEATURES:
            body += pack("<HH", 3, 3) + _NULL.packed
        else:
            body += pack("<HH", 2, 2) + _NULL.packed
    return pdu(ALTER_ACK if alter else BIND_ACK, body, call, auth=auth)


def auth3(auth: Auth, *, call: int = 1) -> bytes:
    """The third leg of a logon."""
    return pdu(AUTH3, bytes(4), call, auth=auth)


def request(
    opnum: int, stub: bytes, call: int, *, context: int = 0, instance: UUID | None = None, auth: Auth | None = None
) -> bytes:
    """A call in one fragment."""
    body = pack("<IHH", len(stub), context, opnum) + (instance.bytes_le if instance else b"") + stub
    return pdu(REQUEST, body, call, flags=FIRST | LAST | (OBJECT if instance else 0), auth=auth)


def response(stub: bytes, call: int, *, context: int = 0, auth: Auth | None = None) -> bytes:
    """An answer in one fragment."""
    return pdu(RESPONSE, pack("<IHBx", len(stub), context, 0) + stub, call, auth=auth)


def room(auth: Auth | None, largest: int = MAX_FRAGMENT) -> int:
    """How much of an answer fits into one fragment; a multiple of 16, as ciphers want it."""
    trailer = 8 + len(auth.token) if auth else 0
    return (largest - RESPONSE_HEADER - trailer) // 16 * 16


def fragmented(
    stub: bytes, call: int, *, context: int = 0, auth: Auth | None = None, largest: int = MAX_FRAGMENT
) -> list[bytes]:
    """An answer in as many fragments of at most `largest` bytes as it takes."""
    size = room(auth, largest)
    pieces = [stub[at : at + size] for at in range(0, len(stub), size)]
    left, found = len(stub), []
    for number, piece in enumerate(pieces):
        flags = (FIRST if number == 0 else 0) | (LAST if number == len(pieces) - 1 else 0)
        found.append(pdu(RESPONSE, pack("<IHBx", left, context, 0) + piece, call, flags=flags, auth=auth))
        left -= len(piece)
    return found


def fault(status: int, call: int, *, context: int = 0) -> bytes:
    return pdu(FAULT, pack("<IHBxII", 32, context, 0, status, 0), call)


# --- endpoint mapper


def tower(interface: Syntax, port: int, address: str = "0.0.0.0") -> bytes:
    """Five floors: interface, NDR, connection-oriented RPC, TCP port, IP address."""
    return _tower(interface, (b"\x07", pack(">H", port)), (b"\x09", IPv4Address(address).packed))


def pipe_tower(interface: Syntax, pipe: str, host: str) -> bytes:
    """The same with the name of a pipe, and that of its host."""
    return _tower(interface, (b"\x0f", pipe.encode() + b"\0"), (b"\x11", host.encode() + b"\0"))


def _tower(interface: Syntax, *lower: tuple[bytes, bytes]) -> bytes:
    floors = (
        (b"\x0d" + interface.uuid.bytes_le + pack("<H", interface.major), pack("<H", interface.minor)),
        (b"\x0d" + NDR32.uuid.bytes_le + pack("<H", NDR32.major), pack("<H", NDR32.minor)),
        (b"\x0b", bytes(2)),
        *lower,
    )
    return pack("<H", len(floors)) + b"".join(
        pack("<H", len(left)) + left + pack("<H", len(right)) + right for left, right in floors
    )


def _padded(data: bytes, to: int) -> bytes:
    return data + bytes(-len(data) % to)


def map_request(interface: Syntax, *, wide: bool, wanted: bytes | None = None) -> bytes:
    """ept_map: who serves this interface over TCP, or as another tower has it?"""
    wanted, word = wanted or tower(interface, 135), "<Q" if wide else "<I"
    stub = pack(word, 1) + bytes(16) + pack(word, 2) + pack(word, len(wanted)) + pack("<I", len(wanted)) + wanted
    return _padded(stub, 4) + bytes(20) + pack("<I", 4)


def map_response(towers: Sequence[bytes], *, wide: bool, status: int = 0) -> bytes:
    """The towers that were found, or a status."""
    word, to = ("<Q", 8) if wide else ("<I", 4)
    stub = bytes(20) + pack("<I", len(towers)) + pack(word, 4) + pack(word, 0) + pack(word, len(towers))
    stub += b"".join(pack(word, 3 + number) for number in range(len(towers)))
    for one in towers:
        stub = _padded(stub, to) + pack(word, len(one)) + pack("<I", len(one)) + one
    return _padded(stub, 4) + pack("<I", status)


def lookup_request() -> bytes:
    """ept_lookup of everything."""
    return pack("<IIIII", 0, 0, 0, 0, 1) + bytes(20) + pack("<I", 500)


def lookup_response(towers: Sequence[bytes]) -> bytes:
    """All entries at once, NDR32."""
    stub = bytes(20) + pack("<IIII", len(towers), 500, 0, len(towers))
    for number in range(len(towers)):
        stub += bytes(16) + pack("<III", 3 + number, 0, 4) + b"svc\x00"
    for one in towers:
        stub = _padded(stub, 4) + pack("<II", len(one), len(one)) + one
    return _padded(stub, 4) + pack("<I", 0)


# --- DCOM


def orpc_this() -> bytes:
    return pack("<HHII", 5, 7, 0, 0) + _CAUSALITY.bytes_le + bytes(4)


def orpc_that() -> bytes:
    return bytes(8)


def instance(number: int) -> UUID:
    """An IPID."""
    return UUID(int=_IPID.int + number)


def _dual_strings(bindings: Sequence[str]) -> bytes:
    """DUALSTRINGARRAY: TCP string bindings and one security binding."""
    strings = b"".join(pack("<H", 7) + one.encode("utf-16-le") + bytes(2) for one in bindings) + bytes(2)
    security = pack("<HH", 10, 0xFFFF) + "host/server".encode("utf-16-le") + bytes(4)
    return pack("<HH", (len(strings) + len(security)) // 2, len(strings) // 2) + strings + security


def _serialized(data: bytes) -> bytes:
    body = _padded(data, 8)
    return pack("<BBHIII", 1, 0x10, 8, 0xCCCCCCCC, len(body), 0) + body


def _com(number: int) -> bytes:
    return UUID(f"{number:08x}-0000-0000-c000-000000000046").bytes_le


_INSTANTIATION, _SCM_REQUEST, _SCM_REPLY = _com(0x1AB), _com(0x1AA), _com(0x1B6)
_PROPERTIES_IN, _PROPERTIES_OUT = _com(0x1A2), _com(0x1A3)
_UNMARSHAL_IN, _UNMARSHAL_OUT = _com(0x338), _com(0x339)


def _activation_blob(iid: bytes, unmarshaler: bytes, properties: Sequence[tuple[bytes, bytes]]) -> bytes:
    """OBJREF_CUSTOM with activation properties, as a marshaled interface pointer."""
    bodies = [_serialized(data) for _, data in properties]
    count = len(properties)
    size = 16 + 20 + 16 + 12 + 4 + 16 * count + 4 + 4 * count
    size += -size % 8
    header = pack("<IIIII", size + sum(map(len, bodies)), size, 0, 2, count) + bytes(16)
    header += pack("<III", 0x20000, 0x20004, 0) + pack("<I", count) + b"".join(one for one, _ in properties)
    header += pack("<I", count) + b"".join(pack("<I", len(body)) for body in bodies)
    data = _serialized(header) + b"".join(bodies)
    reference = b"MEOW" + pack("<I", 4) + iid + unmarshaler + pack("<II", 0, len(data) + 8) + pack("<II", len(data), 0)
    reference += data
    return pack("<I", 0x20000) + _padded(pack("<II", len(reference), len(reference)) + reference, 4)


def create_instance(clsid: UUID) -> bytes:
    """RemoteCreateInstance of one interface."""
    info = clsid.bytes_le + pack("<IIIIII", 0x14, 0, 0, 1, 0, 0x20000) + pack("<IHH", 88, 5, 7)
    info += pack("<I", 1) + _IUNKNOWN.bytes_le
    wanted = pack("<II", 0, 0x20000) + pack("<IHHI", 2, 1, 0, 0x20004) + pack("<IH", 1, 7)
    properties = ((_INSTANTIATION, info), (_SCM_REQUEST, wanted))
    return orpc_this() + bytes(4) + _activation_blob(_PROPERTIES_IN, _UNMARSHAL_IN, properties)


def created(bindings: Sequence[str], oxid: int) -> bytes:
    """The answer: where the object's process listens."""
    ipid = _IPID.bytes_le
    plain = [one.partition("[")[0] for one in bindings]
    reference = b"MEOW" + pack("<I", 1) + _IUNKNOWN.bytes_le + pack("<IIQQ", 0, 5, oxid, 0x51F0A2)
    reference += ipid + _dual_strings(plain)
    out = pack("<IIIII", 1, 0x20000, 0x20004, 0x20008, 1) + _IUNKNOWN.bytes_le + pack("<II", 1, 0)
    out += pack("<II", 1, 0x2000C) + pack("<II", len(reference), len(reference)) + reference
    array = _dual_strings(bindings)
    reply = pack("<II", 0, 0x20000) + pack("<QI", oxid, 0x20004) + ipid + pack("<IHH", 5, 5, 7)
    reply += pack("<I", (len(array) - 4) // 2) + array
    blob = _activation_blob(_PROPERTIES_OUT, _UNMARSHAL_OUT, ((_UNMARSHAL_OUT, out), (_SCM_REPLY, reply)))
    return orpc_that() + blob + bytes(4)


def not_created(status: int) -> bytes:
    return orpc_that() + pack("<II", 0, status)


def resolve_request(oxid: int) -> bytes:
    """ResolveOxid2 for TCP."""
    return pack("<QHHIH", oxid, 1, 0, 1, 7)


def resolved(bindings: Sequence[str]) -> bytes:
    array = _dual_strings(bindings)
    stub = _padded(pack("<II", 0x20000, (len(array) - 4) // 2) + array, 4)
    return stub + _IPID.bytes_le + pack("<IHHI", 5, 5, 7, 0)


def alive(addresses: Sequence[str]) -> bytes:
    """ServerAlive2: addresses without ports."""
    array = _dual_strings(addresses)
    return _padded(pack("<HHI", 5, 7, 0x20000) + pack("<I", (len(array) - 4) // 2) + array, 4) + bytes(8)
