"""The JSON Schemas of what the commands write. Fields are added freely, so others than these may be there."""

from collections.abc import Callable
from typing import Any

from rpcdiag.report.schema import SCHEMA, line_schema
from rpcdiag.report.tables import described

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": "integer"}
_MAYBE_NUMBER = {"type": ["integer", "null"]}
_FLAG = {"type": "boolean"}
_PORT = {"type": ["integer", "null"], "minimum": 0, "maximum": 65535}
_CODE = {"type": "string", "pattern": "^0x[0-9a-f]{8}$"}
_CONFIDENCE = {"enum": ["proven", "established", "likely", "possible", "open"]}
_SEVERITY = {"enum": ["error", "warning", "note"]}
_DIRECTION = {"enum": ["client-to-server", "server-to-client"]}


def _object(optional: Schema | None = None, /, **required: Schema) -> Schema:
    """The fields that are always there, and those that are where there is something to say."""
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _document(title: str, **fields: Schema) -> Schema:
    return {"$schema": _DRAFT, "title": title, **_object(schema_version={"const": 1}, **fields)}


def _one_of(title: str, **events: Schema) -> Schema:
    """A line of a stream: `event_type` says which of these it is."""
    return {
        "$schema": _DRAFT,
        "title": title,
        "oneOf": [
            {
                **fields,
                "required": ["event_type", *fields["required"]],
                "properties": {"event_type": {"const": event}, **fields["properties"]},
            }
            for event, fields in events.items()
        ],
    }


def _compare() -> Schema:
    from rpcdiag.ui.compare import SCHEMA as COMPARE

    return COMPARE


def _simulate() -> Schema:
    return _document(
        "rpcdiag simulate",
        program=SCHEMA["properties"]["program"],
        captures=_list(_object(index=_COUNT, path=_TEXT, packets=_COUNT)),
        policy=SCHEMA["properties"]["policy"],
    )


def _endpoints() -> Schema:
    return _document(
        "rpcdiag endpoints",
        endpoints=_list(
            _object(
                server=_TEXT, protseq=_TEXT, endpoint=_TEXT, interface=_MAYBE_TEXT,
                packets=_list({"type": "integer", "minimum": 1}), told_to=_list(_TEXT),
            )
        ),
    )  # fmt: skip


def _calls() -> Schema:
    end = _object(address=_TEXT, port=_COUNT)
    return {
        "$schema": _DRAFT,
        "title": "rpcdiag calls, a line",
        **_object(
            capture=_TEXT, transport=_TEXT, pipe=_MAYBE_TEXT, client=end, server=end, asked_by_server=_FLAG,
            interface=_or_null(_object(uuid=_TEXT, version=_TEXT, name=_TEXT)), opnum=_MAYBE_NUMBER,
            operation=_MAYBE_TEXT, call_id=_COUNT, context_id=_MAYBE_NUMBER, object=_MAYBE_TEXT, auth_level=_MAYBE_TEXT,
            answer_auth_level=_MAYBE_TEXT, causality=_MAYBE_TEXT, com_version=_MAYBE_TEXT, request_packet=_MAYBE_NUMBER,
            answer_packet=_MAYBE_NUMBER, request_ns=_MAYBE_NUMBER, answer_ns=_MAYBE_NUMBER, outcome=_TEXT,
            status=_or_null(_CODE), says=_list(_TEXT),
        ),
    }  # fmt: skip


def _query() -> Schema:
    return _document(
        "rpcdiag query",
        columns=_list(_TEXT),
        cut=_FLAG,
        rows=_list({"type": "array"}),  # values in the order of the columns
    )


def _probe() -> Schema:
    syntax = {"uuid": _MAYBE_TEXT, "version": _MAYBE_TEXT, "name": _MAYBE_TEXT}
    knock: dict[str, Schema] = {
        "port": _COUNT,
        "state": {"enum": ["LISTENING", "NOT LISTENING", "FILTERED"]},
        "took_ms": _COUNT,
        "why": _MAYBE_TEXT,
    }
    return _document(
        "rpcdiag probe",
        host=_TEXT,
        address=_TEXT,
        mapper=_object(
            **knock, endpoints=_MAYBE_NUMBER, listing_trouble=_MAYBE_TEXT, not_registered=_list(_object(**syntax))
        ),
        resolver=_or_null(_object(bindings=_list(_TEXT), trouble=_MAYBE_TEXT)),
        ports=_list(_object(**knock, interfaces=_list(_object(**syntax, annotation=_MAYBE_TEXT, how=_TEXT)))),
        not_tried=_COUNT,
    )


def _verify() -> Schema:
    reading = _object(
        packet=_COUNT, transport=_TEXT, source=_TEXT, destination=_TEXT, kind=_TEXT, call_id=_COUNT, length=_COUNT,
        fields={"type": "object"}, conversation=_COUNT, point=_COUNT, cut=_FLAG,
    )  # fmt: skip
    sums = _object(ours=_COUNT, theirs=_COUNT, agreed=_COUNT, either=_COUNT, copies=_COUNT, percent={"type": "number"})
    return _document(
        "rpcdiag verify",
        peer=_TEXT,
        captures=_list(
            _object(
                path=_TEXT,
                differences=_list(
                    _object(what=_TEXT, why=_TEXT, packet=_COUNT, ours=_or_null(reading), theirs=_or_null(reading))
                ),
                classes=_or_null({"type": "object", "additionalProperties": _COUNT}),
                transports=_or_null({"type": "object", "additionalProperties": sums}),
            )
        ),
    )


def _doctor() -> Schema:
    return _document(
        "rpcdiag doctor",
        checks=_list(
            _object(
                name=_TEXT, needed_for=_TEXT, state={"enum": ["ok", "missing", "unknown"]}, says=_TEXT, mend=_MAYBE_TEXT
            )
        ),
    )


def _explain() -> Schema:
    finding = _object(
        id=_TEXT, rule=_TEXT, severity=_SEVERITY, confidence=_CONFIDENCE, client=_TEXT, server=_TEXT,
        direction=_DIRECTION, summary=_TEXT, next_observation=_MAYBE_TEXT,
    )  # fmt: skip
    line = _object(
        line=_COUNT, count=_COUNT, action=_TEXT, protocol=_TEXT, source=_MAYBE_TEXT, source_port=_PORT,
        destination=_MAYBE_TEXT, destination_port=_PORT, rule=_MAYBE_TEXT, code=_or_null(_CODE), says=_list(_TEXT),
    )  # fmt: skip
    return _document(
        "rpcdiag explain",
        known=_FLAG,
        codes=_list(
            _object(
                code=_CODE, symbol=_MAYBE_TEXT, family=_MAYBE_TEXT, written=_TEXT, forms=_list(_TEXT), says=_MAYBE_TEXT,
                says_not=_MAYBE_TEXT, client_reports=_MAYBE_NUMBER,
            )
        ),
        events=_list(_object(event=_COUNT, source=_TEXT, host=_TEXT, says=_TEXT, then=_TEXT)),
        fields={"type": "object", "additionalProperties": _TEXT},
        programs=_list(_TEXT),
        records=_list({"type": "object", "required": ["says"]}),
        settles=_MAYBE_TEXT,
        log=_or_null(_object(format=_TEXT, rows=_COUNT, drops=_COUNT, lines=_list(line))),
        names={"type": "object", "additionalProperties": _TEXT},
        causes=_list(_object(title=_TEXT, looks=_TEXT, rules=_list(_TEXT), hinted=_FLAG)),
        decides=_MAYBE_TEXT,
        run=_list(_TEXT),
        capture=_object(
            where=_list(_TEXT),
            tools=_list(_object(tool=_TEXT, remark=_TEXT, commands=_list(_TEXT))),
            display_filters=_list(_object(shows=_TEXT, filter=_TEXT)),
            logging=_list(_object(what=_TEXT, shell=_TEXT, commands=_list(_TEXT))),
        ),
        rule=_or_null(
            _object(id=_TEXT, cause=_TEXT, title=_TEXT, says=_TEXT, errors=_list(_CODE), behind=_list(_CODE))
        ),
        fits=_or_null(
            _object(
                findings=_list(finding), others=_list(finding), open=_list(_TEXT), remark=_MAYBE_TEXT,
                ruled_out=_list(_object(title=_TEXT, rules=_list(_TEXT), why=_TEXT)),
            )
        ),
    )  # fmt: skip


def _live() -> Schema:
    finding: dict[str, Schema] = {
        "rule": _TEXT, "severity": _SEVERITY, "confidence": _CONFIDENCE, "direction": _DIRECTION, "client": _TEXT,
        "server": _TEXT, "summary": _TEXT, "times": _COUNT, "next_observation": _MAYBE_TEXT,
    }  # fmt: skip
    case: dict[str, Schema] = {"time_ns": _TIME, "case_id": _TEXT, "port": _PORT}
    return _one_of(
        "rpcdiag live -T ndjson, a line",
        start=_object(time_ns=_TIME, source=_TEXT),
        turn=_object(
            {"log": _TEXT, "line": _COUNT, "action": _TEXT, "rule": _MAYBE_TEXT},  # of a row that says so
            **case, client=_TEXT, server=_TEXT, state=_TEXT, packet=_MAYBE_NUMBER, says=_TEXT, community_id=_MAYBE_TEXT,
        ),
        finding=_object(**case, **finding),
        stats=_object(
            time_ns=_TIME, packets=_COUNT,
            interfaces={"type": "object", "additionalProperties": _object(seen=_COUNT, dropped=_COUNT)},
        ),
        end=_object(
            time_ns=_TIME, packets=_COUNT, flows=_COUNT, evicted_flows=_COUNT, interrupted=_FLAG,
            findings=_list(_object(**finding)),
        ),
    )  # fmt: skip


def _tail() -> Schema:
    handed: dict[str, Schema] = {
        "port": _COUNT, "told": _TEXT, "for": _TEXT, "time_ns": _MAYBE_NUMBER, "packet": _MAYBE_NUMBER,
        "capture": _MAYBE_TEXT,
    }  # fmt: skip
    history = _object(
        **handed, to_this_client=_FLAG, more=_COUNT, before_ns=_or_null(_list(_MAYBE_NUMBER)), says=_TEXT,
        clock_assumed={"type": ["boolean", "null"]},
    )  # fmt: skip
    numbers = ("resolution_ns", "sequence", "ip_id", "ttl", "code", "pid", "event", "lost")
    texts = (
        "source", "destination", "path", "device", "flags", "rule", "code_name", "service", "source_zone",
        "destination_zone", "connection", "program", "provider", "says", "interface", "translated_source",
        "translated_destination",
    )  # fmt: skip
    ports = ("source_port", "destination_port", "translated_source_port", "translated_destination_port")
    entry: dict[str, Schema] = {
        **dict.fromkeys(texts, _TEXT), **dict.fromkeys(numbers, _TIME), **dict.fromkeys(ports, _PORT),
        "history": history,
    }  # fmt: skip
    return _one_of(
        "rpcdiag tail -T ndjson, a line",
        row=_object(
            entry, time_ns=_MAYBE_NUMBER, log=_TEXT, line=_COUNT, basis=_TEXT, action=_TEXT, protocol=_TEXT, drops=_FLAG,
            noise=_FLAG, backlog=_FLAG,
        ),
        history=_object(log=_TEXT, line=_COUNT, history=history),
        end=_object(
            rows=_COUNT, shown=_COUNT, filtered=_COUNT, noise=_COUNT, bad_lines=_COUNT, drops=_COUNT,
            dropped=_list(
                _object(client=_MAYBE_TEXT, server=_MAYBE_TEXT, port=_PORT, protocol=_TEXT, rows=_COUNT)
            ),
        ),
    )  # fmt: skip


SCHEMAS: dict[str, Callable[[], Any]] = {
    "json": lambda: SCHEMA,
    "ndjson": line_schema,
    "tables": described,
    "calls": _calls,
    "compare": _compare,
    "doctor": _doctor,
    "endpoints": _endpoints,
    "explain": _explain,
    "live": _live,
    "probe": _probe,
    "query": _query,
    "simulate": _simulate,
    "tail": _tail,
    "verify": _verify,
}
