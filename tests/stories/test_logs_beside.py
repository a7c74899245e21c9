"""Logs beside a story's capture, as devices other than the story's would have written them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Confidence, Logged
from tests.build import logs

CAPTURE = str(Path(__file__).resolve().parents[2] / "pcaps" / "ocs-advfirewall" / "capture.pcapng")
BEGIN = datetime(2011, 3, 13, 7, 6, 40, tzinfo=UTC).timestamp() + 0.3
CLIENT, SERVER = "10.20.3.7", "10.30.1.5"
SYNS = (0.0048, 3.0048, 9.0048)  # to the dynamic port, 49154, from 56626


def _beside(tmp_path: Path, *lines: Iterable[str]) -> Diagnosis:
    paths = []
    for number, rows in enumerate(lines):
        path = tmp_path / f"{number}.log"
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        paths.append(str(path))
    return analyze([CAPTURE], paths)


def _at(after: float) -> str:
    """The whole second, cut off, as UTC."""
    return datetime.fromtimestamp(int(BEGIN + after), UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _asa(after: float, says: str) -> str:
    return f"{_at(after)}Z fw1 {says}"


def _found(diagnosis: Diagnosis, rule: str) -> Finding:
    (found,) = [finding for finding in diagnosis.findings if finding.rule == rule]
    return found


def _logged(finding: Finding) -> list[tuple[str, int, tuple[int, ...]]]:
    return [(one.says, one.log, one.lines) for one in finding.evidence if isinstance(one, Logged)]


def _matched(diagnosis: Diagnosis) -> list[int]:
    return sorted({row.entry.line for rows in diagnosis.case.rows.values() for row in rows})


DENIED = f'%ASA-4-106023: Deny tcp src outside:{CLIENT}/56626 dst inside:{SERVER}/49154 by access-group "IN" [0x0, 0x0]'
BUILT = (
    f"%ASA-6-302013: Built inbound TCP connection 7 for outside:{CLIENT}/56626 ({CLIENT}/56626) to "
    f"inside:{SERVER}/49154 ({SERVER}/49154)"
)
NO_SESSION = (
    f"%ASA-6-106015: Deny TCP (no connection) from {SERVER}/49154 to {CLIENT}/56626 flags SYN ACK on interface inside"
)


@pytest.mark.parametrize("behind", [0.0, 0.7, 1.5])
def test_a_clock_in_utc_that_is_a_little_behind_still_matches_every_row(tmp_path: Path, behind: float) -> None:
    diagnosis = _beside(tmp_path, [_asa(at - behind, DENIED) for at in SYNS])
    assert _matched(diagnosis) == [1, 2, 3]
    offset = diagnosis.case.logs[0].clock.offset_ns
    assert offset is not None
    assert -2e9 < offset <= 0
    assert (offset == 0) is (behind == 0.0)
    assert _found(diagnosis, "dynamic-port-blocked").confidence is Confidence.PROVEN


def test_zeros_behind_whole_seconds_are_no_fractions(tmp_path: Path) -> None:
    row = "CEF:0|Acme|FW|1|100|conn|5|act=Drop rt={at} src=10.20.3.7 spt=56626 dst=10.30.1.5 dpt=49154 proto=TCP"
    diagnosis = _beside(tmp_path, [row.format(at=int(BEGIN + at) * 1000) for at in SYNS])
    assert _matched(diagnosis) == [1, 2, 3]


def test_a_dropped_answer_is_not_a_blocked_port(tmp_path: Path) -> None:
    diagnosis = _beside(tmp_path, [_asa(at, NO_SESSION) for at in SYNS])
    found = _found(diagnosis, "asymmetric-path")
    assert found.confidence is Confidence.PROVEN
    assert _logged(found) == [("DROP of the answer, 106015 no connection", 0, (1, 2, 3))]
    assert not [one for one in diagnosis.findings if one.rule == "dynamic-port-blocked"]


def test_where_both_directions_are_dropped_the_port_is_blocked(tmp_path: Path) -> None:
    diagnosis = _beside(tmp_path, [_asa(SYNS[0], DENIED), _asa(SYNS[1], NO_SESSION)])
    assert _logged(_found(diagnosis, "dynamic-port-blocked"))[1][0] == "DROP of the answer, 106015 no connection"
    assert not [one for one in diagnosis.findings if one.rule == "asymmetric-path"]


def test_a_firewall_that_let_it_through_is_named(tmp_path: Path) -> None:
    timeout = (
        f"%ASA-6-302014: Teardown TCP connection 7 for outside:{CLIENT}/56626 to inside:{SERVER}/49154 duration 0:00:30 "
        "bytes 0 SYN Timeout"
    )
    found = _found(_beside(tmp_path, [_asa(SYNS[0], BUILT), _asa(30, timeout)]), "dynamic-port-blocked")
    assert found.confidence is Confidence.ESTABLISHED
    assert _logged(found) == [
        ("OPEN to port 49154, 302013: let through here, and not answered", 0, (1,)),
        ("CLOSE to port 49154, 302014 SYN Timeout", 0, (2,)),
    ]


def test_a_log_that_admits_the_connection_is_not_silent_about_it(tmp_path: Path) -> None:
    row = "2011-03-13 08:06:40 ALLOW TCP 10.20.3.7 10.30.1.5 56626 {port} 0 - 0 0 0 - - - RECEIVE"
    admits = _beside(tmp_path, [logs.PFIREWALL + row.format(port=49154)])
    assert "log-not-enabled" not in {one.rule for one in admits.findings}
    another = _beside(tmp_path, [logs.PFIREWALL + row.format(port=5061)])
    assert "log-not-enabled" in {one.rule for one in another.findings}


def test_the_same_of_two_logs_is_evidence_of_both(tmp_path: Path) -> None:
    diagnosis = _beside(tmp_path, [_asa(at, DENIED) for at in SYNS[:2]], [_asa(SYNS[2], DENIED)])
    says = "DROP to port 49154 by rule IN, 106023"
    assert _logged(_found(diagnosis, "dynamic-port-blocked")) == [(says, 0, (1, 2)), (says, 1, (1,))]


def test_a_file_of_several_devices_is_a_log_for_each_format(tmp_path: Path) -> None:
    kernel = (
        "{at}Z router kernel: FW-ACCEPT: IN=eth0 OUT=eth1 SRC=10.20.3.7 DST=10.30.1.5 LEN=48 TTL=127 ID=1 PROTO=TCP SPT=56626 "
        "DPT=49154 WINDOW=8192 RES=0x00 SYN URGP=0"
    )
    lines = [line for at in SYNS for line in (kernel.format(at=_at(at)), _asa(at, DENIED))]
    diagnosis = _beside(tmp_path, [*lines, "no row of anybody"])
    first, second = (log.file for log in diagnosis.case.logs)
    assert [(one.format, one.rows, one.drops, one.bad_count) for one in (first, second)] == [
        ("cisco-asa", 3, 3, 1), ("linux-netfilter", 3, 0, 0),
    ]  # fmt: skip
    assert [one.line for one in first.bad] == [7]
    assert [one.line for one in second.entries] == [1, 3, 5]
    assert "linux-netfilter (3 rows)" in first.notes[0]
    assert [lines for _, _, lines in _logged(_found(diagnosis, "dynamic-port-blocked"))] == [(2, 4, 6), (1, 3, 5)]


EVENT = """<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>
<Provider Name='Microsoft-Windows-Security-Auditing'/><EventID>5152</EventID><TimeCreated SystemTime='{at}.304900Z'/>
<EventRecordID>{number}</EventRecordID><Channel>Security</Channel><Computer>director</Computer></System><EventData>
<Data Name='ProcessId'>{pid}</Data><Data Name='Application'>{program}</Data><Data Name='Direction'>%%14592</Data>
<Data Name='SourceAddress'>10.20.3.7</Data><Data Name='SourcePort'>56626</Data>
<Data Name='DestAddress'>10.30.1.5</Data><Data Name='DestPort'>49154</Data><Data Name='Protocol'>6</Data>
<Data Name='FilterRTID'>71</Data><Data Name='LayerName'>{layer}</Data></EventData></Event>"""


def test_packets_that_met_no_socket_are_no_matter_of_rules(tmp_path: Path) -> None:
    events = [EVENT.format(at=_at(at), number=int(7 + at), pid=0, program="-", layer="%%14597") for at in SYNS]
    diagnosis = _beside(tmp_path, events)
    found = _found(diagnosis, "dynamic-port-closed")
    assert found.confidence is Confidence.PROVEN
    ((says, _, _),) = _logged(found)
    assert "nothing listens" in says
    assert " of -" not in says
    assert "dynamic-port-blocked" not in {one.rule for one in diagnosis.findings}


def test_a_program_that_listens_and_is_not_let_in_is(tmp_path: Path) -> None:
    program = r"\device\harddiskvolume2\ocs\rtcsrv.exe"
    events = [EVENT.format(at=_at(at), number=7, pid=9, program=program, layer="%%14610") for at in SYNS]
    found = _found(_beside(tmp_path, events), "dynamic-port-blocked")
    assert any("rtcsrv.exe" in says and "no rule lets others in" in says for says, _, _ in _logged(found))


@pytest.mark.parametrize("number", [5156, 5157])
def test_what_the_server_lets_in_is_not_blocked_there(tmp_path: Path, number: int) -> None:
    event = EVENT.format(at=_at(0.5), number=7, pid=9, program="x.exe", layer="%%14610").replace("5152", str(number))
    diagnosis = _beside(tmp_path, [event])
    found = _found(diagnosis, "dynamic-port-blocked")
    let_in = number == 5156
    assert (found.confidence is Confidence.LIKELY) == let_in
    assert ("its own firewall lets the connection in" in found.summary) == let_in
    assert ("windows-firewall-rpc-rule" in {one.id for one in diagnosis.remedies[found.id]}) != let_in
    if let_in:
        assert "lost on the way back" in (found.next_observation or "")
        says = "ALLOW to port 49154 of x.exe by rule WFP filter 71: let in here, and not answered"
        assert (says, 0, (7,)) in _logged(found)
