"""The records of a capture, taken as they are, are those that the pass sees."""

import gzip
import lzma
from pathlib import Path
from struct import pack, unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.capture import written
from rpcdiag.capture.ends import Ends, ends_of
from rpcdiag.capture.raw import Interface, Option, RawCapture, Record
from rpcdiag.capture.reader import CaptureReader
from rpcdiag.errors import InputError, UnknownFormat
from tests.build import containers
from tests.build.containers import Frame
from tests.build.verifying import saved

TIME = 1_600_000_000_123_456_789
FRAMES = [Frame(TIME + n * 1_000_000, 0, bytes(range(60 + n)), 60 + n + (n % 3) * 100) for n in range(5)]
FORMS = {
    "pcap, little-endian": containers.pcap(FRAMES),
    "pcap, big-endian": containers.pcap(FRAMES, order=">"),
    "pcap, nanoseconds": containers.pcap(FRAMES, nanoseconds=True),
    "pcapng, little-endian": containers.pcapng(FRAMES),
    "pcapng, big-endian": containers.pcapng(FRAMES, order=">"),
    "pcapng, binary fractions": containers.pcapng(FRAMES, [containers.Interface("eth0", resolution=0x80 | 20)]),
    "pcapng, two sections": containers.pcapng(FRAMES[:2]) + containers.pcapng(FRAMES[2:], order=">"),
}


def _records(path: Path, data: bytes) -> tuple[RawCapture, list[Record]]:
    path.write_bytes(data)
    raw = RawCapture(str(path))
    return raw, list(raw.records())


@pytest.mark.parametrize("form", FORMS)
def test_packets_times_and_lengths_are_those_of_the_file(tmp_path: Path, form: str) -> None:
    raw, records = _records(tmp_path / "capture", FORMS[form])
    assert [record.number for record in records] == [1, 2, 3, 4, 5]
    assert [(record.data, record.wire) for record in records] == [(frame.data, frame.length) for frame in FRAMES]
    reader = CaptureReader(str(tmp_path / "capture"))
    for _ in reader.events():
        pass
    times = [raw.interfaces[record.interface].ns(record.stamp) for record in records]
    assert (min(times), max(times), len(times)) == (reader.first_ns, reader.last_ns, reader.packets)


@pytest.mark.parametrize("packed", [gzip.compress, lzma.compress])
def test_compressed_captures(tmp_path: Path, packed: object) -> None:
    _, records = _records(tmp_path / "capture", packed(FORMS["pcap, little-endian"]))  # type: ignore[operator]  # two functions
    assert len(records) == 5


def test_a_cut_capture_ends_before_the_packet_that_is_cut(tmp_path: Path) -> None:
    raw, records = _records(tmp_path / "capture", FORMS["pcap, little-endian"][:-3])
    assert len(records) == 4
    assert raw.trouble is None


def test_what_is_no_capture_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat):
        _records(tmp_path / "capture", b"no capture at all")
    with pytest.raises(InputError):
        RawCapture(str(tmp_path / "absent"))


def test_simple_and_old_packets_become_packets_with_a_time(tmp_path: Path) -> None:
    head = containers.pcapng([Frame(TIME, 0, b"first")])
    simple = pack("<III", 3, 20, 4) + b"data" + pack("<I", 20)
    ticks = TIME + 5
    old = pack("<IIHHIIII", 2, 36, 0, 7, ticks >> 32, ticks & 0xFFFFFFFF, 4, 4) + b"more" + pack("<I", 36)
    raw, records = _records(tmp_path / "capture", head + simple + old)
    assert [record.data for record in records] == [b"first", b"data", b"more"]
    assert [raw.interfaces[0].ns(record.stamp) for record in records] == [TIME, TIME, TIME + 5]
    assert records[2].options == (Option(4, pack("<Q", 7)),)


def test_options_of_packets_and_interfaces_are_kept_in_our_byte_order(tmp_path: Path) -> None:
    def option(code: int, value: bytes) -> bytes:
        return pack(">HH", code, len(value)) + value + bytes(-len(value) % 4)

    def block(kind: int, body: bytes) -> bytes:
        return pack(">II", kind, 12 + len(body)) + body + pack(">I", 12 + len(body))

    interface_options = (
        option(2, b"eth7") + option(8, pack(">Q", 10**9)) + option(14, pack(">q", 3600)) + option(0, b"")
    )
    packet_options = option(1, b"a remark") + option(2, pack(">I", 0x11)) + option(2988, b"unknown") + option(0, b"")
    data = (
        block(0x0A0D0D0A, pack(">IHHq", 0x1A2B3C4D, 1, 0, -1))
        + block(1, pack(">HHI", 1, 0, 96) + interface_options)
        + block(6, pack(">IIIII", 0, 0, 1_000_000, 4, 90) + b"data" + packet_options)
    )
    raw, records = _records(tmp_path / "capture", data)
    assert raw.interfaces == [Interface(1, 96, 6, 3600, (Option(2, b"eth7"), Option(8, pack("<Q", 10**9))))]
    assert records[0].options == (Option(1, b"a remark"), Option(2, pack("<I", 0x11)))
    assert raw.interfaces[0].ns(records[0].stamp) == 3601 * 10**9


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    raw, records = _records(tmp_path / "capture", FORMS["pcapng, binary fractions"])
    again = written.section() + b"".join(map(written.interface, raw.interfaces))
    again += b"".join(written.packet(record, record.interface, ["said"]) for record in records)
    raw_again, records_again = _records(tmp_path / "again", again)
    assert raw_again.interfaces == raw.interfaces
    assert [one._replace(options=()) for one in records_again] == records
    assert {one.options for one in records_again} == {(Option(1, b"said"),)}


@given(st.sampled_from(sorted(FORMS)), st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=6))
def test_a_spoilt_capture_is_read_up_to_some_place(form: str, spoilt: list[tuple[int, int]]) -> None:
    data = bytearray(FORMS[form])
    for place, value in spoilt:
        data[place % len(data)] = value
    with saved(bytes(data)) as path:
        try:
            raw = RawCapture(path)
        except UnknownFormat:
            return
        numbers = [record.number for record in raw.records()]
        assert numbers == sorted(set(numbers))
        assert len(numbers) <= len(data)


def test_ends_behind_tags_and_extensions() -> None:
    ports = pack(">HHIIBBHHH", 135, 50000, 1, 2, 0x50, 2, 100, 0, 0)
    ipv4 = pack(">BBHHHBBH4s4s", 0x45, 0, 40, 7, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2") + ports
    wanted = Ends(6, (b"\x0a\0\0\1", 135), (b"\x0a\0\0\2", 50000), None, first=True)
    assert ends_of(bytes(12) + b"\x08\0" + ipv4, 1) == wanted
    assert ends_of(bytes(12) + b"\x81\0\0\1\x81\0\0\2\x08\0" + ipv4, 1) == wanted
    assert ends_of(b"\0\0" + bytes(12) + b"\x08\0" + ipv4, 113) == wanted
    assert ends_of(ipv4, 101) == wanted
    ends = bytes(15) + b"\1", bytes(15) + b"\2"
    ipv6 = pack(">IHBB16s16s", 6 << 28, 28, 0, 64, *ends) + b"\x06\0" + bytes(6) + ports
    assert ends_of(ipv6, 229) == Ends(6, (ends[0], 135), (ends[1], 50000), None, first=True)
    icmp = pack(">BBHHHBBH4s4s", 0x45, 0, 56, 7, 0, 64, 1, 0, b"\x0a\0\0\3", b"\x0a\0\0\1") + b"\3\1" + bytes(6) + ipv4
    assert ends_of(icmp, 101) == wanted


def test_a_later_fragment_has_the_name_of_its_datagram() -> None:
    def piece(offset: int) -> bytes:
        head = pack(">BBHHHBBH4s4s", 0x45, 0, 40, 7, offset, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
        return head + pack(">HHHH", 135, 50000, 900, 0)

    first, later = ends_of(piece(0x2000), 101), ends_of(piece(0x0001), 101)
    assert first is not None
    assert later is not None
    assert (first.first, later.first) == (True, False)
    assert first.datagram == later.datagram is not None


@given(st.binary(max_size=120), st.sampled_from([0, 1, 101, 108, 113, 228, 229, 276, 105]))
def test_any_bytes_have_ends_or_none(data: bytes, link: int) -> None:
    found = ends_of(data, link)
    assert found is None or not found.first or found.low <= found.high


def test_a_block_says_its_length_twice() -> None:
    block = written.packet(Record(1, 0, 1 << 33, b"abcde", 99, ()), 3, ["x" * 70000])
    kind, length, number, high, low, captured, wire = unpack("<IIIIIII", block[:28])
    assert (kind, number, high, low, captured, wire) == (6, 3, 2, 0, 5, 99)
    assert length == len(block) == unpack("<I", block[-4:])[0]
