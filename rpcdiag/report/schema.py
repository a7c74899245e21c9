"""The JSON Schema of the document that `-T json` writes. Fields are added freely, so others than these may be there."""

from typing import Any

_CONFIDENCE = {"enum": ["proven", "established", "likely", "possible", "open"]}
_STATUS = {"type": ["string", "null"], "pattern": "^0x[0-9a-f]{8}$"}
_UUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
_COUNT = {"type": "integer", "minimum": 0}
_PACKET = {"type": "integer", "minimum": 1}
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_TIME = {"type": "integer"}
_TIME_OR_NULL = {"type": ["integer", "null"]}


def _object(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  a schema is nested dicts
    return {"type": "object", "required": list(fields), "properties": fields}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_END = _object(address=_TEXT, port={"type": "integer", "minimum": 0, "maximum": 65535})
_SYNTAX = _object(uuid=_UUID, version=_TEXT, name=_TEXT_OR_NULL)
_CALLS = _object(requests=_COUNT, responses=_COUNT, faults=_COUNT, unanswered=_COUNT)
_COMMAND = _object(shell=_TEXT, text=_TEXT, instead=_TEXT_OR_NULL)
_VERDICT = {"enum": ["pass", "drop", "reject", "reset", "unknown"]}
_FLIP = _object(
    flow=_TEXT, client=_TEXT, server=_TEXT, before=_VERDICT, after=_VERDICT, why_before=_TEXT, why_after=_TEXT
)
_REPLAY = _object(
    policy=_TEXT,
    product=_TEXT,
    cures={"type": "boolean"},
    opens_more={"type": "boolean"},
    flips=_list(_FLIP),
    foreign=_list(_FLIP),
    unchanged=_COUNT,
    sure=_TEXT,
)

_CAPTURE = _object(
    index=_COUNT,
    path=_TEXT,
    format=_TEXT,
    link_types=_list(_TEXT),
    packets=_COUNT,
    first_ns=_TIME_OR_NULL,
    last_ns=_TIME_OR_NULL,
    cut_short={"type": "boolean"},
    notes=_list(_TEXT),
)
_LOG = _object(
    index=_COUNT,
    path=_TEXT,
    format=_TEXT,
    counts={"enum": ["line", "record"]},
    entries=_COUNT,
    drops=_COUNT,
    matched=_COUNT,
    bad_lines=_COUNT,
    clock=_object(
        offset_ns=_TIME_OR_NULL,
        basis={"enum": ["measured", "utc", "given", "none"]},
        matches=_COUNT,
        spread_ns=_COUNT,
        low_ns=_TIME_OR_NULL,
        high_ns=_TIME_OR_NULL,
    ),
)
_PROCESS = _object(
    log=_COUNT,
    line=_COUNT,
    event=_COUNT,
    role={"enum": ["listen", "bind", "accept"]},
    host=_TEXT_OR_NULL,
    addresses=_list(_TEXT),
    protocol=_TEXT,
    port=_COUNT,
    program=_TEXT,
    pid={"type": ["integer", "null"]},
)
_STATEMENT = _object(
    log=_COUNT,
    line=_COUNT,
    event=_COUNT,
    provider=_TEXT_OR_NULL,
    host=_TEXT_OR_NULL,
    says=_TEXT,
    source=_TEXT_OR_NULL,
    destination=_TEXT_OR_NULL,
    program=_TEXT_OR_NULL,
    interface=_TEXT_OR_NULL,
    written_ns=_TIME_OR_NULL,
)
_FLOW = _object(
    id=_TEXT,
    capture=_COUNT,
    interface=_TEXT_OR_NULL,
    same_as=_list(_TEXT),
    protocol={"enum": ["tcp", "udp"]},
    transport={"enum": ["ncacn_ip_tcp", "ncacn_np", "ncadg_ip_udp", "ncacn_http"]},
    pipe=_TEXT_OR_NULL,
    client=_object(**_END["properties"], name=_TEXT_OR_NULL),
    server=_object(**_END["properties"], name=_TEXT_OR_NULL),
    first_packet=_PACKET,
    last_packet=_PACKET,
    start_ns=_TIME,
    end_ns=_TIME,
    outcome={
        "enum": ["established", "refused", "unanswered", "prohibited", "midstream", "reset", "idle-dropped", "stalled"]
    },
    syns=_COUNT,
    interfaces=_list(
        _object(
            **_SYNTAX["properties"],
            accepted={"type": ["boolean", "null"]},
            auth_type=_TEXT_OR_NULL,
            auth_level=_TEXT_OR_NULL,
        )
    ),
    calls=_CALLS,
    origin=_object(
        kind={
            "enum": [
                "mapper", "ept_map", "ept_lookup", "activation", "resolve_oxid", "object_reference", "well_known",
                "inferred", "other_client", "before_capture", "unexplained",
            ]
        },
        referral=_TEXT_OR_NULL,
        confidence=_CONFIDENCE,
    ),
    strict_rpc=_object(
        verdict={"enum": ["compliant", "violation", "indeterminate", "not_applicable"]},
        kind={
            "enum": ["mapped", "dcom-on-135", "dcom-follow-up", "cached-or-late-capture", "fixed-endpoint", "direct"]
        },
        confidence=_CONFIDENCE,
        reason=_TEXT,
    ),
)  # fmt: skip
_REFERRAL = _object(
    id=_TEXT,
    kind={"enum": ["ept_map", "ept_lookup", "activation", "resolve_oxid", "object_reference"]},
    capture=_COUNT,
    client=_END,
    server=_END,
    interface={"anyOf": [_SYNTAX, {"type": "null"}]},
    status=_STATUS,
    endpoints=_list(
        _object(
            protseq=_TEXT,
            address=_TEXT_OR_NULL,
            port={"type": ["integer", "null"]},
            pipe=_TEXT_OR_NULL,
            text=_TEXT,
        )
    ),
    request_packet=_PACKET,
    response_packet=_PACKET,
    readable={"enum": ["clear", "sealed", "carved", "cut"]},
    flows=_list(_TEXT),
)
_LOG_END = _object(address=_TEXT_OR_NULL, port={"type": ["integer", "null"], "minimum": 0, "maximum": 65535})
_LOG_MATCH = _object(
    log=_COUNT,
    line=_PACKET,
    flow=_TEXT,
    grade={"enum": ["A", "B", "C", "D"]},
    basis=_TEXT,
    action=_TEXT,
    drops={"type": "boolean"},
    written_ns=_TIME_OR_NULL,
    protocol=_TEXT,
    source=_LOG_END,
    destination=_LOG_END,
    path={"enum": ["in", "out", "fwd", "unknown"]},
    device=_TEXT_OR_NULL,
    rule=_TEXT_OR_NULL,
    code=_STATUS,
    code_name=_TEXT_OR_NULL,
    service=_TEXT_OR_NULL,
)
_PACKET_OR_NULL = {"type": ["integer", "null"], "minimum": 1}
_SMB_STATUS = {"anyOf": [_object(code=_STATUS, symbol=_TEXT_OR_NULL), {"type": "null"}]}
_SESSION = _object(
    capture=_COUNT,
    client=_END,
    server=_END,
    dialect=_TEXT_OR_NULL,
    signing_required={"type": ["boolean", "null"]},
    encrypted_since=_object(client=_PACKET_OR_NULL, server=_PACKET_OR_NULL),
    encryption_required_by=_PACKET_OR_NULL,
    trees=_list(
        _object(
            name=_TEXT, share=_TEXT_OR_NULL, status=_SMB_STATUS, request_packet=_PACKET, response_packet=_PACKET_OR_NULL
        )
    ),
    pipes=_list(
        _object(
            name=_TEXT_OR_NULL,
            flow=_TEXT_OR_NULL,
            status=_SMB_STATUS,
            request_packet=_PACKET_OR_NULL,
            response_packet=_PACKET_OR_NULL,
        )
    ),
    errors=_list(_object(flow=_TEXT_OR_NULL, command=_TEXT, packet=_PACKET, status=_SMB_STATUS)),
)
_LOGON = _object(
    flow=_TEXT_OR_NULL,
    capture=_COUNT,
    client=_TEXT,
    server=_TEXT,
    over={"enum": ["rpc", "smb"]},
    status=_SMB_STATUS,
    mechanism={"enum": ["ntlm", "kerberos", "netlogon", "spnego"]},
    packets=_list(_PACKET),
    user=_TEXT_OR_NULL,
    domain=_TEXT_OR_NULL,
    workstation=_TEXT_OR_NULL,
    anonymous={"type": "boolean"},
    spn=_TEXT_OR_NULL,
    realm=_TEXT_OR_NULL,
    etype=_TEXT_OR_NULL,
    server_name=_TEXT_OR_NULL,
    server_dns_name=_TEXT_OR_NULL,
    server_domain=_TEXT_OR_NULL,
    error=_TEXT_OR_NULL,
    error_packet=_PACKET_OR_NULL,
)
_NAME = _object(
    capture=_COUNT,
    packet=_PACKET,
    time_ns=_TIME,
    client=_TEXT,
    server=_TEXT,
    kind={"enum": ["dns", "llmnr", "nbns"]},
    name=_TEXT,
    type=_TEXT,
    result=_TEXT,
    addresses=_list(_TEXT),
    count=_COUNT,
)
_TICKET = _object(
    capture=_COUNT,
    packet=_PACKET,
    time_ns=_TIME,
    client=_TEXT,
    server=_TEXT,
    kind={"enum": ["as-rep", "tgs-rep", "error"]},
    realm=_TEXT,
    user=_TEXT_OR_NULL,
    spn=_TEXT_OR_NULL,
    error=_TEXT_OR_NULL,
    code={"type": ["integer", "null"]},
    etype=_TEXT_OR_NULL,
    text=_TEXT_OR_NULL,
    count=_COUNT,
)
_EVIDENCE = {
    "oneOf": [
        _object(kind={"const": "seen"}, says=_TEXT, capture=_COUNT, packets={**_list(_PACKET), "minItems": 1}),
        _object(kind={"const": "missing"}, says=_TEXT, capture=_COUNT, after_packet=_PACKET, waited_ns=_COUNT),
        _object(kind={"const": "logged"}, says=_TEXT, log=_COUNT, lines=_list(_PACKET)),
        _object(kind={"const": "configured"}, says=_TEXT, path=_TEXT_OR_NULL, lines=_list(_PACKET)),
    ]
}
_FINDING = _object(
    id=_TEXT,
    rule={"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
    cause=_TEXT,
    title=_TEXT,
    severity={"enum": ["error", "warning", "note"]},
    confidence=_CONFIDENCE,
    client=_TEXT,
    server=_TEXT,
    direction={"enum": ["client-to-server", "server-to-client"]},
    summary=_TEXT,
    flows=_list(_TEXT),
    referrals=_list(_TEXT),
    evidence={**_list(_EVIDENCE), "minItems": 1},
    errors=_list(_object(code=_STATUS, symbol=_TEXT_OR_NULL)),
    next_observation=_TEXT_OR_NULL,
    remedies=_list(
        _object(
            id=_TEXT,
            where=_TEXT,
            why=_TEXT,
            commands=_list(_COMMAND),
            opens=_TEXT,
            price=_TEXT,
            restart=_TEXT_OR_NULL,
            replay=_TEXT_OR_NULL,
            replay_detail={"oneOf": [_REPLAY, {"type": "null"}]},
        )
    ),
    filter=_TEXT_OR_NULL,
)
_ACCOUNTING = _object(
    packets=_COUNT,
    packets_in_flows=_COUNT,
    packets_skipped={"type": "object", "additionalProperties": _COUNT},
    stream_bytes=_COUNT,
    bytes_in_pdus=_COUNT,
    bytes_skipped=_COUNT,
    bytes_missing=_COUNT,
    requests=_COUNT,
    request_fates={"type": "object", "additionalProperties": _COUNT},
)

_VERDICT = _object(
    flow=_TEXT,
    client=_END,
    server=_END,
    passes={"type": ["boolean", "null"]},
    action={"enum": ["allow", "drop", "reject", "reset"]},
    reason={
        "enum": [
            "rule", "shadowed", "default", "pinhole", "pinhole_expired", "not_learnt_sealed", "not_learnt_fragmented",
            "not_learnt_segmented", "not_learnt_ndr64", "not_learnt_message_type", "not_learnt_unseen", "uuid_denied",
            "strict_non_epm", "nat_binding_unreachable", "idle_forgotten", "reverse_not_permitted",
            "stealth_closed_port", "not_authenticated", "return_path", "not_in_path", "undecided",
        ]
    },
    at={"enum": ["syn", "bind", "idle"]},
    rule=_TEXT_OR_NULL,
    place={"type": ["integer", "null"]},
    position={"type": ["integer", "null"], "minimum": 0},
    setting=_TEXT_OR_NULL,
    packet=_PACKET_OR_NULL,
    shadows=_TEXT_OR_NULL,
    says=_TEXT,
    sees=_TEXT,
    flips={
        "anyOf": [
            _object(
                says=_TEXT,
                position={"type": ["integer", "null"], "minimum": 0},
                strict={"type": ["boolean", "null"]},
                alg={"type": ["boolean", "null"]},
                new_rule=_TEXT_OR_NULL,
                parameter=_TEXT_OR_NULL,
            ),
            {"type": "null"},
        ]
    },
    sure={"enum": ["documented", "knowledge", "uncertain"]},
    log=_TEXT_OR_NULL,
)  # fmt: skip
_POLICY = _object(
    name=_TEXT,
    product=_TEXT,
    title=_TEXT,
    path=_TEXT_OR_NULL,
    remarks=_list(_TEXT),
    verdicts=_list(_VERDICT),
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "rpcdiag diagnosis",
    **_object(
        schema_version={"const": 1},
        program=_object(name={"const": "rpcdiag"}, version=_TEXT),
        captures=_list(_CAPTURE),
        logs=_list(_LOG),
        flows=_list(_FLOW),
        flow_groups=_list(
            _object(like=_TEXT, count=_COUNT, first_ns=_TIME, last_ns=_TIME, referrals=_COUNT, calls=_CALLS)
        ),
        referrals=_list(_REFERRAL),
        log_matches=_list(_LOG_MATCH),
        smb_sessions=_list(_SESSION),
        logons=_list(_LOGON),
        names=_list(_NAME),
        tickets=_list(_TICKET),
        processes=_list(_PROCESS),
        statements=_list(_STATEMENT),
        findings=_list(_FINDING),
        accounting=_ACCOUNTING,
    ),
}
SCHEMA["properties"]["policy"] = _POLICY  # only where one was given with --policy

# what one element of each field is called where it stands on a line of its own; fields without one go into `document`
RECORDS = {
    "captures": "capture",
    "logs": "log",
    "flows": "flow",
    "flow_groups": "flow_group",
    "referrals": "referral",
    "log_matches": "log_match",
    "smb_sessions": "smb_session",
    "logons": "logon",
    "names": "name",
    "tickets": "ticket",
    "processes": "process",
    "statements": "statement",
    "findings": "finding",
    "policy": "policy",
    "accounting": "accounting",
}


def _line(record: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The schema of one line: an object of the document, and what it is."""
    return {
        **fields,
        "required": ["record", *fields["required"]],
        "properties": {"record": {"const": record}, **fields["properties"]},
    }


def line_schema() -> dict[str, Any]:
    """The JSON Schema of every line that `-T ndjson` writes, derived from that of the document."""
    fields = SCHEMA["properties"]
    head = {name: schema for name, schema in fields.items() if name not in RECORDS}
    lines = {record: _line(record, fields[name].get("items", fields[name])) for name, record in RECORDS.items()}
    lines["document"] = _line("document", _object(**head))
    return {
        "$schema": SCHEMA["$schema"],
        "title": "a line of rpcdiag's NDJSON",
        "type": "object",
        "required": ["record"],
        "properties": {"record": {"enum": sorted(lines)}},
        "allOf": [
            {"if": {"properties": {"record": {"const": record}}}, "then": {"$ref": f"#/$defs/{record}"}}
            for record in sorted(lines)
        ],
        "$defs": {record: lines[record] for record in sorted(lines)},
    }
