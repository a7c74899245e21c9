"""TCP conversations in time: handshakes, data in segments, losses, closes and the ways to fail to open."""

from random import Random
from typing import NamedTuple

from bench.frames import ACK, FIN, PSH, RST, SYN, SYN_OPTIONS, Connection, Hosts

CLIENT, SERVER = 0, 1
SECOND = 1_000_000
MILLISECOND = 1_000
SYN_RETRIES = (0, 3 * SECOND, 9 * SECOND)  # up to Server 2008 R2
REPEAT_AFTER = 30 * MILLISECOND

Frames = list[tuple[int, bytes]]


class Damage(NamedTuple):
    """Shares of the data segments that are sent twice, and that change places with the one before."""

    repeated: float = 0.0
    swapped: float = 0.0


class Conversation:
    """One connection; its frames go to `frames`, its clock is `now`, in microseconds."""

    def __init__(
        self, frames: Frames, at: int, hosts: Hosts, ports: tuple[int, int], random: Random, *,
        round_trip: int = 400, damage: Damage | None = None,
    ) -> None:  # fmt: skip
        self.frames = frames
        self.now = at
        self._random = random
        self._tcp = Connection(hosts, ports, random)
        self._round_trip = round_trip
        self._damage = damage or Damage()
        self._owed = 0  # data segments without an acknowledgement

    def wait(self, microseconds: float) -> None:
        self.now += int(microseconds)

    def _put(self, frame: bytes, gap: int = 12) -> None:
        self.frames.append((self.now, frame))
        self.now += gap

    def open(self) -> None:
        """The handshake."""
        half = self._round_trip // 2
        self._put(self._tcp.segment(CLIENT, SYN, options=SYN_OPTIONS), half)
        self._put(self._tcp.segment(SERVER, SYN | ACK, options=SYN_OPTIONS), half)
        self._put(self._tcp.segment(CLIENT, ACK))

    def refused(self, times: int = 2) -> None:
        """SYNs that are answered with RST, half a second apart as Windows tries."""
        first = self._tcp.sequence[CLIENT]
        for number in range(times):
            if number:
                self.wait(SECOND // 2)
            self._tcp.sequence[CLIENT] = first
            self._put(self._tcp.segment(CLIENT, SYN, options=SYN_OPTIONS), self._round_trip)
            self._put(self._tcp.segment(SERVER, RST | ACK, sequence=0))

    def unanswered(self) -> None:
        """A SYN and its repeats into silence."""
        start, first = self.now, self._tcp.sequence[CLIENT]
        for after in SYN_RETRIES:
            self.now = start + after
            self._put(self._tcp.segment(CLIENT, SYN, sequence=first, options=SYN_OPTIONS))

    def send(self, data: bytes, side: int = CLIENT) -> None:
        """Data of one side in segments; the other acknowledges every second one, and the last with what it says."""
        size, damage, random = self._tcp.mss, self._damage, self._random
        for at in range(0, len(data), size):
            last = at + size >= len(data)
            sequence = self._tcp.sequence[side]
            piece = data[at : at + size]
            self._put(self._tcp.segment(side, PSH | ACK if last else ACK, piece))
            if at and damage.swapped and random.random() < damage.swapped:
                self._swap_last_two()
            if damage.repeated and random.random() < damage.repeated:
                self.wait(REPEAT_AFTER)
                self._put(self._tcp.segment(side, PSH | ACK, piece, sequence=sequence))
            self._owed += 1
            if self._owed == 2 and not last:
                self.acknowledge(1 - side)
        self._owed = 0
        self.now += self._round_trip

    def reply(self, data: bytes) -> None:
        """Data of the server."""
        self.send(data, SERVER)

    def acknowledge(self, side: int) -> None:
        """A segment without data."""
        self._put(self._tcp.segment(side, ACK))
        self._owed = 0

    def _swap_last_two(self) -> None:
        if len(self.frames) >= 2 and self._owed:
            (earlier, one), (later, other) = self.frames[-2:]
            self.frames[-2:] = [(earlier, other), (later, one)]

    def close(self) -> None:
        """FIN both ways."""
        self._put(self._tcp.segment(CLIENT, FIN | ACK), self._round_trip)
        self._put(self._tcp.segment(SERVER, FIN | ACK), self._round_trip)
        self._put(self._tcp.segment(CLIENT, ACK))

    def abort(self) -> None:
        """The client's RST, as Windows closes many connections it is done with."""
        self._put(self._tcp.segment(CLIENT, RST | ACK))
