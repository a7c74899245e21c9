"""What DCOM puts into stubs: string bindings, object references, the words before and after every call.

[MS-DCOM] 2.2
"""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import Malformed

MAX_UNITS = 8192  # of 16 bits in a DUALSTRINGARRAY
MAX_BINDINGS = 128

_PROTSEQS = {
    0x07: "ncacn_ip_tcp",
    0x08: "ncadg_ip_udp",
    0x0F: "ncacn_np",
    0x10: "ncalrpc",
    0x11: "ncacn_nb_nb",
    0x1F: "ncacn_http",
}
_MEOW = b"MEOW"
OBJREF_STANDARD = 1
OBJREF_HANDLER = 2
OBJREF_CUSTOM = 4
OBJREF_EXTENDED = 8


class StringBinding(NamedTuple):
    """`text` as it was sent: `host[49670]`, `10.0.0.1[49670]`, `\\\\HOST[\\PIPE\\atsvc]`, or a name without brackets."""

    protseq: str
    text: str
    host: str
    endpoint: str | None

    @property
    def port(self) -> int | None:
        if self.protseq not in ("ncacn_ip_tcp", "ncadg_ip_udp", "ncacn_http") or not self.endpoint:
            return None
        digits = self.endpoint if self.endpoint.isascii() and self.endpoint.isdigit() else ""
        return int(digits) if digits and len(digits) <= 5 and int(digits) <= 65535 else None

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The host, where it is an address and not a name."""
        for kind in (IPv4Address, IPv6Address):
            try:
                return kind(self.host)
            except ValueError:
                continue
        return None


class SecurityBinding(NamedTuple):
    """[MS-DCOM] 2.2.19.4: who the server says it is."""

    service: int
    principal: str


class DualStrings(NamedTuple):
    """DUALSTRINGARRAY. [MS-DCOM] 2.2.19.1"""

    strings: tuple[StringBinding, ...]
    security: tuple[SecurityBinding, ...]


class Objref(NamedTuple):
    """An object reference; which fields are filled depends on its kind. [MS-DCOM] 2.2.18"""

    kind: int
    iid: str
    oxid: int | None
    oid: int | None
    ipid: str | None
    resolver: DualStrings | None
    clsid: str | None
    custom: bytes
    custom_length: int  # on the wire


def decode_dual_strings(reader: Reader) -> DualStrings:
    """From wNumEntries on; NDR's count before it has been read.

    Raises:
        DecodeError: as everywhere.
    """
    units, security_at = reader.u16("num_entries"), reader.u16("security_offset")
    if units > MAX_UNITS or security_at > units:
        raise Malformed("num_entries", reader.offset - 4, f"{units} units, security bindings at {security_at}")
    words = reader.take(units * 2, "string_array")
    order = "big" if reader.big else "little"
    array = [int.from_bytes(words[at : at + 2], order) for at in range(0, len(words), 2)]  # type: ignore[arg-type]  # one of the two words
    strings = tuple(_string_binding(tower, text) for tower, text in _texts(array[:security_at], 1))
    security = tuple(SecurityBinding(service, text) for service, text in _texts(array[security_at:], 2))
    return DualStrings(strings, security)


def _texts(array: list[int], skip: int) -> list[tuple[int, str]]:
    """Entries of a number, `skip - 1` reserved numbers and a text that a zero ends; a zero ends the list."""
    found: list[tuple[int, str]] = []
    at = 0
    while at < len(array) and array[at] and len(found) < MAX_BINDINGS:
        end = at + skip
        while end < len(array) and array[end]:
            end += 1
        text = "".join(chr(unit) if not 0xD800 <= unit < 0xE000 else "\ufffd" for unit in array[at + skip : end])
        found.append((array[at], text))
        at = end + 1
    return found


def _string_binding(tower: int, text: str) -> StringBinding:
    host, bracket, rest = text.partition("[")
    # the text escapes backslashes: `\\\\HOST[\\PIPE\\x]`
    endpoint = rest.rstrip("]").replace("\\\\", "\\") if bracket else None
    return StringBinding(_PROTSEQS.get(tower, f"protseq-{tower:#x}"), text, host.lstrip("\\"), endpoint)


def decode_pointed_dual_strings(ndr: Ndr) -> DualStrings:
    """A DUALSTRINGARRAY behind a pointer: its conformance comes first.

    Raises:
        DecodeError: as everywhere.
    """
    ndr.count("dual_string_max", MAX_UNITS)
    return decode_dual_strings(ndr)


def skip_orpcthat(ndr: Ndr) -> None:
    """ORPCTHAT, before the results of every call. [MS-DCOM] 2.2.13.4"""
    ndr.long("orpcthat_flags")
    if ndr.pointer("extensions_ptr"):
        _skip_extensions(ndr)


def skip_orpcthis(ndr: Ndr) -> str:
    """ORPCTHIS, before the arguments of every call; returns the causality id. [MS-DCOM] 2.2.13.3"""
    major = ndr.u16("com_version_major")
    if major != 5:
        raise Malformed("com_version_major", ndr.offset - 2, f"COM version {major}")
    ndr.u16("com_version_minor")
    ndr.skip(8, "orpcthis_flags")
    causality = ndr.guid("causality_id")
    if ndr.pointer("extensions_ptr"):
        _skip_extensions(ndr)
    return causality


def _skip_extensions(ndr: Ndr) -> None:
    """ORPC_EXTENT_ARRAY and what it points to. [MS-DCOM] 2.2.13.2"""
    ndr.long("extent_count")
    ndr.long("reserved")
    if not ndr.pointer("extents_ptr"):
        return
    count = ndr.count("extent_max", 64)
    present = [ndr.pointer("extent_ptr") for _ in range(count)]
    for pointer in present:
        if pointer:
            size = ndr.count("extent_data_max", 1 << 16)
            ndr.guid("extent_id")
            ndr.long("extent_size")
            ndr.skip(size, "extent_data")


def decode_interface_pointer(ndr: Ndr) -> Objref:
    """MInterfacePointer behind a pointer: conformance, length, an object reference. [MS-DCOM] 2.2.14

    Raises:
        DecodeError: as everywhere.
    """
    ndr.count("interface_data_max", 1 << 22)
    length = ndr.long("interface_data_length")
    at = ndr.offset
    if length > 1 << 22:
        raise Malformed("interface_data_length", at - 4, f"{length} bytes")
    if length > ndr.left:
        raise Malformed("interface_data_length", at - 4, f"{length} bytes where {ndr.left} are left")
    objref = decode_objref(Reader(ndr.rest()[:length], length))
    ndr.offset = at + length
    return objref


def decode_objref(reader: Reader) -> Objref:
    """An OBJREF, little-endian whatever the PDU. [MS-DCOM] 2.2.18

    Raises:
        DecodeError: as everywhere.
    """
    if reader.take(4, "signature") != _MEOW:
        raise Malformed("signature", reader.offset - 4, "no MEOW")
    kind, iid = reader.u32("objref_flags"), reader.uuid("iid")
    if kind == OBJREF_CUSTOM:
        clsid = reader.uuid("clsid")
        reader.skip(8, "extension")
        length = reader.left
        return Objref(kind, iid, None, None, None, None, clsid, reader.rest(), length)
    if kind not in (OBJREF_STANDARD, OBJREF_HANDLER, OBJREF_EXTENDED):
        raise Malformed("objref_flags", 4, f"kind {kind}")
    reader.skip(8, "std_flags")
    oxid, oid, ipid = reader.u64("oxid"), reader.u64("oid"), reader.uuid("ipid")
    handler = reader.uuid("clsid") if kind == OBJREF_HANDLER else None
    if kind == OBJREF_EXTENDED:
        reader.skip(4, "signature1")
    return Objref(kind, iid, oxid, oid, ipid, decode_dual_strings(reader), handler, b"", 0)
