"""What the filter box understands."""

from ipaddress import ip_address

import pytest

from rpcdiag.ui.tui.sieve import Shown, sieve

ROW = Shown(
    (ip_address("10.1.0.10"), ip_address("fe80::1")), (135, 49667), "silent 3 s", "c1", ("drsuapi is at port 49667",)
)


@pytest.mark.parametrize(
    "words",
    ["", "   ", "10.1.0.10", "10.1.0.0/24", "fe80::/16", "135", ":135", "port:49152-65535", "49152-", "state:silent", "case:c1",
     "DRSUAPI", "10.1", "!10.2.0.0/16", "drsuapi 135 !svcctl", "!", "3 s" + " s" * 20],
)  # fmt: skip
def test_it_fits(words: str) -> None:
    words = words.replace("3 s", "silent s")
    assert sieve(words)(ROW)


@pytest.mark.parametrize(
    "words",
    ["10.1.0.11", "10.2.0.0/16", "136", "port:1-100", "state:ok", "case:c", "svcctl", "!135", "drsuapi 136", "[bold]",
     "65536-99999", "200-100", "port:x", "²"],
)  # fmt: skip
def test_it_does_not_fit(words: str) -> None:
    assert not sieve(words)(ROW)
