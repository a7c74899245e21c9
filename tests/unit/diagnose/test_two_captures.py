"""What two captures of one path say together: whatever their clocks show, and where an answer came from."""

from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.model.evidence import Severity
from tests.build import exchanges, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp
from tests.build.story import START
from tests.build.two_sides import Path as Between
from tests.build.two_sides import sides

CLIENT, SERVER = "10.5.0.10", "10.6.0.20"
HOUR = 3600 * SECOND


def _diagnosis(folder: Path, recording: Recording, between: Between) -> Diagnosis:
    both = sides(recording, CLIENT, between)
    (folder / "inside.pcap").write_bytes(both.a)
    (folder / "outside.pcap").write_bytes(both.b)
    return analyze([str(folder / "inside.pcap"), str(folder / "outside.pcap")])


def _rules(diagnosis: Diagnosis) -> list[str]:
    return [one.rule for one in diagnosis.findings if one.severity is not Severity.NOTE]


@pytest.mark.parametrize("offset_ns", [0, HOUR, -HOUR, 6 * SECOND, -6 * SECOND])
def test_copies_have_one_origin_whatever_the_clocks_show(tmp_path: Path, offset_ns: int) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    Tcp(recording, CLIENT, 51101, SERVER, 49153).syns()
    diagnosis = _diagnosis(tmp_path, recording, Between(offset_ns=offset_ns))
    assert sorted(flow.origin.kind for flow in diagnosis.case.flows) == ["ept_map", "ept_map", "mapper", "mapper"]
    assert [len(one.flows) for one in diagnosis.case.referrals] == [2]
    assert _rules(diagnosis) == ["dynamic-port-blocked"]


@pytest.mark.parametrize("offset_ns", [HOUR, -HOUR])
def test_a_sealed_answer_is_followed_across_two_clocks(tmp_path: Path, offset_ns: int) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 51100, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp, 6)
    sealed = (10, 6, bytes(16))
    tcp.send(pdus.request(4, bytes(700), auth=sealed))
    tcp.reply(pdus.response(bytes(900), auth=sealed))
    Tcp(recording, CLIENT, 51101, SERVER, 49153).syns()
    diagnosis = _diagnosis(tmp_path, recording, Between(offset_ns=offset_ns))
    assert sorted(flow.origin.kind for flow in diagnosis.case.flows) == ["inferred", "inferred", "mapper", "mapper"]


@pytest.mark.parametrize(("ttl", "rule"), [(61, "dynamic-port-rejected"), (128, "dynamic-port-closed")])
def test_a_refusal_that_passes_both_points_is_the_servers_where_its_ttl_is(tmp_path: Path, ttl: int, rule: str) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153)
    Tcp(recording, CLIENT, 51101, SERVER, 49153).refused(times=3, ttl=ttl)
    assert _rules(_diagnosis(tmp_path, recording, Between())) == [rule]


@pytest.mark.parametrize("offset_ns", [0, HOUR, -HOUR])
def test_a_callback_that_fails_at_two_points_is_one_finding(tmp_path: Path, offset_ns: int) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 51100, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", [f"{SERVER}[49670]"])
    used = Tcp(recording, CLIENT, 51101, SERVER, 49670)
    used.open()
    ipid = exchanges.exporter(used)
    used.send(pdus.request(5, pdus.orpcthis() + bytes(40), call_id=9, instance=ipid))
    recording.wait(5 * MS)
    Tcp(recording, SERVER, 61010, CLIENT, 135).syns()
    used.reply(pdus.response(pdus.orpcthat() + (0x800706BA).to_bytes(4, "little"), call_id=9))
    diagnosis = _diagnosis(tmp_path, recording, Between(offset_ns=offset_ns))
    assert _rules(diagnosis) == ["callback-blocked"]
