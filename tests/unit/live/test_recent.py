"""Slices of what was seen last."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.live.recent import Recent, Slice, cut_files
from tests.build import exchanges
from tests.build.conversation import Recording, Tcp
from tests.build.story import START

SERVER = ip_address("10.9.9.9")


def _client(number: int) -> str:
    return f"10.0.0.{number}"


def _recording(clients: int = 3) -> Recording:
    recording = Recording(START)
    for number in range(1, clients + 1):
        exchanges.lookup(recording, _client(number), 50000, str(SERVER), exchanges.DRSUAPI, 49667)
        Tcp(recording, _client(number), 50001, str(SERVER), 49667).prohibited("10.0.0.254")
    return recording


def _cut(recent: Recent, folder: Path, number: int) -> tuple[Slice, Path]:
    path = folder / f"slice-{number}.pcapng"
    return recent.cut(str(path), ip_address(_client(number)), SERVER), path


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
@pytest.mark.parametrize("piece", [1, 7, 1000, 1 << 20])
def test_a_slice_holds_one_pair_whatever_the_pieces_were(form: str, piece: int, tmp_path: Path) -> None:
    recording, recent = _recording(), Recent()
    data = recording.pcap() if form == "pcap" else recording.pcapng()
    for at in range(0, len(data), piece):
        recent(data[at : at + piece])
    done, path = _cut(recent, tmp_path, 2)
    assert done == Slice(16, 48, 0)
    diagnosis = analyze([str(path)])
    assert diagnosis.troubles == diagnosis.cuts == ()
    assert diagnosis.case.captures[0].packets == 16
    assert diagnosis.case.captures[0].format == "pcapng"
    assert diagnosis.findings[0].rule == "dynamic-port-rejected"  # the ICMP error came along
    whole = analyze([_saved(tmp_path, data)])
    wanted = next(one for one in whole.case.conversations if str(one.client) == _client(2))
    assert diagnosis.case.conversations[0].near.flow.start_ns == wanted.near.flow.start_ns


def _saved(folder: Path, data: bytes) -> str:
    path = folder / "whole"
    path.write_bytes(data)
    return str(path)


def test_old_packets_go_and_are_counted(tmp_path: Path) -> None:
    recent = Recent(room=2000)
    recent(_recording(10).pcapng())
    assert recent.size <= 2000
    assert recent.lost > 100
    gone, path = _cut(recent, tmp_path, 1)
    assert gone.packets == 0
    assert gone.lost == recent.lost
    assert analyze([str(path)]).case.captures[0].packets == 0
    assert _cut(recent, tmp_path, 10)[0].packets > 0


def test_a_slice_of_files_is_that_of_the_stream(tmp_path: Path) -> None:
    data, recent = _recording().pcapng(), Recent()
    recent(data)
    _, wanted = _cut(recent, tmp_path, 3)
    path = tmp_path / "of-file.pcapng"
    done = cut_files([_saved(tmp_path, data)], str(path), ip_address(_client(3)), SERVER)
    assert done == Slice(16, 48, 0)
    assert path.read_bytes() == wanted.read_bytes()


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    recent = Recent()
    recent(_recording().pcapng())
    path = tmp_path / "slice-1.pcapng"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        _cut(recent, tmp_path, 1)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"\x0a\x0d\x0d\x0a" + bytes(40), b"\xd4\xc3\xb2\xa1" + b"\xff" * 60])
def test_what_is_no_capture_keeps_nothing(data: bytes, tmp_path: Path) -> None:
    recent = Recent()
    recent(data)
    recent(data)
    assert _cut(recent, tmp_path, 1)[0] == Slice(0, 0, 0)


def test_headings_without_end_are_damage() -> None:
    recent = Recent()
    whole = _recording(1).pcapng()
    section = whole[: int.from_bytes(whole[4:8], "little")]
    for _ in range(200):
        recent(section * 1000)
    assert recent.size == 0
    assert recent.heading_size < 3 << 20
