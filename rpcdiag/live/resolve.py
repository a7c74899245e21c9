"""Names of addresses, looked up beside the display: whoever asks gets what is known by now, and never waits."""

import queue
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from rpcdiag.model.packets import Address

MOST = 4096  # names that are remembered
MOST_WAITING = 256  # addresses to be looked up; more are asked for again later
THREADS = 2


def system_name(address: Address) -> str | None:
    """What the system's resolver says; None where it knows nothing."""
    with suppress(OSError, UnicodeError):
        return socket.gethostbyaddr(str(address))[0][:255]
    return None


class Names:
    """`name(address)`: the name, or None where there is none or not yet."""

    def __init__(self, lookup: Callable[[Address], str | None] = system_name, threads: int = THREADS) -> None:
        self.found = 0  # grows with every name
        self._lookup = lookup
        self._known: OrderedDict[Address, str | None] = OrderedDict()
        self._asked: set[Address] = set()
        self._lock = threading.Lock()
        self._waiting: queue.Queue[Address] = queue.Queue(MOST_WAITING)
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    def name(self, address: Address | None) -> str | None:
        if address is None:
            return None
        with self._lock:
            if address in self._known:
                self._known.move_to_end(address)
                return self._known[address]
            if address in self._asked or len(self._asked) >= MOST_WAITING:
                return None
            self._asked.add(address)
        self._waiting.put_nowait(address)  # there is room: as many are asked for as it holds
        return None

    def settled(self) -> None:
        """Wait until everything that was asked is answered."""
        self._waiting.join()

    def _work(self) -> None:
        while True:
            address = self._waiting.get()
            found = self._lookup(address)
            with self._lock:
                self._known[address] = found
                self.found += found is not None
                self._asked.discard(address)
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
            self._waiting.task_done()
