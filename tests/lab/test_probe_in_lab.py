"""`rpcdiag probe` asks a real mapper and tries what it names."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import Lab
from tests.lab.network import CLIENT, DCOM, SAMBA, rpcdiag
from tests.lab.watching import packets

pytestmark = pytest.mark.lab


def _probe(lab: Lab, *arguments: str, code: int) -> str:
    done = lab.network.run("client", *rpcdiag("probe", *arguments), check=False, timeout=60)
    assert done.returncode == code, done.stderr + done.stdout
    assert not done.stderr
    return done.stdout


def _document(lab: Lab, *arguments: str, code: int) -> dict[str, Any]:
    """Without port 593, which Samba's mapper names and Samba does not serve."""
    document: dict[str, Any] = json.loads(_probe(lab, *arguments, "-T", "json", code=code))
    document["ports"] = [port for port in document["ports"] if port["port"] != 593]
    return document


def test_everything_listens(lab: Lab) -> None:
    document = _document(lab, SAMBA, code=1)
    assert document["mapper"]["state"] == "LISTENING"
    assert document["mapper"]["endpoints"] > 30
    assert document["mapper"]["listing_trouble"] is None
    names = {one["name"]: port for port in document["ports"] for one in port["interfaces"]}
    assert {"netlogon", "samr", "lsarpc", "drsuapi"} <= {str(name).lower() for name in names}
    assert {port["state"] for port in document["ports"]} == {"LISTENING"}
    assert all(port["port"] >= 49152 for port in document["ports"])
    assert "91ae6020-9e3c-11cf-8d7c-00aa00c091be" in [one["uuid"] for one in document["mapper"]["not_registered"]]
    assert document["resolver"]["trouble"] == "the interface is not offered there"


@pytest.mark.parametrize(
    ("verdict", "state", "why"),
    [
        ("drop", "FILTERED", "no answer within 3 s"),
        ("reset", "NOT LISTENING", None),
        ("admin-prohibited", "FILTERED", "ICMP: host unreachable or prohibited"),
    ],
)
def test_ports_that_the_firewall_stops(lab: Lab, verdict: Any, state: str, why: str | None) -> None:
    lab.firewall.load(dynamic=verdict)
    document = _document(lab, SAMBA, code=1)
    assert {(port["state"], port["why"]) for port in document["ports"]} == {(state, why)}


def test_it_says_so_in_words(lab: Lab) -> None:
    lab.firewall.load(dynamic="drop")
    said = _probe(lab, SAMBA, code=1)
    assert "TCP port 135 (endpoint mapper): LISTENING" in said
    assert "): FILTERED (no answer within 3 s)" in said
    assert "passes port 135 but not 49152, 4915" in said


def test_port_135_itself(lab: Lab) -> None:
    lab.firewall.load(mapper="drop")
    document = _document(lab, SAMBA, code=1)
    assert document["mapper"]["state"] == "FILTERED"
    assert document["ports"] == []


def test_a_resolver_says_where_it_is(lab: Lab) -> None:
    assert _document(lab, DCOM, code=0)["resolver"] == {"bindings": [DCOM], "trouble": None}


def test_what_it_did_is_a_capture(lab: Lab, tmp_path: Path) -> None:
    lab.firewall.load(dynamic="drop")
    kept = tmp_path / "probe.pcapng"
    _probe(lab, SAMBA, "-w", str(kept), code=1)
    assert len(packets(kept)) > 30
    document = lab.analyze(kept)
    blocked = [one for one in document["findings"] if one["rule"] == "dynamic-port-blocked"]
    assert [(one["client"], one["server"]) for one in blocked] == [(CLIENT, SAMBA)]
    kinds = {one["kind"] for one in document["referrals"]}
    assert kinds == {"ept_lookup", "ept_map"}


def test_without_the_right_to_capture(lab: Lab, tmp_path: Path) -> None:
    kept = tmp_path / "probe.pcapng"
    done = lab.network.run(
        "client", "setpriv", "--bounding-set", "-net_raw", *rpcdiag("probe", SAMBA, "-w", str(kept)), check=False
    )
    assert done.returncode == 4
    assert f"sudo rpcdiag probe {SAMBA} -w {kept}" in done.stderr
    assert not kept.exists()
