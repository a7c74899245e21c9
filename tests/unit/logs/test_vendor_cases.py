"""The same drops, told by firewalls of many vendors, prove the same finding."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.logmap import load
from rpcdiag.logs.reader import read
from rpcdiag.model.evidence import Logged

STORY = Path(__file__).resolve().parents[3] / "pcaps" / "ocs-advfirewall"
CAPTURE, LOG = str(STORY / "capture.pcapng"), str(STORY / "pfirewall.log")
BLOCKED = 49154


def _clock(entry: LogEntry, form: str) -> str:
    return datetime.fromtimestamp((entry.written_ns or 0) // 10**9, UTC).strftime(form)


def _asa(entry: LogEntry) -> str:
    before = _clock(entry, "<166>%b %d %Y %H:%M:%S fw1 : %%ASA-")
    ends = f"{entry.source}/{entry.source_port}", f"{entry.destination}/{entry.destination_port}"
    if entry.drops:
        return (
            f'{before}4-106023: Deny tcp src outside:{ends[0]} dst inside:{ends[1]} by access-group "out_in" [0x0, 0x0]'
        )
    return (
        f"{before}6-302013: Built inbound TCP connection {entry.line} for outside:{ends[0]} ({ends[0]}) "
        f"to inside:{ends[1]} ({ends[1]})"
    )


def _fortigate(entry: LogEntry) -> str:
    return _clock(entry, 'date=%Y-%m-%d time=%H:%M:%S devid="F" logid="0000000013" ') + (
        f'type="traffic" subtype="forward" srcip={entry.source} srcport={entry.source_port} dstip={entry.destination} '
        f'dstport={entry.destination_port} proto=6 action="{"deny" if entry.drops else "start"}" policyid=0'
    )


def _panos(entry: LogEntry) -> str:
    time = _clock(entry, "%Y/%m/%d %H:%M:%S")
    action = "deny" if entry.drops else "allow"
    return (
        f"1,{time},001,TRAFFIC,{'drop' if entry.drops else 'start'},1,{time},{entry.source},{entry.destination},0.0.0.0,"
        f"0.0.0.0,rule,,,app,vsys1,a,b,e1,e2,log,{time},0,1,{entry.source_port},{entry.destination_port},0,0,0x0,tcp,{action},"
        f"1,1,0,1,{time}"
    )


def _srx(entry: LogEntry) -> str:
    ends = f"{entry.source}/{entry.source_port}->{entry.destination}/{entry.destination_port}"
    before = _clock(entry, "%b %d %H:%M:%S srx RT_FLOW: ")
    if entry.drops:
        return f"{before}RT_FLOW_SESSION_DENY: session denied {ends} None 6(0) deny a b"
    return f"{before}RT_FLOW_SESSION_CREATE: session created {ends} None {ends} None None 6 p a b 1"


def _filterlog(entry: LogEntry) -> str:
    return _clock(entry, "<134>1 %Y-%m-%dT%H:%M:%S fw filterlog 1 - - ") + (
        f"4,,,1,em0,match,{'block' if entry.drops else 'pass'},in,4,0x0,,127,0,0,DF,6,tcp,52,{entry.source},"
        f"{entry.destination},{entry.source_port},{entry.destination_port},0,S,{entry.sequence or ''},,64240,,mss"
    )


def _cef(entry: LogEntry) -> str:
    return (
        f"CEF:0|V|P|1|1|n|5|act={'blocked' if entry.drops else 'allowed'} src={entry.source} spt={entry.source_port} "
        f"dst={entry.destination} dpt={entry.destination_port} proto=TCP rt={_clock(entry, '%b %d %Y %H:%M:%S')}"
    )


def _separated(entry: LogEntry) -> str:
    return f"{_clock(entry, '%d.%m.%Y %H:%M:%S')};{entry.action};{entry.source};{entry.source_port};{entry.destination};{entry.destination_port}"


WRITERS: dict[str, Callable[[LogEntry], str]] = {
    "cisco-asa": _asa, "fortigate": _fortigate, "panos-traffic": _panos, "juniper-srx": _srx, "filterlog": _filterlog,
    "cef": _cef, "csv-by-map": _separated,
}  # fmt: skip
MAP = (
    '{"delimiter": ";", "header": false, "time": {"column": 1, "format": "%d.%m.%Y %H:%M:%S"}, "action": 2, "source": 3, '
    '"source_port": 4, "destination": 5, "destination_port": 6}'
)


@pytest.mark.parametrize("name", WRITERS)
def test_a_vendor_s_rows_prove_what_those_of_windows_prove(name: str, tmp_path: Path) -> None:
    told = [one for one in read(LOG).entries if one.protocol == "tcp" and one.source_port and one.destination]
    lines = [WRITERS[name](entry) for entry in told]
    path = tmp_path / "fw.log"
    path.write_text("\n".join(lines) + "\n")
    (tmp_path / "map.json").write_text(MAP)
    described = load(str(tmp_path / "map.json")) if name == "csv-by-map" else None
    diagnosis = analyze([CAPTURE], [str(path)], log_format=described)
    assert (diagnosis.troubles, diagnosis.case.logs[0].file.format) == ((), name)
    wanted = [
        at for at, one in enumerate(told, start=1) if one.drops and one.destination_port == BLOCKED and one.flags == "S"
    ]
    said = {
        line
        for finding in diagnosis.findings
        if finding.rule == "dynamic-port-blocked"
        for piece in finding.evidence
        if isinstance(piece, Logged)
        for line in piece.lines
    }
    assert wanted
    assert said & set(wanted)
    # a row for every SYN and a whole time zone make a clock, with or without a sequence number
    assert diagnosis.case.logs[0].clock.basis == "measured"
    assert {match.grade for match in diagnosis.case.logs[0].matches} <= {"A", "B"}


def test_a_firewall_that_lets_the_connection_in_is_not_told_to_do_so(tmp_path: Path) -> None:
    lines = Path(LOG).read_text(encoding="utf-8").splitlines()
    drops = [at for at, line in enumerate(lines) if f" {BLOCKED} " in line and " DROP TCP " in line]
    lines[drops[0]] = lines[drops[0]].replace(" DROP ", " ALLOW ")
    path = tmp_path / "pfirewall.log"
    path.write_text("\n".join(line for at, line in enumerate(lines) if at not in drops[1:]) + "\n")
    diagnosis = analyze([CAPTURE], [str(path)])
    (finding,) = [one for one in diagnosis.findings if one.rule == "dynamic-port-blocked"]
    assert finding.confidence == "likely"
    assert "lets the connection in" in finding.summary
    assert any(isinstance(one, Logged) and one.lines == (drops[0] + 1,) for one in finding.evidence)
    assert "way back" in (finding.next_observation or "")
    assert not [one for one in diagnosis.remedies[finding.id] if one.id.startswith("windows-firewall")]
