"""Names that are looked up while rows are shown."""

import threading
from ipaddress import ip_address

from rpcdiag.live import resolve
from rpcdiag.live.resolve import Names
from rpcdiag.model.packets import Address

A, B = ip_address("192.0.2.1"), ip_address("192.0.2.2")


def test_nobody_waits_for_a_name() -> None:
    go_on = threading.Event()

    def slow(address: Address) -> str | None:
        go_on.wait(20)
        return "dc1" if address == A else None

    names = Names(slow)
    assert [names.name(one) for one in (A, B, A, None)] == [None] * 4
    go_on.set()
    names.settled()
    assert [names.name(one) for one in (A, B)] == ["dc1", None]


def test_an_address_is_asked_for_once_and_as_many_are_kept_as_fit() -> None:
    asked: list[Address] = []

    def known(address: Address) -> str:
        asked.append(address)
        return str(address)

    names = Names(known, threads=1)
    addresses = [ip_address(0x0A000000 + number) for number in range(resolve.MOST + 10)]
    for one in addresses:
        assert names.name(one) is None
        names.settled()
    assert names.name(addresses[-1]) == str(addresses[-1])
    assert len(asked) == len(addresses)
    assert names.name(addresses[0]) is None
    names.settled()
    assert len(asked) == len(addresses) + 1


def test_more_than_can_wait_are_asked_for_later() -> None:
    go_on = threading.Event()
    names = Names(lambda address: str(address) if go_on.wait(20) else None, threads=1)
    addresses = [ip_address(0x0A000000 + number) for number in range(resolve.MOST_WAITING + 5)]
    assert {names.name(one) for one in addresses} == {None}
    go_on.set()
    names.settled()
    assert names.name(addresses[0]) == "10.0.0.0"
    assert names.name(addresses[-1]) is None
    names.settled()
    assert names.name(addresses[-1]) == str(addresses[-1])
