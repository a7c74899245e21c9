"""Messages of two sides become segments."""

from hypothesis import given
from hypothesis import strategies as st

from tests.build.messages import CLIENT, SERVER, segments

MESSAGES = st.lists(st.tuples(st.sampled_from((CLIENT, SERVER)), st.binary(min_size=1, max_size=9)), max_size=12)


@given(MESSAGES, st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_no_byte_and_no_message_is_lost(messages: list[tuple[int, bytes]], sizes: list[int]) -> None:
    cut = list(segments(messages, sizes))
    for side in (CLIENT, SERVER):
        assert b"".join(data for of, data, _, _ in cut if of == side) == b"".join(
            data for of, data in messages if of == side
        )
    assert sum(ended for _, _, ended, _ in cut) == len(messages)
    assert all(data and len(data) <= max(sizes) for _, data, _, _ in cut)


def test_a_segment_may_end_one_message_and_begin_the_next() -> None:
    said = [(CLIENT, b"abc"), (CLIENT, b"d"), (CLIENT, b"efg"), (SERVER, b"xy")]
    assert list(segments(said, (4, 1))) == [
        (CLIENT, b"abcd", 2, False), (CLIENT, b"e", 0, False), (CLIENT, b"fg", 1, True), (SERVER, b"x", 0, False),
        (SERVER, b"y", 1, True),
    ]  # fmt: skip
