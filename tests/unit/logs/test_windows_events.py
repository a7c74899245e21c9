"""Windows events in every form they are exported in."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag import plugins
from rpcdiag.errors import InputError, MissingPiece
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.formats import (
    isa_tmg_viewer_table,
    windows_events,
    windows_events_json,
    windows_events_xml,
    windows_wfp,
)
from rpcdiag.logs.reader import read

FORMATS: list[LogFormat] = plugins.discover("rpcdiag.logs.formats", "FORMAT")
SECURITY = "Microsoft-Windows-Security-Auditing"
DCOM = "Microsoft-Windows-DistributedCOM"
SERVICES = r"\device\harddiskvolume2\windows\system32\services.exe"
BLOCKED = {
    "ProcessId": "732", "Application": SERVICES, "Direction": "%%14592", "SourceAddress": "10.0.0.1", "SourcePort": "50000",
    "DestAddress": "10.0.0.9", "DestPort": "49670", "Protocol": "6", "FilterRTID": "69408", "LayerName": "%%14610",
}  # fmt: skip
WFP = """<?xml version="1.0"?>
<netEvents numItems="2">
 <item><header><timeStamp>2024-05-02T08:00:01.250Z</timeStamp><flags numItems="1"><item>FWPM_NET_EVENT_FLAG_IP_PROTOCOL_SET</item></flags>
  <ipProtocol>6</ipProtocol><localAddrV4>10.0.0.9</localAddrV4><remoteAddrV4>10.0.0.1</remoteAddrV4><localPort>49670</localPort>
  <remotePort>50000</remotePort><appId><data>73006d0062000000</data></appId></header>
  <type>FWPM_NET_EVENT_TYPE_CLASSIFY_DROP</type>
  <classifyDrop><filterId>69408</filterId><layerId>44</layerId><msFwpDirection>MS_FWP_DIRECTION_IN</msFwpDirection></classifyDrop></item>
 <item><header><timeStamp>yesterday</timeStamp></header><type>x</type></item>
</netEvents>"""


def _flat(event: int, values: dict[str, Any], provider: str = SECURITY, **more: Any) -> str:
    head = {"EventID": event, "SourceName": provider, "Hostname": "srv.example", "EventTime": "2020-08-05 03:48:29"}
    return json.dumps(head | values | more)


def _xml(event: int, values: dict[str, str], provider: str = SECURITY, record: int = 331012) -> str:
    data = "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in values.items())
    return (
        f"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='{provider}'/>"
        f"<EventID>{event}</EventID><TimeCreated SystemTime='2020-08-05T07:48:29.2241234Z'/><EventRecordID>{record}"
        f"</EventRecordID><Computer>srv</Computer></System><EventData>{data}</EventData></Event>"
    )


def _nested(event: int, values: dict[str, str], provider: str = SECURITY) -> str:
    system = {
        "Provider": {"#attributes": {"Name": provider}}, "EventID": {"#attributes": {"Qualifiers": 0}, "#text": event},
        "TimeCreated": {"#attributes": {"SystemTime": "2020-08-05T07:48:29.224123Z"}}, "EventRecordID": 7, "Computer": "srv",
    }  # fmt: skip
    return json.dumps({"Event": {"System": system, "EventData": values}})


def _beat(event: int, values: dict[str, str], provider: str = SECURITY) -> str:
    winlog = {"event_id": event, "provider_name": provider, "computer_name": "srv", "event_data": values}
    return json.dumps({"@timestamp": "2020-08-05T07:48:29.224Z", "winlog": winlog})


def _entry(parsed: object) -> LogEntry:
    assert isinstance(parsed, LogEntry)
    return parsed


def _one(text: str) -> LogEntry:
    parse = windows_events_xml.parse if text.startswith("<") else windows_events_json.parse
    (entry,) = parse([text])
    return _entry(entry)


@pytest.mark.parametrize("form", [_flat, _xml, _nested, _beat])
def test_a_blocked_connection_is_the_same_in_every_form(form: Any) -> None:
    entry = _one(form(5157, BLOCKED))
    assert (entry.action, entry.path, entry.protocol, entry.event) == ("drop", "in", "tcp", 5157)
    assert (str(entry.source), entry.source_port, str(entry.destination), entry.destination_port) == (
        "10.0.0.1", 50000, "10.0.0.9", 49670,
    )  # fmt: skip
    assert (entry.program, entry.pid, entry.rule) == (SERVICES, 732, "WFP filter 69408")
    assert entry.says is not None
    assert entry.says.startswith("Receive/Accept")
    assert entry.basis == ("local" if form is _flat else "utc")


def test_times_of_events_keep_their_fractions() -> None:
    assert _one(_xml(5157, BLOCKED)).written_ns == 1_596_613_709_224_123_400 // 100 * 100
    assert _one(_nested(5157, BLOCKED)).resolution_ns == 1000
    assert _one(_flat(5157, BLOCKED)).resolution_ns == 1_000_000_000


def test_an_xml_entry_has_the_number_of_its_record_and_a_json_entry_that_of_its_line() -> None:
    assert _one(_xml(5157, BLOCKED)).line == 331012
    (entry,) = windows_events_json.parse(["", _flat(5157, BLOCKED)])
    assert entry.line == 2


def test_xml_needs_no_root_and_no_lines_and_survives_a_broken_event() -> None:
    text = (
        "<Events>"
        + _xml(5157, BLOCKED, record=1)
        + "<Event><System><EventID>5157</EventID>\n"
        + _xml(5157, BLOCKED, record=2)
    )
    text += "\n<Event><EventID>5157</EventID><a></Event>" + _xml(5157, BLOCKED, record=3) + "<Event><System>"
    for pieces in ([text], [text[at : at + 7] for at in range(0, len(text), 7)]):
        found = list(windows_events_xml.parse(pieces))
        assert [one.line for one in found if isinstance(one, LogEntry)] == [1, 2, 3]
        assert [one.line for one in found if isinstance(one, BadLine)] == [1, 3, 3]


def test_xml_that_defines_entities_is_refused() -> None:
    bomb = '<Event><System><EventID>5157</EventID></System><!DOCTYPE a [<!ENTITY b "c">]></Event>'
    assert isinstance(next(windows_events_xml.parse([bomb])), BadLine)


def test_an_incoming_connection_of_windows_7_is_turned_round() -> None:
    out = BLOCKED | {"Direction": "%%14593", "SourceAddress": "10.0.0.9", "DestAddress": "10.0.0.5"}
    old = BLOCKED | {"SourceAddress": "10.0.0.9", "SourcePort": "49670", "DestAddress": "10.0.0.1", "DestPort": "50000"}
    _, entry = (_entry(one) for one in windows_events_json.parse([_flat(5156, out), _flat(5156, old)]))
    assert (str(entry.source), entry.source_port, entry.destination_port) == ("10.0.0.1", 50000, 49670)
    low = old | {"SourcePort": "135"}
    assert str(_one(_flat(5156, low)).destination) == "10.0.0.9"  # by its port where nothing is known of the host
    assert str(_one(_flat(5156, BLOCKED)).source) == "10.0.0.1"


def test_a_filter_gets_its_name_from_the_event_that_changed_it() -> None:
    named = {"FilterId": "69408", "FilterName": "Block dynamic RPC"}
    (entry,) = windows_events_json.parse([_flat(5447, named), _flat(5157, BLOCKED)])
    assert _entry(entry).rule == "Block dynamic RPC"
    assert _one(_flat(5157, BLOCKED | {"FilterOrigin": "Stealth"})).rule == "Stealth"


def test_the_writer_of_a_flat_event_is_not_the_program() -> None:
    said = "Application Information:\r\n\tProcess ID:\t\t832\r\n"
    flat = BLOCKED | {"ProcessId": 4}
    assert _one(_flat(5156, flat, Message=said)).pid == 832
    assert _one(_flat(5156, flat)).pid is None
    assert _one(_flat(5156, flat | {"Application": "System"})).pid == 4


def test_a_program_that_listens() -> None:
    values = {"ProcessId": "9", "Application": "x.exe", "SourceAddress": "::", "SourcePort": "49603", "Protocol": "6"}
    entry = _one(_xml(5154, values))
    assert (entry.action, entry.source_port, entry.destination_port, entry.says) == (
        "info",
        49603,
        None,
        "x.exe listens",
    )


@pytest.mark.parametrize(
    ("event", "provider", "values", "part"),
    [
        (10028, DCOM, ["srv01", "    1ce8", r"C:\x\mmc.exe"], "could not reach srv01"),
        (10006, DCOM, ["2147944122", "srv01", "{da6aa17a}"], "0x800706ba"),
        (10036, DCOM, ["DOM", "bob", "S-1-5-21", "10.0.0.1"], r"DOM\bob at 10.0.0.1"),
        (10010, DCOM, ["{da6aa17a}"], "did not register"),
        (5719, "NETLOGON", ["CONTOSO"], "no domain controller of CONTOSO"),
        (3, "RPCFW", ["svchost", "block"], "RPC Firewall"),
        (31144, "MSDPM", ["agent"], "event 31144"),
    ],
)
def test_what_dcom_and_others_report(event: int, provider: str, values: list[str], part: str) -> None:
    entry = _one(_xml(event, {f"param{number}": value for number, value in enumerate(values, 1)}, provider))
    assert part in (entry.says or "")
    assert entry.action == "info"
    assert (str(entry.source) == "10.0.0.1") == (event == 10036)


def test_the_same_number_of_another_provider_is_not_ours() -> None:
    for event, provider in ((10010, "Microsoft-Windows-RestartManager"), (3, "Disk"), (5719, "X"), (5157, "X")):
        assert not list(windows_events_json.parse([_flat(event, BLOCKED, provider)]))


def test_a_call_that_met_an_rpc_filter() -> None:
    values = {
        "RemoteIpAddress": "10.0.0.1",
        "RemotePort": "50000",
        "InterfaceUuid": "{367ABB81-9844-35F1-AD32-98F038001003}",
    }
    entry = _one(_flat(5712, values, EventType="AUDIT_FAILURE"))
    assert entry.interface == "367abb81-9844-35f1-ad32-98f038001003"
    assert "blocked" in (entry.says or "")
    assert not entry.drops


FAILED_LOGON = {
    "TargetUserName": "anna", "TargetDomainName": "LAB", "Status": "0xc000006d", "SubStatus": "0xc000006a", "LogonType": "3",
    "AuthenticationPackageName": "NTLM", "WorkstationName": "WS1", "IpAddress": "10.0.0.1", "IpPort": "50001",
    "ProcessName": "-",
}  # fmt: skip


@pytest.mark.parametrize("form", [_xml, _nested, _beat, _flat])
def test_a_logon_that_failed(form: Any) -> None:
    entry = _one(form(4625, FAILED_LOGON))
    assert (str(entry.source), entry.source_port, entry.code) == ("10.0.0.1", 50001, 0xC000006A)
    assert (entry.user, entry.workstation, entry.program, entry.action) == ("anna", "WS1", None, "info")
    assert (
        entry.says
        == r"the logon failed for LAB\anna, type 3, NTLM, workstation WS1: STATUS_WRONG_PASSWORD (0xc000006a)"
    )


@pytest.mark.parametrize(
    ("event", "values", "code", "part"),
    [
        (4771, {"Status": "0x18", "IpAddress": "::ffff:10.0.0.1", "IpPort": "49152", "TargetUserName": "anna"}, 24,
         "pre-authentication failed for anna: KDC_ERR_PREAUTH_FAILED (0x18)"),
        (4768, {"Status": "0x12", "IpAddress": "::ffff:10.0.0.1"}, 18, "no ticket: KDC_ERR_CLIENT_REVOKED"),
        (4769, {"Status": "0x25", "IpAddress": "::ffff:10.0.0.1", "ServiceName": "SRV$"}, 37, "no ticket for a service of service SRV$"),
        (4776, {"Status": "0xC0000234", "Workstation": "WS1", "TargetUserName": "anna"}, 0xC0000234, "workstation WS1"),
        (4625, {"Status": "0xc000005e", "SubStatus": "0x0", "IpAddress": "-", "IpPort": "-"}, 0xC000005E, "the logon failed"),
    ],
)  # fmt: skip
def test_what_controllers_refuse(event: int, values: dict[str, str], code: int, part: str) -> None:
    entry = _one(_xml(event, values))
    assert entry.code == code
    assert part in (entry.says or "")
    assert (entry.source is None) == (values.get("IpAddress", "-") == "-")


def test_logons_that_succeed_are_left_out() -> None:
    for event in (4768, 4769, 4776):
        for status in ("0x0", "", "yes"):
            assert not list(windows_events_xml.parse([_xml(event, {"Status": status, "IpAddress": "10.0.0.1"})]))


def test_addresses_and_ports_that_are_none() -> None:
    values = FAILED_LOGON | {"IpAddress": "fe80::1%4", "IpPort": "0", "SubStatus": "0x1ffffffffffff"}
    entry = _one(_xml(4625, values))
    assert (str(entry.source), entry.source_port, entry.code) == ("fe80::1", None, 0xC000006D)


def test_ports_that_ran_out_are_told_by_tcpip_only() -> None:
    assert "no source port left" in (_one(_xml(4231, {}, "Tcpip")).says or "")
    assert "a moment ago" in (_one(_xml(4227, {}, "Microsoft-Windows-TCPIP")).says or "")
    for provider in ("Tcpip6Filter", SECURITY, ""):
        assert not list(windows_events_xml.parse([_xml(4231, {}, provider)]))


def test_who_is_not_permitted_a_class() -> None:
    values = ["application-specific", "Remote", "Activation", "{x}", "{y}", "LAB", "anna", "S-1-5", "10.0.0.1 (remote)"]
    entry = _one(_xml(10016, {f"param{number}": value for number, value in enumerate(values, 1)}, DCOM))
    assert str(entry.source) == "10.0.0.1"
    local = [*values[:8], "LocalHost (Using LRPC)"]
    assert _one(_xml(10016, {f"param{number}": value for number, value in enumerate(local, 1)}, DCOM)).source is None
    assert _one(_xml(10016, {"param1": "x"}, DCOM)).source is None


def test_json_that_is_pretty_a_list_or_broken() -> None:
    pretty = (
        "[\n"
        + json.dumps(json.loads(_flat(5157, BLOCKED)), indent=1).replace("\n", "\n ")
        + ",\n"
        + _flat(5157, BLOCKED)
        + "\n]"
    )
    assert [one.line for one in windows_events_json.parse(pretty.splitlines(keepends=True))] == [2, 18]
    lines = [_flat(5157, BLOCKED), _flat(5157, BLOCKED)[:60], _flat(5157, BLOCKED), "nonsense", "{" * 5000]
    found = list(windows_events_json.parse(lines))
    assert [one.line for one in found if isinstance(one, BadLine)] == [2, 4, 5]
    assert sum(isinstance(one, LogEntry) for one in found) == 2


def test_net_events_of_netsh() -> None:
    entry, bad = windows_wfp.parse([WFP])
    entry = _entry(entry)
    assert (entry.action, entry.path, entry.basis, entry.resolution_ns) == ("drop", "in", "utc", 1_000_000)
    assert (str(entry.source), entry.source_port, entry.destination_port) == ("10.0.0.1", 50000, 49670)
    assert (entry.program, entry.rule, entry.line) == ("smb", "WFP filter 69408", 3)
    assert isinstance(bad, BadLine)


def test_a_table_copied_from_the_viewer_of_tmg() -> None:
    titles = "Client IP\tSource Port\tDestination IP\tDestination Port\tProtocol\tAction\tRule\tResult Code\tLog Time\tGMT Log Time"
    row = "10.0.0.1\t50123\t10.0.0.9\t135\tRPC (all interfaces)\tDenied Connection\tDefault rule\t0xc004000d FWX\t13.05.2011 12:00:01\t13.05.2011 10:00:01"
    (entry,) = (_entry(one) for one in isa_tmg_viewer_table.parse([titles, row]))
    assert (entry.action, entry.rule, entry.code_name) == ("drop", "Default rule", "FWX_E_POLICY_RULES_DENIED")
    assert (entry.source_port, entry.destination_port, entry.basis) == (50123, 135, "utc")
    assert entry.written_ns == 1_305_280_801_000_000_000


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (_flat(5157, BLOCKED), "windows-events-json"), (_beat(5157, BLOCKED), "windows-events-json"),
        (_nested(5157, BLOCKED), "windows-events-json"), (_xml(5157, BLOCKED), "windows-events-xml"),
        (WFP, "windows-wfp"), ("ElfFile" + "\1" * 90, "windows-events"),
        ("Client IP\tDestination IP\tDestination Port\tAction\n", "isa-tmg-viewer-table"),
    ],
)  # fmt: skip
def test_one_format_takes_each_file(text: str, name: str) -> None:
    assert [one.name for one in FORMATS if one.why_not(text) is None] == [name]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_on_one_line_is_read_from_disk(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.xml"
    path.write_bytes(
        ("<Events>" + "".join(_xml(5157, BLOCKED, record=n) for n in range(1, 200)) + "</Events>").encode(encoding)
    )
    file = read(str(path))
    assert (file.format, len(file.entries), file.bad_count, file.counts) == ("windows-events-xml", 199, 0, "record")


def test_evtx_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evtx", None)
    path = tmp_path / "Security.evtx"
    path.write_bytes(b"ElfFile\0" + bytes(100) + b"\1")
    with pytest.raises(MissingPiece, match=r"pip install .rpcdiag\[events\]"):
        read(str(path))


def test_evtx_that_is_broken_is_a_bad_record() -> None:
    pytest.importorskip("evtx", reason="the package evtx is not installed")
    (bad,) = windows_events.parse_file(io.BytesIO(b"ElfFile\0" + bytes(50)))
    assert isinstance(bad, BadLine)


def test_a_cabinet_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "wfpdiag.cab").write_bytes(b"MSCF\0\0\0\0" + b"\1" * 100)
    with pytest.raises(InputError, match="expand"):
        read(str(tmp_path / "wfpdiag.cab"))


_ANY = st.lists(
    st.one_of(
        st.text(max_size=80),
        st.builds(_flat, st.sampled_from([3, 4231, 4625, 4769, 4776, 5031, 5154, 5157, 5447, 5712, 10016, 10028, 10036, 31144]),
                  st.dictionaries(st.sampled_from([*BLOCKED, "param1"]), st.one_of(st.text(max_size=9), st.none(), st.integers())),
                  st.sampled_from([SECURITY, DCOM, "RPCFW", "MSDPM", ""])),
        st.builds(lambda text, at: text[:at], st.sampled_from([_xml(5157, BLOCKED), WFP, _nested(5157, BLOCKED)]), st.integers(0, 900)),
    ),
    max_size=6,
)  # fmt: skip


@given(_ANY)
def test_no_text_breaks_a_format_of_events(lines: list[str]) -> None:
    for parse in (windows_events_json.parse, windows_events_xml.parse, windows_wfp.parse, isa_tmg_viewer_table.parse):
        for one in parse(lines):
            assert one.line >= 0


@given(st.binary(max_size=300))
def test_no_bytes_break_evtx(data: bytes) -> None:
    pytest.importorskip("evtx", reason="the package evtx is not installed")
    assert all(isinstance(one, BadLine) for one in windows_events.parse_file(io.BytesIO(b"ElfFile\0" + data)))
