"""The JSON document of the contract, field by field: what `-T json` prints and what other outputs are made of.

Flows and referrals come by the ten thousand: they are written as text at once. The rest is small and goes through
`json.dumps`; both write the same JSON.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import (
    CaptureFacts,
    Case,
    CaseFlow,
    CaseLog,
    CaseLogon,
    CaseName,
    CaseReferral,
    CaseSession,
    CaseTicket,
    FoldedFlows,
)
from rpcdiag.diagnose.finding import Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.dissect.auth import level_name, type_name
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import class_name, interface_name
from rpcdiag.dissect.status import status_name
from rpcdiag.flows.flow import UDP, Flow, Reset
from rpcdiag.model.evidence import Configured, Evidence, Logged, Missing, Seen
from rpcdiag.model.packets import Address, Endpoint
from rpcdiag.model.version import __version__
from rpcdiag.remedies.remedy import Flip, Remedy, Replay
from rpcdiag.report.names import code
from rpcdiag.track.facts import Fate, InterfaceUse, Referral, ReferralKind, Referred, Try
from rpcdiag.track.origin import Origin
from rpcdiag.track.strict import StrictRpc

if TYPE_CHECKING:  # loaded only where there is a log
    from rpcdiag.logs.host import ListeningProcess, Statement

SCHEMA_VERSION = 1
LAST_FIELD = "accounting"
MAX_ALIKE = 100
MAX_TRIES = 16
MAX_TERMS = 8  # of a display filter
_REMEMBERED = 1024  # values whose JSON is kept for when they come again

Counts = tuple[int, int, int, int]  # requests, responses, faults, unanswered
_NO_CALLS: Counts = (0, 0, 0, 0)
_T = TypeVar("_T")
_interface_of = attrgetter("interface")
_answers_in = itemgetter(Fate.RESPONSE, Fate.FAULT, Fate.UNANSWERED)


class Part(NamedTuple):
    """A field of the document: the JSON of its value, or, where it is a list, of every element."""

    name: str
    elements: Iterator[str]
    is_list: bool = True


def parts(diagnosis: Diagnosis, *, all_flows: bool = False) -> Iterator[Part]:
    """The fields in their order, each to be read before the next is asked for."""
    case = diagnosis.case
    addresses = _Addresses()
    shown, groups = _folded(case, all_flows, addresses)
    listed = {flow.id for flow in shown}
    findings = (_finding(case, one, diagnosis.remedies[one.id], listed) for one in diagnosis.findings)
    yield Part("schema_version", iter([str(SCHEMA_VERSION)]), is_list=False)
    yield Part("program", iter([json.dumps({"name": "rpcdiag", "version": __version__})]), is_list=False)
    yield Part("captures", (json.dumps(_capture(capture)) for capture in case.captures))
    yield Part("logs", (json.dumps(_log(log)) for log in case.logs))
    yield Part("flows", (_flow(case, flow, addresses) for flow in shown))
    yield Part("flow_groups", (_group(group) for group in groups))
    yield Part("referrals", (_referral(referral, listed, addresses) for referral in case.referrals))
    yield Part("log_matches", (json.dumps(one) for one in _log_matches(case)))
    yield Part("smb_sessions", (json.dumps(_session(one)) for one in case.sessions))
    yield Part("logons", (json.dumps(_logon(one)) for one in case.logons))
    yield Part("names", (json.dumps(_name(one)) for one in case.names))
    yield Part("tickets", (json.dumps(_ticket(one)) for one in case.tickets))
    yield Part("processes", (json.dumps(_process(one)) for one in case.processes))
    yield Part("statements", (json.dumps(_statement(one)) for one in case.statements))
    yield Part("findings", (json.dumps(finding) for finding in findings))
    if diagnosis.applied is not None:
        from rpcdiag.report import verdicts

        yield Part("policy", iter([json.dumps(verdicts.as_json(case, diagnosis.applied))]), is_list=False)
    yield Part("accounting", iter([json.dumps(_accounting(case))]), is_list=False)


def lines(diagnosis: Diagnosis, *, all_flows: bool = False) -> Iterator[str]:
    """One element of every list a line: to be read and compared, and four times as fast as with indentation."""
    yield "{"
    for part in parts(diagnosis, all_flows=all_flows):
        if part.is_list:
            yield from _list(part.name, part.elements)
        else:
            yield f'"{part.name}": {next(part.elements)}{"" if part.name == LAST_FIELD else ","}'
    yield "}"


def document(diagnosis: Diagnosis, *, all_flows: bool = False) -> dict[str, Any]:
    """The document as Python objects; see the contract, section 2."""
    loaded: dict[str, Any] = json.loads("".join(lines(diagnosis, all_flows=all_flows)))
    return loaded


class _Addresses:
    """Addresses as JSON, looked up by object: the hash of an address takes longer than everything else."""

    def __init__(self) -> None:
        self._written: dict[int, str] = {}
        self._kept: list[Address] = []  # so that no other object gets the id of one of them

    def json(self, address: Address) -> str:
        try:
            return self._written[id(address)]
        except KeyError:
            self._kept.append(address)
            return self._written.setdefault(id(address), quoted(str(address)))

    def end(self, end: Endpoint) -> str:
        """The fields of an endpoint, to be put into an object."""
        return f'"address": {self.json(end.address)}, "port": {end.port}'


def _list(name: str, elements: Iterator[str]) -> Iterator[str]:
    """The lines of a list that other fields follow."""
    element = next(elements, None)
    if element is None:
        yield f'"{name}": [],'
        return
    yield f'"{name}": ['
    for following in elements:
        yield element + ","
        element = following
    yield element
    yield "],"


def _text(value: str | None) -> str:
    return "null" if value is None else quoted(value)


def _number(value: int | None) -> int | str:
    return "null" if value is None else value


def _array(values: Sequence[_T], written: Callable[[_T], str]) -> str:
    return f"[{', '.join(map(written, values))}]" if values else "[]"


@lru_cache(_REMEMBERED)
def _code(number: int | None) -> str:
    return _text(code(number))


def _capture(capture: CaptureFacts) -> dict[str, Any]:
    return {
        "index": capture.number,
        "path": capture.path,
        "format": capture.format,
        "link_types": list(capture.link_types),
        "packets": capture.packets,
        "first_ns": capture.first_ns,
        "last_ns": capture.last_ns,
        "cut_short": capture.cut_short is not None,
        "notes": [*([capture.cut_short] if capture.cut_short else []), *capture.notes],
    }


def _log(log: CaseLog) -> dict[str, Any]:
    file, clock = log.file, log.clock
    return {
        "index": log.number,
        "path": file.path,
        "format": file.format,
        "counts": file.counts,
        "entries": file.rows,
        "drops": file.drops,
        "matched": len({position for match in log.matches for position in match.entries}),
        "bad_lines": file.bad_count,
        "bad": [{"line": bad.line, "why": bad.why} for bad in file.bad],
        "clock": {
            "offset_ns": clock.offset_ns,
            "basis": clock.basis,
            "matches": clock.matches,
            "spread_ns": clock.spread_ns,
            "low_ns": clock.low_ns,
            "high_ns": clock.high_ns,
            "why": clock.why,
        },
        "notes": list(file.notes),
    }


def _process(one: "ListeningProcess") -> dict[str, Any]:
    return {
        "log": one.log,
        "line": one.line,
        "event": one.event,
        "role": one.role,
        "host": one.host,
        "addresses": [str(address) for address in one.addresses],
        "protocol": one.protocol,
        "port": one.port,
        "program": one.program,
        "pid": one.pid,
    }


def _statement(one: "Statement") -> dict[str, Any]:
    return {
        "log": one.log,
        "line": one.line,
        "event": one.event,
        "provider": one.provider,
        "host": one.host,
        "says": one.says,
        "source": str(one.source) if one.source is not None else None,
        "destination": str(one.destination) if one.destination is not None else None,
        "program": one.program,
        "interface": one.interface,
        "written_ns": one.written_ns,
    }


def _flow(case: Case, flow: CaseFlow, addresses: _Addresses) -> str:
    tcp = flow.flow
    return (
        f'{{"id": {quoted(flow.id)}, "capture": {tcp.capture}, "interface": {_text(case.point_name(flow))}, '
        f'"same_as": {_array(flow.same_as, quoted)}, "protocol": "{"udp" if tcp.transport == UDP else "tcp"}", '
        f'"transport": "{tcp.transport}", "pipe": {_text(tcp.pipe)}, '
        f'"client": {{{addresses.end(tcp.client)}, "name": null}}, '
        f'"server": {{{addresses.end(tcp.server)}, "name": null}}, '
        f'"first_packet": {tcp.first_packet}, "last_packet": {tcp.last_packet}, '
        f'"start_ns": {tcp.start_ns}, "end_ns": {tcp.end_ns}, "packets": {tcp.packets}, '
        f'"outcome": {quoted(tcp.outcome)}, "syns": {tcp.syn_count}, "roles": {quoted(tcp.roles)}, '
        f'"reset": {_reset(tcp.reset)}, "longest_silence_ns": {tcp.silence.lasted_ns if tcp.silence else 0}, '
        f'"interfaces": {_interfaces(flow.rpc.interfaces) if flow.rpc else "[]"}, '
        f'"calls": {_calls(_counts(flow))}, '
        f'"origin": {_origin(flow.origin)}, "strict_rpc": {_strict(flow.strict)}}}'
    )


def _reset(reset: Reset | None) -> str:
    if reset is None:
        return "null"
    sender = "client" if reset.from_client else "server"
    return f'{{"packet": {reset.packet}, "from": "{sender}", "ttl": {reset.ttl}}}'


@lru_cache(_REMEMBERED)
def _interfaces(uses: tuple[InterfaceUse, ...]) -> str:
    return _array(uses, _use)


def _use(use: InterfaceUse) -> str:
    auth_type = None if use.auth_type is None else type_name(use.auth_type)
    auth_level = None if use.auth_level is None else level_name(use.auth_level)
    return (
        f'{{{_syntax_fields(use.interface)}, "accepted": {json.dumps(use.accepted)}, '
        f'"auth_type": {_text(auth_type)}, "auth_level": {_text(auth_level)}, "calls": {use.calls}'
        + (f', "inferred_from": {quoted(use.by)}}}' if use.by else "}")
    )


@lru_cache(_REMEMBERED)
def _syntax_fields(syntax: Syntax) -> str:
    name = interface_name(syntax.uuid, syntax.version)
    return f'"uuid": {quoted(syntax.uuid)}, "version": {quoted(syntax.version)}, "name": {_text(name)}'


@lru_cache(_REMEMBERED)
def _syntax(syntax: Syntax | None) -> str:
    return f"{{{_syntax_fields(syntax)}}}" if syntax else "null"


def _counts(flow: CaseFlow) -> Counts:
    return (flow.rpc.requests, *_answers_in(flow.rpc.fates)) if flow.rpc else _NO_CALLS


def _calls(counts: Counts) -> str:
    requests, responses, faults, unanswered = counts
    return f'{{"requests": {requests}, "responses": {responses}, "faults": {faults}, "unanswered": {unanswered}}}'


def _origin(origin: Origin) -> str:
    referral = "null" if origin.referral is None else f'"r{origin.referral + 1}"'
    return (
        f'{{"kind": {quoted(origin.kind)}, "referral": {referral}, '
        f'"confidence": {quoted(origin.confidence)}, "why": {quoted(origin.why)}}}'
    )


def _strict(strict: StrictRpc) -> str:
    return (
        f'{{"verdict": {quoted(strict.verdict)}, "kind": {quoted(strict.kind)}, '
        f'"confidence": {quoted(strict.confidence)}, "reason": {quoted(strict.reason)}}}'
    )


def _referral(referral: CaseReferral, listed: set[str], addresses: _Addresses) -> str:
    told, asked = referral.referral, referral.asked_on.flow
    return (
        f'{{"id": {quoted(referral.id)}, "kind": {quoted(told.kind)}, "capture": {asked.capture}, '
        f'"client": {{{addresses.end(asked.client)}}}, "server": {{{addresses.end(asked.server)}}}, '
        f'"interface": {_syntax(told.interface)}, "class": {_class(told.clsid)}, "status": {_code(told.status)}, '
        f'"endpoints": {_endpoints(told, asked.server.address, addresses)}, '
        f'"request_packet": {told.request_packet}, "response_packet": {told.response_packet}, '
        f'"request_ns": {told.request_ns}, "response_ns": {told.response_ns}, "readable": {quoted(told.readable)}, '
        f'"tries": {_array(told.tries[:MAX_TRIES], _try)}, "asked_on": {quoted(referral.asked_on.id)}, '
        f'"oxid": {_oxid(told.oxid)}, "ipid": {_text(told.ipid)}, '
        f'"iids": {_array(told.iids, quoted)}, "results": {_array(told.results, _code)}, '
        f'"flows": {_array([flow for flow in referral.flows if flow in listed], quoted)}, '
        f'"copies": {_array(referral.copies, _copy)}'
        + (
            f', "handed_by": "{"client" if told.by_client else "server"}"}}'
            if told.kind is ReferralKind.OBJECT_REFERENCE
            else "}"
        )
    )


def _oxid(oxid: int | None) -> str:
    return "null" if oxid is None else f'"{oxid:#018x}"'


def _class(clsid: str | None) -> str:
    return f'{{"clsid": {quoted(clsid)}, "name": {_text(class_name(clsid))}}}' if clsid else "null"


def _endpoints(told: Referral, server: Address, addresses: _Addresses) -> str:
    return _array(told.endpoints, lambda endpoint: _endpoint(endpoint, server, addresses))


def _endpoint(endpoint: Referred, server: Address, addresses: _Addresses) -> str:
    """A tower that names 0.0.0.0 means the server that was asked; a name stays a name."""
    same = server if endpoint.host is None and endpoint.port is not None else None
    address = endpoint.address or same
    return (
        f'{{"protseq": {quoted(endpoint.protseq)}, "address": {addresses.json(address) if address else "null"}, '
        f'"host": {_text(endpoint.host)}, "port": {_number(endpoint.port)}, "pipe": {_text(endpoint.pipe)}, '
        f'"text": {quoted(endpoint.text)}, "interface": {_syntax(endpoint.interface)}, "packet": {endpoint.packet}}}'
    )


def _try(one: Try) -> str:
    return (
        f'{{"request_packet": {one.request_packet}, "response_packet": {one.response_packet}, '
        f'"status": {_code(one.status)}}}'
    )


def _copy(copy: tuple[str, int, int]) -> str:
    flow, request, response = copy
    return f'{{"flow": {quoted(flow)}, "request_packet": {request}, "response_packet": {response}}}'


def _finding(case: Case, finding: Finding, remedies: tuple[Remedy, ...], listed: set[str]) -> dict[str, Any]:
    rule = rule_of(finding.rule)
    return {
        "id": finding.id,
        "rule": finding.rule,
        "cause": rule.cause,
        "title": rule.title,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "client": str(finding.client),
        "server": str(finding.server),
        "direction": finding.direction,
        "summary": finding.summary,
        "count": finding.times,
        "flows": [flow for flow in finding.flows if flow in listed],
        "referrals": list(finding.referrals),
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "errors": [{"code": code(error), "symbol": status_name(error)} for error in finding.errors],
        "next_observation": finding.next_observation,
        "remedies": [_remedy(remedy) for remedy in remedies],
        "filter": display_filter(case, finding),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    match evidence:
        case Seen():
            return {
                "kind": "seen",
                "says": evidence.says,
                "capture": evidence.capture,
                "packets": list(evidence.packets),
            }
        case Missing():
            return {
                "kind": "missing",
                "says": evidence.says,
                "capture": evidence.capture,
                "after_packet": evidence.after,
                "waited_ns": evidence.waited_ns,
            }
        case Logged():
            return {"kind": "logged", "says": evidence.says, "log": evidence.log, "lines": list(evidence.lines)}
        case Configured():
            lines = list(evidence.lines)
            return {"kind": "configured", "says": evidence.says, "path": evidence.path, "lines": lines}


def _remedy(remedy: Remedy) -> dict[str, Any]:
    return {
        "id": remedy.id,
        "where": remedy.where,
        "why": remedy.why,
        "commands": [
            {"shell": command.shell, "text": command.text, "instead": command.instead} for command in remedy.commands
        ],
        "opens": remedy.opens,
        "price": remedy.price,
        "restart": remedy.restart,
        "replay": remedy.replay.says if remedy.replay else None,
        "replay_detail": _replay(remedy.replay) if remedy.replay else None,
    }


def _replay(replay: Replay) -> dict[str, Any]:
    return {
        "policy": replay.policy,
        "product": replay.product,
        "cures": replay.cures,
        "opens_more": replay.opens,
        "flips": [_flip(flip) for flip in replay.flips],
        "foreign": [_flip(flip) for flip in replay.foreign],
        "unchanged": replay.unchanged,
        "sure": replay.sure,
    }


def _flip(flip: Flip) -> dict[str, Any]:
    return {
        "flow": flip.flow,
        "client": str(flip.client),
        "server": str(flip.server),
        "before": flip.before,
        "after": flip.after,
        "why_before": flip.why_before,
        "why_after": flip.why_after,
    }


def display_filter(case: Case, finding: Finding) -> str:
    """A display filter for packet viewers that shows the finding's flows; where it has none, the packets that it names of
    the first capture; where it names none, what its hosts say to each other.
    """
    terms = dict.fromkeys(flow_filter(case.flow(id).flow) for id in finding.flows[:MAX_TERMS])
    if terms:
        return " || ".join(terms)
    shown = [one for one in finding.evidence if isinstance(one, Seen | Missing)]
    if not shown:
        ip = _ip(finding.client)
        return f"{ip}.addr == {_bare(finding.client)} && {ip}.addr == {_bare(finding.server)}"
    packets = dict.fromkeys(packet for one in shown if one.capture == shown[0].capture for packet in _packets(one))
    return f"frame.number in {{{', '.join(map(str, list(packets)[:MAX_TERMS]))}}}"


def flow_filter(flow: Flow) -> str:
    """The packets between two ends."""
    ip = _ip(flow.client.address)
    port = "udp.port" if flow.transport == UDP else "tcp.port"
    client, server = _bare(flow.client.address), _bare(flow.server.address)
    return (
        f"({ip}.addr == {client} && {ip}.addr == {server}"
        f" && {port} == {flow.client.port} && {port} == {flow.server.port})"
    )


def _ip(address: Address) -> str:
    return "ip" if address.version == 4 else "ipv6"


def _bare(address: Address) -> str:
    """Without the zone that an address of a link may have."""
    return str(address).partition("%")[0]


def _packets(evidence: Seen | Missing) -> tuple[int, ...]:
    return evidence.packets if isinstance(evidence, Seen) else (evidence.after,)


def _log_matches(case: Case) -> Iterator[dict[str, Any]]:
    """Log rows that belong to flows: each row once for every conversation, by log and line."""
    found = [(row.log, row.entry.line, conversation, row) for conversation, rows in case.rows.items() for row in rows]
    for _, _, conversation, row in sorted(found, key=itemgetter(0, 1, 2)):
        entry = row.entry
        yield {
            "log": row.log,
            "line": entry.line,
            "flow": case.conversations[conversation].near.id,
            "grade": row.grade,
            "basis": row.basis,
            "action": entry.action,
            "drops": entry.drops,
            "written_ns": entry.written_ns,
            "protocol": entry.protocol,
            "source": _log_end(entry.source, entry.source_port),
            "destination": _log_end(entry.destination, entry.destination_port),
            "path": entry.path,
            "device": entry.device,
            "rule": entry.rule,
            "code": code(entry.code),
            "code_name": entry.code_name,
            "service": entry.service,
        }


def _log_end(address: Address | None, port: int | None) -> dict[str, Any]:
    return {"address": None if address is None else str(address), "port": port}


def _session(session: CaseSession) -> dict[str, Any]:
    flow, said = session.flow, session.said
    return {
        "capture": flow.capture,
        "client": {"address": str(flow.client.address), "port": flow.client.port},
        "server": {"address": str(flow.server.address), "port": flow.server.port},
        "dialect": said.dialect,
        "signing_required": said.signing_required,
        "encrypted_since": {"client": session.sealed[0], "server": session.sealed[1]},
        "encryption_required_by": said.encrypts,
        "trees": [
            {"name": tree.name, "share": tree.share, "status": _status(tree.status),
             "request_packet": tree.request_packet, "response_packet": tree.response_packet}
            for tree in said.trees
        ],
        "pipes": [
            {"name": pipe.name, "flow": session.pipes.get(pipe.serial) if pipe.serial is not None else None,
             "status": _status(pipe.status), "request_packet": pipe.request_packet,
             "response_packet": pipe.response_packet}
            for pipe in said.pipes
        ],
        "errors": [
            {"flow": session.pipes.get(error.serial), "command": error.command, "packet": error.packet,
             "status": _status(error.status)}
            for error in said.errors
        ],
    }  # fmt: skip


def _status(number: int | None) -> dict[str, str | None] | None:
    """A status of SMB with its name."""
    return None if number is None else {"code": f"{number:#010x}", "symbol": status_name(number, "ntstatus")}


def _logon(one: CaseLogon) -> dict[str, Any]:
    return {
        "flow": one.flow,
        "capture": one.capture,
        "client": str(one.client),
        "server": str(one.server),
        "over": one.over,
        "status": _status(one.status),
        **one.logon._asdict(),
        "packets": list(one.logon.packets),
    }


def _name(one: CaseName) -> dict[str, Any]:
    fact = one.fact
    return {
        "capture": one.capture,
        "packet": fact.packet,
        "time_ns": fact.time_ns,
        "client": str(fact.client),
        "server": str(fact.server),
        "kind": fact.kind,
        "name": fact.name,
        "type": fact.type,
        "result": fact.result,
        "addresses": [str(address) for address in fact.addresses],
        "count": fact.times,
    }


def _ticket(one: CaseTicket) -> dict[str, Any]:
    fact = one.fact
    told = fact._asdict()
    count = told.pop("times")
    return {**told, "capture": one.capture, "client": str(fact.client), "server": str(fact.server), "count": count}


def _accounting(case: Case) -> dict[str, Any]:
    sums = case.accounting
    return {
        "packets": sums.packets,
        "packets_in_flows": sums.packets_in_flows,
        "packets_skipped": sums.packets_skipped,
        "stream_bytes": sums.stream_bytes,
        "bytes_in_pdus": sums.bytes_in_pdus,
        "bytes_skipped": sums.bytes_skipped,
        "bytes_missing": sums.bytes_missing,
        "requests": sums.requests,
        "request_fates": {fate.value: sums.fates[fate] for fate in Fate},
        "evicted_flows": sums.evicted_flows,
    }


class _Rest(NamedTuple):
    """Flows that are like `leader` and are not listed: those that were looked at, and those that were only counted."""

    leader: CaseFlow
    members: list[CaseFlow]
    counted: list[FoldedFlows]


def _folded(case: Case, all_flows: bool, addresses: _Addresses) -> tuple[list[CaseFlow], list[_Rest]]:
    """The flows to list, and the groups of alike flows of which only the first are listed."""
    if all_flows or (len(case.flows) <= MAX_ALIKE and not case.folded):
        return list(case.flows), []
    alike: dict[tuple[Any, ...], _Rest] = {}
    seen: dict[tuple[Any, ...], int] = {}
    shown = []
    for flow in case.flows:
        key = _likeness(flow, addresses)
        count = seen[key] = seen.get(key, 0) + 1
        if count == 1:
            alike[key] = _Rest(flow, [], [])
        if count <= MAX_ALIKE:
            shown.append(flow)
        else:
            alike[key].members.append(flow)
    for counted in case.folded:
        alike[_likeness(case.flow(counted.like), addresses)].counted.append(counted)
    return shown, [rest for rest in alike.values() if rest.members or rest.counted]


def _likeness(flow: CaseFlow, addresses: _Addresses) -> tuple[Any, ...]:
    """What alike flows have in common."""
    tcp = flow.flow
    client, (server, port) = addresses.json(tcp.client.address), tcp.server
    interfaces = tuple(map(_interface_of, flow.rpc.interfaces)) if flow.rpc else ()
    return client, addresses.json(server), port, interfaces, flow.origin.kind, tcp.outcome, flow.strict.verdict


def _group(rest: _Rest) -> str:
    """What stands for the flows that are not listed."""
    calls = [*map(_counts, rest.members), *((one.calls, one.calls, 0, 0) for one in rest.counted)]
    requests, responses, faults, unanswered = map(sum, zip(*calls, strict=True))
    starts = [*(one.flow.start_ns for one in rest.members), *(one.first_ns for one in rest.counted)]
    ends = [*(one.flow.end_ns for one in rest.members), *(one.last_ns for one in rest.counted)]
    return (
        f'{{"like": {quoted(rest.leader.id)}, "count": {len(rest.members) + sum(one.flows for one in rest.counted)}, '
        f'"first_ns": {min(starts)}, "last_ns": {max(ends)}, '
        f'"referrals": {sum(one.referrals for one in rest.counted)}, '
        f'"calls": {_calls((requests, responses, faults, unanswered))}}}'
    )
