"""What the events of hosts prove, and where they prove nothing."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.diagnose.finding import Finding
from rpcdiag.diagnose.writers import Writers
from rpcdiag.model.evidence import Logged
from tests.build import events, kerberos, logons, names
from tests.build.conversation import SECOND, Recording, datagram
from tests.build.story import START
from tests.causes.shown import logons as shown_logons
from tests.causes.shown import source_ports
from tests.causes.shown_cause import Build

C, S, DC = "10.0.0.1", "10.0.0.2", "10.0.0.53"
SRV = "srv.lab.example"
WRONG_PASSWORD, LOCKED = 0xC000006A, 0xC0000234


def _diagnosed(folder: Path, build: Build, *logs: str) -> Diagnosis:
    recording = Recording(START)
    text = build(recording)
    (folder / "c.pcapng").write_bytes(recording.pcapng())
    paths = []
    for number, one in enumerate(logs or ([text] if text else [])):
        path = folder / f"{number}.xml"
        path.write_text(one, encoding="utf-8")
        paths.append(str(path))
    return analyze([str(folder / "c.pcapng")], paths)


def _found(diagnosis: Diagnosis, rule: str) -> list[Finding]:
    return [one for one in diagnosis.findings if one.rule == rule]


def _refused(recording: Recording) -> None:
    shown_logons._first_call(5)(recording)


def test_what_the_log_says_of_the_logon_is_in_the_finding(tmp_path: Path) -> None:
    log = events.failed_logon(START, 11, SRV, C, 50001, LOCKED)
    (one,) = _found(_diagnosed(tmp_path, _refused, log), "bad-credentials")
    assert (one.confidence, one.subject.status, one.next_observation) == ("proven", LOCKED, None)
    assert "of anna" in one.summary
    assert "the account is locked" in one.summary
    (logged,) = [piece for piece in one.evidence if isinstance(piece, Logged)]
    assert logged.lines == (11,)
    assert "STATUS_ACCOUNT_LOCKED_OUT" in logged.says


def test_where_only_the_outer_status_is_told_it_speaks(tmp_path: Path) -> None:
    log = events.failed_logon(START, 11, SRV, C, 50001, 0, status=0xC000005E)
    (one,) = _found(_diagnosed(tmp_path, _refused, log), "bad-credentials")
    assert "no domain controller could be asked" in one.summary


@pytest.mark.parametrize(("code", "says"), [(0xC0000022, "STATUS_ACCESS_DENIED"), (0xC0FFEE00, "status 0xc0ffee00")])
def test_a_status_that_has_no_words_of_ours_has_its_name(tmp_path: Path, code: int, says: str) -> None:
    (one,) = _found(
        _diagnosed(tmp_path, _refused, events.failed_logon(START, 11, SRV, C, 50001, code)), "bad-credentials"
    )
    assert says in one.summary


@pytest.mark.parametrize(("computer", "proven"), [(SRV, True), ("file9.lab.example", False)])
def test_without_an_address_user_and_workstation_of_the_token_count(
    tmp_path: Path, computer: str, proven: bool
) -> None:
    log = events.failed_logon(START, 11, computer, "-", "-", WRONG_PASSWORD)
    assert bool(_found(_diagnosed(tmp_path, _refused, log), "bad-credentials")) is proven


def test_the_remedy_is_for_what_the_log_says(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path, _refused, events.failed_logon(START, 11, SRV, C, 50001, LOCKED))
    (one,) = _found(diagnosis, "bad-credentials")
    assert "Unlock-ADAccount" in diagnosis.remedies[one.id][0].commands[0].text


def test_a_clock_that_is_not_known_proves_nothing(tmp_path: Path) -> None:
    """Events in local time, of which no row could be compared."""
    values = '"SourceName": "Microsoft-Windows-Security-Auditing", "Hostname": "srv.lab.example"'
    local = (
        f'{{"EventID": 4625, {values}, "EventTime": "2011-03-13 07:06:40", "IpAddress": "{C}", "IpPort": "50001", '
        '"TargetUserName": "anna", "Status": "0xc000006d", "SubStatus": "0xc000006a"}\n'
    )
    diagnosis = _diagnosed(tmp_path, _refused, local)
    assert [one.source_port for one in diagnosis.case.statements] == [50001]
    assert _found(diagnosis, "access-denied")
    assert not _found(diagnosis, "bad-credentials")


@pytest.mark.parametrize(("seconds", "proven"), [(-4, True), (4, True), (-60, False), (60, False)])
def test_without_a_port_only_the_same_seconds_count(tmp_path: Path, seconds: int, proven: bool) -> None:
    log = events.failed_logon(START + seconds * SECOND, 11, SRV, C, "-", WRONG_PASSWORD)
    assert bool(_found(_diagnosed(tmp_path, _refused, log), "bad-credentials")) is proven


def test_without_a_port_the_log_must_be_known_as_the_server_s(tmp_path: Path) -> None:
    log = events.failed_logon(START, 11, "10.0.0.2", C, "-", WRONG_PASSWORD)
    assert not _found(_diagnosed(tmp_path, _refused, log), "bad-credentials")


def test_a_user_is_the_same_with_and_without_a_domain(tmp_path: Path) -> None:
    log = events.failed_logon(START, 11, SRV, C, "-", WRONG_PASSWORD, user="Anna@lab.example")
    assert _found(_diagnosed(tmp_path, _refused, log), "bad-credentials")


def test_several_events_of_one_connection_are_one_finding(tmp_path: Path) -> None:
    log = "".join(events.failed_logon(START + at, 11 + at, SRV, C, 50001, WRONG_PASSWORD) for at in range(3))
    (one,) = _found(_diagnosed(tmp_path, _refused, log), "bad-credentials")
    assert [piece.lines for piece in one.evidence if isinstance(piece, Logged)] == [(11, 12, 13)]


def test_an_event_of_a_centre_does_not_make_an_unknown_name_another_account(tmp_path: Path) -> None:
    """A name without an account, of which nothing else is known, is no finding; a log that repeats it changes nothing."""

    def build(recording: Recording) -> str:
        logons.from_centre(recording, DC, C, kerberos.krb_error(kerberos.S_UNKNOWN, "HTTP", "proxy.lab.example"))
        recording.wait(30 * SECOND)
        logons.served(recording, C, 50002, S, 49670)
        recording.wait(SECOND)
        logons.from_centre(recording, DC, C, kerberos.krb_error(kerberos.S_UNKNOWN, "HTTP", "wpad.lab.example"))
        return events.at_centre(4769, recording.now, 12, "dc1.lab.example", C, kerberos.S_UNKNOWN)

    assert not [one for one in _found(_diagnosed(tmp_path, build), "wrong-spn") if one.severity != "note"]


def test_what_a_centre_tells_of_another_client_is_left_out(tmp_path: Path) -> None:
    def build(recording: Recording) -> str:
        shown_logons._at_centre(kerberos.PREAUTH_FAILED)(recording)
        return events.at_centre(4771, recording.now, 12, "dc1", "10.0.0.99", kerberos.PREAUTH_FAILED)

    diagnosis = _diagnosed(tmp_path, build)
    assert not diagnosis.case.statements
    (one,) = _found(diagnosis, "bad-credentials")
    assert not [piece for piece in one.evidence if isinstance(piece, Logged)]


def test_two_ports_that_come_round_are_possible(tmp_path: Path) -> None:
    (one,) = _found(_diagnosed(tmp_path, source_ports._again((50010, 50011))), "source-ports-exhausted")
    assert (one.confidence, one.severity) == ("possible", "warning")
    assert "translates addresses" in (one.next_observation or "")


def test_remedies_for_source_ports_find_the_leak_first(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path, source_ports._with_event())
    (one,) = _found(diagnosis, "source-ports-exhausted")
    assert [remedy.id for remedy in diagnosis.remedies[one.id]] == ["find-who-holds-ports", "more-source-ports"]


def test_whose_log_it_is(tmp_path: Path) -> None:
    """By the names that hosts give themselves or are given, and by the addresses in logs of the same computer."""

    def build(recording: Recording) -> None:
        logons.served(recording, C, 50001, S, 49670)
        datagram(recording, DC, 53, C, 40053, names.dns_answer("files.lab.example", ["10.0.0.7"]))

    text = "".join(
        events.no_port_left(4231, START, number, computer)
        for number, computer in enumerate(("ws1.lab.example", "SRV", "files", "other", "dc9"), 1)
    ) + events.connection(
        5156, START, 9, "x.exe", 4, ("10.0.0.99", 1025), ("10.0.0.9", 135), computer="dc9.lab.example"
    )
    diagnosis = _diagnosed(tmp_path, build, text)
    writers = Writers(diagnosis.case)
    client, server = ip_address(C), ip_address(S)
    said = [(one.host, writers.is_by(one, client), writers.is_by(one, server)) for one in diagnosis.case.statements]
    assert said == [
        ("ws1.lab.example", True, False),
        ("SRV", False, True),
        ("files", False, False),
        ("other", False, False),
        ("dc9", False, False),
    ]
    assert [writers.is_by(one, ip_address("10.0.0.9")) for one in diagnosis.case.statements] == [
        False, False, False, None, True,
    ]  # fmt: skip
