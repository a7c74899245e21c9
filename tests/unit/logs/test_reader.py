"""Log files as they lie on disks: encoded, packed, cut, rotated."""

import bz2
import gzip
import lzma
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rpcdiag import plugins
from rpcdiag.errors import InputError, UnknownFormat
from rpcdiag.logs import reader
from rpcdiag.logs.reader import read, with_rotated
from tests.build import logs

FORMATS = plugins.discover("rpcdiag.logs.formats", "FORMAT")
DROP = "2011-03-02 10:15:41 DROP TCP 10.20.3.7 10.30.1.5 56626 49154 52 S 2718281828 0 8192 - - - RECEIVE"


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_and_compression(tmp_path: Path, mark: str) -> None:
    data = (logs.PFIREWALL + DROP + "\r\n").encode(mark)
    for name, written in (
        ("plain.log", data), ("packed.log", gzip.compress(data)), ("x.xz", lzma.compress(data)), ("x", bz2.compress(data)),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(written)
        file = read(str(tmp_path / name))
        assert (file.format, len(file.entries), file.bad_count) == ("windows-firewall", 1, 0)


def test_leading_nul_bytes_and_a_cut_last_line(tmp_path: Path) -> None:
    path = tmp_path / "pfirewall.log"
    path.write_bytes(bytes(512) + (logs.PFIREWALL + DROP + "\r\n" + DROP[:40]).encode())
    file = read(str(path))
    assert (len(file.entries), file.bad_count) == (1, 1)


def test_a_log_of_unknown_format_has_every_reason(tmp_path: Path) -> None:
    path = tmp_path / "other.log"
    path.write_text("hello\nworld\n")
    with pytest.raises(UnknownFormat) as caught:
        read(str(path))
    assert len(caught.value.reasons) == len(FORMATS)
    assert "line 1" in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"\r\n\x00\x00"])
def test_missing_and_empty_logs(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.log"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"no such file|is empty"):
        read(str(path))


def test_a_rotated_log_beside_it_is_read_as_well(tmp_path: Path) -> None:
    for name in ("pfirewall.log", "pfirewall.log.old"):
        (tmp_path / name).write_text(logs.PFIREWALL + DROP + "\n")
    path = str(tmp_path / "pfirewall.log")
    assert with_rotated([path]) == [path + ".old", path]
    assert with_rotated([path, path + ".old"]) == [path, path + ".old"]


def test_an_empty_rotated_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text(DROP)
    (tmp_path / "x.log.old").touch()
    assert with_rotated([str(tmp_path / "x.log")]) == [str(tmp_path / "x.log")]


def test_a_rotated_log_says_that_it_is_one(tmp_path: Path) -> None:
    for name in ("x.log", "x.log.old"):
        (tmp_path / name).write_text(DROP)
    assert read(str(tmp_path / "x.log")).notes == ()
    assert "rotated part" in read(str(tmp_path / "x.log.old")).notes[0]


def test_a_directory_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        read(str(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_line_that_is_too_long_is_bad_and_does_not_shift_the_others(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.log"
    path.write_bytes("\n".join([DROP, "x" * 500_000, DROP, ""]).encode(encoding))
    file = read(str(path))
    assert [one.line for one in file.entries] == [1, 3]
    assert [one.line for one in file.bad] == [2]


def test_nul_bytes_inside_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(f"{DROP}\r\n".encode() + bytes(200_000) + f"{DROP[:40]}\0\0{DROP[40:]}\r\n".encode())
    file = read(str(path))
    assert ([one.line for one in file.entries], file.bad_count) == ([1, 2], 0)


def test_bytes_that_are_no_utf_8_are_read_as_latin_1(tmp_path: Path) -> None:
    row = logs.tmg(0, "10.0.0.1:5", "10.0.0.2:135", ("Büro", "B"), "Establish", "0x0", "r")
    path = tmp_path / "x.log"
    path.write_bytes((logs.tmg_header(0) + row).encode("latin-1"))
    assert read(str(path)).entries[0].source_zone == "Büro"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("damage", ["cut", "broken"])
def test_a_packed_log_gives_what_can_be_unpacked(tmp_path: Path, damage: str, pack: Callable[[bytes], bytes]) -> None:
    rows = "".join(DROP.replace("56626", str(port)) + "\n" for port in range(2000, 60000))
    packed = bytearray(pack(rows.encode()))
    middle = len(packed) // 2
    path = tmp_path / "x.log.gz"
    path.write_bytes(packed[:middle] if damage == "cut" else packed[:middle] + b"\xff" * 400 + packed[middle + 400 :])
    file = read(str(path))
    assert len(file.entries) > 10_000
    assert file.notes[0].startswith("could not be read to its end")
    assert file.cut == file.notes[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_says_its_rows_once_and_all_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress((DROP + "\n").encode() * 3),))
    writer.start()
    file = read(str(pipe))
    writer.join()
    assert (file.path, len(file.entries)) == (str(pipe), 3)


@pytest.mark.parametrize(
    ("begins", "says"),
    [
        (b"PK\x03\x04", "zip archive: unpack it first"), (b"MSCF", "cabinet"), (b"\x28\xb5\x2f\xfd", "zstd -d"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "is a capture: name it without --log"),
        (b"\n\r\r\n\x1c\x00\x00\x00", "is a capture: name it without --log"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_told_with_what_to_do(tmp_path: Path, begins: bytes, says: str) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(begins + bytes(100))
    with pytest.raises(InputError, match=says):
        read(str(path))


def test_a_packed_log_cut_at_its_beginning_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.log.gz"
    path.write_bytes(gzip.compress(b"x")[:8])
    with pytest.raises(InputError, match="cannot be read"):
        read(str(path))


def test_of_a_large_log_only_rows_of_tcp_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "ALL_UP_TO", 2)
    udp, lost = DROP.replace("TCP", "UDP"), "2021-06-22 12:48:21 INFO-EVENTS-LOST - - - - - - - - - - - - 7 -"
    path = tmp_path / "x.log"
    path.write_text("\n".join([udp, udp, udp, DROP, lost, udp, ""]))
    file = read(str(path))
    assert [one.line for one in file.entries] == [1, 2, 4, 5]
    assert "2 rows" in file.notes[0]
    assert "lost 7 rows" in file.notes[1]


def test_only_the_first_bad_lines_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(DROP + "\n" + "nonsense\n" * 50)
    file = read(str(path))
    assert (len(file.bad), file.bad_count) == (20, 50)


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_mark_before_a_format_without_lines_is_none_of_its_text(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "tuples.log"
    path.write_bytes("1710768070,10.1.1.5,10.2.2.9,50211,135,T,I,D,B,,,,\r\n".encode(mark))
    file = read(str(path))
    assert (file.format, len(file.entries), file.bad_count) == ("azure-flow", 1, 0)


NETSCREEN = (
    'fw NetScreen device_id=ns5gt [x]system-notification-00257(traffic): start_time="2026-01-01 10:09:38" duration=0 policy_id=3 '
    "proto=6 src zone=A dst zone=B action=Deny sent=0 rcvd=38 src=10.1.2.3 dst=10.1.1.1 src_port=51350 dst_port=1426"
)
FORTIGATE = (
    "date=2026-01-01 time=10:09:38 devname=FW devid=FGT0 logid=0000000013 type=traffic srcip=10.1.1.5 srcport=50211 "
    "dstip=10.2.2.9 dstport=49670 proto=6 action=deny policyid=0"
)


def test_of_a_file_of_several_formats_each_has_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "syslog"
    path.write_text("\n".join([FORTIGATE, NETSCREEN, "who knows", FORTIGATE, ""]))
    first, second = reader.read_all(str(path))
    assert (first.format, [one.line for one in first.entries], first.bad_count) == ("fortigate", [1, 4], 1)
    assert (second.format, [one.line for one in second.entries], second.bad_count) == ("netscreen", [2], 0)
    assert [one.line for one in first.bad] == [3]
    path.write_text(FORTIGATE + "\nwho knows\n")
    (alone,) = reader.read_all(str(path))
    assert (alone.bad_count, alone.notes) == (1, ())
