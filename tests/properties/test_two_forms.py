"""The interpreted and the compiled pass say the same of every capture, also where one goes on for the other."""

import json
from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.capture import blocks
from rpcdiag.capture.choice import COMPILED, PYTHON, Engine
from rpcdiag.report.outputs.json import document
from rpcdiag.sweep.columns import NO_ROOM
from rpcdiag.sweep.engine import MAX_FLOWS
from rpcdiag.sweep.machine import Machine
from tests.build import containers, datagrams, frames, pdus
from tests.build.carrying import ANSWER
from tests.build.containers import Frame, snapped
from tests.build.conversation import Recording, Tcp, datagram, icmp_error
from tests.build.smb1 import Session
from tests.build.story import START
from tests.causes.shown_cause import all_shown
from tests.corpus import at_hand
from tests.fuzz.carriers import MADE, made
from tests.properties.two_forms import Chosen, compare, compare_ends, outcome

OURS = sorted((Path(__file__).resolve().parents[2] / "pcaps").glob("*/capture.pcapng"))
THEIRS = at_hand.captures()
ALL = [
    *(pytest.param(path, id=path.parent.name) for path in OURS),
    *(pytest.param(path, id=path.name, marks=pytest.mark.corpus) for path in THEIRS),
]
SMALL = 2000  # bytes at a time
LENGTHS = (68, 96, 128, 192, 256)


@pytest.mark.parametrize("path", ALL)
def test_both_forms_say_the_same_and_leave_the_same(path: Path, machine: Machine) -> None:
    interpreted = outcome(str(path), Chosen(None), fresh=True)
    compiled = outcome(str(path), Chosen(machine))
    assert all(left.counters[NO_ROOM] == 0 for left in interpreted.left)
    compare(interpreted, compiled)


@pytest.mark.parametrize("path", ALL)
def test_the_wish_of_the_user_changes_no_byte_of_the_document(path: Path, machine: Machine) -> None:
    documents = [json.dumps(document(analyze([str(path)], engine=Engine(wish)))) for wish in (PYTHON, COMPILED)]
    assert documents[0] == documents[1]


@pytest.mark.parametrize("path", ALL)
def test_one_form_goes_on_where_the_other_has_come_to(
    path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = outcome(str(path), Chosen(None))
    size = path.stat().st_size
    monkeypatch.setattr(blocks, "BLOCK", max(SMALL, size // 16))
    apart = outcome(str(path), Chosen(machine))
    compare_ends(apart, whole)
    for eighths in (0, 2, 5, 7):
        engine = Chosen(machine, adopt_at=1 + size * eighths // 8)
        changed = outcome(str(path), engine)
        assert engine.adopted == 1
        compare_ends(changed, apart)


@pytest.mark.parametrize("number", range(len(MADE)))
@pytest.mark.parametrize("max_flows", [1, 4, MAX_FLOWS])
def test_pipes_channels_and_datagrams_too(
    max_flows: int, number: int, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "made.pcapng"
    path.write_bytes(containers.pcapng(made(number)))
    whole = outcome(str(path), Chosen(None, max_flows=max_flows))
    assert whole.diagnosis.case.accounting.sums_hold
    compare(whole, outcome(str(path), Chosen(machine, max_flows=max_flows)))
    monkeypatch.setattr(blocks, "BLOCK", SMALL)
    for eighths in (0, 2, 5, 7):
        engine = Chosen(machine, max_flows=max_flows, adopt_at=1 + path.stat().st_size * eighths // 8)
        compare_ends(outcome(str(path), engine), whole)
        assert engine.adopted == 1


@pytest.mark.parametrize("number", range(len(LENGTHS)))
def test_every_cause_and_what_a_snap_length_leaves_of_it(number: int, machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "shown.pcapng"
    for place, shown in enumerate(all_shown()):
        if place % len(LENGTHS) == number:
            recording = Recording(START)
            shown.build(recording)
            for length in (None, LENGTHS[place // len(LENGTHS) % len(LENGTHS)]):
                kept = recording.frames if length is None else snapped(recording.frames, length)
                path.write_bytes(containers.pcapng(kept, recording.interfaces))
                compare(outcome(str(path), Chosen(None)), outcome(str(path), Chosen(machine)))


def test_a_transaction_in_parts_and_an_error_about_a_datagram(machine: Machine, tmp_path: Path) -> None:
    session = Session()
    session.negotiate()
    session.setup()
    session.tree()
    session.transact_sent_in_parts(session.create(r"\svcctl"), pdus.request(9, bytes(3000)), ANSWER, (1000, 600))
    recording = Recording(START)
    tcp = Tcp(recording, "10.0.0.5", 49_700, "10.0.0.9", 445)
    tcp.open()
    tcp.say(session.messages)
    for client, server in (("10.0.0.5", "10.0.0.9"), ("2001:db8::5", "2001:db8::9")):
        datagram(recording, client, 49_800, server, 135, datagrams.pdu(datagrams.REQUEST, datagrams.Call(), bytes(40)))
        icmp_error(recording, server, *((3, 3) if "." in client else (1, 4)))
    path = tmp_path / "made.pcapng"
    path.write_bytes(recording.pcapng())
    whole = outcome(str(path), Chosen(None), fresh=True)
    assert {flow.flow.outcome for flow in whole.diagnosis.case.flows} == {"established", "refused"}
    compare(whole, outcome(str(path), Chosen(machine)))


@pytest.mark.parametrize("form", ["python", "compiled"])
def test_a_datagram_that_came_in_fragments_is_read(form: str, tmp_path: Path, machine: Machine) -> None:
    bind = pdus.bind(pdus.contexts(pdus.EPM, "3.0"))
    whole = frames.tcp("192.0.2.1", 50000, "192.0.2.2", 135, data=bind)[20:]
    pieces = frames.fragmented("192.0.2.1", "192.0.2.2", whole, 64)
    path = tmp_path / "fragments.pcap"
    path.write_bytes(containers.pcap([Frame(n, 0, frames.ethernet(one)) for n, one in enumerate(pieces)]))
    (flow,) = outcome(str(path), Chosen(machine if form == "compiled" else None)).diagnosis.case.flows
    assert flow.rpc is not None
    assert flow.rpc.pdus == 1
