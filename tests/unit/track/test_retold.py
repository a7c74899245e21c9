"""Connections whose story was told once say the same as those that the tracker follows one by one."""

from pathlib import Path
from typing import NamedTuple

import pytest

from rpcdiag import beside
from rpcdiag.capture.choice import Engine
from rpcdiag.flows.table import FlowTable
from rpcdiag.intake import Taken, take
from rpcdiag.track import retold
from rpcdiag.track.facts import Connection, Referral
from rpcdiag.track.retold import Retold
from rpcdiag.track.tracker import Tracker
from tests.build import exchanges
from tests.build.conversation import Recording, Tcp
from tests.build.exchanges import DRSUAPI
from tests.corpus.at_hand import captures

STORIES = sorted((Path(__file__).parents[3] / "pcaps").glob("*/*.pcapng"))
LARGEST = 1 << 20
START = 1_700_000_000_000_000_000


class Said(NamedTuple):
    referrals: list[tuple[Referral, ...]]
    connections: list[Connection | None]


def _said(path: Path, told: type[Retold] | None) -> Said:
    taken = take(str(path), Engine("python"))
    if not isinstance(taken, Taken):
        return Said([], [])
    table = FlowTable([taken.flows])
    flows = list(beside.named(table, [taken]))
    tracker: Tracker | Retold = told(taken.tracker, taken.flows.sweep) if told else taken.tracker
    referrals = [tracker.referrals(table.serial(flow), table.stream_place(flow)) for flow in flows]
    last = taken.last_ns or 0
    connections = [tracker.connection(table.serial(flow), flow, table.stream(flow), last) for flow in flows]
    return Said(referrals, connections)


def test_all_captures_at_hand_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retold, "WORTH_TELLING", 1)
    paths = [*STORIES, *(path for path in captures() if path.stat().st_size <= LARGEST)]
    found = 0
    for path in paths:
        said = _said(path, Retold)
        assert said == _said(path, None), path
        found += sum(1 for one in said.connections if one and one.binds) + sum(map(len, said.referrals))
    assert found > len(STORIES)


def _polls(path: Path) -> None:
    """Lookups that are asked twice, and connections with different numbers of calls."""
    recording = Recording(START)
    for number in range(12):
        exchanges.lookup(recording, "10.0.0.1", 20000 + number, "10.0.0.9", DRSUAPI, 49667)
        service = Tcp(recording, "10.0.0.1", 40000 + number, "10.0.0.9", 49667)
        service.open()
        exchanges.session(service, DRSUAPI, calls=1 + number % 3)
        service.close()
    path.write_bytes(recording.pcapng())


def test_no_number_is_that_of_another_connection(tmp_path: Path) -> None:
    path = tmp_path / "polls.pcapng"
    _polls(path)
    said = _said(path, Retold)
    assert said == _said(path, None)
    packets = [bind.packet for one in said.connections if one for bind in one.binds]
    assert len(set(packets)) == 24
    assert len({one.response_packet for some in said.referrals for one in some}) == 12
    assert all(type(packet) is int for packet in packets)


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_STORIES", 1), ("MAX_USES", 1), ("LONGEST", 1), ("WORTH_TELLING", 5)]
)
def test_the_bounds_cost_time_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    path = tmp_path / "polls.pcapng"
    _polls(path)
    monkeypatch.setattr(retold, limit, value)
    assert _said(path, Retold) == _said(path, None)
