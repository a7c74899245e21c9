"""Kept files are valid captures at every moment."""

import errno
import os
import struct
from pathlib import Path

import pytest

from rpcdiag.capture.packet_socket import Loss, blocks, enhanced, interface, section, statistics
from rpcdiag.capture.reader import CaptureReader
from rpcdiag.live.keep import Keeper, Ring

HEADING = section() + interface("lab0", 1, 65535)


def _packets(path: Path) -> int:
    reader = CaptureReader(str(path))
    for _ in reader.events():
        pass
    assert reader.trouble is None
    return reader.packets


def _packet(number: int) -> bytes:
    return enhanced(0, 1_700_000_000_000_000_000 + number, struct.pack(">I", number) * 20, 80)


def test_a_file_is_a_capture_after_every_piece(tmp_path: Path) -> None:
    path = tmp_path / "kept.pcapng"
    keep = Keeper(str(path), HEADING, Ring(), pytest.fail)
    assert _packets(path) == 0
    keep(_packet(1) + _packet(2))
    assert _packets(path) == 2
    keep.close(statistics(0, 1_700_000_001_000_000_000, Loss(2, 0)))
    assert _packets(path) == 2


@pytest.mark.parametrize(
    ("ring", "counts"),
    [(Ring(packets=3), [3, 3, 1]), (Ring(size=len(HEADING) + 2 * len(_packet(0))), [2, 2, 2, 1])],
)
def test_a_ring_begins_another_file_when_one_is_full(tmp_path: Path, ring: Ring, counts: list[int]) -> None:
    keep = Keeper(str(tmp_path / "kept.pcapng"), HEADING, ring, pytest.fail)
    keep(b"".join(map(_packet, range(7))))
    keep.close()
    assert [_packets(path) for path in sorted(tmp_path.iterdir())] == counts


def test_the_oldest_files_go(tmp_path: Path) -> None:
    keep = Keeper(str(tmp_path / "kept.pcapng"), HEADING, Ring(packets=1, files=2), pytest.fail)
    keep(b"".join(map(_packet, range(5))))
    keep.close()
    left = sorted(path.name[:11] for path in tmp_path.iterdir())
    assert left == ["kept_00004_", "kept_00005_"]
    assert keep.files == 5


def test_a_full_disk_is_said_once_and_the_file_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept.pcapng"
    said: list[str] = []
    keep = Keeper(str(path), HEADING, Ring(), said.append)
    keep(_packet(1))
    write = os.write

    def full(stream: int, data: memoryview) -> int:
        if len(data) > 10:
            return write(stream, data[:10])  # what still fits
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    keep(enhanced(0, 1, b"0123456789", 10)[:20])
    keep(_packet(3))
    monkeypatch.undo()
    keep.close()
    assert len(said) == 1
    assert "No space left on device" in said[0]
    assert _packets(path) == 1


def test_blocks_are_cut_where_they_end() -> None:
    whole = [_packet(1), enhanced(0, 2, b"abc", 3), _packet(3)]
    assert blocks(b"".join(whole)) == whole
