"""Google Cloud: firewall rules logging and VPC flow logs, exported as JSON.

Told by `jsonPayload` with a connection in it; one entry a line or a list of them. Time is UTC. Only rules with logging
on write, and only their rows say DENIED; rows of VPC flow logs never do: they are samples of what was admitted, read as
of the first packet. The number of rows is limited by the size of the machine: a missing row proves nothing.
Cannot tell: a denial by a rule without logging, and any denial from VPC flow logs alone; sequence numbers.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from rpcdiag.logs import moments
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.jsonrows import objects
from rpcdiag.logs.record import Ends, made

_ACTIONS = {"ALLOWED": "allow", "DENIED": "drop", "INTERCEPTED": "info"}
_PATHS = {"INGRESS": "in", "EGRESS": "out"}


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if '"jsonPayload"' in head and '"src_ip"' in head and '"connection"' in head:
        return None
    return "not gcp-firewall: no JSON with jsonPayload, connection and src_ip"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    for line_number, record in objects(lines):
        if isinstance(record, BadLine):
            yield record
            continue
        payload = _inside(record, "jsonPayload")
        connection = _inside(payload, "connection")
        if not connection:
            yield BadLine(line_number, "no jsonPayload with a connection")
            continue
        try:
            yield _entry(line_number, record, payload, connection)
        except (ValueError, OverflowError) as error:
            yield BadLine(line_number, f"no time: {error}")


def _entry(line: int, record: dict[str, Any], payload: dict[str, Any], connection: dict[str, Any]) -> LogEntry:
    did = _text(payload, "disposition")
    sampled = did is None and "start_time" in payload
    written = (
        _text(payload, "start_time") if sampled else _text(record, "timestamp") or _text(record, "receiveTimestamp")
    )
    rule = _inside(payload, "rule_details")
    instance = _inside(payload, "instance")
    return made(
        line,
        moments.iso(written) if written else (None, 1_000_000_000, "utc"),
        "allow" if sampled else _ACTIONS.get(did or "", "unknown"),
        _text(connection, "protocol"),
        Ends(
            *(_text(connection, "src_ip"), _text(connection, "src_port")),
            *(_text(connection, "dest_ip"), _text(connection, "dest_port")),
        ),
        path=_PATHS.get(_text(rule, "direction") or "", "unknown"),
        device=_text(instance, "vm_name"),
        rule=_text(rule, "reference"),
        zones=(None, _text(instance, "zone")),
    )


def _inside(thing: dict[str, Any], name: str) -> dict[str, Any]:
    found = thing.get(name)
    return found if isinstance(found, dict) else {}


def _text(thing: dict[str, Any], name: str) -> str | None:
    found = thing.get(name)
    return str(found)[:200] if isinstance(found, (str, int)) else None


FORMAT = LogFormat(
    "gcp-firewall", "Google Cloud firewall rules logging and VPC flow logs", why_not, parse, whole_lines=False
)
