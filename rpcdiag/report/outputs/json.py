"""The JSON document of the contract: one object, the same bytes for the same input."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import CaptureFacts, Case, CaseFlow, CaseLog, CaseReferral
from rpcdiag.diagnose.finding import Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.dissect.auth import level_name, type_name
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import class_name, interface_name
from rpcdiag.dissect.status import status_name
from rpcdiag.model.evidence import Evidence, Logged, Missing, Seen
from rpcdiag.model.packets import Endpoint
from rpcdiag.model.version import __version__
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.report.names import code
from rpcdiag.report.output import Options, Output
from rpcdiag.track.facts import Fate, Referred

SCHEMA_VERSION = 1
MAX_ALIKE = 100


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """One element of every list a line: to be read and compared, and four times as fast as with indentation."""
    parts = list(document(diagnosis, all_flows=options.all_flows).items())
    yield "{"
    for number, (name, value) in enumerate(parts):
        comma = "," if number < len(parts) - 1 else ""
        if isinstance(value, list) and value:
            yield f'"{name}": ['
            for place, item in enumerate(value):
                yield json.dumps(item) + ("," if place < len(value) - 1 else "")
            yield "]" + comma
        else:
            yield f'"{name}": {json.dumps(value)}{comma}'
    yield "}"


def document(diagnosis: Diagnosis, *, all_flows: bool = False) -> dict[str, Any]:
    """The document as Python objects; see the contract, section 2."""
    case = diagnosis.case
    shown, groups = _folded(case, all_flows)
    listed = {flow.id for flow in shown}
    return {
        "schema_version": SCHEMA_VERSION,
        "program": {"name": "rpcdiag", "version": __version__},
        "captures": [_capture(capture) for capture in case.captures],
        "logs": [_log(log) for log in case.logs],
        "flows": [_flow(case, flow) for flow in shown],
        "flow_groups": groups,
        "referrals": [_referral(referral, listed) for referral in case.referrals],
        "findings": [_finding(case, finding, diagnosis.remedies[finding.id], listed) for finding in diagnosis.findings],
        "accounting": _accounting(case),
    }


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
        "entries": len(file.entries),
        "drops": sum(entry.drops for entry in file.entries),
        "matched": len({position for match in log.matches for position in match.entries}),
        "bad_lines": file.bad_count,
        "bad": [{"line": bad.line, "why": bad.why} for bad in file.bad],
        "clock": {
            "offset_ns": clock.offset_ns,
            "basis": clock.basis,
            "matches": clock.matches,
            "spread_ns": clock.spread_ns,
            "why": clock.why,
        },
        "notes": list(file.notes),
    }


def _end(end: Endpoint) -> dict[str, Any]:
    return {"address": str(end.address), "port": end.port}


def _flow(case: Case, flow: CaseFlow) -> dict[str, Any]:
    tcp = flow.flow
    return {
        "id": flow.id,
        "capture": tcp.capture,
        "interface": case.point_name(flow),
        "same_as": list(flow.same_as),
        "protocol": "tcp",
        "transport": "ncacn_http" if tcp.server.port == 593 else "ncacn_ip_tcp",
        "pipe": None,
        "client": {**_end(tcp.client), "name": None},
        "server": {**_end(tcp.server), "name": None},
        "first_packet": tcp.first_packet,
        "last_packet": tcp.last_packet,
        "start_ns": tcp.start_ns,
        "end_ns": tcp.end_ns,
        "packets": tcp.packets,
        "outcome": tcp.outcome,
        "syns": tcp.syn_count,
        "roles": tcp.roles,
        "reset": None
        if tcp.reset is None
        else {
            "packet": tcp.reset.packet,
            "from": "client" if tcp.reset.from_client else "server",
            "ttl": tcp.reset.ttl,
        },
        "longest_silence_ns": tcp.silence.lasted_ns if tcp.silence else 0,
        "interfaces": _interfaces(flow),
        "calls": _calls(flow),
        "origin": {
            "kind": flow.origin.kind,
            "referral": None if flow.origin.referral is None else f"r{flow.origin.referral + 1}",
            "confidence": flow.origin.confidence,
            "why": flow.origin.why,
        },
        "strict_rpc": {
            "verdict": flow.strict.verdict,
            "kind": flow.strict.kind,
            "confidence": flow.strict.confidence,
            "reason": flow.strict.reason,
        },
    }


def _interfaces(flow: CaseFlow) -> list[dict[str, Any]]:
    return [
        {
            **_syntax(use.interface),
            "accepted": use.accepted,
            "auth_type": None if use.auth_type is None else type_name(use.auth_type),
            "auth_level": None if use.auth_level is None else level_name(use.auth_level),
            "calls": use.calls,
        }
        for use in (flow.rpc.interfaces if flow.rpc else ())
    ]


def _calls(flow: CaseFlow) -> dict[str, int]:
    fates = flow.rpc.fates if flow.rpc else dict.fromkeys(Fate, 0)
    return {
        "requests": flow.rpc.requests if flow.rpc else 0,
        "responses": fates[Fate.RESPONSE],
        "faults": fates[Fate.FAULT],
        "unanswered": fates[Fate.UNANSWERED],
    }


def _syntax(syntax: Syntax) -> dict[str, Any]:
    return {
        "uuid": syntax.uuid,
        "version": syntax.version,
        "name": interface_name(syntax.uuid, syntax.version),
    }


def _referral(referral: CaseReferral, listed: set[str]) -> dict[str, Any]:
    told, asked = referral.referral, referral.asked_on.flow
    return {
        "id": referral.id,
        "kind": told.kind,
        "capture": asked.capture,
        "client": _end(asked.client),
        "server": _end(asked.server),
        "interface": _syntax(told.interface) if told.interface else None,
        "class": {"clsid": told.clsid, "name": class_name(told.clsid)} if told.clsid else None,
        "status": code(told.status),
        "endpoints": [_endpoint(endpoint, str(asked.server.address)) for endpoint in told.endpoints],
        "request_packet": told.request_packet,
        "response_packet": told.response_packet,
        "request_ns": told.request_ns,
        "response_ns": told.response_ns,
        "readable": told.readable,
        "tries": [
            {"request_packet": one.request_packet, "response_packet": one.response_packet, "status": code(one.status)}
            for one in told.tries[:16]
        ],
        "asked_on": referral.asked_on.id,
        "oxid": None if told.oxid is None else f"{told.oxid:#018x}",
        "ipid": told.ipid,
        "iids": list(told.iids),
        "results": [code(result) for result in told.results],
        "flows": [flow for flow in referral.flows if flow in listed],
        "copies": [
            {"flow": flow, "request_packet": request, "response_packet": response}
            for flow, request, response in referral.copies
        ],
    }


def _endpoint(endpoint: Referred, server: str) -> dict[str, Any]:
    """A tower that names 0.0.0.0 means the server that was asked; a name stays a name."""
    same = server if endpoint.host is None and endpoint.port is not None else None
    return {
        "protseq": endpoint.protseq,
        "address": str(endpoint.address) if endpoint.address else same,
        "host": endpoint.host,
        "port": endpoint.port,
        "pipe": endpoint.pipe,
        "text": endpoint.text,
        "interface": _syntax(endpoint.interface) if endpoint.interface else None,
        "packet": endpoint.packet,
    }


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


def _remedy(remedy: Remedy) -> dict[str, Any]:
    return {
        "id": remedy.id,
        "where": remedy.where,
        "why": remedy.why,
        "commands": [{"shell": command.shell, "text": command.text} for command in remedy.commands],
        "price": remedy.price,
        "replay": None,
    }


def display_filter(case: Case, finding: Finding) -> str | None:
    """A display filter for packet viewers that shows the finding's flows."""
    terms = []
    for flow in [case.flow(id).flow for id in finding.flows[:8]]:
        ip = "ip" if flow.client.address.version == 4 else "ipv6"
        term = (
            f"({ip}.addr == {flow.client.address} && {ip}.addr == {flow.server.address}"
            f" && tcp.port == {flow.client.port} && tcp.port == {flow.server.port})"
        )
        if term not in terms:
            terms.append(term)
    return " || ".join(terms) or None


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


def _folded(case: Case, all_flows: bool) -> tuple[list[CaseFlow], list[dict[str, Any]]]:
    """The flows to list, and the groups that stand for the rest of those that are alike."""
    if all_flows or len(case.flows) <= MAX_ALIKE:
        return list(case.flows), []
    seen: Counter[tuple[Any, ...]] = Counter()
    leaders: dict[tuple[Any, ...], CaseFlow] = {}
    folded: dict[tuple[Any, ...], list[CaseFlow]] = {}
    shown = []
    for flow in case.flows:
        tcp = flow.flow
        interfaces = tuple(use.interface for use in flow.rpc.interfaces) if flow.rpc else ()
        key = (tcp.client.address, tcp.server, interfaces, flow.origin.kind, tcp.outcome, flow.strict.verdict)
        seen[key] += 1
        leaders.setdefault(key, flow)
        if seen[key] <= MAX_ALIKE:
            shown.append(flow)
        else:
            folded.setdefault(key, []).append(flow)
    return shown, [_group(leaders[key], members) for key, members in folded.items()]


def _group(leader: CaseFlow, members: list[CaseFlow]) -> dict[str, Any]:
    calls: Counter[str] = Counter()
    for member in members:
        calls.update(_calls(member))
    return {
        "like": leader.id,
        "count": len(members),
        "first_ns": min(member.flow.start_ns for member in members),
        "last_ns": max(member.flow.end_ns for member in members),
        "calls": {name: calls[name] for name in ("requests", "responses", "faults", "unanswered")},
    }


OUTPUT = Output("json", "the JSON document of the contract", render)
