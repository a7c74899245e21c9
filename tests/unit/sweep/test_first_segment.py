"""What is spoken is told by the first segment of a connection, also where another was recorded before it."""

from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from tests.build import exchanges, frames, pdus
from tests.build.containers import Frame, pcap
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START

CLIENT, SERVER, PORT = "10.5.0.10", "10.6.0.20", 49153


def _refused_bind(sizes: tuple[int, ...]) -> tuple[Recording, list[int]]:
    """A lookup, then a bind in segments of these sizes that the server turns down; the numbers of the segments."""
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, PORT)
    tcp = Tcp(recording, CLIENT, 51101, SERVER, PORT)
    tcp.open()
    data, numbers = pdus.bind([(*exchanges.DRSUAPI, [pdus.NDR32])]), []
    for size in sizes:
        numbers.append(tcp.send(data[:size], acknowledge=False))
        data = data[size:]
    numbers.append(tcp.send(data))
    tcp.reply(pdus.bind_ack(((2, 1, pdus.NOTHING),), str(PORT)))
    tcp.close()
    recording.wait(10 * SECOND)
    return recording, numbers


def _diagnosis(folder: Path, frames_: list[Frame]) -> Diagnosis:
    path = folder / "capture.pcap"
    path.write_bytes(pcap(frames_))
    return analyze([str(path)])


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_a_bind_whose_first_segment_comes_late(tmp_path: Path, order: tuple[int, ...]) -> None:
    recording, numbers = _refused_bind((20, 20))
    whole = [recording.frames[number - 1].data for number in numbers]
    for number, place in zip(numbers, order, strict=True):
        recording.frames[number - 1] = recording.frames[number - 1]._replace(data=whole[place])
    diagnosis = _diagnosis(tmp_path, recording.frames)
    assert [one.rule for one in diagnosis.findings] == ["bind-rejected"]
    assert [use.accepted for use in diagnosis.case.flows[1].rpc.interfaces] == [False]  # type: ignore[union-attr]


def test_a_first_segment_that_never_comes_holds_nothing_up(tmp_path: Path) -> None:
    recording, numbers = _refused_bind((20, 20))
    del recording.frames[numbers[0] - 1]
    diagnosis = _diagnosis(tmp_path, recording.frames)
    assert [flow.flow.server.port for flow in diagnosis.case.flows] == [135, PORT]
    assert diagnosis.case.accounting.packets == len(recording.frames)


def test_a_datagram_in_fragments_keeps_its_place_among_the_packets(tmp_path: Path) -> None:
    recording, numbers = _refused_bind((20, 20))
    made: list[Frame] = []
    for number, frame in enumerate(recording.frames, start=1):
        if number == numbers[0]:
            pieces = frames.fragmented(CLIENT, SERVER, frame.data[34:], 24)
            made += [frame._replace(data=frame.data[:14] + piece) for piece in pieces]
        else:
            made.append(frame)
    diagnosis = _diagnosis(tmp_path, made)
    assert [one.rule for one in diagnosis.findings] == ["bind-rejected"]
