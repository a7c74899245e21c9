"""All flows at once, by columns: the same as one record after the other."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from rpcdiag.capture.choice import Engine
from rpcdiag.flows.flow import Host
from rpcdiag.flows.overview import QUIET_NS, Ends, Outline
from rpcdiag.flows.table import CaptureFlows, columns
from rpcdiag.intake import Taken, take
from rpcdiag.model.packets import Address
from rpcdiag.sweep.columns import (
    BY_SYN,
    BYTES_SKIPPED,
    CALL_COUNT,
    CARRIER,
    CLIENT,
    CLIENT_HOW,
    DIRECT,
    END_NS,
    FAULTS,
    FLOW_WIDTH,
    ICMP_ERRORS,
    KEY,
    MATTERS,
    MISSING,
    NODE,
    ORPC_CALLS,
    ORPHAN_ANSWERS,
    POSITION,
    REPEATS,
    REQUESTS,
    RESET_PACKET,
    RESET_SIDE,
    S_NS,
    SERIAL_NUMBER,
    SIDE_WIDTH,
    SILENCE_NS,
    START_NS,
    STEPS,
    STREAM,
    SYN_ACK_PACKET,
    SYN_COUNT,
    TTL,
    W_NEXT,
    YES,
)
from tests.build import containers, frames
from tests.build.containers import Frame
from tests.build.frames import ACK, SYN
from tests.corpus.at_hand import captures

STORIES = sorted((Path(__file__).parents[3] / "pcaps").glob("*/*.pcapng"))
LARGEST = 1 << 20


@pytest.fixture(scope="module")
def taken() -> list[Taken]:
    paths = [*STORIES, *(path for path in captures() if path.stat().st_size <= LARGEST)]
    read = [take(str(path), Engine("python")) for path in paths]
    assert len(STORIES) >= 20
    return [one for one in read if isinstance(one, Taken)]


def _row(flows: CaptureFlows, o: int) -> list[int]:
    return list(flows.sweep.state.flows[o : o + FLOW_WIDTH])


def _rows(flows: CaptureFlows) -> Iterator[list[int]]:
    return (_row(flows, o) for o in flows.overview().records)


def _stream(flows: CaptureFlows, row: list[int]) -> list[int] | None:
    return None if row[STREAM] < 0 else flows.sweep.stream(row[STREAM])


def _outline(flows: CaptureFlows, row: list[int]) -> tuple[Ends, bool, int] | None:
    matters, client = row[MATTERS] == YES, row[CLIENT]
    if row[CARRIER] or client < 0 or (not matters and (row[SYN_ACK_PACKET] or not row[SYN_COUNT])):
        return None
    at, other = KEY + 2 * client, KEY + 2 - 2 * client
    port = row[KEY + 4] >> 16 if client else row[KEY + 4] & 0xFFFF
    ends = Ends((row[at], row[at + 1], row[other], row[other + 1], row[KEY + 5]), port)
    well = (
        matters
        and row[CLIENT_HOW] == BY_SYN
        and row[SYN_ACK_PACKET] > 0
        and (not row[RESET_PACKET] or row[RESET_SIDE] == client)
        and not row[ICMP_ERRORS]
        and row[REPEATS] + row[REPEATS + 1] < 2
        and row[SILENCE_NS] < QUIET_NS
    )
    stream = _stream(flows, row) if well else None
    odd = stream is None or any(
        stream[field]
        for field in (
            DIRECT, CALL_COUNT, ORPHAN_ANSWERS, FAULTS, ORPC_CALLS, MISSING, MISSING + SIDE_WIDTH, BYTES_SKIPPED,
            BYTES_SKIPPED + SIDE_WIDTH,
        )
    )  # fmt: skip
    return ends, well, -1 if odd or stream is None else stream[NODE]


def test_outlines_are_what_the_records_say(taken: list[Taken]) -> None:
    looked_at = 0
    for one in taken:
        expected: dict[tuple[Ends, bool, int], list[int]] = {}
        for place, row in enumerate(_rows(one.flows)):
            outline = _outline(one.flows, row)
            if outline is not None:
                expected.setdefault(outline, []).append(place)
        outlines = one.flows.overview().outlines()
        assert outlines == [Outline(*key, members) for key, members in expected.items()]
        looked_at += len(outlines)
    assert looked_at > len(STORIES)


def test_sums_serials_and_times_are_what_the_records_say(taken: list[Taken]) -> None:
    steps = 0
    for one in taken:
        overview, rows = one.flows.overview(), list(_rows(one.flows))
        assert [overview.serial(place) for place in range(len(rows))] == [row[SERIAL_NUMBER] for row in rows]
        followed = [(place, stream) for place, row in enumerate(rows) if (stream := _stream(one.flows, row))]
        if not followed:
            continue
        places = [place for place, _ in followed]
        assert overview.sums(places) == (
            min(rows[place][START_NS] for place in places),
            max(rows[place][END_NS] for place in places),
            sum(stream[REQUESTS] for _, stream in followed),
            sum(stream[POSITION] + stream[POSITION + SIDE_WIDTH] for _, stream in followed),
        )
        for place, stream in followed:
            at, step = stream[STEPS], 0
            while at >= 0 and stream[NODE]:
                record = one.flows.sweep.record(at)
                assert list(overview.times(step, [place])) == [record[S_NS]]
                at, step, steps = record[W_NEXT], step + 1, steps + 1
    assert steps > len(STORIES)


def _hosts(flows: CaptureFlows) -> dict[tuple[int, int, int], tuple[tuple[int, ...], tuple[tuple[int, int], ...]]]:
    """TTLs and answering ports of every address, by point and family."""
    ttls: dict[tuple[int, int, int], dict[int, int]] = {}
    answered: dict[tuple[int, int, int], dict[int, int]] = {}
    for row in _rows(flows):
        if row[CARRIER]:
            continue
        for side in (0, 1):
            key = row[KEY + 5], row[KEY + 2 * side], row[KEY + 2 * side + 1]
            if row[TTL + side] >= 0:
                counted = ttls.setdefault(key, {})
                counted[row[TTL + side]] = counted.get(row[TTL + side], 0) + 1
            if row[SYN_ACK_PACKET] and row[CLIENT] == 1 - side:
                port = row[KEY + 4] & 0xFFFF if side else row[KEY + 4] >> 16
                ports = answered.setdefault(key, {})
                if len(ports) < 64:
                    ports.setdefault(port, row[SYN_ACK_PACKET])
    return {
        key: (
            tuple(sorted(counted, key=lambda ttl, counted=counted: (-counted[ttl], ttl))),  # type: ignore[misc]
            tuple(sorted(answered.get(key, {}).items())),
        )
        for key, counted in ttls.items()
    }  # fmt: skip


def test_hosts_are_what_the_records_say(taken: list[Taken]) -> None:
    known = 0
    for one in taken:
        expected = _hosts(one.flows)
        addresses: set[tuple[int, Address]] = set()
        for flow in one.flows.flows():
            addresses |= {(flow.point, flow.client.address), (flow.point, flow.server.address)}
        for point, address in addresses:
            seen = expected.get((point << 1 | (address.version == 6), *columns(address)))
            assert one.flows.host(point, address) == (seen and Host(0, point, address, *seen))
            assert one.flows.host(point + 99, address) is None
            known += seen is not None
    assert known > len(STORIES)


def test_a_host_has_no_more_than_64_ports(tmp_path: Path) -> None:
    packets = []
    for number in range(200):
        port = 1000 + 7 * number % 100
        packets.append(frames.tcp("10.0.0.1", 40000 + number, "10.0.0.2", port, flags=SYN, seq=1))
        packets.append(frames.tcp("10.0.0.2", port, "10.0.0.1", 40000 + number, flags=SYN | ACK, seq=9, ack=2))
    path = tmp_path / "ports.pcap"
    path.write_bytes(containers.pcap(Frame(number, 0, frames.ethernet(one)) for number, one in enumerate(packets)))
    one = take(str(path), Engine("python"))
    assert isinstance(one, Taken)
    host = one.flows.host(one.flows.points()[0], IPv4Address("10.0.0.2"))
    assert host is not None
    ((_, answered),) = [known for known in _hosts(one.flows).values() if known[1]]
    assert host.answered == answered
    assert len(answered) == 64
