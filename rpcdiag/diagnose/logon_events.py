"""Events of logons that failed, by the connection that they are about.

Event 4625 has the client's address, mostly its port, and the status that the wire seals or sums up: the connection is the
one with that port at that time. Where it has no port, address, time, user and the log's host must agree. Event 4776 of a
domain controller has no address, nor has an event 4625 at times: user and workstation, as they stand in NTLM's token, and the
time must agree.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.case import Case
from rpcdiag.diagnose.host_events import as_evidence
from rpcdiag.diagnose.once import once
from rpcdiag.diagnose.writers import Writers
from rpcdiag.flows.flow import Flow
from rpcdiag.model.evidence import Confidence, Evidence
from rpcdiag.model.packets import Address
from rpcdiag.track.logons import Logon
from rpcdiag.track.surroundings import TicketFact

if TYPE_CHECKING:  # loaded only where there is a log
    from rpcdiag.logs.host import Statement

CLOSE_NS = 5_000_000_000  # an event is written this much before or after its answer at most, where one could not check
MAX_NEAR = 256
FAILED, CHECKED = 4625, 4776


class Told(NamedTuple):
    """What logs say of one logon that failed; likely where nothing tells whose log it is, nor who logs on."""

    code: int
    user: str | None
    evidence: tuple[Evidence, ...]
    confidence: Confidence = Confidence.PROVEN


class FailedLogons:
    """The events of a case by time, on the clock of the captures."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._writers = Writers.of(case)
        self._by_client: dict[Address | None, list[tuple[int, Statement]]] = {}
        self._by_end: dict[tuple[Address, int], list[tuple[int, Statement]]] = {}
        for one in case.statements:
            offset_ns = case.logs[one.log].clock.offset_ns
            if one.code and one.written_ns is not None and offset_ns is not None and _is_logon(one.event):
                event = one.written_ns - offset_ns, one
                self._by_client.setdefault(one.source, []).append(event)
                if one.event == FAILED and one.source is not None and one.source_port is not None:
                    self._by_end.setdefault((one.source, one.source_port), []).append(event)
        for several in self._by_client.values():
            several.sort(key=_when)

    @staticmethod
    @once
    def of(case: Case) -> "FailedLogons":
        """The one that all rules ask."""
        return FailedLogons(case)

    def __bool__(self) -> bool:
        return bool(self._by_client)

    def at(self, flows: Sequence[Flow], refused_ns: Sequence[int], logons: Sequence[Logon]) -> Told | None:
        """What is told of a connection, seen at these places, whose logon was refused at these times."""
        ends = {(flow.client.address, flow.client.port): flow for flow in flows}
        found: list[Statement] = []
        for flow in ends.values():
            found += self._with_port(flow)
            found += self._without_port(flow, refused_ns, logons)
        for one in self._near(None, refused_ns):
            theirs = one.event == FAILED and self._writers.is_by(one, flows[0].server.address)
            if (one.event == CHECKED or theirs) and any(_same_user(one, logon) for logon in logons):
                found.append(one)
        told = _told(found)
        if told is None or any(self._sure(one, flows, logons) for one in found):
            return told
        return told._replace(confidence=Confidence.LIKELY)

    def _sure(self, one: "Statement", flows: Sequence[Flow], logons: Sequence[Logon]) -> bool:
        """Whether it is known that the server, or somebody whom it asks, speaks of this logon."""
        users = {_bare(known.user) for known in logons if known.user}
        mine = one.event == CHECKED or (one.user is not None and _bare(one.user) in users)
        return mine or bool(self._writers.is_by(one, flows[0].server.address))

    def of_centre(self, fact: TicketFact) -> tuple[Evidence, ...]:
        """The events of a key distribution centre that tell of the same error for the same client."""
        found = [
            one
            for one in self._near(fact.client, (fact.time_ns,))
            if one.event not in (FAILED, CHECKED) and one.code == fact.code
            and self._writers.is_by(one, fact.server) is not False
        ]  # fmt: skip
        told = _told(found)
        return told.evidence if told is not None else ()

    def _with_port(self, flow: Flow) -> Iterator["Statement"]:
        """Those with its address and port while it lasted, give or take what the clocks may differ by."""
        from rpcdiag.logs.host import room

        for ns, one in self._by_end.get((flow.client.address, flow.client.port), ()):
            off = room(self._case.logs[one.log].clock)
            in_time = flow.start_ns - off <= ns <= flow.end_ns + off
            if in_time and self._writers.is_by(one, flow.server.address) is not False:
                yield one

    def _without_port(self, flow: Flow, refused_ns: Sequence[int], logons: Sequence[Logon]) -> Iterator["Statement"]:
        users = {_bare(one.user) for one in logons if one.user}
        for one in self._near(flow.client.address, refused_ns) if users else ():
            mine = one.event == FAILED and one.source_port is None and one.user is not None and _bare(one.user) in users
            if mine and self._writers.is_by(one, flow.server.address):
                yield one

    def _near(self, client: Address | None, times: Sequence[int]) -> Iterator["Statement"]:
        """Those of a client, or without an address, at about these times; of very many the first."""
        known = self._by_client.get(client, [])
        seen: set[int] = set()
        for at in times:
            begin = bisect_left(known, at - CLOSE_NS, key=_when)
            for place in range(begin, min(begin + MAX_NEAR, bisect_right(known, at + CLOSE_NS, key=_when))):
                if place not in seen:
                    seen.add(place)
                    yield known[place][1]


def _is_logon(event: int) -> bool:
    from rpcdiag.logs.events import LOGONS

    return event in LOGONS


def _when(one: tuple[int, "Statement"]) -> int:
    return one[0]


def _bare(user: str) -> str:
    """Without the domain, before or behind it."""
    return user.rpartition("\\")[2].partition("@")[0].lower()


def _same_user(one: "Statement", logon: Logon) -> bool:
    """Whether user and workstation of the event are those of the token."""
    if not (one.user and one.workstation and logon.user and logon.workstation):
        return False
    return _bare(one.user) == _bare(logon.user) and one.workstation.lower() == logon.workstation.lower()


def _told(found: Sequence["Statement"]) -> Told | None:
    """The server's own word before the domain controller's, for that is about this connection."""
    ordered = sorted(found, key=lambda one: one.event != FAILED)
    first = next((one for one in ordered if one.code), None)
    if first is None or first.code is None:
        return None
    return Told(first.code, first.user, as_evidence(ordered))
