"""Answers of a mapper that are less usual: listings in pieces, endpoints behind a greeting, nothing at all."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.flows.flow import HTTP, TCP
from rpcdiag.model.evidence import Confidence, Severity
from tests.build import datagrams, exchanges, pdus
from tests.build.conversation import SECOND, Recording, Tcp, datagram
from tests.build.story import START

CLIENT, SERVER = "10.5.0.10", "10.6.0.20"
HANDLE = bytes(4) + bytes(range(1, 17))
NOT_REGISTERED = 0x16C9A0D6


def _diagnosis(folder: Path, recording: Recording) -> Diagnosis:
    recording.wait(10 * SECOND)
    datagram(recording, CLIENT, 40_000, "10.5.0.11", 9)  # the capture runs on
    path = folder / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    return analyze([str(path)])


def _asked(tcp: Tcp, answers: Sequence[tuple[bytes, Sequence[bytes], int]]) -> None:
    """A bind, and ept_map with a handle in the question: towers and a status in the answer."""
    tcp.open()
    tcp.send(pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135"))
    for call_id, (handle, towers, status) in enumerate(answers, start=2):
        question = pdus.map_request(pdus.tower(*exchanges.SVCCTL, 135, SERVER))
        question = question[:-24] + handle + question[-4:]
        tcp.send(pdus.request(3, question, call_id=call_id))
        tcp.reply(pdus.response(pdus.map_response(towers, status), call_id=call_id))


def _rules(diagnosis: Diagnosis) -> list[tuple[str, Confidence]]:
    return [(one.rule, one.confidence) for one in diagnosis.findings if one.severity is not Severity.NOTE]


@pytest.mark.parametrize(("handle", "found"), [(HANDLE, []), (bytes(20), [("not-registered", Confidence.ESTABLISHED)])])
def test_the_end_of_a_listing_is_no_refusal(
    tmp_path: Path, handle: bytes, found: list[tuple[str, Confidence]]
) -> None:  # fmt: skip
    recording = Recording(START)
    named = pdus.tower(*exchanges.SVCCTL, 49702, SERVER)
    _asked(
        Tcp(recording, CLIENT, 51100, SERVER, 135), [(bytes(20), [named], 0), (handle, [], NOT_REGISTERED)]
    )  # fmt: skip
    assert _rules(_diagnosis(tmp_path, recording)) == found


def test_an_answer_that_names_nothing_and_says_all_is_well(tmp_path: Path) -> None:
    recording = Recording(START)
    _asked(Tcp(recording, CLIENT, 51100, SERVER, 135), [(bytes(20), [], 0)])
    assert _rules(_diagnosis(tmp_path, recording)) == [("not-registered", Confidence.LIKELY)]


@pytest.mark.parametrize("both", [False, True])
def test_an_endpoint_behind_a_greeting_is_reached_over_tcp(tmp_path: Path, both: bool) -> None:
    recording = Recording(START)
    towers = [pdus.http_tower(*exchanges.SVCCTL, 49155, SERVER)]
    towers += [pdus.tower(*exchanges.SVCCTL, 49155, SERVER)] if both else []
    _asked(Tcp(recording, CLIENT, 51100, SERVER, 135), [(bytes(20), towers, 0)])
    Tcp(recording, CLIENT, 51101, SERVER, 49155).syns()
    diagnosis = _diagnosis(tmp_path, recording)
    tried = diagnosis.case.flows[1]
    assert (tried.origin.kind, tried.flow.transport) == ("ept_map", TCP if both else HTTP)
    assert _rules(diagnosis) == [("dynamic-port-blocked", Confidence.ESTABLISHED)]


def test_a_server_that_gives_up_answering_resets(tmp_path: Path) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 51100, SERVER, 135)
    tcp.syns((0,), until=1)
    for _ in range(3):
        tcp._packet(1, "SA")
        recording.wait(SECOND)
        tcp._packet(0, "S")
    recording.wait(8 * SECOND)
    tcp.rst()
    assert _rules(_diagnosis(tmp_path, recording)) == [("asymmetric-path", Confidence.LIKELY)]


@pytest.mark.parametrize(
    ("flags", "answered", "found"),
    [
        (0, False, [("dynamic-port-blocked", Confidence.ESTABLISHED)]),
        (0, True, []),
        (datagrams.MAYBE, False, []),  # such calls want no answer
    ],
)
def test_calls_over_udp_that_nobody_answers(
    tmp_path: Path, flags: int, answered: bool, found: list[tuple[str, Confidence]]
) -> None:  # fmt: skip
    recording = Recording(START)
    datagrams.converse(recording, datagrams.lookup(exchanges.SVCCTL, 1026, SERVER), 135, client=CLIENT, server=SERVER)
    call = datagrams.Call(interface=exchanges.SVCCTL, opnum=1, activity=datagrams.CALLBACK)
    request, response = (
        datagrams.pdu(kind, call, bytes(24), flags1=flags) for kind in (datagrams.REQUEST, datagrams.RESPONSE)
    )
    for _ in range(3):
        datagrams.converse(recording, [(0, request)], 1026, client=CLIENT, client_port=49_801, server=SERVER)
        recording.wait(2 * SECOND)
    if answered:
        datagrams.converse(recording, [(1, response)], 1026, client=CLIENT, client_port=49_801, server=SERVER)
    diagnosis = _diagnosis(tmp_path, recording)
    assert diagnosis.case.flows[1].origin.kind == "ept_map"
    assert _rules(diagnosis) == found
