"""A stream of bytes to PDUs, also through holes."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.build import pdus
from tests.build.sweeping import Frame, Side, pdus_of

BIND = pdus.bind(pdus.contexts(pdus.EPM, "3.0"))
ASK = pdus.request(3, bytes(range(40)))
BIG = pdus.request(3, bytes(40), big=True)
STREAM = BIND + ASK + BIG + pdus.auth3(b"token")


def _frames(pieces: list[bytes | int]) -> tuple[list[Frame], Side]:
    """Bytes and gaps, a packet each."""
    side = pdus_of(pieces)
    return side.pdus, side


def test_several_pdus_in_a_segment_and_several_segments_for_a_pdu() -> None:
    frames, _ = _frames([STREAM[:200], STREAM[200:]])
    assert b"".join(frame.data for frame in frames) == STREAM
    assert [frame.packet for frame in frames] == [1, 2, 2, 2]


def test_a_pdu_knows_the_packets_it_came_in() -> None:
    (frame,), _ = _frames([BIND[:10], BIND[10:100], BIND[100:]])
    assert (frame.first_packet, frame.packet) == (1, 3)


@settings(max_examples=60)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_the_cut_of_the_segments_changes_no_event(cuts: list[int]) -> None:
    places = sorted({0, len(STREAM), *cuts})
    whole, _ = _frames([STREAM])
    cut, _ = _frames([STREAM[one:other] for one, other in pairwise(places)])
    assert [frame.data for frame in cut] == [frame.data for frame in whole]


def test_a_gap_inside_a_pdu_costs_its_end_and_not_the_framing() -> None:
    frames, side = _frames([BIND + ASK[:30], len(ASK) - 30 - 4, ASK[-4:] + BIG])
    assert [frame.data for frame in frames] == [BIND, ASK[:30], BIG]
    assert [frame.length for frame in frames] == [len(BIND), len(ASK), len(BIG)]
    assert (side.missing, side.skipped) == (len(ASK) - 34, 0)


def test_after_a_gap_that_swallowed_headers_decoding_resumes_at_the_next_pdu() -> None:
    frames, side = _frames([BIND[:20], 500, b"rest of something" + ASK + BIG])
    assert [frame.data for frame in frames] == [BIND[:20], ASK, BIG]
    assert side.skipped == len(b"rest of something")


def test_a_greeting_before_the_first_pdu_is_skipped() -> None:
    frames, side = _frames([b"ncacn_http/1.0", BIND, ASK])
    assert [frame.data for frame in frames] == [BIND, ASK]
    assert side.skipped == 14


def test_what_is_no_rpc_yields_nothing_and_is_counted() -> None:
    frames, side = _frames([b"HTTP/1.1 200 OK\r\n" * 50])
    assert not frames
    assert side.skipped == 17 * 50


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([BIND, ASK[:20], BIG]), st.integers(1, 3000)), max_size=12
    )
)
def test_every_byte_is_in_a_pdu_skipped_or_missing(pieces: list[bytes | int]) -> None:
    _, side = _frames(pieces)
    given_bytes = sum(piece if isinstance(piece, int) else len(piece) for piece in pieces)
    assert side.in_pdus + side.skipped + side.missing == given_bytes
