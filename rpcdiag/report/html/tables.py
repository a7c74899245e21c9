"""The tables, as data for the page's script: columns, and rows of texts and numbers.

A row begins with the times it spans, in microseconds since the first packet, or two nulls; its cells follow. The kinds of
cells: text, mono (addresses), num, time (microseconds), word (one of few: offered as a filter), packet (numbers in a
capture), and filter (a display filter, to be copied).
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import Case, CaseFlow, CaseReferral
from rpcdiag.dissect.interfaces import class_name
from rpcdiag.flows.flow import PIPE, UDP
from rpcdiag.logs.entry import LogEntry
from rpcdiag.report import names
from rpcdiag.report.document import flow_filter
from rpcdiag.report.html import filters
from rpcdiag.report.html.timeline import Span
from rpcdiag.report.names import clean

MAX_ROWS = 20_000  # of one table
MAX_ENTRIES = 10_000  # of the logs
MAX_NAMED = 4  # interfaces or ports in one cell
MAX_IDS = 12

Row = list[Any]
Column = tuple[str, str]


def tables(diagnosis: Diagnosis, span: Span | None) -> list[dict[str, Any]]:
    """Flows, referrals, findings and log lines; a table without rows is left out, the findings are not."""
    start = span.first if span else 0
    built = [
        _flows(diagnosis, start),
        _referrals(diagnosis.case, start),
        _findings(diagnosis, start),
        _log(diagnosis.case, start),
    ]
    return [table for table in built if table["rows"] or table["id"] == "findings"]


def as_json(data: Any) -> str:  # noqa: ANN401  whatever JSON can say
    """For a script element: no text in it can end the element, or mean anything to HTML."""
    text = json.dumps(_clean(data), separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _clean(data: Any) -> Any:  # noqa: ANN401
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, dict):
        return {key: _clean(value) for key, value in data.items()}
    return [_clean(one) for one in data] if isinstance(data, list | tuple) else data


def _table(id: str, title: str, columns: Iterable[Column], rows: list[Row], total: int, most: int) -> dict[str, Any]:
    return {
        "id": id, "title": title, "columns": list(columns), "rows": rows[:most], "left": max(0, total - most),
    }  # fmt: skip


def _us(ns: int | None, start: int) -> int | None:
    return None if ns is None else (ns - start) // 1000


def _flows(diagnosis: Diagnosis, start: int) -> dict[str, Any]:
    case, applied = diagnosis.case, diagnosis.applied
    said: dict[str, list[str]] = {}
    for finding in diagnosis.findings:
        for id in finding.flows:
            said.setdefault(id, []).append(finding.id)
    columns = [
        ("Flow", "text"), ("Time", "time"), ("Client", "mono"), ("Server", "mono"), ("Port", "num"), ("For", "text"),
        ("Outcome", "word"), ("Findings", "text"), ("Packets", "packet"), ("Calls", "num"), ("Port told by", "word"),
        ("Told in", "packet"), ("Strict RPC", "word"), ("Filter", "filter"),
    ]  # fmt: skip
    if applied is not None:
        columns.append(("Policy", "word"))
    if case.several_points:
        columns.append(("Seen at", "word"))
    rows = []
    chosen = case.flows
    if len(chosen) > MAX_ROWS:  # what findings speak of is not left out
        chosen = tuple(sorted(chosen, key=lambda flow: flow.id not in said)[:MAX_ROWS])
        chosen = tuple(sorted(chosen, key=lambda flow: int(flow.id[1:])))
    for flow in chosen:
        ends = flow.flow
        told = case.referral_of(flow)
        row: Row = [
            _us(ends.start_ns, start), _us(ends.end_ns, start), flow.id, _us(ends.start_ns, start),
            f"{ends.client.address}:{ends.client.port}" if ends.client.address.version == 4 else str(ends.client),
            str(ends.server.address), ends.server.port, _wanted(flow), ends.outcome.value,
            " ".join(said.get(flow.id, [])), [ends.capture, ends.first_packet, ends.last_packet],
            flow.rpc.requests if flow.rpc else 0, flow.origin.kind.value,
            [ends.capture, told.referral.response_packet] if told is not None else None, flow.strict.verdict.value,
            flow_filter(ends),
        ]  # fmt: skip
        if applied is not None:
            verdict = applied.verdicts.get(flow.id)
            word = (
                ""
                if verdict is None
                else "pass"
                if verdict.passes
                else "open"
                if verdict.passes is None
                else verdict.action
            )
            row.append(str(word))
        if case.several_points:
            row.append(case.point_name(flow) or case.captures[ends.capture].path)
        rows.append(row)
    return _table("flows", "Flows", columns, rows, len(case.flows), MAX_ROWS)


def _wanted(flow: CaseFlow) -> str:
    """What the client speaks there, or the pipe it goes through."""
    used = list(dict.fromkeys(names.interface(use.interface) for use in flow.rpc.interfaces)) if flow.rpc else []
    what = ", ".join(used[:MAX_NAMED]) + (" …" if len(used) > MAX_NAMED else "")
    if flow.flow.transport == PIPE:
        return f"{flow.flow.pipe or 'a pipe'} over SMB" + (f": {what}" if what else "")
    return f"{what} over UDP" if flow.flow.transport == UDP else what


def _referrals(case: Case, start: int) -> dict[str, Any]:
    columns = [
        ("Referral", "text"), ("Time", "time"), ("Kind", "word"), ("Told", "mono"), ("By", "mono"), ("For", "text"),
        ("Ports", "text"), ("Status", "word"), ("Readable", "word"), ("Asked", "packet"), ("Answered", "packet"),
        ("Used by", "text"),
    ]  # fmt: skip
    rows = [_referral(one, start) for one in case.referrals[:MAX_ROWS]]
    return _table("referrals", "Referrals", columns, rows, len(case.referrals), MAX_ROWS)


def _referral(one: CaseReferral, start: int) -> Row:
    told, capture = one.referral, one.asked_on.flow.capture
    places = list(dict.fromkeys(str(end.port or end.pipe or end.text) for end in told.endpoints))
    what = names.interface(told.interface) if told.interface else ""
    if told.clsid:
        what = class_name(told.clsid) or told.clsid
    return [
        _us(told.request_ns, start), _us(told.response_ns, start), one.id, _us(told.response_ns, start),
        told.kind.value, str(one.told), str(one.teller), what,
        ", ".join(places[:MAX_NAMED]) + (" …" if len(places) > MAX_NAMED else ""),
        names.error(told.status) if told.status else "ok" if told.status == 0 else "", told.readable.value,
        [capture, told.request_packet], [capture, told.response_packet],
        " ".join(one.flows[:MAX_IDS]) + (" …" if len(one.flows) > MAX_IDS else ""),
    ]  # fmt: skip


def _findings(diagnosis: Diagnosis, start: int) -> dict[str, Any]:
    case = diagnosis.case
    columns = [
        ("Finding", "text"), ("Severity", "word"), ("Confidence", "word"), ("Rule", "word"), ("Client", "mono"),
        ("Server", "mono"), ("Direction", "word"), ("What", "text"), ("Times", "num"), ("Filter", "filter"),
    ]  # fmt: skip
    rows: list[Row] = []
    for finding in diagnosis.findings[:MAX_ROWS]:
        flows = [case.flow(id).flow for id in finding.flows]
        times = [*(flow.start_ns for flow in flows), *(flow.end_ns for flow in flows)]
        rows.append([
            _us(min(times, default=None), start), _us(max(times, default=None), start), finding.id,
            finding.severity.value, finding.confidence.value, finding.rule, str(finding.client), str(finding.server),
            finding.direction.value, finding.summary, finding.times, filters.of_flows(case, finding.flows),
        ])  # fmt: skip
    return _table("findings", "Findings", columns, rows, len(diagnosis.findings), MAX_ROWS)


def _log(case: Case, start: int) -> dict[str, Any]:
    several = len(case.logs) > 1
    columns = [
        *([("Log", "word")] if several else []), ("Line", "line"), ("Time", "time"), ("Action", "word"),
        ("Flow", "text"), ("From", "mono"), ("To", "mono"), ("Protocol", "word"), ("Rule", "word"), ("Code", "word"),
        ("Device", "word"),
    ]  # fmt: skip
    flows: dict[tuple[int, int], list[str]] = {}
    for number, rows in case.rows.items():
        for row in rows:
            flows.setdefault((row.log, row.position), []).append(case.conversations[number].near.id)
    found, total = [], 0
    for log in case.logs:
        entries = log.file.entries
        total += len(entries)
        offset = log.clock.offset_ns
        for position in _chosen(entries, {place for number, place in flows if number == log.number}):
            entry = entries[position]
            known = entry.written_ns is not None and offset is not None
            time = _us((entry.written_ns or 0) - (offset or 0), start) if known else None
            found.append([
                time, time, *([log.file.path] if several else []), [log.number, entry.line], time, entry.action,
                " ".join(flows.get((log.number, position), [])[:MAX_IDS]), _end(entry, source=True),
                _end(entry, source=False), entry.protocol, entry.rule or "",
                entry.code_name or (f"{entry.code:#x}" if entry.code is not None else ""), entry.device or "",
            ])  # fmt: skip
    return _table("log", "Log lines", columns, found, total, MAX_ENTRIES)


def _chosen(entries: tuple[LogEntry, ...], matched: set[int]) -> Iterator[int]:
    """Where there are too many: those that belong to flows, then drops, then the others; by line."""
    if len(entries) <= MAX_ENTRIES:
        return iter(range(len(entries)))
    places = sorted(range(len(entries)), key=lambda place: (place not in matched, not entries[place].drops, place))
    return iter(sorted(places[:MAX_ENTRIES]))


def _end(entry: LogEntry, *, source: bool) -> str:
    address, port = (entry.source, entry.source_port) if source else (entry.destination, entry.destination_port)
    if address is None:
        return ""
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
