"""What became of each attempt since one looked last: asked, referred, trying, silent, connected, refused, found."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from rpcdiag.case import Case, CaseFlow, CaseReferral, Conversation
from rpcdiag.diagnose.finding import Finding
from rpcdiag.dissect.interfaces import EPMAPPER, IACTIVATION, IOBJECT_EXPORTER, IREMOTE_SCM_ACTIVATOR, interface_name
from rpcdiag.dissect.status import status_name
from rpcdiag.flows.flow import FAILED_TO_OPEN, TCP, Flow, TcpOutcome
from rpcdiag.logs.entry import LogEntry
from rpcdiag.model.evidence import Confidence, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Fate, ReferralKind
from rpcdiag.track.origin import MAPPER_PORTS

SECOND = 1_000_000_000
ASKING = frozenset({EPMAPPER, IREMOTE_SCM_ACTIVATOR, IACTIVATION, IOBJECT_EXPORTER})
MAX_CASES = 50_000  # pairs of hosts whose names are remembered; who was named longest ago is forgotten first
MAX_GONE = 4096  # findings that are remembered although the case does not hold them any more
AGAIN_NS = 300 * SECOND  # what was gone for so long is new when it comes back
_SILENT = ((3 * SECOND, "silent 3 s"), (SECOND, "silent 1 s"))
_Key = tuple[object, ...]
_Level = tuple[int, int]
_SEVERITIES = {severity: place for place, severity in enumerate(Severity)}  # the worst first
_CONFIDENCES = {confidence: place for place, confidence in enumerate(Confidence)}  # the surest first


class Turn(NamedTuple):
    """One thing that turned: `state` is a word for it, `says` a sentence; `finding` where a rule said so.

    `time_ns` is that of the packet, or of the look where it is a silence that turned.
    """

    time_ns: int
    case: str
    state: str
    client: Address
    server: Address
    port: int | None
    packet: int | None
    says: str
    flow: Flow | None = None
    finding: Finding | None = None
    logged: tuple[str, LogEntry] | None = None  # the log and its row that says so


class Turns:
    """Remembers what was told of what the case still holds: as much as the case, and a bounded rest.

    What a case holds changes also because flows are given up for want of room; that is nothing to tell.
    """

    def __init__(self) -> None:
        self._states: dict[_Key, str] = {}
        self._found: dict[bytes, _Level] = {}  # the worst that was told of each, and the surest
        self._gone: dict[bytes, tuple[_Level, int]] = {}  # those that were there; since when they are not
        self._cases: dict[bytes, int] = {}
        self._named = 0

    def look(self, case: Case, findings: tuple[Finding, ...], now_ns: int) -> list[Turn]:
        """What is new, by time."""
        states: dict[_Key, str] = {}
        turned: list[Turn] = []
        for key, turn in _all(case, now_ns):
            states[key] = turn.state
            if self._states.get(key) != turn.state:
                turned.append(turn._replace(case=self.name(turn.client, turn.server)))
        self._states = states
        turned.sort(key=lambda turn: turn.time_ns)
        turned += [self._told(finding, now_ns) for finding in self._new(findings, now_ns)]
        return turned

    def _new(self, findings: tuple[Finding, ...], now_ns: int) -> Iterator[Finding]:
        """Findings that were not there, or that were told as less severe or less sure."""
        before, self._found = self._found, {}
        for finding in findings:
            key, level = _cause(finding), (_SEVERITIES[finding.severity], _CONFIDENCES[finding.confidence])
            known = before.pop(key, None)
            if known is None:
                known, _ = self._gone.pop(key, (None, 0))
            if known is None or level[0] < known[0] or level[1] < known[1]:
                yield finding
            self._found[key] = level if known is None else (min(level[0], known[0]), min(level[1], known[1]))
        self._gone.update((key, (level, now_ns)) for key, level in before.items())
        self._forget(now_ns)

    def _forget(self, now_ns: int) -> None:
        """Of findings that are gone, those that went first: too many, and too long ago."""
        late = (key for key, (_, since_ns) in self._gone.items() if since_ns < now_ns - AGAIN_NS)
        spare = islice(self._gone, max(0, len(self._gone) - MAX_GONE))
        for key in {*late, *spare}:
            del self._gone[key]

    def _told(self, finding: Finding, now_ns: int) -> Turn:
        return Turn(
            now_ns, self.name(finding.client, finding.server), "found", finding.client, finding.server,
            finding.subject.port, None, finding.summary, None, finding,
        )  # fmt: skip

    def name(self, one: Address, other: Address) -> str:
        """What the case of two hosts is called."""
        pair = b"".join(sorted((one.packed, other.packed)))
        number = self._cases.pop(pair, None)
        if number is None:
            number = self._named = self._named + 1
            if len(self._cases) >= MAX_CASES:
                del self._cases[next(iter(self._cases))]
        self._cases[pair] = number
        return f"c{number}"


def _cause(finding: Finding) -> bytes:
    """What stays the same while the capture grows: thousands of them are remembered."""
    return f"{finding.rule} {finding.direction}".encode() + finding.client.packed + finding.server.packed


def current(case: Case, now_ns: int) -> Iterator[Turn]:
    """How everything stands, whether it turned or not; without the name of its case."""
    for _, turn in _all(case, now_ns):
        yield turn


def _all(case: Case, now_ns: int) -> Iterator[tuple[_Key, Turn]]:
    """The state of everything, by what stays the same while the capture grows."""
    for conversation in case.conversations:
        yield from _attempt(case, conversation, now_ns)
        yield from _logged(case, conversation, now_ns)
        yield from _asked(conversation.near)
    for referral in case.referrals:
        yield _referred(referral)


def _attempt(case: Case, conversation: Conversation, now_ns: int) -> Iterator[tuple[_Key, Turn]]:
    near, flow = conversation.near, conversation.near.flow
    if flow.transport != TCP or (flow.server.port in MAPPER_PORTS and flow.outcome not in FAILED_TO_OPEN):
        return
    state, time_ns = flow.outcome.value, flow.start_ns
    if flow.outcome is TcpOutcome.UNANSWERED:
        state, time_ns = "trying", flow.start_ns
        for least, word in _SILENT:
            if now_ns - flow.start_ns >= least:
                state, time_ns = word, flow.start_ns + least
                break
    elif flow.outcome in (TcpOutcome.ESTABLISHED, TcpOutcome.MIDSTREAM):
        state, time_ns = "connected", flow.syn_ack_ns or flow.start_ns
    else:
        time_ns = flow.end_ns
    key = "flow", flow.client, flow.server, flow.start_ns
    yield key, Turn(
        time_ns, "", state, flow.client.address, flow.server.address, flow.server.port, flow.first_packet,
        f"port {flow.server.port}{_history(case, near)}", flow,
    )  # fmt: skip


def _logged(case: Case, conversation: Conversation, now_ns: int) -> Iterator[tuple[_Key, Turn]]:
    """The rows in which a device says that it refused a packet of this attempt."""
    flow = conversation.near.flow
    for row in case.drops_of(conversation):
        entry, log = row.entry, case.logs[row.log]
        offset = log.clock.offset_ns
        at = now_ns if entry.written_ns is None or offset is None else entry.written_ns - offset
        rule = f", rule {entry.rule}" if entry.rule else ""
        key = "row", flow.client, flow.server, flow.start_ns, entry.line, entry.written_ns
        yield key, Turn(
            at, "", "logged", flow.client.address, flow.server.address, flow.server.port, None,
            f"port {flow.server.port}: {entry.action}, says line {entry.line} of {log.file.path}{rule}",
            flow, None, (log.file.path, entry),
        )  # fmt: skip


def _history(case: Case, near: CaseFlow) -> str:
    """Who handed the port out, and how long before."""
    referral = case.referral_of(near)
    if referral is None:
        return ""
    waited = max(0, near.flow.start_ns - referral.referral.response_ns)
    return f", handed out for {_what(referral)} {waited / 1e6:,.0f} ms before by {referral.teller}"


def _what(referral: CaseReferral) -> str:
    told = referral.referral
    if told.kind is ReferralKind.ACTIVATION and told.clsid:
        return interface_name(told.clsid) or f"class {told.clsid}"
    if told.kind is ReferralKind.RESOLVE_OXID:
        return "an object"
    return (interface_name(told.interface.uuid) or told.interface.uuid) if told.interface else "a service"


def _asked(near: CaseFlow) -> Iterator[tuple[_Key, Turn]]:
    """Questions to the mapper, an activator or a resolver that are open."""
    if near.rpc is None:
        return
    flow = near.flow
    for call in near.rpc.open_calls:
        if call.fate is Fate.UNANSWERED and call.interface is not None and call.interface.uuid in ASKING:
            name = interface_name(call.interface.uuid) or call.interface.uuid
            yield ("call", flow.client, flow.server, flow.start_ns, call.packet), Turn(
                call.time_ns, "", "asked", flow.client.address, flow.server.address, flow.server.port, call.packet,
                f"{name}, operation {call.opnum}", flow,
            )  # fmt: skip


def _referred(one: CaseReferral) -> tuple[_Key, Turn]:
    told, flow = one.referral, one.asked_on.flow
    key = "referral", flow.client, flow.server, flow.start_ns, told.request_packet, told.kind
    ports = list(dict.fromkeys(endpoint.port for endpoint in told.endpoints if endpoint.port is not None))
    if told.status:
        name = status_name(told.status) or f"{told.status:#010x}"
        state, says = "refused", f"{_what(one)}: {name}"
    elif ports:
        state = "referred"
        says = f"{_what(one)} is at port {', '.join(map(str, ports[:4]))}{' ...' if len(ports) > 4 else ''}"
    else:
        state, says = (
            "referred",
            f"{_what(one)}: no TCP port named" + (" (sealed)" if told.readable == "sealed" else ""),
        )
    return key, Turn(
        told.response_ns, "", state, one.told, one.teller, ports[0] if ports else None, told.response_packet, says, flow
    )
