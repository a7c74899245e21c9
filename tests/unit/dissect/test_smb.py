"""Messages of SMB to fields; what went through pipes is not here."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.dissect.smb import MORE_PROCESSING, decode
from rpcdiag.errors import DecodeError, Malformed, Truncated
from tests.build import smb, smb1, smb2

TREE, FILE = 5, bytes(range(16))


def _of2(command: int, body: bytes, **given: int) -> bytes:
    return smb2.header(command, 7, **given) + body


def _of1(*blocks: smb1.Block, reply: bool = False, status: int = 0, wide: bool = True) -> bytes:
    flags2 = smb1.NT_STATUS | (smb1.UNICODE if wide else 0)
    return smb1.message(blocks, smb1.Ids(tid=1, mid=64), flags2=flags2, reply=reply, status=status)


WHOLE = {
    "negotiate": _of2(0, smb2.negotiate_response(smb2.SMB_3_1_1, b"token"), flags=1),
    "setup": _of2(1, smb2.session_setup_request(b"token")),
    "challenge": _of2(1, smb2.session_setup_response(b"token", 4), flags=1, status=MORE_PROCESSING),
    "tree": _of2(3, smb2.tree_connect_request(r"\\SRV\IPC$")),
    "share": _of2(3, smb2.tree_connect_response(2, 0x8000), flags=1),
    "create": _of2(5, smb2.create_request("svcctl")),
    "created": _of2(5, smb2.create_response(FILE), flags=1),
    "setup1": _of1(smb1.session_setup_request(b"token")),
    "old setup1": _of1(smb1.old_session_setup_request()),
    "tree1": _of1(smb1.tree_connect_request(r"\\SRV\IPC$")),
    "create1": _of1(smb1.nt_create_request(r"\svcctl")),
    "created1": _of1(smb1.nt_create_response(0x4001), reply=True),
    "open1": _of1(smb1.open_request(r"\PIPE\svcctl")),
    "opened1": _of1(smb1.open_response(0x4001), reply=True),
}


def test_negotiation() -> None:
    one = decode(WHOLE["negotiate"])
    assert (one.command, one.response, one.dialect, one.signing_required) == ("negotiate", True, "3.1.1", False)
    assert decode(_of1(smb1.negotiate_response(), reply=True)).dialect == "1"
    assert decode(_of1(smb1.negotiate_request())).dialect is None


def test_a_dialect_without_a_name() -> None:
    assert decode(_of2(0, smb2.negotiate_response(0x0999), flags=1)).dialect == "0x0999"


def test_tokens() -> None:
    assert decode(WHOLE["setup"]).token == b"token"
    challenge = decode(WHOLE["challenge"])
    assert (challenge.token, challenge.encrypts, challenge.guest) == (b"token", True, False)
    assert decode(WHOLE["setup1"]).token == b"token"
    old = decode(WHOLE["old setup1"])
    assert (old.user, old.domain, old.token) == ("operator", "CORP", b"")


def test_trees() -> None:
    assert decode(WHOLE["tree"]).name == decode(WHOLE["tree1"]).name == r"\\SRV\IPC$"
    share = decode(WHOLE["share"])
    assert (share.share, share.encrypts) == ("pipe", True)
    assert decode(_of1(smb1.tree_connect_response(), reply=True)).share == "pipe"
    assert decode(_of1(smb1.tree_connect_response("A:"), reply=True)).share == "disk"


@pytest.mark.parametrize("wide", [False, True])
def test_a_tree_behind_a_logon(wide: bool) -> None:
    asked = decode(_of1(smb1.old_session_setup_request(wide=wide), smb1.tree_connect_request("\\\\SRV\\IPC$", wide=wide),
                        wide=wide))  # fmt: skip
    assert (asked.command, asked.user, asked.name) == ("session-setup", "operator", r"\\SRV\IPC$")
    told = decode(_of1(smb1.old_session_setup_response(wide=wide), smb1.tree_connect_response(wide=wide), reply=True,
                       wide=wide))  # fmt: skip
    assert told.share == "pipe"


@pytest.mark.parametrize("wide", [False, True])
def test_files(wide: bool) -> None:
    assert decode(WHOLE["create"]).name == "svcctl"
    assert decode(WHOLE["created"]).file == (0x0001020304050607, 0x08090A0B0C0D0E0F)
    assert decode(_of1(smb1.nt_create_request(r"\svcctl", wide=wide), wide=wide)).name == r"\svcctl"
    assert decode(_of1(smb1.open_request(r"\PIPE\svcctl", wide=wide), wide=wide)).name == r"\PIPE\svcctl"
    assert decode(WHOLE["created1"]).file == decode(WHOLE["opened1"]).file == (-3, 0x4001)


@pytest.mark.parametrize("command", [smb2.CREATE, smb2.READ, smb2.TREE_CONNECT])
def test_refusals(command: int) -> None:
    one = decode(_of2(command, smb2.error(), flags=1, status=smb.STATUS_ACCESS_DENIED))
    assert (one.response, one.status, one.name, one.file) == (True, smb.STATUS_ACCESS_DENIED, None, None)


def test_a_refusal_of_the_shortest_kind() -> None:
    shortest = _of1(smb1.failed(smb1.NT_CREATE_ANDX), reply=True, status=smb.STATUS_ACCESS_DENIED)
    assert len(shortest) == 35
    one = decode(shortest)
    assert (one.command, one.status) == ("create", smb.STATUS_ACCESS_DENIED)


def test_what_cannot_be_read() -> None:
    assert decode(smb2.transform(1, bytes(100))).command == "encrypted"
    assert decode(smb2.compressed(WHOLE["created"])).command == "compressed"
    with pytest.raises(Malformed):
        decode(b"\xfbSMB" + bytes(60))


@pytest.mark.parametrize("name", WHOLE)
def test_a_message_that_is_cut_is_truncated_or_says_less(name: str) -> None:
    whole = WHOLE[name]
    for size in range(len(whole)):
        try:
            one = decode(whole[:size])
        except Truncated:
            continue
        assert size >= 35
        assert one.command == decode(whole).command
    with pytest.raises(Truncated):
        decode(whole[:34])


@given(start=st.sampled_from([b"\xfeSMB", b"\xffSMB", b"\xfdSMB", b""]), data=st.binary(max_size=200))
def test_any_bytes_decode_or_raise_decode_error(start: bytes, data: bytes) -> None:
    with suppress(DecodeError):
        decode(start + data)


@given(name=st.sampled_from(sorted(WHOLE)), at=st.integers(4, 400), value=st.integers(0, 255))
def test_any_byte_may_be_another(name: str, at: int, value: int) -> None:
    data = bytearray(WHOLE[name])
    data[at % len(data)] = value
    with suppress(DecodeError):
        one = decode(bytes(data))
        assert one.name is None or len(one.name) <= 1024
