"""SARIF 2.1.0, the format in which code scanners report: one run, one result a finding, for dashboards that collect it.

A rule's help is what `rpcdiag rules` says of it. Severities are levels (`error`, `warning`, `note`), confidences ranks (100 proven, 90 established,
60 likely, 30 possible, 10 open). A result is located in the capture, with its packet numbers under `properties.packets`
and as logical locations, since a packet is no line of text; evidence out of logs and policies has true lines.
`partialFingerprints` stay the same when the same thing is found in another capture. Inputs that could not be read to their end
are notifications of the invocation.

    rpcdiag analyze capture.pcapng --log pfirewall.log -T sarif -o report.sarif
"""

import json
import os
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from rpcdiag.analysis import Diagnosis
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.model.evidence import Confidence, Configured, Evidence, Logged, Missing, Seen
from rpcdiag.model.version import __version__
from rpcdiag.report.document import display_filter
from rpcdiag.report.names import clean, code
from rpcdiag.report.output import Options, Output

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_PACKETS = 100  # of one location
_RANKS = {
    Confidence.PROVEN: 100,
    Confidence.ESTABLISHED: 90,
    Confidence.LIKELY: 60,
    Confidence.POSSIBLE: 30,
    Confidence.OPEN: 10,
}
_TYPES = {"pcap": "application/vnd.tcpdump.pcap", "pcapng": "application/x-pcapng"}
Object = dict[str, Any]


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """The lines of the document."""
    rules = list({one.rule: rule_of(one.rule) for one in diagnosis.findings}.values())
    places = {rule.id: number for number, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": "rpcdiag",
                "version": __version__,
                "semanticVersion": __version__,
                "shortDescription": {"text": "Says why Windows says 'The RPC server is unavailable'."},
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "invocations": [_invocation(diagnosis)],
        "artifacts": _artifacts(diagnosis),
        "results": [_result(diagnosis, one, places[one.rule]) for one in diagnosis.findings],
        "columnKind": "unicodeCodePoints",
    }
    yield from json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1).splitlines()


def _rule(rule: Rule) -> Object:
    prose = (sys.modules[rule.check.__module__].__doc__ or rule.title).strip()
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": prose.split("\n\n")[0]},
        "help": {"text": prose},
        "properties": {"cause": rule.cause, "tags": ["msrpc", "firewall"]},
    }


def _invocation(diagnosis: Diagnosis) -> Object:
    told = [*diagnosis.troubles, *diagnosis.cuts]
    notifications = [{"level": "error", "message": {"text": clean(str(one))}} for one in told]
    notifications += [{"level": "note", "message": {"text": clean(one)}} for one in diagnosis.remarks]
    return {
        "executionSuccessful": not told and not diagnosis.interrupted,
        "toolExecutionNotifications": notifications,
    }


def _artifacts(diagnosis: Diagnosis) -> list[Object]:
    """Captures, then logs, in their order."""
    captures = [
        {
            "location": {"uri": uri(one.path)},
            "roles": ["analysisTarget"],
            "mimeType": _TYPES.get(one.format, "application/octet-stream"),
            "properties": {"packets": one.packets, "cutShort": one.cut_short is not None},
        }
        for one in diagnosis.case.captures
    ]
    logs = [
        {"location": {"uri": uri(one.file.path)}, "roles": ["analysisTarget"], "mimeType": "text/plain"}
        for one in diagnosis.case.logs
    ]
    return [*captures, *logs]


def _result(diagnosis: Diagnosis, finding: Finding, place: int) -> Object:
    evidence = [_location(diagnosis, one, number) for number, one in enumerate(finding.evidence)]
    main = next((one for one in finding.evidence if isinstance(one, Seen | Missing)), None)
    remedies = diagnosis.remedies[finding.id]
    text = f"{finding.client} -> {finding.server}: {finding.summary}."
    if remedies:
        text += f" What to change: {remedies[0].where}: {remedies[0].why}."
    return {
        "ruleId": finding.rule,
        "ruleIndex": place,
        "kind": "fail",
        "level": finding.severity.value,
        "rank": _RANKS[finding.confidence],
        "message": {"text": clean(text)},
        "occurrenceCount": max(1, finding.times),
        "locations": [_capture_location(diagnosis, main)] if main is not None else evidence[:1],
        "relatedLocations": evidence,
        "partialFingerprints": {"rpcdiagFinding/v1": _fingerprint(finding)},
        "properties": {
            "id": finding.id,
            "confidence": finding.confidence.value,
            "client": str(finding.client),
            "server": str(finding.server),
            "direction": finding.direction.value,
            "flows": list(finding.flows),
            "referrals": list(finding.referrals),
            "errors": [code(one) for one in finding.errors],
            "filter": display_filter(diagnosis.case, finding),
            "remedies": [one.id for one in remedies],
        },
    }


def _fingerprint(finding: Finding) -> str:
    """What stays the same where the same thing is found again."""
    what = (finding.rule, str(finding.client), str(finding.server), finding.direction.value)
    return sha256("\0".join(what).encode()).hexdigest()[:32]


def _location(diagnosis: Diagnosis, evidence: Evidence, number: int) -> Object:
    said = {"id": number, "message": {"text": clean(evidence.says)}}
    match evidence:
        case Seen() | Missing():
            return {**said, **_capture_location(diagnosis, evidence)}
        case Logged():
            index = len(diagnosis.case.captures) + evidence.log
            path = diagnosis.case.logs[evidence.log].file.path
            artifact: Object = {"uri": uri(path), "index": index}
            return {**said, "physicalLocation": {"artifactLocation": artifact, **_region(evidence.lines)}}
        case Configured(path=None):
            return said
        case Configured():
            artifact = {"uri": uri(evidence.path or "")}
            return {**said, "physicalLocation": {"artifactLocation": artifact, **_region(evidence.lines)}}


def _region(lines: tuple[int, ...]) -> Object:
    """From the first line to the last; which of those between are meant is said beside it."""
    if not lines:
        return {}
    region = {"startLine": min(lines), "endLine": max(lines)}
    return {"region": region, "properties": {"lines": list(lines)}}


def _capture_location(diagnosis: Diagnosis, evidence: Seen | Missing) -> Object:
    packets = list(evidence.packets if isinstance(evidence, Seen) else (evidence.after,))[:MAX_PACKETS]
    properties: Object = {"packets": packets}
    if isinstance(evidence, Missing):
        properties["missingFor"] = f"{evidence.waited_ns / 1e9:.3f} s"
    return {
        "physicalLocation": {
            "artifactLocation": {
                "uri": uri(diagnosis.case.captures[evidence.capture].path),
                "index": evidence.capture,
            }
        },
        "logicalLocations": [{"fullyQualifiedName": f"packet {packet}", "kind": "packet"} for packet in packets],
        "properties": properties,
    }


def uri(path: str) -> str:
    """A path as a URI: absolute ones as `file:`, others relative as they are."""
    if path == "-":
        return "stdin"
    pure = PurePath(path)
    written = quote(os.fsencode(pure.as_posix()))
    if not pure.is_absolute():
        return written
    return f"file://{written}" if written.startswith("/") else f"file:///{written}"


OUTPUT = Output("sarif", "SARIF 2.1.0, for what collects reports of scanners", render)
