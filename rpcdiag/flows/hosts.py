"""What the addresses of a capture look like: the yardstick for a RST."""

from collections import Counter
from collections.abc import Iterator

from rpcdiag.flows.flow import Host
from rpcdiag.flows.overview import Overview
from rpcdiag.model.packets import Address
from rpcdiag.sweep.columns import CARRIER, CLIENT, KEY, RESET_PACKET, SYN_ACK_PACKET, TTL

MAX_PORTS = 64  # of a host that are known to answer

_Key = tuple[int, int, int]  # point and family, and an address as records hold it


class Hosts:
    """Hosts of a capture; pipes count for nothing, as the connections below them do.

    First only servers that somebody may ask about are looked at: those of a connection that did not open or was reset.
    """

    def __init__(self, capture: int, overview: Overview) -> None:
        self._capture = capture
        self._overview = overview
        self._wanted: frozenset[_Key] | None = frozenset(_in_trouble(overview))
        self._look()

    def _look(self) -> None:
        self._ttls: dict[_Key, Counter[int]] = {}
        self._answered: dict[_Key, dict[int, int]] = {}
        self._count_ttls()
        self._note_answers()

    def _count_ttls(self) -> None:
        column, wanted = self._overview.column, self._wanted
        for side in (0, 1):
            fields = KEY + 5, KEY + 2 * side, KEY + 2 * side + 1, TTL + side, CARRIER
            for (*parts, ttl, carrier), count in Counter(zip(*map(column, fields), strict=True)).items():
                point, high, low = parts
                if ttl >= 0 and not carrier and (wanted is None or (point, high, low) in wanted):
                    self._ttls.setdefault((point, high, low), Counter())[ttl] += count

    def _note_answers(self) -> None:
        """The first SYN-ACK of each port."""
        firsts: dict[tuple[int, int, int, int], int] = {}
        fields = (SYN_ACK_PACKET, CLIENT, CARRIER, *range(KEY, KEY + 6))
        for packet, client, carrier, high, low, far_high, far_low, ports, point in zip(
            *map(self._overview.column, fields), strict=True
        ):
            end = (point, high, low, ports >> 16) if client else (point, far_high, far_low, ports & 0xFFFF)
            if packet and end not in firsts and client >= 0 and not carrier:
                firsts[end] = packet
        wanted = self._wanted
        for (*parts, port), packet in firsts.items():
            point, high, low = parts
            if wanted is None or (point, high, low) in wanted:
                known = self._answered.setdefault((point, high, low), {})
                if len(known) < MAX_PORTS:
                    known[port] = packet

    def host(self, point: int, address: Address, parts: tuple[int, int]) -> Host | None:
        """What is known of an address; `parts` is how records hold it."""
        key = point << 1 | (address.version == 6), *parts
        if self._wanted is not None and key not in self._wanted:
            self._wanted = None
            self._look()
        ttls = self._ttls.get(key)
        if ttls is None:
            return None
        answered = tuple(sorted(self._answered.get(key, {}).items()))
        often = sorted(ttls.items(), key=lambda one: (-one[1], one[0]))
        return Host(self._capture, point, address, tuple(ttl for ttl, _ in often), answered)


def _in_trouble(overview: Overview) -> Iterator[_Key]:
    """The servers of connections that did not open, or were reset."""
    column = overview.column
    told = zip(column(SYN_ACK_PACKET), column(RESET_PACKET), column(CLIENT), strict=True)
    places = [place for place, (answered, reset, client) in enumerate(told) if client >= 0 and (reset or not answered)]
    clients, keys = column(CLIENT), [column(field) for field in range(KEY, KEY + 6)]
    for place in places:
        at = 0 if clients[place] else 2
        yield keys[5][place], keys[at][place], keys[at + 1][place]
