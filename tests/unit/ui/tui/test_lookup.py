"""Names are asked once, aside, and bounded in number."""

import threading
from collections import Counter
from ipaddress import ip_address

from rpcdiag.model.packets import Address
from rpcdiag.ui.tui import lookup
from rpcdiag.ui.tui.lookup import Names

ONE = ip_address("10.0.0.1")


def test_nobody_is_asked_until_names_are_wanted() -> None:
    names = Names(lambda address: "host")
    assert names.of(ONE) == "10.0.0.1"
    names.settle()
    assert names.changes == 0
    names.wanted = True
    assert names.of(ONE) == "10.0.0.1"
    names.settle()
    assert names.of(ONE) == "host"
    assert names.changes == 1


def test_nobody_waits_for_an_answer() -> None:
    answer = threading.Event()

    def slow(address: Address) -> str | None:
        answer.wait()
        return "slow"

    names = Names(slow)
    names.wanted = True
    assert [names.of(ip_address(f"10.0.{n // 256}.{n % 256}")) for n in range(1000)][-1] == "10.0.3.231"
    answer.set()
    names.settle()
    assert names.of(ip_address("10.0.0.0")) == "slow"


def test_each_address_is_asked_once_and_the_oldest_are_forgotten() -> None:
    asked: Counter[Address] = Counter()

    def ask(address: Address) -> str | None:
        asked[address] += 1
        return None

    names = Names(ask)
    names.wanted = True
    for _ in range(3):
        names.of(ONE)
        names.settle()
    assert asked[ONE] == 1
    for n in range(lookup.MOST + 1):
        names.of(ip_address((10 << 24) + 256 + n))
        names.settle()
    names.of(ONE)
    names.settle()
    assert asked[ONE] == 2


def test_long_and_hostile_names_are_cut_and_harmless() -> None:
    names = Names(lambda address: "\x1b[2J" + "x" * 500)
    names.wanted = True
    names.of(ONE)
    names.settle()
    assert names.of(ONE).startswith("\\x1b[2J")
    assert len(names.of(ONE)) == lookup.LONGEST
