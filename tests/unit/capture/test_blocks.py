"""Blocks that a thread reads ahead are those that are read in turn."""

import gzip
from pathlib import Path

import pytest

from rpcdiag.capture import blocks
from rpcdiag.capture.blocks import Ahead, InTurn
from rpcdiag.capture.reader import CaptureReader
from rpcdiag.capture.source import Source
from rpcdiag.errors import CorruptInput
from tests.build import exchanges
from tests.build.conversation import Recording
from tests.build.story import START


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 100)
    monkeypatch.setattr(blocks, "_HEAD", 40)


def _bytes(reading: InTurn | Ahead, use: int) -> bytes:
    """What comes, where each block is used but for its last `use` bytes."""
    came, left = b"", b""
    try:
        while True:
            block = reading.next(left)
            assert block is not None
            room, at, end = block
            assert bytes(room[at : at + len(left)]) == left
            if end - at == len(left):
                return came + left
            keep = min(use, end - at)
            came += bytes(room[at : end - keep])
            left = bytes(room[end - keep : end])
    finally:
        reading.close()


def _to_the_end(reading: Ahead, came: bytearray) -> None:
    while True:
        room, at, end = reading.next(b"")
        came += room[at:end]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("use", [0, 1, 39, 40, 41, 90, 1000])
@pytest.mark.parametrize("kind", [InTurn, Ahead])
def test_every_byte_comes_once_and_what_was_left_comes_first(
    tmp_path: Path, kind: type[InTurn | Ahead], use: int
) -> None:
    data = bytes(range(256)) * 40
    path = tmp_path / "data"
    path.write_bytes(data)
    assert _bytes(kind(Source(str(path))), use) == data


@pytest.mark.usefixtures("small_blocks")
def test_what_came_before_a_damaged_place_comes_and_then_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 40)[:-30])
    reading = Ahead(Source(str(path)))
    came = bytearray()
    for why in ("damaged or cut", "damaged or cut"):  # also for who asks again
        with pytest.raises(CorruptInput, match=why):
            _to_the_end(reading, came)
    assert came
    assert bytes(came) == (bytes(range(256)) * 40)[: len(came)]
    reading.close()


def test_who_stops_early_leaves_no_thread(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(10_000_000))
    reading = Ahead(Source(str(path)))
    reading.next(b"")
    reading.close()
    assert not reading._thread.is_alive()


@pytest.mark.usefixtures("small_blocks")
def test_a_capture_read_ahead_says_the_same(tmp_path: Path) -> None:
    recording = Recording(START)
    for port in range(50000, 50040):
        exchanges.lookup(recording, "10.0.0.1", port, "10.0.0.2", exchanges.DRSUAPI, 49667)
    path = tmp_path / "capture.pcapng"
    path.write_bytes(recording.pcapng()[:-7])
    said = []
    for ahead in (False, True):
        reader = CaptureReader(str(path), ahead=ahead)
        rows = [number for events in reader.events() for number in events.rows]
        said.append((rows, reader.packets, str(reader.trouble)))
    assert said[0] == said[1]
    assert "ends in the middle of" in said[0][2]
