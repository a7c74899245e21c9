"""Datagrams that are told: connectionless RPC, answers of name services, tickets; all others are only counted."""

import tempfile
from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpcdiag.capture.reader import CaptureReader
from rpcdiag.sweep import packets
from rpcdiag.sweep.columns import EV_DATAGRAM, EV_TICKET, EVENT_WIDTH, IN_FLOWS, NAMES_UNTOLD, TUNNELS
from rpcdiag.sweep.packets import CONNECTIONLESS, NAME_ANSWER, NAME_QUESTION, TICKET, TUNNEL
from tests.build import datagrams, exchanges, kerberos, names
from tests.build.conversation import Recording, Tcp, datagram, esp

C, S = "10.0.0.5", "10.0.0.9"


class Told(NamedTuple):
    what: int
    packet: int
    source: tuple[str, int]
    destination: tuple[str, int]
    data: bytes
    length: int


class Heard(NamedTuple):
    datagrams: list[Told]
    tickets: list[tuple[int, int, bytes, int]]  # side, packet, message, length
    reader: CaptureReader


def _heard(recording: Recording) -> Heard:
    found: list[Told] = []
    tickets: list[tuple[int, int, bytes, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture"
        path.write_bytes(recording.pcap())
        reader = CaptureReader(str(path))
        for rows, arena in chain(reader.events(), reader.finish()):
            for e in range(0, len(rows), EVENT_WIDTH):
                if rows[e] == EV_DATAGRAM:
                    found.append(_told(rows[e : e + EVENT_WIDTH], arena))
                elif rows[e] == EV_TICKET:
                    at = rows[e + 5]
                    tickets.append((rows[e + 2], rows[e + 3], bytes(arena[at : at + rows[e + 6]]), rows[e + 7]))
    return Heard(found, tickets, reader)


def _told(row: list[int], arena: memoryview) -> Told:
    _, what, packet, _, _, size, at, count, length = row[:9]
    ends = bytes(arena[at : at + 2 * size + 4])
    ports = int.from_bytes(ends[-4:-2], "big"), int.from_bytes(ends[-2:], "big")
    start = at + 2 * size + 4
    return Told(
        what, packet, (str(ip_address(ends[:size])), ports[0]), (str(ip_address(ends[size : 2 * size])), ports[1]),
        bytes(arena[start : start + count]), length,
    )  # fmt: skip


@pytest.mark.parametrize("ends", [(C, S), ("2001:db8::5", "2001:db8::9")])
@pytest.mark.parametrize("big", [False, True])
def test_every_pdu_of_a_conversation_is_told_with_its_ends(big: bool, ends: tuple[str, str]) -> None:
    client, server = ends
    recording = Recording(0)
    call = datagrams.Call(exchanges.SVCCTL, 3, big=big)
    said = datagrams.acknowledged(call, bytes(40), bytes(20), asked_back=True)
    datagrams.converse(recording, said, 49_900, client=client, server=server, answers_from=50_000)
    told = _heard(recording).datagrams
    assert [one.data for one in told] == [data for _, data in said]
    assert {one.what for one in told} == {CONNECTIONLESS}
    for (side, _), one in zip(said, told, strict=True):
        forth = ((client, 49_800), (server, 49_900))
        back = ((server, 50_000), (client, 49_800))
        assert (one.source, one.destination) == (back if side else forth)
    assert [one.packet for one in told] == list(range(1, len(said) + 1))


@pytest.mark.parametrize(
    ("at", "value"), [(0, 5), (1, 11), (4, 0x20), (4, 0x12), (5, 4), (6, 1), (74, 0xFF), (75, 0xFF)]
)
def test_what_is_no_header_is_only_counted(at: int, value: int) -> None:
    recording = Recording(0)
    data = bytearray(datagrams.pdu(datagrams.REQUEST, datagrams.Call(), bytes(40)))
    data[at] = value
    datagram(recording, C, 50_000, S, 50_001, bytes(data))
    heard = _heard(recording)
    assert heard.datagrams == []
    assert heard.reader.sweep.state.counters[IN_FLOWS] == 1


def test_questions_for_names_and_their_answers_are_told() -> None:
    recording = Recording(0)
    answers = [names.dns_answer("srv.corp.example", [S]), names.nbns_answer("SRV", [S])]
    for port, question, answer in ((53, names.dns_query("srv.corp.example"), answers[0]),
                                   (137, names.nbns_query("SRV"), answers[1]),
                                   (5355, names.dns_query("srv", flags=0), answers[0])):  # fmt: skip
        datagram(recording, C, 50_000, S, port, question)
        datagram(recording, S, port, C, 50_000, answer)
    heard = _heard(recording).datagrams
    asked = [one for one in heard if one.what == NAME_QUESTION]
    assert [one.data for one in asked] == [
        names.dns_query("srv.corp.example"), names.nbns_query("SRV"), names.dns_query("srv", flags=0),
    ]  # fmt: skip
    told = [one for one in heard if one.what == NAME_ANSWER]
    assert [one.source[1] for one in told] == [53, 137, 5355]
    assert [one.data for one in told] == [answers[0], answers[1], answers[0]]


def test_the_first_packet_that_ipsec_encrypts_is_told_and_the_others_are_counted() -> None:
    recording = Recording(0)
    esp(recording, C, S)
    datagram(recording, C, 4500, S, 4500, b"\0\0\0\0" + bytes(40))  # the keys are agreed on
    datagram(recording, C, 4500, S, 4500, b"\1\2\3\4" + bytes(40))
    heard = _heard(recording)
    assert [(one.what, one.source[0], one.destination[0]) for one in heard.datagrams] == [(TUNNEL, C, S)]
    assert heard.reader.sweep.state.counters[TUNNELS] == 2


def test_more_names_than_are_told_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "MAX_NAMES_TOLD", 3)
    recording = Recording(0)
    for _ in range(5):
        datagram(recording, S, 53, C, 50_000, names.dns_answer("srv.corp.example", [S]))
    datagrams.converse(recording, datagrams.lookup(exchanges.SVCCTL, 49_900, S), 135)
    heard = _heard(recording)
    assert [one.what for one in heard.datagrams] == [NAME_ANSWER] * 3 + [CONNECTIONLESS] * 2
    assert heard.reader.sweep.state.counters[NAMES_UNTOLD] == 2


def test_what_the_capture_cut_is_told_with_its_length() -> None:
    recording = Recording(0)
    answer = names.dns_answer("srv.corp.example", [S] * 20)
    datagram(recording, S, 53, C, 50_000, answer)
    recording.frames[0] = recording.frames[0]._replace(
        data=recording.frames[0].data[:100], length=len(recording.frames[0].data)
    )
    (one,) = _heard(recording).datagrams
    assert (one.data, one.length) == (answer[: 100 - 42], len(answer))


def test_tickets_in_datagrams_both_ways() -> None:
    recording = Recording(0)
    asked, told = kerberos.as_req(), kerberos.krb_error(kerberos.PREAUTH_REQUIRED)
    datagram(recording, C, 50_001, S, 88, asked)
    datagram(recording, S, 88, C, 50_001, told)
    heard = _heard(recording).datagrams
    assert [(one.what, one.data) for one in heard] == [(TICKET, asked), (TICKET, told)]


def _exchange(recording: Recording, messages: list[tuple[int, bytes]], sizes: tuple[int, ...]) -> None:
    tcp = Tcp(recording, C, 50_002, S, 88)
    tcp.open()
    tcp.say([(side, kerberos.over_tcp(message)) for side, message in messages], sizes)


TICKETS = [
    (0, kerberos.as_req()), (1, kerberos.krb_error(kerberos.PREAUTH_REQUIRED)), (0, kerberos.as_req(preauth=True)),
    (1, kerberos.kdc_rep(kerberos.AS_REP, "krbtgt", kerberos.REALM)), (0, kerberos.tgs_req("RPCSS", "srv")),
    (1, kerberos.kdc_rep(kerberos.TGS_REP, "RPCSS", "srv")),
]  # fmt: skip


@settings(max_examples=25)
@given(sizes=st.lists(st.integers(20, 900), min_size=1, max_size=8))
def test_tickets_over_tcp_however_they_are_cut(sizes: list[int]) -> None:
    recording = Recording(0)
    _exchange(recording, TICKETS, tuple(sizes))
    told = _heard(recording).tickets
    assert [(side, data[4:], length) for side, _, data, length in told] == [
        (side, message, len(message) + 4) for side, message in TICKETS
    ]


def test_another_protocol_on_the_port_of_tickets_is_nothing() -> None:
    recording = Recording(0)
    tcp = Tcp(recording, C, 50_002, S, 88)
    tcp.open()
    tcp.say([(0, b"GET / HTTP/1.1\r\nHost: srv\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n")])
    heard = _heard(recording)
    assert heard.tickets == []
    assert heard.datagrams == []


def test_tickets_of_one_connection_are_bounded() -> None:
    recording = Recording(0)
    _exchange(recording, TICKETS * 20, (1460,))
    assert len(_heard(recording).tickets) == 64
