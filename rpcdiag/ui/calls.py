"""`rpcdiag calls`: every call of a capture, a line each, as it was made."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from rpcdiag.capture.choice import Engine
from rpcdiag.dissect.auth import level_name
from rpcdiag.dissect.dcerpc import Header
from rpcdiag.dissect.interfaces import operation_name
from rpcdiag.errors import MissingPiece, RpcdiagError
from rpcdiag.report import names
from rpcdiag.track.call_details import Details, details
from rpcdiag.track.spoken import Call, Spoken
from rpcdiag.track.transcript import Transcript
from rpcdiag.track.wire import Wire
from rpcdiag.ui.show import write

OK, UNREADABLE, CUT, MISSING = 0, 2, 3, 4
MAX_WAITING = 1 << 16  # requests whose details wait for the end of their call
_NOTHING = Details()


def calls(paths: list[str], complain: Callable[[object], None], *, as_json: bool) -> int:
    """Print; returns the exit code."""
    codes: set[int] = set()
    write(_lines(paths, complain, codes, as_json=as_json), None)
    return max(codes, default=OK) if MISSING not in codes else MISSING


def _lines(paths: list[str], complain: Callable[[object], None], codes: set[int], *, as_json: bool) -> Iterator[str]:
    for path in paths:
        try:
            wire = Wire(path, Engine())
            for call, asked, answered in _told(wire):
                yield json.dumps(_object(path, call, asked, answered)) if as_json else _line(call, asked, answered)
        except RpcdiagError as error:
            complain(error)
            codes.add(MISSING if isinstance(error, MissingPiece) else UNREADABLE)
            continue
        if wire.trouble is not None:
            complain(wire.trouble)
            codes.add(CUT)


def _told(wire: Wire) -> Iterator[tuple[Call, Details, Details]]:
    """Calls by the time they end, with what their request and their answer say."""
    waiting: dict[tuple[int, int], Details] = {}
    transcript = Transcript(wire.rows())
    for spoken in transcript:
        found, key = details(spoken), _key(spoken)
        own = spoken.calls[-1] if spoken.calls else None
        if key is not None and found != _NOTHING and (own is None or own.answer_packet is None):
            if len(waiting) >= MAX_WAITING:
                del waiting[next(iter(waiting))]
            waiting[key] = found
        for call in spoken.calls:
            asked = waiting.pop((call.serial, call.call_id), _NOTHING)
            yield call, asked, found if call is own and call.answer_packet is not None else _NOTHING
    for call in transcript.open_calls():
        yield call, waiting.pop((call.serial, call.call_id), _NOTHING), _NOTHING


def _key(spoken: Spoken) -> tuple[int, int] | None:
    """Of a call over a connection."""
    return (spoken.row.serial, spoken.header.call_id) if isinstance(spoken.header, Header) else None


def _line(call: Call, asked: Details, answered: Details) -> str:
    ends = call.ends
    client, server = (ends.server, ends.client) if call.backwards else (ends.client, ends.server)
    place = ends.pipe or f"[{server.port}]"
    packets = "-".join(str(one) for one in (call.request_packet, call.answer_packet) if one is not None)
    fate = call.outcome.value if call.status is None else f"fault {names.error(call.status)}"
    level = asked.level if asked.level is not None else answered.level
    words = [
        names.time_of_day(call.request_ns or call.answer_ns or 0), f"#{packets}",
        f"{client.address} -> {server.address}{place}", _operation(call), fate,
        *([level_name(level)] if level is not None else []),
        *asked.says, *answered.says,
    ]  # fmt: skip
    return "  ".join(names.clean(word) for word in words)


def _operation(call: Call) -> str:
    if call.interface is None:
        return f"? operation {call.opnum}" if call.opnum is not None else "?"
    name = names.interface(call.interface)
    if call.opnum is None:
        return name
    return f"{name}.{operation_name(call.interface.uuid, call.opnum) or f'operation {call.opnum}'}"


def _object(path: str, call: Call, asked: Details, answered: Details) -> dict[str, Any]:
    ends = call.ends
    known = call.interface
    return {
        "capture": path,
        "transport": ends.transport,
        "pipe": ends.pipe,
        "client": {"address": str(ends.client.address), "port": ends.client.port},
        "server": {"address": str(ends.server.address), "port": ends.server.port},
        "asked_by_server": call.backwards,
        "interface": {"uuid": known.uuid, "version": known.version, "name": names.interface(known)} if known else None,
        "opnum": call.opnum,
        "operation": operation_name(known.uuid, call.opnum) if known and call.opnum is not None else None,
        "call_id": call.call_id,
        "context_id": call.context_id,
        "object": call.object,
        "auth_level": level_name(asked.level) if asked.level is not None else None,
        "answer_auth_level": level_name(answered.level) if answered.level is not None else None,
        "causality": asked.causality,
        "com_version": asked.com_version,
        "request_packet": call.request_packet,
        "answer_packet": call.answer_packet,
        "request_ns": call.request_ns,
        "answer_ns": call.answer_ns,
        "outcome": call.outcome.value,
        "status": names.code(call.status),
        "says": [*asked.says, *answered.says],
    }
