"""The pipeline, top to bottom: captures and logs in, a diagnosis out."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rpcdiag import beside
from rpcdiag.alike import Folded, fold
from rpcdiag.capture.choice import Engine
from rpcdiag.case import (
    Accounting,
    CaptureFacts,
    Case,
    CaseFlow,
    CaseLog,
    CaseReferral,
    Conversation,
    FoldedFlows,
    LogRow,
)
from rpcdiag.diagnose.finding import Finding
from rpcdiag.diagnose.judge import judge, rules
from rpcdiag.dissect.dcerpc import PRIVACY
from rpcdiag.errors import CorruptInput, RpcdiagError, UnknownFormat
from rpcdiag.flows.flow import FAILED_TO_OPEN, HTTP, TCP, UDP, Flow
from rpcdiag.flows.table import Attempt, FlowTable, pair_of
from rpcdiag.intake import Intake, Reading, Taken, Watch, take_in
from rpcdiag.model.packets import Address
from rpcdiag.remedies.advise import Remedies, advisers
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.track import strict
from rpcdiag.track.facts import Connection, Fate, ReferralKind
from rpcdiag.track.origin import MAPPER_PORTS, Aliases, Asking, OriginKind, Origins, tcp_endpoints
from rpcdiag.track.retold import Retold
from rpcdiag.track.twins import clocks, conversations, on_one_clock

if TYPE_CHECKING:  # loaded only where there are logs, connectionless RPC, keys, or a policy
    from rpcdiag.logs.entry import LogFormat
    from rpcdiag.logs.match import Attempt as LogAttempt
    from rpcdiag.logs.reader import LogFile, Wanted
    from rpcdiag.policy.model import Policy
    from rpcdiag.policy.verdict import Applied
    from rpcdiag.track.datagram_calls import DatagramFlow
    from rpcdiag.unseal import Keys, Unsealer

_T = TypeVar("_T")

DYNAMIC_PORTS = range(49152, 65536)  # since Vista and Server 2008
COUNT_EVERY_S = 2.0
COUNT_SHARE = 20  # counting takes at most one part in so many of the time
WORTH_COUNTING = 5000  # connections that were followed; of more, findings are counted at the end only
MAX_FOR_CLOCKS = 20_000  # connections without RPC whose log rows are looked at for the offset of the clocks
SCAN_PORTS = 16  # of one server, known to nobody, at which a client fails
MAX_SUSPECT_PORTS = 3  # a pair that fails on more ports is a scan, not a client


class Diagnosis(NamedTuple):
    """A case with its findings and their remedies.

    `troubles` are inputs that could not be read at all, `cuts` those that were read up to a place.
    """

    case: Case
    findings: tuple[Finding, ...]
    remedies: Mapping[str, tuple[Remedy, ...]]  # by finding id
    troubles: tuple[RpcdiagError, ...]
    cuts: tuple[RpcdiagError, ...]
    interrupted: bool = False  # by the user: what was known by then is here
    remarks: tuple[str, ...] = ()  # on captures of which the given keys opened nothing
    applied: "Applied | None" = None  # what the policy in force does to each flow, where one was given


def analyze(
    paths: Sequence[str],
    logs: Sequence[str] = (),
    *,
    log_offset_ns: int | None = None,
    log_format: "LogFormat | None" = None,
    engine: Engine | None = None,
    watch: Watch | None = None,
    brief: bool = False,
    keys: "Keys | None" = None,
    policy: "Policy | None" = None,
    after_reading: Callable[[], None] | None = None,
) -> Diagnosis:
    """Diagnose captures with their firewall logs; where it is `brief`, plain connections beyond the first hundred that
    are alike are only counted, unless a `policy` has to judge them all. What is sealed is opened with `keys`.
    `log_format` is one that the user has described. `after_reading` is called when all captures are read.

    An input that cannot be read becomes a trouble; what the others hold is diagnosed all the same.
    """
    engine = engine or Engine()
    unsealer = _unsealer(keys, engine)
    intake = take_in(paths, engine, _Counting(watch) if watch else None, beside=_load_rest)
    if after_reading is not None:
        after_reading()
    return conclude(
        intake, logs, log_offset_ns=log_offset_ns, brief=brief, unsealer=unsealer, policy=policy, log_format=log_format
    )


def _load_rest() -> None:
    """What is needed once a capture has been read."""
    from rpcdiag.policy.product import product
    from rpcdiag.remedies import replay

    rules(), advisers()
    for name in replay.PRODUCTS:
        product(name)


def conclude(
    intake: Intake,
    logs: Sequence[str] = (),
    *,
    log_offset_ns: int | None = None,
    brief: bool = False,
    unsealer: "Unsealer | None" = None,
    policy: "Policy | None" = None,
    log_format: "LogFormat | None" = None,
) -> Diagnosis:
    """What follows from captures that were read; the arguments are those of `analyze`."""
    troubles = [_told_apart(one) for one in intake.troubles]
    facts = tuple(_capture_facts(index, taken) for index, taken in enumerate(intake.captures))
    table = FlowTable([taken.flows for taken in intake.captures])
    folded: tuple[Folded, ...] = ()
    if (
        brief and not logs and unsealer is None and policy is None and len(facts) == 1 and len(facts[0].points) == 1
    ):  # copies and log rows have to be found
        folded = fold(intake.captures[0])
    case = _case(facts, table, intake.captures, folded, unsealer)
    cuts = tuple(taken.trouble for taken in intake.captures if taken.trouble is not None)
    interrupted = intake.interrupted
    del intake  # its room is for what follows
    if unsealer is not None:
        troubles += unsealer.troubles
    if logs:
        files: list[LogFile] = []
        case = _with_logs(
            case, table, lambda wanted: _read_logs(files, logs, wanted, log_format, troubles), log_offset_ns
        )
        cuts += tuple(CorruptInput(file.path, file.cut) for file in files if file.cut)
    applied = _under(case, policy)
    if policy is not None and policy.cut:
        cuts = (*cuts, CorruptInput(policy.path or policy.name, policy.cut))
    findings = judge(case, applied)
    return Diagnosis(
        case=case,
        findings=findings,
        remedies=Remedies(case, findings, applied),
        troubles=tuple(troubles),
        cuts=cuts,
        interrupted=interrupted,
        remarks=tuple(unsealer.failed) if unsealer is not None else (),
        applied=applied,
    )


def so_far(
    taken: Taken, *, brief: bool = False, logs: "Callable[[Wanted], Sequence[LogFile]] | None" = None
) -> tuple[Case, tuple[Finding, ...]]:
    """What is known of a capture that is still read, and what the rules find in that; `logs` gives what its logs say."""
    with taken.tracker.looking():
        facts = _capture_facts(0, taken)
        folded = fold(taken) if brief and len(facts.points) == 1 else ()
        table = FlowTable([taken.flows])
        case = _case((facts,), table, (taken,), folded, None)
        if logs is not None:
            case = _with_logs(case, table, logs, None)
        return case, judge(case)


def _under(case: Case, policy: "Policy | None") -> "Applied | None":
    if policy is None:
        return None
    from rpcdiag.policy.engine import apply

    return apply(case, policy)


class _Counting:
    """Adds to what is told of the reading how many findings there are so far, as often as that costs little."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._next = time.monotonic() + COUNT_EVERY_S
        self._count: int | None = None

    def __call__(self, reading: Reading) -> None:
        began = time.monotonic()
        if reading.so_far is not None and began >= self._next:
            taken = reading.so_far()
            if taken.flows.followed <= WORTH_COUNTING:
                self._count = len(so_far(taken)[1])
            now = time.monotonic()
            self._next = now + max(COUNT_EVERY_S, COUNT_SHARE * (now - began))
        self._watch(reading._replace(findings=self._count))


def _unsealer(keys: "Keys | None", engine: Engine) -> "Unsealer | None":
    """Raises:
    InputError: the keys cannot be used.
    MissingPiece: tshark is not installed.
    """
    if keys is None:
        return None
    from rpcdiag.unseal import Unsealer

    keys.check()
    return Unsealer(keys, engine)


def _capture_facts(index: int, taken: Taken) -> CaptureFacts:
    return CaptureFacts(
        number=index,
        path=taken.path,
        format=taken.format,
        link_types=taken.link_types,
        packets=taken.packets,
        first_ns=taken.first_ns,
        last_ns=taken.last_ns,
        cut_short=str(taken.trouble) if taken.trouble else None,
        notes=(),
        skipped=dict(sorted(taken.skipped.items())),
        points={point: named.name for point, named in taken.points.items()},
    )


def _case(
    captures: tuple[CaptureFacts, ...], table: FlowTable, intake: Sequence[Taken], folded: Sequence[Folded],
    unsealer: "Unsealer | None",
) -> Case:  # fmt: skip
    """Join flows, connections and referrals."""
    trackers = [Retold(taken.tracker, taken.flows.sweep) for taken in intake]
    carriers = tuple(beside.named(table, intake))
    told = [
        Asking(referral, flow)
        for flow in carriers
        for referral in trackers[flow.capture].referrals(table.serial(flow), table.stream_place(flow))
    ]
    datagrams = _numbered(table, intake)
    told += [Asking(referral, one.flow) for one in datagrams.values() for referral in one.referrals]
    if unsealer is not None:
        sealing: dict[int, dict[int, int]] = {}
        for flow in carriers:
            if _seals(table, flow):
                sealing.setdefault(flow.capture, {})[flow.number] = table.serial(flow)
        told = unsealer.open(told, [taken.path for taken in intake], sealing)
        captures = tuple(_noted(one, unsealer.notes.get(one.number)) for one in captures)
    aliases = beside.aliases(intake, told)
    attempts = tuple(table.failed())
    flows = sorted(
        [
            *_greeted(_interesting(table, carriers, told, aliases, attempts), told, aliases),
            *(one.flow for one in datagrams.values()),
        ],
        key=lambda flow: (flow.start_ns, flow.capture, flow.point, flow.first_packet),
    )
    groups = conversations(flows)
    member = {position: number for number, group in enumerate(groups) for position in group}
    group_of = {flow.number: member[position] for position, flow in enumerate(flows)}
    nearest = {flows[position].number: place for group in groups for place, position in enumerate(group)}
    exchanges, all_copies = _once(told, group_of, nearest)
    alive = [asking for asking in exchanges if asking.referral.kind is ReferralKind.SERVER_ALIVE2]
    told_ports = [
        (asking, noted)
        for asking, noted in zip(exchanges, all_copies, strict=True)
        if asking.referral.kind is not ReferralKind.SERVER_ALIVE2
    ]
    told_ports = _without_known_objects(told_ports)
    kept, copies = [asking for asking, _ in told_ports], [noted for _, noted in told_ports]
    ahead = clocks(flows, groups)
    origins = Origins(
        [_asked_then(asking, ahead) for asking in kept],
        {capture.number: (capture.first_ns or 0) - ahead.get(capture.number, 0) for capture in captures},
        [on_one_clock(flow, ahead) for flow in flows],
        aliases,
        table.lossy,
    )
    last = {capture.number: capture.last_ns or 0 for capture in captures}

    case_flows: list[CaseFlow] = []
    for position, flow in enumerate(flows):
        datagram = datagrams.get(flow.number)
        if datagram is not None:
            rpc: Connection | None = datagram.rpc
        else:
            rpc = trackers[flow.capture].connection(table.serial(flow), flow, table.stream(flow), last[flow.capture])
        group = groups[member[position]]
        origin = origins.of(on_one_clock(_as_told(flow, flows[group[0]]), ahead), rpc)
        same = tuple(f"f{other + 1}" for other in sorted(group) if other != position) if len(group) > 1 else ()
        judged = strict.judge(flow, rpc, origin, origins.told_by(origin))
        case_flows.append(CaseFlow(f"f{position + 1}", flow, rpc, origin, judged, same, member[position]))
    trackers.clear()  # their room is for what follows
    id_of = {flow.flow.number: flow.id for flow in case_flows}
    by_id = {flow.id: flow for flow in case_flows}
    used: dict[int, list[str]] = {}
    for case_flow in case_flows:
        if case_flow.origin.referral is not None and case_flow.origin.kind is not OriginKind.OTHER_CLIENT:
            used.setdefault(case_flow.origin.referral, []).append(case_flow.id)
    case_referrals = tuple(
        CaseReferral(
            id=f"r{number + 1}",
            referral=asking.referral,
            asked_on=by_id[id_of[asking.flow.number]],
            flows=tuple(used.get(number, ())),
            copies=tuple((id_of[flow], request, response) for flow, request, response in copies[number]),
        )
        for number, asking in enumerate(kept)
    )
    smb = beside.sessions(intake, id_of)
    hosts = {address for flow in flows for address in (flow.client.address, flow.server.address)}
    joined = tuple(
        Conversation(case_flows[group[0]], tuple([case_flows[position] for position in group])) for group in groups
    )
    return Case(
        captures=captures,
        logs=(),
        flows=tuple(case_flows),
        conversations=joined,
        failed=tuple(one for one in joined if all(_failed(flow.flow) for flow in one.flows)),
        unsettled=tuple(one for one in joined if one.near.rpc is not None and not one.near.rpc.settled),
        between_hosts=_grouped(joined, lambda one: (one.client, one.server)),
        referrals=case_referrals,
        told=_grouped(case_referrals, _pair_of),
        resolvers=tuple(
            CaseReferral("", asking.referral, by_id[id_of[asking.flow.number]], (), ()) for asking in alive
        ),
        hosts=table.host,
        rows={},
        processes=(),
        statements=(),
        stated_of={},
        scans=_scans(flows, attempts),
        folded=tuple(
            FoldedFlows(id_of[one.like], one.flows, one.first_ns, one.last_ns, one.requests, one.referrals)
            for one in folded
        ),
        sessions=smb,
        logons=beside.logons_of(case_flows, table, intake, smb),
        names=beside.names(intake, hosts),
        tickets=beside.tickets(intake, hosts),
        unreached=beside.unreached(table, attempts, hosts),
        pieces=beside.pieces(intake, hosts),
        asked=beside.asked(intake, hosts),
        accounting=_accounting(captures, table, [flow.rpc for flow in case_flows if flow.rpc], folded),
        unanswered=beside.unanswered(intake, hosts),
        tunnels=beside.tunnels(intake),
        loudest=None if flows else table.loudest(),
    )


def _failed(flow: Flow) -> bool:
    """Whether TCP never opened; over UDP nothing opens."""
    return flow.outcome in FAILED_TO_OPEN and flow.transport != UDP


def _seals(table: FlowTable, flow: Flow) -> bool:
    """Whether bodies on the flow are sealed."""
    stream = table.stream(flow)
    return stream is not None and any(context.auth_level == PRIVACY for context in stream.contexts)


def _noted(capture: CaptureFacts, note: str | None) -> CaptureFacts:
    return capture if note is None else capture._replace(notes=(*capture.notes, note))


def _numbered(table: FlowTable, intake: Sequence[Taken]) -> "dict[int, DatagramFlow]":
    """Connectionless conversations, numbered after all others."""
    found: dict[int, DatagramFlow] = {}
    for capture, taken in enumerate(intake):
        for one in taken.datagrams:
            number = table.flows_seen + len(found)
            found[number] = one._replace(flow=one.flow._replace(number=number, capture=capture))
    return found


def _pair_of(referral: CaseReferral) -> tuple[Address, Address]:
    return referral.told, referral.teller


def _grouped(
    things: Iterable[_T], by: Callable[[_T], tuple[Address, Address]]
) -> dict[tuple[Address, Address], tuple[_T, ...]]:
    """Things by pair of hosts, so that nobody has to look through all of them."""
    groups: dict[tuple[Address, Address], list[_T]] = {}
    for thing in things:
        groups.setdefault(by(thing), []).append(thing)
    return {pair: tuple(group) for pair, group in groups.items()}


def _interesting(
    table: FlowTable, carriers: Sequence[Flow], told: Sequence[Asking], aliases: Aliases, attempts: Sequence[Attempt]
) -> list[Flow]:
    """Flows that carried RPC or went where a referral points, and attempts that look like it."""
    flows = [*carriers, *table.others(tcp_endpoints(told, aliases))]
    listed = {flow.number for flow in flows}
    hosts = {(flow.client.address, flow.server.address) for flow in flows}
    pairs = {pair_of(client, server) for client, server in hosts}
    failed: dict[tuple[int, ...], list[Attempt]] = {}
    for attempt in attempts:
        failed.setdefault(attempt.pair, []).append(attempt)
    suspect: list[Flow] = []
    for pair, tries in failed.items():
        if len({one.port for one in tries}) <= MAX_SUSPECT_PORTS and (pair in pairs or not pairs):
            suspect += [table.attempted(one) for one in tries if one.number not in listed and one.port in DYNAMIC_PORTS]
    return [*flows, *suspect, *_opened_elsewhere(table, suspect, listed)]


def _opened_elsewhere(table: FlowTable, suspect: Sequence[Flow], listed: set[int]) -> list[Flow]:
    """Copies of failed attempts that opened at another capture point: what nobody told of is listed there for this."""
    if len(table.points()) < 2:
        return []
    tried = {(flow.client, flow.server, flow.isn) for flow in suspect}
    known = listed | {flow.number for flow in suspect}
    ends = {(flow.server.address, flow.server.port) for flow in suspect}
    return [
        flow
        for flow in table.others(ends)
        if flow.number not in known and flow.isn is not None and (flow.client, flow.server, flow.isn) in tried
    ]


def _greeted(flows: Sequence[Flow], told: Sequence[Asking], aliases: Aliases) -> Sequence[Flow]:
    """Those to ports that a mapper names for ncacn_http, and for nothing else, are of that transport."""
    named = tcp_endpoints(told, aliases, protseqs=(HTTP,)) - tcp_endpoints(told, aliases, protseqs=(TCP,))
    if not named:
        return flows
    return [
        flow._replace(transport=HTTP)
        if flow.transport == TCP and (flow.server.address, flow.server.port) in named
        else flow
        for flow in flows
    ]


def _scans(flows: Sequence[Flow], attempts: Sequence[Attempt]) -> frozenset[tuple[Address, Address]]:
    """Pairs of which the client failed on more ports of the server, known to nobody, than any program tries."""
    listed = {flow.number for flow in flows}
    ports: dict[tuple[int, ...], set[int]] = {}
    for attempt in attempts:
        if attempt.number not in listed:
            ports.setdefault(attempt.pair, set()).add(attempt.port)
    many = {pair for pair, tried in ports.items() if len(tried) >= SCAN_PORTS}
    pairs = {(flow.client.address, flow.server.address) for flow in flows} if many else set()
    return frozenset({pair for pair in pairs if pair_of(*pair) in many})


def _asked_then(asking: Asking, ahead: Mapping[int, int]) -> Asking:
    """The referral as the clock of the first capture would have told its time."""
    offset_ns = ahead.get(asking.flow.capture, 0)
    if not offset_ns:
        return asking
    return asking._replace(referral=asking.referral._replace(response_ns=asking.referral.response_ns - offset_ns))


def _as_told(flow: Flow, nearest: Flow) -> Flow:
    """The flow with the ends that its client knows, where an address translation hides them at this point."""
    if (flow.client, flow.server) == (nearest.client, nearest.server) or flow.server.port in MAPPER_PORTS:
        return flow
    return flow._replace(client=nearest.client, server=nearest.server)


def _once(
    told: Sequence[Asking], group_of: dict[int, int], nearest: dict[int, int]
) -> tuple[list[Asking], list[list[tuple[int, int, int]]]]:
    """Referrals by time, each once: as the point nearest to the client saw it, copies at others noted with it."""
    same: dict[tuple[object, ...], list[Asking]] = {}
    counts: dict[tuple[object, ...], int] = {}
    for asking in sorted(
        told, key=lambda one: (one.flow.number, one.referral.response_ns, one.referral.response_packet)
    ):
        referral = asking.referral
        what = (group_of[asking.flow.number], referral.kind, referral.interface, referral.clsid, referral.oxid)
        at = (*what, asking.flow.number)
        counts[at] = counts.get(at, 0) + 1
        same.setdefault((*what, counts[at]), []).append(asking)  # the n-th of its kind on its connection
    groups = [sorted(group, key=lambda one: nearest[one.flow.number]) for group in same.values()]
    groups.sort(
        key=lambda group: (group[0].referral.response_ns, group[0].flow.number, group[0].referral.response_packet)
    )
    copies = [
        [(one.flow.number, one.referral.request_packet, one.referral.response_packet) for one in group[1:]]
        for group in groups
    ]
    return [group[0] for group in groups], copies


_Noted = tuple[Asking, list[tuple[int, int, int]]]


def _without_known_objects(told: Sequence[_Noted]) -> list[_Noted]:
    """Of the references to objects of one exporter the first that one host gave another; none where the other was
    told before where that exporter listens.
    """
    known: set[tuple[Address, Address, int | None]] = set()
    found = []
    for asking, noted in told:
        key = asking.told, asking.teller, asking.referral.oxid
        if asking.referral.kind is ReferralKind.OBJECT_REFERENCE and key in known:
            continue
        if asking.referral.oxid is not None:
            known.add(key)
        found.append((asking, noted))
    return found


def _accounting(
    captures: Sequence[CaptureFacts], table: FlowTable, rpcs: Sequence[Connection], folded: Sequence[Folded]
) -> Accounting:
    skipped: dict[str, int] = {}
    for capture in captures:
        for reason, count in capture.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    fates = dict.fromkeys(Fate, 0)
    for rpc in rpcs:
        for fate, count in rpc.fates.items():
            fates[fate] += count
    plain_bytes, plain_calls = sum(one.stream_bytes for one in folded), sum(one.requests for one in folded)
    fates[Fate.RESPONSE] += plain_calls
    return Accounting(
        packets=sum(capture.packets for capture in captures),
        packets_in_flows=table.packets_in_flows,
        packets_skipped=dict(sorted(skipped.items())),
        stream_bytes=sum(rpc.stream_bytes for rpc in rpcs) + plain_bytes,
        bytes_in_pdus=sum(rpc.bytes_in_pdus for rpc in rpcs) + plain_bytes,
        bytes_skipped=sum(rpc.bytes_skipped for rpc in rpcs),
        bytes_missing=sum(rpc.bytes_missing for rpc in rpcs),
        requests=sum(rpc.requests for rpc in rpcs) + plain_calls,
        fates=fates,
        evicted_flows=table.evicted,
    )


def _told_apart(trouble: RpcdiagError) -> RpcdiagError:
    """A file that is no capture, with what it is where it is a log."""
    if not isinstance(trouble, UnknownFormat) or trouble.reasons[0].startswith("looks like"):
        return trouble
    from rpcdiag.logs.reader import format_of

    known = format_of(trouble.path)
    if known is None:
        return trouble
    return UnknownFormat(trouble.path, (f"looks like a log ({known}): name it after --log", *trouble.reasons))


def _read_logs(
    files: "list[LogFile]",
    paths: Sequence[str],
    wanted: "Wanted",
    described: "LogFormat | None",
    troubles: list[RpcdiagError],
) -> "list[LogFile]":
    from rpcdiag.logs.reader import read_all, with_rotated

    for path in with_rotated(paths):
        try:
            files += read_all(path, wanted, described)
        except RpcdiagError as error:
            troubles.append(error)
    return files


def _with_logs(
    case: Case, table: FlowTable, read_logs: "Callable[[Wanted], Sequence[LogFile]]", offset_ns: int | None
) -> Case:
    """The case with its logs; a match belongs to a conversation, whichever capture point it was seen at."""
    from rpcdiag.logs.host import (
        by_address,
        concerns,
        held_ports,
        processes,
        statements,
    )  # the log formats are loaded only where there is a log
    from rpcdiag.logs.match import match_all, own_drops

    attempts = []
    carried: dict[int, int] = {}  # the first pipe of an SMB session stands for the connection
    same: dict[int, list[int]] = {}
    for number, conversation in enumerate(case.conversations):
        flow = conversation.near.flow
        if flow.carrier is not None:
            first = carried.setdefault(flow.carrier, number)
            if first != number:
                same.setdefault(first, []).append(number)
                continue
        attempts.append(_attempt(number, flow))
    listed = {flow.flow.number for flow in case.flows}
    beside_rpc = (flow for flow in table.begun() if flow.number not in listed)
    attempts += [_attempt(-1 - number, flow) for number, flow in enumerate(islice(beside_rpc, MAX_FOR_CLOCKS))]
    hosts = {end.address for flow in case.flows for end in (flow.flow.client, flow.flow.server)}
    wanted = concerns(attempts, hosts)
    clients = {one.flow.client.address for one in case.sessions} | {one.fact.client for one in case.tickets}
    files = read_logs(wanted)
    middle = attempts[len(attempts) // 2].times_ns[0] if attempts else 0
    logs: list[CaseLog] = []
    rows: dict[int, list[LogRow]] = {}
    for file, matched in zip(files, match_all(files, attempts, offset_ns=offset_ns), strict=True):
        kept = tuple(found for found in matched.matches if found.attempt >= 0)  # the others only told of the clock
        for found in kept:
            rows.setdefault(found.attempt, []).extend(
                LogRow(len(logs), position, file.entries[position], found.grade, found.basis)
                for position in found.entries
            )
        logs.append(CaseLog(len(logs), file, matched.clock, kept, own_drops(file, middle)))
    for first, others in same.items():
        if first in rows:
            rows.update((other, rows[first]) for other in others)
    said, owners = statements(files, hosts | clients), processes(files, attempts)
    return case._replace(
        logs=tuple(logs),
        rows={number: tuple(found) for number, found in rows.items()},
        processes=owners,
        held=held_ports(owners, [(log.file, log.clock) for log in logs]),
        statements=said,
        stated_of=by_address(said),
    )


def _attempt(key: int, flow: Flow) -> "LogAttempt":
    from rpcdiag.logs.match import Attempt as LogAttempt

    times = tuple(syn.time_ns for syn in flow.syns) or (flow.start_ns,)
    packets = tuple(syn.packet for syn in flow.syns) or (flow.first_packet,)
    ip_ids = tuple(syn.ip_id for syn in flow.syns)
    return LogAttempt(key, flow.capture, flow.client, flow.server, flow.isn, times, packets, ip_ids)
