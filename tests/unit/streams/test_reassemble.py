"""Segments back in order, and the gaps told."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.streams.reassemble import MAX_PENDING, Chunk, Gap, Reassembler

SECOND = 1_000_000_000


def _all(
    pieces: list[tuple[int, bytes]], *, start: int | None = 999, lengths: list[int] | None = None
) -> list[Chunk | Gap]:
    stream = Reassembler()
    out: list[Chunk | Gap] = []
    for number, (sequence, data) in enumerate(pieces):
        length = lengths[number] if lengths else len(data)
        out += stream.feed(start, sequence, data, length, number + 1, number * 1000)
    return [*out, *stream.close()]


def _bytes(pieces: list[Chunk | Gap]) -> bytes:
    return b"".join(piece.data if isinstance(piece, Chunk) else b"." * piece.length for piece in pieces)


def test_order_does_not_matter() -> None:
    assert _bytes(_all([(1003, b"def"), (1000, b"abc"), (1006, b"g")])) == b"abcdefg"


def test_retransmissions_and_overlaps_add_nothing_and_the_first_byte_stays() -> None:
    assert _bytes(_all([(1000, b"abcd"), (1000, b"XXXX"), (1002, b"YYef")])) == b"abcdef"


def test_a_gap_is_a_fact_with_its_length() -> None:
    pieces = _all([(1000, b"abc"), (1010, b"xyz")])
    assert [piece for piece in pieces if isinstance(piece, Gap)] == [Gap(3, 7, 2, 1000)]
    assert _bytes(pieces) == b"abc.......xyz"


def test_a_segment_that_the_capture_cut_leaves_a_gap() -> None:
    assert _bytes(_all([(1000, b"abc"), (1006, b"g")], lengths=[6, 1])) == b"abc...g"


def test_a_byte_far_ahead_costs_nothing_and_holds_nothing_up() -> None:
    stream = Reassembler()
    pieces = list(stream.feed(999, 1000 + (1 << 30), b"!", 1, 1, 0))
    for number in range(50):
        pieces += stream.feed(999, 1000 + number, b"a", 1, 2 + number, number)
    assert _bytes(pieces) == b"a" * 50
    gap, far = stream.close()
    assert (gap, far) == (Gap(50, (1 << 30) - 50, 1, 0), Chunk(1 << 30, b"!", 1, 0))


def test_a_capture_that_starts_in_the_middle_starts_with_its_first_segment() -> None:
    assert _bytes(_all([(5000, b"abc"), (5003, b"def")], start=None)) == b"abcdef"


def test_sequence_numbers_wrap() -> None:
    assert _bytes(_all([(0xFFFFFFFE, b"abcd"), (2, b"ef")], start=0xFFFFFFFD)) == b"abcdef"


def test_what_waits_is_bounded() -> None:
    stream = Reassembler()
    pieces: list[Chunk | Gap] = []
    for number in range(MAX_PENDING + 1):
        pieces += stream.feed(999, 2000 + 2 * number, b"a", 1, number, 0)
    assert isinstance(pieces[0], Gap)


def test_a_segment_that_does_not_come_is_not_waited_for_longer_than_tcp_would() -> None:
    stream = Reassembler()
    list(stream.feed(999, 1000, b"abc", 3, 1, 0))
    assert not list(stream.feed(999, 1010, b"x", 1, 2, SECOND))
    assert _bytes(list(stream.feed(999, 1011, b"y", 1, 3, 5 * SECOND))) == b".......xy"


@given(st.binary(min_size=1, max_size=60), st.data())
def test_any_cut_any_order_any_repetition_gives_the_same_bytes(whole: bytes, data: st.DataObject) -> None:
    cuts = sorted({0, len(whole), *data.draw(st.lists(st.integers(0, len(whole)), max_size=8))})
    pieces = [(1000 + one, whole[one:other]) for one, other in pairwise(cuts)]
    pieces += data.draw(st.lists(st.sampled_from(pieces), max_size=4))
    assert _bytes(_all(data.draw(st.permutations(pieces)))) == whole


@given(st.lists(st.tuples(st.integers(0, 1 << 32), st.binary(max_size=9), st.integers(0, 9)), max_size=30))
def test_the_position_is_what_was_handed_on(segments: list[tuple[int, bytes, int]]) -> None:
    stream = Reassembler()
    out: list[Chunk | Gap] = []
    for number, (sequence, data, more) in enumerate(segments):
        out += stream.feed(None, sequence & 0xFFFFFFFF, data, len(data) + more, number + 1, number)
    out += stream.close()
    assert stream.position == sum(len(piece.data) if isinstance(piece, Chunk) else piece.length for piece in out)
    places = [piece.offset for piece in out]
    assert places == sorted(places)
