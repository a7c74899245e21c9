"""dce_rpc.log and conn.log as Zeek writes them, for whoever has rules and dashboards for those.

dce_rpc.log has a line for every call, in the order of the answers; what got none comes last. Zeek writes answered
calls alone, and not those that it calls noisy (`ignored_operations`): here they all are, and `rpcdiag_fate` says what
became of each. Names are spelled as Zeek spells them where it has one, and are ours where it would say `unknown-`.
conn.log has the connections that a report lists: with RPC, to where RPC was said to be, or towards a mapper. A pipe is
none of them: its calls have the name of the connection that carries its SMB session. Connectionless calls, which
Zeek does not read, are in dce_rpc.log alone.
The same input gives the same bytes: `#open` and `#close` are the times of the first and last packet.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.capture.choice import Engine
from rpcdiag.case import CaptureFacts, CaseFlow
from rpcdiag.flows.flow import Flow, TcpOutcome
from rpcdiag.model.packets import Endpoint
from rpcdiag.report.community import TCP, UDP, community_id
from rpcdiag.report.output import Options
from rpcdiag.report.zeek_names import endpoint, operation
from rpcdiag.track.spoken import Call, Outcome
from rpcdiag.track.transcript import Transcript
from rpcdiag.track.wire import Wire

Value = str | int | None
Line = tuple[Value, ...]


class Log(NamedTuple):
    """The columns of one log, with Zeek's types."""

    path: str
    fields: tuple[str, ...]
    types: tuple[str, ...]


_ID = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
_ID_TYPES = ("time", "string", "addr", "port", "addr", "port")
DCE_RPC = Log(
    "dce_rpc",
    (*_ID, "rtt", "named_pipe", "endpoint", "operation", "community_id", "rpcdiag_fate"),
    (*_ID_TYPES, "interval", "string", "string", "string", "string", "string"),
)
CONN = Log(
    "conn",
    (*_ID, "proto", "service", "duration", "orig_bytes", "resp_bytes", "conn_state", "local_orig", "local_resp",
     "missed_bytes", "history", "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes", "tunnel_parents",
     "community_id"),
    (*_ID_TYPES, "enum", "string", "interval", "count", "count", "string", "bool", "bool",
     "count", "string", "count", "count", "count", "count", "set[string]", "string"),
)  # fmt: skip

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@lru_cache(1024)
def uid(capture_ns: int | None, point: int, client: Endpoint, server: Endpoint, first_packet: int) -> str:
    """Zeek-like: C and digits of base 62; the same connection of the same capture has the same."""
    said = f"{capture_ns} {point} {client} {server} {first_packet}".encode()
    number = int.from_bytes(blake2b(said, digest_size=16).digest(), "big")
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits += _BASE62[digit]
    return "C" + digits.ljust(17, "0")[:17]


def calls(diagnosis: Diagnosis, options: Options) -> Iterator[Line]:
    """The lines of dce_rpc.log: every capture is read again.

    Raises:
        InputError: that is not possible.
    """
    for capture in diagnosis.case.captures:
        transcript = Transcript(Wire(capture.path, Engine(options.engine)).rows())
        for spoken in transcript:
            for call in spoken.calls:
                yield _call(capture, call)
        for call in transcript.open_calls():
            yield _call(capture, call)


def _call(capture: CaptureFacts, call: Call) -> Line:
    ends = call.ends
    known = call.interface
    operated = None if call.opnum is None else operation(known, call.opnum) if known else f"unknown-{call.opnum}"
    asked, answered = call.request_ns, call.answer_ns
    rtt = None if asked is None or answered is None or asked == answered else _seconds(answered - asked)
    started = asked if asked is not None else answered or 0
    protocol = UDP if ends.transport == "ncadg_ip_udp" else TCP
    return (
        _seconds(started),
        uid(capture.first_ns, ends.point, ends.client, ends.server, ends.first_packet),
        str(ends.client.address),
        ends.client.port,
        str(ends.server.address),
        ends.server.port,
        rtt,
        call.secondary_address or ends.pipe,
        endpoint(known) if known else None,
        operated,
        community_id(ends.client, ends.server, protocol),
        _fate(call),
    )


def _fate(call: Call) -> str:
    """`response`, `fault-0x00000005` ..."""
    return f"fault-{call.status:#010x}" if call.status is not None else str(Outcome(call.outcome))


def connections(diagnosis: Diagnosis) -> Iterator[Line]:
    """The lines of conn.log: flows that are no pipes, and the connections that carry pipes."""
    case = diagnosis.case
    pipes: dict[int, bool] = {}  # connections that carry pipes, and whether RPC was spoken in one
    for one in case.flows:
        if one.flow.carrier is not None:
            pipes[one.flow.carrier] = pipes.get(one.flow.carrier, False) or _speaks(one)
    listed = [one for one in case.flows if one.flow.carrier is None]
    known = {one.flow.number for one in listed}
    found: list[tuple[Flow, str | None, int | None]] = [
        (one.flow, "dce_rpc" if _speaks(one) else None, one.rpc.bytes_missing if one.rpc is not None else 0)
        for one in listed
        if one.flow.number not in pipes
    ]
    carriers = [session.flow for session in case.sessions if session.flow.number not in known]
    found += [  # Zeek may add the ways in which it authenticates
        (flow, "smb,dce_rpc" if pipes[flow.number] else "smb", None)
        for flow in (*(one.flow for one in listed), *carriers)
        if flow.number in pipes
    ]
    found.sort(key=lambda one: (one[0].start_ns, one[0].capture, one[0].point, one[0].first_packet))
    for flow, service, missed in found:
        yield _connection(case.captures[flow.capture], flow, service, missed)


def _speaks(one: CaseFlow) -> bool:
    return one.rpc is not None and one.rpc.pdus > 0


def _connection(capture: CaptureFacts, flow: Flow, service: str | None, missed: int | None) -> Line:
    return (
        _seconds(flow.start_ns),
        uid(capture.first_ns, flow.point, flow.client, flow.server, flow.first_packet),
        str(flow.client.address),
        flow.client.port,
        str(flow.server.address),
        flow.server.port,
        "tcp",
        service,
        _seconds(flow.end_ns - flow.start_ns),
        flow.client_bytes,
        flow.server_bytes,
        _state(flow),
        None,
        None,
        missed,
        *(None,) * 6,
        community_id(flow.client, flow.server),
    )


def _state(flow: Flow) -> str:
    """Zeek's conn_state; what a firewall forbade is S0, as it is to Zeek."""
    match flow.outcome:
        case TcpOutcome.UNANSWERED | TcpOutcome.PROHIBITED:
            return "S0"
        case TcpOutcome.REFUSED:
            return "REJ" if flow.reset else "S0"
        case TcpOutcome.MIDSTREAM:
            return "OTH"
        case _:
            pass
    if flow.reset is not None:
        return "RSTO" if flow.reset.from_client else "RSTR"
    client, server = flow.fin_from_client is not None, flow.fin_from_server is not None
    return {(True, True): "SF", (True, False): "S2", (False, True): "S3", (False, False): "S1"}[client, server]


def _seconds(ns: int) -> str:
    """`1600426071.123456`"""
    sign = "-" if ns < 0 else ""
    return f"{sign}{abs(ns) // 1_000_000_000}.{abs(ns) % 1_000_000_000 // 1000:06}"


def tsv(log: Log, lines: Iterator[Line], diagnosis: Diagnosis) -> Iterator[str]:
    """A log in Zeek's tab-separated form."""
    captures = diagnosis.case.captures
    first = min((one.first_ns for one in captures if one.first_ns is not None), default=0)
    last = max((one.last_ns for one in captures if one.last_ns is not None), default=0)
    yield "#separator \\x09"
    yield "#set_separator\t,"
    yield "#empty_field\t(empty)"
    yield "#unset_field\t-"
    yield f"#path\t{log.path}"
    yield f"#open\t{_moment(first)}"
    yield "\t".join(("#fields", *log.fields))
    yield "\t".join(("#types", *log.types))
    for line in lines:
        yield "\t".join([_escaped(value) for value in line])
    yield f"#close\t{_moment(last)}"


def _moment(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%d-%H-%M-%S")


def _escaped(value: Value) -> str:
    """What does not print, and what means something else in this form, as `\\x09`."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    if value in ("", "-", "(empty)"):
        return "(empty)" if not value else f"\\x{ord(value[0]):02x}{value[1:]}"
    text = value.replace("\\", "\\\\")
    if text.isascii() and text.isprintable():
        return text
    bytes_ = text.encode("utf-8", "surrogateescape")
    return "".join(chr(one) if 32 <= one < 127 else f"\\x{one:02x}" for one in bytes_)


def json_lines(log: Log, lines: Iterator[Line], _: Diagnosis) -> Iterator[str]:
    """A log with one JSON object a line; what is not set is left out, as Zeek does."""
    for line in lines:
        yield json.dumps(
            {
                name: float(value) if kind in ("time", "interval") else value
                for name, kind, value in zip(log.fields, log.types, line, strict=True)
                if value is not None
            }
        )


Form = Callable[[Log, Iterator[Line], Diagnosis], Iterator[str]]


def files(form: Form, diagnosis: Diagnosis, options: Options) -> Iterator[tuple[str, Iterator[str]]]:
    """Both logs, each with its name."""
    logs: Sequence[tuple[Log, Iterator[Line]]] = ((DCE_RPC, calls(diagnosis, options)), (CONN, connections(diagnosis)))
    for log, lines in logs:
        yield f"{log.path}.log", form(log, lines, diagnosis)
