"""LEEF, the Log Event Extended Format, versions 1.0 and 2.0, of whichever product.

Told by `LEEF:1.0|vendor|product|...`. Values are separated by tabs (which relays write as `#011`), or by what a header
of version 2.0 names. The action is in `action`, `disp` or `act`; where none of them has a word that is sure it is
unknown. Time is `devTime`, local unless a zone is beside it, else that of the envelope.
Cannot tell: what a product means that has a word of its own for the action; the sequence number, but for WatchGuard's
`tcp_seq`.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from rpcdiag.logs import moments, syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.record import Ends, made, rows

_DID = ("disp", "action", "act", "fw_action", "disposition", "status")
_VERSION_2 = "LEEF:2"


@cache
def _head() -> re.Pattern[str]:
    return re.compile(r"LEEF: ?[12](?:\.\d)?\|(?:[^|]{0,100}\|){3}[^|]{0,200}(?:\||$)")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if "LEEF:" in head and any(_head().search(line) for line in head.splitlines()[:200]):
        return None
    return "not leef: no 'LEEF:1.0|vendor|product|'"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row, around=" \r\n\x00")


def _row(line: int, text: str) -> LogEntry | BadLine:
    found = _head().search(text)
    if not found:
        return BadLine(line, "no header of LEEF with its five parts")
    return _entry(line, syslog.opened(text[: found.start()]), _fields(text[found.start() :], text[found.end() :]))


def _fields(whole: str, text: str) -> dict[str, str]:
    separator = "\t"
    if whole.startswith(_VERSION_2):
        named, bar, rest = text.partition("|")
        if bar and len(named) <= 6 and "=" not in named[1:]:
            separator, text = _separator(named), rest
    if separator == "\t" and "\t" not in text:
        text = text.replace("#011", "\t").replace("\\t", "\t")
    found: dict[str, str] = {}
    for piece in text.split(separator):
        name, sign, value = piece.partition("=")
        if sign:
            found.setdefault(name.strip(), value.strip())
    return found


def _separator(named: str) -> str:
    """A character, or its number in hexadecimal."""
    digits = named.lower().removeprefix("0x").removeprefix("x")
    if len(named) > 1 and digits:
        try:
            return chr(int(digits, 16) & 0xFFFF)
        except ValueError:
            return "\t"
    return named or "\t"


def _entry(line: int, envelope: syslog.Envelope, fields: dict[str, str]) -> LogEntry:
    written = words.value(fields, ("devTime",))
    dids = (words.action(fields.get(name)) for name in _DID)
    action = next((one for one in dids if one != "unknown"), "unknown") if fields.get("src") else "info"
    return made(
        line,
        moments.any_of(written) if written else (envelope.ns, envelope.resolution_ns, envelope.basis),
        action,
        words.value(fields, ("proto", "protocol")),
        Ends(
            *(fields.get("src"), fields.get("srcPort"), fields.get("dst"), fields.get("dstPort")),
            *(words.value(fields, ("srcPostNAT",)), fields.get("srcPostNATPort")),
            *(words.value(fields, ("dstPostNAT",)), fields.get("dstPostNATPort")),
        ),
        path={"0": "in", "1": "out"}.get(fields.get("deviceDirection", ""), "unknown"),
        device=words.value(fields, ("identHostName", "devname", "serial")) or envelope.device,
        flags=words.value(fields, ("tcp_flag",)),
        sequence=fields.get("tcp_seq"),
        ttl=fields.get("ip_TTL"),
        rule=words.value(fields, ("policy", "rule", "ruleName", "policyname", "rule_name", "policyid")),
        why=words.value(fields, ("reason", "msg")),
        service=words.value(fields, ("app", "service")),
        zones=(
            words.value(fields, ("in_if", "srcZone", "srcintf")),
            words.value(fields, ("out_if", "dstZone", "dstintf")),
        ),
    )


FORMAT = LogFormat("leef", "LEEF, Log Event Extended Format", why_not, parse)
