"""String bindings: how DCOM says where an object or its resolver listens. [MS-DCOM] 2.2.19"""

from ipaddress import IPv4Address, IPv6Address
from typing import Literal, NamedTuple

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
        """The host, where it is an address and not a name; a zone is its sender's own."""
        for kind in (IPv4Address, IPv6Address):
            try:
                return kind(self.host.partition("%")[0])
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


def decode_dual_strings(reader: Reader) -> DualStrings:
    """From wNumEntries on; NDR's count before it has been read.

    Raises:
        DecodeError: as everywhere.
    """
    units, security_at = reader.u16("num_entries"), reader.u16("security_offset")
    if units > MAX_UNITS or security_at > units:
        raise Malformed("num_entries", reader.offset - 4, f"{units} units, security bindings at {security_at}")
    words = reader.take(units * 2, "string_array")
    order: Literal["big", "little"] = "big" if reader.big else "little"
    array = [int.from_bytes(words[at : at + 2], order) for at in range(0, len(words), 2)]
    strings = tuple(string_binding(tower, text) for tower, text in _texts(array[:security_at], 1))
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


def string_binding(tower: int, text: str) -> StringBinding:
    """The parts of its text."""
    if text.startswith("["):  # an IPv6 address as in URLs
        host, _, rest = text[1:].partition("]")
        _, bracket, rest = rest.partition("[")
    else:
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
