"""Questions for names that nobody answers, and the level that an exporter asks for."""

from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.capture.choice import COMPILED, PYTHON, Engine
from rpcdiag.case import Case
from tests.build import exchanges, names
from tests.build.conversation import SECOND, Recording, Tcp, datagram, esp
from tests.build.story import START

C, S, DNS, GROUP = "10.0.0.5", "10.0.0.9", "10.0.0.53", "224.0.0.252"


def _case(folder: Path, recording: Recording, mode: str = PYTHON) -> Case:
    path = folder / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    return analyze([str(path)], engine=Engine(mode)).case


@pytest.mark.parametrize("mode", [PYTHON, COMPILED])
def test_a_question_that_is_repeated_is_one_and_an_answer_settles_it(tmp_path: Path, mode: str) -> None:
    recording = Recording(START)
    for number in range(3):
        datagram(recording, C, 40_000 + number, DNS, 53, names.dns_query("gone.example", number=number))
        datagram(recording, C, 41_000 + number, DNS, 53, names.dns_query("there.example", number=number))
    datagram(recording, DNS, 53, C, 41_002, names.dns_answer("there.example", [S], number=2))
    recording.wait(SECOND)
    (one,) = _case(tmp_path, recording, mode).unanswered
    assert (one.fact.name, one.fact.type, one.fact.packet, one.fact.times) == ("gone.example", "A", 1, 3)
    assert (str(one.fact.client), str(one.fact.server), one.fact.kind) == (C, DNS, "dns")


def test_an_answer_of_anybody_settles_a_question_to_all(tmp_path: Path) -> None:
    recording = Recording(START)
    datagram(recording, C, 40_000, GROUP, 5355, names.dns_query("srv", flags=0))
    datagram(recording, S, 5355, C, 40_000, names.dns_answer("srv", [S], flags=0x8000))
    datagram(recording, C, 137, "10.0.0.255", 137, names.nbns_query("SRV2"))
    assert [one.fact.name for one in _case(tmp_path, recording).unanswered] == ["SRV2"]


def test_what_is_no_question_for_the_name_of_a_host_is_none(tmp_path: Path) -> None:
    recording = Recording(START)
    datagram(recording, C, 40_000, DNS, 53, names.dns_query("5.0.0.10.in-addr.arpa", names.PTR))
    datagram(recording, C, 137, "10.0.0.255", 137, names.nbns_query("SRV", flags=0x2910))  # a registration
    datagram(recording, C, 40_000, DNS, 53, b"\x12\x34\x01\x00" + bytes(9))
    assert _case(tmp_path, recording).unanswered == ()


@pytest.mark.parametrize("mode", [PYTHON, COMPILED])
def test_ipsec_is_known_by_its_first_packet_and_counted(tmp_path: Path, mode: str) -> None:
    recording = Recording(START)
    for _ in range(3):
        esp(recording, C, S)
    (tunnel,) = _case(tmp_path, recording, mode).tunnels
    assert (tunnel.packets, tunnel.fact.packet) == (3, 1)
    assert (str(tunnel.fact.client), str(tunnel.fact.server)) == (C, S)


def test_an_activation_tells_the_level_that_the_exporter_asks_for(tmp_path: Path) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, C, 50_000, S, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", [f"{S}[49670]"])
    (referral,) = _case(tmp_path, recording).referrals
    assert referral.referral.authn_hint == 5
