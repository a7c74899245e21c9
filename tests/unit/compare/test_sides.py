"""What is said of two places of one path, derived from what was taken away between them."""

from pathlib import Path as File

import pytest

from rpcdiag.compare.compare import compare
from rpcdiag.compare.result import Comparison, Mode
from rpcdiag.errors import InputError
from tests.build import exchanges, pdus
from tests.build.containers import Frame, Interface, pcap
from tests.build.conversation import MS, SECOND, Recording, Tcp, datagram
from tests.build.story import START
from tests.build.two_sides import Path, sides

CLIENT, SERVER = "10.5.0.10", "10.6.0.20"
PUBLIC = "203.0.113.7"
PCAPS = File(__file__).resolve().parents[3] / "pcaps"


def _failing() -> tuple[Recording, list[int]]:
    """A lookup, SYNs that nobody answers, and another lookup later."""
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    syns = Tcp(recording, CLIENT, 51101, SERVER, 49153).syns((0, 1, 3))
    exchanges.lookup(recording, CLIENT, 51102, SERVER, exchanges.DRSUAPI, 49153)
    _unfiltered(recording)
    return recording, syns


def _unfiltered(recording: Recording) -> None:
    """ARP at the end: no capture filter chose a port."""
    recording.frames.append(Frame(recording.now, 0, bytes(12) + b"\x08\x06" + bytes(46)))


def _working(calls: int = 3) -> tuple[Recording, Tcp]:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    tcp = Tcp(recording, CLIENT, 51101, SERVER, 49153)
    tcp.open()
    exchanges.session(tcp, exchanges.DRSUAPI, calls)
    tcp.close()
    recording.wait(SECOND)
    exchanges.lookup(recording, CLIENT, 51102, SERVER, exchanges.DRSUAPI, 49153)
    return recording, tcp


def _compared(tmp_path: File, recording: Recording, path: Path, mode: Mode | None = None) -> Comparison:
    both = sides(recording, CLIENT, path)
    names = []
    for name, data in (("a.pcap", both.a), ("b.pcap", both.b)):
        (tmp_path / name).write_bytes(data)
        names.append(str(tmp_path / name))
    return compare(names, mode)


@pytest.mark.parametrize("seconds", [0, 37, -3600, 86_400 * 400])
@pytest.mark.parametrize("ids", [True, False], ids=["ids", "other-ids"])
def test_dropped_syns_are_named_whatever_the_clocks_say(tmp_path: File, seconds: int, *, ids: bool) -> None:
    recording, syns = _failing()
    made = _compared(tmp_path, recording, Path(lost_to_b=syns, offset_ns=seconds * SECOND, ids=ids))
    assert made.mode is Mode.SIDES
    (one,) = made.differences
    assert (one.kind, one.times, one.packets, one.matters) == ("lost-syn", 3, (tuple(syns), ()), True)
    assert one.says == (
        f"the 3 SYNs from {CLIENT} to {SERVER}:49153 were seen at A (packets {', '.join(map(str, syns))}) and never at "
        "B: dropped between A and B"
    )
    assert "dynamic-port-blocked" in one.rules
    assert made.clock is not None
    assert made.clock.ns is not None
    assert abs(made.clock.ns - seconds * SECOND) <= 50_000
    assert made.clock.low_ns is not None
    assert made.clock.high_ns is not None
    assert made.clock.low_ns <= seconds * SECOND <= made.clock.high_ns
    assert made.clock.high_ns - made.clock.low_ns == 100_000  # twice the delay


def test_one_of_three_syns_that_passes_leaves_two(tmp_path: File) -> None:
    recording, syns = _failing()
    made = _compared(tmp_path, recording, Path(lost_to_b=syns[:2], offset_ns=37 * SECOND, ids=False))
    (one,) = made.differences
    assert (one.kind, one.packets[0], one.matters) == ("repeated-syn", tuple(syns[:2]), False)
    assert any("nothing came back there: the place is beyond B" in remark for remark in made.remarks)


def test_syns_that_pass_and_are_not_answered_are_no_loss(tmp_path: File) -> None:
    recording, _ = _failing()
    made = _compared(tmp_path, recording, Path())
    assert made.differences == ()
    assert any(remark.startswith(f"the 3 SYNs from {CLIENT} to {SERVER}:49153 passed B") for remark in made.remarks)


def test_answers_that_never_come_back(tmp_path: File) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    tcp = Tcp(recording, CLIENT, 51101, SERVER, 49153)
    answers = []
    for _ in range(3):
        tcp._packet(0, "S")
        tcp.next[0] += 1
        answers.append(tcp._packet(1, "SA"))
        tcp.next[0] -= 1
        recording.wait(2 * SECOND)
    exchanges.lookup(recording, CLIENT, 51102, SERVER, exchanges.DRSUAPI, 49153)
    made = _compared(tmp_path, recording, Path(lost_to_a=answers, offset_ns=37 * SECOND))
    (one,) = made.differences
    assert (one.kind, one.times, one.packets[0]) == ("lost-syn-ack", 3, ())
    assert one.packets[1] == tuple(answers)
    assert one.says.endswith("and never at A: dropped between B and A")
    assert f"from {SERVER}:49153 to {CLIENT}" in one.says


def test_a_segment_that_never_passes_and_one_that_passes_when_it_is_sent_again(tmp_path: File) -> None:
    recording, _ = _working()
    tcp = Tcp(recording, CLIENT, 51103, SERVER, 49153)
    tcp.open()
    data = pdus.bind(pdus.contexts(*exchanges.DRSUAPI))
    once = tcp.send(data, acknowledge=False)
    (again,) = tcp.repeat(0, data, (1,))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_64, "49153"))
    stuck = tcp.send(pdus.request(0, bytes(900), context=1), acknowledge=False)
    never = [stuck, *tcp.repeat(0, pdus.request(0, bytes(900), context=1), (1, 3, 7))]
    recording.wait(SECOND)
    exchanges.lookup(recording, CLIENT, 51104, SERVER, exchanges.DRSUAPI, 49153)
    made = _compared(tmp_path, recording, Path(lost_to_b=[once, *never], offset_ns=37 * SECOND))
    assert again not in made.differences[0].packets[0]
    assert [(one.kind, one.packets[0], one.matters) for one in made.differences] == [
        ("lost-segment", tuple(never), True),
        ("repeated-segment", (once,), False),
    ]


@pytest.mark.parametrize("seconds", [0, 37, -3600])
def test_nothing_lost(tmp_path: File, seconds: int) -> None:
    recording, _ = _working()
    made = _compared(tmp_path, recording, Path(offset_ns=seconds * SECOND))
    assert made.differences == ()
    assert made.common
    assert made.same == recording.number
    assert made.verdict == f"nothing was lost between A and B: {recording.number} packets were seen at both"


def test_the_same_file_twice(tmp_path: File) -> None:
    recording, syns = _failing()
    path = tmp_path / "one.pcap"
    path.write_bytes(recording.pcap())
    made = compare([str(path), str(path)])
    assert (made.mode, made.differences, made.common, made.same) == (Mode.SIDES, (), True, recording.number - 1)
    assert made.clock is not None
    assert made.clock.ns == 0
    assert len(syns) == 3


def test_source_and_destination_that_are_translated(tmp_path: File) -> None:
    recording, syns = _failing()
    inside = {(CLIENT, port): (PUBLIC, 20_000 + port % 100) for port in (51100, 51101, 51102)}
    hidden = {(SERVER, 135): ("192.168.9.9", 135), (SERVER, 49153): ("192.168.9.9", 49153)}
    made = _compared(
        tmp_path, recording, Path(lost_to_b=syns, offset_ns=37 * SECOND, ends={**inside, **hidden}, ids=False)
    )
    assert [(one.kind, one.packets[0]) for one in made.differences] == [("lost-syn", tuple(syns))]
    assert [(one.whose, one.first, one.second, one.ports, one.conversations) for one in made.translations] == [
        ("client", CLIENT, PUBLIC, ((51100, 20000), (51102, 20002)), 2),
        ("server", SERVER, "192.168.9.9", (), 2),
    ]


def test_sequence_numbers_that_are_drawn_anew(tmp_path: File) -> None:
    recording, _ = _working()
    made = _compared(tmp_path, recording, Path(anew=0x1234567, offset_ns=37 * SECOND))
    assert made.mode is Mode.SIDES
    assert made.same == recording.number
    assert made.common
    assert made.differences == ()
    assert any("draws sequence numbers anew" in remark for remark in made.remarks)


def test_hops_and_sizes_are_told(tmp_path: File) -> None:
    recording, _ = _working()
    made = _compared(tmp_path, recording, Path(hops=3, mss=1380))
    assert made.differences == ()
    assert "the TTL differs by 3: 3 hops between the two places" in made.remarks
    assert "the largest segment size is rewritten: 1460 at A, 1380 at B" in made.remarks


def test_a_bridge_is_told_by_the_time_that_packets_take(tmp_path: File) -> None:
    recording, syns = _failing()
    made = _compared(tmp_path, recording, Path(lost_to_b=syns, hops=0, offset_ns=-5 * SECOND))
    assert [one.kind for one in made.differences] == ["lost-syn"]
    reverse = compare([str(tmp_path / "b.pcap"), str(tmp_path / "a.pcap")])
    (one,) = reverse.differences
    assert (one.kind, one.packets[1]) == ("lost-syn", tuple(syns))
    assert one.says.endswith("and never at A: dropped between B and A")


def test_a_reset_that_is_made_in_between(tmp_path: File) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    syn, rst = Tcp(recording, CLIENT, 51101, SERVER, 49153).refused()
    recording.wait(SECOND)
    exchanges.lookup(recording, CLIENT, 51102, SERVER, exchanges.DRSUAPI, 49153)
    _unfiltered(recording)
    made = _compared(tmp_path, recording, Path(lost_to_b=[syn, rst]))
    assert [one.kind for one in made.differences] == ["lost-syn", "made-rst"]
    assert made.differences[1].packets == ((rst,), ())
    assert "a device that speaks for 10.6.0.20" in made.differences[1].says


def test_an_error_that_only_one_place_saw(tmp_path: File) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    syn, icmp = Tcp(recording, CLIENT, 51101, SERVER, 49153).prohibited("10.5.0.1")
    recording.wait(SECOND)
    exchanges.lookup(recording, CLIENT, 51102, SERVER, exchanges.DRSUAPI, 49153)
    made = _compared(tmp_path, recording, Path(lost_to_b=[syn, icmp]))
    assert [one.kind for one in made.differences] == ["lost-syn", "made-icmp"]
    assert made.differences[1].packets == ((icmp,), ())
    assert "10.5.0.1 says ICMP type 3 code 13" in made.differences[1].says


def test_a_packet_that_the_capture_missed_is_no_loss(tmp_path: File) -> None:
    recording, _ = _working()
    request = 20
    made = _compared(tmp_path, recording, Path(lost_to_b=[request]))
    assert made.differences == ()
    assert any("although they passed there" in remark for remark in made.remarks)


def test_segments_that_are_cut_anew(tmp_path: File) -> None:
    recordings = []
    for size in (1460, 500):
        recording = Recording(START)
        exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
        tcp = Tcp(recording, CLIENT, 51101, SERVER, 49153)
        tcp.open()
        data = pdus.bind(pdus.contexts(*exchanges.DRSUAPI)) + pdus.request(0, bytes(1400), context=1)
        for at in range(0, len(data), size):
            tcp.send(data[at : at + size], acknowledge=False)
        tcp._packet(1, "A")
        recording.wait(SECOND)
        exchanges.lookup(recording, CLIENT, 51102, SERVER, exchanges.DRSUAPI, 49153)
        recordings.append(recording)
    (tmp_path / "a.pcap").write_bytes(sides(recordings[0], CLIENT).a)
    (tmp_path / "b.pcap").write_bytes(sides(recordings[1], CLIENT).b)
    made = compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")])
    assert made.differences == ()
    assert any("cut anew" in remark for remark in made.remarks)


def test_clocks_that_run_at_different_speeds(tmp_path: File) -> None:
    recording = Recording(START)
    for number in range(12):
        exchanges.lookup(recording, CLIENT, 51100 + number, SERVER, exchanges.DRSUAPI, 49153)
        recording.wait(300 * SECOND)
    syns = Tcp(recording, CLIENT, 52000, SERVER, 49153).syns((0, 1, 3))
    exchanges.lookup(recording, CLIENT, 52001, SERVER, exchanges.DRSUAPI, 49153)
    made = _compared(tmp_path, recording, Path(lost_to_b=syns, offset_ns=37 * SECOND, drift_ppm=40))
    assert made.clock is not None
    assert made.clock.drift_ppm == pytest.approx(40, abs=2)
    assert [(one.kind, one.packets[0]) for one in made.differences] == [("lost-syn", tuple(syns))]


def test_what_the_other_capture_could_not_see_is_not_lost(tmp_path: File) -> None:
    recording, syns = _failing()
    whole = sides(recording, CLIENT, Path(lost_to_b=range(syns[0], recording.number + 1)))
    (tmp_path / "a.pcap").write_bytes(whole.a)
    (tmp_path / "b.pcap").write_bytes(whole.b)  # ends before the SYNs
    made = compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")])
    assert made.differences == ()
    assert "B recorded nothing after its last packet: what A saw then is not compared" in made.remarks


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_tries_outside_of_what_the_other_recorded_are_lost_with_a_proviso(tmp_path: File, *, first: bool) -> None:
    recording = Recording(START)
    syns = Tcp(recording, CLIENT, 51101, SERVER, 49153).syns((0, 1, 3)) if first else []
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    if not first:
        recording.wait(SECOND)
        syns = Tcp(recording, CLIENT, 51101, SERVER, 49153).syns((0, 1, 3))
    made = _compared(tmp_path, recording, Path(lost_to_b=syns, offset_ns=37 * SECOND))
    (one,) = made.differences
    assert (one.kind, one.packets[0]) == ("lost-syn", tuple(syns))
    assert (
        "unless B was not recording then: its " + ("first packet is 18.0" if first else "last packet is 1.0")
        in one.says
    )


def test_a_capture_without_packets(tmp_path: File) -> None:
    recording = Recording(START)
    syns = Tcp(recording, CLIENT, 51101, SERVER, 135).syns((0, 1, 3))
    made = _compared(tmp_path, recording, Path(lost_to_b=syns))
    assert made.mode is Mode.SIDES
    assert [(one.kind, one.packets[0]) for one in made.differences] == [("lost-syn", tuple(syns))]
    assert "B holds no packets: that it was recording is taken for granted" in made.remarks


def test_two_points_of_one_file() -> None:
    story = str(PCAPS / "two-points" / "capture.pcapng")
    for points in ((), ("inside", "outside")):
        made = compare([story], points=points)
        (one,) = made.differences
        assert (one.kind, one.packets) == ("lost-syn", ((15, 16, 17, 18), ()))
        assert one.says.endswith("dropped between inside and outside")
        assert [side.point for side in made.sides] == ["inside", "outside"]


def test_a_point_that_recorded_nothing(tmp_path: File) -> None:
    recording = Recording(START)
    syns = Tcp(recording, CLIENT, 51100, SERVER, 135).syns()
    path = tmp_path / "one.pcapng"
    path.write_bytes(recording.pcapng((Interface("inside"), Interface("outside"))))
    (one,) = compare([str(path)], points=("inside", "outside")).differences
    assert (one.kind, one.packets[0]) == ("lost-syn", tuple(syns))
    assert "mapper-blocked" in one.rules


def test_sides_that_have_nothing_in_common(tmp_path: File) -> None:
    recording, _ = _failing()
    other = Recording(START)
    exchanges.lookup(other, "192.0.2.1", 40_000, "192.0.2.2", exchanges.SVCCTL, 49200, client_ttl=60)
    other.frames[:] = [_redrawn(frame) for frame in other.frames]
    (tmp_path / "a.pcap").write_bytes(recording.pcap())
    (tmp_path / "b.pcap").write_bytes(pcap(other.frames))
    made = compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")], Mode.SIDES)
    assert not made.common
    assert made.verdict.startswith("the two captures have nothing in common")
    assert made.differences == ()


def _redrawn(frame: Frame) -> Frame:
    """With other numbers than those that every recording begins with."""
    data = bytearray(frame.data)
    data[38:46] = bytes(one ^ 0x5A for one in data[38:46])
    return frame._replace(data=bytes(data))


@pytest.mark.parametrize(
    ("points", "why"),
    [(("inside",), "name two"), (("inside", "nowhere"), "no capture point"), (("inside", "inside"), "with itself")],
)
def test_points_that_cannot_be_compared(points: tuple[str, ...], why: str) -> None:
    with pytest.raises(InputError, match=why):
        compare([str(PCAPS / "two-points" / "capture.pcapng")], points=points)


def test_a_capture_with_several_points_needs_a_choice(tmp_path: File) -> None:
    story = str(PCAPS / "two-points" / "capture.pcapng")
    path = tmp_path / "plain.pcap"
    recording, _ = _failing()
    datagram(recording, CLIENT, 5, SERVER, 6)
    recording.wait(MS)
    path.write_bytes(recording.pcap())
    with pytest.raises(InputError, match="choose with --points"):
        compare([story, str(path)], Mode.SIDES)
