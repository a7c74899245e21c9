"""Another dissector's reading of the same captures, as the catalogue holds it: ports, bindings, numbers of PDUs."""

import csv
from pathlib import Path

import pytest

from rpcdiag.case import Case
from tests.corpus.at_hand import CORPUS, diagnosed

pytestmark = pytest.mark.corpus
CATALOG = CORPUS / "CATALOG.tsv"

if not CATALOG.exists():
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)

with CATALOG.open(encoding="utf-8", newline="") as stream:
    ROWS = list(csv.DictReader(stream, delimiter="\t"))

# RPC by content where the other follows a port number (mapi, dcerpc_synthetic, dcerpc-request-http-response), and
# connectionless RPC, which is not read yet (the others)
DIFFERENT = {
    "zeek/mapi.pcap",
    "others/dcerpc_synthetic.pcap", "suricata-verify/dcerpc-request-http-response.pcap",
    "suricata-verify/dcerpc-udp-scapy.pcap", "others/dcerpc.pcap", "others/evilprogram.pcap",
}  # fmt: skip


def _case(row: dict[str, str]) -> Case:
    return diagnosed(CORPUS / row["file"]).case


@pytest.fixture(params=ROWS, ids=lambda row: Path(row["file"]).name)
def row(request: pytest.FixtureRequest) -> dict[str, str]:
    found: dict[str, str] = request.param
    return found


def test_the_ports_that_mappers_handed_out(row: dict[str, str]) -> None:
    ours = {
        str(endpoint.port)
        for one in _case(row).referrals
        if one.referral.kind in ("ept_map", "ept_lookup")
        for endpoint in one.referral.endpoints
        if endpoint.protseq == "ncacn_ip_tcp"
    }
    assert ours == set(row["mapper_tcp_ports"].split()) - {"-"}


def test_the_bindings_that_dcom_handed_out(row: dict[str, str]) -> None:
    ours = {
        endpoint.text
        for one in _case(row).referrals
        if one.referral.kind in ("activation", "resolve_oxid")
        and not one.referral.unbound  # without the bind, the other does not read them
        for endpoint in one.referral.endpoints
        if endpoint.port is not None
    }
    assert ours == set(row["dcom_bindings_with_port"].split()) - {"-"}


def test_the_number_of_pdus_over_tcp_and_in_pipes(row: dict[str, str]) -> None:
    if row["file"] in DIFFERENT:
        pytest.skip("the two differ here for a known reason: see DIFFERENT")
    theirs = sum(int(item.partition("=")[2] or 0) for item in row["dcerpc_pdus_by_tshark"].split())
    ours = sum(flow.rpc.pdus for flow in _case(row).flows if flow.rpc)
    assert ours == theirs
