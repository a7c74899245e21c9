"""What devices and captures do that is no loss: the loss beside it is told, and nothing else."""

from collections.abc import Sequence
from pathlib import Path as File
from struct import pack_into, unpack_from

import pytest

from rpcdiag.compare import segments
from rpcdiag.compare.compare import compare
from rpcdiag.compare.result import Comparison, Mode
from tests.build import exchanges, pdus
from tests.build.containers import Frame, pcap
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START
from tests.build.two_sides import Path, sides

CLIENT, SERVER = "10.5.0.10", "10.6.0.20"
SIX = ("2001:db8:5::10", "2001:db8:6::20")
PORTS = range(51_100, 51_120)
NAT = {(CLIENT, port): ("203.0.113.7", 20_000 + port % 1000) for port in PORTS}
PUBLISHED = {(SERVER, port): ("192.168.9.9", port) for port in (135, 49_153, 49_155)}


def _recording(client: str = CLIENT, server: str = SERVER, *, pause: int = 1) -> tuple[Recording, list[int]]:
    """Lookups and a session that pass, and SYNs nobody answers; no ARP: everything is of ports 135, 49153, 49155."""
    recording = Recording(START)
    _lookup(recording, client, server, 51_100)
    tcp = Tcp(recording, client, 51_101, server, 49_155)
    tcp.open()
    exchanges.session(tcp, exchanges.LSARPC)
    tcp.close()
    recording.wait(SECOND)
    syns = Tcp(recording, client, 51_102, server, 49_153).syns((0, 1, 3))
    for port in range(51_103, 51_109):
        _lookup(recording, client, server, port)
        recording.wait(pause * SECOND)
    recording.frames.append(Frame(recording.now, 0, bytes(12) + b"\x08\x06" + bytes(46)))
    return recording, syns


def _lookup(recording: Recording, client: str, server: str, port: int) -> None:
    tcp = Tcp(recording, client, port, server, 135)
    tcp.open()
    exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
    tcp.send(pdus.request(3, pdus.map_request(pdus.tower(*exchanges.DRSUAPI, 135, "0.0.0.0"), wide=True), context=1))
    tcp.reply(pdus.response(bytes(64), context=1))
    tcp.close()


def _of(tmp_path: File, a: bytes, b: bytes, mode: Mode | None = None) -> Comparison:
    (tmp_path / "a.pcap").write_bytes(a)
    (tmp_path / "b.pcap").write_bytes(b)
    return compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")], mode)


def _lost(made: Comparison) -> list[tuple[str, tuple[int, ...]]]:
    return [(one.kind, one.packets[0]) for one in made.differences]


PATHS = {
    "nat-source": Path(ends=NAT, offset_ns=37 * SECOND, ids=False),
    "nat-destination": Path(ends=PUBLISHED, offset_ns=-7200 * SECOND),
    "nat-both": Path(ends={**NAT, **PUBLISHED}),
    "snaplen": Path(snaplen=68, offset_ns=37 * SECOND),
    "snaplen-no-ids": Path(snaplen=68, ids=False, offset_ns=-7200 * SECOND),
    "twice": Path(twice=True),
    "twice-bridge": Path(twice=True, hops=0, ids=False, offset_ns=37 * SECOND),
    "tag": Path(tag=True, offset_ns=-7200 * SECOND),
    "drift": Path(drift_ppm=50, offset_ns=37 * SECOND),
    "drift-back": Path(drift_ppm=-50, offset_ns=-7200 * SECOND, ids=False),
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", PATHS)
def test_the_loss_and_nothing_else(tmp_path: File, name: str, version: int) -> None:
    path = PATHS[name]
    if version == 6:
        path = path._replace(ends={("2001:db8:5::10", 0): ("2001:db8:99::7", 0)} if path.ends else {})
    client, server = (CLIENT, SERVER) if version == 4 else SIX
    recording, syns = _recording(client, server, pause=60 if path.drift_ppm else 1)
    both = sides(recording, client, path._replace(lost_to_b=syns))
    made = _of(tmp_path, both.a, both.b)
    assert made.mode is Mode.SIDES
    assert _lost(made) == [("lost-syn", tuple(syns))]
    assert made.differences[0].says.endswith("dropped between A and B")
    assert made.clock is not None
    assert made.clock.drift_ppm == pytest.approx(path.drift_ppm, abs=1)
    assert not any("missing in one capture" in one or "segment size" in one for one in made.remarks)
    both = sides(recording, client, path)
    assert _of(tmp_path, both.a, both.b).differences == ()


def _changed(recording: Recording, lost: Sequence[int], *, ids: bool, server: bool) -> bytes:
    """B, behind a device that draws the numbers of every connection anew, by another constant each."""
    frames = []
    for number, frame in enumerate(recording.frames, 1):
        data = bytearray(frame.data)
        if number in lost:
            continue
        late = 0
        if data[12:14] == b"\x08\x00":
            from_client = data[26:30] == bytes((10, 5, 0, 10))
            port = unpack_from(">H", data, 34 if from_client else 36)[0]
            moved = [port * 2654435761 & 0xFFFFFFFF, port * 40503 * 7919 & 0xFFFFFFFF if server else 0]
            own, other = moved if from_client else moved[::-1]
            sequence, acknowledged = unpack_from(">II", data, 38)
            answer = (acknowledged + other) & 0xFFFFFFFF if data[47] & 16 else acknowledged
            pack_into(">II", data, 38, (sequence + own) & 0xFFFFFFFF, answer)
            data[22] -= 1
            if not ids:
                pack_into(">H", data, 18, unpack_from(">H", data, 18)[0] * 7 + 99 & 0xFFFF)
            late = 50_000 if from_client else -50_000
        frames.append(Frame(frame.time_ns + late + 37 * SECOND, 0, bytes(data)))
    return pcap(sorted(frames, key=lambda one: one.time_ns), nanoseconds=True)


@pytest.mark.parametrize("server", [False, True])
@pytest.mark.parametrize("ids", [False, True])
def test_numbers_drawn_anew_for_every_connection(tmp_path: File, *, ids: bool, server: bool) -> None:
    recording, syns = _recording()
    made = _of(tmp_path, sides(recording, CLIENT).a, _changed(recording, syns, ids=ids, server=server), Mode.SIDES)
    assert _lost(made) == [("lost-syn", tuple(syns))]
    assert any("draws sequence numbers anew" in one for one in made.remarks)
    alike = _of(tmp_path, sides(recording, CLIENT).a, _changed(recording, syns, ids=ids, server=server))
    assert alike.mode is Mode.SIDES or "say --as sides" in alike.why


@pytest.mark.parametrize("late", [True, False], ids=["late", "early"])
@pytest.mark.parametrize("of_a", [True, False], ids=["A", "B"])
def test_a_capture_that_begins_late_or_ends_early(tmp_path: File, *, late: bool, of_a: bool) -> None:
    recording, syns = _recording()
    lacks = range(1, 20) if late else range(recording.number - 15, recording.number + 1)
    path = Path(lost_to_b=[*syns, *(() if of_a else lacks)], lost_to_a=lacks if of_a else (), offset_ns=37 * SECOND)
    both = sides(recording, CLIENT, path)
    found = _of(tmp_path, both.a, both.b).differences
    assert [(one.kind, one.times) for one in found] == [("lost-syn", 3)]


def test_conversations_of_neighbours(tmp_path: File) -> None:
    recording, syns = _recording()
    start = recording.number
    tcp = Tcp(recording, CLIENT, 52_000, "10.5.0.77", 135)
    tcp.open()
    exchanges.session(tcp, exchanges.LSARPC)
    tcp.close()
    Tcp(recording, CLIENT, 52_001, "10.5.0.78", 135).refused()
    Tcp(recording, CLIENT, 52_002, "10.5.0.79", 135).syns((0, 1, 3))
    local = range(start + 1, recording.number + 1)
    _lookup(recording, CLIENT, SERVER, 51_110)
    both = sides(recording, CLIENT, Path(lost_to_b=[*syns, *local], offset_ns=37 * SECOND))
    made = _of(tmp_path, both.a, both.b)
    assert _lost(made) == [("lost-syn", tuple(syns))]
    assert any("to 10.5.0.77:135, 10.5.0.78:135, 10.5.0.79:135 are not at B" in one for one in made.remarks)


def test_another_client_of_the_server_on_its_side(tmp_path: File) -> None:
    recording, _ = _recording()
    start = recording.number
    Tcp(recording, "10.6.0.99", 52_002, SERVER, 49_155).syns((0, 1, 3))
    local = range(start + 1, recording.number + 1)
    _lookup(recording, CLIENT, SERVER, 51_110)
    both = sides(recording, CLIENT, Path(lost_to_a=local))
    assert _of(tmp_path, both.a, both.b).differences == ()


def test_a_host_nothing_of_which_is_in_both_is_lost_with_a_proviso(tmp_path: File) -> None:
    recording, _ = _recording()
    syns = Tcp(recording, CLIENT, 52_002, "10.7.0.1", 135).syns((0, 1, 3))
    _lookup(recording, CLIENT, SERVER, 51_110)
    both = sides(recording, CLIENT, Path(lost_to_b=syns))
    (one,) = _of(tmp_path, both.a, both.b).differences
    assert one.says.endswith("- if the way to 10.7.0.1 leads past B: nothing of that host is in both captures")


def _filtered(recording: Recording) -> list[int]:
    """What `port 135` leaves out."""
    return [
        number
        for number, frame in enumerate(recording.frames, 1)
        if frame.data[12:14] != b"\x08\x00" or 135 not in unpack_from(">HH", frame.data, 34)
    ]


def test_a_capture_filter_for_one_port(tmp_path: File) -> None:
    recording, syns = _recording()
    recording.frames.pop()
    both = sides(recording, CLIENT, Path(lost_to_b=_filtered(recording), offset_ns=37 * SECOND))
    made = _of(tmp_path, both.a, both.b)
    assert _lost(made) == [("lost-syn", tuple(syns))]
    assert made.differences[0].says.endswith(
        "- unless a capture filter at B left port 49153 out: of TCP it holds port 135 only"
    )


@pytest.mark.parametrize("of_client", [True, False])
def test_a_capture_of_one_direction(tmp_path: File, *, of_client: bool) -> None:
    recording, syns = _recording()
    host = bytes((10, 5, 0, 10))
    gone = [number for number, one in enumerate(recording.frames, 1) if (one.data[26:30] == host) is not of_client]
    both = sides(recording, CLIENT, Path(lost_to_b={*syns, *gone}, offset_ns=37 * SECOND))
    made = _of(tmp_path, both.a, both.b)
    assert _lost(made) == ([("lost-syn", tuple(syns))] if of_client else [])
    assert any("it records one direction only" in one for one in made.remarks)
    assert made.clock is not None
    assert (made.clock.low_ns, made.clock.high_ns) == (None, None)


def test_before_and_behind_a_translation_at_one_place(tmp_path: File) -> None:
    recording, syns = _recording()
    inner = sides(recording, CLIENT, Path(lost_to_b=syns, offset_ns=37 * SECOND))
    outer = sides(recording, CLIENT, Path(lost_to_b=syns, offset_ns=37 * SECOND + 20_000, hops=2, ends=NAT))
    frames = sorted([*_frames(inner.b), *_frames(outer.b)], key=lambda one: one.time_ns)
    made = _of(tmp_path, inner.a, pcap(frames, nanoseconds=True))
    assert _lost(made) == [("lost-syn", tuple(syns))]
    assert any("under two addresses" in one for one in made.remarks)


def _frames(data: bytes) -> list[Frame]:
    found, at = [], 24
    while at < len(data):
        seconds, rest, size, _ = unpack_from("<IIII", data, at)
        found.append(Frame(seconds * SECOND + rest, 0, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return found


@pytest.mark.parametrize("transparent", [True, False])
def test_a_proxy_with_connections_of_its_own(tmp_path: File, *, transparent: bool) -> None:
    ours, theirs = Recording(START), Recording(START + 30_000 + 37 * SECOND)
    theirs._ports = 77  # other sequence numbers
    syns: list[int] = []
    for port, to in ((51_100, 135), (51_101, 49_155), (51_102, 49_153), (51_103, 135), (51_104, 135)):
        one = Tcp(ours, CLIENT, port, SERVER if transparent else "10.5.0.1", to)
        other = Tcp(theirs, CLIENT if transparent else "10.6.0.1", port + (not transparent), SERVER, to)
        if to == 49_153:
            syns = one.syns((0, 1, 3))
        else:
            for tcp in (one, other):
                tcp.open()
                exchanges.session(tcp, exchanges.LSARPC)
                tcp.close()
        theirs.now = ours.now + 37 * SECOND + 30_000
    made = _of(tmp_path, ours.pcap(), theirs.pcap(), Mode.SIDES)
    assert _lost(made) == [("lost-syn", tuple(syns))]
    assert any("is a proxy with connections of its own" in one for one in made.remarks)


def test_what_there_was_no_room_for_is_not_lost(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, syns = _recording()
    both = sides(recording, CLIENT, Path(lost_to_b=syns, lost_to_a=range(1, 15), offset_ns=37 * SECOND))
    monkeypatch.setattr(segments, "MAX_SEGMENTS", 60)
    made = _of(tmp_path, both.a, both.b)
    assert _lost(made) == [("lost-syn", tuple(number - 14 for number in syns))]
    assert any("the rest of these captures was not looked at" in one for one in made.remarks)


@pytest.mark.parametrize("flags", [0x12, 0x11], ids=["SYN-ACK", "FIN"])
def test_what_a_capture_missed_of_a_connection_that_goes_on_was_not_made_in_between(tmp_path: File, flags: int) -> None:
    recording, _ = _recording()
    host = bytes((10, 6, 0, 20))
    missed = [n for n, one in enumerate(recording.frames, 1) if one.data[26:30] == host and one.data[47] == flags]
    both = sides(recording, CLIENT, Path(lost_to_b=missed[:2]))
    made = _of(tmp_path, both.a, both.b)
    assert made.differences == ()
    assert any("2 packets are missing in one capture" in one for one in made.remarks)


def test_headers_that_are_cut_are_not_lost(tmp_path: File) -> None:
    recording, syns = _recording()
    both = sides(recording, CLIENT, Path(lost_to_b=syns, snaplen=44))
    made = _of(tmp_path, both.a, both.b, Mode.SIDES)
    assert made.differences == ()
    assert any("cut within their headers" in one for one in made.remarks)
