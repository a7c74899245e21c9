"""What each product is told, and that nobody is told the number of a dynamic port."""

import re
from pathlib import Path

import pytest

from rpcdiag.remedies.advise import Remedies
from rpcdiag.remedies.remedy import Width
from rpcdiag.track.facts import Readable
from tests.build.conversation import Recording, Tcp
from tests.build.exchanges import DRSUAPI, LSARPC
from tests.unit.remedies.build import CLIENT, DFSR, MSDTC, PORT, SERVER, from_log, silent, told

FORMATS = {
    "isa-tmg-w3c": ("inspection", "RPC (all interfaces)"),
    "cisco-asa": ("inspection", "policy-map type inspect dcerpc"),
    "fortigate": ("inspection", "set name dcerpc"),
    "srx": ("inspection", DRSUAPI[0]),
    "check-point": ("inspection", f"DCE-RPC with the UUID {DRSUAPI[0]}"),
    "stormshield": ("inspection", "DCE/RPC"),
}
PERMITS = {
    "linux-netfilter": ("nft insert rule", "tcp dport { 50200 }"),
    "cisco-asa": (f"host {CLIENT} host {SERVER} eq 50200",),
    "fortigate": ("set tcp-portrange 50200", f'set srcaddr "host-{CLIENT}"'),
    "srx": ("destination-port 50200",),
    "security-group": ("FromPort=50200,ToPort=50200", "az network nsg rule create"),
    "isa-tmg-native": ("port 50200", "do not bind it to the RPC filter"),
    "something-else": ("Permit tcp/50200", CLIENT),
}


@pytest.mark.parametrize("format", FORMATS)
def test_a_product_that_reads_rpc_is_told_to(tmp_path: Path, format: str) -> None:
    found = told(tmp_path, silent(DRSUAPI), change=from_log(format, "deny all"))
    remedy = found.remedies[0]
    assert remedy.id == "rpc-inspection"
    assert FORMATS[format][1] in found.text("rpc-inspection")
    assert remedy.width is Width.INSPECTION


@pytest.mark.parametrize("format", FORMATS)
def test_a_sealed_answer_teaches_nobody(tmp_path: Path, format: str) -> None:
    found = told(tmp_path, silent(DRSUAPI))
    referral = found.diagnosis.case.referrals[0]
    sealed = referral._replace(referral=referral.referral._replace(readable=Readable.SEALED))
    case = found.diagnosis.case._replace(referrals=(sealed,))
    finding = from_log(format)(found.finding)
    assert "rpc-inspection" not in [one.id for one in Remedies(case, [finding])[finding.id]]


@pytest.mark.parametrize("format", PERMITS)
def test_a_port_that_was_fixed_is_permitted_in_the_products_own_words(tmp_path: Path, format: str) -> None:
    change = from_log(format) if format != "something-else" else None
    found = told(tmp_path, silent(DRSUAPI), change=change)
    text = found.text("static-service-port")
    assert '"TCP/IP Port" /t REG_DWORD /d 50200' in text
    for wanted in PERMITS[format]:
        assert wanted in text
    assert found.remedy("static-service-port").restart == "the domain controller"


@pytest.mark.parametrize(
    ("interface", "wanted"),
    [
        (("12345678-1234-abcd-ef00-01234567cffb", "1.0"), "DCTcpipPort /t REG_DWORD /d 50201"),
        (MSDTC, "ServerTcpPort /t REG_DWORD /d 50203"),
        (DFSR, f"dfsrdiag staticrpc /port:5722 /member:{SERVER}"),
        (("12345678-1234-abcd-ef00-0123456789ab", "1.0"), "RpcTcpPort /t REG_DWORD /d 50204"),
        (("f5cc59b4-4264-101a-8c59-08002b2f8426", "1.1"), '"RPC TCP/IP Port Assignment" /t REG_DWORD /d 50202'),
    ],
)
def test_services_that_have_a_setting(tmp_path: Path, interface: tuple[str, str], wanted: str) -> None:
    assert wanted in told(tmp_path, silent(interface)).text("static-service-port")


def test_wmi_has_its_own_fixed_port_with_a_warning(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        silent(),
        change=lambda one: one._replace(
            subject=one.subject._replace(clsid="8bc3f05e-d86b-11d0-a075-00c04fb68820", dcom=True)
        ),
    )
    text = found.text("static-service-port")
    assert "winmgmt /standalonehost" in text
    assert "24158" in text
    assert "Server 2025" in text


def test_a_class_of_its_own_program_gets_a_static_endpoint(tmp_path: Path) -> None:
    clsid = "13486d51-4821-11d2-a494-3cb306c10000"
    found = told(
        tmp_path,
        silent(),
        change=lambda one: one._replace(subject=one.subject._replace(clsid=clsid, dcom=True, interface=None)),
    )
    text = found.text("dcom-static-endpoint")
    assert f"CLSID\\{{{clsid}}}" in text
    assert "ncacn_ip_tcp,0,50206" in text
    assert "svchost" in text


def test_no_static_port_for_what_shares_its_process(tmp_path: Path) -> None:
    found = told(tmp_path, silent(LSARPC))
    assert {"static-service-port", "dcom-static-endpoint"}.isdisjoint(found.ids)
    assert "narrow-dynamic-range" in found.ids


@pytest.mark.parametrize("port", [50000, 50100, 50199, 50200, 50201])
def test_what_is_suggested_is_free_and_is_not_todays_port(tmp_path: Path, port: int) -> None:
    found = told(tmp_path, silent(DRSUAPI, port))
    for remedy in found.remedies:
        for command in remedy.commands:
            assert not re.search(rf"\b{port}\b", command.text), remedy.id
    first, last = re.search(r"/d (\d+)-(\d+) /f", found.text("narrow-dynamic-range")).groups()  # type: ignore[union-attr]
    assert int(last) - int(first) + 1 >= 100
    assert not int(first) <= port <= int(last)


def test_the_mapper_is_not_opened_where_it_is_open(tmp_path: Path) -> None:
    assert "tcp/135" not in told(tmp_path, silent(DRSUAPI)).remedy("narrow-dynamic-range").opens


def test_no_remedy_is_for_any_port_or_switches_something_off(tmp_path: Path) -> None:
    for format in (*FORMATS, *PERMITS):
        for remedy in told(tmp_path, silent(DRSUAPI), change=from_log(format)).remedies:
            text = " ".join(command.text for command in remedy.commands).lower()
            assert "1025-65535" not in text
            assert "0-65535" not in text
            assert "-localport any" not in text
            assert "-enabled false" not in text
            assert "state off" not in text
            assert str(PORT) not in text
            assert remedy.opens
            assert remedy.price


def test_ipv6_hosts(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        other = Tcp(recording, "fd00:1::7", 50500, "fd00:2::5", 445)
        other.open()
        other.close()
        Tcp(recording, "fd00:1::7", 50600, "fd00:2::5", 135).syns()

    found = told(tmp_path, build, "mapper-blocked", change=from_log("linux-netfilter"))
    text = found.text("open-mapper")
    assert "ip6 saddr { fd00:1::7 } ip6 daddr fd00:2::5 tcp dport { 135 }" in text
    assert "ip6tables" in text
    replay = found.remedy("open-mapper").replay
    assert replay is not None
    assert replay.cures
    assert "2001:db8:ffff::7, is still refused" in replay.says
