"""Sealed calls of captures whose keys their makers published."""

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.unseal import Keys
from tests.build.verifying import needs_tshark
from tests.corpus.at_hand import CORPUS, LAB

pytestmark = [pytest.mark.corpus, needs_tshark]
SCAPY = CORPUS / "scapy"
ACTIVATION = LAB / "21-dcom-activation-sealed.pcapng"


@pytest.mark.parametrize(("name", "pdus"), [("dcerpc_privacy_ntlm", 12), ("dcerpc_msdrsr_cracknames", 4)])
def test_scapy_s_captures_are_opened_with_the_password_of_its_tests(name: str, pdus: int) -> None:
    path = SCAPY / f"{name}.pcapng"
    if not path.exists():
        pytest.skip("the public captures lie in ../shared, outside the repository")
    opened = analyze([str(path)], keys=Keys(nt_password="Password123!"))
    assert opened.case.captures[0].notes == (f"the given password opened {pdus} of {pdus} sealed PDUs",)
    assert not opened.remarks
    (remark,) = analyze([str(path)], keys=Keys(nt_password="Password124!")).remarks
    assert f"the given password opened none of {pdus} sealed PDUs: wrong key" in remark


def test_a_sealed_activation_names_the_port_of_the_connection_that_follows() -> None:
    if not ACTIVATION.exists():
        pytest.skip("the lab's captures lie in ../shared, outside the repository")
    closed, opened = (analyze([str(ACTIVATION)], keys=keys) for keys in (None, Keys(nt_password="Lab-Pass1")))
    assert [one.origin.kind.value for one in closed.case.flows] == ["mapper", "mapper", "inferred", "inferred"]
    assert [(one.origin.kind.value, one.origin.confidence.value) for one in opened.case.flows[2:]] == [
        ("activation", "proven")
    ] * 2
    (referral,) = opened.case.referrals
    assert referral.referral.readable == "clear"
    assert referral.referral.clsid == "11111111-2222-4333-8444-5555666677ab"
    assert [end.text for end in referral.referral.endpoints] == ["203.0.113.10[49670]"]
