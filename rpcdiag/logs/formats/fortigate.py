"""FortiGate: traffic logs, pairs of a name and a value.

Told by `srcip=` and `logid=` or `devid=`; blanks between the pairs, or commas (`set format csv`). A row of a session is written when it ends: close, client-rst, server-rst and
timeout are ends, with the reason; accept is read as of the session's beginning, its duration before. deny is a refusal,
by policy 0 where no policy admits it. `eventtime` is UTC, in seconds or nanoseconds; date and time are the device's,
with a zone in newer versions. The dynamic port of an RPC helper's session appears under the policy of its parent.
Cannot tell: the sequence number; a session that has not ended yet, unless the policy logs its start (`set
logtraffic-start enable`).
"""

from collections.abc import Iterable, Iterator

from rpcdiag.logs import moments, syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import SECOND, address, number, port
from rpcdiag.logs.record import rows

_ACTIONS = {
    "accept": "allow",
    "start": "open",
    "close": "close",
    "client-rst": "close",
    "server-rst": "close",
    "timeout": "close",
    "ip-conn": "fail",
    "dns": "info",
}
_BY_COMMAS = ",srcip="
_INTERIM = "0020"  # end of the log id of statistics of a session that goes on


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    for line in head.splitlines()[:200]:
        if "srcip=" in line and ("logid=" in line or "devid=" in line) and "dstip=" in line:
            return None
    return "not fortigate: no line with logid= or devid=, srcip= and dstip="


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row)


def _row(line: int, text: str) -> LogEntry | BadLine:
    fields = words.pairs(text, commas=_BY_COMMAS in text)
    if "action" not in fields and "logid" not in fields:
        return BadLine(line, "no logid= and no action= in it")
    if fields.get("sub") == "packetfilter" or "device_id" in fields:  # of other products, in the same file
        return BadLine(line, "not of a FortiGate")
    return _entry(line, text, fields)


def _entry(line: int, text: str, fields: dict[str, str]) -> LogEntry:
    ns, resolution, basis = _when(text, fields)
    did = fields.get("action", "")
    action = _ACTIONS.get(did) or words.action(did)
    if fields.get("type", "traffic") == "event":
        action = "info"
    elif fields.get("logid", "").endswith(_INTERIM) and action in ("allow", "close"):
        action = "progress"
    elif action == "allow" and ns is not None and (lasted := number(fields.get("duration"))):
        ns, resolution = ns - (lasted + 1) * SECOND, resolution + SECOND
    name = words.transport(fields.get("proto") or "tcp")
    ported = words.has_ports(name)
    source, destination = address(fields.get("srcip")), address(fields.get("dstip"))
    source_port = port(fields.get("srcport")) if ported else None
    destination_port = port(fields.get("dstport")) if ported else None
    policy = words.value(fields, ("policyname", "policyid"))
    return LogEntry(
        line=line,
        written_ns=ns,
        resolution_ns=resolution,
        basis=basis,
        action=action,
        protocol=name,
        source=source,
        source_port=source_port,
        destination=destination,
        destination_port=destination_port,
        path="in" if fields.get("subtype") == "local" else "fwd",
        device=fields.get("devname") or fields.get("devid"),
        rule="implicit deny (policy 0)" if policy == "0" else policy,
        code_name=_reason(fields, did),
        service=words.value(fields, ("service", "app")),
        source_zone=fields.get("srcintf"),
        destination_zone=fields.get("dstintf"),
        connection=_session(fields),
        translated_source=words.translated(source, address(fields.get("transip"))),
        translated_source_port=words.translated_port(source_port, fields.get("transport")),
        translated_destination=words.translated(destination, address(fields.get("tranip"))),
        translated_destination_port=words.translated_port(destination_port, fields.get("tranport")),
    )


def _reason(fields: dict[str, str], did: str) -> str | None:
    """Why, where the action alone does not tell all."""
    if did in ("client-rst", "server-rst", "ip-conn"):
        return did
    if did == "timeout":
        return "timeout, nothing came back" if fields.get("rcvdpkt") == "0" else did
    return words.value(fields, ("msg",))


def _session(fields: dict[str, str]) -> str | None:
    session = fields.get("sessionid")
    return None if not session or session == "0" else session


def _when(text: str, fields: dict[str, str]) -> tuple[int | None, int, str]:
    """The time in UTC where there is one, else as the device writes it, else that of the envelope.

    Raises:
        ValueError: no such time.
    """
    if "eventtime" in fields:
        return moments.epoch(fields["eventtime"])
    if "date" in fields and "time" in fields:
        return moments.iso(f"{fields['date']} {fields['time']}{fields.get('tz', '')}")
    return syslog.opened(text)[:3]


FORMAT = LogFormat("fortigate", "FortiGate, traffic log", why_not, parse)
