"""RPC over HTTP as built is what another dissector reads."""

from pathlib import Path
from random import Random

import pytest

from bench import tokens
from tests.build import exchanges, pdus, rpc_http, tshark
from tests.build.conversation import spoken
from tests.build.messages import CLIENT, SERVER, Message

LEGS = tokens.ntlm_negotiate(), tokens.ntlm_challenge(Random(3))
LAST_LEG = tokens.ntlm_authenticate(Random(4))
BIND = pdus.bind([(*exchanges.SVCCTL, [pdus.NDR32])])
BOUND = pdus.bind_ack(pdus.ACCEPTED_32, "593")
CALL, ANSWER = pdus.request(15, bytes(40)), pdus.response(bytes(24))


def _read(messages: list[Message], port: int, folder: Path, *fields: str) -> dict[str, list[str]]:
    reading = tshark.read(spoken(messages, port).pcap(), folder, *fields)
    assert reading.broken == []
    return reading.values


@tshark.needs_tshark
def test_a_greeting_and_pdus(tmp_path: Path) -> None:
    said = [(CLIENT, BIND), (SERVER, BOUND), (CLIENT, CALL), (SERVER, ANSWER)]
    seen = _read(rpc_http.greeted(said), 593, tmp_path, "dcerpc.pkt_type")
    assert seen["dcerpc.pkt_type"] == ["11", "12", "0", "2"]


@tshark.needs_tshark
@pytest.mark.parametrize("secure", [False, True])
def test_the_in_channel(secure: bool, tmp_path: Path) -> None:
    first = rpc_http.logon("RPC_IN_DATA", LEGS) if secure else []
    acknowledged = rpc_http.flow_control_ack_to(rpc_http.FD_OUT_PROXY, 4000, rpc_http.OUT_COOKIE)
    said = rpc_http.in_channel([BIND, CALL, acknowledged], logon_first=first, token=LAST_LEG if secure else None)
    fields = (
        "http.request.method",
        "http.response.code",
        "dcerpc.pkt_type",
        "dcerpc.cn_rts_command",
        "ntlmssp.messagetype",
    )
    seen = _read(said, 80, tmp_path, *fields)
    assert seen["http.request.method"] == ["RPC_IN_DATA"] * (3 if secure else 1)
    assert seen["http.response.code"] == ["401", "401"] * secure
    assert seen["dcerpc.pkt_type"] == ["20", "11", "0", "20"]
    commands = [int(one, 16) for one in seen["dcerpc.cn_rts_command"]]
    assert commands == [6, 3, 3, 4, 5, 12, rpc_http.DESTINATION, rpc_http.FLOW_CONTROL_ACK]


@tshark.needs_tshark
def test_the_out_channel(tmp_path: Path) -> None:
    first = rpc_http.logon("RPC_OUT_DATA", LEGS)
    said = rpc_http.out_channel([BOUND, ANSWER], logon_first=first, token=LAST_LEG)
    seen = _read(said, 80, tmp_path, "http.request.method", "http.response.code", "dcerpc.pkt_type")
    assert seen["http.request.method"] == ["RPC_OUT_DATA"] * 3
    assert seen["http.response.code"] == ["401", "401", "200"]
    assert seen["dcerpc.pkt_type"] == ["20", "20", "20", "12", "2"]


@tshark.needs_tshark
@pytest.mark.parametrize("method", ["RPC_IN_DATA", "RPC_OUT_DATA"])
def test_a_proxy_that_does_not_reach_the_server(method: str, tmp_path: Path) -> None:
    seen = _read(rpc_http.failed(method), 80, tmp_path, "http.response.phrase", "http.response.code")
    assert seen == {"http.response.phrase": ["RPC Error: 6ba"], "http.response.code": ["503"]}


def test_a_ping_is_a_header_without_commands() -> None:
    """[MS-RPCH] 2.2.4.49; tshark 4.0 looks for a first command and calls it malformed."""
    assert rpc_http.ping() == bytes.fromhex("0500140310000000 1400 0000 00000000 0100 0000")


@tshark.needs_tshark
def test_what_is_broken_is_told(tmp_path: Path) -> None:
    """Else the other tests would prove nothing."""
    short = BIND[:-20][:8] + bytes((len(BIND) - 20, 0)) + BIND[10:-20]
    assert tshark.read(spoken([(CLIENT, short)], 135).pcap(), tmp_path).broken == ["4"]
