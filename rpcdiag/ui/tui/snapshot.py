"""What is known at one look, as the screen shows it: rows that do not change any more. All text in them is harmless."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from rpcdiag.case import Case, CaseReferral
from rpcdiag.diagnose.finding import Finding
from rpcdiag.dissect.interfaces import class_name
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.live.turns import SECOND, Turn, current
from rpcdiag.model.evidence import Severity
from rpcdiag.model.packets import Address
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.report import names
from rpcdiag.report.names import clean
from rpcdiag.track.facts import ReferralKind
from rpcdiag.ui.tui.ladder import agreeing, log_time

MAX_CASES = 1000
MAX_LINES = 2000  # of the timeline
MAX_ENDPOINTS = 1000

Pair = frozenset[Address]
# states of a case, the worst first; what is not here is all right
_RANKS = (
    "ERROR", "WARNING", "silent 3 s", "prohibited", "refused", "reset", "stalled", "idle-dropped", "silent 1 s", "trying",
    "asked",
)  # fmt: skip
_KINDS = {
    "ERROR": "bad", "WARNING": "warn", "NOTE": "note", "silent 3 s": "bad", "silent 1 s": "warn", "refused": "bad",
    "prohibited": "bad", "reset": "bad", "stalled": "bad", "idle-dropped": "bad", "trying": "warn", "asked": "note",
    "ok": "good", "connected": "good", "log drop": "bad", "no answer": "bad",
}  # fmt: skip


class CaseRow(NamedTuple):
    """Two hosts: `client` is who began. `last` is what was found, or turned last; `last_ns` when something turned."""

    name: str
    client: Address
    server: Address
    state: str
    last: str
    last_ns: int
    ports: frozenset[int]
    findings: int

    @property
    def pair(self) -> Pair:
        return frozenset((self.client, self.server))


class Line(NamedTuple):
    """One thing of the timeline."""

    time_ns: int
    case: str
    client: Address
    server: Address
    state: str
    port: int | None
    packet: int | None
    text: str
    whole_seconds: bool = False  # whoever wrote it knows no smaller unit


class EndpointRow(NamedTuple):
    """A port that was handed out: to whom, for what, in which packet, and what became of it."""

    port: int
    server: Address
    told: Address
    purpose: str
    time_ns: int
    packet: int
    state: str


class Counters(NamedTuple):
    packets: int = 0
    flows: int = 0
    pdus: int = 0
    dropped: int = 0  # by the kernel
    evicted: int = 0
    rate: float = 0.0  # packets a second
    kept: int = 0  # bytes at hand for a slice


class Snapshot(NamedTuple):
    """`more` are pairs of hosts beyond the rows; `ended` says why the capture is over, if it is."""

    case: Case
    findings: tuple[Finding, ...]
    remedies: Mapping[str, tuple[Remedy, ...]]  # by finding id
    rows: tuple[CaseRow, ...]
    more: int
    lines: tuple[Line, ...]
    endpoints: tuple[EndpointRow, ...]
    counters: Counters
    now_ns: int
    ended: str | None = None

    def findings_of(self, pair: Pair) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if frozenset((one.client, one.server)) == pair)


def kind(state: str) -> str:
    """How a state is coloured; the word always stands beside it."""
    return _KINDS.get(state, "")


def line(turn: Turn) -> Line:
    """A turn as a line of the timeline."""
    state, text = turn.state, clean(turn.says)
    if turn.finding is not None:
        state = turn.finding.severity.value.upper()
        text = f"{turn.finding.rule}: {text}"
    return Line(turn.time_ns, turn.case, turn.client, turn.server, state, turn.port, turn.packet, text)


def log_lines(case: Case, name: Callable[[Address, Address], str]) -> Iterator[Line]:
    """Rows of logs that belong to a conversation."""
    for number, rows in case.rows.items():
        conversation = case.conversations[number]
        flow = conversation.near.flow
        seen = agreeing(case, conversation)
        for row in rows:
            entry = row.entry
            packet_ns = seen.get((row.log, row.position))
            time_ns = log_time(case, row.log, entry.written_ns) if packet_ns is None else packet_ns
            rule = f" by {clean(entry.rule)}" if entry.rule else ""
            code = f" {entry.code_name}" if entry.code_name else ""
            yield Line(
                flow.start_ns if time_ns is None else time_ns, name(conversation.client, conversation.server),
                conversation.client, conversation.server, "log drop" if entry.drops else "log",
                flow.server.port, None,
                f"{entry.action} port {flow.server.port}{rule}{clean(code)} (log line {entry.line})",
                packet_ns is None and entry.resolution_ns >= SECOND,
            )  # fmt: skip


def case_rows(
    case: Case,
    findings: Iterable[Finding],
    last: Mapping[str, Line],
    name: Callable[[Address, Address], str],
    now_ns: int,
) -> Iterator[CaseRow]:
    """All pairs of hosts, as they come."""
    states: dict[Pair, str] = {}
    for turn in current(case, now_ns):
        _worse(states, frozenset((turn.client, turn.server)), turn.state)
    found: dict[Pair, list[Finding]] = {}
    for finding in findings:
        pair = frozenset((finding.client, finding.server))
        found.setdefault(pair, []).append(finding)
        _worse(states, pair, finding.severity.value.upper())
    pairs: dict[Pair, tuple[Address, Address, int]] = {}
    ports: dict[Pair, set[int]] = {}
    for one in case.conversations:
        pair = frozenset((one.client, one.server))
        pairs.setdefault(pair, (one.client, one.server, one.near.flow.start_ns))
        ports.setdefault(pair, set()).add(one.near.flow.server.port)
    for pair, its in found.items():
        pairs.setdefault(pair, (its[0].client, its[0].server, now_ns))
    for pair, (client, server, began_ns) in pairs.items():
        called = name(client, server)
        turned = last.get(called)
        worst = next((one for one in found.get(pair, ()) if one.severity is not Severity.NOTE), None)
        text = turned.text if turned else "answers"
        yield CaseRow(
            called, client, server, states.get(pair, "ok"), f"{worst.rule}: {clean(worst.summary)}" if worst else text,
            turned.time_ns if turned else began_ns, frozenset(ports.get(pair, ())),
            sum(one.severity is not Severity.NOTE for one in found.get(pair, ())),
        )  # fmt: skip


def _worse(states: dict[Pair, str], pair: Pair, state: str) -> None:
    """The worst stays."""
    if state in _RANKS and (pair not in states or _RANKS.index(state) < _RANKS.index(states[pair])):
        states[pair] = state


def by_urgency(row: CaseRow) -> tuple[int, int, str]:
    """What is wrong first, then in the order of their names."""
    rank = _RANKS.index(row.state) if row.state in _RANKS else len(_RANKS)
    return min(rank, 2) if rank < len(_RANKS) - 2 else 3, len(row.name), row.name


def endpoints(case: Case) -> Iterator[EndpointRow]:
    """The latest ports that were handed out, the latest first."""
    left = MAX_ENDPOINTS
    for referral in reversed(case.referrals):
        told = referral.referral
        seen: set[int] = set()
        for end in told.endpoints:
            if end.port is None or end.port in seen:
                continue
            seen.add(end.port)
            yield EndpointRow(
                end.port, referral.teller, referral.told, clean(_purpose(referral)), told.response_ns, told.response_packet,
                _state(case, referral, end.port),
            )  # fmt: skip
            left -= 1
            if not left:
                return


def _purpose(referral: CaseReferral) -> str:
    told = referral.referral
    if told.kind is ReferralKind.ACTIVATION and told.clsid:
        return f"DCOM {class_name(told.clsid) or told.clsid}"
    if told.kind in (ReferralKind.RESOLVE_OXID, ReferralKind.OBJECT_REFERENCE):
        return "DCOM object"
    return names.interface(told.interface) if told.interface else "listed by the mapper"


def _state(case: Case, referral: CaseReferral, port: int) -> str:
    """The latest attempt tells."""
    found = [one.near.flow for one in case.attempts_of(referral) if one.near.flow.server.port == port]
    if not found:
        return "not used"
    outcome = found[-1].outcome
    if outcome in (TcpOutcome.ESTABLISHED, TcpOutcome.MIDSTREAM):
        return "connected"
    return "no answer" if outcome is TcpOutcome.UNANSWERED else outcome.value


_LOG_STATES = frozenset({"log", "log drop"})


class Timeline:
    """The latest lines, by time: as many as are bounded, and the last of each case."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=MAX_LINES)
        self._logged: set[tuple[int, int, int | None]] = set()
        self.last: dict[str, Line] = {}
        self._frozen: tuple[Line, ...] | None = ()

    def add(self, lines: Iterable[Line]) -> None:
        for one in lines:
            self._lines.append(one)
            self.last[one.case] = one
            self._frozen = None

    def add_logs(self, case: Case, name: Callable[[Address, Address], str]) -> None:
        """Rows of logs, each once, at their time."""
        fresh = {
            (row.log, row.entry.line, row.entry.written_ns) for rows in case.rows.values() for row in rows
        } - self._logged
        if not fresh:
            return
        self._logged |= fresh
        others = [one for one in self._lines if one.state not in _LOG_STATES]  # what a row's time is may change
        merged = sorted([*others, *log_lines(case, name)], key=lambda one: one.time_ns)
        self._lines = deque(dict.fromkeys(merged), maxlen=MAX_LINES)
        self._frozen = None

    def forget(self, names: set[str]) -> None:
        """The last lines of cases that are no more."""
        for name in self.last.keys() - names:
            del self.last[name]

    def lines(self) -> tuple[Line, ...]:
        if self._frozen is None:
            self._frozen = tuple(self._lines)
        return self._frozen
