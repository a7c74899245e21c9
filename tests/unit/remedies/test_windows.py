"""Rules of Windows Firewall, as text and as what the simulator evaluates."""

from ipaddress import ip_address, ip_network
from pathlib import Path

from rpcdiag.policy.model import Keyword
from rpcdiag.remedies.situation import reach
from rpcdiag.remedies.windows import Inbound, mapper
from tests.build.conversation import Recording, Tcp
from tests.unit.remedies.build import CLIENT, EVENTLOG, SERVER, from_log, silent, told


def _rule(name: str = "WMI from inside") -> Inbound:
    return Inbound(
        name, "RPC", reach([ip_address("10.1.2.3")]), "because", r"%SystemRoot%\System32\svchost.exe", "winmgmt"
    )


def test_powershell_and_netsh_say_the_same() -> None:
    rule = _rule()
    for wanted in ("-LocalPort RPC ", "-Service winmgmt", "-RemoteAddress 10.1.2.0/24", "-Profile Domain", "'because'"):
        assert wanted in rule.powershell
    for wanted in (
        "localport=RPC ",
        "service=winmgmt",
        "remoteip=10.1.2.0/24",
        "profile=domain",
        'description="because"',
    ):
        assert wanted in rule.netsh
    assert rule.model.sources.networks == (ip_network("10.1.2.0/24"),)
    assert rule.model.ports.keywords == (Keyword.RPC,)


def test_the_mapper_is_called_otherwise_by_netsh() -> None:
    companion = mapper(reach([ip_address("10.1.2.3")]))
    assert "-LocalPort RPCEPMap" in companion.powershell
    assert "localport=RPC-EPMap" in companion.netsh
    assert companion.model.service == "RpcSs"


def test_a_hostile_name_stays_inside_its_quotes() -> None:
    rule = _rule("x'; calc; '")
    assert "-DisplayName 'x''; calc; '''" in rule.powershell
    assert "name=\"x'? calc? '\"" in rule.netsh


def test_the_rule_is_for_program_and_service_with_its_companion(tmp_path: Path) -> None:
    found = told(tmp_path, silent())
    assert found.ids[0] == "windows-firewall-rpc-rule"
    text = found.text("windows-firewall-rpc-rule")
    for wanted in ("-LocalPort RPCEPMap", "-LocalPort RPC ", "-Service EventLog", "-RemoteAddress 10.20.3.0/24", "netsh ",
                   "RPC Dynamic Ports", "Computer Configuration > Policies > Windows Settings"):  # fmt: skip
        assert wanted in text
    remedy = found.remedy("windows-firewall-rpc-rule")
    assert "DHCP" in remedy.why
    assert "10.20.3.0/24" in remedy.opens
    assert remedy.restart is None
    assert "'Remote Event Log Management'" in found.text("windows-firewall-built-in-group")


def test_all_who_fail_alike_are_let_in(tmp_path: Path) -> None:
    found = told(tmp_path, silent(EVENTLOG, clients=(CLIENT, "10.20.9.4")))
    assert "-RemoteAddress 10.20.3.0/24, 10.20.9.0/24" in found.text("windows-firewall-rpc-rule")


def test_a_stranger_who_fails_too_is_not_let_in(tmp_path: Path) -> None:
    found = told(tmp_path, silent(EVENTLOG, clients=(CLIENT, "198.51.100.4")))
    assert "198.51.100" not in found.text("windows-firewall-rpc-rule")


def test_where_the_host_itself_drops_no_device_is_blamed(tmp_path: Path) -> None:
    found = told(tmp_path, silent(), change=from_log("windows-firewall"))
    assert {"static-service-port", "narrow-dynamic-range", "windows-firewall-drop-log"}.isdisjoint(found.ids)
    assert found.ids[0] == "windows-firewall-rpc-rule"


def test_where_a_device_drops_the_host_is_left_alone(tmp_path: Path) -> None:
    found = told(tmp_path, silent(), change=from_log("linux-netfilter"))
    assert not [id for id in found.ids if id.startswith("windows-firewall")]


def test_a_fixed_port_is_opened_by_exactly_its_number(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        Tcp(recording, CLIENT, 50700, SERVER, 24158).syns()
        silent()(recording)

    found = told(
        tmp_path,
        build,
        change=lambda one: one._replace(
            flows=("f1",), referrals=(), subject=one.subject._replace(port=24158, dynamic=False, interface=None)
        ),
    )
    assert "-LocalPort 24158" in found.text("windows-firewall-fixed-port-rule")
    assert "tcp/24158" in found.text("open-fixed-port")
    assert "narrow-dynamic-range" not in found.ids
