"""Which datagrams, and which of their fragments, left one place and never reached the other.

That a datagram is not there is loss only where its way leads past both places, nobody answered it, and the other capture
could have held it: it was recording then, and no capture filter left the port out. A filter by port (`port 88`) holds
first fragments only, for those behind them have no ports: where a capture has none of them at all, nothing is certain.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rpcdiag.compare.datagrams import Datagram, Delivery, Exchange, Meeting, Paired
from rpcdiag.compare.doubt import neighbours
from rpcdiag.compare.order import Order
from rpcdiag.compare.pieces import SERVICES, Piece, Quote, Udp
from rpcdiag.compare.result import Offset
from rpcdiag.compare.talks import COPY_NS
from rpcdiag.model.packets import Address, Endpoint

ANSWER_NS = 15_000_000_000  # an answer that comes later is not to this question
AGAIN_NS = 30_000_000_000  # who asks later asks anew
LEAST_OF_RPC = 68  # bytes of a connectionless PDU up to its sequence number
MAX_LOOKED_AT = 256  # datagrams before and after one
REASSEMBLY = {4: (11, 1), 6: (3, 1)}  # time exceeded: fragments did not come. [RFC792], [RFC4443] 3.3


def directed(exchange: Exchange, side: int) -> tuple[Endpoint, Endpoint]:
    """Who sends, and to whom."""
    client, server = exchange.ends
    return (server, client) if side else (client, server)


class Undelivered(NamedTuple):
    """A datagram that left `at` and did not reach the other place, or `pieces` of it that did not.

    `how`: lost; repeated (sent again, and then it arrived); possible (a capture filter may have left it out); unrecorded
    (it arrived all the same); elsewhere (no packet says that its way leads past the other place).
    `what`: datagram; fragments (all behind the first); fragment (some).
    """

    exchange: Exchange  # at the place that saw it
    side: int
    at: int
    datagram: Datagram
    there: Datagram | None
    how: str
    what: str
    pieces: tuple[Piece, ...]
    said: Quote | None = None  # by the receiver: fragments did not come
    edge_ns: int = 0  # as in `order.Lost`

    @property
    def ends(self) -> tuple[Endpoint, Endpoint]:
        """Of the sender and the receiver."""
        return directed(self.exchange, self.side)


class Datagrams(NamedTuple):
    """All of them: what became of the exchanges of both places, and of those of one."""

    deliveries: list[tuple[Paired, list[Delivery]]]
    undelivered: list[Undelivered]


class Judge:
    """Knows what of an exchange passed, and what the other capture could hold.

    `passing`: places and hosts of packets from one to the other that are in both. `one_clock`: both are of one file.
    """

    def __init__(
        self, meeting: Meeting, order: Order, clock: Offset, udp: tuple[Udp, Udp],
        passing: set[tuple[int, Address, Address]], *, one_clock: bool,
    ) -> None:  # fmt: skip
        self._order, self._udp, self._passing, self._one_clock = order, udp, passing, one_clock
        self._deliveries = [(pair, meeting.deliveries(pair, clock)) for pair in meeting.pairs]
        self._alone = list(meeting.alone())
        self._prints = meeting.prints
        self._answers: dict[tuple[object, ...], list[int]] = {}  # times
        self._arrived: dict[tuple[object, ...], list[int]] = {}
        self._whole: set[tuple[int, Address, Address]] = set()  # fragments behind a first one came through
        self._complaints: dict[object, Quote] = {}  # that fragments did not come, by whose, and by IP id
        for error in udp[1].errors + udp[0].errors:
            if (error.kind, error.code) == REASSEMBLY[error.version] and error.ports is not None:
                self._complaints[error.source, error.destination] = error
                if error.ip_id:
                    self._complaints[error.ip_id] = error
        self._copies: tuple[dict[object, list[int]], dict[object, list[int]]] = ({}, {})
        for pair, found in self._deliveries:
            self._learn(pair, found)
        for place, one in self._alone:
            self._index(place, one)
        for times in (*self._answers.values(), *self._arrived.values()):
            times.sort()

    def judged(self) -> Datagrams:
        found: list[Undelivered] = []
        for pair, deliveries in self._deliveries:
            for one in deliveries:
                found += self._of_pair(pair, one)
        for at, exchange in self._alone:
            for side in (0, 1):
                for datagram in exchange.sent[side]:
                    if not self._is_copy(at, datagram):
                        found.append(self._missing(exchange, side, at, datagram))
        silent = {_way(one) for one in found if one.how == "unrecorded" and one.side == 0} - self._passing
        return Datagrams(
            self._deliveries, [one._replace(how="unrecorded") if _way(one) in silent else one for one in found]
        )

    def _learn(self, pair: Paired, found: Sequence[Delivery]) -> None:
        for place, exchange in enumerate((pair.first, pair.second)):
            self._index(place, exchange)
        for one in found:
            if one.here is None or one.there is None:
                continue
            for place, (exchange, datagram) in enumerate(((pair.first, one.here), (pair.second, one.there))):
                sender, receiver = directed(exchange, one.side)
                self._passing.add((place, sender.address, receiver.address))
                self._copies[place].setdefault(self._copy(datagram), []).append(datagram.time_ns)
                key = self._question(place, exchange, one.side, datagram)
                if not one.here.beyond(one.there) and not one.there.beyond(one.here):
                    self._arrived.setdefault(key, []).append(datagram.time_ns)
                    if datagram.fragmented and len(datagram.pieces) > 1:
                        self._whole.add((place, sender.address, receiver.address))

    def _index(self, place: int, exchange: Exchange) -> None:
        for side in (0, 1):
            receiver, sender = exchange.ends[1 - side], exchange.ends[side]
            for one in exchange.sent[side]:
                key = place, receiver, sender.address, _about(exchange, one)
                self._answers.setdefault(key, []).append(one.time_ns)

    def _copy(self, datagram: Datagram) -> object:
        return self._prints.of(datagram), datagram.ip_id

    def _is_copy(self, place: int, datagram: Datagram) -> bool:
        """Whether the same packet is there under other addresses, as before and behind a translation, and arrived."""
        if not datagram.ip_id:
            return False
        times = self._copies[place].get(self._copy(datagram), ())
        return any(abs(when - datagram.time_ns) <= COPY_NS for when in times)

    def _question(self, place: int, exchange: Exchange, side: int, datagram: Datagram) -> tuple[object, ...]:
        """What is the same when it is sent again: DNS may use another number, and other ports."""
        sender, receiver = directed(exchange, side)
        if exchange.server.port == 53 and side == 0:
            return place, sender.address, receiver, datagram.head[2:], datagram.length
        head = datagram.head
        said = head[40:56] + head[64:68] + head[76:78] if head[:1] == b"\x04" else head[:16]
        return place, exchange.ends, side, said, datagram.length

    def _of_pair(self, pair: Paired, one: Delivery) -> Iterable[Undelivered]:
        if one.here is None or one.there is None:
            at = 0 if one.here is not None else 1
            datagram = one.here or one.there
            if datagram is not None:
                yield self._missing(pair.second if at else pair.first, one.side, at, datagram)
            return
        both = one.here, one.there
        for at in (0, 1):
            beyond = both[at].beyond(both[1 - at])
            if beyond and not both[1 - at].beyond(both[at]):
                exchange = pair.second if at else pair.first
                yield self._partly(exchange, one.side, at, both[at], both[1 - at], beyond)

    def _missing(self, exchange: Exchange, side: int, at: int, datagram: Datagram) -> Undelivered:
        how = self._how(exchange, side, at, datagram)
        if how == "lost" and not self._one_clock and not self._could_hold(1 - at, exchange.server.port):
            how = "possible"
        return Undelivered(exchange, side, at, datagram, None, how, "datagram", tuple(datagram.pieces))

    def _partly(
        self, exchange: Exchange, side: int, at: int, datagram: Datagram, there: Datagram, pieces: Sequence[Piece]
    ) -> Undelivered:
        how = self._how(exchange, side, at, datagram, passes=True)
        sender, receiver = directed(exchange, side)
        only_first = there.spans()[0][0] == 0 and len(there.spans()) == 1 and there.length > there.spans()[0][1]
        first_only = only_first and len(there.pieces) == 1
        pattern = first_only and (at, sender.address, receiver.address) not in self._whole
        said = self._said(exchange, side, datagram)
        if how == "lost" and not said and not self._one_clock and not self._udp[1 - at].pieced:
            how = "possible"
        what = "fragments" if pattern else "fragment"
        return Undelivered(exchange, side, at, datagram, there, how, what, tuple(pieces), said)

    def _how(self, exchange: Exchange, side: int, at: int, datagram: Datagram, *, passes: bool = False) -> str:
        if datagram.first is None:
            return "unrecorded"
        sender, receiver = directed(exchange, side)
        near = self._order.nearer(sender.address, receiver.address, at)
        if near is not None and near != at:
            return "unrecorded"  # seen behind the other place
        if side == 0 and self._answered(exchange, at, datagram):
            return "unrecorded"
        if not passes and not self._leads_past(at, sender.address, receiver.address):
            return "elsewhere"
        times = self._arrived.get(self._question(at, exchange, side, datagram), [])
        again = bisect_right(times, datagram.time_ns)
        if again < len(times) and times[again] - datagram.time_ns <= AGAIN_NS:
            return "repeated"
        if side == 1 and not self._asked_again(exchange, datagram):
            return "unrecorded"  # who gets no answer asks again
        return "lost"

    def _answered(self, exchange: Exchange, at: int, datagram: Datagram) -> bool:
        """Whether somebody answered it, at the port that it came from."""
        client, server = exchange.ends
        times = self._answers.get((at, client, server.address, _about(exchange, datagram)), [])
        since = bisect_left(times, datagram.time_ns)
        return since < len(times) and times[since] - datagram.time_ns <= ANSWER_NS

    def _asked_again(self, exchange: Exchange, answer: Datagram) -> bool:
        """Whether the client had asked that before, or asked it again, as nobody does who got the answer."""
        asked = exchange.sent[0]
        after = bisect_right(asked, answer.time_ns, key=_when)
        before = [(one.length, one.head[2:16]) for one in asked[max(0, after - MAX_LOOKED_AT) : after]]
        if not before:
            return False
        return before[-1] in before[:-1] or any(
            (one.length, one.head[2:16]) in before for one in asked[after : after + MAX_LOOKED_AT]
        )

    def _leads_past(self, at: int, sender: Address, receiver: Address) -> bool:
        if (at, sender, receiver) in self._passing or (at, receiver, sender) in self._passing:
            return True
        beyond = self._order.of_host(at, receiver)
        before = self._order.of_host(at, sender)
        if beyond is not None:
            return beyond != at and before in (None, at)
        return self._one_clock and before in (None, at) and not neighbours(sender, receiver)

    def _could_hold(self, place: int, port: int) -> bool:
        """Whether a capture holds datagrams of this port, or others that nobody filters for."""
        udp = self._udp[place]
        if udp.cut:
            return False
        return port in udp.udp_ports or udp.others > 0 or bool(udp.udp_ports - SERVICES.keys())

    def _said(self, exchange: Exchange, side: int, datagram: Datagram) -> Quote | None:
        sender, receiver = directed(exchange, side)
        return self._complaints.get((sender.address, receiver.address)) or self._complaints.get(datagram.ip_id or None)


def _way(one: Undelivered) -> tuple[int, Address, Address]:
    sender, receiver = one.ends
    return one.at, sender.address, receiver.address


def _when(one: Datagram) -> int:
    return one.time_ns


def _about(exchange: Exchange, one: Datagram) -> bytes:
    """What a question and its answer have in common. [RFC1035] 4.1.1, [C706] 12.5.1"""
    if exchange.server.port == 53:
        return one.head[:2]
    head = one.head
    return head[40:56] + head[64:68] if head[:1] == b"\x04" and len(head) >= LEAST_OF_RPC else b""
