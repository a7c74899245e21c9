"""Connection-oriented PDUs, as our own struct encoders make them: the counterpart of `rpcdiag.dissect`."""

from collections.abc import Sequence
from struct import pack
from uuid import UUID

EPM = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
NDR32 = ("8a885d04-1ceb-11c9-9fe8-08002b104860", 2)
NDR64 = ("71710533-beba-4937-8319-b5dbef9ccc36", 1)
FEATURES = ("6cb71c2c-9812-4540-0300-000000000000", 1)
NOTHING = ("00000000-0000-0000-0000-000000000000", 0)
NOT_REGISTERED = 0x16C9A0D6

REQUEST, RESPONSE, FAULT, BIND, BIND_ACK, BIND_NAK, ALTER, ALTER_RESP, AUTH3 = 0, 2, 3, 11, 12, 13, 14, 15, 16


def uuid(text: str, *, big: bool = False) -> bytes:
    return UUID(text).bytes if big else UUID(text).bytes_le


def version(text: str) -> int:
    major, _, minor = text.partition(".")
    return int(major) | int(minor or 0) << 16


def pdu(
    kind: int, body: bytes, *, call_id: int = 1, flags: int = 3, auth: tuple[int, int, bytes] | None = None,
    auth_context: int = 0, big: bool = False,
) -> bytes:  # fmt: skip
    """A PDU; `auth` is type, level, token. The body is padded to 4 before the trailer."""
    order = ">" if big else "<"
    trailer, token = b"", b""
    if auth is not None:
        kind_of_auth, level, token = auth
        padding = -len(body) % 4
        trailer = bytes(padding) + pack(order + "BBBBI", kind_of_auth, level, padding, 0, auth_context)
    length = 16 + len(body) + len(trailer) + len(token)
    representation = b"\x00\x00\x00\x00" if big else b"\x10\x00\x00\x00"
    head = pack("BBBB", 5, 0, kind, flags) + representation + pack(order + "HHI", length, len(token), call_id)
    return head + body + trailer + token


Offer = tuple[str, str, Sequence[tuple[str, int]]]  # interface, version, transfer syntaxes


def contexts(interface: str, of_version: str) -> list[Offer]:
    """What Windows offers: NDR32, NDR64 and the feature element."""
    return [(interface, of_version, [one]) for one in (NDR32, NDR64, FEATURES)]


def bind(
    offers: Sequence[Offer], *, call_id: int = 1, alter: bool = False, group: int = 0, first_context: int = 0,
    auth: tuple[int, int, bytes] | None = None, big: bool = False,
) -> bytes:  # fmt: skip
    order = ">" if big else "<"
    body = pack(order + "HHIBBH", 5840, 5840, group, len(offers), 0, 0)
    for number, (interface, of_version, transfers) in enumerate(offers, start=first_context):
        body += pack(order + "HBB", number, len(transfers), 0) + uuid(interface, big=big)
        body += pack(order + "I", version(of_version))
        for transfer, of in transfers:
            body += uuid(transfer, big=big) + pack(order + "I", of)
    return pdu(ALTER if alter else BIND, body, call_id=call_id, auth=auth, big=big)


ACCEPTED_64 = ((2, 2, NOTHING), (0, 0, NDR64), (3, 3, NOTHING))  # to the three that Windows offers
ACCEPTED_32 = ((0, 0, NDR32),)
UNSUPPORTED = ((2, 1, NOTHING),)


def bind_ack(
    results: Sequence[tuple[int, int, tuple[str, int]]], address: str, *, call_id: int = 1, alter: bool = False,
    auth: tuple[int, int, bytes] | None = None, big: bool = False,
) -> bytes:  # fmt: skip
    order = ">" if big else "<"
    name = address.encode() + b"\x00" if address else b""
    body = pack(order + "HHIH", 5840, 5840, 0x1234, len(name)) + name
    body += bytes(-(16 + len(body)) % 4) + pack(order + "BBH", len(results), 0, 0)
    for result, reason, (transfer, of) in results:
        body += pack(order + "HH", result, reason) + uuid(transfer, big=big) + pack(order + "I", of)
    return pdu(ALTER_RESP if alter else BIND_ACK, body, call_id=call_id, auth=auth, big=big)


def bind_nak(reason: int, *, call_id: int = 1) -> bytes:
    return pdu(BIND_NAK, pack("<HBBBBH", reason, 1, 5, 0, 0, 0)[:6], call_id=call_id)


def auth3(token: bytes, *, call_id: int = 1, kind: int = 10, level: int = 5) -> bytes:
    return pdu(AUTH3, bytes(4), call_id=call_id, auth=(kind, level, token))


def request(
    opnum: int, stub: bytes, *, call_id: int = 2, context: int = 0, instance: str | None = None,
    auth: tuple[int, int, bytes] | None = None, flags: int = 3, big: bool = False,
) -> bytes:  # fmt: skip
    order = ">" if big else "<"
    body = pack(order + "IHH", len(stub), context, opnum) + (uuid(instance, big=big) if instance else b"") + stub
    return pdu(REQUEST, body, call_id=call_id, flags=flags | (0x80 if instance else 0), auth=auth, big=big)


def response(
    stub: bytes, *, call_id: int = 2, context: int = 0, auth: tuple[int, int, bytes] | None = None, flags: int = 3,
    big: bool = False,
) -> bytes:  # fmt: skip
    order = ">" if big else "<"
    return pdu(RESPONSE, pack(order + "IHBB", len(stub), context, 0, 0) + stub, call_id=call_id, flags=flags, auth=auth,
               big=big)  # fmt: skip


def fragments(stub: bytes, size: int, *, call_id: int = 2) -> list[bytes]:
    """The response PDUs of one answer of several fragments."""
    pieces = [stub[at : at + size] for at in range(0, len(stub), size)]
    last = len(pieces) - 1
    return [
        response(piece, call_id=call_id, flags=(1 if number == 0 else 0) | (2 if number == last else 0))
        for number, piece in enumerate(pieces)
    ]


def fault(status: int, *, call_id: int = 2, context: int = 0, flags: int = 3, extended: bytes = b"") -> bytes:
    body = pack("<IHBBII", 32, context, 0, 1 if extended else 0, status, 0) + extended
    return pdu(FAULT, body, call_id=call_id, flags=flags)


def extended_error(computer: str, component: int, status: int, location: int, *, time_ns: int = 0) -> bytes:
    """One record of extended error information, without parameters. [MS-EERR] 2.2.1.8"""
    name = computer.encode("utf-16-le") + b"\0\0"
    record = pack("<IIIHHHHII", 0x20000, 0, 0, 1, 1, len(name) // 2, 0, 0x20004, 684) + bytes(4)
    record += pack("<QIIHHI", time_ns // 100 + 116_444_736_000_000_000, component, status, location, 0, 0)
    return _serialized(record + pack("<I", len(name) // 2) + name)


# --- the endpoint mapper


def _tower(interface: str, of_version: str, *lower: tuple[bytes, bytes]) -> bytes:
    major, _, minor = of_version.partition(".")
    floors = [
        (b"\x0d" + uuid(interface) + pack("<H", int(major)), pack("<H", int(minor or 0))),
        (b"\x0d" + uuid(NDR32[0]) + pack("<H", 2), pack("<H", 0)),
        *lower,
    ]
    out = pack("<H", len(floors))
    for left, right in floors:
        out += pack("<H", len(left)) + left + pack("<H", len(right)) + right
    return out


def _ip(address: str) -> tuple[bytes, bytes]:
    if ":" in address:  # there is room for an IPv4 address only
        address = "0.0.0.0"
    return b"\x09", bytes(int(part) for part in address.split("."))


def tower(interface: str, of_version: str, port: int, address: str) -> bytes:
    """The usual tower of five floors."""
    return _tower(interface, of_version, (b"\x0b", pack("<H", 0)), (b"\x07", pack(">H", port)), _ip(address))


def udp_tower(interface: str, of_version: str, port: int, address: str) -> bytes:
    """ncadg_ip_udp."""
    return _tower(interface, of_version, (b"\x0a", pack("<H", 0)), (b"\x08", pack(">H", port)), _ip(address))


def http_tower(interface: str, of_version: str, port: int, address: str) -> bytes:
    """ncacn_http."""
    return _tower(interface, of_version, (b"\x0b", pack("<H", 0)), (b"\x1f", pack(">H", port)), _ip(address))


def pipe_tower(interface: str, of_version: str, pipe: str, host: str) -> bytes:
    """ncacn_np: the pipe as `\\PIPE\\name`, the host as `\\\\name`."""
    floors = (b"\x0f", pipe.encode() + b"\x00"), (b"\x11", host.encode() + b"\x00")
    return _tower(interface, of_version, (b"\x0b", pack("<H", 0)), *floors)


def _aligned(data: bytes, to: int) -> bytes:
    return data + bytes(-len(data) % to)


def map_request(wanted: bytes, *, wide: bool = False) -> bytes:
    count = "<Q" if wide else "<I"
    stub = pack(count, 1) + bytes(16) + pack(count, 2) + pack(count, len(wanted)) + pack("<I", len(wanted)) + wanted
    return _aligned(stub, 4) + bytes(20) + pack("<I", 4)


def map_response(towers: Sequence[bytes], status: int = 0, *, wide: bool = False) -> bytes:
    count, to = ("<Q", 8) if wide else ("<I", 4)
    stub = bytes(20) + pack("<I", len(towers)) + pack(count, 4) + pack(count, 0) + pack(count, len(towers))
    for number in range(len(towers)):
        stub += pack(count, 3 + number)
    for one in towers:
        stub = _aligned(stub, to) + pack(count, len(one)) + pack("<I", len(one)) + one
    return _aligned(stub, 4) + pack("<I", status)


def lookup_response(towers: Sequence[bytes], status: int = 0) -> bytes:
    stub = bytes(20) + pack("<IIII", len(towers), 500, 0, len(towers))
    for number in range(len(towers)):
        stub += bytes(16) + pack("<I", 3 + number) + pack("<II", 0, 4) + b"abc\x00"
    for one in towers:
        stub = _aligned(stub, 4) + pack("<II", len(one), len(one)) + one
    return _aligned(stub, 4) + pack("<I", status)


# --- DCOM

SCM = "000001a0-0000-0000-c000-000000000046"
OXID_RESOLVER = "99fcfec4-5260-101b-bbcb-00aa0021347a"
REM_UNKNOWN2 = "00000143-0000-0000-c000-000000000046"
CAUSALITY = "6f1a2b3c-4d5e-4f60-8172-839405a6b7c8"
_IN, _OUT = "000001a2-0000-0000-c000-000000000046", "000001a3-0000-0000-c000-000000000046"
_IN_CLASS, _OUT_CLASS = "00000338-0000-0000-c000-000000000046", "00000339-0000-0000-c000-000000000046"
_INSTANTIATION = "000001ab-0000-0000-c000-000000000046"
_IUNKNOWN = "00000000-0000-0000-c000-000000000046"
_SCM_REQUEST = "000001aa-0000-0000-c000-000000000046"
_SCM_REPLY = "000001b6-0000-0000-c000-000000000046"
_PROPS_OUT = "00000339-0000-0000-c000-000000000046"
IPID = "0000c000-0530-0000-7d85-1122334455aa"


def orpcthis() -> bytes:
    return pack("<HHII", 5, 7, 0, 0) + uuid(CAUSALITY) + pack("<I", 0)


def orpcthat() -> bytes:
    return pack("<II", 0, 0)


def dual_strings(bindings: Sequence[str], principal: str = "NT AUTHORITY\\SYSTEM") -> bytes:
    """A DUALSTRINGARRAY, from wNumEntries on; every binding is one of ncacn_ip_tcp."""
    strings = b"".join(pack("<H", 7) + text.encode("utf-16-le") + b"\0\0" for text in bindings) + b"\0\0"
    security = pack("<HH", 10, 0xFFFF) + principal.encode("utf-16-le") + b"\0\0" + b"\0\0"
    return pack("<HH", (len(strings) + len(security)) // 2, len(strings) // 2) + strings + security


def _serialized(data: bytes) -> bytes:
    """Type serialization version 1: two headers, then the data padded to 8. [MS-RPCE] 2.2.6"""
    body = _aligned(data, 8)
    return pack("<BBHIII", 1, 0x10, 8, 0xCCCCCCCC, len(body), 0) + body


def _blob(iid: str, clsid: str, properties: Sequence[tuple[str, bytes]]) -> bytes:
    """An OBJREF_CUSTOM that holds activation properties. [MS-DCOM] 2.2.22"""
    bodies = [_serialized(data) for _, data in properties]
    count = len(properties)
    header_size = 16 + 20 + 16 + 12 + 4 + 16 * count + 4 + 4 * count
    header_size += -header_size % 8
    total = header_size + sum(len(body) for body in bodies)
    header = pack("<IIIII", total, header_size, 0, 2, count) + uuid("00000000-0000-0000-0000-000000000000")
    header += pack("<III", 0x20000, 0x20004, 0) + pack("<I", count) + b"".join(uuid(one) for one, _ in properties)
    header += pack("<I", count) + b"".join(pack("<I", len(body)) for body in bodies)
    data = _serialized(header) + b"".join(bodies)
    objref = b"MEOW" + pack("<I", 4) + uuid(iid) + uuid(clsid) + pack("<II", 0, len(data) + 8)
    return objref + pack("<II", len(data), 0) + data


def pointed(objref: bytes) -> bytes:
    """An interface pointer, with its referent."""
    return pack("<I", 0x20000) + _aligned(pack("<II", len(objref), len(objref)) + objref, 4)


def create_instance_request(clsid: str, iids: Sequence[str]) -> bytes:
    """RemoteCreateInstance, opnum 4."""
    info = uuid(clsid) + pack("<IIIIII", 0x14, 0, 0, len(iids), 0, 0x20000) + pack("<IHH", 88, 5, 7)
    info += pack("<I", len(iids)) + b"".join(uuid(iid) for iid in iids)
    wanted = pack("<II", 0, 0x20000) + pack("<IHHI", 2, 1, 0, 0x20004) + pack("<IH", 1, 7)
    properties = [(_INSTANTIATION, info), (_SCM_REQUEST, wanted)]
    return orpcthis() + pack("<I", 0) + pointed(_blob(_IN, _IN_CLASS, properties))


def objref(iid: str, oxid: int, bindings: Sequence[str]) -> bytes:
    """A standard object reference; its bindings are the resolver's, without ports. [MS-DCOM] 2.2.18.4"""
    head = b"MEOW" + pack("<I", 1) + uuid(iid) + pack("<IIQQ", 0, 5, oxid, 0x0A0B0C0D)
    return head + uuid(IPID) + dual_strings(bindings)


def create_instance_response(bindings: Sequence[str], *, oxid: int = 0x1122334455667788, status: int = 0) -> bytes:
    """The answer, with the bindings of the object's process; none where it failed."""
    if status:
        return orpcthat() + pack("<II", 0, status)
    reference = objref(_IUNKNOWN, oxid, [text.partition("[")[0] for text in bindings])
    out = pack("<IIII", 1, 0x20000, 0x20004, 0x20008) + pack("<I", 1) + uuid(_IUNKNOWN) + pack("<II", 1, 0)
    out += pack("<II", 1, 0x2000C) + pack("<II", len(reference), len(reference)) + reference
    reply = pack("<II", 0, 0x20000) + pack("<QI", oxid, 0x20004) + uuid(IPID) + pack("<IHH", 5, 5, 7)
    array = dual_strings(bindings)
    reply += pack("<I", (len(array) - 4) // 2) + array
    properties = [(_PROPS_OUT, out), (_SCM_REPLY, reply)]
    return orpcthat() + pointed(_blob(_OUT, _OUT_CLASS, properties)) + pack("<I", 0)


def alive_response(bindings: Sequence[str]) -> bytes:
    """ServerAlive2, opnum 5: resolver bindings, without ports."""
    array = dual_strings(bindings)
    stub = pack("<HHI", 5, 7, 0x20000) + pack("<I", (len(array) - 4) // 2) + array
    return _aligned(stub, 4) + pack("<II", 0, 0)


def resolve_request(oxid: int = 0x1122334455667788) -> bytes:
    """ResolveOxid2, opnum 4."""
    return pack("<QHHIH", oxid, 1, 0, 1, 7)


def resolve_response(bindings: Sequence[str], status: int = 0) -> bytes:
    array = dual_strings(bindings)
    stub = pack("<I", 0x20000) + pack("<I", (len(array) - 4) // 2) + array
    return _aligned(stub, 4) + uuid(IPID) + pack("<IHHI", 5, 5, 7, status)
