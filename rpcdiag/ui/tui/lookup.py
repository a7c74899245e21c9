"""Names of addresses, looked up aside: nobody waits for one, and it is asked once."""

import queue
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from rpcdiag.case import Case
from rpcdiag.model.packets import Address
from rpcdiag.report.names import clean

MOST = 4096  # that are remembered
WAITING = 256  # questions at a time; more are asked when they are shown again
ASKERS = 2
LONGEST = 64  # characters of a name


def _ask(address: Address) -> str | None:
    """By the system's resolver."""
    try:
        return socket.getnameinfo((str(address), 0), socket.NI_NAMEREQD | socket.NI_NUMERICSERV)[0]
    except (OSError, UnicodeError):
        return None


class Names:
    """Off until somebody wants names. What the capture itself says of names goes first, without asking anybody."""

    def __init__(self, ask: Callable[[Address], str | None] = _ask) -> None:
        self._ask = ask
        self._known: OrderedDict[Address, str | None] = OrderedDict()
        self._seen: dict[Address, str] = {}
        self._questions: queue.Queue[Address] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._started = False
        self.wanted = False
        self.changes = 0  # grows with every answer

    def learn(self, case: Case) -> None:
        """Names that the capture shows."""
        found = {
            address: one.fact.name
            for one in case.names
            if one.fact.type in ("A", "AAAA")
            for address in one.fact.addresses
        }
        self._seen = {address: _short(name) for address, name in list(found.items())[:MOST]}

    def of(self, address: Address) -> str:
        """Its name where one is wanted and known; asks for it in passing."""
        if not self.wanted:
            return str(address)
        if address in self._seen:
            return self._seen[address]
        with self._lock:
            if address in self._known:
                self._known.move_to_end(address)
                return self._known[address] or str(address)
            self._known[address] = None
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        self._start()
        try:
            self._questions.put_nowait(address)
        except queue.Full:
            with self._lock, suppress(KeyError):
                del self._known[address]
        return str(address)

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        for _ in range(ASKERS):
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            address = self._questions.get()
            name = self._ask(address)
            if name:
                with self._lock:
                    self._known[address] = _short(name)
                    self.changes += 1
            self._questions.task_done()

    def settle(self) -> None:
        """Wait until everything asked so far is answered; the screen never does."""
        self._questions.join()


def _short(name: str) -> str:
    name = clean(name)
    return name if len(name) <= LONGEST else name[: LONGEST - 3] + "..."
