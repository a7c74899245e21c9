"""Programs behind ports, statements of hosts, and which rows of a large log are kept."""

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.logs import reader
from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.fields import SECOND
from rpcdiag.logs.host import concerns, held_ports, owner_at, processes, statements
from rpcdiag.logs.match import Attempt, Clock, own_drops
from rpcdiag.logs.reader import Kind, LogFile, read
from rpcdiag.model.packets import Endpoint
from tests.build import logs

C, S = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
ATTEMPT = Attempt(0, 0, Endpoint(C, 50000), Endpoint(S, 49667), None, (0,), (1,), ())


def _event(event: int, line: int = 1, **fields: Any) -> LogEntry:
    row = LogEntry(line, 0, 1, "utc", "info", "tcp", None, None, None, None, device="srv", event=event)
    return row._replace(**fields)


def _log(*rows: LogEntry) -> LogFile:
    return LogFile("x", "windows-events", rows, (), 0, ())


def test_a_listening_program_has_the_addresses_that_its_host_uses() -> None:
    listens = _event(5154, 7, source=IPv4Address("0.0.0.0"), source_port=49667, program="x.exe", pid=9)
    sends = _event(5156, path="out", source=S, source_port=1, destination=C, destination_port=2)
    (one,) = processes([_log(listens, listens, sends)], [])
    assert (one.port, one.program, one.pid, one.role, one.line, one.addresses) == (49667, "x.exe", 9, "listen", 7, (S,))


def test_rows_of_nobody_may_be_of_several_hosts() -> None:
    listens = _event(5154, source_port=49667, program="x.exe", device=None)
    sends = _event(5156, path="out", source=S, source_port=1, destination=C, destination_port=2, device=None)
    (one,) = processes([_log(listens, sends)], [])
    assert one.addresses == ()


def test_an_address_in_the_event_counts_more_than_those_of_the_host() -> None:
    (one,) = processes([_log(_event(5154, source=C, source_port=135, program="svchost.exe"))], [])
    assert one.addresses == (C,)


def test_of_ports_that_are_only_taken_those_of_the_captures_count() -> None:
    rows = [_event(5158, source=C, source_port=port, program="mmc.exe") for port in (50000, 50001)]
    assert [one.port for one in processes([_log(*rows)], [ATTEMPT])] == [50000]


def test_a_connection_names_the_program_that_it_was_for() -> None:
    row = _event(
        5157,
        action="drop",
        path="in",
        source=C,
        source_port=50000,
        destination=S,
        destination_port=49667,
        program="x.exe",
    )
    (one,) = processes([_log(row, row._replace(path="out"))], [])
    assert (one.role, one.port, one.addresses) == ("accept", 49667, (S,))


def test_what_hosts_report_is_a_statement_and_what_they_do_with_packets_is_none() -> None:
    rows = [
        _event(10036, says="refuses", source=C),
        _event(5157, action="drop", says="layer", source=C, source_port=1),
        _event(5154, says="x.exe listens", source=C, source_port=1),
        _event(5155, action="fail", says="x.exe is kept from listening", source=C, source_port=2),
        _event(5712, says="filter", source=C, source_port=1, interface="x"),
        _event(10026),
    ]
    assert [(one.event, one.source) for one in statements([_log(*rows)])] == [(10036, C), (5155, C), (5712, C)]


def test_of_failed_logons_those_of_the_captures_hosts_are_statements_after_the_others() -> None:
    rows = [
        _event(4625, says="failed", source=C, source_port=50000, code=5, user="anna", workstation="WS1"),
        _event(4625, says="failed", source=S),
        _event(4776, says="checked"),
        _event(10036, says="refuses", source=C),
    ]
    found = statements([_log(*rows)], {C})
    assert [(one.event, one.source) for one in found] == [(10036, C), (4625, C), (4776, None)]
    assert (found[1].source_port, found[1].code, found[1].user, found[1].workstation) == (50000, 5, "anna", "WS1")


def test_failed_logons_of_other_hosts_need_not_be_kept() -> None:
    wanted = concerns([ATTEMPT], [C, S])
    others = _event(4625, says="failed", source=IPv4Address("10.9.9.9"))
    assert [wanted(others), wanted(others._replace(source=C)), wanted(others._replace(source=None))] == [0, 1, 1]
    assert wanted(_event(4231, says="no port")) == 2


def test_of_a_large_log_what_concerns_the_captures_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "ALL_UP_TO", 1)
    rows = [
        logs.pfirewall(0, "DROP", "10.9.9.9", 5, "10.0.0.2", 49667, hours=0),  # the first is kept as a sample
        logs.pfirewall(1, "DROP", "10.9.9.9", 5, "10.0.0.2", 49667, hours=0),
        logs.pfirewall(2, "DROP", "10.0.0.1", 6, "10.0.0.2", 7, hours=0),
        logs.pfirewall(3, "DROP", "10.8.8.8", 50000, "10.7.7.7", 49667, hours=0),  # its addresses may be translated
    ]
    path = tmp_path / "x.log"
    path.write_text(logs.PFIREWALL + "".join(rows))
    file = read(str(path), concerns([ATTEMPT], [C, S]))
    assert [one.line for one in file.entries] == [6, 8, 9]
    assert (file.rows, file.drops, file.left_out_drops) == (4, 4, 1)
    assert file.kinds["drop", "in"].rows == 4


def test_even_what_concerns_the_captures_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And there is room left for rows that are of their very connections, however late these come."""
    for name, number in (("ALL_UP_TO", 1), ("MAX_KEPT", 5), ("FOR_SURE", 2)):
        monkeypatch.setattr(reader, name, number)
    path = tmp_path / "x.log"
    between = logs.pfirewall(2, "DROP", "10.0.0.1", 6, "10.0.0.2", 7, hours=0)
    path.write_text(between * 9)
    file = read(str(path), concerns([ATTEMPT], [C, S]))
    assert (len(file.entries), file.rows, file.whole) == (3, 9, True)
    assert "come after the first 3 that may" in file.notes[0]
    assert own_drops(file, 0).lines == (1, 2, 3)
    own = logs.pfirewall(3, "DROP", "10.0.0.1", 50000, "10.0.0.2", 49667, hours=0)
    path.write_text(between * 9 + own * 2 + between)
    file = read(str(path), concerns([ATTEMPT], [C, S]))
    assert ([one.line for one in file.entries], file.rows, file.whole) == ([1, 2, 3, 10, 11], 12, True)
    path.write_text(between * 9 + own * 3)
    file = read(str(path), concerns([ATTEMPT], [C, S]))
    assert (len(file.entries), file.whole) == (5, False)
    assert own_drops(file, 0).lines == ()  # a row that is missing there says nothing


def test_a_log_with_too_many_ports_tells_of_none_after_its_last_row_that_was_kept() -> None:
    late = _event(5154, 9, written_ns=10 * SECOND, source=S, source_port=49667, program="x.exe")
    kinds = {("info", "unknown"): Kind(99, 0, 3600 * SECOND)}
    clock = Clock(0, "given", 0, 0, "")
    for whole, told in ((True, 3600 * SECOND), (False, 10 * SECOND)):
        log = _log(late)._replace(kinds=kinds, whole=whole)
        ((held,),) = held_ports(processes([log], []), [(log, clock)]).values()
        assert held.told_ns == told
        owner = owner_at([held], 1800 * SECOND, handed_out=True)
        assert (owner is not None) is whole


def test_a_port_that_comes_back_to_a_program_is_told_again() -> None:
    """Also where the rows are not in the order of their times."""
    rows = [
        _event(5154, line, written_ns=at, source=S, source_port=49667, program=program, pid=pid)
        for line, at, program, pid in (
            (4, 40, "a.exe", 9),
            (3, 30, "b.exe", 8),
            (2, 20, "a.exe", 9),
            (1, 10, "a.exe", 9),
        )
    ]
    found = processes([_log(*rows)], [])
    assert [(one.line, one.program) for one in found] == [(1, "a.exe"), (3, "b.exe"), (4, "a.exe")]
