"""CEF, the Common Event Format, of whichever product. [ArcSight CEF implementation standard]

Told by `CEF:0|vendor|product|...`. What the device did is in `act`, else in the outcome or the name of the event; where
no word for it is sure the action is unknown. The rule is in a field of that name, or in a numbered one whose label says
so. Times are counted from 1970 and then UTC, or written out, and then local unless a zone is beside them. Without a
time of its own a row has that of its envelope. Translated ends are read where the product writes them.
Cannot tell: what a product means that has a word of its own for the action: it is unknown then. Sequence numbers,
mostly.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from rpcdiag.logs import moments, syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.record import Ends, made, rows

_TIMES = ("start", "rt", "end", "deviceReceiptTime", "startTime")
_DID = ("act", "deviceAction", "disposition", "outcome", "categoryOutcome")
_REASONS = ("tcp_packet_out_of_state", "reason", "dce-rpc_interface_uuid", "outcome", "msg")
_PATHS = {"0": "in", "1": "out", "inbound": "in", "outbound": "out"}
_HEADER = 8  # parts between bars, the extension is the last
_FLAGS = (("SYN", "S"), ("ACK", "A"), ("FIN", "F"), ("RST", "R"), ("PSH", "P"), ("PUSH", "P"), ("URG", "U"))


@cache
def _head() -> re.Pattern[str]:
    return re.compile(r"CEF: ?\d{1,2}\|[^|]{1,100}\|[^|]{0,100}\|")


@cache
def _bar() -> re.Pattern[str]:
    return re.compile(r"(?<!\\)\|")


@cache
def _name() -> re.Pattern[str]:
    return re.compile(r"[A-Za-z][\w.\[\]-]{1,62}")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if "CEF:" in head and any(_head().search(line) for line in head.splitlines()[:200]):
        return None
    return "not cef: no 'CEF:0|vendor|product|'"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row)


def _row(line: int, text: str) -> LogEntry | BadLine:
    found = _head().search(text)
    parts = _bar().split(text[found.start() :], _HEADER - 1) if found else []
    if found is None or len(parts) < _HEADER:
        return BadLine(line, "no header of CEF with its seven parts")
    return _entry(line, syslog.opened(text[: found.start()]), parts[5], _fields(parts[-1]))


def _fields(text: str) -> dict[str, str]:
    """A value goes on until the next name: a word before a sign of equality that is not escaped."""
    found: dict[str, str] = {}
    name, parts = "", list[str]()
    for word in text.split(" "):
        start, sign, rest = word.partition("=")
        if sign and (start.isidentifier() or _name().fullmatch(start)):
            if name:
                found.setdefault(name, " ".join(parts))
            name, parts = start, [rest]
        else:
            parts.append(word)
    if name:
        found.setdefault(name, " ".join(parts))
    if "\\" in text:
        found = {name: value.replace("\\=", "=").replace("\\|", "|") for name, value in found.items()}
    return {name: value.strip() for name, value in found.items()}


def _entry(line: int, envelope: syslog.Envelope, name: str, fields: dict[str, str]) -> LogEntry:
    written = words.value(fields, _TIMES)
    labels = {label.lower(): fields.get(key[:-5], "") for key, label in fields.items() if key.endswith("Label")}
    proto = words.value(fields, ("proto", "transport", "protocol"))
    return made(
        line,
        moments.any_of(written) if written else (envelope.ns, envelope.resolution_ns, envelope.basis),
        _action(fields, name),
        proto or ("tcp" if "dpt" in fields else None),
        Ends(
            *(fields.get("src"), fields.get("spt"), fields.get("dst"), fields.get("dpt")),
            *(words.value(fields, ("sourceTranslatedAddress",)), fields.get("sourceTranslatedPort")),
            *(words.value(fields, ("destinationTranslatedAddress",)), fields.get("destinationTranslatedPort")),
        ),
        path=_PATHS.get(fields.get("deviceDirection", "").lower(), "unknown"),
        device=words.value(fields, ("dvchost", "deviceExternalId", "dvc", "origin")) or envelope.device,
        flags=_flags(labels.get("tcp flags") or fields.get("tcp_flags")),
        rule=_rule(fields, labels),
        why=words.value(fields, _REASONS),
        service=words.value(fields, ("app", "service")),
        zones=(
            labels.get("source zone") or fields.get("deviceInboundInterface"),
            labels.get("destination zone") or fields.get("deviceOutboundInterface"),
        ),
        connection=words.value(fields, ("sessionid", "sessionId")),
    )


def _action(fields: dict[str, str], name: str) -> str:
    """By the first field that has a word for it, else by a word of the name."""
    if not fields.get("src") and not fields.get("dst"):
        return "info"
    for field in _DID:
        action = words.action(fields.get(field, "").lstrip("/").lower().removeprefix("attempt"))
        if action not in ("unknown", "fail"):  # an outcome of failure is that of the device's work
            return action
    found = (words.action(word.strip(".,:;")) for word in name.split()[:12])
    return next((action for action in found if action in ("allow", "drop", "reject", "reset")), "unknown")


def _rule(fields: dict[str, str], labels: dict[str, str]) -> str | None:
    if direct := words.value(fields, ("rule_name", "ruleName", "rule", "policy", "acl")):
        return direct
    return next((text for label, text in labels.items() if text and ("rule" in label or "policy" in label)), None)


def _flags(text: str | None) -> str | None:
    if not text:
        return None
    upper = text.upper()
    return "".join(letter for word, letter in _FLAGS if word in upper) or None


FORMAT = LogFormat("cef", "CEF, Common Event Format", why_not, parse)
