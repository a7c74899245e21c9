"""Pictures that look alike: the right rule speaks, the other does not."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.diagnose.judge import rules
from rpcdiag.model.evidence import Severity
from tests.build import exchanges, logs, names, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp, datagram
from tests.build.story import START

C, S = "10.0.0.1", "10.0.0.2"
Build = Callable[[Recording], str | None]


def _errors(folder: Path, build: Build, name: str = "x.log") -> dict[str, str]:
    """Rules of severity error and warning with their confidence; `build` may return the text of a log."""
    recording = Recording(START)
    log = build(recording)
    capture = folder / "c.pcapng"
    capture.write_bytes(recording.pcapng())
    given = []
    if log is not None:
        (folder / name).write_text(log, encoding="utf-8")
        given = [str(folder / name)]
    found = analyze([str(capture)], given).findings
    return {one.rule: one.confidence.value for one in found if one.severity is not Severity.NOTE}


def _lookup(recording: Recording, port: int = 49667) -> None:
    exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, port)


def _one_syn(recording: Recording, port: int) -> None:
    Tcp(recording, C, 50001, S, port).syns((0,))
    recording.wait(20 * SECOND)
    Tcp(recording, C, 9, S, 445).open()


def test_one_syn_is_enough_only_where_the_client_was_sent_there(tmp_path: Path) -> None:
    def referred(recording: Recording) -> None:
        _lookup(recording)
        _one_syn(recording, 49667)

    def on_its_own(recording: Recording) -> None:
        _one_syn(recording, 135)

    assert _errors(tmp_path, referred) == {"dynamic-port-blocked": "established"}
    assert _errors(tmp_path, on_its_own) == {}


def test_a_router_without_a_route_is_no_firewall(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        Tcp(recording, C, 50001, S, 135).prohibited("10.0.0.254", 3, 1)

    assert _errors(tmp_path, build) == {"host-unreachable": "established"}


def test_a_row_whose_time_cannot_be_checked_proves_nothing(tmp_path: Path) -> None:
    def build(recording: Recording) -> str:
        _lookup(recording)
        tcp = Tcp(recording, C, 50001, S, 49667)
        tcp.syns()
        ns = recording.frames[-1].time_ns
        return logs.PFIREWALL + logs.pfirewall(ns, "DROP", C, 50001, S, 49667, hours=2, isn=0)

    assert _errors(tmp_path, build) == {"dynamic-port-blocked": "established"}


def test_a_capture_that_ends_before_the_retries_is_no_proof_either(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _lookup(recording)
        Tcp(recording, C, 50001, S, 49667).syns((0, 1), until=1)

    assert _errors(tmp_path, build) == {}


def test_a_log_row_makes_one_syn_enough(tmp_path: Path) -> None:
    def build(recording: Recording) -> str:
        _lookup(recording)
        tcp = Tcp(recording, C, 50001, S, 49667)
        tcp.syns((0,), until=1)
        ns = recording.frames[-1].time_ns
        return logs.PFIREWALL + logs.pfirewall(ns, "DROP", C, 50001, S, 49667, hours=2, isn=tcp.isn)

    assert _errors(tmp_path, build) == {"dynamic-port-blocked": "proven"}


def test_a_drop_of_another_connection_proves_nothing(tmp_path: Path) -> None:
    def build(recording: Recording) -> str:
        _lookup(recording)
        tcp = Tcp(recording, C, 50001, S, 49667)
        tcp.syns()
        ns = recording.frames[-1].time_ns
        return logs.PFIREWALL + logs.pfirewall(ns, "DROP", C, 50009, S, 49667, hours=2, isn=tcp.isn + 1)

    assert _errors(tmp_path, build) == {"dynamic-port-blocked": "established"}


def test_a_log_without_any_drop_is_no_evidence_of_absence(tmp_path: Path) -> None:
    def build(recording: Recording) -> str:
        _lookup(recording)
        Tcp(recording, C, 50001, S, 49667).syns()
        return logs.PFIREWALL + logs.pfirewall(START, "ALLOW", C, 50000, S, 135, hours=0)

    assert _errors(tmp_path, build) == {"dynamic-port-blocked": "established", "log-not-enabled": "likely"}


def test_refused_on_the_way_out_leaves_no_packet(tmp_path: Path) -> None:
    def build(recording: Recording) -> str:
        _lookup(recording)
        recording.wait(SECOND)
        Tcp(recording, C, 9, S, 445).open()
        return logs.PFIREWALL + logs.pfirewall(
            START, "DROP", C, 50001, S, 49667, hours=0, size=0, flags="-", path="SEND"
        )

    assert _errors(tmp_path, build) == {"dynamic-port-blocked": "likely"}


def _findings(folder: Path, build: Build, name: str = "x.log") -> list[str]:
    """What the evidence of all findings says."""
    recording = Recording(START)
    log = build(recording)
    (folder / "c.pcapng").write_bytes(recording.pcapng())
    (folder / name).write_text(log or "", encoding="utf-8")
    found = analyze([str(folder / "c.pcapng")], [str(folder / name)] if log else []).findings
    return [evidence.says for one in found for evidence in one.evidence]


def test_a_log_that_dropped_others_at_that_time_clears_its_host(tmp_path: Path) -> None:
    def build(recording: Recording) -> str:
        _lookup(recording)
        Tcp(recording, C, 50001, S, 49667).syns()
        return (
            logs.PFIREWALL
            + logs.pfirewall(START, "ALLOW", C, 50000, S, 135, hours=0)
            + logs.pfirewall(START, "DROP", "10.0.0.77", 5, S, 9, hours=0)
        )

    assert not any("none of this connection" in one for one in _findings(tmp_path, build))  # its clock is not known

    def in_utc(recording: Recording) -> str:
        return build(recording).replace("Time Format: Local", "Time Format: UTC")

    assert any("none of this connection" in one for one in _findings(tmp_path, in_utc))


def test_a_port_that_the_client_kept_is_called_so(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _lookup(recording)
        Tcp(recording, C, 50001, S, 49667).syns()
        recording.wait(6 * SECOND)
        Tcp(recording, C, 50002, S, 49667).syns()

    assert sum("without asking again" in one for one in _findings(tmp_path, build)) == 1


def test_an_event_of_the_server_that_names_the_client_proves_hardening(tmp_path: Path) -> None:
    def build(recording: Recording, host: str = C) -> str:
        tcp = Tcp(recording, C, 50002, S, 135)
        tcp.open()
        exchanges.activator(tcp, level=2)
        tcp.send(pdus.request(4, bytes(64)))
        tcp.reply(pdus.fault(5))
        tcp.close()
        at = datetime.fromtimestamp(START // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        data = "".join(f"<Data Name='param{n}'>{one}</Data>" for n, one in enumerate(("DOM", "bob", "S-1-5", host), 1))
        return (
            "<Event><System><Provider Name='Microsoft-Windows-DistributedCOM'/><EventID>10036</EventID>"
            f"<TimeCreated SystemTime='{at}'/><EventRecordID>77</EventRecordID></System><EventData>{data}</EventData></Event>"
        )

    assert _errors(tmp_path, build, "System.xml") == {"dcom-hardening": "proven"}
    assert any(one.startswith("event 10036") for one in _findings(tmp_path, build, "System.xml"))
    assert _errors(tmp_path, lambda recording: build(recording, "10.0.0.99"), "System.xml") == {
        "dcom-hardening": "likely"
    }


def test_a_port_scan_is_no_case(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        for port in range(49152, 49172):
            Tcp(recording, C, 50000 + port % 100, S, port).refused()

    assert _errors(tmp_path, build) == {}


def _dcom_bind(recording: Recording, token: bytes = exchanges.NTLM1) -> tuple[Tcp, bytes]:
    tcp = Tcp(recording, C, 50002, S, 135)
    tcp.open()
    bind = pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(10, 5, token))
    return tcp, bind


def test_a_dcom_bind_that_is_not_answered_beside_a_mapper_bind_that_is(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _lookup(recording)
        tcp, bind = _dcom_bind(recording)
        tcp.send(bind)
        recording.wait(8 * SECOND)
        tcp.fin(0)

    assert _errors(tmp_path, build) == {"strict-filter": "established"}


def test_a_dcom_bind_that_is_answered_late_is_no_filter(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp, bind = _dcom_bind(recording)
        tcp.send(bind)
        recording.wait(8 * SECOND)
        tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135"))

    assert _errors(tmp_path, build) == {}


def test_a_capture_of_one_direction_proves_no_silence(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp, bind = _dcom_bind(recording)
        tcp.send(bind)
        recording.wait(20 * SECOND)
        tcp.fin(0)
        recording.frames = [frame for frame in recording.frames if frame.data[26:30] == bytes((10, 0, 0, 1))]

    assert _errors(tmp_path, build) == {}


def test_large_segments_that_are_lost_are_no_filter_without_more(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, 49667)
        tcp = Tcp(recording, C, 50001, S, 49667)
        tcp.open()
        tcp.send(b"")
        exchanges.bind(tcp, exchanges.DRSUAPI, 49667)
        large = pdus.request(3, bytes(1400), context=1)
        tcp.send(large, acknowledge=False)
        tcp.repeat(0, large, (0, 1, 2, 4))
        recording.wait(3 * SECOND)

    assert _errors(tmp_path, build) == {"path-mtu": "likely"}


def test_an_idle_session_that_was_forgotten(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _lookup(recording)
        tcp = Tcp(recording, C, 50001, S, 49667)
        tcp.open()
        exchanges.session(tcp, exchanges.DRSUAPI)
        recording.wait(3700 * SECOND)
        ask = pdus.request(3, bytes(20), call_id=90, context=1)
        tcp.send(ask, acknowledge=False)
        tcp.repeat(0, ask, (0, 1, 3, 7))
        recording.wait(SECOND)

    assert _errors(tmp_path, build) == {"idle-dropped": "likely"}


@pytest.mark.parametrize(("level", "rule"), [(2, "dcom-hardening"), (5, "access-denied")])
def test_hardening_and_rights_differ_by_the_level_of_the_bind(tmp_path: Path, level: int, rule: str) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50002, S, 135)
        tcp.open()
        exchanges.activator(tcp, level=level)
        tcp.send(pdus.request(4, bytes(64)))
        tcp.reply(pdus.fault(5))
        tcp.close()

    assert _errors(tmp_path, build) == {rule: "likely"}


def test_a_lookup_that_is_refused_by_a_fault(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50002, S, 135)
        tcp.open()
        exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
        tcp.send(pdus.request(3, pdus.map_request(pdus.tower(*exchanges.DRSUAPI, 135, S), wide=True), context=1))
        tcp.reply(pdus.fault(5))
        tcp.close()

    assert _errors(tmp_path, build) == {"mapper-refuses-anonymous": "established"}


def test_a_server_that_connects_without_dcom_before_it_is_no_callback(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _lookup(recording)
        tcp = Tcp(recording, C, 50001, S, 49667)
        tcp.open()
        exchanges.session(tcp, exchanges.DRSUAPI)
        Tcp(recording, S, 60000, C, 135).syns()

    assert _errors(tmp_path, build) == {"mapper-blocked": "likely"}


def test_bindings_of_which_one_works_are_reachable(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50002, S, 135)
        tcp.open()
        exchanges.activator(tcp)
        exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", ["192.168.7.7[49670]", f"{S}[49670]"])
        Tcp(recording, C, 50003, "192.168.7.7", 49670).syns()
        used = Tcp(recording, C, 50004, S, 49670)
        used.open()
        exchanges.exporter(used)
        used.close()

    assert _errors(tmp_path, build) == {}


def test_bindings_of_which_none_works_are_not(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50002, S, 135)
        tcp.open()
        exchanges.activator(tcp)
        exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", ["192.168.7.7[49670]"])
        Tcp(recording, C, 50003, "192.168.7.7", 49670).syns()
        recording.wait(MS)

    assert _errors(tmp_path, build) == {"binding-unreachable": "established"}


@pytest.mark.parametrize(("becomes", "expected"), [("192.168.7.7", "binding-unreachable"), (S, None)])
def test_a_name_that_becomes_an_address_that_nobody_reaches(tmp_path: Path, becomes: str, expected: str | None) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50002, S, 135)
        tcp.open()
        exchanges.activator(tcp)
        exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", ["SRV1[49670]"])
        answer = names.dns_answer("srv1.lab.example", [becomes])
        datagram(recording, "10.0.0.53", 53, C, 40053, answer)
        Tcp(recording, C, 50003, becomes, 49670).syns()
        recording.wait(MS)

    found = _errors(tmp_path, build)
    assert (found == {"binding-unreachable": "established"}) is (expected is not None)
    if expected is None:
        assert found == {"dynamic-port-blocked": "established"}
        return
    (finding,) = [one for one in analyze([str(tmp_path / "c.pcapng")]).findings if one.rule == expected]
    assert any("srv1.lab.example becomes 192.168.7.7" in getattr(one, "says", "") for one in finding.evidence)
    (flow,) = [one for one in analyze([str(tmp_path / "c.pcapng")]).case.flows if one.flow.server.port == 49670]
    assert flow.origin.kind == "activation"


def test_another_service_of_the_server_that_answers_does_not_make_its_bindings_reachable(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50002, S, 135)
        tcp.open()
        exchanges.activator(tcp)
        exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", ["192.168.7.7[49670]", "0.0.0.0[49670]"])
        Tcp(recording, C, 50003, "192.168.7.7", 49670).syns()
        other = Tcp(recording, C, 50004, S, 445)
        other.open()
        other.close()

    assert _errors(tmp_path, build) == {"binding-unreachable": "established"}


def _mapped(recording: Recording, asked: str, named: str) -> None:
    tcp = Tcp(recording, C, 50000, S, 135)
    tcp.open()
    exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
    wanted = pdus.map_request(pdus.tower(*exchanges.DRSUAPI, 135, asked), wide=True)
    tcp.send(pdus.request(3, wanted, context=1))
    towers = [pdus.tower(*exchanges.DRSUAPI, 49667, named)]
    tcp.reply(pdus.response(pdus.map_response(towers, wide=True), context=1))
    recording.wait(MS)


def test_a_tower_with_an_address_that_nobody_reaches_is_told_with_the_one_that_was_asked(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _mapped(recording, "203.0.113.9", "192.168.7.7")
        Tcp(recording, C, 50003, "192.168.7.7", 49667).syns()

    assert _errors(tmp_path, build) == {"binding-unreachable": "established"}
    found = analyze([str(tmp_path / "c.pcapng")]).findings
    (finding,) = [one for one in found if one.rule == "binding-unreachable"]
    says = [getattr(one, "says", "") for one in finding.evidence]
    assert f"{S} says that the interface is at 192.168.7.7" in finding.summary
    assert any(f"the client knows {S} as 203.0.113.9" in one for one in says)


@pytest.mark.parametrize("named", ["0.0.0.0", "192.168.7.7"])
def test_a_tower_whose_address_is_not_used_is_no_trouble(tmp_path: Path, named: str) -> None:
    def build(recording: Recording) -> None:
        _mapped(recording, S, named)
        used = Tcp(recording, C, 50003, S, 49667)
        used.open()
        exchanges.session(used, exchanges.DRSUAPI)
        used.close()
        Tcp(recording, C, 50004, "192.168.7.7", 49667).syns()

    assert set(_errors(tmp_path, build)) <= {"dynamic-port-blocked"}


def test_every_rule_has_prose_that_tells_its_look_alikes() -> None:
    import sys

    for rule in rules():
        prose = sys.modules[rule.check.__module__].__doc__ or ""
        assert all(word in prose for word in ("Looks like:", "Because:", "Not this:")), rule.id
    assert len({rule.id for rule in rules()}) == len(rules())
