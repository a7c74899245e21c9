"""What is known of single public captures."""

from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Seen, Severity
from rpcdiag.report.outputs.json import document
from tests.corpus.at_hand import CORPUS, LAB, captures, diagnosed

pytestmark = pytest.mark.corpus
WMI = CORPUS / "pcap-attack" / "LM_WMI_ProcessCallCreate.pcapng"
SHADOW = CORPUS / "pcap-attack" / "DCShadow_add_primarygroupid_512_to_std_account.pcapng"
MMC = CORPUS / "pcap-attack" / "LM_dcom_mmc20.application_dcerpc.pcapng"

if not captures():
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)


def _errors(diagnosis: Diagnosis) -> list[Finding]:
    return [finding for finding in diagnosis.findings if finding.severity is Severity.ERROR]


def _found(diagnosis: Diagnosis, rule: str) -> Finding:
    (finding,) = [finding for finding in diagnosis.findings if finding.rule == rule]
    return finding


def _packets(finding: Finding) -> set[int]:
    return {packet for one in finding.evidence if isinstance(one, Seen) for packet in one.packets}


def test_a_wmi_activation_refers_to_the_flow_that_follows() -> None:
    diagnosis = diagnosed(WMI)
    (referral,) = diagnosis.case.referrals
    assert (referral.referral.kind, referral.referral.request_packet, referral.referral.response_packet) == (
        "activation", 24, 25,
    )  # fmt: skip
    assert str(referral.asked_on.flow.server.address) == "172.16.66.36"
    assert 49670 in {endpoint.port for endpoint in referral.referral.endpoints}
    (used,) = referral.flows
    flow = diagnosis.case.flow(used)
    assert flow.flow.first_packet == 26
    assert (flow.origin.kind, flow.origin.confidence) == ("activation", "proven")
    assert (flow.strict.verdict, flow.strict.kind) == ("violation", "dcom-follow-up")
    assert flow.flow.outcome == "established"
    assert not _errors(diagnosis)


def test_a_refused_lookup_that_is_repeated_with_a_logon_is_one_lookup() -> None:
    diagnosis = diagnosed(SHADOW)
    good, refused = diagnosis.case.referrals
    assert good.referral.response_packet == 27
    assert [endpoint.port for endpoint in good.referral.endpoints] == [49667]
    assert good.flows
    assert [one.response_packet for one in refused.referral.tries] == [46, 55]
    assert str(refused.asked_on.flow.client.address) == str(good.asked_on.flow.server.address)
    finding = _found(diagnosis, "not-registered")
    assert finding.times == 1
    assert {46, 55} <= _packets(finding)
    assert [one.rule for one in _errors(diagnosis)] == ["not-registered"]


def test_a_flow_that_no_lookup_explains_is_no_violation_that_is_proven() -> None:
    flow = next(one for one in diagnosed(SHADOW).case.flows if one.flow.server.port == 49669)
    assert flow.origin.kind in ("before_capture", "other_client")
    assert flow.strict.verdict == "indeterminate"


def test_without_a_bind_and_a_syn_nothing_is_sure() -> None:
    """The activation is told by its body, and names the port of the other connection."""
    diagnosis = diagnosed(MMC)
    assert {(flow.strict.verdict, flow.strict.confidence) for flow in diagnosis.case.flows} == {("violation", "likely")}
    (referral,) = diagnosis.case.referrals
    assert (referral.referral.readable, referral.referral.status) == ("carved", 0)
    asked, used = diagnosis.case.flows
    assert (used.origin.kind, used.origin.confidence, used.flow.server.port) == ("activation", "likely", 60283)
    assert asked.rpc is not None
    (use,) = asked.rpc.interfaces
    assert (use.accepted, use.by) == (None, "the activation properties in the request")
    assert {flow.flow.outcome for flow in diagnosis.case.flows} == {"midstream"}
    assert not _errors(diagnosis)


def test_a_dynamic_port_that_was_blocked_twice_is_one_finding_also_from_the_cache() -> None:
    path = next(CORPUS.glob("otrf/covenant_sharpsc_create*"))
    finding = _found(diagnosed(path), "dynamic-port-blocked")
    assert finding.times == 2
    assert finding.subject.port == 50115


@pytest.mark.parametrize(
    "name",
    ["SCRANTON", "covenant_dcom", "covenant_sharpwmi", "empire_dcom", "empire_dcsync", "mapi", "20-fids", "bug-5133",
     "kerberos135", "smb3_multichannel", "Discovery_impacket", "discovery_scan", "zerologon", "schtask", "DCSync"],
)  # fmt: skip
def test_nothing_cries_error_where_nothing_failed(name: str) -> None:
    for path in [path for path in captures() if path.name.startswith(name)]:
        assert not _errors(diagnosed(path)), path.name


LAB_CAUSES = {
    "04-dyn-drop": "dynamic-port-blocked",
    "05-dyn-reset": "dynamic-port-rejected",
    "06-dyn-icmp-admin": "dynamic-port-rejected",
    "07-dyn-icmp-port": "dynamic-port-rejected",
    "08-epm-drop": "mapper-blocked",
    "09-not-registered": "not-registered",
    "10-auth-bad-password": "bad-credentials",
    "11-access-denied-fault": "access-denied",
    "14-bind-interface-rejected": "bind-rejected",
    "15-stale-port-server-reset": "dynamic-port-closed",
    "22-dcom-oxid-port-drop": "dynamic-port-blocked",
    "23-dcom-oxid-port-reset": "dynamic-port-rejected",
    "24-dcom-class-not-registered": "activation-failed",
    "25-dcom-auth-bad-password": "access-denied",
    "28-dcom-bindings-unreachable-address": "binding-unreachable",
    "30-strict-rpc-filter-drop": "strict-filter",
    "30-strict-rpc-filter-rst": "strict-filter",
}


@pytest.mark.parametrize("name", sorted(LAB_CAUSES))
def test_the_lab_captures_get_their_cause_and_no_other(name: str) -> None:
    logs = [path for path in (LAB / f"{name}.fw.log", LAB / f"{name}.filter.log") if path.exists()]
    errors = {finding.rule for finding in _errors(diagnosed(LAB / f"{name}.pcapng", *logs))}
    # where the log of a strict filter shows the kill, the violation is the cause and says so
    assert errors - {"strict-rpc-violation"} == {LAB_CAUSES[name]}
    assert "strict-rpc-violation" not in errors or LAB_CAUSES[name] == "strict-filter"


@pytest.mark.parametrize("name", ["04-dyn-drop", "05-dyn-reset", "06-dyn-icmp-admin", "07-dyn-icmp-port", "08-epm-drop",
                                  "22-dcom-oxid-port-drop", "23-dcom-oxid-port-reset"])  # fmt: skip
def test_the_lab_firewall_log_proves_it(name: str) -> None:
    log = LAB / f"{name}.fw.log"
    diagnosis = diagnosed(LAB / f"{name}.pcapng", log)
    finding = _found(diagnosis, LAB_CAUSES[name])
    assert finding.confidence == "proven"
    lines = {line for one in finding.evidence for line in getattr(one, "lines", ())}
    refused = [
        number for number, line in enumerate(log.read_text().splitlines(), 1) if "DROP" in line or "REJECT" in line
    ]
    wanted = [
        number for number in refused if f"DPT={finding.subject.port} " in log.read_text().splitlines()[number - 1]
    ]
    assert lines
    assert lines <= set(wanted)


@pytest.mark.parametrize("name", ["01-", "02-", "03-", "12-", "13-", "20-", "21-", "26-", "27-", "31-"])
def test_the_healthy_lab_captures_are_healthy(name: str) -> None:
    (path,) = LAB.glob(f"{name}*.pcapng")
    assert not _errors(diagnosed(path))


def test_a_tower_without_an_address_means_the_server_that_was_asked() -> None:
    referrals = document(diagnosed(next(LAB.glob("01-*.pcapng"))))["referrals"]
    (endpoint,) = referrals[0]["endpoints"]
    assert (endpoint["address"], endpoint["host"], endpoint["port"]) == ("203.0.113.10", None, 49153)


def test_two_capture_points_are_two_flows_and_one_case() -> None:
    case = diagnosed(next(LAB.glob("02-*.pcapng"))).case
    assert len(case.flows) == 8
    assert len(case.conversations) == 4
    assert len(case.referrals) == 2
    assert all(flow.flow.syn_count == 1 for flow in case.flows)
    assert all(flow.same_as for flow in case.flows)


def test_a_sealed_activation_is_inferred_never_proven() -> None:
    case = diagnosed(next(LAB.glob("21-*.pcapng"))).case
    flow = next(flow for flow in case.flows if flow.flow.server.port == 49670)
    assert (flow.origin.kind, flow.origin.confidence) == ("inferred", "established")
    assert case.referrals[0].referral.readable == "sealed"


def test_the_end_of_a_listing_is_no_missing_service() -> None:
    diagnosis = diagnosed(next(LAB.glob("03-*.pcapng")))
    (referral,) = diagnosis.case.referrals
    assert referral.referral.kind == "ept_lookup"
    assert len(referral.referral.endpoints) > 40
    assert not diagnosis.findings


def test_both_ends_recorded_in_two_files_are_one_case() -> None:
    both = sorted(str(path) for path in CORPUS.glob("otrf/empire_dcom_shellwindows_*"))
    case = analyze(both).case
    assert len(case.conversations) < len(case.flows)
    assert all(len(one.flows) == 2 for one in case.conversations)


def test_a_capture_that_is_cut_is_read_up_to_there() -> None:
    path: Path = next(CORPUS.glob("otrf/covenant_sc_query*"))
    diagnosis = diagnosed(path)
    assert diagnosis.case.captures[0].packets == 215
    assert len(diagnosis.cuts) == 1
    assert "packets 1 to 215 were read" in str(diagnosis.cuts[0])


def test_a_client_that_is_handed_an_object_asks_where_it_listens_and_goes_there() -> None:
    diagnosis = diagnosed(next(CORPUS.glob("otrf/covenant_dcom_iertutil*WORKSTATION5*")))
    (handed,) = [one.referral for one in diagnosis.case.referrals if one.referral.kind == "object_reference"]
    (resolved,) = [one for one in diagnosis.case.referrals if one.referral.oxid == handed.oxid][1:]
    assert (handed.by_client, handed.response_packet, resolved.referral.kind) == (False, 558, "resolve_oxid")
    (used,) = [diagnosis.case.flow(flow) for flow in resolved.flows]
    assert used.origin.why == "packet 579 names port 65082; the object was handed over in packet 558"


def test_the_extended_error_of_a_real_fault_is_with_its_call() -> None:
    flows = diagnosed(CORPUS / "scapy" / "dcerpc_privacy_ntlm.pcapng").case.flows
    (fault,) = [fault for flow in flows if flow.rpc for fault in flow.rpc.faults]
    assert [(one.computer, one.component_name, one.status) for one in fault.extended] == [("DC1", "RPC runtime", 1745)]
    assert fault.request_packet is not None
