"""What `live` says of a cause while it happens, and `analyze` afterwards of what was kept and of the firewall's log."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.plugins import discover
from tests.lab.conftest import Lab, without
from tests.lab.dcom_object import PORT
from tests.lab.network import CLIENT, DCOM, SAMBA, LabError
from tests.lab.watching import syns

pytestmark = pytest.mark.lab
WITHIN_NS = 2_000_000_000
Of = Callable[[dict[str, Any], str], dict[str, Any]]


def _reads_json() -> bool:
    return any("ulogd" in found.name for found in discover("rpcdiag.logs.formats", "FORMAT"))


def test_a_dynamic_port_that_is_dropped(lab: Lab, tmp_path: Path, finding: Of) -> None:
    lab.firewall.load(dynamic="drop")
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "-w", str(kept))
    lab.client("map", SAMBA, "netlogon")
    arrived, said = watch.finding("dynamic-port-blocked")
    third = syns(kept, said["port"])[2]
    assert arrived - third <= WITHIN_NS
    assert (said["client"], said["server"], said["direction"]) == (CLIENT, SAMBA, "client-to-server")
    assert [one for one in watch.states if one in ("asked", "referred", "trying", "silent 1 s", "silent 3 s")][-1] in (
        "silent 1 s", "silent 3 s",
    )  # fmt: skip
    assert "referred" in watch.states
    _, silent = watch.event("turn", state="silent 1 s")
    assert "handed out for" in silent["says"]
    assert watch.stop() == 130
    assert watch.event("end")[1]["interrupted"] is True

    document = lab.analyze(kept, "--log", lab.firewall.text)
    known = finding(document, "dynamic-port-blocked")
    assert known["confidence"] == "proven"
    logged = [one for one in known["evidence"] if one["kind"] == "logged"]
    lines = lab.firewall.lines()
    assert [line for one in logged for line in one["lines"]] == [
        number for number, line in enumerate(lines, 1) if "FW-DROP-DYN" in line
    ]
    assert document["logs"][0]["matched"] >= 3


def test_the_same_with_the_log_in_json(lab: Lab, tmp_path: Path, finding: Of) -> None:
    if not _reads_json():
        pytest.skip("this version does not read ulogd's JSON")
    if not lab.firewall.json.exists():
        pytest.skip("ulogd writes no JSON here: ulogd2-json is not installed")
    lab.firewall.load(dynamic="drop")
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "-w", str(kept))
    lab.client("map", SAMBA, "netlogon")
    watch.finding("dynamic-port-blocked")
    watch.stop()
    known = finding(lab.analyze(kept, "--log", lab.firewall.json), "dynamic-port-blocked")
    assert known["confidence"] == "proven"
    assert any(one["kind"] == "logged" for one in known["evidence"])


@pytest.mark.parametrize("verdict", ["reset", "admin-prohibited", "port-unreachable"])
def test_a_dynamic_port_that_is_rejected(lab: Lab, tmp_path: Path, finding: Of, verdict: Any) -> None:
    lab.firewall.load(dynamic=verdict)
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "-i", "s0", "-w", str(kept))
    lab.client("map", SAMBA, "netlogon")
    arrived, said = watch.finding("dynamic-port-rejected")
    assert arrived - syns(kept, said["port"])[0] <= WITHIN_NS
    assert said["client"] == CLIENT
    watch.stop()
    known = finding(lab.analyze(kept, "--log", lab.firewall.text), "dynamic-port-rejected")
    assert known["severity"] == "error"
    assert any(one["kind"] == "logged" for one in known["evidence"])
    if verdict != "reset":
        assert any("198.51.100.1 answers with ICMP" in one["says"] for one in known["evidence"])


def test_port_135_that_is_dropped(lab: Lab, tmp_path: Path, finding: Of) -> None:
    lab.firewall.load(mapper="drop")
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("client", "-i", "eth0", "-w", str(kept))
    lab.client("map", SAMBA, "netlogon")
    arrived, said = watch.finding("mapper-blocked")
    assert arrived - syns(kept, 135)[2] <= WITHIN_NS
    assert said["server"] == SAMBA
    watch.stop()
    known = finding(lab.analyze(kept, "--log", lab.firewall.text), "mapper-blocked")
    assert any(one["kind"] == "logged" for one in known["evidence"])


def test_a_filter_that_passes_only_the_mapper(lab: Lab, tmp_path: Path, finding: Of) -> None:
    try:
        lab.firewall.read_rpc(tmp_path / "filter.log")
    except LabError as error:
        without(f"this kernel hands no packets to programs (NFQUEUE): {error}")
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "-w", str(kept))
    assert "ncacn_ip_tcp:203.0.113.10[" in lab.does("map", SAMBA, "netlogon")
    lab.client("dcom", DCOM)
    _, said = watch.finding("strict-filter")
    assert (said["client"], said["server"]) == (CLIENT, DCOM)
    assert "kills DCOM on port 135" in said["summary"]
    watch.stop()
    assert finding(lab.analyze(kept), "strict-filter")["severity"] == "error"
    assert "denied bind of 000001a0" in (tmp_path / "filter.log").read_text()


def test_an_interface_that_is_not_registered(lab: Lab) -> None:
    watch = lab.watch("firewall", "-i", "c0")
    assert "ept_s_not_registered" in lab.does("map", SAMBA, "certificates")
    _, said = watch.finding("not-registered")
    assert said["server"] == SAMBA
    assert "refused" in watch.states


def test_a_call_that_is_denied(lab: Lab) -> None:
    watch = lab.watch("firewall", "-i", "c0")
    assert "access_denied" in lab.does("map", SAMBA, "lsarpc")
    _, said = watch.finding("access-denied")
    assert (said["client"], said["server"], said["confidence"]) == (CLIENT, SAMBA, "established")


@pytest.mark.parametrize(("level", "origin"), [("5", "activation"), ("6", "inferred")])
def test_an_activation_whose_port_is_blocked(lab: Lab, tmp_path: Path, finding: Of, level: str, origin: str) -> None:
    lab.firewall.load(dynamic="drop", dynamic_ports=str(PORT))
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "-w", str(kept))
    lab.client("dcom", DCOM, level)
    arrived, said = watch.finding("dynamic-port-blocked")
    assert arrived - syns(kept, PORT)[2] <= WITHIN_NS
    assert (said["client"], said["server"]) == (CLIENT, DCOM)
    watch.stop()
    document = lab.analyze(kept, "--log", lab.firewall.text)
    assert finding(document, "dynamic-port-blocked")["confidence"] == "proven"
    blocked = [flow for flow in document["flows"] if flow["server"]["port"] == PORT]
    assert [flow["origin"]["kind"] for flow in blocked] == [origin]
    assert not [one for one in document["findings"] if one["rule"] == "strict-filter"]


def test_an_activation_that_works(lab: Lab) -> None:
    watch = lab.watch("firewall", "-i", "c0", "-i", "s0")
    assert "2 + 40 = 42" in lab.does("dcom", DCOM)
    watch.event("turn", state="connected")
    watch.stop()
    assert [one["rule"] for one in watch.event("end")[1]["findings"]] == ["strict-rpc-violation"]


def test_a_callback_that_is_blocked(lab: Lab, tmp_path: Path, finding: Of) -> None:
    lab.firewall.load(back="drop")
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "s0", "-w", str(kept))
    lab.client("advise", DCOM)
    arrived, said = watch.finding("callback-blocked")
    assert arrived - syns(kept, 135)[-1] <= WITHIN_NS
    assert (said["client"], said["server"], said["direction"]) == (CLIENT, DCOM, "server-to-client")
    watch.stop()
    known = finding(lab.analyze(kept, "--log", lab.firewall.text), "callback-blocked")
    assert any(one["kind"] == "logged" and "BACK" in one["says"] for one in known["evidence"])


def test_two_points_tell_where_packets_were_lost(lab: Lab, tmp_path: Path, finding: Of) -> None:
    lab.firewall.load(dynamic="drop")
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "-i", "s0", "-w", str(kept))
    lab.client("map", SAMBA, "netlogon")
    _, said = watch.finding("dynamic-port-blocked")
    assert "dropped between the two capture points" in said["summary"]
    assert watch.stop(signal.SIGTERM) == 130
    known = finding(lab.analyze(kept), "dynamic-port-blocked")
    lost = [one for one in known["evidence"] if "lost between the two points" in one["says"]]
    assert lost
    assert "s0" in lost[0]["says"]
