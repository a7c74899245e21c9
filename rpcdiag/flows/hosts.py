"""What the addresses of a capture look like: the yardstick for a RST."""

from collections import Counter

from rpcdiag.flows.flow import Host
from rpcdiag.flows.overview import Overview
from rpcdiag.model.packets import Address
from rpcdiag.sweep.columns import CARRIER, CLIENT, KEY, SYN_ACK_PACKET, TTL

MAX_PORTS = 64  # of a host that are known to answer

_Key = tuple[int, int, int]  # point and family, and an address as records hold it


class Hosts:
    """All hosts of a capture; pipes count for nothing, as the connections below them do."""

    def __init__(self, capture: int, overview: Overview) -> None:
        self._capture = capture
        self._ttls: dict[_Key, list[tuple[int, int]]] = {}  # how often, less than zero; and which
        self._answered: dict[_Key, dict[int, int]] = {}
        self._count_ttls(overview)
        self._note_answers(overview)

    def _count_ttls(self, overview: Overview) -> None:
        point, carriers = overview.column(KEY + 5), overview.column(CARRIER)
        counted: Counter[tuple[int, int, int, int, int]] = Counter()
        for side in (0, 1):
            high, low = overview.column(KEY + 2 * side), overview.column(KEY + 2 * side + 1)
            counted.update(zip(point, high, low, overview.column(TTL + side), map(bool, carriers), strict=True))
        for (where, high_part, low_part, ttl, pipe), count in counted.items():
            if ttl >= 0 and not pipe:
                self._ttls.setdefault((where, high_part, low_part), []).append((-count, ttl))

    def _note_answers(self, overview: Overview) -> None:
        """The first SYN-ACK of each port."""
        columns = map(overview.column, (SYN_ACK_PACKET, CLIENT, CARRIER, *range(KEY, KEY + 6)))
        for packet, client, carrier, high, low, far_high, far_low, ports, point in zip(*columns, strict=True):
            if not packet or client < 0 or carrier:
                continue
            key, port = ((point, high, low), ports >> 16) if client else ((point, far_high, far_low), ports & 0xFFFF)
            known = self._answered.get(key)
            if known is None:
                self._answered[key] = {port: packet}
            elif port not in known and len(known) < MAX_PORTS:
                known[port] = packet

    def host(self, point: int, address: Address, parts: tuple[int, int]) -> Host | None:
        """What is known of an address; `parts` is how records hold it."""
        key = point << 1 | (address.version == 6), *parts
        ttls = self._ttls.get(key)
        if ttls is None:
            return None
        answered = tuple(sorted(self._answered.get(key, {}).items()))
        return Host(self._capture, point, address, tuple(ttl for _, ttl in sorted(ttls)), answered)
