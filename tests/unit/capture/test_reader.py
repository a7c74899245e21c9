"""Containers, compressions, link layers: the same packets, however they are wrapped."""

import gzip
import io
import lzma
import sys
from pathlib import Path

import pytest
import zstandard

from rpcdiag.capture.reader import CaptureReader
from rpcdiag.errors import CorruptInput, InputError, UnknownFormat
from tests.build import containers, frames
from tests.build.containers import Frame, Interface
from tests.build.sweeping import Packet, read

START = 1_700_000_000_123_456_000
A, B, A6, B6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"


def _write(folder: Path, data: bytes, name: str = "capture") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def _rows(path: str) -> list[Packet]:
    return read(path).packets


def _frame(data: bytes = b"x", **more: int) -> bytes:
    return frames.ethernet(frames.tcp(A, 1000, B, 135, data=data, **more))


TWO = [Frame(START, 0, _frame()), Frame(START + 5_000, 0, _frame(b"yz"))]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_in_every_byte_order_and_resolution(tmp_path: Path, order: str, nanoseconds: bool) -> None:
    rows = _rows(_write(tmp_path, containers.pcap(TWO, order=order, nanoseconds=nanoseconds)))
    assert [row.number for row in rows] == [1, 2]
    assert [row.ns for row in rows] == [START, START + 5_000]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("resolution", [6, 9, 0x80 | 20])
def test_pcapng_in_every_byte_order_and_resolution(tmp_path: Path, order: str, resolution: int) -> None:
    path = _write(tmp_path, containers.pcapng(TWO, [Interface(resolution=resolution)], order=order))
    times = [row.ns for row in _rows(path)]
    assert all(abs(time - frame.time_ns) < 1000 for time, frame in zip(times, TWO, strict=True))


def test_interfaces_of_one_file_have_their_own_link_type_and_clock(tmp_path: Path) -> None:
    raw = frames.tcp(A, 1000, B, 135)
    data = containers.pcapng(
        [Frame(START, 0, _frame()), Frame(START, 1, raw)],
        [Interface("lan", containers.ETHERNET, 6), Interface("tun", containers.RAW, 9)],
    )
    reader, rows = read(_write(tmp_path, data))
    points = [row.point for row in rows]
    assert [reader.point(point).name for point in points] == ["lan", "tun"]
    assert reader.link_types == ("ethernet", "raw")


def test_unknown_blocks_are_skipped(tmp_path: Path) -> None:
    data = containers.pcapng(TWO)
    unknown = (0x0BAD).to_bytes(4, "little") + (16).to_bytes(4, "little") + b"abcd" + (16).to_bytes(4, "little")
    at = len(containers.pcapng([]))
    assert len(_rows(_write(tmp_path, data[:at] + unknown + data[at:]))) == 2


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.compress])
def test_compressed_files_are_told_by_content(tmp_path: Path, pack: object) -> None:
    path = _write(tmp_path, pack(containers.pcap(TWO)), "no-suffix")  # type: ignore[operator]  # one of three functions
    assert len(_rows(path)) == 2


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(containers.pcap(TWO))))
    assert len(_rows("-")) == 2


@pytest.mark.parametrize(
    ("link", "wrap"),
    [
        (containers.ETHERNET, frames.ethernet),
        (containers.RAW, bytes),
        (228, bytes),
        (containers.SLL, frames.cooked),
        (containers.SLL2, lambda datagram: frames.cooked2(datagram, 3)),
        (containers.NULL, frames.loopback),
        (108, lambda datagram: frames.loopback(datagram, order=">")),
    ],
)
def test_every_link_type_leads_to_the_same_segment(tmp_path: Path, link: int, wrap: object) -> None:
    frame = Frame(START, 0, wrap(frames.tcp(A, 1000, B, 135, data=b"abc")))  # type: ignore[operator]  # a function
    (row,) = _rows(_write(tmp_path, containers.pcap([frame], link=link)))
    assert (row.source_port, row.destination_port, row.length) == (1000, 135, 3)


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100), (0x9100, 0x8100, 0x8100)])
def test_vlan_tags_are_passed_over(tmp_path: Path, tags: tuple[int, ...]) -> None:
    frame = Frame(START, 0, frames.ethernet(frames.tcp(A, 1000, B, 135), tags=tags))
    (row,) = _rows(_write(tmp_path, containers.pcap([frame])))
    assert row.destination_port == 135


def test_cooked_v2_tells_its_interfaces_apart(tmp_path: Path) -> None:
    packet = frames.tcp(A, 1000, B, 135)
    data = containers.pcap([Frame(START, 0, frames.cooked2(packet, number)) for number in (2, 3)], link=containers.SLL2)
    reader, rows = read(_write(tmp_path, data))
    points = [row.point for row in rows]
    assert [reader.point(point).name for point in points] == ["ifindex 2", "ifindex 3"]


def test_ipv6_extension_headers_are_passed_over(tmp_path: Path) -> None:
    hop_by_hop = bytes([60, 0]) + bytes(6)
    destination = bytes([6, 1]) + bytes(14)
    segment = frames.tcp(A6, 1000, B6, 135, data=b"abc")[40:]
    datagram = frames.ip(A6, B6, 6, segment, extensions=hop_by_hop + destination, first=0)
    (row,) = _rows(_write(tmp_path, containers.pcap([Frame(START, 0, frames.ethernet(datagram))])))
    assert (row.destination_port, row.length) == (135, 3)


@pytest.mark.parametrize("backwards", [False, True])
def test_fragments_become_one_segment_of_the_packet_that_completed_it(tmp_path: Path, backwards: bool) -> None:
    segment = frames.tcp(A, 1000, B, 135, data=bytes(100))[20:]
    pieces = frames.fragmented(A, B, segment, 40)
    order = pieces[::-1] if backwards else pieces
    path = _write(tmp_path, containers.pcap([Frame(START, 0, frames.ethernet(piece)) for piece in order]))
    reader, (row,) = read(path)
    assert (row.number, row.destination_port, row.length) == (len(pieces), 135, 100)
    assert reader.skipped == {"ip-fragment": len(pieces) - 1}


def test_datagrams_of_which_a_fragment_is_missing_are_told(tmp_path: Path) -> None:
    pieces = frames.fragmented(A, B, frames.tcp(A, 1000, B, 135, data=bytes(100))[20:], 40)
    kept = [Frame(START + number, 0, frames.ethernet(piece)) for number, piece in enumerate(pieces[:-1])]
    reader, rows = read(_write(tmp_path, containers.pcap(kept)))
    (one,) = reader.incomplete
    assert not rows
    assert (one.packet, one.time_ns, str(one.source), str(one.destination)) == (1, START, A, B)
    assert (one.protocol, one.ports, one.pieces) == (6, (1000, 135), len(kept))


def test_fragments_without_the_first_have_no_ports(tmp_path: Path) -> None:
    pieces = frames.fragmented(A, B, frames.tcp(A, 1000, B, 135, data=bytes(100))[20:], 40)
    reader, _ = read(_write(tmp_path, containers.pcap([Frame(START, 0, frames.ethernet(pieces[-1]))])))
    (one,) = reader.incomplete
    assert one.ports is None


def test_fragments_that_the_capture_cuts_prove_no_loss(tmp_path: Path) -> None:
    pieces = frames.fragmented(A, B, frames.tcp(A, 1000, B, 135, data=bytes(100))[20:], 40)
    cut = [Frame(START, 0, frames.ethernet(piece)[:50]) for piece in pieces]
    reader, rows = read(_write(tmp_path, containers.pcap(cut)))
    assert not rows
    assert reader.incomplete == ()


def test_every_packet_without_a_row_has_a_reason(tmp_path: Path) -> None:
    odd = [
        bytes(12) + b"\x08\x06" + bytes(28),  # ARP
        bytes(12) + b"\x88\xcc" + bytes(20),  # LLDP
        frames.ethernet(frames.ip(A, B, 50, bytes(40))),  # ESP
        frames.ethernet(frames.ip(A, B, 1, bytes(8))),  # echo reply
        _frame()[:30],
        b"",
        bytes(12) + b"\x08\x00" + b"\x65" + bytes(30),
    ]
    reader, rows = read(_write(tmp_path, containers.pcap([Frame(START, 0, data) for data in odd])))
    assert not rows
    assert reader.skipped == {
        "arp": 1, "lldp": 1, "not-tcp-or-udp": 1, "icmp": 1, "cut-header": 2, "malformed-header": 1,
    }  # fmt: skip


def test_padding_of_short_frames_is_no_payload(tmp_path: Path) -> None:
    (row,) = _rows(_write(tmp_path, containers.pcap([Frame(START, 0, _frame(b"") + bytes(6))])))
    assert row.length == 0


@pytest.mark.parametrize("cut", [1, 15, 17, 60])
def test_a_cut_file_gives_what_came_before(tmp_path: Path, cut: int) -> None:
    reader, rows = read(_write(tmp_path, containers.pcap(TWO)[:-cut]))
    assert [row.number for row in rows] == [1]
    assert isinstance(reader.trouble, CorruptInput)
    assert "packets 1 to 1 were read" in str(reader.trouble)


def test_a_cut_compressed_stream_gives_what_came_before(tmp_path: Path) -> None:
    many = [Frame(START + number, 0, _frame(number.to_bytes(4, "big") * 50)) for number in range(3000)]
    reader, rows = read(_write(tmp_path, gzip.compress(containers.pcap(many))[:-2000]))
    assert len(rows) == reader.packets > 100
    assert reader.trouble is not None


def test_a_record_that_cannot_be_ends_the_file_with_its_place(tmp_path: Path) -> None:
    whole = containers.pcap(TWO)
    reader, rows = read(_write(tmp_path, whole + b"\xff" * 40))
    assert len(rows) == 2
    assert f"byte {len(whole)}" in str(reader.trouble)
    assert (reader.first_ns, reader.last_ns) == (START, START + 5_000)


def test_packets_larger_than_a_block_are_read(tmp_path: Path) -> None:
    huge = frames.ethernet(frames.ip(A, B, 17, bytes(8)))[:-8] + bytes(600_000)
    rows = _rows(_write(tmp_path, containers.pcap([Frame(START, 0, huge), *TWO])))
    assert [row.number for row in rows] == [2, 3]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"\x00" * 100, "unknown format"),
        (b"#Version: 1.5\r\n", "after --log"),
        (b"ElfFile\x00", "event log"),
    ],
)
def test_what_is_no_capture_is_refused_with_a_reason(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why):
        CaptureReader(_write(tmp_path, data))


def test_missing_files_and_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        CaptureReader(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="is a directory"):
        CaptureReader(str(tmp_path))


def test_an_unknown_format_holds_every_reason(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat) as caught:
        CaptureReader(_write(tmp_path, b"random bytes, no capture"))
    assert len(caught.value.reasons) == 2


def test_the_short_way_for_usual_packets_gives_the_rows_of_the_long_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = [frames.tcp(A, 1000, B, 135, data=bytes(size), ttl=9, ip_id=size, seq=size) for size in (0, 1, 700)]
    odd = [segments[1][:20] + b"\x00" * 12 + b"\x40" + segments[1][33:], frames.tcp(A6, 1, B6, 135, data=b"abc")]
    usual = [Frame(START, 0, frames.ethernet(data) + bytes(6)) for data in (*segments, *odd)]
    cut = [Frame(START, 0, frame.data[:60], len(frame.data)) for frame in usual]
    path = _write(tmp_path, containers.pcap([*usual, *cut]))
    short = _rows(path)
    monkeypatch.setattr("rpcdiag.sweep.records.usual", lambda b, at: (0,) * 11)
    assert _rows(path) == short
    assert len(short) == 7
