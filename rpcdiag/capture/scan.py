"""One packet's bytes to one row: link layer, IP, TCP, UDP and ICMP errors.

Integers and offsets only, no object a packet: the inner loop of the program. A packet that yields no row is
counted under the reason that `packet` returns, so that the sums of the accounting hold. Checksums are not
looked at: captures on the sending host hold packets whose checksum the network card fills in later.
"""

from array import array
from struct import Struct

from rpcdiag.capture.table import ICMP, ICMPV6, TCP, UDP

_TWO = Struct(">HH").unpack_from
_SHORT = Struct(">H").unpack_from
_TCP = Struct(">HHIIBB").unpack_from
_IPV4 = Struct(">BBHHHBB").unpack_from

_USUAL = b"\x08\x00\x45"
_USUAL_HEAD = Struct(">HHHBxxx8xHHIIBB").unpack_from
_VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_MAX_TAGS = 8
_MAX_EXTENSIONS = 12
_ETHERTYPE_NAMES = {0x0806: "arp", 0x86DD: "ipv6", 0x88CC: "lldp", 0x8847: "mpls", 0x8863: "pppoe-discovery"}
_ICMP_ERRORS = frozenset({3, 4, 5, 11, 12})
_ICMPV6_ERRORS = frozenset({1, 2, 3, 4})
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
_BSD_IPV6 = frozenset({10, 24, 28, 30})

FRAGMENT = "ip-fragment"
CUT = "cut-header"
MALFORMED = "malformed-header"


class Scanner:
    """Rows of the current block, and the IP fragments met in it.

    `fragments` holds `(number, time_ns, point, offset of the IP header, end of the captured datagram)`.
    """

    def __init__(self) -> None:
        self.rows: array[int] = array("q")
        self.fragments: list[tuple[int, int, int, int, int]] = []

    def packet(
        self, b: bytearray | bytes, at: int, captured: int, wire: int, link: int, number: int, time: int, point: int
    ) -> str | None:
        """Append the row of the packet at `at`, of which `captured` of `wire` bytes were kept.

        Returns why there is none, or None.
        """
        end = at + captured
        wire_end = at + wire
        if link == 1 and captured >= 54 and b[at + 12 : at + 15] == _USUAL and b[at + 23] == TCP:
            # nine packets of ten: Ethernet, IPv4 without options, TCP; the same as the long way, in one step
            total, ip_id, fragment, ttl, sport, dport, sequence, acknowledged, offset, flags = _USUAL_HEAD(b, at + 16)
            stop = at + 14 + total
            payload = at + 34 + (offset >> 4 << 2)
            if not fragment & 0x3FFF and offset >= 0x50 and payload <= stop and stop - at >= 54:
                if end > stop:
                    end = stop
                self.rows.extend(
                    (number, time, point, TCP, at + 26, 4, sport, dport, sequence, acknowledged, flags, payload,
                     end - payload if payload < end else 0, stop - payload, ttl, ip_id)
                )  # fmt: skip
                return None
        if link == 1:
            if captured < 14:
                return CUT
            (kind,) = _SHORT(b, at + 12)
            ip = at + 14
            tags = 0
            while kind in _VLAN_TAGS:
                if ip + 4 > end or tags == _MAX_TAGS:
                    return CUT
                (kind,) = _SHORT(b, ip + 2)
                ip += 4
                tags += 1
            if kind == 0x8864:  # PPP over Ethernet
                if ip + 8 > end:
                    return CUT
                (kind,) = _SHORT(b, ip + 6)
                kind = 0x0800 if kind == 0x0021 else 0x86DD if kind == 0x0057 else 0
                ip += 8
        elif link == 113 or link == 276:
            header = 16 if link == 113 else 20
            if captured < header:
                return CUT
            (kind,) = _SHORT(b, at + 14 if link == 113 else at)
            if link == 276:  # cooked v2 names the interface of each packet: each is a capture point of its own
                point += int.from_bytes(b[at + 4 : at + 8], "big") << 20
            ip = at + header
        elif link == 0 or link == 108:
            if captured < 4:
                return CUT
            family = b[at] | b[at + 3]  # in the byte order of the host that wrote it
            kind = 0x0800 if family == 2 else 0x86DD if family in _BSD_IPV6 else 0
            ip = at + 4
        elif link in (12, 14, 101, 228, 229):
            if captured < 1:
                return CUT
            kind = 0x0800 if b[at] >> 4 == 4 else 0x86DD if b[at] >> 4 == 6 else 0
            ip = at
        else:
            return f"link-type-{link}"

        if kind == 0x0800:
            return self._ipv4(b, ip, end, wire_end, number, time, point)
        if kind == 0x86DD:
            return self._ipv6(b, ip, end, wire_end, number, time, point)
        return _ETHERTYPE_NAMES.get(kind, "not-ip")

    def _ipv4(
        self, b: bytearray | bytes, ip: int, end: int, wire_end: int, number: int, time: int, point: int
    ) -> str | None:
        if ip + 20 > end:
            return CUT
        head, _, total, ip_id, fragment, ttl, protocol = _IPV4(b, ip)
        if head >> 4 != 4:
            return MALFORMED
        length = (head & 15) << 2
        # 0: a segment of offloaded data, longer than the field can say
        stop = ip + total if total else wire_end
        if length < 20 or stop < ip + length:
            return MALFORMED
        if fragment & 0x3FFF:
            self.fragments.append((number, time, point, ip, min(end, stop)))
            return FRAGMENT
        return self._transport(b, ip + length, end, stop, protocol, ip + 12, 4, ttl, ip_id, number, time, point)

    def _ipv6(
        self, b: bytearray | bytes, ip: int, end: int, wire_end: int, number: int, time: int, point: int
    ) -> str | None:
        if ip + 40 > end:
            return CUT
        if b[ip] >> 4 != 6:
            return MALFORMED
        (payload,) = _SHORT(b, ip + 4)
        protocol = b[ip + 6]
        at = ip + 40
        stop = at + payload if payload else wire_end
        for _ in range(_MAX_EXTENSIONS):
            if protocol in _EXTENSIONS:
                size = 8
            elif protocol == 44:
                if at + 8 > end:
                    return CUT
                if _SHORT(b, at + 2)[0] & 0xFFF9:
                    self.fragments.append((number, time, point, ip, min(end, stop)))
                    return FRAGMENT
                protocol = b[at]
                at += 8
                continue
            elif protocol == 51:
                size = 4
            else:
                break
            if at + 2 > end:
                return CUT
            protocol, at = b[at], at + ((b[at + 1] + (1 if size == 8 else 2)) * size)
        else:
            return MALFORMED
        if at > stop:
            return MALFORMED
        return self._transport(b, at, end, stop, protocol, ip + 8, 16, b[ip + 7], 0, number, time, point)

    def _transport(
        self,
        b: bytearray | bytes,
        at: int,
        end: int,
        stop: int,
        protocol: int,
        source: int,
        address_length: int,
        ttl: int,
        ip_id: int,
        number: int,
        time: int,
        point: int,
    ) -> str | None:
        if end > stop:
            end = stop  # Ethernet pads short frames
        if protocol == TCP:
            if at + 20 > end:
                return CUT if at + 20 <= stop else MALFORMED
            sport, dport, sequence, acknowledged, offset, flags = _TCP(b, at)
            payload = at + (offset >> 4 << 2)
            if offset < 0x50 or payload > stop:
                return MALFORMED
            self.rows.extend(
                (number, time, point, TCP, source, address_length, sport, dport, sequence, acknowledged, flags, payload,
                 end - payload if payload < end else 0, stop - payload, ttl, ip_id)
            )  # fmt: skip
            return None
        if protocol == UDP:
            if at + 8 > end:
                return CUT if at + 8 <= stop else MALFORMED
            sport, dport = _TWO(b, at)
            self.rows.extend(
                (number, time, point, UDP, source, address_length, sport, dport, 0, 0, 0, at + 8,
                 end - at - 8, stop - at - 8, ttl, ip_id)
            )  # fmt: skip
            return None
        if (protocol == ICMP and address_length == 4) or (protocol == ICMPV6 and address_length == 16):
            if at + 8 <= end and b[at] in (_ICMP_ERRORS if protocol == ICMP else _ICMPV6_ERRORS):
                self.rows.extend(
                    (number, time, point, protocol, source, address_length, b[at], b[at + 1], 0, 0, 0, at + 8,
                     end - at - 8, stop - at - 8, ttl, ip_id)
                )  # fmt: skip
            return "icmp"
        return "not-tcp-or-udp"
