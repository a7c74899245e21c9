"""Rows to connections, across two clocks."""

from ipaddress import IPv4Address
from math import floor

import pytest

from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.match import Attempt, Clock, drops_logged, match, match_all, own_drops, same_host
from rpcdiag.logs.reader import LogFile
from rpcdiag.model.packets import Endpoint

SECOND = 1_000_000_000
T0 = 1_600_000_000 * SECOND
C, S = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
HALF_PAST_TWO = 9017  # 2 h 30 min 17 s


def _row(at_s: float, *, sport: int = 50000, dport: int = 49667, action: str = "drop", isn: int | None = None,
         basis: str = "local", line: int = 1) -> LogEntry:  # fmt: skip
    """A row whose clock truncates to whole seconds."""
    return LogEntry(
        line=line, written_ns=T0 + floor(at_s) * SECOND, resolution_ns=SECOND, basis=basis, action=action, protocol="tcp",
        source=C, source_port=sport, destination=S, destination_port=dport, flags="S" if isn else None, sequence=isn,
    )  # fmt: skip


def _log(rows: list[LogEntry]) -> LogFile:
    return LogFile("x.log", "windows-firewall", tuple(rows), (), 0, ())


def _attempt(key: int, *offsets: float, sport: int = 50000, isn: int | None = None) -> Attempt:
    times = tuple(T0 + int(one * SECOND) for one in offsets)
    return Attempt(key, 0, Endpoint(C, sport), Endpoint(S, 49667), isn, times, tuple(range(1, len(times) + 1)), ())


def test_the_sequence_number_needs_no_clock_and_measures_one() -> None:
    rows = [_row(7200 + at, isn=77) for at in (0, 3, 9)]
    matched = match(_log(rows), [_attempt(0, 0.4, 3.4, 9.4, isn=77)])
    assert (matched.clock.offset_ns, matched.clock.basis) == (7200 * SECOND, "measured")
    (one,) = matched.matches
    assert (one.grade, one.basis, one.entries) == ("A", "isn", (0, 1, 2))
    assert one.agrees == ((0, 1), (1, 2), (2, 3))


def test_another_use_of_the_same_ports_is_not_matched() -> None:
    assert not match(_log([_row(0, isn=78)]), [_attempt(0, 0.4, isn=77)]).matches


@pytest.mark.parametrize("shift", [0, 3600, -4 * 3600, 19800])
def test_three_connections_that_agree_measure_a_zone(shift: int) -> None:
    attempts = [_attempt(n, 10 * n + 0.1 + 0.3 * n, sport=50000 + n) for n in range(3)]
    rows = [_row(shift + 10 * n + 0.3 * n + 0.1, sport=50000 + n) for n in range(3)]
    matched = match(_log(rows), attempts)
    assert (matched.clock.offset_ns, matched.clock.basis, matched.clock.matches) == (shift * SECOND, "measured", 3)
    assert {one.grade for one in matched.matches} == {"B"}
    assert matched.clock.spread_ns < SECOND


def test_an_offset_that_is_no_zone_is_measured_to_the_second() -> None:
    attempts = [_attempt(n, 10 * n + 0.3 * n, sport=50000 + n) for n in range(4)]
    rows = [_row(HALF_PAST_TWO + 10 * n + 0.3 * n, sport=50000 + n) for n in range(4)]
    offset = match(_log(rows), attempts).clock.offset_ns
    assert offset is not None
    assert abs(offset - HALF_PAST_TWO * SECOND) < SECOND


def test_retransmissions_are_paired_by_rank_not_by_nearness() -> None:
    attempts = [_attempt(n, *(20 * n + at + 0.9 for at in (0, 1, 3, 7)), sport=50000 + n) for n in range(3)]
    rows = [_row(20 * n + at + 0.9 + 2.5, sport=50000 + n) for n in range(3) for at in (0, 1, 3, 7)]
    matched = match(_log(rows), attempts)
    assert matched.clock.offset_ns is not None
    assert 2 * SECOND < matched.clock.offset_ns < 3.2 * SECOND
    assert [len(one.entries) for one in matched.matches] == [4, 4, 4]


@pytest.mark.parametrize(("shift", "pauses"), [(HALF_PAST_TWO, (0, 1, 3)), (3600, (0,)), (3600, (0, 2, 3))])
def test_one_connection_makes_no_clock(shift: int, pauses: tuple[int, ...]) -> None:
    matched = match(_log([_row(shift + at) for at in pauses]), [_attempt(0, 0.2, 1.2, 3.2)])
    assert (matched.clock.offset_ns, matched.clock.basis) == (None, "none")
    assert "not evaluable" in matched.clock.why
    assert [(one.grade, one.basis) for one in matched.matches] == [("C", "ports")]


def test_one_with_a_row_for_every_syn_in_a_time_zone_makes_a_clock() -> None:
    matched = match(_log([_row(3600 + at) for at in (0, 1, 3)]), [_attempt(0, 0.2, 1.2, 3.2)])
    assert (matched.clock.offset_ns, matched.clock.basis) == (3600 * SECOND, "measured")
    assert [(one.grade, one.basis) for one in matched.matches] == [("B", "ports-and-time")]


def test_it_makes_one_with_another_connection_at_any_offset() -> None:
    attempts = [_attempt(0, 0.2, 1.2, 3.2), _attempt(1, 20.4, sport=50001)]
    rows = [*(_row(HALF_PAST_TWO + at) for at in (0, 1, 3)), _row(HALF_PAST_TWO + 20, sport=50001)]
    assert match(_log(rows), attempts).clock.basis == "measured"
    assert match(_log([rows[0], rows[3]]), attempts).clock.basis == "none"


def test_rows_with_a_sequence_number_of_their_own_are_matched_by_their_pauses() -> None:
    attempt = _attempt(0, 0.2, 1.2, 3.2, isn=77)
    matched = match(_log([_row(3600 + at, isn=78) for at in (0, 1, 3)]), [attempt])
    assert [(one.grade, one.entries) for one in matched.matches] == [("B", (0, 1, 2))]


@pytest.mark.parametrize("rows", [((0, 78), (1, 79), (3, 78)), ((0, 78), (1, 78)), ((0, 78), (2, 78), (5, 78))])
def test_but_not_where_they_differ_or_are_few_or_come_at_other_times(rows: tuple[tuple[int, int], ...]) -> None:
    attempt = _attempt(0, 0.2, 1.2, 3.2, isn=77)
    assert not match(_log([_row(3600 + at, isn=isn) for at, isn in rows]), [attempt]).matches


def test_two_offsets_with_equal_support_are_not_evaluable() -> None:
    attempts = [_attempt(n, 10.0 * n, sport=50000 + n) for n in range(6)]
    rows = [_row((3600 if n % 2 else 7200) + 10 * n, sport=50000 + n) for n in range(6)]
    clock = match(_log(rows), attempts).clock
    assert clock.offset_ns is None
    assert "+1:00" in clock.why
    assert "+2:00" in clock.why


def test_a_log_of_another_day_matches_nothing() -> None:
    attempts = [_attempt(n, 10.0 * n, sport=50000 + n) for n in range(4)]
    rows = [_row(3 * 86400 + 10 * n, sport=50000 + n) for n in range(4)]
    matched = match(_log(rows), attempts)
    assert matched.clock.offset_ns is None
    assert not matched.matches


def test_a_log_in_utc_is_believed_when_it_fits() -> None:
    matched = match(_log([_row(0, basis="utc")]), [_attempt(0, 0.5)])
    assert (matched.clock.offset_ns, matched.clock.basis) == (0, "utc")
    assert [one.grade for one in matched.matches] == ["B"]


def test_an_offset_that_was_given_is_used() -> None:
    log = _log([_row(100)])
    assert match(log, [_attempt(0, 0.5)], offset_ns=100 * SECOND).matches
    assert not match(log, [_attempt(0, 0.5)], offset_ns=0).matches


def test_a_row_without_a_year_gets_that_of_the_capture() -> None:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(T0 // SECOND, UTC).replace(year=2000)
    row = _row(0, basis="no_year", isn=77)._replace(written_ns=int(moment.timestamp()) * SECOND)
    assert match(_log([row]), [_attempt(0, 0.5, isn=77)]).clock.offset_ns == 0


def test_the_year_is_that_of_the_capture_around_new_year_as_well() -> None:
    from datetime import UTC, datetime

    capture = int(datetime(2024, 1, 1, 0, 0, 5, tzinfo=UTC).timestamp()) * SECOND
    written = int(datetime(2000, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp()) * SECOND
    row = _row(0, basis="no_year", isn=77)._replace(written_ns=written)
    attempt = _attempt(0, 0, isn=77)._replace(times_ns=(capture,))
    assert match(_log([row]), [attempt]).clock.offset_ns == -7 * SECOND + SECOND // 2


def test_translated_addresses_keep_the_sequence_number() -> None:
    row = _row(0, isn=77)._replace(source=IPv4Address("192.0.2.1"))
    (one,) = match(_log([row]), [_attempt(0, 0.4, isn=77)]).matches
    assert (one.grade, one.basis) == ("A", "isn")


def test_translated_addresses_must_be_one_pair_and_one_attempt() -> None:
    rows = [_row(0, isn=77)._replace(source=IPv4Address(host)) for host in ("192.0.2.1", "192.0.2.2")]
    assert not match(_log(rows), [_attempt(0, 0.4, isn=77)]).matches
    twice = [
        _attempt(0, 0.4, isn=77),
        _attempt(1, 0.4, isn=77)._replace(client=Endpoint(S, 50000), server=Endpoint(C, 49667)),
    ]
    assert not match(_log(rows[:1]), twice).matches


def test_the_ip_id_is_as_good_as_a_sequence_number() -> None:
    row = _row(7200)._replace(ip_id=13493)
    matched = match(_log([row]), [_attempt(0, 0.4)._replace(ip_ids=(13493,))])
    assert (matched.matches[0].grade, matched.matches[0].basis) == ("A", "ip-id")
    assert matched.clock.offset_ns == 7200 * SECOND
    without = match(_log([row._replace(ip_id=0)]), [_attempt(0, 0.4)._replace(ip_ids=(0,))])
    assert without.matches[0].grade == "C"


def test_copies_of_one_attempt_are_one_witness() -> None:
    attempts = [_attempt(key, 0.4)._replace(capture=key) for key in range(4)]
    matched = match(_log([_row(3600)]), attempts)
    assert matched.clock.basis == "none"
    assert [one.attempt for one in matched.matches] == [0, 1, 2, 3]


def test_ports_that_were_used_several_times_are_not_guessed() -> None:
    rows = [_row(at, line=at) for at in (0, 600)]
    assert not match(_log(rows), [_attempt(0, 0.4)]).matches


def test_ports_that_were_used_again_belong_to_each_use_by_time() -> None:
    clock = [_row(10 * n + 0.3 * n, sport=51000 + n) for n in range(3)]
    rows = [*clock, _row(0), _row(600)]
    attempts = [
        *(_attempt(n, 10 * n + 0.3 * n, sport=51000 + n) for n in range(3)),
        _attempt(8, 0.4),
        _attempt(9, 600.4),
    ]
    found = {one.attempt: one.entries for one in match(_log(rows), attempts).matches}
    assert (found[8], found[9]) == ((3,), (4,))


def test_a_service_port_as_client_proves_nothing_without_a_clock() -> None:
    assert not match(_log([_row(0, sport=135)]), [_attempt(0, 0.4, sport=135)]).matches


def test_a_row_of_the_other_direction_belongs_to_the_conversation() -> None:
    answer = _row(1)._replace(
        source=S, source_port=49667, destination=C, destination_port=50000, flags="SA", sequence=5
    )
    (one,) = match(_log([_row(0, isn=77), answer]), [_attempt(0, 0.4, isn=77)]).matches
    assert one.entries == (0, 1)


def test_a_row_with_the_same_connection_id_follows_however_late() -> None:
    rows = [_row(0, action="open", basis="utc")._replace(connection="7"),
            _row(1800, action="close", basis="utc")._replace(connection="7"),
            _row(1900, action="close", basis="utc")._replace(connection="8")]  # fmt: skip
    (one,) = match(_log(rows), [_attempt(0, 0.4)]).matches
    assert one.entries == (0, 1)


def test_seconds_since_start_are_usable_for_differences() -> None:
    attempts = [_attempt(n, 10 * n + 0.3 * n, sport=50000 + n) for n in range(3)]
    rows = [_row(0, sport=50000 + n, basis="uptime")._replace(
                written_ns=int((5000.05 + 10.3 * n) * SECOND), resolution_ns=1000) for n in range(3)]  # fmt: skip
    clock = match(_log(rows), attempts).clock
    assert clock.offset_ns is not None
    assert abs(clock.offset_ns - (5000 * SECOND - T0)) < SECOND // 4


def test_rows_without_any_time_are_the_weakest() -> None:
    row = _row(0)._replace(written_ns=None)
    (one,) = match(_log([row]), [_attempt(0, 0.4)]).matches
    assert (one.grade, one.basis) == ("D", "ports")
    (exact,) = match(_log([row._replace(sequence=77, flags="S")]), [_attempt(0, 0.4, isn=77)]).matches
    assert exact.grade == "A"


@pytest.mark.parametrize("distinct", [True, False])
def test_thousands_of_rows_and_attempts_take_no_time(distinct: bool) -> None:
    from time import process_time

    count = 4000
    rows = [_row(n, sport=20000 + n if distinct else 50000) for n in range(count)]
    attempts = [_attempt(n, n + 0.4, sport=20000 + n if distinct else 50000) for n in range(count)]
    before = process_time()
    match(_log(rows), attempts)
    assert process_time() - before < 2


def test_drops_are_proven_to_be_logged_by_a_drop() -> None:
    assert drops_logged(_log([_row(0)]))
    assert not drops_logged(_log([_row(0, action="allow")]))


OUTSIDE = IPv4Address("198.51.100.7")


def test_a_row_that_names_both_sides_of_a_translation_belongs_to_either() -> None:
    """The capture is behind the firewall, which writes the inner client and how it translated it."""
    rows = [
        _row(at, sport=50000 + n)._replace(
            source=IPv4Address("192.168.1.5"), source_port=1000 + n, translated_source=C, translated_source_port=50000 + n
        )
        for n, at in enumerate((0.2, 10.5, 20.8))
    ]  # fmt: skip
    attempts = [_attempt(n, at, sport=50000 + n) for n, at in enumerate((0.2, 10.5, 20.8))]
    matched = match(_log(rows), attempts)
    assert [one.entries for one in matched.matches] == [(0,), (1,), (2,)]
    inner = [one._replace(client=Endpoint(IPv4Address("192.168.1.5"), 1000 + n)) for n, one in enumerate(attempts)]
    assert len(match(_log(rows), inner).matches) == 3
    assert not match(_log(rows), [one._replace(client=Endpoint(OUTSIDE, 7)) for one in attempts]).matches


def test_two_logs_of_one_host_share_a_clock_and_those_of_others_do_not() -> None:
    attempts = [_attempt(n, 10 * n + 0.3 * n, sport=50000 + n) for n in range(4)]
    rows = [_row(3600 + 10 * n + 0.3 * n, sport=50000 + n)._replace(path="in") for n in range(4)]
    whole, part = _log(rows[:3]), _log(rows[3:])
    alone = match_all([part], attempts)[0]
    together = match_all([whole, part], attempts)
    assert alone.clock.offset_ns is None
    assert [one.clock.offset_ns for one in together] == [3600 * SECOND] * 2
    assert [match.grade for match in together[1].matches] == ["B"]
    assert "of the same host" in together[1].clock.why
    elsewhere = _log([one._replace(destination=S, device="other") for one in rows[:3]])
    assert match_all([elsewhere, _log([rows[3]._replace(device="srv")])], attempts)[1].clock.offset_ns is None


def test_a_log_of_several_hosts_is_of_none_of_them() -> None:
    rows = [_row(0)._replace(device="a.example", path="in"), _row(1)._replace(device="b.example", path="in")]
    assert not same_host(_log(rows), _log(rows[:1]))
    assert same_host(_log(rows[:1]), _log([_row(9)._replace(device="A")]))


def test_a_missing_row_says_something_only_beside_drops_of_that_host_and_time() -> None:
    clock = Clock(0, "utc", 0, 0, "")
    rows = [_row(5, sport=6)._replace(path="in", line=9)]
    drops = own_drops(_log(rows), T0)
    assert drops.near(S, T0, clock) == (9,)
    assert drops.near(C, T0, clock) == ()
    assert drops.near(S, T0 + 3600 * SECOND, clock) == ()
    assert drops.near(S, T0, Clock(None, "none", 0, 0, "")) == ()
    for others in (
        [*rows, _row(6)._replace(lost=3)],
        [rows[0]._replace(action="allow")],
        [rows[0]._replace(path="out")],
    ):
        assert own_drops(_log(others), T0).near(S, T0, clock) == ()


@pytest.mark.parametrize("step", [-3600, 3600])
def test_rows_behind_a_change_of_summer_time_are_an_hour_off(step: int) -> None:
    attempts = [_attempt(n, 10 * n + 0.3 * n, sport=50000 + n) for n in range(5)]
    rows = [_row(7200 + 10 * n + 0.3 * n + (step if n > 3 else 0), sport=50000 + n) for n in range(5)]
    matched = match(_log(rows), attempts)
    assert matched.clock.offset_ns == 7200 * SECOND
    assert [one.grade for one in matched.matches] == ["B", "B", "B", "B", "C"]
    rows[4] = _row(7200 + 43 + step + 20, sport=50004)
    assert [one.grade for one in match(_log(rows), attempts).matches] == ["B"] * 4
    in_utc = [row._replace(basis="utc", written_ns=(row.written_ns or 0) - 7200 * SECOND) for row in rows]
    in_utc[4] = _row(43 + step, sport=50004, basis="utc")
    assert len(match(_log(in_utc), attempts).matches) == 4
