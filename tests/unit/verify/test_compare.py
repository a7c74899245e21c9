"""Two readings joined: what agrees, what differs, and why."""

import pytest

from rpcdiag.verify import compare
from rpcdiag.verify.compare import Comparison, Why
from rpcdiag.verify.reading import HTTP, PIPE, TCP, Fields, Reading, end


def _reading(
    packet: int,
    call_id: int = 1,
    *,
    kind: str = "request",
    transport: str = TCP,
    source: str = "10.0.0.1:50000",
    fields: Fields | None = None,
    point: int = 0,
    cut: bool = False,
) -> Reading:
    told = {"context": "0", "opnum": "3"} if fields is None else fields
    return Reading(packet, transport, source, "10.0.0.2:135", kind, call_id, 100, told, 0, point, cut)


def _compared(ours: list[Reading], theirs: list[Reading]) -> tuple[Comparison, list[tuple[str, str]]]:
    comparison = Comparison(ours, theirs)
    return comparison, [(one.what, one.why) for one in comparison]


def test_the_same_is_agreement() -> None:
    both = [_reading(1), _reading(2, 2), _reading(2, 3)]
    comparison, differences = _compared(both, [both[0], both[2], both[1]])
    assert not differences
    assert comparison.sums(TCP)[:4] == (3, 3, 3, 3)
    assert comparison.sums(TCP).percent == 100


def test_each_field_that_differs_is_told_and_the_pdu_agrees_not() -> None:
    comparison, differences = _compared([_reading(1)], [_reading(1, fields={"context": "1", "opnum": "4"})])
    assert differences == [("context", Why.VALUE), ("opnum", Why.VALUE)]
    assert comparison.sums(TCP)[:4] == (1, 1, 0, 1)


def test_what_only_one_has_counts_once() -> None:
    comparison, differences = _compared([_reading(1), _reading(5, 2)], [_reading(1), _reading(7, 9)])
    assert differences == [("only-ours", Why.FRAMING), ("only-theirs", Why.FRAMING)]
    assert comparison.sums(TCP)[:4] == (2, 2, 1, 3)
    assert comparison.classes["only-ours (framing)"] == 1


def test_a_connection_that_the_other_never_reads_is_not_recognised() -> None:
    _, differences = _compared([_reading(1)], [_reading(1, 1, source="10.0.0.9:1")])
    assert differences == [("only-ours", Why.NOT_RECOGNISED), ("only-theirs", Why.NOT_RECOGNISED)]


def test_a_pdu_complete_at_another_packet_is_one_pdu() -> None:
    comparison, differences = _compared([_reading(4)], [_reading(6)])
    assert differences == [("packet", Why.LATE)]
    assert comparison.sums(TCP)[:4] == (1, 1, 0, 1)


def test_the_copy_at_a_second_capture_point_is_in_no_sum() -> None:
    comparison, differences = _compared([_reading(1), _reading(2, point=1)], [_reading(1)])
    assert not differences
    assert comparison.sums(TCP) == (1, 1, 1, 1, 1)


def test_a_repeated_pdu_at_the_same_point_is_no_copy() -> None:
    _, differences = _compared([_reading(1), _reading(2)], [_reading(1)])
    assert differences == [("only-ours", Why.FRAMING)]


def test_the_opnum_of_an_answer_is_compared_where_both_know_it() -> None:
    one = _reading(1, kind="response")
    assert not _compared([one], [one._replace(fields={"context": "0"})])[1]
    assert _compared([one], [one._replace(fields={"context": "0", "opnum": "9"})])[1] == [("opnum", Why.VALUE)]


def test_what_the_capture_cut_and_what_a_reader_calls_malformed_are_classes_of_their_own() -> None:
    cut = _reading(1, cut=True)
    assert _compared([cut], [_reading(1, fields={})])[1] == [("context", Why.CUT), ("opnum", Why.CUT)]
    broken = _reading(1, fields={"context": "0", "malformed": "yes"})
    assert _compared([_reading(1)], [broken])[1] == [("opnum", Why.MALFORMED)]


def test_pipes_of_one_session_may_say_the_same_call_in_one_packet() -> None:
    one, other = ({"context": "0", "opnum": "3", "pipe": f"\\pipe\\{name}"} for name in ("samr", "lsarpc"))
    ours = [_reading(1, transport=PIPE, fields=one), _reading(1, transport=PIPE, fields=other)]
    comparison, differences = _compared(ours, ours[::-1])
    assert not differences
    assert comparison.sums(PIPE)[:4] == (2, 2, 2, 2)


def test_a_pipe_that_tshark_does_not_name_is_no_difference_and_one_that_we_do_not_is() -> None:
    plain, named = {"context": "0"}, {"context": "0", "pipe": "\\pipe\\samr"}
    here, there = _reading(1, transport=PIPE, fields=named), _reading(1, transport=PIPE, fields=plain)
    assert not _compared([here], [there])[1]
    assert _compared([there], [here])[1] == [("pipe", Why.VALUE)]


def test_the_two_connections_of_rpc_over_http_are_one_conversation() -> None:
    here = _reading(1, transport=HTTP)
    assert not _compared([here], [here._replace(source="10.0.0.1:50001", destination="10.0.0.2:80")])[1]
    assert _compared([here], [here._replace(source="10.0.0.3:50000")])[1]


def test_readings_that_wait_too_long_are_given_up_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "MAX_UNMATCHED", 8)
    comparison, differences = _compared([_reading(packet, packet) for packet in range(20)], [])
    assert len(differences) == 20
    assert comparison.sums(TCP)[:4] == (20, 0, 0, 20)


def test_ends_are_written_alike() -> None:
    assert end("2001:DB8:0:0::1", 135) == "[2001:db8::1]:135"
    assert end("10.0.0.1", "135") == "10.0.0.1:135"
