"""Log formats: real lines, and the damage that real files have."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag import plugins
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.formats import isa_tmg, isa_tmg_native, isa_tmg_viewer, linux_netfilter, w3c_filter, windows_firewall
from tests.build import logs

FORMATS: list[LogFormat] = plugins.discover("rpcdiag.logs.formats", "FORMAT")
DROP = "2011-03-02 10:15:41 DROP TCP 10.20.3.7 10.30.1.5 56626 49154 52 S 2718281828 0 8192 - - - RECEIVE"
KERNEL = (
    "IN=c0 OUT=s0 MAC=42:ed SRC=198.51.100.20 DST=203.0.113.10 LEN=60 TOS=00 TTL=63 ID=28943 DF PROTO=TCP SPT=34478 "
    "DPT=49153 SEQ=3645002032 ACK=0 WINDOW=64240 SYN URGP=0"
)

NATIVE = (
    "TMG01, 2011-05-02, 10:00:01, TCP, 10.0.0.1:50123, 10.0.0.9:135, 10.0.0.1, Local Host, Internal, Terminate, "
    "0x80074e24, Allow RPC, all of it, RPC (all interfaces), N, 212, 212, 60, 60, 31, 31, -, -, -, 2, 4711, -, -, -, "
    "2011-05-02 08:00:01, -, -, ::, -, -, -, Trusted, -, -, -, -, -, 0, -, -"
)
VIEWER = (
    "Denied Connection TMG01 13.05.2011 10:00:01\nLog type: Firewall service\nStatus: A non-SYN packet was dropped\n"
    "Rule: None - see Result Code\nSource: Internal (10.0.0.1:56803)\nDestination: Local Host (10.0.0.9:445)\n"
    "Protocol: Microsoft CIFS (TCP)\n"
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


@pytest.mark.parametrize(
    ("word", "action"), [("Initiated Connection", "open"), ("Closed", "close"), ("Denied", "drop")]
)
def test_actions_in_the_words_of_the_viewer(word: str, action: str) -> None:
    text = logs.tmg_header(0) + logs.tmg(0, "10.0.0.9:5", "10.0.0.1:445", ("A", "B"), word, "0x0", "-")
    (entry,) = (_entry(one) for one in isa_tmg.parse(text.splitlines()))
    assert entry.action == action


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
        (NATIVE + "\n", "isa-tmg-native"),
        (VIEWER, "isa-tmg-viewer"),
    ],
)
def test_one_format_takes_each_file_and_the_others_say_why_not(text: str, name: str) -> None:
    taken = [one.name for one in FORMATS if one.why_not(text) is None]
    assert taken == [name]


def test_netfilter_lines_of_every_kind_of_clock() -> None:
    said = "kernel: [12.000001] DROP " + KERNEL
    lines = [
        f"<4>Nov 21 02:44:48 fw1 {said}",
        f"Nov  1 2026 02:44:48 fw1 {said}",
        f"2026-11-21T02:44:48.25+01:00 fw1 {said}",
        f"[Sat Nov 21 02:44:48 2026] DROP {KERNEL}",
        f"[   12.000001] DROP {KERNEL}",
        f"DROP{KERNEL}",
    ]
    entries = [_entry(one) for one in linux_netfilter.parse(lines)]
    assert [one.basis for one in entries] == ["no_year", "local", "offset", "local", "uptime", "local"]
    assert [one.resolution_ns for one in entries[:3]] == [10**9, 10**9, 10**7]
    assert {(one.action, one.rule, one.sequence) for one in entries} == {("drop", "DROP", 3645002032)}
    assert entries[-1].written_ns is None


def test_a_packet_inside_an_icmp_error_does_not_count() -> None:
    inner = "[SRC=10.0.0.9 DST=10.0.0.1 PROTO=TCP SPT=135 DPT=50000 ]"
    line = f"[    1.000000] X IN=a OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=ICMP TYPE=3 CODE=1 {inner}"
    entry = _entry(next(linux_netfilter.parse([line])))
    assert (str(entry.source), entry.protocol, entry.source_port, entry.path) == ("10.0.0.1", "icmp", None, "in")


def test_netfilter_rows_of_the_journal_have_its_time() -> None:
    row = {"__REALTIME_TIMESTAMP": "1710313600123456", "_HOSTNAME": "fw1", "MESSAGE": f"FW-DROP: {KERNEL}"}
    lines = [
        json.dumps(row),
        json.dumps({**row, "__REALTIME_TIMESTAMP": None}),
        json.dumps({**row, "MESSAGE": [1]}),
        '{"a IN=',
    ]
    first, timeless, *bad = linux_netfilter.parse(
        [f"{line} SRC= DST= PROTO=" if '"a' in line else line for line in lines]
    )
    entry = _entry(first)
    assert (entry.written_ns, entry.basis, entry.device) == (1_710_313_600_123_456_000, "utc", "fw1")
    assert (entry.action, entry.rule) == ("drop", "FW-DROP")
    assert _entry(timeless).written_ns is None
    assert [isinstance(one, BadLine) for one in bad] == [True, True]


def test_a_hostile_netfilter_line_takes_no_longer_than_another() -> None:
    line = "IN=a " * 4000 + "SRC=a DST=b " * 2000 + " PROTO=X"
    assert len(list(linux_netfilter.parse([line]))) == 1


def test_the_end_of_a_row_that_was_cut_off_makes_it_unreadable() -> None:
    cut = DROP[: DROP.index(" 49154") + 4]  # a port that is none
    assert isinstance(next(windows_firewall.parse([cut])), BadLine)


def test_a_cut_row_glued_to_a_whole_one_spoils_only_itself() -> None:
    bad, entry = windows_firewall.parse([DROP[:15] + DROP])
    assert isinstance(bad, BadLine)
    assert _entry(entry).source_port == 56626


def test_a_pid_is_read_under_the_header_of_an_older_service() -> None:
    header = logs.PFIREWALL.splitlines()
    (entry,) = (_entry(one) for one in windows_firewall.parse([*header, DROP + " 4"]))
    assert entry.pid == 4


def test_a_log_that_says_its_time_is_utc() -> None:
    assert _entry(next(windows_firewall.parse(["#Time Format: UTC", DROP]))).basis == "utc"


def test_ports_of_tmg_with_and_without_brackets_and_of_icmp() -> None:
    lines = [
        *logs.tmg_header(0).splitlines(),
        logs.tmg(0, "[2001:db8::1]:50000", "[2001:db8::9]:135", ("A", "B"), "Establish", "0x0", "r"),
        logs.tmg(0, "10.0.0.1:8", "10.0.0.9:0", ("A", "B"), "Denied", "0x0", "r").replace("\tTCP\t", "\tICMP\t"),
        logs.tmg(0, "10.0.0.1:8", "10.0.0.9:0", ("A", "B"), "Redirect_Bind", "0x0", "r"),
    ]
    six, icmp, bind = (_entry(one) for one in isa_tmg.parse(lines))
    assert (str(six.source), six.source_port, six.action) == ("2001:db8::1", 50000, "open")
    assert (icmp.source_port, icmp.destination_port, icmp.drops) == (None, None, True)
    assert bind.action == "info"


def test_values_of_tmg_can_be_empty_and_without_tabs_a_row_is_read_as_far_as_its_code() -> None:
    row = logs.tmg(0, "10.0.0.1:8", "10.0.0.9:135", ("A", "B"), "Establish", "0x0", "")
    spaced = row.replace("\t", " ")
    entry, lost, bad = isa_tmg.parse([*logs.tmg_header(0).splitlines(), row, spaced, spaced.replace("0x0", "-")])
    assert (_entry(entry).rule, _entry(entry).service) == (None, "RPC (all interfaces)")
    assert (_entry(lost).destination_port, _entry(lost).code, _entry(lost).action) == (135, 0, "open")
    assert (_entry(lost).rule, _entry(lost).source_zone) == (None, None)
    assert isinstance(bad, BadLine)
    assert "tabs" in bad.why


def test_a_native_row_has_its_own_utc_and_a_rule_with_commas() -> None:
    entry = _entry(next(isa_tmg_native.parse([NATIVE])))
    assert (entry.rule, entry.service) == ("Allow RPC, all of it", "RPC (all interfaces)")
    assert (entry.basis, entry.written_ns) == ("utc", 1_304_323_201_000_000_000)
    assert (entry.action, entry.code_name, entry.connection) == ("close", "FWX_E_CONNECTION_KILLED", "4711")


def test_a_native_row_without_utc_is_local() -> None:
    entry = _entry(next(isa_tmg_native.parse([NATIVE.replace("2011-05-02 08:00:01", "-")])))
    assert (entry.basis, entry.written_ns) == ("local", 1_304_330_401_000_000_000)


def test_a_block_of_the_viewer_is_a_row() -> None:
    one, other = (_entry(entry) for entry in isa_tmg_viewer.parse((VIEWER + VIEWER).splitlines()))
    assert (one.line, other.line) == (1, 8)
    assert (one.action, one.code_name, one.rule) == ("drop", "FWX_E_TCP_NOT_SYN_PACKET_DROPPED", None)
    assert (str(one.source), one.source_port, one.source_zone) == ("10.0.0.1", 56803, "Internal")
    assert (one.written_ns, one.path) == (1_305_280_801_000_000_000, "in")


def test_a_viewer_in_another_language_has_the_rule_before_the_ends() -> None:
    block = (
        "Initiierte Verbindung FW 02.05.2011 10:00:01\nProtokolltyp: Firewalldienst\nStatus: ok\nRegel: {rule}\n"
        "Quelle: Lokaler Host (10.0.0.1:50123)\nZiel: Intern (10.0.0.9:135)\nErgebniscode: {code}"
    )
    for rule, code, expected in (
        ("[System] RPC zulassen", "0xc0040017", "[System] RPC zulassen"),
        ("Alles zulassen", "0x0", "Alles zulassen"),
        ("Keine - siehe Ergebniscode", "0xc0040017", None),
    ):
        entry = _entry(next(isa_tmg_viewer.parse(block.format(rule=rule, code=code).splitlines())))
        assert entry.rule == expected


def test_a_viewer_in_another_language_has_ends_but_no_action() -> None:
    lines = [
        "Verweigerte Verbindung 05.04.2011 10:00:01",
        "Quelle: Intern (10.0.0.1:56803)",
        "Ziel: Extern (10.0.0.9:445)",
    ]
    entry = _entry(next(isa_tmg_viewer.parse(lines)))
    assert (entry.action, entry.destination_port, entry.written_ns) == ("unknown", 445, None)


ROWS = [DROP, f"Nov 21 02:44:48 fw1 X {KERNEL}", NATIVE, *VIEWER.splitlines(), *logs.tmg_header(0).splitlines(),
        logs.tmg(0, "10.0.0.9:5", "10.0.0.1:445", ("A", "B"), "Denied", "0x1", "-"),
        "#Fields: date time c-ip r-ip action", "2026-11-21 03:09:31.679 10.0.0.1 10.0.0.2 Denied"]  # fmt: skip


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    """A real row with something else in the middle."""
    row = draw(st.sampled_from(ROWS))
    begin = draw(st.integers(0, len(row)))
    end = draw(st.integers(begin, len(row)))
    return row[:begin] + draw(st.text(max_size=12)) + row[end:]


@pytest.mark.parametrize("name", [one.name for one in FORMATS])
@given(lines=st.lists(st.one_of(st.text(max_size=80), st.sampled_from(ROWS), _damaged()), max_size=8))
def test_no_text_breaks_a_parser(name: str, lines: list[str]) -> None:
    (chosen,) = [one for one in FORMATS if one.name == name]
    chosen.why_not("\n".join(lines))
    for one in chosen.parse(lines):
        assert 1 <= one.line <= "\n".join(lines).count("\n") + 1
