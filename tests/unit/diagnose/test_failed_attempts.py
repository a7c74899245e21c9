"""Attempts that failed: whose fault that is where ports are translated, configured, or of no known program."""

from pathlib import Path
from struct import pack

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.model.evidence import Confidence, Missing, Severity
from tests.build import exchanges, pdus
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START
from tests.build.two_sides import Path as Between
from tests.build.two_sides import sides

CLIENT, SERVER, OUTSIDE = "10.5.0.10", "10.6.0.20", "192.0.2.1"
WBEM_LOGIN, WBEM_SERVICES = "f309ad18-d86a-11d0-a075-00c04fb68820", "9556dc99-828c-11cf-a37e-00aa003240c7"


def _diagnosis(folder: Path, recording: Recording) -> Diagnosis:
    path = folder / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    return analyze([str(path)])


def _two_points(folder: Path, lost: slice) -> Diagnosis:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    blocked = Tcp(recording, CLIENT, 51101, SERVER, 49153).syns((0, 1, 3, 7))
    recording.wait(2 * SECOND)
    ends = {(CLIENT, 51100): (OUTSIDE, 30001), (CLIENT, 51101): (OUTSIDE, 30002)}
    both = sides(recording, CLIENT, Between(lost_to_b=blocked[lost], ends=ends))
    (folder / "inside.pcap").write_bytes(both.a)
    (folder / "outside.pcap").write_bytes(both.b)
    return analyze([str(folder / "inside.pcap"), str(folder / "outside.pcap")])


def test_a_connection_whose_client_is_translated_between_two_points_is_one(tmp_path: Path) -> None:
    diagnosis = _two_points(tmp_path, slice(0, 0))
    assert [len(one.flows) for one in diagnosis.case.conversations] == [2, 2]
    assert all(flow.same_as for flow in diagnosis.case.flows)
    assert len(diagnosis.case.referrals) == 1
    assert {flow.origin.kind for flow in diagnosis.case.flows} == {"mapper", "ept_map"}
    (finding,) = [one for one in diagnosis.findings if one.severity is Severity.ERROR]
    assert (str(finding.client), str(finding.server), len(finding.flows)) == (CLIENT, SERVER, 2)


def test_what_never_comes_out_translated_was_lost_in_between(tmp_path: Path) -> None:
    diagnosis = _two_points(tmp_path, slice(0, 4))
    (finding,) = [one for one in diagnosis.findings if one.severity is Severity.ERROR]
    assert finding.rule == "dynamic-port-blocked"
    assert any("outside.pcap" in piece.says for piece in finding.evidence if isinstance(piece, Missing))


def test_a_number_that_all_connections_begin_with_joins_none(tmp_path: Path) -> None:
    recording = Recording(START)
    for port in (51100, 51101):
        Tcp(recording, CLIENT, port, SERVER, 135, isn=1000).open()
    ends = {(CLIENT, 51100): (OUTSIDE, 30001), (CLIENT, 51101): (OUTSIDE, 30002)}
    both = sides(recording, CLIENT, Between(ends=ends))
    (tmp_path / "a.pcap").write_bytes(both.a)
    (tmp_path / "b.pcap").write_bytes(both.b)
    diagnosis = analyze([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")])
    assert [len(one.flows) for one in diagnosis.case.conversations] == [1, 1, 1, 1]


def test_a_callback_to_a_port_of_a_configured_range(tmp_path: Path) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50610, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", [f"{SERVER}[49670]"])
    used = Tcp(recording, CLIENT, 50611, SERVER, 49670)
    used.open()
    exchanges.exporter(used)
    resolver = Tcp(recording, SERVER, 61010, CLIENT, 135)
    resolver.open()
    exchanges.bind(resolver, (pdus.OXID_RESOLVER, "0.0"), 135)
    resolver.send(pdus.request(4, pdus.resolve_request(7)))
    resolver.reply(pdus.response(pdus.resolve_response([f"{CLIENT}[5060]"])))
    Tcp(recording, SERVER, 61011, CLIENT, 5060).syns((0, 3, 9), until=20)
    errors = {one.rule: one for one in _diagnosis(tmp_path, recording).findings if one.severity is Severity.ERROR}
    assert set(errors) == {"callback-blocked"}
    assert errors["callback-blocked"].direction == "server-to-client"


def test_a_refused_port_of_no_known_program_is_no_error(tmp_path: Path) -> None:
    recording = Recording(START)
    Tcp(recording, CLIENT, 50000, SERVER, 443).open()
    Tcp(recording, CLIENT, 50001, SERVER, 50999).refused(times=3)
    (finding,) = _diagnosis(tmp_path, recording).findings
    assert (finding.rule, finding.severity) == ("dynamic-port-closed", Severity.WARNING)
    assert finding.confidence is Confidence.POSSIBLE
    assert finding.next_observation


def test_nor_is_one_beside_lookups_that_lead_elsewhere(tmp_path: Path) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    used = Tcp(recording, CLIENT, 51101, SERVER, 49153)
    used.open()
    exchanges.session(used, exchanges.DRSUAPI)
    Tcp(recording, CLIENT, 51102, SERVER, 51000).syns((0, 1, 3, 7))
    recording.wait(20 * SECOND)
    (finding,) = _diagnosis(tmp_path, recording).findings
    assert (finding.rule, finding.severity) == ("dynamic-port-blocked", Severity.WARNING)


def test_a_scan_of_many_ports_says_nothing_about_the_mapper(tmp_path: Path) -> None:
    recording = Recording(START)
    for place, port in enumerate((135, *range(1000, 1020))):
        Tcp(recording, CLIENT, 40000 + place, SERVER, port).refused()
    assert not [one for one in _diagnosis(tmp_path, recording).findings if one.severity is not Severity.NOTE]


def test_a_sweep_over_many_hosts_neither(tmp_path: Path) -> None:
    recording = Recording(START)
    for place in range(20):
        Tcp(recording, CLIENT, 40000 + place, f"10.6.0.{place + 1}", 135).refused()
    assert not [one for one in _diagnosis(tmp_path, recording).findings if one.severity is not Severity.NOTE]


def test_one_that_knocks_again_is_no_sweep(tmp_path: Path) -> None:
    recording = Recording(START)
    for place in range(20):
        Tcp(recording, CLIENT, 40000 + place, f"10.6.0.{place + 1}", 135).refused(times=3)
    found = _diagnosis(tmp_path, recording).findings
    assert [one.rule for one in found if one.severity is Severity.ERROR] == ["mapper-closed"] * 20


def test_another_port_of_the_same_answer_that_works_makes_it_a_warning(tmp_path: Path) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 51100, SERVER, 135)
    tcp.open()
    exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
    exchanges.ask(tcp, exchanges.DRSUAPI, [pdus.tower(*exchanges.DRSUAPI, port, SERVER) for port in (49153, 49154)])
    Tcp(recording, CLIENT, 51101, SERVER, 49153).syns((0, 1, 3, 7))
    used = Tcp(recording, CLIENT, 51102, SERVER, 49154)
    used.open()
    exchanges.session(used, exchanges.DRSUAPI)
    found = {one.rule: one.severity for one in _diagnosis(tmp_path, recording).findings}
    assert found["dynamic-port-blocked"] is Severity.WARNING


def _called(recording: Recording, interface: str, result: int) -> None:
    """A method of an object that comes back with a result."""
    tcp = Tcp(recording, CLIENT, 50610, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", [f"{SERVER}[49670]"])
    used = Tcp(recording, CLIENT, 50611, SERVER, 49670)
    used.open()
    ipid = exchanges.exporter(used)
    used.send(pdus.bind([(interface, "0.0", [pdus.NDR32])], alter=True, call_id=4, first_context=1))
    used.reply(pdus.bind_ack(pdus.ACCEPTED_32, "", alter=True, call_id=4))
    used.send(pdus.request(6, pdus.orpcthis() + bytes(40), call_id=5, context=1, instance=ipid))
    if result < 0x10000:
        used.reply(pdus.fault(result, call_id=5, context=1))
    else:
        used.reply(pdus.response(pdus.orpcthat() + bytes(4) + pack("<I", result), call_id=5, context=1))


@pytest.mark.parametrize(
    ("interface", "result", "rule", "severity"),
    [
        (WBEM_LOGIN, 0x80041003, "access-denied", Severity.ERROR),
        (WBEM_LOGIN, 0x80070005, "access-denied", Severity.ERROR),
        (WBEM_SERVICES, 0x80041003, "access-denied", Severity.WARNING),
        (WBEM_SERVICES, 0x6BA, "unavailable-in-reply", Severity.ERROR),
        (WBEM_SERVICES, 0x80041002, None, None),  # not found: a matter of data
    ],
)
def test_what_methods_of_objects_come_back_with(
    tmp_path: Path, interface: str, result: int, rule: str | None, severity: Severity | None
) -> None:
    recording = Recording(START)
    _called(recording, interface, result)
    found = {one.rule: one.severity for one in _diagnosis(tmp_path, recording).findings if one.severity != "note"}
    assert found == ({rule: severity} if rule else {})


def test_three_quick_syns_at_the_end_of_a_capture_prove_nothing(tmp_path: Path) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    Tcp(recording, CLIENT, 51101, SERVER, 49153).syns((0, 1, 2), until=2)
    assert not [one for one in _diagnosis(tmp_path, recording).findings if one.severity is not Severity.NOTE]


@pytest.mark.parametrize("passed", [False, True])
def test_a_dcom_bind_without_answer_where_one_was_answered_before(tmp_path: Path, passed: bool) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    if passed:
        tcp = Tcp(recording, CLIENT, 50610, SERVER, 135)
        tcp.open()
        exchanges.activator(tcp)
        exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", [f"{SERVER}[49670]"])
    lost = Tcp(recording, CLIENT, 50612, SERVER, 135)
    lost.open()
    lost.send(pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(10, 5, exchanges.NTLM1)))
    recording.wait(20 * SECOND)
    lost.rst(0)
    errors = {one.rule for one in _diagnosis(tmp_path, recording).findings if one.severity is Severity.ERROR}
    assert errors == ({"mapper-bind-unanswered"} if passed else {"strict-filter"})


def test_a_client_that_gives_up_at_once_has_not_waited(tmp_path: Path) -> None:
    recording = Recording(START)
    lost = Tcp(recording, CLIENT, 50612, SERVER, 135)
    lost.open()
    lost.send(pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(10, 5, exchanges.NTLM1)))
    lost.rst(0)
    recording.wait(20 * SECOND)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    assert not [one for one in _diagnosis(tmp_path, recording).findings if one.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("server_port", "later_s", "rule"),
    [(49153, 0, "dynamic-port-rejected"), (49153, 60, "host-unreachable"), (None, 0, "host-unreachable")],
)
def test_a_host_that_answers_meanwhile_is_not_unreachable(
    tmp_path: Path, server_port: int | None, later_s: int, rule: str
) -> None:  # fmt: skip
    recording = Recording(START)
    if server_port is not None:
        exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, server_port)
    recording.wait(later_s * SECOND)
    Tcp(recording, CLIENT, 51101, SERVER, server_port or 135).prohibited("10.5.0.1", 3, 1)
    (finding,) = [one for one in _diagnosis(tmp_path, recording).findings if one.severity is Severity.ERROR]
    assert finding.rule == rule


@pytest.mark.parametrize(("sender", "who"), [(SERVER, f"the firewall of {SERVER} itself"), ("10.5.0.1", "a device")])
def test_who_refuses_by_icmp_is_named(tmp_path: Path, sender: str, who: str) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    Tcp(recording, CLIENT, 51101, SERVER, 49153).prohibited(sender, 3, 3)
    (finding,) = [one for one in _diagnosis(tmp_path, recording).findings if one.severity is Severity.ERROR]
    assert finding.rule == "dynamic-port-rejected"
    assert finding.summary.startswith(who)


@pytest.mark.parametrize("tried", [False, True])
def test_a_call_that_says_that_the_clients_object_cannot_be_reached(tmp_path: Path, tried: bool) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50610, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", [f"{SERVER}[49670]"])
    used = Tcp(recording, CLIENT, 50611, SERVER, 49670)
    used.open()
    ipid = exchanges.exporter(used)
    used.send(pdus.request(5, pdus.orpcthis() + bytes(40), call_id=9, instance=ipid))
    if tried:
        Tcp(recording, SERVER, 61010, CLIENT, 135).syns()
    used.reply(pdus.response(pdus.orpcthat() + pack("<I", 0x80040202), call_id=9))
    found = [one for one in _diagnosis(tmp_path, recording).findings if one.rule == "callback-blocked"]
    assert [one.severity for one in found] == [Severity.ERROR if tried else Severity.WARNING]
    assert (str(found[0].client), str(found[0].server), found[0].direction) == (CLIENT, SERVER, "server-to-client")
