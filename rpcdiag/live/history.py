"""A port's history: who was told of an endpoint, for what, and how long before a row of a log."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple

from rpcdiag.case import Case, CaseReferral
from rpcdiag.dissect.interfaces import interface_name
from rpcdiag.errors import InputError
from rpcdiag.logs.clock import QUARTER
from rpcdiag.logs.entry import LogEntry
from rpcdiag.model.packets import Address, Endpoint
from rpcdiag.track.facts import ReferralKind

SECOND = 1_000_000_000
RECENT = 60 * SECOND  # a row that was just written is not older, nor its clock further off, but for its zone
MOST_HANDED = 256  # of one endpoint; the latest
MOST_ENDPOINTS = 100_000


class Handed(NamedTuple):
    """`told` was told of an endpoint; `packet` of the capture called `where`."""

    time_ns: int
    told: Address
    what: str
    packet: int
    where: str
    sure: bool = True


class LogClock(NamedTuple):
    """The log's time as written minus the capture's, and how far it is uncertain."""

    offset_ns: int
    spread_ns: int = 0


class Facts(NamedTuple):
    """What one source knows: a capture, a document, or an interface up to now."""

    handed: dict[tuple[Address, int], list[Handed]]
    syns: dict[tuple[Endpoint, Endpoint, int], tuple[int, ...]]  # their times, by ends and sequence number
    rows: dict[tuple[str, int], int]  # time of the packet that a row speaks of, by log and line
    clocks: dict[str, LogClock]  # by log


class Gap(NamedTuple):
    """Between the handing out and a row, at least and at most; negative where the row comes first."""

    low: int
    high: int
    exact: bool = False
    first: bool = False  # not the row but the first SYN of its connection is meant
    assumed: bool = False  # of the log's clock nothing but its being about right is known


class Told(NamedTuple):
    """What is said of a row; without a `gap` the two clocks cannot be compared. `mine`: its source was told."""

    port: int
    handed: Handed
    gap: Gap | None
    mine: bool
    more: int  # other times that the same was handed out


class History:
    """What all sources know together; may be taught by one thread while another asks."""

    def __init__(self) -> None:
        self._sources: dict[str, Facts] = {}
        self.version = 0

    def learn(self, source: str, facts: Facts) -> None:
        """What `source` knows now, in the place of what it knew before."""
        self._sources = {**self._sources, source: facts}
        self.version += 1

    def knows(self, address: Address | None, port: int | None) -> bool:
        """Whether anybody was told of it."""
        return any((address, port) in facts.handed for facts in self._sources.values())

    def of(self, log: str, entry: LogEntry, arrived_ns: int | None = None) -> Told | None:
        """What is known of the row's destination; `arrived_ns` is this machine's time where the row is new."""
        if entry.destination is None or entry.destination_port is None:
            return None
        all_of_them = []
        for facts in self._sources.values():
            found = facts.handed.get((entry.destination, entry.destination_port), ())
            moment = _moment(facts, log, entry, arrived_ns) if found else None
            all_of_them += [_told(entry, entry.destination_port, one, moment) for one in found]
        fitting = [one for one in all_of_them if one.mine] or all_of_them
        return max(fitting, key=_fits)._replace(more=len(fitting) - 1) if fitting else None


def _told(entry: LogEntry, port: int, handed: Handed, moment: Gap | None) -> Told:
    at = handed.time_ns
    gap = moment._replace(low=moment.low - at, high=moment.high - at) if moment is not None else None
    return Told(port, handed, gap, handed.told == entry.source, 0)


def _fits(told: Told) -> tuple[bool, int]:
    """What came last before the row, else first after it; the last, where that cannot be told."""
    if told.gap is None:
        return True, told.handed.time_ns
    return told.gap.high >= 0, -abs(told.gap.high)


def _moment(facts: Facts, log: str, entry: LogEntry, arrived_ns: int | None) -> Gap | None:
    """When the row was written, in the clock of the capture: between two times."""
    exact = facts.rows.get((log, entry.line))
    if exact is not None:
        return Gap(exact, exact, exact=True)
    by_clock = _by_clock(facts, log, entry, arrived_ns)
    syns = _syns(facts, entry)
    if len(syns) == 1 or (syns and by_clock is None):
        return Gap(syns[0], syns[0], exact=True, first=len(syns) > 1)
    if syns and by_clock is not None:
        middle = (by_clock.low + by_clock.high) // 2
        nearest = min(syns, key=lambda one: abs(one - middle))
        return Gap(nearest, nearest, exact=True)
    return by_clock


def _syns(facts: Facts, entry: LogEntry) -> tuple[int, ...]:
    """The SYNs, one of which the row must speak of: its sequence number says so."""
    if not entry.sequence or entry.source is None or entry.source_port is None:
        return ()
    ends = _endpoint(entry.source, entry.source_port), _endpoint(entry.destination, entry.destination_port)
    return facts.syns.get((*ends, entry.sequence), ())


def _by_clock(facts: Facts, log: str, entry: LogEntry, arrived_ns: int | None) -> Gap | None:
    if entry.written_ns is None:
        return None
    known = facts.clocks.get(log)
    assumed = known is None
    if known is None:
        known = _assumed(entry, arrived_ns)
    if known is None:
        return None
    room = known.spread_ns // 2
    low = entry.written_ns - known.offset_ns - room
    return Gap(low, low + 2 * room + entry.resolution_ns, assumed=assumed)


def _assumed(entry: LogEntry, arrived_ns: int | None) -> LogClock | None:
    """The clock of a log whose rows say that they are in UTC, or that has just written one."""
    if entry.basis in ("utc", "offset"):
        return LogClock(0)
    if entry.basis != "local" or entry.written_ns is None or arrived_ns is None:
        return None
    off = entry.written_ns - arrived_ns
    zone = round(off / QUARTER) * QUARTER
    return LogClock(zone) if abs(off - zone) <= RECENT else None


def _endpoint(address: Address | None, port: int | None) -> Endpoint:
    assert address is not None  # invariants, not input: the caller has looked
    assert port is not None
    return Endpoint(address, port)


def facts_of(case: Case, name: str | None = None) -> Facts:
    """What a case knows; `name` is what its captures are called, where that is not their path."""
    handed: dict[tuple[Address, int], list[Handed]] = {}
    for referral in case.referrals:
        where = name or case.captures[referral.asked_on.flow.capture].path
        for address, port, one in _endpoints(referral, where):
            _add(handed, address, port, one)
    flows = [conversation.near.flow for conversation in case.conversations]
    syns = {
        (flow.client, flow.server, flow.isn): tuple(syn.time_ns for syn in flow.syns)
        for flow in flows
        if flow.isn is not None and flow.syns
    }
    rows = {
        (log.file.path, log.file.entries[position].line): at
        for log in case.logs
        for match in log.matches
        if match.grade in ("A", "B")
        for syn_times in [{syn.packet: syn.time_ns for syn in flows[match.attempt].syns}]
        for position, packet in match.agrees
        if (at := syn_times.get(packet)) is not None
    }
    clocks = {
        log.file.path: LogClock(log.clock.offset_ns, log.clock.spread_ns)
        for log in case.logs
        if log.clock.offset_ns is not None
    }
    return Facts(handed, syns, rows, clocks)


def _add(handed: dict[tuple[Address, int], list[Handed]], address: Address, port: int, one: Handed) -> None:
    if len(handed) < MOST_ENDPOINTS or (address, port) in handed:
        known = handed.setdefault((address, port), [])
        known.append(one)
        del known[:-MOST_HANDED]


def _endpoints(referral: CaseReferral, where: str) -> Iterable[tuple[Address, int, Handed]]:
    told = referral.referral
    for endpoint in told.endpoints:
        if endpoint.port is None:
            continue
        syntax = endpoint.interface or told.interface
        if told.kind is ReferralKind.ACTIVATION and told.clsid:
            what = interface_name(told.clsid) or f"class {told.clsid}"
        elif told.kind in (ReferralKind.RESOLVE_OXID, ReferralKind.OBJECT_REFERENCE):
            what = "an object"
        else:
            what = (interface_name(syntax.uuid) or syntax.uuid) if syntax else "a service"
        one = Handed(told.response_ns, referral.told, what, endpoint.packet or told.response_packet, where, told.sure)
        for address in {endpoint.address or referral.teller, referral.teller}:
            yield address, endpoint.port, one


def facts_of_document(path: str, document: object) -> Facts:
    """What a document of `analyze -T json` knows.

    Raises:
        InputError: it is none.
    """
    try:
        return _read_document(document)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(path, f"is no document of 'rpcdiag analyze -T json': {error!r}"[:200]) from None


def _read_document(document: Any) -> Facts:  # noqa: ANN401  JSON of others
    if document["schema_version"] != 1:
        raise ValueError("schema_version is not 1")
    handed: dict[tuple[Address, int], list[Handed]] = {}
    paths = [str(capture["path"]) for capture in document["captures"]]
    for referral in document["referrals"]:
        by_client = referral.get("handed_by") == "client"
        told = ip_address(referral["server" if by_client else "client"]["address"])
        teller = ip_address(referral["client" if by_client else "server"]["address"])
        for endpoint in referral["endpoints"]:
            if endpoint["port"] is None:
                continue
            named = endpoint.get("interface") or referral.get("class") or referral["interface"] or {}
            what = str(named.get("name") or named.get("uuid") or named.get("clsid") or "an object")
            packet = int(endpoint.get("packet") or referral["response_packet"])
            one = Handed(int(referral["response_ns"]), told, what, packet, paths[referral["capture"]],
                         referral["readable"] != "carved")  # fmt: skip
            address = ip_address(endpoint["address"]) if endpoint["address"] else teller
            for end in {address, teller}:
                _add(handed, end, int(endpoint["port"]), one)
    clocks = {
        str(log["path"]): LogClock(int(log["clock"]["offset_ns"]), int(log["clock"]["spread_ns"] or 0))
        for log in document["logs"]
        if log["clock"]["offset_ns"] is not None
    }
    return Facts(handed, {}, {}, clocks)
