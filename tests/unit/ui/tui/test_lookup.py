"""Names are asked for once somebody wants them, and fit into a line."""

from ipaddress import ip_address

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


def test_long_and_hostile_names_are_cut_and_harmless() -> None:
    names = Names(lambda address: "\x1b[2J" + "x" * 500)
    names.wanted = True
    names.of(ONE)
    names.settle()
    assert names.of(ONE).startswith("\\x1b[2J")
    assert len(names.of(ONE)) == lookup.LONGEST
