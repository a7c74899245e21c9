"""What the pass knows of interfaces and results by heart is what the stages behind it know by name."""

import builtins
import dis
from collections.abc import Iterator
from inspect import signature
from struct import pack
from types import CodeType, FunctionType
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.diagnose import observe
from rpcdiag.diagnose.rules import callback_blocked
from rpcdiag.dissect import dcerpc
from rpcdiag.dissect.interfaces import EPMAPPER, IACTIVATION, IOBJECT_EXPORTER, IREMOTE_SCM_ACTIVATOR
from rpcdiag.dissect.status import status_name
from rpcdiag.sweep import calls, columns, compiler, fields, framing, native, primitives
from rpcdiag.sweep.columns import EV_ANSWERED, EV_ASKED, EV_CARRIED, EVENT_WIDTH, State
from rpcdiag.track import referrals
from rpcdiag.track.referrals import _KINDS
from tests.build import pdus
from tests.build.sweeping import Side

INTERFACES = (EPMAPPER, IREMOTE_SCM_ACTIVATOR, IACTIVATION, IOBJECT_EXPORTER)
TOLD = (
    0x800706BA, 0x800706BE, 0x800706BF, 0x80070005, 0x80040202, 0x80010108, 0x8004D02A, 0x8004D02B,
)  # fmt: skip


def _class(uuid: str, *, big: bool) -> int:
    return calls.interface_class(b"\xee\xee" + pdus.uuid(uuid, big=big) + b"\xee", 2, big)


@pytest.mark.parametrize("big", [False, True])
def test_every_interface_that_refers_has_its_own_class(big: bool) -> None:
    assert {uuid for uuid, _ in _KINDS} == set(INTERFACES)
    classes = [_class(uuid, big=big) for uuid in INTERFACES]
    assert sorted(classes) == [1, 2, 3, 4]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("uuid", [*INTERFACES, pdus.REM_UNKNOWN2, pdus.NDR64[0], str(UUID(int=0))])
def test_every_operation_is_asked_for_where_a_referral_is_made_of_it(uuid: str, big: bool) -> None:
    kind = _class(uuid, big=big)
    for opnum in range(300):
        wanted = (uuid, opnum) in _KINDS
        assert calls.refers(kind, opnum) is wanted
        assert referrals.refers(dcerpc.Syntax(uuid, "0.0"), opnum) is wanted


@pytest.mark.parametrize("big", [False, True])
@given(at=st.integers(0, 127), interface=st.sampled_from(INTERFACES))
def test_an_interface_that_differs_in_one_bit_is_another(big: bool, at: int, interface: str) -> None:
    near = bytearray(pdus.uuid(interface, big=big))
    near[at >> 3] ^= 1 << (at & 7)
    assert calls.interface_class(bytes(near), 0, big) == 0


def test_the_byte_order_of_the_pdu_counts() -> None:
    for interface in INTERFACES:
        assert calls.interface_class(pdus.uuid(interface), 0, True) == 0


def _events(side: Side, *said: tuple[int, bytes]) -> list[list[int]]:
    for number, (who, data) in enumerate(said, start=1):
        place = side.g + who * columns.SIDE_WIDTH
        framing.feed(side.state, side.g, place, data, 0, len(data), number, number)
    rows, _ = side.sweep.drained()
    return [rows[at : at + EVENT_WIDTH] for at in range(0, len(rows), EVENT_WIDTH)]


def _answered(result: int, *, big: bool = False, instance: str | None = pdus.IPID, level: int = 0) -> list[list[int]]:
    auth = (10, level, bytes(16)) if level else None
    side = Side()
    side.state.counters[columns.TELL_ALL] = 0
    stub = bytes(8) + pack(">I" if big else "<I", result)
    return _events(
        side,
        (0, pdus.bind([(pdus.REM_UNKNOWN2, "0.0", [pdus.NDR32])], big=big)),
        (0, pdus.request(5, bytes(20), instance=instance, big=big, auth=auth)),
        (1, pdus.response(stub, big=big, auth=auth)),
    )


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("result", TOLD)
def test_results_that_speak_of_other_connections_are_told(result: int, big: bool) -> None:
    (carried,) = [row for row in _answered(result, big=big) if row[0] == EV_CARRIED]
    assert carried[2:8] == [2, 3, 3, 0, 5, result]
    assert status_name(result) is not None


@pytest.mark.parametrize("result", [0, 1, 0x80004002, 0x800706BB, 0x80070006, 0x000706BA])
def test_other_results_are_a_matter_of_the_call(result: int) -> None:
    assert not [row for row in _answered(result) if row[0] == EV_CARRIED]


def test_the_results_that_rules_look_for_are_among_those_told() -> None:
    assert {observe.UNAVAILABLE, *callback_blocked._ABOUT_CALLBACKS} <= set(TOLD)


def test_only_an_answer_on_an_object_ends_with_a_result_and_a_sealed_one_is_not_read() -> None:
    assert not [row for row in _answered(TOLD[0], instance=None) if row[0] == EV_CARRIED]
    assert not [row for row in _answered(TOLD[0], level=6) if row[0] == EV_CARRIED]
    assert [row for row in _answered(TOLD[0], level=5) if row[0] == EV_CARRIED]


@pytest.mark.parametrize(("uuid", "opnum"), sorted(_KINDS))
@pytest.mark.parametrize("big", [False, True])
def test_what_may_hand_out_an_endpoint_comes_with_its_stub(uuid: str, opnum: int, big: bool) -> None:
    side = Side()
    side.state.counters[columns.TELL_ALL] = 0
    offer = pdus.bind([(pdus.REM_UNKNOWN2, "0.0", [pdus.NDR32]), (uuid, "0.0", [pdus.NDR32])], first_context=6, big=big)
    ask = pdus.request(opnum, b"question", context=7, big=big)
    _events(side, (0, offer))
    side.state.numbers[side.g + columns.DIRECT] = 1  # not as a step that others took before
    events = _events(side, (0, ask), (1, pdus.response(b"answer", context=7, big=big)))
    assert [(row[0], row[8], row[9], row[11]) for row in events] == [
        (EV_ASKED, 7, opnum, 8),
        (EV_ANSWERED, 7, opnum, 6),
    ]
    assert [row[7] & columns.BIG_ENDIAN for row in events] == [columns.BIG_ENDIAN if big else 0] * 2


# --- object references, and calls whose context nobody saw


REFERENCE = pdus.objref("7c857801-7381-11cf-884d-00aa004b2e24", 1, ["CLIENT"])


def _told_of(
    *said: tuple[int, bytes], port: int = 49712, bind: str | None = pdus.REM_UNKNOWN2
) -> list[tuple[int, int, int]]:  # fmt: skip
    """Kind, bits and length of the stubs that are told."""
    side = Side()
    side.state.counters[columns.TELL_ALL] = 0
    side.state.numbers[side.g + columns.DIRECT] = 1
    side.state.flows[columns.KEY + 4] = 50000 << 16 | port
    offer = [(0, pdus.bind([(bind, "0.0", [pdus.NDR32])]))] if bind else []
    rows = _events(side, *offer, *said)
    return [(row[0], row[7], row[12]) for row in rows if row[0] in (EV_ASKED, EV_ANSWERED)]


@pytest.mark.parametrize("big", [False, True])
def test_a_call_on_an_object_is_told_where_a_reference_is_in_it(big: bool) -> None:
    order = columns.BIG_ENDIAN if big else 0
    ask, answer = (pdus.request(5, data, instance=pdus.IPID, big=big) for data in (REFERENCE, bytes(80)))
    found = _told_of((0, ask), (1, pdus.response(bytes(80), big=big)))
    assert found == [(EV_ASKED, columns.MARSHALS | order, len(REFERENCE))]
    found = _told_of((0, answer), (1, pdus.response(bytes(9) + REFERENCE, big=big)))
    assert found == [(EV_ANSWERED, columns.MARSHALS | order, 9 + len(REFERENCE))]


def test_from_the_fragment_with_the_signature_on_all_are_told() -> None:
    def ask(data: bytes, flags: int) -> tuple[int, bytes]:
        return 0, pdus.request(5, data, instance=pdus.IPID, flags=flags)

    found = _told_of(ask(bytes(8), 1), ask(b"..MEOW..", 0), ask(bytes(3), 0), ask(bytes(4), 2))
    assert found == [(EV_ASKED, columns.MARSHALS, length) for length in (8, 3, 4)]
    answers = [(1, pdus.response(data, flags=bits)) for data, bits in ((bytes(5), 1), (b"MEOW", 0), (bytes(6), 2))]
    found = _told_of(ask(bytes(8), 3), *answers)
    assert found == [(EV_ANSWERED, columns.MARSHALS, length) for length in (4, 6)]


def test_neither_sealed_calls_nor_those_on_no_object_are_searched() -> None:
    sealed = (10, 6, bytes(16))
    assert _told_of((0, pdus.request(5, REFERENCE, instance=pdus.IPID, auth=sealed))) == []
    assert _told_of((0, pdus.request(5, REFERENCE)), (1, pdus.response(REFERENCE))) == []
    assert _told_of((0, pdus.request(5, b"", instance=pdus.IPID)), (1, pdus.response(REFERENCE, auth=sealed))) == []


def test_the_signature_in_a_trailer_is_none() -> None:
    assert _told_of((0, pdus.request(5, bytes(8), instance=pdus.IPID, auth=(10, 5, b"MEOW" * 4)))) == []


@pytest.mark.parametrize("opnum", range(8))
@pytest.mark.parametrize("port", [135, 593])
def test_on_the_mapper_s_port_the_operation_says_what_is_told_of_an_unknown_context(port: int, opnum: int) -> None:
    wanted = any(opnum == known for _, known in _KINDS)
    found = _told_of((0, pdus.request(opnum, bytes(8))), (1, pdus.response(bytes(9))), port=port, bind=None)
    assert found == ([(EV_ASKED, columns.UNBOUND, 8), (EV_ANSWERED, columns.UNBOUND, 9)] if wanted else [])
    assert _told_of((0, pdus.request(opnum, bytes(8))), port=port) == []  # its context was offered


@pytest.mark.parametrize(
    "mark", [REFERENCE, pdus.tower("e3514235-4b06-11d1-ab04-00c04fc2dcd2", "4.0", 135, "10.0.0.9")]
)
def test_elsewhere_the_stub_does(mark: bytes) -> None:
    found = _told_of((0, pdus.request(4, mark, flags=1)), (0, pdus.request(4, bytes(8), flags=2)), bind=None)
    assert found == [(EV_ASKED, columns.UNBOUND, len(mark)), (EV_ASKED, columns.UNBOUND, 8)]
    assert _told_of((0, pdus.request(4, mark))) == []
    assert _told_of((0, pdus.request(6, mark)), bind=None) == []


def test_an_answer_without_its_request_is_told_on_the_mapper_s_port_where_it_names_something() -> None:
    tower = pdus.tower("e3514235-4b06-11d1-ab04-00c04fc2dcd2", "4.0", 135, "10.0.0.9")
    for stub in (tower, pdus.dual_strings(["SRV[49670]"])):
        assert _told_of((1, pdus.response(stub)), port=135) == [(EV_ANSWERED, columns.UNBOUND, len(stub))]
        assert _told_of((1, pdus.response(stub))) == []
    assert _told_of((1, pdus.response(pdus.dual_strings(["SRV"]))), port=135) == []


@given(st.binary(max_size=40), st.binary(min_size=4, max_size=4), st.integers(0, 40), st.integers(0, 40))
def test_a_mark_is_held_where_it_stands_whole(data: bytes, mark: bytes, at: int, count: int) -> None:
    count = max(0, min(count, len(data) - at))
    number = int.from_bytes(mark, "big")
    inside = data[:7] + mark + data[7:]
    with patch.object(native, "int64", int, create=True):
        for form in (primitives, native):
            if at <= len(data):
                assert form.holds(data, at, count, number) == (mark in data[at : at + count])
            assert form.holds(inside, 0, len(inside), number)


# --- modules of the pass share one space of names when they are compiled


def _functions() -> Iterator[FunctionType]:
    for module in compiler.MODULES:
        for value in vars(module).values():
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                yield value


def test_a_number_has_one_value_in_all_modules() -> None:
    known: dict[str, Any] = {}
    for module in compiler.MODULES:
        for name, value in vars(module).items():
            if isinstance(value, int):
                assert known.setdefault(name, value) == value, f"{name} in {module.__name__}"
    assert known["HEADER"] == 16


def test_a_function_has_a_name_of_its_own() -> None:
    names = [function.__name__ for function in _functions()]
    assert len(set(names)) == len(names)
    numbers = {name for module in compiler.MODULES for name, value in vars(module).items() if isinstance(value, int)}
    assert not numbers & set(names)


def test_every_name_that_a_function_uses_is_known_to_the_compiler() -> None:
    known = {function.__name__ for function in _functions()} | {"view", "move", "int64", "State"}
    known |= {name for module in compiler.MODULES for name, value in vars(module).items() if isinstance(value, int)}
    known |= {"min", "max", "abs", "len", "range", "IndexError"}
    assert all(hasattr(builtins, name) for name in ("min", "max", "abs", "len", "range", "IndexError"))
    for function in _functions():
        assert _globals(function.__code__) <= known, function.__name__
    assert _globals(compiler.entry.__code__) <= known


def _globals(code: CodeType) -> set[str]:
    return {str(one.argval) for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL"}


def test_both_forms_of_the_primitives_have_the_same_names_and_arguments() -> None:
    own = {name: value for name, value in vars(primitives).items() if callable(value) and name not in ("Any", "Struct")}
    assert len(own) > 15
    for name, value in own.items():
        if name == "turned":  # only the interpreter's keys are bytes that can be turned
            continue
        other = list(signature(getattr(native, name)).parameters)
        if isinstance(value, FunctionType):
            assert list(signature(value).parameters) == other
        else:
            assert other == ["b", "at"]


def test_the_entry_takes_every_array_of_the_state() -> None:
    taken = list(signature(compiler.entry).parameters)
    assert [name for name in taken if name in State._fields] == list(State._fields)
    assert [f"n{name}" in taken for name in State._fields] == [True] * len(State._fields)


@given(st.binary(min_size=48, max_size=48), st.integers(0, 24))
def test_numbers_are_read_in_either_byte_order(data: bytes, at: int) -> None:
    big, little = int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at : at + 4], "little")
    assert (fields.word(data, at, True), fields.word(data, at, False)) == (big, little)
    assert fields.half(data, at, True) == big >> 16
    assert fields.half(data, at, False) == little & 0xFFFF
