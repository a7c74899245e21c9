"""Real captures with the events that the hosts wrote at the same time: every blocked SYN has its event."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.case import CaseLog
from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Logged, Seen
from tests.corpus.at_hand import CORPUS, SHARED, diagnosed

pytestmark = pytest.mark.corpus

PAIRED = SHARED / "reference" / "paired_datasets.tsv"
SECOND = 1_000_000_000
MS = 1_000_000
ZONE = -4 * 3600 * SECOND  # of the events of all sets
SHIFT_S = 9017  # 2 h 30 min 17 s


class Pair(NamedTuple):
    """A row of the table: a blocked connection and what its events say."""

    name: str
    port: int  # of the client
    first_ns: int
    after_ns: tuple[int, ...]
    seconds: tuple[int, ...]
    low_ns: int  # of the offset, without the zone
    high_ns: int


def _pairs() -> list[Pair]:
    if not PAIRED.exists():
        return []
    names, *rows = (line.split("\t") for line in PAIRED.read_text(encoding="utf-8").splitlines())
    return [_pair(dict(zip(names, row, strict=False))) for row in rows]


def _pair(row: dict[str, str]) -> Pair:
    low, high = row["residual_offset_interval_s"].strip("[)").split(",")
    return Pair(
        row["name"], int(row["client_tuple"].partition(">")[0].rpartition(":")[2]),
        round(datetime.fromisoformat(row["syn_utc"]).timestamp() * 1000) * MS,
        tuple(round(float(one) * 1000) * MS for one in row["syn_offsets_s"].split(",")),
        tuple(int(one) for one in row["event_local_seconds"].split(",")),
        round(float(low) * 1000) * MS, round(float(high) * 1000) * MS,
    )  # fmt: skip


PAIRS = _pairs()
every_pair = pytest.mark.parametrize(
    "pair", PAIRS or [None], ids=lambda pair: f"{pair.name}-{pair.port}" if pair else "none"
)
every_set = pytest.mark.parametrize("name", sorted({pair.name for pair in PAIRS}) or [None])


def _files(name: str) -> tuple[Path, Path]:
    return next(CORPUS.glob(f"otrf/{name}_*.cap")), CORPUS / "otrf" / "events" / f"{name}.json"


def _joined(name: str) -> Diagnosis:
    capture, events = _files(name)
    return diagnosed(capture, events)


def _blocked(diagnosis: Diagnosis, port: int) -> tuple[list[tuple[int, int]], CaseLog]:
    """When the events 5157 of a client's port were written, with the time of the SYN that each is joined with."""
    (log,) = diagnosis.case.logs
    flow = next(one.flow for one in diagnosis.case.flows if one.flow.client.port == port)
    times = {syn.packet: syn.time_ns for syn in flow.syns}
    found = []
    for match in log.matches:
        if diagnosis.case.conversations[match.attempt].near.flow.client.port == port:
            for row, packet in match.agrees:
                entry = log.file.entries[row]
                assert (entry.event, entry.source_port) == (5157, port)
                found.append((entry.written_ns or 0, times[packet]))
    return found, log


def _checked(diagnosis: Diagnosis, pair: Pair, shift_ns: int) -> None:
    found, log = _blocked(diagnosis, pair.port)
    assert [abs(syn - pair.first_ns - after) <= MS for (_, syn), after in zip(found, pair.after_ns, strict=True)] == [
        True
    ] * 5
    assert tuple((written - shift_ns) // SECOND % 60 for written, _ in found) == pair.seconds
    clock = log.clock
    assert clock.basis == "measured"
    assert clock.low_ns is not None
    assert clock.high_ns is not None
    assert abs(clock.low_ns - ZONE - shift_ns - pair.low_ns) <= 2 * MS
    assert abs(clock.high_ns - ZONE - shift_ns - pair.high_ns) <= 2 * MS


@every_pair
def test_every_event_is_joined_to_its_syn_and_the_offset_is_that_of_the_table(pair: Pair | None) -> None:
    if pair is None:
        pytest.skip("the table of paired sets lies in ../shared, outside the repository")
    diagnosis = _joined(pair.name)
    assert diagnosis.case.logs[0].clock.offset_ns == ZONE
    _checked(diagnosis, pair, 0)


@every_pair
def test_so_it_is_where_the_clock_of_the_events_is_off(pair: Pair | None, tmp_path: Path) -> None:
    if pair is None:
        pytest.skip("the table of paired sets lies in ../shared, outside the repository")
    capture, events = _files(pair.name)
    moved = tmp_path / "moved.json"
    with events.open(encoding="utf-8") as lines, moved.open("w", encoding="utf-8") as out:
        for line in lines:
            event = json.loads(line)
            at = datetime.fromisoformat(event["EventTime"] + "+00:00").timestamp() + SHIFT_S
            event["EventTime"] = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
            out.write(json.dumps(event) + "\n")
    _checked(analyze([str(capture)], [str(moved)]), pair, SHIFT_S * SECOND)


def _finding(diagnosis: Diagnosis) -> Finding:
    (found,) = [one for one in diagnosis.findings if one.rule == "dynamic-port-blocked"]
    return found


@every_set
def test_the_blocked_port_is_proven_by_all_its_events(name: str | None) -> None:
    if name is None:
        pytest.skip("the table of paired sets lies in ../shared, outside the repository")
    diagnosis = _joined(name)
    finding = _finding(diagnosis)
    blocked = [pair for pair in PAIRS if pair.name == name]
    (log,) = diagnosis.case.logs
    logged = [one for one in finding.evidence if isinstance(one, Logged)]
    let_out = {line for one in logged if one.says.endswith("let out here, and not answered") for line in one.lines}
    assert let_out <= {entry.line for entry in log.file.entries if entry.event == 5156}  # by the client's own firewall
    lines = {line for one in logged for line in one.lines} - let_out
    assert lines == {entry.line for entry in log.file.entries if entry.event == 5157}
    assert (finding.confidence, len(lines), finding.times) == ("proven", 5 * len(blocked), len(blocked))
    assert any(isinstance(one, Logged) and "services.exe" in one.says for one in finding.evidence)


@every_set
def test_what_the_client_does_next_is_told(name: str | None) -> None:
    if name is None:
        pytest.skip("the table of paired sets lies in ../shared, outside the repository")
    seen = [one for one in _finding(_joined(name)).evidence if isinstance(one, Seen) and "port 445" in one.says]
    assert [one.says for one in seen] == [
        "the client gives up and opens port 445 (SMB) of the server 21.0 s after its first SYN"
    ]


def test_the_second_attempt_asked_again_where_the_capture_shows_the_lookup() -> None:
    """The table calls it a cached port; the capture shows a lookup two milliseconds before it, and that counts."""
    if not PAIRED.exists():
        pytest.skip("the table of paired sets lies in ../shared, outside the repository")
    diagnosis = _joined("covenant_sharpsc_create_dcerpc_smb_svcctl")
    second = next(one for one in diagnosis.case.flows if one.flow.client.port == 54718)
    referral = diagnosis.case.referral_of(second)
    assert referral is not None
    assert 0 < second.flow.start_ns - referral.referral.response_ns < 10 * MS
    assert not any("without asking again" in getattr(one, "says", "") for one in _finding(diagnosis).evidence)


def test_ports_have_their_programs() -> None:
    if not PAIRED.exists():
        pytest.skip("the table of paired sets lies in ../shared, outside the repository")
    diagnosis = _joined("covenant_sharpsc_query_dcerpc_smb_svcctl")
    (owner,) = [one for one in diagnosis.case.processes if one.port == 50115 and one.role == "accept"]
    assert owner.program.endswith("services.exe")
    assert (owner.pid, owner.host, [str(one) for one in owner.addresses]) == (
        732,
        "WORKSTATION6.theshire.local",
        ["172.18.39.6"],
    )
    clients = {one.port: one for one in diagnosis.case.processes if one.role == "bind"}
    assert clients[54359].event == 5158


def test_a_real_event_log_of_another_server() -> None:
    pytest.importorskip("evtx", reason="the package evtx is not installed")
    path = CORPUS / "logs" / "System.evtx"
    capture = CORPUS / "otrf" / "empire_find_localadmin_smb_svcctl_OpenSCManager_2020-09-22021559.cap"
    if not path.exists():
        pytest.skip("the public logs lie in ../shared, outside the repository")
    diagnosis = diagnosed(capture, path)
    (log,) = diagnosis.case.logs
    assert (log.file.format, log.file.bad_count, log.matches) == ("windows-events", 0, ())
    assert [(one.line, one.event) for one in diagnosis.case.statements] == [(844, 5805), (872, 5805)]
