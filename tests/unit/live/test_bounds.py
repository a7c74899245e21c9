"""What is remembered of a capture without an end does not grow, and no finding is lost or told twice for that."""

from collections import Counter
from collections.abc import Callable

import pytest

from rpcdiag.analysis import so_far
from rpcdiag.capture.choice import PYTHON, Engine
from rpcdiag.capture.live import PIECE, Interfaces
from rpcdiag.intake import FLOWS_A_NAME, Reading, take_live
from rpcdiag.live.turns import Turns
from rpcdiag.sweep.engine import FOLLOWED_SHARE
from tests.build import exchanges, names
from tests.build.conversation import SECOND, VISTA_RETRIES, Recording, Tcp, datagram
from tests.build.story import START

S = "10.0.0.2"
FLOWS, ROUNDS = 200, 130
MOST = FLOWS // FOLLOWED_SHARE


class _Endless:
    """A source as an interface is one: its clock is this machine's, and it comes piece by piece."""

    clocked = True
    compression: str | None = None
    stopped = idle = False

    def __init__(self, data: bytes, piece: int) -> None:
        self._data, self._piece, self.head = data, piece, data[:64]

    def readinto(self, room: memoryview) -> int | None:
        count = min(len(room), self._piece, len(self._data))
        room[:count] = self._data[:count]
        self._data = self._data[count:]
        return count

    def also(self, tap: Callable[[bytes], None]) -> None:
        raise AssertionError("nobody asks for it")

    def close(self) -> None: ...


def _round(recording: Recording, number: int) -> None:
    """A client whose dynamic port is dropped, one that does not reach the mapper, one for whom all is well."""
    blocked, shut_out, fine = (f"10.{net}.{number // 250}.{number % 250 + 1}" for net in (1, 2, 3))
    datagram(recording, fine, 5000, S, 53, names.dns_query(f"host{number}.example.com"))
    datagram(recording, S, 53, fine, 5000, names.dns_answer(f"host{number}.example.com", [fine]))
    exchanges.lookup(recording, fine, 50000, S, exchanges.DRSUAPI, 49667)
    exchanges.lookup(recording, blocked, 50000, S, exchanges.DRSUAPI, 49667)
    Tcp(recording, blocked, 50001, S, 49667).syns(VISTA_RETRIES, until=21)
    Tcp(recording, shut_out, 50000, S, 135).syns(VISTA_RETRIES, until=21)
    recording.wait(SECOND)


@pytest.fixture(scope="module")
def traffic() -> bytes:
    recording = Recording(START)
    for number in range(ROUNDS):
        _round(recording, number)
    Tcp(recording, S, 9, "10.0.0.3", 445).open()
    return recording.pcapng()


def test_what_is_looked_at_stays_as_large_as_it_is_and_each_finding_is_told_once(traffic: bytes) -> None:
    turns = Turns()
    told: Counter[tuple[str, str]] = Counter()
    looked_at: list[int] = []
    known_names: list[int] = []

    def watch(reading: Reading) -> None:
        assert reading.so_far is not None
        taken = reading.so_far()
        case, findings = so_far(taken, brief=True)
        looked_at.append(len(case.flows))
        known_names.append(len(list(taken.surroundings.names(None))))
        told.update(
            (turn.finding.rule, str(turn.finding.client))
            for turn in turns.look(case, findings, taken.last_ns or 0)
            if turn.finding is not None
        )

    taken = take_live("endless", _Endless(traffic, 1500), Engine(PYTHON, max_flows=FLOWS, jobs=1), watch)
    assert taken.flows.sweep.evicted > 0
    assert max(looked_at) <= MOST + 6  # room is made after a piece with more than that
    assert max(known_names) == FLOWS // FLOWS_A_NAME
    by_rule = Counter(rule for rule, _ in told)
    assert by_rule["dynamic-port-blocked"] == by_rule["mapper-blocked"] == ROUNDS
    assert set(told.values()) == {1}


def test_of_very_much_that_waits_no_more_than_a_piece_is_taken_at_once() -> None:
    waiting, rooms = bytes(10 * PIECE), []

    def read(room: int, timeout_ms: int) -> bytes:
        nonlocal waiting
        rooms.append(room)
        taken, waiting = waiting[:room], waiting[room:]
        return taken

    source = Interfaces(read)
    with memoryview(bytearray(3 * PIECE)) as room:
        while waiting:
            assert source.readinto(room) == PIECE
    assert set(rooms) == {1 << 20}
