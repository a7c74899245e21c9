"""More flows than there is room for: the oldest go, and every packet is still counted."""

import subprocess
import sys
from pathlib import Path
from struct import pack

import pytest

from rpcdiag.capture.reader import CaptureReader
from rpcdiag.flows.table import CaptureFlows
from rpcdiag.sweep import engine
from rpcdiag.sweep.columns import COUNTERS, FLOW_WIDTH, FLOWS_TOP, IN_FLOWS, NUMBER, SERIAL, SERIAL_NUMBER
from rpcdiag.sweep.engine import FOLLOWED_SHARE, Sweep
from rpcdiag.sweep.machine import Machine
from rpcdiag.sweep.worth import worth
from tests.build import containers, frames, pdus
from tests.build.containers import Frame
from tests.properties.two_forms import Chosen, Outcome, compare, compare_ends, outcome

A, B = "192.0.2.1", "192.0.2.2"
ROOM = 500
_SAY_SEED = "from rpcdiag.sweep.engine import _SEED; print(_SEED)"


def _write(folder: Path, segments: list[bytes]) -> str:
    path = folder / "flood.pcap"
    path.write_bytes(
        containers.pcap([Frame(number * 1000, 0, frames.ethernet(one)) for number, one in enumerate(segments)])
    )
    return str(path)


def _syns(count: int) -> list[bytes]:
    return [frames.tcp(A, 1024 + number, B, 445, flags=frames.SYN, seq=number) for number in range(count)]


def _web(port: int) -> list[bytes]:
    """A connection that does not matter, to its end."""
    data = [frames.tcp(A, port, B, 80, seq=1 + 20 * number, data=b"GET / HTTP/1.1 \r\n\r\n ") for number in range(4)]
    return [*data, frames.tcp(B, 80, A, port, flags=frames.RST)]


def _rpc(port: int) -> bytes:
    return frames.tcp(A, port, B, 135, data=pdus.bind(pdus.contexts(pdus.EPM, "3.0")))


def _held(one: Outcome) -> int:
    flows = one.left[0].flows
    return sum(flows[at + SERIAL_NUMBER] >= 0 for at in range(0, one.left[0].counters[FLOWS_TOP], FLOW_WIDTH))


def _both(path: str, machine: Machine) -> Outcome:
    interpreted = outcome(path, Chosen(None, max_flows=ROOM))
    compare(interpreted, outcome(path, Chosen(machine, max_flows=ROOM)))
    return interpreted


def test_of_a_flood_the_newest_stay_and_both_forms_give_up_the_same(tmp_path: Path, machine: Machine) -> None:
    one = _both(_write(tmp_path, _syns(5000)), machine)
    counters, flows = one.left[0].counters, one.left[0].flows
    evicted, folded = one.left[0].totals
    assert (counters[NUMBER], counters[IN_FLOWS], counters[SERIAL]) == (5000, 5000, 5000)
    assert len(counters) == COUNTERS
    assert folded == 0
    assert len(flows) == ROOM * FLOW_WIDTH
    kept = sorted(serial for serial in flows[SERIAL_NUMBER::FLOW_WIDTH] if serial >= 0)
    assert kept == list(range(5000 - len(kept), 5000))
    assert len(kept) + evicted == 5000
    assert len(kept) >= ROOM // 2
    sums = one.diagnosis.case.accounting
    assert sums.sums_hold
    assert sums.evicted_flows == evicted


def test_a_table_that_is_copied_in_many_pieces_is_the_same(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece is given back before the next is copied."""
    monkeypatch.setattr("rpcdiag.sweep.engine._PIECE", 512)
    segments = [one for number in range(400) for one in (_rpc(1024 + number), *_web(30000 + number), *_syns(3))]
    one = _both(_write(tmp_path, segments), machine)
    assert one.left[0].totals[0] > 0
    assert one.diagnosis.case.accounting.sums_hold


def test_what_matters_outlives_the_flood(tmp_path: Path, machine: Machine) -> None:
    one = _both(_write(tmp_path, [_rpc(60000), *_syns(3000)]), machine)
    (flow,) = [flow for flow in one.diagnosis.case.flows if flow.rpc]
    assert (flow.flow.first_packet, flow.flow.client.port) == (1, 60000)


def test_an_attempt_that_failed_beside_rpc_outlives_a_flood_of_others(tmp_path: Path, machine: Machine) -> None:
    refused = [
        frames.tcp(A, 60001, B, 49667, flags=frames.SYN, seq=1),
        frames.tcp(B, 49667, A, 60001, flags=frames.RST | frames.ACK, ack=2),
    ]
    strangers = [
        frames.tcp(f"198.51.100.{number % 200}", 1024 + number, B, 49667, flags=frames.SYN) for number in range(3000)
    ]
    one = _both(_write(tmp_path, [_rpc(60000), *refused, *strangers]), machine)
    assert {60000, 60001} <= {flow.flow.client.port for flow in one.diagnosis.case.flows}


def test_what_failed_goes_before_what_spoke_when_one_host_floods(tmp_path: Path, machine: Machine) -> None:
    silent = [frames.tcp(A, 1024 + number, B, 49667, flags=frames.SYN) for number in range(3000)]
    one = _both(_write(tmp_path, [_rpc(60000), *silent]), machine)
    assert 60000 in {flow.flow.client.port for flow in one.diagnosis.case.flows}


def test_without_an_end_the_latest_rpc_is_known_and_the_oldest_let_go(tmp_path: Path) -> None:
    path = _write(tmp_path, [_rpc(1024 + number) for number in range(300)])
    sweep = Sweep(ROOM)
    gone: set[int] = set()
    sweep.on_gone = gone.update
    reader = CaptureReader(path, sweep)
    for _ in reader.events():
        pass
    sweep.let_go()
    most = ROOM // FOLLOWED_SHARE
    assert gone == set(range(300 - most * 3 // 4))
    assert sweep.evicted == len(gone)
    sweep.let_go()  # nothing came since
    assert sweep.evicted == len(gone)


def _refused(host: str, port: int) -> list[bytes]:
    return [
        frames.tcp(host, port, B, 49667, flags=frames.SYN, seq=1),
        frames.tcp(B, 49667, host, port, flags=frames.RST | frames.ACK, ack=2),
    ]


def _spoke(host: str) -> bytes:
    return frames.tcp(host, 60000, B, 135, data=pdus.bind(pdus.contexts(pdus.EPM, "3.0")))


def _kept(folder: Path, segments: list[bytes]) -> list[tuple[str, int]]:
    """Clients with the ports of their servers that are left after room was made in a capture without an end."""
    sweep = Sweep(ROOM)
    flows = CaptureFlows(sweep)
    for _ in CaptureReader(_write(folder, segments), sweep).events():
        pass
    sweep.let_go()
    known = [flows.flow(o, 0, "syn") for o in worth(sweep.state.flows, sweep.end)]
    return [(str(flow.client.address), flow.server.port) for flow in known]


def test_without_an_end_attempts_at_the_mapper_that_never_opened_are_bounded(tmp_path: Path) -> None:
    """They carry no RPC, and every one of them is looked at."""
    hosts = [f"198.51.100.{number}" for number in range(200)]
    kept = _kept(tmp_path, [frames.tcp(host, 1024, B, 135, flags=frames.SYN) for host in hosts])
    assert kept == [(host, 135) for host in hosts[-(ROOM // FOLLOWED_SHARE * 3 // 4) :]]


def test_without_an_end_what_was_asked_goes_with_what_failed_after_it(tmp_path: Path) -> None:
    """Else a finding that was sure of where the port came from becomes another that is not."""
    hosts = [f"198.51.100.{number}" for number in range(60)]
    asked, tried = [_spoke(host) for host in hosts], [one for host in hosts for one in _refused(host, 60001)]
    ports: dict[str, list[int]] = {}
    for host, port in _kept(tmp_path, asked + tried):
        ports.setdefault(host, []).append(port)
    assert 10 <= len(ports) < 60
    assert all(sorted(found) == [135, 49667] for found in ports.values())
    assert set(ports) == set(hosts[-len(ports) :])


def test_without_an_end_old_trouble_leaves_room_for_what_begins(tmp_path: Path) -> None:
    """Nobody knows yet whether it will fail."""
    troubled = [f"198.51.100.{number}" for number in range(60)]
    fine = [f"203.0.113.{number}" for number in range(100)]
    kept = _kept(
        tmp_path, [one for host in troubled for one in (_spoke(host), *_refused(host, 60001))] + list(map(_spoke, fine))
    )
    most = ROOM // FOLLOWED_SHARE
    assert [host for host, _ in kept if host in fine] == fine[-(most * 2 // 8) :]
    assert 0 < len([host for host, _ in kept if host in troubled]) <= most // 2


def test_a_flood_of_what_matters_is_bounded_too(tmp_path: Path, machine: Machine) -> None:
    one = _both(_write(tmp_path, [_rpc(1024 + number) for number in range(1200)]), machine)
    assert one.left[0].totals[0] > 0
    assert one.diagnosis.case.accounting.sums_hold
    assert one.diagnosis.case.accounting.packets == 1200


def test_what_ended_and_does_not_matter_is_folded_and_its_packets_count(tmp_path: Path, machine: Machine) -> None:
    segments = [segment for number in range(2000) for segment in _web(1024 + number)]
    one = _both(_write(tmp_path, [_rpc(60000), *segments]), machine)
    evicted, folded = one.left[0].totals
    sums = one.diagnosis.case.accounting
    assert evicted == sums.evicted_flows == 0
    assert folded > 1000
    assert folded + _held(one) == 2001
    assert sums.packets == sums.packets_in_flows == 1 + 5 * 2000
    assert sums.sums_hold


@pytest.mark.parametrize("adopt_at", [1000, 100_000, 200_000])
def test_a_flood_that_changes_over_in_the_middle(
    adopt_at: int, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rpcdiag.capture.blocks.BLOCK", 10_000)
    segments = _syns(2000)
    for number in range(300):
        segments[7 * number : 7 * number] = _web(30000 + number)
    path = _write(tmp_path, segments)
    engine = Chosen(machine, max_flows=ROOM, adopt_at=adopt_at)
    compare_ends(outcome(path, engine), outcome(path, Chosen(None, max_flows=ROOM)))
    assert engine.adopted == 1


def test_what_was_said_of_a_flow_that_is_given_up_is_still_told(tmp_path: Path) -> None:
    """A bind is a step, the fault an event that points to it; the flow is given up before anybody has read that."""
    talk = [_rpc(60000), frames.tcp(B, 135, A, 60000, data=pdus.fault(5, call_id=1)), _rpc(60001)]
    path = _write(tmp_path, [*talk, *_syns(8)])
    assert outcome(path, Chosen(None, max_flows=2)).diagnosis.case.accounting.sums_hold


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("form", ["python", "compiled"])
def test_packets_in_blocks_of_their_own_make_room_for_flows_too(
    kind: int, form: str, tmp_path: Path, machine: Machine
) -> None:
    """Simple and obsolete packet blocks: their packets go through `Sweep.single`, and nobody looks at STOP."""
    data = containers.pcapng([])
    for number in range(3000):
        frame = frames.ethernet(frames.tcp(A, 1024 + number, B, 445, flags=frames.SYN))
        head = pack("<I", len(frame)) if kind == 3 else pack("<HHIIII", 0, 0, 0, number, len(frame), len(frame))
        body = head + frame + bytes(-len(frame) % 4)
        data += pack("<II", kind, 12 + len(body)) + body + pack("<I", 12 + len(body))
    path = tmp_path / "blocks.pcapng"
    path.write_bytes(data)
    one = outcome(str(path), Chosen(machine if form == "compiled" else None))
    assert one.diagnosis.case.accounting.packets_in_flows == 3000


def test_what_collides_is_known_to_nobody_and_changes_nothing(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process has a seed of its own: no capture can be made whose connections all meet in one slot."""
    path = _write(tmp_path, [*_syns(300), *[_rpc(2000 + number) for number in range(300)]])
    found, slots = [], []
    for seed in (1, 2):
        monkeypatch.setattr(engine, "_SEED", seed)
        found.append(outcome(path, Chosen(machine)))
        sweep = Sweep(machine=machine)
        for _ in CaptureReader(path, sweep).events():
            pass
        slots.append([place for place, held in enumerate(sweep.state.table[:-1]) if held])
    assert found[0].said == found[1].said
    assert [left.flows for left in found[0].left] == [left.flows for left in found[1].left]
    assert len(slots[0]) == len(slots[1]) == 2 * 600
    assert slots[0] != slots[1]
    said = [subprocess.run([sys.executable, "-c", _SAY_SEED], capture_output=True, check=True).stdout for _ in "ab"]
    assert said[0] != said[1]
