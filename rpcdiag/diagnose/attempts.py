"""Connections of the same two to the same port, by time: looked up once, however many they are."""

from bisect import bisect_left, bisect_right
from functools import cached_property

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose.once import once
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.packets import Address

_Ends = tuple[Address, Address, int]


class Attempts:
    """Those that opened, and those that opened or were refused."""

    def __init__(self, case: Case) -> None:
        self._case = case

    @staticmethod
    @once
    def of(case: Case) -> "Attempts":
        """The one that all rules ask."""
        return Attempts(case)

    @cached_property
    def _opened(self) -> dict[_Ends, list[Conversation]]:
        return self._sorted(refused_too=False)

    @cached_property
    def _decided(self) -> dict[_Ends, list[Conversation]]:
        return self._sorted(refused_too=True)

    def _sorted(self, *, refused_too: bool) -> dict[_Ends, list[Conversation]]:
        found: dict[_Ends, list[Conversation]] = {}
        for one in self._case.conversations:
            flow = one.near.flow
            if flow.syn_ack is not None or (refused_too and flow.outcome is TcpOutcome.REFUSED):
                found.setdefault((one.client, one.server, flow.server.port), []).append(one)
        for several in found.values():
            several.sort(key=_start)
        return found

    def opened_before(self, one: Conversation) -> Conversation | None:
        """The last that opened before this one was tried."""
        known = self._opened.get(_ends(one), [])
        place = bisect_right(known, _start(one), key=_start)
        return known[place - 1] if place else None

    def opened_after(self, one: Conversation) -> Conversation | None:
        """The first that opened after this one was tried."""
        known = self._opened.get(_ends(one), [])
        place = bisect_right(known, _start(one), key=_start)
        return known[place] if place < len(known) else None

    def decided_after(self, one: Conversation, ns: int) -> Conversation | None:
        """The first since then that opened or was refused."""
        known = self._decided.get(_ends(one), [])
        place = bisect_left(known, ns, key=_start)
        return next((other for other in known[place : place + 2] if other is not one), None)


def _start(one: Conversation) -> int:
    return one.near.flow.start_ns


def _ends(one: Conversation) -> _Ends:
    return one.client, one.server, one.near.flow.server.port
