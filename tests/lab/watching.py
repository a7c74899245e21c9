"""`rpcdiag live` in a namespace, what it says, and when it said it."""

import json
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rpcdiag.capture.packet_socket import blocks
from tests.lab.network import LabError, Network, rpcdiag

Event = dict[str, Any]


class Watch:
    """One run of `rpcdiag live -T ndjson`; `events` as they came, each with the time at which it arrived."""

    def __init__(self, network: Network, where: str, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        self._network = network
        self._new = threading.Condition()
        self.events: list[tuple[int, Event]] = []
        self.errors: list[str] = []
        self.process = network.start(
            where, *prefix, *rpcdiag("live", *arguments, "-T", "ndjson"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()
        self.event("start")

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._new:
                self.events.append((time.time_ns(), json.loads(line)))
                self._new.notify_all()
        with self._new:
            self._new.notify_all()

    def _read_errors(self) -> None:
        for line in self.process.stderr or ():
            with self._new:
                self.errors.append(line.rstrip("\n"))
                self._new.notify_all()

    def _wait(self, what: str, seconds: float, found: Callable[[], Any]) -> Any:
        end = time.monotonic() + seconds
        with self._new:
            while (one := found()) is None:
                left = end - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not any(t.is_alive() for t in self._threads)):
                    said = [event.get("rule") or event.get("state") for _, event in self.events]
                    raise LabError(f"{what}: not within {seconds:g} s; there were {said}, {self.errors}")
                self._new.wait(min(left, 0.2))
        return one

    def event(self, kind: str, seconds: float = 20, **wanted: object) -> tuple[int, Event]:
        """The first event of that kind with those values, and when it arrived."""

        def found() -> tuple[int, Event] | None:
            for arrived, event in self.events:
                if event["event_type"] == kind and all(event.get(name) == value for name, value in wanted.items()):
                    return arrived, event
            return None

        one: tuple[int, Event] = self._wait(f"{kind} {wanted}", seconds, found)
        return one

    def finding(self, rule: str, seconds: float = 20) -> tuple[int, Event]:
        return self.event("finding", seconds, rule=rule)

    def error(self, text: str, seconds: float = 10) -> str:
        """A line of standard error that holds `text`."""
        one: str = self._wait(text, seconds, lambda: next((line for line in self.errors if text in line), None))
        return one

    def stop(self, number: int = signal.SIGINT, seconds: float = 20) -> int:
        """Send a signal, wait for the end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float = 20) -> int:
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise LabError("live does not end") from None
        for thread in self._threads:
            thread.join(5)
        return code

    def close(self) -> None:
        self._network.end(self.process)

    @property
    def states(self) -> list[str]:
        """What turned, in order."""
        return [event["state"] for _, event in self.events if event["event_type"] == "turn"]


class Packet(NamedTuple):
    """A packet of a file that we wrote."""

    interface: int
    ns: int
    data: bytes


def packets(path: Path) -> list[Packet]:
    """Of a file with blocks of our own making, whole to its end.

    Raises:
        LabError: it is not.
    """
    data = path.read_bytes()
    found, used = [], 0
    for block in blocks(data):
        kind, size = struct.unpack_from("<II", block)
        if len(block) != size or struct.unpack_from("<I", block, size - 4)[0] != size:
            raise LabError(f"{path}: the block at {used} is cut")
        used += size
        if kind == 6:
            number, high, low, kept, _ = struct.unpack_from("<IIIII", block, 8)
            found.append(Packet(number, high << 32 | low, block[28 : 28 + kept]))
    if used != len(data):
        raise LabError(f"{path}: {len(data) - used} bytes behind the last block")
    return found


def syns(path: Path, port: int, interface: int = 0) -> list[int]:
    """When SYNs to that port came by, ns."""
    return [
        one.ns
        for one in packets(path)
        if one.interface == interface
        and len(one.data) >= 54
        and one.data[12:14] == b"\x08\x00"
        and one.data[23] == 6
        and one.data[47] & 0x12 == 2
        and struct.unpack_from(">H", one.data, 36)[0] == port
    ]
