"""What the addresses of a capture look like: the yardstick for a RST."""

from collections import Counter
from collections.abc import Iterator, Sequence

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
            names = KEY + 5, KEY + 2 * side, KEY + 2 * side + 1
            keys = zip(*map(column, names), strict=True)
            for key, ttl, carrier in zip(keys, column(TTL + side), column(CARRIER), strict=True):
                if ttl >= 0 and not carrier and (wanted is None or key in wanted):
                    try:
                        self._ttls[key][ttl] += 1
                    except KeyError:
                        self._ttls[key] = Counter({ttl: 1})

    def _note_answers(self) -> None:
        """The first SYN-ACK of each port."""
        wanted = self._wanted
        for packet, client, carrier, *ends in _ends(self._overview, SYN_ACK_PACKET, CLIENT, CARRIER):
            if not packet or client < 0 or carrier:
                continue
            key, port = _server(client, ends)
            if wanted is not None and key not in wanted:
                continue
            known = self._answered.get(key)
            if known is None:
                self._answered[key] = {port: packet}
            elif port not in known and len(known) < MAX_PORTS:
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


def _ends(overview: Overview, *fields: int) -> Iterator[tuple[int, ...]]:
    """Those fields of every flow, and its ends: two addresses, ports, point and family."""
    return zip(*map(overview.column, (*fields, *range(KEY, KEY + 6))), strict=True)


def _server(client: int, ends: Sequence[int]) -> tuple[_Key, int]:
    high, low, far_high, far_low, ports, point = ends
    return ((point, high, low), ports >> 16) if client else ((point, far_high, far_low), ports & 0xFFFF)


def _in_trouble(overview: Overview) -> Iterator[_Key]:
    for answered, reset, client, *ends in _ends(overview, SYN_ACK_PACKET, RESET_PACKET, CLIENT):
        if client >= 0 and (reset or not answered):
            yield _server(client, ends)[0]
