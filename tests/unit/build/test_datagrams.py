"""Datagrams as built are what another dissector reads."""

from pathlib import Path

import pytest

from tests.build import datagrams, exchanges, kerberos, names, pdus, tshark
from tests.build.conversation import SECOND, Recording, spoken
from tests.build.datagrams import Call
from tests.build.messages import CLIENT, SERVER, Message

SERVICE = ("5a7c1e00-93d4-4f06-8b2a-6d0c5e9f1a34", "1.0")
IPV6 = {"client": "2001:db8::5", "server": "2001:db8::9"}

pytestmark = tshark.needs_tshark


def _read(recording: Recording, folder: Path, *fields: str) -> dict[str, list[str]]:
    reading = tshark.read(recording.pcap(), folder, *fields)
    assert reading.broken == []
    return reading.values


def _said(said: list[Message], port: int, **ends: str) -> Recording:
    recording = Recording(1_300_000_000 * SECOND)
    datagrams.converse(recording, said, port, **ends)  # type: ignore[arg-type]  # addresses only
    return recording


@pytest.mark.parametrize("ends", [{}, IPV6])
def test_a_lookup_and_calls_over_udp(ends: dict[str, str], tmp_path: Path) -> None:
    recording = Recording(1_300_000_000 * SECOND)
    datagrams.converse(recording, datagrams.lookup(SERVICE, 49_555, "10.0.0.9"), 135, **ends)  # type: ignore[arg-type]
    call = Call(SERVICE, opnum=7)
    calls = datagrams.acknowledged(call, bytes(40), bytes(24), asked_back=True)
    calls += datagrams.asked(call._replace(sequence=1, boot=datagrams.BOOTED), bytes(8), bytes(4))
    datagrams.converse(recording, calls, 49_555, **ends)  # type: ignore[arg-type]
    seen = _read(
        recording, tmp_path, "dcerpc.pkt_type", "dcerpc.opnum", "epm.proto.udp_port", "conv.opnum", "dcerpc.dg_seqnum"
    )
    assert seen["dcerpc.pkt_type"] == ["0", "2", "0", "0", "2", "2", "7", "0", "2"]
    assert seen["epm.proto.udp_port"] == ["135", "49555"]
    assert seen["conv.opnum"] == ["0", "0"]
    assert seen["dcerpc.dg_seqnum"][-2:] == ["1", "1"]


@pytest.mark.parametrize("big", [False, True])
def test_every_kind(big: bool, tmp_path: Path) -> None:
    call = Call(SERVICE, opnum=3, sequence=9, big=big)
    back = call.booted()
    said = [
        (CLIENT, datagrams.pdu(datagrams.REQUEST, call, bytes(16))),
        (CLIENT, datagrams.pdu(datagrams.PING, call)),
        (SERVER, datagrams.pdu(datagrams.WORKING, back)),
        (SERVER, datagrams.pdu(datagrams.NOCALL, back)),
        (SERVER, datagrams.fack(back, 0, kind=datagrams.NOCALL)),
        (CLIENT, datagrams.cancel(call)),
        (SERVER, datagrams.cancel_ack(back)),
        (SERVER, datagrams.failed(datagrams.FAULT, back, 5)),
        (SERVER, datagrams.failed(datagrams.REJECT, back, 0x1C010003)),
        (CLIENT, datagrams.fack(call, 2, missing=(0b101, 1))),
        (CLIENT, datagrams.pdu(datagrams.ACK, call)),
    ]
    seen = _read(
        _said(said, 49_555),
        tmp_path,
        "dcerpc.pkt_type",
        "dcerpc.dg_status",
        "dcerpc.dg_if_id",
        "dcerpc.fack_selack",
        "dcerpc.opnum",
    )
    assert seen["dcerpc.pkt_type"] == ["0", "1", "4", "5", "5", "8", "10", "3", "6", "9", "7"]
    assert [int(one, 16) for one in seen["dcerpc.dg_status"]] == [5, 0x1C010003]
    assert set(seen["dcerpc.dg_if_id"]) == {SERVICE[0]}
    assert len(seen["dcerpc.fack_selack"]) == 2
    assert set(seen["dcerpc.opnum"]) == {"3"}


def test_fragments_both_ways(tmp_path: Path) -> None:
    call = Call(SERVICE, opnum=3)
    asked = datagrams.fragments(datagrams.REQUEST, call, bytes(3000), 1384)
    told = datagrams.fragments(datagrams.RESPONSE, call.booted(), bytes(2000), 1384, flags1=datagrams.NO_FACK)
    said = [(CLIENT, one) for one in asked]
    said += [(SERVER, datagrams.fack(call.booted(), 2, serial=2)), *((SERVER, one) for one in told)]
    fields = ("dcerpc.pkt_type", "dcerpc.dg_frag_num", "dcerpc.dg_flags1_last_frag", "dcerpc.dg_frag_len")
    seen = _read(_said(said, 49_555), tmp_path, *fields)
    assert seen["dcerpc.pkt_type"] == ["0", "0", "0", "9", "2", "2"]
    assert seen["dcerpc.dg_frag_num"] == ["0", "1", "2", "2", "0", "1"]
    assert seen["dcerpc.dg_frag_len"] == ["1384", "1384", "232", "16", "1384", "616"]
    assert seen["dcerpc.dg_flags1_last_frag"] == ["0", "0", "1", "0", "0", "1"]


def test_an_answer_from_another_port(tmp_path: Path) -> None:
    recording = Recording(1_300_000_000 * SECOND)
    said = datagrams.lookup(exchanges.LSARPC, 0, "10.0.0.9", status=pdus.NOT_REGISTERED)
    assert datagrams.converse(recording, said, 135, answers_from=1025) == [1, 2]
    assert _read(recording, tmp_path, "udp.srcport")["udp.srcport"] == ["49800", "1025"]


def test_names_are_asked_for(tmp_path: Path) -> None:
    target = names.srv("dc1.corp.example", 88)
    said = [
        (CLIENT, names.dns_query("srv.corp.example")),
        (
            SERVER,
            names.dns_answer(
                "srv.corp.example", ["10.0.0.9", "10.0.0.10"], aliases=["a.corp.example", "b.corp.example"]
            ),
        ),
        (CLIENT, names.dns_query("_kerberos._tcp.corp.example", names.SRV, number=2)),
        (SERVER, names.dns_answer("_kerberos._tcp.corp.example", [target], names.SRV, number=2)),
        (CLIENT, names.dns_query("nobody.corp.example", names.AAAA, number=3)),
        (SERVER, names.dns_answer("nobody.corp.example", [], names.AAAA, number=3, code=names.NAME_ERROR)),
    ]
    seen = _read(_said(said, names.DNS_PORT), tmp_path, "dns.a", "dns.cname", "dns.srv.target", "dns.flags.rcode")
    assert seen == {
        "dns.a": ["10.0.0.9", "10.0.0.10"], "dns.cname": ["a.corp.example", "b.corp.example"],
        "dns.srv.target": ["dc1.corp.example"], "dns.flags.rcode": ["0", "0", "3"],
    }  # fmt: skip
    said = [(CLIENT, names.dns_query("srv", flags=0)), (SERVER, names.dns_answer("srv", ["10.0.0.9"], flags=0x8000))]
    assert _read(_said(said, names.LLMNR_PORT), tmp_path, "dns.a", "dns.qry.name")["dns.a"] == ["10.0.0.9"]


def test_netbios_names_are_asked_for(tmp_path: Path) -> None:
    said = [
        (CLIENT, names.nbns_query("SRV")),
        (SERVER, names.nbns_answer("SRV", ["10.0.0.9"])),
        (CLIENT, names.nbns_query("NOBODY", flags=0x0100, number=5)),
        (SERVER, names.nbns_answer("NOBODY", [], code=names.NAME_ERROR, number=5)),
    ]
    seen = _read(_said(said, names.NBNS_PORT), tmp_path, "nbns.name", "nbns.addr", "nbns.flags.rcode")
    assert [name.partition("<")[0] for name in seen["nbns.name"]] == [
        "SRV",
        "SRV",
        "NOBODY",
    ]  # of the last there is no field
    assert seen["nbns.addr"] == ["10.0.0.9"]
    assert seen["nbns.flags.rcode"] == ["0", "3"]


TICKETS = [
    (CLIENT, kerberos.as_req()),
    (SERVER, kerberos.krb_error(kerberos.PREAUTH_REQUIRED)),
    (CLIENT, kerberos.as_req(preauth=True)),
    (SERVER, kerberos.kdc_rep(kerberos.AS_REP, "krbtgt", kerberos.REALM)),
    (CLIENT, kerberos.tgs_req("RPCSS", "srv.corp.example")),
    (SERVER, kerberos.krb_error(kerberos.S_UNKNOWN, "RPCSS", "srv.corp.example")),
    (CLIENT, kerberos.tgs_req("host", "srv.corp.example")),
    (SERVER, kerberos.kdc_rep(kerberos.TGS_REP, "host", "srv.corp.example")),
]


@pytest.mark.parametrize("tcp", [False, True])
def test_tickets_are_asked_for(tcp: bool, tmp_path: Path) -> None:
    if tcp:
        recording = spoken([(side, kerberos.over_tcp(data)) for side, data in TICKETS], 88, (700,))
    else:
        recording = _said(TICKETS, 88)
    seen = _read(recording, tmp_path, "kerberos.msg_type", "kerberos.error_code", "kerberos.SNameString")
    assert [int(one) for one in seen["kerberos.msg_type"]] == [10, 30, 10, 11, 12, 14, 30, 12, 14, 13]
    assert [int(one) for one in seen["kerberos.error_code"]] == [25, 7]
    assert "srv.corp.example" in seen["kerberos.SNameString"]
