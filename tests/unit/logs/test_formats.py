"""Log formats: real lines, and the damage that real files have."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag import plugins
from rpcdiag.errors import InputError, UnknownFormat
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.formats import isa_tmg, linux_netfilter, w3c_filter, windows_firewall
from rpcdiag.logs.reader import read, with_rotated
from tests.build import logs

FORMATS: list[LogFormat] = plugins.discover("rpcdiag.logs.formats", "FORMAT")
SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "reference" / "firewall_log_samples.tsv"
DROP = "2011-03-02 10:15:41 DROP TCP 10.20.3.7 10.30.1.5 56626 49154 52 S 2718281828 0 8192 - - - RECEIVE"
KERNEL = (
    "IN=c0 OUT=s0 MAC=42:ed SRC=198.51.100.20 DST=203.0.113.10 LEN=60 TOS=00 TTL=63 ID=28943 DF PROTO=TCP SPT=34478 "
    "DPT=49153 SEQ=3645002032 ACK=0 WINDOW=64240 SYN URGP=0"
)


def _entry(parsed: object) -> LogEntry:
    assert isinstance(parsed, LogEntry)
    return parsed


def test_a_dropped_syn_of_windows_firewall() -> None:
    entry = _entry(next(windows_firewall.parse([DROP])))
    assert (entry.action, entry.path, entry.basis) == ("drop", "in", "local")
    assert (str(entry.source), entry.source_port, entry.destination_port) == ("10.20.3.7", 56626, 49154)
    assert (entry.sequence, entry.flags) == (2718281828, "S")


def test_the_columns_come_from_the_header_wherever_it_stands() -> None:
    lines = [
        "#Fields: date time action protocol src-ip dst-ip src-port dst-port size tcpflags tcpsyn tcpack tcpwin icmptype icmpcode info path pid",
        DROP + " 4711",
        "#Fields: date time action protocol dst-ip src-ip dst-port src-port",
        "2011-03-02 10:15:42 DROP TCP 10.0.0.1 10.0.0.2 135 50000",
    ]
    one, other = (_entry(entry) for entry in windows_firewall.parse(lines))
    assert one.pid == 4711
    assert (str(other.source), other.destination_port) == ("10.0.0.2", 135)


def test_two_rows_glued_together_are_two() -> None:
    assert [_entry(one).source_port for one in windows_firewall.parse([DROP + DROP])] == [56626, 56626]


def test_lost_events_masked_addresses_and_icmp_types() -> None:
    rows = [
        "2021-06-22 12:48:21 INFO-EVENTS-LOST - - - - - - - - - - - - 7 -",
        DROP.replace("10.20.3.7", "x.x.x.7"),
        "2021-06-22 12:25:35 ALLOW ICMP fe80::1 fe80::2 - - 0 - - - - 135 0 - SEND",
    ]
    lost, masked, icmp = (_entry(one) for one in windows_firewall.parse(rows))
    assert (lost.action, lost.lost) == ("lost", 7)
    assert masked.source is None
    assert icmp.destination_port is None


def test_a_line_that_cannot_be_read_is_told_with_its_number() -> None:
    bad = list(
        windows_firewall.parse([DROP, "2011-13-99 10:15:41 DROP TCP a b 1 2 3 S 1 0 0 - - - RECEIVE", "nonsense"])
    )
    assert [one.line for one in bad if isinstance(one, BadLine)] == [2, 3]


def test_a_row_of_tmg_with_blanks_in_names_and_values() -> None:
    rule = "[System] Allow RPC from Forefront TMG to trusted servers"
    text = logs.tmg_header(0) + logs.tmg(
        1_300_000_000_000_000_000, "10.0.0.1:50123", "10.0.0.9:135", ("Local Host", "Internal"), "Terminate", "0x80074e24",
        rule, connection=4711,
    )  # fmt: skip
    (entry,) = (_entry(one) for one in isa_tmg.parse(text.splitlines()))
    assert (entry.action, entry.rule, entry.code_name, entry.basis) == ("close", rule, "FWX_E_CONNECTION_KILLED", "utc")
    assert (entry.source_zone, entry.destination_zone, entry.path) == ("Local Host", "Internal", "out")
    assert (entry.service, entry.connection) == ("RPC (all interfaces)", "4711")


@pytest.mark.parametrize("status", ["0xc0040017", "-1073479657", "3221487639"])
def test_result_codes_in_every_form(status: str) -> None:
    text = logs.tmg_header(0) + logs.tmg(0, "10.0.0.9:5", "10.0.0.1:445", ("A", "B"), "Denied", status, "-")
    (entry,) = (_entry(one) for one in isa_tmg.parse(text.splitlines()))
    assert (entry.code, entry.rule, entry.drops) == (0xC0040017, None, True)


@pytest.mark.parametrize(
    ("prefix", "action"),
    [("FW-DROP-DYN", "drop"), ("FW-REJECT-RST", "reset"), ("FW-REJECT-ADMIN", "reject"), ("FW-ALLOW-EPM", "allow"),
     ("[UFW BLOCK]", "drop"), ("Shorewall:net2fw:DROP:", "drop"), ("something", "unknown")],
)  # fmt: skip
def test_netfilter_says_what_it_did_in_the_prefix(prefix: str, action: str) -> None:
    entry = _entry(next(linux_netfilter.parse([f"Nov 21 02:44:48 fw1 {prefix} {KERNEL}"])))
    assert (entry.action, entry.basis, entry.path, entry.device) == (action, "no_year", "fwd", "fw1")
    assert (entry.sequence, entry.ip_id, entry.ttl, entry.flags) == (3645002032, 28943, 63, "S")


def test_kernel_time_is_uptime() -> None:
    entry = _entry(next(linux_netfilter.parse([f"[ 4855.926335] FW-DROP-DYN {KERNEL}"])))
    assert (entry.basis, entry.written_ns, entry.rule) == ("uptime", 4_855_926_335_000, "FW-DROP-DYN")


def test_a_filter_that_writes_w3c() -> None:
    lines = [
        "#Fields: date time s-proto c-ip c-port r-ip r-port action rule filter-info",
        "2026-11-21 03:09:31.679 TCP 198.51.100.20 38922 203.0.113.10 135 Denied strict bind-interface=000001a0",
    ]
    (entry,) = (_entry(one) for one in w3c_filter.parse(lines))
    assert (entry.action, entry.rule, entry.resolution_ns, entry.basis) == ("drop", "strict", 1_000_000, "utc")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (logs.PFIREWALL + DROP, "windows-firewall"),
        (DROP + "\n", "windows-firewall"),
        (logs.tmg_header(0), "isa-tmg-w3c"),
        (f"Nov 21 02:44:48 fw1 X {KERNEL}\n", "linux-netfilter"),
        ("#Fields: date time c-ip r-ip action\n", "w3c-filter"),
    ],
)
def test_one_format_takes_each_file_and_the_others_say_why_not(text: str, name: str) -> None:
    taken = [one.name for one in FORMATS if one.why_not(text) is None]
    assert taken == [name]


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_and_compression(tmp_path: Path, mark: str) -> None:
    data = (logs.PFIREWALL + DROP + "\r\n").encode(mark)
    for name, written in (("plain.log", data), ("packed.log", gzip.compress(data))):
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
    assert with_rotated([path]) == [path, path + ".old"]
    assert with_rotated([path, path + ".old"]) == [path, path + ".old"]


@pytest.mark.parametrize("name", [one.name for one in FORMATS])
@given(
    lines=st.lists(st.one_of(st.text(max_size=80), st.sampled_from([DROP, KERNEL, "#Fields:\tdate\ttime"])), max_size=6)
)
def test_no_text_breaks_a_parser(name: str, lines: list[str]) -> None:
    (chosen,) = [one for one in FORMATS if one.name == name]
    for one in chosen.parse(lines):
        assert 1 <= one.line <= len(lines)


def test_the_sample_lines_of_these_formats() -> None:
    if not SAMPLES.exists():
        pytest.skip("the table of sample lines lies in ../shared, outside the repository")
    rows = [line.split("\t") for line in SAMPLES.read_text(encoding="utf-8").splitlines()[1:]]
    checked = 0
    for row in rows:
        _, kind, _, action, protocol, source, sport, destination, dport, _, line, *_ = row
        if not kind.startswith("pfirewall"):
            continue
        entry = _entry(next(windows_firewall.parse([line.replace("\\t", "\t")])))
        said = entry.protocol.upper()
        assert entry.action.upper() == {"LOST": "LOST"}.get(action, action)
        if action != "LOST":
            assert (said, str(entry.source or ""), str(entry.destination or "")) == (protocol, source, destination)
        assert (str(entry.source_port or ""), str(entry.destination_port or "")) == (sport, dport)
        checked += 1
    assert checked >= 15
