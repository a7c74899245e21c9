"""Who was told of a port, and how long before a row of a log."""

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.errors import InputError
from rpcdiag.live.history import (
    Facts,
    Gap,
    Handed,
    History,
    LogClock,
    Told,
    facts_of,
    facts_of_document,
)
from rpcdiag.logs.entry import LogEntry
from rpcdiag.report.outputs.json import document
from rpcdiag.ui.tail_rows import history
from tests.build import exchanges, logs
from tests.build.conversation import MS, SECOND, Recording, Tcp
from tests.build.story import START

C, OTHER, S = "10.1.0.10", "10.1.0.11", "10.1.0.5"
ROW = LogEntry(
    1, START + SECOND, 1, "utc", "drop", "tcp", ip_address(C), 50001, ip_address(S), 49154, sequence=77, flags="S"
)  # fmt: skip


def _recorded(folder: Path, *, hours: float = 1) -> tuple[str, str]:
    """A port is handed out, 12 ms later asked for three times in vain; with the firewall's log in local time."""
    recording = Recording(START)
    exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, 49154)
    recording.wait(9 * MS)
    tcp = Tcp(recording, C, 50001, S, 49154)
    began = recording.now
    tcp.syns((0, 3, 9))
    capture, log = folder / "capture.pcapng", folder / "pfirewall.log"
    capture.write_bytes(recording.pcapng())
    rows = [
        logs.pfirewall(began + at * SECOND, "DROP", C, 50001, S, 49154, hours=hours, isn=tcp.isn) for at in (0, 3, 9)
    ]
    log.write_text(logs.PFIREWALL + "".join(rows), newline="")
    return str(capture), str(log)


def _known(diagnosis: Diagnosis) -> History:
    known = History()
    known.learn("captures", facts_of(diagnosis.case))
    return known


def _said(known: History, log: str, entry: LogEntry, arrived_ns: int | None = None) -> str:
    told = known.of(log, entry, arrived_ns)
    assert told is not None
    return history(told, entry)


def test_rows_that_belong_to_packets_have_the_time_of_their_packets(tmp_path: Path) -> None:
    capture, log = _recorded(tmp_path)
    diagnosis = analyze([capture], [log])
    known = _known(diagnosis)
    said = [_said(known, log, row) for row in diagnosis.case.logs[0].file.entries]
    assert said[0] == "49154: handed out to 10.1.0.10 for drsuapi 12 ms before (packet 10 of capture.pcapng)"
    assert [text.split("drsuapi ")[1][:12] for text in said[1:]] == ["3.0 s before", "9.0 s before"]


def test_a_row_that_comes_later_is_joined_by_its_sequence_number(tmp_path: Path) -> None:
    capture, log = _recorded(tmp_path)
    known = _known(analyze([capture]))
    for row in analyze([capture], [log]).case.logs[0].file.entries:
        assert "drsuapi 12 ms before its first SYN" in _said(known, log, row._replace(basis="local"))


def test_another_client_was_told(tmp_path: Path) -> None:
    capture, log = _recorded(tmp_path)
    row = ROW._replace(source=ip_address(OTHER))
    assert "handed out to 10.1.0.10, not to 10.1.0.11, for drsuapi" in _said(_known(analyze([capture])), log, row)


def test_a_document_knows_the_offset_that_was_measured(tmp_path: Path) -> None:
    capture, log = _recorded(tmp_path)
    diagnosis = analyze([capture], [log])
    known = History()
    known.learn("x", facts_of_document("x", json.loads(json.dumps(document(diagnosis)))))
    assert known.knows(ip_address(S), 49154)
    assert not known.knows(ip_address(S), 49155)
    last = diagnosis.case.logs[0].file.entries[-1]
    assert "8.5 s to 10.5 s before" in _said(known, log, last)
    assert "(when, compared with this row, is not known)" in _said(known, "another.log", last)


@pytest.mark.parametrize(
    "content", [[], {}, {"schema_version": 2}, {"schema_version": 1, "captures": [{"path": 1}]}, 3]
)
def test_what_is_no_document_is_said(content: object) -> None:
    with pytest.raises(InputError, match="is no document"):
        facts_of_document("x.json", content)


def _one(**changes: Any) -> History:
    known = History()
    handed = {(ip_address(S), 49154): [Handed(START, ip_address(C), "drsuapi", 13, "capture.pcapng")]}
    known.learn("x", Facts(handed, {}, {}, {})._replace(**changes))
    return known


@pytest.mark.parametrize(
    ("after_ns", "resolution_ns", "says"),
    [
        (12 * MS, 1, "12 ms before ("),
        (3 * SECOND, SECOND, "3.0 s to 4.0 s before"),
        (-40 * SECOND, SECOND, "39.0 s after this row"),
        (-SECOND // 2, SECOND, "within the same second"),
        (3600 * SECOND, SECOND, "60 min 0 s before"),
    ],
)
def test_the_clock_says_no_more_than_it_can(after_ns: int, resolution_ns: int, says: str) -> None:
    row = ROW._replace(written_ns=START + after_ns, resolution_ns=resolution_ns)
    known = _one(clocks={"log": LogClock(0)})
    assert says in _said(known, "log", row)
    assert "if the log's clock is right" in _said(_one(), "log", row)


def test_a_local_clock_is_assumed_to_be_right_but_for_its_zone_where_the_row_is_new() -> None:
    row = ROW._replace(basis="local", written_ns=START + 3600 * SECOND + 5 * SECOND)
    known = _one()
    assert "is not known" in _said(known, "log", row)
    assert "5.0 s before, if the log's clock is right but for its zone" in _said(known, "log", row, START + 6 * SECOND)
    assert "is not known" in _said(known, "log", row, START + 200 * SECOND)
    assert "is not known" in _said(known, "log", row._replace(written_ns=None), START)
    assert "is not known" in _said(known, "log", row._replace(basis="uptime"), START)


def test_of_several_the_last_before_the_row_counts_and_the_others_are_counted() -> None:
    handed = [Handed(START + at * SECOND, ip_address(C), "drsuapi", at, "x") for at in (0, 1, 2, 9)]
    known = _one(handed={(ip_address(S), 49154): handed}, clocks={"log": LogClock(0)})
    told = known.of("log", ROW._replace(written_ns=START + 5 * SECOND))
    assert told is not None
    assert (told.handed.packet, told.more) == (2, 3)


def test_what_is_learnt_again_takes_the_place_of_what_was_known() -> None:
    known = _one()
    version = known.version
    known.learn("x", Facts({}, {}, {}, {}))
    assert known.of("log", ROW) is None
    assert known.version > version
    assert known.of("log", ROW._replace(destination=None)) is None


def test_what_others_wrote_is_harmless() -> None:
    one = Handed(START, ip_address(C), "a\x1b[2J\u202eb" * 50, 13, "/x/evil\x1b]0;x\x07.pcap", sure=False)
    said = history(Told(49154, one, Gap(1, 1, exact=True), True, 2), ROW)
    assert said.isprintable()
    assert "and 2 more times" in said
    assert "damaged" in said
    assert len(said) < 300
