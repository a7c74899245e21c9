"""One packet's bytes: link layer, IP, TCP, UDP and ICMP errors, and into its flow.

A packet without a flow is counted under its reason, so that the sums of the accounting hold. Checksums are not
looked at: captures on the sending host hold packets whose checksum the network card fills in later.
"""

from typing import Any

from rpcdiag.sweep.carried import is_smb, is_ticket
from rpcdiag.sweep.channels import is_channel, take_channel, take_http
from rpcdiag.sweep.columns import (
    ACK,
    ACKNOWLEDGED,
    ARP,
    BASE,
    BY_CONTENT,
    BY_SYN,
    BYTES,
    CHANNEL,
    CLIENT,
    CLIENT_HOW,
    COMPLETED,
    CUT,
    END_NS,
    ESP,
    EV_DATAGRAM,
    EV_FRAGMENT,
    EV_ICMP,
    EVENT_WIDTH,
    EVENTS,
    FIN,
    FIN_PACKET,
    FRAGMENT,
    HELD,
    ICMP,
    ICMP_ERRORS,
    ICMP_PACKET,
    ICMPV6,
    IN_FLOWS,
    ISN,
    KEY,
    LARGEST,
    LAST_DATA_NS,
    LAST_DATA_PACKET,
    LAST_DATA_SIDE,
    LAST_PACKET,
    LLDP,
    MALFORMED,
    MATTERS,
    MAX_ICMP,
    MAX_SEGMENT,
    MAX_TRIES,
    MAYBE,
    MODE,
    MPLS,
    NAMES_TOLD,
    NAMES_UNTOLD,
    NEXT,
    NO,
    NOT_IP,
    NOT_TCP_OR_UDP,
    OPENS_OR_ENDS,
    OWED,
    PACKETS,
    POSITION,
    PPPOE,
    PROBES,
    QUIET,
    REPEATS,
    RST,
    SERIAL_NUMBER,
    SIDE_WIDTH,
    SILENCE_AFTER,
    SILENCE_BEFORE,
    SILENCE_NS,
    SMB,
    SMB_MODE,
    STOP,
    STREAM,
    SYN,
    SYN_KEPT,
    TCP,
    TICKET_MODE,
    TICKETS,
    TRIES,
    TTL,
    TUNNELS,
    UDP,
    UDP_ERRORS,
    UNACKNOWLEDGED,
    UNDECIDED,
    UNKNOWN_LINK,
    WAITING,
    YES,
    State,
)
from rpcdiag.sweep.conversation import at_syn, take_probe, take_repeat, take_reset, take_syn
from rpcdiag.sweep.followed import drop_stream, open_stream
from rpcdiag.sweep.framing import asks, pdu_length
from rpcdiag.sweep.pool import pause
from rpcdiag.sweep.primitives import copy, ends_key, find, ipv4_header, tcp_header, u16, u16_pair
from rpcdiag.sweep.streams import take_segment, wait_for_first

DNS, KDC = 53, 88
NAT_TRAVERSAL = 4500  # IPsec in UDP. [RFC3948] 2.1
# what EV_DATAGRAM tells; of an ICMP error the ends of the datagram that it quotes, then from its own source on, to its code
CONNECTIONLESS, NAME_ANSWER, TICKET, NAME_QUESTION, TUNNEL, UDP_ERROR = 1, 2, 3, 4, 5, 6
MAX_UDP_ERRORS = 4096
MAX_NAMES_TOLD = 20_000
MAX_QUESTIONS_TOLD = 10_000  # as long as no more was told: answers go first
MAX_TAGS = 8
MAX_EXTENSIONS = 12


def take_frame(s: State, b: Any, at: int, captured: int, wire: int, link: int, number: int, ns: int, point: int) -> int:
    """The packet at `at`, of which `captured` of `wire` bytes were kept; returns why it has no flow, or -1."""
    end = at + captured
    wire_end = at + wire
    if link == 1:
        if captured < 14:
            return CUT
        kind = u16(b, at + 12)[0]
        ip = at + 14
        tags = 0
        while kind == 0x8100 or kind == 0x88A8 or kind == 0x9100 or kind == 0x9200:
            if ip + 4 > end or tags == MAX_TAGS:
                return CUT
            kind = u16(b, ip + 2)[0]
            ip += 4
            tags += 1
        if kind == 0x8864:  # PPP over Ethernet
            if ip + 8 > end:
                return CUT
            kind = u16(b, ip + 6)[0]
            kind = 0x0800 if kind == 0x0021 else 0x86DD if kind == 0x0057 else 0
            ip += 8
    elif link == 113 or link == 276:
        header = 16 if link == 113 else 20
        if captured < header:
            return CUT
        kind = u16(b, at + 14 if link == 113 else at)[0]
        ip = at + header
    elif link == 0 or link == 108:
        if captured < 4:
            return CUT
        family = b[at] + b[at + 3] * 1  # in the byte order of the host that wrote it
        kind = 0x0800 if family == 2 else 0x86DD if family == 10 or family == 24 or family == 28 or family == 30 else 0
        ip = at + 4
    elif link == 12 or link == 14 or link == 101 or link == 228 or link == 229:
        if captured < 1:
            return CUT
        version = b[at] >> 4
        kind = 0x0800 if version == 4 else 0x86DD if version == 6 else 0
        ip = at
    else:
        return UNKNOWN_LINK

    if kind == 0x0800:
        return take_ipv4(s, b, ip, end, wire_end, number, ns, point)
    if kind == 0x86DD:
        return take_ipv6(s, b, ip, end, wire_end, number, ns, point)
    if kind == 0x0806:
        return ARP
    if kind == 0x88CC:
        return LLDP
    if kind == 0x8847:
        return MPLS
    if kind == 0x8863:
        return PPPOE
    return NOT_IP


def take_ipv4(s: State, b: Any, ip: int, end: int, wire_end: int, number: int, ns: int, point: int) -> int:
    if ip + 20 > end:
        return CUT
    head, _, total, ip_id, fragment, ttl, protocol = ipv4_header(b, ip)
    if head >> 4 != 4:
        return MALFORMED
    length = (head & 15) << 2
    # 0: a segment of offloaded data, longer than the field can say
    stop = ip + total if total > 0 else wire_end
    if length < 20 or stop < ip + length:
        return MALFORMED
    if fragment & 0x3FFF != 0:
        note_fragment(s, b, ip, min(end, stop), protocol, number, ns, point)
        return FRAGMENT
    return take_transport(s, b, ip + length, end, stop, protocol, ip + 12, 4, ttl, ip_id, number, ns, point)


def take_ipv6(s: State, b: Any, ip: int, end: int, wire_end: int, number: int, ns: int, point: int) -> int:
    if ip + 40 > end:
        return CUT
    if b[ip] >> 4 != 6:
        return MALFORMED
    payload = u16(b, ip + 4)[0]
    protocol = b[ip + 6] + 0
    at = ip + 40
    stop = at + payload if payload > 0 else wire_end
    for _ in range(MAX_EXTENSIONS):
        if protocol == 0 or protocol == 43 or protocol == 60 or protocol == 135 or protocol == 139 or protocol == 140:
            unit = 8
            more = 1
        elif protocol == 44:
            if at + 8 > end:
                return CUT
            if u16(b, at + 2)[0] & 0xFFF9 != 0:
                note_fragment(s, b, ip, min(end, stop), b[at] + 0, number, ns, point)
                return FRAGMENT
            protocol = b[at] + 0
            at += 8
            continue
        elif protocol == 51:
            unit = 4
            more = 2
        else:
            break
        if at + 2 > end:
            return CUT
        protocol = b[at] + 0
        at += (b[at + 1] + more) * unit
    else:
        return MALFORMED
    if at > stop:
        return MALFORMED
    return take_transport(s, b, at, end, stop, protocol, ip + 8, 16, b[ip + 7] + 0, 0, number, ns, point)


def take_transport(
    s: State, b: Any, at: int, end: int, stop: int, protocol: int, source: int, size: int, ttl: int, ip_id: int,
    number: int, ns: int, point: int,
) -> int:  # fmt: skip
    if end > stop:
        end = stop  # Ethernet pads short frames
    if protocol == TCP:
        if at + 20 > end:
            return CUT if at + 20 <= stop else MALFORMED
        _, _, sequence, acknowledged, offset, flags = tcp_header(b, at)
        payload = at + (offset >> 4 << 2)
        if offset < 0x50 or payload > stop:
            return MALFORMED
        s.counters[IN_FLOWS] += 1
        captured = end - payload if payload < end else 0
        take_tcp(
            s, b, ends_key(b, source, size, at), source, size, at, payload, captured, stop - payload, flags, sequence,
            acknowledged, ttl, ip_id, number, ns, point,
        )  # fmt: skip
        return -1
    if protocol == UDP:
        if at + 8 > end:
            return CUT if at + 8 <= stop else MALFORMED
        s.counters[IN_FLOWS] += 1
        if stop - at > 20:
            take_datagram(s, b, at, end, stop, source, size, number, ns, point)
        return -1
    if (protocol == ICMP and size == 4) or (protocol == ICMPV6 and size == 16):
        if at + 8 <= end:
            kind = b[at] + 0
            if size == 4:
                error = kind == 3 or kind == 4 or kind == 5 or kind == 11 or kind == 12
            else:
                error = kind >= 1 and kind <= 4
            if error:
                take_icmp(s, b, at, end, source, size, number, ns, point)
        return ICMP_PACKET
    if protocol == ESP and at + 8 <= end:
        note_tunnel(s, b, at, source, size, number, ns, point)
    return NOT_TCP_OR_UDP


def note_fragment(s: State, b: Any, ip: int, end: int, protocol: int, number: int, ns: int, point: int) -> None:
    """An IP fragment goes to those who put datagrams together; one of TCP at once, so that order stays."""
    e, held = s.counters[EVENTS], s.counters[HELD]
    count = min(end - ip, MAX_SEGMENT)
    events = s.numbers
    events[e] = EV_FRAGMENT
    events[e + 1] = number
    events[e + 2] = ns
    events[e + 3] = point
    events[e + 4] = held
    events[e + 5] = count
    copy(s.store, held, b, ip, count)
    s.counters[HELD] = held + count
    s.counters[EVENTS] = e + EVENT_WIDTH
    if protocol == TCP:
        s.counters[STOP] = 1
    else:
        pause(s)


def note_tunnel(s: State, b: Any, at: int, source: int, size: int, number: int, ns: int, point: int) -> None:
    """A packet that IPsec encrypts: the first is told, the others are counted."""
    s.counters[TUNNELS] += 1
    if s.counters[TUNNELS] == 1:
        tell_datagram(s, b, at, at + 4, 0, 0, TUNNEL, source, size, number, ns, point)


def take_datagram(
    s: State, b: Any, at: int, end: int, stop: int, source: int, size: int, number: int, ns: int, point: int
) -> None:
    """A UDP datagram that may be connectionless RPC, or the answer of a name service or key distribution centre."""
    sport, dport = u16_pair(b, at)
    payload = at + 8
    if payload + 12 > end:
        return
    counters = s.counters
    if b[payload] == 4 and is_connectionless(b, payload, end, stop):
        what = CONNECTIONLESS
    elif is_name_port(sport) and b[payload + 2] & 0x80 != 0:
        what = NAME_ANSWER
    elif is_name_port(dport) and b[payload + 2] & 0xF8 == 0:  # a query, nothing else that is asked for
        if counters[NAMES_TOLD] >= MAX_QUESTIONS_TOLD:
            return
        what = NAME_QUESTION
    elif sport == KDC or dport == KDC:
        what = TICKET
    elif (sport == NAT_TRAVERSAL or dport == NAT_TRAVERSAL) and u16(b, payload)[0] + u16(b, payload + 2)[0] != 0:
        note_tunnel(s, b, at, source, size, number, ns, point)
        return
    else:
        return
    if what != CONNECTIONLESS:
        if counters[NAMES_TOLD] >= MAX_NAMES_TOLD:
            counters[NAMES_UNTOLD] += 1
            return
        counters[NAMES_TOLD] += 1
    tell_datagram(
        s, b, at, payload, min(end - payload, MAX_SEGMENT), stop - payload, what, source, size, number, ns, point
    )  # fmt: skip


def take_name(
    s: State, b: Any, at: int, payload: int, captured: int, length: int, source: int, size: int, number: int, ns: int,
    point: int,
) -> None:  # fmt: skip
    """A segment that begins with a message of DNS, as far as that goes in it. [RFC1035] 4.2.2"""
    sport, dport = u16_pair(b, at)
    if sport != DNS and dport != DNS:
        return
    counters = s.counters
    whole = u16(b, payload)[0]
    answers = b[payload + 4] & 0x80 != 0
    if whole < length - 2 or answers != (sport == DNS) or (not answers and b[payload + 4] & 0x78 != 0):
        return
    if counters[NAMES_TOLD] >= (MAX_NAMES_TOLD if answers else MAX_QUESTIONS_TOLD):
        counters[NAMES_UNTOLD] += 1 if answers else 0
        return
    counters[NAMES_TOLD] += 1
    what = NAME_ANSWER if answers else NAME_QUESTION
    count = min(captured - 2, MAX_SEGMENT)
    tell_datagram(s, b, at, payload + 2, count, whole, what, source, size, number, ns, point)


def is_name_port(port: int) -> bool:
    """DNS, LLMNR, NBNS."""
    return port == 53 or port == 5355 or port == 137


def tell_datagram(
    s: State, b: Any, at: int, payload: int, count: int, length: int, what: int, source: int, size: int, number: int,
    ns: int, point: int,
) -> None:  # fmt: skip
    """EV_DATAGRAM, with `count` bytes of the payload."""
    counters = s.counters
    e, held = counters[EVENTS], counters[HELD]
    events = s.numbers
    events[e] = EV_DATAGRAM
    events[e + 1] = what
    events[e + 2] = number
    events[e + 3] = ns
    events[e + 4] = point
    events[e + 5] = size
    events[e + 6] = held
    events[e + 7] = count
    events[e + 8] = length
    copy(s.store, held, b, source, 2 * size)
    held += 2 * size
    copy(s.store, held, b, at, 4)
    held += 4
    copy(s.store, held, b, payload, count)
    counters[HELD] = held + count
    counters[EVENTS] = e + EVENT_WIDTH
    pause(s)


def is_connectionless(b: Any, at: int, end: int, stop: int) -> bool:
    """Whether a datagram begins with the header of a connectionless PDU. [C706] 12.5.1"""
    if at + 80 > end or b[at + 1] > 10 or b[at + 4] & 0xEE != 0 or b[at + 5] > 3 or b[at + 6] != 0:
        return False
    length = b[at + 75] * 256 + b[at + 74] if b[at + 4] & 16 != 0 else b[at + 74] * 256 + b[at + 75]
    return length <= stop - at - 80


def take_icmp(s: State, b: Any, at: int, end: int, source: int, size: int, number: int, ns: int, point: int) -> None:
    """An ICMP error quotes the IP header that it is about, and at least 8 bytes behind it. [RFC792], [RFC4443] 2.4"""
    quoted = at + 8
    if quoted + 28 > end:
        return
    version = b[quoted] >> 4
    if version == 4:
        transport = quoted + ((b[quoted] & 15) << 2)
        protocol = b[quoted + 9] + 0
        ends, width = quoted + 12, 4
        if u16(b, quoted + 6)[0] & 0x1FFF != 0 or transport < quoted + 20:
            return  # a later fragment has no ports
    elif version == 6 and quoted + 48 <= end:
        transport = quoted + 40
        protocol = b[quoted + 6] + 0
        ends, width = quoted + 8, 16
    else:
        return
    if protocol == UDP and transport + 8 <= end and s.counters[UDP_ERRORS] < MAX_UDP_ERRORS:
        s.counters[UDP_ERRORS] += 1
        tell_datagram(
            s, b, transport, source, at + 2 - source, size, UDP_ERROR, ends, width, number, ns, point
        )  # fmt: skip
        return
    if protocol != TCP or transport + 8 > end:
        return
    flows = s.flows
    known = find(s.table, flows, b, ends_key(b, ends, width, transport), width, point)
    if known < 0 or flows[(known >> 1) + ICMP_ERRORS] >= MAX_ICMP:
        return
    o = known >> 1
    flows[o + ICMP_ERRORS] += 1
    e, held = s.counters[EVENTS], s.counters[HELD]
    events = s.numbers
    events[e] = EV_ICMP
    events[e + 1] = flows[o + SERIAL_NUMBER]
    events[e + 2] = known & 1
    events[e + 3] = number
    events[e + 4] = ns
    events[e + 5] = b[at]
    events[e + 6] = b[at + 1]
    events[e + 7] = size
    events[e + 8] = held
    copy(s.store, held, b, source, size)
    s.counters[HELD] = held + size
    s.counters[EVENTS] = e + EVENT_WIDTH
    pause(s)


def take_tcp(
    s: State, b: Any, key: Any, source: int, size: int, transport: int, payload: int, captured: int, length: int,
    flags: int, sequence: int, acknowledged: int, ttl: int, ip_id: int, number: int, ns: int, point: int,
) -> None:  # fmt: skip
    """One TCP segment into its conversation, and its payload, where that matters, into the stream.

    In one piece, because nearly every packet comes through here.
    """
    flows = s.flows
    known = find(s.table, flows, b, key, size, point)
    if known < 0 or flags & SYN != 0:
        known = at_syn(s, b, known, key, source, size, transport, point, flags, sequence, acknowledged, number, ns)
    o = known >> 1
    side = known & 1
    quiet = 0
    before = flows[o + END_NS]
    if ns > before:
        quiet = ns - before
        flows[o + END_NS] = ns
        if quiet > flows[o + SILENCE_NS]:
            flows[o + SILENCE_NS] = quiet
            flows[o + SILENCE_AFTER] = flows[o + LAST_PACKET]
            flows[o + SILENCE_BEFORE] = number
    flows[o + LAST_PACKET] = number
    mine = o + side  # columns of this side, and of the other
    flows[mine + PACKETS] += 1
    expected = flows[mine + NEXT]
    if flags & OPENS_OR_ENDS != 0:
        if flags & RST != 0:
            take_reset(s, o, side, number, ns, ttl)
        else:
            take_syn(s, o, side, number, ns, flags, sequence, acknowledged, ttl, ip_id)
    else:
        if expected < 0 and flows[mine + TTL] < 0:
            flows[mine + TTL] = ttl
        if flows[o + PROBES] != 0 and (flows[o + PROBES] & 1 != side or length > 1):
            flows[o + PROBES] = 0
        if length <= 1 and expected >= 0 and flags & FIN == 0 and (sequence + 1) & 0xFFFFFFFF == expected:
            take_probe(s, o, side, number, ns, quiet)
        if flags & ACK != 0:
            other = o + 1 - side
            if flows[o + COMPLETED] == 0 and flows[o + CLIENT_HOW] == BY_SYN and flows[o + CLIENT] == side:
                if flows[o + SYN_KEPT] > 0:
                    flows[o + COMPLETED] = 1
            if flows[other + UNACKNOWLEDGED] != 0 and (acknowledged - flows[other + NEXT]) & 0x80000000 == 0:
                flows[other + UNACKNOWLEDGED] = 0
                flows[other + REPEATS] = 0
                if flows[other + LARGEST] > flows[other + ACKNOWLEDGED]:
                    flows[other + ACKNOWLEDGED] = flows[other + LARGEST]
                flows[other + LARGEST] = 0
        if length > 0:
            end = (sequence + length) & 0xFFFFFFFF
            flows[mine + BYTES] += length
            if expected >= 0 and (end == expected or (end - expected) & 0x80000000 != 0):
                if length > 1 or end != expected:  # else it is a keep-alive that has the last byte again
                    take_repeat(s, o, side, number, ns, end, length)
            else:
                flows[mine + NEXT] = end
                if length > flows[mine + LARGEST]:
                    flows[mine + LARGEST] = length
                if flows[mine + UNACKNOWLEDGED] == 0:
                    flows[mine + QUIET] = quiet
                    flows[mine + UNACKNOWLEDGED] = 1
                if flows[mine + REPEATS] != 0:
                    flows[mine + REPEATS] = 0
                flows[mine + LAST_DATA_PACKET] = number
                flows[mine + LAST_DATA_NS] = ns
                flows[o + LAST_DATA_SIDE] = side
        if flags & FIN != 0 and flows[mine + FIN_PACKET] == 0:
            flows[mine + FIN_PACKET] = number
    if length > 0 and (flows[o + MATTERS] != NO or (captured >= 16 and (b[payload] == 5 or b[payload] == 0))):
        if flows[o + MATTERS] == UNDECIDED and captured >= 16:
            take_name(s, b, transport, payload, captured, length, source, size, number, ns, point)
        take_payload(s, b, o, side, payload, captured, length, sequence, expected < 0, number, ns)


def take_payload(
    s: State, b: Any, o: int, side: int, payload: int, captured: int, length: int, sequence: int, new: bool, number: int,
    ns: int,
) -> None:  # fmt: skip
    """The payload of a segment goes on where it matters; `new`: it is the first of its side."""
    flows = s.flows
    matters = flows[o + MATTERS]
    if matters == SMB and skipped(s, flows[o + STREAM], side, length, sequence):
        return
    if matters == NO:
        if captured < 16:
            return
        if pdu_length(b, payload) > 0:
            flows[o + MATTERS] = YES
            take_role(s, o, side, b, payload)
        elif is_smb(b, payload):
            carry(s, o, SMB, SMB_MODE)
        else:
            return
        new = False
    elif matters == UNDECIDED:
        if captured >= 16 and pdu_length(b, payload) > 0:
            flows[o + MATTERS] = YES
        elif 0 < captured < 16 and b[payload] == 5:
            flows[o + MATTERS] = MAYBE
        elif (captured >= 16 and is_smb(b, payload)) or (
            0 < captured < 16 and b[payload] == 0 and on_smb_port(flows[o + KEY + 4])
        ):
            carry(s, o, SMB, SMB_MODE)
        elif (
            captured >= 16
            and (flows[o + KEY + 4] & 0xFFFF == KDC or flows[o + KEY + 4] >> 16 == KDC)
            and is_ticket(b, payload, length)
        ):
            carry(s, o, TICKETS, TICKET_MODE)
        elif captured >= 16 and is_channel(b, payload):
            flows[o + MATTERS] = YES
            take_channel(s, o, side)
        else:
            if flows[o + TRIES] == 0 and wait_for_first(s, o, side, b, payload, captured, length, sequence, number, ns):
                return
            drop_stream(s, o)
            flows[o + TRIES] += 1
            if flows[o + TRIES] >= MAX_TRIES:
                flows[o + MATTERS] = NO
            return
    isn = flows[o + ISN + side] if new else -1
    captured = min(captured, MAX_SEGMENT)
    if flows[o + STREAM] >= 0 and s.numbers[flows[o + STREAM] + CHANNEL] != 0:
        take_http(s, o, side, b, payload, captured, number, ns)
    take_segment(s, o, side, b, payload, captured, length, sequence, isn, number, ns)
    pause(s)
    if flows[o + MATTERS] == NO and flows[o + STREAM] >= 0:
        drop_stream(s, o)


def on_smb_port(ports: int) -> bool:
    """Whether one of the two is a port of SMB: there a few bytes tell as much as elsewhere a whole header."""
    one, other = ports >> 16, ports & 0xFFFF
    return one == 445 or other == 445 or one == 139 or other == 139


def carry(s: State, o: int, matters: int, mode: int) -> None:
    """The conversation is followed for what it carries."""
    s.flows[o + MATTERS] = matters
    s.numbers[open_stream(s, o) + MODE] = mode


def skipped(s: State, g: int, side: int, length: int, sequence: int) -> bool:
    """Whether the whole segment is, in its turn, of a message that was left out: the bulk of file traffic."""
    numbers = s.numbers
    place = g + side * SIDE_WIDTH
    if numbers[place + OWED] < length or numbers[place + WAITING] >= 0:
        return False
    if (sequence - numbers[place + BASE] - numbers[place + POSITION]) & 0xFFFFFFFF != 0:
        return False
    numbers[place + OWED] -= length
    numbers[place + POSITION] += length
    return True


def take_role(s: State, o: int, side: int, b: Any, at: int) -> None:
    """Who is the client, by the type of a PDU, where no SYN told."""
    if s.flows[o + CLIENT] < 0:
        s.flows[o + CLIENT] = side if asks(b[at + 2]) else 1 - side
        s.flows[o + CLIENT_HOW] = BY_CONTENT
