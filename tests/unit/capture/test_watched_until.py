"""A file of ours says until when was watched: silence behind its last packet counts. Files of others do not."""

import struct
from pathlib import Path

from rpcdiag.capture.packet_socket import Loss, enhanced, interface, section, statistics
from rpcdiag.capture.reader import CaptureReader

NS = 1_700_000_000_000_000_000
FRAME = bytes(12) + b"\x08\x06" + bytes(46)
OTHERS = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)


def _last(path: Path, *parts: bytes) -> int | None:
    path.write_bytes(b"".join(parts))
    reader = CaptureReader(str(path))
    for _ in reader.events():
        pass
    assert reader.trouble is None
    return reader.last_ns


def test_silence_behind_the_last_packet_was_watched(tmp_path: Path) -> None:
    body = interface("lab0", 1, 65535), enhanced(0, NS, FRAME, 60), statistics(0, NS + 7_000_000_000, Loss(1, 0))
    assert _last(tmp_path / "ours", section(), *body) == NS + 7_000_000_000
    assert _last(tmp_path / "theirs", OTHERS, *body) == NS
    assert _last(tmp_path / "both", section(), *body[:2], OTHERS, body[0], body[2]) == NS


def test_an_end_before_the_last_packet_or_of_no_interface_says_nothing(tmp_path: Path) -> None:
    body = section(), interface("lab0", 1, 65535), enhanced(0, NS, FRAME, 60)
    assert _last(tmp_path / "before", *body, statistics(0, NS - 5, Loss(1, 0))) == NS
    assert _last(tmp_path / "other", *body, statistics(3, NS + 5, Loss(1, 0))) == NS
    assert _last(tmp_path / "never", *body, statistics(0, 0xFFFFFFFF_FFFFFFFF, Loss(1, 0))) == NS
    assert _last(tmp_path / "cut", *body, struct.pack("<IIII", 5, 16, 0, 16)) == NS
    assert _last(tmp_path / "short", *body, struct.pack("<III", 5, 12, 12)) == NS
