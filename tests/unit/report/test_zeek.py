"""dce_rpc.log and conn.log."""

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import operation_name
from rpcdiag.model.packets import Endpoint
from rpcdiag.report import zeek, zeek_names
from rpcdiag.report.community import TCP, UDP, community_id
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import zeek as tabs
from rpcdiag.report.outputs import zeek_json
from tests.build import datagrams, pdus, smb2
from tests.build.conversation import Recording, Tcp, spoken
from tests.build.exchanges import LSARPC
from tests.build.story import START
from tests.build.verifying import CLIENT, SERVER, map_request, map_response, mapper


def _diagnosed(tmp_path: Path, recording: Recording) -> Diagnosis:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    return analyze([str(path)])


def _talk() -> Recording:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request(2))
    tcp.reply(map_response(call_id=2))
    tcp.send(map_request(3))
    tcp.reply(pdus.fault(5, call_id=3))
    tcp.send(map_request(4))
    tcp.close()
    return recording


def _rows(diagnosis: Diagnosis) -> list[dict[str, object]]:
    return [json.loads(line) for line in zeek_json.render(diagnosis, Options())]


# from the baseline of the specification's own tests, default seed
@pytest.mark.parametrize(
    ("protocol", "source", "sport", "destination", "dport", "wanted"),
    [
        (TCP, "128.232.110.120", 34855, "66.35.250.204", 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (TCP, "2001:470:e5bf:dead:4957:2174:e82c:4887", 63943, "2607:f8b0:400c:c03::1a", 25,
         "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="),
        (UDP, "192.168.1.52", 54585, "8.8.8.8", 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        (132, "192.168.170.8", 7, "192.168.170.56", 7, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
    ],
)  # fmt: skip
def test_the_community_id_is_that_of_its_specification(
    protocol: int, source: str, sport: int, destination: str, dport: int, wanted: str
) -> None:
    one, other = Endpoint(ip_address(source), sport), Endpoint(ip_address(destination), dport)
    assert community_id(one, other, protocol) == community_id(other, one, protocol) == wanted


def test_every_call_is_a_line_with_its_fate(tmp_path: Path) -> None:
    rows = _rows(_diagnosed(tmp_path, _talk()))
    assert [(row["operation"], row["rpcdiag_fate"]) for row in rows] == [
        ("ept_map", "response"),
        ("ept_map", "fault-0x00000005"),
        ("ept_map", "unanswered"),
    ]
    first, _, last = rows
    assert (first["endpoint"], first["named_pipe"], first["id.orig_p"], first["id.resp_p"]) == (
        "epmapper", "135", 50000, 135,
    )  # fmt: skip
    assert 0 < float(str(first["rtt"])) < 1
    assert "rtt" not in last


def test_the_tab_separated_form_has_zeeks_head(tmp_path: Path) -> None:
    lines = list(tabs.render(_diagnosed(tmp_path, _talk()), Options()))
    assert lines[:6] == [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tdce_rpc",
        "#open\t2011-03-13-07-06-40",
    ]  # fmt: skip
    fields, types = lines[6].split("\t"), lines[7].split("\t")
    assert fields[:11] == (
        [
            "#fields",
            "ts",
            "uid",
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "rtt",
            "named_pipe",
            "endpoint",
            "operation",
        ]
    )
    assert types[:11] == [
        "#types",
        "time",
        "string",
        "addr",
        "port",
        "addr",
        "port",
        "interval",
        "string",
        "string",
        "string",
    ]
    assert all(len(line.split("\t")) == len(fields) - 1 for line in lines[8:-1])
    assert lines[8].split("\t")[0].startswith("1300000000.")
    assert lines[-1].startswith("#close\t2011-03-13-07-06-4")


def test_both_logs_name_a_connection_alike_and_always_the_same(tmp_path: Path) -> None:
    diagnosis = _diagnosed(tmp_path, _talk())
    logs = {name: [json.loads(line) for line in lines] for name, lines in zeek_json.files(diagnosis, Options())}
    assert sorted(logs) == ["conn.log", "dce_rpc.log"]
    (connection,) = logs["conn.log"]
    assert {row["uid"] for row in logs["dce_rpc.log"]} == {connection["uid"]}
    assert {row["community_id"] for row in logs["dce_rpc.log"]} == {connection["community_id"]}
    assert (connection["service"], connection["conn_state"], connection["proto"]) == ("dce_rpc", "SF", "tcp")
    uid = str(connection["uid"])
    assert uid[0] == "C"
    assert len(uid) == 18
    assert uid.isalnum()
    again = _diagnosed(tmp_path, _talk())
    assert list(tabs.render(again, Options())) == list(tabs.render(diagnosis, Options()))


def test_calls_through_pipes_have_the_name_of_the_one_connection(tmp_path: Path) -> None:
    session = smb2.logged_on()
    tree = session.tree()
    for name, address in (("samr", "\\PIPE\\lsass"), ("LSARPC", "")):
        pipe = session.create(tree, name)
        session.transceive(pipe, pdus.bind([(*LSARPC, [pdus.NDR32])]), pdus.bind_ack(pdus.ACCEPTED_32, address))
        session.transceive(pipe, pdus.request(6, bytes(20)), pdus.response(bytes(20)))
    diagnosis = _diagnosed(tmp_path, spoken(session.messages, 445))
    logs = {name: [json.loads(line) for line in lines] for name, lines in zeek_json.files(diagnosis, Options())}
    (connection,) = logs["conn.log"]
    assert (connection["service"], connection["id.resp_p"], connection["conn_state"]) == ("smb,dce_rpc", 445, "SF")
    assert "missed_bytes" not in connection
    assert [(row["named_pipe"], row["operation"], row["uid"]) for row in logs["dce_rpc.log"]] == [
        ("\\PIPE\\lsass", "LsarOpenPolicy", connection["uid"]),
        ("\\pipe\\LSARPC", "LsarOpenPolicy", connection["uid"]),
    ]
    assert {row["community_id"] for row in logs["dce_rpc.log"]} == {connection["community_id"]}


def test_a_session_whose_pipe_nothing_went_through_is_smb(tmp_path: Path) -> None:
    session = smb2.logged_on()
    session.create(session.tree(), "svcctl")
    logs = dict(zeek_json.files(_diagnosed(tmp_path, spoken(session.messages, 445)), Options()))
    (line,) = logs["conn.log"]
    assert json.loads(line)["service"] == "smb"
    assert not list(logs["dce_rpc.log"])


def test_connectionless_calls_are_lines(tmp_path: Path) -> None:
    recording = Recording(START)
    datagrams.converse(recording, datagrams.lookup(LSARPC, 49_700, SERVER), 135, client=CLIENT, server=SERVER)
    (row,) = _rows(_diagnosed(tmp_path, recording))
    assert (row["endpoint"], row["operation"], row["rpcdiag_fate"]) == ("epmapper", "ept_map", "response")
    ends = Endpoint(ip_address(CLIENT), 49_800), Endpoint(ip_address(SERVER), 135)
    assert row["community_id"] == community_id(*ends, UDP)


def test_a_connection_on_ports_used_again_has_another_uid(tmp_path: Path) -> None:
    recording = Recording(START)
    for _ in range(2):
        tcp = mapper(recording)
        tcp.send(map_request())
        tcp.reply(map_response())
        tcp.close()
        recording.wait(5_000_000_000)
    rows = _rows(_diagnosed(tmp_path, recording))
    assert len({row["uid"] for row in rows}) == 2
    assert len({row["community_id"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("how", "state"), [("syns", "S0"), ("refused", "REJ"), ("rst", "RSTR"), ("fin", "S3"), ("open", "S1")]
)
def test_connections_have_zeeks_states(tmp_path: Path, how: str, state: str) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50000, SERVER, 135)
    if how in ("syns", "refused"):
        getattr(tcp, how)()
    else:
        tcp.open()
        if how != "open":
            getattr(tcp, how)(1)
    logs = dict(zeek_json.files(_diagnosed(tmp_path, recording), Options()))
    assert not list(logs["dce_rpc.log"])
    (line,) = logs["conn.log"]
    assert json.loads(line)["conn_state"] == state


def test_what_zeek_has_no_name_for_is_unknown_or_ours(tmp_path: Path) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50000, SERVER, 49670)
    tcp.open()
    strange = "01234567-89ab-cdef-0123-456789abcdef"
    tcp.send(pdus.bind([(strange, "1.0", [pdus.NDR32]), (*LSARPC, [pdus.NDR32])]))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32 * 2, "\\PIPE\\a\tb"))
    for context, opnum in ((0, 7), (1, 6), (1, 999)):
        tcp.send(pdus.request(opnum, bytes(4), call_id=opnum, context=context))
        tcp.reply(pdus.response(bytes(4), call_id=opnum, context=context))
    diagnosis = _diagnosed(tmp_path, recording)
    assert [(row["endpoint"], row["operation"]) for row in _rows(diagnosis)] == [
        (f"unknown-{strange}", "unknown-7"),
        ("lsarpc", "LsarOpenPolicy"),
        ("lsarpc", "unknown-999"),
    ]
    line = list(tabs.render(diagnosis, Options()))[8]
    assert "\t\\\\PIPE\\\\a\\x09b\t" in line


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "-"), ("-", "\\x2d"), ("", "(empty)"), ("(empty)", "\\x28empty)"), ("a\x1b[0m", "a\\x1b[0m"),
     ("ü", "\\xc3\\xbc"), ("a\\b", "a\\\\b"), (7, "7")],
)  # fmt: skip
def test_no_value_can_be_taken_for_another(value: str | int | None, written: str) -> None:
    assert zeek._escaped(value) == written


@pytest.mark.parametrize(
    ("uuid", "opnum", "name"),
    [
        (zeek_names.SVCCTL, 0, "CloseServiceHandle"),  # ours begins with R
        (zeek_names.SVCCTL, 0x30, "GetNotifyResult"),  # ours: RGetNotifyResults
        ("12345678-1234-abcd-ef00-0123456789ab", 0x45, "RpcSplOpenPrinter"),  # [MS-RPRN] 3.1.4: RpcOpenPrinterEx
        ("12345678-1234-abcd-ef00-0123456789ab", 0x59, "RpcAddPrinterDriverEx"),
        ("12345678-1234-abcd-ef00-0123456789ab", 0x68, "RpcReportJobProcessingProgress"),
        ("4fc742e0-4a10-11cf-8273-00aa004ae673", 0x16, "NetrDfsSetInfo2"),
        ("12345778-1234-abcd-ef00-0123456789ab", 0x4B, "CredrRename"),
        ("12345778-1234-abcd-ef00-0123456789ab", 0x4C, "LsarLookupSids3"),
        ("12345778-1234-abcd-ef00-0123456789ab", 0x5E, "CredrBackupCredentials"),
        ("82273fdc-e32a-18c3-3f78-827929dc23ea", 0x18, "ElfrReportEventAndSourceW"),
        (zeek_names.SVCCTL, 0x26, "QueryServiceConfig2A"),
        (zeek_names.SVCCTL, 0x35, "ScValidatePnPService"),
        ("86d35949-83c9-4044-b424-db363231fd0c", 6, "SchRpcEnumFolder"),
        ("6bffd098-a112-3610-9833-46c3f87e345a", 0x15, "NetrGetJoinableOUs"),
    ],
)
def test_operations_are_called_what_zeek_calls_them(uuid: str, opnum: int, name: str) -> None:
    assert zeek_names.operation(Syntax(uuid, "1.0"), opnum) == name


def test_no_name_of_ours_is_overridden_but_by_another_spelling() -> None:
    others = {
        (uuid, opnum)
        for uuid, names in zeek_names._OPERATIONS.items()
        for opnum, name in names.items()
        if operation_name(uuid, opnum) not in (None, name)
    }
    assert len(others) == 5
