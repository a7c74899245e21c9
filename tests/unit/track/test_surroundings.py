"""What is remembered of names."""

from ipaddress import ip_address
from typing import Any

from rpcdiag.sweep.columns import EV_DATAGRAM, EVENT_WIDTH
from rpcdiag.sweep.packets import NAME_ANSWER, NAME_QUESTION
from rpcdiag.track.surroundings import Surroundings
from tests.build import names

C, S = ip_address("10.0.0.1"), ip_address("10.0.0.2")


def _told(what: int, packet: int, data: bytes) -> tuple[list[int], Any]:
    """The event of one datagram between a client and its DNS server, and the bytes that it points to."""
    source, target = ((S, 53), (C, 5000)) if what == NAME_ANSWER else ((C, 5000), (S, 53))
    arena = source[0].packed + target[0].packed + source[1].to_bytes(2, "big") + target[1].to_bytes(2, "big") + data
    row = [EV_DATAGRAM, what, packet, packet, 0, 4, 0, len(data), len(data)]
    return row + [0] * (EVENT_WIDTH - len(row)), memoryview(arena)


def _asked(surroundings: Surroundings, count: int) -> None:
    for number in range(count):
        name = f"host{number}.example.com"
        surroundings.feed(*_told(NAME_QUESTION, 2 * number + 1, names.dns_query(name)))
        surroundings.feed(*_told(NAME_ANSWER, 2 * number + 2, names.dns_answer(name, [f"10.0.1.{number}"])))


def test_of_too_many_names_the_latest_are_known() -> None:
    surroundings = Surroundings(most_names=5)
    _asked(surroundings, 20)
    known = list(surroundings.names(None))
    assert [fact.name for fact in known] == [f"host{number}.example.com" for number in range(15, 20)]
    assert [fact.packet for fact in known] == [32, 34, 36, 38, 40]
    assert list(surroundings.unanswered(None)) == []
