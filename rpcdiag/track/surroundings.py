"""What else the capture holds that explains RPC: names that were resolved or not, tickets that were given or not."""

from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from rpcdiag.errors import DecodeError, Truncated
from rpcdiag.flows.flow import IcmpError
from rpcdiag.flows.tcp import forbids
from rpcdiag.model.packets import Address, Endpoint
from rpcdiag.sweep.columns import EV_DATAGRAM, EV_TICKET, EVENT_WIDTH
from rpcdiag.sweep.packets import NAME_ANSWER, NAME_QUESTION, TICKET, TUNNEL, UDP_ERROR
from rpcdiag.track.udp_errors import udp_error

MAX_NAMES = 20_000
MAX_TICKETS = 4096
MAX_ASKED = 8
MAX_ERRORS = 1024
_KDC = 88
_NBNS, _LLMNR = 137, 5355
_NB = 32  # what NBNS asks for: a name
_DNS_HEADER = 12
_CNAME = 5
NO_ANSWER = "no answer"  # what a question came to that nobody answered
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
    aliased: tuple[str, ...] = ()  # names that it stands for (CNAME)
    error: IcmpError | None = None  # in the place of an answer


class TunnelFact(NamedTuple):
    """The first packet that IPsec encrypts."""

    packet: int
    time_ns: int
    client: Address
    server: Address


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
    error: IcmpError | None = None  # in the place of an answer


class _Noted:
    """What was said, with the first packet that said it, its time, and how often it was; of too much the oldest goes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: dict[bytes, int] = {}  # where the three numbers of each stand
        self._numbers = array("q")

    def add(self, key: bytes, packet: int, ns: int) -> None:
        known = self._places.get(key)
        if known is not None:
            self._numbers[known + 2] += 1
        elif len(self._places) < self._most:
            self._places[key] = len(self._numbers)
            self._numbers.extend((packet, ns, 1))
        else:
            at = self._places[key] = self._places.pop(next(iter(self._places)))
            self._numbers[at : at + 3] = array("q", (packet, ns, 1))

    def items(self) -> Iterator[tuple[bytes, tuple[int, int, int]]]:
        for key, at in self._places.items():
            packet, ns, count = self._numbers[at : at + 3]
            yield key, (packet, ns, count)

    def numbers(self, key: bytes) -> tuple[int, int, int]:
        """Packet, time and count of one."""
        at = self._places[key]
        packet, ns, count = self._numbers[at : at + 3]
        return packet, ns, count

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Surroundings:
    """Feed what the pass says; ask at the end. Nothing is decoded before that.

    `most_names`: answers about names that are remembered, and as many questions.
    """

    takes = frozenset({EV_DATAGRAM, EV_TICKET})

    def __init__(self, most_names: int = MAX_NAMES) -> None:
        # by ends, answer and the size of an address; the port that asked and the number of the question are zero
        self._names, self._questions = _Noted(most_names), _Noted(most_names)
        self.tunnel: TunnelFact | None = None
        self._tickets: list[tuple[int, int, bytes, bytes, int]] = []
        self._framed: list[tuple[int, int, int, int, bytes, int]] = []
        self._errors: dict[tuple[Address, Address, int], IcmpError] = {}  # by who asked whom at which port, the first

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
        if what == UDP_ERROR:
            told_of = udp_error((EV_DATAGRAM, *row), arena)
            ends = told_of.source.address, told_of.destination.address, told_of.destination.port
            if forbids(told_of.error) and len(self._errors) < MAX_ERRORS:
                self._errors.setdefault(ends, told_of.error)
            return
        if what not in (NAME_ANSWER, NAME_QUESTION, TICKET, TUNNEL):
            return
        ports_at, data_at = 2 * size, 2 * size + 4
        told = bytes(arena[at : at + data_at + have])
        if what == TUNNEL:
            source, target = _ends(told[:data_at], size)
            self.tunnel = TunnelFact(packet, ns, source.address, target.address)
        elif what == TICKET:
            if len(self._tickets) < MAX_TICKETS:
                self._tickets.append((packet, ns, told[:data_at], told[data_at:], length))
        else:
            asks = what == NAME_QUESTION
            ports = b"\0\0" + told[ports_at + 2 : data_at] if asks else told[ports_at : ports_at + 2] + b"\0\0"
            key = told[:ports_at] + ports + b"\0\0" + told[data_at + 2 :] + bytes((size,))
            (self._questions if asks else self._names).add(key, packet, ns)

    def unanswered(self, hosts: Collection[Address] | None) -> Iterator[NameFact]:
        """Questions of these hosts, or of all, that nobody answered while the capture ran; the first of each.

        `server` is who was asked, also where that is a group or everybody.
        """
        from rpcdiag.dissect import dns

        packed = None if hosts is None else {host.packed for host in hosts}
        asked_by = {_asked_by(key, answer=False): key for key in self._questions if _asks(key, packed)}
        if not asked_by:
            return
        for key in self._names:
            asked_by.pop(_asked_by(key, answer=True), None)
        open_ones = set(asked_by)
        seen: set[tuple[Address, Address, str, str, str]] = set()
        for key, (packet, ns, count) in self._questions.items():
            if _asked_by(key, answer=False) not in open_ones:
                continue
            whole, size = key[:-1], key[-1]
            source, target = _ends(whole, size)
            data = whole[2 * size + 4 :]
            try:
                if target.port == _NBNS:
                    nbns = dns.decode_nbns(data)
                    if nbns is None or nbns.type != _NB:
                        continue
                    kind, name, asked = "nbns", nbns.name, f"<{nbns.suffix:02x}>"
                else:
                    query = dns.decode(data)
                    if query is None or query.name is None or query.type not in _NAME_TYPES:
                        continue
                    kind = "llmnr" if target.port == _LLMNR else "dns"
                    name, asked = query.name, dns.type_name(query.type)
            except DecodeError:
                continue
            one = source.address, target.address, kind, name.lower(), asked
            if one not in seen:
                seen.add(one)
                error = self._errors.get((source.address, target.address, target.port))
                yield NameFact(packet, ns, *one[:3], name, asked, NO_ANSWER, (), count, error=error)

    def names(self, hosts: Collection[Address] | None, *, about: bool = True) -> Iterator[NameFact]:
        """Every answer about a name that one of the hosts got, or that is `about` one of them, or all; by packet."""
        from rpcdiag.dissect import dns

        packed = {host.packed for host in hosts} if hosts is not None else set()
        for key in self._names:
            size = key[-1]
            if hosts is not None and key[size : 2 * size] not in packed and not (about and _holds(key, size, packed)):
                continue
            packet, ns, count = self._names.numbers(key)
            whole = key[:-1]
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
                tuple(record.target for record in records if record.type == _CNAME and record.target),
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

    def silent_centres(self) -> Iterator[CentreAsked]:
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
                    packets, rows[0][1], rows[-1][1], client.address, centre.address, spn or None, len(rows),
                    self._errors.get((client.address, centre.address, _KDC)),
                )  # fmt: skip

    def __bool__(self) -> bool:
        return bool(self._names or self._tickets or self._framed)


def same_host(one: str, other: str) -> bool:
    """Whether two names can be of one host: one of them may lack the domain."""
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    return one == other or (one.partition(".")[0] == other.partition(".")[0] and not ("." in one and "." in other))


def _asks(key: bytes, packed: set[bytes] | None) -> bool:
    """Whether one of these addresses asks."""
    return packed is None or key[: key[-1]] in packed


def _asked_by(key: bytes, *, answer: bool) -> tuple[bytes, bytes, bytes]:
    """Who asked, of which service, for which name as it stands in the message: alike in a question and its answer."""
    size = key[-1]
    client = key[size : 2 * size] if answer else key[:size]
    at = 2 * size
    port = key[at : at + 2] if answer else key[at + 2 : at + 4]
    name = at + 4 + _DNS_HEADER
    return client, port, key[name : key.find(b"\0", name)].lower()


def _holds(key: bytes, size: int, packed: set[bytes]) -> bool:
    """Whether the answer holds one of these addresses; nothing is decoded for that."""
    for head in (b"\0\x04", b"\0\x10"):  # the length of an address record's data
        width = head[1]
        at = key.find(head, 2 * size + 4)
        while at >= 0:
            if key[at + 2 : at + 2 + width] in packed:
                return True
            at = key.find(head, at + 1)
    return key[-5:-1] in packed  # behind the flags of an answer of NBNS


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
        message: kerberos.Message | None = kerberos.decode(data, length)
    except DecodeError as error:
        if not isinstance(error, Truncated):
            return
        message = kerberos.remains(data, length)
        kind = kerberos.grants(data)
        if kind is not None:
            yield TicketFact(packet, ns, client, server, kind, "", None, None, None, None, None, None)
    if isinstance(message, kerberos.KrbError):
        yield TicketFact(
            packet, ns, client, server, "error", message.realm, message.client, message.server or None, message.symbol,
            message.code, None, message.text,
        )  # fmt: skip
    elif isinstance(message, kerberos.KdcReply):
        kind = "as-rep" if isinstance(message, kerberos.AsRep) else "tgs-rep"
        yield TicketFact(
            packet, ns, client, server, kind, message.realm, message.client, message.ticket.server, None, None,
            kerberos.etype_name(message.ticket.key.etype), None,
        )  # fmt: skip
