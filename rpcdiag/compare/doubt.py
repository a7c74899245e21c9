"""Losses that are none: of connections whose way does not lead past the other place, or that its capture left out.

That packets are not there is no proof. A host on this side answers and nothing of it is seen behind the firewall; a
capture filter held the port out; a capture that mirrors one direction has nothing of the other; one at all interfaces of
a translating device has every packet under two addresses.
"""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import NamedTuple

from rpcdiag.compare.order import Lost, Order, Passage
from rpcdiag.compare.pieces import SERVICES, Udp
from rpcdiag.compare.talks import Talk, kind
from rpcdiag.model.packets import Address

SAME_TIME_NS = 1_000_000_000
OTHERS = 2  # ports besides: then nobody filtered for one
MAX_NAMED = 4
_OPENING = frozenset({"SYN", "SYN-ACK", "RST"})
Way = tuple[int, Address, Address]


class Weighed(NamedTuple):
    """What can be said to be lost, and what is said of the rest."""

    lost: list[Lost]
    remarks: list[str]


def weighed(
    labels: tuple[str, str], order: Order, udp: tuple[Udp, Udp], passages: Sequence[Passage], lost: Sequence[Lost],
    passing: set[Way], *, one_clock: bool,
) -> Weighed:  # fmt: skip
    """Without what is no loss; `passing`: places and hosts of packets from one to the other that are in both."""
    alone = {id(one.talk): one.talk for one in passages if one.first is None or one.second is None}
    copies = _copies(passages)
    silent = _silent(passages, lost, passing)
    left: dict[str, set[int]] = {"copy": set(), "elsewhere": set()}
    where: tuple[dict[str, None], dict[str, None]] = ({}, {})
    kept = []
    for one in lost:
        way = 1 - one.at, *_hosts(one)
        if id(one.talk) in copies:
            left["copy"].add(id(one.talk))
        elif id(one.talk) in alone and _elsewhere(order, udp, one, passing, one_clock=one_clock):
            where[one.at].setdefault(str(one.talk.server))
        elif way not in silent and not (id(one.talk) in alone and _follows(one)):
            proviso = None
            if id(one.talk) in alone and not one_clock and one.how != "unrecorded":
                proviso = _proviso(labels, order, udp, one, passing)
            kept.append(one._replace(proviso=proviso))
    remarks = [
        f"connections at {labels[at]} to {', '.join(list(named)[:MAX_NAMED])}{', ...' if len(named) > MAX_NAMED else ''} are not at "
        f"{labels[1 - at]} and were answered, or are of hosts of which nothing is in both: their way does not lead past "
        f"{labels[1 - at]}, a device between speaks for the server, or a capture filter left them out"
        for at, named in enumerate(where)
        if named
    ]
    if left["copy"]:
        remarks.append(
            f"{len(left['copy'])} connections are in one capture under two addresses, before and behind a translation"
        )
    remarks += [
        f"{labels[place]} has nothing that {source} sends to {destination}, not even what was acknowledged: it records one "
        "direction only, and of the other nothing is said"
        for place, source, destination in sorted(silent, key=str)
    ]  # fmt: skip
    return Weighed(kept, remarks)


def could_hold(udp: Udp, port: int) -> bool:
    """Whether a capture holds TCP of this port, or so much else that it was not filtered for a port."""
    others = udp.tcp_ports - {port}
    return (
        port in udp.tcp_ports or udp.others > 0 or bool(udp.udp_ports - SERVICES.keys()) or len(others) >= OTHERS
    )  # fmt: skip


def _hosts(one: Lost) -> tuple[Address, Address]:
    client, server = one.talk.client.address, one.talk.server.address
    return (server, client) if one.side else (client, server)


def _copies(passages: Sequence[Passage]) -> set[int]:
    """Conversations of one place that are those of another pair of ends at the same place."""
    known: dict[tuple[int, int], Talk] = {}
    for one in passages:
        for place in (0, 1):
            talk = one.at(place)
            if talk is not None and talk.isn is not None and one.first is not None and one.second is not None:
                known[place, talk.isn] = talk
    found = set()
    for one in passages:
        if one.first is not None and one.second is not None:
            continue
        talk = one.talk
        other = None if talk.isn is None else known.get((int(one.first is None), talk.isn))
        if other is not None and abs(other.first.time_ns - talk.first.time_ns) <= SAME_TIME_NS:
            found.add(id(talk))
    return found


def _silent(passages: Sequence[Passage], lost: Sequence[Lost], passing: set[Way]) -> set[Way]:
    """Places that have nothing of one direction, although what went that way was acknowledged; hosts as the other place
    names them."""
    found: set[Way] = set()
    both = {id(talk) for one in passages if one.first and one.second for talk in (one.first, one.second)}
    for one in lost:
        way = one.at, *_hosts(one)
        if one.fate.acknowledged and id(one.talk) in both and way not in passing:
            found.add((1 - one.at, *_hosts(one)))
    return found


def _follows(one: Lost) -> bool:
    """What comes after an opening that somebody answered in between is not lost besides."""
    return bool(one.talk.sent[0] and one.talk.sent[1]) and kind(one.fate.one) not in _OPENING


def _known(order: Order, one: Lost, passing: set[Way]) -> bool | None:
    """Whether the way of a connection leads past the other place; None where no packet tells."""
    at, client, server = one.at, one.talk.client.address, one.talk.server.address
    if (at, client, server) in passing or (at, server, client) in passing:
        return True
    near, far = order.of_host(at, client), order.of_host(at, server)
    if far is None:
        return None if near in (None, at) else False
    return far != at and near in (None, at) if near is None else near != far


def _elsewhere(order: Order, udp: tuple[Udp, Udp], one: Lost, passing: set[Way], *, one_clock: bool) -> bool:
    talk = one.talk
    known = _known(order, one, passing)
    if known is False and not one_clock:
        return True
    answered = bool(talk.sent[0] and talk.sent[1])
    if answered:
        held = one_clock or could_hold(udp[1 - one.at], talk.server.port)
        return any(segment.size for segment in talk.sent[1]) or not known or not held
    return known is None and not one_clock and neighbours(talk.client.address, talk.server.address)


def neighbours(one: Address, other: Address) -> bool:
    """Whether they are likely in one network, between which there is no firewall."""
    if one.version != other.version:
        return False
    return other in ip_network((one, 24 if one.version == 4 else 64), strict=False)


def _proviso(
    labels: tuple[str, str], order: Order, udp: tuple[Udp, Udp], one: Lost, passing: set[Way]
) -> str | None:  # fmt: skip
    there, port = labels[1 - one.at], one.talk.server.port
    if not could_hold(udp[1 - one.at], port):
        held = ", ".join(map(str, sorted(udp[1 - one.at].tcp_ports))) or "none"
        return f"unless a capture filter at {there} left port {port} out: of TCP it holds port {held} only"
    if _known(order, one, passing) is None:
        return f"if the way to {one.talk.server.address} leads past {there}: nothing of that host is in both captures"
    return None
