"""Segments back in order, and the gaps told: a PDU comes out whole, or as much of it as there is."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rpcdiag.sweep.columns import MAX_WAITING
from tests.build import pdus
from tests.build.sweeping import Side

SECOND = 1_000_000_000
WHOLE = pdus.request(1, bytes(range(44)))  # 68 bytes
NEXT = pdus.request(2, b"next")


def _all(pieces: list[tuple[int, bytes]], *, isn: int = 999, lengths: list[int] | None = None) -> Side:
    side = Side()
    for number, (sequence, data) in enumerate(pieces):
        side.segment(sequence, data, lengths[number] if lengths else len(data), number + 1, number * 1000, isn)
    side.close()
    return side


def test_order_does_not_matter() -> None:
    side = _all([(1020, WHOLE[20:40]), (1000, WHOLE[:20]), (1040, WHOLE[40:])])
    assert [(pdu.data, pdu.packet) for pdu in side.pdus] == [(WHOLE, 3)]


def test_retransmissions_and_overlaps_add_nothing_and_the_first_byte_stays() -> None:
    side = _all([(1000, WHOLE[:40]), (1000, b"X" * 40), (1030, b"Y" * 10 + WHOLE[40:])])
    assert [pdu.data for pdu in side.pdus] == [WHOLE]
    assert side.position == len(WHOLE)


def test_a_gap_is_a_fact_with_its_length() -> None:
    side = _all([(1000, WHOLE[:30]), (1040, WHOLE[40:] + NEXT)])
    assert [(pdu.data, pdu.length) for pdu in side.pdus] == [(WHOLE[:30], len(WHOLE)), (NEXT, len(NEXT))]
    assert (side.missing, side.skipped) == (10, 0)


def test_a_segment_that_the_capture_cut_leaves_a_gap() -> None:
    side = _all([(1000, WHOLE[:30]), (1000 + len(WHOLE), NEXT)], lengths=[len(WHOLE), len(NEXT)])
    assert [pdu.data for pdu in side.pdus] == [WHOLE[:30], NEXT]
    assert side.missing == len(WHOLE) - 30


def test_a_byte_far_ahead_costs_nothing_and_holds_nothing_up() -> None:
    side = Side()
    side.segment(1000 + (1 << 30), b"!", 1, 1, 0, 999)
    for number in range(len(WHOLE)):
        side.segment(1000 + number, WHOLE[number : number + 1], 1, 2 + number, number, 999)
    assert [pdu.data for pdu in side.pdus] == [WHOLE]
    side.close()
    assert side.position == (1 << 30) + 1


def test_a_capture_that_starts_in_the_middle_starts_with_its_first_segment() -> None:
    side = _all([(5000, WHOLE[:30]), (5030, WHOLE[30:])], isn=-1)
    assert [pdu.data for pdu in side.pdus] == [WHOLE]


def test_sequence_numbers_wrap() -> None:
    side = _all([(0xFFFFFFFE, WHOLE[:30]), (28, WHOLE[30:])], isn=0xFFFFFFFD)
    assert [pdu.data for pdu in side.pdus] == [WHOLE]


def test_what_waits_is_bounded() -> None:
    side = Side()
    side.segment(1000, WHOLE[:20], 20, 1, 0, 999)
    for number in range(MAX_WAITING + 1):
        side.segment(2000 + 2 * number, b"a", 1, number + 2, 0)
    assert side.missing > 0
    assert [pdu.data for pdu in side.pdus] == [WHOLE[:20]]


def test_a_segment_that_does_not_come_is_not_waited_for_longer_than_tcp_would() -> None:
    side = Side()
    side.segment(1000, WHOLE[:20], 20, 1, 0, 999)
    side.segment(1030, WHOLE[30:40], 10, 2, SECOND)
    assert side.missing == 0
    side.segment(1040, WHOLE[40:], 28, 3, 5 * SECOND)
    assert side.missing == 10
    assert [pdu.length for pdu in side.pdus] == [len(WHOLE)]


@settings(max_examples=60)
@given(st.data())
def test_any_cut_any_order_any_repetition_gives_the_same_pdus(data: st.DataObject) -> None:
    whole = WHOLE + NEXT
    cuts = sorted({0, len(whole), *data.draw(st.lists(st.integers(0, len(whole)), max_size=8))})
    pieces = [(1000 + one, whole[one:other]) for one, other in pairwise(cuts)]
    pieces += data.draw(st.lists(st.sampled_from(pieces), max_size=4))
    side = _all(data.draw(st.permutations(pieces)))
    assert [pdu.data for pdu in side.pdus] == [WHOLE, NEXT]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 1 << 32), st.binary(max_size=9), st.integers(0, 9)), max_size=30))
def test_every_byte_handed_on_is_in_a_pdu_skipped_or_missing(segments: list[tuple[int, bytes, int]]) -> None:
    side = Side()
    for number, (sequence, data, more) in enumerate(segments):
        side.segment(sequence & 0xFFFFFFFF, data, len(data) + more, number + 1, number)
    side.close()
    assert side.position == side.in_pdus + side.skipped + side.missing
