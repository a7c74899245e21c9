"""TCP packets out of frames: every link layer, every length, and the sums of the first reading."""

from ipaddress import ip_address
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.compare.segments import ACK, SYN, _Kept, decode, points, read
from rpcdiag.errors import Truncated
from rpcdiag.model.packets import Endpoint
from tests.build.containers import NULL, RAW, SLL, SLL2, Frame, Interface, pcap, pcapng
from tests.build.conversation import Recording, Tcp
from tests.build.frames import ethernet, ip
from tests.build.story import START

CLIENT, SERVER = "10.5.0.10", "10.6.0.20"


def _frame(client: str = CLIENT, server: str = SERVER) -> bytes:
    recording = Recording(START)
    Tcp(recording, client, 50_000, server, 135, client_ttl=77).syns((0,))
    return recording.frames[0].data


FRAME = _frame()
BODY = FRAME[14:]
LINKS = {
    "ethernet": (1, FRAME),
    "vlan": (1, FRAME[:12] + pack(">HHHH", 0x88A8, 5, 0x8100, 6) + FRAME[12:]),
    "pppoe": (1, FRAME[:12] + pack(">HBBHHH", 0x8864, 0x11, 0, 1, len(BODY) + 2, 0x21) + BODY),
    "raw": (RAW, BODY),
    "null": (NULL, pack("<I", 2) + BODY),
    "sll": (SLL, bytes(14) + pack(">H", 0x0800) + BODY),
    "sll2": (SLL2, pack(">H", 0x0800) + bytes(18) + BODY),
}


@pytest.mark.parametrize("link", LINKS)
def test_every_link_layer(link: str) -> None:
    one = decode(LINKS[link][1], LINKS[link][0], 5, START)
    assert one is not None
    assert (one.source, one.destination) == (
        Endpoint(ip_address(CLIENT), 50_000),
        Endpoint(ip_address(SERVER), 135),
    )
    assert (one.packet, one.ttl, one.mss, one.flags & (SYN | ACK), one.size) == (5, 77, 1460, SYN, 0)


@pytest.mark.parametrize("link", LINKS)
def test_frames_that_were_cut(link: str) -> None:
    number, frame = LINKS[link]
    ends = []
    for length in range(len(frame)):
        try:
            one = decode(frame[:length], number, 1, 0)
        except Truncated:
            ends.append(length)
        else:
            assert one is None or length >= len(frame) - 14  # options, window and checksum may be missing
    assert ends


def test_version_6() -> None:
    one = decode(_frame("2001:db8::1", "2001:db8::2"), 1, 1, 0)
    assert one is not None
    assert (str(one.source), one.ttl, one.ip_id) == ("[2001:db8::1]:50000", 77, 0)


@given(st.binary(max_size=200), st.sampled_from([1, 0, 101, 113, 276, 108, 228]), st.integers(0, 60))
def test_any_bytes_are_decoded_or_truncated(data: bytes, link: int, kept: int) -> None:
    for frame in (data, FRAME[:kept] + data):
        try:
            one = decode(frame, link, 1, 0)
        except Truncated:
            continue
        assert one is None or len(one.head) <= len(frame)


UDP = ip(CLIENT, SERVER, 17, pack(">HHHH", 5000, 88, 8 + 600, 0) + bytes(range(64)), fragment=0x2000)
LATER = ip(CLIENT, SERVER, 17, bytes(64), fragment=9)
ERROR = ip(SERVER, CLIENT, 1, bytes((3, 3)) + bytes(6) + UDP[:28])
SIX = ip("2001:db8::1", "2001:db8::2", 17, UDP[20:], first=44, extensions=pack(">BBHI", 17, 0, 1, 7))


@given(st.binary(max_size=120), st.sampled_from([UDP, LATER, ERROR, SIX, BODY]), st.integers(0, 80), st.booleans())
def test_any_bytes_are_kept_or_counted(data: bytes, good: bytes, size: int, tagged: bool) -> None:
    kept = _Kept(None, [], [], [])
    kept.take(ethernet(good[:size] + data, tags=(0x8100,) if tagged else ()) if size else data, 1, 1, 0, 0)
    made = kept.udp.made()
    assert len(made.pieces) + len(made.errors) + made.cut + len(kept.segments) <= 1


def test_datagrams_and_errors_about_them() -> None:
    kept = _Kept(None, [], [], [])
    for number, one in enumerate((UDP, LATER, ERROR, SIX), 1):
        kept.take(ethernet(one), 1, number, number, 0)
    made = kept.udp.made()
    assert [(one.packet, one.offset, one.more, one.ports) for one in made.pieces] == [
        (1, 0, True, (5000, 88)),
        (2, 72, False, None),
        (4, 0, True, (5000, 88)),
    ]
    assert [one.length for one in made.pieces] == [608, 0, 608]
    (error,) = made.errors
    assert (str(error.sender), error.kind, error.code, error.ports) == (SERVER, 3, 3, (5000, 88))
    assert (made.pieced, made.udp_ports, made.others, made.cut) == (1, frozenset({88}), 1, 0)


def test_what_is_chosen_is_kept_and_syns_of_others(tmp_path: Path) -> None:
    recording = Recording(START)
    wanted = Tcp(recording, CLIENT, 50_000, SERVER, 135)
    wanted.open()
    wanted.send(b"x" * 100)
    other = Tcp(recording, CLIENT, 50_001, SERVER, 80)
    other.open()
    other.send(b"y" * 100)
    translated = Tcp(recording, CLIENT, 50_002, SERVER, 81, isn=4711)
    translated.open()
    translated.send(b"z")
    ends = Endpoint(ip_address(CLIENT), 50_000), Endpoint(ip_address(SERVER), 135)
    frames = [Frame(one.time_ns, number % 2, one.data) for number, one in enumerate(recording.frames)]
    files = {
        "one.pcap": pcap(recording.frames),
        "two.pcap": pcap(recording.frames, order=">"),
        "one.pcapng": pcapng(recording.frames),
        "two.pcapng": pcapng(recording.frames, order=">"),
        "points.pcapng": pcapng(frames, (Interface("in"), Interface("out"))),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        got = read(str(tmp_path / name), None, [ends], [4711]).segments
        assert [one.packet for one in got] == [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
        assert [one.size for one in got[3:5]] == [100, 0]
    some = read(str(tmp_path / "points.pcapng"), 1, [ends], []).segments
    assert [one.packet for one in some] == [2, 4, 6, 12]
    assert points(str(tmp_path / "points.pcapng")) == {0: "in", 1: "out"}
