"""SMB 2 as built is SMB 2 as another dissector reads it."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from bench import tokens as logons
from tests.build import exchanges, pdus, smb, smb2, tshark
from tests.build.conversation import spoken
from tests.build.messages import SERVER
from tests.build.smb2 import Session

SECRET = Random(1)
TOKENS = (
    (logons.ntlm_negotiate(), logons.ntlm_authenticate(SECRET)),
    (logons.ntlm_challenge(SECRET), b""),
)
BIND = pdus.bind([(*exchanges.SVCCTL, [pdus.NDR32])])
BOUND = pdus.bind_ack(pdus.ACCEPTED_32, r"\PIPE\ntsvcs")
CALL, ANSWER = pdus.request(15, bytes(40)), pdus.response(bytes(24))
DIALECTS = (smb2.SMB_2_0_2, smb2.SMB_2_1, smb2.SMB_3_0, smb2.SMB_3_0_2, smb2.SMB_3_1_1)

pytestmark = tshark.needs_tshark


def _read(
    session: Session, folder: Path, *fields: str, port: int = 445, sizes: tuple[int, ...] = (1460,)
) -> dict[str, list[str]]:
    messages = [*(smb.netbios_session() if port == 139 else []), *session.messages]
    reading = tshark.read(spoken(messages, port, sizes).pcap(), folder, *fields)
    assert reading.broken == []
    return reading.values


def _pipe(session: Session, name: str = "svcctl") -> smb2.Open:
    return session.create(session.tree(), name)


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_call_through_a_pipe_in_every_dialect(dialect: int, multi: bool, tmp_path: Path) -> None:
    session = smb2.logged_on(dialect, TOKENS, multi=multi, signed=True)
    pipe = _pipe(session)
    session.query_info(pipe)
    session.write(pipe, BIND)
    session.read(pipe, BOUND)
    session.transceive(pipe, CALL, ANSWER)
    session.close(pipe)
    session.disconnect(pipe.tree_id)
    session.logoff()
    seen = _read(session, tmp_path, "smb2.cmd", "dcerpc.pkt_type", "dcerpc.opnum", "smb2.dialect", "smb2.nt_status")
    commands = Counter(map(int, seen["smb2.cmd"]))
    assert commands[smb2.SESSION_SETUP] == 4
    assert commands[smb2.CREATE] == commands[smb2.WRITE] == commands[smb2.READ] == commands[smb2.IOCTL] == 2
    assert commands[smb2.LOGOFF] == commands[smb2.TREE_DISCONNECT] == commands[smb2.QUERY_INFO] == 2
    assert seen["dcerpc.pkt_type"] == ["11", "12", "0", "2"]
    assert seen["dcerpc.opnum"][0] == "15"
    assert f"{dialect:#06x}" in seen["smb2.dialect"]
    assert set(seen["smb2.nt_status"]) == {"0x00000000", "0xc0000016"}


@pytest.mark.parametrize(("port", "sizes"), [(445, (40, 1, 2, 3, 700)), (139, (1460,)), (139, (7, 64))])
def test_segments_and_ports_do_not_matter(port: int, sizes: tuple[int, ...], tmp_path: Path) -> None:
    session = smb2.logged_on(tokens=TOKENS)
    session.transceive(_pipe(session), BIND, BOUND)
    seen = _read(session, tmp_path, "smb2.cmd", "dcerpc.pkt_type", port=port, sizes=sizes)
    assert Counter(map(int, seen["smb2.cmd"])) == {0: 2, 1: 4, 3: 2, 5: 2, 11: 2}
    assert seen["dcerpc.pkt_type"] == ["11", "12"]


def test_answers_that_come_in_parts(tmp_path: Path) -> None:
    session = smb2.logged_on()
    pipe = _pipe(session)
    session.transceive(pipe, BIND, BOUND)
    answer = pdus.response(bytes(3000))
    session.transceive(pipe, CALL, answer, first=1024)
    session.write(pipe, CALL)
    session.read_pieces(pipe, answer, (1024, 1024))
    seen = _read(session, tmp_path, "smb2.nt_status", "smb2.read_length", "dcerpc.pkt_type")
    assert seen["smb2.nt_status"].count("0x80000005") == 3
    assert seen["dcerpc.pkt_type"] == ["11", "12", "0", "2", "0", "2"]


def test_an_answer_that_takes_a_while(tmp_path: Path) -> None:
    session = smb2.logged_on()
    pipe = _pipe(session)
    session.transceive(pipe, BIND, BOUND, pending=True)
    asked = session.ask(smb2.READ, smb2.read_request(pipe.file_id, 1024), tree_id=pipe.tree_id)
    session.pending(asked, 0x77)
    session.cancel(asked, 0x77)
    session.answer(asked, smb2.error(), status=smb.STATUS_CANCELLED, async_id=0x77)
    seen = _read(session, tmp_path, "smb2.nt_status", "smb2.aid", "dcerpc.pkt_type")
    assert seen["smb2.nt_status"][-2:] == ["0x00000103", "0xc0000120"]
    assert [int(one, 16) for one in seen["smb2.aid"]] == [0x11, 0x11, 0x77, 0x77, 0x77]
    assert seen["dcerpc.pkt_type"] == ["11", "12"]


def test_several_pipes_in_one_session_interleaved(tmp_path: Path) -> None:
    session = smb2.logged_on()
    tree = session.tree()
    one, other = session.create(tree, "svcctl"), session.create(tree, "lsarpc")
    bind = pdus.bind([(*exchanges.LSARPC, [pdus.NDR32])])
    asked = [
        session.ask(smb2.WRITE, smb2.write_request(pipe.file_id, data), tree_id=tree)
        for pipe, data in ((one, BIND), (other, bind))
    ]
    for request, size in reversed(list(zip(asked, (len(BIND), len(bind)), strict=True))):
        session.answer(request, smb2.write_response(size))
    reads = [session.ask(smb2.READ, smb2.read_request(pipe.file_id, 1024), tree_id=tree) for pipe in (other, one)]
    for request in reversed(reads):
        session.answer(request, smb2.read_response(BOUND))
    session.transceive(one, CALL, ANSWER)
    session.transceive(other, pdus.request(0, bytes(20)), ANSWER)
    seen = _read(session, tmp_path, "smb2.filename", "dcerpc.pkt_type", "smb2.msg_id")
    assert {"svcctl", "lsarpc"} <= set(seen["smb2.filename"])
    assert seen["dcerpc.pkt_type"] == ["11", "11", "12", "12", "0", "2", "0", "2"]


def test_a_compound(tmp_path: Path) -> None:
    session = smb2.logged_on()
    pipe = session.create_and_write(session.tree(), "srvsvc", BIND)
    session.read(pipe, BOUND)
    seen = _read(session, tmp_path, "smb2.cmd", "smb2.chain_offset", "dcerpc.pkt_type")
    assert [int(one) for one in seen["smb2.cmd"][-6:]] == [5, 9, 5, 9, 8, 8]
    assert any(int(one, 16) % 8 == 0 and int(one, 16) for one in seen["smb2.chain_offset"])
    assert seen["dcerpc.pkt_type"] == ["11", "12"]


def test_what_fails(tmp_path: Path) -> None:
    session = smb2.logged_on()
    session.tree(r"\\SRV\nothing", status=smb.STATUS_BAD_NETWORK_NAME)
    tree = session.tree()
    refused = (smb.STATUS_ACCESS_DENIED, smb.STATUS_OBJECT_NAME_NOT_FOUND, smb.STATUS_PIPE_NOT_AVAILABLE)
    for status in refused:
        session.create(tree, "svcctl", status=status)
    session.wait_pipe(tree, "svcctl", status=smb.STATUS_IO_TIMEOUT)
    pipe = session.create(tree, "svcctl")
    session.write(pipe, BIND, status=smb.STATUS_PIPE_DISCONNECTED)
    denied = Session()
    denied.negotiate()
    denied.setup(*TOKENS, status=smb.STATUS_LOGON_FAILURE)
    seen = _read(session, tmp_path, "smb2.nt_status", "smb2.ioctl.function")
    failed = [int(one, 16) for one in seen["smb2.nt_status"] if one.startswith("0xc")]
    assert failed[1:] == [smb.STATUS_BAD_NETWORK_NAME, *refused, smb.STATUS_IO_TIMEOUT, smb.STATUS_PIPE_DISCONNECTED]
    assert {int(one, 16) for one in seen["smb2.ioctl.function"]} == {smb2.FSCTL_PIPE_WAIT}
    assert _read(denied, tmp_path, "smb2.nt_status")["smb2.nt_status"][-1] == "0xc000006d"
    assert denied.session_id == 0


def test_a_name_nobody_answers_to(tmp_path: Path) -> None:
    messages = smb.netbios_session("SRV", error=0x82)
    reading = tshark.read(spoken(messages, 139).pcap(), tmp_path, "nbss.type", "nbss.error_code")
    assert reading == ({"nbss.type": ["0x81", "0x83"], "nbss.error_code": ["0x82"]}, [])


@pytest.mark.parametrize("size", [1000, 65_536, 1 << 20])
def test_files_of_any_size(size: int, tmp_path: Path) -> None:
    session = smb2.logged_on(smb2.SMB_2_1)
    file = session.create(session.tree(r"\\SRV\data"), r"folder\file.bin", size=2 * size)
    data = bytes(range(250)) * (size // 250) + bytes(size % 250)
    session.read(file, data, length=size)
    session.write(file, data, size)
    session.close(file)
    fields = ("smb2.cmd", "smb2.read_length", "smb2.write_length", "smb2.credit.charge", "dcerpc.pkt_type")
    seen = _read(session, tmp_path, *fields)
    assert set(map(int, seen["smb2.read_length"])) == {size}
    assert size in set(map(int, seen["smb2.write_length"]))
    assert max(map(int, seen["smb2.credit.charge"])) == max(1, size >> 16)
    assert seen["dcerpc.pkt_type"] == []


def test_a_session_that_nobody_can_read(tmp_path: Path) -> None:
    session = smb2.logged_on(smb2.SMB_3_1_1, TOKENS)
    session.encrypted(200, 180, 3000, 90)
    seen = _read(session, tmp_path, "smb2.header.transform.msg_size", "smb2.cmd")
    assert seen["smb2.header.transform.msg_size"] == ["200", "180", "3000", "90"]
    assert len(seen["smb2.cmd"]) == 6


def test_a_compressed_message(tmp_path: Path) -> None:
    session = smb2.logged_on(smb2.SMB_3_1_1)
    pipe = _pipe(session)
    session.transceive(pipe, BIND, BOUND)
    session.transceive(pipe, CALL, pdus.response(bytes(9000)))
    session.compress()
    assert session.messages[-1][0] == SERVER
    seen = _read(session, tmp_path, "smb2.header.comp_transform.original_size", "smb2.cmd", "dcerpc.pkt_type")
    assert len(seen["smb2.header.comp_transform.original_size"]) == 1
    assert seen["dcerpc.pkt_type"] == ["11", "12", "0", "2"]


def test_the_mapper_behind_a_pipe(tmp_path: Path) -> None:
    session = smb2.logged_on()
    pipe = _pipe(session, "epmapper")
    session.transceive(
        pipe, pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]), pdus.bind_ack(pdus.ACCEPTED_32, r"\pipe\epmapper")
    )
    towers = [
        pdus.pipe_tower(*exchanges.SVCCTL, r"\PIPE\svcctl", r"\\SRV"),
        pdus.tower(*exchanges.SVCCTL, 49_670, "10.0.0.9"),
    ]
    wanted = pdus.map_request(pdus.pipe_tower(*exchanges.SVCCTL, "", ""))
    session.transceive(pipe, pdus.request(3, wanted), pdus.response(pdus.map_response(towers)))
    seen = _read(session, tmp_path, "epm.opnum", "epm.proto.named_pipe", "epm.proto.tcp_port", "epm.proto.netbios_name")
    assert seen["epm.opnum"] == ["3", "3"]
    assert seen["epm.proto.named_pipe"][-1] == r"\PIPE\svcctl"
    assert seen["epm.proto.netbios_name"][-1] == r"\\SRV"
    assert seen["epm.proto.tcp_port"] == ["49670"]
