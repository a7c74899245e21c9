"""Lines of a firewall log that were pasted: which of them decides, who it names, what its port is, what its code means."""

import re
from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.dissect import status
from rpcdiag.logs.isa_names import is_system

if TYPE_CHECKING:  # loaded only where the text looks like a log
    from rpcdiag.logs.entry import LogEntry

MAX_LINES = 5000
MAX_SHOWN = 3
_ADDRESS = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\.\d)|(?:(?<![\w:])|(?<=[a-z]:))[0-9a-f]{1,4}:[0-9a-f:]{2,38}(?![\w:])",
    re.I,
)
_PORTS = {
    53: "DNS", 80: "HTTP", 88: "Kerberos", 123: "time", 135: "the endpoint mapper", 137: "NetBIOS names",
    138: "NetBIOS datagrams", 139: "SMB over NetBIOS", 389: "LDAP", 443: "HTTPS", 445: "SMB, which carries RPC pipes",
    464: "Kerberos passwords", 593: "the endpoint mapper over HTTP", 636: "LDAP over TLS", 3268: "the global catalogue",
    5718: "DPM", 5719: "DPM", 5985: "WinRM", 5986: "WinRM over TLS", 9389: "AD web services",
}  # fmt: skip
_MAPPER = (135, 593)


class Line(NamedTuple):
    """Rows of a log that say the same; `entry` is the first of them."""

    entry: "LogEntry"
    times: int
    says: tuple[str, ...]
    rules: tuple[str, ...]


class Pasted(NamedTuple):
    """What the pasted rows are, and those that decide, the most decisive first."""

    format: str
    title: str
    rows: int
    drops: int
    lines: tuple[Line, ...]


def looks_like_a_row(line: str) -> bool:
    """Whether numbers in this line are addresses, ports and sizes rather than codes."""
    return len(_ADDRESS.findall(line)) >= 2 or " SRC=" in line


def read(text: str) -> Pasted | None:
    """The rows of a text; None where it is no log."""
    if len(_ADDRESS.findall(text)) < 2:
        return None
    from rpcdiag import plugins
    from rpcdiag.logs.entry import LogEntry

    lines = [line.strip(" \r") for line in text.split("\n")[:MAX_LINES]]
    head = "\n".join(lines)[: 64 * 1024]
    for one in plugins.discover("rpcdiag.logs.formats", "FORMAT"):
        if one.why_not(head) is None:
            entries = [entry for entry in one.parse(lines) if isinstance(entry, LogEntry)]
            if entries:
                return _pasted(one.name, one.title, entries)
    return None


def _pasted(name: str, title: str, entries: "list[LogEntry]") -> Pasted:
    groups: dict[tuple[object, ...], list[LogEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.action, entry.protocol, entry.source, entry.destination, entry.destination_port,
                           entry.rule, entry.code, entry.flags), []).append(entry)  # fmt: skip
    ordered = sorted(groups.values(), key=lambda group: (-_weight(group[0]), -len(group), group[0].line))
    chosen = [group for group in ordered if _weight(group[0]) > 0][:MAX_SHOWN] or ordered[:1]
    drops = sum(entry.drops for entry in entries)
    return Pasted(name, title, len(entries), drops, tuple([_line(group, name) for group in chosen]))


def _weight(entry: "LogEntry") -> int:
    """How much a row can decide: a drop of TCP to where RPC lives, most; noise to everybody, nothing."""
    destination = entry.destination
    if destination is None or destination.is_multicast or str(destination).endswith(".255"):
        return 0
    weight = 4 if entry.drops or _killed(entry) else 0
    if weight and entry.protocol == "tcp":
        weight += 2
        weight += 2 if entry.destination_port in _MAPPER or is_dynamic(entry.destination_port) else 0
    return weight


def _killed(entry: "LogEntry") -> bool:
    return entry.code == 0x80074E24


def is_dynamic(port: int | None) -> bool:
    """Whether RPC hands out such ports by itself: since Vista from 49152 on."""
    return port is not None and port >= 49152


def what_port(port: int) -> str:
    """`port 135, the endpoint mapper`"""
    from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS

    name = _PORTS.get(port) or FIXED_TCP_PORTS.get(port)
    if name:
        return f"port {port}, {name}"
    if is_dynamic(port):
        return f"port {port}, a dynamic one: another at the next start of the service"
    return f"port {port}, dynamic on Server 2003 and older" if 1024 < port <= 5000 else f"port {port}"


def _line(group: "list[LogEntry]", format: str) -> Line:
    entry = group[0]
    says = [_headline(entry, len(group))]
    port = entry.destination_port
    if port is not None:
        says.append(f"The destination is {what_port(port)}.")
    says += _by_whom(entry, format)
    if entry.flags and "S" not in entry.flags and entry.drops:
        says.append("The packet does not open a connection: the firewall did not know its beginning.")
    elif entry.flags and "S" in entry.flags and "A" in entry.flags and entry.drops:
        says.append("A SYN-ACK was dropped: the way back does not pass where the SYN had passed.")
    if entry.rule and is_system(entry.rule):
        says.append("It is a system policy rule: these decide before any rule of your own, and are hidden by default.")
    if entry.code:
        says.append(_code(entry))
    return Line(entry, len(group), tuple(says), _rules(entry))


def _headline(entry: "LogEntry", count: int) -> str:
    word = {"drop": "dropped", "reject": "rejected", "reset": "reset", "allow": "let through", "open": "opened",
            "close": "closed", "fail": "failed"}.get(entry.action, "reported")  # fmt: skip
    times = f", {count} times" if count > 1 else ""
    rule = f" by rule '{entry.rule}'" if entry.rule and entry.rule != "-" else ""
    return (
        f"Line {entry.line}: {entry.protocol.upper()} {_end(entry.source, entry.source_port)} -> "
        f"{_end(entry.destination, entry.destination_port)} was {word}{rule}{times}."
    )


def _end(address: object, port: int | None) -> str:
    return f"{address or '?'}{f' port {port}' if port is not None else ''}"


def _by_whom(entry: "LogEntry", format: str) -> list[str]:
    if not entry.drops or entry.code or (entry.flags and entry.flags != "S"):
        return []
    profile = ", in the active profile" if format == "windows-firewall" else ""
    if entry.path == "in":
        return [f"{entry.destination} itself dropped it on arrival: an inbound rule is missing there{profile}."]
    if entry.path == "out":
        return [f"{entry.source} itself dropped it before anything was sent: an outbound rule of its own."]
    return []


def _code(entry: "LogEntry") -> str:
    code = entry.code or 0
    name = entry.code_name or status.status_name(code)
    meaning = status.status_meaning(code)
    return f"Result code 0x{code:08X}{f' {name}' if name else ''}{f': {meaning}' if meaning else ''}."


def _rules(entry: "LogEntry") -> tuple[str, ...]:
    if _killed(entry):
        return ("strict-filter", "shadowed-by-system-rule")
    if entry.code == 0xC0040017 or (entry.drops and entry.flags and ("S" not in entry.flags or "A" in entry.flags)):
        return ("non-syn-dropped", "asymmetric-path")
    if not entry.drops:
        return ()
    if entry.path == "out":
        return ("outbound-blocked",)
    if entry.destination_port in _MAPPER:
        return ("mapper-blocked",)
    return ("dynamic-port-blocked", "ephemeral-port-rule") if is_dynamic(entry.destination_port) else ()
