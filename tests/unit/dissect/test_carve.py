"""Towers and string bindings out of remains."""

from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.dissect import carve
from rpcdiag.dissect.carve import MAX_FOUND
from tests.build import pdus
from tests.build.exchanges import DRSUAPI, SVCCTL

ONE, OTHER = pdus.tower(*DRSUAPI, 49667, "10.0.0.9"), pdus.tower(*SVCCTL, 49668, "10.0.0.9")
BINDINGS = pdus.dual_strings(["SRV[49670]", "10.0.0.9[49670]", "fe80::1[49670]", "resolver"])


def test_towers_are_found_wherever_they_stand() -> None:
    found = carve.towers(b"\x05\0\x13\0 rubbish" + ONE + b"\0\0\0" + OTHER)
    assert [(one.interface, one.port, str(one.address)) for one in found] == [
        (DRSUAPI, 49667, "10.0.0.9"),
        (SVCCTL, 49668, "10.0.0.9"),
    ]


def test_a_tower_that_ends_behind_its_port_is_one_and_before_it_none() -> None:
    behind = ONE.index((49667).to_bytes(2, "big")) + 2
    (cut,) = carve.towers(ONE[:behind])
    assert (cut.port, cut.address) == (49667, None)
    assert carve.towers(ONE[: behind - 1]) == ()


def test_a_pipe_is_an_endpoint_too() -> None:
    (pipe,) = carve.towers(pdus.pipe_tower(*SVCCTL, "\\PIPE\\svcctl", "\\\\SRV"))
    assert (pipe.protseq, pipe.pipe, pipe.host) == ("ncacn_np", "\\PIPE\\svcctl", "\\\\SRV")


def test_bindings_with_a_port_are_found_and_others_not() -> None:
    found = carve.bindings(b"\x07\0M\0" + BINDINGS + BINDINGS)
    assert [(one.host, one.port) for one in found] == [("SRV", 49670), ("10.0.0.9", 49670), ("fe80::1", 49670)]


def test_a_binding_that_is_cut_in_its_port_is_none() -> None:
    end = BINDINGS.index("]".encode("utf-16-le"))
    assert carve.bindings(BINDINGS[:end]) == ()
    assert [one.port for one in carve.bindings(BINDINGS[: end + 4])] == [49670]


def test_a_port_beyond_the_last_is_none() -> None:
    assert carve.bindings(pdus.dual_strings(["SRV[65536]", "SRV[99999]"])) == ()


def test_there_is_an_end_to_it() -> None:
    assert len(carve.towers(ONE * (MAX_FOUND + 9))) == MAX_FOUND
    many = b"".join(pdus.dual_strings([f"S{number}[49670]"]) for number in range(MAX_FOUND + 9))
    assert len(carve.bindings(many)) == MAX_FOUND
    assert carve.towers(b"\x05\0\x13\0\x0d" * 100_000) == ()


@given(
    st.lists(st.sampled_from([ONE, ONE[:60], BINDINGS, BINDINGS[:30], b"\x05\0\x13\0\x0d", b"\x07\0[\0"]) | st.binary())
)
def test_any_bytes_are_searched_without_complaint(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    assert all(one.port or one.pipe for one in carve.towers(data))
    assert all(one.port is not None for one in carve.bindings(data))
