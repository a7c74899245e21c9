"""SMB 1 as built is SMB 1 as another dissector reads it."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from bench import tokens as logons
from tests.build import exchanges, pdus, smb, smb1, tshark
from tests.build.conversation import spoken
from tests.build.smb1 import Session

SECRET = Random(2)
TOKENS = (logons.ntlm_negotiate(), logons.ntlm_authenticate(SECRET)), (logons.ntlm_challenge(SECRET), b"")
BIND = pdus.bind([(*exchanges.SVCCTL, [pdus.NDR32])])
BOUND = pdus.bind_ack(pdus.ACCEPTED_32, r"\PIPE\ntsvcs")
CALL, ANSWER = pdus.request(15, bytes(40)), pdus.response(bytes(24))

pytestmark = tshark.needs_tshark


def _read(
    session: Session, folder: Path, *fields: str, port: int = 445, sizes: tuple[int, ...] = (1460,)
) -> dict[str, list[str]]:
    messages = [*(smb.netbios_session() if port == 139 else []), *session.messages]
    reading = tshark.read(spoken(messages, port, sizes).pcap(), folder, *fields)
    assert reading.broken == []
    return reading.values


def _logged_on(*, wide: bool = True, extended: bool = True) -> Session:
    session = Session(wide=wide, extended=extended)
    session.negotiate()
    session.setup(*TOKENS)
    session.tree()
    return session


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_a_call_through_a_pipe(wide: bool, extended: bool, tmp_path: Path) -> None:
    session = _logged_on(wide=wide, extended=extended)
    pipe = session.create(r"\svcctl")
    session.write(pipe, BIND)
    session.read(pipe, BOUND)
    session.transact(pipe, CALL, ANSWER)
    session.close(pipe)
    session.disconnect()
    session.logoff()
    seen = _read(session, tmp_path, "smb.cmd", "smb.file", "dcerpc.pkt_type", "smb.fid")
    commands = Counter(int(one, 16) for one in seen["smb.cmd"] if one != "0xff")  # which ends a chain
    assert commands == {
        smb1.NEGOTIATE: 2, smb1.SESSION_SETUP_ANDX: 4 if extended else 2, smb1.TREE_CONNECT_ANDX: 2,
        smb1.NT_CREATE_ANDX: 2, smb1.WRITE_ANDX: 2, smb1.READ_ANDX: 2, smb1.TRANSACTION: 2, smb1.CLOSE: 2,
        smb1.TREE_DISCONNECT: 2, smb1.LOGOFF_ANDX: 2,
    }  # fmt: skip
    assert r"\svcctl" in seen["smb.file"]
    assert seen["dcerpc.pkt_type"] == ["11", "12", "0", "2"]
    assert set(seen["smb.fid"]) == {f"{pipe:#06x}"}


@pytest.mark.parametrize("wide", [False, True])
def test_blocks_in_a_chain(wide: bool, tmp_path: Path) -> None:
    session = Session(wide=wide, extended=False)
    session.negotiate()
    session.setup_and_tree()
    pipe = session.open(r"\PIPE\lsarpc")
    session.write_and_read(pipe, BIND, BOUND)
    session.write_core(pipe, CALL)
    session.read_core(pipe, ANSWER)
    session.open_and_read(r"\PIPE\other", b"x" * 33)
    seen = _read(session, tmp_path, "smb.cmd", "smb.path", "smb.andxoffset", "dcerpc.pkt_type", "smb.file")
    assert r"\\SRV\IPC$" in seen["smb.path"]
    assert any(int(one) for one in seen["smb.andxoffset"])
    assert {r"\PIPE\lsarpc", r"\PIPE\other"} <= set(seen["smb.file"])
    assert seen["dcerpc.pkt_type"] == ["11", "12", "0", "2"]


def test_answers_that_come_in_parts(tmp_path: Path) -> None:
    session = _logged_on()
    pipe = session.create(r"\svcctl")
    session.transact(pipe, BIND, BOUND)
    answer = pdus.response(bytes(3000))
    session.transact(pipe, CALL, answer, first=1024)
    session.write(pipe, CALL, mode=smb1.MESSAGE_START | smb1.RAW_PIPE)
    session.read_pieces(pipe, answer, (1024, 1024))
    session.transact_parts(pipe, CALL, answer, (1000, 1500))
    seen = _read(session, tmp_path, "smb.nt_status", "dcerpc.pkt_type", "smb.data_disp")
    assert seen["smb.nt_status"].count("0x80000005") == 3
    assert seen["dcerpc.pkt_type"] == ["11", "12", "0", "2", "0", "2", "0"]  # it does not join the parts of the last
    assert seen["smb.data_disp"][-3:] == ["0", "1000", "2500"]


def test_several_pipes_interleaved_on_139(tmp_path: Path) -> None:
    session = _logged_on()
    one, other = session.create(r"\svcctl"), session.create(r"\ntsvcs")
    asked = [session.ask(smb1.transact_request(fid, BIND)) for fid in (one, other)]
    for ids in reversed(asked):
        session.answer(ids, smb1.transact_response(BOUND))
    session.transact(other, CALL, ANSWER)
    session.transact(one, CALL, ANSWER)
    seen = _read(session, tmp_path, "dcerpc.pkt_type", port=139, sizes=(60, 500))
    assert seen["dcerpc.pkt_type"] == ["11", "11", "12", "12", "0", "2", "0", "2"]


def test_what_fails(tmp_path: Path) -> None:
    session = _logged_on()
    session.tree(r"\\SRV\nothing", status=smb.STATUS_BAD_NETWORK_NAME)
    refused = (smb.STATUS_ACCESS_DENIED, smb.STATUS_OBJECT_NAME_NOT_FOUND, smb.STATUS_PIPE_NOT_AVAILABLE)
    for status in refused:
        session.create(r"\svcctl", status=status)
    denied = Session()
    denied.negotiate()
    denied.setup(*TOKENS, status=smb.STATUS_LOGON_FAILURE)
    failed = [int(one, 16) for one in _read(session, tmp_path, "smb.nt_status")["smb.nt_status"] if one[2:3] == "c"]
    assert failed[1:] == [smb.STATUS_BAD_NETWORK_NAME, *refused]
    assert _read(denied, tmp_path, "smb.nt_status")["smb.nt_status"][-1] == "0xc000006d"


def test_an_error_by_class_and_code(tmp_path: Path) -> None:
    session = _logged_on(wide=False, extended=False)
    session.flags2 &= ~smb1.NT_STATUS
    session.create(r"\svcctl", status=smb1.dos_status(1, 5))
    seen = _read(session, tmp_path, "smb.error_class", "smb.error_code")
    assert seen["smb.error_class"][-1] == "0x01"
    assert seen["smb.error_code"][-1] == "0x0005"


def test_a_file(tmp_path: Path) -> None:
    session = _logged_on()
    session.tree(r"\\SRV\data")
    file = session.create(r"\folder\file.bin", pipe=False, size=61_440)
    session.read(file, bytes(61_440))
    session.write(file, bytes(61_440), mode=0)
    seen = _read(session, tmp_path, "smb.data_len_low", "dcerpc.pkt_type")
    assert seen["smb.data_len_low"] == ["61440", "61440"]
    assert seen["dcerpc.pkt_type"] == []
