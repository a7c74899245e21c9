"""Check Point: rows of `fw log`, of the syslog exporter and of an exported table.

Told by `[action:"Drop"; ...]`, by `rule: 113; ... src: ...;` behind a time, or by rows of a tracker export with the
time and action in quotes. The destination port is called service. Rule 0 is an implied rule. A refusal with
`tcp_packet_out_of_state` is a packet without a connection, not one that a rule forbids; a UUID of a refused RPC
interface is shown where the row has it. `time:` is UTC; what `fw log` prints is local.
Cannot tell: the sequence number; a port that is written as a name, unless it is a well-known one. The order of the two
port columns in the tracker's export is inferred from one sample.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from rpcdiag.logs import moments, syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import address, number, port
from rpcdiag.logs.record import rows
from rpcdiag.model.packets import Address

_EXPORT = (
    "",
    "date",
    "time",
    "ifname",
    "origin",
    "",
    "action",
    "service",
    "s_port",
    "src",
    "dst",
    "proto",
    "rule",
    "rule_name",
)
_REASONS = ("tcp_packet_out_of_state", "message_info", "reason", "info", "TCP packet out of state", "message")
_SERVICES = {
    "epmap": 135,
    "dce-rpc": 135,
    "http": 80,
    "https": 443,
    "microsoft-ds": 445,
    "nbsession": 139,
    "domain-udp": 53,
}


@cache
def _bracketed() -> re.Pattern[str]:
    """`name:"value"`, where brackets and quotes of a value are escaped."""
    return re.compile(r'([A-Za-z_][\w -]{0,60}?) ?: ?"((?:[^"\\]|\\.)*)"')


@cache
def _printed() -> re.Pattern[str]:
    """`3Sep2007 15:12:08 drop   192.168.11.7 >eth8 `, seconds or more exact; the time can have no date."""
    return re.compile(
        r"(?:(\d{1,2}) ?([A-Z][a-z]{2}) ?(\d{4}) )? {0,3}(\d{1,2}:\d\d:\d\d) +(?:\d+ [A-Z] [0-9a-f]+ )?"
        r"([a-z]+) +(\S+) +([<>])(\S+) "
    )


@cache
def _exported() -> re.Pattern[str]:
    return re.compile(r'^"\d+"[ ,]"(\d{1,2}[A-Z][a-z]{2}\d{4})"[ ,]"(\d{1,2}:\d\d:\d\d)"[ ,]')


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(_kind(line) for line in head.splitlines()[:200]):
        return None
    return 'not checkpoint: no [action:"..."; ...], no row of fw log with src: and rule:, no exported row'


def _kind(line: str) -> str | None:
    if "[" in line and ('action:"' in line or 'Action:"' in line) and ('src:"' in line or 'origin:"' in line):
        return "bracketed"
    if "; src: " in line and "; dst: " in line and _printed().search(line):
        return "printed"
    return "exported" if line.startswith('"') and _exported().match(line) else None


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row)


def _row(line: int, text: str) -> LogEntry | BadLine:
    match _kind(text):
        case "bracketed":
            return _from_syslog(line, text)
        case "printed":
            return _from_fw_log(line, text)
        case "exported":
            return _from_table(line, text)
        case _:
            return BadLine(line, "neither a row of fw log nor one of the exporter")


def _from_syslog(line: int, text: str) -> LogEntry:
    fields: dict[str, str] = {}
    for name, value in _bracketed().findall(text):
        fields.setdefault(name.lower(), value)
    envelope = syslog.opened(text)
    moment = moments.epoch(fields["time"]) if fields.get("time", "").isdigit() else envelope[:3]
    return _entry(line, moment, fields, fields.get("origin") or envelope.device)


def _from_fw_log(line: int, text: str) -> LogEntry:
    found = _printed().search(text)
    if found is None:
        raise ValueError(text[:40])
    day, month, year, clock, action, device, direction, interface = found.groups()
    fields = {"action": action, "ifdir": "inbound" if direction == ">" else "outbound", "ifname": interface}
    for part in text[found.end() :].split(";"):
        name, colon, value = part.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    moment = moments.named(month, day, year, f"{clock:>08}") if day else None
    return _entry(line, moment, fields, device)


def _from_table(line: int, text: str) -> LogEntry:
    fields = dict(zip(_EXPORT, text.strip('"').replace('","', '" "').split('" "'), strict=False))
    date = fields["date"]
    moment = moments.named(date[-7:-4], date[:-7], date[-4:], f"{fields['time']:>08}")
    return _entry(line, moment, fields, fields["origin"])


def _entry(
    line: int, moment: tuple[int | None, int, str] | None, fields: dict[str, str], device: str | None
) -> LogEntry:
    ns, resolution, basis = moment or (None, 1_000_000_000, "local")
    name = words.transport(fields.get("proto"))
    ported = words.has_ports(name)
    source, destination = _address(fields.get("src")), _address(fields.get("dst"))
    service = fields.get("service", "")
    source_port = port(fields.get("s_port")) if ported else None
    destination_port = (port(service) or _SERVICES.get(service.lower())) if ported else None
    rule = words.value(fields, ("rule_name", "rule"))
    return LogEntry(
        line=line,
        written_ns=ns,
        resolution_ns=resolution,
        basis=basis,
        action=words.action(fields.get("action")),
        protocol=name,
        source=source,
        source_port=source_port,
        destination=destination,
        destination_port=destination_port,
        path="fwd",
        device=device,
        rule="implied rule (rule 0)" if rule == "0" else rule,
        code_name=_reason(fields),
        service=words.value(fields, ("service_id", "appi_name"))
        or (service if number(service) is None else None)
        or None,
        source_zone=words.value(fields, ("inzone",)),
        destination_zone=words.value(fields, ("outzone",)),
        translated_source=words.translated(source, _address(fields.get("xlatesrc"))),
        translated_source_port=words.translated_port(source_port, fields.get("xlatesport")),
        translated_destination=words.translated(destination, _address(fields.get("xlatedst"))),
        translated_destination_port=words.translated_port(destination_port, fields.get("xlatedport")),
    )


def _address(text: str | None) -> Address | None:
    """An address, also with a name in front: `host (10.0.0.1)`."""
    if text and text.endswith(")"):
        text = text[text.rfind("(") + 1 : -1]
    return address(text)


def _reason(fields: dict[str, str]) -> str | None:
    interface = fields.get("dce-rpc_interface_uuid")
    reason = words.value(fields, _REASONS)
    if reason and "out_of_state" not in reason and fields.get("tcp_packet_out_of_state") == reason:
        reason = f"out of state: {reason}"
    if interface:
        return f"RPC interface {interface}{', ' + reason if reason else ''}"
    return reason


FORMAT = LogFormat("checkpoint", "Check Point, fw log and log exporter", why_not, parse)
