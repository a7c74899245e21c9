"""What else the capture holds that explains RPC: names that were resolved or not, tickets that were given or not."""

from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.errors import DecodeError
from rpcdiag.model.packets import Address, Endpoint
from rpcdiag.sweep.columns import EV_DATAGRAM, EV_TICKET, EVENT_WIDTH
from rpcdiag.sweep.packets import NAME_ANSWER, TICKET

MAX_NAMES = 20_000
MAX_TICKETS = 4096
MAX_ASKED = 8
_KDC = 88
_NBNS, _LLMNR = 137, 5355
_NAME_TYPES = {1, 28, 5, 33}  # A, AAAA, CNAME, SRV


class NameFact(NamedTuple):
    """An answer to `client`, who asked for a name; the same answer again only adds to `times`."""

    packet: int
    time_ns: int
    client: Address
    server: Address
    kind: str  # dns, llmnr, nbns
    name: str
    type: str
    result: str  # NOERROR, NXDOMAIN ...
    addresses: tuple[Address, ...]
    times: int = 1


class TicketFact(NamedTuple):
    """A message of a key distribution centre to `client`: an error, or a ticket."""

    packet: int
    time_ns: int
    client: Address
    server: Address
    kind: str  # as-rep, tgs-rep, error
    realm: str
    user: str | None
    spn: str | None
    error: str | None  # KDC_ERR_S_PRINCIPAL_UNKNOWN
    code: int | None
    etype: str | None
    text: str | None
    times: int = 1


class CentreAsked(NamedTuple):
    """Questions over UDP to a key distribution centre that never said anything to that client."""

    packets: tuple[int, ...]  # the first few
    first_ns: int
    last_ns: int
    client: Address
    server: Address
    spn: str | None  # of the first
    times: int


class Surroundings:
    """Feed what the pass says; ask at the end. Nothing is decoded before that."""

    def __init__(self) -> None:
        # by ends, answer and the size of an address; the port that asked and the number of the question are zero
        self._names: dict[bytes, int] = {}  # where its three numbers stand
        self._seen = array("q")  # the first packet and its time, how often
        self._tickets: list[tuple[int, int, bytes, bytes, int]] = []
        self._framed: list[tuple[int, int, int, int, bytes, int]] = []

    def feed(self, rows: Sequence[int], arena: memoryview) -> None:
        """Take events."""
        for e in range(0, len(rows), EVENT_WIDTH):
            if rows[e] == EV_DATAGRAM:
                self._take_datagram(rows[e + 1 : e + 9], arena)
            elif rows[e] == EV_TICKET and len(self._framed) < MAX_TICKETS:
                serial, side, packet, ns, at, have, length = rows[e + 1 : e + 8]
                self._framed.append((serial, side, packet, ns, bytes(arena[at + 4 : at + have]), length - 4))

    def _take_datagram(self, row: Sequence[int], arena: memoryview) -> None:
        what, packet, ns, _, size, at, have, length = row
        if what not in (NAME_ANSWER, TICKET):
            return
        start = at + 2 * size + 4
        ends, data = bytes(arena[at:start]), bytes(arena[start : start + have])
        if what == TICKET:
            if len(self._tickets) < MAX_TICKETS:
                self._tickets.append((packet, ns, ends, data, length))
            return
        key = ends[: 2 * size + 2] + bytes(4) + data[2:] + bytes([size])
        known = self._names.get(key)
        if known is not None:
            self._seen[known + 2] += 1
        elif len(self._names) < MAX_NAMES:
            self._names[key] = len(self._seen)
            self._seen.extend((packet, ns, 1))
        else:  # the oldest goes
            at = self._names[key] = self._names.pop(next(iter(self._names)))
            self._seen[at : at + 3] = array("q", (packet, ns, 1))

    def names(self, hosts: Collection[Address]) -> Iterator[NameFact]:
        """Every answer about a name that one of the hosts got, or that names one of them; by packet."""
        from rpcdiag.dissect import dns

        packed = {host.packed for host in hosts}
        for key, at in self._names.items():
            whole, size = key[:-1], key[-1]
            if not _concerns(whole, size, packed):
                continue
            packet, ns, count = self._seen[at : at + 3]
            source, target = _ends(whole, size)
            data = whole[2 * size + 4 :]
            try:
                if source.port == _NBNS:
                    nbns = dns.decode_nbns(data)
                    if nbns is not None and nbns.kind == "answer":
                        yield NameFact(
                            packet, ns, target.address, source.address, "nbns", nbns.name, f"<{nbns.suffix:02x}>",
                            dns.nbns_rcode_name(nbns.rcode), nbns.addresses, count,
                        )  # fmt: skip
                    continue
                answer = dns.decode(data)
            except DecodeError:
                continue
            if answer is None or answer.kind != "answer" or answer.name is None or answer.type not in _NAME_TYPES:
                continue
            records = answer.answers + (answer.additional if answer.type == 33 else ())
            yield NameFact(
                packet, ns, target.address, source.address, "llmnr" if source.port == _LLMNR else "dns", answer.name,
                dns.type_name(answer.type), dns.rcode_name(answer.rcode),
                tuple(record.address for record in records if record.address), count,
            )  # fmt: skip

    def tickets(self, ends: Callable[[int], tuple[Address, Address] | None]) -> Iterator[TicketFact]:
        """Every answer of a key distribution centre; `ends` finds client and server of a flow by serial number."""
        for packet, ns, whole, data, length in self._tickets:
            size = (len(whole) - 4) // 2
            source, target = _ends(whole, size)
            yield from _ticket(packet, ns, target.address, source.address, data, length)
        for serial, _, packet, ns, data, length in self._framed:
            both = ends(serial)
            if both is not None:
                yield from _ticket(packet, ns, *both, data, length)

    def unanswered(self) -> Iterator[CentreAsked]:
        """Pairs of a client and a centre of which only the questions are here; none where not all was kept."""
        asked: dict[tuple[Endpoint, Endpoint], list[int]] = {}
        said: set[tuple[Address, Address]] = set()
        for place, (_, _, whole, _, _) in enumerate(self._tickets if len(self._tickets) < MAX_TICKETS else ()):
            source, target = _ends(whole, (len(whole) - 4) // 2)
            if source.port == _KDC:
                said.add((target.address, source.address))
            else:
                asked.setdefault((source._replace(port=0), target._replace(port=0)), []).append(place)
        for (client, centre), places in asked.items():
            if (client.address, centre.address) in said:
                continue
            spn = _asked_for(*self._tickets[places[0]][3:])
            if spn is not None:
                rows = [self._tickets[place] for place in places]
                packets = tuple(row[0] for row in rows[:MAX_ASKED])
                yield CentreAsked(
                    packets, rows[0][1], rows[-1][1], client.address, centre.address, spn or None, len(rows)
                )

    def __bool__(self) -> bool:
        return bool(self._names or self._tickets or self._framed)


def same_host(one: str, other: str) -> bool:
    """Whether two names can be of one host: one of them may lack the domain."""
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    return one == other or (one.partition(".")[0] == other.partition(".")[0] and not ("." in one and "." in other))


def _concerns(whole: bytes, size: int, packed: set[bytes]) -> bool:
    """Whether the answer goes to one of these addresses, or holds one of them; nothing is decoded for that."""
    if whole[size : 2 * size] in packed:
        return True
    for head in (b"\0\x04", b"\0\x10"):  # the length of an address record's data
        width = head[1]
        at = whole.find(head, 2 * size + 4)
        while at >= 0:
            if whole[at + 2 : at + 2 + width] in packed:
                return True
            at = whole.find(head, at + 1)
    return whole[-4:] in packed  # behind the flags of an answer of NBNS


def _ends(whole: bytes, size: int) -> tuple[Endpoint, Endpoint]:
    make = IPv4Address if size == 4 else IPv6Address
    at = 2 * size
    return (
        Endpoint(make(whole[:size]), int.from_bytes(whole[at : at + 2], "big")),
        Endpoint(make(whole[size:at]), int.from_bytes(whole[at + 2 : at + 4], "big")),
    )


def _asked_for(data: bytes, length: int) -> str | None:
    """The service that a question is about, empty where it names none; None where it is no question."""
    from rpcdiag.dissect import kerberos

    try:
        message = kerberos.decode(data, length)
    except DecodeError:
        return None
    return (message.server or "") if isinstance(message, kerberos.KdcRequest) else None


def _ticket(packet: int, ns: int, client: Address, server: Address, data: bytes, length: int) -> Iterator[TicketFact]:
    from rpcdiag.dissect import kerberos

    try:
        message = kerberos.decode(data, length)
    except DecodeError:
        return
    if isinstance(message, kerberos.KrbError):
        yield TicketFact(
            packet, ns, client, server, "error", message.realm, message.client, message.server, message.symbol,
            message.code, None, message.text,
        )  # fmt: skip
    elif isinstance(message, kerberos.KdcReply):
        kind = "as-rep" if isinstance(message, kerberos.AsRep) else "tgs-rep"
        yield TicketFact(
            packet, ns, client, server, kind, message.realm, message.client, message.ticket.server, None, None,
            kerberos.etype_name(message.ticket.key.etype), None,
        )  # fmt: skip
